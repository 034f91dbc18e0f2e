"""One step of training on JAX: the loss and its gradient, and Adam on the layers' variables in donated buffers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.training import tables
from honeyguide.training.objective import Objective


class JaxStep:
    """The state of training on JAX: value, m and v of every trained variable, and the other variables."""

    def __init__(self, objective: Objective) -> None:
        import jax

        def fresh(value: Any) -> tuple[Any, Any, Any]:
            return jax.numpy.array(value), jax.numpy.zeros_like(value), jax.numpy.zeros_like(value)

        self._weights = [fresh(variable.value) for variable in objective.trainable]
        self._rest = [jax.numpy.array(variable.value) for variable in objective.untrained]
        self._step = jax.jit(partial(_step, objective), donate_argnums=(0, 1))

    def run(
        self, rate: float, rows: Mapping[str, FloatArray], batch: Mapping[str, AnyArray]
    ) -> tuple[Any, dict[str, Any]]:
        """Train on one batch; the loss and its gradient along the rows, both still being computed."""
        self._weights, self._rest, loss, grads = self._step(
            self._weights, self._rest, np.float32(rate), dict(rows), dict(batch)
        )
        return loss, grads

    def weights(self) -> list[FloatArray]:
        """Copies of the layers' trained weights."""
        return [np.array(value) for value, _, _ in self._weights]

    def state(self) -> dict[str, AnyArray]:
        """Copies of everything that training goes on from."""
        return {name: np.array(leaf) for name, leaf in _named((self._weights, self._rest))}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Go on from what `state` gave."""
        import jax

        held = self._weights, self._rest
        leaves = [jax.numpy.array(state[name]) for name, _ in _named(held)]
        self._weights, self._rest = jax.tree.unflatten(jax.tree.structure(held), leaves)


def _named(tree: Any) -> list[tuple[str, Any]]:
    """The arrays of a tree, each with its place in it."""
    import jax

    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree.leaves_with_path(tree)]


def _step(objective: Objective, weights: Any, rest: Any, rate: Any, rows: Any, batch: Any) -> Any:
    import jax
    from keras import ops

    differentiate = jax.value_and_grad(partial(_loss, objective), argnums=(0, 1), has_aux=True)
    (loss, rest), (row_grads, grads) = differentiate(rows, [part[0] for part in weights], rest, batch)
    moved = [tables.adam(ops, value, grad, m, v, rate) for (value, m, v), grad in zip(weights, grads, strict=True)]
    return moved, rest, loss, row_grads


def _loss(objective: Objective, rows: Any, weights: Any, rest: Any, batch: Any) -> tuple[Any, Any]:
    import keras

    held = [*zip(objective.trainable, weights, strict=True), *zip(objective.untrained, rest, strict=True)]
    with keras.StatelessScope(state_mapping=held) as scope:
        loss = objective.loss(rows, batch)
        after = [scope.get_current_value(variable) for variable in objective.untrained]
    return loss, [old if new is None else new for old, new in zip(rest, after, strict=True)]
