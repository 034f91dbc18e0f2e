"""Maximal marginal relevance (Carbonell and Goldstein 1998, doi:10.1145/290941.291025): a list of items less alike.

O(k n E) a list of k out of n candidates, for E values or people of an item; memory: a vector of V values or U people.
"""

from __future__ import annotations

from dataclasses import dataclass

import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.aspects import HISTORIES, histories, usual
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ParameterError
from honeyguide.kernels import greedy
from honeyguide.models.base import Recommender
from honeyguide.params import param
from honeyguide.rerank.reranker import Reranker, aspects_of, keep, relevance
from honeyguide.run import Run


@dataclass(kw_only=True, eq=False)
class MMR(Reranker):
    """Each next item has the most of (1 - trade) relevance - trade * max over items j above it of sim(i, j).

    sim is the cosine of the items' values in a column, 1/root of n for each of n; or, where items have no such column
    or `of` is "histories", the cosine of the people who have them in the training data. Nothing known: sim 0.
    """

    trade: float = param(0.3, low=0.0, high=1.0, help="weight of being unlike the items above; 0: the model's own list")
    of: str = param("", help='column of items, or "histories"; none: the most telling column, else histories')

    def _choose(
        self, model: Recommender, profiles: Profiles, codes: IntArray, scores: FloatArray, places: IntArray, run: Run
    ) -> None:
        rows = self._rows(model)
        run.map(
            greedy.differ, len(codes), codes, relevance(codes, scores), rows.indptr, rows.indices, rows.data,
            rows.shape[1], float(self.trade), places, block=64,
        )  # fmt: skip

    def _rows(self, model: Recommender) -> sp.csr_matrix:
        """(I, V) or (I, U) rows whose products are similarities."""
        schema = model.schema_
        column = keep(schema, ("usual", self.of), lambda: usual(schema, self.of))
        if column != HISTORIES:
            return aspects_of(schema, column).vectors
        known: Profiles | None = getattr(model, "histories_", None)
        if known is None or not len(known.items):
            raise ParameterError(
                "MMR of histories needs those of the training data, and the model's file has none: name a column."
            )
        return keep(known, (HISTORIES,), lambda: histories(known))
