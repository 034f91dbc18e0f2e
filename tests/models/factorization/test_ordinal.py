"""Ordered probit: its derivatives, its draws and its means against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm, truncnorm

from honeyguide.models.factorization._ordinal import Ordinal, expected, latent_mean, level_quantile

CUTS = np.array([-1.2, -0.3, 0.9])


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(what is predicted (N,), the level each falls into (N,))."""
    rng = np.random.default_rng(seed)
    f = rng.normal(0, 0.8, count)
    return f.astype(np.float32), np.searchsorted(CUTS, f + rng.normal(size=count))


def likelihood(cuts: np.ndarray, f: np.ndarray, places: np.ndarray) -> float:
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])
    return float(np.log(norm.cdf(ends[places + 1] - f) - norm.cdf(ends[places] - f)).sum())


def test_slopes_are_those_of_the_likelihood() -> None:
    f, places = drawn(300)
    ordinal = Ordinal(places, 4, np.random.default_rng(1))
    slope, curvature = ordinal._slopes(CUTS, f.astype(float))
    assert ordinal._likelihood(CUTS, f.astype(float)) == pytest.approx(likelihood(CUTS, f, places), rel=1e-9)
    for c in range(3):
        step = 1e-4 * np.eye(3)[c]
        ahead, behind = (ordinal._slopes(CUTS + sign * step, f.astype(float))[0] for sign in (1, -1))
        numeric = (likelihood(CUTS + step, f, places) - likelihood(CUTS - step, f, places)) / 2e-4
        assert slope[c] == pytest.approx(numeric, abs=1e-4)
        np.testing.assert_allclose(-curvature[c], (ahead - behind) / 2e-4, atol=1e-3)


def test_cutpoints_are_drawn_from_their_posterior() -> None:
    f, places = drawn(2_000)
    ordinal = Ordinal(places, 4, np.random.default_rng(1))
    best = minimize(lambda cuts: -likelihood(cuts, f, places), CUTS, method="BFGS")
    cuts = np.array([(ordinal.draw(f), ordinal.cuts)[1] for _ in range(1_500)])[100:]
    spread = np.sqrt(np.diag(best.hess_inv))
    np.testing.assert_allclose(cuts.mean(axis=0), best.x, atol=0.15 * spread.max())
    np.testing.assert_allclose(cuts.std(axis=0), spread, rtol=0.15)
    assert len(np.unique(cuts[:, 0])) > 0.7 * len(cuts)  # proposals are seldom refused


def test_latent_numbers_are_normal_within_their_interval() -> None:
    f, places = np.repeat(np.float32([0.5, -6.0, 7.0, 0.0]), 20_000), np.repeat([2, 3, 0, 1], 20_000)
    ordinal = Ordinal(places, 4, np.random.default_rng(1))
    ordinal._draw_cuts = lambda f: None  # type: ignore[method-assign]
    ordinal.cuts = CUTS
    z = ordinal.draw(f).reshape(4, -1)
    ends = np.concatenate([[-np.inf], CUTS, [np.inf]])
    for row, (centre, level) in enumerate(((0.5, 2), (-6.0, 3), (7.0, 0), (0.0, 1))):
        reference = truncnorm(ends[level] - centre, ends[level + 1] - centre, loc=centre)
        assert ((z[row] >= ends[level] - 1e-5) & (z[row] <= ends[level + 1] + 1e-5)).all()
        assert z[row].mean() == pytest.approx(reference.mean(), abs=5 * reference.std() / 140)
        assert z[row].std() == pytest.approx(reference.std(), rel=0.05)
        found = latent_mean(np.float32([centre]), np.float32(CUTS), np.array([level]))[0]
        assert found == pytest.approx(reference.mean(), abs=1e-4)


def test_mean_ratings_and_quantiles() -> None:
    levels, f = np.float32([1, 2, 3.5, 5]), np.float32([-2.0, 0.1, 3.0])
    ends = np.concatenate([[-np.inf], CUTS, [np.inf]])
    mass = norm.cdf(ends[1:, None] - f) - norm.cdf(ends[:-1, None] - f)  # (C, N)
    np.testing.assert_allclose(expected(f, np.float32(CUTS), levels), levels @ mass, rtol=1e-5)
    draws, cuts = np.stack([f, f + 1]).astype(np.float32), np.stack([CUTS, CUTS + 0.5])
    both = np.cumsum(mass, axis=0) / 2 + norm.cdf(np.append(CUTS + 0.5, np.inf)[:, None] - f - 1) / 2
    for share in (0.05, 0.5, 0.95):
        wanted = [levels[np.flatnonzero(both[:, n] >= share)[0]] for n in range(3)]
        assert level_quantile(draws, cuts, levels, share).tolist() == wanted
