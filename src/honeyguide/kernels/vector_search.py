"""Exact top-k of products of vectors: a matrix product that may err by rounding says which items can be among the best.

What it says may be off by an `error` known beforehand, so what comes within four of it of the k-th best so far is kept
(the k-th best itself and the newcomer are each off by up to two, for the product below is rounded too), and the few
that are left at the end are multiplied once more, by `multiply`: 16 partial sums over the factors, added up in a fixed
order. So the score of a person and an item is the same to the bit whoever else is asked about, on whatever processor.

A row's best so far stand in a line of values and codes, cut down to the k best by quickselect whenever it is full:
O(1) a newcomer, where a heap takes O(log k).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel, summing_kernel
from honeyguide.kernels.top_k import offer

CHUNK = 128  # scores compared at once: fewer are unrolled and then not put on vector units
_LANES = 16
_TURNED = 64  # items multiplied side by side: they stay in the fastest cache with their sums


@summing_kernel
def measure(start: int, stop: int, vectors: FloatArray, out: FloatArray) -> None:
    """Set out (N,) to the lengths of vectors (N, K), rounded up; 0 for a vector of zeros alone."""
    for row in range(start, stop):
        vector, total = vectors[row], 0.0
        for k in range(len(vector)):
            total += np.float64(vector[k]) * np.float64(vector[k])
        out[row] = np.float32(np.sqrt(total)) * np.float32(1.0 + 2.0**-22)
        if total > 0.0 and out[row] < 1e-37:
            out[row] = 1e-37


@kernel
def multiply(start: int, stop: int, people: FloatArray, items: FloatArray, codes: IntArray, out: FloatArray) -> None:
    """Set the columns start … stop of out (B, C) to the products of people (B, K) and the items (I, K) of `codes`."""
    if len(people) < _LANES:  # turning the items costs more than it saves
        lanes = np.empty(_LANES, np.float32)
        for column in range(start, stop):
            for row in range(len(people)):
                out[row, column] = _product(people[row], items[codes[column]], lanes)
        return
    turned = np.zeros((items.shape[1], _TURNED), np.float32)
    sums = np.empty((_LANES, _TURNED), np.float32)
    for first in range(start, stop, _TURNED):
        count = min(_TURNED, stop - first)
        for at in range(count):
            item = items[codes[first + at]]
            for k in range(len(item)):
                turned[k, at] = item[k]
        for row in range(len(people)):
            _products(people[row], turned, sums)
            out[row, first : first + count] = sums[0, :count]


@kernel
def _products(x: FloatArray, turned: FloatArray, sums: FloatArray) -> None:
    """Set sums[0] to the products of x (K,) and the columns of `turned` (K, T), each as `_product` adds it up."""
    width, zero = len(x), np.float32(0.0)
    for lane in range(_LANES):
        total = sums[lane]
        if lane + 3 * _LANES < width:  # four at a time: the sums are read and written once for all of them
            a, b, c, d = x[lane], x[lane + _LANES], x[lane + 2 * _LANES], x[lane + 3 * _LANES]
            p, q = turned[lane], turned[lane + _LANES]
            r, s = turned[lane + 2 * _LANES], turned[lane + 3 * _LANES]
            for at in range(_TURNED):
                total[at] = (((zero + a * p[at]) + b * q[at]) + c * r[at]) + d * s[at]
            k = lane + 4 * _LANES
        else:
            total[:] = zero
            k = lane
        while k < width:
            a, p = x[k], turned[k]
            for at in range(_TURNED):
                total[at] += a * p[at]
            k += _LANES
    for half in (8, 4, 2, 1):
        for lane in range(half):
            low, high = sums[lane], sums[lane + half]
            for at in range(_TURNED):
                low[at] += high[at]


@kernel
def _product(x: FloatArray, y: FloatArray, lanes: FloatArray) -> Any:
    """The product of two vectors (K,) in an order that no compiler may change: `kernel` keeps to the rules of IEEE."""
    width = len(x)
    whole = width - width % _LANES
    for lane in range(_LANES):
        lanes[lane] = 0.0
    for k in range(0, whole, _LANES):
        a, b = x[k : k + _LANES], y[k : k + _LANES]
        for lane in range(_LANES):
            lanes[lane] += a[lane] * b[lane]
    for k in range(whole, width):
        lanes[k - whole] += x[k] * y[k]
    for half in (8, 4, 2, 1):
        for lane in range(half):
            lanes[lane] += lanes[lane + half]
    return lanes[0]


@kernel
def gather(
    scores: FloatArray, width: int, codes: IntArray, rows: IntArray, people: FloatArray, items: FloatArray,
    indptr: LongArray, history: IntArray, owner: IntArray, errors: FloatArray, floors: FloatArray,
    values: FloatArray, held: IntArray, counts: IntArray, best: FloatArray, best_codes: IntArray,
) -> None:  # fmt: skip
    """Take in the first `width` columns of scores (R, T), T a multiple of CHUNK, which are those of `codes` (width,).

    Row r of it belongs to row rows[r] of all else: people (B, K), the histories, errors and floors (B,), the lines
    values and held (B, L), L >= 2 k + 2 CHUNK, counts (B,), and best, best_codes (B, k), used in between.
    """
    k = best.shape[1]
    above = np.empty(CHUNK, np.uint8)
    eights = above.view(np.uint64)
    for r in range(len(rows)):
        row = rows[r]
        line, names, floor, count = values[row], held[row], floors[row], counts[row]
        scores[r, width : -(-width // CHUNK) * CHUNK] = -np.inf
        for first in range(0, width, CHUNK):
            part = scores[r, first : first + CHUNK]
            some = False
            for at in range(CHUNK):
                some |= part[at] > floor
            if some:
                for at in range(CHUNK):
                    above[at] = part[at] > floor
                for group in range(CHUNK // 8):
                    if eights[group] != 0:
                        for at in range(8 * group, 8 * group + 8):
                            line[count] = part[at]
                            names[count] = codes[min(first + at, width - 1)]
                            count += part[at] > floor
                if count > len(line) - CHUNK:
                    count = _unseen(row, count, indptr, history, owner, line, names)
                    count, floor = _cut(row, count, people, items, errors, line, names, best, best_codes)
        if count > k + k // 2 + _LANES:
            count = _unseen(row, count, indptr, history, owner, line, names)
            count, floor = _cut(row, count, people, items, errors, line, names, best, best_codes)
        counts[row] = count
        floors[row] = floor


@kernel
def finish(
    people: FloatArray, items: FloatArray, indptr: LongArray, history: IntArray, owner: IntArray,
    errors: FloatArray, values: FloatArray, held: IntArray, counts: IntArray, best: FloatArray, best_codes: IntArray,
) -> None:  # fmt: skip
    """Put what the lines hold on the heaps best, best_codes (B, k), by their exact products."""
    k = best.shape[1]
    for row in range(len(people)):
        line, names = values[row], held[row]
        count = _unseen(row, counts[row], indptr, history, owner, line, names)
        if count > k:
            count, _ = _cut(row, count, people, items, errors, line, names, best, best_codes)
        _rank(row, count, people, items, names, best, best_codes)


@kernel
def _unseen(
    row: int, count: int, indptr: LongArray, history: IntArray, owner: IntArray, line: FloatArray, names: IntArray
) -> int:  # fmt: skip
    """Move what the row has in its history out of the first `count` places of a line; how many are left.

    `owner` (I,) says of each item which row was last marked as having it.
    """
    for event in range(indptr[row], indptr[row + 1]):
        owner[history[event]] = row
    kept = 0
    for at in range(count):
        line[kept] = line[at]
        names[kept] = names[at]
        kept += owner[names[at]] != row
    return kept


@kernel
def _cut(
    row: int, count: int, people: FloatArray, items: FloatArray, errors: FloatArray, line: FloatArray,
    names: IntArray, best: FloatArray, best_codes: IntArray,
) -> tuple[int, Any]:  # fmt: skip
    """Keep of a line what can be among the k best; how many that are, and the floor under which nothing can."""
    k = best.shape[1]
    if count < k:
        return count, np.float32(-np.inf)
    least = _select(line, names, count, k)
    floor = least - np.float32(4.0) * errors[row]
    kept = k
    for at in range(k, count):
        line[kept] = line[at]
        names[kept] = names[at]
        kept += line[at] > floor
    if kept > k + k // 2 + _LANES:  # ties, or nearly: only the exact products can tell
        _rank(row, kept, people, items, names, best, best_codes)
        kept = 0
        for at in range(k):
            if best_codes[row, at] < len(items):  # or the place was never filled: where products are not finite
                line[kept] = best[row, at]
                names[kept] = best_codes[row, at]
                kept += 1
    return kept, floor


@kernel
def _rank(
    row: int, count: int, people: FloatArray, items: FloatArray, names: IntArray, best: FloatArray, codes: IntArray
) -> None:
    """Offer the first `count` of a line to the row's heap, by their exact products."""
    lanes = np.empty(_LANES, np.float32)
    best[row] = -np.inf
    codes[row] = len(items)
    for at in range(count):
        offer(_product(people[row], items[names[at]], lanes), names[at], best[row], codes[row])


@kernel
def _select(line: FloatArray, names: IntArray, count: int, k: int) -> Any:
    """Bring the k highest of the first `count` >= k to the front; the least of them. Hoare's quickselect."""
    low, high, at = 0, count - 1, k - 1
    while low < high:
        a, b, c = line[low], line[(low + high) >> 1], line[high]
        pivot = max(min(a, b), min(max(a, b), c))
        left, right = low, high
        while left <= right:
            while line[left] > pivot:
                left += 1
            while line[right] < pivot:
                right -= 1
            if left <= right:
                line[left], line[right] = line[right], line[left]
                names[left], names[right] = names[right], names[left]
                left += 1
                right -= 1
        if at <= right:
            high = right
        elif at >= left:
            low = left
        else:
            break
    return line[at]


@kernel
def lowest(
    rows: IntArray, codes: IntArray, indptr: LongArray, history: IntArray, owner: IntArray, best: FloatArray,
    best_codes: IntArray,
) -> None:  # fmt: skip
    """For rows whose products are all zero: the first of `codes`, which ascend, that are not in their history."""
    for row in rows:
        for event in range(indptr[row], indptr[row + 1]):
            owner[history[event]] = row
        place = best.shape[1]
        for code in codes:
            if place == 0:
                break
            if owner[code] != row:
                place -= 1  # from the end, since the root of a heap is the worst
                best[row, place] = 0.0
                best_codes[row, place] = code
