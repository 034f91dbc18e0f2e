"""Half of a weighted Gram matrix X'WX of a sparse matrix X of ones, a column at a time.

For each row that has column i, its weight is added to each later column that it has, in a local line, which stays in
the fastest cache: sum of squared row lengths / 2 additions, and each line is written once. Memory: a line a call.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import DoubleArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel


@kernel
def weigh_together(
    start: int,
    stop: int,
    indptr: LongArray,
    rows: IntArray,
    row_indptr: LongArray,
    columns: IntArray,
    weights: DoubleArray,
    out: DoubleArray,
) -> None:
    """Set out[i, j] (I, I), for i in start … stop and j >= i, to the weight of the rows that have both columns i and j.

    `indptr`, `rows` are the matrix (U, I) by columns, `row_indptr`, `columns` the same by rows, columns ascending;
    `weights` (U,) are what each row counts.
    """
    sums = np.zeros(len(out))  # (I,)
    for column in range(start, stop):
        sums[column:] = 0.0
        for at in range(indptr[column], indptr[column + 1]):
            row = rows[at]
            weight = weights[row]
            for other in range(row_indptr[row + 1] - 1, row_indptr[row] - 1, -1):
                if columns[other] < column:
                    break
                sums[columns[other]] += weight
        out[column, column:] = sums[column:]
