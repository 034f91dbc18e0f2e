"""One step of training on TensorFlow: the same arithmetic as jax_step.py, on variables that stay in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.training import tables
from honeyguide.training.objective import Objective


class TensorflowStep:
    """The state of training on TensorFlow: every table as [value | m | v] in one variable."""

    def __init__(self, objective: Objective, packed: Mapping[str, FloatArray]) -> None:
        import tensorflow as tf

        self._objective = objective
        self._tables = {name: tf.Variable(array) for name, array in packed.items()}
        self._m = [tf.Variable(tf.zeros_like(variable.value)) for variable in objective.trainable]
        self._v = [tf.Variable(tf.zeros_like(variable.value)) for variable in objective.trainable]
        self._compiled = tf.function(self._train, reduce_retracing=False)

    def run(
        self,
        rate: float,
        touched: Mapping[str, tables.Touched],
        inverse: Mapping[str, AnyArray],
        batch: Mapping[str, AnyArray],
    ) -> Any:
        """Train on one batch; the loss."""
        import tensorflow as tf

        rows = {name: {"ids": part.ids, **part.missed} for name, part in touched.items()}
        given = tf.nest.map_structure(tf.convert_to_tensor, (np.float32(rate), rows, dict(inverse), dict(batch)))
        return self._compiled(*given)

    def table(self, name: str) -> FloatArray:
        """A copy of the packed table."""
        return np.array(self._tables[name])

    def weights(self) -> list[FloatArray]:
        """Copies of the layers' trained weights."""
        return [np.array(variable.value) for variable in self._objective.trainable]

    def _train(self, rate: Any, touched: Any, inverse: Any, batch: Any) -> Any:
        import tensorflow as tf
        from keras import ops

        parts = {}
        for name, table in self._tables.items():
            if name in touched:
                part = tables.split(tf.gather(table, touched[name]["ids"]))
                parts[name] = tables.catch_up(ops, *part, touched[name])
            else:
                parts[name] = tables.split(table.value())
        values, weights = {name: part[0] for name, part in parts.items()}, self._objective.trainable
        with tf.GradientTape() as tape:
            tape.watch(values)
            rows = {key: tf.gather(values[name], inverse[key]) for key, name in self._objective.lookups.items()}
            loss = self._objective.loss(rows, batch)
        row_grads, grads = tape.gradient(loss, (values, [variable.value for variable in weights]))
        for name, (value, m, v) in parts.items():
            grad = tf.convert_to_tensor(
                row_grads[name]
            )  # sums the rows of ids that occur twice, before they are squared
            new = tf.concat(tables.adam(ops, value, grad, m, v, rate), axis=1)
            if name in touched:
                self._tables[name].scatter_update(tf.IndexedSlices(new, touched[name]["ids"]))
            else:
                self._tables[name].assign(new)
        for variable, grad, m, v in zip(weights, grads, self._m, self._v, strict=True):
            new, new_m, new_v = tables.adam(ops, variable.value, tf.convert_to_tensor(grad), m, v, rate)
            variable.assign(new)
            m.assign(new_m)
            v.assign(new_v)
        return loss
