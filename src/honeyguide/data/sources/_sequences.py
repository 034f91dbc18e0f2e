"""Sets that come as one person a line (their number, then items in order of time) with attributes of items as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read


def read_sequences(sequences: Path, attributes: Path, *, positive: str, name: str) -> Dataset:
    """The events in order, without times; `attributes` of each item are numbers separated by |."""
    lines = [np.array(line.split(), dtype=np.int64) for line in sequences.read_text(encoding="ascii").splitlines()]
    events = pl.DataFrame(
        {
            "user": np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines]),
            "item": np.concatenate([line[1:] for line in lines]),
        }
    )
    known = json.loads(attributes.read_text(encoding="ascii"))
    table = pl.DataFrame(
        {
            "item": [int(item) for item in known],
            "attributes": ["|".join(str(each) for each in sorted(set(values))) for values in known.values()],
        }
    )
    return read(events, items=table, positive=positive, name=name)
