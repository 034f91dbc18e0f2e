"""Whatever the numbers, each kernel chooses distinct candidates, as many as there are; of equal ones the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.kernels import greedy

Choose = Callable[..., Any]


def ways(shares: sp.csr_matrix, tastes: sp.csr_matrix, members: Any) -> dict[str, tuple[Choose, tuple[Any, ...]]]:
    """Each kernel, and its arguments between relevance and places."""
    rows, wants = (shares.indptr, shares.indices, shares.data), (tastes.indptr, tastes.indices, tastes.data)
    width = shares.shape[1]
    return {
        "differ": (greedy.differ, (*rows, width, 0.6)),
        "calibrate": (greedy.calibrate, (*rows, *wants, width, 0.6, 0.01)),
        "cover": (greedy.cover, (*rows, *wants, width, 0.6)),
        "bound": (greedy.bound, (members, 2, 3)),
    }


@pytest.mark.parametrize("name", ["differ", "calibrate", "cover", "bound"])
@pytest.mark.parametrize("alike", [False, True])
def test_distinct_candidates_as_many_as_there_are(name: str, alike: bool) -> None:
    rng = np.random.default_rng(3)
    codes = np.array([rng.permutation(12)[:9] for _ in range(7)], np.int32)
    left = np.array([9, 9, 5, 3, 1, 0, 9])
    codes[np.arange(9) >= left[:, None]] = -1
    relevance = np.zeros(codes.shape) if alike else np.sort(rng.random(codes.shape), axis=1)[:, ::-1].copy()
    shares = sp.random(12, 5, 0.0 if alike else 0.5, "csr", np.float32, random_state=1)
    tastes = sp.random(7, 5, 0.5, "csr", np.float64, random_state=2)
    kernel, more = ways(shares, tastes, np.arange(12) % 2 == 0)[name]
    places = np.full((7, 6), -7, np.int32)
    before = (codes, relevance) if name != "bound" else (codes,)
    kernel(0, 7, *before, *more, places)
    for row in range(7):
        chosen = places[row][places[row] >= 0]
        assert len(set(chosen)) == len(chosen)
        assert (codes[row, chosen] >= 0).all()
        assert (places[row, len(chosen) :] == -1).all()
        if name == "bound":
            inside = int((codes[row][codes[row] >= 0] % 2 == 0).sum())
            assert len(chosen) == min(6, min(inside, 3) + min(left[row] - inside, 6 - min(inside, 2)))
        else:
            assert len(chosen) == min(6, left[row])
            if alike:
                assert chosen.tolist() == list(range(len(chosen)))
