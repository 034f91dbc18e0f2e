"""Cross-entropy over all items, or over the target and items drawn for a whole batch.

    loss = log(exp(h e_t) + w sum over drawn i, i != t, of exp(h e_i)) - h e_t,    w = (I - 1) / number of those drawn

With w the sum is that of all I items in expectation, and equals it where all are drawn. A target that was drawn is
taken out of the sum by its own score, which is known, so that no array of the size (N, drawn) is masked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, IntArray


def draw(n_items: int, count: int, rng: np.random.Generator) -> IntArray:
    """(count,) distinct items, uniformly; all in their order where there are no more."""
    if count >= n_items:
        return np.arange(n_items, dtype=np.int32)
    return rng.choice(n_items, count, replace=False).astype(np.int32)


def drawn_among(targets: AnyArray, drawn: IntArray, n_items: int) -> AnyArray:
    """Which of the targets, of any shape, are among those drawn: 1 or 0, float32."""
    there = np.zeros(n_items, np.float32)
    there[drawn] = 1.0
    return there[targets]


def cross_entropy(ops: Any, out: Any, target: Any, drawn: Any, hit: Any, *, n_items: int) -> Any:
    """The loss (N,) of outputs (N, D), the vectors being those of the targets (N, D) and of the items drawn (n, D).

    `hit` (N,) is `drawn_among` of the targets.
    """
    own = ops.sum(out * target, axis=-1)  # (N,)
    over = ops.logsumexp(ops.matmul(out, ops.transpose(drawn)), axis=-1) - own  # (N,) of all drawn
    if drawn.shape[0] >= n_items:
        return over
    share = hit * ops.exp(-ops.maximum(over, 1e-6))  # of the sum that is the target's own
    weight = ops.log((n_items - 1.0) / ops.maximum(drawn.shape[0] - hit, 1.0))
    return ops.softplus(weight + over + ops.log1p(-share))
