"""Whether what a model file holds fits together, so that no code of it points outside an array.

Compiled kernels do not check bounds; a file made to harm is refused here. Each check raises ValueError. Time: one pass
over offsets and codes, 8 ms for ten million events; `model` takes one person's scores and all ids in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Schema
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.models import people

if TYPE_CHECKING:
    from honeyguide.models.base import Recommender

_POLARS: Any = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
FAULTS = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError, *_POLARS)


def vocabulary(side: str, held: Vocabulary) -> None:
    """ValueError unless every code has an id, and strings are UTF-8."""
    count = len(held)
    _like(f"{side}.order", held.order, np.int32, (count,))
    _within(f"{side}.order", held.order, count)
    if held.kind == "integer":
        _like(f"{side}.ids", held.ids, np.int64, (count,))
        return
    _like(f"{side}.ids", held.ids, np.uint8, (held.ids.size,))
    _like(f"{side}.offsets", held.offsets, np.int64, (count + 1,))
    _steps(f"{side}.offsets", held.offsets, held.ids.size)
    bytes(held.ids.data).decode()
    begins = held.offsets[:-1][np.diff(held.offsets) > 0]
    if ((held.ids[begins] & 0xC0) == 0x80).any():
        raise ValueError(f"{side}.offsets cut a character")


def histories(schema: Schema, indptr: LongArray, items: IntArray, values: FloatArray, times: LongArray | None) -> None:
    """ValueError unless there is a history a user, of items that there are."""
    events = items.size
    _like("histories.indptr", indptr, np.int64, (len(schema.users) + 1,))
    _like("histories.items", items, np.int32, (events,))
    _like("histories.values", values, np.float32, (events,))
    if times is not None:
        _like("histories.times", times, np.int64, (events,))
    _steps("histories.indptr", indptr, events)
    _within("histories.items", items, len(schema.items))


def state(fitted: Recommender) -> None:
    """ValueError unless the learned arrays that the model names have the dimensions that it states."""
    lengths = {"U": len(fitted.schema_.users), "I": len(fitted.schema_.items)}
    for name, letters in fitted.shapes.items():
        array = vars(fitted).get(name)
        if array is None:  # some models learn one array or another
            continue
        if array.ndim != len(letters) or 0 in [
            n for n, letter in zip(array.shape, letters, strict=True) if letter not in "UI"
        ]:
            raise ValueError(f"{name} must have the dimensions {letters}, got {array.shape}")
        due = tuple(lengths.setdefault(letter, n) for letter, n in zip(letters, array.shape, strict=True))
        if array.shape != due:
            raise ValueError(f"{name} must be {due}, got {array.shape}")


def model(fitted: Recommender) -> None:
    """ValueError unless ids are sorted, and someone new, without history and with one item, gets finite scores."""
    schema = fitted.schema_
    for side, held in (("users", schema.users), ("items", schema.items)):
        ids = held.series().gather(held.order)
        if not ids.is_sorted() or ids.n_unique() != len(held):
            raise ValueError(f"{side}.order does not sort the ids")
    first = schema.items.series().head(1).to_list()
    for someone in (people.strangers(schema, [[], first]), fitted.histories_.take(slice(0, 1))):
        scores = fitted.score(someone)
        if scores.shape != (len(someone), len(schema.items)) or not np.isfinite(scores).all():
            raise ValueError(
                f"the scores of {len(someone)} people for {len(schema.items)} items are not so many numbers"
            )


def _like(name: str, array: AnyArray, dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} must be {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}")


def _within(name: str, codes: IntArray, count: int) -> None:
    if codes.size and not 0 <= int(codes.min()) <= int(codes.max()) < count:
        raise ValueError(f"{name} must hold codes below {count}, got {codes.min()} to {codes.max()}")


def _steps(name: str, offsets: LongArray, end: int) -> None:
    if offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets) < 0).any():
        raise ValueError(f"{name} must rise from 0 to {end}")
