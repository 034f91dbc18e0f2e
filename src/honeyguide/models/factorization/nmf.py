"""Non-negative factors of the known ratings, by multiplicative updates (Luo et al. 2014, doi:10.1109/TII.2014.2308433).

Over the known ratings r_ui >= 0 of people with n_u and items with n_i ratings, for the penalised squared error

    sum [ (r_ui - p_u.q_i)^2 + reg (|p_u|^2 + |q_i|^2) ],        p_u, q_i >= 0

each person's factors are multiplied by a ratio that is 1 where the gradient is 0, then each item's,

    p_uf <- p_uf  sum of r_ui q_if / (sum of (p_u.q_i) q_if + n_u reg p_uf)          and q_if likewise

from uniform random numbers between 0 and what makes the products the mean rating on average. The sum never rises, there
is no step length and no order of ratings, and threads share out the rows. Both sides at once from the same vectors, as
often written, would swing: where products are too large both are made smaller, and the products become too small.
Time: O(N F) an epoch. Memory: 40 bytes a rating and 16 F (U + I).

Someone new gets the vector that the same kind of update finds for their history given the items, with the people
trained on as the prior (_prior.py), O(n F^2 + epochs F^2). Score: O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

from honeyguide.arrays import FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import DataError
from honeyguide.kernels.multiplicative import descend_rows, rescale_rows
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.models.factorization import _prior
from honeyguide.params import param
from honeyguide.run import Run

_LANES = 8  # numbers that vector units take at once: training pads the vectors with zeros
_ROWS = 512  # rows that a thread updates at once
_LEAST = 1e-3  # where all ratings are 0, factors begin as if they were so much
_STEPS = 100  # updates of someone new: errors no longer change after some 50

_Rows: TypeAlias = tuple[LongArray, IntArray, FloatArray]  # indptr, indices, values of a CSR matrix


@dataclass(kw_only=True, eq=False)
class Nmf(Recommender):
    """Rate by p_u.q_i, none of whose factors is negative.

    The trained vector of a known person serves the history it was trained on, any other history is folded in; with
    `people="solved"` all are, which is more accurate (docs/log.md). An item without ratings gets the mean. Ratings must
    not be negative.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {
        "user_vectors_": "UF", "item_vectors_": "IF", "seen_": "I", "prior_mean_": "F", "prior_root_": "FF",
    }  # fmt: skip

    factors: int = param(15, low=1, tune=(2, 60, "log"), help="length of the vectors")
    epochs: int = param(50, low=1, tune=(10, 200, "log"), help="updates of all vectors")
    reg: float = param(0.06, low=0.0, tune=(5e-3, 0.5, "log"), help="L2 weight on the vectors, for each rating")
    people: Literal["trained", "solved"] = param(
        "trained", tune=["trained", "solved"], help="known people by their trained vectors, or solved for as strangers"
    )

    @property
    def fold_in(self) -> FoldIn:  # type: ignore[override]
        """Exact where known people are solved for too; else the trained vector serves the trained history."""
        return "exact" if self.people == "solved" else "approximate"

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        ratings = data.matrix()  # (U, I)
        if ratings.data.min() < 0:
            raise DataError(
                f"Nmf learns ratings >= 0, and the least is {ratings.data.min():g}; add a number to all of them, "
                "or use svd"
            )
        by_user, by_item = _rows(ratings), _rows(ratings.T.tocsr())
        rng = run.rng(0)
        self.mean_ = float(ratings.data.mean(dtype=np.float64))
        self.seen_ = np.diff(by_item[0]) > 0  # (I,)
        told = np.diff(by_user[0]) > 0  # (U,)
        top = np.float32(2.0 * np.sqrt(max(self.mean_, _LEAST) / self.factors))  # products are the mean, on average
        people, items = (self._first(n, top, rng) for n in ratings.shape)
        people[~told] = 0.0
        items[~self.seen_] = 0.0
        blas = ThreadpoolController()  # more threads would go on spinning while those of the kernels work
        for _ in range(self.epochs):
            people, _ = self._updated(by_user, items, people, run)
            items, squares = self._updated(by_item, people, items, run)
            self.user_vectors_, self.item_vectors_ = (each[:, : self.factors].copy() for each in (people, items))
            given = int(told.sum()), float(top) ** 2 / 12, squares / ratings.nnz
            with blas.limit(limits=1, user_api="blas"):
                self.prior_mean_, self.prior_root_ = _prior.fitted(self.user_vectors_, *given)
            yield

    def _first(self, count: int, top: np.float32, rng: np.random.Generator) -> FloatArray:
        """(R, F and what is missing to a multiple of _LANES): the missing factors are 0 and stay so."""
        vectors: FloatArray = np.zeros((count, -(-self.factors // _LANES) * _LANES), np.float32)
        vectors[:, : self.factors] = top * rng.random((count, self.factors), np.float32)
        return vectors

    def _updated(self, rows: _Rows, others: FloatArray, own: FloatArray, run: Run) -> tuple[FloatArray, float]:
        """The vectors `own` after one update, and the sum of squared errors before it."""
        out: FloatArray = np.empty_like(own)
        given = *rows, read_only(others), float(self.reg), read_only(own), out
        return out, sum(run.map(rescale_rows, len(own), *given, block=_ROWS))

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F + 1) p_u and 1 of each profile."""
        self._need_fit()
        people: FloatArray = np.ones((len(profiles), self.factors + 1), np.float32)
        known = (profiles.known >= 0) & (self.people == "trained")
        people[known, :-1] = self.user_vectors_[profiles.known[known]]
        if not known.all():
            new = np.flatnonzero(~known)
            people[new, :-1] = self._folded(profiles.take(new).matrix(), run or Run(threads=1))
        return people

    def _folded(self, ratings: sp.csr_matrix, run: Run) -> FloatArray:
        """(B, F) the vectors of people with these ratings (B, I), those of items without training ratings left out."""
        ratings = ratings.multiply(self.seen_[None, :]).tocsr() if not self.seen_.all() else ratings
        turn = np.linalg.inv(self.prior_root_)
        found: FloatArray = np.empty((ratings.shape[0], self.factors), np.float32)
        given = read_only(self.item_vectors_), turn.T @ turn, np.maximum(self.prior_mean_, 0.0), _STEPS, found
        run.map(descend_rows, len(found), *_rows(ratings), *given, block=_ROWS)
        return found

    def item_vectors(self) -> FloatArray:
        """(I, F + 1) q_i and 0 of each item; 0 and the mean of those without ratings."""
        self._need_fit()
        return self._items(None)

    def _items(self, codes: IntArray | None) -> FloatArray:
        """The same of some codes (C,), -1 being an item never seen."""
        vectors = self.item_vectors_ if codes is None else self.item_vectors_[codes]
        seen = self.seen_ if codes is None else self.seen_[codes] & (codes >= 0)
        return np.column_stack([vectors * seen[:, None], np.where(seen, 0.0, self.mean_)]).astype(np.float32)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return self.user_vectors(profiles) @ self._items(items).T  # (B, C)

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        people = self.user_vectors(profiles)
        ratings: FloatArray = np.einsum("nk,nk->n", people[pairs.rows], self._items(pairs.items))
        return ratings

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors; -inf for items without ratings."""
        near = cosines(self.item_vectors_, items)
        near[:, ~self.seen_] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        return 40 * shape.events + 16 * (self.factors + 8) * (shape.users + shape.items) + 24 * self.factors**2


def _rows(matrix: sp.csr_matrix) -> _Rows:
    """(indptr, indices, data) of a CSR matrix in the types that kernels take."""
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32, copy=False)
