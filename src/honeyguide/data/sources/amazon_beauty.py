"""Amazon reviews of beauty products as sequences: 198,502 events, 22,363 people, 12,101 items.

In the form of S3-Rec (Zhou et al. 2020, arXiv:2008.07873).
"""

from __future__ import annotations

from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.data.sources._files import Files, notice
from honeyguide.data.sources._sequences import read_sequences

FILES = Files(
    "amazon-beauty",
    "amazon-beauty",
    "https://github.com/aHuiWang/CIKM2020-S3Rec",
    {
        "Beauty.txt": "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
        "Beauty_item2attributes.json": "129e40f67486f6877eff0f5318cfa8530ee8ac23d8b0d1de04e1bb7a2ba0b2d4",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The events in order of time, with the attributes of each item (numbers without names)."""
    sequences, attributes = FILES.find("Beauty.txt", "Beauty_item2attributes.json", folder=folder)
    notice("amazon-beauty", "The Amazon review data are for research")
    return read_sequences(sequences, attributes, positive=positive, name=FILES.name)
