"""Exact top-k against a full sort, with ties, -inf and NaN; in one block and in many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyguide.kernels import top_k


@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 8), st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_blocks_of_scores_give_the_same_as_a_full_sort(rows: int, columns: int, k: int, seed: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice([-np.inf, np.nan, -1.0, 0.0, 0.5, 2.0], (rows, columns)).astype(np.float32)
    best, codes = np.full((rows, k), -np.inf, np.float32), np.full((rows, k), columns, np.int32)
    order = rng.permutation(columns).astype(np.int32)  # blocks may come in any order
    for low in range(0, columns, block):
        part = order[low : low + block]
        top_k.push(0, rows, np.ascontiguousarray(scores[:, part]), part, best, codes)
    top_k.settle(0, rows, best, codes)
    for row in range(rows):
        wanted = sorted((-s, c) for c, s in enumerate(scores[row]) if s > -np.inf)[:k]
        assert codes[row].tolist() == [c for _, c in wanted] + [-1] * (k - len(wanted))
        assert best[row, : len(wanted)].tolist() == pytest.approx([-s for s, _ in wanted])
