"""Random order: the floor under every ranking metric, and the ceiling of coverage.

Fit: O(1). Score: O(B * C), computed from the person's and the item's codes, so that the same question has one answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender, Task
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Random(Recommender):
    """Score each item by a number in [0, 1), hashed from the seed, the person's history and the item (SplitMix64)."""

    task: ClassVar[Task] = "ranking"

    def _fit(self, data: Dataset, run: Run) -> None:
        self.seed_ = int(run.rng().integers(2**62))

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        codes = np.arange(len(profiles.schema.items)) if items is None else items
        people = np.zeros(len(profiles), dtype=np.uint64)
        np.add.at(people, profiles.rows, _mix(profiles.items.astype(np.uint64) + np.uint64(1)))  # the history's hash
        mixed = _mix(_mix(people + np.uint64(self.seed_))[:, None] + codes.astype(np.uint64))  # (B, C)
        return ((mixed >> np.uint64(40)) / np.float32(1 << 24)).astype(np.float32)

    def memory(self, shape: Shape) -> int:
        return 0


def _mix(value: AnyArray) -> AnyArray:
    """The finaliser of SplitMix64 (Steele et al. 2014, doi:10.1145/2660193.2660195): a bijection of 64-bit integers."""
    value = (value + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: AnyArray = value ^ (value >> np.uint64(31))
    return mixed
