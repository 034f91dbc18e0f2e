"""Lists by other models, which are trusted as far as they have earned it with so much known of a person.

    score = sum over models m of w_m(n) z_um(i),   n the number of positives that are known of u
        z   what m says of i, less the mean and over the deviation of what it says to u of all items with positives

(Switching and weighted hybrids: Burke 2002, doi:10.1023/A:1021240730564; weights by how much is known: Sill et al.
2009, arXiv:0911.0460.) For n = 0, 1, 2, 4, … 128 and more, people are held out of all models and asked about with their
first n positives (_trust.py). The weights, which add up to 1, are those whose lists are best by ndcg@10, if they are
ahead of the best model alone by more than two standard errors; if not, that model answers alone.

Items that nobody has among their positives are scored by the models that know items by their attributes alone, in the
same proportions, or in equal ones where these are not trusted with anything: they stand where such a model sees them
among all others. Where no model knows items so, they come after all others. What `with_items` brings is such an item.

Fit: each model `folds` + 1 times. Memory: that of the largest fit, and what all keep. A list takes the time of all.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ParameterError, UnsupportedError
from honeyguide.models import registry
from honeyguide.models.base import Extensible, FoldIn, Recommender, Task
from honeyguide.models.hybrid._trust import judge, level_of, standard
from honeyguide.params import param
from honeyguide.run import Run

_CELLS = 8 << 20  # scores made at once


@dataclass(kw_only=True, eq=False)
class Switch(Recommender):
    """Lists of several models, each with a weight that depends on how much is known of the person.

    `models` are names, each with hyperparameters where they are not the defaults: "als:factors=64,attributes,popular".
    `weights_` (L, M) are the weights from 0, 1, 2, 4, … 128 positives on, `validation_` (L, M + 1) the
    ndcg@10 of each model alone, and of the mixture, that they were chosen by.
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "LM", "able_": "M", "had_": "I"}

    models: str = param("ease,hybrid_mf,popular", help="names of ranking models, each with :parameter=value")
    folds: int = param(3, low=2, help="parts of people that are held out in turn")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._made()

    @property
    def fold_in(self) -> FoldIn:  # type: ignore[override]
        """Exact where each of the models is."""
        return "exact" if all(model.fold_in == "exact" for model in self._made()) else "approximate"

    def _made(self) -> list[Recommender]:
        """The models, not fitted; ParameterError where one gives no lists."""
        made = registry.several(self.models, "Switch.models")
        for spec, model in made.items():
            if model.task != "ranking":
                raise ParameterError(
                    f"Switch.models must be models that rank, got {spec!r}; blend takes those that rate."
                )
        return list(made.values())

    def _fit(self, data: Dataset, run: Run) -> None:
        quiet = replace(run, progress=False, checkpoint=None)
        with run.track("fitting the models of Switch", self.folds + 1) as bar:
            self.weights_, self.validation_ = judge(self._made, data, folds=self.folds, run=quiet, told=bar.advance)
            self.members_ = tuple(model.fit(data, run=quiet) for model in self._made())
        self.had_ = np.bincount(data.positives().indices, minlength=data.n_items) > 0
        reads = data.schema.item_table.width > 0
        self.able_ = np.array([reads and isinstance(model, Extensible) for model in self.members_])

    def _extend(self, schema: Schema) -> None:
        """Let the models that know items by their attributes learn new ones, the last of `schema`."""
        if not self.able_.any():
            raise UnsupportedError(
                f"none of {self.models!r} knows items by their attributes, so none can take new ones"
            )
        self.members_ = tuple(
            _extended(model, schema) if able else model for model, able in zip(self.members_, self.able_, strict=True)
        )
        self.had_ = np.pad(self.had_, (0, len(schema.items) - len(self.had_)))

    # ---- asking -----------------------------------------------------------------------------------------------------

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        count = len(self.schema_.items)
        out: FloatArray = np.empty((len(profiles), count if items is None else len(items)), np.float32)
        step = max(1, _CELLS // (count * len(self.members_)))
        for first in range(0, len(profiles), step):
            mixed = self._mixed(profiles.take(slice(first, first + step)))
            out[first : first + step] = mixed if items is None else mixed[:, items]
        return out

    def _mixed(self, profiles: Profiles) -> FloatArray:
        """(B, I) the scores of all items."""
        weights = self.weights_[level_of(profiles.positives())].astype(np.float32)  # (B, M)
        able = weights * self.able_
        trusted = able.sum(axis=1, keepdims=True)
        able = np.where(trusted > 0, able / np.where(trusted > 0, trusted, 1.0), self.able_ / max(1, self.able_.sum()))
        out: FloatArray = np.zeros((len(profiles), len(self.had_)), np.float32)
        for at, model in enumerate(self.members_):
            known = self.had_[: len(model.schema_.items)]
            share = np.where(known, weights[:, [at]], able[:, [at]])  # (B, I), of items that the model knows
            out[:, : len(known)] += np.asarray(share * standard(_said(model, profiles), known), np.float32)
        if not self.able_.any():
            out[:, ~self.had_] = out[:, self.had_].min(axis=1, keepdims=True) - 1.0
        return out

    def memory(self, shape: Shape) -> int:
        made = self._made()
        return (
            sum(model.memory(shape) for model in made) + 64 * shape.events + 16 * min(_CELLS, shape.users * shape.items)
        )


def _extended(model: Recommender, schema: Schema) -> Recommender:
    """A copy of a model that knows the items of `schema`."""
    fresh = copy.copy(model)
    fresh.schema_, fresh.histories_ = schema, replace(model.histories_, schema=schema)
    assert isinstance(fresh, Extensible)
    fresh._extend(schema)
    return fresh


def _said(model: Recommender, profiles: Profiles) -> FloatArray:
    """(B, I) a model's scores of the items that it knows, by what it knows of the histories."""
    known = len(model.schema_.items)
    if known < len(profiles.schema.items):
        profiles = replace(profiles.where_events(profiles.items < known), schema=model.schema_)
    return model.score(profiles)
