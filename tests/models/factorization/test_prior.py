"""The prior over people against its formulas in float64, and planted people whose best prediction is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.models.factorization import _prior
from honeyguide.run import Run


def people(count: int, mean: np.ndarray, root: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (mean + rng.normal(size=(count, len(mean))) @ root.T).astype(np.float32)


MEAN = np.array([0.3, -0.5, 0.0, 1.0])
ROOT = np.array([[0.8, 0, 0, 0], [0.3, 0.2, 0, 0], [-0.4, 0.1, 0.5, 0], [0.0, 0.0, 0.6, 0.1]])


def test_moments_are_those_of_the_people_and_rows_of_zeros_are_nobody() -> None:
    told = people(50, MEAN, ROOT, 0)
    rows = np.zeros((70, 4), np.float32)
    rows[::7][:5] = told[:5]
    rows[1:70:7][:10] = told[5:15]
    rows[rows.any(axis=1)] = told[:15]
    mean, root = _prior.fitted(rows, 15, 0.04, 0.7)
    wide = told[:15].astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(axis=0), atol=1e-6)
    covariance = (np.cov(wide.T, bias=True) * 15 + 4 * 0.04 * np.eye(4)) / 19
    np.testing.assert_allclose(0.7 * root @ root.T, covariance, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_people_and_no_noise_leave_it_of_full_rank(count: int) -> None:
    vectors = np.zeros((3, 4), np.float32)
    vectors[:count] = people(count, MEAN, ROOT, 1)
    mean, root = _prior.fitted(vectors, count, 0.25, 0.0)
    assert np.isfinite(root).all()
    assert np.isfinite(mean).all()
    assert (np.diag(root) > 0).all()
    if count == 0:
        assert (mean == 0).all()


def test_the_posterior_mean_is_the_formulas() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(30, 4)).astype(np.float32)
    targets = sp.random(9, 30, density=0.2, random_state=3, format="csr", dtype=np.float32)
    targets.data[:] = rng.normal(size=targets.nnz)
    targets.data[targets.indptr[4] : targets.indptr[5]] = 0.0
    targets.eliminate_zeros()  # the fifth person has no history
    noise, covariance = 0.5, ROOT @ ROOT.T
    prior = MEAN, np.linalg.cholesky(covariance / noise)
    found = _prior.folded(targets, features, prior, Run(threads=1))
    for row in range(9):
        x = features[targets[row].indices].astype(np.float64)
        left = x.T @ x / noise + np.linalg.inv(covariance)
        right = x.T @ targets[row].data / noise + np.linalg.inv(covariance) @ MEAN
        np.testing.assert_allclose(found[row], np.linalg.solve(left, right), atol=1e-4)
    np.testing.assert_allclose(found[4], MEAN, atol=1e-6)


@pytest.mark.parametrize("shown", [1, 3, 10, 40])
def test_new_people_are_predicted_as_with_the_true_prior(shown: int) -> None:
    rng, noise = np.random.default_rng(4), 0.6
    features = rng.normal(size=(100, 4)).astype(np.float32)
    prior = _prior.fitted(people(2000, MEAN, ROOT, 5), 2000, 0.01, noise**2)
    new = people(400, MEAN, ROOT, 6)
    truth = new @ features.T
    rated = truth + rng.normal(0, noise, truth.shape)
    targets = sp.csr_matrix(np.where(np.arange(100) < shown, rated, 0.0).astype(np.float32))
    errors = {}
    for name, given in {"fitted": prior, "true": (MEAN, ROOT / noise), "mean": (MEAN, ROOT * 1e-6)}.items():
        found = _prior.folded(targets, features, given, Run(threads=1))
        errors[name] = float(((found @ features.T - truth)[:, 50:] ** 2).mean())
    alone = np.linalg.lstsq(features[:shown], rated[:, :shown].T, rcond=None)[0].T
    errors["alone"] = float(((alone @ features.T - truth)[:, 50:] ** 2).mean())
    assert errors["fitted"] < 1.02 * errors["true"]
    assert errors["fitted"] < 0.9 * errors["mean"]
    assert errors["fitted"] < errors["alone"] * (0.9 if shown < 40 else 1.0)


def test_compact_holds_the_same_entries() -> None:
    matrix = sp.random(5, 40, density=0.1, random_state=1, format="csr", dtype=np.float32)
    small, columns = _prior.compact(matrix)
    assert small.shape == (5, len(columns))
    whole = np.zeros((5, 40), np.float32)
    whole[:, columns] = small.toarray()
    np.testing.assert_array_equal(whole, matrix.toarray())
    assert (np.bincount(small.indices, minlength=len(columns)) > 0).all()
    none, columns = _prior.compact(sp.csr_matrix((2, 40), dtype=np.float32))
    assert none.shape == (2, 0)
    assert len(columns) == 0
