"""Datasets made ready: duplicates, k-cores, one schema for several parts. Nothing here changes its argument."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl

from honeyguide.arrays import BoolArray, IntArray
from honeyguide.data.dataset import Dataset, Schema
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, ParameterError


def dedupe(data: Dataset, *, keep: Literal["last", "first", "sum"] = "last") -> Dataset:
    """One event of each person with each item: the last or first in time (ties as in the file), or all values summed.

    A sum keeps the row and the time of the last. Models merge repeats by themselves (`Profiles.matrix`); this is for
    protocols that count each pair once.
    """
    if keep not in ("last", "first", "sum"):
        raise ParameterError(f"keep must be 'last', 'first' or 'sum', got {keep!r}.")
    if not len(data):
        return data
    keys = data.users.astype(np.int64) * data.n_items + data.items
    order = np.lexsort((keys,) if data.times is None else (data.times, keys))
    ends = np.append(keys[order][1:] != keys[order][:-1], True)
    starts = np.append(True, ends[:-1])
    rows = order[starts if keep == "first" else ends]
    if keep != "sum":
        return data.take(np.sort(rows))
    sums = np.add.reduceat(data.values[order].astype(np.float64), np.flatnonzero(starts)).astype(np.float32)
    place = np.argsort(rows)
    return replace(data.take(rows[place]), values=sums[place])


def k_core(data: Dataset, k: int, *, users: int | None = None) -> Dataset:
    """The largest part in which every item has at least `k` people and every person at least `users` (default k) items.

    Repeats count once. The ids that fall out leave the vocabularies.
    """
    least = k if users is None else users
    if min(k, least) < 1:
        raise ParameterError(f"k and users must be integers >= 1, got {k} and {users}.")
    return compact(data.take(core(data.users, data.items, k=k, users_least=least)))


def core(users: IntArray, items: IntArray, *, k: int, users_least: int) -> BoolArray:
    """(N,) the events of the k-core: rounds of dropping people and items below their least, until none is.

    Cost: O(N) a round; rounds are few on real data.
    """
    width = int(items.max()) + 1 if len(items) else 1
    pairs, first = np.unique(users.astype(np.int64) * width + items, return_index=True)  # repeats count once
    u, i = users[first], items[first]
    alive = np.ones(len(pairs), dtype=bool)
    while True:
        per_user = np.bincount(u[alive], minlength=int(u.max(initial=0)) + 1)
        per_item = np.bincount(i[alive], minlength=width)
        fine = alive & (per_user[u] >= users_least) & (per_item[i] >= k)
        if fine.sum() == alive.sum():
            break
        alive = fine
    people, things = np.zeros(int(u.max(initial=0)) + 1, bool), np.zeros(width, bool)
    people[u[alive]], things[i[alive]] = True, True
    return people[users] & things[items]


def compact(data: Dataset) -> Dataset:
    """The same events under a schema that holds only the people and items that occur in them."""
    schema = data.schema
    users, user_codes = _held(schema.users, data.users)
    items, item_codes = _held(schema.items, data.items)
    tables = _rows(schema.user_table, np.unique(data.users)), _rows(schema.item_table, np.unique(data.items))
    fresh = replace(schema, users=users, items=items, user_table=tables[0], item_table=tables[1])
    graph = None if data.graph is None else data.graph.relinked(schema.items.encode(items.series()))
    return replace(data, schema=fresh, users=user_codes, items=item_codes, graph=graph)


def under_one_schema(*parts: Dataset) -> tuple[Dataset, ...]:
    """The parts with common codes: people, items and what is known of them are those of all parts together.

    The scale spans the scales of the parts; of whatever is described in several, the first description counts. Each
    part keeps its own graph, in which the items of the others are not linked.
    """
    first = parts[0].schema
    for part in parts:
        for what in ("explicit", "positive"):
            if getattr(part.schema, what) != getattr(first, what):
                raise DataError(
                    f"parts under one schema must agree in {what}, got {getattr(first, what)!r} and another"
                )
    users = _union([part.schema.users for part in parts])
    items = _union([part.schema.items for part in parts])
    scales = [part.schema.scale for part in parts if part.schema.scale is not None]
    scale = (min(s[0] for s in scales), max(s[1] for s in scales)) if scales else None
    schema = replace(
        first, users=users, items=items, scale=scale,
        item_table=_tables([(part.schema.items, part.schema.item_table) for part in parts], items),
        user_table=_tables([(part.schema.users, part.schema.user_table) for part in parts], users),
    )  # fmt: skip
    return tuple(_recoded(part, schema) for part in parts)


def _recoded(part: Dataset, schema: Schema) -> Dataset:
    users = schema.users.encode(part.schema.users.series())[part.users]
    items = schema.items.encode(part.schema.items.series())[part.items]
    graph = None if part.graph is None else part.graph.relinked(part.schema.items.encode(schema.items.series()))
    return replace(part, schema=schema, users=users, items=items, graph=graph)


def _union(parts: list[Vocabulary]) -> Vocabulary:
    filled = [part.series() for part in parts if len(part)]
    if len({series.dtype for series in filled}) > 1:
        raise DataError("ids are integers in one part and strings in another; write them alike")
    return Vocabulary.of(pl.concat(filled)) if filled else parts[0]


def _tables(parts: list[tuple[Vocabulary, pl.DataFrame]], whole: Vocabulary) -> pl.DataFrame:
    """What is known, a row a code of the whole vocabulary."""
    tables = []
    for vocabulary, table in parts:
        if table.width:
            tables.append(table.with_columns(pl.Series("\0code", whole.encode(vocabulary.series()))))
    if not tables:
        return pl.DataFrame(height=len(whole))
    known = pl.concat(tables, how="diagonal_relaxed").filter(~pl.all_horizontal(pl.exclude("\0code").is_null()))
    known = known.unique("\0code", keep="first", maintain_order=True)
    every = pl.DataFrame({"\0code": np.arange(len(whole), dtype=np.int32)})
    return every.join(known, on="\0code", how="left", maintain_order="left").drop("\0code")


def _rows(table: pl.DataFrame, kept: IntArray) -> pl.DataFrame:
    return table[kept] if table.width else pl.DataFrame(height=len(kept))


def _held(vocabulary: Vocabulary, codes: IntArray) -> tuple[Vocabulary, IntArray]:
    kept = np.unique(codes)
    ids = vocabulary.decode(kept)
    fresh = Vocabulary.of(ids)
    return fresh, fresh.encode(ids)[np.searchsorted(kept, codes)]
