"""What leaks from training into the held-out parts of a split, and who and what is only there. Time O(N log N)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from honeyguide.arrays import BoolArray, IntArray, LongArray
from honeyguide.data.dataset import NO_TIME, Dataset


@dataclass(frozen=True)
class Size:
    """Events, share of all events, people and items of one part."""

    events: int
    share: float
    users: int
    items: int


@dataclass(frozen=True)
class Leaks:
    """What a held-out part has in common with training.

    pairs_on_both_sides    (user, item) pairs that are in both; events_on_both_sides: held-out events of such pairs
    future_of_person       training events later than the earliest held-out event of the same person; None without times
    future_of_all          training events later than the earliest held-out event of anybody; None without times
    users_only_here        people (items) with events here and none in training
    """

    pairs_on_both_sides: int
    events_on_both_sides: int
    future_of_person: int | None
    future_of_all: int | None
    users_only_here: int
    items_only_here: int


@dataclass(frozen=True)
class Audit:
    """Sizes of the parts, and leaks by held-out part."""

    kind: str
    sizes: dict[str, Size]
    leaks: dict[str, Leaks]

    def as_dict(self) -> dict[str, object]:
        """Plain numbers, ready for JSON."""
        sizes = {name: dict(vars(size)) for name, size in self.sizes.items()}
        return {
            "kind": self.kind,
            "sizes": sizes,
            "leaks": {name: dict(vars(found)) for name, found in self.leaks.items()},
        }

    def text(self) -> str:
        """A paragraph for people."""
        lines = [f"split {self.kind}"]
        for name, size in self.sizes.items():
            share = f"{size.events:>12,} events ({size.share:.1%})"
            lines.append(f"  {name:<11}{share}, {size.users:,} people, {size.items:,} items")
        for name, found in self.leaks.items():
            pairs = f"{found.pairs_on_both_sides:,} pairs also in training ({found.events_on_both_sides:,} events)"
            only = f"{found.users_only_here:,} people and {found.items_only_here:,} items not in training"
            lines.append(f"  {name}: {pairs}; {only}")
            if found.future_of_all is not None:
                future = f"{found.future_of_person:,} training events later than the person's first one here"
                lines.append(f"  {name}: {future}, {found.future_of_all:,} later than anybody's")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def audit(kind: str, parts: Mapping[str, Dataset]) -> Audit:
    """Sizes of all parts by name, and leaks from "train" into "validation" and "test", where they are."""
    total = sum(len(part) for part in parts.values())
    held = {name: parts[name] for name in ("validation", "test") if name in parts}
    return Audit(
        kind,
        {name: _size(part, total) for name, part in parts.items()},
        {name: _leaks(parts["train"], part) for name, part in held.items()},
    )


def _size(part: Dataset, total: int) -> Size:
    users, items = (np.bincount(codes) for codes in (part.users, part.items))
    return Size(len(part), len(part) / total, int(np.count_nonzero(users)), int(np.count_nonzero(items)))


def _leaks(train: Dataset, held: Dataset) -> Leaks:
    both = _both(_pairs(train), _pairs(held))
    by_person, by_all = _future(train, held)
    return Leaks(
        pairs_on_both_sides=int(np.count_nonzero(np.diff(both)) + (len(both) > 0)), events_on_both_sides=len(both),
        future_of_person=by_person, future_of_all=by_all,
        users_only_here=_only(held.users, train.users, train.n_users),
        items_only_here=_only(held.items, train.items, train.n_items),
    )  # fmt: skip


def _future(train: Dataset, held: Dataset) -> tuple[int | None, int | None]:
    """Training events later than the earliest held-out event, of the same person and of anybody."""
    if train.times is None or held.times is None:
        return None, None
    known: BoolArray = held.times != NO_TIME
    first = np.full(train.n_users, np.iinfo(np.int64).max)
    np.minimum.at(first, held.users[known], held.times[known])
    earliest = first.min(initial=np.iinfo(np.int64).max)
    return int((train.times > first[train.users]).sum()), int((train.times > earliest).sum())


def _only(codes: IntArray, others: IntArray, number: int) -> int:
    """How many of `number` codes are among the codes and not among the others."""
    here, there = (np.bincount(each, minlength=number) > 0 for each in (codes, others))
    return int(np.count_nonzero(here & ~there))


def _both(train: LongArray, held: LongArray) -> LongArray:
    """The sorted held pairs that are among the training ones."""
    train, held = np.sort(train), np.sort(held)  # sorting twice is far quicker than np.isin's hashing
    at = np.minimum(np.searchsorted(train, held), len(train) - 1)
    both: LongArray = held[train[at] == held]
    return both


def _pairs(data: Dataset) -> LongArray:
    """(N,) one number for each (user, item)."""
    return data.users.astype(np.int64) * data.n_items + data.items
