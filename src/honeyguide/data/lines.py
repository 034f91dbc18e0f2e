"""Delimited text: its dialect by its first lines, its rows as frames of strings.

Each block of lines is parsed by Polars at once; one that Polars refuses is read line by line, so that the line at fault
has a number.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from honeyguide.data.blocks import LONGEST, RUNAWAY, SAMPLE, blocks, head_of
from honeyguide.data.columns import BY_POSITION, is_usual
from honeyguide.data.faults import Faults
from honeyguide.errors import DataError

_STAND_IN = b"\x1f"  # a separator of one byte, put in for those of several


@dataclass(frozen=True)
class Dialect:
    """How a delimited text file is written."""

    separator: str
    header: bool
    names: tuple[str, ...]
    encoding: str | None  # None: UTF-8, and latin-1 where that fails
    quoted: bool = True


def sniff(
    path: Path,
    *,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    quoted: bool = True,
) -> Dialect:
    """The dialect of a file, by its first lines; what is given is not guessed."""
    head = head_of(path)
    encoding = _encoding(path, head, encoding)
    text = head.decode(encoding or "utf-8", "replace").removeprefix("\ufeff")
    whole = text.splitlines()[: -1 if len(head) == SAMPLE and text.count("\n") > 1 else None]
    lines = [line for line in whole if line.strip()][:50]
    separator = separator or _separator(lines)
    if separator is None:
        raise DataError(f"{path} has one column only, or a separator that was not recognised; name it with separator=")
    first = [name.strip() for name in _split(lines[0], separator, quoted)]
    if header is None:
        header = any(is_usual(name) for name in first) or not any(_is_number(name) for name in first)
    if not header:
        names = [BY_POSITION[n] if n < len(BY_POSITION) else f"column {n + 1}" for n in range(len(first))]
        return Dialect(separator, False, tuple(names), encoding, quoted)
    names = [name or f"column {n + 1}" for n, name in enumerate(first)]
    names = [name if names.index(name) == n else f"{name} ({n + 1})" for n, name in enumerate(names)]
    return Dialect(separator, True, tuple(names), encoding, quoted)


def text_batches(path: Path, dialect: Dialect, faults: Faults) -> Iterator[pl.DataFrame]:
    """The rows of a delimited file as frames of strings; a line that cannot be read is a row of nulls."""
    skip, row = dialect.header, 0
    for line, block in blocks(path, dialect.encoding, faults, quoted=dialect.quoted and len(dialect.separator) == 1):
        if skip:
            block, line, skip = _without_first(block), line + 1, False
        frame = _parse(block, dialect, faults, row, line)
        row += len(frame)
        if len(frame):
            yield frame


def _parse(block: bytes, dialect: Dialect, faults: Faults, row: int, line: int) -> pl.DataFrame:
    """One block as a frame of strings."""
    names, separator, data = dialect.names, dialect.separator, block
    quote = '"' if dialect.quoted and len(separator) == 1 else None
    if len(separator) > 1:
        data, separator = data.replace(separator.encode(), _STAND_IN), _STAND_IN.decode()
    if not data.strip():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    try:
        frame = pl.read_csv(data, has_header=False, infer_schema=False, separator=separator, quote_char=quote)
        if frame.width > len(names):
            raise ValueError
    except (pl.exceptions.PolarsError, ValueError):
        return _parse_slowly(data, names, separator, quote is not None, faults, row, line)
    frame.columns = list(names[: frame.width])
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in names[frame.width :])


def _parse_slowly(
    data: bytes, names: Sequence[str], separator: str, quoted: bool, faults: Faults, row: int, line: int
) -> pl.DataFrame:
    """One block line by line, so that each line at fault is told."""
    rows: list[list[str | None]] = []
    lines, at = data.decode().split("\n"), 0
    while at < len(lines) - (not lines[-1]):
        for end in range(at + 1, min(at + RUNAWAY, len(lines)) + 1):
            fields = _record(lines[at:end], separator, quoted)
            if fields is not None:
                break
        problem = None
        if fields is None:
            problem, end = "opens a quote that is never closed", at + 1
        elif len(fields) > len(names):
            problem = f"has {len(fields)} fields, and the file has {len(names)} columns"
        if problem is not None or fields is None:
            faults.line(row + len(rows) + 1, line + at, problem or "")
            fields = []
        rows.append([field or None for field in fields] + [None] * (len(names) - len(fields)))
        at = end
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _record(lines: list[str], separator: str, quoted: bool) -> list[str] | None:
    """The fields of one record; None where its quote is still open at the end."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    text = "\n".join(line.removesuffix("\r") for line in lines)
    csv.field_size_limit(LONGEST)
    try:
        return next(csv.reader([text], delimiter=separator, quoting=quoting, strict=True), [])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
        return next(csv.reader([text], delimiter=separator, quoting=quoting), [])


def _without_first(block: bytes) -> bytes:
    lead = len(block) - len(block.lstrip(b"\r\n"))
    return block[block.find(b"\n", lead) + 1 :] if b"\n" in block[lead:] else b""


def _encoding(path: Path, head: bytes, encoding: str | None) -> str | None:
    if encoding is None:
        return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"encoding must be a text encoding such as 'utf-8' or 'latin-1', got {encoding!r}") from None
    return "utf-8-sig" if name == "utf-8" else name


def _split(line: str, separator: str, quoted: bool = True) -> list[str]:
    return line.split(separator) if len(separator) > 1 or not quoted else _record([line], separator, True) or [line]


def _separator(lines: list[str]) -> str | None:
    """The separator that cuts most lines into as many fields as the first, the more fields the better."""
    best, found = (0.0, False, 0), None
    for candidate in ("::", "\t", ";", "|", ",", " "):
        counts = [len(_split(line, candidate)) for line in lines]
        score = (sum(n == counts[0] for n in counts) / len(counts), candidate != " ", counts[0])
        if counts[0] > 1 and score > best:
            best, found = score, candidate
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
