"""One step of training on TensorFlow: the same arithmetic as jax_step.py, on variables that stay in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.training import tables
from honeyguide.training.objective import Objective


class TensorflowStep:
    """The state of training on TensorFlow: value, m and v of every trained variable, and the other variables."""

    def __init__(self, objective: Objective) -> None:
        import tensorflow as tf

        def moments(value: Any) -> tuple[Any, Any]:
            return tf.Variable(tf.zeros_like(value)), tf.Variable(tf.zeros_like(value))

        self._objective = objective
        self._weights = [(variable, *moments(variable.value)) for variable in objective.trainable]
        self._compiled = tf.function(self._train)

    def run(
        self, rate: float, rows: Mapping[str, FloatArray], batch: Mapping[str, AnyArray]
    ) -> tuple[Any, dict[str, Any]]:
        """Train on one batch; the loss and its gradient along the rows."""
        import tensorflow as tf

        given = tf.nest.map_structure(tf.convert_to_tensor, (np.float32(rate), dict(rows), dict(batch)))
        loss, grads = self._compiled(*given)
        return loss, grads

    def weights(self) -> list[FloatArray]:
        """Copies of the layers' trained weights."""
        return [np.array(variable.numpy()) for variable, _, _ in self._weights]

    def state(self) -> dict[str, AnyArray]:
        """Copies of everything that training goes on from."""
        return {name: np.array(variable.numpy()) for name, variable in self._everything().items()}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Go on from what `state` gave."""
        for name, variable in self._everything().items():
            variable.assign(state[name])

    def _everything(self) -> dict[str, Any]:
        named = {
            f"weights.{at}.{part}": variable
            for at, group in enumerate(self._weights)
            for part, variable in enumerate(group)
        }
        return named | {f"rest.{at}": variable for at, variable in enumerate(self._objective.untrained)}

    def _train(self, rate: Any, rows: Any, batch: Any) -> Any:
        import tensorflow as tf
        from keras import ops

        with tf.GradientTape() as tape:
            tape.watch(rows)
            loss = self._objective.loss(rows, batch)
        row_grads, grads = tape.gradient(loss, (rows, [variable.value for variable, _, _ in self._weights]))
        for (value, m, v), grad in zip(self._weights, grads, strict=True):
            new = tables.adam(ops, value.value, tf.convert_to_tensor(grad), m, v, rate)
            for variable, array in zip((value, m, v), new, strict=True):
                variable.assign(array)
        return loss, {key: tf.convert_to_tensor(grad) for key, grad in row_grads.items()}
