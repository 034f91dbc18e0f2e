"""What NeuMF computes, in NumPy: scores of trained vectors, and vectors for people it was not trained on.

The network is trained on Keras (neumf.py); asking it needs neither Keras nor a compilation. Its first layer is split,
W [p; q] = W_p p + W_q q, so that a person's and an item's halves are computed once each, not once a pair.

Weights, in order: W_p (F, H1), W_q (F, H1), b_1 (H1,), then W (H, H'), b (H',) of each further layer, then the output's
h (F + H,) as (F + H, 1) and b (1,). A vector is [g (F) | p (F) | bias], without the middle where no layer is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray
from honeyguide.run import Run
from honeyguide.training.tables import BETA_1, BETA_2, EPSILON

_ALONE = 1 << 18  # multiplications up to which OpenBLAS keeps a product on the calling thread
_PEOPLE = 32  # rows of a grid at once, so that what is between two layers stays in the processor's cache
_PAIRS = 4096  # pairs fitted at once, for the same reason


@dataclass(frozen=True, eq=False)
class Net:
    """The trained network; `factors` is F."""

    factors: int
    weights: tuple[FloatArray, ...]

    @property
    def hidden(self) -> list[tuple[FloatArray, FloatArray]]:
        """Kernel and bias of the hidden layers after the first."""
        return list(zip(self.weights[3:-2:2], self.weights[4:-2:2], strict=True))

    @property
    def rows(self) -> int:
        """Pairs in one matrix product: so few that BLAS does it on this thread, without waiting for others."""
        return max(8, min((_ALONE // kernel.size for kernel, _ in self.hidden), default=256))

    @property
    def deep(self) -> bool:
        """Whether there is a hidden layer at all."""
        return len(self.weights) > 2

    def person(self, vectors: FloatArray) -> FloatArray:
        """The half (B, H1) of the first layer that depends on the person alone."""
        return vectors[:, self.factors : 2 * self.factors] @ self.weights[0]

    def item(self, vectors: FloatArray) -> FloatArray:
        """The half (C, H1) of the first layer that depends on the item alone."""
        return np.asarray(vectors[:, self.factors : 2 * self.factors] @ self.weights[1] + self.weights[2])

    def grid(self, people: FloatArray, items: FloatArray) -> FloatArray:
        """The output (B, C) for every person with every item."""
        h, factors = self.weights[-2][:, 0], self.factors
        out = (people[:, :factors] * h[:factors]) @ items[:, :factors].T  # (B, C)
        out += people[:, -1:] + items[:, -1] + self.weights[-1]
        if self.deep:
            ours, theirs = self.person(people), self.item(items)  # (B, H1), (C, H1)
            Run().map(self._tower_grid, len(people), ours, theirs, out, block=_PEOPLE)
        return np.asarray(out, np.float32)

    def pairs(self, people: FloatArray, items: FloatArray) -> FloatArray:
        """The output (N,) for each person with the item beside."""
        h, factors = self.weights[-2][:, 0], self.factors
        out = np.einsum("nf,nf->n", people[:, :factors] * h[:factors], items[:, :factors])
        out += people[:, -1] + items[:, -1] + self.weights[-1]
        if self.deep:
            ours, theirs = self.person(people), self.item(items)  # (N, H1) each
            for low in range(0, len(out), self.rows):
                layers = self.tower(ours[low : low + self.rows] + theirs[low : low + self.rows])
                out[low : low + self.rows] += layers[-1] @ h[factors:]
        return np.asarray(out, np.float32)

    def tower(self, layer: FloatArray) -> list[FloatArray]:
        """Every hidden layer (…, H) above the sum of the halves (…, H1), which is overwritten."""
        layers = [np.maximum(layer, 0.0, out=layer)]
        for kernel, bias in self.hidden:
            layer = layers[-1] @ kernel
            layer += bias
            layers.append(np.maximum(layer, 0.0, out=layer))
        return layers

    def _tower_grid(self, first: int, stop: int, ours: FloatArray, theirs: FloatArray, out: FloatArray) -> None:
        """Add the tower's share to the rows first … stop of out."""
        h = self.weights[-2][self.factors :, 0]
        for low in range(0, len(theirs), self.rows):
            part = theirs[low : low + self.rows]
            out[first:stop, low : low + len(part)] += self.tower(ours[first:stop, None] + part)[-1] @ h


@dataclass(frozen=True, eq=False)
class Terms:
    """What a person's vector is fitted to: N pairs sorted by person, every person among them."""

    indptr: LongArray  # (B + 1,) the pairs of each person
    items: IntArray  # (N,) rows of the item vectors
    targets: FloatArray  # (N,)
    weights: FloatArray  # (N,)


def fold_in(
    net: Net, items: FloatArray, terms: Terms, start: FloatArray, *, logistic: bool, reg: float, steps: int, rate: float
) -> FloatArray:
    """Vectors (B, W) of people from `start` (W,), by Adam on their terms with all else fixed.

    Minimises the mean over a person's terms of w (loss + reg |p|^2); the loss is binary cross-entropy where `logistic`,
    else squared error. `items` (I, W) are the trained vectors. The rate falls linearly to 0. O(steps * N) layers.
    """
    people = np.repeat(start[None], len(terms.indptr) - 1, axis=0)
    bounds = _chunks(terms.indptr, _PAIRS)

    def fit(at: int, _: int) -> None:
        first, stop = bounds[at], bounds[at + 1]
        fixed = _Fixed.of(net, items, terms, first, stop)
        people[first:stop] = _adam(fixed, people[first:stop], logistic=logistic, reg=reg, steps=steps, rate=rate)

    Run().map(fit, len(bounds) - 1, block=1)
    return people


def _adam(fixed: _Fixed, start: FloatArray, *, logistic: bool, reg: float, steps: int, rate: float) -> FloatArray:
    now: AnyArray = start
    m: AnyArray = np.zeros_like(start)
    v: AnyArray = np.zeros_like(start)
    for step in range(1, steps + 1):
        grad = fixed.gradient(now, logistic=logistic) + np.float32(2.0 * reg) * now
        m, v = BETA_1 * m + (1.0 - BETA_1) * grad, BETA_2 * v + (1.0 - BETA_2) * grad**2
        falling = rate * (1.0 - (step - 1) / steps) * (1.0 - BETA_2**step) ** 0.5 / (1.0 - BETA_1**step)
        now = now - np.float32(falling) * m / (np.sqrt(v) + np.float32(EPSILON))
    return now


@dataclass(frozen=True, eq=False)
class _Fixed:
    """What does not change while the vectors of a few people are fitted: their N pairs, filled up to whole products."""

    net: Net
    rows: LongArray  # (N,) the person of each pair
    owner: sp.csr_matrix  # (B, N) sums over the pairs of each person
    items: FloatArray  # (N, W) vectors
    halves: FloatArray  # (N, H1)
    targets: FloatArray  # (N,)
    weights: FloatArray  # (N,) over their sum for the person

    @staticmethod
    def of(net: Net, items: FloatArray, terms: Terms, first: int, stop: int) -> _Fixed:
        """The pairs of the people first … stop."""
        low, high = int(terms.indptr[first]), int(terms.indptr[stop])
        fill = -(high - low) % net.rows
        at = np.append(terms.items[low:high], np.zeros(fill, np.int64))
        indptr = terms.indptr[first : stop + 1] - low
        rows = np.append(np.repeat(np.arange(stop - first), np.diff(indptr)), np.zeros(fill, np.int64))
        ones = np.ones(high - low, np.float32)
        owner = sp.csr_matrix((ones, np.arange(high - low), indptr), shape=(stop - first, len(at)))
        used, place = np.unique(at, return_inverse=True)
        halves = net.item(items[used])[place] if net.deep else np.zeros((len(at), 0), np.float32)
        weights = np.append(terms.weights[low:high], np.zeros(fill, np.float32))
        targets = np.append(terms.targets[low:high], np.zeros(fill, np.float32))
        return _Fixed(net, rows, owner, items[at], halves, targets, weights / (owner @ weights)[rows])

    def gradient(self, people: FloatArray, *, logistic: bool) -> FloatArray:
        """The slope (B, W) of the loss along the people's vectors."""
        net, factors, h = self.net, self.net.factors, self.net.weights[-2][:, 0]
        gmf = self.items[:, :factors]  # (N, F)
        out = np.einsum("nf,nf->n", (people[:, :factors] * h[:factors])[self.rows], gmf)
        out += people[self.rows, -1] + self.items[:, -1] + net.weights[-1]
        layers = []
        if net.deep:
            halves = net.person(people)[self.rows] + self.halves
            layers = net.tower(halves.reshape(-1, net.rows, halves.shape[1]))
            out += (layers[-1] @ h[factors:]).ravel()
        error = _sigmoid(out) - self.targets if logistic else 2.0 * (out - self.targets)
        error = (self.weights * error)[:, None]  # (N, 1)
        grad = np.zeros_like(people)
        grad[:, :factors] = (self.owner @ (error * gmf)) * h[:factors]
        grad[:, -1:] = self.owner @ error
        if net.deep:
            back = error.reshape(-1, net.rows, 1) * h[factors:] * (layers[-1] > 0)
            for (kernel, _), below in zip(reversed(net.hidden), reversed(layers[:-1]), strict=True):
                back = (back @ kernel.T) * (below > 0)
            grad[:, factors : 2 * factors] = (self.owner @ back.reshape(len(out), -1)) @ net.weights[0].T
        return grad


def _chunks(indptr: LongArray, size: int) -> list[int]:
    """Bounds of runs of people with about `size` pairs together, one person at least."""
    bounds = [0]
    while bounds[-1] < len(indptr) - 1:
        stop = int(np.searchsorted(indptr, indptr[bounds[-1]] + size, side="right")) - 1
        bounds.append(max(bounds[-1] + 1, stop))
    return bounds


def _sigmoid(out: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (np.tanh(0.5 * out) + 1.0), np.float32)
