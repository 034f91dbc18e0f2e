"""Matrix factorisation of ratings (Koren et al. 2009, doi:10.1109/MC.2009.263), by three solvers of one objective.

Over the known ratings r_ui alone (a rating that is not known is not a zero), with mean their mean, minimise

    sum [ (r_ui - mean - b_u - b_i - u.v)^2 + reg (|u|^2 + |v|^2 + b_u^2 + b_i^2) ]                 reg_per="rating"
    sum (r_ui - mean - b_u - b_i - u.v)^2 + reg (sum over u of |u|^2 + b_u^2, over i of |v|^2 + b_i^2)      "vector"
    the same, with the terms of a vector of n ratings counted sqrt(n) times, between the two                  "root"

    als   each person's (b_u, u) exactly given all items, each item's given all people, in turn (Zhou et al. 2008,
          doi:10.1007/978-3-540-68880-8_32). O(N F^2 + (U + I) F^3) an epoch; some ten epochs are enough.
    sgd   a step for each rating, in blocks that threads do not share (Gemulla et al. 2011). O(N F) an epoch.
    adam  mini-batches through the engine of the deep models, on JAX or TensorFlow. O(N F) an epoch.

All three end at one objective, but only als soon: on 800 ratings with 8 factors, sgd comes within 1 % of it in 800
epochs of learning_rate=0.15, decay=0.992, and adam in 400 of 0.1 and 0.98 with batch_size=64. The defaults stop
earlier, which predicts no worse.

Memory: 4 F (U + I) bytes for the vectors and some 60 for each of the N ratings; adam three times the vectors. A
stranger's vector is the exact solution given the items, O(n F^2 + F^3). Score: O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import DataError, DivergedError
from honeyguide.kernels.ridge import solve_rows
from honeyguide.kernels.sgd import step_blocks
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run

_PARTS = 8  # people and items are dealt into this many parts for sgd, whatever the number of threads
_ROWS = 64  # rows a thread solves at once


@dataclass(kw_only=True, eq=False)
class Mf(Recommender):
    """Rate by mean + b_u + b_i + u.v; with `biases=False` by u.v alone.

    An item without ratings has the vector 0, so it is rated mean + b_u; without biases it gets the mean, and so does
    everything for a person without history. With `als` the vector of a person trained on is the solution for their
    history given the items, so folding the same history in gives the same answer.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {"user_vectors_": "UK", "item_vectors_": "IK", "seen_": "I"}

    factors: int = param(50, low=1, tune=(8, 200, "log"), help="length of the vectors")
    reg: float = param(0.12, low=0.0, tune=(0.01, 1.0, "log"), help="L2 weight on vectors and biases")
    reg_per: Literal["rating", "root", "vector"] = param(
        "rating", help="a vector of n ratings counts reg n, sqrt(n) or 1 times"
    )
    biases: bool = param(True, help="global mean and a bias for each person and item; without them plain u.v")
    solver: Literal["als", "sgd", "adam"] = param("als", help="how the objective is minimised")
    epochs: int = param(15, low=1, tune=(5, 60), help="passes over the ratings")
    learning_rate: float | None = param(None, low=1e-7, help="of the first epoch; none: 0.03 for sgd, 0.01 for adam")
    decay: float = param(
        0.95, low=0.01, high=1.0, help="sgd and adam: an epoch's learning rate by that of the one before"
    )
    batch_size: int = param(1024, low=1, help="ratings in a step of adam")
    init_std: float = param(0.03, low=1e-6, help="standard deviation of the first vectors")

    @property
    def fold_in(self) -> FoldIn:  # type: ignore[override]
        """Exact with als; with the others the trained vector serves the trained history."""
        return "exact" if self.solver == "als" else "approximate"

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        ratings = data.matrix()  # (U, I)
        n_users, n_items = ratings.shape
        width, rng = self.factors + self.biases, run.rng(0)
        self.mean_ = float(ratings.data.mean(dtype=np.float64))
        self.seen_ = np.bincount(ratings.indices, minlength=n_items) > 0  # (I,)
        self.user_vectors_ = rng.normal(0.0, self.init_std, (n_users, width)).astype(np.float32)  # (U, K)
        self.item_vectors_ = rng.normal(0.0, self.init_std, (n_items, width)).astype(np.float32)  # (I, K)
        self.user_vectors_[np.diff(ratings.indptr) == 0] = 0.0
        self.item_vectors_[~self.seen_] = 0.0
        if self.biases:
            self.user_vectors_[:, 0] = self.item_vectors_[:, 0] = 0.0
        solvers = {"als": self._als, "sgd": self._sgd, "adam": self._adam}
        for _ in solvers[self.solver](ratings, run):
            self._check_finite()
            yield

    def _check_finite(self) -> None:
        """Raise DivergedError where a learning rate too high has taken the vectors to infinity."""
        if not (np.isfinite(self.user_vectors_).all() and np.isfinite(self.item_vectors_).all()):
            raise DivergedError(
                f"training diverged: the vectors are not finite, learning_rate being {self._rate(0):g}; "
                "lower learning_rate, or raise reg"
            )

    def _als(self, ratings: sp.csr_matrix, run: Run) -> Iterator[None]:
        by_user, by_item = _parts(ratings), _parts(ratings.T.tocsr())
        for _ in range(self.epochs):
            self._solve(by_item, self.user_vectors_, self.item_vectors_, run)
            self._solve(by_user, self.item_vectors_, self.user_vectors_, run)
            yield

    def _solve(self, parts: _Parts, others: FloatArray, out: FloatArray, run: Run) -> None:
        """The best vectors `out` of the rows of a matrix, given those of its columns."""
        fixed = (self._offset, read_only(others), self.biases, float(self.reg), self._power, out)
        run.map(solve_rows, len(out), *parts, *fixed, block=_ROWS)

    def _sgd(self, ratings: sp.csr_matrix, run: Run) -> Iterator[None]:
        users, items, targets, user_reg, item_reg = self._entries(ratings)
        deal = run.rng(1)
        parts = [deal.permutation(np.arange(n) % _PARTS) for n in ratings.shape]
        blocks = (parts[0][users] * _PARTS + parts[1][items]).astype(np.int16)  # (N,)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(blocks, minlength=_PARTS**2))]).astype(np.int64)
        for epoch in range(self.epochs):
            rng = run.rng(2, epoch)
            order = rng.permutation(len(blocks))
            order = order[np.argsort(blocks[order], kind="stable")]
            entries = offsets, users[order], items[order], targets[order]
            rest = (self.biases, user_reg, item_reg, self._rate(epoch), self.user_vectors_, self.item_vectors_)
            for stratum in rng.permutation(_PARTS):
                run.map(step_blocks, _PARTS, _PARTS, int(stratum), *entries, *rest, block=1)
            yield

    def _adam(self, ratings: sp.csr_matrix, run: Run) -> Iterator[None]:
        from honeyguide.training.loop import Trainer
        from honeyguide.training.objective import Objective
        from honeyguide.training.sampling import shuffled

        users, items, targets, user_reg, item_reg = self._entries(ratings)
        size = min(self.batch_size, len(users))
        steps, loss = -(-len(users) // size), partial(_batch_loss, self.biases)
        tables = {"users": self.user_vectors_, "items": self.item_vectors_}
        trainer = Trainer(
            Objective(tables, {"user": "users", "item": "items"}, loss),
            learning_rate=lambda step: self._rate((step - 1) // steps), run=run,
        )  # fmt: skip
        for epoch in trainer.epochs(self.epochs):
            trainer.epoch(
                {"user": users[at], "item": items[at], "target": targets[at], "weight": weight,
                 "user_reg": user_reg[users[at]], "item_reg": item_reg[items[at]]}
                for at, weight in shuffled(len(users), size, run.rng(2, epoch - 1))
            )  # fmt: skip
            self.user_vectors_, self.item_vectors_ = trainer.table("users"), trainer.table("items")
            yield

    def _entries(self, ratings: sp.csr_matrix) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]:
        """users, items, targets (N,), and of each person (U,) and item (I,) the penalty that falls to one rating."""
        users = np.repeat(np.arange(ratings.shape[0], dtype=np.int32), np.diff(ratings.indptr))
        items, targets = ratings.indices.astype(np.int32), (ratings.data - self._offset).astype(np.float32)
        counts = [
            np.maximum(np.bincount(c, minlength=n), 1.0) for c, n in zip((users, items), ratings.shape, strict=True)
        ]
        shares = [(self.reg * count ** (self._power - 1.0)).astype(np.float32) for count in counts]
        return users, items, targets, shares[0], shares[1]

    def _rate(self, epoch: int) -> float:
        """The learning rate of an epoch, the first being 0."""
        first = {"sgd": 0.03, "adam": 0.01}.get(self.solver, 0.0) if self.learning_rate is None else self.learning_rate
        return first * self.decay**epoch

    @property
    def _power(self) -> float:
        """The penalty on the vector of n ratings is reg n^power."""
        return {"rating": 1.0, "root": 0.5, "vector": 0.0}[self.reg_per]

    @property
    def _offset(self) -> float:
        """What the vectors' product is added to."""
        return self.mean_ if self.biases else 0.0

    def objective(self, data: Dataset) -> float:
        """The objective above on ratings of the people and items of the training data, with the trained vectors.

        DataError where the data have other people or items.
        """
        self._need_fit()
        ratings = data.matrix()
        if ratings.shape != (len(self.user_vectors_), len(self.item_vectors_)):
            have, got = (len(self.user_vectors_), len(self.item_vectors_)), ratings.shape
            raise DataError(f"the objective needs the people and items of the training data {have}, got {got}")
        users = np.repeat(np.arange(ratings.shape[0], dtype=np.int32), np.diff(ratings.indptr))
        left, right = self.user_vectors_.astype(np.float64), self.item_vectors_.astype(np.float64)
        residual = ratings.data - self._offset - _products(left[users], right[ratings.indices], self.biases)
        sides = (
            (left, np.bincount(users, minlength=len(left))),
            (right, np.bincount(ratings.indices, minlength=len(right))),
        )
        penalty = 0.0
        for vectors, counts in sides:
            penalty += float((vectors**2).sum(axis=1) @ counts**self._power)
        return float(residual @ residual) + self.reg * penalty

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F + 2) the vector u of each profile and what its biases, or its lack of history, come to.

        (u, 1, mean + b_u), to be multiplied by (v, b_i, 1); without biases (u, 1, 0), and (0, 0, mean) of an empty
        profile, by (v, mean or 0, 1), the mean for items without ratings.
        """
        self._need_fit()
        people, told = self._people(profiles, run or Run(threads=1)), np.diff(profiles.indptr) > 0
        if self.biases:
            constants = [np.ones(len(people)), self.mean_ + people[:, 0]]
        else:
            people[~told] = 0.0
            constants = [told.astype(np.float64), np.where(told, 0.0, self.mean_)]
        return np.column_stack([people[:, int(self.biases) :], *constants]).astype(np.float32)

    def item_vectors(self) -> FloatArray:
        """(I, F + 2) the vector v of each item and what it is multiplied by the constants of `user_vectors` for."""
        self._need_fit()
        own = self.item_vectors_[:, 0] if self.biases else np.where(self.seen_, 0.0, self.mean_)
        factors = self.item_vectors_[:, int(self.biases) :]
        return np.column_stack([factors, own, np.ones(len(own))]).astype(np.float32)

    def _people(self, profiles: Profiles, run: Run) -> FloatArray:
        """(B, K) the trained vectors of known people; for others the solution given the items."""
        vectors = np.zeros((len(profiles), self.item_vectors_.shape[1]), np.float32)
        known = profiles.known >= 0
        vectors[known] = self.user_vectors_[profiles.known[known]]
        if not known.all():
            new = np.flatnonzero(~known)
            found = vectors[new]
            self._solve(_parts(profiles.take(new).matrix()), self.item_vectors_, found, run)
            vectors[new] = found
        return vectors

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        people, first = self._people(profiles, Run(threads=1)), int(self.biases)
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        scores = people[:, first:] @ vectors[:, first:].T  # (B, C)
        if self.biases:
            return scores + (people[:, :1] + (vectors[:, 0] + np.float32(self.mean_)))
        scores[:, ~(self.seen_ if items is None else self.seen_[items])] = self.mean_
        scores[np.diff(profiles.indptr) == 0] = self.mean_
        return scores

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        people, known = self._people(profiles, Run(threads=1)), pairs.items >= 0
        vectors = self.item_vectors_[pairs.items]  # (N, K)
        vectors[~known] = 0.0
        ratings = np.float32(self._offset) + _products(people[pairs.rows], vectors, self.biases)
        if not self.biases:
            told = known & self.seen_[pairs.items] & (np.diff(profiles.indptr) > 0)[pairs.rows]
            ratings[~told] = self.mean_
        return ratings.astype(np.float32, copy=False)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors, biases left out; -inf for items without ratings."""
        near = cosines(self.item_vectors_[:, int(self.biases) :], items)
        near[:, ~self.seen_] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        copies = 8 if self.solver == "adam" else 2  # adam: value and two moments, held by the host and by the device
        return 60 * shape.events + 4 * copies * (self.factors + 1) * (shape.users + shape.items)


_Parts = tuple[LongArray, IntArray, FloatArray]


def _parts(matrix: sp.csr_matrix) -> _Parts:
    """(indptr, indices, data) of a CSR matrix in the types that kernels take."""
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32, copy=False)


def _batch_loss(biases: bool, rows: Mapping[str, Any], batch: Mapping[str, Any]) -> Any:
    """The mean over the batch of the terms of the objective, in keras.ops."""
    from keras import ops

    u, v, first = rows["user"], rows["item"], int(biases)
    products = ops.sum(u[:, first:] * v[:, first:], axis=1)
    if biases:
        products = products + u[:, 0] + v[:, 0]
    penalty = batch["user_reg"] * ops.sum(u * u, axis=1) + batch["item_reg"] * ops.sum(v * v, axis=1)
    return ops.sum(batch["weight"] * ((batch["target"] - products) ** 2 + penalty)) / ops.sum(batch["weight"])


def _products(
    left: FloatArray | DoubleArray, right: FloatArray | DoubleArray, biases: bool
) -> FloatArray | DoubleArray:
    """(N,) u.v of rows, or b_u + b_i + u.v where the first columns are biases."""
    first = int(biases)
    dots: FloatArray | DoubleArray = np.einsum("nk,nk->n", left[:, first:], right[:, first:])
    return dots + left[:, 0] + right[:, 0] if biases else dots
