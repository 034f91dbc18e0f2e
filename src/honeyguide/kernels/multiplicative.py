"""Multiplicative updates of non-negative factors (Lee and Seung 2001; on known ratings alone: Luo et al. 2014).

A factor that is multiplied by a ratio of positive parts of its gradient stays positive and needs no step length. Rows
are apart from each other, so threads share them out and each sum has one order.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import summing_kernel


@summing_kernel
def rescale_rows(
    start: int, stop: int, indptr: LongArray, indices: IntArray, values: FloatArray, others: FloatArray, reg: float,
    own: FloatArray, out: FloatArray,
) -> float:  # fmt: skip
    """Set the rows start … stop of `out` (U, K) to one update of `own` (U, K), given a CSR matrix (U, I).

        out_uk = own_uk  sum of r_uj others_jk  /  (sum of (own_u.others_j) others_jk + n reg own_uk)

    the sums being over the n entries r_uj of row u. Where the lower sum is 0 a factor stays. Returns the sum of squares
    of r_uj - own_u.others_j. O(n K).
    """
    width = own.shape[1]
    upper, lower = np.empty(width, np.float32), np.empty(width, np.float32)
    squares = 0.0
    for row in range(start, stop):
        u = own[row]
        upper[:] = 0.0
        lower[:] = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            v, value = others[indices[at]], values[at]
            product = np.float32(0.0)
            for k in range(width):
                product += u[k] * v[k]
            squares += (value - product) * (value - product)
            for k in range(width):
                upper[k] += value * v[k]
                lower[k] += product * v[k]
        weight = np.float32(reg * float(indptr[row + 1] - indptr[row]))
        for k in range(width):
            below = lower[k] + weight * u[k]
            out[row, k] = u[k] * (upper[k] / below) if below > 0.0 else u[k]
    return squares


@summing_kernel
def descend_rows(
    start: int, stop: int, indptr: LongArray, indices: IntArray, values: FloatArray, others: FloatArray,
    metric: DoubleArray, first: DoubleArray, steps: int, out: FloatArray,
) -> None:  # fmt: skip
    """Set the rows start … stop of `out` (U, K) to non-negative vectors near

        argmin_w  sum over the row of (r_uj - w.others_j)^2  +  (w - first)' metric (w - first),       w >= 0

    by so many updates from `first` (K,), which is not negative. The gradient is 2 (G w - h), with G = X'X + metric and
    h = X'r + metric first, and w is multiplied by (h+ + G- w) / (G+ w + h-), G+ and G- being the positive and the
    negative elements without their sign (Sha et al. 2007, doi:10.1162/neco.2007.19.8.2004, in the form that needs no
    root): without negative elements the update of `rescale_rows`. O(n K^2 + steps K^2) a row.
    """
    width = len(first)
    gram, right = np.empty((width, width)), np.empty(width)
    vector, upper, lower = np.empty(width), np.empty(width), np.empty(width)
    pull = np.zeros(width)
    for a in range(width):
        for b in range(width):
            pull[a] += metric[a, b] * first[b]
    for row in range(start, stop):
        gram[:, :] = metric
        right[:] = pull
        for at in range(indptr[row], indptr[row + 1]):
            v, value = others[indices[at]], values[at]
            for a in range(width):
                right[a] += value * v[a]
                for b in range(width):
                    gram[a, b] += v[a] * v[b]
        vector[:] = first
        for _ in range(steps):
            for a in range(width):
                upper[a], lower[a] = max(right[a], 0.0), max(-right[a], 0.0)
                for b in range(width):
                    upper[a] += max(-gram[a, b], 0.0) * vector[b]
                    lower[a] += max(gram[a, b], 0.0) * vector[b]
            for a in range(width):
                if lower[a] > 0.0:
                    vector[a] *= upper[a] / lower[a]
        out[row] = vector
