"""The training loop of every deep model: Adam over Keras layers and tables of vectors.

    trainer = Trainer(Objective(tables, lookups, loss, layers), learning_rate=1e-3, run=run)
    for _ in trainer.epochs(epochs, rng):
        trainer.epoch(batches)
        self.users_ = trainer.table("users")
        yield

`epochs` gives those that are left to do: with Run.checkpoint it goes on from what an earlier run has left there, and
keeps the state after an epoch when the model asks for the next.

Small tables are updated whole, large ones by the rows of the batch, with the same result (tables.py). One step costs
O(batch) host work for the row-wise tables plus the loss and its gradient.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.errors import DivergedError
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.objective import Batch, Objective
from honeyguide.training.tables import Rate, RowIndex, Schedule, Touched

DENSE_CELLS = 2_000_000  # numbers in a table up to which whole updates are faster: bench/step_time.py
_AHEAD = 8  # steps that the host may run ahead of the device


class Step(Protocol):
    """What a backend's file gives: the state of training and one step of it."""

    def run(self, rate: float, touched: dict[str, Touched], inverse: dict[str, AnyArray], batch: Batch) -> Any: ...
    def table(self, name: str) -> tuple[FloatArray, FloatArray, FloatArray]: ...
    def weights(self) -> list[FloatArray]: ...
    def state(self) -> dict[str, AnyArray]: ...
    def restore(self, state: Mapping[str, AnyArray]) -> None: ...


class Trainer:
    """Trains one objective. `row_wise` forces the update by rows or whole; None: by the measured size of each table."""

    def __init__(self, objective: Objective, *, learning_rate: Rate, run: Run, row_wise: bool | None = None) -> None:
        self._objective, self._schedule, self._done, self._epochs = objective, Schedule(learning_rate), 0, 0
        self._run = run
        self._indices, values = {}, {}
        for name, table in objective.tables.items():
            by_rows = table.size > DENSE_CELLS if row_wise is None else row_wise
            if by_rows:
                self._indices[name] = RowIndex(len(table), self._schedule)
            spare = np.zeros((int(by_rows), table.shape[1]), np.float32)
            values[name] = np.concatenate([table, spare]).astype(np.float32)
        self._step: Step = _steps(run)(objective, values, self._indices.keys())

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
        waiting: deque[Any] = deque()
        losses: list[float] = []
        for batch in batches:
            waiting.append(self._train(batch))
            if len(waiting) > _AHEAD:
                losses.append(self._checked(waiting.popleft()))
        losses += [self._checked(loss) for loss in waiting]
        return np.array(losses, np.float32)

    def table(self, name: str) -> FloatArray:
        """A copy (rows, F) of a table as it stands after the last step."""
        value, m, v = self._step.table(name)
        index = self._indices.get(name)
        return value if index is None else index.settled(value, m, v, self._done)

    def weights(self) -> tuple[FloatArray, ...]:
        """Copies of the layers' weights, in the order of their `trainable_variables`."""
        return tuple(self._step.weights())

    def _train(self, batch: Batch) -> Any:
        self._done += 1
        touched, inverse = {}, {}
        for name in self._objective.tables:
            keys = [key for key, table in self._objective.lookups.items() if table == name]
            if name not in self._indices:
                inverse.update({key: batch[key] for key in keys})
                continue
            touched[name] = self._indices[name].touch(np.concatenate([batch[key].ravel() for key in keys]), self._done)
            inverse.update(_apart(touched[name].inverse, {key: batch[key].shape for key in keys}))
        return self._step.run(self._schedule.step_rate(self._done), touched, inverse, batch)

    def _state(self, generators: Sequence[np.random.Generator]) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """What training goes on from: (plain, arrays)."""
        drawn = [generator.bit_generator.state for generator in generators]
        arrays = {**self._step.state(), **{f"last.{name}": index.last for name, index in self._indices.items()}}
        plain = {"backend": backend.choose(self._run), "epochs": self._epochs, "steps": self._done, "generators": drawn}
        return plain, arrays

    def _restore(
        self, plain: Mapping[str, Any], arrays: Mapping[str, AnyArray], generators: Sequence[np.random.Generator]
    ) -> None:
        self._epochs, self._done = plain["epochs"], plain["steps"]
        for generator, state in zip(generators, plain["generators"], strict=True):
            generator.bit_generator.state = state
        for name, index in self._indices.items():
            index.last[:] = arrays[f"last.{name}"]
        self._step.restore(arrays)

    def _checked(self, loss: Any) -> float:
        value = float(loss)
        if not np.isfinite(value):
            raise DivergedError(
                f"training diverged: the loss is {value} in epoch {self._epochs}; "
                "lower learning_rate, or raise the regularisation"
            )
        return value


def _apart(flat: IntArray, shapes: dict[str, tuple[int, ...]]) -> dict[str, IntArray]:
    """The stretches of a flat array, each in its shape."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    parts = np.split(flat, ends[:-1])
    return {key: part.reshape(shape) for part, (key, shape) in zip(parts, shapes.items(), strict=True)}


def _steps(run: Run) -> Any:
    if backend.choose(run) == "jax":
        from honeyguide.training.jax_step import JaxStep

        return JaxStep
    from honeyguide.training.tensorflow_step import TensorflowStep

    return TensorflowStep
