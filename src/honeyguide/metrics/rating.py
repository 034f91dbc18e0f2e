"""Errors of predicted ratings, over all pairs: RMSE = sqrt(mean((p - r)^2)), MAE = mean(|p - r|). Time O(N)."""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import DoubleArray, FloatArray
from honeyguide.errors import ParameterError


def squared_error(ratings: FloatArray | DoubleArray, predictions: FloatArray | DoubleArray) -> DoubleArray:
    """(N,) squared difference of each pair."""
    return _difference(ratings, predictions) ** 2


def absolute_error(ratings: FloatArray | DoubleArray, predictions: FloatArray | DoubleArray) -> DoubleArray:
    """(N,) absolute difference of each pair."""
    return np.abs(_difference(ratings, predictions))


def rmse(ratings: FloatArray | DoubleArray, predictions: FloatArray | DoubleArray) -> float:
    """Root of the mean squared error over all pairs."""
    return float(np.sqrt(squared_error(ratings, predictions).mean()))


def mae(ratings: FloatArray | DoubleArray, predictions: FloatArray | DoubleArray) -> float:
    """Mean absolute error over all pairs."""
    return float(absolute_error(ratings, predictions).mean())


def _difference(ratings: FloatArray | DoubleArray, predictions: FloatArray | DoubleArray) -> DoubleArray:
    if ratings.shape != predictions.shape or ratings.ndim != 1 or not len(ratings):
        shapes = f"{ratings.shape} and {predictions.shape}"
        raise ParameterError(f"ratings and predictions must be two columns of one length >= 1, got shapes {shapes}.")
    return predictions.astype(np.float64) - ratings.astype(np.float64)
