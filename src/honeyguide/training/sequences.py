"""Batches of sequences for models that foretell each next event: short ones share a row, long ones are cut.

A history of n events has n - 1 to foretell, each from those before it, up to `length` of them. It is cut into windows
of `length`, at a place drawn anew in each epoch; windows are packed into rows of one width (kernels/packing.py), so
that a step costs the events it learns, whatever their histories' lengths. O(events) an epoch, 24 bytes an event.

With `omit` each epoch reads other parts of a history: a share of its events, drawn for it between 0 and `omit`, is left
out at random, all but the last, and what is left is read as a history: akin to the crops and masks of CL4SRec (Xie et
al. 2022, arXiv:2010.14395).
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
    batch foretells, as near as whole rows come to it; `omit` the largest share of a history that an epoch leaves out.
    """

    def __init__(self, indptr: LongArray, items: IntArray, *, length: int, events: int, omit: float = 0.0) -> None:
        counts = np.diff(indptr).astype(np.int64)
        self._items = items[np.repeat(counts > 1, counts)]
        self._counts = counts[counts > 1]  # (S,)
        self._length, self._omit = length, omit
        self.total = int((self._counts - 1).sum())
        self.width = int(min(length, self._counts.max(initial=2) - 1))
        self.rows = max(1, min(round(events / self.width), -(-self.total // self.width)))

    def steps(self) -> int:
        """The batches of an epoch: about so many, since omissions, cuts and packing are drawn."""
        return max(1, -(-int(self.total * (1.0 - 0.5 * self._omit)) // (self.rows * self.width)))

    def epoch(self, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """Batches of arrays (R, L): item, target (the event after it), place and left, the events of its window before
        and after it, weight.

        A place after the last window of a row is 0 in all of them. The weights of a whole batch add up to about 1.
        """
        items, counts = self._drawn(rng)
        first, lengths = self._windows(counts, rng)
        order = rng.permutation(len(first))
        first, lengths = first[order], lengths[order]
        row, start = np.empty(len(first), np.int32), np.empty(len(first), np.int32)
        scratch = np.empty(_OPEN, np.int32), np.empty(_OPEN, np.int32)
        rows = packing.first_fit(lengths, self.width, *scratch, row, start)
        total = int(lengths.sum())
        within = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # (N,)
        source = np.repeat(first, lengths) + within
        shuffled = rng.permutation(-(-rows // self.rows) * self.rows)  # the empty rows of the last batch are spread
        cell = np.repeat(shuffled[row].astype(np.int64) * self.width + start, lengths) + within
        shape = len(shuffled) // self.rows, self.rows, self.width
        left = np.repeat(lengths, lengths) - 1 - within
        values = {"item": items[source], "target": items[source + 1], "place": within, "left": left}
        whole: dict[str, AnyArray] = {name: np.zeros(shape, np.int32) for name in values}
        for name, array in values.items():
            whole[name].reshape(-1)[cell] = array
        whole["weight"] = np.zeros(shape, np.float32)
        whole["weight"].reshape(-1)[cell] = shape[0] / max(1, total)
        for step in range(shape[0]):
            yield {name: array[step] for name, array in whole.items()}

    def _drawn(self, rng: np.random.Generator) -> tuple[IntArray, LongArray]:
        """The histories that an epoch reads, end to end: their events, and how many are of each (S,), one at least."""
        if self._omit == 0.0:
            return self._items, self._counts
        share = self._omit * rng.random(len(self._counts))
        kept = rng.random(len(self._items)) >= np.repeat(share, self._counts)
        kept[np.cumsum(self._counts) - 1] = True
        owner = np.repeat(np.arange(len(self._counts)), self._counts)
        return self._items[kept], np.bincount(owner[kept], minlength=len(self._counts))

    def _windows(self, counts: LongArray, rng: np.random.Generator) -> tuple[LongArray, IntArray]:
        """Where each window (W,) of histories that lie end to end starts among the events, and how many it reads."""
        length, begin, count = self._length, np.cumsum(counts) - counts, counts - 1
        cut = np.where(count > length, rng.integers(1, length + 1, len(count)), count)  # events of the first window
        windows = np.where(count > 0, 1 + -(-(count - cut) // length), 0)
        owner = np.repeat(np.arange(len(count)), windows)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(windows) - windows, windows)  # 0, 1, … of each history
        low = np.where(number > 0, cut[owner] + (number - 1) * length, 0)
        high = np.minimum(cut[owner] + number * length, count[owner])
        return begin[owner] + low, (high - low).astype(np.int32)
