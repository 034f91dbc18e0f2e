"""A model of known answers for the tests of explanations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Together(Recommender):
    """A score of single items and pairs of the history, whose Shapley values can be counted out."""

    single: DoubleArray = field(default_factory=lambda: np.zeros((0, 0)))  # (I, I) from, to
    pair: DoubleArray = field(default_factory=lambda: np.zeros((0, 0, 0)))  # (I, I, I) from, from, to

    def __post_init__(self) -> None:
        pass

    def _fit(self, data: Dataset, run: Run) -> None:
        rng = np.random.default_rng(5)
        count = data.n_items
        self.single, self.pair = rng.normal(size=(count, count)), rng.normal(size=(count, count, count)) / 4

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        x = profiles.positives().toarray().astype(np.float64)
        found = 0.3 + x @ self.single + np.einsum("bi,bj,ijk->bk", x, x, self.pair)
        return (found if items is None else found[:, items]).astype(np.float32)

    def memory(self, shape: Shape) -> int:
        return 0
