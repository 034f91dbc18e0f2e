"""Reranker: what all re-rankers share: their pool of candidates, and relevance on one scale for every model.

Relevance is a model's score between 0, of the last candidate, and 1, of the first: (s - min) / (max - min).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from honeyguide import params
from honeyguide.arrays import DoubleArray, FloatArray, IntArray
from honeyguide.data.aspects import Aspects
from honeyguide.data.dataset import Schema
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender
from honeyguide.params import param
from honeyguide.run import Run

Found = TypeVar("Found")
_KEPT: WeakKeyDictionary[Any, dict[Hashable, Any]] = WeakKeyDictionary()


def keep(owner: Any, key: Hashable, make: Callable[[], Found]) -> Found:
    """What `make` gives, made once for an owner and kept as long as the owner is."""
    kept = _KEPT.setdefault(owner, {})
    if key not in kept:
        kept[key] = make()
    found: Found = kept[key]
    return found


def aspects_of(schema: Schema, column: str) -> Aspects:
    """The aspects of a column, encoded once for a schema."""
    return keep(schema, ("aspects", column), lambda: Aspects.of_schema(schema, column))


def relevance(codes: IntArray, scores: FloatArray) -> DoubleArray:
    """(B, n) the scores of candidates between 0 and 1; of one alone, or equal ones, 0."""
    there = codes >= 0
    known = np.where(there, scores, np.nan).astype(np.float64)
    low = np.where(there, known, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    span = np.where(there, known, -np.inf).max(axis=1, initial=-np.inf, keepdims=True) - low
    return np.where(there & (span > 0), (known - low) / np.where(span > 0, span, 1.0), 0.0)


@dataclass(kw_only=True, eq=False)
class Reranker(ABC):
    """A re-ranker. Its constructor only checks and stores parameters."""

    candidates: int = param(
        100, low=1, help="items of the model's own list that are looked at; a list's length at least"
    )

    def __post_init__(self) -> None:
        params.check(self)

    def pool(self, k: int) -> int:
        """How many candidates it wants for a list of k."""
        return max(k, self.candidates)

    def order(
        self, model: Recommender, profiles: Profiles, codes: IntArray, scores: FloatArray, k: int, run: Run
    ) -> tuple[IntArray, FloatArray]:
        """Codes and scores (B, min(k, n)) of the new list, of those (B, n) of the model's own; code -1 for no item."""
        places = np.full((len(codes), min(k, codes.shape[1])), -1, np.int32)
        self._choose(model, profiles, np.ascontiguousarray(codes, np.int32), scores, places, run)
        chosen = np.maximum(places, 0).astype(np.intp)
        codes, scores = np.take_along_axis(codes, chosen, axis=1), np.take_along_axis(scores, chosen, axis=1)
        empty = places < 0
        return np.where(empty, -1, codes).astype(np.int32), np.where(empty, -np.inf, scores).astype(np.float32)

    @abstractmethod
    def _choose(
        self, model: Recommender, profiles: Profiles, codes: IntArray, scores: FloatArray, places: IntArray, run: Run
    ) -> None:
        """Write which columns of `codes` stand in the list to `places` (B, k), -1 for none."""
