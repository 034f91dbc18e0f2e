"""Metrics of ranked lists against the items that proved relevant, a value a person.

`lists` (B, L) int32: distinct item codes, best first, -1 for an empty place, which comes after the others.
`relevant` (B, I) CSR: a stored entry for each relevant item of each person, once.
`k`: the first k places count. c of R relevant items stand there; g_p is 1 where that of place p is relevant, else 0:

    ndcg            sum g_p / log2(p + 1), divided by its largest value over min(k, R) places
    ndcg_full       the same sum divided by its largest value over all R places
    recall          c / R
    recall_capped   c / min(k, R)
    precision       c / k, empty places counted as misses
    mrr             1 / place of the first hit, 0 without one
    map             sum over hits of (hits so far / p), divided by min(k, R)
    hit_rate        1 if c > 0, else 0

A person with R = 0 gets NaN. Sources: Järvelin and Kekäläinen 2002, doi:10.1145/582415.582418 (ndcg, binary gains);
Manning et al. 2008, ISBN 9780521865715, chapter 8 (the others). Time O(B k + nnz); memory O(B k) and 4 MB.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import BoolArray, DoubleArray, IntArray, LongArray
from honeyguide.errors import ParameterError

_FLAGS = 1 << 22  # bytes of the bitmap that looks items up


def ndcg(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) normalised discounted cumulative gain; binary gain, the ideal list cut at min(k, relevant)."""
    return _gain(lists, relevant, k) / _ideal(np.minimum(relevant_counts(relevant), k))


def ndcg_full(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) discounted gain of the first k places over that of an ideal list of all relevant items."""
    return _gain(lists, relevant, k) / _ideal(relevant_counts(relevant))


def recall(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) share of all relevant items that stand in the first k places."""
    return _over(hits(lists, relevant, k=k).sum(axis=1), relevant_counts(relevant))


def recall_capped(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) hits in the first k places over min(k, relevant): a perfect list reaches 1."""
    return _over(hits(lists, relevant, k=k).sum(axis=1), np.minimum(relevant_counts(relevant), k))


def precision(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) hits in the first k places over k; an empty place is a miss."""
    found: LongArray = hits(lists, relevant, k=k).sum(axis=1)
    return _known(found / k, relevant)


def mrr(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) reciprocal of the place of the first hit among the first k; 0 without a hit."""
    found = hits(lists, relevant, k=k)
    first = np.argmax(found, axis=1) if found.shape[1] else np.zeros(len(found), np.int64)
    inverse: DoubleArray = np.where(found.any(axis=1), 1.0 / (first + 1), 0.0)
    return _known(inverse, relevant)


def average_precision(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) precision at each hit among the first k places, summed, over min(k, relevant); its mean is MAP."""
    found = hits(lists, relevant, k=k)  # (B, k)
    at_hits = np.cumsum(found, axis=1) / np.arange(1, found.shape[1] + 1) * found
    return _over(at_hits.sum(axis=1), np.minimum(relevant_counts(relevant), k))


def hit_rate(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) 1 where at least one relevant item stands in the first k places, else 0."""
    found: LongArray = hits(lists, relevant, k=k).sum(axis=1)
    return _known((found > 0).astype(np.float64), relevant)


def hits(lists: IntArray, relevant: sp.csr_matrix, *, k: int) -> BoolArray:
    """(B, min(k, L)) whether the item in each of the first k places is relevant to the person."""
    _check(lists, relevant, k)
    lists = lists[:, :k]
    people, items = relevant.shape
    block = max(16, _FLAGS // (items + 1))
    flags = np.zeros((min(block, people), items + 1), dtype=bool)  # the last column answers for empty places: False
    found = np.empty(lists.shape, dtype=bool)
    for start in range(0, people, block):
        stop = min(start + block, people)
        rows = np.repeat(np.arange(stop - start), np.diff(relevant.indptr[start : stop + 1]))
        columns = relevant.indices[relevant.indptr[start] : relevant.indptr[stop]]
        flags[rows, columns] = True
        found[start:stop] = np.take_along_axis(flags[: stop - start], lists[start:stop].astype(np.intp), axis=1)
        flags[rows, columns] = False
    return found


def relevant_counts(relevant: sp.csr_matrix) -> LongArray:
    """(B,) number of relevant items of each person."""
    counts: LongArray = np.diff(relevant.indptr).astype(np.int64)
    return counts


def _gain(lists: IntArray, relevant: sp.csr_matrix, k: int) -> DoubleArray:
    """(B,) discounted cumulative gain of the first k places."""
    found = hits(lists, relevant, k=k)
    return found @ _discounts(found.shape[1])


def _discounts(places: int) -> DoubleArray:
    """(places,) weight 1 / log2(p + 1) of place p = 1, 2, …"""
    return 1.0 / np.log2(np.arange(2, places + 2))


def _ideal(counts: LongArray) -> DoubleArray:
    """(B,) discounted gain of a list with hits in its first `counts` places; NaN where there is none."""
    sums = np.concatenate([[np.nan], np.cumsum(_discounts(int(counts.max(initial=0))))])
    return sums[counts]


def _over(values: LongArray | DoubleArray, counts: LongArray) -> DoubleArray:
    """(B,) values / counts; NaN where the count is 0."""
    shares: DoubleArray = np.divide(values, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return shares


def _known(values: DoubleArray, relevant: sp.csr_matrix) -> DoubleArray:
    """(B,) the values; NaN for a person with no relevant item."""
    return np.where(relevant_counts(relevant) > 0, values, np.nan)


def _check(lists: IntArray, relevant: sp.csr_matrix, k: int) -> None:
    if k < 1:
        raise ParameterError(f"k must be an integer >= 1, got {k}.")
    if lists.ndim != 2 or len(lists) != relevant.shape[0]:
        raise ParameterError(f"lists must have a row a person, {relevant.shape[0]} here, got shape {lists.shape}.")
    if lists.shape[1] < min(k, relevant.shape[1]):
        raise ParameterError(f"lists must be at least k = {k} long, got {lists.shape[1]} places: make longer lists.")
