"""What came out of an evaluation: tables in the caller's kind of data frame, text, paired tests, the best model."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from honeyguide.arrays import BoolArray, DoubleArray, IntArray
from honeyguide.data.dataset import Schema
from honeyguide.errors import ParameterError
from honeyguide.evaluate import resample
from honeyguide.metrics import Metric, metric

_FLIPS = 9999  # of signs, in a paired test


@dataclass(frozen=True, eq=False)
class Result:
    """One metric of one model: its value and, where it has a value a person, people's sums and counts (P,)."""

    value: float
    sums: DoubleArray | None = None
    counts: DoubleArray | None = None
    root: bool = False

    @staticmethod
    def of_people(sums: DoubleArray, counts: DoubleArray, *, root: bool = False) -> Result:
        """The result whose value is sum(sums) / sum(counts), or its square root."""
        total = counts.sum()
        value = float(sums.sum() / total) if total else math.nan
        return Result(math.sqrt(value) if root else value, sums, counts, root)

    @property
    def people(self) -> int | None:
        """How many people it is measured on; None for a metric of all lists together, or one that does not apply."""
        return None if self.counts is None else int(np.count_nonzero(self.counts))

    def of(self, mask: BoolArray) -> Result:
        """The result of the people in the mask (P,) alone."""
        if self.sums is None or self.counts is None:
            return self
        return Result.of_people(self.sums * mask, self.counts * mask, root=self.root)


@dataclass(frozen=True)
class Counts:
    """Whom and what the exam asked about. Cold: no training events; warm: a history that was not trained on."""

    events: int
    people: int
    without_relevant: int
    known_people: int
    warm_people: int
    cold_people: int
    known_items: int
    cold_items: int
    relevant: int
    relevant_cold: int
    seen_again: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of several models on one test part; `print` it for a table, take `table` for more.

    results  group ("all", "cold people", …) -> (model, metric) -> Result, people's values kept
    users    (P,) codes of the people tested
    seconds  model -> "fit", "recommend" -> seconds, where known
    """

    models: tuple[str, ...]
    metrics: tuple[Metric, ...]
    users: IntArray
    schema: Schema
    results: Mapping[str, Mapping[tuple[str, str], Result]]
    counts: Counts
    seconds: Mapping[str, Mapping[str, float]]
    seed: int
    resamples: int

    def __str__(self) -> str:
        from honeyguide.evaluate.text import render

        return render(self)

    def value(self, model: str, metric: str) -> float:
        """One number; NaN where the metric does not apply to the model."""
        return self.results["all"][self._model(model), self._metric(metric).name].value

    @property
    def table(self) -> Any:
        """A row a model and metric: model, metric, value, low, high (95 %), people."""
        return self.schema.deliver(self.rows.filter(pl.col("group") == "all").drop("group"))

    @property
    def groups(self) -> Any:
        """The same with a column group: all; known, warm and cold people; known and cold items, where they differ."""
        return self.schema.deliver(self.rows)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The whole long table: group, model, metric, value, low, high, people."""
        rows = []
        for group, results in self.results.items():
            ends = self._intervals(results)
            for (model, name), result in results.items():
                low, high = ends.get((model, name), (math.nan, math.nan))
                rows.append((group, model, name, result.value, low, high, result.people))
        columns = {"group": pl.String, "model": pl.String, "metric": pl.String}
        numbers = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        table = pl.DataFrame(rows, schema={**columns, **numbers, "people": pl.Int64}, orient="row")
        return table.with_columns(pl.col(list(numbers)).fill_nan(None))

    def people(self, metric: str) -> Any:
        """Each person's value: user, model, value, for the people that the metric counts."""
        name = self._metric(metric).name
        parts = []
        for model in self.models:
            result = self.results["all"][model, name]
            if result.sums is not None and result.counts is not None:
                there = result.counts > 0
                values = result.sums[there] / result.counts[there]
                users = self.schema.users.decode(self.users[there])
                values = np.sqrt(values) if result.root else values
                parts.append(
                    pl.DataFrame({"user": users, "value": values}).insert_column(1, pl.lit(model).alias("model"))
                )
        if not parts:
            raise ParameterError(f"metric {name} has no value a person: it belongs to all lists together.")
        return self.schema.deliver(pl.concat(parts))

    def best(self, metric: str) -> str:
        """The name of the model that is best by a metric; the first of equal ones."""
        asked = self._metric(metric)
        best = ""
        for model in self.models:
            value = self.value(model, asked.name)
            if not math.isnan(value) and (not best or asked.ahead(value, self.value(best, asked.name))):
                best = model
        if not best:
            raise ParameterError(
                f"metric {asked.name} must apply to at least one model, got none: it has no value here."
            )
        return best

    def paired(self, metric: str, baseline: str | None = None) -> Any:
        """Tests between models over the same people: every model against `baseline`, or all pairs.

        A table of model, other, difference (model - other) with its 95 % bootstrap interval over people, p (two-sided:
        the models exchanged a person at a time, 9,999 times), p_holm (corrected for all rows), people.
        """
        asked = self._metric(metric)
        held = {m: self.results["all"][m, asked.name] for m in self.models}
        able = [m for m, result in held.items() if result.sums is not None]
        if (baseline is not None and self._model(baseline) not in able) or len(able) < 2:
            raise ParameterError(
                f"paired needs two models with {asked.name} for each person, got {', '.join(able) or 'none'}."
            )
        pairs = list(combinations(able, 2)) if baseline is None else [(m, baseline) for m in able if m != baseline]
        sums, counts = _columns([held[m] for m in able])  # (P, M)
        one, other = ([able.index(pair[side]) for pair in pairs] for side in (0, 1))
        values = np.array([held[m].value for m in able])
        ratios = (
            resample.bootstrap(sums, counts, self.resamples, seed=self.seed)
            if self.resamples
            else np.zeros((0, len(able)))
        )
        ratios = np.sqrt(ratios) if asked.root else ratios
        low, high = resample.interval(ratios[:, one] - ratios[:, other])
        p_values = resample.sign_flip(sums[:, one] - sums[:, other], _FLIPS, seed=self.seed)
        table = pl.DataFrame(
            {
                "model": [a for a, _ in pairs],
                "other": [b for _, b in pairs],
                "difference": values[one] - values[other],
                "low": low,
                "high": high,
                "p": p_values,
                "p_holm": resample.holm(p_values),
                "people": [held[a].people for a, _ in pairs],
            }
        )
        return self.schema.deliver(table.with_columns(pl.col("low", "high").fill_nan(None)))

    def _intervals(self, results: Mapping[tuple[str, str], Result]) -> dict[tuple[str, str], tuple[float, float]]:
        """Ends of the 95 % intervals of all results that have a value a person."""
        able = {key: result for key, result in results.items() if result.sums is not None and result.people}
        if not able or not self.resamples:
            return {}
        sums, counts = _columns(able.values())  # (P, M)
        ratios = resample.bootstrap(sums, counts, self.resamples, seed=self.seed)
        rooted = np.array([r.root for r in able.values()])
        ratios[:, rooted] = np.sqrt(ratios[:, rooted])
        low, high = resample.interval(ratios)
        return {key: (float(a), float(b)) for key, a, b in zip(able, low, high, strict=True)}

    def _model(self, name: str) -> str:
        if name not in self.models:
            raise ParameterError(f"model must be one of {', '.join(self.models)}, got {name!r}.")
        return name

    def _metric(self, name: str) -> Metric:
        names = [m.name for m in self.metrics]
        if name not in names:
            metric(name, k=1)  # a name that no metric has is the first thing to say
            raise ParameterError(f"metric must be one of those measured, {', '.join(names)}, got {name!r}.")
        return self.metrics[names.index(name)]


def _columns(results: Collection[Result]) -> tuple[DoubleArray, DoubleArray]:
    """(P, M) sums and counts of results that have a value a person."""
    sums = np.stack([r.sums for r in results if r.sums is not None], axis=1)
    counts = np.stack([r.counts for r in results if r.counts is not None], axis=1)
    return sums, counts
