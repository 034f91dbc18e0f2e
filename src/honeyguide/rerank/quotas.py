"""Quotas: at least, or at most, so much of a list has a value of an attribute, or is new. O(n) a list."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from honeyguide.arrays import BoolArray, FloatArray, IntArray, LongArray
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ParameterError
from honeyguide.kernels import greedy
from honeyguide.models.base import Recommender
from honeyguide.params import param
from honeyguide.rerank.reranker import Reranker, aspects_of, keep
from honeyguide.run import Run

_NEW, _SLACK = "new", 1e-9


@dataclass(kw_only=True, eq=False)
class Quotas(Reranker):
    """The candidates in the model's order, but ceil(least * k) to floor(most * k) of the k are of one kind.

    The kind is a value of a column, "genres=Drama", or "new": items that at most `few` people had in training. Of each
    kind the best stand there, so that no list within the quotas has a larger sum of scores. What the candidates lack
    cannot be listed: fewer than `least` then, and where others are lacking, a list shorter than k.
    """

    candidates: int = param(
        1000, low=1, help="items of the model's own list that are looked at; a list's length at least"
    )
    of: str = param("new", help='"column=value", or "new"')
    least: float = param(0.0, low=0.0, high=1.0, help="share of the list that is of this kind, at least")
    most: float = param(1.0, low=0.0, high=1.0, help="share of the list that is of this kind, at most")
    few: int = param(0, low=0, help='of "new": how many people may have an item')

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least > self.most:
            raise ParameterError(f"Quotas.least must be <= most, got {self.least} and {self.most}.")
        if self.of != _NEW and "=" not in self.of:
            raise ParameterError(f'Quotas.of must be "column=value" or "new", got {self.of!r}.')

    def _choose(
        self, model: Recommender, profiles: Profiles, codes: IntArray, scores: FloatArray, places: IntArray, run: Run
    ) -> None:
        k = places.shape[1]
        low = math.ceil(self.least * k - _SLACK)
        high = max(low, math.floor(self.most * k + _SLACK))  # where no whole number lies between, the least
        run.map(greedy.bound, len(codes), codes, self._members(model), low, high, places, block=64)

    def _members(self, model: Recommender) -> BoolArray:
        """(I,) the items of the kind."""
        if self.of != _NEW:
            column, _, value = self.of.partition("=")
            aspects = aspects_of(model.schema_, column)
            return keep(
                model.schema_, ("members", self.of), lambda: _has(aspects.shares[:, [aspects.code(value)]].toarray())
            )
        known: Profiles | None = getattr(model, "histories_", None)
        if known is None or not len(known.items):
            raise ParameterError("Quotas of new items needs the histories, and the model's file has none: keep them.")
        counts: LongArray = keep(known, ("people",), lambda: known.positives().getnnz(axis=0))
        return counts <= self.few


def _has(shares: FloatArray) -> BoolArray:
    found: BoolArray = shares[:, 0] > 0
    return np.ascontiguousarray(found)
