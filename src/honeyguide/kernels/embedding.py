"""Rows of a table of vectors that a batch names: grouped by row, brought up to date, read or summed, moved by Adam.

A table is packed, (N, 3 F): the vector of a row, then its two moments m and v in Adam, so that all that a step needs of
a row lies in one place. What a batch names are E entries: `ids` (E,) their rows, `owner` (E,) the row of the batch that
each belongs to, `share` (E,) what it counts there. A look-up has one entry of share 1 for each row of the batch.
The arithmetic is that of training/tables.py. O(E F) time; what is allocated is a line of F numbers.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel, summing_kernel


@kernel
def group(
    ids: IntArray, whole: bool, place: IntArray, rows: IntArray, begin: LongArray, order: IntArray
) -> int:  # fmt: skip
    """The number n of distinct ids; they are in rows[:n], the entries of rows[j] in order[begin[j]:begin[j + 1]].

    Rows are in the order of their first entry, or all of the table's in theirs if `whole`; entries in their own.
    `place` (N,) is scratch, -1 before and after; rows and begin have room for min(E, N) or N, begin for one more.
    """
    count = len(place) if whole else 0
    for at in range(count):
        rows[at] = at
        place[at] = at
        begin[at + 1] = 0
    for entry in range(len(ids)):
        at = place[ids[entry]]
        if at < 0:
            at = count
            place[ids[entry]] = at
            rows[at] = ids[entry]
            begin[at + 1] = 0
            count += 1
        begin[at + 1] += 1
    begin[0] = 0
    for at in range(count):
        begin[at + 1] += begin[at]
    for entry in range(len(ids)):
        at = place[ids[entry]]
        order[begin[at]] = entry
        begin[at] += 1
    for at in range(count, 0, -1):  # each begin is where the next row's was
        begin[at] = begin[at - 1]
    begin[0] = 0
    for at in range(count):
        place[rows[at]] = -1
    return count


@kernel
def catch_up(
    start: int, stop: int, rows: IntArray, last: IntArray, step: int, tail: DoubleArray, powers: DoubleArray,
    epsilon: float, table: FloatArray,
) -> None:  # fmt: skip
    """Bring the rows rows[start:stop] from step last[row] to `step`, as dense Adam would without a gradient.

    tail (n,) is T of the steps 0, 1, …, powers (n, 3) are r^k, b1^k and b2^k of k = 0, 1, …
    """
    width = table.shape[1] // 3
    for at in range(start, stop):
        row = rows[at]
        gap = step - last[row]
        if gap > 0 and last[row] > 0:  # before its first step a row has no moments
            move = np.float32(tail[last[row]] - powers[gap, 0] * tail[step])
            keep_1, keep_2 = np.float32(powers[gap, 1]), np.float32(powers[gap, 2])
            x, m, v = table[row, :width], table[row, width : 2 * width], table[row, 2 * width :]
            for k in range(width):
                x[k] -= move * m[k] / (np.sqrt(v[k]) + np.float32(epsilon))
                m[k] *= keep_1
                v[k] *= keep_2
        last[row] = step


@kernel
def settle(
    start: int, stop: int, last: IntArray, step: int, tail: DoubleArray, powers: DoubleArray, epsilon: float,
    table: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Set out (N, F) to the vectors that `catch_up` would leave, for the rows start … stop; the table stays."""
    width = out.shape[1]
    for row in range(start, stop):
        move = np.float32(0.0)
        if last[row] > 0:
            move = np.float32(tail[last[row]] - powers[step - last[row], 0] * tail[step])
        x, m, v, to = table[row, :width], table[row, width : 2 * width], table[row, 2 * width :], out[row]
        for k in range(width):
            to[k] = x[k] - move * m[k] / (np.sqrt(v[k]) + np.float32(epsilon))


@kernel
def take(start: int, stop: int, ids: IntArray, table: FloatArray, out: FloatArray) -> None:
    """Set out[e] (F,) to the vector of row ids[e], for e in start … stop."""
    width = out.shape[1]
    for entry in range(start, stop):
        x, to = table[ids[entry]], out[entry]
        for k in range(width):
            to[k] = x[k]


@summing_kernel
def add_up(
    start: int, stop: int, indptr: LongArray, ids: IntArray, share: FloatArray, table: FloatArray, out: FloatArray
) -> None:
    """Set out[b] (F,) to the sum of share * vector over the entries of row b of the batch, for b in start … stop."""
    width = out.shape[1]
    for row in range(start, stop):
        total = out[row]
        total[:] = np.float32(0.0)
        low, high = indptr[row], indptr[row + 1]
        even = high - (high - low) % 4
        for at in range(low, even, 4):  # four at a time: the sum is read and written once for all of them
            w0, w1, w2, w3 = share[at], share[at + 1], share[at + 2], share[at + 3]
            y0, y1, y2, y3 = table[ids[at]], table[ids[at + 1]], table[ids[at + 2]], table[ids[at + 3]]
            for k in range(width):
                total[k] += (w0 * y0[k] + w1 * y1[k]) + (w2 * y2[k] + w3 * y3[k])
        for at in range(even, high):
            w, y = share[at], table[ids[at]]
            for k in range(width):
                total[k] += w * y[k]


@summing_kernel
def squares(start: int, stop: int, table: FloatArray) -> float:
    """The sum of the squares of the vectors start … stop."""
    width, total = table.shape[1] // 3, 0.0
    for row in range(start, stop):
        line = np.float32(0.0)
        for k in range(width):
            line += table[row, k] * table[row, k]
        total += float(line)
    return total


@summing_kernel
def descend(
    start: int, stop: int, rows: IntArray, begin: LongArray, order: IntArray, owner: IntArray, share: FloatArray,
    grad: FloatArray, decay: float, rate: float, beta_1: float, beta_2: float, epsilon: float, table: FloatArray,
) -> None:  # fmt: skip
    """A step of Adam on rows[start:stop]; `rate` is corrected for the moments' start.

    The gradient of a row is decay * vector + the sum of share * grad[owner] over its entries; grad is (B, F).
    """
    width = grad.shape[1]
    one, keep_1, keep_2 = np.float32(1.0), np.float32(beta_1), np.float32(beta_2)
    length, least, shrink = np.float32(rate), np.float32(epsilon), np.float32(decay)
    slope = np.empty(width, np.float32)
    for at in range(start, stop):
        row, low, high = rows[at], begin[at], begin[at + 1]
        x, m, v = table[row, :width], table[row, width : 2 * width], table[row, 2 * width :]
        for k in range(width):
            slope[k] = shrink * x[k]
        even = high - (high - low) % 4
        for entry in range(low, even, 4):
            e0, e1, e2, e3 = order[entry], order[entry + 1], order[entry + 2], order[entry + 3]
            w0, w1, w2, w3 = share[e0], share[e1], share[e2], share[e3]
            y0, y1, y2, y3 = grad[owner[e0]], grad[owner[e1]], grad[owner[e2]], grad[owner[e3]]
            for k in range(width):
                slope[k] += (w0 * y0[k] + w1 * y1[k]) + (w2 * y2[k] + w3 * y3[k])
        for entry in range(even, high):
            w, y = share[order[entry]], grad[owner[order[entry]]]
            for k in range(width):
                slope[k] += w * y[k]
        for k in range(width):
            g = slope[k]
            m[k] = keep_1 * m[k] + (one - keep_1) * g
            v[k] = keep_2 * v[k] + (one - keep_2) * g * g
            x[k] -= length * m[k] / (np.sqrt(v[k]) + least)
