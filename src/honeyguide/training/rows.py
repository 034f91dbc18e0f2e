"""Batches of whole rows of a sparse matrix, as autoencoders are trained on.

A batch holds the E entries of its B rows, not B x C numbers of which a few in a hundred are not zero: 12 bytes an
entry for 4 bytes a number. The loss makes the dense block in the backend (`block`), which is less work than its first
product with C x H weights by far; docs/log.md has the other ways to multiply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, LongArray
from honeyguide.training.sampling import shuffled

_SMALLEST = 256  # entries in the smallest bucket


class Rows:
    """The rows of a matrix (R, C) CSR that hold anything; `count` is their number, `width` is C."""

    def __init__(self, matrix: sp.csr_matrix) -> None:
        self._indptr: LongArray = matrix.indptr.astype(np.int64)
        self._columns, self._values = matrix.indices.astype(np.int32), matrix.data.astype(np.float32)
        self._held = np.flatnonzero(np.diff(self._indptr))
        self.count, self.width = len(self._held), int(matrix.shape[1])

    def size(self, wanted: int) -> int:
        """B: the rows wanted in a batch, or all there are."""
        return min(wanted, self.count)

    def steps(self, wanted: int) -> int:
        """The number of batches in an epoch."""
        return -(-self.count // self.size(wanted))

    def epoch(self, wanted: int, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """Every row once, in random order, in batches of B rows.

        place (E, 2) the row in the batch and the column of each entry; value (E,); there (E,) 1, or 0 for the entries
        that fill a batch up to E, which have value 0; weight (B,) 1, or 0 for the rows that fill the last batch up to
        B, which are empty. E is one power of two for all batches of the epoch.
        """
        parts = [(self._held[at], weight) for at, weight in shuffled(self.count, self.size(wanted), rng)]
        lengths = [np.where(weight > 0, np.diff(self._indptr)[rows], 0) for rows, weight in parts]
        most = bucket(max(int(each.sum()) for each in lengths))
        for (rows, weight), held in zip(parts, lengths, strict=True):
            count = int(held.sum())
            at = np.arange(count) + np.repeat(self._indptr[rows] - (np.cumsum(held) - held), held)
            place = np.zeros((most, 2), np.int32)
            place[:count, 0], place[:count, 1] = np.repeat(np.arange(len(rows)), held), self._columns[at]
            value, there = np.zeros(most, np.float32), np.zeros(most, np.float32)
            value[:count], there[:count] = self._values[at], 1.0
            yield {"place": place, "value": value, "there": there, "weight": weight}


def block(ops: Any, batch: Mapping[str, Any], values: Any, width: int) -> Any:
    """The dense (B, C) of numbers (E,) at the places of a batch; `ops` is keras.ops, `width` is C."""
    return ops.scatter(batch["place"], values, (batch["weight"].shape[0], width))


def sparse(batch: Mapping[str, AnyArray], values: FloatArray, width: int) -> sp.csr_matrix:
    """The same as a CSR matrix, zeros left out, for a bag."""
    kept = np.flatnonzero(values)
    rows, columns = batch["place"][kept].T  # rows ascend, but for the fill, whose value is 0
    count = len(batch["weight"])
    indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=count)))
    return sp.csr_matrix((values[kept], columns, indptr), shape=(count, width))


def bucket(count: int) -> int:
    """The power of two that `count` entries are padded to, so that few shapes are ever compiled."""
    return max(_SMALLEST, 1 << max(0, count - 1).bit_length())
