"""Ids ⇄ codes. Raw ids, strings or integers, stay at the edge; inside, an id is its code 0 … n-1.

Held as arrays, so that a model file maps them: integers as they are, strings as UTF-8 bytes with offsets, and for both
the permutation that sorts them. A look-up is a binary search, O(log n), or one pass for large batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, ByteArray, IntArray, LongArray
from honeyguide.errors import DataError, UnknownIdError

Id: TypeAlias = int | str
Kind: TypeAlias = Literal["integer", "string"]
_BATCH = 512  # above this many ids, hashing all of a vocabulary of strings beats searching for each


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The ids of people or items. Build one with `Vocabulary.of(ids)`; codes follow the sorted ids."""

    kind: Kind
    ids: LongArray | ByteArray  # (n,) the integers, or the bytes of all strings on end
    offsets: LongArray  # (n + 1,) of strings; empty for integers
    order: IntArray  # (n,) codes in the order of their ids

    @staticmethod
    def of(ids: pl.Series | Sequence[Id]) -> Vocabulary:
        """The distinct ids of a sequence of integers or of strings, sorted."""
        return _build(_series(ids).unique().sort())

    def extended(self, ids: pl.Series | Sequence[Id]) -> Vocabulary:
        """This vocabulary with the ids it lacks after its own, so that no code changes."""
        new = _series(ids).unique().sort()
        if len(self) == 0 or len(new) == 0:
            return self if len(self) else _build(new)
        if _kind(new) != self.kind:
            raise DataError(f"new ids must be {self.kind}s like those already there, got {_kind(new)}s")
        return _build(pl.concat([self.series(), new.filter(self.encode(new) < 0)]))

    def __len__(self) -> int:
        return len(self.order)

    def decode(self, codes: IntArray) -> pl.Series:
        """The ids of codes (n,), as an Int64 or String series."""
        if self.kind == "integer":
            return pl.Series(np.asarray(self.ids)[codes], dtype=pl.Int64)
        if len(codes) > len(self):
            return self.series().gather(codes)
        return pl.Series([self._string(int(code)) for code in codes], dtype=pl.String)

    def series(self) -> pl.Series:
        """All ids in the order of their codes."""
        return self.decode(np.arange(len(self), dtype=np.int32))

    def encode(self, ids: pl.Series | Iterable[Id]) -> IntArray:
        """Codes (n,) of ids; -1 for an id that is not held. Integers are no strings: 42 is not "42"."""
        if not isinstance(ids, pl.Series):
            ids = list(ids)
            if len(ids) <= _BATCH:
                return np.array([self._find(value) for value in ids], dtype=np.int32)
        wanted = _series(ids)
        if len(wanted) == 0 or len(self) == 0 or _kind(wanted) != self.kind:
            return np.full(len(wanted), -1, dtype=np.int32)
        if self.kind == "integer":
            return self._find_integers(wanted.to_numpy())
        table = pl.DataFrame({"id": self.series(), "code": np.arange(len(self), dtype=np.int32)})
        found = wanted.to_frame("id").join(table, on="id", how="left", maintain_order="left")
        return found["code"].fill_null(-1).to_numpy().astype(np.int32)

    def code(self, value: Id, what: str) -> int:
        """The code of one id; UnknownIdError, which names `what` it is, where it is not held."""
        code = self._find(value)
        if code < 0:
            hint = f"; ids here are {self.kind}s" if isinstance(value, str) != (self.kind == "string") else ""
            raise UnknownIdError(f"{what} {value!r} is not in the training data{hint}")
        return code

    def parse(self, text: str) -> Id:
        """The id that a text, as typed in a shell, stands for."""
        if self.kind == "string":
            return text
        try:
            return int(text)
        except ValueError:
            raise UnknownIdError(f"ids here are integers, got {text!r}") from None

    def arrays(self) -> dict[str, AnyArray]:
        """The arrays that a file holds."""
        return {"ids": self.ids, "offsets": self.offsets, "order": self.order}

    @staticmethod
    def from_arrays(arrays: Mapping[str, AnyArray]) -> Vocabulary:
        """The vocabulary of `arrays()`; nothing is copied."""
        ids = arrays["ids"]
        kind: Kind = "string" if ids.dtype == np.uint8 else "integer"
        return Vocabulary(kind, ids, arrays["offsets"], arrays["order"])

    def _string(self, code: int) -> str:
        return bytes(self.ids[self.offsets[code] : self.offsets[code + 1]]).decode()

    @cached_property
    def _sorted(self) -> LongArray:
        return np.asarray(self.ids, dtype=np.int64)[self.order]

    def _find_integers(self, wanted: AnyArray) -> IntArray:
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self) - 1)
        return np.where(self._sorted[at] == wanted, self.order[at], -1).astype(np.int32)

    def _find(self, value: Id) -> int:
        """Binary search for one id."""
        if isinstance(value, bool | np.bool_) or isinstance(value, str) != (self.kind == "string") or not len(self):
            return -1
        if self.kind == "integer":
            if not isinstance(value, int | np.integer):
                return -1
            return int(self._find_integers(np.array([value], dtype=np.int64))[0]) if -(2**63) <= value < 2**63 else -1
        wanted, low, high = str(value).encode(), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            code = self.order[middle]
            here = bytes(self.ids[self.offsets[code] : self.offsets[code + 1]])
            if here == wanted:
                return int(code)
            low, high = (middle + 1, high) if here < wanted else (low, middle)
        return -1


def _series(ids: pl.Series | Sequence[Id]) -> pl.Series:
    """The ids as an Int64 or String series; DataError where they are neither or mixed."""
    try:
        series = ids if isinstance(ids, pl.Series) else pl.Series(list(ids), strict=True)
        if len(series) == 0:
            return pl.Series([], dtype=pl.String if series.dtype == pl.String else pl.Int64)
        if series.dtype.is_integer():
            return series.cast(pl.Int64)
        if series.dtype in (pl.String, pl.Categorical, pl.Enum):
            return series.cast(pl.String)
    except (TypeError, pl.exceptions.PolarsError):
        raise DataError("ids must be all integers (of 64 bits) or all strings, got a mixture") from None
    raise DataError(f"ids must be integers or strings, got {series.dtype}")


def _kind(series: pl.Series) -> Kind:
    return "integer" if series.dtype.is_integer() else "string"


def _build(ids: pl.Series) -> Vocabulary:
    """The vocabulary whose codes follow the order of distinct `ids`."""
    order = ids.arg_sort().to_numpy().astype(np.int32)
    if _kind(ids) == "integer":
        return Vocabulary("integer", ids.to_numpy().astype(np.int64), np.zeros(0, np.int64), order)
    lengths = ids.str.len_bytes().to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    text = np.frombuffer("".join(ids.to_list()).encode(), dtype=np.uint8)
    return Vocabulary("string", text, offsets, order)
