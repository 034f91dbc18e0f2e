"""SVD++ (Koren 2008, doi:10.1145/1401890.1401944, section 4): biases, vectors, and what a person has rated at all.

Over the known ratings r_ui, with `mean` their mean and N(u) the items that a person has rated, n of them, each rating
moves all that it is computed from by `learning_rate` against half the gradient of its term of

    sum [ (r_ui - mean - b_u - b_i - q_i.(p_u + s_u))^2
          + reg (b_u^2 + b_i^2 + |p_u|^2 + |q_i|^2 + sum over j in N(u) of |y_j|^2) ],     s_u = sum of y_j / sqrt(n)

for a fixed number of epochs from noise of standard deviation `init_std`. A person's ratings follow one another and move
s_u; the y_j are given their sum at the end (kernels/implicit_sgd.py), which is the same steps at O(F) a rating in place
of O(n F). People come in an order drawn anew for each epoch.

Time: O(N F) an epoch, on one thread: two people share so many items that what one does to the y_j is wanted by the
next. Memory: 30 bytes a rating and 4 F (U + 2 I).

Someone new has s_u from their history as it is, and the most likely b_u, p_u with the people trained on as the prior
(_prior.py), O(n F^2 + F^3). Score: O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import DivergedError
from honeyguide.kernels.implicit_sgd import step_people
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.models.factorization import _prior
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Svdpp(Recommender):
    """Rate by mean + b_u + b_i + q_i.(p_u + s_u).

    The trained b_u, p_u of a known person serve the history they were trained on, for any other history they are solved
    for; with `people="solved"` for all, which is more accurate (docs/log.md). An item without ratings is rated
    mean + b_u.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {
        "user_vectors_": "UK", "item_vectors_": "IK", "implicit_": "IF", "seen_": "I", "prior_mean_": "K",
        "prior_root_": "KK",
    }  # fmt: skip

    factors: int = param(20, low=1, tune=(5, 100, "log"), help="length of the vectors")
    epochs: int = param(20, low=1, tune=(5, 100, "log"), help="passes over the ratings")
    learning_rate: float = param(0.007, low=1e-7, tune=(1e-3, 0.03, "log"), help="length of a step")
    reg: float = param(0.02, low=0.0, tune=(5e-3, 0.3, "log"), help="L2 weight on vectors and biases, for each rating")
    init_std: float = param(0.1, low=1e-6, help="standard deviation of the first vectors")
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
        self._begin(ratings, run)
        told = np.flatnonzero(np.diff(ratings.indptr)).astype(np.int32)
        rows = ratings.indptr.astype(np.int64), ratings.indices.astype(np.int32), ratings.data - np.float32(self.mean_)
        steps, vectors = (self.reg, self.learning_rate), (self.user_vectors_, self.item_vectors_, self.implicit_)
        blas = ThreadpoolController()  # more threads would go on spinning while those of the kernels work
        for epoch in range(self.epochs):
            people = run.rng(1, epoch).permutation(told)
            squares = step_people(0, len(people), people, *rows, *steps, *vectors)
            self._check_finite()
            given = len(told), self.init_std**2, squares / ratings.nnz
            with blas.limit(limits=1, user_api="blas"):
                self.prior_mean_, self.prior_root_ = _prior.fitted(self.user_vectors_, *given)
            yield

    def _begin(self, ratings: sp.csr_matrix, run: Run) -> None:
        """The mean, and the first vectors: noise, or zero of whom and what there is no rating."""
        users, items = ratings.shape
        self.mean_ = float(ratings.data.mean(dtype=np.float64))
        self.seen_ = np.bincount(ratings.indices, minlength=items) > 0  # (I,)
        shapes = (users, self.factors + 1), (items, self.factors + 1), (items, self.factors)
        rng, std = run.rng(0), np.float32(self.init_std)
        first = [rng.standard_normal(shape, np.float32) * std for shape in shapes]
        self.user_vectors_, self.item_vectors_, self.implicit_ = first  # (U, F + 1), (I, F + 1), (I, F)
        self.user_vectors_[np.diff(ratings.indptr) == 0] = 0.0
        self.item_vectors_[~self.seen_] = 0.0
        self.implicit_[~self.seen_] = 0.0
        self.user_vectors_[:, 0] = self.item_vectors_[:, 0] = 0.0

    def _check_finite(self) -> None:
        """Raise DivergedError where a learning rate too high has taken the vectors to infinity."""
        if not all(np.isfinite(vectors).all() for vectors in (self.user_vectors_, self.item_vectors_, self.implicit_)):
            raise DivergedError(
                f"training diverged: the vectors are not finite, learning_rate being {self.learning_rate:g}; "
                "lower learning_rate, or raise reg"
            )

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F + 2) p_u + s_u, 1 and mean + b_u of each profile."""
        self._need_fit()
        ratings, columns = _prior.compact(profiles.matrix())  # (B, J)
        people: FloatArray = np.empty((len(profiles), self.factors + 1), np.float32)  # b_u, p_u
        implied = self._implied(ratings, columns)  # s_u
        known = (profiles.known >= 0) & (self.people == "trained")
        people[known] = self.user_vectors_[profiles.known[known]]
        if not known.all():
            new, items = np.flatnonzero(~known), self.item_vectors_[columns]
            targets, rest = ratings[new], implied[new]
            rows = np.repeat(np.arange(len(new)), np.diff(targets.indptr))
            from_items = items[targets.indices, 0] + np.einsum("mf,mf->m", items[targets.indices, 1:], rest[rows])
            targets.data = targets.data - np.float32(self.mean_) - from_items
            items[:, 0] = 1.0
            prior = self.prior_mean_, self.prior_root_
            people[new] = _prior.folded(targets, items, prior, run or Run(threads=1))
        ones = np.ones(len(people), np.float32)
        return np.column_stack([people[:, 1:] + implied, ones, np.float32(self.mean_) + people[:, 0]])

    def _implied(self, ratings: sp.csr_matrix, columns: IntArray) -> FloatArray:
        """(B, F) s_u of people with ratings (B, J) of these items (J,)."""
        counts = np.diff(ratings.indptr)
        shares = np.repeat(1.0 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
        implied: FloatArray = (
            sp.csr_matrix((shares, ratings.indices, ratings.indptr), ratings.shape) @ (self.implicit_[columns])
        )
        return implied

    def item_vectors(self) -> FloatArray:
        """(I, F + 2) q_i, b_i and 1 of each item."""
        self._need_fit()
        return self._items(None)

    def _items(self, codes: IntArray | None) -> FloatArray:
        """The same of some codes (C,); 0, 0 and 1 of -1, an item never seen."""
        vectors = self.item_vectors_ if codes is None else self.item_vectors_[codes]
        made = np.column_stack([vectors[:, 1:], vectors[:, 0], np.ones(len(vectors), np.float32)])
        if codes is not None:
            made[codes < 0, :-1] = 0.0
        return made

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return self.user_vectors(profiles) @ self._items(items).T  # (B, C)

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        people = self.user_vectors(profiles)
        ratings: FloatArray = np.einsum("nk,nk->n", people[pairs.rows], self._items(pairs.items))
        return ratings

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors q, biases left out; -inf for items without ratings."""
        near = cosines(self.item_vectors_[:, 1:], items)
        near[:, ~self.seen_] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        return 30 * shape.events + 4 * (self.factors + 1) * (2 * shape.users + 3 * shape.items) + 24 * self.factors**2
