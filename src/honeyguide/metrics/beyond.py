"""Metrics of lists beyond accuracy: what share of the catalogue they show, how evenly, and how popular it is.

`lists` (B, L) int32: item codes, best first, -1 for an empty place; the first k places count.
`Popularity` says how many people have each item in the training data, and how many people have any.

    coverage          share of the catalogue's items that stand in at least one list
    gini              of the places that each item of the catalogue gets: 0 all the same, near 1 one item gets all
    novelty           mean self-information -log2(counts / people) of a list's items, in bits (Zhou et al. 2010,
                      doi:10.1073/pnas.1000488107); an item that nobody has counts as one that one person has
    popularity_lift   mean count of a list's items over the mean count of the items that people have: 1 is no lift

Coverage and Gini belong to all lists together; novelty and lift are a value a person, NaN for an empty list.
Time O(B k + I log I), memory O(B k + I).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from honeyguide.arrays import DoubleArray, IntArray, LongArray
from honeyguide.errors import ParameterError


class Popularity(NamedTuple):
    """counts (I,) of people who have each item in the training data; people who have any."""

    counts: LongArray
    people: int


def coverage(lists: IntArray, popularity: Popularity, *, k: int) -> float:
    """Share of the catalogue's items that stand in at least one list."""
    return float(np.count_nonzero(exposure(lists, popularity, k=k)) / len(popularity.counts))


def gini(lists: IntArray, popularity: Popularity, *, k: int) -> float:
    """Gini coefficient of the places that items get; NaN where all lists are empty."""
    shown = np.sort(exposure(lists, popularity, k=k))
    total, items = shown.sum(), len(shown)
    if not total:
        return float("nan")
    return float(2 * (np.arange(1, items + 1) @ shown) / (items * total) - (items + 1) / items)


def novelty(lists: IntArray, popularity: Popularity, *, k: int) -> DoubleArray:
    """(B,) mean self-information of the list's items, in bits."""
    return _mean(lists, -np.log2(np.maximum(popularity.counts, 1) / max(popularity.people, 1)), k)


def popularity_lift(lists: IntArray, popularity: Popularity, *, k: int) -> DoubleArray:
    """(B,) mean count of the list's items over that of an item drawn from what people have."""
    had = popularity.counts.astype(np.float64)
    usual = (had @ had) / had.sum() if had.any() else np.nan
    return _mean(lists, had, k) / usual


def exposure(lists: IntArray, popularity: Popularity, *, k: int) -> LongArray:
    """(I,) number of places that each item gets in the first k."""
    _check(k)
    shown = lists[:, :k]
    return np.bincount(shown[shown >= 0], minlength=len(popularity.counts)).astype(np.int64)


def _mean(lists: IntArray, worth: DoubleArray, k: int) -> DoubleArray:
    """(B,) mean worth (I,) of the items in the first k places; NaN for an empty list."""
    _check(k)
    shown = lists[:, :k]
    filled = shown >= 0
    sums = np.where(filled, worth[shown], 0.0).sum(axis=1)
    number = filled.sum(axis=1)
    means: DoubleArray = np.divide(sums, number, out=np.full(len(lists), np.nan), where=number > 0)
    return means


def _check(k: int) -> None:
    if k < 1:
        raise ParameterError(f"k must be an integer >= 1, got {k}.")
