"""The half-step over all pairs against numpy.linalg.solve, row by row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from honeyguide.kernels.confidence import descend, solve_exactly
from honeyguide.run import Run

LENGTHS = (0, 1, 3, 4, 64, 65, 200)  # entries of each row: none, one, a lane of four, a chunk, a chunk and one, several
FINISHED = (200, 1e-7)  # steps, tolerance


def problem(width: int, seed: int = 0) -> tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, indices, weights), vectors (I, K) whose Gram matrix is diagonal, that diagonal, and penalties (U,)."""
    rng = np.random.default_rng(seed)
    indices = np.concatenate([rng.choice(300, n, replace=False) for n in LENGTHS]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    weights = (5.0 * rng.random(indptr[-1])).astype(np.float32)
    weights[::7] = 0.0  # a positive pair that counts no more than an unknown one
    others = rng.normal(0, 0.7, (300, width))
    spectrum, basis = np.linalg.eigh(others.T @ others)
    penalties = rng.uniform(0.2, 3.0, len(LENGTHS)).astype(np.float32)
    return (
        (indptr, indices, weights), (others @ basis).astype(np.float32), spectrum.astype(np.float32), penalties
    )  # fmt: skip


def expected(rows: tuple[np.ndarray, ...], others: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """(U, K) by the normal equations over all pairs."""
    (indptr, indices, weights), y, out = rows, others.astype(np.float64), []
    for row in range(len(LENGTHS)):
        sure, known = np.ones(len(y)), np.zeros(len(y))
        mine = slice(indptr[row], indptr[row + 1])
        sure[indices[mine]] += weights[mine]
        known[indices[mine]] = 1.0
        gram = y.T @ (sure[:, None] * y) + penalties[row] * np.eye(y.shape[1])
        out.append(np.linalg.solve(gram, y.T @ (sure * known)))
    return np.array(out)


@pytest.mark.parametrize("width", [1, 2, 7, 16, 33])
def test_each_row_is_the_least_squares_answer(width: int) -> None:
    rows, others, spectrum, penalties = problem(width)
    for kernel, rest in ((descend, (*FINISHED, 1.0)), (solve_exactly, ())):
        out = np.full((len(LENGTHS), width), 9.0, np.float32)
        Run(threads=2).map(kernel, len(out), *rows, others, spectrum, penalties, *rest, out, block=2)
        np.testing.assert_allclose(out, expected(rows, others, penalties), rtol=2e-4, atol=2e-5)
        assert not out[0].any()


def test_a_few_steps_come_near_and_more_come_nearer() -> None:
    rows, others, spectrum, penalties = problem(12)
    goal, errors = expected(rows, others, penalties), []
    for steps in range(5):
        out = np.zeros((len(LENGTHS), 12), np.float32)
        descend(0, len(out), *rows, others, spectrum, penalties, steps, 0.0, 1.0, out)
        errors.append(np.abs(out - goal).max())
    assert errors[0] == np.abs(goal).max()
    assert all(later < 0.75 * before for before, later in pairwise(errors)), errors
    assert errors[3] < 0.15 * errors[0]


@pytest.mark.parametrize(("row", "entries"), [(1, 1), (2, 3), (3, 4)])
def test_a_row_takes_one_step_more_than_it_has_entries(row: int, entries: int) -> None:
    """The preconditioner is the whole matrix but for the entries, so that there are n + 1 eigenvalues."""
    (indptr, indices, weights), others, spectrum, penalties = problem(40)
    rows = indptr, indices, weights * 1000 + 50
    out = np.random.default_rng(2).normal(0, 0.5, (len(LENGTHS), 40)).astype(np.float32)
    descend(row, row + 1, *rows, others, spectrum, penalties, entries + 1, 0.0, 1.0, out)
    np.testing.assert_allclose(out[row], expected(rows, others, penalties)[row], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("relax", [0.5, 1.6])
def test_relaxation_prolongs_the_way(relax: float) -> None:
    rows, others, spectrum, penalties = problem(9)
    begun = np.random.default_rng(1).normal(0, 0.2, (len(LENGTHS), 9)).astype(np.float32)
    plain, prolonged = begun.copy(), begun.copy()
    descend(0, len(LENGTHS), *rows, others, spectrum, penalties, 2, 0.0, 1.0, plain)
    descend(0, len(LENGTHS), *rows, others, spectrum, penalties, 2, 0.0, relax, prolonged)
    np.testing.assert_allclose(prolonged[1:], (begun + relax * (plain - begun))[1:], rtol=1e-5, atol=1e-6)
