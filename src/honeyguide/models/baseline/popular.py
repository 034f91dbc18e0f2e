"""The most popular items for everyone: what any list has to beat.

Fit: O(N), memory O(I). Score: O(1) per item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender, Task
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Popular(Recommender):
    """Score an item by the number of people who have it among their positives, whoever asks."""

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"counts_": "I"}

    def _fit(self, data: Dataset, run: Run) -> None:
        people = np.bincount(data.positives().indices, minlength=data.n_items)
        self.counts_ = people.astype(np.float32)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        counts = self.counts_ if items is None else self.counts_[items]
        return np.broadcast_to(counts, (len(profiles), len(counts)))  # (B, C)

    def memory(self, shape: Shape) -> int:
        return 12 * shape.items + 24 * shape.events
