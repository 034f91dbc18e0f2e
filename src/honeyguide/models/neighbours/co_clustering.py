"""Co-clustering: groups of people and of items found at once (George and Merugu 2005, doi:10.1109/ICDM.2005.14).

Fit: O(N) an epoch, by sums within groups, and as much memory. Score: O(history + C) a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.models.base import Recommender, Task
from honeyguide.models.contributions import Part
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class CoClustering(Recommender):
    """Rate by mean_u + mean_i + effect of the group of u and the group of i.

    With mean_g the mean rating of a group of people, mean_h of a group of items, mean_gh of those of both,
    effect_gh = mean_gh - mean_g - mean_h. Groups begin at random. In each epoch every person, and then every item, goes
    where the squared error over their ratings is least; it ends early when no one moves. An empty group's mean is that
    of all ratings. To the mean of a person or an item `prior` ratings are added that equal the mean of all.

    A person's group is the best one for their history, found when asked, so that known people and strangers are served
    alike. Without a history, and of an item never seen, the rating is mean_u + mean_i - mean of all. Ratings count as
    they are: Surprise's CoClustering cuts them to whole numbers, half-stars lost.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {"item_means_": "I", "item_groups_": "I", "seen_": "I", "effects_": "GH"}

    user_groups: int = param(3, low=1, tune=(1, 10), help="groups of people")
    item_groups: int = param(3, low=1, tune=(1, 10), help="groups of items")
    prior: float = param(5.0, low=0.0, tune=(0.5, 20.0, "log"), help="ratings that equal the mean, added to each mean")
    epochs: int = param(20, low=1, tune=(5, 40), help="passes in which people and items change groups")

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        ratings = data.matrix().astype(np.float64)  # (U, I)
        turned, rng = ratings.T.tocsr(), run.rng(0)
        self.mean_ = float(ratings.data.mean())
        self.item_means_ = self._means(turned).astype(np.float32)
        self.seen_ = np.diff(turned.indptr) > 0
        user_means, item_means = self._means(ratings), self.item_means_.astype(np.float64)
        people = rng.integers(self.user_groups, size=data.n_users).astype(np.int32)
        self.item_groups_ = rng.integers(self.item_groups, size=data.n_items).astype(np.int32)
        self.effects_ = self._effects(ratings, people)
        for _ in range(self.epochs):
            effects = self.effects_.astype(np.float64)
            moved = _best(ratings, user_means, item_means, self.item_groups_, effects)
            items = _best(turned, item_means, user_means, moved, effects.T)
            settled = (moved == people).all() and (items == self.item_groups_).all()
            people, self.item_groups_ = moved, items
            self.effects_ = self._effects(ratings, people)
            yield
            if settled:
                break

    def _means(self, ratings: sp.csr_matrix) -> DoubleArray:
        """(B,) the mean of each row and of the ratings added to it; of an empty row that of all."""
        sums, counts = np.asarray(ratings.sum(axis=1)).ravel(), np.diff(ratings.indptr) + self.prior
        means: DoubleArray = np.where(
            counts > 0, (sums + self.prior * self.mean_) / np.where(counts > 0, counts, 1.0), self.mean_
        )
        return means

    def _effects(self, ratings: sp.csr_matrix, people: IntArray) -> FloatArray:
        """(G, H) the effect of each pair of groups, given who is in which."""
        sums, counts = (_grouped(m, self.item_groups_, self.item_groups) for m in (ratings, _ones(ratings)))  # (U, H)
        both = np.zeros((2, self.user_groups, self.item_groups))
        np.add.at(both[0], people, sums)
        np.add.at(both[1], people, counts)
        means, users, items = (
            np.where(c > 0, s / np.where(c > 0, c, 1), self.mean_)
            for s, c in (both, both.sum(axis=2, keepdims=True), both.sum(axis=1, keepdims=True))
        )
        return (means - users - items).astype(np.float32)

    def _people(self, profiles: Profiles) -> tuple[FloatArray, FloatArray]:
        """The mean (B,) of each profile and the effects (B, H) of its group; - mean of all without a history."""
        history = profiles.matrix().astype(np.float64)
        means = self._means(history)
        groups = _best(
            history, means, self.item_means_.astype(np.float64), self.item_groups_, self.effects_.astype(np.float64)
        )
        effects = self.effects_[groups]
        effects[np.diff(history.indptr) == 0] = -self.mean_
        return means.astype(np.float32), effects

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        means, effects = self._people(profiles)
        wanted = slice(None) if items is None else items
        mine = np.where(self.seen_[wanted], effects[:, self.item_groups_[wanted]], np.float32(-self.mean_))  # (B, C)
        return means[:, None] + self.item_means_[wanted] + mine

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        means, effects = self._people(profiles)
        known = (pairs.items >= 0) & self.seen_[pairs.items]
        mine = np.where(known, effects[pairs.rows, self.item_groups_[pairs.items]], np.float32(-self.mean_))
        items = np.where(pairs.items >= 0, self.item_means_[pairs.items], np.float32(self.mean_))
        return means[pairs.rows] + items + mine  # (N,)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """The mean, what the means of person and item differ from it, and the effect of their groups above it.

        The last, mean_gh - mean - (mean_g - mean) - (mean_h - mean), is what people of the person's group have given
        items of the group beyond what either group explains. It has no shares: a history chooses a group as a whole.
        """
        means, effects = self._people(profiles)
        mine = np.where(self.seen_[items], effects[0, self.item_groups_[items]], np.float32(-self.mean_))  # (C,)
        common = [Part("average", self.mean_), Part("person", float(means[0]) - self.mean_)]
        return [
            [*common, Part("item", float(item) - self.mean_), Part("raters", float(effect) + self.mean_)]
            for item, effect in zip(self.item_means_[items], mine, strict=True)
        ]

    def memory(self, shape: Shape) -> int:
        sides = (shape.users + shape.items) * (64 + 32 * (self.user_groups + self.item_groups))
        return 72 * shape.events + sides


def _best(
    ratings: sp.csr_matrix, means: DoubleArray, others: DoubleArray, groups: IntArray, effects: DoubleArray
) -> IntArray:
    """(B,) for each row of ratings (B, N) the group whose effects (G, H) leave the least squared error.

    Of equal groups the first. Of the residuals t = r - means of the row - others of the column, sum (t - effect)^2 is,
    but for what does not depend on the group, sum over h of n_h effect^2 - 2 effect sum of t within h.
    """
    count = effects.shape[1]
    ones = _ones(ratings)
    counts = _grouped(ones, groups, count)  # (B, H)
    left = _grouped(ratings, groups, count) - means[:, None] * counts - _grouped(ones, groups, count, others)
    errors = counts @ (effects**2).T - 2.0 * left @ effects.T  # (B, G)
    best: IntArray = errors.argmin(axis=1).astype(np.int32)
    return best


def _grouped(matrix: sp.csr_matrix, groups: IntArray, count: int, weights: DoubleArray | None = None) -> DoubleArray:
    """(B, H) sums of the columns (B, N) of each group, each column counting by its weight (N,)."""
    member = np.zeros((len(groups), count))
    member[np.arange(len(groups)), groups] = 1.0 if weights is None else weights
    return np.asarray(matrix @ member)


def _ones(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The same matrix with ones for entries."""
    return sp.csr_matrix((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
