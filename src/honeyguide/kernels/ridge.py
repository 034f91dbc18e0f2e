"""Ridge regressions of many rows at once: the half-step of alternating least squares.

(Zhou et al. 2008, doi:10.1007/978-3-540-68880-8_32.) For each row u, with x_j the features of the entries j that it
has and y_uj their targets:

    out_u = argmin_w  sum_j (y_uj - x_j.w)^2 + penalty_u |w|^2  =  (X'X + penalty_u I)^-1 X'y

by Cholesky in a local buffer of float64; input and output are float32. Time O(n K^2) for n entries of K features and
O(K^3) a row; memory O(K^2) a call.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import summing_kernel

_CHUNK = 64  # entries gathered at once: with 50 factors they fit a core's first-level cache
_LANES = 16  # the number of entries is rounded up to a multiple of it with zeros
_TINY = 1e-14  # a pivot below this part of the largest diagonal element is rounding alone


@summing_kernel
def solve_rows(
    start: int, stop: int, indptr: LongArray, indices: IntArray, values: FloatArray, mean: float,
    others: FloatArray, biases: bool, reg: float, power: float, out: FloatArray,
) -> None:  # fmt: skip
    """Solve the rows start … stop of a CSR matrix (U, I) into `out` (U, K), given `others` (I, K).

    With `biases` the first column of `others` is a bias b_j: the features are (1, others_j without it), the target is
    value - mean - b_j, and the first column of `out` is the row's own bias. Otherwise features are `others_j`, the
    target is value - mean. The penalty of a row of n entries is reg n^power. A row without entries is zeros.
    """
    width = others.shape[1]
    even = width + width % 2
    features = np.zeros((even, _CHUNK))  # (K, entries)
    targets = np.zeros(_CHUNK)
    gram = np.empty((even, even))
    right = np.empty(even)
    for row in range(start, stop):
        low, high = indptr[row], indptr[row + 1]
        right[:] = 0.0
        if high > low:
            gram[:, :] = 0.0
            for first in range(low, high, _CHUNK):
                count = min(_CHUNK, high - first)
                for at in range(count):
                    other = indices[first + at]
                    targets[at] = values[first + at] - mean
                    for k in range(width):
                        features[k, at] = others[other, k]
                    if biases:
                        targets[at] -= features[0, at]
                        features[0, at] = 1.0
                padded = min(_CHUNK, -(-count // _LANES) * _LANES)
                features[:, count:padded] = 0.0
                targets[count:padded] = 0.0
                accumulate(features, targets, padded, gram, right)
            penalty = reg * float(high - low) ** power
            for k in range(width):
                gram[k, k] += penalty
            solve(width, gram, right)
        out[row] = right[:width]


@summing_kernel
def accumulate(features: DoubleArray, targets: DoubleArray, count: int, gram: DoubleArray, right: DoubleArray) -> None:
    """Add X'X to the upper triangle of `gram` in tiles of two by two, and X'y to `right`; X' is `features` (K, n)."""
    for a in range(0, len(features), 2):
        line, next_line = features[a], features[a + 1]
        y0 = y1 = 0.0
        for h in range(count):
            y0 += line[h] * targets[h]
            y1 += next_line[h] * targets[h]
        right[a] += y0
        right[a + 1] += y1
        for b in range(a, len(features), 2):
            other, next_other = features[b], features[b + 1]
            g00 = g01 = g10 = g11 = 0.0
            for h in range(count):
                g00 += line[h] * other[h]
                g01 += line[h] * next_other[h]
                g10 += next_line[h] * other[h]
                g11 += next_line[h] * next_other[h]
            gram[a, b] += g00
            gram[a, b + 1] += g01
            gram[a + 1, b] += g10
            gram[a + 1, b + 1] += g11


@summing_kernel
def solve(width: int, gram: DoubleArray, right: DoubleArray) -> None:
    """Overwrite `right` with gram^-1 right, by Cholesky on the upper triangle, which becomes R with R'R = gram.

    Where reg is near 0 and features depend on each other, a pivot is rounding alone; its direction is left at zero.
    """
    least = 0.0
    for k in range(width):
        least = max(least, _TINY * gram[k, k])
    for k in range(width):
        top = gram[k]
        if top[k] <= least:
            top[k:] = 0.0
            continue
        scale = 1.0 / np.sqrt(top[k])
        for b in range(k, width):
            top[b] *= scale
        for a in range(k + 1, width):
            factor, line = top[a], gram[a]
            for b in range(a, width):
                line[b] -= factor * top[b]
    for a in range(width):  # R'z = right
        right[a] = right[a] / gram[a, a] if gram[a, a] > 0.0 else 0.0
        for b in range(a + 1, width):
            right[b] -= gram[a, b] * right[a]
    for a in range(width - 1, -1, -1):  # R w = z
        total = right[a]
        for b in range(a + 1, width):
            total -= gram[a, b] * right[b]
        right[a] = total / gram[a, a] if gram[a, a] > 0.0 else 0.0
