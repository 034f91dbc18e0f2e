"""The causal transformer of sasrec.py in NumPy, as it is asked: the last output of each history, without padding.

Histories lie end to end, sorted by length. Layers work on all of their events at once; attention on those of one
length, which are a stretch and need no mask but the causal one. Of the last block only the last event's query, output
and feed-forward are computed. O(events D^2 + sum of squared lengths D) for histories cut to the model's length.

Weights, in order, of each block: scale and shift (D,) of a norm, query, key, value, output (D, D), scale and shift of a
norm; "sasrec": W (D, H), b (H,), W (H, D), b (D,); "ligr": gate and up (D, H), down (H, D), then W (D, D) and b (D,)
of the gate of attention and of that of the feed-forward. Last come scale and shift of the last norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray
from honeyguide.run import Run

EPSILON = 1e-6  # of the norms
_EVENTS = 1024  # of histories encoded at once by a thread: what is between two layers stays in its cache


@dataclass(frozen=True, eq=False)
class Transformer:
    """The trained network."""

    heads: int
    kind: str
    items: FloatArray  # (I, D)
    places: FloatArray  # (L, D) of the last event, the one before it, …
    weights: tuple[FloatArray, ...]

    def last(self, indptr: LongArray, items: IntArray, run: Run) -> FloatArray:
        """(B, D) the output after the last event of each history: indptr (B + 1,), item codes (E,). Zeros for none."""
        counts = np.minimum(np.diff(indptr), len(self.places))
        out = np.zeros((len(counts), self.places.shape[1]), np.float32)
        order = np.argsort(counts, kind="stable")
        order = order[np.searchsorted(counts[order], 1) :]  # who has none is left out
        parts = _parts(counts[order])

        def encode(at: int, _: int) -> None:
            rows = order[parts[at] : parts[at + 1]]
            left = np.concatenate([np.arange(count)[::-1] for count in counts[rows]])  # (N,) events after each
            codes = items[np.repeat(indptr[rows + 1], counts[rows]) - 1 - left]
            x = self.items[codes] * np.float32(self.places.shape[1] ** 0.5) + self.places[left]  # (N, D)
            out[rows] = self._encode(x, counts[rows])

        run.map(encode, len(parts) - 1, block=1)
        return out

    def _encode(self, x: FloatArray, counts: LongArray) -> FloatArray:
        """(B, D) from events x (N, D) of histories of the lengths (B,), ascending."""
        *blocks, norm = self._by_block()
        last = np.cumsum(counts) - 1
        groups = _groups(counts)
        for at, weights in enumerate(blocks):
            scale, shift, query, key, value, output, second_scale, second_shift, *forward = weights
            final = at == len(blocks) - 1
            y = _normed(x, scale, shift)
            asking, x = (y[last], x[last]) if final else (y, x)
            found = self._attend(asking @ query, y @ key, y @ value, groups, final) @ output
            if self.kind == "ligr":
                found *= _sigmoid(x @ forward[3] + forward[4])
            x = x + found
            found = self._forward(_normed(x, second_scale, second_shift), forward)
            if self.kind == "ligr":
                found *= _sigmoid(x @ forward[5] + forward[6])
            x = x + found
        return _normed(x, *norm)

    def _by_block(self) -> list[Sequence[FloatArray]]:
        """The weights of each block, and of the last norm."""
        size = 15 if self.kind == "ligr" else 12
        return [*(self.weights[at : at + size] for at in range(0, len(self.weights) - 2, size)), self.weights[-2:]]

    def _attend(self, query: AnyArray, key: AnyArray, value: AnyArray, groups: list[_Group], final: bool) -> FloatArray:
        """What each query (Q, D) finds among the events (N, D) up to its own; Q = N, or B where only the last ask."""
        heads, factors = self.heads, query.shape[1]
        out = np.empty_like(query)
        for group in groups:
            count, length = group.count, group.length
            asked = slice(group.row, group.row + count) if final else slice(group.event, group.event + count * length)
            held = slice(group.event, group.event + count * length)
            split = (count, -1, heads, factors // heads)
            q, k, v = (part.reshape(split).transpose(0, 2, 1, 3) for part in (query[asked], key[held], value[held]))
            scores = q @ k.swapaxes(2, 3) * np.float32((factors // heads) ** -0.5)  # (B, H, L or 1, L)
            if not final:
                scores[..., ~np.tri(length, dtype=bool)] = -np.inf
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            out[asked] = (scores @ v).transpose(0, 2, 1, 3).reshape(-1, factors)
        return out

    def _forward(self, y: FloatArray, weights: Sequence[FloatArray]) -> AnyArray:
        if self.kind == "ligr":
            gate, up, down = weights[:3]
            hidden = y @ gate
            return np.asarray((hidden * _sigmoid(hidden) * (y @ up)) @ down)
        up, up_bias, down, down_bias = weights
        return np.asarray(np.maximum(y @ up + up_bias, 0.0) @ down + down_bias)


@dataclass(frozen=True)
class _Group:
    """Histories of one length: how many, from which row, from which event."""

    length: int
    count: int
    row: int
    event: int


def _parts(counts: LongArray) -> list[int]:
    """Bounds of runs of histories of the lengths (B,) with about `_EVENTS` events together, one history at least."""
    ends, bounds = np.append(0, np.cumsum(counts)), [0]
    while bounds[-1] < len(counts):
        stop = int(np.searchsorted(ends, ends[bounds[-1]] + _EVENTS, side="right")) - 1
        bounds.append(max(bounds[-1] + 1, stop))
    return bounds


def _groups(counts: LongArray) -> list[_Group]:
    """The groups of ascending lengths (B,)."""
    lengths, rows, number = np.unique(counts, return_index=True, return_counts=True)
    events = np.concatenate([[0], np.cumsum(counts)])[rows]
    return [_Group(*(int(n) for n in each)) for each in zip(lengths, number, rows, events, strict=True)]


def _normed(x: AnyArray, scale: FloatArray, shift: FloatArray) -> FloatArray:
    """Each row less its mean, over its deviation, times scale plus shift."""
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.einsum("nd,nd->n", centred, centred) / np.float32(x.shape[1]) + np.float32(EPSILON))
    return np.asarray(centred / spread[:, None] * scale + shift, np.float32)


def _sigmoid(x: AnyArray) -> AnyArray:
    return 0.5 * (np.tanh(0.5 * x) + 1.0)
