"""Mean, person and item: what any rating model has to beat (Koren 2008, section 2.1, doi:10.1145/1401890.1401944).

Solved exactly: eliminating the person biases leaves a symmetric positive definite system over items, solved by
conjugate gradients to a relative residual of 1e-12, O(N) a step and some tens of steps. Memory O(N + U + I).
Score: O(history + C) a person. Or by stochastic gradient descent, stopped after some epochs, O(N) each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import DivergedError
from honeyguide.kernels.sgd import step_blocks
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.models.contributions import Part
from honeyguide.params import param
from honeyguide.run import Run

_RESIDUAL = 1e-12  # of the system that is solved, relative to its right-hand side


@dataclass(kw_only=True, eq=False)
class Bias(Recommender):
    """Rate by mean + b_u + b_i, which minimise, over the known ratings r_ui with the mean `mean`,

        sum (r_ui - mean - b_u - b_i)^2 + reg_user sum over u of b_u^2 + reg_item sum over i of b_i^2

    The best b_u given the items is sum (r_ui - mean - b_i) / (n_u + reg_user) over the person's n_u ratings: it is
    computed from the history, so that known people and strangers are served alike. An item never seen has b_i = 0.

    With `solver="sgd"` the sum is that of (r_ui - mean - b_u - b_i)^2 + reg (b_u^2 + b_i^2), and each rating in turn, a
    person after the other, moves its two biases by `learning_rate` against half the gradient of its term. Known people
    then have the bias they were trained to, strangers the one above.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {"item_biases_": "I", "user_biases_": "U"}

    reg_user: float = param(5.0, low=1e-3, tune=(0.1, 50.0, "log"), help="L2 weight on each person's bias")
    reg_item: float = param(3.0, low=1e-3, tune=(0.1, 50.0, "log"), help="L2 weight on each item's bias")
    solver: Literal["exact", "sgd"] = param("exact", help="the least of the sum, or gradient descent")
    epochs: int = param(20, low=1, help="sgd: passes over the ratings")
    learning_rate: float = param(0.005, low=1e-7, help="sgd: length of a step")
    reg: float = param(0.02, low=0.0, help="sgd: L2 weight on both biases, for each rating")

    @property
    def fold_in(self) -> FoldIn:  # type: ignore[override]
        """Exact, but for known people after sgd."""
        return "exact" if self.solver == "exact" else "approximate"

    def _fit(self, data: Dataset, run: Run) -> None:
        if self.solver == "sgd":
            self._descend(data)
            return
        self.mean_, self.item_biases_ = self._solved(data, np.zeros(data.n_items))

    def _update(self, before: Dataset, after: Dataset, run: Run) -> None:
        """As exact as a fit, and sooner there: the search begins at the old biases. With sgd a fit, new people last."""
        if self.solver == "sgd" or hasattr(self, "user_biases_"):
            vars(self).pop("user_biases_", None)
            self._fit(after, run)
            return
        start = np.zeros(after.n_items)
        start[: before.n_items] = self.item_biases_
        self.mean_, self.item_biases_ = self._solved(after, start)

    def _descend(self, data: Dataset) -> None:
        """Set the biases that a number of passes end at."""
        ratings = data.matrix()  # (U, I)
        self.mean_ = float(ratings.data.mean(dtype=np.float64))
        rows = np.repeat(np.arange(data.n_users, dtype=np.int32), np.diff(ratings.indptr))
        targets, all_of_them = (ratings.data - self.mean_).astype(np.float32), np.array([0, len(rows)])
        left, right = np.zeros((data.n_users, 1), np.float32), np.zeros((data.n_items, 1), np.float32)
        weights = np.full(len(left), self.reg, np.float32), np.full(len(right), self.reg, np.float32)
        for _ in range(self.epochs):
            step_blocks(
                0, 1, 1, 0, all_of_them, rows, ratings.indices, targets, True, *weights, self.learning_rate, left, right
            )
        self.user_biases_, self.item_biases_ = left[:, 0].copy(), right[:, 0].copy()
        if not (np.isfinite(left).all() and np.isfinite(right).all()):
            raise DivergedError(f"training diverged, learning_rate being {self.learning_rate:g}; lower it")

    def _solved(self, data: Dataset, start: DoubleArray) -> tuple[float, FloatArray]:
        """The mean, and the items' biases (I,) that the search from `start` ends at."""
        ratings = data.matrix()  # (U, I)
        mean = float(ratings.data.mean(dtype=np.float64))
        centred = ratings.data.astype(np.float64) - mean  # (N,)
        who = sp.csr_matrix((np.ones(len(centred)), ratings.indices, ratings.indptr), shape=ratings.shape)
        left = sp.csr_matrix((centred, ratings.indices, ratings.indptr), shape=ratings.shape)
        share = 1.0 / (np.diff(ratings.indptr) + float(self.reg_user))  # (U,)
        diagonal = np.asarray(who.sum(axis=0)).ravel() + self.reg_item  # (I,)
        right = left.T @ np.ones(len(share)) - who.T @ (share * (left @ np.ones(len(diagonal))))  # (I,)
        return mean, _conjugate_gradients(who, share, diagonal, right, start).astype(np.float32)

    def _people(self, profiles: Profiles) -> FloatArray:
        """(B,) the best bias of each person given the items'."""
        ratings = profiles.matrix()  # (B, I)
        left = ratings.data.astype(np.float64) - self.mean_ - self.item_biases_[ratings.indices]
        rows = np.repeat(np.arange(len(profiles)), np.diff(ratings.indptr))
        sums = np.bincount(rows, weights=left, minlength=len(profiles))
        biases: FloatArray = (sums / (np.diff(ratings.indptr) + self.reg_user)).astype(np.float32)
        if hasattr(self, "user_biases_"):
            known = profiles.known >= 0
            biases[known] = self.user_biases_[profiles.known[known]]
        return biases

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        biases = self.item_biases_ if items is None else self.item_biases_[items]
        return np.float32(self.mean_) + self._people(profiles)[:, None] + biases  # (B, C)

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        biases = np.where(pairs.items >= 0, self.item_biases_[pairs.items], np.float32(0.0))
        return np.float32(self.mean_) + self._people(profiles)[pairs.rows] + biases  # (N,)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """The mean, the person and the item."""
        own = float(self._people(profiles)[0])
        return [
            [Part("average", self.mean_), Part("person", own), Part("item", float(bias))]
            for bias in self.item_biases_[items]
        ]

    def memory(self, shape: Shape) -> int:
        return 72 * shape.events + 64 * (shape.users + shape.items)


def _conjugate_gradients(
    who: sp.csr_matrix, share: DoubleArray, diagonal: DoubleArray, right: DoubleArray, start: DoubleArray
) -> DoubleArray:
    """b (I,) of (diag(diagonal) - W' diag(share) W) b = right, W (U, I) being ones where there is a rating.

    Preconditioned by the diagonal. In exact arithmetic it ends within I steps.
    """
    b = start.copy()
    residual = right - (diagonal * b - who.T @ (share * (who @ b)))
    scaled = residual / diagonal
    direction, size = scaled.copy(), float(residual @ scaled)
    enough = _RESIDUAL**2 * float(right @ (right / diagonal))
    for _ in range(2 * len(right) + 50):
        if size <= enough:
            break
        image = diagonal * direction - who.T @ (share * (who @ direction))
        step = size / float(direction @ image)
        b += step * direction
        residual -= step * image
        scaled = residual / diagonal
        before, size = size, float(residual @ scaled)
        direction = scaled + size / before * direction
    return b
