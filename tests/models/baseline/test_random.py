"""Random is uniform, repeats itself, and follows the seed."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from honeyguide.data.dataset import Dataset
from honeyguide.models.baseline.random import Random
from honeyguide.run import Run


def test_scores_are_uniform_and_follow_the_seed(ratings: Dataset) -> None:
    first, again, other = (Random().fit(ratings, run=Run(seed=seed)).score(ratings.profiles()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.1
    assert kstest(first.ravel(), "uniform").pvalue > 1e-3
    assert first.min() >= 0
    assert first.max() < 1
    assert abs(np.corrcoef(first)[np.triu_indices(len(first), 1)]).mean() < 0.3  # people differ
