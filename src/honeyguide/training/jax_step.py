"""One step of training on JAX: gather rows, differentiate them, update them, scatter them into donated buffers.

Three compiled functions, not one: as one, XLA computes the gathered rows anew for each of their uses, and copies the
table to keep it for them; a step by rows then takes three times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.training import tables
from honeyguide.training.objective import Objective


class JaxStep:
    """The state of training on JAX: value, m and v of every table and of every trained variable."""

    def __init__(self, objective: Objective, values: Mapping[str, FloatArray]) -> None:
        import jax

        def fresh(value: Any) -> tuple[Any, Any, Any]:
            return jax.numpy.array(value), jax.numpy.zeros_like(value), jax.numpy.zeros_like(value)

        self._tables = {name: fresh(value) for name, value in values.items()}
        self._weights = [fresh(variable.value) for variable in objective.trainable]
        self._rest = [jax.numpy.array(variable.value) for variable in objective.untrained]
        self._gather, self._scatter = jax.jit(_gather), jax.jit(_scatter, donate_argnums=0)
        self._step = jax.jit(partial(_step, objective), donate_argnums=(0, 1, 2))

    def run(
        self,
        rate: float,
        touched: Mapping[str, tables.Touched],
        inverse: Mapping[str, AnyArray],
        batch: Mapping[str, AnyArray],
    ) -> Any:
        """Train on one batch; the loss, still being computed."""
        rows = {
            name: self._gather(table, touched[name].ids, touched[name].missed) if name in touched else table
            for name, table in self._tables.items()
        }
        new, self._weights, self._rest, loss = self._step(
            rows, self._weights, self._rest, np.float32(rate), dict(inverse), dict(batch)
        )
        for name, part in new.items():
            old = self._tables[name]
            self._tables[name] = self._scatter(old, touched[name].ids, part) if name in touched else part
        return loss

    def table(self, name: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Copies of value, m and v."""
        value, m, v = (np.array(part) for part in self._tables[name])
        return value, m, v

    def weights(self) -> list[FloatArray]:
        """Copies of the layers' trained weights."""
        return [np.array(value) for value, _, _ in self._weights]


def _gather(table: Any, ids: Any, missed: Any) -> Any:
    from keras import ops

    return tables.catch_up(ops, [part[ids] for part in table], missed)


def _scatter(table: Any, ids: Any, new: Any) -> Any:
    return tuple(part.at[ids].set(rows) for part, rows in zip(table, new, strict=True))


def _step(objective: Objective, rows: Any, weights: Any, rest: Any, rate: Any, inverse: Any, batch: Any) -> Any:
    import jax
    from keras import ops

    values, dense = {name: part[0] for name, part in rows.items()}, [part[0] for part in weights]
    differentiate = jax.value_and_grad(partial(_loss, objective), argnums=(0, 1), has_aux=True)
    (loss, rest), (row_grads, grads) = differentiate(values, dense, rest, inverse, batch)

    def update(part: Any, grad: Any) -> Any:
        return tables.adam(ops, part[0], grad, part[1], part[2], rate)

    new_rows = {name: update(part, row_grads[name]) for name, part in rows.items()}
    return new_rows, [update(part, grad) for part, grad in zip(weights, grads, strict=True)], rest, loss


def _loss(objective: Objective, values: Any, weights: Any, rest: Any, inverse: Any, batch: Any) -> tuple[Any, Any]:
    import keras

    held = [*zip(objective.trainable, weights, strict=True), *zip(objective.untrained, rest, strict=True)]
    with keras.StatelessScope(state_mapping=held) as scope:
        rows = {key: values[name][inverse[key]] for key, name in objective.lookups.items()}
        loss = objective.loss(rows, batch)
        after = [scope.get_current_value(variable) for variable in objective.untrained]
    return loss, [old if new is None else new for old, new in zip(rest, after, strict=True)]
