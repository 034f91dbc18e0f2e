"""Explanation: one item's score, and the reasons for it, in raw ids and titles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Schema
from honeyguide.data.profiles import Profiles
from honeyguide.data.vocabulary import Id
from honeyguide.explain import wording
from honeyguide.explain.histories import has_attributes
from honeyguide.models.contributions import Kind, Part, held

_EVIDENCE = 3  # items of the history that are named for a reason
_LEAST = 0.01  # a reason weighs at least this part of the weightiest
COMMON = ("average", "person", "rest")  # what every item's score has: named last


@dataclass(frozen=True)
class Evidence:
    """An item of the history: what was given to it (None where values say nothing), and what it adds to the reason."""

    item: Id
    title: str
    value: float | None
    weight: float


@dataclass(frozen=True)
class Reason:
    """One reason: its kind (see `contributions.Part`), what it adds to the score, its evidence, and the same in words.

    The weight of a history is what those of its items add that speak for the recommended one.

    `name` and `value` are the column or the relation, and the value or the entity, of an attribute or a path. The
    evidence of these has the value too, unless nothing in the history has: then it is what goes with it in the model.
    """

    kind: Kind
    weight: float
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    name: str = ""
    value: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why an item is recommended to someone.

    user     who; None for someone new
    score    the model's; `place` is where the item stands in a list of all that is not in the history, None if it is
    reasons  the weightiest first, and last what every item's score has and a taste that nothing shows; whatever speaks
             against the item, and so has a weight below zero, is left out; where nothing is left, one says so
    method   native, additive or integrated: see `attribution`
    rest     what of the score the reasons leave out
    without  items of the history all of which would have to be missing for the item to leave the list; none where
             this was not asked or no such set is small
    """

    user: Id | None
    item: Id
    title: str
    score: float
    place: int | None
    method: str
    reasons: tuple[Reason, ...]
    rest: float
    without: tuple[Evidence, ...] = ()
    without_sentence: str = ""

    def __str__(self) -> str:
        """The title, and a line for each reason."""
        return "\n".join([self.title, *(f"    {line}" for line in self.sentences())])

    def sentences(self) -> Iterator[str]:
        """The reasons in words."""
        yield from (reason.sentence for reason in self.reasons)
        if self.without_sentence:
            yield self.without_sentence

    def as_dict(self) -> dict[str, Any]:
        """Plain mappings and lists, for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class History:
    """What one person has had, as it is told of: of each item of `held` (H,) its code, id, title, and value if any.

    The value is the last rating, or the sum of counts unless all are 1. `known`: there is an item, or an attribute.
    """

    schema: Schema
    codes: IntArray
    ids: list[Id]
    titles: list[str]
    values: list[float] | list[None]
    known: bool

    @staticmethod
    def of(profile: Profiles) -> History:
        """From a profile."""
        codes, schema = held(profile), profile.schema
        counted = schema.explicit or bool((profile.values != 1.0).any()) or len(codes) < len(profile.items)
        values = profile.matrix()[0, codes].toarray()[0].tolist() if counted and len(codes) else [None] * len(codes)
        known = len(codes) > 0 or has_attributes(profile)
        return History(schema, codes, schema.items.decode(codes).to_list(), schema.titles(codes), values, known)

    def evidence(self, which: IntArray, shares: FloatArray) -> tuple[Evidence, ...]:
        """The items at some places, with their shares (H,)."""
        return tuple(
            Evidence(self.ids[at], self.titles[at], self.values[at], float(shares[at])) for at in which.tolist()
        )


def explanation(
    history: History, user: Id | None, item: int, score: float, place: int | None, parts: Sequence[Part], method: str,
    missing: IntArray | None, *, k: int, most: int, language: str,
) -> Explanation:  # fmt: skip
    """The parts of one score in words: at most so many reasons, `missing` being places in the history or None."""
    say, schema = wording.of(language), history.schema
    code = np.array([item], np.int32)
    weights = {at: speaks_for(part) for at, part in enumerate(parts)}
    order = sorted((at for at in weights if weights[at] > 0), key=lambda at: (_vague(parts[at]), -weights[at]))
    least = _LEAST * max((weights[at] for at in order), default=0.0)
    kept = [at for at in order if weights[at] >= least]
    shares = shares_of(parts, len(history.codes))
    told = (_reason(history, item, parts[at], weights[at], say) for at in kept)
    shown = (reason for reason in told if reason.evidence or reason.kind != "history")  # that you had it is none
    reasons = tuple(islice(_once(shown), most)) or (Reason("rest", 0.0, say.nothing(history.known)),)
    without = () if missing is None else history.evidence(missing, shares)
    return Explanation(
        user=user, item=schema.items.decode(code)[0], title=schema.titles(code)[0], score=score,
        place=place, method=method, reasons=reasons, rest=score - sum(reason.weight for reason in reasons),
        without=without, without_sentence=say.without(without, k) if without else "",
    )  # fmt: skip


def _once(reasons: Iterable[Reason]) -> Iterator[Reason]:
    """The first of those that say the same."""
    said = set[str]()
    for reason in reasons:
        if reason.sentence not in said:
            said.add(reason.sentence)
            yield reason


def _vague(part: Part) -> bool:
    """Whether it is no reason of its own: what every item's score has, or a taste that nothing shows."""
    return part.kind in COMMON or (part.kind == "taste" and part.shares is None)


def speaks_for(part: Part) -> float:
    """What a part adds to the score; of the history, what those of its items add that speak for the item."""
    if part.kind == "history" and part.shares is not None:
        return float(np.maximum(part.shares, 0.0).sum())
    return part.weight


def shares_of(parts: Sequence[Part], count: int) -> FloatArray:
    """(H,) what each item of the history adds to a score, over all of its parts."""
    shares = [part.shares for part in parts if part.shares is not None]
    return np.sum(shares, axis=0, dtype=np.float32) if shares else np.zeros(count, np.float32)


def _reason(history: History, item: int, part: Part, weight: float, say: wording.Words) -> Reason:
    told: tuple[Evidence, ...] = ()
    alike = True
    if part.shares is not None:
        order = np.argsort(-part.shares, kind="stable")
        order = order[(part.shares[order] > 0) & (history.codes[order] != item)]  # that you had it is no reason
        if part.having is not None:  # what has the value itself is named, and only without any what goes with it
            alike = bool(part.having[order].any())
            order = order[part.having[order]] if alike else order
        told = history.evidence(order[:_EVIDENCE].astype(np.int32), part.shares)
    value = part.value
    if part.kind == "attribute" and not value:  # a number's column, or a vector's
        value = _cell(history.schema, item, part.name)
    said = say.reason(part, value, told, history.schema, alike=alike)
    return Reason(part.kind, weight, said, told, part.name, value)


def _cell(schema: Schema, item: int, column: str) -> str:
    """A number of the item's row; nothing for a list of them."""
    value = schema.item_table[column][item]
    return wording.number(value) if isinstance(value, int | float) else ""
