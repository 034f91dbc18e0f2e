"""Vectors of people that NeuMF was not trained on: the most probable ones, given their pairs and the trained vectors.

A person's vector p is taken for a draw from the normal distribution N(m, S) of the trained ones, as in empirical Bayes
(Robbins 1956; Efron and Morris 1973, doi:10.1080/01621459.1973.10481350). With all else fixed it minimises

    f(z) = sum over the pairs of w loss(out(p, i), y) + |z|^2 / 2,    p = m + B z,    B B' = S / noise

where the loss is binary cross-entropy and noise 1, or the squared error and noise twice the variance of what training
leaves of the ratings. B is turned so that the curvature of the sum at m, for pairs as trained people have them on the
average, is diagonal: a step of gradient descent with momentum divides by 1 + that diagonal. One that does not descend
is taken back and halved. Ten steps leave about a hundredth of the way to the minimum, and more of it to those with the
longest histories, or where all that is lacking counts (docs/log.md).

The items that a person lacks are represented by a fixed sample, drawn systematically, popular items the likelier
(Madow 1949, doi:10.1214/aoms/1177729988), each with the weight of those it stands for.
Cost: O(steps (M + H) W) a person for M items of the sample, H of the history and W weights of the hidden layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.models.deep._neumf_net import Net
from honeyguide.run import Run

_STEPS, _MOMENTUM = 10, 0.3
_RIDGE = 1e-3  # of the mean variance, added to each: fewer people than columns leave some without any
_PEOPLE = 32  # fitted at once
_ITEMS = 64  # of the sample at once, so that what is between two layers stays in the processor's cache
_TRAINED = 256  # people that the mean curvature is taken over


@dataclass(frozen=True, eq=False)
class Prior:
    """What vectors are like: m, B and the curvature of the loss along z, for a pair."""

    mean: FloatArray  # (W,)
    basis: FloatArray  # (W, W)
    curvature: FloatArray  # (W,)

    @staticmethod
    def of(
        net: Net, users: FloatArray, sample: FloatArray, lacking: FloatArray, known: FloatArray, *, noise: float | None
    ) -> Prior:
        """From trained vectors `users` (U, W) and those of the sample (M, W); noise None: cross-entropy.

        Of all pairs, those of items that a person lacks are the shares `lacking` (M,), known ones `known` (M,),
        with the items of the sample. O(U W^2).
        """
        width = users.shape[1]
        mean = users.mean(axis=0, dtype=np.float64) if len(users) else np.zeros(width)
        off = users - mean
        spread: DoubleArray = off.T @ off / max(1, len(users) - 1)
        spread += max(_RIDGE * np.trace(spread) / width, 1e-9) * np.eye(width)
        root = np.linalg.cholesky(spread / (noise or 1.0))
        heft: AnyArray = 2.0 * known
        if noise is None:
            _, s = _softplus(net.grid(users[:: max(1, len(users) // _TRAINED)], sample))
            heft = 0.25 * known + lacking * (s * (1.0 - s)).mean(axis=0) if len(users) else 0.25 * (known + lacking)
        slopes = _slopes(net, mean.astype(np.float32), sample).astype(np.float64) @ root  # (M, W)
        curvature, turn = np.linalg.eigh(slopes.T @ (heft[:, None] * slopes))
        found = mean, root @ turn, np.maximum(curvature, 0.0)
        return Prior(*(part.astype(np.float32) for part in found))


@dataclass(frozen=True, eq=False)
class Terms:
    """What vectors of B people are fitted to."""

    known: sp.csr_matrix  # (B, I) y of each known pair
    lacking: FloatArray  # (B, M) weights of the sample with y = 0; M = 0 for ratings
    heft: FloatArray  # (B,) weight of all pairs


def draw(counts: LongArray, size: int) -> tuple[IntArray, FloatArray]:
    """About `size` of the items that have `counts` (I,) events, and how many items each stands for; all if so few."""
    expected = np.ones(len(counts))
    if len(counts) > size:
        likely, free = counts + counts.mean() + 1.0, np.ones(len(counts), dtype=bool)
        while True:  # an item that is sure to be drawn leaves the rest to the others
            expected[free] = likely[free] * (size - (~free).sum()) / likely[free].sum()
            sure = free & (expected > 1.0)
            if not sure.any():
                break
            expected[sure] = 1.0
            free &= ~sure
    order = np.argsort(counts, kind="stable")
    passed = np.floor(np.cumsum(expected[order]) + 0.5)
    drawn = np.sort(order[np.diff(passed, prepend=0.0) > 0])
    return drawn.astype(np.int32), (1.0 / expected[drawn]).astype(np.float32)


def fold_in(net: Net, items: FloatArray, sample: IntArray, terms: Terms, prior: Prior, *, logistic: bool) -> FloatArray:
    """Vectors (B, W) that minimise f, for trained vectors `items` (I, W) and the sample (M,) of them."""
    people = np.empty((terms.known.shape[0], items.shape[1]), np.float32)
    drawn = _Items.of(net, items[sample[: terms.lacking.shape[1]]])

    def fit(first: int, stop: int) -> None:
        known = terms.known[first:stop]
        pairs = _Items.of(net, items[known.indices])
        people[first:stop] = _descend(
            _Loss(net, drawn, terms.lacking[first:stop], pairs, known, logistic), prior, terms.heft[first:stop]
        )

    Run().map(fit, len(people), block=_PEOPLE)
    return people


def _descend(loss: _Loss, prior: Prior, heft: FloatArray) -> FloatArray:
    shape = (len(heft), len(prior.mean))
    here, slope, way, trial = (np.zeros(shape, np.float32) for _ in range(4))
    scale = 1.0 / (1.0 + heft[:, None] * prior.curvature)
    lowest = np.full((len(heft), 1), np.inf, np.float32)
    for _ in range(_STEPS + 1):
        value, along = loss.at(prior.mean + trial @ prior.basis.T)
        value += 0.5 * (trial**2).sum(axis=1)
        better = value[:, None] <= lowest
        lowest = np.where(better, value[:, None], lowest)
        here, slope = np.where(better, trial, here), np.where(better, along @ prior.basis + trial, slope)
        scale = np.where(better, scale, np.float32(0.5) * scale)
        way = np.where(better, np.float32(_MOMENTUM) * way, np.float32(0.0)) - scale * slope
        trial = here + way
    return np.asarray(prior.mean + here @ prior.basis.T)


@dataclass(frozen=True, eq=False)
class _Items:
    """What the network makes of N items, whoever asks."""

    factors: FloatArray  # (N, F) times the output's weights
    bias: FloatArray  # (N,) with the output's
    halves: FloatArray  # (N, H1)

    @staticmethod
    def of(net: Net, items: FloatArray) -> _Items:
        h = net.weights[-2][: net.factors, 0]
        halves = net.item(items) if net.deep else np.zeros((len(items), 0), np.float32)
        return _Items(items[:, : net.factors] * h, items[:, -1] + net.weights[-1], halves)


@dataclass(frozen=True, eq=False)
class _Loss:
    """The sum over the pairs of a few people."""

    net: Net
    drawn: _Items  # (M)
    lacking: FloatArray  # (B, M)
    pairs: _Items  # (N) of the known pairs
    known: sp.csr_matrix  # (B, I), N of them
    logistic: bool

    def at(self, people: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The loss (B,) of people (B, W), and its slope (B, W)."""
        factors, slope = self.net.factors, np.zeros_like(people)
        ours = self.net.person(people) if self.net.deep else np.zeros((len(people), 0), np.float32)
        value, first = self._known(people, ours, slope)
        if self.lacking.shape[1]:
            more, below = self._lacking(people, ours, slope)
            value, first = value + more, first + below
        if self.net.deep:
            slope[:, factors : 2 * factors] = first @ self.net.weights[0].T
        return value, slope

    def _known(self, people: FloatArray, ours: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The loss (B,) of the known pairs and its slope along `ours` (B, H1); the rest of it is added to `slope`."""
        factors, counts = self.net.factors, np.diff(self.known.indptr)
        rows = np.repeat(np.arange(len(people)), counts)
        out = np.einsum("nf,nf->n", people[rows, :factors], self.pairs.factors) + people[rows, -1] + self.pairs.bias
        layers = _tower(self.net, ours[rows] + self.pairs.halves)
        if layers:
            out += layers[-1] @ self.net.weights[-2][factors:, 0]
        if self.logistic:
            each, error = _softplus(out)
            each, error = each - self.known.data * out, error - self.known.data
        else:
            each, error = (out - self.known.data) ** 2, 2.0 * (out - self.known.data)
        owner = sp.csr_matrix((np.ones_like(out), np.arange(len(out)), self.known.indptr))  # (B, N)
        slope[:, :factors] += owner @ (error[:, None] * self.pairs.factors)
        slope[:, -1] += owner @ error
        return owner @ each, owner @ _below(self.net, error, layers) if layers else ours

    def _lacking(self, people: FloatArray, ours: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same of the sample."""
        factors, first = self.net.factors, np.zeros_like(ours)
        out = people[:, :factors] @ self.drawn.factors.T + people[:, -1:] + self.drawn.bias  # (B, M)
        each, error = np.empty_like(out), np.empty_like(out)
        size = min(_ITEMS, self.net.rows) if self.net.deep else out.shape[1]
        for low in range(0, out.shape[1], size):
            part = slice(low, low + size)
            layers = _tower(self.net, ours[:, None] + self.drawn.halves[part])
            if layers:
                out[:, part] += layers[-1] @ self.net.weights[-2][factors:, 0]
            each[:, part], error[:, part] = _softplus(out[:, part])
            error[:, part] *= self.lacking[:, part]
            if layers:
                first += _summed(self.net, error[:, part], layers)
        slope[:, :factors] += error @ self.drawn.factors
        slope[:, -1] += error.sum(axis=1)
        return np.einsum("bm,bm->b", self.lacking, each), first


def _tower(net: Net, halves: FloatArray) -> list[FloatArray]:
    return net.tower(halves) if net.deep else []


def _below(net: Net, error: FloatArray, layers: list[FloatArray]) -> FloatArray:
    """The slope (…, H1) along the sum of the halves, from that along the output (…)."""
    back = error[..., None] * (net.weights[-2][net.factors :, 0] * (layers[-1] > 0))
    for (kernel, _), below in zip(reversed(net.hidden), reversed(layers[:-1]), strict=True):
        back = (back @ kernel.T) * (below > 0)
    return np.asarray(back)


def _summed(net: Net, error: FloatArray, layers: list[FloatArray]) -> FloatArray:
    """The sum (B, H1) over the items of `_below`, for slopes (B, C) along the outputs; the top layer is overwritten."""
    if len(layers) > 1:
        return np.asarray(_below(net, error, layers).sum(axis=1))
    on = np.greater(layers[0], 0.0, out=layers[0])  # 0 or 1
    return np.asarray((error[:, None] @ on)[:, 0] * net.weights[-2][net.factors :, 0])


def _slopes(net: Net, person: FloatArray, items: FloatArray) -> FloatArray:
    """(N, W) how the output of a person (W,) with each item changes along his vector."""
    known = _Items.of(net, items)
    slopes = np.zeros_like(items)
    slopes[:, : net.factors], slopes[:, -1] = known.factors, 1.0
    if net.deep:
        layers = net.tower(net.person(person[None]) + known.halves)
        below = _below(net, np.ones(len(items), np.float32), layers)
        slopes[:, net.factors : 2 * net.factors] = below @ net.weights[0].T
    return slopes


def _softplus(out: FloatArray) -> tuple[FloatArray, FloatArray]:
    """log(1 + e^out) and its slope, the sigmoid; NumPy's logaddexp takes many times as long."""
    small = np.exp(-np.abs(out))
    whole = np.float32(1.0) + small
    slope = np.where(out > 0, np.float32(1.0), small) / whole
    return np.maximum(out, 0.0) + np.log(whole), np.asarray(slope, np.float32)
