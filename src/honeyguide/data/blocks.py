"""The bytes of a text file, in blocks of UTF-8 that end with a line.

Cost: one pass, tens of megabytes whatever the size of the file. Text is UTF-8 or, where it is not, latin-1; gzip is
recognised by its first bytes.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from honeyguide.data.faults import Faults
from honeyguide.errors import DataError

BLOCK = 1 << 23  # bytes parsed at once
LONGEST = 1 << 26  # bytes of a line; beyond, the file is not text in lines
RUNAWAY = 100  # lines within one pair of quotes
SAMPLE = 1 << 16
_MAGIC = {
    b"PAR1": "a Parquet file", b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"SQLite format 3": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "compressed with zstd", b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz",
    b"\x89HDF": "an HDF5 file", b"\x80\x04\x95": "a pickle", b"\x93NUMPY": "a NumPy array", b"ARROW1": "an Arrow file",
    b"\xd0\xcf\x11\xe0": "an Excel workbook", b"%PDF": "a PDF",
}  # fmt: skip


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
        head = stream.read(SAMPLE)
    if not head.strip():
        raise DataError(f"{path} is empty; it must hold a row a line")
    if b"\r" in head.rstrip() and b"\n" not in head and b"\0" not in head:
        raise DataError(f"{path} ends its lines with a bare carriage return; write it with line feeds")
    kind = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), None)
    if kind is None and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in head:
        kind = "a binary file"
    if kind is not None:
        raise DataError(f"{path} is {kind}, not text; honeyguide reads CSV, TSV, JSON lines (also .gz) and Parquet")
    return head


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
            elif len(rest) > LONGEST:
                raise DataError(
                    f"line {line} of {path} has over {LONGEST >> 20} MB; is it text with one interaction a line?"
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
    for _ in range(RUNAWAY):
        if even:
            return at
        before = block.rfind(b"\n", 0, at - 1) + 1
        if not before:
            return 0 if len(block) < LONGEST else end
        even = even == (block.count(b'"', before, at) % 2 == 0)
        at = before
    return end


def _shown(encoding: str | None) -> str:
    return "UTF-8" if encoding is None or encoding == "utf-8-sig" else encoding
