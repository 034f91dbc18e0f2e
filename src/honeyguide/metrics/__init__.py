"""Metrics by name: `metric("ndcg@10")`, `metric("rmse")`; `metrics()` lists them with their definitions.

ranking   of lists against the items that proved relevant        rating     of predicted against true ratings
beyond    of lists alone: coverage, novelty, popularity          attribute  of lists and what items are: diversity

Those of attributes take a column of items, `metric("diversity:genres@10")`; without, the column that tells most.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from honeyguide.errors import ParameterError

Kind: TypeAlias = Literal["ranking", "rating", "beyond"]
Better: TypeAlias = Literal["higher", "lower"]
Needs: TypeAlias = Literal["popularity", "likeness", "tastes", "groups", "group"]
_NAME = re.compile(r"([a-z_]+)(?::(.+?))?(?:@([1-9]\d{0,8}))?")


@dataclass(frozen=True)
class Metric:
    """One metric: its name with the length of the list, what it means, and which direction is better.

    function   ranking: (lists, relevant, *, k) -> (B,); rating: (ratings, predictions) -> (N,), the loss of each pair;
               beyond: (lists, what it needs, *, k) -> (B,), or one number for all lists together
    root       the square root of the mean is reported
    needs      of beyond: what lists are set against: `Popularity`, rows of likeness, `Tastes`, `Groups`, one of these
    of         the column of items that is meant, or "column=value"; "" for the usual one
    """

    name: str
    kind: Kind
    better: Better
    definition: str
    function: Callable[..., Any]
    k: int | None = None
    root: bool = False
    needs: Needs = "popularity"
    of: str = ""

    def ahead(self, value: float, other: float) -> bool:
        """Whether the first value is better than the second."""
        return value > other if self.better == "higher" else value < other


def metric(name: str, *, k: int | None = None) -> Metric:
    """The metric of a name such as "ndcg@10" or "rmse"; `k` is the length for a name without "@".

    ParameterError for a name that is not there, or a list metric without a length.
    """
    found = _NAME.fullmatch(name)
    known = {m.name: m for m in metrics()}
    if found is None or found[1] not in known:
        listed = ", ".join(known if found is None or not found[3] else (n for n in known if known[n].kind != "rating"))
        raise ParameterError(
            f"metric must be one of {listed} (those of lists with their length, ndcg@10), got {name!r}."
        )
    base = known[found[1]]
    if found[2] and base.needs == "popularity":
        able = ", ".join(name for name in known if known[name].needs != "popularity")
        raise ParameterError(f"metric {base.name} is of no column of items, got {name!r}; these are: {able}.")
    if base.kind == "rating":
        if found[3]:
            raise ParameterError(f"metric {base.name} has no list to cut, got {name!r}: write {base.name!r}.")
        return base
    length = int(found[3]) if found[3] else k
    if length is None or length < 1:
        raise ParameterError(f"metric {base.name} needs the length of the list, got {name!r}: write '{base.name}@10'.")
    of = found[2] or ""
    return replace(base, name=f"{base.name}{of and ':'}{of}@{length}", k=length, of=of)


def metrics() -> tuple[Metric, ...]:
    """Every metric, without the length of its list."""
    from honeyguide.metrics import attribute, beyond, ranking, rating

    def of_lists(name: str, function: Callable[..., Any], definition: str) -> Metric:
        return Metric(name, "ranking", "higher", definition, function)

    return (
        of_lists("ndcg", ranking.ndcg, "discounted gain (binary) over that of an ideal list cut at min(k, relevant)"),
        of_lists("ndcg_full", ranking.ndcg_full, "discounted gain (binary) over that of an ideal list of all relevant"),
        of_lists("recall", ranking.recall, "hits over all relevant items"),
        of_lists("recall_capped", ranking.recall_capped, "hits over min(k, relevant)"),
        of_lists("precision", ranking.precision, "hits over k"),
        of_lists("mrr", ranking.mrr, "1 / place of the first hit, 0 without one"),
        of_lists("map", ranking.average_precision, "precision at each hit, summed, over min(k, relevant)"),
        of_lists("hit_rate", ranking.hit_rate, "share of people with at least one hit"),
        Metric("rmse", "rating", "lower", "root of mean squared error over all pairs", rating.squared_error, root=True),
        Metric("mae", "rating", "lower", "mean absolute error over all pairs", rating.absolute_error),
        Metric("coverage", "beyond", "higher", "share of the catalogue that stands in any list", beyond.coverage),
        Metric("gini", "beyond", "lower", "unevenness of the places that items get: 0 even, 1 one item", beyond.gini),
        Metric("novelty", "beyond", "higher", "mean -log2(share of people who have the item), bits", beyond.novelty),
        Metric("popularity_lift", "beyond", "lower", "mean popularity of what is shown over what people have",
               beyond.popularity_lift),
        Metric("diversity", "beyond", "higher", "mean over pairs of a list's items of 1 - their cosine",
               attribute.diversity, needs="likeness"),
        Metric("miscalibration", "beyond", "lower", "divergence of the list's shares from the history's, nats",
               attribute.miscalibration, needs="tastes"),
        Metric("exposure", "beyond", "higher", "share of all places of one value over its share of what people have",
               attribute.exposure, needs="group"),
        Metric("exposure_gap", "beyond", "lower", "part of all places that other values would have in what people have",
               attribute.exposure_gap, needs="groups"),
    )  # fmt: skip
