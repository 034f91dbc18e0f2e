"""Packed rows: every sequence once, within its row, over no other; rows nearly full; against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.kernels.packing import first_fit


def packed(lengths: list[int], width: int, open_rows: int) -> tuple[int, list[int], list[int]]:
    row, start = np.full(len(lengths), -1, np.int32), np.full(len(lengths), -1, np.int32)
    scratch = np.empty(open_rows, np.int32), np.empty(open_rows, np.int32)
    rows = first_fit(np.array(lengths, np.int32), width, *scratch, row, start)
    return int(rows), row.tolist(), start.tolist()


def by_hand(lengths: list[int], width: int, open_rows: int) -> tuple[int, list[int], list[int]]:
    """First fit over slots that hold at most one open row each, the fullest giving way."""
    slots: list[list[int]] = []  # [row, used]
    rows, row, start = 0, [], []
    for length in lengths:
        found = next((slot for slot in slots if slot[1] + length <= width), None)
        if found is None:
            found = [rows, 0]
            rows += 1
            if len(slots) < open_rows:
                slots.append(found)
            else:
                slots[max(range(open_rows), key=lambda at: slots[at][1])] = found
        row.append(found[0])
        start.append(found[1])
        found[1] += length
    return rows, row, start


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(9, 20), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_it_is_first_fit(lengths: list[int], width: int, open_rows: int) -> None:
    assert packed(lengths, width, open_rows) == by_hand(lengths, width, open_rows)


def test_rows_are_nearly_full_and_nothing_lies_over_another() -> None:
    lengths = np.random.default_rng(0).geometric(0.15, 3000).clip(max=50).tolist()
    rows, row, start = packed(lengths, 50, 64)
    cells = np.zeros((rows, 50), int)
    for at, length, first in zip(row, lengths, start, strict=True):
        assert first + length <= 50
        cells[at, first : first + length] += 1
    assert cells.max() == 1
    assert cells.mean() > 0.95
