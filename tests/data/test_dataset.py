"""The rule for positives, fingerprints, and tables in the caller's kind of frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from honeyguide.data.dataset import NO_TIME, Dataset, Positive
from honeyguide.errors import ParameterError

Make = Callable[..., Dataset]


def test_positive_rules() -> None:
    values = np.array([3.5, 4.0, 4.5], dtype=np.float32)
    assert Positive().mask(values).tolist() == [True] * 3
    assert Positive(">=4").mask(values).tolist() == [False, True, True]
    assert Positive("> 4.0").mask(values).tolist() == [False, False, True]
    with pytest.raises(
        ParameterError, match=r"positive must be 'every event' or a rule such as '>=4' or '>0', got '<4'"
    ):
        Positive("<4")


def test_fingerprint_follows_the_data_and_the_rule(make: Make) -> None:
    rows = [("u", "a", 1.0, 1), ("v", "b", 2.0, 2)]
    data = make(rows)
    assert data.fingerprint == make(rows).fingerprint
    others = [
        make([("u", "a", 1.0, 1), ("v", "b", 2.5, 2)]),
        make([("u", "a", 1.0, 1), ("v", "c", 2.0, 2)]),
        data.with_positive(">=2"),
    ]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_table_returns_what_went_in(make: Make) -> None:
    data = make([("u,1", "b", 3.5, 7), ("é", "a", 0.5, 8)])
    assert data.table().rows() == [("u,1", "b", 3.5, 7), ("é", "a", 0.5, 8)]
    unknown = replace(data, times=np.array([7, NO_TIME]))
    assert unknown.table()["time"].to_list() == [7, None]
    pandas = replace(data, schema=replace(data.schema, frame="pandas")).table()
    assert type(pandas).__module__.startswith("pandas")
    assert pandas["user"].tolist() == ["u,1", "é"]


def test_parts_share_the_schema(make: Make) -> None:
    data = make([("u", "a", 1.0, 1), ("v", "b", 2.0, 2), ("v", "c", 3.0, 3)])
    part = data.take(np.array([True, False, False]))
    assert part.schema is data.schema
    assert (len(part), part.n_users, part.n_items) == (1, 2, 3)
