"""Baseline of a rating, mean + b_u + b_i, by alternating least squares (Koren 2010, doi:10.1145/1644873.1644874).

Ten times in turn b_i = sum over u (r_ui - mean - b_u) / (reg_item + n_i), then b_u likewise, from zero. The people come
last, so that b_u follows from a history and the items' biases, for known people and strangers alike. O(N) a turn.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray

REG_USER, REG_ITEM = 5.0, 3.0  # where a model has no hyperparameters for them

_TURNS = 10


def bases(ratings: sp.csr_matrix, reg_user: float, reg_item: float) -> tuple[float, FloatArray]:
    """The mean, and mean + b_i (I,) of each item, of ratings (U, I); b_i is 0 of an item without ratings."""
    mean = float(ratings.data.mean(dtype=np.float64))
    shape, where = ratings.shape, (ratings.indices, ratings.indptr)
    above = sp.csr_matrix((ratings.data.astype(np.float64) - mean, *where), shape=shape)  # (U, I)
    ones = sp.csr_matrix((np.ones(ratings.nnz), *where), shape=shape)
    turned = ones.T.tocsr()  # (I, U)
    totals = [np.asarray(above.sum(axis=axis)).ravel() for axis in (1, 0)]
    sizes = [np.diff(matrix.indptr) + reg for matrix, reg in ((ones, reg_user), (turned, reg_item))]
    sizes = [np.where(size > 0, size, 1.0) for size in sizes]
    people, items = np.zeros(shape[0]), np.zeros(shape[1])
    for _ in range(_TURNS):
        items = (totals[1] - turned @ people) / sizes[1]
        people = (totals[0] - ones @ items) / sizes[0]
    return mean, (mean + items).astype(np.float32)


def biases(ratings: sp.csr_matrix, base: FloatArray, reg_user: float) -> FloatArray:
    """(B,) the bias of who has each row of ratings (B, I), given mean + b_i (I,) of the items; of an empty row 0."""
    rest = ratings.data.astype(np.float64) - base[ratings.indices]
    sums = np.bincount(row_of_each(ratings), weights=rest, minlength=ratings.shape[0])
    sizes = np.diff(ratings.indptr) + reg_user
    return (sums / np.where(sizes > 0, sizes, 1.0)).astype(np.float32)


def row_of_each(matrix: sp.csr_matrix) -> IntArray:
    """(N,) the row of each entry."""
    return np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
