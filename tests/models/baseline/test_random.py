"""Random is uniform, repeats itself, and follows the seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.errors import UnsupportedError
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


def test_ratings_are_drawn_from_the_normal_distribution_fitted(make: object) -> None:
    rng = np.random.default_rng(0)
    rows = [(u, i, float(rng.integers(1, 6)), 0) for u in range(80) for i in range(50) if rng.random() < 0.5]
    rows.append((0, 0, 5.0, 1))  # a second opinion: the first one does not count
    data = make(rows)  # type: ignore[operator]
    model = Random(draws="ratings").fit(data)
    ratings = data.matrix().data
    assert (model.task, Random().task) == ("rating", "ranking")
    scores = model.score(data.profiles())
    assert kstest(scores.ravel(), "norm", args=(ratings.mean(), ratings.std())).pvalue > 1e-3
    rows_, items = (each.ravel().astype(np.int32) for each in np.indices(scores.shape))
    np.testing.assert_array_equal(model.rate(data.profiles(), Pairs(rows_, items)), scores.ravel())
    assert np.isfinite(model.rate(data.profiles(), Pairs(rows_[:1], np.array([-1], np.int32)))).all()
    with pytest.raises(UnsupportedError, match="Random gives lists, not ratings"):
        Random().fit(data).rate(data.profiles(), Pairs(rows_, items))
