"""EASE: a linear item-item model with a zero diagonal, in closed form (Steck 2019, arXiv:1905.03375).

Fit: O(I^3) time and 12 I^2 bytes; with fewer people than items O(U^2 I) and 12 U I + 8 U^2 bytes. Score:
O(history * I) per person, or O(history * U + U * I).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.kernels import lapack
from honeyguide.kernels.together import count_together
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run

_COLUMNS = 64  # of the Gram matrix that a thread counts at once


@dataclass(kw_only=True, eq=False)
class Ease(Recommender):
    """Minimise |X - X B|^2 + reg |B|^2 with diag(B) = 0, X being the (U, I) positives; score a history x by x B.

    With P = (X'X + reg I)^-1 the answer is B_ij = -P_ij / P_jj off the diagonal (eq. 8 of the paper).
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "II", "half_": "PI", "rest_": "I"}  # P people have events

    reg: float = param(500.0, low=1e-3, tune=(1e1, 1e4, "log"), help="L2 weight on the item-item matrix")

    def _fit(self, data: Dataset, run: Run) -> None:
        positives = data.positives().astype(np.float64)  # (U, I)
        positives = positives[np.diff(positives.indptr) > 0]
        if positives.shape[0] < positives.shape[1]:
            self.half_, self.rest_ = _from_people(positives, self.reg, run)
        else:
            self.weights_ = _from_items(positives, self.reg, run)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        history = profiles.positives()  # (B, I)
        if hasattr(self, "weights_"):
            weights = self.weights_ if items is None else self.weights_[:, items]
            return np.asarray(history @ weights, dtype=np.float32)  # (B, C)
        half, rest = (self.half_, self.rest_) if items is None else (self.half_[:, items], self.rest_[items])
        scores = (history @ self.half_.T) @ half / rest  # (B, C), with the diagonal that is to be left out
        own = history.multiply((1.0 - self.rest_) / self.rest_).tocsr().astype(np.float32)
        return np.asarray(scores - (own if items is None else own[:, items]), dtype=np.float32)

    def similarity(self, items: IntArray) -> FloatArray:
        """The weight (C, I) that having each given item puts on the others."""
        if hasattr(self, "weights_"):
            return self.weights_[items]
        near: FloatArray = self.half_[:, items].T @ self.half_ / self.rest_
        near[np.arange(len(items)), items] = 0.0
        return near

    def memory(self, shape: Shape) -> int:
        large, small = max(shape.users, shape.items), min(shape.users, shape.items)
        return 8 * small**2 + (12 * small * large if shape.users < shape.items else 4 * small**2) + 60 * shape.events


def _from_items(positives: sp.csr_matrix, reg: float, run: Run) -> FloatArray:
    """B by inverting the (I, I) Gram matrix: I^3 multiplications."""
    inverse = _inverse(_gram(positives, run), reg)  # (I, I)
    diagonal = inverse.diagonal().copy()
    weights = np.empty(inverse.shape, dtype=np.float32)
    for row in range(len(weights)):  # the inverse holds its lower triangle alone
        weights[row, : row + 1] = -inverse[row, : row + 1] / diagonal[: row + 1]
        weights[row, row + 1 :] = -inverse[row + 1 :, row] / diagonal[row + 1 :]
    np.fill_diagonal(weights, 0.0)
    return weights


def _from_people(positives: sp.csr_matrix, reg: float, run: Run) -> tuple[FloatArray, FloatArray]:
    """H (U, I) and 1 - diag(H'H), of which the same B is made; for fewer people than items: U^2 I multiplications.

    By Woodbury's identity P = (I - H'H) / reg, where H = L^-1 X and L is the Cholesky factor of X X' + reg I, so that
    B_ij = (H'H)_ij / (1 - (H'H)_jj).
    """
    half = positives.toarray()  # (U, I)
    lapack.solve_lower(_cholesky(_gram(positives.T.tocsr(), run), reg), half)
    rest = 1.0 - np.einsum("ui,ui->i", half, half)
    return half.astype(np.float32), rest.astype(np.float32)


def _gram(ones: sp.csr_matrix, run: Run) -> DoubleArray:
    """X'X of a matrix of ones (U, I), in Fortran's order; its lower triangle alone."""
    out, by_column = np.empty((ones.shape[1], ones.shape[1])), ones.tocsc()
    parts = by_column.indptr, by_column.indices, ones.indptr, ones.indices
    longs = [part.astype(np.int64 if at % 2 == 0 else np.int32) for at, part in enumerate(parts)]
    run.map(count_together, len(out), *longs, out, block=_COLUMNS)
    return out.T


def _cholesky(gram: DoubleArray, reg: float) -> DoubleArray:
    """The lower factor of gram + reg I, in place of gram."""
    gram[np.diag_indices_from(gram)] += reg
    lapack.cholesky(gram)
    return gram


def _inverse(gram: DoubleArray, reg: float) -> DoubleArray:
    """The lower triangle of (gram + reg I)^-1, in place of gram."""
    lapack.inverse(_cholesky(gram, reg))
    return gram
