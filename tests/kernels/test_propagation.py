"""Spreading over a graph, the slope of pairs and a step of Adam: against dense products, differences and formulas."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.kernels.propagation import slope_of_pairs, spread, step_rows
from honeyguide.run import Run
from honeyguide.training.tables import BETA_1, BETA_2, EPSILON, adam

NODES, WIDTH = 23, 7


def graph(seed: int = 0) -> sp.csr_matrix:
    """A matrix (N, N) that is not symmetric, its rows of 0 to N entries, the fifth empty."""
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((NODES, NODES)) < rng.random((NODES, 1)), rng.normal(size=(NODES, NODES)), 0.0)
    dense[4], dense[6] = 0.0, rng.normal(size=NODES)
    return sp.csr_matrix(dense.astype(np.float32))


@pytest.mark.parametrize("width", [1, WIDTH, 64])
def test_spreading_is_the_product(width: int) -> None:
    matrix, rng = graph(), np.random.default_rng(1)
    base, given = (rng.normal(size=(NODES, width)).astype(np.float32) for _ in range(2))
    wanted = rng.random(NODES) < 0.7
    out = np.full((NODES, width), 9.0, np.float32)
    rows = matrix.indptr.astype(np.int64), matrix.indices, matrix.data
    Run(threads=2).map(spread, NODES, *rows, base, given, wanted, 0.25, out, block=5)
    expected = 0.25 * (base.astype(np.float64) + matrix.toarray().astype(np.float64) @ given)
    np.testing.assert_allclose(out[wanted], expected[wanted], rtol=1e-5, atol=1e-5)
    assert (out[~wanted] == 9.0).all()
    assert 0 < wanted.sum() < NODES


def test_the_slope_of_pairs_is_that_of_their_loss() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(0, 1.5, (NODES, WIDTH))
    users, items, rivals = (rng.integers(low, high, 40).astype(np.int32) for low, high in ((0, 8), (8, 23), (8, 23)))

    def loss(at: np.ndarray) -> float:
        x = ((at[items] - at[rivals]) * at[users]).sum(axis=1)
        return float(np.logaddexp(0.0, -x).mean())

    grad, counts = np.ones((NODES, WIDTH), np.float32), np.full(NODES, 2.0, np.float32)
    told = slope_of_pairs(users, items, rivals, vectors.astype(np.float32), grad, counts)
    assert told == pytest.approx(loss(vectors), rel=1e-5)
    for row in range(NODES):
        for column in range(WIDTH):
            step = np.zeros_like(vectors)
            step[row, column] = 1e-5
            slope = (loss(vectors + step) - loss(vectors - step)) / 2e-5
            assert grad[row, column] - 1.0 == pytest.approx(slope, abs=1e-5)
    taking_part = np.bincount(np.concatenate([users, items, rivals]), minlength=NODES)
    np.testing.assert_array_equal(counts, 2.0 + taking_part)


def test_scores_far_apart_give_no_infinity() -> None:
    vectors = np.array([[100.0], [60.0], [-60.0]], np.float32)
    for i, expected, slope in ((1, 0.0, 0.0), (2, 12000.0, -100.0)):
        grad, counts = np.zeros_like(vectors), np.zeros(3, np.float32)
        rows = [np.array([row], np.int32) for row in (0, i, 3 - i)]
        assert slope_of_pairs(*rows, vectors, grad, counts) == pytest.approx(expected)
        assert grad[i, 0] == pytest.approx(slope)


def test_a_step_is_adams() -> None:
    rng = np.random.default_rng(3)
    grad, value, m = (rng.normal(size=(NODES, WIDTH)).astype(np.float32) for _ in range(3))
    v, decay = rng.random((NODES, WIDTH)).astype(np.float32), rng.random(NODES).astype(np.float32)
    wide = [each.astype(np.float64) for each in (value, grad + decay[:, None] * value, m, v)]
    expected = adam(np, *wide, 0.3)
    Run(threads=2).map(step_rows, NODES, grad, decay, 0.3, BETA_1, BETA_2, EPSILON, value, m, v, block=4)
    for found, due in zip((value, m, v), expected, strict=True):
        np.testing.assert_allclose(found, due, rtol=1e-5, atol=1e-6)
