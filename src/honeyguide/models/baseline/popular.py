"""The most popular items for everyone, of all time or of late: what any list has to beat.

Fit: O(N), memory O(N + I). Score: O(1) per item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import NO_TIME, Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DataError
from honeyguide.models.base import Recommender, Task
from honeyguide.models.contributions import Part
from honeyguide.params import param
from honeyguide.run import Run

_DAY = 86_400  # seconds


@dataclass(kw_only=True, eq=False)
class Popular(Recommender):
    """Score an item by the number of people who have it among their positives, whoever asks.

    With `window`, by those who came to it within so many days before the last event of the training data, that moment
    and the window's first included. Events without a time are in no window; DataError where no event has one.
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"counts_": "I"}

    window: float = param(0.0, low=0.0, help="days before the last event that count; 0: all time")

    def _fit(self, data: Dataset, run: Run) -> None:
        if self.window:
            if data.times is None or (data.times == NO_TIME).all():
                raise DataError("Popular.window needs times, and these data have none; name them with time=, or use 0")
            data = data.take(data.times >= data.times.max() - self.window * _DAY)
        people = np.bincount(data.positives().indices, minlength=data.n_items)
        self.counts_ = people.astype(np.float32)

    def _update(self, before: Dataset, after: Dataset, run: Run) -> None:
        self._fit(after, run)  # no slower than finding out what is new

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        counts = self.counts_ if items is None else self.counts_[items]
        return np.broadcast_to(counts, (len(profiles), len(counts)))  # (B, C)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """How many have it."""
        days = f"{self.window:g}" if self.window else ""
        return [[Part("popularity", float(count), value=days)] for count in self.counts_[items]]

    def memory(self, shape: Shape) -> int:
        return 12 * shape.items + (44 if self.window else 24) * shape.events
