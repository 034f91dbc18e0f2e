"""Ordered probit: a rating is the interval between cutpoints that a latent number falls into.

(Albert and Chib 1993, doi:10.1080/01621459.1993.10476321, with the cutpoints drawn with the latent numbers summed out.)
With f_n what a model predicts, z_n = f_n + N(0, 1) and rating n is the c-th of the C there are where cut_c-1 < z_n <=
cut_c. The cutpoints are proposed from the Gaussian at the mode of their likelihood, which Newton's method finds, and
taken or not by Metropolis and Hastings. Time O(N) a draw, memory some 60 bytes for each of the N ratings.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from honeyguide.arrays import AnyArray, DoubleArray, FloatArray

_STEPS = 2  # of Newton's method, from the mode of the draw before
_SPREAD = 1.1  # standard deviations of the proposal for one of the likelihood, so that its tails are the longer
_TINY = 1e-300


class Ordinal:
    """The cutpoints (C - 1,) of a chain, for ratings that are places (N,) among the C levels."""

    def __init__(self, places: AnyArray, levels: int, rng: np.random.Generator) -> None:
        self._places, self._rng, self._levels = places, rng, levels
        below = np.cumsum(np.bincount(places, minlength=levels))[:-1] / len(places)
        self.cuts: DoubleArray = ndtri(np.clip(below, 1e-6, 1.0 - 1e-6))
        self._mode = self.cuts.copy()

    def draw(self, predicted: FloatArray) -> FloatArray:
        """New cutpoints, and latent numbers z (N,) that agree with them, given what is predicted (N,)."""
        f = predicted.astype(np.float64)
        if self._levels > 1:
            self._draw_cuts(f)
        low, high = self._ends(self.cuts)
        a, b = low[self._places] - f, high[self._places] - f
        flip = a > 0.0  # where the normal's upper tail would lose its digits
        a, b = np.where(flip, -b, a), np.where(flip, -a, b)
        from_below = ndtr(a)
        z = ndtri(np.clip(from_below + self._rng.random(len(f)) * (ndtr(b) - from_below), _TINY, 1.0 - 1e-16))
        z = np.clip(z, a, b)
        latent: FloatArray = (f + np.where(flip, -z, z)).astype(np.float32)
        return latent

    def _ends(self, cuts: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        return np.concatenate([[-np.inf], cuts]), np.concatenate([cuts, [np.inf]])

    def _draw_cuts(self, f: DoubleArray) -> None:
        mode = self._mode
        for _ in range(_STEPS):
            slope, curvature = self._slopes(mode, f)
            step = np.linalg.solve(curvature, slope)
            while (np.diff(mode + step) <= 0.0).any():
                step /= 2.0
            mode = mode + step
        self._mode = mode
        _, curvature = self._slopes(mode, f)
        root = np.linalg.cholesky(curvature)  # of the precision
        normal = self._rng.standard_normal(len(mode)) * _SPREAD
        proposed = mode + np.linalg.solve(root.T, normal)
        if (np.diff(proposed) <= 0.0).any():
            return
        back = root.T @ (self.cuts - mode) / _SPREAD
        there = normal / _SPREAD
        ratio = self._likelihood(proposed, f) - self._likelihood(self.cuts, f)
        ratio += 0.5 * float(there @ there) - 0.5 * float(back @ back)
        if np.log(self._rng.random()) < ratio:
            self.cuts = proposed

    def _likelihood(self, cuts: DoubleArray, f: DoubleArray) -> float:
        """The log of the likelihood, the latent numbers summed out."""
        low, high = self._ends(cuts)
        return float(np.log(np.maximum(_between(low[self._places] - f, high[self._places] - f), _TINY)).sum())

    def _slopes(self, cuts: DoubleArray, f: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """The gradient (C - 1,) of the log-likelihood and the negative of its second derivatives, three bands."""
        low, high = self._ends(cuts)
        a, b = low[self._places] - f, high[self._places] - f
        mass = np.maximum(_between(a, b), _TINY)
        at_low, at_high = _density(a) / mass, _density(b) / mass
        finite_a, finite_b = np.where(np.isfinite(a), a, 0.0), np.where(np.isfinite(b), b, 0.0)

        def of(value: DoubleArray) -> DoubleArray:
            return np.asarray(np.bincount(self._places, weights=value, minlength=self._levels), dtype=np.float64)

        slope = of(at_high)[:-1] - of(at_low)[1:]
        bent_high, bent_low = of(at_high**2 + finite_b * at_high)[:-1], of(at_low**2 - finite_a * at_low)[1:]
        between = -of(at_high * at_low)[1:-1]
        curvature = np.diag(bent_high + bent_low + 1e-9) + np.diag(between, 1) + np.diag(between, -1)
        return slope, curvature


def expected(f: FloatArray, cuts: FloatArray, levels: FloatArray) -> FloatArray:
    """The mean rating where f (…) is predicted: levels (C,) in rising order, cutpoints (C - 1,)."""
    out = np.full(f.shape, levels[0], np.float32)
    for cut, step in zip(cuts, np.diff(levels), strict=True):
        out += step * ndtr(f - cut)
    return out


def latent_mean(f: FloatArray, cuts: FloatArray, places: AnyArray) -> FloatArray:
    """The mean of z (N,) where f (N,) is predicted and the rating is the places-th level."""
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])
    places = np.minimum(places, len(cuts))
    a, b = ends[places] - f, ends[places + 1] - f
    mean: FloatArray = (f + (_density(a) - _density(b)) / np.maximum(_between(a, b), _TINY)).astype(np.float32)
    return mean


def level_quantile(f: FloatArray, cuts: FloatArray, levels: FloatArray, share: float) -> FloatArray:
    """(N,) the lowest level up to which at least a share of the ratings lies, by draws f (S, N) and cuts (S, C - 1)."""
    below = np.stack([ndtr(cut[:, None] - f).mean(axis=0) for cut in cuts.T])  # (C - 1, N)
    found: FloatArray = levels[(below < share).sum(axis=0)]
    return found


def _between(a: AnyArray, b: AnyArray) -> DoubleArray:
    """The mass of the standard normal between a and b, without loss in its upper tail."""
    flip = a > 0.0
    mass: DoubleArray = ndtr(np.where(flip, -a, b)) - ndtr(np.where(flip, -b, a))
    return mass


def _density(x: AnyArray) -> DoubleArray:
    density: DoubleArray = np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
    return density
