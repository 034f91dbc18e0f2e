"""EASE: a linear item-item model with a zero diagonal, in closed form (Steck 2019, arXiv:1905.03375).

Fit: O(I^3) time, or O(U I^2) with fewer people than items; 12 I^2 bytes of memory. Score: one sparse-dense product,
O(history * I) per person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Ease(Recommender):
    """Minimise |X - X B|^2 + reg |B|^2 with diag(B) = 0, X being the (U, I) positives; score a history x by x B.

    With P = (X'X + reg I)^-1 the answer is B_ij = -P_ij / P_jj off the diagonal (eq. 8 of the paper).
    """

    task: ClassVar[Task] = "ranking"

    reg: float = param(500.0, low=1e-3, tune=(1e1, 1e4, "log"), help="L2 weight on the item-item matrix")

    def _fit(self, data: Dataset, run: Run) -> None:
        positives = data.positives().astype(np.float64)  # (U, I)
        used = np.flatnonzero(np.bincount(positives.indices, minlength=data.n_items))
        positives = positives[np.diff(positives.indptr) > 0][:, used]
        people, items = positives.shape
        weights = (_from_people if people < items else _from_items)(positives, self.reg)
        if items < data.n_items:  # an item that nobody has gives and receives nothing
            self.weights_ = np.zeros((data.n_items, data.n_items), dtype=np.float32)
            self.weights_[np.ix_(used, used)] = weights
        else:
            self.weights_ = weights  # (I, I)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        weights = self.weights_ if items is None else self.weights_[:, items]
        return np.asarray(profiles.positives() @ weights, dtype=np.float32)  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """The weight (C, I) that having each given item puts on the others."""
        return self.weights_[items]

    def memory(self, shape: Shape) -> int:
        return 12 * shape.items**2 + 8 * min(shape.users, shape.items) ** 2 + 40 * shape.events


def _from_items(positives: sp.csr_matrix, reg: float) -> FloatArray:
    """B by inverting the (I, I) Gram matrix: I^3 multiplications."""
    gram = np.asfortranarray((positives.T @ positives).toarray())  # (I, I)
    inverse = _inverse(gram, reg)
    diagonal = inverse.diagonal().copy()
    weights = np.empty(inverse.shape, dtype=np.float32)
    for row in range(len(weights)):  # the inverse holds its lower triangle alone
        weights[row, : row + 1] = -inverse[row, : row + 1] / diagonal[: row + 1]
        weights[row, row + 1 :] = -inverse[row + 1 :, row] / diagonal[row + 1 :]
    np.fill_diagonal(weights, 0.0)
    return weights


def _from_people(positives: sp.csr_matrix, reg: float) -> FloatArray:
    """The same B with fewer people than items: U I^2 multiplications, by Woodbury's identity.

    P = (I - X'A X) / reg with A = (X X' + reg I)^-1, so that B_ij = (X'A X)_ij / (1 - (X'A X)_jj).
    """
    gram = np.asfortranarray((positives @ positives.T).toarray())  # (U, U)
    factor = scipy.linalg.lapack.dtrtri(_cholesky(gram, reg), lower=1)[0]  # A = factor' factor
    half = np.asarray((positives.T @ np.tril(factor).T).T)  # (U, I): X'A X = half' half
    diagonal = 1.0 - np.einsum("ui,ui->i", half, half)
    half = half.astype(np.float32)
    weights: FloatArray = half.T @ half
    weights /= diagonal.astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def _cholesky(gram: DoubleArray, reg: float) -> DoubleArray:
    """The lower factor of gram + reg I, in place of gram."""
    gram[np.diag_indices_from(gram)] += reg
    factor: DoubleArray
    factor, info = scipy.linalg.lapack.dpotrf(gram, lower=1, overwrite_a=1)
    assert info == 0, "X'X + reg I is positive definite"
    return factor


def _inverse(gram: DoubleArray, reg: float) -> DoubleArray:
    """The lower triangle of (gram + reg I)^-1, in place of gram."""
    inverse: DoubleArray
    inverse, info = scipy.linalg.lapack.dpotri(_cholesky(gram, reg), lower=1, overwrite_c=1)
    assert info == 0
    return inverse
