"""Stochastic gradient descent with implicit factors (SVD++), a pass over a person's ratings at a time.

Each of a person's n ratings moves the y_j of all n items, n F numbers a rating as written. They enter the prediction
only as s = sum of y_j / sqrt(n). With keep = 1 - rate reg, a rating of error e and item vector q takes each y_j to
keep y_j + rate e q / sqrt(n), hence s to keep s + rate e q: s is followed alone, and after the n ratings

    y_j = keep^n y_j + z / sqrt(n),      z = s - keep^n (s before the first rating)

are the same steps, up to rounding, at O(F) a rating. Memory: O(F).
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import summing_kernel


@summing_kernel
def step_people(
    start: int, stop: int, people: IntArray, indptr: LongArray, columns: IntArray, targets: FloatArray, reg: float,
    learning_rate: float, left: FloatArray, right: FloatArray, implicit: FloatArray,
) -> float:  # fmt: skip
    """Pass over the rows people[start … stop] of a CSR matrix (U, I), an entry after the other; updates the vectors.

    `left` (U, F + 1) and `right` (I, F + 1) begin with a bias, `implicit` is y (I, F). Each entry moves them by
    learning_rate against half the gradient of

        (target - b_u - b_i - (p_u + s_u).q_i)^2 + reg (b_u^2 + b_i^2 + |p_u|^2 + |q_i|^2 + sum over the row of |y_j|^2)

    Returns the sum of squares of the errors, each before its step.
    """
    width, rate = implicit.shape[1], np.float32(learning_rate)
    keep = np.float32(1.0) - rate * np.float32(reg)
    total = np.empty(width, np.float32)  # s
    before = np.empty(width, np.float32)
    squares = 0.0
    for place in range(start, stop):
        row = people[place]
        low, high = indptr[row], indptr[row + 1]
        if low == high:
            continue
        share = np.float32(1.0 / np.sqrt(high - low))
        total[:] = 0.0
        for at in range(low, high):
            y = implicit[columns[at]]
            for k in range(width):
                total[k] += y[k]
        for k in range(width):
            total[k] *= share
            before[k] = total[k]
        u, kept = left[row], np.float32(1.0)
        for at in range(low, high):
            v = right[columns[at]]
            product = np.float32(0.0)
            for k in range(width):
                product += v[k + 1] * (u[k + 1] + total[k])
            error = targets[at] - u[0] - v[0] - product
            squares += error * error
            step = rate * error
            u[0] = keep * u[0] + step
            v[0] = keep * v[0] + step
            for k in range(width):
                q, p, s = v[k + 1], u[k + 1], total[k]
                u[k + 1] = keep * p + step * q
                v[k + 1] = keep * q + step * (p + s)
                total[k] = keep * s + step * q
            kept *= keep
        for k in range(width):  # z / sqrt(n)
            total[k] = share * (total[k] - kept * before[k])
        for at in range(low, high):
            y = implicit[columns[at]]
            for k in range(width):
                y[k] = kept * y[k] + total[k]
    return squares
