"""Batches and negatives: what an epoch is made of, vectorised and determined by a NumPy generator.

Negatives are exact: the r-th item that a person does not have, r uniform. With their items sorted as p_0 < p_1 < …,
p_j - j is the number of items before p_j that they lack, so the r-th lacking is r + j for the j items with
p_j - j <= r; one binary search finds j, also for who has all items but one. O(log n) a draw, 4 bytes an event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.kernels.lacking import nth_lacking

_STRETCH = 16  # items in a row of a batch where every pair takes part


class Negatives:
    """Draws items uniformly from those that are not in a person's row of `have` (U, I)."""

    def __init__(self, have: sp.csr_matrix) -> None:
        rows = have.tocsr(copy=True)
        rows.sum_duplicates()
        self._indptr = rows.indptr.astype(np.int64)
        held = np.diff(self._indptr)
        self.lacking: LongArray = rows.shape[1] - held  # (U,) items that each person does not have
        place = np.arange(rows.nnz) - np.repeat(self._indptr[:-1], held)
        self._gaps = (rows.indices - place).astype(np.int32)  # (E,) p_j - j

    def draw(self, users: AnyArray, count: int, rng: np.random.Generator) -> IntArray:
        """(B, count) item codes that users (B,) do not have, repeats possible; -1 for who lacks no item."""
        lacking = self.lacking[users][:, None]  # (B, 1)
        wanted = (rng.random((len(users), count)) * lacking).astype(np.int64)
        wanted = np.minimum(wanted, np.maximum(lacking - 1, 0))
        found = np.empty(wanted.shape, np.int32)
        nth_lacking(0, len(found), read_only(users.astype(np.int32)), self._indptr, self._gaps, wanted, found)
        found[lacking[:, 0] == 0] = -1
        return found


def shuffled(count: int, size: int, rng: np.random.Generator) -> Iterator[tuple[LongArray, FloatArray]]:
    """All of range(count) in random order, in batches of one size: (rows (size,), weight (size,)).

    The last batch is filled with rows of weight 0, so that every batch has the same shape.
    """
    order = rng.permutation(count)
    for first in range(0, count, size):
        rows = order[first : first + size]
        weight = np.zeros(size, np.float32)
        weight[: len(rows)] = 1.0
        yield np.resize(rows, size), weight


class Pointwise:
    """The terms of a loss over pairs of a person and an item, in batches of one shape.

    `known` (U, I) holds the pairs with a target; all others have target 0 and `negatives` of them are drawn for each
    known one: 0 for none, "all" for every pair in each epoch. With `reweight` a drawn pair counts for all that the
    person lacks, over the number drawn for that person, so that an epoch's sum is that of "all" in expectation; people
    with no known pair then take part with drawn ones alone.
    """

    def __init__(self, known: sp.csr_matrix, *, negatives: int | Literal["all"], reweight: bool = False) -> None:
        self._known, self._others = known.tocsr(), Negatives(known)
        self._negatives, self._reweight = negatives, reweight
        self._width = min(int(known.shape[1]), _STRETCH)
        held = np.diff(self._known.indptr)
        alone = np.flatnonzero(held == 0) if reweight and negatives != "all" else np.zeros(0, np.int64)
        self._users = np.concatenate([np.repeat(np.arange(len(held)), held), alone]).astype(np.int32)  # (N,)
        self._items = np.concatenate([self._known.indices, np.zeros(len(alone), np.int32)]).astype(np.int32)
        self._targets = np.concatenate([self._known.data, np.zeros(len(alone))]).astype(np.float32)
        self._weights = (np.arange(len(self._users)) < self._known.nnz).astype(np.float32)
        self._scale = self._others.lacking / np.maximum(held, 1) / max(1, 0 if negatives == "all" else negatives)

    @property
    def total(self) -> float:
        """The sum of an epoch's weights: the number of terms that it stands for."""
        whole = float(self._known.shape[0] * self._known.shape[1])
        if self._negatives == "all" or (self._reweight and self._negatives):
            return whole
        lacking = int(np.count_nonzero(self._others.lacking[self._users]))
        return float(self._known.nnz + self._negatives * lacking)

    def steps(self, size: int) -> int:
        """The number of batches in an epoch."""
        rows = len(self._users)
        if self._negatives == "all":
            rows = int(self._known.shape[0]) * -(-int(self._known.shape[1]) // self._width)
        return -(-rows // size)

    def epoch(self, size: int, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """Batches of B = `size` rows: user (B,), item, target and weight (B, C).

        A row is a known pair and the negatives drawn for it; of "all", a person and a stretch of items.
        """
        if self._negatives == "all":
            yield from self._every(size, rng)
            return
        for at, weight in shuffled(len(self._users), size, rng):
            users = self._users[at]
            batch = {"user": users, "item": self._items[at][:, None], "target": self._targets[at][:, None]}
            batch["weight"] = (weight * self._weights[at])[:, None]
            if self._negatives:
                drawn = self._others.draw(users, self._negatives, rng)  # (B, negatives)
                count = np.where(self._others.lacking[users] > 0, weight, 0.0).astype(np.float32)
                count = count * self._scale[users].astype(np.float32) if self._reweight else count
                more = np.broadcast_to(count[:, None], drawn.shape)
                batch["item"] = np.concatenate([batch["item"], np.maximum(drawn, 0)], axis=1)
                batch["target"] = np.concatenate([batch["target"], np.zeros(drawn.shape, np.float32)], axis=1)
                batch["weight"] = np.concatenate([batch["weight"], more], axis=1)
            yield batch

    def _every(self, size: int, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """Each person with each stretch of a shuffled catalogue, in random order."""
        n_items, width = int(self._known.shape[1]), self._width
        stretches = -(-n_items // width)
        items = np.resize(rng.permutation(n_items), stretches * width).reshape(stretches, width).astype(np.int32)
        real = (np.arange(stretches * width) < n_items).reshape(stretches, width)
        for at, weight in shuffled(int(self._known.shape[0]) * stretches, size, rng):
            users, part = (at // stretches).astype(np.int32), at % stretches
            target = self._known[np.repeat(users, width), items[part].ravel()]  # (1, B C)
            batch = {"user": users, "item": items[part], "weight": weight[:, None] * real[part].astype(np.float32)}
            yield {**batch, "target": np.asarray(target, np.float32).reshape(-1, width)}
