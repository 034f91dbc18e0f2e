"""User-user neighbours: what people with the same items have (Herlocker et al. 1999, doi:10.1145/312624.312682).

Fit: O(N log N), memory O(N): the histories by people and by items. Score, per person: O(history * people of an item)
to find the neighbours, O(neighbours * history) to add up what they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.kernels import neighbours as kernels
from honeyguide.models.base import Recommender, Task
from honeyguide.models.contributions import Part, spread
from honeyguide.models.neighbours._weighting import column_weights, inverse_lengths, mean_columns
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class UserKnn(Recommender):
    """Score an item j by the people who have it: s(j) = sum of sim(u, v) over the neighbours v of u with j.

    The `neighbours` people v of the training data most similar to the person u count. With x_u the items that u has,
    sim(u, v) = <x_u, x_v> / (length_u length_v + shrink), where

        cosine   length_u = |x_u|
        tfidf    the same, item i counting log(1 + people / people of i)^2: a rare item in common says more
        bm25     items count as in tfidf, length_u = 1 + k1 (1 - b + b items of u / mean items of a person)

    Whoever has the very same items is no neighbour: they have nothing that the person lacks. This leaves the person's
    own trained row out, whether they are known or bring their history as someone new.
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"people_": "UI", "holders_": "IU", "counts_": "I", "scale_": "U"}

    weighting: Literal["cosine", "tfidf", "bm25"] = param(
        "tfidf", tune=["cosine", "tfidf", "bm25"], help="how items and lengths count"
    )
    neighbours: int = param(80, low=1, tune=(20, 500, "log"), help="most similar people who are asked")
    shrink: float = param(0.0, low=0.0, tune=(0.0, 100.0), help="added to the lengths' product: distrusts rare pairs")
    k1: float = param(10.0, low=0.0, tune=(0.1, 100.0, "log"), help="of bm25: how much histories' lengths count")
    b: float = param(0.1, low=0.0, high=1.0, tune=(0.0, 1.0), help="of bm25: 0 all lengths alike, 1 in proportion")

    def _fit(self, data: Dataset, run: Run) -> None:
        self.people_ = data.positives()  # (U, I)
        self.holders_ = self.people_.T.tocsr()  # (I, U)
        self.counts_ = column_weights(self.people_, self.weighting)
        self.mean_ = mean_columns(self.people_)
        self.scale_ = inverse_lengths(
            self.people_, self.counts_, self.weighting, k1=self.k1, b=self.b, mean=self.mean_
        )  # fmt: skip

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return kernels.voted(*self._near(profiles.positives()), self.people_, items)

    def _near(self, history: sp.csr_matrix) -> tuple[FloatArray, IntArray]:
        """The similarities (B, K) of the neighbours of histories (B, I), best first, and their codes; -1 is none."""
        own = inverse_lengths(history, self.counts_, self.weighting, k1=self.k1, b=self.b, mean=self.mean_)
        return kernels.elected(
            history, own, self.people_, self.holders_, self.counts_, self.scale_,
            shrink=self.shrink, voters=self.neighbours,
        )  # fmt: skip

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """The neighbours' votes for each item, and what each item of the history adds to them.

        Of sim(u, v) an item that both have is the part that it is of <x_u, x_v>, neighbours and lengths being those of
        the whole history.
        """
        history = profiles.positives()  # (1, I)
        alike, near = (found[0] for found in self._near(history))  # (K,)
        people = self.people_[near[near >= 0]]  # (K', I)
        shared = people[:, history.indices].toarray() * self.counts_[history.indices].astype(np.float64)  # (K', M)
        votes = shared * (alike[near >= 0] / shared.sum(axis=1))[:, None]
        added = (people[:, items].toarray().T @ votes).astype(np.float32)  # (C, M)
        return [[Part("people", float(each.sum()), each)] for each in spread(history.indices, added, profiles)]

    def memory(self, shape: Shape) -> int:
        return 72 * shape.events + 40 * (shape.users + shape.items)
