"""EASE: a linear item-item model with a zero diagonal, in closed form (Steck 2019, arXiv:1905.03375).

With the dropout of EDLAE, also in closed form (Steck 2020, "Autoencoders that don't overfit towards the identity",
NeurIPS 2020), and people weighed by the length of their histories (Park et al. 2025, arXiv:2504.05805). Fit: O(I^3)
time and 12 I^2 bytes; with fewer people than items O(U^2 I) and 12 U I + 8 U^2 bytes. Score: O(history * I) per person,
or O(history * U + U * I).
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
from honeyguide.kernels.together import weigh_together
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run

_COLUMNS = 64  # of the Gram matrix that a thread sums at once
_LINES = 512  # of P that are updated at once
_GAIN = 4  # an update whose rank is above this part of the items takes as long as a fit
_USUAL = 100.0  # positives of a person who counts 1, so that one reg suits every user_power


@dataclass(kw_only=True, eq=False)
class Ease(Recommender):
    """Minimise the error of each person's positives x_u (I,), each predicted from the others, and score x by x B:

        sum over u of w_u E|x_u - z_u B|^2 + reg |B|^2,    diag(B) = 0,    w_u = (100 / n_u)^user_power

    n_u being the positives of u (someone with 100 counts 1), and z_u being x_u with each entry dropped out at random,
    with probability `dropout`, and divided by 1 - dropout otherwise. In expectation that adds dropout / (1 - dropout)
    of the diagonal of X'WX to it, W being diag(w). With P = (X'WX + L)^-1, L = dropout / (1 - dropout) diag(X'WX) +
    reg I, the answer is B_ij = -P_ij / P_jj off the diagonal (eq. 8 of the first paper). At last B_ij is divided by
    (n_i n_j)^item_power, n_i being the people of i. All at 0 but reg: EASE as published.
    """

    task: ClassVar[Task] = "ranking"
    additive: ClassVar[bool] = True
    shapes: ClassVar[Mapping[str, str]] = {
        "weights_": "II", "errors_": "I",
        "half_": "PI", "rest_": "I", "into_": "I", "out_": "I",  # P people have events
    }  # fmt: skip

    reg: float = param(500.0, low=1e-3, tune=(50.0, 3000.0, "log"), help="L2 weight on the item-item matrix")
    dropout: float = param(0.0, low=0.0, high=0.99, tune=(0.2, 0.8), help="share of the positives hidden in training")
    user_power: float = param(
        0.0, low=0.0, high=1.0, tune=(0.2, 0.8), help="how much a history's length is divided out"
    )

    item_power: float = param(0.0, low=0.0, high=1.0, tune=(0.0, 0.3), help="how much popularity is divided out")

    def _fit(self, data: Dataset, run: Run) -> None:
        positives = _with_events(data.positives())  # (P, I)
        people, penalties = self._weigh(positives)
        if positives.shape[0] < positives.shape[1]:
            self.half_, rest = _from_people(positives, people, penalties, run)
            root, popularity = np.sqrt(penalties), self._popularity(positives)
            self.rest_ = rest.astype(np.float32)
            self.into_ = (1.0 / (root * popularity)).astype(np.float32)
            self.out_ = (root / (popularity * rest)).astype(np.float32)
        else:
            self._keep(_from_items(positives, people, penalties, run), positives)

    def _update(self, before: Dataset, after: Dataset, run: Run) -> None:
        """As exact as a fit, but for rounding. Made over items, it takes O(rank I^2), where that is less than I^3.

        P is found again from B and updated by Woodbury's identity: each history that changed is a row taken out of
        X'WX and one put in, with dropout each item that counts more changes L, and a new item begins at P_jj = 1 / reg.
        """
        new = after.positives()  # (U, I)
        if (
            getattr(self, "made_with_", None) == self._settings()
            and np.count_nonzero(np.diff(new.indptr)) >= after.n_items
        ):
            change = self._change(_enlarged(before.positives(), new.shape), new)
            if change[0].shape[0] * _GAIN < after.n_items:
                inverse = self._recovered(before, after.n_items)
                _subtract(inverse, *change)
                self._keep(inverse, new)
                return
        for name in (*self.shapes, "made_with_"):
            vars(self).pop(name, None)
        self._fit(after, run)

    def _settings(self) -> tuple[float, ...]:
        """What B was made with: P is found from it by the same, or not at all."""
        return self.reg, self.dropout, self.user_power, self.item_power

    def _change(self, old: sp.csr_matrix, new: sp.csr_matrix) -> tuple[sp.csr_matrix, DoubleArray]:
        """V (R, I) and d (R,) such that V' diag(d) V is what is added to X'WX + L."""
        changed = np.unique((old - new).nonzero()[0])
        rows = [_with_events(matrix[changed]) for matrix in (old, new)]
        weights = [self._weigh(part)[0] for part in rows]
        penalties = self._weigh(_with_events(new))[1] - self._weigh(_with_events(old))[1]
        moved = np.flatnonzero(penalties)
        units = sp.csr_matrix((np.ones(len(moved)), moved, np.arange(len(moved) + 1)), shape=(len(moved), old.shape[1]))
        return sp.vstack([*rows, units], format="csr"), np.concatenate([-weights[0], weights[1], penalties[moved]])

    def _recovered(self, before: Dataset, count: int) -> DoubleArray:
        """P of the data before, with new items up to `count` in all."""
        known, popularity = before.n_items, self._popularity(before.positives())
        diagonal = np.full(count, 1.0 / self.reg)
        diagonal[:known] = 1.0 / self.errors_
        inverse = np.zeros((count, count))
        np.multiply(self.weights_, -popularity * diagonal[:known], out=inverse[:known, :known])
        inverse[:known, :known] *= popularity[:, None]
        np.fill_diagonal(inverse, diagonal)
        return inverse

    def _weigh(self, positives: sp.csr_matrix) -> tuple[DoubleArray, DoubleArray]:
        """What each person counts (P,) and the diagonal of L (I,)."""
        people: DoubleArray = (_USUAL / np.diff(positives.indptr)) ** self.user_power
        return people, self.reg + self.dropout / (1.0 - self.dropout) * (positives.T @ people)

    def _popularity(self, positives: sp.csr_matrix) -> DoubleArray:
        """(I,) what each item's column and row of B are divided by."""
        counts = np.bincount(positives.indices, minlength=positives.shape[1])
        popularity: DoubleArray = np.maximum(counts, 1.0) ** self.item_power
        return popularity

    def _keep(self, inverse: DoubleArray, positives: sp.csr_matrix) -> None:
        """Set B and 1 / diag(P), the squared error of each item that is left, of the lower triangle of P (I, I)."""
        diagonal, popularity = inverse.diagonal().copy(), self._popularity(positives)
        out = -1.0 / (diagonal * popularity)
        weights = np.empty(inverse.shape, dtype=np.float32)
        for row in range(len(weights)):
            into = 1.0 / popularity[row]
            weights[row, : row + 1] = inverse[row, : row + 1] * out[: row + 1] * into
            weights[row, row + 1 :] = inverse[row + 1 :, row] * out[row + 1 :] * into
        np.fill_diagonal(weights, 0.0)
        self.weights_, self.errors_ = weights, (1.0 / diagonal).astype(np.float32)
        self.made_with_ = self._settings()

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        history = profiles.positives()  # (B, I)
        if hasattr(self, "weights_"):
            weights = self.weights_ if items is None else self.weights_[:, items]
            return np.asarray(history @ weights, dtype=np.float32)  # (B, C)
        into, out = self._scales()
        half, there = (self.half_, out) if items is None else (self.half_[:, items], out[items])
        columns, place = np.unique(history.indices, return_inverse=True)  # the others are not looked at
        mine = sp.csr_matrix((_scaled(history, into).data, place, history.indptr), (len(profiles), len(columns)))
        scores = (mine @ np.ascontiguousarray(self.half_[:, columns].T)) @ half * there  # (B, C)
        own = _scaled(history, (1.0 - self.rest_) * into * out)  # of the diagonal, which is to be left out
        return np.asarray(scores - (own if items is None else own[:, items]), dtype=np.float32)

    def similarity(self, items: IntArray) -> FloatArray:
        """The weight (C, I) that having each given item puts on the others."""
        if hasattr(self, "weights_"):
            return self.weights_[items]
        into, out = self._scales()
        near = np.asarray((self.half_[:, items] * into[items]).T @ self.half_ * out, dtype=np.float32)
        near[np.arange(len(items)), items] = 0.0
        return near

    def _scales(self) -> tuple[FloatArray, FloatArray]:
        """(I,) each, what B is H'H multiplied by on the left and on the right; the first files had no `into_`."""
        if hasattr(self, "into_"):
            return self.into_, self.out_
        return np.ones_like(self.rest_), np.float32(1.0) / self.rest_

    def memory(self, shape: Shape) -> int:
        large, small = max(shape.users, shape.items), min(shape.users, shape.items)
        return 8 * small**2 + (12 * small * large if shape.users < shape.items else 4 * small**2) + 60 * shape.events


def _with_events(positives: sp.csr_matrix) -> sp.csr_matrix:
    """The rows that hold anything, in float64."""
    return positives[np.diff(positives.indptr) > 0].astype(np.float64)


def _enlarged(matrix: sp.csr_matrix, shape: tuple[int, int]) -> sp.csr_matrix:
    """The matrix with empty rows and columns after its own."""
    indptr = np.concatenate([matrix.indptr, np.full(shape[0] - matrix.shape[0], matrix.nnz)])
    return sp.csr_matrix((matrix.data, matrix.indices, indptr), shape=shape)


def _subtract(inverse: DoubleArray, rows: sp.csr_matrix, weights: DoubleArray) -> None:
    """Make A^-1 (I, I) the lower triangle of (A + V' diag(d) V)^-1, for V (R, I) and d (R,), none of them 0."""
    seen = rows @ inverse  # (R, I)
    inner = rows @ seen.T + np.diag(1.0 / weights)  # (R, R)
    solved = np.linalg.solve(inner, seen)
    for first in range(0, len(inverse), _LINES):
        end = first + _LINES
        inverse[first:end, :end] -= seen[:, first:end].T @ solved[:, :end]


def _scaled(matrix: sp.csr_matrix, columns: FloatArray) -> sp.csr_matrix:
    """The matrix (B, I) with each column multiplied by its number (I,), in float32."""
    data = (matrix.data * columns[matrix.indices]).astype(np.float32)
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _from_items(positives: sp.csr_matrix, people: DoubleArray, penalties: DoubleArray, run: Run) -> DoubleArray:
    """The lower triangle of P (I, I) by inverting X'WX + L: I^3 multiplications."""
    inverse = _gram(positives, people, run)
    inverse[np.diag_indices_from(inverse)] += penalties
    lapack.cholesky(inverse)
    lapack.inverse(inverse)
    return inverse


def _from_people(
    positives: sp.csr_matrix, people: DoubleArray, penalties: DoubleArray, run: Run
) -> tuple[FloatArray, DoubleArray]:
    """H (P, I) and 1 - diag(H'H), of which the same B is made: U^2 I multiplications.

    By Woodbury's identity P = L^-1/2 (I - H'H) L^-1/2, where H = C^-1 X L^-1/2 and C is the Cholesky factor of
    X L^-1 X' + W^-1, so that B_ij = (H'H)_ij sqrt(L_jj / L_ii) / (1 - (H'H)_jj).
    """
    factor = _gram(positives.T.tocsr(), 1.0 / penalties, run)  # (P, P)
    factor[np.diag_indices_from(factor)] += 1.0 / people
    lapack.cholesky(factor)
    half = positives.multiply(penalties**-0.5).toarray()  # (P, I)
    lapack.solve_lower(factor, half)
    return half.astype(np.float32), 1.0 - np.einsum("ui,ui->i", half, half)


def _gram(ones: sp.csr_matrix, weights: DoubleArray, run: Run) -> DoubleArray:
    """X'WX of a matrix of ones (U, I) and weights (U,), in Fortran's order; its lower triangle alone."""
    out, by_column = np.empty((ones.shape[1], ones.shape[1])), ones.tocsc()
    parts = by_column.indptr, by_column.indices, ones.indptr, ones.indices
    longs = [part.astype(np.int64 if at % 2 == 0 else np.int32) for at, part in enumerate(parts)]
    run.map(weigh_together, len(out), *longs, weights, out, block=_COLUMNS)
    return out.T
