"""Pairs of columns weighed against the product of dense matrices."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.kernels.together import weigh_together
from honeyguide.run import Run


@settings(deadline=None)  # the first call compiles
@given(
    rows=st.integers(0, 30), columns=st.integers(1, 40), density=st.floats(0, 1), seed=st.integers(0, 99),
    block=st.sampled_from([1, 7, 64]),
)  # fmt: skip
def test_sums_are_half_of_the_weighted_gram_matrix(
    rows: int, columns: int, density: float, seed: int, block: int
) -> None:
    rng = np.random.default_rng(seed)
    dense = (rng.random((rows, columns)) < density).astype(float)
    weights = rng.integers(1, 9, rows) / 4
    by_row, by_column = sp.csr_matrix(dense), sp.csc_matrix(dense)
    parts = [
        part.astype(dtype)
        for matrix in (by_column, by_row)
        for part, dtype in ((matrix.indptr, np.int64), (matrix.indices, np.int32))
    ]
    out = np.full((columns, columns), np.nan)
    Run(threads=2).map(weigh_together, columns, *parts, weights, out, block=block)
    np.testing.assert_array_equal(np.triu(out), np.triu(dense.T * weights @ dense))
    assert np.isnan(out[np.tril_indices(columns, -1)]).all()
