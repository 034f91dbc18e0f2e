"""Leading singular vectors against LAPACK's whole decomposition, by both routes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.kernels import spectrum


@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (300, 270), (270, 300)])
@pytest.mark.parametrize("rank", [1, 7])
def test_vectors_are_those_of_the_whole_decomposition(shape: tuple[int, int], rank: int) -> None:
    rng = np.random.default_rng(2)
    assert spectrum.is_dense(min(shape), rank) == (min(shape) == 30)
    matrix = sp.random(*shape, 0.2, "csr", np.float64, rng)
    vectors, values = spectrum.right_vectors(matrix, rank, rng)
    _, whole, turned = np.linalg.svd(matrix.toarray())
    np.testing.assert_allclose(values, whole[:rank], rtol=1e-6)
    np.testing.assert_allclose(vectors @ vectors.T, turned[:rank].T @ turned[:rank], atol=1e-4)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("size", [20, 300])
def test_directions_of_nothing_are_left_out(size: int) -> None:
    rng = np.random.default_rng(4)
    matrix = sp.csr_matrix(rng.random((size, 2)) @ rng.random((2, size)))
    vectors, values = spectrum.right_vectors(matrix, 9, rng)
    assert vectors.shape == (size, 2)
    np.testing.assert_allclose(values, np.linalg.svd(matrix.toarray())[1][:2], rtol=1e-6)


@pytest.mark.parametrize("shape", [(40, 30), (300, 270), (270, 300)])
def test_an_empty_column_has_no_part(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(6)
    matrix = sp.random(*shape, 0.2, "lil", np.float64, rng)
    matrix[:, 5] = 0
    vectors, _ = spectrum.right_vectors(matrix.tocsr(), 4, rng)
    assert not vectors[5].any()
    assert vectors[6].any()


def test_more_vectors_than_there_are() -> None:
    matrix = sp.csr_matrix(np.eye(3, 5, dtype=np.float32))
    vectors, values = spectrum.right_vectors(matrix, 50, np.random.default_rng(0))
    np.testing.assert_allclose(values, 1.0)
    np.testing.assert_allclose(vectors @ vectors.T, np.diag([1.0, 1, 1, 0, 0]), atol=1e-6)
