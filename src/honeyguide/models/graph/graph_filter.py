"""A linear filter of the spectrum of the graph of people and items: GF-CF (Shen et al. 2021, arXiv:2108.07567).

Fit: O(sum of squared history lengths) time for the neighbours and some 2 * factors products with the interactions for
the spectrum; O(I * (neighbours + factors)) memory. Score: O(history * neighbours + I * factors) per person.
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
from honeyguide.kernels import neighbours as kernels
from honeyguide.kernels import spectrum
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class GraphFilter(Recommender):
    """Smooth a history x over the graph, by a linear filter and an ideal low-pass one (eq. 11 of the paper):

    s = x (R'R + low_pass D^-1/2 V V' D^1/2),    R = H^-1/2 X D^-1/2

    X being the (U, I) positives, D the people of each item, H the items of each person, V (I, K) the leading right
    singular vectors of R, the smoothest signals on the graph. Of each column of R'R only the `neighbours` largest
    entries off the diagonal count: the published filter is the one with as many as there are items; fewer are faster
    and, where measured, rank no worse.
    """

    task: ClassVar[Task] = "ranking"
    additive: ClassVar[bool] = True
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "II", "vectors_": "IK", "scale_": "I"}

    factors: int = param(128, low=1, tune=(16, 512, "log"), help="singular vectors that the low-pass filter lets by")
    low_pass: float = param(0.3, low=0.0, tune=(0.0, 1.0), help="weight of the low-pass filter; 0 leaves it out")
    neighbours: int = param(300, low=1, tune=(50, 1000, "log"), help="entries kept in each column of the linear filter")

    def _fit(self, data: Dataset, run: Run) -> None:
        positives = data.positives()  # (U, I)
        popularity = np.maximum(np.bincount(positives.indices, minlength=data.n_items), 1).astype(np.float64)
        lengths = np.maximum(np.diff(positives.indptr), 1).astype(np.float64)
        scale = np.sqrt(popularity)
        inverse = (1.0 / scale).astype(np.float32)
        near = kernels.matrix(
            positives.T.tocsr(), (1.0 / lengths).astype(np.float32), inverse, inverse,
            shrink=0.0, keep=self.neighbours, run=run,
        )  # fmt: skip
        self.weights_ = near.T.tocsr()  # (I, I)
        scaled = sp.diags_array(1.0 / np.sqrt(lengths)) @ positives @ sp.diags_array(1.0 / scale)
        self.vectors_, _ = spectrum.right_vectors(scaled.tocsr(), self.factors, run.rng())
        self.scale_ = scale.astype(np.float32)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        history = profiles.positives()  # (B, I)
        scores = spectrum.projected(history, self.vectors_, self.scale_, items)  # (B, C)
        scores *= np.float32(self.low_pass)
        scores += kernels.mixed(history, self.weights_, items)
        return scores

    def similarity(self, items: IntArray) -> FloatArray:
        """What (C, I) the linear filter passes from each item to a given one."""
        return np.asarray(self.weights_[:, items].T.toarray(), dtype=np.float32)

    def memory(self, shape: Shape) -> int:
        kept = shape.items * min(self.neighbours, shape.items)
        low = spectrum.memory(shape.users, shape.items, shape.events, self.factors)
        return 28 * kept + low + 64 * shape.events + 40 * shape.items
