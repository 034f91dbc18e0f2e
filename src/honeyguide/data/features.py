"""Attributes of people and items as numbers: categories, numbers, several values at once, and text.

    features = Features.learn(schema.item_table, schema.kinds)       # the vocabularies are part of it
    features.encode(table)                                           # (R, D) CSR, a row for each of the table

A column's numbers in a row have a Euclidean norm of about 1, whatever its kind:

    category    1 for the value
    values      1 / root of n for each of n values, parted by | or in a list
    number      by two of at most ten knots, the quantiles: 3/4 and 1/4 for a quarter of the way from one to the next
    text        TF-IDF of words (each Han character is one), to norm 1; tf = 1 + ln count, idf = 1 + ln((1+R) / (1+df))
    vector      a list of numbers, all of one length, to norm 1: an embedding from elsewhere

Values that fewer than two rows have are left out, as are words that more than half have, or more than 50 rows and more
than a tenth of them; nothing known gives no number.
O(cells) time; memory 16 bytes for each number that is not 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import polars as pl
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, ParameterError

Kind: TypeAlias = Literal["category", "values", "number", "text", "vector", "none"]
KINDS: tuple[Kind, ...] = "category", "values", "number", "text"  # what is learnt of where nothing else is said
_KNOTS, _LEAST, _WORDS = 10, 2, 5000  # knots of a number, rows that a value must have, words of a text
_OFTEN = 50  # rows that a word may have anyway, if they are no more than half
_WORD = r"\p{Han}|[\p{L}\p{N}_--\p{Han}]{2,}"


@dataclass(frozen=True, eq=False)
class Column:
    """One column's encoding: the values or words it knows with a weight each, or the knots of a number."""

    name: str
    kind: Kind
    known: Vocabulary
    numbers: FloatArray  # (n,) idf of each word, 1 of each value, or the knots

    @property
    def width(self) -> int:
        """The numbers it takes."""
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class Features:
    """The encoding of a table, learned from some of its rows."""

    columns: tuple[Column, ...]

    @staticmethod
    def learn(
        table: pl.DataFrame, kinds: Mapping[str, Kind] | None = None, only: Collection[Kind] | None = KINDS
    ) -> Features:
        """An encoding of the columns that say something, of `only` these kinds; `kinds` of those not to be recognised.

        `only` None takes columns of any kind.
        """
        found = ((column, (kinds or {}).get(column.name) or recognise(column)) for column in table)
        learned = (_learn(column, kind) for column, kind in found if only is None or kind in only)
        return Features(tuple(column for column in learned if column.width))

    @property
    def width(self) -> int:
        """D."""
        return sum(column.width for column in self.columns)

    def encode(self, table: pl.DataFrame | None, rows: int | None = None) -> sp.csr_matrix:
        """(R, D) CSR float32 of a table; columns that it lacks give nothing. None is a table of `rows` unknown rows."""
        count = len(table) if table is not None else rows or 0
        parts = [sp.csr_matrix((count, 0), dtype=np.float32)]
        for column in self.columns:
            if table is None or column.name not in table.columns:
                parts.append(sp.csr_matrix((count, column.width), dtype=np.float32))
            else:
                parts.append(_encode(column, table[column.name]))
        return sp.hstack(parts, format="csr", dtype=np.float32)

    def names(self) -> list[tuple[str, str]]:
        """(D,) the column and the value or word of each number; no value where several tell of a number or vector."""
        found: list[tuple[str, str]] = []
        for column in self.columns:
            values = [str(value) for value in column.known.series()] or [""] * column.width
            found += [(column.name, value) for value in values]
        return found

    def state(self) -> tuple[Any, ...]:
        """Names, kinds and arrays, for a model's file."""
        return tuple((c.name, c.kind, *c.known.arrays().values(), c.numbers) for c in self.columns)

    @staticmethod
    def of_state(state: tuple[Any, ...]) -> Features:
        """What `state` was taken of."""
        names = "ids", "offsets", "order"
        return Features(
            tuple(
                Column(name, kind, Vocabulary.from_arrays(dict(zip(names, parts[:3], strict=True))), parts[3])
                for name, kind, *parts in state
            )
        )


def check_kinds(kinds: Mapping[str, str], *tables: pl.DataFrame) -> dict[str, Kind]:
    """The kinds as declared; ParameterError for a column that no table has, or a kind there is not."""
    columns = {name: None for table in tables for name in table.columns}
    for name, kind in kinds.items():
        if name not in columns:
            have = ", ".join(columns) or "none, read items= or users= too"
            raise ParameterError(
                f"kinds must be of columns of items=, users= or context=, got {name!r}; there are: {have}."
            )
        if kind not in get_args(Kind):
            raise ParameterError(f"the kind of {name!r} must be one of {', '.join(get_args(Kind))}, got {kind!r}.")
    return dict(kinds)  # type: ignore[arg-type]


def recognise(values: pl.Series) -> Kind:
    """The kind of a column, by its type and its values."""
    if isinstance(values.dtype, pl.List | pl.Array):
        inner: Any = values.dtype.inner
        return "vector" if inner.is_float() else "values"
    if values.dtype.is_numeric():
        return "number"
    if values.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Boolean):
        return "none"
    texts = values.cast(pl.String).drop_nulls()
    if not len(texts):
        return "none"
    if texts.str.contains("|", literal=True).any():
        return "values"
    words = texts.str.count_matches(_WORD).mean()
    often_new = texts.n_unique() > len(texts) / 2
    return "text" if often_new and isinstance(words, float) and words >= 2 else "category"


def _learn(values: pl.Series, kind: Kind) -> Column:
    nothing = Vocabulary.of(pl.Series([], dtype=pl.String))
    if kind == "none":
        return Column(values.name, kind, nothing, np.zeros(0, np.float32))
    if kind == "number":
        told = _numbers(values)
        told = told[np.isfinite(told)]
        knots = np.unique(np.quantile(told, np.linspace(0, 1, _KNOTS), method="inverted_cdf")) if len(told) else told
        return Column(values.name, kind, nothing, knots if len(knots) > 1 else np.zeros(0, np.float32))
    if kind == "vector":
        return Column(values.name, kind, nothing, np.ones(_vectors(values)[1].shape[1], np.float32))
    parts = _parts(values, kind)  # row, value, count
    rows = parts.group_by("value").len().filter(pl.col("len") >= _LEAST)
    if kind == "text":
        rows = (
            rows.filter(pl.col("len") <= _most(len(values))).sort("len", "value", descending=[True, False]).head(_WORDS)
        )
    known = Vocabulary.of(rows["value"])
    weights = np.ones(len(known), np.float32)
    if kind == "text":
        weights[known.encode(rows["value"])] = 1.0 + np.log((1 + len(values)) / (1 + rows["len"].to_numpy()))
    return Column(values.name, kind, known, weights)


def _most(rows: int) -> float:
    """In how many rows a word may be: in more it tells little, as "the" does, and makes a foolish reason."""
    return min(rows / 2, max(rows / 10, _OFTEN))


def _encode(column: Column, values: pl.Series) -> sp.csr_matrix:
    if column.kind == "number":
        return _between_knots(_numbers(values), column.numbers)
    if column.kind == "vector":
        return _directions(values, column.width)
    parts = _parts(values, column.kind)
    codes = column.known.encode(parts["value"])
    kept = codes >= 0
    rows, codes = parts["row"].to_numpy()[kept], codes[kept]
    weights = column.numbers[codes].astype(np.float64)
    if column.kind == "text":
        weights *= 1.0 + np.log(parts["count"].to_numpy()[kept])
    norms = np.sqrt(np.bincount(rows, weights**2, len(values)))
    found = sp.csr_matrix((weights / norms[rows], (rows, codes)), shape=(len(values), column.width))
    found.sort_indices()
    return found.astype(np.float32)


def _parts(values: pl.Series, kind: Kind) -> pl.DataFrame:
    """row, value, count: the values or words of each row."""
    if values.dtype == pl.List:
        lists = values.cast(pl.List(pl.String))
    elif kind == "values":
        lists = values.cast(pl.String).str.split("|")
    elif kind == "text":
        lists = values.cast(pl.String).str.to_lowercase().str.extract_all(_WORD)
    else:
        lists = values
    table = pl.DataFrame({"row": np.arange(len(values), dtype=np.int64), "value": lists})
    flat = table.explode("value") if lists.dtype == pl.List else table
    flat = flat.with_columns(pl.col("value").cast(pl.String).str.strip_chars())
    flat = flat.filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
    return flat.group_by("row", "value").len("count").sort("row", "value")


def _vectors(values: pl.Series) -> tuple[IntArray, FloatArray]:
    """The rows that hold a vector (n,), and the vectors (n, D); DataError where they are none of one length."""
    told = values.is_not_null().to_numpy()
    try:
        lists = values.cast(pl.List(pl.Float64)).drop_nulls()
        whole = np.array(lists.to_list(), dtype=np.float32).reshape(len(lists), -1)
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        raise DataError(f"the vectors of column {values.name!r} must be lists of numbers, all of one length") from None
    if not np.isfinite(whole).all():
        raise DataError(f"the vectors of column {values.name!r} must be finite")
    return np.flatnonzero(told).astype(np.int32), whole


def _directions(values: pl.Series, width: int) -> sp.csr_matrix:
    rows, whole = _vectors(values)
    if len(whole) and whole.shape[1] != width:
        raise DataError(f"the vectors of column {values.name!r} must have {width} numbers, got {whole.shape[1]}")
    norms = np.linalg.norm(whole, axis=1, keepdims=True)
    counts = np.zeros(len(values), np.int64)
    counts[rows] = width
    columns = np.tile(np.arange(width, dtype=np.int32), len(rows))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    parts = (whole / np.where(norms > 0, norms, 1.0)).ravel(), columns, indptr
    found = sp.csr_matrix(parts, shape=(len(values), width), dtype=np.float32)
    found.eliminate_zeros()
    return found


def _numbers(values: pl.Series) -> FloatArray:
    """(R,) as floats, NaN where a value is missing or none."""
    found = values.cast(pl.Float64, strict=False).fill_null(float("nan"))
    return found.to_numpy().astype(np.float32)


def _between_knots(values: FloatArray, knots: FloatArray) -> sp.csr_matrix:
    """(R, K) shares of the two knots that a value lies between; the nearest one outside them."""
    told = np.flatnonzero(np.isfinite(values))
    inside = np.clip(values[told].astype(np.float64), knots[0], knots[-1])
    low: IntArray = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 2).astype(np.int32)
    share = (inside - knots[low]) / (knots[low + 1] - knots[low])
    rows = np.concatenate([told, told])
    found = sp.csr_matrix(
        (np.concatenate([1.0 - share, share]), (rows, np.concatenate([low, low + 1]))),
        shape=(len(values), len(knots)), dtype=np.float32,
    )  # fmt: skip
    found.eliminate_zeros()
    return found
