"""Draws over relation blocks against the factorisation machine written out, feature by feature, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.kernels import gibbs

FACTORS, USED, WIDTH = 3, 4, 8
NOISE = 2.5


@dataclass
class Machine:
    """Two blocks over events, dense: x (N, D) is every feature of every event."""

    blocks: list[sp.csr_matrix]
    places: np.ndarray  # (N, 2), rows counted through both blocks
    vectors: list[np.ndarray]  # (D_b, W)
    targets: np.ndarray

    @property
    def dense(self) -> np.ndarray:
        first = self.blocks[0].shape[0]
        return np.hstack(
            [self.blocks[0].toarray()[self.places[:, 0]], self.blocks[1].toarray()[self.places[:, 1] - first]]
        )

    def rows(self) -> np.ndarray:
        parts = []
        for block, vectors in zip(self.blocks, self.vectors, strict=True):
            out = np.empty((block.shape[0], WIDTH), np.float32)
            parts.append(out)
            gibbs.form_rows(0, len(out), *csr(block), vectors, out)
        return np.concatenate(parts)


def csr(matrix: sp.spmatrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32)


def written_out(x: np.ndarray, vectors: np.ndarray, intercept: float) -> np.ndarray:
    """w0 + sum w_j x_j + sum over pairs of features <v_j, v_k> x_j x_k."""
    total = intercept + x @ vectors[:, 0]
    for j in range(x.shape[1]):
        for k in range(j):
            total = total + (vectors[j, 1:] @ vectors[k, 1:]) * x[:, j] * x[:, k]
    return total


@pytest.fixture
def machine() -> Machine:
    rng = np.random.default_rng(1)
    blocks = []
    for rows, more in ((6, 5), (4, 7)):
        shared = sp.random(rows, more, 0.5, random_state=rng, data_rvs=lambda n: rng.uniform(0.3, 1.0, n))
        blocks.append(sp.hstack([sp.identity(rows), shared], format="csr"))
    places = np.stack([rng.integers(0, 6, 40), 6 + rng.integers(0, 3, 40)], axis=1).astype(np.int32)  # row 9: no event
    vectors = [np.zeros((block.shape[1], WIDTH), np.float32) for block in blocks]
    for each in vectors:
        each[:, :USED] = rng.normal(0, 0.7, (len(each), USED))
    return Machine(blocks, places, vectors, rng.normal(3, 1, 40))


def test_predictions_are_those_of_the_machine_written_out(machine: Machine) -> None:
    found = np.empty(40, np.float32)
    gibbs.predict_events(0, 40, machine.places, machine.rows(), 1.5, found)
    expected = written_out(machine.dense, np.concatenate(machine.vectors).astype(np.float64), 1.5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_a_pass_draws_each_feature_from_its_gaussian(machine: Machine, number: int) -> None:
    rng = np.random.default_rng(2)
    block, vectors = machine.blocks[number], machine.vectors[number]
    size, offset = block.shape[1], 6 * number
    groups = (np.arange(size) >= block.shape[0]).astype(np.int32)
    means, precisions = rng.normal(0, 0.3, (2, WIDTH)), rng.uniform(0.5, 4.0, (2, WIDTH))
    normals = rng.normal(size=(size, WIDTH)).astype(np.float32)
    x, all_vectors = machine.dense, np.concatenate(machine.vectors).astype(np.float64)
    first = 0 if number == 0 else machine.blocks[0].shape[1]
    for j in range(size):  # the slopes by differences of a function that is linear in each feature's vector
        at, slopes = first + j, np.empty((40, USED))
        base = all_vectors.copy()
        base[at] = 0.0
        rest = written_out(x, base, 0.0)
        for k in range(USED):
            moved = base.copy()
            moved[at, k] = 1.0
            slopes[:, k] = written_out(x, moved, 0.0) - rest
        precision = np.diag(precisions[groups[j], :USED]) + NOISE * slopes.T @ slopes
        right = precisions[groups[j], :USED] * means[groups[j], :USED] + NOISE * slopes.T @ (machine.targets - rest)
        lower = np.linalg.cholesky(precision)
        all_vectors[at, :USED] = np.linalg.solve(precision, right) + np.linalg.solve(lower.T, normals[j, :USED])

    rows = machine.rows()
    errors = np.empty(40, np.float32)
    gibbs.predict_events(0, 40, machine.places, rows, 0.0, errors)
    errors -= machine.targets.astype(np.float32)
    local = machine.places[:, number] - offset
    order, counts = np.argsort(local, kind="stable").astype(np.int32), np.bincount(local, minlength=block.shape[0])
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    count = block.shape[0]
    grams, sums, error_sums = (np.empty((count, *shape), np.float32) for shape in ((WIDTH, WIDTH), (WIDTH,), (WIDTH,)))
    totals, moved, shifts = (
        np.empty(count, np.float32),
        np.zeros((count, WIDTH), np.float32),
        np.zeros(count, np.float32),
    )
    gibbs.gather_rows(0, count, number, indptr, order, machine.places, rows, errors, grams, sums, error_sums, totals)
    gibbs.draw_features(
        0, size, USED, *csr(block.tocsc()), groups, means, precisions, NOISE, normals, vectors,
        rows[offset : offset + count], counts.astype(np.float32), grams, sums, error_sums, totals, moved, shifts,
    )  # fmt: skip
    np.testing.assert_allclose(vectors[:, :USED], all_vectors[first : first + size, :USED], rtol=2e-3, atol=2e-4)
    assert not vectors[:, USED:].any()
    gibbs.settle_errors(0, 40, number, machine.places, offset, rows, moved, shifts, errors)
    np.testing.assert_allclose(errors, written_out(x, all_vectors, 0.0) - machine.targets, rtol=1e-3, atol=1e-3)


def test_a_stranger_is_the_mean_of_the_gaussian_of_their_own_feature() -> None:
    rng = np.random.default_rng(3)
    items, days = rng.normal(0, 0.6, (9, USED)).astype(np.float32), rng.normal(0, 0.4, (2, USED)).astype(np.float32)
    indptr, codes = np.array([0, 3, 3, 8]), rng.integers(0, 9, 8).astype(np.int32)
    when, targets = rng.integers(0, 2, 8).astype(np.int32), rng.normal(3, 1, 8).astype(np.float32)
    given = rng.normal(0, 0.5, (3, USED)).astype(np.float32)
    mean, roots = rng.normal(0, 0.3, USED).astype(np.float32), rng.normal(0, 1, (5, USED, USED))
    precisions = (roots @ roots.transpose(0, 2, 1) + np.eye(USED)).astype(np.float32)  # of 0 … 4 events
    out = np.empty((3, USED), np.float32)
    gibbs.fold_in(0, 3, indptr, codes, when, targets, given, items, days, 0.7, NOISE, mean, precisions, out)
    for b in range(3):
        mine = slice(indptr[b], indptr[b + 1])
        item, day, own = items[codes[mine]].astype(float), days[when[mine]].astype(float), given[b].astype(float)
        both = item[:, 1:] + day[:, 1:]
        fixed = 0.7 + own[0] + item[:, 0] + day[:, 0] + both @ own[1:] + (item[:, 1:] * day[:, 1:]).sum(axis=1)
        slopes = np.column_stack([np.ones(len(item)), own[1:] + both])
        prior = precisions[min(len(item), 4)].astype(float)
        left = prior + NOISE * slopes.T @ slopes
        vector = np.linalg.solve(left, prior @ mean + NOISE * slopes.T @ (targets[mine] - fixed))
        row = np.concatenate([[own[0] + vector[0] + own[1:] @ vector[1:]], own[1:] + vector[1:]])
        np.testing.assert_allclose(out[b], row, rtol=1e-4, atol=1e-5)
