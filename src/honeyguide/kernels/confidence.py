"""The half-step of alternating least squares over all pairs, known and unknown: one system a row.

(Hu, Koren and Volinsky 2008, doi:10.1109/ICDM.2008.22; conjugate gradient: Takacs et al. 2011,
doi:10.1145/2043932.2043987.) For each row u, with y_j the vectors of all others and w_uj > 0 for the entries it has:

    out_u = argmin_x  sum_j (x.y_j)^2 + sum over entries [(1 + w_uj) (1 - x.y_j)^2 - (x.y_j)^2] + penalty_u |x|^2
          = (Y'Y + penalty_u I + sum w_uj y_j y_j')^-1  sum (1 + w_uj) y_j

The vectors come in a basis in which Y'Y is diagonal, `spectrum` (K,). Then spectrum + penalty_u is at once cheap to
apply and the preconditioner of the gradient method: two or three steps do what eight do without.
Time O(n K) a step for n entries; Cholesky O(n K^2 + K^3). Memory O(K m), m the entries of the longest row of a call.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import summing_kernel
from honeyguide.kernels.ridge import accumulate, solve

_CHUNK = 64  # entries gathered at once for a Gram matrix
_LANES = 16  # columns are rounded up to a multiple of it with zeros, and so are the entries of a Gram matrix
_ROWS = 4  # entries multiplied at once, so that their sums do not wait for each other


@summing_kernel
def descend(
    start: int, stop: int, indptr: LongArray, indices: IntArray, weights: FloatArray, others: FloatArray,
    spectrum: FloatArray, penalties: FloatArray, steps: int, tolerance: float, relax: float, out: FloatArray,
) -> None:  # fmt: skip
    """Conjugate gradient from what `out` (U, K) holds, for the rows start … stop of a CSR matrix (U, I) of weights.

    At most `steps`, fewer where the preconditioned residual falls to `tolerance` times what it was at first. The way
    gone is then prolonged `relax` times. A row without entries is zeros. others (I, K), penalties (U,).
    """
    width = others.shape[1]
    padded = -(-width // _LANES) * _LANES
    longest = 0
    for row in range(start, stop):
        longest = max(longest, indptr[row + 1] - indptr[row])
    near = np.zeros((longest + _ROWS, padded), np.float32)  # the vectors of a row's entries, gathered once
    heft = np.zeros(longest + _ROWS, np.float32)
    diagonal = np.ones(padded, np.float32)
    lines = np.zeros((4, padded), np.float32)
    x, stretch = lines[0], np.float32(relax)
    for row in range(start, stop):
        low, count = indptr[row], indptr[row + 1] - indptr[row]
        if count == 0:
            out[row] = 0.0
            continue
        for k in range(width):
            diagonal[k] = spectrum[k] + penalties[row]
            x[k] = out[row, k]
        for h in range(count):
            other = others[indices[low + h]]
            heft[h] = weights[low + h]
            for k in range(width):
                near[h, k] = other[k]
        even = -(-count // _ROWS) * _ROWS
        near[count:even] = 0.0
        heft[count:even] = 0.0
        _follow(near, heft, even, diagonal, steps, tolerance, lines)
        for k in range(width):
            out[row, k] += stretch * (x[k] - out[row, k])


@summing_kernel
def _follow(
    near: FloatArray, heft: FloatArray, count: int, diagonal: FloatArray, steps: int, tolerance: float,
    lines: FloatArray,
) -> None:  # fmt: skip
    """Preconditioned conjugate gradient on one row's system; lines[0] (K,) is where it begins and ends."""
    x, r, p, q = lines[0], lines[1], lines[2], lines[3]
    r[:] = 0.0
    _residual(near, heft, count, x, r)
    error = np.float32(0.0)
    for k in range(len(x)):
        r[k] -= diagonal[k] * x[k]
        p[k] = r[k] / diagonal[k]
        error += r[k] * p[k]
    goal = np.float32(tolerance * tolerance) * error
    for _ in range(steps):
        if error <= goal:
            break
        for k in range(len(x)):
            q[k] = diagonal[k] * p[k]
        _multiply(near, heft, count, p, q)
        curve, left = np.float32(0.0), np.float32(0.0)
        for k in range(len(x)):
            curve += p[k] * q[k]
        length = error / curve
        for k in range(len(x)):
            x[k] += length * p[k]
            r[k] -= length * q[k]
            left += r[k] * r[k] / diagonal[k]
        turn = left / error
        error = left
        for k in range(len(x)):
            p[k] = r[k] / diagonal[k] + turn * p[k]


@summing_kernel
def _residual(near: FloatArray, heft: FloatArray, count: int, x: FloatArray, r: FloatArray) -> None:
    """Add sum (1 + w_h - w_h y_h.x) y_h to r (K,), for the first `count` rows y_h of `near`."""
    one = np.float32(1.0)
    for h in range(0, count, _ROWS):
        y0, y1, y2, y3 = near[h], near[h + 1], near[h + 2], near[h + 3]
        s0 = s1 = s2 = s3 = np.float32(0.0)
        for k in range(len(x)):
            s0 += y0[k] * x[k]
            s1 += y1[k] * x[k]
            s2 += y2[k] * x[k]
            s3 += y3[k] * x[k]
        s0 = one + heft[h] - heft[h] * s0
        s1 = one + heft[h + 1] - heft[h + 1] * s1
        s2 = one + heft[h + 2] - heft[h + 2] * s2
        s3 = one + heft[h + 3] - heft[h + 3] * s3
        for k in range(len(x)):
            r[k] += s0 * y0[k] + s1 * y1[k] + s2 * y2[k] + s3 * y3[k]


@summing_kernel
def _multiply(near: FloatArray, heft: FloatArray, count: int, p: FloatArray, q: FloatArray) -> None:
    """Add sum w_h (y_h.p) y_h to q (K,), for the first `count` rows y_h of `near`."""
    for h in range(0, count, _ROWS):
        y0, y1, y2, y3 = near[h], near[h + 1], near[h + 2], near[h + 3]
        s0 = s1 = s2 = s3 = np.float32(0.0)
        for k in range(len(p)):
            s0 += y0[k] * p[k]
            s1 += y1[k] * p[k]
            s2 += y2[k] * p[k]
            s3 += y3[k] * p[k]
        s0 *= heft[h]
        s1 *= heft[h + 1]
        s2 *= heft[h + 2]
        s3 *= heft[h + 3]
        for k in range(len(p)):
            q[k] += s0 * y0[k] + s1 * y1[k] + s2 * y2[k] + s3 * y3[k]


@summing_kernel
def solve_exactly(
    start: int, stop: int, indptr: LongArray, indices: IntArray, weights: FloatArray, others: FloatArray,
    spectrum: FloatArray, penalties: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """The same systems by Cholesky in float64, whatever `out` (U, K) holds before."""
    width = others.shape[1]
    even = width + width % 2
    features, targets = np.zeros((even, _CHUNK)), np.zeros(_CHUNK)
    gram, right = np.empty((even, even)), np.empty(even)
    for row in range(start, stop):
        low, high = indptr[row], indptr[row + 1]
        right[:] = 0.0
        if high > low:
            gram[:, :] = 0.0
            for first in range(low, high, _CHUNK):
                count = min(_CHUNK, high - first)
                features[:, :] = 0.0
                targets[:] = 0.0
                for at in range(count):
                    root = np.sqrt(np.float64(weights[first + at]) + 1e-30)
                    targets[at] = (1.0 + weights[first + at]) / root
                    other = others[indices[first + at]]
                    for k in range(width):
                        features[k, at] = root * other[k]
                accumulate(features, targets, -(-count // _LANES) * _LANES, gram, right)
            for k in range(width):
                gram[k, k] += spectrum[k] + penalties[row]
            solve(width, gram, right)
        out[row] = right[:width]
