"""`evaluate`: every model sits the same exam. Cost: the lists of all people asked, and O(P k) a metric."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, BoolArray, DoubleArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ParameterError
from honeyguide.evaluate.backdrop import backdrop, settled
from honeyguide.evaluate.evaluation import Counts, Evaluation, Result
from honeyguide.evaluate.exam import Exam, exam, of_items
from honeyguide.metrics import Metric, metric
from honeyguide.models import registry
from honeyguide.models.base import Recommender, fitted
from honeyguide.models.lists import Reranking, top_k
from honeyguide.run import Run

Reranked: TypeAlias = tuple[Recommender, Reranking]
USUAL = ("ndcg", "recall", "precision", "mrr", "coverage")


def evaluate(
    models: Mapping[str, Recommender | Reranked] | Sequence[Recommender],
    train: Dataset,
    test: Dataset,
    *,
    metrics: Sequence[str] | None = None,
    k: int = 10,
    history: Dataset | None = None,
    seed: int = 0,
    resamples: int = 1000,
    run: Run | None = None,
    fit_seconds: Mapping[str, float] | None = None,
) -> Evaluation:
    """Measure models that were fitted on `train` by the events of `test`.

    models       by name; a pair (model, re-ranker) has its lists re-ranked
    metrics      names such as "ndcg@10" or "rmse"; a list metric without a length takes `k`
    history      what the models are shown of people they were not trained on: `Split.history`
    resamples    of the bootstrap over people, drawn by `seed`; 0: no intervals
    fit_seconds  how long each model took to fit, to stand in the table

    Rating models are asked for ratings and for lists, ranking models for lists alone. ParameterError for a model
    fitted on other data than `train`; DataError for a test part without events.
    """
    run, given = run or Run(), _named(models)
    again = {name: model[1] for name, model in given.items() if isinstance(model, tuple)}
    named = {name: model[0] if isinstance(model, tuple) else model for name, model in given.items()}
    for name, model in named.items():
        _check(name, model, train)
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 0:
        raise ParameterError(f"resamples must be an integer >= 0, got {resamples!r}.")
    asked = _metrics(metrics, k, rated=train.schema.explicit and any(m.task == "rating" for m in named.values()))
    asked = tuple(settled(metric, train.schema) for metric in asked)
    paper = exam(train, test, history=history)
    results: dict[str, dict[tuple[str, str], Result]] = {}
    seconds: dict[str, dict[str, float]] = {}
    _warm_up(paper, run)
    for name, model in named.items():
        begun = time.perf_counter()
        answers = _Answers(paper, model, asked, run, name, again.get(name))
        seconds[name] = {"recommend": time.perf_counter() - begun} if answers.lists is not None else {}
        if fit_seconds is not None and name in fit_seconds:
            seconds[name]["fit"] = fit_seconds[name]
        for group, marked in answers.groups(asked).items():
            results.setdefault(group, {}).update({(name, metric_name): r for metric_name, r in marked.items()})
    counts = _counts(paper)
    return Evaluation(tuple(named), asked, paper.users, train.schema, results, counts, seconds, seed, resamples)


def _warm_up(paper: Exam, run: Run) -> None:
    """Make one list, so that loading the compiled kernels is on no model's clock."""

    def flat(profiles: Profiles, items: IntArray | None) -> FloatArray:
        return np.zeros((len(profiles), len(profiles.schema.items) if items is None else len(items)), np.float32)

    top_k(flat, paper.profiles.take(slice(0, 1)), 1, run=run)


class _Answers:
    """One model's lists (A, K) and ratings (N,), and the marks that they get."""

    def __init__(
        self, paper: Exam, model: Recommender, asked: Iterable[Metric], run: Run, name: str, rerank: Reranking | None
    ) -> None:
        longest = max((m.k for m in asked if m.k is not None), default=0)
        self.paper = paper
        self.lists: IntArray | None = paper.lists(model, longest, run, name=name, rerank=rerank) if longest else None
        rates = model.task == "rating" and any(m.kind == "rating" for m in asked)
        with run.track(f"ratings of {name}"):
            self.ratings: FloatArray | None = paper.ratings(model) if rates else None

    def groups(self, asked: Iterable[Metric]) -> dict[str, dict[str, Result]]:
        """Marks of all, and of each group of people and of items where there is more than one group."""
        paper, trained = self.paper, self.paper.trained_items
        whole = {m.name: mark(m, paper, self.lists, self.ratings) for m in asked}
        found = {"all": whole}
        apart = [m for m in asked if m.kind != "beyond"]
        people = {name: mask for name, mask in paper.people_groups().items() if mask.any()}
        if len(people) > 1:
            found |= {name: {m.name: whole[m.name].of(mask) for m in apart} for name, mask in people.items()}
        tested = paper.tested_items
        if not trained[tested].all() and trained[tested].any():
            for name, mask in (("known items", trained), ("cold items", ~trained)):
                found[name] = {m.name: mark(m, paper, self.lists, self.ratings, items=mask) for m in apart}
        return found


def mark(
    metric: Metric, paper: Exam, lists: IntArray | None, ratings: FloatArray | None, *, items: BoolArray | None = None
) -> Result:
    """What one metric says of lists (A, K) or ratings (N,), a person; only as to the `items` (I,), where given."""
    if metric.kind == "rating":
        return _mark_ratings(metric, paper, ratings, items)
    if lists is None:
        return Result(float("nan"))
    if metric.kind == "beyond":
        found = metric.function(lists, backdrop(metric, paper), k=metric.k)
        return Result(found) if isinstance(found, float) else _result(found, paper)
    relevant: sp.csr_matrix = paper.relevant[paper.asked]
    return _result(metric.function(lists, relevant if items is None else of_items(relevant, items), k=metric.k), paper)


def _mark_ratings(metric: Metric, paper: Exam, ratings: FloatArray | None, items: BoolArray | None) -> Result:
    if ratings is None:
        return Result(float("nan"))
    kept: slice | BoolArray = slice(None) if items is None else items[paper.test.items]
    rows = paper.row_of_event[kept]
    losses = metric.function(paper.test.values, ratings)[kept]  # (N,)
    sums = np.bincount(rows, weights=losses, minlength=len(paper)).astype(np.float64)
    return Result.of_people(sums, np.bincount(rows, minlength=len(paper)).astype(np.float64), root=metric.root)


def _result(values: DoubleArray, paper: Exam) -> Result:
    """Values (A,) of the people asked, NaN for who does not count, as sums and counts of all (P,)."""
    sums, counts = np.zeros(len(paper)), np.zeros(len(paper))
    there = ~np.isnan(values)
    sums[paper.asked[there]], counts[paper.asked[there]] = values[there], 1.0
    return Result.of_people(sums, counts)


def _named(models: Mapping[str, Recommender | Reranked] | Sequence[Recommender]) -> dict[str, Recommender | Reranked]:
    """Models by name; those given without one are called as their file, a second one of it with a number."""
    named: dict[str, Recommender | Reranked] = {}
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        for model in models:
            name, number = _name(model), 1
            while (name if number == 1 else f"{name}-{number}") in named:
                number += 1
            named[name if number == 1 else f"{name}-{number}"] = model
    if not named:
        raise ParameterError("evaluate needs at least one model, got none.")
    return named


def _name(model: Recommender) -> str:
    """The model's public name; its class's for one that is not in the registry."""
    try:
        return registry.canonical(type(model).__name__)
    except ParameterError:
        return type(model).__name__


def _check(name: str, model: Recommender, train: Dataset) -> None:
    fitted(model)
    if model.fingerprint_ != train.fingerprint:
        raise ParameterError(
            f"model {name!r} must be fitted on train, got one fitted on other data: "
            "fit it on train, or pass as train what it was fitted on."
        )


def _metrics(names: Sequence[str] | None, k: int, *, rated: bool) -> tuple[Metric, ...]:
    if names is None:
        names = (*(("rmse", "mae") if rated else ()), *USUAL)
    found = {m.name: m for m in (metric(name, k=k) for name in names)}
    if not found:
        raise ParameterError("metrics must name at least one, got none.")
    return tuple(found.values())


def _counts(paper: Exam) -> Counts:
    groups: dict[str, AnyArray] = dict(paper.people_groups())
    tested = paper.tested_items
    cold_items = ~paper.trained_items
    return Counts(
        events=len(paper.test), people=len(paper), without_relevant=len(paper) - len(paper.asked),
        known_people=int(groups["known people"].sum()), warm_people=int(groups["warm people"].sum()),
        cold_people=int(groups["cold people"].sum()), known_items=int((~cold_items[tested]).sum()),
        cold_items=int(cold_items[tested].sum()), relevant=paper.relevant.nnz,
        relevant_cold=int(cold_items[paper.relevant.indices].sum()), seen_again=paper.seen_again,
    )  # fmt: skip
