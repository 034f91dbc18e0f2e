"""Arrays and a header ⇄ one file in the safetensors format. Knows no model, evaluates nothing, unpickles nothing.

8 bytes of length, a JSON header, then the arrays. Reading checks the header's digest and every offset against the
file's size and maps each array read-only; the digest of an array's contents is checked on demand. Reading costs the
header alone, O(arrays); verifying reads the whole file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray
from honeyguide.errors import ArtifactError
from honeyguide.files import whole

FORMAT_VERSION = 1
_ALIGN = 64
_LONGEST_HEADER = 100 << 20
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}


@dataclass(frozen=True)
class Artifact:
    """What a file holds: read-only mapped arrays and the header that `write` was given."""

    arrays: Mapping[str, AnyArray]
    header: Mapping[str, Any]


def write(path: str | Path, arrays: Mapping[str, AnyArray], header: Mapping[str, Any]) -> None:
    """Write arrays and a JSON-able header to one file, whole or not at all (WriteError)."""
    ordered = {n: np.ascontiguousarray(a) for n, a in sorted(arrays.items(), key=lambda pair: -pair[1].dtype.itemsize)}
    layout: dict[str, Any] = {}
    end = 0
    for name, array in ordered.items():
        begin, end = end, end + array.nbytes
        layout[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
    digests = {name: _digest(array) for name, array in ordered.items()}
    metadata = {
        "format": "honeyguide",
        "format_version": str(FORMAT_VERSION),
        "header": json.dumps(dict(header), sort_keys=True, ensure_ascii=False, allow_nan=True),
        "digests": json.dumps(digests, sort_keys=True),
    }
    metadata["digest"] = _header_digest(metadata, layout)
    text = json.dumps({"__metadata__": metadata, **layout}, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGN)
    with whole(path) as temporary, open(temporary, "wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for array in ordered.values():
            file.write(array.reshape(-1).view(np.uint8).data)


def read(path: str | Path, *, verify: bool = False) -> Artifact:
    """Map a file's arrays. ArtifactError for a truncated, altered or foreign file, or one of a later version.

    With `verify`, the contents of every array are checked against their digests too.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if 2 <= length <= min(size - 8, _LONGEST_HEADER) else b""
    except OSError as error:
        raise ArtifactError(f"cannot open {path}: {error.strerror}") from None
    metadata, layout = _parse(path, text)
    end = max((entry["data_offsets"][1] for entry in layout.values()), default=0)
    if 8 + length + end != size:
        what = "truncated" if 8 + length + end > size else "longer than its header says"
        raise ArtifactError(f"{path} is {what}: {size:,} bytes where {8 + length + end:,} are due; copy it again")
    whole_file = np.memmap(path, dtype=np.uint8, mode="r") if end else np.zeros(8 + length, np.uint8)
    try:
        arrays = {name: _view(whole_file, 8 + length, entry) for name, entry in layout.items()}
        header, digests = json.loads(metadata["header"]), json.loads(metadata["digests"])
        if not isinstance(header, dict) or not isinstance(digests, dict):
            raise TypeError
    except _MALFORMED:
        raise ArtifactError(f"{path} is not a honeyguide model file") from None
    if verify:
        for name, array in arrays.items():
            if _digest(array) != digests.get(name):
                raise ArtifactError(
                    f"{path} is damaged: the contents of {name!r} differ from their digest; copy it again"
                )
    return Artifact(arrays, header)


def _parse(path: Path, text: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """(metadata, layout) of a header's text, its digest, dtypes, shapes and offsets checked."""
    foreign = f"{path} is not a honeyguide model file"
    try:
        layout = json.loads(text)
        metadata = layout.pop("__metadata__")
        if metadata["format"] != "honeyguide":
            raise ArtifactError(foreign)
        version = int(metadata["format_version"])
        if version > FORMAT_VERSION:
            need = f"format version {version}, this honeyguide reads up to {FORMAT_VERSION}: pip install -U honeyguide"
            raise ArtifactError(f"{path} has {need}")
        if metadata["digest"] != _header_digest(metadata, layout):
            raise ArtifactError(f"{path} has an altered header: its digest differs; copy it again")
        if not _fit(list(layout.values()), 8 + len(text)):
            raise ArtifactError(f"{path} has offsets that do not fit its shapes")
    except _MALFORMED:
        raise ArtifactError(foreign) from None
    return metadata, layout


def _fit(entries: list[Mapping[str, Any]], base: int) -> bool:
    """Whether the arrays lie end to end, each as long as its shape says and where its type may begin."""
    last = 0
    for entry in sorted(entries, key=lambda entry: tuple(entry["data_offsets"])):
        (begin, end), size = entry["data_offsets"], np.dtype(_DTYPES[entry["dtype"]]).itemsize
        if any(type(number) is not int or number < 0 for number in (begin, end, *entry["shape"])):
            return False
        if begin != last or end - begin != math.prod(entry["shape"]) * size or (base + begin) % size:
            return False
        last = end
    return True


def _view(whole_file: AnyArray, base: int, entry: Mapping[str, Any]) -> AnyArray:
    begin, end = entry["data_offsets"]
    view: AnyArray = whole_file[base + begin : base + end].view(np.ndarray).view(np.dtype(_DTYPES[entry["dtype"]]))
    view = view.reshape(entry["shape"])
    view.flags.writeable = False
    return view


def _digest(array: AnyArray) -> str:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return hashlib.sha256(flat.data).hexdigest()


def _header_digest(metadata: Mapping[str, str], layout: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in metadata.items() if key != "digest"}
    return hashlib.sha256(json.dumps([rest, layout], sort_keys=True).encode()).hexdigest()
