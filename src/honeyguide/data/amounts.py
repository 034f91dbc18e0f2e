"""Columns as numbers: ratings and counts as float32, times as int64 seconds since 1970. What is neither is noted.

Times come as seconds, milli-, micro- or nanoseconds (told apart by their size), as ISO 8601 text or as dates.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, BoolArray, DoubleArray, FloatArray, LongArray
from honeyguide.data.dataset import NO_TIME
from honeyguide.data.faults import Faults, where

_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d",
    "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%#z", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d",
)  # fmt: skip
# The largest size of a time in each unit: seconds up to the year 5138, and so on.
_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (np.inf, 1_000_000_000))


def amounts(column: pl.Series, name: str, filled: BoolArray, faults: Faults, before: int) -> FloatArray:
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


def moments(column: pl.Series, filled: BoolArray, faults: Faults, before: int) -> tuple[LongArray, AnyArray, str]:
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


def seconds(times: LongArray, form: str) -> tuple[LongArray, str]:
    """Times in seconds, in place, and the unit they were in: the one that fits the median."""
    known = times != NO_TIME
    if form == "text" or not known.any():
        return times, form
    some = times[known] if len(times) < 1_000_000 else times[:: len(times) // 100_000]
    middle = float(np.median(np.abs(some[some != NO_TIME].astype(np.float64))))
    at = next(n for n, (limit, _) in enumerate(_UNITS) if middle < limit)
    if at:
        np.floor_divide(times, _UNITS[at][1], out=times, where=known)
    return times, ("s", "ms", "us", "ns")[at]
