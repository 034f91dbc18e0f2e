"""The training loop of every deep model: Adam over Keras layers and tables of vectors.

    trainer = Trainer(Objective(tables, lookups, loss, layers), learning_rate=1e-3, run=run)
    for _ in trainer.epochs(epochs, rng):
        trainer.epoch(batches)
        self.users_ = trainer.table("users")
        yield

`epochs` gives those that are left to do: with Run.checkpoint it goes on from what an earlier run has left there, and
keeps the state after an epoch when the model asks for the next.

The vectors lie in tables of our own, whose rows a step reads before and moves after it (tables.py); what lies between,
the loss and its gradient along those rows, is the backend's. While it computes, the next batch is drawn. One step costs
O(batch) on tables of any size plus the loss and its gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray
from honeyguide.errors import DivergedError
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.objective import Batch, Objective
from honeyguide.training.tables import Rate, Schedule, Table


class Step(Protocol):
    """What a backend's file gives: the state of the layers' training and one step of it."""

    def run(self, rate: float, rows: Mapping[str, FloatArray], batch: Batch) -> tuple[Any, dict[str, Any]]: ...
    def weights(self) -> list[FloatArray]: ...
    def state(self) -> dict[str, AnyArray]: ...
    def restore(self, state: Mapping[str, AnyArray]) -> None: ...


class Trainer:
    """Trains one objective. `row_wise=False` moves every row of every table in each step, with the same result."""

    def __init__(self, objective: Objective, *, learning_rate: Rate, run: Run, row_wise: bool = True) -> None:
        self._objective, self._schedule, self._done, self._epochs = objective, Schedule(learning_rate), 0, 0
        self._run = run
        self._tables = {
            name: Table(value, self._schedule, run=run, decay=objective.decays.get(name, 0.0), whole=not row_wise)
            for name, value in objective.tables.items()
        }
        read = {**objective.lookups, **objective.bags}
        self._keys = {name: [key for key, table in read.items() if table == name] for name in objective.tables}
        self._step: Step = _steps(run)(objective)
        self._under_way: tuple[Any, dict[str, Any], float] | None = None

    def epochs(self, count: int, *generators: np.random.Generator) -> Iterator[int]:
        """The epochs, of `count`, that are left to do; `generators` are those that the batches are drawn from."""
        kept = self._run.checkpoint
        assert not isinstance(kept, str | Path)
        if kept is not None:
            plain, arrays = kept.state()
            if plain.get("backend", backend.choose(self._run)) != backend.choose(self._run):
                raise kept.of_another("backend")
            if plain:
                self._restore(plain, arrays, generators)
        for epoch in range(self._epochs + 1, count + 1):
            yield epoch
            if kept is not None and epoch < count and kept.due():
                kept.save(epoch, *self._state(generators))

    def epoch(self, batches: Iterable[Batch]) -> FloatArray:
        """Train on each batch in turn; the losses (steps,). Raises DivergedError when one is NaN or infinite."""
        self._epochs += 1
        losses: list[float] = []
        for batch in batches:
            losses += self._finish()
            self._begin(batch)
        return np.array(losses + self._finish(), np.float32)

    def table(self, name: str) -> FloatArray:
        """A copy (rows, F) of a table as it stands after the last step."""
        return self._tables[name].value(self._done)

    def weights(self) -> tuple[FloatArray, ...]:
        """Copies of the layers' weights, in the order of their `trainable_variables`."""
        return tuple(self._step.weights())

    def _begin(self, batch: Batch) -> None:
        """Read what a step needs and hand it to the backend."""
        self._done += 1
        rows: dict[str, FloatArray] = {}
        for name, keys in self._keys.items():
            found = self._tables[name].read([batch[key] for key in keys], self._done)
            rows.update(zip(keys, found, strict=True))
        penalty = sum(table.penalty() for table in self._tables.values())
        plain = {name: array for name, array in batch.items() if not sp.issparse(array)}
        self._under_way = *self._step.run(self._schedule.step_rate(self._done), rows, plain), penalty

    def _finish(self) -> list[float]:
        """Wait for the step under way and move the rows it read; its loss, nothing where there is none."""
        if self._under_way is None:
            return []
        (loss, grads, penalty), self._under_way = self._under_way, None
        for name, keys in self._keys.items():
            self._tables[name].descend([np.asarray(grads[key]) for key in keys], self._done)
        return [self._checked(float(loss) + penalty)]

    def _state(self, generators: Sequence[np.random.Generator]) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """What training goes on from: (plain, arrays)."""
        drawn = [generator.bit_generator.state for generator in generators]
        tables = {
            f"{name}.{part}": array for name, each in self._tables.items() for part, array in each.state().items()
        }
        arrays = {**self._step.state(), **tables}
        plain = {"backend": backend.choose(self._run), "epochs": self._epochs, "steps": self._done, "generators": drawn}
        return plain, arrays

    def _restore(
        self, plain: Mapping[str, Any], arrays: Mapping[str, AnyArray], generators: Sequence[np.random.Generator]
    ) -> None:
        self._epochs, self._done = plain["epochs"], plain["steps"]
        for generator, state in zip(generators, plain["generators"], strict=True):
            generator.bit_generator.state = state
        for name, table in self._tables.items():
            table.restore({part: arrays[f"{name}.{part}"] for part in table.state()})
        self._step.restore(arrays)

    def _checked(self, value: float) -> float:
        if not np.isfinite(value):
            raise DivergedError(
                f"training diverged: the loss is {value} in epoch {self._epochs}; "
                "lower learning_rate, or raise the regularisation"
            )
        return value


def _steps(run: Run) -> Any:
    if backend.choose(run) == "jax":
        from honeyguide.training.jax_step import JaxStep

        return JaxStep
    from honeyguide.training.tensorflow_step import TensorflowStep

    return TensorflowStep
