"""Aspects: the values of one column of items, such as genres or tags, as shares; what lists are balanced by.

    aspects = Aspects.of_schema(schema)            # of the most telling column; or of_schema(schema, "genres")
    aspects.shares                                 # (I, V): an item of n values has 1/n of each
    aspects.tastes(profiles.positives())           # (B, V): the mean of the items that a person has

Two items are as alike as the cosine of their rows in a matrix of vectors: of aspects, or of the people who have them.
O(values + entries) time and memory.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from honeyguide.data.dataset import Schema
from honeyguide.data.features import Column, Features, Kind, recognise
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ParameterError

HISTORIES = "histories"  # instead of a column: items are alike that the same people have
_KINDS: tuple[Kind, ...] = "values", "category"  # the first with a column that says something is the usual one


@dataclass(frozen=True, eq=False)
class Aspects:
    """One column's V values, and the share of each in each item: (I, V) CSR float32, whose rows sum to 1 or 0."""

    column: str
    names: tuple[str, ...]
    shares: sp.csr_matrix

    @staticmethod
    def of_schema(schema: Schema, column: str = "") -> Aspects:
        """The values of a column of categories, or of several values an item; by default of the most telling one.

        That is the column of several values that tells of most items; where there is none, of categories. A value of
        one item alone is left out. ParameterError where there is no such column.
        """
        able = _able(schema)
        if column and column not in able:
            raise ParameterError(
                f"the column of items must have categories or several values an item, got {column!r}; "
                f"there are: {', '.join(able) or 'none, read items= too'}."
            )
        if not able:
            raise ParameterError("items have no column of categories or values, such as genres: read items= too.")
        return _encode(schema, able[column or next(iter(able))])

    @cached_property
    def vectors(self) -> sp.csr_matrix:
        """(I, V) rows of norm 1, or 0 where nothing is known."""
        return self.shares.sqrt()

    def code(self, value: str) -> int:
        """The place of a value; ParameterError, with the nearest ones, where no two items have it."""
        if value not in self.names:
            near = difflib.get_close_matches(value, self.names, n=3) or list(self.names[:5])
            raise ParameterError(
                f"the column {self.column!r} has no value {value!r} of two or more items; such as: {', '.join(near)}."
            )
        return self.names.index(value)

    def tastes(self, had: sp.csr_matrix) -> sp.csr_matrix:
        """(B, V) the mean shares of what each person has, `had` (B, I) of ones; a row of zeros where nothing tells."""
        return to_shares(had @ self.shares)


def usual(schema: Schema, column: str) -> str:
    """The column that a name stands for: itself; for none the most telling one, or "histories" where there is none."""
    return column or next(iter(_able(schema)), HISTORIES)


def histories(profiles: Profiles) -> sp.csr_matrix:
    """(I, B) the people who have each item as a vector of norm 1; of an item that nobody has, of zeros."""
    had = profiles.positives().T.tocsr()
    counts = np.diff(had.indptr)
    had.data = (1.0 / np.sqrt(np.repeat(counts, counts))).astype(np.float32)
    return had


def to_shares(sums: sp.csr_matrix) -> sp.csr_matrix:
    """The rows divided by their sums, in double precision; a row of zeros stays one."""
    found = sp.csr_matrix(sums, dtype=np.float64)
    found.sort_indices()
    totals = np.asarray(found.sum(axis=1)).ravel()
    found.data /= np.repeat(totals, np.diff(found.indptr))
    return found


def _able(schema: Schema) -> dict[str, Column]:
    """The columns that could be meant, the most telling first."""
    table = schema.item_table
    found: list[tuple[int, int, Column]] = []
    for values in table:
        kind = schema.kinds.get(values.name) or recognise(values)
        if kind in _KINDS and values.name.lower() not in ("title", "name"):
            features = Features.learn(table.select(values.name), {values.name: kind})
            for column in features.columns:
                told = int(np.count_nonzero(np.diff(features.encode(table).indptr)))
                found.append((_KINDS.index(kind), -told, column))
    return {column.name: column for _, _, column in sorted(found, key=lambda each: each[:2])}


def _encode(schema: Schema, column: Column) -> Aspects:
    vectors = Features((column,)).encode(schema.item_table)
    names = tuple(str(value) for value in column.known.series())
    return Aspects(column.name, names, to_shares(vectors.power(2)).astype(np.float32))
