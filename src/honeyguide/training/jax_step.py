"""One step of training on JAX: gather rows, differentiate them, update them, scatter them into donated buffers.

Three compiled functions, not one: as one, XLA computes the gathered rows anew for each of their uses, and copies the
table to keep it for them; a step by rows then takes three times as long.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.training import tables
from honeyguide.training.objective import Objective


class JaxStep:
    """The state of training on JAX: value, m and v of every table and of every trained variable.

    Those of a table in `by_rows` lie side by side in one array, so that a row is read from one place in memory.
    """

    def __init__(self, objective: Objective, values: Mapping[str, FloatArray], by_rows: Collection[str]) -> None:
        import jax

        def fresh(value: Any) -> tuple[Any, Any, Any]:
            return jax.numpy.array(value), jax.numpy.zeros_like(value), jax.numpy.zeros_like(value)

        self._whole = {name: fresh(value) for name, value in values.items() if name not in by_rows}
        self._packed = {name: jax.device_put(_pack(values[name])) for name in by_rows}
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
        ids = {name: part.ids for name, part in touched.items()}
        rows = self._gather(self._packed, ids, {name: part.missed for name, part in touched.items()})
        new, self._weights, self._rest, loss = self._step(
            {**self._whole, **rows}, self._weights, self._rest, np.float32(rate), dict(inverse), dict(batch)
        )
        self._packed = self._scatter(self._packed, ids, {name: new.pop(name) for name in self._packed})
        self._whole = new
        return loss

    def table(self, name: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Copies of value, m and v."""
        parts = self._whole[name] if name in self._whole else _apart(np.asarray(self._packed[name]))
        value, m, v = (np.array(part) for part in parts)
        return value, m, v

    def weights(self) -> list[FloatArray]:
        """Copies of the layers' trained weights."""
        return [np.array(value) for value, _, _ in self._weights]

    def state(self) -> dict[str, AnyArray]:
        """Copies of everything that training goes on from."""
        return {name: np.array(leaf) for name, leaf in _named(self._everything())}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Go on from what `state` gave."""
        import jax

        held = self._everything()
        leaves = [jax.numpy.array(state[name]) for name, _ in _named(held)]
        self._whole, self._packed, self._weights, self._rest = jax.tree.unflatten(jax.tree.structure(held), leaves)

    def _everything(self) -> Any:
        return self._whole, self._packed, self._weights, self._rest


def _named(tree: Any) -> list[tuple[str, Any]]:
    """The arrays of a tree, each with its place in it."""
    import jax

    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree.leaves_with_path(tree)]


def _pack(value: FloatArray) -> FloatArray:
    """(rows, 3 F) with value in the first third and zeros in those of m and v."""
    return np.pad(value, ((0, 0), (0, 2 * value.shape[1])))


def _apart(packed: Any) -> tuple[Any, Any, Any]:
    factors = packed.shape[1] // 3
    return packed[:, :factors], packed[:, factors : 2 * factors], packed[:, 2 * factors :]


def _gather(packed: Any, ids: Any, missed: Any) -> Any:
    from keras import ops

    return {name: tables.catch_up(ops, _apart(array[ids[name]]), missed[name]) for name, array in packed.items()}


def _scatter(packed: Any, ids: Any, new: Any) -> Any:
    from keras import ops

    return {name: array.at[ids[name]].set(ops.concatenate(new[name], axis=1)) for name, array in packed.items()}


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
