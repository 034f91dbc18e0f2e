"""Biases and vectors by stochastic gradient descent: the "SVD" of the Netflix prize; without biases, PMF.

(Funk 2006; Koren et al. 2009, doi:10.1109/MC.2009.263, eq. 5; Salakhutdinov and Mnih 2007.)

Over the known ratings r_ui, with `mean` their mean, each rating moves its two biases and two vectors by `learning_rate`
against half the gradient of its term of

    sum [ (r_ui - mean - b_u - b_i - p_u.q_i)^2 + reg (b_u^2 + b_i^2 + |p_u|^2 + |q_i|^2) ]

for a fixed number of epochs, which is half of the regularisation: vectors begin as noise of standard deviation
`init_std` and are stopped before they fit the ratings. `mf` minimises the same sum to its end.

People and items are dealt into parts, and threads work on blocks that share neither (kernels/sgd.py; Gemulla et al.
2011). Within a block ratings lie by person, so that a person's vector stays in the fastest cache; the order of blocks
is drawn anew for each epoch. Time: O(N F) an epoch. Memory: 40 bytes a rating and 12 F (U + I).

Someone new gets the most likely vector given their history, with the people trained on as the prior (_prior.py),
O(n F^2 + F^3). Score: O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

from honeyguide.arrays import BoolArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import DivergedError
from honeyguide.kernels.sgd import step_ratings
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.models.contributions import Part, spread
from honeyguide.models.factorization import _prior
from honeyguide.params import param
from honeyguide.run import Run

_PARTS = 8  # people and items are dealt into this many parts, whatever the number of threads
_LANES = 8  # numbers that vector units take at once: training pads the vectors with zeros

_Blocks = tuple[LongArray, IntArray, IntArray, FloatArray]  # offsets (parts^2 + 1,), rows, columns, targets (N,)


@dataclass(kw_only=True, eq=False)
class Svd(Recommender):
    """Rate by mean + b_u + b_i + p_u.q_i; with `biases=False` by p_u.q_i alone.

    The trained vector of a known person serves the history it was trained on, any other history is folded in; with
    `people="solved"` all are, which is more accurate (docs/log.md). An item without ratings is rated mean + b_u;
    without biases it gets the mean.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {
        "user_vectors_": "UK", "item_vectors_": "IK", "seen_": "I", "prior_mean_": "K", "prior_root_": "KK",
    }  # fmt: skip

    factors: int = param(100, low=1, tune=(8, 200, "log"), help="length of the vectors")
    epochs: int = param(20, low=1, tune=(5, 100, "log"), help="passes over the ratings")
    learning_rate: float = param(0.005, low=1e-7, tune=(1e-3, 0.03, "log"), help="length of a step")
    reg: float = param(0.02, low=0.0, tune=(5e-3, 0.3, "log"), help="L2 weight on vectors and biases, for each rating")
    biases: bool = param(True, help="global mean and a bias for each person and item; without them plain p.q")
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
        told = np.diff(ratings.indptr) > 0  # (U,)
        self.mean_ = float(ratings.data.mean(dtype=np.float64))
        self.seen_ = np.bincount(ratings.indices, minlength=ratings.shape[1]) > 0  # (I,)
        places = _places(ratings, run)
        rated = zip((told, self.seen_), places, strict=True)
        vectors = [self._first(rows[np.argsort(place)], run.rng(0, side)) for side, (rows, place) in enumerate(rated)]
        biases = [np.zeros(n, np.float32) for n in ratings.shape]
        entries = _blocks(ratings, self.mean_ if self.biases else 0.0, places)
        rest = self.biases, float(self.reg), float(self.learning_rate), *biases, *vectors
        blas = ThreadpoolController()  # more threads would go on spinning while those of the kernels work
        for epoch in range(self.epochs):
            squares = 0.0
            for stratum in run.rng(2, epoch).permutation(_PARTS):
                squares += sum(run.map(step_ratings, _PARTS, _PARTS, int(stratum), *entries, *rest, block=1))
            self.user_vectors_, self.item_vectors_ = map(self._together, places, biases, vectors)  # (U, K), (I, K)
            self._check_finite()
            given = int(told.sum()), self.init_std**2, squares / ratings.nnz
            with blas.limit(limits=1, user_api="blas"):
                self.prior_mean_, self.prior_root_ = _prior.fitted(self.user_vectors_, *given)
            yield

    def _first(self, rated: BoolArray, rng: np.random.Generator) -> FloatArray:
        """(R, F and what is missing to a multiple of _LANES) noise, and zero of whom or what there is no rating."""
        vectors: FloatArray = np.zeros((len(rated), -(-self.factors // _LANES) * _LANES), np.float32)
        vectors[:, : self.factors] = rng.standard_normal((len(rated), self.factors), np.float32)
        vectors *= rated[:, None] * np.float32(self.init_std)
        return vectors

    def _together(self, places: LongArray, biases: FloatArray, vectors: FloatArray) -> FloatArray:
        """(R, K) the biases (R,), where there are any, and the F factors, in the order of codes."""
        made: FloatArray = np.empty((len(vectors), self.factors + self.biases), np.float32)
        made[:, int(self.biases) :] = vectors[places, : self.factors]
        if self.biases:
            made[:, 0] = biases[places]
        return made

    def _check_finite(self) -> None:
        """Raise DivergedError where a learning rate too high has taken the vectors to infinity."""
        if not (np.isfinite(self.user_vectors_).all() and np.isfinite(self.item_vectors_).all()):
            raise DivergedError(
                f"training diverged: the vectors are not finite, learning_rate being {self.learning_rate:g}; "
                "lower learning_rate, or raise reg"
            )

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F + 2) p_u, 1 and mean + b_u of each profile, or p_u, 1, 0 without biases."""
        self._need_fit()
        people: FloatArray = np.empty((len(profiles), self.item_vectors_.shape[1]), np.float32)
        known = (profiles.known >= 0) & (self.people == "trained")
        people[known] = self.user_vectors_[profiles.known[known]]
        if not known.all():
            new = np.flatnonzero(~known)
            people[new] = self._folded(profiles.take(new).matrix(), run or Run(threads=1))
        own = self.mean_ + people[:, 0] if self.biases else np.zeros(len(people))
        return np.column_stack([people[:, int(self.biases) :], np.ones(len(people)), own]).astype(np.float32)

    def _folded(self, ratings: sp.csr_matrix, run: Run) -> FloatArray:
        """(B, K) the most likely vectors of people with these ratings (B, I)."""
        ratings, columns = _prior.compact(ratings)
        features = self.item_vectors_[columns]  # (J, K)
        if self.biases:
            ratings.data = ratings.data - np.float32(self.mean_) - features[ratings.indices, 0]
            features[:, 0] = 1.0
        return _prior.folded(ratings, features, (self.prior_mean_, self.prior_root_), run)

    def item_vectors(self) -> FloatArray:
        """(I, F + 2) q_i, b_i and 1 of each item; without biases q_i, 0 and 1, or 0, mean and 1 where never rated."""
        self._need_fit()
        return self._items(None)

    def _items(self, codes: IntArray | None) -> FloatArray:
        """The same of some codes (C,), -1 being an item never seen."""
        vectors = self.item_vectors_ if codes is None else self.item_vectors_[codes]
        seen = self.seen_ if codes is None else self.seen_[codes] & (codes >= 0)
        own = vectors[:, 0] if self.biases else np.where(seen, 0.0, self.mean_)
        made = np.column_stack([vectors[:, int(self.biases) :], own, np.ones(len(own))]).astype(np.float32)
        if codes is not None:
            made[codes < 0, : self.factors + self.biases] = 0.0
        return made

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return self.user_vectors(profiles) @ self._items(items).T  # (B, C)

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        people = self.user_vectors(profiles)
        ratings: FloatArray = np.einsum("nk,nk->n", people[pairs.rows], self._items(pairs.items))
        return ratings

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """Mean, person, item (its bias and m.q_i, the taste of all), and (p_u - m).q_i, the person's own taste.

        The last one's shares are those of the vector folded in (_prior.py). For someone known by a trained vector they
        do not add up to it, whose weight is as trained.
        """
        person = self.user_vectors(profiles)[0].astype(np.float64)  # (F + 2,)
        vectors, own = np.split(self._items(items).astype(np.float64)[:, :-1], [self.factors], axis=1)  # (C, F), (C, 1)
        common = self.prior_mean_[int(self.biases) :]
        liked, taste = own[:, 0] + vectors @ common, vectors @ (person[: self.factors] - common)
        first = [Part("average", self.mean_), Part("person", float(person[-1]) - self.mean_)] if self.biases else []
        rest = zip(liked, taste, self._taste(profiles, vectors), strict=True)
        return [[*first, Part("item", float(a)), Part("taste", float(b), shares)] for a, b, shares in rest]

    def _taste(self, profiles: Profiles, vectors: DoubleArray) -> FloatArray:
        """(C, H) what each item of the history adds to the product of factors folded in by those of items (C, F)."""
        ratings = profiles.matrix()
        features, targets = self.item_vectors_[ratings.indices], ratings.data.astype(np.float64)  # (M, K), (M,)
        if self.biases:
            targets -= self.mean_ + features[:, 0]
            features[:, 0] = 1.0
        moved = _prior.moved(features, targets, (self.prior_mean_, self.prior_root_))  # (M, K)
        return spread(ratings.indices, (vectors @ moved[:, int(self.biases) :].T).astype(np.float32), profiles)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors, biases left out; -inf for items without ratings."""
        near = cosines(self.item_vectors_[:, int(self.biases) :], items)
        near[:, ~self.seen_] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        return 40 * shape.events + 12 * (self.factors + 8) * (shape.users + shape.items) + 24 * (self.factors + 1) ** 2


def _places(ratings: sp.csr_matrix, run: Run) -> list[LongArray]:
    """(U,), (I,) the rows that people and items have in training.

    Those of a part are neighbours, so that threads seldom write to one cache line.
    """
    return [run.rng(1, side).permutation(n) for side, n in enumerate(ratings.shape)]


def _blocks(ratings: sp.csr_matrix, offset: float, places: list[LongArray]) -> _Blocks:
    """Ratings less `offset`, block after block: of people in part p and items in part q from offsets[p * parts + q]."""
    rows = np.repeat(places[0], np.diff(ratings.indptr)).astype(np.int32)  # (N,)
    columns = places[1].astype(np.int32)[ratings.indices]
    parts = [(np.arange(n) * _PARTS // n).astype(np.int16) for n in ratings.shape]
    blocks = parts[0][rows] * np.int16(_PARTS) + parts[1][columns]  # (N,)
    order = np.argsort(blocks, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(blocks, minlength=_PARTS**2))]).astype(np.int64)
    return offsets, rows[order], columns[order], (ratings.data - np.float32(offset)).astype(np.float32)[order]
