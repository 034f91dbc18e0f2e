"""Resampling against SciPy's bootstrap and permutation test, and corrections worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from honeyguide.evaluate import resample


def test_the_interval_of_a_mean_equals_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(0).exponential(size=150)
    ratios = resample.bootstrap(values[:, None], np.ones((150, 1)), 20_000, seed=1)
    low, high = resample.interval(ratios)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    spread = values.std() / 150**0.5
    assert low[0] == pytest.approx(theirs.low, abs=0.1 * spread)
    assert high[0] == pytest.approx(theirs.high, abs=0.1 * spread)


def test_whole_people_are_drawn_not_pairs() -> None:
    """Ten people of 100 alike pairs each: the interval must be that of ten numbers, not of a thousand."""
    level = np.random.default_rng(1).normal(size=10)
    ratios = resample.bootstrap(100 * level[:, None], np.full((10, 1), 100.0), 4000, seed=1)
    assert ratios.std() == pytest.approx(level.std() / 10**0.5, rel=0.05)


def test_people_with_more_pairs_weigh_more() -> None:
    ratios = resample.bootstrap(np.array([[0.0], [9.0]]), np.array([[1.0], [9.0]]), 4000, seed=0)
    assert set(np.round(ratios[:, 0], 6)) == {0.0, 0.9, 1.0}
    assert (ratios == 0.9).mean() == pytest.approx(0.5, abs=0.03)


def test_models_are_resampled_together() -> None:
    values = np.random.default_rng(2).random((40, 1))
    ratios = resample.bootstrap(np.hstack([values, values + 0.25]), np.ones((40, 2)), 200, seed=3)
    np.testing.assert_allclose(ratios[:, 1] - ratios[:, 0], 0.25)


def test_a_resample_without_anybody_who_counts_is_left_out() -> None:
    sums, counts = np.array([[1.0], [0.0], [0.0]]), np.array([[1.0], [0.0], [0.0]])
    ratios = resample.bootstrap(sums, counts, 500, seed=0)
    assert np.isnan(ratios).any()
    assert [float(end[0]) for end in resample.interval(ratios)] == [1.0, 1.0]
    assert np.isnan(resample.interval(np.full((5, 1), np.nan))[0][0])


def test_nineteen_intervals_of_twenty_hold_the_truth() -> None:
    rng, held = np.random.default_rng(4), 0
    for trial in range(200):
        values = rng.normal(size=(80, 1))
        low, high = resample.interval(resample.bootstrap(values, np.ones((80, 1)), 300, seed=trial))
        held += int(low[0] <= 0 <= high[0])
    assert 178 <= held <= 199  # 95 % of 200, less what percentile intervals of 80 values lose


@pytest.mark.parametrize("shift", [0.0, 0.4, 1.0])
def test_sign_flips_equal_scipys_exact_permutation_test(shift: float) -> None:
    differences = np.random.default_rng(5).normal(shift, 1.0, size=10)
    exact = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    got = resample.sign_flip(differences[:, None], 20_000, seed=0)[0]
    assert got == pytest.approx(exact, abs=0.012)


def test_sign_flips_of_no_difference_and_of_a_difference_for_everybody() -> None:
    p_values = resample.sign_flip(np.stack([np.zeros(50), np.full(50, 0.1)], axis=1), 999, seed=0)
    assert p_values.tolist() == [1.0, 0.001]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(6).normal(size=(16, 2))
    whole = resample.bootstrap(values, np.ones((16, 2)), 50, seed=0), resample.sign_flip(values, 50, seed=0)
    monkeypatch.setattr(resample, "_CELLS", 64)
    np.testing.assert_allclose(resample.bootstrap(values, np.ones((16, 2)), 50, seed=0), whole[0])
    np.testing.assert_allclose(resample.sign_flip(values, 50, seed=0), whole[1])


def test_holm_worked_by_hand() -> None:
    np.testing.assert_allclose(resample.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(resample.holm(np.array([0.6, 0.7])), [1.0, 1.0])
