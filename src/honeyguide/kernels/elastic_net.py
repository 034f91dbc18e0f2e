"""Elastic nets of every column of a sparse matrix of ones on its other columns, by coordinate descent.

(Friedman et al. 2010, doi:10.18637/jss.v033.i01.) Column j of W minimises, with w_j = 0 and, if `positive`, w >= 0,

    |x_j - X w|^2 / 2 + l2 |w|^2 / 2 + l1 |w|_1

The residual r = x_j - X w is held; with pull = x_i.r + |x_i|^2 w_i the best w_i given the others is

    (|pull| - l1) sign(pull) / (|x_i|^2 + l2), or 0 where |pull| <= l1

Sweeps over all candidates, the likeliest first, take turns with sweeps over those that have a weight. With w >= 0 an
item that is l1 times or fewer together with j never gets one and is no candidate: x_i.r only falls from x_i.x_j.

Time O(entries of the candidates) a full sweep, of which three to five are made; memory O(U + I) a call beside what is
returned. Against sweeps on the Gram matrix, as in the paper: no memory that grows with its square, and faster
wherever items have few people, since the Gram matrix is then denser than X.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel, summing_kernel

_SWEEPS = 1_000  # of one kind, at most; the tolerance ends them long before


@kernel
def fit_columns(
    start: int, stop: int, holders: LongArray, users: IntArray, indptr: LongArray, items: IntArray,
    l1: float, l2: float, positive: bool, tolerance: float,
) -> tuple[LongArray, IntArray, FloatArray]:  # fmt: skip
    """Columns start … stop of W: lengths (stop - start,), and on end, in no order, the rows and weights that are not 0.

    `holders` (I + 1,) and `users` are X by column, `indptr` (U + 1,) and `items` are X by row, rising. A column ends
    when a sweep moves no x_i.r by more than `tolerance` times the number of people who have j.
    """
    n_items = len(holders) - 1
    together, w, residual = np.zeros(n_items, np.int32), np.zeros(n_items), np.zeros(len(indptr) - 1, np.float32)
    found, gains = np.empty(n_items, np.int32), np.empty(n_items)
    moved = np.zeros(n_items, np.bool_)
    lengths = np.zeros(stop - start, np.int64)
    rows, weights, end = np.empty(1024, np.int32), np.empty(1024, np.float32), 0
    for column in range(start, stop):
        count = _candidates(column, holders, users, indptr, items, l1, l2, positive, together, found, gains)
        order = np.argsort(gains[:count])
        candidates = np.empty(count, np.int32)
        for at in range(count):
            candidates[at] = found[order[count - 1 - at]]
        own = users[holders[column] : holders[column + 1]]
        residual[own] = np.float32(1.0)
        _descend(candidates, holders, users, l1, l2, positive, tolerance * len(own), w, residual, moved)
        residual[own] = np.float32(0.0)
        if end + count > len(rows):
            rows, weights = _grown(rows, end + count), _grown(weights, end + count)
        for item in candidates:
            if moved[item]:
                residual[users[holders[item] : holders[item + 1]]] = np.float32(0.0)
                moved[item] = False
            if w[item] != 0.0:
                rows[end], weights[end] = item, w[item]
                end += 1
                lengths[column - start] += 1
                w[item] = 0.0
    return lengths, rows[:end].copy(), weights[:end].copy()


@kernel
def _grown(array: AnyArray, size: int) -> AnyArray:
    larger = np.empty(2 * size, array.dtype)
    larger[: len(array)] = array
    return larger


@kernel
def _candidates(
    column: int, holders: LongArray, users: IntArray, indptr: LongArray, items: IntArray, l1: float, l2: float,
    positive: bool, together: IntArray, found: IntArray, gains: AnyArray,
) -> int:  # fmt: skip
    """List the items that may get a weight, and what the first step of each would gain; returns how many there are."""
    count = 0
    for at in range(holders[column], holders[column + 1]):
        for item in items[indptr[users[at]] : indptr[users[at] + 1]]:
            if together[item] == 0:
                found[count] = item
                count += 1
            together[item] += 1
    seen, count = count, 0
    for at in range(seen):
        item = found[at]
        if item != column and (not positive or together[item] > l1):
            found[count] = item
            gains[count] = max(0.0, together[item] - l1) ** 2 / (holders[item + 1] - holders[item] + l2)
            count += 1
        else:
            together[item] = 0
    if not positive and seen > 0:  # items never together with j may get a weight by way of others
        for item in range(len(together)):
            if together[item] == 0 and item != column and holders[item + 1] > holders[item]:
                found[count], gains[count] = item, 0.0
                count += 1
    for at in range(count):
        together[found[at]] = 0
    return count


@kernel
def _descend(
    candidates: IntArray, holders: LongArray, users: IntArray, l1: float, l2: float, positive: bool, enough: float,
    w: AnyArray, residual: FloatArray, moved: AnyArray,
) -> None:  # fmt: skip
    """Bring w from zeros to the optimum over the candidates, and the residual along with it."""
    active = np.empty(len(candidates), np.int32)
    for _ in range(_SWEEPS):
        worst, count = 0.0, 0
        for item in candidates:
            worst = max(worst, _step(item, holders, users, l1, l2, positive, w, residual, moved))
            if w[item] != 0.0:
                active[count] = item
                count += 1
        if worst <= enough:
            return
        for _ in range(_SWEEPS):
            worst = 0.0
            for item in active[:count]:
                worst = max(worst, _step(item, holders, users, l1, l2, positive, w, residual, moved))
            if worst <= enough:
                break


@summing_kernel
def _step(
    item: int, holders: LongArray, users: IntArray, l1: float, l2: float, positive: bool, w: AnyArray,
    residual: FloatArray, moved: AnyArray,
) -> float:  # fmt: skip
    """Give one item its best weight given the others; returns how far its x_i.r was off."""
    mine = users[holders[item] : holders[item + 1]]
    pull = np.float32(0.0)
    for user in mine:
        pull += residual[user]
    total, width, new = pull + len(mine) * w[item], len(mine) + l2, 0.0
    if total > l1:
        new = (total - l1) / width
    elif total < -l1 and not positive:
        new = (total + l1) / width
    if new == w[item]:
        return 0.0
    step = np.float32(new - w[item])
    for user in mine:
        residual[user] -= step
    w[item] = 0.0 if new == 0.0 else w[item] + step
    moved[item] = True
    return float(abs(step)) * width
