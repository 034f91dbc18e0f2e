"""What a model is shown of people who are asked; what counts as relevant is in test_evaluation.py."""

from __future__ import annotations

import numpy as np
import polars as pl

import honeyguide as hg
from honeyguide.evaluate.exam import exam


def test_everyone_is_asked_at_the_moment_of_their_first_test_event() -> None:
    rows = {"user": [1, 1, 1, 2, 2], "item": [5, 6, 7, 5, 6], "time": [10, 30, 20, 40, 50]}
    events = pl.DataFrame({**rows, "device": ["a", "b", "c", "d", "e"]})
    data = hg.read(events, context=["device"])
    profiles = exam(data.take(np.array([0, 3])), data.take(np.array([1, 2, 4]))).profiles
    assert profiles.at is not None
    assert profiles.context is not None
    assert profiles.at.tolist() == [20, 50]
    assert profiles.context.rows() == [("c",), ("e",)]
    bare = hg.read(events.drop("time"))
    profiles = exam(bare.take(np.array([0, 3])), bare.take(np.array([1, 4]))).profiles
    assert (profiles.at, profiles.context) == (None, None)
