"""Findings about times, against SciPy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from honeyguide.data.dataset import NO_TIME
from honeyguide.data.timing import chi_square, in_burst


@pytest.mark.parametrize("seed", range(5))
def test_chi_square_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = rng.integers(20, 500, 6)
    missing = rng.binomial(total, 0.3 + 0.02 * np.arange(6))
    wanted = chi2_contingency(np.stack([missing, total - missing]), correction=False)
    statistic, chance = chi_square(total.astype(np.float64), missing.astype(np.float64))
    assert statistic == pytest.approx(wanted.statistic)
    assert chance == pytest.approx(wanted.pvalue)


@settings(deadline=None, max_examples=200)
@given(
    events=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40) | st.just(NO_TIME)), min_size=1, max_size=40),
    least=st.integers(2, 5),
    window=st.integers(0, 6),
)
def test_bursts_by_a_plain_loop(events: list[tuple[int, int]], least: int, window: int) -> None:
    users, times = (np.array([event[at] for event in events], dtype=np.int64) for at in (0, 1))
    wanted = [False] * len(events)
    for start in range(len(events)):
        if times[start] == NO_TIME:
            continue
        near = [
            at
            for at in range(len(events))
            if users[at] == users[start] and times[at] != NO_TIME and 0 <= times[at] - times[start] <= window
        ]
        if len(near) >= least:
            for at in near:
                wanted[at] = True
    assert in_burst(users.astype(np.int32), times, least=least, window=window).tolist() == wanted
