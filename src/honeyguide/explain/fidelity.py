"""How true reasons are, measured by asking the model.

    deletion    the items of the history are taken away, those of the largest share first: the sooner the explained item
                falls, the truer the shares. The gain 1 / log2(1 + place) is averaged over what part is taken away
                (area under the curve; Petsiuk et al. 2018, arXiv:1806.07421), and compared with random orders.
    insertion   the same from nothing, those of the largest share first: the sooner it rises, the truer.
    additivity  |sum of all parts - score| over the largest |score| of the list, with the history or without it: the
                worst that was seen.
    stability   with one other item of the history gone, how many of the three that are named first stay the same.
    verified    of counterfactuals, the share for which the item leaves the list without them, and is in it with any
                one of them back.

Intervals are over people (95 %, bootstrap). Cost: some 60 catalogues scored a person, and the explanations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from honeyguide import params
from honeyguide.arrays import BoolArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DataError
from honeyguide.evaluate import resample
from honeyguide.explain.attribution import parts, whole_and_nothing
from honeyguide.explain.counterfactual import counterfactuals
from honeyguide.explain.histories import Histories, place_of
from honeyguide.explain.reasons import COMMON, shares_of, speaks_for
from honeyguide.models import lists, people
from honeyguide.models.base import Recommender, fitted
from honeyguide.run import Run

_TAKEN = (0.1, 0.2, 0.4, 0.6, 0.8)  # parts of the history that are taken away, or given
_ORDERS = 4  # random orders that are compared with
_LEAST = 5  # distinct items of a history that is looked at
_RESAMPLES = 2000
_NAMED = 3  # items of the history of whom stability is told


@dataclass(frozen=True)
class Margin:
    """The mean area under a curve, that of random orders, and how much better it is, with the interval."""

    area: float
    random: float
    better: float
    low: float
    high: float


@dataclass(frozen=True)
class Fidelity:
    """What was measured; None where it does not apply: the history has no part in the score, or nothing was found.

    explained  the share of recommendations that have a reason beyond what is common to all items
    found      the share of recommendations with a counterfactual, of models that need one; size, its mean length
    seconds    the median time to explain a list
    """

    model: str
    method: str
    people: int
    k: int
    explained: float
    additivity: float
    deletion: Margin | None
    insertion: Margin | None
    stability: float | None
    found: float | None
    size: float | None
    verified: float | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain mappings, for JSON."""
        return asdict(self)

    def text(self) -> str:
        """A line for each measure."""
        lines = [
            f"{self.model}: reasons are {self.method}; {self.people} people, lists of {self.k}",
            f"recommendations with a reason  {self.explained:.1%}",
            f"additivity error, the worst    {self.additivity:.1e}",
        ]
        for name, margin in (("deletion", self.deletion), ("insertion", self.insertion)):
            if margin is not None:
                lines.append(
                    f"{name:<9} area {margin.area:.3f}, random orders {margin.random:.3f}: "
                    f"better by {margin.better:+.3f} [{margin.low:+.3f}, {margin.high:+.3f}]"
                )
        if self.stability is not None:
            lines.append(f"stability: of the three named   {self.stability:.1%} stay when another item is gone")
        if self.found is not None:
            size = "" if self.size is None else f", of {self.size:.1f} items on average"
            checked = "" if self.verified is None else f"; {self.verified:.1%} verified by asking again"
            lines.append(f"counterfactuals found for      {self.found:.1%}{size}{checked}")
        lines.append(f"a list is explained in         {1000 * self.seconds:.0f} ms")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Seen:
    """What was measured of one person."""

    method: str
    explained: float
    additivity: float
    deletion: tuple[float, float] | None
    insertion: tuple[float, float] | None
    stability: float | None
    missing: list[IntArray | None] | None
    verified: list[bool]
    seconds: float


def fidelity(model: Recommender, *, people: int = 50, k: int = 10, seed: int = 0) -> Fidelity:
    """Measure the reasons that a fitted model gives some of the people that it was trained on, drawn by the seed.

    Of a model whose `fold_in` is approximate they are asked about as someone new, whom its reasons are of.
    DataError where nobody has `_LEAST` items; UnsupportedError for a file without histories.
    """
    fitted(model)
    params.at_least_one("people", people)
    params.at_least_one("k", k)
    rng = Run(seed=seed).rng()
    seen = [_person(model, profile, k, rng) for profile in _drawn(model, people, rng)]
    missing = [each for one in seen if one.missing is not None for each in one.missing]
    sizes = [len(each) for each in missing if each is not None]
    verified = [each for one in seen for each in one.verified]
    return Fidelity(
        model=type(model).__name__, method=seen[0].method, people=len(seen), k=k,
        explained=float(np.mean([one.explained for one in seen])),
        additivity=max(one.additivity for one in seen),
        deletion=_margin([one.deletion for one in seen], -1.0, seed),
        insertion=_margin([one.insertion for one in seen], 1.0, seed),
        stability=_mean([one.stability for one in seen if one.stability is not None]),
        found=_mean([float(each is not None) for each in missing]), size=_mean(sizes),
        verified=_mean([float(each) for each in verified]),
        seconds=float(np.median([one.seconds for one in seen])),
    )  # fmt: skip


def _drawn(model: Recommender, count: int, rng: np.random.Generator) -> list[Profiles]:
    """Some of the people of the training data who have enough of a history."""
    everyone = people.trained(model)
    pairs = np.unique(everyone.rows.astype(np.int64) * len(model.schema_.items) + everyone.items)
    distinct = np.bincount(pairs // max(1, len(model.schema_.items)), minlength=len(everyone))
    able = np.flatnonzero((distinct >= _LEAST) & (distinct < len(model.schema_.items)))
    if not len(able):
        raise DataError(f"fidelity is measured on people with {_LEAST} items of the history, and nobody has as many")
    drawn = [everyone.take([row]) for row in rng.permutation(able)[:count]]
    return drawn if model.fold_in == "exact" else [each.strangers() for each in drawn]


def _person(model: Recommender, profile: Profiles, k: int, rng: np.random.Generator) -> _Seen:
    begun = time.perf_counter()
    codes, _ = lists.top_k(lists.source(model), profile, k, run=Run(threads=1))
    items = codes[0][codes[0] >= 0]
    asked = Histories(model, profile)
    made, method = parts(asked, items)
    shares = np.stack([shares_of(each, len(asked.held)) for each in made])  # (C, H)
    missing = counterfactuals(asked, items, shares, k) if method == "integrated" else None
    seconds = time.perf_counter() - begun
    scores, start = _explained_scores(asked, items, method)
    sums = np.array([sum(part.weight for part in each) for each in made])
    scale = max(float(np.abs(scores).max()), float(np.abs(start).max()), 1e-30)
    first = int(items[0])
    moved = bool(np.any(shares[0]))
    return _Seen(
        method=method,
        explained=float(
            np.mean([any(speaks_for(p) > 0 and p.kind not in (*COMMON, "chance") for p in each) for each in made])
        ),
        additivity=float(np.abs(sums - scores).max()) / scale,
        deletion=_areas(asked, first, shares[0], rng, given=False) if moved else None,
        insertion=_areas(asked, first, shares[0], rng, given=True) if moved else None,
        stability=_stability(asked, first, shares[0], rng) if moved else None,
        missing=missing,
        verified=_verified(asked, items, missing, k),
        seconds=seconds,
    )


def _explained_scores(asked: Histories, items: IntArray, method: str) -> tuple[DoubleArray, DoubleArray]:
    """(C,) what the parts should add up to, and where they begin: at what an empty history scores."""
    if method != "integrated":
        return asked.model.score(asked.profile, items)[0].astype(np.float64), np.zeros(1)
    whole, nothing = whole_and_nothing(asked, items)
    return whole, nothing


def _areas(
    asked: Histories, item: int, shares: FloatArray, rng: np.random.Generator, *, given: bool
) -> tuple[float, float]:
    """The mean gain while the history is taken away (or given) by share, and in random orders."""
    count = len(shares)
    orders = [np.argsort(-shares, kind="stable"), *(rng.permutation(count) for _ in range(_ORDERS))]
    keep = np.concatenate([_steps(order, given) for order in orders])  # (orders * steps, H)
    places = asked.places(keep, np.full(len(keep), item, np.int32))
    areas = (1.0 / np.log2(1.0 + places)).reshape(len(orders), -1).mean(axis=1)
    return float(areas[0]), float(areas[1:].mean())


def _steps(order: LongArray, given: bool) -> BoolArray:
    """(steps, H) what is left of a history, or given of it, at each step."""
    first = np.zeros((len(_TAKEN), len(order)), dtype=bool)
    for row, part in enumerate(_TAKEN):
        first[row, order[: max(1, round(part * len(order)))]] = True
    return first if given else ~first


def _stability(asked: Histories, item: int, shares: FloatArray, rng: np.random.Generator) -> float:
    """Of the items named first, the share that is named again once another item of the history is gone."""
    named = np.argsort(-shares, kind="stable")[:_NAMED]
    gone = int(rng.choice(np.setdiff1d(np.arange(len(shares)), named)))
    keep = np.ones((1, len(shares)), dtype=bool)
    keep[0, gone] = False
    less = Histories(asked.model, asked.part(keep))
    made, _ = parts(less, np.array([item], np.int32))
    again = less.held[np.argsort(-shares_of(made[0], len(less.held)), kind="stable")[:_NAMED]]
    return float(np.isin(asked.held[named], again).mean())


def _verified(asked: Histories, items: IntArray, missing: Sequence[IntArray | None] | None, k: int) -> list[bool]:
    """Of each counterfactual, whether the list of the rest lacks the item, and has it with any one of them back.

    Asked one at a time of the model's own score, not as they were found.
    """
    found = []
    for item, each in zip(items, missing or [], strict=False):
        if each is None:
            continue
        sets = [each, *(np.delete(each, place) for place in range(len(each)))]
        inside = []
        for one in sets:
            keep = np.ones((1, len(asked.held)), dtype=bool)
            keep[0, one] = False
            scores = asked.model.score(asked.part(keep), None)[:, asked.candidates]
            inside.append(int(place_of(scores, asked.candidates, np.array([item], np.int32))[0]) <= k)
        found.append(not inside[0] and all(inside[1:]))
    return found


def _margin(areas: Sequence[tuple[float, float] | None], sign: float, seed: int) -> Margin | None:
    told: DoubleArray = np.array([each for each in areas if each is not None], dtype=np.float64)
    if not len(told):
        return None
    better = sign * (told[:, 0] - told[:, 1])
    drawn = resample.bootstrap(better[:, None], np.ones((len(better), 1)), _RESAMPLES, seed=seed)
    low, high = resample.interval(drawn)
    area, random = told.mean(axis=0)
    return Margin(float(area), float(random), float(better.mean()), float(low[0]), float(high[0]))


def _mean(values: Sequence[float]) -> float | None:
    found = float(np.mean(values)) if len(values) else math.nan
    return None if math.isnan(found) else found
