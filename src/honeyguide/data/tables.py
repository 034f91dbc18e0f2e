"""Any source as one thing: the names of its columns, and a stream of frames of those asked for.

Delimited text comes as strings throughout (what they mean is settled when all are known); Parquet, JSON lines,
databases and data frames come with their types. Memory: one batch, whatever the size of the source; a JSON array is
read whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw
import polars as pl

from honeyguide.data.blocks import blocks, head_of, open_bytes
from honeyguide.data.dataset import Dataset
from honeyguide.data.faults import Faults
from honeyguide.data.lines import sniff, text_batches
from honeyguide.errors import DataError, MissingPackageError, ParameterError

Stream: TypeAlias = Callable[[list[str], Faults], Iterator[pl.DataFrame]]
_ROWS = 500_000  # of a batch
_FETCH = 50_000  # rows a database gives at once


@dataclass(frozen=True)
class Table:
    """A source opened: `typed` where ids come with a type, `frame` the data frame to answer in, `form` its format.

    `rows` is about how many there are, for a progress bar; None where that is not known before they are read.
    """

    name: str
    columns: tuple[str, ...]
    typed: bool
    form: str
    stream: Stream
    frame: str = "polars"
    rows: int | None = None

    @property
    def is_file(self) -> bool:
        """Whether the command line can name it as a path."""
        return self.form != "a database" and not self.form.endswith(" frame")


def open_table(
    source: Any,
    *,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    query: str | None = None,
    quoted: bool = True,
) -> Table:
    """The table of a file, of a database (a URL and a query), of a data frame, or of a Dataset."""
    for_text = {"separator": separator, "header": header, "encoding": encoding}
    text_only = [name for name, value in for_text.items() if value is not None]
    is_url = isinstance(source, str) and "://" in source
    if query is not None and not is_url:
        raise ParameterError(
            f"query= goes with the URL of a database, such as sqlite:///shop.db, got {_short(source)}."
        )
    if is_url:
        return _database(source, query)
    if isinstance(source, Dataset):
        return replace(_frame(source.table()), name=source.schema.name or "the data set")
    if not isinstance(source, str | Path):
        return _frame(source)
    path = _existing(Path(source))
    try:
        with open(path, "rb") as stream:
            magic = stream.read(4)
        if magic == b"PAR1":
            table = _parquet(path)
        elif (head := head_of(path).lstrip(b"\xef\xbb\xbf \r\n\t"))[:1] == b"{" or _is_array(head):
            table = _json(path, head)
        else:
            dialect = sniff(path, separator=separator, header=header, encoding=encoding, quoted=quoted)
            form = f"text, separator {dialect.separator!r}" + ("" if dialect.header else ", no header")

            def batches(columns: list[str], faults: Faults) -> Iterator[pl.DataFrame]:
                return (frame.select(columns) for frame in text_batches(path, dialect, faults))

            return Table(str(path), dialect.names, False, form, batches, rows=_about(path, head))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if text_only:
        raise ParameterError(f"{text_only[0]}= is for delimited text, and {path} is {table.form}.")
    return table


def whole(table: Table, faults: Faults) -> pl.DataFrame:
    """All columns and rows of a table at once."""
    frames = list(table.stream(list(table.columns), faults))
    return (
        pl.concat(frames, how="vertical_relaxed")
        if frames
        else pl.DataFrame(schema=dict.fromkeys(table.columns, pl.String))
    )


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the file in it that is meant")
    if not path.exists():
        from honeyguide.data import sources

        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = [repr(str(path.with_name(name))) for name in get_close_matches(path.name, names, n=1)]
        near += [f"the known set {name} (hg.load)" for name in get_close_matches(str(path), sources.names(), n=1)]
        raise DataError(f"there is no file {path}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    return path


def _parquet(path: Path) -> Table:
    try:
        scan = pl.scan_parquet(path)
        names, rows = tuple(scan.collect_schema()), scan.select(pl.len()).collect().item()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} is a damaged Parquet file: {_first_line(error)}") from None

    def batches(columns: list[str], faults: Faults) -> Iterator[pl.DataFrame]:
        try:
            yield from pl.scan_parquet(path).select(columns).collect_batches(chunk_size=_ROWS, maintain_order=True)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{path} is a damaged Parquet file: {_first_line(error)}") from None

    return Table(str(path), names, True, "Parquet", batches, rows=rows)


def _about(path: Path, head: bytes) -> int | None:
    """The number of lines of a text file, judged by the length of its first ones."""
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return None if packed else max(1, path.stat().st_size * head.count(b"\n") // len(head))


def _is_array(head: bytes) -> bool:
    return head[:1] == b"[" and head[1:].lstrip()[:1] in (b"{", b"]")


def _json(path: Path, head: bytes) -> Table:
    if head.startswith(b"["):
        try:
            with open_bytes(path) as stream:
                frame = pl.DataFrame(_columns_of(json.loads(stream.read())))
        except (ValueError, AttributeError) as error:
            raise DataError(f"{path} is not a JSON array of objects: {_first_line(error)}") from None
        if not frame.width:
            raise DataError(f"{path} has no rows; it must hold one interaction an object")
        return Table(
            str(path), tuple(frame.columns), True, "JSON", lambda columns, faults: iter([frame.select(columns)])
        )

    names: dict[str, None] = {}
    lines = head.splitlines()
    for line in lines[: max(1, len(lines) - 1)]:
        try:
            names |= dict.fromkeys(json.loads(line)) if line.strip() else {}
        except (ValueError, TypeError):
            continue
    if not names:
        raise DataError(f"{path} is not JSON lines: its first line is not an object")

    def batches(columns: list[str], faults: Faults) -> Iterator[pl.DataFrame]:
        row = 0
        for line, block in blocks(path, None, faults, quoted=False):
            frame = _json_block(block, columns, faults, row, line)
            row += len(frame)
            yield frame

    return Table(str(path), tuple(names), True, "JSON lines", batches, rows=_about(path, head))


def _json_block(block: bytes, columns: list[str], faults: Faults, row: int, line: int) -> pl.DataFrame:
    """One block of JSON lines; a line that is not an object is a row of nulls, noted."""
    records: list[dict[str, Any]] = []
    for at, text in enumerate(block.splitlines()):
        try:
            record = json.loads(text) if text.strip() else {}
            if not isinstance(record, dict):
                raise ValueError("it is not an object")
        except ValueError as error:
            faults.line(row + at + 1, line + at, f"is not a JSON object ({_first_line(error)})")
            record = {}
        records.append(record)
    return pl.DataFrame([series(name, [record.get(name) for record in records]) for name in columns])


def _database(url: str, query: str | None) -> Table:
    try:
        import sqlalchemy as sa
    except ModuleNotFoundError:
        raise MissingPackageError("SQLAlchemy", "sql", "reading a database") from None
    if query is None:
        raise ParameterError("a database needs query=, such as query='select user_id, item_id, rating from ratings'.")
    try:
        engine = sa.create_engine(url)
        name = engine.url.render_as_string(hide_password=True)
    except ModuleNotFoundError as error:
        raise DataError(
            f"the database of this URL needs a driver that is not installed: pip install {error.name}"
        ) from None
    except sa.exc.SQLAlchemyError as error:
        raise DataError(f"this is not the URL of a database that SQLAlchemy knows: {_first_line(error)}") from None

    def rows() -> Iterator[tuple[list[str], Sequence[Any]]]:
        try:
            with engine.connect().execution_options(yield_per=_FETCH) as connection:
                result = connection.execute(sa.text(query))
                keys = list(result.keys())
                yield keys, []
                yield from ((keys, part) for part in result.partitions(_FETCH))
        except sa.exc.SQLAlchemyError as error:
            raise DataError(f"the query on {name} failed: {_first_line(error)}") from None
        finally:
            engine.dispose()

    def batches(columns: list[str], faults: Faults) -> Iterator[pl.DataFrame]:
        for keys, part in rows():
            if part:
                yield pl.DataFrame([series(c, [record[keys.index(c)] for record in part]) for c in columns])

    first = rows()
    names = tuple(next(first)[0])
    first.close()  # type: ignore[attr-defined]
    return Table(name, names, True, "a database", batches)


def _frame(source: Any) -> Table:
    try:
        given: Any = nw.from_native(source)
        given = given.collect() if isinstance(given, nw.LazyFrame) else given
        names = tuple(given.columns)
    except TypeError:
        raise DataError(
            "a source is a path, the URL of a database, or a data frame (pandas, Polars, PyArrow, …), "
            f"got {_short(source)}"
        ) from None
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"the data frame cannot be read: {' '.join(str(error).split())[:200]}") from None
    if any(not isinstance(name, str) for name in names):
        raise DataError(f"a data frame's columns need names, got {names[0]!r}; rename them user, item, rating, time")

    def batches(columns: list[str], faults: Faults) -> Iterator[pl.DataFrame]:
        for start in range(0, len(given), _ROWS):
            part = given.select(columns)[start : start + _ROWS]
            native = part.to_native()
            yield native if isinstance(native, pl.DataFrame) else pl.DataFrame([_to_polars(part[c]) for c in columns])

    kind = str(given.implementation.value)
    return Table(f"the {kind} frame", names, True, f"a {kind} data frame", batches, kind, len(given))


def _to_polars(column: Any) -> pl.Series:
    if column.dtype not in (nw.Object, nw.Unknown):
        try:
            return pl.Series(column.name, column.to_polars())
        except (ImportError, TypeError, ValueError, pl.exceptions.PolarsError):
            pass
    return series(column.name, column.to_list())


def series(name: str, values: list[Any]) -> pl.Series:
    """Python values as a series; where their types do not fit together, one of objects."""
    values = [None if _is_missing(value) else value for value in values]
    kinds = {type(value) for value in values}
    if str in kinds and kinds - {str, type(None)}:
        return pl.Series(name, values, dtype=pl.Object)
    try:
        made = pl.Series(name, values, strict=kinds - {int, float, type(None)} != set())
        if made.null_count() == values.count(None):  # more where an integer passes 128 bits
            return made
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        pass
    return pl.Series(name, values, dtype=pl.Object)


def _is_missing(value: Any) -> bool:
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _columns_of(records: list[dict[str, Any]]) -> list[pl.Series]:
    names = dict.fromkeys(name for record in records for name in record)
    return [series(name, [record.get(name) for record in records]) for name in names]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _short(source: Any) -> str:
    text = repr(source)
    return type(source).__name__ if len(text) > 60 else text
