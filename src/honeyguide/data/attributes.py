"""What is known of people or items: a table with their ids and any other columns, put in the order of the codes."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import polars as pl

from honeyguide.data.columns import plain_name, usual
from honeyguide.data.faults import Faults
from honeyguide.data.gather import Encoder, Ids
from honeyguide.data.tables import open_table, whole
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, HoneyguideWarning


def read_attributes(source: Any, side: Literal["user", "item"]) -> tuple[Ids, pl.DataFrame]:
    """The ids of a table of people or items, and its other columns, a row an id.

    The id is in a column of a usual name (item_id, movieId, …), else in one called id, else in the first.

    A second row for an id is left out with a warning; a row without an id is a DataError.
    """
    table = open_table(source)
    faults = Faults(table.name)
    frame = whole(table, faults)
    key = usual(side, table.columns)
    if key is None:
        key = next((name for name in table.columns if plain_name(name) == "id"), table.columns[0])
    encoder = Encoder(side, faults, typed=table.typed)
    codes = encoder.encode(frame[key], np.ones(len(frame), dtype=bool), 0).copy()
    ids = encoder.ids(codes)
    for kind, fault in faults.kinds.items():
        raise DataError(
            f"{fault.count} rows of {table.name} have {kind}, the first is row {fault.rows[0]}; take them out"
        )
    first = np.unique(codes, return_index=True)[1]
    if len(first) < len(codes):
        article = "an item" if side == "item" else "a user"
        warnings.warn(
            f"{len(codes) - len(first)} rows of {table.name} repeat {article} id; the first row of each is kept",
            HoneyguideWarning,
            stacklevel=4,
        )
    rest = _listed(frame.drop(key)[np.sort(first)])
    return ids, rest if table.typed else _typed(rest)


def align(vocabulary: Vocabulary, ids: pl.Series, columns: pl.DataFrame) -> pl.DataFrame:
    """The columns with a row a code; null where someone or something is not in the table."""
    if not columns.width:
        return pl.DataFrame(height=len(vocabulary))
    if not len(ids):
        return columns.clear(len(vocabulary))
    row = np.full(len(vocabulary), -1, dtype=np.int64)
    row[vocabulary.encode(ids)] = np.arange(len(ids))
    return columns[pl.Series(row).replace(-1, None)]


def _listed(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of Python objects, which pandas keeps lists and arrays in, as columns of lists; others as texts."""
    for column in frame.select(pl.col(pl.Object)):
        values = column.to_list()
        lists = [list(value) if isinstance(value, list | tuple | np.ndarray) else None for value in values]
        if any(each is not None for each in lists):
            made = pl.Series(column.name, lists, strict=False)
        else:
            made = pl.Series(column.name, [None if value is None else str(value) for value in values], dtype=pl.String)
        frame = frame.with_columns(made)
    return frame


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of strings with the type that all their values have: integer, number or text."""
    if not frame.width:
        return frame
    for column in frame:
        for dtype in (pl.Int64, pl.Float64):
            cast = column.cast(dtype, strict=False)
            if cast.null_count() == column.null_count() < len(column):
                frame = frame.with_columns(cast)
                break
    return frame
