"""Neighbours by how rows of a sparse matrix of ratings agree where both have one: similarities, and weighted means.

Of each pair of rows a, b of X (R, N) the moments over the n columns that both have are added up, a row a at a time:

    cosine            sum ab / sqrt(sum a^2 sum b^2)
    msd               1 / (1 + sum (a - b)^2 / n)
    pearson           the correlation over the n columns; 0 where either does not vary there
    pearson_baseline  cosine (n - 1) / (n - 1 + shrink), of what X's ratings are above a baseline

Only similarities above 0 count. Time: the sum over columns of the squared number of their entries; memory: the result,
and 60 bytes a row a call, never a matrix of all pairs. Equal similarities go to the lower row.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, DoubleArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.kernels.compiled import kernel
from honeyguide.kernels.neighbours import sieve
from honeyguide.kernels.top_k import push, settle
from honeyguide.run import Run

MEASURES = "cosine", "msd", "pearson", "pearson_baseline"
COSINE, MSD, PEARSON, PEARSON_BASELINE = range(4)
Rule: TypeAlias = tuple[int, int, float]  # the place in MEASURES, the least n, shrink

_BLOCK = 32  # rows a call
_BUCKETS = 1 << 12  # of `sieve`
_LISTED = 2  # with fewer additions than this times R, what they touch is listed; else the whole buffer is read
_CONSTANT = 1e-10  # a variance below this part of the mean square is rounding


def nearest(ratings: sp.csr_matrix, own: IntArray, rule: Rule, *, keep: int | None, run: Run) -> sp.csr_matrix:
    """(B, R): the similarities of the rows `own` (B,) of X (R, N) to the `keep` most similar others, best first."""
    count, others = len(own), ratings.shape[0]
    best = np.empty((count, max(1, min(keep or others, others - 1))), np.float32)
    codes = np.empty(best.shape, np.int32)
    turned = ratings.T.tocsr()  # (N, R)
    run.map(near_rows, count, own, *parts(ratings), *parts(turned), rule, best, codes, block=_BLOCK)
    there = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sp.csr_matrix((best[there], codes[there], indptr), shape=(count, others))


def parts(matrix: sp.csr_matrix) -> tuple[AnyArray, AnyArray, FloatArray]:
    """(indptr, indices, data); signed indices would be tested for being negative at every addition."""
    return read_only(matrix.indptr), read_only(matrix.indices.view(np.uint32)), read_only(matrix.data)


@kernel
def near_rows(
    start: int, stop: int, own: IntArray, indptr: AnyArray, indices: AnyArray, values: FloatArray,
    turned_indptr: AnyArray, turned: AnyArray, turned_values: FloatArray, rule: Rule, best: FloatArray, codes: IntArray,
) -> None:  # fmt: skip
    """Set best, codes (B, K), rows start … stop, to the largest similarities and whose they are; -1 where none is."""
    count = len(indptr) - 1
    sums, rows = np.zeros((count, 4)), np.empty(count, np.int32)
    lines = np.zeros((count if rule[0] == PEARSON else 0, 2))
    near, chosen, buckets = np.empty(count, np.float32), np.empty(count, np.int32), np.zeros(_BUCKETS, np.int32)
    for row in range(start, stop):
        best[row] = -np.inf
        codes[row] = count
        here = slice(indptr[own[row]], indptr[own[row] + 1])
        found = meet(indices[here], values[here], turned_indptr, turned, turned_values, rule[0], sums, lines, rows)
        kept = 0
        for at in range(found):
            other = rows[at]
            alike = liken(other, sums, lines, rule)
            if alike > 0.0 and other != own[row]:
                near[kept], rows[kept] = alike, other
                kept += 1
        kept = sieve(near[:kept], rows, best.shape[1], buckets, chosen)
        push(0, 1, near[:kept].reshape(1, kept), chosen[:kept], best[row : row + 1], codes[row : row + 1])
    settle(start, stop, best, codes)


@kernel
def meet(
    columns: AnyArray, values: FloatArray, indptr: AnyArray, indices: AnyArray, others: FloatArray, which: int,
    sums: DoubleArray, lines: DoubleArray, rows: IntArray,
) -> int:  # fmt: skip
    """Add up a row's moments with each row of X that shares a column with it: how many of `rows` (R,) to read.

    `sums` (R, 4), zeros before, receives sum ab, sum a^2, sum b^2 and n; for pearson, `lines` (R, 2) sum a and sum b.
    `rows` receives those that may no longer be zero: one by one, or all where there are many additions.
    """
    additions, found = 0, 0
    for column in columns:
        additions += indptr[column + 1] - indptr[column]
    listed = additions < _LISTED * len(rows)
    for place in range(len(columns)):
        a, column = np.float64(values[place]), columns[place]
        if listed:
            for at in range(indptr[column], indptr[column + 1]):
                if sums[indices[at], 3] == 0.0:
                    rows[found] = indices[at]
                    found += 1
                add(a, np.float64(others[at]), sums[indices[at]])
        else:
            for at in range(indptr[column], indptr[column + 1]):
                add(a, np.float64(others[at]), sums[indices[at]])
        if which == PEARSON:
            for at in range(indptr[column], indptr[column + 1]):
                lines[indices[at], 0] += a
                lines[indices[at], 1] += others[at]
    if listed:
        return found
    for row in range(len(rows)):
        rows[row] = row
    return len(rows)


@kernel
def add(a: float, b: float, sums: DoubleArray) -> None:
    """Add one column that two rows share to their moments (4,)."""
    sums[0] += a * b
    sums[1] += a * a
    sums[2] += b * b
    sums[3] += 1.0


@kernel
def liken(row: int, sums: DoubleArray, lines: DoubleArray, rule: Rule) -> float:
    """The similarity that the moments with a row come to, 0 with fewer columns than the least; they are zeros after."""
    both, left, right, n = sums[row, 0], sums[row, 1], sums[row, 2], sums[row, 3]
    if n == 0.0:
        return 0.0
    sums[row, 0] = sums[row, 1] = sums[row, 2] = sums[row, 3] = 0.0
    which, least, shrink = rule
    if which == PEARSON:
        first, second = lines[row, 0], lines[row, 1]
        lines[row, 0] = lines[row, 1] = 0.0
        floor = _CONSTANT * n
        if n * left - first * first <= floor * left or n * right - second * second <= floor * right:
            return 0.0
        both, left, right = n * both - first * second, n * left - first * first, n * right - second * second
    if n < least:
        return 0.0
    alike = 0.0
    if which == MSD:
        alike = n / (n + max(0.0, left + right - 2.0 * both))
    elif both > 0.0:
        alike = both / np.sqrt(left * right)
        if which == PEARSON_BASELINE:
            alike *= (n - 1.0) / (n - 1.0 + shrink) if n > 1.0 else 0.0
    return alike


@kernel
def average_near(
    start: int, stop: int, indptr: AnyArray, indices: AnyArray, values: FloatArray, asked_indptr: LongArray,
    asked: IntArray, near_indptr: AnyArray, near: AnyArray, alike: FloatArray, wanted: int, least: int,
    means: FloatArray, weights: FloatArray,
) -> None:  # fmt: skip
    """Set `means` (M,) to each history's mean value (B, R), by similarity, at the `wanted` most similar rows.

    Row b, in start … stop, is asked about the columns asked[asked_indptr[b]] … (M,); -1 is one never seen. `near`
    (R, R) holds what is similar to each, best first. `weights` (M,) are the sums of the similarities. Both are 0 with
    fewer rows than `least`.
    """
    count = len(near_indptr) - 1
    held, mine = np.zeros(count, np.bool_), np.empty(count, np.float32)
    for row in range(start, stop):
        here = slice(indptr[row], indptr[row + 1])
        for at in range(indptr[row], indptr[row + 1]):
            held[indices[at]], mine[indices[at]] = True, values[at]
        most = min(wanted, indptr[row + 1] - indptr[row])
        for place in range(asked_indptr[row], asked_indptr[row + 1]):
            found, total, weight, item = 0, 0.0, 0.0, asked[place]
            for at in range(near_indptr[item], near_indptr[item + 1] if item >= 0 else near_indptr[item]):
                if held[near[at]]:
                    total += alike[at] * mine[near[at]]
                    weight += alike[at]
                    found += 1
                    if found == most:
                        break
            enough = found >= max(1, least)
            means[place], weights[place] = (total / weight, weight) if enough else (0.0, 0.0)
        held[indices[here]] = False


@kernel
def bar(bits: IntArray, wanted: int) -> tuple[int, int]:
    """What the `wanted` largest of `bits` (M,), all above 0, are not below, and how many of those equal to it count."""
    if len(bits) <= wanted:
        return 0, 0
    low, high = 0, 0
    for value in bits:
        high = max(high, int(value))
    while low < high:  # at least `wanted` are not below `low`, fewer than that above `high`
        middle = low + (high - low + 1) // 2
        found = not_below(bits, middle)
        if found >= wanted:
            low = middle
        else:
            high = middle - 1
        if found == wanted:
            return middle - 1, 0
    return low, wanted - not_below(bits, low + 1)


@kernel
def not_below(bits: IntArray, least: int) -> int:
    """How many of `bits` are not below `least`; in 32 bits throughout, which vector units take twice as many of."""
    found, bound = np.int32(0), np.int32(least)
    for at in range(len(bits)):
        found = np.int32(found + np.int32(bits[at] >= bound))
    return int(found)


@kernel
def compare(
    columns: AnyArray, values: FloatArray, raters_indptr: AnyArray, raters: AnyArray, ratings: FloatArray,
    counts: IntArray, rule: Rule, sums: DoubleArray, lines: DoubleArray, rows: IntArray, alike: FloatArray,
) -> int:  # fmt: skip
    """Set `alike` (R,), zeros before, to the similarities of a history to the rows of X: how many `rows` to read.

    The rows that they may be above 0 for are put into `rows`. The rest is as in `meet` and `average_raters`.
    """
    found = meet(columns, values, raters_indptr, raters, ratings, rule[0], sums, lines, rows)
    for at in range(found):
        other = rows[at]
        same = counts[other] == len(columns) and sums[other, 3] == len(columns)
        alike[other] = liken(other, sums, lines, rule)
        if same:
            alike[other] = 0.0
    return found


def likeness(history: sp.csr_matrix, raters: sp.csr_matrix, counts: IntArray, rule: Rule) -> FloatArray:
    """(R,) `compare` of one history (1, N) with the rows of X (R, N), whose transpose is `raters` (N, R)."""
    rows, alike = np.empty(len(counts), np.int32), np.zeros(len(counts), np.float32)
    scratch = np.zeros((len(counts), 4)), np.zeros((len(counts), 2)), rows
    _, columns, values = parts(history)
    compare(columns, values, *parts(raters), read_only(counts), rule, *scratch, alike)
    return alike


@kernel
def average_raters(
    start: int, stop: int, indptr: AnyArray, indices: AnyArray, values: FloatArray, asked_indptr: LongArray,
    asked: IntArray, raters_indptr: AnyArray, raters: AnyArray, ratings: FloatArray, counts: IntArray, rule: Rule,
    lift: FloatArray, column_lift: FloatArray, inverse: FloatArray, wanted: int, least: int,
    means: FloatArray, weights: FloatArray,
) -> None:  # fmt: skip
    """Set `means` (M,) to the mean, by similarity, of what the `wanted` rows of X most similar to each history say.

    X' (N, R) is `raters_indptr`, `raters`, `ratings`: what is compared. What is averaged is (ratings + lift of the row
    + that of the column) * inverse of the row. `counts` (R,) are the lengths of the rows of X; one with the very
    columns of the history is left out. The rest is as in `average_near`.
    """
    count = len(counts)
    sums, rows = np.zeros((count, 4)), np.empty(count, np.int32)
    lines = np.zeros((count if rule[0] == PEARSON else 0, 2))
    alike = np.zeros(count, np.float32)
    bits, places = np.empty(count, np.int32), np.empty(count, np.int64)
    strengths = alike.view(np.int32)  # of floats above 0 the order is that of their bits
    for row in range(start, stop):
        here = slice(indptr[row], indptr[row + 1])
        asker = indices[here], values[here]
        found = compare(*asker, raters_indptr, raters, ratings, counts, rule, sums, lines, rows, alike)
        for place in range(asked_indptr[row], asked_indptr[row + 1]):
            item = asked[place]
            near = 0
            for at in range(raters_indptr[item], raters_indptr[item + 1] if item >= 0 else raters_indptr[item]):
                bits[near], places[near] = strengths[raters[at]], at
                near += strengths[raters[at]] > 0
            bound, left = bar(bits[:near], wanted)
            total, weight, taken = 0.0, 0.0, 0
            for one in range(near):
                if bits[one] > bound or (bits[one] == bound and left > 0):
                    left -= bits[one] == bound
                    other = raters[places[one]]
                    value = (ratings[places[one]] + lift[other] + column_lift[item]) * inverse[other]
                    total += alike[other] * value
                    weight += alike[other]
                    taken += 1
            enough = taken >= max(1, least)
            means[place], weights[place] = (total / weight, weight) if enough else (0.0, 0.0)
        for at in range(found):
            alike[rows[at]] = 0.0
