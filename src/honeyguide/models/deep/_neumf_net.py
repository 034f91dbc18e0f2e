"""What NeuMF computes, in NumPy: the scores of vectors; _neumf_stranger.py has those of people it was not trained on.

The network is trained on Keras (neumf.py); asking it needs neither Keras nor a compilation. Its first layer is split,
W [p; q] = W_p p + W_q q, so that a person's and an item's halves are computed once each, not once a pair.

Weights, in order: W_p (F, H1), W_q (F, H1), b_1 (H1,), then W (H, H'), b (H',) of each further layer, then the output's
h (F + H,) as (F + H, 1) and b (1,). A vector is [g (F) | p (F) | bias], without the middle where no layer is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from honeyguide.arrays import FloatArray
from honeyguide.run import Run

_ALONE = 1 << 18  # multiplications up to which OpenBLAS keeps a product on the calling thread
_PEOPLE = 32  # rows of a grid at once, so that what is between two layers stays in the processor's cache


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
