"""Several short sequences in one row, so that hardly any work is done on padding.

First fit over a number of open rows: a sequence goes to the first one that has room for it. O(sequences * open rows).
"""

from __future__ import annotations

from honeyguide.arrays import IntArray
from honeyguide.kernels.compiled import kernel


@kernel
def first_fit(lengths: IntArray, width: int, free: IntArray, number: IntArray, row: IntArray, start: IntArray) -> int:
    """The row and the start in it of each sequence (W,), none longer than `width`; returns the number of rows.

    `free` and `number` (K,) are scratch: what room the open rows have, and which they are. The fullest of them is
    closed when a sequence fits none.
    """
    rows = 0
    for at in range(len(free)):
        free[at] = -1  # not opened yet
    for sequence in range(len(lengths)):
        length, place, fullest = lengths[sequence], -1, 0
        for at in range(len(free)):
            if free[at] >= length:
                place = at
                break
            if free[at] < free[fullest]:
                fullest = at
        if place < 0:
            place = fullest
            free[place], number[place] = width, rows
            rows += 1
        row[sequence], start[sequence] = number[place], width - free[place]
        free[place] -= length
    return rows
