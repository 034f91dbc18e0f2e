"""Mean differences of ratings against loops over pairs; both ways of reading them; whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide import Run
from honeyguide.arrays import AnyArray
from honeyguide.kernels import deviations as kernels


def pairs(x: sp.csr_matrix, run: Run) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """The deviations (I, I) and the numbers of people of both."""
    turned, n_items = x.T.tocsr(), x.shape[1]
    counts = np.full(n_items, -1, np.int64)
    run.map(kernels.count_pairs, n_items, turned.indptr, turned.indices, x.indptr, x.indices, counts, block=3)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    codes, common = np.full(offsets[-1], -1, np.int32), np.full(offsets[-1], -1, np.int32)
    found = np.full(offsets[-1], np.nan, np.float32)
    ways = turned.indptr, turned.indices, turned.data, x.indptr, x.indices, x.data
    run.map(kernels.deviate, n_items, *ways, offsets, codes, found, common, block=3)
    shape = (n_items, n_items)
    return sp.csr_matrix((found, codes, offsets), shape=shape), sp.csr_matrix((common, codes, offsets), shape=shape)


def half_stars(rng: np.random.Generator, rows: int, columns: int, density: float) -> AnyArray:
    return np.where(rng.random((rows, columns)) < density, rng.integers(1, 11, (rows, columns)) / 2.0, 0.0)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.05, 0.3, 0.9]), st.integers(0, 999))
def test_deviations_are_mean_differences(rows: int, columns: int, density: float, seed: int) -> None:
    x = half_stars(np.random.default_rng(seed), rows, columns, density)
    (one, one_counts), (two, two_counts) = (
        pairs(sp.csr_matrix(x, dtype=np.float32), Run(threads=threads)) for threads in (1, 2)
    )
    deviations, common = np.zeros((columns, columns)), np.zeros((columns, columns), int)
    for i in range(columns):
        for j in range(columns):
            both = (x[:, i] > 0) & (x[:, j] > 0)
            if i != j and both.any():
                deviations[i, j], common[i, j] = (x[both, i] - x[both, j]).mean(), both.sum()
    assert one.nnz == np.count_nonzero(common)
    np.testing.assert_allclose(one.toarray(), deviations, rtol=1e-6)
    np.testing.assert_array_equal(one_counts.toarray(), common)
    assert (one != two).nnz == (one_counts != two_counts).nnz == 0


@pytest.mark.parametrize("weighted", [True, False])
def test_reading_what_is_asked_and_reading_the_history_agree(weighted: bool) -> None:
    rng = np.random.default_rng(5)
    x = half_stars(rng, 40, 30, 0.2)
    kept, common = pairs(sp.csr_matrix(x, dtype=np.float32), Run(threads=1))
    history = sp.csr_matrix(half_stars(rng, 6, 30, 0.1), dtype=np.float32)
    items = np.tile(np.append(np.arange(30, dtype=np.int32), np.int32(-1)), 6)
    results = []
    for at_once in (31, 1):  # all items of a person, so that the history is shorter, and one at a time
        means, found = np.empty(len(items), np.float32), np.empty(len(items), np.int32)
        for first in range(0, 31, at_once):
            asked = items.reshape(6, 31)[:, first : first + at_once].ravel()
            some, numbers = np.empty(len(asked), np.float32), np.empty(len(asked), np.int32)
            kernels.expect(
                0, 6, history.indptr, history.indices, history.data, np.arange(7, dtype=np.int64) * at_once, asked,
                kept.indptr.astype(np.int64), kept.indices, kept.data, common.data, weighted, some, numbers,
            )  # fmt: skip
            means.reshape(6, 31)[:, first : first + at_once] = some.reshape(6, -1)
            found.reshape(6, 31)[:, first : first + at_once] = numbers.reshape(6, -1)
        results.append((means, found))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-6)
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert not results[0][1].reshape(6, 31)[:, -1].any()
    assert results[0][1].max() > 1
