"""What metrics beyond accuracy set lists against: popularity, likeness, tastes, shares of groups; each made once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from honeyguide.data.aspects import HISTORIES, Aspects, histories, usual
from honeyguide.data.dataset import Schema
from honeyguide.errors import ParameterError
from honeyguide.evaluate.exam import Exam
from honeyguide.metrics import Metric
from honeyguide.metrics.attribute import Groups, Tastes


def settled(metric: Metric, schema: Schema) -> Metric:
    """The metric with its column settled and named in its definition; ParameterError where there is no such column."""
    if metric.needs == "popularity":
        return metric
    column, _, value = metric.of.partition("=")
    if bool(value) != (metric.needs == "group"):
        plain = metric.name.partition("@")[0].partition(":")[0]
        form = "exposure:genres=Drama" if metric.needs == "group" else f"{plain}:{column}"
        what = "a column and a value" if metric.needs == "group" else "a column alone"
        raise ParameterError(f"metric {plain} must be of {what}, got {metric.name!r}: write {form!r}.")
    if metric.needs == "likeness" and usual(schema, column) == HISTORIES:
        return replace(metric, of=HISTORIES, definition=f"{metric.definition}, by who has them in training")
    aspects = Aspects.of_schema(schema, column)
    if value:
        aspects.code(value)
    return replace(metric, of=metric.of or aspects.column, definition=f"{metric.definition}, by {aspects.column}")


def backdrop(metric: Metric, paper: Exam) -> Any:
    """What the function of a settled metric takes beside lists (A, K)."""
    if metric.needs == "popularity":
        return paper.popularity
    kept = paper.backdrops
    if (metric.needs, metric.of) not in kept:
        kept[metric.needs, metric.of] = _make(metric, paper)
    return kept[metric.needs, metric.of]


def _make(metric: Metric, paper: Exam) -> Any:
    schema = paper.train.schema
    if metric.of == HISTORIES and metric.needs == "likeness":
        return histories(paper.train.profiles())
    column, _, value = metric.of.partition("=")
    aspects = Aspects.of_schema(schema, column)
    if metric.needs == "likeness":
        return aspects.vectors
    if metric.needs == "tastes":
        return Tastes(aspects.shares, aspects.tastes(paper.profiles.take(paper.asked).positives()))
    counts = np.asarray(paper.train.positives().sum(axis=0), np.float64).ravel()  # (I,)
    sums = np.asarray(aspects.shares.T @ counts, np.float64).ravel()
    return Groups(aspects.shares, sums / max(sums.sum(), 1e-300), aspects.code(value) if value else -1)
