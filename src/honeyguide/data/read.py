"""Files, databases and data frames → Dataset.

Ten million rows stream through in seconds; only codes, values and times (20 bytes a row), the distinct ids and the
columns of the context stay.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, IntArray
from honeyguide.data.attributes import align, read_attributes
from honeyguide.data.columns import Columns, recognise
from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.faults import Fault, Faults, phrase
from honeyguide.data.features import Kind, check_kinds
from honeyguide.data.gather import Gathered, Ids, gather
from honeyguide.data.tables import Table, open_table
from honeyguide.data.triples import is_source, read_graph
from honeyguide.data.usable import usable_rows
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, HoneyguideWarning, ParameterError
from honeyguide.run import Run

_SLICE = 1 << 20
_Known = tuple[Ids, pl.DataFrame] | None


def read(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    value: str | None = None,
    time: str | None = None,
    items: Any = None,
    users: Any = None,
    kinds: Mapping[str, Kind] | None = None,
    context: Sequence[str] = (),
    graph: Any = None,
    links: Any = None,
    positive: str = "every event",
    scale: tuple[float, float] | None = None,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    query: str | None = None,
    name: str = "",
    invalid: Literal["refuse", "drop"] = "refuse",
    run: Run | None = None,
) -> Dataset:
    """The interactions of a file (CSV, TSV, JSON lines, also .gz; Parquet), of a database, or of a data frame.

    user, item, rating, value, time
        Names of columns; those not given are recognised by their usual names. A `rating` is an opinion on a scale,
        a `value` counts plays or purchases; with neither, each row counts 1. Times may be seconds, milli-, micro- or
        nanoseconds since 1970, ISO 8601 text (UTC unless it says otherwise), or dates.
    items, users
        Tables of items and of people (a source or a frame each): the id, in a column of a usual name or the first, and
        what is known of them. Whoever or whatever is in a table alone is in the vocabulary too.
    kinds
        Of columns of those two tables or of the context, where what is recognised is not what is meant: "category",
        "values" (several, parted by |, or a list), "number", "text", "vector" (lists of numbers, all of one length),
        or "none" for a column that models shall not read.
    context
        Further columns of the events (numbers, texts, booleans), the circumstances of each: a device, a place, the
        weather. `ranker` reads them.
    graph, links
        What is known of items as triples (head, relation, tail), such as (Ran, directed by, Kurosawa), and a table of
        items and the entities that they are: a source or a frame each, whose columns are recognised. Without links an
        entity named as an item is that item. "attributes" makes the graph of the columns of `items`: those of the kinds
        "category" and "values". The models `path_walk` and `transe` read it.
    positive
        "every event", or a rule such as ">=4".
    scale
        Lowest and highest rating; by default those that occur.
    separator, header, encoding
        Of text; by default recognised. Without a header the columns are user, item, rating, time.
    query
        What to ask of a database, whose URL is the source.
    invalid
        "refuse" a source with a row that cannot be used (DataError), or "drop" such rows with a warning.
    run
        Whether a progress bar is shown; the rest of it has no part in reading.
    """
    if invalid not in ("refuse", "drop"):
        raise ParameterError(f"invalid must be 'refuse' or 'drop', got {invalid!r}.")
    table = open_table(source, separator=separator, header=header, encoding=encoding, query=query)
    given = {"user": user, "item": item, "rating": rating, "value": value, "time": time}
    return from_table(
        table, given, items=items, users=users, kinds=kinds, context=context, graph=graph, links=links,
        positive=positive, scale=scale, name=name, invalid=invalid, run=run,
    )  # fmt: skip


def columns_of(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    value: str | None = None,
    time: str | None = None,
    context: Sequence[str] = (),
    separator: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    query: str | None = None,
) -> Columns:
    """The columns that `read` would use with these arguments; only the head of a file is read."""
    table = open_table(source, separator=separator, header=header, encoding=encoding, query=query)
    given = {"user": user, "item": item, "rating": rating, "value": value, "time": time}
    return recognise(table.columns, given, context=context, source=table.name)


def from_table(
    table: Table,
    given: Mapping[str, str | None],
    *,
    items: Any = None,
    users: Any = None,
    kinds: Mapping[str, Kind] | None = None,
    context: Sequence[str] = (),
    graph: Any = None,
    links: Any = None,
    positive: str = "every event",
    scale: tuple[float, float] | None = None,
    name: str = "",
    invalid: Literal["refuse", "drop"] = "refuse",
    run: Run | None = None,
) -> Dataset:
    """The Dataset of an opened table."""
    rule = Positive(positive)
    if isinstance(context, str):
        raise ParameterError(f"context must be a sequence of columns, got {context!r}.")
    columns = recognise(table.columns, given, context=list(dict.fromkeys(context or ())), source=table.name)
    if scale is not None and (columns.rating is None or not scale[0] < scale[1]):
        why = "it needs a rating column" if columns.rating is None else "the lowest rating must come first"
        raise ParameterError(f"scale is (lowest, highest) of ratings; {why}, got {scale!r}.")
    known_items = None if items is None else read_attributes(items, "item")
    known_users = None if users is None else read_attributes(users, "user")
    faults = Faults(table.name, is_file=table.is_file, lenient=invalid == "drop")
    tables = [known[1] for known in (known_items, known_users) if known is not None]
    declared = check_kinds(kinds or {}, *tables, pl.DataFrame(schema=dict.fromkeys(columns.context, pl.Null)))
    found = gather(table, columns, faults, run or Run())
    keep = usable_rows(found, scale)
    if faults.kinds.keys() - {"blank", "no time"}:
        _refuse_or_warn(found, int(len(keep) - keep.sum() - faults.count(["blank"])), invalid)
    if not keep.all():
        found = _kept(found, keep)
    if not len(found.users):
        raise DataError(f"{table.name} has no row that can be used; {faults.advice} says why")
    data = _dataset(found, known_users, known_items, rule, scale, table.frame, name)
    circumstances = pl.DataFrame() if data.context is None else data.context.clear()
    data = replace(data, schema=replace(data.schema, kinds=declared, context=circumstances))
    return beside(data, graph, links, invalid=invalid)


def beside(data: Dataset, graph: Any, links: Any = None, *, invalid: Literal["refuse", "drop"] = "refuse") -> Dataset:
    """The data with a graph of knowledge, given as `read` takes it."""
    if is_source(graph, links):
        graph = read_graph(graph, items=data.schema.items, links=links, invalid=invalid)
    return data.with_graph(graph)


def _refuse_or_warn(found: Gathered, dropped: int, invalid: str) -> None:
    faults = found.faults
    kind, fault = min(((k, f) for k, f in faults.kinds.items() if k not in ("blank", "no time")), key=_urgency)
    if invalid == "drop":
        what = "; ".join(
            f"{f.count:,} {phrase(k, f)}" for k, f in faults.kinds.items() if k not in ("blank", "no time")
        )
        warnings.warn(f"{dropped:,} rows of {faults.source} were left out: {what}", HoneyguideWarning, stacklevel=4)
        return
    rows = "row" if fault.count == 1 else "rows"
    raise DataError(
        f"{faults.source} has {fault.count:,} {rows} {phrase(kind, fault)} (first: row {fault.rows[0]}); "
        f"{faults.advice} shows all, invalid='drop' leaves them out"
    )


def _urgency(entry: tuple[str, Fault]) -> int:
    return entry[1].rows[0] if entry[1].rows else 0


def _kept(found: Gathered, keep: AnyArray) -> Gathered:
    """The rows to keep, without the ids that no row holds any more."""
    users, user_ids = _compact(found.users[keep], found.user_ids)
    items, item_ids = _compact(found.items[keep], found.item_ids)
    times = None if found.times is None else found.times[keep]
    return replace(
        found, users=users, items=items, values=found.values[keep], times=times, user_ids=user_ids, item_ids=item_ids,
        context=None if found.context is None else found.context.filter(keep),
    )  # fmt: skip


def _compact(codes: IntArray, ids: Ids) -> tuple[IntArray, Ids]:
    held = np.zeros(len(ids.values), dtype=bool)
    held[codes] = True
    new = np.cumsum(held, dtype=np.int32) - 1
    return new[codes].astype(np.int32), replace(ids, values=ids.values.filter(pl.Series(held)))


def _dataset(
    found: Gathered,
    known_users: _Known,
    known_items: _Known,
    positive: Positive,
    scale: tuple[float, float] | None,
    frame: str,
    name: str,
) -> Dataset:
    """Provisional codes → codes in the order of the ids, under a schema."""
    users, user_codes, user_table = _settle(found.users, found.user_ids, known_users, "user", "people")
    items, item_codes, item_table = _settle(found.items, found.item_ids, known_items, "item", "items")
    explicit = found.columns.rating is not None
    if explicit and scale is None:
        scale = (float(found.values.min()), float(found.values.max()))
    schema = Schema(
        users=users,
        items=items,
        explicit=explicit,
        scale=scale,
        positive=positive,
        item_table=item_table,
        user_table=user_table,
        frame=frame,
        name=name,
    )
    return Dataset(schema, user_codes, item_codes, found.values, found.times, found.context)


def _settle(
    codes: IntArray, ids: Ids, known: _Known, one: str, all_of_them: str
) -> tuple[Vocabulary, IntArray, pl.DataFrame]:
    """The vocabulary of ids and of what is known, with the table aligned; `codes` become those of it, in place."""
    more = None if known is None else known[0]
    kinds = {part.kind for part in (ids, more) if part is not None}
    if kinds >= {"integer", "string"}:
        raise DataError(
            f"{one} ids are {ids.kind}s in the interactions and {more.kind if more else ''}s in the table of "
            f"{all_of_them}"
        )
    texts = [part for part in (ids, more) if part is not None and part.kind == "text"]
    integer = "string" not in kinds and all(part.canonical for part in texts)
    if kinds >= {"integer", "text"} and not integer:
        raise DataError(
            f"{one} ids are integers in the interactions or in the table of {all_of_them}, and strings in the other"
        )
    series = ids.settled(integer)
    vocabulary = Vocabulary.of(series if more is None else pl.concat([series, more.settled(integer)]))
    place = vocabulary.encode(series)
    for start in range(0, len(codes), _SLICE):  # in place: a second copy of all codes would be the peak of memory
        codes[start : start + _SLICE] = place[codes[start : start + _SLICE]]
    table = pl.DataFrame(height=len(vocabulary))
    if known is not None:
        table = align(vocabulary, known[0].settled(integer), known[1])
    return vocabulary, codes, table
