"""Dataset: interactions, frozen, in codes; Schema: what they and every model trained on them mean.

A Dataset of N events takes 12 bytes an event, 20 with times; its histories, made when first asked for, as much again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray, LongArray
from honeyguide.data.features import Kind
from honeyguide.data.frame import deliver
from honeyguide.data.graph import Graph
from honeyguide.data.profiles import Profiles
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, ParameterError

NO_TIME = np.iinfo(np.int64).min  # an event whose time is not known; it comes before all others
_RULE = re.compile(r"(>=|>)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Positive:
    """Which events count as positive: "every event", or a rule on the value such as ">=4"."""

    rule: str = "every event"

    def __post_init__(self) -> None:
        if self.rule != "every event" and not _RULE.fullmatch(self.rule):
            raise ParameterError(f"positive must be 'every event' or a rule such as '>=4' or '>0', got {self.rule!r}.")

    def mask(self, values: FloatArray) -> BoolArray:
        """(E,) whether each value is positive."""
        found = _RULE.fullmatch(self.rule)
        if found is None:
            return np.ones(len(values), dtype=bool)
        return values >= float(found[2]) if found[1] == ">=" else values > float(found[2])


@dataclass(frozen=True)
class Shape:
    """How large data are: what the memory of a fit depends on. `triples` are those of a graph that was given."""

    users: int
    items: int
    events: int
    triples: int = 0


@dataclass(frozen=True, eq=False)
class Schema:
    """What codes and values mean; shared by both halves of a split and stored with a model.

    explicit    the values are ratings; else counts of plays, purchases and the like
    scale       lowest and highest rating; None where not explicit
    item_table  columns known of each item (title, …), a row a code; no columns where nothing is known
    user_table  the same of people; without rows where nothing is known
    kinds       of columns of the two tables, or of the context, whose kind is declared: see `features`
    context     a table without rows: the columns of `Dataset.context` and their types
    frame       the kind of data frame that tables come back in
    """

    users: Vocabulary
    items: Vocabulary
    explicit: bool
    scale: tuple[float, float] | None
    positive: Positive
    item_table: pl.DataFrame
    user_table: pl.DataFrame = field(default_factory=pl.DataFrame)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    context: pl.DataFrame = field(default_factory=pl.DataFrame)
    frame: str = "polars"
    name: str = ""

    def titles(self, codes: IntArray) -> list[str]:
        """What a person would call the items: the title where one is known and not blank, else the id."""
        names = [name for name in self.item_table.columns if name.lower() in ("title", "name")]
        ids = [str(value) for value in self.items.decode(codes)]
        if not names:
            return ids
        known = self.item_table[names[0]].gather(codes).to_list()
        return [
            value if isinstance(value, str) and value.strip() else number
            for value, number in zip(known, ids, strict=True)
        ]

    def deliver(self, table: pl.DataFrame) -> Any:
        """A table in the caller's own kind of data frame."""
        return deliver(table, self.frame)


@dataclass(frozen=True, eq=False)
class Dataset:
    """N events in the order of the file: users (N,) and items (N,) int32 codes, values (N,), times (N,) or None.

    `context` has N rows and the columns of `read(context=)`: under what circumstances each event was; None without.
    `graph` is what is known of the items as triples, over the schema's items; None without.
    """

    schema: Schema
    users: IntArray
    items: IntArray
    values: FloatArray
    times: LongArray | None = None
    context: pl.DataFrame | None = None
    graph: Graph | None = None

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        what = f"{len(self):,} {'ratings' if self.schema.explicit else 'events'}"
        name = f"{self.schema.name}: " if self.schema.name else ""
        positive = self.schema.positive.rule
        graph = "" if self.graph is None else f", {len(self.graph):,} triples"
        return f"<Dataset {name}{what}, {self.n_users:,} users, {self.n_items:,} items{graph}, positive: {positive}>"

    @property
    def n_users(self) -> int:
        """People in the vocabulary, those without an event in this part included."""
        return len(self.schema.users)

    @property
    def n_items(self) -> int:
        """Items in the vocabulary, those without an event in this part included."""
        return len(self.schema.items)

    @property
    def shape(self) -> Shape:
        """Counts of users, items, events and triples."""
        return Shape(self.n_users, self.n_items, len(self), 0 if self.graph is None else len(self.graph))

    @cached_property
    def by_user(self) -> tuple[LongArray, LongArray]:
        """(order, indptr): rows (N,) sorted by person and time, ties as in the file; (U + 1,) offsets."""
        keys = (self.users,) if self.times is None else (self.times, self.users)
        order = np.lexsort(keys).astype(np.int64)
        return order, np.searchsorted(self.users[order], np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def _all_profiles(self) -> Profiles:
        order, indptr = self.by_user
        times = None if self.times is None else self.times[order]
        return Profiles.of_everyone(self.schema, indptr, self.items[order], self.values[order], times)

    def profiles(self, users: AnyArray | None = None) -> Profiles:
        """The histories of all people, or of some codes (B,), as people a model trained on this data knows."""
        return self._all_profiles if users is None else self._all_profiles.take(users)

    def matrix(self) -> sp.csr_matrix:
        """(U, I) CSR of values; see `Profiles.matrix`."""
        return self._all_profiles.matrix()

    def positives(self) -> sp.csr_matrix:
        """(U, I) CSR of ones; see `Profiles.positives`."""
        return self._all_profiles.positives()

    def take(self, rows: AnyArray) -> Dataset:
        """The part with these rows (indices or mask), under the same schema."""
        times = None if self.times is None else self.times[rows]
        context = self.context
        if context is not None:
            context = context.filter(rows) if np.asarray(rows).dtype == bool else context[np.asarray(rows)]
        return Dataset(self.schema, self.users[rows], self.items[rows], self.values[rows], times, context, self.graph)

    def with_positive(self, rule: str) -> Dataset:
        """The same events under another rule for positives."""
        return replace(self, schema=replace(self.schema, positive=Positive(rule)))

    def with_graph(self, graph: Graph | Literal["attributes"] | None) -> Dataset:
        """The same events beside another graph: one of these items, that of their "attributes", or none."""
        if isinstance(graph, str) and graph == "attributes":
            graph = Graph.from_attributes(self.schema)
            if not len(graph):
                raise DataError(
                    "graph='attributes' needs a column of categories or values that items share, and the items have "
                    "none; give their table: read(..., items=), or say what a column is with kinds="
                )
        if graph is not None and (not isinstance(graph, Graph) or len(graph.links) != self.n_items):
            got = f"one of {len(graph.links):,}" if isinstance(graph, Graph) else f"a {type(graph).__name__}"
            got = repr(graph) if isinstance(graph, str) else got
            raise ParameterError(
                f"graph must be a Graph of {self.n_items:,} items, 'attributes' or None, got {got}; "
                "read(..., graph=) takes a file or a frame of triples."
            )
        return replace(self, graph=graph)

    def table(self) -> Any:
        """The events with raw ids: user, item, rating (or value), time where known, other columns of the context."""
        value = "rating" if self.schema.explicit else "value"
        ids = {"user": self.schema.users.decode(self.users), "item": self.schema.items.decode(self.items)}
        table = pl.DataFrame({**ids, value: self.values})
        if self.times is not None:
            times = pl.Series("time", self.times)
            table = table.with_columns(pl.when(times != NO_TIME).then(times).alias("time"))
        if self.context is not None:
            table = table.hstack(self.context.select(pl.exclude(table.columns)))
        return self.schema.deliver(table)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of ids, events, values, times, the rule and the graph: equal data, equal fingerprint."""
        digest = hashlib.blake2b(digest_size=16)
        parts = [*self.schema.users.arrays().values(), *self.schema.items.arrays().values()]
        for array in (*parts, self.users, self.items, self.values, self.times):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        if self.context is not None:
            for column in self.context:
                digest.update(f"{column.dtype}\n{column.to_frame().write_csv()}".encode())
        digest.update(self.schema.positive.rule.encode())
        if self.graph is not None:
            digest.update(self.graph.fingerprint())
        return digest.hexdigest()
