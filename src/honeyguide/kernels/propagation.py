"""Vectors spread over a graph, and what it takes to learn them: neighbours' sums, the slope of pairs, steps of Adam.

A graph is a CSR matrix (N, N) of weights, in LightGCN the symmetric D^-1/2 A D^-1/2 (He et al. 2020, arXiv:2002.02126).
Time O(E F) a product for E entries, and O(B F) for B pairs; nothing is allocated.
"""

from __future__ import annotations

import math

import numpy as np

from honeyguide.arrays import BoolArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import summing_kernel


@summing_kernel
def spread(
    start: int, stop: int, indptr: LongArray, indices: IntArray, weights: FloatArray, base: FloatArray,
    given: FloatArray, wanted: BoolArray, share: float, out: FloatArray,
) -> None:  # fmt: skip
    """Set out[n] (F,) to share (base[n] + sum of weight * given[m] over the row's entries), for n in start … stop.

    base, given and out are (N, F); rows that are not `wanted` (N,) are left as they are.
    """
    width = given.shape[1]
    part = np.float32(share)
    for row in range(start, stop):
        if not wanted[row]:
            continue
        own, total = base[row], out[row]
        for k in range(width):
            total[k] = own[k]
        low, high = indptr[row], indptr[row + 1]
        even = high - (high - low) % 4
        for at in range(low, even, 4):  # four at a time: the sum is read and written once for all of them
            w0, w1, w2, w3 = weights[at], weights[at + 1], weights[at + 2], weights[at + 3]
            y0, y1 = given[indices[at]], given[indices[at + 1]]
            y2, y3 = given[indices[at + 2]], given[indices[at + 3]]
            for k in range(width):
                total[k] += (w0 * y0[k] + w1 * y1[k]) + (w2 * y2[k] + w3 * y3[k])
        for at in range(even, high):
            w, y = weights[at], given[indices[at]]
            for k in range(width):
                total[k] += w * y[k]
        for k in range(width):
            total[k] *= part


@summing_kernel
def slope_of_pairs(
    users: IntArray, items: IntArray, rivals: IntArray, vectors: FloatArray, grad: FloatArray, counts: FloatArray
) -> float:
    """Add to grad (N, F) the gradient along `vectors` (N, F) of the mean of -ln sigmoid(v_u.v_i - v_u.v_j); the mean.

    users, items and rivals (B,) are the rows u, i and j; counts (N,) rises by how often each row takes part.
    """
    width, total = vectors.shape[1], 0.0
    share = np.float32(1.0 / max(len(users), 1))
    for at in range(len(users)):
        u, i, j = vectors[users[at]], vectors[items[at]], vectors[rivals[at]]
        x = np.float32(0.0)
        for k in range(width):
            x += u[k] * (i[k] - j[k])
        margin = float(x)
        total += max(-margin, 0.0) + math.log1p(math.exp(-abs(margin)))
        slope = share / (np.float32(1.0) + np.float32(math.exp(x)))
        to_u, to_i, to_j = grad[users[at]], grad[items[at]], grad[rivals[at]]
        for k in range(width):
            to_u[k] -= slope * (i[k] - j[k])
        for k in range(width):
            to_i[k] -= slope * u[k]
        for k in range(width):
            to_j[k] += slope * u[k]
        counts[users[at]] += np.float32(1.0)
        counts[items[at]] += np.float32(1.0)
        counts[rivals[at]] += np.float32(1.0)
    return total / max(len(users), 1)


@summing_kernel
def step_rows(
    start: int, stop: int, grad: FloatArray, decay: FloatArray, rate: float, beta_1: float, beta_2: float,
    epsilon: float, value: FloatArray, m: FloatArray, v: FloatArray,
) -> None:  # fmt: skip
    """A step of Adam on the rows start … stop of value, m and v (N, F); `rate` is corrected for the moments' start.

    The gradient of row n is grad[n] + decay[n] value[n].
    """
    one, keep_1, keep_2 = np.float32(1.0), np.float32(beta_1), np.float32(beta_2)
    length, least = np.float32(rate), np.float32(epsilon)
    for row in range(start, stop):
        g, x, first, second, shrink = grad[row], value[row], m[row], v[row], decay[row]
        for k in range(len(g)):
            slope = g[k] + shrink * x[k]
            first[k] = keep_1 * first[k] + (one - keep_1) * slope
            second[k] = keep_2 * second[k] + (one - keep_2) * slope * slope
            x[k] -= length * first[k] / (np.sqrt(second[k]) + least)
