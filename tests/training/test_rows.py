"""Batches of whole rows: together they are the matrix, each row once, in blocks of one shape."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.rows import Rows, block, bucket, sparse


def matrix(seed: int = 0, rows: int = 23, columns: int = 17) -> sp.csr_matrix:
    """A few of many numbers, with empty rows first, last and between."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.3)
    dense[[0, 7, 8, rows - 1]] = 0.0
    return sp.csr_matrix(dense.astype(np.float32))


@pytest.mark.parametrize("size", [1, 5, 19, 100])
def test_an_epoch_holds_every_row_that_holds_anything_once(size: int) -> None:
    given = matrix()
    rows = Rows(given)
    held = given.toarray()[np.diff(given.indptr) > 0]
    assert (rows.count, rows.width) == held.shape
    batches = list(rows.epoch(size, np.random.default_rng(3)))
    assert len(batches) == rows.steps(size)
    found = []
    for batch in batches:
        assert batch["weight"].shape == (rows.size(size),)
        assert batch["place"].shape == (len(batch["value"]), 2) == batches[0]["place"].shape
        dense = np.zeros((rows.size(size), rows.width), np.float32)
        np.add.at(dense, tuple(batch["place"].T), batch["value"])
        there = np.zeros_like(dense)
        np.add.at(there, tuple(batch["place"].T), batch["there"])
        np.testing.assert_array_equal(there, dense != 0)
        assert not dense[batch["weight"] == 0].any()
        found.append(dense[batch["weight"] > 0])
    together = np.concatenate(found)
    order = [int(np.flatnonzero((held == row).all(axis=1))[0]) for row in together]
    assert sorted(order) == list(range(len(held)))
    assert size == 100 or order != sorted(order)


def test_the_order_is_the_generators() -> None:
    rows = Rows(matrix())
    one, two, other = (list(rows.epoch(5, np.random.default_rng(seed))) for seed in (1, 1, 2))
    for first, second in zip(one, two, strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    assert not np.array_equal(one[0]["place"], other[0]["place"])


@pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)
def test_the_backend_makes_the_dense_block() -> None:
    keras, given = backend.keras(Run()), matrix()
    (batch,) = Rows(given).epoch(100, np.random.default_rng(0))
    dense = np.asarray(block(keras.ops, batch, batch["value"], given.shape[1]))
    expected = np.zeros_like(dense)
    np.add.at(expected, tuple(batch["place"].T), batch["value"])
    np.testing.assert_array_equal(dense, expected)
    assert (
        np.sort(dense.sum(axis=1)).tolist() == np.sort(given.toarray().sum(axis=1)[np.diff(given.indptr) > 0]).tolist()
    )


def test_a_sparse_batch_is_its_entries_without_the_zeros() -> None:
    given = matrix()
    for batch in Rows(given).epoch(5, np.random.default_rng(0)):
        hidden = batch["value"] * (np.arange(len(batch["value"])) % 3 > 0)
        found = sparse(batch, hidden, given.shape[1])
        expected = np.zeros(found.shape, np.float32)
        np.add.at(expected, tuple(batch["place"].T), hidden)
        np.testing.assert_array_equal(found.toarray(), expected)
        assert found.nnz == np.count_nonzero(hidden)


@pytest.mark.parametrize(("count", "size"), [(1, 256), (256, 256), (257, 512), (5000, 8192)])
def test_buckets_are_powers_of_two(count: int, size: int) -> None:
    assert bucket(count) == size
