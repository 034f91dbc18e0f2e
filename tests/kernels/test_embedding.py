"""Entries of a batch grouped by row; what rows are read and moved by, training/test_tables.py holds to plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from honeyguide.arrays import read_only
from honeyguide.kernels.embedding import add_up, group, squares


@pytest.mark.parametrize("whole", [False, True])
def test_entries_are_grouped_by_row(whole: bool) -> None:
    ids, place = np.random.default_rng(0).integers(0, 50, 120).astype(np.int32), np.full(80, -1, np.int32)
    rows, begin, order = np.empty(80, np.int32), np.empty(81, np.int64), np.empty(120, np.int32)
    count = group(read_only(ids), whole, place, rows, begin, order)
    first = list(dict.fromkeys(ids.tolist()))
    assert rows[:count].tolist() == (list(range(80)) if whole else first)
    for at in range(count):
        np.testing.assert_array_equal(order[begin[at] : begin[at + 1]], np.flatnonzero(ids == rows[at]))
    assert (place == -1).all()


@pytest.mark.parametrize("length", range(10))
def test_a_sum_of_any_number_of_rows(length: int) -> None:
    rng = np.random.default_rng(length)
    table, ids = rng.normal(size=(12, 9)).astype(np.float32), rng.integers(0, 12, length).astype(np.int32)
    share, indptr = rng.normal(size=length).astype(np.float32), np.array([0, 0, length], np.int64)
    out = np.full((2, 3), 7.0, np.float32)
    add_up(0, 2, read_only(indptr), read_only(ids), read_only(share), table, out)
    assert not out[0].any()
    np.testing.assert_allclose(out[1], share @ table[ids, :3], rtol=1e-5, atol=1e-6)


def test_squares_are_of_the_vectors_without_their_moments() -> None:
    table = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    assert squares(2, 5, table) == pytest.approx(float((table[2:5, :3].astype(np.float64) ** 2).sum()), rel=1e-6)
