"""Pairs of columns counted against the product of dense matrices."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.kernels.together import count_together
from honeyguide.run import Run


@settings(deadline=None)  # the first call compiles
@given(
    rows=st.integers(0, 30), columns=st.integers(1, 40), density=st.floats(0, 1), seed=st.integers(0, 99),
    block=st.sampled_from([1, 7, 64]),
)  # fmt: skip
def test_counts_are_half_of_the_gram_matrix(rows: int, columns: int, density: float, seed: int, block: int) -> None:
    dense = (np.random.default_rng(seed).random((rows, columns)) < density).astype(float)
    by_row, by_column = sp.csr_matrix(dense), sp.csc_matrix(dense)
    parts = [
        part.astype(dtype)
        for matrix in (by_column, by_row)
        for part, dtype in ((matrix.indptr, np.int64), (matrix.indices, np.int32))
    ]
    out = np.full((columns, columns), np.nan)
    Run(threads=2).map(count_together, columns, *parts, out, block=block)
    np.testing.assert_array_equal(np.triu(out), np.triu(dense.T @ dense))
    assert np.isnan(out[np.tril_indices(columns, -1)]).all()
