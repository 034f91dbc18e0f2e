"""Several models on one split: fitted alike, chosen by validation, measured on test, the best refitted."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from honeyguide.data.dataset import Dataset
from honeyguide.errors import ParameterError
from honeyguide.evaluate import Evaluation, early_stopping, evaluate
from honeyguide.evaluate.backdrop import settled
from honeyguide.evaluate.measure import USUAL
from honeyguide.metrics import metric as metric_named
from honeyguide.models.base import Iterative, Recommender
from honeyguide.run import Run
from honeyguide.split import Split, split


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several models fitted on one training part, chosen by its validation part, measured on its test part."""

    data: Dataset
    parts: Split
    fitted: Mapping[str, Recommender]
    validation: Evaluation
    test: Evaluation
    run: Run

    def best(self, metric: str) -> str:
        """The model that is best on the validation part."""
        return self.validation.best(metric)

    def refit(self, name: str) -> Recommender:
        """The model fitted anew on all data, for as many epochs as validation chose."""
        return replace(self.fitted[name]).fit(self.data, run=self.run)


def compare(
    data: Dataset,
    models: Mapping[str, Recommender],
    *,
    kind: str = "random",
    test: float = 0.1,
    validation: float = 0.1,
    metric: str = "ndcg@10",
    also: Sequence[str] = (),
    k: int = 10,
    patience: int = 3,
    run: Run | None = None,
    told: Callable[[str, float], None] | None = None,
) -> Comparison:
    """Fit models on the same training part; iterative ones stop where validation no longer improves.

    Ranking models are watched by `metric`, rating models by rmse. `also` are further metrics to measure.
    `told(name, seconds)` hears of each fit.
    """
    run = run or Run()
    asked = metric_named(metric, k=k)
    rated = data.schema.explicit and any(model.task == "rating" for model in models.values())
    if asked.kind == "rating" and not rated:
        raise ParameterError(f"metric {asked.name} is of ratings, and none of {', '.join(models)} gives any here")
    metrics = [*(("rmse", "mae") if rated else ()), *USUAL, asked.name, *also]
    for name in also:
        settled(metric_named(name, k=k), data.schema)  # what cannot be measured is said before the fits
    with run.track("splitting"):
        parts = split(data, kind, test=test, validation=validation, seed=run.seed)  # type: ignore[arg-type]
    assert parts.validation is not None
    fitted: dict[str, Recommender] = {}
    seconds: dict[str, float] = {}
    for name, model in models.items():
        begun = time.perf_counter()
        fitted[name] = _fit(model, parts, asked.name if asked.kind == "ranking" else "ndcg@10", patience, run)
        seconds[name] = time.perf_counter() - begun
        if told is not None:
            told(name, seconds[name])
    sit = functools.partial(evaluate, fitted, parts.train, history=parts.history, metrics=metrics, k=k, run=run)
    on_validation = sit(parts.validation, resamples=0)
    on_test = sit(parts.test, seed=run.seed, fit_seconds=seconds)
    with run.track("intervals"):
        on_test.rows  # noqa: B018 - computed once, here, where it shows
    return Comparison(data, parts, fitted, on_validation, on_test, run)


def _fit(model: Recommender, parts: Split, ranking: str, patience: int, run: Run) -> Recommender:
    if not isinstance(model, Iterative):
        return model.fit(parts.train, run=run)
    assert parts.validation is not None
    metric = "rmse" if model.task == "rating" else ranking
    shown = parts.history
    watch = early_stopping(parts.train, parts.validation, history=shown, metric=metric, patience=patience, run=run)
    fitted = model.fit(parts.train, run=run, watch=watch)
    fitted.epochs = watch.best_epoch or fitted.epochs
    return fitted


def measure(model: Recommender, parts: Split, *, metric: str, run: Run) -> float:
    """Fit a model on the training part and measure it on the test part."""
    sit = functools.partial(evaluate, history=parts.history, metrics=[metric], resamples=0, run=run)
    return sit({"it": model.fit(parts.train, run=run)}, parts.train, parts.test).value("it", metric)
