"""SLIM: a sparse item-item model, an elastic net for each item (Ning and Karypis 2011, doi:10.1109/ICDM.2011.134).

Fit: coordinate descent (kernels/elastic_net.py), for each item a few passes over the events of those that it goes
together with, O(I N) at the worst; memory 40 bytes an event and 24 a weight. Score: O(history * weights of an item) a
person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.kernels.elastic_net import fit_columns
from honeyguide.kernels.neighbours import mixed
from honeyguide.models.base import Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run

_BLOCK = 16  # columns of the weights that a thread makes at once
_WEIGHTS = 500  # of an item, when memory is stated: more than any but a very small l1 leaves


@dataclass(kw_only=True, eq=False)
class Slim(Recommender):
    """Minimise |X - X W|^2 / 2 + l2 |W|^2 / 2 + l1 |W|_1 with diag(W) = 0; score a history x by x W.

    X are the (U, I) positives. With `positive` all weights are >= 0, as in the paper. Without it lists are a little
    better on small data, but every item is a candidate for every other: on MovieLens 1M the fit takes 30 times as long.
    """

    task: ClassVar[Task] = "ranking"
    additive: ClassVar[bool] = True
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "II"}

    l1: float = param(1.0, low=0.0, tune=(0.1, 50.0, "log"), help="L1 weight: the higher, the fewer weights are kept")
    l2: float = param(200.0, low=1e-3, tune=(1.0, 2000.0, "log"), help="L2 weight")
    positive: bool = param(True, help="whether weights below zero are ruled out")
    tolerance: float = param(
        2e-3, low=1e-8, help="how far a column may be off its optimum, by the item's number of people"
    )

    def _fit(self, data: Dataset, run: Run) -> None:
        given = float(self.l1), float(self.l2), self.positive, float(self.tolerance)
        parts = run.map(fit_columns, data.n_items, *_sides(data.positives()), *given, block=_BLOCK)
        lengths, rows, values = (np.concatenate(each) for each in zip(*parts, strict=True))
        columns = np.repeat(np.arange(data.n_items, dtype=np.int32), lengths)
        self.weights_ = sp.csr_matrix((values, (rows, columns)), shape=(data.n_items, data.n_items))  # (I, I)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return mixed(profiles.positives(), self.weights_, items)  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """The weight (C, I) that having each given item puts on the others."""
        weights: FloatArray = self.weights_[items].toarray()
        return weights

    def memory(self, shape: Shape) -> int:
        return 40 * shape.events + 24 * min(shape.items, _WEIGHTS) * shape.items


def _sides(matrix: sp.csr_matrix) -> tuple[LongArray, IntArray, LongArray, IntArray]:
    """(indptr, indices) of the matrix by column and by row, in the types that kernels take."""
    found: list[LongArray | IntArray] = []
    for side in (matrix.T.tocsr(), matrix):
        found += [side.indptr.astype(np.int64), side.indices.astype(np.int32)]
    return tuple(found)  # type: ignore[return-value]
