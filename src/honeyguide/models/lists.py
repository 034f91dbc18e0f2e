"""Ranked lists of any model: exact top-k in blocks, so that memory follows the block, whatever the catalogue.

A block holds at most `CELLS` scores (64 MB): rows of people first, and where one row alone is larger, ranges of items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.profiles import Profiles
from honeyguide.errors import ArtifactError, ParameterError
from honeyguide.models import vectors
from honeyguide.models.vectors import Factored
from honeyguide.run import Run

if TYPE_CHECKING:
    from honeyguide.models.base import Recommender

CELLS = 16 << 20
_ROWS = 1024  # people scored at once, at most: enough for the matrix product to run at full speed

Score = Callable[[Profiles, IntArray | None], FloatArray]
Source = Score | Factored


class _Scores(Protocol):
    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray: ...


@runtime_checkable
class Reranking(Protocol):
    """What makes a list of a model's candidates: `rerank` has some, a caller may have another."""

    def pool(self, k: int) -> int:
        """How many candidates it wants for a list of k."""

    def order(
        self, model: Recommender, profiles: Profiles, codes: IntArray, scores: FloatArray, k: int, run: Run
    ) -> tuple[IntArray, FloatArray]:
        """Codes and scores (B, min(k, n)) of the list of each profile, of candidates (B, n), best first; -1: none."""


def source(model: _Scores) -> Source:
    """What the lists of a model are made from: its vectors, where its scores are products of them, or its scores."""
    return model if isinstance(model, Factored) else model.score


def top_k(
    source: Source, profiles: Profiles, k: int, *,
    candidates: IntArray | None = None, exclude: IntArray | None = None, seen: bool = False, run: Run,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """Codes and scores (B, k) of the best candidates of each profile, best first; ties to the lower code.

    `candidates` (C,) and `exclude` are item codes; items of the history are left out unless `seen`. Where fewer than k
    remain, the places left have code -1 and score -inf. Lists are no longer than there are candidates.
    """
    return joined(blocks(source, profiles, k, candidates=candidates, exclude=exclude, seen=seen, run=run))


def joined(made: Iterator[tuple[slice, IntArray, FloatArray]]) -> tuple[IntArray, FloatArray]:
    """The codes and scores of all blocks, one below another."""
    parts = list(made)
    if not parts:
        return np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32)
    return np.concatenate([codes for _, codes, _ in parts]), np.concatenate([scores for _, _, scores in parts])


def of_model(
    model: Recommender, profiles: Profiles, k: int, *, candidates: IntArray | None = None,
    exclude: IntArray | None = None, seen: bool = False, rerank: Reranking | None = None, run: Run,
) -> Iterator[tuple[slice, IntArray, FloatArray]]:  # fmt: skip
    """A model's lists block by block, (rows, codes, scores), re-ranked or as they are."""
    if rerank is not None and (isinstance(rerank, type) or not isinstance(rerank, Reranking)):
        raise ParameterError(f"rerank must be a re-ranker, such as hg.rerank.MMR(), got {rerank!r}.")
    pool = k if rerank is None else max(k, rerank.pool(k))
    made = blocks(source(model), profiles, pool, candidates=candidates, exclude=exclude, seen=seen, run=run)
    for rows, codes, scores in made:
        if rerank is None:
            yield rows, codes, scores
        else:
            yield rows, *rerank.order(model, profiles.take(rows), codes, scores, k, run)


def blocks(
    source: Source, profiles: Profiles, k: int, *,
    candidates: IntArray | None = None, exclude: IntArray | None = None, seen: bool = False, run: Run,
) -> Iterator[tuple[slice, IntArray, FloatArray]]:  # fmt: skip
    """The same, block by block: (rows, codes, scores)."""
    from honeyguide.kernels import top_k as heaps

    n_items = len(profiles.schema.items)
    wanted = _wanted(n_items, candidates, exclude)
    count = n_items if wanted is None else len(wanted)
    step, k = max(1, min(_ROWS, CELLS // max(1, count))), max(1, min(k, count))
    if isinstance(source, Factored):
        if k <= count // 4:  # longer lists are better sorted than searched for
            yield from vectors.blocks(source, profiles, k, wanted, seen=seen, run=run)
            return
        score: Score = partial(vectors.products, source, run=run)
    else:
        score = source
    for first in range(0, len(profiles), step):
        rows = slice(first, min(first + step, len(profiles)))
        batch = profiles.take(rows)
        best = np.full((len(batch), k), -np.inf, np.float32)
        codes = np.full((len(batch), k), n_items, np.int32)
        for low in range(0, count, CELLS):
            items, scores = _scores(score, batch, wanted, low, min(low + CELLS, count))
            if not seen:
                place = np.full(n_items, -1, np.int32)
                place[items] = np.arange(len(items), dtype=np.int32)
                run.map(heaps.mask, len(batch), scores, batch.indptr, batch.items, place, block=64)
            run.map(heaps.push, len(batch), scores, items, best, codes, block=64)
        run.map(heaps.settle, len(batch), best, codes, block=64)
        yield rows, codes, best


def _wanted(n_items: int, candidates: IntArray | None, exclude: IntArray | None) -> IntArray | None:
    """The codes to score, or None for the whole catalogue."""
    if candidates is None and exclude is None:
        return None
    allowed = np.zeros(n_items, dtype=bool)
    allowed[slice(None) if candidates is None else candidates] = True
    if exclude is not None:
        allowed[exclude] = False
    return np.flatnonzero(allowed).astype(np.int32)


def _scores(score: Score, batch: Profiles, wanted: IntArray | None, low: int, high: int) -> tuple[IntArray, FloatArray]:
    """The items from `low` to `high` of those wanted, and an own copy of their scores (B, C)."""
    whole = wanted is None and low == 0 and high == len(batch.schema.items)
    items = np.arange(low, high, dtype=np.int32) if wanted is None else wanted[low:high]
    scores = score(batch, None if whole else items)
    if scores.shape != (len(batch), len(items)):  # compiled code, which reads them next, checks no bounds
        raise ArtifactError(
            f"the model gave scores {scores.shape} where {(len(batch), len(items))} are due; honeyguide verify its file"
        )
    return items, np.require(scores, np.float32, ["C", "W", "O"])
