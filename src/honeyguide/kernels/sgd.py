"""Stochastic gradient descent on a matrix factorisation, a stratum of blocks at a time.

(DSGD: Gemulla et al. 2011, doi:10.1145/2020408.2020426.) Rows and columns are each dealt into `parts` parts. The
blocks (p, (p + stratum) mod parts) share neither a row nor a column, so threads work on them at once without touching
each other's vectors, and strata follow one another: the result does not depend on the number of threads.
Time O(N K) for a pass over N entries; no memory beyond the arguments.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import summing_kernel


@summing_kernel
def step_blocks(
    start: int, stop: int, parts: int, stratum: int, offsets: LongArray, rows: IntArray, columns: IntArray,
    targets: FloatArray, biases: bool, row_reg: FloatArray, column_reg: FloatArray, learning_rate: float,
    left: FloatArray, right: FloatArray,
) -> float:  # fmt: skip
    """Pass once over the blocks (p, (p + stratum) mod parts), p in start … stop; updates left (U, K), right (I, K).

    Returns the sum of squares of target - left_u.right_i, each before its step.

    Entries (N,) lie block after block: block (p, q) is offsets[p * parts + q] … offsets[p * parts + q + 1]. Each one
    moves its two vectors by learning_rate against half the gradient of

        (target - left_u.right_i)^2 + row_reg_u |left_u|^2 + column_reg_i |right_i|^2

    With `biases` the first columns are biases, added instead of multiplied.
    """
    width, first, rate = left.shape[1], int(biases), np.float32(learning_rate)
    squares = 0.0
    for part in range(start, stop):
        block = part * parts + (part + stratum) % parts
        for at in range(offsets[block], offsets[block + 1]):
            u, v = left[rows[at]], right[columns[at]]
            keep_u = np.float32(1.0) - rate * row_reg[rows[at]]
            keep_v = np.float32(1.0) - rate * column_reg[columns[at]]
            product = np.float32(0.0)
            for k in range(first, width):
                product += u[k] * v[k]
            if biases:
                product += u[0] + v[0]
            error = targets[at] - product
            squares += error * error
            step = rate * error
            if biases:
                u[0] = keep_u * u[0] + step
                v[0] = keep_v * v[0] + step
            for k in range(first, width):
                old = u[k]
                u[k] = keep_u * old + step * v[k]
                v[k] = keep_v * v[k] + step * old
    return squares


@summing_kernel
def step_ratings(
    start: int, stop: int, parts: int, stratum: int, offsets: LongArray, rows: IntArray, columns: IntArray,
    targets: FloatArray, biases: bool, reg: float, learning_rate: float, row_bias: FloatArray, column_bias: FloatArray,
    left: FloatArray, right: FloatArray,
) -> float:  # fmt: skip
    """The same pass with one penalty, and biases (U,), (I,) apart from the vectors; without `biases` there are none.

    A width that is a multiple of 8 fills the vector units; columns of zeros stay zeros.
    """
    width, rate = left.shape[1], np.float32(learning_rate)
    keep = np.float32(1.0) - rate * np.float32(reg)
    squares = 0.0
    for part in range(start, stop):
        block = part * parts + (part + stratum) % parts
        for at in range(offsets[block], offsets[block + 1]):
            row, column = rows[at], columns[at]
            u, v = left[row], right[column]
            product = np.float32(0.0)
            for k in range(width):
                product += u[k] * v[k]
            if biases:
                product += row_bias[row] + column_bias[column]
            error = targets[at] - product
            squares += error * error
            step = rate * error
            if biases:
                row_bias[row] = keep * row_bias[row] + step
                column_bias[column] = keep * column_bias[column] + step
            for k in range(width):
                old = u[k]
                u[k] = keep * old + step * v[k]
                v[k] = keep * v[k] + step * old
    return squares
