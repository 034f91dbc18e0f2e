"""The rows of a source that can be used: `read` takes them with invalid="drop", and patterns are sought in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import NO_TIME, Shape
from honeyguide.data.faults import SHOWN, where
from honeyguide.data.gather import Gathered
from honeyguide.data.report import Finding, Severity


def usable_rows(found: Gathered, scale: tuple[float, float] | None) -> AnyArray:
    """(N,) the rows with a user, an item, a finite value within the scale, and no time that is none.

    Those off a given scale are noted in the faults.
    """
    keep = (found.users >= 0) & (found.items >= 0) & np.isfinite(found.values)
    keep[found.bad_times] = False
    if scale is not None:
        outside = (found.values < np.float32(scale[0])) | (found.values > np.float32(scale[1]))
        outside &= np.isfinite(found.values)
        example = f"{found.values[outside][0]:g}" if outside.any() else ""
        found.faults.add("outside the scale", where(outside, 0), example)
        keep &= ~outside
    return keep


@dataclass(frozen=True, eq=False)
class Events:
    """The usable rows of a source: their numbers (from 0), codes, values and times, and the codes in use counted."""

    rows: LongArray
    users: IntArray
    items: IntArray
    values: FloatArray
    times: LongArray | None
    explicit: bool
    per_user: LongArray  # events of each person that has any
    per_item: LongArray

    @staticmethod
    def of(found: Gathered, usable: BoolArray) -> Events:
        """The usable rows of what was gathered."""
        rows = np.flatnonzero(usable)
        users, items = found.users[rows], found.items[rows]
        counts = [np.bincount(codes, minlength=1) for codes in (users, items)]
        return Events(
            rows, users, items, found.values[rows], None if found.times is None else found.times[rows],
            found.columns.rating is not None, counts[0][counts[0] > 0], counts[1][counts[1] > 0],
        )  # fmt: skip

    @property
    def shape(self) -> Shape:
        """People, items and events."""
        return Shape(len(self.per_user), len(self.per_item), len(self.rows))

    def span(self) -> tuple[int, int] | None:
        """First and last known time."""
        known = self.times[self.times != NO_TIME] if self.times is not None else np.zeros(0, np.int64)
        return (int(known.min()), int(known.max())) if len(known) else None

    def find(self, code: str, severity: Severity, mask: BoolArray, message: str, remedy: str) -> Iterator[Finding]:
        """A finding of the events that a mask picks, if any."""
        picked = self.rows[mask]
        if len(picked):
            yield Finding(code, severity, len(picked), tuple(int(r) + 1 for r in picked[:SHOWN]), message, remedy)
