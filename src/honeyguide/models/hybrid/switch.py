"""Lists by other models, which are trusted as far as they have earned it with so much known of a person.

    score = sum over models m of w_m(n) z_um(i),   n the number of positives that are known of u
        z   what m says of i, on a scale where 0 is the mean of the items that u does not have, and 1 that of the ten
            best; items without positives have no part in either

(Switching and weighted hybrids: Burke 2002, doi:10.1023/A:1021240730564; weights by how much is known: Sill et al.
2009, arXiv:0911.0460.) People are held out of all models and asked about with n = 0, 1, 2, 4, … 128 of their positives
(_trust.py). The weights, which add up to 1, are for every n those of the model, or the mixture, whose lists are best by
ndcg@10 for people with nearly all that they have; another one takes its place for an n where it is ahead of it by more
than two standard errors, and so has a mixture to be ahead of the best model alone.

Items that nobody has among their positives are scored by the models that know such items, by attributes or a graph: by
the best of these, or the mixture, by the same rule, for a tenth of the items that is held out. The scores are
multiplied by what lists of these models were worth beside those of all (at most 1), so that a new item comes first
where one knows enough to say so. Where no model knows items so, they come after all others. What `with_items` brings is
such an item, known to the models that can take it in.

Fit: each model `folds` + 1 times, and once more where several know new items. Memory: that of the largest fit, and what
all keep. A list takes the time of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from honeyguide.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ParameterError, UnsupportedError
from honeyguide.models import registry
from honeyguide.models.base import Extensible, FoldIn, Recommender, Task
from honeyguide.models.hybrid._trust import judge, judge_new, level_of, seen_in, standard
from honeyguide.models.renew import extended
from honeyguide.params import param
from honeyguide.run import Run

_CELLS = 8 << 20  # scores made at once


@dataclass(kw_only=True, eq=False)
class Switch(Recommender):
    """Lists of several models, each with a weight that depends on how much is known of the person.

    `models` are names, each with hyperparameters where they are not the defaults: "als:factors=64,attributes,popular".
    `weights_` (L, M) are the weights from 0, 1, 2, 4, … 128 positives on, `validation_` (L, M + 1) the
    ndcg@10 of each model alone, and of the mixture, that they were chosen by; `new_weights_` (M,) those for new items.
    """

    task: ClassVar[Task] = "ranking"
    shapes: ClassVar[Mapping[str, str]] = {"weights_": "LM", "new_weights_": "M", "able_": "M", "had_": "I"}

    models: str = param("ease,hybrid_mf,popular", help="names of ranking models, each with :parameter=value")
    folds: int = param(3, low=2, help="parts of people that are held out in turn")
    shown: Literal["any", "first"] = param("any", help="which positives of theirs: drawn at random, or first in time")

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
        told = {"attributes": data.schema.item_table.width > 0, "graph": data.graph is not None}
        self.able_ = np.array([any(told[content] for content in model.item_content) for model in self._made()])
        with run.track("fitting the models of Switch", self.folds + 2) as bar:
            self.weights_, self.validation_ = judge(
                self._made, data, folds=self.folds, timed=self.shown == "first", run=quiet, told=bar.advance
            )
            self.new_weights_ = judge_new(self._made, self.able_, data, run=quiet)
            bar.advance()
            self.members_ = tuple(model.fit(data, run=quiet) for model in self._made())
        self.had_ = np.bincount(data.positives().indices, minlength=data.n_items) > 0

    def _extend(self, schema: Schema) -> None:
        """Let the models that know items by their attributes learn new ones, the last of `schema`, if they can."""
        members = list(self.members_)
        for at in np.flatnonzero(self.able_):
            if isinstance(members[at], Extensible):
                with suppress(UnsupportedError):
                    members[at] = extended(members[at], schema)
        if all(new is old for new, old in zip(members, self.members_, strict=True)):
            raise UnsupportedError(f"none of {self.models!r} takes in items by their attributes after its fit")
        self.members_ = tuple(members)
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
        level, seen = level_of(profiles.positives()), seen_in(profiles)
        counts = np.array([len(model.schema_.items) for model in self.members_])  # that each knows
        late = np.arange(len(self.had_)) >= counts.min()  # (I,) what came after the fit, to those that took it in
        weights, able = self.weights_[level], self._of_new(self.able_)[level]  # (B, M)
        able_late = self._of_new(self.able_ & (counts == len(late)))[level]
        out: FloatArray = np.zeros((len(profiles), len(self.had_)), np.float32)
        for at, model in enumerate(self.members_):
            known = self.had_[: counts[at]]
            new = np.where(late[: counts[at]], able_late[:, [at]], able[:, [at]])  # (B, I'), of items that it knows
            share = np.where(known, weights[:, [at]], new)
            out[:, : len(known)] += np.asarray(share * standard(_said(model, profiles), known, seen), np.float32)
        if not self.able_.any():
            out[:, ~self.had_] = out[:, self.had_].min(axis=1, keepdims=True) - 1.0
        return out

    def _of_new(self, which: BoolArray) -> DoubleArray:
        """(L, M) the weights for items without positives, that some of the models (M,) know."""
        found = getattr(self, "new_weights_", self.able_)  # the first files had none
        shares = np.asarray(found, np.float64) * which
        shares = shares if shares.any() else which.astype(np.float64)
        shares /= max(shares.sum(), 1e-30)
        alone, all_ = self.validation_[:, :-1] @ shares, self.validation_[:, -1]
        worth = np.divide(alone, all_, out=np.ones(len(alone)), where=all_ > 0)  # NaN: not known
        return np.asarray(np.clip(np.nan_to_num(worth, nan=1.0), 0.0, 1.0)[:, None] * shares)

    def memory(self, shape: Shape) -> int:
        made = self._made()
        return (
            sum(model.memory(shape) for model in made) + 64 * shape.events + 16 * min(_CELLS, shape.users * shape.items)
        )


def _said(model: Recommender, profiles: Profiles) -> FloatArray:
    """(B, I) a model's scores of the items that it knows, by what it knows of the histories."""
    known = len(model.schema_.items)
    if known < len(profiles.schema.items):
        profiles = replace(profiles.where_events(profiles.items < known), schema=model.schema_)
    return model.score(profiles)
