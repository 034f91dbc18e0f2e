"""Batches and negatives: what an epoch is made of, vectorised and determined by a NumPy generator.

Negatives are exact: the r-th item that a person does not have, r uniform. With their items sorted as p_0 < p_1 < …,
p_j - j is the number of items before p_j that they lack, so the r-th lacking is r + j for the j items with
p_j - j <= r; one binary search finds j, also for who has all items but one. O(log N) a draw, 8 bytes an event.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray


class Negatives:
    """Draws items uniformly from those that are not in a person's row of `have` (U, I)."""

    def __init__(self, have: sp.csr_matrix) -> None:
        rows = have.tocsr(copy=True)
        rows.sum_duplicates()
        self._indptr = rows.indptr.astype(np.int64)
        held = np.diff(self._indptr)
        self.lacking: LongArray = rows.shape[1] - held  # (U,) items that each person does not have
        self._width = rows.shape[1] + 1
        each = np.repeat(np.arange(rows.shape[0], dtype=np.int64), held)
        rank = np.arange(len(each)) - self._indptr[each]
        self._keys = each * self._width + rows.indices - rank  # (E,) sorted

    def draw(self, users: AnyArray, count: int, rng: np.random.Generator) -> IntArray:
        """(B, count) item codes that users (B,) do not have, repeats possible; -1 for who lacks no item."""
        lacking = self.lacking[users][:, None]  # (B, 1)
        wanted = (rng.random((len(users), count)) * lacking).astype(np.int64)
        wanted = np.minimum(wanted, np.maximum(lacking - 1, 0))
        keys = np.asarray(users, np.int64)[:, None] * self._width + wanted
        before = np.searchsorted(self._keys, keys, side="right") - self._indptr[users][:, None]
        return np.where(lacking > 0, wanted + before, -1).astype(np.int32)


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
