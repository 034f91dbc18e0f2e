"""Streams a table into arrays: provisional codes of people and items, values, times. Under both `read` and `check`.

Each batch is encoded as it comes, so only 20 bytes a row and the distinct ids stay in memory. Ids pass through one hash
table (a Polars category space), numbered in order of arrival; their type is settled when all are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, BoolArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.data.columns import Columns
from honeyguide.data.dataset import NO_TIME
from honeyguide.data.faults import Faults, where
from honeyguide.data.tables import Table
from honeyguide.errors import DataError

LONGEST_ID = 10_000  # bytes
_MISSING = 2**32 - 1  # as int32: -1
_INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"
_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d",
    "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%#z", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d",
)  # fmt: skip
# The largest size of a time in each unit: seconds up to the year 5138, and so on.
_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (np.inf, 1_000_000_000))


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
        text = self._text(ids, before)
        if text.null_count():
            self._faults.add(f"no {self._role}", where(text.is_null().to_numpy() & filled, before))
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
        values = values.str.strip_chars()
        if (empty := (values == "").to_numpy()).any():
            blank = np.isin(codes, np.flatnonzero(empty))
            self._faults.add(f"no {self._role}", where(blank, 0))
            codes[blank] = -1
        return Ids("text", values)

    def _text(self, ids: pl.Series, before: int) -> pl.Series:
        """A batch of ids as strings; null where missing."""
        if ids.dtype == pl.Object:
            values = ids.to_list()
            strings = [isinstance(value, str) for value in values]
            fewer = np.array(strings) if sum(strings) * 2 <= len(values) else ~np.array(strings)
            fewer &= np.array([value is not None for value in values])
            example = next((f"{value!r}" for value, odd in zip(values, fewer, strict=True) if odd), "")
            self._mixed(where(fewer, before), example)
            ids = pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
        if ids.dtype.is_decimal() or ids.dtype.is_float():
            ids = self._whole(ids.cast(pl.Float64), before)
        if ids.dtype.is_integer():
            self._kinds |= {"integer"} if len(ids) > ids.null_count() else set()
            if ids.dtype == pl.UInt64 and (ids.max() or 0) >= 2**63:  # type: ignore[operator]
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

    def _whole(self, ids: pl.Series, before: int) -> pl.Series:
        """Floats that hold integers, as a column of integers with gaps does, as integers."""
        ids = ids.fill_nan(None)
        odd = ((ids != ids.round()) | (ids.abs() >= 2.0**53)).fill_null(False)
        if odd.any():
            self._faults.add(f"fraction {self._role}", where(odd.to_numpy(), before), f"{ids.filter(odd)[0]!r}")
        return ids.set(odd, None).cast(pl.Int64)

    def _mixed(self, rows: AnyArray, example: str) -> None:
        if not self._faults.lenient:
            at = f" (row {rows[0]} has {example})" if len(rows) else ""
            raise DataError(
                f"{self._role} ids of {self._faults.source} must be all integers or all strings, got a mixture{at}; "
                "write them all as strings"
            )
        self._faults.add(f"mixed {self._role}", rows, example)


def gather(table: Table, columns: Columns, faults: Faults) -> Gathered:
    """All rows of a table as arrays. What is wrong with rows is noted in `faults`; nothing is left out."""
    users, items = (Encoder(role, faults, typed=table.typed) for role in ("user", "item"))
    codes: tuple[list[IntArray], list[IntArray]] = ([], [])
    values: list[FloatArray] = []
    times: list[LongArray] = []
    bad: list[AnyArray] = [np.zeros(0, np.int64)]
    row, unit = 0, ""
    for batch in table.stream(columns.used(), faults):
        filled = _filled_rows(batch)
        if not filled.all():
            faults.add("blank", [number for number in where(~filled, row) if int(number) not in faults.unreadable])
        codes[0].append(users.encode(batch[columns.user], filled, row))
        codes[1].append(items.encode(batch[columns.item], filled, row))
        if columns.amount is not None:
            values.append(_amounts(batch[columns.amount], columns.amount, filled, faults, row))
        if columns.time is not None:
            moments, wrong, form = _moments(batch[columns.time], filled, faults, row)
            unit = unit or form
            times.append(moments)
            bad.append(wrong - 1)
        row += len(batch)
    if row == 0:
        raise DataError(f"{faults.source} has no rows; it must hold one interaction a line")
    user_codes, item_codes = _joined(codes[0]), _joined(codes[1])
    moments_, unit = _seconds(_joined(times), unit) if times else (None, "")
    return Gathered(
        user_codes, item_codes, _joined(values) if values else np.ones(row, np.float32), moments_,
        users.ids(user_codes), items.ids(item_codes), columns, unit, _joined(bad), faults,
    )  # fmt: skip


def _joined(parts: list[AnyArray]) -> AnyArray:
    """The parts on end; the list is emptied, so that no second copy outlives the call."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _filled_rows(batch: pl.DataFrame) -> BoolArray:
    """Which rows hold anything: neither empty lines nor lines that could not be read."""
    if not batch.to_series(0).null_count():
        return np.ones(len(batch), dtype=bool)
    filled: BoolArray = batch.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    return filled


def _amounts(column: pl.Series, name: str, filled: BoolArray, faults: Faults, before: int) -> FloatArray:
    """(n,) float32: NaN where missing or not a number; faults are noted."""
    raw = (
        pl.Series([None if v is None else str(v) for v in column], dtype=pl.String)
        if column.dtype == pl.Object
        else column
    )
    numbers = _numbers(raw)
    if raw.null_count():
        faults.add("no value", where(raw.is_null().to_numpy() & filled, before), name)
    values: DoubleArray = numbers.fill_null(np.nan).to_numpy()
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    if np.isfinite(small).all():
        return small
    given = raw.is_not_null().to_numpy()
    for kind, mask in (("not a number", np.isnan(small) & given), ("infinite", np.isinf(small))):
        if mask.any():
            faults.add(kind, where(mask, before), str(raw[int(np.flatnonzero(mask)[0])])[:40])
    return small


def _numbers(raw: pl.Series) -> pl.Series:
    """A column as Float64; null where it is not a number."""
    if raw.dtype == pl.String:
        numbers = raw.cast(pl.Float64, strict=False)
        if numbers.null_count() > raw.null_count():
            numbers = raw.str.strip_chars().cast(pl.Float64, strict=False)
        return numbers
    if raw.dtype.is_numeric() or raw.dtype in (pl.Boolean, pl.Null):
        return raw.cast(pl.Float64)
    return pl.repeat(None, len(raw), dtype=pl.Float64, eager=True)


def _moments(column: pl.Series, filled: BoolArray, faults: Faults, before: int) -> tuple[LongArray, AnyArray, str]:
    """(times (n,) int64, numbers of rows whose time is none, the form): numbers keep their unit for now."""
    if column.dtype == pl.Object:
        column = pl.Series([None if v is None else str(v) for v in column], dtype=pl.String)
    form = "number"
    if column.dtype.is_temporal() and column.dtype not in (pl.Time, pl.Duration):
        moments, form = column.cast(pl.Datetime("us")).dt.epoch("s"), "text"
    elif column.dtype == pl.String:
        column = column.str.strip_chars().replace("", None)
        moments = _floor(_numbers(column))
        if moments.null_count() * 2 > len(moments) + column.null_count():
            moments, form = _iso(column), "text"
    else:
        moments = _floor(_numbers(column)) if not column.dtype.is_integer() else column.cast(pl.Int64, strict=False)
    given = column.is_not_null() & ~(
        column.is_nan() if column.dtype.is_float() else pl.repeat(False, len(column), eager=True)
    )
    wrong = (given & moments.is_null()).to_numpy()
    rows = where(wrong, before)
    if wrong.any():
        faults.add("not a time", rows, str(column[int(np.flatnonzero(wrong)[0])])[:40])
    if moments.null_count() and not given.all():
        faults.add("no time", where(~given.to_numpy() & filled, before))
    return moments.fill_null(NO_TIME).to_numpy().astype(np.int64), rows, form if given.any() else ""


def _floor(numbers: pl.Series) -> pl.Series:
    finite = numbers.is_finite() & (numbers.abs() < 2.0**63)
    return numbers.set(~finite.fill_null(False), None).floor().cast(pl.Int64)


def _iso(column: pl.Series) -> pl.Series:
    """Seconds since 1970 of dates and times as ISO 8601 writes them; without a zone they are UTC."""
    found = pl.repeat(None, len(column), dtype=pl.Int64, eager=True)
    for pattern in _FORMATS:
        zone = "UTC" if "z" in pattern else None
        parsed = column.str.to_datetime(pattern, strict=False, time_unit="us", time_zone=zone).dt.epoch("s")
        found = found.zip_with(found.is_not_null(), parsed)
        if found.null_count() == column.null_count():
            break
    return found


def _seconds(times: LongArray, form: str) -> tuple[LongArray, str]:
    """Times in seconds, in place, and the unit they were in: the one that fits the median."""
    known = times != NO_TIME
    if form == "text" or not known.any():
        return times, form
    middle = float(np.median(np.abs(times[known][:: max(1, len(times) // 100_000)].astype(np.float64))))
    at = next(n for n, (limit, _) in enumerate(_UNITS) if middle < limit)
    if at:
        np.floor_divide(times, _UNITS[at][1], out=times, where=known)
    return times, ("s", "ms", "us", "ns")[at]


def _integers(values: pl.Series) -> pl.Series:
    return values.cast(pl.Int64, strict=False)
