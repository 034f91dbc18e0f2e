"""Early stopping: watch a metric on a validation part after each epoch, stop when it no longer improves, keep the best.

    watch = early_stopping(train, validation, metric="ndcg@10", patience=3)
    model.fit(train, watch=watch)            # afterwards the model is as it was after watch.best_epoch

Cost an epoch: the lists or ratings of the people watched, and a copy of the learned state when it is the best so far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray
from honeyguide.checkpoint import Checkpoint
from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError, ParameterError
from honeyguide.evaluate.exam import Exam, exam
from honeyguide.evaluate.measure import mark
from honeyguide.metrics import Metric, metric
from honeyguide.models import registry, stored
from honeyguide.models.base import Iterative, Recommender
from honeyguide.run import Run
from honeyguide.split import split

_SHARED = ("schema_", "histories_", "fingerprint_")  # what training does not change


class EarlyStopping:
    """Give it to `fit(watch=)`. `history` has the metric after each epoch, `best_epoch` counts from 1 (0: none yet)."""

    def __init__(self, paper: Exam, metric: Metric, patience: int, run: Run) -> None:
        self.metric, self.patience = metric, patience
        self.history: list[float] = []
        self.best_epoch = 0
        self._paper, self._run = paper, run
        self._best: dict[str, Any] = {}

    def __call__(self, model: Recommender, epoch: int) -> bool:
        """Measure the model after an epoch; True when `patience` epochs have passed without a better value."""
        if epoch == 1:
            self.history, self.best_epoch, self._best = [], 0, {}
        value = self._measure(model)
        self.history += [math.nan] * (epoch - 1 - len(self.history))  # those before a checkpoint without a watcher
        self.history.append(value)
        if not math.isnan(value) and (not self.best_epoch or self.metric.ahead(value, self.best)):
            self.best_epoch = epoch
            self._best = _state(model)
        return epoch - self.best_epoch >= self.patience

    @property
    def best(self) -> float:
        """The best value seen; NaN before there is one."""
        return self.history[self.best_epoch - 1] if self.best_epoch else math.nan

    def finish(self, model: Recommender) -> None:
        """Give the model back the state of the best epoch."""
        if self.best_epoch and self.best_epoch < len(self.history):
            for name, value in self._best.items():
                setattr(model, name, value)
        self._best = {}

    def state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """(plain, arrays) of what was seen, for a checkpoint."""
        arrays: dict[str, AnyArray] = {}
        best = {name: stored.pack(value, name, arrays) for name, value in self._best.items()}
        return {
            "metric": self.metric.name,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best": best,
        }, arrays

    def restore(self, plain: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> None:
        """Go on from what `state` gave; from nothing where the earlier run was not watched by this metric."""
        if plain.get("metric") == self.metric.name:
            self.history, self.best_epoch = list(plain["history"]), plain["best_epoch"]
            self._best = {name: stored.unpack(part, name, arrays) for name, part in plain["best"].items()}

    def _measure(self, model: Recommender) -> float:
        paper = self._paper
        if self.metric.kind == "rating":
            return mark(self.metric, paper, None, paper.ratings(model)).value
        return mark(self.metric, paper, paper.lists(model, self.metric.k or 0, self._run), None).value


def early_stopping(
    train: Dataset,
    validation: Dataset,
    *,
    history: Dataset | None = None,
    metric: str = "ndcg@10",
    patience: int = 3,
    people: int | None = 2000,
    seed: int = 0,
    run: Run | None = None,
) -> EarlyStopping:
    """Stop when `metric` on validation has not improved for `patience` epochs; at most `people` are watched.

    `people` are drawn by `seed` from those that the metric counts; None: all of them. `history` is what the model is
    shown of people it is not trained on, as in `evaluate`.
    """
    asked = _metric(metric)
    for name, value in (("patience", patience), ("people", people)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ParameterError(f"early_stopping {name} must be an integer >= 1, got {value!r}.")
    paper = exam(train, validation, history=history)
    if asked.kind == "ranking" and not len(paper.asked):
        rule = train.schema.positive.rule
        raise DataError(f"early_stopping needs a person with a relevant validation item (positive: {rule}), got none.")
    if people is not None:
        among = paper.asked if asked.kind == "ranking" else np.arange(len(paper), dtype=np.int32)
        paper = paper.sample(people, among, np.random.default_rng(seed))
    return EarlyStopping(paper, asked, patience, run or Run(progress=False))


def _metric(name: str) -> Metric:
    found = metric(name)
    if found.kind == "beyond":
        raise ParameterError(f"early_stopping metric must be of ratings or of ranking, got {name!r}: try 'ndcg@10'.")
    return found


def _state(model: Recommender) -> dict[str, Any]:
    """A copy of the learned state, but for the models that it stands on: epochs do not change them."""
    own: Mapping[str, Any] = vars(model)
    learned = {n: v for n, v in own.items() if n.endswith("_") and not n.startswith("_") and n not in _SHARED}
    return {name: _copy(value) for name, value in learned.items() if not _is_model(value)}


def _is_model(value: Any) -> bool:
    return isinstance(value, Recommender) or (isinstance(value, tuple) and any(map(_is_model, value)))


def _copy(value: Any) -> Any:
    """A copy of one piece of learned state: an array, a CSR matrix, a scalar, a string, a tuple of these."""
    if isinstance(value, np.ndarray) or sp.issparse(value):
        return value.copy()
    if isinstance(value, tuple):
        return tuple(_copy(part) for part in value)
    return value


def fit_early(
    model: Recommender,
    data: Dataset,
    *,
    held_out: float = 0.1,
    metric: str | None = None,
    patience: int = 3,
    run: Run | None = None,
) -> Recommender:
    """Find on a held-out share of the data how many epochs are best, then fit on all of the data for so many.

    The share is of each person's events, for sequence models the last one; `metric` is ndcg@10, or rmse of models that
    rate. A checkpoint of the second fit has `.whole` after its name. Afterwards `model.epochs` is the number found.
    ParameterError for a model without epochs.
    """
    run = run or Run()
    if not isinstance(model, Iterative):
        raise ParameterError(
            f"held_out must be for a model that learns in epochs, and {type(model).__name__} has none."
        )
    ordered = registry.family(type(model).__name__) == "sequential"
    part, validation = split(data, "leave-last" if ordered else "per-person", test=held_out, seed=run.seed)
    asked = metric or ("rmse" if model.task == "rating" else "ndcg@10")
    watch = early_stopping(part, validation, metric=asked, patience=patience, seed=run.seed, run=run)
    model.fit(part, run=run, watch=watch)
    model.epochs = max(1, watch.best_epoch)
    kept = run.checkpoint
    if isinstance(kept, Checkpoint):
        run = replace(run, checkpoint=kept.path.with_name(f"{kept.path.name}.whole"))
    return model.fit(data, run=run)
