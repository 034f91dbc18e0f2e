"""Rows of a sparse matrix as arrays of one width, as a batch of one shape needs them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray


def padded(matrix: sp.csr_matrix, most: int) -> tuple[IntArray, FloatArray]:
    """Columns and values (R, A) of each row: the `most` heaviest where there are more, zeros where there are fewer.

    A is the length of the longest row, at least 1 and at most `most`.
    """
    counts = np.diff(matrix.indptr)
    width = max(1, int(min(most, counts.max(initial=0))))
    columns, values = np.zeros((len(counts), width), np.int32), np.zeros((len(counts), width), np.float32)
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-matrix.data, rows))
    place = np.arange(len(rows)) - np.repeat(matrix.indptr[:-1], counts)
    kept = place < width
    columns[rows[kept], place[kept]] = matrix.indices[order][kept]
    values[rows[kept], place[kept]] = matrix.data[order][kept]
    return columns, values
