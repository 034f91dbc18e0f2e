"""Rows of one width against their sums, and which are left out where there are too many."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from honeyguide.training.padded import padded


def test_the_padded_rows_add_up_to_the_matrix() -> None:
    matrix = sp.random(20, 9, density=0.3, format="csr", random_state=1, dtype=np.float32)
    columns, values = padded(matrix, 9)
    assert columns.shape == values.shape == (20, np.diff(matrix.indptr).max())
    dense = np.zeros((20, 9), np.float32)
    np.add.at(dense, (np.arange(20)[:, None], columns), values)
    np.testing.assert_array_equal(dense, matrix.toarray())


def test_the_heaviest_are_kept() -> None:
    columns, values = padded(sp.csr_matrix(np.array([[1.0, 5.0, 3.0, 2.0], [0.0, 0.0, 0.0, 7.0]], np.float32)), 2)
    np.testing.assert_array_equal(columns, [[1, 2], [3, 0]])
    np.testing.assert_array_equal(values, [[5.0, 3.0], [7.0, 0.0]])


def test_a_matrix_of_nothing_has_a_width_of_one() -> None:
    columns, values = padded(sp.csr_matrix((3, 0), dtype=np.float32), 8)
    assert columns.shape == values.shape == (3, 1)
    assert not values.any()
