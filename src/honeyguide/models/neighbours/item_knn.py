"""Item-item neighbours: what the same people have (Deshpande and Karypis 2004, doi:10.1145/963770.963776).

Fit: O(sum of squared history lengths) time and O(I * neighbours) memory, never a matrix of all pairs of items. Score:
O(history * neighbours) per person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.kernels import neighbours as kernels
from honeyguide.models.base import Recommender, Task
from honeyguide.models.neighbours._weighting import column_weights, inverse_lengths, mean_columns
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class ItemKnn(Recommender):
    """Score an item j by its similarity to what the person has: s(j) = sum of sim(i, j) over i in the history.

    Only the `neighbours` items i most similar to j count. With x_i the people who have i among their positives,
    sim(i, j) = <x_i, x_j> / (length_i length_j + shrink), where

        cosine   length_i = |x_i|
        tfidf    the same, person u counting log(1 + items / items of u)^2: who has few items says more of them
        bm25     people count as in tfidf, length_i = 1 + k1 (1 - b + b people of i / mean people of an item)
    """

    task: ClassVar[Task] = "ranking"
    additive: ClassVar[bool] = True
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "II"}

    weighting: Literal["cosine", "tfidf", "bm25"] = param(
        "tfidf", tune=["cosine", "tfidf", "bm25"], help="how people and lengths count"
    )
    neighbours: int = param(200, low=1, tune=(20, 1000, "log"), help="most similar items that an item is scored by")
    shrink: float = param(100.0, low=0.0, tune=(0.0, 200.0), help="added to the lengths' product: distrusts rare pairs")
    k1: float = param(10.0, low=0.0, tune=(0.1, 100.0, "log"), help="of bm25: how much popularity counts")
    b: float = param(0.1, low=0.0, high=1.0, tune=(0.0, 1.0), help="of bm25: 0 all items alike, 1 in proportion")

    def _fit(self, data: Dataset, run: Run) -> None:
        people = data.positives().T.tocsr()  # (I, U)
        weights = column_weights(people, self.weighting)
        mean = mean_columns(people)
        scale = inverse_lengths(people, weights, self.weighting, k1=self.k1, b=self.b, mean=mean)
        near = kernels.matrix(people, weights, scale, scale, shrink=self.shrink, keep=self.neighbours, run=run)
        self.weights_ = near.T.tocsr()  # (I, I): row i is what having i adds to each item

    def _update(self, before: Dataset, after: Dataset, run: Run) -> None:
        self._fit(after, run)  # a new person changes the weight of every other, a new item that of every person

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return kernels.mixed(profiles.positives(), self.weights_, items)  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """The similarity (C, I) of each given item's own neighbours to it."""
        return np.asarray(self.weights_[:, items].T.toarray(), dtype=np.float32)

    def memory(self, shape: Shape) -> int:
        kept = shape.items * min(self.neighbours, shape.items)
        return 28 * kept + 64 * shape.events + 40 * shape.items
