"""Findings about times: missing ones that tell the rating, impossible ones, and activity that no person has.

Whether a time is missing more often for some values than others is tested by chi-square on the table of values by
missing or not; a time that depends on the rating lets a model see the rating.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterator

import numpy as np

from honeyguide.arrays import BoolArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import NO_TIME
from honeyguide.data.faults import SHOWN
from honeyguide.data.gather import Gathered
from honeyguide.data.report import Finding, day
from honeyguide.data.usable import Events

_BURST = 100  # events of one person within _WINDOW seconds
_WINDOW = 60
_EARLIEST = 631_152_000  # 1990-01-01: before it nobody left traces on the web
_DAY = 86_400
_SIGNIFICANT = 1e-3
_GROUPS = 10  # of values, where more than 20 differ


def timing(events: Events, found: Gathered, now: float | None) -> Iterator[Finding]:
    """All findings about times; `now` is by default the present."""
    yield from _missing_times(found)
    if events.times is not None and len(events.rows):
        yield from _times(events, clock.time() if now is None else now)
        yield from _bursts(events)


def _missing_times(found: Gathered) -> Iterator[Finding]:
    """Rows without a time; a warning where that goes along with the value."""
    if found.times is None:
        return
    gone = found.times == NO_TIME
    gone[found.bad_times] = False
    gone &= (found.users >= 0) | (found.items >= 0)  # an empty line has no time to miss
    if not gone.any():
        return
    rows = np.flatnonzero(gone)
    examples = tuple(int(row) + 1 for row in rows[:SHOWN])
    leak = _leak(found.values, gone) if found.columns.amount is not None else None
    if leak is None:
        remedy = "nothing, or leave the time column out: such events come before all others of a person"
        yield Finding("missing-time", "note", len(rows), examples, "without a time", remedy)
        return
    message = f"without a time, and not by chance: {leak}"
    remedy = (
        "a model that sees the time sees the rating: read without the time column (give it another name, or drop it), "
        "or find the missing times"
    )
    yield Finding("time-leak", "warning", len(rows), examples, message, remedy)


def _leak(values: FloatArray, gone: BoolArray) -> str | None:
    """How the missing of a time depends on the value, in words; None where it may be chance (chi-square)."""
    finite = np.isfinite(values)
    values, gone = values[finite], gone[finite]
    if not len(values):
        return None
    distinct = np.unique(values)
    if len(distinct) > 2 * _GROUPS:
        distinct = np.unique(np.quantile(values, np.linspace(0, 1, _GROUPS + 1)[:-1], method="lower"))
    group = np.searchsorted(distinct, values, side="right") - 1
    total = np.bincount(group, minlength=len(distinct)).astype(np.float64)
    missing = np.bincount(group[gone], minlength=len(distinct)).astype(np.float64)
    held = total > 0
    distinct, total, missing = distinct[held], total[held], missing[held]
    if len(distinct) < 2 or missing.sum() in (0, total.sum()):
        return None
    statistic, chance = chi_square(total, missing)
    share = missing / total
    enough = total >= 20
    if chance > _SIGNIFICANT or not enough.any() or np.ptp(share[enough]) < 0.05:
        return None
    low, high = np.argmin(np.where(enough, share, np.inf)), np.argmax(np.where(enough, share, -np.inf))
    return (
        f"it is missing for {share[high]:.0%} of the rows with value {distinct[high]:g} and for {share[low]:.0%} of "
        f"those with {distinct[low]:g} (chi-square {statistic:,.0f}, p {chance:.1g})"
    )


def chi_square(total: DoubleArray, missing: DoubleArray) -> tuple[float, float]:
    """(statistic, p) of a table of G groups by missing or not: is the share of missing the same in all groups?"""
    from scipy.special import chdtrc

    expected = total * missing.sum() / total.sum()
    statistic = float((((missing - expected) ** 2) / expected + ((missing - expected) ** 2) / (total - expected)).sum())
    return statistic, float(chdtrc(len(total) - 1, statistic))


def _times(events: Events, now: float) -> Iterator[Finding]:
    """Times before the web or after now; one time throughout; dates without a time of day."""
    assert events.times is not None
    known = events.times != NO_TIME
    early = known & (events.times < _EARLIEST)
    late = known & (events.times > now + _DAY)
    remedy = "see whether the unit is right (seconds since 1970), or 0 stands for 'not known'; leave such times empty"
    if early.any():
        message = f"with a time before 1990, such as {day(int(events.times[early][0]))}"
        yield from events.find("early-time", "warning", early, message, remedy)
    if late.any():
        message = f"with a time in the future, such as {day(int(events.times[late].max()))}"
        yield from events.find("future-time", "warning", late, message, remedy)
    times = events.times[known]
    if len(times) > 1 and (times == times[0]).all():
        yield Finding(
            "one-time", "warning", 0, (), "all times are the same", "leave the time column out: it orders nothing"
        )
    elif len(times) > 1 and not (times % _DAY).any():
        message = "times are dates without a time of day: the order of events within a day is that of the file"
        yield Finding("dates-only", "note", 0, (), message, "if the source knows the time of day, take it from there")


def _bursts(events: Events) -> Iterator[Finding]:
    """People with at least a hundred events within a minute."""
    assert events.times is not None
    known = events.times != NO_TIME
    if not (events.times[known] % _DAY).any():
        return
    mask = in_burst(events.users, events.times)
    if not mask.any():
        return
    people = len(np.unique(events.users[mask]))
    most = _most_in_window(events.users[mask], events.times[mask])
    whose = "one user" if people == 1 else f"{people:,} users"
    message = (
        f"of {whose} with {_BURST} or more events within a minute (up to {most:,}), which no person has one by one"
    )
    remedy = (
        "an import, a basket, or a robot: the times do not order these events; do not split or train on their order, "
        "and take robots out"
    )
    yield from events.find("burst", "warning", mask, message, remedy)


def in_burst(users: IntArray, times: LongArray, *, least: int = _BURST, window: int = _WINDOW) -> BoolArray:
    """(N,) the events that are among `least` or more of one person within `window` seconds."""
    rows = np.flatnonzero(times != NO_TIME)
    order = rows[np.lexsort((times[rows], users[rows]))]
    ahead = min(least - 1, len(order))
    people, moments = users[order], times[order]
    first, last = slice(0, len(order) - ahead), slice(ahead, None)
    starts = np.flatnonzero((people[first] == people[last]) & (moments[last] - moments[first] <= window))
    change = np.zeros(len(order) + least, dtype=np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + least, -1)
    mask = np.zeros(len(users), dtype=bool)
    mask[order[np.cumsum(change)[: len(order)] > 0]] = True
    return mask


def _most_in_window(users: IntArray, times: LongArray) -> int:
    """The most events that one person has within a minute."""
    span = int(times.max() - times.min()) + _WINDOW + 1
    moments = np.sort(users.astype(np.float64) * span + (times - times.min()))
    ends = np.searchsorted(moments, moments + _WINDOW, side="right")
    return int((ends - np.arange(len(moments))).max())
