"""Multiplicative updates against plain sums, and the descent against non-negative least squares."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp

from honeyguide.kernels.multiplicative import descend_rows, rescale_rows

ROWS, COLUMNS, WIDTH = 14, 11, 4


def begin(seed: int) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    """Ratings (U, I) with an empty row, own (U, K) and others (I, K)."""
    rng = np.random.default_rng(seed)
    matrix = sp.random(ROWS, COLUMNS, density=0.5, random_state=seed, format="csr", dtype=np.float32)
    matrix.data[:] = rng.integers(1, 6, matrix.nnz)
    matrix.data[matrix.indptr[4] : matrix.indptr[5]] = 0.0
    matrix.eliminate_zeros()
    return matrix, rng.random((ROWS, WIDTH)).astype(np.float32), rng.random((COLUMNS, WIDTH)).astype(np.float32)


def parts(matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32)


def test_an_update_is_the_quotient_of_the_plain_sums() -> None:
    matrix, own, others = begin(0)
    own[2, 1] = 0.0
    others[:, 3] = 0.0  # with reg 0 nothing moves the last factor
    given = matrix.toarray() > 0
    for reg in (0.2, 0.0):
        out = np.full_like(own, np.nan)
        squares = sum(rescale_rows(a, b, *parts(matrix), others, reg, own, out) for a, b in ((0, 6), (6, ROWS)))
        product = own @ others.T
        lower = (product * given) @ others + reg * given.sum(axis=1)[:, None] * own
        quotient = np.divide(matrix @ others, lower, where=lower > 0, out=np.ones_like(lower))
        np.testing.assert_allclose(out, own * quotient, rtol=1e-5)
        np.testing.assert_array_equal(out[4], own[4])
        assert out[2, 1] == 0.0
        assert squares == pytest.approx(float((((matrix.toarray() - product) * given) ** 2).sum()), rel=1e-5)


@pytest.mark.parametrize("far", [0.5, 4.0])
def test_a_descent_ends_at_non_negative_least_squares(far: float) -> None:
    rng = np.random.default_rng(1)
    matrix, _, others = begin(1)
    matrix.data[::5] *= -far  # some of the best vectors have factors at 0
    root = rng.normal(size=(WIDTH, WIDTH))  # the metric has negative elements
    metric, first, out = root.T @ root, rng.random(WIDTH) + 0.2, np.full((ROWS, WIDTH), np.nan, np.float32)
    descend_rows(0, ROWS, *parts(matrix), others, metric, first, 4_000, out)
    for row in range(ROWS):
        x, y = others[matrix[row].indices].astype(np.float64), matrix[row].data
        best, _ = scipy.optimize.nnls(np.vstack([x, root]), np.append(y, root @ first))
        np.testing.assert_allclose(out[row], best, atol=2e-3)
    np.testing.assert_allclose(out[4], first, atol=1e-6)


def test_without_a_metric_a_descent_repeats_the_update() -> None:
    matrix, _, others = begin(2)
    first = np.full(WIDTH, 0.7)
    own = np.tile(first.astype(np.float32), (ROWS, 1))
    for _ in range(3):
        out = np.empty_like(own)
        rescale_rows(0, ROWS, *parts(matrix), others, 0.0, own, out)
        own = out
    found = np.empty_like(own)
    descend_rows(0, ROWS, *parts(matrix), others, np.zeros((WIDTH, WIDTH)), first, 3, found)
    np.testing.assert_allclose(found, own, rtol=1e-4)
