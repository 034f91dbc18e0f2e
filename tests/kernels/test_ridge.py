"""The half-step of least squares against numpy.linalg.solve, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from honeyguide.kernels.ridge import solve_rows
from honeyguide.run import Run

LENGTHS = (0, 1, 3, 64, 65, 200)  # entries of each row: none, one, a chunk, a chunk and one, several


def problem(width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """indptr, indices, values of a CSR matrix and the vectors (I, K) of its columns."""
    rng = np.random.default_rng(seed)
    indices = [rng.choice(300, n, replace=False) for n in LENGTHS]
    indptr = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    values = rng.integers(1, 11, indptr[-1]) / 2
    others = rng.normal(0, 0.7, (300, width))
    return indptr, np.concatenate(indices).astype(np.int32), values.astype(np.float32), others.astype(np.float32)


def solve(
    parts: tuple[np.ndarray, ...], others: np.ndarray, *, mean: float, biases: bool, reg: float, power: float
) -> np.ndarray:
    out = np.full((len(LENGTHS), others.shape[1]), 9.0, np.float32)
    frozen = others.view()
    frozen.flags.writeable = False
    Run(threads=2).map(solve_rows, len(LENGTHS), *parts, mean, frozen, biases, reg, power, out, block=2)
    return out


@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("width", [1, 2, 7, 16])
def test_each_row_is_the_ridge_solution(width: int, biases: bool, power: float) -> None:
    indptr, indices, values, others = problem(width)
    out = solve((indptr, indices, values), others, mean=3.2, biases=biases, reg=0.3, power=power)
    assert not out[0].any()
    for row in range(1, len(LENGTHS)):
        mine = slice(indptr[row], indptr[row + 1])
        x = others[indices[mine]].astype(np.float64)
        y = values[mine].astype(np.float64) - 3.2
        if biases:
            y = y - x[:, 0]
            x[:, 0] = 1.0
        gram = x.T @ x + 0.3 * LENGTHS[row] ** power * np.eye(width)
        np.testing.assert_allclose(out[row], np.linalg.solve(gram, x.T @ y), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_features_that_depend_on_each_other_without_a_penalty(seed: int) -> None:
    indptr, indices, values, others = problem(9, seed=seed)
    others[:, 5:] = others[:, :4]
    out = solve((indptr, indices, values), others, mean=0.0, biases=False, reg=0.0, power=1.0)
    for row in range(3, len(LENGTHS)):  # those with more entries than features: the residual is orthogonal to them
        mine = slice(indptr[row], indptr[row + 1])
        x = others[indices[mine]].astype(np.float64)
        np.testing.assert_allclose(x.T @ (values[mine] - x @ out[row]), 0, atol=2e-3)
        least = np.linalg.lstsq(x, values[mine].astype(np.float64), rcond=None)[0]
        assert np.abs(out[row]).max() < 10 * np.abs(least).max()
