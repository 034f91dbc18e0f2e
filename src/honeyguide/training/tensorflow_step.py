"""One step of training on TensorFlow: the same arithmetic as jax_step.py, on variables that stay in place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.training import tables
from honeyguide.training.objective import Objective


class TensorflowStep:
    """The state of training on TensorFlow: value, m and v of every table and of every trained variable."""

    def __init__(self, objective: Objective, values: Mapping[str, FloatArray], by_rows: Collection[str]) -> None:
        import tensorflow as tf

        def moments(value: Any) -> tuple[Any, Any]:
            return tf.Variable(tf.zeros_like(value)), tf.Variable(tf.zeros_like(value))

        self._objective = objective
        self._tables = {name: (tf.Variable(value), *moments(value)) for name, value in values.items()}
        self._weights = [(variable, *moments(variable.value)) for variable in objective.trainable]
        self._compiled = tf.function(self._train)

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

    def table(self, name: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Copies of value, m and v."""
        value, m, v = (np.array(part.numpy()) for part in self._tables[name])
        return value, m, v

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
        groups = {**self._tables, **{f"weights.{at}": group for at, group in enumerate(self._weights)}}
        named = {f"{name}.{at}": variable for name, group in groups.items() for at, variable in enumerate(group)}
        return named | {f"rest.{at}": variable for at, variable in enumerate(self._objective.untrained)}

    def _train(self, rate: Any, touched: Any, inverse: Any, batch: Any) -> Any:
        import tensorflow as tf
        from keras import ops

        rows = {}
        for name, table in self._tables.items():
            if name in touched:
                part = [tf.gather(array, touched[name]["ids"]) for array in table]
                rows[name] = tables.catch_up(ops, part, touched[name])
            else:
                rows[name] = tuple(array.value() for array in table)
        values = {name: part[0] for name, part in rows.items()}
        with tf.GradientTape() as tape:
            tape.watch(values)
            looked_up = {key: tf.gather(values[name], inverse[key]) for key, name in self._objective.lookups.items()}
            loss = self._objective.loss(looked_up, batch)
        row_grads, grads = tape.gradient(loss, (values, [variable.value for variable, _, _ in self._weights]))
        for name, (value, m, v) in rows.items():
            # a dense gradient: it sums the rows of an id that occurs twice, before they are squared
            new = tables.adam(ops, value, tf.convert_to_tensor(row_grads[name]), m, v, rate)
            for variable, array in zip(self._tables[name], new, strict=True):
                if name in touched:
                    variable.scatter_update(tf.IndexedSlices(array, touched[name]["ids"]))
                else:
                    variable.assign(array)
        for (value, m, v), grad in zip(self._weights, grads, strict=True):
            new = tables.adam(ops, value.value, tf.convert_to_tensor(grad), m, v, rate)
            for variable, array in zip((value, m, v), new, strict=True):
                variable.assign(array)
        return loss
