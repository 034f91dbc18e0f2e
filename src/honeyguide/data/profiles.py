"""Profiles: a batch of people to score. Pairs: (person, item, moment) to rate.

A profile is what is known of one person at the moment of asking. All models score profiles, so that someone the model
has never seen is served by the same call as someone it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray, LongArray

if TYPE_CHECKING:
    from honeyguide.data.dataset import Schema


@dataclass(frozen=True, eq=False)
class Profiles:
    """B people: the raw events of each in time order (ties as in the file), repeats kept, as one CSR layout.

    known   (B,) int32: the code of a person the model was trained on, with the history it was trained on; else -1
    indptr  (B + 1,): the events of row b are indptr[b] … indptr[b + 1]
    items   (E,) int32 item codes; values (E,) float32; times (E,) int64 seconds since 1970, or None
    at      (B,) int64: the moment of asking; NO_TIME, or None for all, where it is not known
    attributes  what is known of each person, B rows with the columns of `Schema.user_table`; None where nothing is
    context     the circumstances of asking, B rows with columns of `Dataset.context`; None where they are not known
    """

    schema: Schema
    known: IntArray
    indptr: LongArray
    items: IntArray
    values: FloatArray
    times: LongArray | None = None
    at: LongArray | None = None
    attributes: pl.DataFrame | None = None
    context: pl.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.known)

    @cached_property
    def rows(self) -> IntArray:
        """(E,) the row each event belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.indptr))

    def matrix(self) -> sp.csr_matrix:
        """(B, I) CSR float32 of values: of ratings a person's last for the item, of plays and purchases their sum."""
        return self._aggregate(self.values, last=self.schema.explicit)

    def latest(self) -> LongArray:
        """(M,) the last event of each person with each item, in the order of `matrix().data`."""
        order, _, ends = self._by_pair()
        return order[ends]

    def positives(self) -> sp.csr_matrix:
        """(B, I) CSR float32 of ones: of ratings where the last one, of other events where any one, is positive."""
        good = self.schema.positive.mask(self.values)
        found = self._aggregate(good.astype(np.float32), last=self.schema.explicit)
        found.eliminate_zeros()
        found.data[:] = 1.0
        return found

    def take(self, rows: slice | AnyArray | Sequence[int]) -> Profiles:
        """The profiles of some rows, in that order. A slice copies nothing but its offsets."""
        if isinstance(rows, slice):
            low, high, _ = rows.indices(len(self))
            first, end = int(self.indptr[low]), int(self.indptr[max(low, high)])
            events: slice | LongArray = slice(first, end)
            indptr = self.indptr[low : max(low, high) + 1] - first
        else:
            rows = np.asarray(rows, dtype=np.int64)
            lengths = (self.indptr[1:] - self.indptr[:-1])[rows]
            indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
            events = np.arange(indptr[-1]) + np.repeat(self.indptr[:-1][rows] - indptr[:-1], lengths)
        return replace(
            self, known=self.known[rows], indptr=indptr, items=self.items[events], values=self.values[events],
            times=None if self.times is None else self.times[events],
            at=None if self.at is None else self.at[rows],
            attributes=None if self.attributes is None else self.attributes[rows],
            context=None if self.context is None else self.context[rows],
        )  # fmt: skip

    @staticmethod
    def of_everyone(
        schema: Schema, indptr: LongArray, items: IntArray, values: FloatArray, times: LongArray | None
    ) -> Profiles:
        """The trained histories of all people of a schema, a row a code; whoever has no event is not known."""
        codes = np.arange(len(indptr) - 1, dtype=np.int32)
        known, table = np.where(np.diff(indptr) > 0, codes, np.int32(-1)), schema.user_table
        return Profiles(schema, known, indptr, items, values, times, attributes=table if table.width else None)

    def strangers(self) -> Profiles:
        """The same histories as if the people were new: `known` is -1 throughout."""
        return replace(self, known=np.full(len(self), -1, dtype=np.int32))

    def where_events(self, keep: BoolArray) -> Profiles:
        """The profiles with only the events (E,) to keep."""
        counts = np.bincount(self.rows[keep], minlength=len(self))
        return replace(
            self, indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), items=self.items[keep],
            values=self.values[keep], times=None if self.times is None else self.times[keep],
        )  # fmt: skip

    def _by_pair(self) -> tuple[LongArray, LongArray, LongArray]:
        """Events (E,) by person and item, in time order within a pair; row * I + item of each; where pairs end (M,)."""
        keys = self.rows.astype(np.int64) * len(self.schema.items) + self.items
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], True)) if len(keys) else np.zeros(0, np.int64)
        return order, keys, ends

    def _aggregate(self, values: FloatArray, *, last: bool) -> sp.csr_matrix:
        shape = (len(self), len(self.schema.items))
        order, keys, ends = self._by_pair()
        values = values[order]
        if last or len(ends) == len(keys):
            merged = values[ends]
        else:
            merged = np.add.reduceat(values, np.append(0, ends[:-1] + 1)).astype(np.float32)
        indptr = np.searchsorted(keys[ends], np.arange(shape[0] + 1) * shape[1])
        return sp.csr_matrix((merged, (keys[ends] % shape[1]).astype(np.int32), indptr), shape=shape)


@dataclass(frozen=True, eq=False)
class Pairs:
    """N ratings asked for: rows (N,) of the profiles, item codes (N,) or -1 for an item never seen, moments (N,)."""

    rows: IntArray
    items: IntArray
    times: LongArray | None = None

    def __len__(self) -> int:
        return len(self.rows)
