"""How many rows of a sparse matrix of ones have two columns together: half of the Gram matrix X'X, a column at a time.

For each row that has column i, each later column that the row has is counted in a local line, which stays in the
fastest cache: sum of squared row lengths / 2 additions, and each line is written once. Memory: a line a call.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import DoubleArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel


@kernel
def count_together(
    start: int, stop: int, indptr: LongArray, rows: IntArray, row_indptr: LongArray, columns: IntArray, out: DoubleArray
) -> None:
    """Set out[i, j] (I, I), for i in start … stop and j >= i, to the number of rows that have both columns i and j.

    `indptr`, `rows` are the matrix (U, I) by columns, `row_indptr`, `columns` the same by rows, columns ascending.
    """
    counts = np.zeros(len(out))  # (I,)
    for column in range(start, stop):
        counts[column:] = 0.0
        for at in range(indptr[column], indptr[column + 1]):
            row = rows[at]
            for other in range(row_indptr[row + 1] - 1, row_indptr[row] - 1, -1):
                if columns[other] < column:
                    break
                counts[columns[other]] += 1.0
        out[column, column:] = counts[column:]
