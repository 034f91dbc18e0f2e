"""New events beside those that a model was trained on: what `update` learns from.

Time O(N log N) and memory 40 bytes an event for N of both, since histories are sorted again.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from honeyguide.arrays import LongArray
from honeyguide.data.dataset import NO_TIME, Dataset, Schema
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, UnsupportedError
from honeyguide.run import Run

if TYPE_CHECKING:
    from honeyguide.models.base import Recommender

Extending = TypeVar("Extending", bound="Recommender")
_ROW = "\0row"  # no column of a caller's has this name
_Known = tuple[Vocabulary, pl.DataFrame]  # ids and what is known of them, a row a code


def merged(model: Recommender, events: Any, run: Run) -> tuple[Dataset, Dataset]:
    """What the model was trained on, by person, and the same with the new events after it.

    `events` is a Dataset or what `read` takes. Codes of old ids stay, new ids follow. The model's rule for positives
    holds for all. UnsupportedError without histories; DataError where the two do not fit together.
    """
    before = _trained_on(model)
    new = events if isinstance(events, Dataset) else _read(events, run)
    schema = _extended(before.schema, new.schema)
    users = schema.users.encode(_ids(new.schema.users, schema.users))[new.users]
    items = schema.items.encode(_ids(new.schema.items, schema.items))[new.items]
    after = Dataset(
        schema, np.concatenate([before.users, users]), np.concatenate([before.items, items]),
        np.concatenate([before.values, new.values]), _times(before, new),
    )  # fmt: skip
    return before, after


def extended(model: Extending, schema: Schema) -> Extending:
    """A copy of a model that reads attributes, which scores the new items of `schema` too."""
    fresh = copy.copy(model)
    fresh.schema_, fresh.histories_ = schema, replace(model.histories_, schema=schema)
    fresh._extend(schema)  # type: ignore[attr-defined]
    return fresh


def with_items(held: Schema, items: Any) -> Schema:
    """The schema with the items of a table that it lacks, and what the table says of them."""
    from honeyguide.data.attributes import align, read_attributes

    ids, columns = read_attributes(items, "item")
    integer = held.items.kind == "integer"
    if (integer and (ids.kind == "string" or not ids.canonical)) or (ids.kind == "integer" and not integer):
        raise DataError(f"item ids of the model are {held.items.kind}s, those of the new items are not")
    given = ids.settled(integer)
    new = Vocabulary.of(given)
    whole = _vocabulary(held.items, new, "item")
    table = _table((held.items, held.item_table), (new, align(new, given, columns)), whole)
    return replace(held, items=whole, item_table=table)


def first_items(held: Schema, count: int) -> Schema:
    """The schema with its first `count` items alone; ValueError where there are fewer."""
    items = held.items
    if count == len(items):
        return held
    if not 0 <= count < len(items):
        raise ValueError(f"there are {len(items)} items, not {count}")
    ids, offsets = items.ids[:count], items.offsets
    if items.kind == "string":
        ids, offsets = items.ids[: offsets[count]], offsets[: count + 1]
    first = Vocabulary(items.kind, ids, offsets, items.order[items.order < count])
    return replace(held, items=first, item_table=held.item_table.head(count))


def _trained_on(model: Recommender) -> Dataset:
    histories = model.histories_
    if len(histories) == 0 and len(model.schema_.users):
        raise UnsupportedError(
            "an update needs the histories that the model was trained on, and this file was saved without; "
            "fit it on all of the data"
        )
    parts = histories.items, histories.values, histories.times
    return Dataset(model.schema_, histories.rows, *(None if p is None else np.asarray(p) for p in parts))  # type: ignore[arg-type]


def _read(events: Any, run: Run) -> Dataset:
    from honeyguide.data.read import read

    return read(events, run=run)


def _extended(held: Schema, new: Schema) -> Schema:
    """The model's schema with the ids, the scale and what is known of people and items of the new events."""
    if held.explicit != new.explicit:
        raise DataError(
            "the model was trained on ratings and the new events have none; name them with rating="
            if held.explicit
            else "the model was trained on events without ratings and the new ones have them; read them as value="
        )
    items = _vocabulary(held.items, new.items, "item")
    scale = held.scale
    if held.scale and new.scale:
        scale = min(held.scale[0], new.scale[0]), max(held.scale[1], new.scale[1])
    users = _vocabulary(held.users, new.users, "user")
    return replace(
        held, users=users, items=items, scale=scale,
        item_table=_table((held.items, held.item_table), (new.items, new.item_table), items),
        user_table=_table((held.users, held.user_table), (new.users, new.user_table), users),
    )  # fmt: skip


def _vocabulary(held: Vocabulary, new: Vocabulary, what: str) -> Vocabulary:
    ids = _ids(new, held)
    if len(ids) and len(held) and ids.dtype.is_integer() != (held.kind == "integer"):
        raise DataError(f"{what} ids of the model are {held.kind}s, those of the new events {new.kind}s")
    return held if (held.encode(ids) >= 0).all() else held.extended(ids)


def _ids(new: Vocabulary, held: Vocabulary) -> pl.Series:
    """All new ids, as strings where the model's are: a text file that holds nothing but digits reads as integers."""
    return new.series().cast(pl.String) if held.kind == "string" else new.series()


def _table(held: _Known, new: _Known, whole: Vocabulary) -> pl.DataFrame:
    """What is known, a row a code of the whole vocabulary: of old codes what there was, of new ones what came along."""
    if len(whole) == len(held[0]) or not (held[1].width or new[1].width):
        return held[1]
    fresh = whole.series()[len(held[0]) :]
    place = new[0].encode(fresh.cast(pl.Int64) if new[0].kind == "integer" else fresh)
    later = new[1][pl.Series(place)] if new[1].width else pl.DataFrame()
    before = held[1] if held[1].width else pl.DataFrame()
    parts = [_numbered(before, len(held[0])), _numbered(later, len(fresh))]
    return pl.concat(parts, how="diagonal_relaxed").drop(_ROW)


def _numbered(table: pl.DataFrame, rows: int) -> pl.DataFrame:
    """The table with a column more, so that one without any keeps its height."""
    return pl.DataFrame({_ROW: np.zeros(rows, np.int8)}).hstack(table.get_columns())


def _times(before: Dataset, new: Dataset) -> LongArray | None:
    """The times of both; old events without them come before all others."""
    if before.times is None and new.times is None:
        return None
    if new.times is None:
        if len(new):
            raise DataError("the model's events have times and the new ones have none; name them with time=")
        return before.times
    old = np.full(len(before), NO_TIME) if before.times is None else before.times
    return np.concatenate([old, new.times])
