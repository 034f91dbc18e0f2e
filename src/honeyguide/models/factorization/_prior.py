"""What the people trained on say of someone new: a Gaussian over people's vectors, and the posterior mean under it.

Ratings given the items are y_j = x_j.w + noise, x_j (K,) of the items and w (K,) of the person. With w ~ N(m, C) the
most likely w given a history is the mean of its posterior (ridge regression towards m, in the metric of C):

    argmin_w  sum over the history of (y_j - x_j.w)^2 / noise  +  (w - m)' C^-1 (w - m)

m and C are those of the people trained on (empirical Bayes: Efron and Morris 1973, doi:10.2307/2284155), noise is the
mean squared residual. Nothing is left to choose: one rating moves a person as little as people differ, and along the
directions in which they do; fifty outweigh the prior. Without a history the answer is m.

With C = noise L L' and w = m + L z this is a plain ridge regression of z with penalty |z|^2 (kernels/ridge.py).
Time: O(U K^2) to fit; O(n K^2 + K^3) for a history of n ratings. Memory: O(K^2), and a copy of the vectors at the fit.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, read_only
from honeyguide.kernels.ridge import solve_rows
from honeyguide.run import Run

Prior: TypeAlias = tuple[DoubleArray, DoubleArray]  # m (K,) and L (K, K), lower triangular

_ROWS = 64  # people a thread solves at once
_LEAST = 1e-9  # the noise is at least this part of the prior variance: data that fit exactly leave none


def fitted(vectors: FloatArray, count: int, variance: float, noise: float) -> Prior:
    """The prior of `count` people, whose vectors are rows of (U, K) among rows of zeros, and the noise of ratings.

    Each coordinate counts once as a person who differs from the mean by `variance` there: with fewer people than
    coordinates C stays of full rank, and with none it is `variance` throughout.
    """
    width = vectors.shape[1]
    mean = vectors.sum(axis=0, dtype=np.float64) / max(count, 1)
    spread = (vectors.T @ vectors).astype(np.float64) - count * np.outer(mean, mean)
    spread[np.diag_indices(width)] += width * variance
    spread /= count + width
    return mean, np.linalg.cholesky(spread / max(noise, _LEAST * float(spread.max())))


def folded(targets: sp.csr_matrix, features: FloatArray, prior: Prior, run: Run) -> FloatArray:
    """(B, K) the most likely vectors of people, given their targets y (B, J) CSR and the features x (J, K)."""
    mean, root = prior
    turned = (features @ root).astype(np.float32)  # (J, K) L'x
    left = (targets.data - (features @ mean)[targets.indices]).astype(np.float32)
    rows = targets.indptr.astype(np.int64), targets.indices.astype(np.int32), left
    found: FloatArray = np.zeros((targets.shape[0], len(mean)), np.float32)
    run.map(solve_rows, len(found), *rows, 0.0, read_only(turned), False, 1.0, 0.0, found, block=_ROWS)
    return (mean + found @ root.T).astype(np.float32)


def moved(features: FloatArray, targets: DoubleArray, prior: Prior) -> DoubleArray:
    """(M, K) how far each target (M,) of one person, with its features (M, K), moves w from m: they add up to it."""
    mean, root = prior
    turned = features.astype(np.float64) @ root  # (M, K) L'x
    weights = np.linalg.solve(turned.T @ turned + np.eye(len(mean)), turned.T)  # (K, M)
    found: DoubleArray = (root @ (weights * (targets - features @ mean))).T
    return found


def compact(matrix: sp.csr_matrix) -> tuple[sp.csr_matrix, IntArray]:
    """A CSR matrix without its empty columns, and which columns (J,) are left: few people have few of the items."""
    columns, places = np.unique(matrix.indices, return_inverse=True)
    shape = matrix.shape[0], len(columns)
    return sp.csr_matrix((matrix.data, places.astype(np.int32), matrix.indptr), shape=shape), columns
