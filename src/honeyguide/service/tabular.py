"""Files of pairs and of lists, in Parquet, CSV or JSON lines: written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from honeyguide.data.dataset import Schema
from honeyguide.data.vocabulary import Id
from honeyguide.errors import ParameterError
from honeyguide.files import check_out, whole
from honeyguide.models.base import Recommender
from honeyguide.models.lists import Reranking
from honeyguide.run import Run

TABLES = (".parquet", ".csv", ".jsonl")  # the files that tables are written to
_TYPES: dict[str, type[pl.DataType]] = {"integer": pl.Int64, "string": pl.String}


def write_lists(
    model: Recommender,
    path: str | Path,
    *,
    k: int = 10,
    exclude: Sequence[Id] | None = None,
    seen: bool = False,
    rerank: Reranking | None = None,
    run: Run | None = None,
) -> int:
    """Write everybody's list to a Parquet, CSV or JSON-lines file, streamed; the number of rows."""
    from polars.io.plugins import register_io_source

    model._need_fit()
    users, items = (_TYPES[side.kind] for side in (model.schema_.users, model.schema_.items))
    tables = model.recommend_all(k, exclude=exclude, seen=seen, rerank=rerank, run=run)
    rows = 0

    def parts(*_: Any) -> Iterator[pl.DataFrame]:
        nonlocal rows
        for table in tables:
            rows += len(table)
            yield table

    schema: dict[str, Any] = {"user": users, "item": items, "score": pl.Float32, "rank": pl.Int32}
    write_table(register_io_source(parts, schema=schema), path)
    return rows


def write_table(table: pl.DataFrame | pl.LazyFrame, path: str | Path) -> None:
    """Write a table to a Parquet, CSV or JSON-lines file, as its suffix says, whole or not at all."""
    check_out(path, TABLES)
    lazy = table.lazy()
    with whole(path) as temporary, open(temporary, "wb") as file:  # by name, Polars may create it once all has failed
        try:
            match Path(path).suffix:
                case ".parquet":
                    lazy.sink_parquet(file)
                case ".csv":
                    lazy.sink_csv(file)
                case _:
                    lazy.sink_ndjson(file)
        except pl.exceptions.ComputeError as error:  # a full disk under a Parquet file
            raise OSError(0, str(error)) from error


def read_pairs(path: str | Path, schema: Schema) -> pl.DataFrame:
    """The table of people and items in a file: its first two columns, or those with usual names; ids as the model's."""
    from honeyguide.data.faults import Faults
    from honeyguide.data.read import columns_of
    from honeyguide.data.tables import open_table
    from honeyguide.data.tables import whole as whole_table

    columns = columns_of(path)
    table = open_table(path)
    read = whole_table(table, Faults(table.name, is_file=table.is_file, lenient=False))
    pairs = read.select(pl.col(columns.user).alias("user"), pl.col(columns.item).alias("item"))
    try:
        return pairs.cast({"user": _TYPES[schema.users.kind], "item": _TYPES[schema.items.kind]})
    except pl.exceptions.PolarsError:
        kinds = f"people are {schema.users.kind}s and items {schema.items.kind}s"
        raise ParameterError(f"{path} does not hold ids of the model's kind: its {kinds}") from None
