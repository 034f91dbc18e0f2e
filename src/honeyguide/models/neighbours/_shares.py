"""What single neighbours say of an item, where kernels only tell their mean: for the reasons of `rating_knn`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.models.neighbours._baseline import row_of_each

_ROUNDING = 1e-6  # a sum below this part of its terms is the rounding of ratings

Chosen: TypeAlias = tuple[IntArray, DoubleArray, FloatArray]
"""Whose ratings of an item count (n,): their places among those to choose from, similarities, and what they say."""


@dataclass(frozen=True)
class Limit:
    """How many neighbours are asked at most, and how few are too few."""

    most: int
    least: int

    def chosen(self, alike: FloatArray) -> IntArray:
        """The places (n,) of the most similar ones, of equal ones the first; only of those above 0."""
        order = np.argsort(-alike, kind="stable")[: np.count_nonzero(alike > 0)][: self.most]
        return (order if len(order) >= self.least else order[:0]).astype(np.int32)


def of_items(item: int, near: sp.csr_matrix, places: IntArray, values: FloatArray, limit: Limit) -> Chosen:
    """Of a history's items, at `places` (I,), -1 elsewhere, and with values (M,), those that are `near` (I, I) one."""
    here = slice(near.indptr[item], near.indptr[item + 1])
    place = places[near.indices[here]]
    alike, place = near.data[here][place >= 0], place[place >= 0]
    kept = limit.chosen(alike)
    return place[kept], alike[kept].astype(np.float64), values[place[kept]]


def of_people(item: int, raters: sp.csr_matrix, alike: FloatArray, limit: Limit) -> Chosen:
    """Of the raters (I, U) of an item those most similar, by similarities (U,), and their ratings as they lie there."""
    here = slice(raters.indptr[item], raters.indptr[item + 1])
    who, ratings = raters.indices[here], raters.data[here]
    kept = limit.chosen(alike[who])
    return who[kept], alike[who[kept]].astype(np.float64), ratings[kept]


def weighted(found: list[Chosen], count: int, prior: float) -> tuple[sp.csr_matrix, DoubleArray]:
    """What each of `count` neighbours adds to each item (C, count), and how far they are trusted together (C,)."""
    weights = np.array([alike.sum() for _, alike, _ in found])
    whole = np.where(weights > 0, weights + prior, 1.0)
    indptr = np.cumsum([0, *(len(who) for who, _, _ in found)])
    nobody = np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.float32)
    places, alike, said = (np.concatenate(each) for each in zip(nobody, *found, strict=True))
    added = sp.csr_matrix((alike * said, places, indptr), shape=(len(found), count))
    added.data /= whole[row_of_each(added)]
    return added, weights / whole


def split(values: FloatArray, raters: sp.csr_matrix, *, centred: bool) -> sp.csr_matrix:
    """(M, V) what part each of M ratings of a history (M,) is of its similarity to the people of raters (M, V).

    In proportion to the products of ratings that the similarity is a sum of; `centred` those less their means over what
    both have rated. Products that add up to nothing but rounding have no part in it.
    """
    who, count = raters.indices, raters.shape[1]  # (N,)
    mine, theirs = values.astype(np.float64)[row_of_each(raters)], raters.data.astype(np.float64)
    if centred:
        both = np.maximum(np.bincount(who, minlength=count), 1)
        mine, theirs = (x - (np.bincount(who, x, count) / both)[who] for x in (mine, theirs))
    products = mine * theirs
    whole, size = np.bincount(who, products, count), np.bincount(who, np.abs(products), count)  # (V,)
    scale = np.where(whole > _ROUNDING * size, 1.0 / np.where(whole > 0, whole, 1.0), 0.0)
    return sp.csr_matrix((products * scale[who], who, raters.indptr), shape=raters.shape)
