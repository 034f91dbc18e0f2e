"""Neighbours by what rows of a sparse matrix have in common, a row at a time: never a matrix of all pairs.

With C = X diag(weights) X' for a matrix X of ones (R, N), row a of C is the sum of the weights of the columns that a
shares with each other row. It is accumulated in one buffer of R floats, turned into a similarity and cut to the best:

    similarity_ab = left_a right_b C_ab / (1 + shrink left_a right_b),    b other than a, C_ab > 0

which is C_ab / (|a| |b| + shrink) where left and right are 1 / length. Time: the sum over columns of the squared number
of their entries; memory: the result, and R floats a call. Equal similarities go to the lower row.

Indices are uint32: signed ones would be tested for being negative at every addition, which is half as fast.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.kernels.compiled import kernel
from honeyguide.kernels.top_k import push, settle
from honeyguide.run import Run

_LISTED = 2  # with fewer additions than this part of R, what they touch is listed; else the whole buffer is read
_SHIFT = 19  # of a float's bits: what is left, sign, exponent and four bits, is its bucket
_BLOCK = 32  # rows a call
_BUCKETS = 1 << (31 - _SHIFT)  # for floats that are not negative


def matrix(
    ones: sp.csr_matrix, weights: FloatArray, left: FloatArray, right: FloatArray, *, shrink: float, keep: int, run: Run
) -> sp.csr_matrix:
    """(R, R): in each row the similarities of the `keep` rows most similar to it, of a matrix of ones (R, N)."""
    count = ones.shape[0]
    turned = ones.T.tocsr()  # (N, R)
    best = np.empty((count, min(keep, max(1, count - 1))), np.float32)
    codes = np.empty(best.shape, np.int32)
    run.map(
        nearest, count, ones.indptr, ones.indices.view(np.uint32), turned.indptr, turned.indices.view(np.uint32),
        weights, left, right, shrink, best, codes, block=_BLOCK,
    )  # fmt: skip
    there = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return sp.csr_matrix((best[there], codes[there], indptr), shape=(count, count))


@kernel
def nearest(
    start: int, stop: int, indptr: IntArray, indices: AnyArray, turned_indptr: IntArray, turned: AnyArray,
    weights: FloatArray, left: FloatArray, right: FloatArray, shrink: float, best: FloatArray, codes: IntArray,
) -> None:  # fmt: skip
    """The most similar rows, best first, of the rows start … stop of X, into best, codes (R, K); -1 where none is left.

    X is `indptr`, `indices` (CSR), X' is `turned_indptr`, `turned`; weights (N,), left and right (R,) are not negative.
    """
    count = len(indptr) - 1
    shared, near = np.zeros(count, np.float32), np.empty(count, np.float32)
    rows, chosen, buckets = np.empty(count, np.int32), np.empty(count, np.int32), np.zeros(_BUCKETS, np.int32)
    for row in range(start, stop):
        best[row] = -np.inf
        codes[row] = count
        found = share(indices[indptr[row] : indptr[row + 1]], turned_indptr, turned, weights, shared, rows)
        shared[row] = 0.0
        liken(found, left[row], right, shrink, shared, rows, near)
        kept = sieve(near[:found], rows, best.shape[1], buckets, chosen)
        push(0, 1, near[:kept].reshape(1, kept), chosen[:kept], best[row : row + 1], codes[row : row + 1])
    settle(start, stop, best, codes)


@kernel
def elect(
    start: int, stop: int, history_indptr: IntArray, history: AnyArray, left: FloatArray, indptr: IntArray,
    turned_indptr: IntArray, turned: AnyArray, weights: FloatArray, right: FloatArray, shrink: float,
    best: FloatArray, codes: IntArray,
) -> None:  # fmt: skip
    """The rows of X most similar to the histories start … stop, best first, into best, codes (B, K); -1 where none is.

    `left` (B,) is that of the histories. A row of X that equals the history is left out: whatever it has, the history
    has.
    """
    count = len(indptr) - 1
    shared, near = np.zeros(count, np.float32), np.empty(count, np.float32)
    rows, chosen, buckets = np.empty(count, np.int32), np.empty(count, np.int32), np.zeros(_BUCKETS, np.int32)
    for row in range(start, stop):
        best[row] = -np.inf
        codes[row] = count
        columns = history[history_indptr[row] : history_indptr[row + 1]]
        found = share(columns, turned_indptr, turned, weights, shared, rows)
        full = np.float32(0.0)
        for column in columns:  # in the order in which `share` adds them, so that equal sets have equal sums
            full += weights[column]
        for at in range(found):
            other = rows[at]
            if shared[other] >= full and indptr[other + 1] - indptr[other] == len(columns):
                shared[other] = 0.0
        liken(found, left[row], right, shrink, shared, rows, near)
        kept = sieve(near[:found], rows, best.shape[1], buckets, chosen)
        push(0, 1, near[:kept].reshape(1, kept), chosen[:kept], best[row : row + 1], codes[row : row + 1])
    settle(start, stop, best, codes)


@kernel
def vote(
    start: int, stop: int, best: FloatArray, codes: IntArray, indptr: IntArray, indices: AnyArray,
    sums: FloatArray, wanted: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """Set out[b] (B, C), b in start … stop, to the sum of the rows `codes` (B, K) of X, each counting `best` (B, K).

    `sums` and `wanted` are as in `mix`.
    """
    for row in range(start, stop):
        line = sums if len(sums) else out[row]
        line[:] = 0.0
        for place in range(best.shape[1]):
            other = codes[row, place]
            if other >= 0:
                for at in range(indptr[other], indptr[other + 1]):
                    line[indices[at]] += best[row, place]
        if len(sums):
            for place in range(len(wanted)):
                out[row, place] = sums[wanted[place]]


@kernel
def share(
    columns: AnyArray, indptr: IntArray, indices: AnyArray, weights: FloatArray, shared: FloatArray, rows: IntArray
) -> int:
    """Add to `shared` (R,), zeros before, the weight of each column in each row that has it: how many `rows` to read.

    `rows` (R,) receives those that may no longer be zero: one by one, or all where there are many additions.
    """
    additions = 0
    for column in columns:
        additions += indptr[column + 1] - indptr[column]
    if additions * _LISTED >= len(shared):
        for column in columns:
            weight = weights[column]
            for at in range(indptr[column], indptr[column + 1]):
                shared[indices[at]] += weight
        for row in range(len(rows)):
            rows[row] = row
        return len(rows)
    found = 0
    for column in columns:
        weight = weights[column]
        for at in range(indptr[column], indptr[column + 1]):
            if shared[indices[at]] == 0.0:
                rows[found] = indices[at]
                found += 1
            shared[indices[at]] += weight
    return found


@kernel
def liken(
    found: int, own: float, right: FloatArray, shrink: float, shared: FloatArray, rows: IntArray, near: FloatArray
) -> None:
    """Turn what is `shared` with the first `found` of `rows` into similarities, `near`, and make it zeros again."""
    left, pull, one = np.float32(own), np.float32(shrink), np.float32(1.0)
    if found == len(shared):
        for row in range(found):
            scale = left * right[row]
            near[row] = shared[row] * scale / (one + pull * scale)
        shared[:] = 0.0
        return
    for at in range(found):
        row = rows[at]
        scale = left * right[row]
        near[at] = shared[row] * scale / (one + pull * scale)
        shared[row] = 0.0


@kernel
def sieve(near: FloatArray, rows: IntArray, wanted: int, buckets: IntArray, chosen: IntArray) -> int:
    """Move what may be among the `wanted` largest of `near` (C,) to its front, their rows to `chosen`: how many.

    None is negative, zeros are left out. Values are counted by their leading bits, and those in the bucket of the last
    one wanted and above are kept: little is left to sort. `buckets` are zeros before and after.
    """
    bits = near.view(np.int32)
    for at in range(len(near)):
        buckets[bits[at] >> _SHIFT] += 1
    bucket = _BUCKETS - 1
    while bucket > 0 and wanted > buckets[bucket]:
        wanted -= buckets[bucket]
        bucket -= 1
    buckets[:] = 0
    least, kept = max(bucket << _SHIFT, 1), 0
    for at in range(len(near)):
        if bits[at] >= least:
            near[kept], chosen[kept] = near[at], rows[at]
            kept += 1
    return kept


@kernel
def mix(
    start: int, stop: int, history_indptr: IntArray, history: IntArray, indptr: IntArray, indices: AnyArray,
    values: FloatArray, sums: FloatArray, wanted: IntArray, out: FloatArray,
) -> None:  # fmt: skip
    """Set out[b] (B, C), b in start … stop, to the columns `wanted` (C,) of the sum of the rows of W that b has.

    W (R, N) is `indptr`, `indices`, `values`; `sums` (N,) is scratch. Where it is empty, all N columns are set.
    """
    for row in range(start, stop):
        line = sums if len(sums) else out[row]
        line[:] = 0.0
        for event in range(history_indptr[row], history_indptr[row + 1]):
            for at in range(indptr[history[event]], indptr[history[event] + 1]):
                line[indices[at]] += values[at]
        if len(sums):
            for place in range(len(wanted)):
                out[row, place] = sums[wanted[place]]


def mixed(history: sp.csr_matrix, weights: sp.csr_matrix, wanted: IntArray | None) -> FloatArray:
    """(B, C) the columns `wanted` (C,), or all, of H W, for a matrix H of ones (B, R) and W (R, N)."""
    target = _target(history.shape[0], weights.shape[1], wanted)
    mix(
        0, history.shape[0], history.indptr, history.indices,
        weights.indptr, weights.indices.view(np.uint32), weights.data, *target,
    )  # fmt: skip
    return target[2]


def elected(
    history: sp.csr_matrix, left: FloatArray, ones: sp.csr_matrix, turned: sp.csr_matrix,
    weights: FloatArray, right: FloatArray, *, shrink: float, voters: int,
) -> tuple[FloatArray, IntArray]:  # fmt: skip
    """`elect` for histories (B, N): similarities (B, K) to rows of a matrix of ones (R, N), and which; K <= voters."""
    best = np.empty((history.shape[0], min(voters, ones.shape[0])), np.float32)
    codes = np.empty(best.shape, np.int32)
    elect(
        0, history.shape[0], history.indptr, history.indices.view(np.uint32), left, ones.indptr,
        turned.indptr, turned.indices.view(np.uint32), weights, right, shrink, best, codes,
    )  # fmt: skip
    return best, codes


def voted(best: FloatArray, codes: IntArray, ones: sp.csr_matrix, wanted: IntArray | None) -> FloatArray:
    """(B, C) the columns `wanted` (C,), or all, of the sums that `vote` takes of rows of a matrix of ones (R, N)."""
    target = _target(len(best), ones.shape[1], wanted)
    vote(0, len(best), best, codes, ones.indptr, ones.indices.view(np.uint32), *target)
    return target[2]


def _target(rows: int, columns: int, wanted: IntArray | None) -> tuple[FloatArray, IntArray, FloatArray]:
    """(sums, wanted, out) for `mix` and `vote`."""
    if wanted is None:
        return np.empty(0, np.float32), np.empty(0, np.int32), np.empty((rows, columns), np.float32)
    return np.empty(columns, np.float32), wanted, np.empty((rows, len(wanted)), np.float32)
