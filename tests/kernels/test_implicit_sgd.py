"""SVD++'s steps against the plain loop that moves every y_j at every rating."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.kernels.implicit_sgd import step_people

USERS, ITEMS, FACTORS, RATE, REG = 12, 9, 5, 0.05, 0.3


def begin(seed: int) -> tuple[sp.csr_matrix, list[np.ndarray]]:
    """Targets (U, I), one person without any, and vectors to begin from."""
    rng = np.random.default_rng(seed)
    given = rng.random((USERS, ITEMS)) < 0.5
    given[3] = False
    matrix = sp.csr_matrix(np.where(given, rng.normal(0, 1, given.shape), 0.0).astype(np.float32))
    shapes = (USERS, FACTORS + 1), (ITEMS, FACTORS + 1), (ITEMS, FACTORS)
    return matrix, [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]


def test_a_pass_is_that_of_the_plain_loop() -> None:
    matrix, vectors = begin(0)
    left, right, implicit = (v.astype(np.float64) for v in vectors)
    people, squares = np.array([7, 0, 3, 11, 5, 5], np.int32), 0.0
    for u in people:
        mine = matrix[u].indices
        for i, target in zip(mine, matrix[u].data, strict=True):
            p, q = left[u].copy(), right[i].copy()
            whole = p[1:] + implicit[mine].sum(axis=0) / np.sqrt(len(mine))
            error = target - p[0] - q[0] - whole @ q[1:]
            squares += error**2
            left[u] += RATE * (error * np.append(1.0, q[1:]) - REG * p)
            right[i] += RATE * (error * np.append(1.0, whole) - REG * q)
            for j in mine:
                implicit[j] += RATE * (error * q[1:] / np.sqrt(len(mine)) - REG * implicit[j])
    rows = matrix.indptr.astype(np.int64), matrix.indices, matrix.data
    found = step_people(0, len(people), people, *rows, REG, RATE, *vectors)
    for got, expected in zip(vectors, (left, right, implicit), strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-5)
    assert found == pytest.approx(squares, rel=1e-4)


def test_ranges_follow_one_another() -> None:
    matrix, whole = begin(1)
    parts = [v.copy() for v in whole]
    rows, people = (matrix.indptr.astype(np.int64), matrix.indices, matrix.data), np.arange(USERS, dtype=np.int32)
    step_people(0, USERS, people, *rows, REG, RATE, *whole)
    for start, stop in ((0, 5), (5, 6), (6, USERS)):
        step_people(start, stop, people, *rows, REG, RATE, *parts)
    assert all((a == b).all() for a, b in zip(whole, parts, strict=True))
