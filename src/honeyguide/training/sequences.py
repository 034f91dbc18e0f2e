"""Batches of sequences for models that foretell each next event: short ones share a row, long ones are cut.

A history of n events has n - 1 to foretell, each from those before it, up to `length` of them. It is cut into windows
of `length`, at a place drawn anew in each epoch; windows are packed into rows of one width (kernels/packing.py), so
that a step costs the events it learns, whatever their histories' lengths. O(events) an epoch, 24 bytes an event.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from honeyguide.arrays import AnyArray, IntArray, LongArray
from honeyguide.kernels import packing

_OPEN = 64  # rows that wait for sequences that fill them


class NextEvents:
    """Every event of histories after the first, with those before it.

    indptr (U + 1,), items (E,) are histories in order; `length` the events that a model reads; `events` those that a
    batch foretells, as near as whole rows come to it.
    """

    def __init__(self, indptr: LongArray, items: IntArray, *, length: int, events: int) -> None:
        counts = np.diff(indptr)
        some = np.flatnonzero(counts > 1)
        self._first, self._count = indptr[some].astype(np.int64), (counts[some] - 1).astype(np.int64)  # (S,)
        self._items, self._length = items, length
        self.total = int(self._count.sum())
        self.width = int(min(length, self._count.max(initial=1)))
        self.rows = max(1, min(round(events / self.width), -(-self.total // self.width)))

    def steps(self) -> int:
        """The batches of an epoch: about so many, since cuts and packing are drawn."""
        return max(1, -(-self.total // (self.rows * self.width)))

    def epoch(self, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """Batches of arrays (R, L): item, target (the event after it), place in the window, weight.

        A place after the last window of a row has place 0 and weight 0. The weights of a whole batch add up to about 1.
        """
        first, lengths = self._windows(rng)
        order = rng.permutation(len(first))
        first, lengths = first[order], lengths[order]
        row, start = np.empty(len(first), np.int32), np.empty(len(first), np.int32)
        scratch = np.empty(_OPEN, np.int32), np.empty(_OPEN, np.int32)
        rows = packing.first_fit(lengths, self.width, *scratch, row, start)
        within = np.arange(self.total) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # (N,)
        source = np.repeat(first, lengths) + within
        shuffled = rng.permutation(-(-rows // self.rows) * self.rows)  # the empty rows of the last batch are spread
        cell = np.repeat(shuffled[row].astype(np.int64) * self.width + start, lengths) + within
        shape = len(shuffled) // self.rows, self.rows, self.width
        whole = {name: np.zeros(shape, np.int32) for name in ("item", "target", "place")}
        weight = np.zeros(shape, np.float32)
        whole["item"].reshape(-1)[cell] = self._items[source]
        whole["target"].reshape(-1)[cell] = self._items[source + 1]
        whole["place"].reshape(-1)[cell] = within
        weight.reshape(-1)[cell] = len(weight) / max(1, self.total)
        for step in range(len(weight)):
            yield {**{name: array[step] for name, array in whole.items()}, "weight": weight[step]}

    def _windows(self, rng: np.random.Generator) -> tuple[LongArray, IntArray]:
        """Where each window (W,) starts among the events, and how many it reads."""
        length, count = self._length, self._count
        cut = np.where(count > length, rng.integers(1, length + 1, len(count)), count)  # events of the first window
        windows = 1 + -(-(count - cut) // length)
        owner = np.repeat(np.arange(len(count)), windows)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(windows) - windows, windows)  # 0, 1, … of each history
        low = np.where(number > 0, cut[owner] + (number - 1) * length, 0)
        high = np.minimum(cut[owner] + number * length, count[owner])
        return self._first[owner] + low, (high - low).astype(np.int32)
