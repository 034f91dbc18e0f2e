"""The causal transformer of sasrec.py in Keras, as it is trained: packed rows of windows, every place at once.

Asked in NumPy (_transformer.py), with the same weights in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from honeyguide.training.dropout import dropout

EPSILON = 1e-6  # of the layer norms


class Blocks:
    """Keras layers of `count` blocks of width `factors`, and a last norm.

    Of each block, in order: norm, query, key, value, output; norm, then two layers of the feed-forward ("sasrec"), or
    three of a SwiGLU and the gates of attention and of feed-forward ("ligr"); see `sasrec.py` for what they compute.
    """

    def __init__(self, keras: Any, *, factors: int, count: int, heads: int, kind: str, dropout: float) -> None:
        self._ops, self._factors, self._heads, self._kind, self._rate = keras.ops, factors, heads, kind, dropout
        self.layers = [layer for _ in range(count) for layer in self._block(keras)]
        self.layers.append(self._norm(keras))
        self._count = count

    def run(self, x: Any, place: Any, seed: Any) -> Any:
        """Outputs (R, L, D) of rows x (R, L, D); `place` (R, L) of each event in its window, `seed` of this step."""
        ops = self._ops
        seeds = (seed + ops.cast(0x9E3779B9 * at % 2**32, "uint32") for at in range(1, 2**16))
        mask = self._mask(place)
        x = dropout(ops, x, self._rate, next(seeds))
        size = (len(self.layers) - 1) // self._count
        for at in range(self._count):
            norm, *attention, second = self.layers[at * size : at * size + 6]
            forward = self.layers[at * size + 6 : (at + 1) * size]
            y = norm(x)
            found = self._attend(attention, y, mask, seeds)
            if self._kind == "ligr":
                found = found * ops.sigmoid(forward[3](x))
            x = x + dropout(ops, found, self._rate, next(seeds))
            found = self._forward(forward, second(x), seeds)
            if self._kind == "ligr":
                found = found * ops.sigmoid(forward[4](x))
            x = x + dropout(ops, found, self._rate, next(seeds))
        return self.layers[-1](x)

    def _mask(self, place: Any) -> Any:
        """(R, 1, L, L) whether the event of the row (third axis) sees that of the column: earlier, of its window."""
        ops = self._ops
        at = ops.arange(place.shape[1], dtype="int32")
        return (at[None, None, :] <= at[None, :, None])[:, None] & (
            at[None, None, :] >= (at[None, :] - place)[:, :, None]
        )[:, None]

    def _attend(self, layers: list[Any], y: Any, mask: Any, seeds: Iterator[Any]) -> Any:
        ops = self._ops
        query, key, value = (self._apart(layer(y)) for layer in layers[:3])  # (R, L, H, D / H)
        scores = ops.einsum("rqhd,rkhd->rhqk", query, key) * (self._factors // self._heads) ** -0.5
        scores = ops.where(mask, scores, -1e9)  # (R, H, L, L)
        share = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
        share = share / ops.sum(share, axis=-1, keepdims=True)  # ops.softmax warns of a single event
        share = dropout(ops, share, self._rate, next(seeds))
        found = ops.einsum("rhqk,rkhd->rqhd", share, value)
        return layers[3](ops.reshape(found, y.shape))

    def _apart(self, x: Any) -> Any:
        return self._ops.reshape(x, (*x.shape[:2], self._heads, self._factors // self._heads))

    def _forward(self, layers: list[Any], y: Any, seeds: Iterator[Any]) -> Any:
        ops = self._ops
        if self._kind == "ligr":
            gate, up, down = layers[:3]
            hidden = ops.silu(gate(y)) * up(y)
        else:
            up, down = layers
            hidden = ops.relu(up(y))
        return down(dropout(ops, hidden, self._rate, next(seeds)))

    def _block(self, keras: Any) -> list[Any]:
        factors, hidden = self._factors, hidden_units(self._factors, self._kind)

        def dense(inputs: int, units: int, *, bias: bool = False) -> Any:
            layer = keras.layers.Dense(units, use_bias=bias)
            layer.build((None, inputs))
            return layer

        attention = [dense(factors, factors) for _ in range(4)]
        if self._kind == "ligr":
            forward = [dense(factors, hidden), dense(factors, hidden), dense(hidden, factors)]
            forward += [dense(factors, factors, bias=True) for _ in range(2)]
        else:
            forward = [dense(factors, hidden, bias=True), dense(hidden, factors, bias=True)]
        return [self._norm(keras), *attention, self._norm(keras), *forward]

    def _norm(self, keras: Any) -> Any:
        layer = keras.layers.LayerNormalization(epsilon=EPSILON)
        layer.build((None, self._factors))
        return layer


def hidden_units(factors: int, kind: str) -> int:
    """The width of the feed-forward's hidden layer: that of the vectors, as in the paper; of "ligr" 4 times it."""
    return 4 * factors if kind == "ligr" else factors
