"""Metrics of lists and what items are: how different, how true to a person's tastes, whose share of the places.

`lists` (B, L) int32: item codes, best first, -1 for an empty place; the first k places count. `shares` (I, V) CSR: of
the V values of one column in each item, 1/n of each of n; an item of which nothing is known does not count.

    diversity        mean over the pairs of a list's items of 1 - cosine of their rows (Ziegler et al. 2005,
                     doi:10.1145/1060745.1060754, as a distance); NaN for fewer than two items
    miscalibration   KL(p || q~) in nats of the mean shares p of a person's history and q of the list,
                     q~ = .99 q + .01 p (Steck 2018, doi:10.1145/3240323.3240372, all items of one weight); NaN for
                     who has no history, or no list
    exposure         of all places, the share of a value, over its share in what people have: 1 is as much
    exposure_gap     half the sum over values of |share of the places - share in what people have|: 0 is as much of each

The last two belong to all lists together. Time O(B k E) for E entries of a row, memory 64 MB.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import BoolArray, DoubleArray, IntArray
from honeyguide.errors import ParameterError

SMOOTHING = 0.01
_CELLS = 1 << 20  # of rows of people and values at once


class Tastes(NamedTuple):
    """shares (I, V) of values in items; had (B, V) CSR: in what each person has, rows that sum to 1 or 0."""

    shares: sp.csr_matrix
    had: sp.csr_matrix


class Groups(NamedTuple):
    """shares (I, V) of values in items; had (V,): in all that people have, summing to 1; value: the one asked about."""

    shares: sp.csr_matrix
    had: DoubleArray
    value: int = -1


def diversity(lists: IntArray, rows: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(B,) mean distance of two items of the list, 1 - the product of their rows (I, V), of norm 1 or 0."""
    known = np.diff(rows.indptr) > 0
    listed = _listed(lists, known, k)  # (B, I)
    number = np.diff(listed.indptr).astype(np.float64)
    squares = np.empty(len(lists))
    for first in range(0, len(lists), 256):
        block = slice(first, first + 256)
        squares[block] = np.asarray((listed[block] @ rows).power(2).sum(axis=1)).ravel()
    pairs = number * (number - 1)  # of two orders
    alike = np.divide(squares - number, pairs, out=np.full(len(lists), np.nan), where=pairs > 0)
    distance: DoubleArray = 1.0 - alike
    return distance


def miscalibration(lists: IntArray, tastes: Tastes, *, k: int) -> DoubleArray:
    """(B,) divergence of what a person is shown from what the person has, in nats."""
    shares, had = tastes
    listed = _listed(lists, np.diff(shares.indptr) > 0, k)
    number = np.diff(listed.indptr)
    away = np.full(len(lists), np.nan)
    step = max(1, _CELLS // max(1, shares.shape[1]))
    for first in range(0, len(lists), step):
        at = slice(first, min(first + step, len(lists)))
        p = had[at].toarray()
        q = (listed[at] @ shares).toarray() / np.maximum(number[at], 1)[:, None]
        smooth = (1 - SMOOTHING) * q + SMOOTHING * p
        terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0) / np.where(p > 0, smooth, 1.0)), 0.0)
        away[at] = np.where((number[at] > 0) & (p.sum(axis=1) > 0), terms.sum(axis=1), np.nan)
    return away


def exposure(lists: IntArray, groups: Groups, *, k: int) -> float:
    """The share of the places that the value asked about has, over its share in what people have."""
    had = float(groups.had[groups.value])
    return float(places(lists, groups.shares, k=k)[groups.value] / had) if had > 0 else float("nan")


def exposure_gap(lists: IntArray, groups: Groups, *, k: int) -> float:
    """How much of the places would have to go to other values, to stand as in what people have: 0 none, 1 all."""
    return float(np.abs(places(lists, groups.shares, k=k) - groups.had).sum() / 2)


def places(lists: IntArray, shares: sp.csr_matrix, *, k: int) -> DoubleArray:
    """(V,) the share of all places in the first k that each value has; NaN where all lists are empty."""
    listed = _listed(lists, np.diff(shares.indptr) > 0, k)
    counts = np.bincount(listed.indices, minlength=shares.shape[0]).astype(np.float64)
    sums = np.asarray(shares.T @ counts, np.float64).ravel()
    total = float(counts.sum())
    return sums / total if total else np.full(len(sums), np.nan)


def _listed(lists: IntArray, known: BoolArray, k: int) -> sp.csr_matrix:
    """(B, I) ones where one of the known (I,) items stands in the first k places."""
    if k < 1:
        raise ParameterError(f"k must be an integer >= 1, got {k}.")
    shown = lists[:, :k]
    row, place = np.nonzero((shown >= 0) & known[np.maximum(shown, 0)])
    indptr = np.searchsorted(row, np.arange(len(lists) + 1))
    return sp.csr_matrix((np.ones(len(row)), shown[row, place], indptr), shape=(len(lists), len(known)))
