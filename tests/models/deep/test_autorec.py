"""AutoRec: the objective as written in plain NumPy, its slope, PCA where it is PCA, and people it has never seen."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.models.deep.autorec import AutoRec
from honeyguide.models.people import strangers
from honeyguide.training import backend
from honeyguide.training.objective import offset
from honeyguide.training.rows import Rows

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)
Make = Callable[..., Dataset]
SHAPE = {"hidden": 5, "batch_size": 8}
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "identity": lambda x: x,
}


def trained_on(model: AutoRec, data: Dataset) -> sp.csr_matrix:
    """(R, C) rows x as the docstring has them, made anew: ratings less item means of which five count as the mean."""
    ratings = data.matrix().toarray().astype(np.float64)
    known = ratings != 0
    mean = ratings[known].mean()
    above = np.where(known, ratings - mean, 0.0).sum(axis=0) / (known.sum(axis=0) + 5.0)
    x = np.where(known, ratings - mean - above, 0.0)
    return sp.csr_matrix((x.T if model.by == "item" else x).astype(np.float32))


def dense(batch: dict, name: str, width: int) -> np.ndarray:
    made = np.zeros((len(batch["weight"]), width))
    np.add.at(made, tuple(batch["place"].T), batch[name])
    return made


def by_hand(model: AutoRec, weights: list[np.ndarray], x: np.ndarray, given: np.ndarray, there: np.ndarray) -> float:
    """sum over the known ratings of (x - W h - b)^2, one at a time."""
    encoder, offset, kernel, bias = weights
    total = 0.0
    for row in range(len(x)):
        code = ACTIVATIONS[model.activation](given[row] @ encoder + offset)
        for column in np.flatnonzero(there[row]):
            total += (x[row, column] - code @ kernel[:, column] - bias[column]) ** 2
    return total


def built(model: AutoRec, data: Dataset) -> tuple[Rows, list[Any], list[np.ndarray], Any]:
    """Rows, layers with weights drawn at random, these in double precision, and the loss; the model half fitted."""
    keras = backend.keras(hg.Run())
    matrix = trained_on(model, data)
    model.length_ = float(np.diff(matrix.indptr)[np.diff(matrix.indptr) > 0].mean())
    rows = Rows(matrix)
    layers = [offset(keras, model.hidden), keras.layers.Dense(rows.width)]
    layers[1].build((None, model.hidden))
    rng = np.random.default_rng(0)
    variables = [v for layer in layers for v in layer.trainable_variables]
    weights = [rng.normal(0, 0.4, shape) for shape in ((rows.width, model.hidden), *(v.shape for v in variables))]
    for variable, weight in zip(variables, weights[1:], strict=True):
        variable.assign(weight.astype(np.float32))
    return rows, layers, weights, model._loss(keras, layers, rows, matrix.nnz)


def fed(batch: dict, kernel: Any) -> dict:
    """What the engine gives the loss: the product of the sparse input (B, C) and V (C, H)."""
    return {"input": batch["input"].toarray() @ kernel}


@pytest.mark.parametrize(("by", "activation"), [("item", "sigmoid"), ("user", "tanh"), ("item", "relu")])
def test_the_loss_of_an_epoch_is_the_objective_as_written(ratings: Dataset, by: str, activation: str) -> None:
    model = AutoRec(by=by, activation=activation, reg=3.0, dropout=0.5, **SHAPE)
    rows, _, weights, loss = built(model, ratings)
    total, count, values = 0.0, 0, []
    for batch in model._batches(rows, np.random.default_rng(0)):
        x, there = (dense(batch, name, rows.width) for name in ("value", "there"))
        given = batch["input"].toarray()
        scale = np.sqrt(model.length_ / np.maximum(there.sum(axis=1, keepdims=True), 1))
        kept = given != 0
        np.testing.assert_allclose(given[kept], (2.0 * x * scale)[kept], rtol=1e-4)
        assert 0.3 < kept.sum() / (x != 0).sum() < 0.7
        total += by_hand(model, weights, x, given, there)
        count += int(there.sum())
        values.append(float(loss(fed(batch, weights[0].astype(np.float32)), batch)))
    assert count == trained_on(model, ratings).nnz
    penalty = 1.5 * (weights[2] ** 2).sum()  # that of V is the engine's
    assert np.mean(values) * count == pytest.approx(total + penalty, rel=1e-4)


@pytest.mark.parametrize(("by", "activation"), [("item", "sigmoid"), ("user", "identity")])
def test_the_slope_that_training_follows_is_that_of_the_objective(ratings: Dataset, by: str, activation: str) -> None:
    import jax
    import keras

    model = AutoRec(by=by, activation=activation, reg=3.0, dropout=0.3, hidden=4, batch_size=100)
    rows, layers, weights, loss = built(model, ratings)
    (batch,) = model._batches(rows, np.random.default_rng(0))
    x, there = (dense(batch, name, rows.width) for name in ("value", "there"))
    given = batch["input"].toarray()
    variables = [v for layer in layers for v in layer.trainable_variables]

    def at(arrays: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, arrays[1:], strict=True))):
            return loss(fed(batch, arrays[0]), batch) + 1.5 / there.sum() * (arrays[0] ** 2).sum()

    slopes = jax.grad(at)([np.float32(weight) for weight in weights])
    rng = np.random.default_rng(1)
    for place, slope in enumerate(slopes):
        for _ in range(3):
            index = tuple(rng.integers(0, n) for n in weights[place].shape)
            values = []
            for step in (1e-4, -1e-4):
                moved = [weight.copy() for weight in weights]
                moved[place][index] += step
                penalty = 1.5 * ((moved[0] ** 2).sum() + (moved[2] ** 2).sum())
                values.append((by_hand(model, moved, x, given, there) + penalty) / there.sum())
            assert float(slope[index]) == pytest.approx((values[0] - values[1]) / 2e-4, rel=1e-2, abs=1e-4)


def test_what_is_not_rated_has_no_part(ratings: Dataset) -> None:
    model = AutoRec(dropout=0.0, reg=0.0, hidden=5, batch_size=2)
    rows, layers, weights, loss = built(model, ratings)
    batch = next(iter(model._batches(rows, np.random.default_rng(0))))
    unrated = np.flatnonzero(dense(batch, "there", rows.width).sum(axis=0) == 0)
    first = fed(batch, weights[0].astype(np.float32))
    before = float(loss(first, batch))
    changed = weights[3].astype(np.float32)
    changed[unrated] += 7.0
    layers[1].bias.assign(changed)
    assert len(unrated)
    assert float(loss(first, batch)) == pytest.approx(before, rel=1e-6)


def test_linear_and_all_rated_it_is_pca(make: Make) -> None:
    """With g the identity, no penalty and every rating known, the best rows lie in the first H principal axes."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(24, 3)) @ rng.normal(size=(3, 10)) + 0.3 * rng.normal(size=(24, 10)) + 3.0
    data = make([(u, i, float(table[u, i]), 1) for u in range(24) for i in range(10)])
    given = {"hidden": 3, "activation": "identity", "reg": 0.0, "dropout": 0.0, "length_power": 0.0}
    model = AutoRec(by="user", epochs=1500, learning_rate=0.02, batch_size=24, **given).fit(data)
    error = float(((model.score(data.profiles()) - data.matrix().toarray()) ** 2).sum())
    values = np.linalg.svd(table - table.mean(axis=0), compute_uv=False)
    assert error == pytest.approx(float((values[3:] ** 2).sum()), rel=0.02)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_a_persons_rating_is_the_formula(ratings: Dataset, activation: str) -> None:
    model = AutoRec(by="user", activation=activation, epochs=1, **SHAPE).fit(ratings)
    _, layers, weights, _ = built(model, ratings)
    x = trained_on(model, ratings)
    model._take(weights[0], tuple(np.asarray(v.value) for layer in layers for v in layer.trainable_variables), x)
    counts = np.diff(x.indptr)[:, None]
    given = x.toarray().astype(np.float64) * np.sqrt(model.length_ / counts)
    code = ACTIVATIONS[activation](given @ weights[0] + weights[1])
    np.testing.assert_allclose(
        model.score(ratings.profiles()), code @ weights[2] + weights[3] + model.means_, rtol=1e-4, atol=1e-4
    )


def test_a_person_is_solved_for_from_the_items_codes(ratings: Dataset) -> None:
    """Codes by the formula; a person is ridge regression on them, towards the trained people and in their metric."""
    model = AutoRec(activation="sigmoid", epochs=1, **SHAPE).fit(ratings)
    _, layers, weights, _ = built(model, ratings)
    x = trained_on(model, ratings)  # (I, U)
    model._take(weights[0], tuple(np.asarray(v.value) for layer in layers for v in layer.trainable_variables), x)
    counts = np.diff(x.indptr)[:, None]
    codes = ACTIVATIONS["sigmoid"](x.toarray() * np.sqrt(model.length_ / counts) @ weights[0] + weights[1])
    features = np.column_stack([np.ones(len(codes)), codes])
    people = np.column_stack([weights[3], weights[2].T])  # (U, 1 + H)
    known = x.toarray() != 0
    noise = ((x.toarray() - features @ people.T)[known] ** 2).mean()
    mean, width = people.mean(axis=0), features.shape[1]
    spread = (people - mean).T @ (people - mean) + width * 0.01 * np.eye(width)
    precision = np.linalg.inv(spread / (len(people) + width))
    expected = np.empty((len(people), len(codes)))
    for person in range(len(people)):
        mine, target = features[known[:, person]], x.toarray()[known[:, person], person]
        solved = np.linalg.solve(mine.T @ mine / noise + precision, mine.T @ target / noise + precision @ mean)
        expected[person] = features @ solved + model.means_
    np.testing.assert_allclose(model.score(ratings.profiles()), expected, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("by", ["item", "user"])
def test_planted_tastes_are_found_by_known_people_and_strangers(make: Make, by: str) -> None:
    rng, rows, held = np.random.default_rng(1), [], []
    for user in range(60):
        order = rng.permutation(24)
        rows += [(user, int(i), 5.0 if (user % 2) == (i % 2) else 1.0, 1) for i in order[:18]]
        held += [(user, int(i), 5.0 if (user % 2) == (i % 2) else 1.0) for i in order[18:]]
    data = make(rows)
    given = {"hidden": 8, "reg": 0.3, "dropout": 0.2, "epochs": 60, "learning_rate": 0.02, "batch_size": 12}
    model = AutoRec(by=by, **given).fit(data)
    users, items, values = (np.array(column) for column in zip(*held, strict=True))
    pairs = Pairs(users.astype(np.int32), items.astype(np.int32))
    known, new = model.rate(data.profiles(), pairs), model.rate(data.profiles().strangers(), pairs)
    np.testing.assert_array_equal(known, new)
    assert np.sqrt(np.mean((known - values) ** 2)) < 0.6


@pytest.mark.parametrize("by", ["item", "user"])
def test_ratings_of_who_and_what_was_never_seen(make: Make, by: str) -> None:
    rng = np.random.default_rng(0)
    rows = [(u, i, float(rng.integers(1, 6)), 1) for u in range(20) for i in range(15) if rng.random() < 0.5]
    whole = make([(0, -1, 3.0, 1), *rows, (20, 0, 3.0, 1)])
    data = whole.take(
        np.arange(1, len(rows) + 1)
    )  # person 20 and item -1, whose code is 0, are in the vocabulary alone
    model = AutoRec(by=by, epochs=5, learning_rate=0.01, **SHAPE).fit(data)
    never = Pairs(np.array([0, 0], np.int32), np.array([0, -1], np.int32))
    outside, nowhere = model.rate(data.profiles(), never)
    assert outside == pytest.approx(nowhere, rel=1e-6)
    assert outside == pytest.approx(model.score(data.profiles())[0, 0], rel=1e-5)
    assert abs(outside - data.values.mean()) < 1.0
    nobody = model.score(strangers(data.schema, [[]]))[0]
    np.testing.assert_allclose(model.score(data.profiles())[20], nobody, rtol=1e-5)


def test_parameters_take_effect(ratings: Dataset) -> None:
    base = {"epochs": 4, "hidden": 6, "batch_size": 8, "learning_rate": 0.02, "reg": 1.0}
    plain = AutoRec(**base).fit(ratings).score(ratings.profiles())
    others: list[dict[str, Any]] = [
        {"by": "user"}, {"activation": "relu"}, {"reg": 60.0}, {"dropout": 0.0}, {"length_power": 0.0}
    ]  # fmt: skip
    for given in others:
        other = AutoRec(**{**base, **given}).fit(ratings).score(ratings.profiles())
        assert not np.allclose(other, plain, atol=1e-3), given


BOTH = """
import sys
import numpy as np
import polars as pl
import honeyguide as hg
from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.vocabulary import Vocabulary

rng = np.random.default_rng(0)
users, items = rng.integers(0, 40, 900).astype("i4"), (30 * rng.random(900) ** 2).astype("i4")
values = rng.integers(1, 6, 900).astype("f4")
schema = Schema(Vocabulary.of(range(40)), Vocabulary.of(range(30)), True, (1.0, 5.0), Positive(">=4"), pl.DataFrame())
data, run, kept = Dataset(schema, users, items, values), hg.Run(seed=2, backend=sys.argv[1]), {}
for by in ("item", "user"):
    model = hg.models.AutoRec(by=by, hidden=8, epochs=5, batch_size=8, learning_rate=0.02, reg=1.0)
    kept[by] = model.fit(data, run=run).score(data.profiles())
for variational in (True, False):
    model = hg.models.MultVAE(variational=variational, hidden=(16,), latent=8, epochs=5, batch_size=8, reg=1e-3,
                              learning_rate=0.01)
    kept[f"multvae {variational}"] = model.fit(data, run=run).score(data.profiles())
np.savez(sys.argv[2], **kept)
"""


@pytest.mark.tensorflow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs tensorflow")
def test_with_one_seed_both_autoencoders_score_alike_on_jax_and_tensorflow(tmp_path: Path) -> None:
    found = []
    for name in ("jax", "tensorflow"):
        out = tmp_path / f"{name}.npz"
        env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-c", BOTH, name, str(out)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280)
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(out) as arrays:
            found.append(dict(arrays))
    for name, scores in found[0].items():
        np.testing.assert_allclose(found[1][name], scores, rtol=1e-2, atol=2e-3, err_msg=name)
        assert scores.std() > 0.05
