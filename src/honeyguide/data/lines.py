"""Delimited text and JSON lines, streamed: bytes come in blocks that end with a line, each is parsed by Polars at once.

Cost: one pass, tens of megabytes whatever the size of the file. Text is UTF-8 or, where it is not, latin-1; gzip is
recognised by its first bytes. A block that Polars refuses is read line by line, so that the line at fault has a number.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import polars as pl

from honeyguide.data.columns import BY_POSITION, is_usual
from honeyguide.data.faults import Faults
from honeyguide.errors import DataError

BLOCK = 1 << 23  # bytes parsed at once
_LONGEST = 1 << 26  # bytes of a line; beyond, the file is not text in lines
_RUNAWAY = 100  # lines within one pair of quotes
_SAMPLE = 1 << 16
_STAND_IN = b"\x1f"  # a separator of one byte, put in for those of several
_MAGIC = {
    b"PAR1": "a Parquet file", b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"SQLite format 3": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "compressed with zstd", b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz",
    b"\x89HDF": "an HDF5 file", b"\x80\x04\x95": "a pickle", b"\x93NUMPY": "a NumPy array", b"ARROW1": "an Arrow file",
    b"\xd0\xcf\x11\xe0": "an Excel workbook", b"%PDF": "a PDF",
}  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """How a delimited text file is written."""

    separator: str
    header: bool
    names: tuple[str, ...]
    encoding: str | None  # None: UTF-8, and latin-1 where that fails
    quoted: bool = True


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is gzip; DataError for damage and for what is not text."""
    with open(path, "rb") as raw:
        magic = raw.read(2)
        raw.seek(0)
        if magic != b"\x1f\x8b":
            if path.suffix == ".gz" and magic:
                raise DataError(f"{path} ends in .gz and is not a gzip file; rename it, or write it again with gzip")
            yield raw
            return
        try:
            with gzip.open(raw) as unpacked:
                yield io.BufferedReader(unpacked, 1 << 20)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is a damaged gzip file ({error}); fetch or write it again") from None


def head_of(path: Path) -> bytes:
    """The first 64 KB of a file, unpacked; DataError where it is empty or binary."""
    with open_bytes(path) as stream:
        head = stream.read(_SAMPLE)
    if not head.strip():
        raise DataError(f"{path} is empty; it must hold one interaction a line")
    if b"\r" in head.rstrip() and b"\n" not in head and b"\0" not in head:
        raise DataError(f"{path} ends its lines with a bare carriage return; write it with line feeds")
    kind = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), None)
    if kind is None and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in head:
        kind = "a binary file"
    if kind is not None:
        raise DataError(f"{path} is {kind}, not text; honeyguide reads CSV, TSV, JSON lines (also .gz) and Parquet")
    return head


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
    whole = text.splitlines()[: -1 if len(head) == _SAMPLE and text.count("\n") > 1 else None]
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


def blocks(path: Path, encoding: str | None, faults: Faults, *, quoted: bool = True) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, UTF-8 bytes) of blocks that end with a line; a line in quotes is not cut."""
    line = 1
    with open_bytes(path) as stream:
        rest = b""
        for chunk in _utf8(stream, encoding, path, faults):
            rest += chunk
            if len(rest) < BLOCK // 4:
                continue
            cut = _cut(rest, quoted)
            if cut:
                yield line, rest[:cut]
                line += rest.count(b"\n", 0, cut)
                rest = rest[cut:]
            elif len(rest) > _LONGEST:
                raise DataError(
                    f"line {line} of {path} has over {_LONGEST >> 20} MB; is it text with one interaction a line?"
                )
        if rest:
            yield line, rest


def _utf8(stream: IO[bytes], encoding: str | None, path: Path, faults: Faults) -> Iterator[bytes]:
    """Chunks of a stream as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")()
    first, seen, line = True, False, 1
    while True:
        chunk = stream.read(BLOCK)
        try:
            if encoding is None and chunk.isascii() and not decoder.getstate()[0]:
                out = chunk
            else:
                out = decoder.decode(chunk, not chunk).encode()
                seen = seen or not out.isascii()
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            if encoding is not None or seen or _mostly_utf8(error.object):
                what = f"byte 0x{error.object[error.start]:02x} in line {line} of {path} is not {_shown(encoding)}"
                if not faults.lenient:
                    raise DataError(f"{what}; say which encoding it is, such as encoding='latin-1'") from None
                faults.add("encoding", [line], what)
                decoder = codecs.getincrementaldecoder(encoding or "utf-8")("replace")
            else:
                faults.notes["encoding"] = "latin-1"
                encoding = "latin-1"
                decoder = codecs.getincrementaldecoder(encoding)()
            out = decoder.decode(error.object, not chunk).encode()
            seen = True
        if first:
            out, first = out.removeprefix(codecs.BOM_UTF8), False
        line += out.count(b"\n")
        if out:
            yield out
        if not chunk:
            return


def _mostly_utf8(block: bytes) -> bool:
    """Whether more of a block's characters beyond ASCII are right UTF-8 than wrong."""
    text = block.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(not c.isascii() for c in text) - wrong
    return right > wrong


def _cut(block: bytes, quoted: bool) -> int:
    """Where the last whole line of a block ends, outside quotes; 0 where there is none."""
    end = block.rfind(b"\n") + 1
    if not quoted or not end or b'"' not in block:
        return end
    at, even = end, block.count(b'"', 0, end) % 2 == 0
    for _ in range(_RUNAWAY):
        if even:
            return at
        before = block.rfind(b"\n", 0, at - 1) + 1
        if not before:
            return 0 if len(block) < _LONGEST else end
        even = even == (block.count(b'"', before, at) % 2 == 0)
        at = before
    return end


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
        for end in range(at + 1, min(at + _RUNAWAY, len(lines)) + 1):
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
    csv.field_size_limit(_LONGEST)
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


def _shown(encoding: str | None) -> str:
    return "UTF-8" if encoding is None or encoding == "utf-8-sig" else encoding


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
