"""Neighbours against a full sort of the dense similarities; both ways of adding up; in one block and in many."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide import Run
from honeyguide.arrays import FloatArray
from honeyguide.kernels import neighbours as kernels


def ones(rng: np.random.Generator, rows: int, columns: int, density: float) -> sp.csr_matrix:
    found = (rng.random((rows, columns)) < density).astype(np.float32)
    found[: rows // 8] = 0  # rows of nothing
    return sp.csr_matrix(found)


def positive(rng: np.random.Generator, count: int) -> FloatArray:
    return rng.uniform(0.1, 2.0, count).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 60), st.integers(1, 9), st.sampled_from([0.01, 0.2, 0.9]), st.integers(1, 12), st.integers(0, 999)
)
def test_rows_hold_the_largest_similarities(rows: int, columns: int, density: float, keep: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weights = ones(rng, rows, columns, density), positive(rng, columns)
    left, right, shrink = positive(rng, rows), positive(rng, rows), float(rng.choice([0.0, 3.0]))
    found = kernels.matrix(x, weights, left, right, shrink=shrink, keep=keep, run=Run(threads=1)).toarray()
    scale = left[:, None].astype(np.float64) * right
    whole = (x.toarray() * weights) @ x.toarray().T * scale
    whole /= 1.0 + shrink * scale
    np.fill_diagonal(whole, 0.0)
    np.testing.assert_allclose(found[found > 0], whole[found > 0], rtol=1e-5)
    for row in range(rows):
        kept, left_out = whole[row][found[row] > 0], whole[row][found[row] == 0]
        assert len(kept) == min(keep, np.count_nonzero(whole[row]))
        assert not len(kept) or kept.min() >= left_out.max(initial=0.0) * (1 - 1e-5)


def test_few_additions_and_many_give_the_same() -> None:
    rng = np.random.default_rng(3)
    x = ones(rng, 300, 40, 0.03)
    weights, scale = positive(rng, 40), positive(rng, 300)
    columns, turned = x.indices.view(np.uint32), x.T.tocsr()
    sums = []
    for row in np.flatnonzero(np.diff(x.indptr))[:2]:
        for factor in (1, 1000):  # a row's columns so often over that the additions outnumber the rows
            shared, rows = np.zeros(300, np.float32), np.empty(300, np.int32)
            own = np.tile(columns[x.indptr[row] : x.indptr[row + 1]], factor)
            found = kernels.share(own, turned.indptr, turned.indices.view(np.uint32), weights, shared, rows)
            assert (found == 300) == (factor == 1000)
            assert set(np.flatnonzero(shared)) <= set(rows[:found].tolist())
            near = np.empty(300, np.float32)
            kernels.liken(found, 1.0, scale, 0.0, shared, rows, near)
            whole = np.zeros(300)
            whole[rows[:found]] = near[:found]
            sums.append(whole / factor)
            assert not shared.any()
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-3)
    np.testing.assert_allclose(sums[2], sums[3], rtol=1e-3)


def test_equal_similarities_go_to_the_lower_row_whatever_the_threads() -> None:
    x = sp.csr_matrix(np.ones((100, 3), np.float32))
    unit = np.ones(100, np.float32)
    one, two = (
        kernels.matrix(x, unit[:3], unit, unit, shrink=0.0, keep=4, run=Run(threads=threads)) for threads in (1, 2)
    )
    assert one[0].indices.tolist() == [1, 2, 3, 4]
    assert one[2].indices.tolist() == [0, 1, 3, 4]
    assert (one != two).nnz == 0


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-30, 3e30], [0.5] * 9, [0.1, 0.0, 0.2, 1.5, 1.5, 7.0]])
@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_the_sieve_keeps_what_may_be_largest(values: list[float], wanted: int) -> None:
    near, rows = np.array(values, np.float32), np.arange(len(values), dtype=np.int32)
    buckets, chosen = np.zeros(1 << 12, np.int32), np.empty(len(values), np.int32)
    kept = kernels.sieve(near, rows, wanted, buckets, chosen)
    due = sorted(filter(None, values), reverse=True)[:wanted]
    assert sorted(near[:kept].tolist(), reverse=True)[: len(due)] == pytest.approx(due)
    assert [values[row] for row in chosen[:kept]] == pytest.approx(near[:kept].tolist())
    assert not buckets.any()


def test_mixing_is_the_product() -> None:
    rng = np.random.default_rng(1)
    history, weights = ones(rng, 9, 20, 0.3), sp.random(20, 15, 0.4, "csr", np.float32, rng)
    whole = (history @ weights).toarray()
    np.testing.assert_allclose(kernels.mixed(history, weights, None), whole, atol=1e-5)
    wanted = np.array([3, 1, 3], np.int32)
    np.testing.assert_allclose(kernels.mixed(history, weights, wanted), whole[:, wanted], atol=1e-5)
