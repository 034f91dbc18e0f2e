"""PureSVD: the leading singular vectors of who has what (Cremonesi et al. 2010, doi:10.1145/1864708.1864721).

With the scaling of EigenRec (Nikolakopoulos et al. 2019, doi:10.1007/s10115-018-1197-7, arXiv:1511.06033). Fit: some
2 * factors products with the interactions, O(factors^2 I) time, O((U + I) * factors) memory. Score:
O((history + I) * factors) per person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.kernels import spectrum
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class PureSVD(Recommender):
    """Project a history x on the leading right singular vectors V (I, K) of the scaled positives and scale back:

    s = x D^-d V V' D^d,    V from the singular value decomposition of H^-q X D^-d

    X being the (U, I) positives, D the people of each item and H the items of each person. d = q = 0 is PureSVD as
    published; the larger d, the less popular items rule the first factors; q does the same to long histories.
    """

    task: ClassVar[Task] = "ranking"
    additive: ClassVar[bool] = True
    shapes: ClassVar[Mapping[str, str]] = {"vectors_": "IK", "scale_": "I"}

    factors: int = param(30, low=1, tune=(8, 256, "log"), help="singular vectors")
    item_power: float = param(0.25, low=0.0, high=1.0, tune=(0.0, 0.6), help="d: how much popularity is divided out")
    user_power: float = param(0.5, low=0.0, high=1.0, tune=(0.0, 0.6), help="q: how much length is divided out")

    def _fit(self, data: Dataset, run: Run) -> None:
        positives = data.positives()  # (U, I)
        popularity = np.maximum(np.bincount(positives.indices, minlength=data.n_items), 1).astype(np.float64)
        lengths = np.maximum(np.diff(positives.indptr), 1).astype(np.float64)
        scaled = sp.diags_array(lengths**-self.user_power) @ positives @ sp.diags_array(popularity**-self.item_power)
        self.vectors_, _ = spectrum.right_vectors(scaled.tocsr(), self.factors, run.rng())
        self.scale_ = (popularity**self.item_power).astype(np.float32)

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, K) x D^-d V of each profile."""
        self._need_fit()
        return spectrum.folded(profiles.positives(), self.vectors_, self.scale_)

    def item_vectors(self) -> FloatArray:
        """(I, K) D^d V, the vector of each item."""
        self._need_fit()
        scaled: FloatArray = self.vectors_ * self.scale_[:, None]
        return scaled

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return spectrum.projected(profiles.positives(), self.vectors_, self.scale_, items)  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosines (C, I) of the given items' vectors with all items'."""
        return spectrum.cosines(self.vectors_, items)

    def memory(self, shape: Shape) -> int:
        return spectrum.memory(shape.users, shape.items, shape.events, self.factors) + 64 * shape.events
