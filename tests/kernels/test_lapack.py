"""The three functions against NumPy, and that other threads run meanwhile."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from honeyguide.arrays import DoubleArray
from honeyguide.kernels import lapack


def _positive(size: int) -> DoubleArray:
    half = np.random.default_rng(size).normal(size=(size, size + 3))
    return np.asfortranarray(half @ half.T + np.eye(size))


@pytest.mark.parametrize("size", [1, 2, 7, 130])
def test_factor_inverse_and_solution_are_numpys(size: int) -> None:
    matrix = _positive(size)
    factor = matrix.copy(order="F")
    lapack.cholesky(factor)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), rtol=1e-9, atol=1e-9)
    right = np.random.default_rng(0).normal(size=(size, 5))
    solution = right.copy()
    lapack.solve_lower(factor, solution)
    np.testing.assert_allclose(np.tril(factor) @ solution, right, atol=1e-9)
    lapack.inverse(factor)
    np.testing.assert_allclose(np.tril(factor), np.tril(np.linalg.inv(matrix)), rtol=1e-7, atol=1e-9)


def test_other_threads_run_meanwhile() -> None:
    matrix, ticks, done = _positive(1500), 0, threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    before, begun = ticks, time.perf_counter()
    lapack.cholesky(matrix)
    took, seen = time.perf_counter() - begun, ticks - before
    done.set()
    other.join()
    assert seen > took / 0.1  # with the lock held it is 0 or 1, however long it takes
