"""Lists of models whose scores are products of vectors, u.v: exact, and most items are never looked at.

Items go in tiles, the longest vectors first. As u.v <= |u| |v| (Teflioudi et al. 2015, doi:10.1145/2723372.2747647),
a person is done with as soon as |u| times the longest vector of the next tile is less than the k-th best score so far.
Vectors of als differ in length by orders of magnitude, and 95 % of 100,000 items are skipped; where all are of one
length nothing is, and this is a matrix product that never leaves the cache (kernels/vector_search.py).

A score is the product of two vectors in one fixed order of additions: the same to the bit for a few people or many,
for candidates or the whole catalogue, on any number of threads. Memory: a copy of the items' vectors, and blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol, runtime_checkable

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ArtifactError
from honeyguide.run import Run

_FEW = 8  # for fewer people, sorting the items costs more than it saves
_BATCH = 4096  # people whose vectors are asked for at once
_BLOCK = 512  # people of a matrix product, at most
_SHARES, _LEAST = 4, 128  # blocks that fewer people make, so that several threads have one; of so many at least
_TILE = 512  # items of a matrix product: its result stays in a core's second-level cache
_LONG = 1 << 14  # items of a product with few people
_CELLS = 4 << 20  # values a block may hold in its lines
_ROUNDING = 2.0**-24 * 1.01  # of float32, upwards


@runtime_checkable
class Factored(Protocol):
    """A model that scores a person and an item by the product of their vectors."""

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, K) the vector of each profile."""
        ...

    def item_vectors(self) -> FloatArray:
        """(I, K) the vector of each item."""
        ...


def blocks(
    model: Factored, profiles: Profiles, k: int, wanted: IntArray | None, *, seen: bool, run: Run
) -> Iterator[tuple[slice, IntArray, FloatArray]]:
    """The k best items of those wanted (C,) of each profile, as `lists.blocks` gives them; 1 <= k <= C."""
    from honeyguide.kernels import top_k as heaps

    few = len(profiles) < _FEW
    longest = 0 if seen or not len(profiles) else int(np.diff(profiles.indptr).max())
    shelf = _Shelf.of(item_vectors(model, profiles), wanted, k + longest, not few, run)
    for first in range(0, len(profiles), _BATCH):
        rows = slice(first, min(first + _BATCH, len(profiles)))
        batch = profiles.take(rows)
        people = user_vectors(model, batch, shelf.items.shape[1], run)
        lengths, history = _lengths(people, run), read_only(batch.items)
        best = np.empty((len(batch), k), np.float32)
        codes = np.empty((len(batch), k), np.int32)
        indptr = np.zeros(len(batch) + 1, np.int64) if seen else batch.indptr
        block = max(1, min(max(-(-len(batch) // _SHARES), _LEAST), _BLOCK, _CELLS // _length(k)))
        with nullcontext() if few else one_thread_each:
            run.map(_search, len(batch), shelf, people, lengths, indptr, history, best, codes, block=block)
        run.map(heaps.settle, len(batch), best, codes, block=_BLOCK)
        yield rows, codes, best


def products(model: Factored, profiles: Profiles, items: IntArray | None, run: Run) -> FloatArray:
    """(B, C) the same scores, of all items or of some, without a search."""
    from honeyguide.kernels.vector_search import multiply

    vectors = item_vectors(model, profiles)
    people = user_vectors(model, profiles, vectors.shape[1], run)
    codes = np.arange(len(vectors), dtype=np.int32) if items is None else items
    out = np.empty((len(people), len(codes)), np.float32)
    run.map(multiply, len(codes), people, vectors, codes, out, block=8 * _TILE)
    return out


def item_vectors(model: Factored, profiles: Profiles) -> FloatArray:
    """The model's (I, K) in the form that kernels take."""
    found = model.item_vectors()
    if found.ndim != 2 or len(found) != len(profiles.schema.items):
        raise _misshapen(found, (len(profiles.schema.items), "K"))
    return read_only(np.asarray(found, np.float32))


def user_vectors(model: Factored, profiles: Profiles, width: int, run: Run) -> FloatArray:
    """The model's (B, K) in the form that kernels take."""
    found = model.user_vectors(profiles, run=run)
    if found.shape != (len(profiles), width):
        raise _misshapen(found, (len(profiles), width))
    return read_only(np.asarray(found, np.float32))


def _misshapen(found: AnyArray, due: tuple[Any, ...]) -> ArtifactError:
    return ArtifactError(f"the model gave vectors {found.shape} where {due} are due; honeyguide verify its file")


@dataclass(frozen=True, eq=False)
class _Shelf:
    """The items in the order in which they are tried.

    items   (I, K) the vectors of all, by code; ascending (C,) the codes wanted
    codes   (S,) those that can be in a list, the longest vectors first; vectors (S, K) theirs
    lengths (S,) the longest from here on
    tile    items multiplied at once
    """

    items: FloatArray
    ascending: IntArray
    codes: IntArray
    vectors: FloatArray
    lengths: FloatArray
    tile: int

    @staticmethod
    def of(items: FloatArray, wanted: IntArray | None, most: int, ordered: bool, run: Run) -> _Shelf:
        """Of vectors of zeros, which tie, the first `most` by code are enough: k and what a history can hide."""
        from honeyguide.kernels.embedding import take

        ascending = np.arange(len(items), dtype=np.int32) if wanted is None else np.sort(wanted)
        vectors = items if wanted is None else read_only(items[ascending])
        lengths = _lengths(vectors, run)
        if not ordered:
            every, longest = read_only(ascending), np.full(len(lengths), np.fmax.reduce(lengths))
            return _Shelf(items, every, every, vectors, longest, _LONG)
        order = _descending(lengths)
        zeros = int(np.count_nonzero(lengths == 0.0))
        if zeros > most and lengths[order[-1]] == 0.0:  # NaN comes last
            order = order[: len(order) - zeros + most]
        chosen = np.empty((len(order), vectors.shape[1]), np.float32)
        run.map(take, len(order), read_only(order), vectors, chosen, block=16 * _TILE)
        longest = np.fmax.accumulate(lengths[order][::-1])[::-1]
        return _Shelf(items, read_only(ascending), read_only(ascending[order]), chosen, longest, _TILE)


def _descending(lengths: FloatArray) -> IntArray:
    """The order (N,) of lengths from long to short, but for their last 16 bits; NaN last. O(N): a radix sort."""
    keys = np.uint16(0xFFFE) - (np.ascontiguousarray(lengths).view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    keys[np.isnan(lengths)] = 0xFFFF
    return np.argsort(keys, kind="stable").astype(np.int32)


def _lengths(vectors: FloatArray, run: Run) -> FloatArray:
    """(N,) the lengths of vectors (N, K)."""
    from honeyguide.kernels.vector_search import measure

    out = np.empty(len(vectors), np.float32)
    run.map(measure, len(vectors), vectors, out, block=16 * _TILE)
    return out


def _length(k: int) -> int:
    from honeyguide.kernels.vector_search import CHUNK

    return 2 * k + 2 * CHUNK


def _search(
    start: int, stop: int, shelf: _Shelf, people: FloatArray, lengths: FloatArray, indptr: LongArray, history: IntArray,
    best: FloatArray, best_codes: IntArray,
) -> None:  # fmt: skip
    """Put the best of the rows start … stop on their heaps."""
    from honeyguide.kernels.vector_search import finish, gather, lowest

    people, indptr = people[start:stop], indptr[start : stop + 1]
    best, best_codes = best[start:stop], best_codes[start:stop]
    count, width = people.shape
    lengths = lengths[start:stop]
    top = shelf.lengths[0]
    errors = (np.float32(2 * (width + 1) * _ROUNDING) * top * lengths + np.float32(1e-37)).astype(np.float32)
    floors = np.full(count, -np.inf, np.float32)
    values = np.empty((count, _length(best.shape[1])), np.float32)
    held, counts = np.empty(values.shape, np.int32), np.zeros(count, np.int32)
    owner = np.full(len(shelf.items), -1, np.int32)
    state = people, shelf.items, indptr, history, owner, errors
    scratch = np.empty(count * shelf.tile, np.float32)
    rows = np.flatnonzero(lengths > 0.0).astype(np.int32)  # others tie at 0 throughout, or are not numbers
    some = people[rows]
    for first in range(0, len(shelf.codes), shelf.tile):
        alive = lengths[rows] * shelf.lengths[first] >= floors[rows]
        if not alive.all():
            rows, some = rows[alive], some[alive]
            if not len(rows):
                break
        tile = shelf.vectors[first : first + shelf.tile]
        scores = scratch[: len(rows) * shelf.tile].reshape(len(rows), shelf.tile)
        np.matmul(some, tile.T, out=scores[:, : len(tile)])
        codes = shelf.codes[first : first + shelf.tile]
        gather(scores, len(tile), codes, rows, *state, floors, values, held, counts, best, best_codes)
    finish(*state, values, held, counts, best, best_codes)
    zero = np.flatnonzero(lengths == 0.0).astype(np.int32)
    lowest(zero, shelf.ascending, indptr, history, owner, best, best_codes)


class _OneThreadEach:
    """Holds BLAS to one thread while any search is under way: the threads of a search multiply for themselves.

    A lock and a count, because what it holds is one setting of the whole process and searches may overlap.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limit = threadpool_limits(1, user_api="blas")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


one_thread_each = _OneThreadEach()
