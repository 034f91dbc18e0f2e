"""RP3beta: three steps of a random walk, popular ends damped (Paudel et al. 2017, doi:10.1145/2955101).

With beta = 0 it is P3alpha (Cooper et al. 2014, doi:10.1145/2567948.2579244). Fit: O(sum of squared history lengths)
time and O(I * neighbours) memory. Score: O(history * neighbours) per person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.kernels import neighbours as kernels
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class RP3Beta(Recommender):
    """Score item j by the chance of a walk person → item i → other person v → j, made steeper or flatter by alpha:

    s(j) = sum over i in the history of W_ij,    W_ij = p_j^-beta * sum over people v with both of (1/p_i 1/h_v)^alpha

    p_i people have item i, h_v items are in v's history. Of each item j only the `neighbours` items i with the largest
    W_ij count. The first step, from the person to their items, is alike for all their items and changes no order.
    """

    task: ClassVar[Task] = "ranking"
    additive: ClassVar[bool] = True
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "II"}

    alpha: float = param(0.5, low=0.0, tune=(0.1, 1.5), help="exponent of the steps' chances; 1 is the walk as it is")
    beta: float = param(0.4, low=0.0, tune=(0.0, 1.0), help="how much an item's popularity is damped; 0 is P3alpha")
    neighbours: int = param(300, low=1, tune=(20, 1000, "log"), help="items from which an item is reached")

    def _fit(self, data: Dataset, run: Run) -> None:
        people = data.positives().T.tocsr()  # (I, U)
        popularity = np.maximum(np.diff(people.indptr), 1).astype(np.float64)  # (I,)
        lengths = np.maximum(np.bincount(people.indices, minlength=people.shape[1]), 1).astype(np.float64)  # (U,)
        to, by, away = (
            power.astype(np.float32)
            for power in (popularity**-self.beta, lengths**-self.alpha, popularity**-self.alpha)
        )
        near = kernels.matrix(people, by, to, away, shrink=0.0, keep=self.neighbours, run=run)
        self.weights_ = near.T.tocsr()  # (I, I): row i is where walks from i end

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return kernels.mixed(profiles.positives(), self.weights_, items)  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """How much (C, I) each item leads to a given one."""
        return np.asarray(self.weights_[:, items].T.toarray(), dtype=np.float32)

    def memory(self, shape: Shape) -> int:
        kept = shape.items * min(self.neighbours, shape.items)
        return 28 * kept + 64 * shape.events + 40 * shape.items + 24 * shape.users
