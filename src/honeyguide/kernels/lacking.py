"""The r-th item that a person does not have, by one binary search in what the person has: O(log n) each."""

from __future__ import annotations

from honeyguide.arrays import IntArray, LongArray
from honeyguide.kernels.compiled import kernel


@kernel
def nth_lacking(
    start: int, stop: int, users: IntArray, indptr: LongArray, gaps: IntArray, wanted: LongArray, out: IntArray
) -> None:
    """Set out[b] (count,) to the items of rank wanted[b] (count,) among those that users[b] lacks, b in start … stop.

    `gaps` (E,) are the items that people have, ascending in each row of `indptr` (U + 1,), each less its place there.
    """
    for row in range(start, stop):
        first, end = indptr[users[row]], indptr[users[row] + 1]
        for column in range(wanted.shape[1]):
            rank = wanted[row, column]
            low, count = first, end - first
            while count > 1:  # without a branch on what is found, which nobody could foretell
                half = count >> 1
                low += half if gaps[low + half - 1] <= rank else 0
                count -= half
            if count == 1 and gaps[low] <= rank:
                low += 1
            out[row, column] = rank + low - first
