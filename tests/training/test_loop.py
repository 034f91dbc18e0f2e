"""The engine against a plain NumPy loop, whole against by rows, and what it does when training fails."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from honeyguide.errors import DivergedError
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)
USERS, ITEMS, FACTORS, STEPS = 60, 40, 4, 40


def tables() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(rows, FACTORS)).astype("f4") for name, rows in (("users", USERS), ("items", ITEMS))}


def batches(steps: int = STEPS) -> Iterator[dict[str, np.ndarray]]:
    """Batches in which ids occur often, and many rows are missed for long."""
    rng = np.random.default_rng(1)
    for step in range(steps):
        few = 3 if step % 3 else USERS
        yield {
            "user": rng.integers(0, few, 16).astype(np.int32),
            "item": rng.integers(0, ITEMS, (16, 3)).astype(np.int32),
            "other": rng.integers(0, 5, 16).astype(np.int32),
            "y": rng.normal(size=(16, 3)).astype(np.float32),
        }


def objective() -> Objective:
    """A dot product, of which a second look-up in the same table is taken away, under squared error."""
    from keras import ops

    def loss(rows: dict, batch: dict) -> object:
        out = ops.sum(rows["user"][:, None] * (rows["item"] - rows["other"][:, None]), axis=-1)
        return ops.mean(ops.square(out - batch["y"]))

    return Objective(tables(), {"user": "users", "item": "items", "other": "items"}, loss)


def plain() -> tuple[dict[str, np.ndarray], list[float]]:
    """The same training in NumPy: gradients by hand, every table whole, Adam as in the paper."""
    values = {name: table.astype(np.float64) for name, table in tables().items()}
    m = {name: np.zeros_like(table) for name, table in values.items()}
    v = {name: np.zeros_like(table) for name, table in values.items()}
    losses = []
    for t, batch in enumerate(batches(), start=1):
        user, item, other = (
            values["users"][batch["user"]],
            values["items"][batch["item"]],
            values["items"][batch["other"]],
        )
        gap = item - other[:, None]  # (16, 3, F)
        error = (user[:, None] * gap).sum(axis=-1) - batch["y"]
        losses.append(float((error**2).mean()))
        slope = 2 * error / error.size
        grads = {name: np.zeros_like(table) for name, table in values.items()}
        np.add.at(grads["users"], batch["user"], (slope[..., None] * gap).sum(axis=1))
        np.add.at(grads["items"], batch["item"], slope[..., None] * user[:, None])
        np.add.at(grads["items"], batch["other"], -(slope.sum(axis=1)[:, None] * user))
        for name, grad in grads.items():
            m[name] = 0.9 * m[name] + 0.1 * grad
            v[name] = 0.999 * v[name] + 0.001 * grad**2
            rate = 0.02 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            values[name] -= rate * m[name] / (np.sqrt(v[name]) + 1e-7)
    return values, losses


def trained(row_wise: bool | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    run = Run()
    backend.keras(run)
    trainer = Trainer(objective(), learning_rate=0.02, run=run, row_wise=row_wise)
    losses = trainer.epoch(batches())
    return {name: trainer.table(name) for name in tables()}, losses


@pytest.mark.parametrize("row_wise", [False, True])
def test_training_is_the_plain_loops(row_wise: bool) -> None:
    expected, losses = plain()
    got, measured = trained(row_wise)
    np.testing.assert_allclose(measured, losses, rtol=1e-4)
    for name, table in got.items():
        np.testing.assert_allclose(table, expected[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("row_wise", [False, True])
def test_training_repeats_bit_for_bit(row_wise: bool) -> None:
    (one, first), (two, second) = trained(row_wise), trained(row_wise)
    np.testing.assert_array_equal(first, second)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_reading_a_table_changes_nothing_and_is_a_copy() -> None:
    run, halves = Run(), list(batches())
    backend.keras(run)
    trainer = Trainer(objective(), learning_rate=0.02, run=run, row_wise=True)
    trainer.epoch(halves[:20])
    early = trainer.table("users")
    kept = early.copy()
    trainer.epoch(halves[20:])
    np.testing.assert_array_equal(early, kept)
    np.testing.assert_array_equal(trainer.table("users"), trained(True)[0]["users"])


def test_layers_and_their_random_state_are_carried_along() -> None:
    keras = backend.keras(Run())
    layers = [keras.layers.Dense(1), keras.layers.Dropout(0.5, seed=3)]
    layers[0].build((None, FACTORS))
    initialise(layers, np.random.default_rng(5))
    start = layers[0].get_weights()[0]
    assert np.abs(start).max() <= np.sqrt(6 / (FACTORS + 1))

    def loss(rows: dict, batch: dict) -> object:
        return keras.ops.mean(keras.ops.square(layers[1](layers[0](rows["user"]), training=True)[..., 0] - 1.0))

    only = {"users": tables()["users"]}
    trainer = Trainer(Objective(only, {"user": "users"}, loss, layers), learning_rate=0.01, run=Run())
    same = [next(iter(batches()))] * 6
    losses = trainer.epoch(same)
    assert len(set(losses.tolist())) == 6  # a mask of its own each step
    kernel, bias = trainer.weights()
    assert kernel.shape == (FACTORS, 1)
    assert bias.shape == (1,)
    assert not np.allclose(kernel, start)


@pytest.mark.parametrize("row_wise", [False, True])
def test_nan_is_one_clear_line(row_wise: bool) -> None:
    keras = backend.keras(Run())

    def loss(rows: dict, batch: dict) -> object:
        return keras.ops.mean(keras.ops.log(rows["user"]))

    only = {"users": tables()["users"]}
    trainer = Trainer(Objective(only, {"user": "users"}, loss), learning_rate=0.1, run=Run(), row_wise=row_wise)
    with pytest.raises(
        DivergedError, match=r"^training diverged: the loss is nan in epoch 1; lower learning_rate, or "
    ):
        trainer.epoch(batches(3))


@pytest.mark.parametrize("row_wise", [False, True])
def test_training_goes_on_from_a_checkpoint_bit_for_bit(row_wise: bool, tmp_path: Path) -> None:
    keras = backend.keras(Run())

    def fresh(run: Run) -> Trainer:
        layers = [keras.layers.Dense(1), keras.layers.Dropout(0.5, seed=3)]
        layers[0].build((None, FACTORS))
        initialise(layers, np.random.default_rng(2))

        def loss(rows: dict, batch: dict) -> object:
            hidden = layers[1](rows["user"][:, None] * (rows["item"] - rows["other"][:, None]), training=True)
            return keras.ops.mean(keras.ops.square(layers[0](hidden)[..., 0] - batch["y"]))

        given = Objective(tables(), {"user": "users", "item": "items", "other": "items"}, loss, layers)
        return Trainer(given, learning_rate=0.02, run=run, row_wise=row_wise)

    def drawn(rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
        for batch in batches(10):
            yield {**batch, "user": rng.integers(0, USERS, 16).astype(np.int32)}

    def train(run: Run, stop: int) -> Trainer:
        trainer, rng = fresh(run), np.random.default_rng(5)
        for epoch in trainer.epochs(4, rng):
            trainer.epoch(drawn(rng))
            if epoch == stop:
                break
        return trainer

    whole, run = train(Run(), 4), Run(checkpoint=tmp_path / "kept")
    run.checkpoint.begin({})
    train(run, 2)  # stopped before its second epoch was kept
    assert run.checkpoint.begin({}) == 1
    again = train(run, 4)
    for name in tables():
        np.testing.assert_array_equal(again.table(name), whole.table(name))
    for one, two in zip(again.weights(), whole.weights(), strict=True):
        np.testing.assert_array_equal(one, two)
