"""Split a Dataset into training, validation and test parts that share its schema, and say what leaks between them.

    random        a share of all events
    per-person    a share of each person's events, rounded to the nearest; one at least stays in training
    leave-last    the last `leave` events of each person by time, those before them to validation; one stays in training
    time          one moment for everybody: what comes at it or later is tested; cut by share of events
    cold-people   a share of people, wholly held out; a share `history` of their events is what a model may be shown
    cold-items    a share of items, wholly held out

Ties in time follow the file, and so does "leave-last" of events without times. Every row goes to exactly one part, in
the file's order. Time O(N log N), memory O(N).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from honeyguide.arrays import AnyArray, ByteArray, LongArray
from honeyguide.data.dataset import NO_TIME, Dataset
from honeyguide.errors import DataError, ParameterError
from honeyguide.split.audit import Audit, audit

Kind: TypeAlias = Literal["random", "per-person", "leave-last", "time", "cold-people", "cold-items"]
_TRAIN, _VALIDATION, _TEST, _HISTORY = range(4)  # the part of a row


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of one split. Unpacks to (train, test), or to (train, validation, test) where validation was asked for.

    history   of "cold-people": the events of the held-out people that a model may be shown (`evaluate(history=)`)
    """

    kind: str
    seed: int
    train: Dataset
    test: Dataset
    validation: Dataset | None = None
    history: Dataset | None = None

    def __iter__(self) -> Iterator[Dataset]:
        return iter((self.train, self.test) if self.validation is None else (self.train, self.validation, self.test))

    def __len__(self) -> int:
        return 2 if self.validation is None else 3

    def __repr__(self) -> str:
        return f"<Split {self.kind}: " + ", ".join(f"{name} {len(part):,}" for name, part in self.parts.items()) + ">"

    @property
    def parts(self) -> dict[str, Dataset]:
        """The parts that there are, by name."""
        held = {"train": self.train, "validation": self.validation, "test": self.test, "history": self.history}
        return {name: part for name, part in held.items() if part is not None}

    @cached_property
    def audit(self) -> Audit:
        """What leaks from training into the held-out parts, and who and what is only there."""
        return audit(self.kind, self.parts)


def split(
    data: Dataset,
    kind: Kind,
    *,
    test: float = 0.2,
    validation: float | None = None,
    seed: int = 0,
    leave: int = 1,
    history: float = 0.5,
) -> Split:
    """Split data; `test` and `validation` are shares of all events, people or items, as the kind says.

    "leave-last" takes `leave` events a person instead, and as many before them for validation if `validation` is given;
    events without times count as later the further down the file they are.
    ParameterError for a share outside its rule; DataError where times are needed and absent, or a part would be empty.
    """
    if kind not in _KINDS:
        raise ParameterError(f"split kind must be one of {', '.join(get_args(Kind))}, got {kind!r}.")
    _check_shares(test, validation, history)
    _check_count("leave", leave, 1)
    _check_count("seed", seed, 0)
    sizes = _Shares(test, validation or 0.0, leave, history)
    part = _KINDS[kind](data, sizes, np.random.default_rng(seed))
    cold = kind == "cold-people" and history > 0
    names = {_TRAIN: "training", _TEST: "test"} | ({_VALIDATION: "validation"} if validation is not None else {})
    for number, name in names.items():
        if not (part == number).any():
            rule = f"must leave events in every part, got none for {name} of {len(data):,} events"
            raise DataError(f"split {kind!r} {rule}: choose other shares or another kind.")
    parts = {number: data.take(np.flatnonzero(part == number)) for number in (*names, *([_HISTORY] if cold else []))}
    return Split(kind, seed, parts[_TRAIN], parts[_TEST], parts.get(_VALIDATION), parts.get(_HISTORY))


def k_fold(data: Dataset, folds: int = 5, *, seed: int = 0) -> tuple[Split, ...]:
    """Random folds: each event is tested in exactly one of the splits and trained on in the others."""
    _check_count("folds", folds, 2)
    _check_count("seed", seed, 0)
    if folds > len(data):
        raise ParameterError(f"folds must be at most the number of events, {len(data):,} here, got {folds}.")
    fold = np.random.default_rng(seed).permutation(len(data)) % folds
    return tuple(Split("k-fold", seed, data.take(fold != each), data.take(fold == each)) for each in range(folds))


@dataclass(frozen=True)
class _Shares:
    test: float
    validation: float
    leave: int
    history: float


def _random(data: Dataset, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    return _deal(len(data), sizes, rng)


def _per_person(data: Dataset, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    order = np.lexsort((rng.random(len(data)), data.users))
    counts = np.bincount(data.users, minlength=data.n_users)
    tested = np.minimum(_round(sizes.test * counts), np.maximum(counts - 1, 0))
    watched = np.minimum(_round(sizes.validation * counts), np.maximum(counts - tested - 1, 0))
    return _from_the_end(order, counts, tested, watched)


def _leave_last(data: Dataset, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    counts = np.bincount(data.users, minlength=data.n_users)
    tested = np.clip(counts - 1, 0, sizes.leave)
    watched = np.clip(counts - tested - 1, 0, sizes.leave if sizes.validation else 0)
    return _from_the_end(data.by_user[0], counts, tested, watched)


def _time(data: Dataset, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    times = data.times
    if times is None or not (times != NO_TIME).any():
        raise DataError(
            "split 'time' needs times, and these events have none: name their column (time=) or split 'random'."
        )
    part = np.full(len(data), _TRAIN, dtype=np.uint8)
    if sizes.validation:
        part[times >= _moment(times, sizes.test + sizes.validation)] = _VALIDATION
    part[times >= _moment(times, sizes.test)] = _TEST
    return part


def _cold_people(data: Dataset, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    part = _deal_groups(data.users, data.n_users, sizes, rng)
    order = data.by_user[0] if data.times is not None else np.lexsort((rng.random(len(data)), data.users))
    counts = np.bincount(data.users, minlength=data.n_users)
    shown = np.minimum(_round(sizes.history * counts), np.maximum(counts - 1, 0))
    first = _place(counts) < np.repeat(shown, counts)  # (N,) in the order of `order`
    rows = order[first]
    part[rows[part[rows] != _TRAIN]] = _HISTORY
    return part


def _cold_items(data: Dataset, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    return _deal_groups(data.items, data.n_items, sizes, rng)


_KINDS: dict[str, Callable[[Dataset, _Shares, np.random.Generator], ByteArray]] = {
    "random": _random, "per-person": _per_person, "leave-last": _leave_last, "time": _time,
    "cold-people": _cold_people, "cold-items": _cold_items,
}  # fmt: skip


def _deal(count: int, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    """(count,) parts at random, in the shares asked for."""
    part = np.full(count, _TRAIN, dtype=np.uint8)
    tested = round(sizes.test * count)
    watched = round(sizes.validation * count)
    part[:tested], part[tested : tested + watched] = _TEST, _VALIDATION
    return rng.permutation(part)


def _deal_groups(codes: AnyArray, number: int, sizes: _Shares, rng: np.random.Generator) -> ByteArray:
    """(N,) parts by whole groups, such as people: a share of the groups that have events."""
    present = np.flatnonzero(np.bincount(codes, minlength=number))
    of_group = np.full(number, _TRAIN, dtype=np.uint8)
    of_group[present] = _deal(len(present), sizes, rng)
    return of_group[codes]


def _from_the_end(order: LongArray, counts: AnyArray, tested: AnyArray, watched: AnyArray) -> ByteArray:
    """(N,) parts: of each person's rows in `order` the last `tested`, before them `watched`, the rest to training."""
    left = np.repeat(counts, counts) - _place(counts)  # (N,) 1 for a person's last row
    sorted_part = np.full(len(order), _TRAIN, dtype=np.uint8)
    sorted_part[left <= np.repeat(tested + watched, counts)] = _VALIDATION
    sorted_part[left <= np.repeat(tested, counts)] = _TEST
    part = np.empty_like(sorted_part)
    part[order] = sorted_part
    return part


def _place(counts: AnyArray) -> LongArray:
    """(N,) 0, 1, 2, … within each person's rows."""
    ends = np.cumsum(counts)
    places: LongArray = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return places


def _round(amounts: AnyArray) -> LongArray:
    """Rounded to the nearest integer, halves up."""
    return np.floor(amounts + 0.5).astype(np.int64)


def _moment(times: LongArray, share: float) -> int:
    """The moment whose later events (it included) come nearest to the share; the first moment of all is not one."""
    moments, counts = np.unique(times, return_counts=True)
    later = np.cumsum(counts[::-1])[::-1]  # (M,) events at each moment or after it
    nearest = 1 + int(np.argmin(np.abs(later[1:] - share * len(times)))) if len(moments) > 1 else 0
    return int(moments[nearest])


def _check_shares(test: float, validation: float | None, history: float) -> None:
    for name, share in (("test", test), ("validation", validation)):
        if share is not None and not 0 < share < 1:
            raise ParameterError(f"split {name} must be a share above 0 and below 1, got {share}.")
    if validation is not None and test + validation >= 1:
        raise ParameterError(f"split test + validation must leave a share for training, got {test} + {validation}.")
    if not 0 <= history < 1:
        raise ParameterError(f"split history must be a share from 0 to below 1, got {history}.")


def _check_count(name: str, value: int, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ParameterError(f"{name} must be an integer >= {low}, got {value!r}.")
