"""EASE: a linear item-item model with a zero diagonal, in closed form (Steck 2019, arXiv:1905.03375).

Fit: O(I^3) time, memory 8 I^2 bytes twice over. Score: one sparse-dense product, O(history * I) per person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.linalg

from honeyguide.arrays import FloatArray, IntArray
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
        gram = np.asfortranarray((positives.T @ positives).toarray())  # (I, I)
        gram[np.diag_indices_from(gram)] += self.reg
        factor, info = scipy.linalg.lapack.dpotrf(gram, lower=1, overwrite_a=1)
        assert info == 0, "X'X + reg I is positive definite"
        inverse, info = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
        self.weights_ = _weights(inverse)  # (I, I)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        weights = self.weights_ if items is None else self.weights_[:, items]
        return np.asarray(profiles.positives() @ weights, dtype=np.float32)  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """The weight (C, I) that having each given item puts on the others."""
        return self.weights_[items]

    def memory(self, shape: Shape) -> int:
        return 20 * shape.items**2 + 24 * shape.events


def _weights(lower: np.ndarray) -> FloatArray:
    """B from the lower triangle of P, row by row: B_ij = -P_ij / P_jj."""
    diagonal = lower.diagonal().copy()
    weights = np.empty(lower.shape, dtype=np.float32)
    for row in range(len(weights)):
        weights[row, : row + 1] = -lower[row, : row + 1] / diagonal[: row + 1]
        weights[row, row + 1 :] = -lower[row + 1 :, row] / diagonal[row + 1 :]
        weights[row, row] = 0.0
    return weights
