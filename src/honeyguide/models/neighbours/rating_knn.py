"""Ratings from neighbours: similar items that the person rated, or similar people who rated the item.

(Herlocker et al. 1999, doi:10.1145/312624.312682; over baselines Koren 2010, doi:10.1145/1644873.1644874.)

By item. Fit: O(sum of squared history lengths) time, O(I * kept) memory, never a matrix of all pairs. A pair: O(kept).
By user. Fit: O(N). A person: O(history * people of an item) for the similarities to others, found when asked and
exact; then a pair: O(people of the item).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.kernels import rated
from honeyguide.models.base import Recommender, Task
from honeyguide.models.contributions import Kind, Part, spread
from honeyguide.models.neighbours import _shares
from honeyguide.models.neighbours._asked import each_item, pair_by_pair
from honeyguide.models.neighbours._baseline import bases, biases, row_of_each
from honeyguide.params import param
from honeyguide.run import Run

_BLOCK = 16  # people a call


@dataclass(kw_only=True, eq=False)
class RatingKnn(Recommender):
    """Rate item i for person u by the mean of what neighbours say, each counting by its similarity.

    By item, the neighbours are the items j that u rated, by user the people v who rated i: the `neighbours` most
    similar ones, where the similarity is above 0. With z the ratings of the neighbour,

        basic      mean of z
        centred    mean_x + mean of (z - mean of the neighbour), x being i by item, u by user
        z-scored   mean_x + sd_x * mean of (z - mean of the neighbour) / sd of the neighbour
        baseline   b_ui + mean of (z - b of that rating), b_ui = mean + b_u + b_i being its baseline

    Similarities look at what two items, or two people, have both been given or have both rated: `cosine` of the
    ratings, 1 / (1 + mean squared difference) for `msd`, the `pearson` correlation, or the cosine of what ratings are
    above their baselines, times (n - 1) / (n - 1 + shrink) for n in common (`pearson_baseline`).

    b_ui itself counts as one more neighbour of similarity `prior`, so that few and unlike neighbours move it little;
    with fewer than `min_neighbours` it is the rating. Of someone without a history b_u is 0, of an item never seen b_i.
    No item is its own neighbour, nor is who has rated the very same items: for a known person that leaves out their
    own row, so that known people and strangers are served alike.

    `prior=0, reg_user=15, reg_item=10` are the formulas above alone, with the constants that Surprise has. By item,
    cosine, msd and pearson put pairs with few people in common first: with them let `kept` be none.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {
        "near_": "II", "raters_": "IU", "base_": "I", "offset_": "I", "spread_": "I", "shift_": "I",
        "lift_": "U", "inverse_": "U", "counts_": "U",
    }  # fmt: skip

    by: Literal["item", "user"] = param("item", tune=["item", "user"], help="whose similarity counts")
    kind: Literal["basic", "centred", "z-scored", "baseline"] = param(
        "baseline", tune=["centred", "z-scored", "baseline"], help="what of a neighbour's rating is averaged"
    )
    measure: Literal["cosine", "msd", "pearson", "pearson_baseline"] = param(
        "pearson_baseline", tune=["msd", "pearson", "pearson_baseline"], help="how alike two items or people are"
    )
    neighbours: int = param(40, low=1, tune=(10, 200, "log"), help="most similar items or people that are asked")
    min_neighbours: int = param(1, low=1, tune=(1, 5), help="with fewer the rating is the baseline")
    min_support: int = param(1, low=1, tune=(1, 10), help="least that two items or people have in common, to be alike")
    shrink: float = param(100.0, low=0.0, tune=(1.0, 500.0, "log"), help="of pearson_baseline: distrusts rare pairs")
    prior: float = param(0.2, low=0.0, tune=(0.02, 5.0, "log"), help="similarity that the baseline counts with")
    kept: int | None = param(500, low=1, help="by item: most similar items kept of each, to choose from; none: all")
    reg_user: float = param(5.0, low=0.0, tune=(1.0, 50.0, "log"), help="of the baseline: added to a person's count")
    reg_item: float = param(3.0, low=0.0, tune=(1.0, 50.0, "log"), help="of the baseline: added to an item's count")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit(self, data: Dataset, run: Run) -> None:
        ratings = data.matrix()  # (U, I)
        self.mean_, self.base_ = bases(ratings, self.reg_user, self.reg_item)
        self.deviation_ = float(ratings.data.std(dtype=np.float64)) or 1.0
        nothing = np.zeros(data.n_items, np.float32)
        self.shift_ = self.base_ if self.measure == "pearson_baseline" else nothing
        self.offset_, self.spread_ = self.base_ if self.kind == "baseline" else nothing, nothing + 1
        if self.by == "item" and self.kind in ("centred", "z-scored"):
            self.offset_, self.spread_ = self._spreads(ratings.T.tocsr())
        bias, offset, spread = self._people(ratings)
        shift = self._shift(bias)
        compared = ratings.copy()
        compared.data = ratings.data - shift[row_of_each(ratings)] - self.shift_[ratings.indices]
        compared = compared.T.tocsr()  # (I, U)
        if self.by == "item":
            everything = np.arange(data.n_items, dtype=np.int32)
            self.near_ = rated.nearest(compared, everything, self._rule, keep=self.kept, run=run)  # (I, I)
        else:
            self.raters_ = compared
            self.lift_, self.inverse_ = shift - offset, 1 / spread  # (U,)
            self.counts_ = np.diff(ratings.indptr).astype(np.int32)  # (U,)

    def _people(self, ratings: sp.csr_matrix) -> tuple[FloatArray, FloatArray, FloatArray]:
        """b_u, and what is taken from a rating and what it is then divided by, (B,) each, of who has these ratings."""
        bias = biases(ratings, self.base_, self.reg_user)
        if self.by == "user" and self.kind in ("centred", "z-scored"):
            return bias, *self._spreads(ratings)
        return bias, bias if self.kind == "baseline" else np.zeros_like(bias), np.ones_like(bias)

    def _spreads(self, ratings: sp.csr_matrix) -> tuple[FloatArray, FloatArray]:
        """The mean and the standard deviation of each row (B,); where it is 0 that of all ratings, if centred, 1."""
        rows, count = row_of_each(ratings), ratings.shape[0]
        lengths = np.maximum(np.diff(ratings.indptr), 1)
        means = np.bincount(rows, ratings.data, count) / lengths
        if self.kind == "centred":
            return means.astype(np.float32), np.ones(count, np.float32)
        squares = np.bincount(rows, (ratings.data - means[rows]) ** 2, count) / lengths
        return means.astype(np.float32), np.sqrt(np.where(squares > 0, squares, self.deviation_**2)).astype(np.float32)

    def _shift(self, bias: FloatArray) -> FloatArray:
        """(B,) what is taken from a person's ratings, beside that of the item, before they are compared."""
        return bias if self.measure == "pearson_baseline" else np.zeros_like(bias)

    @property
    def _rule(self) -> rated.Rule:
        return rated.MEASURES.index(self.measure), self.min_support, float(self.shrink)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        return pair_by_pair(self._rated, profiles, pairs)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return each_item(self._rated, profiles, items)

    def _rated(self, profiles: Profiles, indptr: LongArray, items: IntArray) -> FloatArray:
        """(N,) the rating of each item by the profile whose part of `indptr` (B + 1,) it lies in; -1 is never seen."""
        history = profiles.matrix()  # (B, I)
        bias, offset, spread = self._people(history)
        rows, known = np.repeat(np.arange(len(profiles)), np.diff(indptr)), items >= 0
        means, weights = self._means(history, bias, offset, indptr, items)
        base = np.where(known, self.base_[items], np.float32(self.mean_)) + bias[rows]
        said = offset[rows] + self.offset_[items] + spread[rows] * self.spread_[items] * means
        trust = weights / np.where(weights > 0, weights + np.float32(self.prior), np.float32(1))
        return (base + trust * (said - base)).astype(np.float32, copy=False)

    def _means(
        self, history: sp.csr_matrix, bias: FloatArray, offset: FloatArray, indptr: LongArray, items: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """What the neighbours say on the mean (N,) and the sum of their similarities (N,); 0 where they are too few."""
        out, people = (np.empty(len(items), np.float32), np.empty(len(items), np.float32)), history.shape[0]
        asked = read_only(indptr), read_only(items)
        limits = self.neighbours, self.min_neighbours, *out
        if self.by == "item":
            taken, near = self._taken(history, offset), rated.parts(self.near_)
            Run().map(rated.average_near, people, *rated.parts(taken), *asked, *near, *limits, block=_BLOCK)
            return out
        taken = self._compared(history, bias)
        lifts = [read_only(array) for array in (self.lift_, self.shift_ - self.offset_, self.inverse_)]
        raters = *rated.parts(self.raters_), read_only(self.counts_), self._rule, *lifts
        Run().map(rated.average_raters, people, *rated.parts(taken), *asked, *raters, *limits, block=_BLOCK)
        return out

    # ---- reasons ----------------------------------------------------------------------------------------------------

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """The mean, the person and the item, and what neighbours add: each sim z / (sum of sim + prior).

        z is how far what the neighbour says is above the mean, the person and the item, which are, as far as neighbours
        are trusted (sum of sim / (sum of sim + prior)), and else b_u and b_i for every kind:

            kind               by      person            item
            baseline           either  b_u               b_i
            centred, z-scored  item    0                 mean of i - mean
            centred, z-scored  user    mean of u - mean  0
            basic              either  0                 0

        By item, neighbours are items of the history. By user they are people, and each one's similarity is split among
        the items that the person has in common with them, as the products are that it is a sum of; `msd` is no such
        sum, and there it is not told which items of the history the people were found by.
        """
        history = profiles.matrix()  # (1, I)
        bias, offset, spread_of = self._people(history)  # (1,)
        by_item, compared = self.by == "item", self._compared(history, bias)
        found = list(self._items(history, offset, items) if by_item else self._raters(compared, spread_of, items))
        added, trust = _shares.weighted(found, len(history.data if by_item else self.counts_), self.prior)
        among = self.mean_ - self._common  # the mean of all, which is in one of the two offsets
        of_person = not by_item and self.kind != "baseline"
        person, thing = offset - among * of_person, self.offset_[items] - among * (not of_person)
        people = (1.0 - trust) * bias + trust * person  # (C,)
        things = (1.0 - trust) * (self.base_[items] - self.mean_) + trust * thing  # (C,)
        shares = np.asarray(added.toarray(), np.float32) if by_item else self._through(compared, added)
        told = [None] * len(items) if shares is None else spread(history.indices, shares, profiles)
        kind: Kind = "history" if by_item else "raters"
        return [
            [Part("average", self.mean_), Part("person", float(a)), Part("item", float(b)), Part(kind, float(c), each)]
            for a, b, c, each in zip(people, things, np.asarray(added.sum(axis=1)).ravel(), told, strict=True)
        ]

    def _items(self, history: sp.csr_matrix, offset: FloatArray, items: IntArray) -> Iterator[_shares.Chosen]:
        """By item: whose ratings of the history (1, I) count for each item, by their place in it."""
        places = np.full(history.shape[1], -1, np.int32)
        places[history.indices] = np.arange(len(history.data))
        values = self._taken(history, offset).data
        for item in items:
            who, alike, z = _shares.of_items(int(item), self.near_, places, values, self._limit)
            yield who, alike, self.spread_[item] * z - self._common

    def _raters(self, compared: sp.csr_matrix, spread_of: FloatArray, items: IntArray) -> Iterator[_shares.Chosen]:
        """By user: whose ratings count for each item, by code, for who has compared ratings (1, I)."""
        everyone = rated.likeness(compared, self.raters_, self.counts_, self._rule)
        for item in items:
            who, alike, z = _shares.of_people(int(item), self.raters_, everyone, self._limit)
            z = (z + self.lift_[who] + self.shift_[item] - self.offset_[item]) * self.inverse_[who]
            yield who, alike, spread_of * z - self._common

    @property
    def _limit(self) -> _shares.Limit:
        return _shares.Limit(self.neighbours, self.min_neighbours)

    @property
    def _common(self) -> float:
        """What is told as the mean and not as what neighbours say."""
        return self.mean_ if self.kind == "basic" else 0.0

    def _through(self, compared: sp.csr_matrix, added: sp.csr_matrix) -> FloatArray | None:
        """(C, M) what each item of the history adds to each of C through people who add (C, U)."""
        if self.measure == "msd":
            return None
        people = np.unique(added.indices)
        raters = self.raters_[compared.indices][:, people]
        parts = _shares.split(compared.data, raters, centred=self.measure == "pearson")
        return np.asarray((added[:, people] @ parts.T).toarray(), np.float32)

    def _compared(self, history: sp.csr_matrix, bias: FloatArray) -> sp.csr_matrix:
        """The ratings of histories (B, I) of people with biases (B,) as they are compared with others'."""
        taken = history.copy()
        taken.data = history.data - self._shift(bias)[row_of_each(history)] - self.shift_[history.indices]
        return taken

    def _taken(self, history: sp.csr_matrix, offset: FloatArray) -> sp.csr_matrix:
        """By item: what is averaged of the ratings of histories (B, I), `offset` (B,) being the people's."""
        taken = history.copy()
        columns = history.indices
        taken.data = (history.data - offset[row_of_each(history)] - self.offset_[columns]) / self.spread_[columns]
        return taken

    def similarity(self, items: IntArray) -> FloatArray:
        """The similarity (C, I) of each given item to others, by the people of both; by item of those kept."""
        if self.by == "item":
            near = self.near_[items]
        else:
            near = rated.nearest(self.raters_, items, self._rule, keep=None, run=Run(threads=1))
        return np.asarray(near.toarray(), dtype=np.float32)

    def memory(self, shape: Shape) -> int:
        if self.by == "user":
            return 72 * shape.events + 64 * (shape.users + shape.items)
        kept = shape.items * min(self.kept or shape.items, shape.items)
        return 28 * kept + 72 * shape.events + 64 * (shape.users + shape.items)
