"""Calibration (Steck 2018, doi:10.1145/3240323.3240372): the list has genres in the shares that the history has them.

O(k (T + n E)) a list of k out of n candidates, for T values in a person's history and E of an item.
"""

from __future__ import annotations

from dataclasses import dataclass

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.profiles import Profiles
from honeyguide.kernels import greedy
from honeyguide.models.base import Recommender
from honeyguide.params import param
from honeyguide.rerank.reranker import Reranker, aspects_of, relevance
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class Calibrated(Reranker):
    """Each next item has the most of (1 - trade) sum of relevance - trade * KL(p || q~), of the list that ends with it.

    p is the mean of the shares of the positive items in the person's history (an item of n values has 1/n of each), q
    that of the list, q~ = (1 - smoothing) q + smoothing p. Who has no history gets the model's own list.
    """

    trade: float = param(0.3, low=0.0, high=1.0, help="weight of the divergence; 0: the model's own list")
    of: str = param("", help="column of items; none: the most telling one")
    smoothing: float = param(0.01, low=1e-6, high=0.5, help="share of the history's distribution that a list is given")

    def _choose(
        self, model: Recommender, profiles: Profiles, codes: IntArray, scores: FloatArray, places: IntArray, run: Run
    ) -> None:
        aspects = aspects_of(model.schema_, self.of)
        shares, tastes = aspects.shares, aspects.tastes(profiles.positives())
        run.map(
            greedy.calibrate, len(codes), codes, relevance(codes, scores), shares.indptr, shares.indices, shares.data,
            tastes.indptr, tastes.indices, tastes.data, shares.shape[1], float(self.trade), float(self.smoothing),
            places, block=64,
        )  # fmt: skip
