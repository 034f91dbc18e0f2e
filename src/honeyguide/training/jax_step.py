"""One step of training on JAX: gather rows, differentiate them, update, scatter into donated buffers in place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.training import tables
from honeyguide.training.objective import Objective


class JaxStep:
    """The state of training on JAX: every table as [value | m | v] in one array, so that a row is one stretch."""

    def __init__(self, objective: Objective, packed: Mapping[str, FloatArray]) -> None:
        import jax

        weights = [variable.value for variable in objective.trainable]
        rest = [variable.value for variable in objective.untrained]
        self._state: dict[str, Any] = {
            "tables": {name: jax.device_put(np.array(array)) for name, array in packed.items()},
            "weights": [jax.numpy.array(value) for value in weights],
            "m": [jax.numpy.zeros_like(value) for value in weights],
            "v": [jax.numpy.zeros_like(value) for value in weights],
            "rest": [jax.numpy.array(value) for value in rest],
        }
        self._step = jax.jit(partial(_step, objective), donate_argnums=0)

    def run(
        self,
        rate: float,
        touched: Mapping[str, tables.Touched],
        inverse: Mapping[str, AnyArray],
        batch: Mapping[str, AnyArray],
    ) -> Any:
        """Train on one batch; the loss, still being computed."""
        rows = {name: {"ids": part.ids, **part.missed} for name, part in touched.items()}
        self._state, loss = self._step(self._state, np.float32(rate), rows, dict(inverse), dict(batch))
        return loss

    def table(self, name: str) -> FloatArray:
        """A copy of the packed table."""
        return np.array(self._state["tables"][name])

    def weights(self) -> list[FloatArray]:
        """Copies of the layers' trained weights."""
        return [np.array(value) for value in self._state["weights"]]


def _step(objective: Objective, state: Any, rate: Any, touched: Any, inverse: Any, batch: Any) -> tuple[Any, Any]:
    import jax
    from keras import ops

    parts = {}
    for name, table in state["tables"].items():
        if name in touched:
            part = tables.split(table[touched[name]["ids"]])
            parts[name] = tables.catch_up(ops, *part, touched[name])
        else:
            parts[name] = tables.split(table)
    values = {name: part[0] for name, part in parts.items()}
    differentiate = jax.value_and_grad(partial(_loss, objective), argnums=(0, 1), has_aux=True)
    (loss, rest), (row_grads, grads) = differentiate(values, state["weights"], state["rest"], inverse, batch)
    packed = {}
    for name, (value, m, v) in parts.items():
        new = ops.concatenate(tables.adam(ops, value, row_grads[name], m, v, rate), axis=1)
        packed[name] = state["tables"][name].at[touched[name]["ids"]].set(new) if name in touched else new
    dense = [
        tables.adam(ops, *each, rate) for each in zip(state["weights"], grads, state["m"], state["v"], strict=True)
    ]
    new_state = {"tables": packed, "rest": rest}
    return {**new_state, **{name: [each[at] for each in dense] for at, name in enumerate(("weights", "m", "v"))}}, loss


def _loss(objective: Objective, values: Any, weights: Any, rest: Any, inverse: Any, batch: Any) -> tuple[Any, Any]:
    import keras

    held = [*zip(objective.trainable, weights, strict=True), *zip(objective.untrained, rest, strict=True)]
    with keras.StatelessScope(state_mapping=held) as scope:
        rows = {key: values[name][inverse[key]] for key, name in objective.lookups.items()}
        loss = objective.loss(rows, batch)
        after = [scope.get_current_value(variable) for variable in objective.untrained]
    return loss, [old if new is None else new for old, new in zip(rest, after, strict=True)]
