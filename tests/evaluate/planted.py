"""Models whose scores and ratings are planted, and small random data, for the tests of evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from honeyguide.data.dataset import Dataset, Positive, Schema, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Planted(Recommender):
    """Scores a known person's items by a row of `plan` (U, I), a stranger's by its last row."""

    seed: int = param(0, low=0, help="of the plan, where none is given")

    def planning(self, plan: np.ndarray) -> Planted:
        self.plan = plan.astype(np.float32)
        return self

    def _fit(self, data: Dataset, run: Run) -> None:
        drawn = np.random.default_rng(self.seed).random((data.n_users, data.n_items), dtype=np.float32)
        self.plan_ = getattr(self, "plan", drawn)

    def score(self, profiles: Profiles, items: np.ndarray | None = None) -> np.ndarray:
        rows = self.plan_[profiles.known].copy()
        return rows if items is None else rows[:, items]

    def memory(self, shape: Shape) -> int:
        return 0


@dataclass(kw_only=True, eq=False)
class PlantedRatings(Planted):
    """The same, its scores meant as ratings from -1 to 7, outside the scale at both ends."""

    @property
    def task(self) -> Task:  # type: ignore[override]
        return "rating"

    def rate(self, profiles: Profiles, pairs: Pairs) -> np.ndarray:
        return (8 * self.plan_[profiles.known[pairs.rows], pairs.items] - 1).astype(np.float32)


def ratings(seed: int, events: int = 400, *, people: int = 20, items: int = 30, frame: str = "polars") -> Dataset:
    """Random ratings from 1 to 5 with times, duplicates included; 4 and 5 are positive."""
    rng = np.random.default_rng(seed)
    users = Vocabulary.of([f"p{number:02}" for number in range(people)])
    schema = Schema(
        users,
        Vocabulary.of(list(range(100, 100 + items))),
        True,
        (1.0, 5.0),
        Positive(">=4"),
        pl.DataFrame(),
        frame=frame,
    )
    codes = rng.integers(people, size=events).astype(np.int32), rng.integers(items, size=events).astype(np.int32)
    return Dataset(schema, *codes, rng.integers(1, 6, events).astype(np.float32), rng.integers(0, 10**6, events))
