"""Rating errors against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from honeyguide.errors import ParameterError
from honeyguide.metrics import rating


def test_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.integers(1, 11, 500) / 2).astype(np.float32)
    guess = (truth + rng.normal(0, 0.8, 500)).astype(np.float32)
    assert rating.rmse(truth, guess) == pytest.approx(root_mean_squared_error(truth, guess), rel=1e-6)
    assert rating.mae(truth, guess) == pytest.approx(mean_absolute_error(truth, guess), rel=1e-6)


def test_worked_by_hand() -> None:
    truth, guess = np.array([4.0, 3.0, 5.0], np.float32), np.array([3.0, 3.0, 3.0], np.float32)
    assert rating.rmse(truth, guess) == pytest.approx((5 / 3) ** 0.5)
    assert rating.mae(truth, guess) == pytest.approx(1.0)


def test_sums_are_in_double_precision() -> None:
    truth, guess = np.zeros(300_000, np.float32), np.full(300_000, 0.1, np.float32)
    assert rating.mae(truth, guess) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_columns_of_two_lengths_are_refused() -> None:
    rule = r"ratings and predictions must be two columns of one length >= 1, got shapes \(2,\) and \(3,\)\."
    with pytest.raises(ParameterError, match=rule):
        rating.rmse(np.zeros(2, np.float32), np.zeros(3, np.float32))
