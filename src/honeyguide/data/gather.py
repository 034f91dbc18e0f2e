"""Streams a table into arrays: provisional codes of people and items, values, times. Under both `read` and `check`.

Each batch is encoded as it comes, so only 20 bytes a row and the distinct ids stay in memory. Ids pass through one hash
table (a Polars category space), numbered in order of arrival; their type is settled when all are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray, LongArray
from honeyguide.data.amounts import amounts, moments, seconds
from honeyguide.data.columns import Columns
from honeyguide.data.faults import LONGEST_ID, Faults, where
from honeyguide.data.tables import Table
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError
from honeyguide.run import Run

_MISSING = 2**32 - 1  # as int32: -1
_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"


@dataclass(frozen=True)
class Ids:
    """Distinct ids in the order of their provisional codes: integers, strings, or text that may be either."""

    kind: str  # "integer", "string" or "text"
    values: pl.Series  # String

    @property
    def canonical(self) -> bool:
        """Whether every id is written as an integer of 64 bits is: "42", not "042" or "4.2"."""
        return bool(self.values.str.contains(_INTEGER).all()) and not _integers(self.values).has_nulls()

    def settled(self, integer: bool) -> pl.Series:
        """The ids as Int64 or as String."""
        return _integers(self.values) if integer else self.values


@dataclass(frozen=True)
class Gathered:
    """N rows: provisional codes (-1 where missing), values (NaN where there is none), times (NO_TIME) or None."""

    users: IntArray
    items: IntArray
    values: FloatArray
    times: LongArray | None
    user_ids: Ids
    item_ids: Ids
    columns: Columns
    unit: str  # of times: "s", "ms", "us", "ns", "text", or "" where there are none
    bad_times: LongArray  # row numbers (from 0) whose time is not a time
    faults: Faults
    context: pl.DataFrame | None = None  # (N rows) of further columns


class Encoder:
    """Ids → provisional codes, batch by batch."""

    def __init__(self, role: str, faults: Faults, *, typed: bool) -> None:
        self._role, self._faults, self._typed = role, faults, typed
        self._categories = pl.Categorical(pl.Categories.random())
        self._anchor = pl.Series([], dtype=pl.String).cast(
            self._categories
        )  # the space lives as long as a series of it
        self._fresh: list[pl.Series] = []
        self._count = 0
        self._kinds: set[str] = set()

    def encode(self, ids: pl.Series, filled: BoolArray, before: int) -> IntArray:
        """Codes (n,) of a batch; -1 for an id that is missing or no id, noted in the faults."""
        whole, odd = self._whole(ids, before)
        text = self._text(whole, before)
        if text.null_count():
            self._faults.add(f"no {self._role}", where(text.is_null().to_numpy() & filled & ~odd, before))
        lengths = text.str.len_bytes().fill_null(0).to_numpy()
        long = lengths > LONGEST_ID
        if long.any():
            self._faults.add(f"long {self._role}", where(long, before), f"{lengths.max():,} bytes")
            text = text.set(pl.Series(long), None)
        coded = text.cast(self._categories)
        if not self._fresh:
            self._anchor = coded
        codes: IntArray = coded.to_physical().fill_null(_MISSING).to_numpy().view(np.int32)
        new = codes >= self._count
        if new.any():
            latest = pl.DataFrame({"code": codes[new], "id": text.filter(pl.Series(new))}).unique("code").sort("code")
            self._fresh.append(latest["id"])
            self._count += len(latest)
        return codes

    def ids(self, codes: IntArray) -> Ids:
        """The distinct ids; blanks around those of a text file go, and codes of nothing but blanks become -1."""
        values = pl.concat(self._fresh) if self._fresh else pl.Series([], dtype=pl.String)
        if len(self._kinds) > 1:
            self._mixed(np.zeros(0, np.int64), "")
        if self._typed:
            return Ids("string" if "string" in self._kinds else "integer", values)
        return Ids("text", self._stripped(values, codes))

    def _stripped(self, values: pl.Series, codes: IntArray) -> pl.Series:
        """Text ids without blanks around them; `codes` change in place where that makes two ids one, or none."""
        bare = values.str.strip_chars()
        if (bare == values).all() and not (bare == "").any():
            return values
        if (empty := (bare == "").to_numpy()).any():
            blank = (codes >= 0) & empty[codes]
            self._faults.add(f"no {self._role}", where(blank, 0))
            codes[blank] = -1
        distinct = bare.filter(bare != "").unique(maintain_order=True)
        known = codes >= 0
        if not known.any():
            return distinct
        new = Vocabulary.of(distinct)
        place = np.argsort(new.encode(distinct))
        codes[known] = place[new.encode(bare)][codes[known]]
        return distinct

    def _text(self, ids: pl.Series, before: int) -> pl.Series:
        """A batch of ids as strings; null where missing."""
        if ids.dtype == pl.Object:
            values = ids.to_list()
            strings = [isinstance(value, str) for value in values]
            held = np.array([value is not None for value in values])
            fewer = held & (np.array(strings) if sum(strings) * 2 <= held.sum() else ~np.array(strings))
            example = next((f"{value!r}" for value, odd in zip(values, fewer, strict=True) if odd), "")
            self._mixed(where(fewer, before), example)
            ids = pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
        if ids.dtype.is_integer():
            self._kinds |= {"integer"} if len(ids) > ids.null_count() else set()
            if _integers(ids).null_count() > ids.null_count():
                raise DataError(
                    f"{self._role} ids of {self._faults.source} pass 64 bits with a sign; write them as strings"
                )
            text = ids.cast(pl.String)
        elif ids.dtype in (pl.String, pl.Categorical, pl.Enum):
            self._kinds |= {"string"} if len(ids) > ids.null_count() else set()
            text = ids.cast(pl.String)
            text = text.set((text == "").fill_null(False), None) if (text == "").any() else text
        elif ids.dtype == pl.Null:
            text = ids.cast(pl.String)
        else:
            raise DataError(f"{self._role} ids of {self._faults.source} must be integers or strings, got {ids.dtype}")
        return text

    def _whole(self, ids: pl.Series, before: int) -> tuple[pl.Series, BoolArray]:
        """Floats that hold integers, as a column of integers with gaps does, as integers; and which rows do not."""
        if not (ids.dtype.is_decimal() or ids.dtype.is_float()):
            return ids, np.zeros(len(ids), dtype=bool)
        ids = ids.cast(pl.Float64).fill_nan(None)
        odd = ((ids != ids.round()) | (ids.abs() >= 2.0**53)).fill_null(False)
        if odd.any():
            self._faults.add(f"fraction {self._role}", where(odd.to_numpy(), before), f"{ids.filter(odd)[0]!r}")
        return ids.set(odd, None).cast(pl.Int64), odd.to_numpy()

    def _mixed(self, rows: AnyArray, example: str) -> None:
        if not self._faults.lenient:
            at = f" (row {rows[0]} has {example})" if len(rows) else ""
            raise DataError(
                f"{self._role} ids of {self._faults.source} must be all integers or all strings, got a mixture{at}; "
                "write them all as strings"
            )
        self._faults.add(f"mixed {self._role}", rows, example)


class Growing:
    """An array that batches are appended to. It grows in place, by a quarter, so that no second copy is ever held."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._array: AnyArray = np.empty(0, dtype)
        self._count = 0

    def append(self, part: AnyArray) -> None:
        """Copy a batch to the end."""
        end = self._count + len(part)
        if end > len(self._array):
            self._array.resize(max(end, len(self._array) * 5 // 4), refcheck=False)
        self._array[self._count : end] = part
        self._count = end

    def whole(self) -> AnyArray:
        """All that was appended."""
        self._array.resize(self._count, refcheck=False)
        return self._array


def gather(table: Table, columns: Columns, faults: Faults, run: Run) -> Gathered:
    """All rows of a table as arrays. What is wrong with rows is noted in `faults`; nothing is left out."""
    users, items = (Encoder(role, faults, typed=table.typed) for role in ("user", "item"))
    user_codes, item_codes, values = Growing(np.int32), Growing(np.int32), Growing(np.float32)
    times, bad = Growing(np.int64), Growing(np.int64)
    row, unit, context = 0, "", []
    for batch in _tracked(table, columns, faults, run):
        filled = _filled_rows(batch)
        if not filled.all():
            faults.add("blank", [number for number in where(~filled, row) if int(number) not in faults.unreadable])
        user_codes.append(users.encode(batch[columns.user], filled, row))
        item_codes.append(items.encode(batch[columns.item], filled, row))
        if columns.amount is None:
            values.append(np.ones(len(batch), np.float32))
        else:
            values.append(amounts(batch[columns.amount], columns.amount, filled, faults, row))
        if columns.time is not None:
            moment, wrong, form = moments(batch[columns.time], filled, faults, row)
            unit = unit or form
            times.append(moment)
            bad.append(wrong - 1)
        if columns.context:
            context.append(batch.select(columns.context))
        row += len(batch)
    if row == 0:
        raise DataError(f"{faults.source} has no rows; it must hold an interaction a line")
    seconds_since, unit = seconds(times.whole(), unit) if columns.time is not None else (None, "")
    codes = user_codes.whole(), item_codes.whole()
    return Gathered(
        *codes,
        values.whole(),
        seconds_since,
        users.ids(codes[0]),
        items.ids(codes[1]),
        columns,
        unit,
        bad.whole(),
        faults,
        _circumstances(context, table) if context else None,
    )


def _circumstances(parts: list[pl.DataFrame], table: Table) -> pl.DataFrame:
    """Batches of further columns as one; of a text file a column of nothing but numbers is one of numbers.

    DataError for a column of anything but numbers, texts and booleans.
    """
    try:
        whole = pl.concat(parts, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"context= of {table.name}: {str(error).splitlines()[0]}") from None
    for column in whole:
        plain = column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)
        if not plain and not column.dtype.is_numeric():
            raise DataError(
                f"context= must name columns of numbers, texts or booleans, {column.name!r} of {table.name} is of "
                f"{column.dtype}"
            )
    if table.typed:
        return whole
    stripped = whole.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    numbers = stripped.with_columns(pl.col(pl.String).cast(pl.Float64, strict=False))
    pairs = zip(stripped, numbers, strict=True)
    return pl.DataFrame([n if n.null_count() == text.null_count() < len(n) else text for text, n in pairs])


def _tracked(table: Table, columns: Columns, faults: Faults, run: Run) -> Iterator[pl.DataFrame]:
    """The batches of a table, under a progress bar."""
    with run.track(f"reading {table.name}", table.rows) as task:
        for batch in table.stream(columns.used(), faults):
            yield batch
            task.advance(len(batch))


def _filled_rows(batch: pl.DataFrame) -> BoolArray:
    """Which rows hold anything: neither empty lines nor lines that could not be read."""
    if not batch.to_series(0).null_count():
        return np.ones(len(batch), dtype=bool)
    filled: BoolArray = batch.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    return filled


def _integers(values: pl.Series) -> pl.Series:
    return values.cast(pl.Int64, strict=False)
