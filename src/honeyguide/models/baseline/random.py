"""Random order: the floor under every ranking metric, and the ceiling of coverage; or random ratings.

Fit: O(1), of ratings O(N). Score: O(B * C), computed from the person's and the item's codes, so that the same question
has one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.models.base import Recommender, Task
from honeyguide.models.contributions import Part
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Random(Recommender):
    """Score each item by a number in [0, 1), hashed from the seed, the person's history and the item (SplitMix64).

    With `draws="ratings"` the number is the share below it of the normal distribution fitted to the ratings (their mean
    and standard deviation), and the rating the point of that distribution that it belongs to.
    """

    draws: Literal["order", "ratings"] = param(
        "order", help="an order for lists, or ratings from a normal distribution"
    )

    @property
    def task(self) -> Task:  # type: ignore[override]
        """Rating where ratings are drawn."""
        return "rating" if self.draws == "ratings" else "ranking"

    def _fit(self, data: Dataset, run: Run) -> None:
        self.seed_ = int(run.rng().integers(2**62))
        if self.draws == "ratings":
            values = data.matrix().data.astype(np.float64)
            self.mean_, self.std_ = float(values.mean()), float(values.std())

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        codes = np.arange(len(profiles.schema.items)) if items is None else items
        return self._drawn(self._people(profiles)[:, None], codes)  # (B, C)

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        self._need_fit()
        if not hasattr(self, "mean_"):
            return super().rate(profiles, pairs)  # refused
        return self._drawn(self._people(profiles)[pairs.rows], pairs.items)

    def _people(self, profiles: Profiles) -> AnyArray:
        """(B,) a hash of each history."""
        people = np.zeros(len(profiles), dtype=np.uint64)
        np.add.at(people, profiles.rows, _mix(profiles.items.astype(np.uint64) + np.uint64(1)))
        return people

    def _drawn(self, people: AnyArray, items: AnyArray) -> FloatArray:
        mixed = _mix(_mix(people + np.uint64(self.seed_)) + items.astype(np.uint64))
        share = (mixed >> np.uint64(40)) / np.float32(1 << 24)
        if not hasattr(self, "mean_"):
            return share.astype(np.float32)
        from scipy.special import ndtri

        return np.asarray(self.mean_ + self.std_ * ndtri(share + 2.0**-25), dtype=np.float32)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """Chance: that the history seeds it is no reason."""
        return [[Part("chance", float(score))] for score in self.score(profiles, items)[0]]

    def memory(self, shape: Shape) -> int:
        return 0


def _mix(value: AnyArray) -> AnyArray:
    """The finaliser of SplitMix64 (Steele et al. 2014, doi:10.1145/2660193.2660195): a bijection of 64-bit integers."""
    value = (value + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: AnyArray = value ^ (value >> np.uint64(31))
    return mixed
