"""Stochastic gradient descent against a plain loop, and that threads do not touch each other's rows."""

from __future__ import annotations

import numpy as np
import pytest

from honeyguide.kernels.sgd import step_blocks, step_ratings
from honeyguide.run import Run

PARTS, USERS, ITEMS, WIDTH = 4, 30, 21, 6


def blocks(seed: int = 0) -> dict[str, np.ndarray]:
    """Entries in random order within blocks, and vectors to begin from."""
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((USERS, ITEMS)) < 0.4)
    order = rng.permutation(len(rows))
    rows, columns = rows[order].astype(np.int32), columns[order].astype(np.int32)
    block = (rows % PARTS) * PARTS + columns % PARTS
    order = np.argsort(block, kind="stable")
    return {
        "offsets": np.concatenate([[0], np.cumsum(np.bincount(block, minlength=PARTS**2))]).astype(np.int64),
        "rows": rows[order],
        "columns": columns[order],
        "targets": rng.normal(0, 1, len(rows)).astype(np.float32),
        "row_reg": rng.random(USERS).astype(np.float32),
        "column_reg": rng.random(ITEMS).astype(np.float32),
        "left": rng.normal(0, 0.5, (USERS, WIDTH)).astype(np.float32),
        "right": rng.normal(0, 0.5, (ITEMS, WIDTH)).astype(np.float32),
    }


def epoch(given: dict[str, np.ndarray], *, biases: bool, threads: int) -> tuple[np.ndarray, np.ndarray, float]:
    """The vectors after an epoch, and the sum of squared errors on the way."""
    left, right = given["left"].copy(), given["right"].copy()
    entries = given["offsets"], given["rows"], given["columns"], given["targets"]
    rest = biases, given["row_reg"], given["column_reg"], 0.05, left, right
    squares = 0.0
    for stratum in range(PARTS):
        squares += sum(Run(threads=threads).map(step_blocks, PARTS, PARTS, stratum, *entries, *rest, block=1))
    return left, right, squares


@pytest.mark.parametrize("biases", [True, False])
def test_an_epoch_is_that_of_a_plain_loop(biases: bool) -> None:
    given = blocks()
    left, right = given["left"].astype(np.float64), given["right"].astype(np.float64)
    visited, squares = 0, 0.0
    for stratum in range(PARTS):
        for part in range(PARTS):
            block = part * PARTS + (part + stratum) % PARTS
            for at in range(given["offsets"][block], given["offsets"][block + 1]):
                row, column, visited = given["rows"][at], given["columns"][at], visited + 1
                u, v = left[row].copy(), right[column].copy()
                if biases:
                    error = given["targets"][at] - u[0] - v[0] - u[1:] @ v[1:]
                    slope_u, slope_v = np.append(1.0, v[1:]), np.append(1.0, u[1:])
                else:
                    error, slope_u, slope_v = given["targets"][at] - u @ v, v, u
                squares += error**2
                left[row] = u + 0.05 * (error * slope_u - given["row_reg"][row] * u)
                right[column] = v + 0.05 * (error * slope_v - given["column_reg"][column] * v)
    assert visited == len(given["rows"])
    found = epoch(given, biases=biases, threads=1)
    np.testing.assert_allclose(found[0], left, atol=1e-5)
    np.testing.assert_allclose(found[1], right, atol=1e-5)
    assert found[2] == pytest.approx(squares, rel=1e-5)


def test_threads_do_not_change_a_bit() -> None:
    given = blocks(1)
    one, two = epoch(given, biases=True, threads=1), epoch(given, biases=True, threads=2)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_biases_apart_give_the_same_pass(biases: bool, threads: int) -> None:
    given = blocks(2)
    given["row_reg"][:] = given["column_reg"][:] = 0.3
    if not biases:
        given["left"][:, 0] = given["right"][:, 0] = 0.0  # so that they neither count nor move
    left, right, squares = epoch(given, biases=biases, threads=1)
    entries = given["offsets"], given["rows"], given["columns"], given["targets"]
    apart = [np.ascontiguousarray(given[side][:, 0]) for side in ("left", "right")]
    vectors = [np.pad(given[side][:, 1:], ((0, 0), (0, 3))) for side in ("left", "right")]
    found = 0.0
    for stratum in range(PARTS):
        rest = biases, 0.3, 0.05, *apart, *vectors
        found += sum(Run(threads=threads).map(step_ratings, PARTS, PARTS, stratum, *entries, *rest, block=1))
    for bias, padded, expected in zip(apart, vectors, (left, right), strict=True):
        np.testing.assert_allclose(bias, expected[:, 0], atol=1e-6)
        np.testing.assert_allclose(padded[:, : WIDTH - 1], expected[:, 1:], atol=1e-6)
        assert (padded[:, WIDTH - 1 :] == 0).all()
    assert found == pytest.approx(squares, rel=1e-5)
