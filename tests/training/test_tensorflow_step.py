"""JAX and TensorFlow train alike, step by step, ids that occur twice in a batch included. One process for each."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("keras", "jax", "tensorflow")),
        reason="needs keras, jax and tensorflow",
    ),
]

SCRIPT = """
import sys
import numpy as np
import scipy.sparse as sp
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise

run = Run(backend=sys.argv[1])
killed = Run(backend=sys.argv[1], checkpoint=sys.argv[2] + ".checkpoint")
keras = backend.keras(run)
rng = np.random.default_rng(0)
tables = {name: rng.normal(0, 0.3, (rows, 6)).astype("f4") for name, rows in (("users", 50), ("items", 30))}
given = []
for step in range(60):
    user = rng.integers(0, 3 if step % 2 else 50, 16)  # every second batch holds each id five times
    given.append({"user": user.astype("i4"), "item": rng.integers(0, 30, (16, 4)).astype("i4"),
                  "y": rng.integers(0, 2, (16, 4)).astype("f4"),
                  "bag": sp.random(16, 40, 0.2, format="csr", random_state=step, dtype="f4")})
tables["kernel"] = rng.normal(0, 0.3, (40, 6)).astype("f4")
kept = {}
for row_wise in (False, True):
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
    layers[0].build((None, 6))
    layers[1].build((None, 8))
    initialise(layers, np.random.default_rng(1))

    def loss(rows, batch):
        hidden = layers[0](rows["user"][:, None] * rows["item"] + rows["bag"][:, None])
        out = layers[1](hidden)[..., 0] + keras.ops.sum(rows["user"], axis=-1, keepdims=True)
        decay = sum(keras.ops.sum(keras.ops.square(weight)) for layer in layers for weight in layer.trainable_variables)
        return keras.ops.mean(keras.ops.softplus(out) - batch["y"] * out) + 1e-3 * decay

    lookups, bags = {"user": "users", "item": "items"}, {"bag": "kernel"}
    objective = Objective(tables, lookups, loss, layers, bags=bags, decays={"kernel": 1e-3})
    before = [np.array(variable) for variable in objective.trainable]
    killed.checkpoint.begin({"row_wise": row_wise})
    trainer = Trainer(objective, learning_rate=0.01, run=killed, row_wise=row_wise)
    for epoch in trainer.epochs(3):
        trainer.epoch(given[:20])  # it is killed in its second epoch, and the first alone is kept
        if epoch == 2:
            break
    killed.checkpoint.begin({"row_wise": row_wise})
    trainer = Trainer(objective, learning_rate=0.01, run=killed, row_wise=row_wise)
    for epoch in trainer.epochs(2):
        trainer.epoch(given[20:40])
    resumed = [*(trainer.table(name) for name in tables), *trainer.weights()]
    killed.checkpoint.finish()
    for variable, value in zip(objective.trainable, before):
        variable.assign(value)

    trainer = Trainer(objective, learning_rate=0.01, run=run, row_wise=row_wise)
    losses = [trainer.epoch(given[:20]), trainer.epoch(given[20:40])]
    straight = [*(trainer.table(name) for name in tables), *trainer.weights()]
    for one, two in zip(resumed, straight, strict=True):
        np.testing.assert_array_equal(one, two)
    kept[f"losses{row_wise}"] = np.concatenate([*losses, trainer.epoch(given[40:])])
    kept.update({f"{name}{row_wise}": trainer.table(name) for name in tables})
    kept.update({f"weight{row_wise}{at}": weight for at, weight in enumerate(trainer.weights())})
assert keras.backend.backend() == sys.argv[1]
np.savez(sys.argv[2], **kept)
"""

NETWORKS = """
import sys
from dataclasses import replace
import numpy as np
import polars as pl
import honeyguide as hg
from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.vocabulary import Vocabulary

rng = np.random.default_rng(0)
users, items = rng.integers(0, 40, 900).astype("i4"), (30 * rng.random(900) ** 2).astype("i4")
values = rng.integers(1, 6, 900).astype("f4")
schema = Schema(Vocabulary.of(range(40)), Vocabulary.of(range(30)), True, (1.0, 5.0), Positive(">=4"), pl.DataFrame())
data, kept = Dataset(schema, users, items, values), {}
for objective in ("binary_crossentropy", "squared_error"):
    given = dict(epochs=3, batch_size=64, factors=8, hidden=(16, 8), dropout=0.0, learning_rate=0.02, negatives=4)
    model = hg.models.NeuMF(objective=objective, reg=0.0, embedding_reg=0.0, **given)
    model.fit(data, run=hg.Run(seed=2, backend=sys.argv[1]))
    kept[f"score {objective}"] = model.score(data.profiles())
kinds = pl.DataFrame({"kind": [["a", "b", "c"][i % 3] for i in range(30)]})
data = replace(data, schema=replace(schema, item_table=kinds))
small = dict(factors=8, hidden=(8,), dropout=0.0, epochs=6, batch_size=64, negatives=8, learning_rate=0.01)
model = hg.models.TwoTower(**small)
kept["two towers"] = model.fit(data, run=hg.Run(seed=2, backend=sys.argv[1])).score(data.profiles())
np.savez(sys.argv[2], **kept)
"""


def on(backend: str, script: str, folder: Path) -> dict[str, np.ndarray]:
    """What the script saves on a backend."""
    out = folder / f"{backend}.npz"
    env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", script, backend, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(out) as arrays:
        return dict(arrays)


def test_the_same_arrays_and_batches_give_the_same_losses_step_by_step(tmp_path: Path) -> None:
    jax, tensorflow = on("jax", SCRIPT, tmp_path), on("tensorflow", SCRIPT, tmp_path)
    assert jax.keys() == tensorflow.keys()
    for name in ("lossesFalse", "lossesTrue"):
        np.testing.assert_allclose(tensorflow[name], jax[name], rtol=1e-5, err_msg=name)
    for name, array in jax.items():
        np.testing.assert_allclose(tensorflow[name], array, rtol=1e-3, atol=1e-4, err_msg=name)


def test_networks_with_one_seed_score_alike_on_both(tmp_path: Path) -> None:
    jax, tensorflow = on("jax", NETWORKS, tmp_path), on("tensorflow", NETWORKS, tmp_path)
    for name, scores in jax.items():
        np.testing.assert_allclose(tensorflow[name], scores, rtol=1e-2, atol=2e-3, err_msg=name)
        assert scores.std() > 0.05
