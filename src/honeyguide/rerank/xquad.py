"""xQuAD (Santos et al. 2010, doi:10.1145/1772690.1772780): each of a person's tastes is served by the list.

O(k n E) a list of k out of n candidates, for E values of an item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import BoolArray, FloatArray, IntArray
from honeyguide.data.aspects import to_shares
from honeyguide.data.profiles import Profiles
from honeyguide.kernels import greedy
from honeyguide.models.base import Recommender
from honeyguide.params import param
from honeyguide.rerank.reranker import Reranker, aspects_of, relevance
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class XQuAD(Reranker):
    """Each next item has the most of (1 - trade) relevance + trade * sum over a of p(a) s(i, a) prod (1 - s(j, a)).

    The aspects a are the values of a column; s(i, a) is the share of a in item i, 1/n of each of n values; the product
    is over the items j above; p(a) is the mean share of a in the positive items of the history, for who has none in the
    candidates.
    """

    trade: float = param(
        0.5, low=0.0, high=1.0, help="weight of serving tastes not served yet; 0: the model's own list"
    )
    of: str = param("", help="column of items; none: the most telling one")

    def _choose(
        self, model: Recommender, profiles: Profiles, codes: IntArray, scores: FloatArray, places: IntArray, run: Run
    ) -> None:
        aspects = aspects_of(model.schema_, self.of)
        shares, tastes = aspects.shares, aspects.tastes(profiles.positives())
        without = np.diff(tastes.indptr) == 0  # (B,)
        if without.any():
            tastes = tastes + _of_candidates(without, codes, shares)
        run.map(
            greedy.cover, len(codes), codes, relevance(codes, scores), shares.indptr, shares.indices, shares.data,
            tastes.indptr, tastes.indices, tastes.data, shares.shape[1], float(self.trade), places, block=64,
        )  # fmt: skip


def _of_candidates(people: BoolArray, codes: IntArray, shares: sp.csr_matrix) -> sp.csr_matrix:
    """(B, V) the mean shares of the candidates of the people (B,); of others zeros."""
    row, place = np.nonzero((codes >= 0) & people[:, None])
    ones = np.ones(len(row), np.float64)
    there = sp.csr_matrix((ones, (row, codes[row, place])), shape=(len(codes), shares.shape[0]))
    return to_shares(there @ shares)
