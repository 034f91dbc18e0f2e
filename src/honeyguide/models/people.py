"""Who is asked about: from raw ids and histories, as callers write them, to Profiles and Pairs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import narwhals as nw
import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, IntArray
from honeyguide.data.dataset import NO_TIME, Dataset, Schema
from honeyguide.data.frame import deliver, kind_of
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.data.vocabulary import Id
from honeyguide.errors import DataError, HoneyguideWarning, ParameterError, UnsupportedError

if TYPE_CHECKING:
    from honeyguide.models.base import Recommender

Event: TypeAlias = Id | tuple[Id, float] | tuple[Id, float, int]
History: TypeAlias = Sequence[Event]
Attributes: TypeAlias = Mapping[str, Any]
Moment: TypeAlias = int | float | str | datetime
_FIRST, _LAST = -62_135_596_800, 253_402_300_800  # seconds from 1970 to the years 1 and 10000


def ask(
    model: Recommender,
    users: Id | Sequence[Id] | None,
    history: History | Mapping[Id, History] | None,
    attributes: Attributes | Mapping[Id, Attributes] | None = None,
) -> tuple[Profiles, pl.Series]:
    """The profiles asked about and their names, for either users of the training data or new people.

    Of someone new the history, the attributes or both are given; of several, mappings from the same names.
    """
    if (users is None) == (history is None and attributes is None):
        raise ParameterError("give either users of the training data or the history= or attributes= of someone new")
    if users is None:
        return _new(model.schema_, history, attributes)
    listed = listed_ids(users)  # (B,)
    codes = model.schema_.users.encode(listed)
    for at in np.flatnonzero(codes < 0):
        model.schema_.users.code(listed[at], "user")  # says why there is none
    return trained(model, codes), model.schema_.users.decode(codes)


def _new(
    schema: Schema,
    history: History | Mapping[Id, History] | None,
    attributes: Attributes | Mapping[Id, Attributes] | None,
) -> tuple[Profiles, pl.Series]:
    """The profiles and names of new people: one, of the name None, or several."""
    several = isinstance(history, Mapping) or _several(attributes)
    if several and not all(given is None or isinstance(given, Mapping) for given in (history, attributes)):
        raise ParameterError("history= and attributes= of several people must both be mappings from their names")
    events, told = (_by_name(given, several) for given in (history, attributes))
    names = list(dict.fromkeys([*events, *told]))
    if len({isinstance(name, str) for name in names}) > 1:
        raise DataError(f"names of histories must be all integers or all strings, got {names[:5]!r}")
    profiles = strangers(schema, [events.get(name, []) for name in names])
    if attributes is not None:
        known = [_mapping(told.get(name, {}), "attributes") for name in names]
        table = _told(schema.user_table, known, "attributes", "the table of people")
        profiles = replace(profiles, attributes=table)
    return profiles, pl.Series(names, dtype=None if several else pl.Int64)


def asked_at(profiles: Profiles, at: Moment | None, context: Mapping[str, Any] | None) -> Profiles:
    """The profiles at a moment, under the circumstances `context`: columns of `read(context=)` and values.

    The moment is seconds since 1970, a datetime, or text as ISO 8601 writes it; without a zone it is UTC.
    """
    count, columns = len(profiles), profiles.schema.context
    if context is not None:
        if not columns.width:
            raise DataError("context= needs a model trained on data with context: read(..., context=[columns])")
        table = _told(columns, [_mapping(context, "the context")] * count, "the context", "the events' context")
        profiles = replace(profiles, context=table)
    if at is not None:
        profiles = replace(profiles, at=np.full(count, _seconds(at), np.int64))
    return profiles


def _seconds(at: Any) -> int:
    """Seconds since 1970 of a moment in the years 1 to 9999."""
    number = at
    if isinstance(at, str):
        number = pl.Series([at]).cast(pl.Float64, strict=False)[0]
    try:
        if number is not None and not isinstance(number, bool) and not hasattr(number, "tzinfo"):
            found = float(number)
        else:
            when = datetime.fromisoformat(at.strip()) if isinstance(at, str) else at
            found = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        if _FIRST <= found < _LAST:
            return int(found // 1)
    except (ValueError, TypeError, AttributeError, OverflowError):
        pass
    raise ParameterError(f"at must be seconds since 1970 or like 2026-11-24 20:00, got {at!r}.")


def _by_name(given: Any, several: bool) -> Mapping[Any, Any]:
    if given is None:
        return {}
    return given if several else {None: given}


def _several(attributes: Any) -> bool:
    return isinstance(attributes, Mapping) and any(isinstance(value, Mapping) for value in attributes.values())


def _told(table: pl.DataFrame, told: Sequence[Attributes], what: str, where: str) -> pl.DataFrame:
    """What is told of each, a row each in the columns of a table; DataError for any other column."""
    for name in {name: None for each in told for name in each}:
        if name not in table.columns:
            have = ", ".join(table.columns) or "none: the model was trained on data without users="
            raise DataError(f"{what} must be columns of {where}, got {name!r}; there are: {have}")
    return pl.DataFrame([_column(table[name], [each.get(name) for each in told], what) for name in table.columns])


def _column(of: pl.Series, values: list[Any], what: str) -> pl.Series:
    """Values as a column of the name and type of another; DataError for one that is not of its kind."""
    name, dtype = of.name, of.dtype
    try:
        if dtype == pl.Boolean:
            values = [{"true": True, "false": False}.get(str(v).strip().lower(), v) for v in values]
        elif dtype == pl.String:
            values = [str(v) if isinstance(v, bool | int | float) else v for v in values]
            if odd := [v for v in values if not isinstance(v, str | None)]:
                raise TypeError(f"{name!r} is of texts, got {odd[0]!r}")
        column = pl.Series(name, values).cast(dtype)
        if dtype.is_integer() and any(v is not None and float(v) != c for v, c in zip(values, column, strict=True)):
            raise TypeError(f"{name!r} is of integers, got {values[0]!r}")
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{what} must be of the kind of their columns: {str(error).splitlines()[0]}") from None
    return column


def _mapping(told: Any, what: str) -> Attributes:
    if not isinstance(told, Mapping):
        raise DataError(f"{what} must be a mapping from columns to values, got {told!r}")
    return told


def listed_ids(given: Any) -> list[Id]:
    """One id or several as a list; DataError for what is neither."""
    if isinstance(given, int | str | np.integer):
        return [given]  # type: ignore[list-item]
    try:
        return list(given)
    except TypeError:
        raise DataError(f"an id is an integer or a string, several are a sequence of them, got {given!r}") from None


def trained(model: Recommender, codes: IntArray | None = None) -> Profiles:
    """The profiles of people the model was trained on; all of them, or those of some codes."""
    if len(model.histories_) == 0 and len(model.schema_.users):
        raise UnsupportedError("this file was saved without histories; give the history= of who is asked about")
    return model.histories_ if codes is None else model.histories_.take(codes)


def strangers(schema: Schema, histories: Sequence[History]) -> Profiles:
    """The profiles of people never seen, from histories in raw ids.

    An event without a value counts 1, or the top of the scale where values are ratings. Items never seen are left out,
    with a warning that names them.
    """
    default = schema.scale[1] if schema.explicit and schema.scale else 1.0
    rows, ids, values, times = [], [], [], []
    for row, history in enumerate(histories):
        for event in _events(history):
            item, value, time = _event(event, default)
            rows.append(row)
            ids.append(item)
            values.append(value)
            times.append(time)
    codes = schema.items.encode(ids)
    unknown = [ids[at] for at in np.flatnonzero(codes < 0)]
    if unknown:
        named = ", ".join(repr(i) for i in unknown[:5]) + (", …" if len(unknown) > 5 else "")
        warnings.warn(f"items never seen are left out of the history: {named}", HoneyguideWarning, stacklevel=4)
    row_of, moment = np.array(rows, dtype=np.int64), np.array(times, dtype=np.int64)
    order = np.lexsort((moment, row_of))
    order = order[codes[order] >= 0]
    indptr = np.searchsorted(row_of[order], np.arange(len(histories) + 1)).astype(np.int64)
    known = np.full(len(histories), -1, dtype=np.int32)
    return Profiles(schema, known, indptr, codes[order], np.array(values, dtype=np.float32)[order], moment[order])


def _events(history: Any) -> Iterator[Any]:
    """The events of a history; DataError for what is no sequence of them: one id, a data frame."""
    if isinstance(history, str) or hasattr(history, "columns") or not isinstance(history, Iterable):
        rule = "a history is a sequence of items, (item, value) or (item, value, time)"
        raise DataError(f"{rule}, got {type(history).__name__}: {str(history)[:40]!r}")
    return iter(history)


def _event(event: Any, default: float) -> tuple[Id, float, int]:
    item: Any = event
    value, time = default, int(NO_TIME)
    if not isinstance(event, int | str | np.integer):
        try:
            item, *rest = event
            value = float(rest[0]) if rest else default
            time = int(rest[1]) if len(rest) > 1 else NO_TIME
            if len(rest) > 2:
                raise ValueError
        except (TypeError, ValueError):
            form = "an event of a history is item, (item, value) or (item, value, time)"
            raise DataError(f"{form}, got {event!r}") from None
    if not np.isfinite(value):
        raise DataError(f"a value in a history must be finite, got {value} for item {item!r}")
    return item, value, time


@dataclass(frozen=True)
class Asked:
    """Ratings asked for: the table of raw ids to complete, and the same in codes."""

    table: pl.DataFrame
    profiles: Profiles
    pairs: Pairs
    frame: str

    def deliver(self, table: pl.DataFrame) -> Any:
        """The completed table in the caller's own kind of data frame."""
        return deliver(table, self.frame)


def pairs(model: Recommender, given: Any, history: History | None) -> Asked:
    """What `predict` was asked, as profiles and pairs; people never seen get an empty profile."""
    schema, frame, times = model.schema_, model.schema_.frame, None
    if history is not None:
        items = listed_ids(given)
        table = _columns([None] * len(items), items).cast({"user": pl.Int64})
        rows = np.zeros(len(items), dtype=np.int32)
        return Asked(table, strangers(schema, [history]), Pairs(rows, schema.items.encode(items)), frame)
    if isinstance(given, Dataset):
        table, times, frame = _polars(given.table()).drop("time", strict=False), given.times, given.schema.frame
    else:
        table, frame = _table(given, frame)
    users, codes = schema.users.encode(table["user"]), schema.items.encode(table["item"])
    asked, place = np.unique(users, return_inverse=True)  # one profile a person
    return Asked(table, people_of(model, asked), Pairs(place.astype(np.int32), codes, times), frame)


def people_of(model: Recommender, codes: AnyArray) -> Profiles:
    """The trained profiles of user codes (B,); an empty profile where the code is -1."""
    known = codes >= 0
    if not known.any():
        return strangers(model.schema_, [[]] * len(codes))
    profiles = trained(model, np.where(known, codes, 0).astype(np.int32))
    if known.all():
        return profiles
    kept = profiles.where_events(known[profiles.rows])
    kept.known[~known] = -1
    return kept


def _table(given: Any, frame: str) -> tuple[pl.DataFrame, str]:
    """The pairs as a Polars table with the columns user and item, and the kind of frame to answer in."""
    if isinstance(given, Sequence):
        try:
            users, items = [user for user, _ in given], [item for _, item in given]
        except (TypeError, ValueError):
            raise DataError(f"pairs must be (user, item) each, got {given[:1]!r} …") from None
        return _columns(users, items), frame
    try:
        table = _polars(given)
    except TypeError:
        forms = "a Dataset, a data frame with the columns user and item, or a sequence of (user, item)"
        raise DataError(f"pairs are {forms}, got {type(given).__name__}") from None
    missing = {"user", "item"} - set(table.columns)
    if missing:
        raise DataError(f"pairs need the columns user and item, got {', '.join(table.columns)}")
    return table, kind_of(given)


def _columns(users: list[Any], items: list[Any]) -> pl.DataFrame:
    try:
        return pl.DataFrame({"user": users, "item": items})
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise DataError("ids must be all integers (of 64 bits) or all strings, got a mixture") from None


def _polars(frame: Any) -> pl.DataFrame:
    table: pl.DataFrame = nw.from_native(frame, eager_only=True).to_polars()
    return table
