"""What a score is a sum of: the native reasons of a model, which `honeyguide.explain` puts into words.

A model whose score is a sum over the history sets `additive`, and each item's share is its score for a history of that
item alone. A model that knows more gives `contributions`: the parts of each score, which add up to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray
from honeyguide.data.profiles import Profiles

Kind: TypeAlias = Literal[
    "history",
    "attribute",
    "path",
    "people",
    "raters",
    "taste",
    "average",
    "person",
    "item",
    "popularity",
    "chance",
    "rest",
]


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a score.

    kind    history     what the person has had, each item by itself
            attribute   a value of an item's column (`name`, `value`)
            path        a way through a graph: over the relation `name` to the entity `value`, if that can be read
            people      what people of the same taste have
            raters      how people of the same taste rate it, beyond the mean and what differs from it
            taste       the person's factors by the item's, or what else is known of the person
            average, person, item    the mean rating and what person and item differ from it
            popularity  how many have the item; `value` is the number of days that are counted, if not all
            chance      what was drawn at random
            rest        what is left, such as the score that everyone has
    weight  what it adds to the score, in the score's unit
    shares  (H,) what each item of the history adds to `weight`, in the order of `held`; None where it has no part in it
    having  (H,) which of them have the attribute's value, or the entity, too; None: all that add to the weight
    """

    kind: Kind
    weight: float
    shares: FloatArray | None = None
    name: str = ""
    value: str = ""
    having: BoolArray | None = None


@runtime_checkable
class Explained(Protocol):
    """A model that knows what its scores are sums of: C lists of parts, for one profile and item codes (C,)."""

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]: ...


def held(profiles: Profiles) -> IntArray:
    """(H,) the distinct items of one profile's history, by code."""
    return np.unique(profiles.items)


def spread(codes: IntArray, shares: AnyArray, profiles: Profiles) -> AnyArray:
    """(C, H) shares, or marks, (C, M) of some items (M,) of a history, among all that it holds; 0 of the others."""
    own = held(profiles)
    out = np.zeros((len(shares), len(own)), bool if shares.dtype == bool else np.float32)
    out[:, np.searchsorted(own, codes)] = shares
    return out
