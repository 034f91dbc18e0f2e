"""What rows do together: repeats, values that stand apart, people and items with one event, skew, what a k-core keeps.

Skew is the Gini coefficient of events an item.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, LongArray
from honeyguide.data.dataset import NO_TIME, Shape
from honeyguide.data.gather import Gathered
from honeyguide.data.prepare import core
from honeyguide.data.report import Finding, Severity
from honeyguide.data.usable import Events

_CORES = (5, 10)


def patterns(events: Events, found: Gathered, scale: tuple[float, float] | None) -> Iterator[Finding]:
    """All findings about the events together but for their times."""
    if not len(events.rows):
        return
    yield from _repeats(events)
    yield from _values(events, found, scale)
    yield from _singles(events)
    yield from _density_and_skew(events)
    yield from _cores(events)


def _repeats(events: Events) -> Iterator[Finding]:
    """Rows that say what an earlier one says, and further events of a person with the same item."""
    keys = events.users.astype(np.int64) * (int(events.items.max()) + 1) + events.items
    columns: tuple[AnyArray, ...] = (events.values,) if events.times is None else (events.values, events.times)
    order = np.lexsort((*columns, keys))
    again = np.zeros(len(keys), dtype=bool)
    same = np.ones(len(keys) - 1, dtype=bool)
    for column in (keys, *columns):
        same &= column[order][1:] == column[order][:-1]
    again[order[1:][same]] = True
    done = "the last rating counts" if events.explicit else "their values are added up"
    timed = "" if events.times is None else " at the same time"
    severity: Severity = "warning" if events.times is not None or events.explicit else "note"
    remedy = f"if the file was joined or loaded twice, take them out first; as they are, {done}"
    message = f"that repeat another row: same user, item and value{timed}"
    yield from events.find("duplicate-row", severity, again, message, remedy)
    order = np.lexsort((np.arange(len(keys)), keys))
    further = np.zeros(len(keys), dtype=bool)
    further[order[1:][keys[order][1:] == keys[order][:-1]]] = True
    further &= ~again
    remedy = f"nothing, if people may come back to an item: {done}; histories keep every event"
    severity = "warning" if events.explicit else "note"
    yield from events.find(
        "repeated-pair", severity, further, "of a user with an item that the user has before", remedy
    )


def _values(events: Events, found: Gathered, scale: tuple[float, float] | None) -> Iterator[Finding]:
    """Ratings that are none, ratings far from all others, counts of zero or less, one value throughout."""
    column = found.columns.amount
    if column is None:
        return
    values, counts = np.unique(events.values, return_counts=True)
    if len(values) == 1 and len(events.rows) > 1:
        message = f"{column} is {values[0]:g} in every row: it says no more than that the row is there"
        remedy = "treat the data as events (models of the task 'ranking'); rating models have nothing to learn here"
        yield Finding("one-value", "warning", 0, (), message, remedy)
    if not events.explicit:
        remedy = (
            "returns and cancellations are no sign of interest: take them out, or sum what a user bought and returned"
        )
        yield from events.find("negative-value", "warning", events.values < 0, f"with a {column} below 0", remedy)
        zero = f"with a {column} of 0"
        yield from events.find(
            "zero-value", "warning", events.values == 0, zero, "take them out, if they stand for nothing"
        )
        return
    if float(np.median(events.values)) > 1e8:
        message = f"{column} holds numbers such as {events.values[0]:.0f}, which look like times"
        yield Finding(
            "rating-is-time", "warning", 0, (), message, f"name the columns: time={column!r}, and rating= if any"
        )
        return
    if len(values) > 200:
        message = (
            f"{column} has {len(values):,} different values from {values[0]:g} to {values[-1]:g}: it looks like a count"
        )
        yield Finding(
            "rating-is-count", "warning", 0, (), message, f"if it counts plays or purchases, say value={column!r}"
        )
    elif scale is None and len(values) > 2:
        yield from _apart(events, values, counts, column)


def _apart(events: Events, values: FloatArray, counts: LongArray, column: str) -> Iterator[Finding]:
    """Ratings below 0, and rare ones (under 1 %) that a gap of over three of the usual steps divides from the rest."""
    step = float(np.median(np.diff(values)))
    gaps = np.flatnonzero(np.diff(values) > 3 * step)
    odd = np.zeros(len(values), dtype=bool)
    share = np.cumsum(counts) / counts.sum()
    for gap in gaps:
        if share[gap] < 0.01:
            odd[: gap + 1] = True
        if 1 - share[gap] < 0.01:
            odd[gap + 1 :] = True
    if values[0] < 0 and share[values < 0][-1] < 0.05:
        odd |= values < 0
    if not odd.any():
        return
    low, high = values[~odd][0], values[~odd][-1]
    message = f"with a {column} such as {values[odd][0]:g}, where all others lie from {low:g} to {high:g}"
    remedy = f"see whether it stands for 'no rating'; say scale=({low:g}, {high:g}) and leave such rows out"
    yield from events.find("value-apart", "warning", np.isin(events.values, values[odd]), message, remedy)


def _singles(events: Events) -> Iterator[Finding]:
    for what, counts in (("user", events.per_user), ("item", events.per_item)):
        once = int((counts == 1).sum())
        if once:
            message = f"{once:,} of {len(counts):,} {what}s ({once / len(counts):.0%}) have one event only"
            remedy = (
                "nothing can be learnt of them from others; for a protocol of evaluation take a k-core, "
                "and let a model serve them as new"
                if what == "user"
                else "their places in lists are guesswork; a k-core or what is known of the items helps"
            )
            yield Finding(f"one-event-{what}s", "note", 0, (), message, remedy)


def gini(counts: LongArray) -> float:
    """0 where all have as many events, towards 1 where few have all."""
    ordered = np.sort(counts).astype(np.float64)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def _density_and_skew(events: Events) -> Iterator[Finding]:
    users, items = len(events.per_user), len(events.per_item)
    pairs = len(np.unique(events.users.astype(np.int64) * (int(events.items.max()) + 1) + events.items))
    message = (
        f"{pairs / (users * items):.3%} of all {users:,} x {items:,} pairs are known; the median user has "
        f"{np.median(events.per_user):,.0f} events, the median item {np.median(events.per_item):,.0f}"
    )
    yield Finding("density", "note", 0, (), message, "nothing; the sparser, the more a model must regularise")
    head = max(1, round(items / 100))
    top = np.sort(events.per_item)[::-1][:head].sum() / len(events.rows)
    skew = gini(events.per_item)
    message = f"the most popular 1 % of the items ({head:,}) have {top:.0%} of the events (Gini {skew:.2f})"
    remedy = "compare every model with `popular`, and look at coverage and novelty besides accuracy"
    yield Finding("popularity-skew", "note", 0, (), message, remedy)


def _cores(events: Events) -> Iterator[Finding]:
    for k in _CORES:
        kept = core(events.users, events.items, k=k, users_least=k)
        left = Shape(len(np.unique(events.users[kept])), len(np.unique(events.items[kept])), int(kept.sum()))
        message = (
            f"a {k}-core keeps {left.events:,} events ({left.events / len(kept):.0%}) of {left.users:,} users "
            f"and {left.items:,} items"
        )
        remedy = f"prepare.k_core(data, {k}), where a published protocol asks for it; it flatters every model"
        yield Finding(f"{k}-core", "note", 0, (), message, remedy)


def curves(events: Events) -> dict[str, tuple[tuple[float, float], ...]]:
    """Points to plot: (rank, events) of people and of items, and (time, events) in up to 60 periods."""
    found: dict[str, Any] = {}
    for what, counts in (("activity", events.per_user), ("popularity", events.per_item)):
        if len(counts):
            ordered = np.sort(counts)[::-1]
            ranks = np.unique(np.geomspace(1, len(ordered), 200).astype(np.int64))
            found[what] = tuple((float(rank), float(ordered[rank - 1])) for rank in ranks)
    span = events.span()
    if span is not None and span[1] > span[0] and events.times is not None:
        counts, edges = np.histogram(events.times[events.times != NO_TIME], bins=60, range=span)
        found["time"] = tuple((float(edge), float(n)) for edge, n in zip(edges[:-1], counts, strict=True))
    return found
