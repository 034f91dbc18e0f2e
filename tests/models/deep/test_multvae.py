"""Mult-VAE: the objective as written in plain NumPy, its slope, planted tastes, and people it has never seen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.models.deep import multvae
from honeyguide.models.deep.multvae import MultVAE
from honeyguide.models.people import strangers
from honeyguide.training import backend
from honeyguide.training.rows import Rows

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)
Make = Callable[..., Dataset]
HIDDEN: list[tuple[int, ...]] = [(), (7,), (8, 6)]


def built(model: MultVAE, n_items: int, seed: int = 0) -> tuple[list[Any], list[np.ndarray]]:
    """The model's layers with weights drawn at random, and all of these in double precision, the first kernel first."""
    layers, kernel = model._layers(backend.keras(hg.Run()), n_items, np.random.default_rng(seed))
    variables = [v for layer in layers for v in layer.trainable_variables]
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.4, shape) for shape in (kernel.shape, *(v.shape for v in variables))]
    for variable, weight in zip(variables, weights[1:], strict=True):
        variable.assign(weight.astype(np.float32))
    return layers, weights


def fed(batch: dict, kernel: Any) -> dict:
    """What the engine gives the loss: the product of the sparse input (B, I) and the first kernel (I, H)."""
    return {"input": batch["input"].toarray() @ kernel}


def by_hand(model: MultVAE, weights: list[np.ndarray], x: np.ndarray, given: np.ndarray, batch: dict) -> np.ndarray:
    """(B,) -sum x log pi + beta KL, one person and one item at a time; x of ones, given what is fed in."""
    kernels, biases, code = weights[::2], weights[1::2], len(model.hidden)
    out = np.zeros(len(x))
    for person in range(len(x)):
        layer = given[person].astype(np.float64)
        for place in range(code + 1):
            layer = layer @ kernels[place] + biases[place]
            layer = layer if place == code else np.tanh(layer)
        if model.variational:
            mean, log_variance = layer[: model.latent], layer[model.latent :]
            for m, v in zip(mean, log_variance, strict=True):
                out[person] += float(batch["beta"]) * 0.5 * (np.exp(v) + m**2 - 1 - v)
            layer = mean + np.exp(log_variance / 2) * batch["noise"][person]
        for place in range(code + 1, len(kernels)):
            layer = layer @ kernels[place] + biases[place]
            layer = layer if place == len(kernels) - 1 else np.tanh(layer)
        pi = np.exp(layer) / np.exp(layer).sum()
        out[person] -= sum(np.log(pi[item]) for item in np.flatnonzero(x[person]))
    return out


def dense(batch: dict, name: str, width: int) -> np.ndarray:
    made = np.zeros((len(batch["weight"]), width))
    np.add.at(made, tuple(batch["place"].T), batch[name])
    return made


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_loss_of_an_epoch_is_the_objective_as_written(
    ratings: Dataset, hidden: tuple[int, ...], variational: bool
) -> None:
    given = {"latent": 5, "batch_size": 16, "dropout": 0.5, "reg": 0.01, "beta": 0.7, "anneal": 0.0}
    model = MultVAE(hidden=hidden, variational=variational, **given)
    layers, weights = built(model, ratings.n_items)
    rows = Rows(multvae._scaled(ratings.positives()))
    loss = model._loss(backend.keras(hg.Run()).ops, layers, rows)
    positives = ratings.positives().toarray()
    total, people, values = 0.0, 0, []
    for batch in model._batches(rows, 2, np.random.default_rng(0)):  # the weight of the KL has risen
        x, given = dense(batch, "there", ratings.n_items), batch["input"].toarray()
        real = batch["weight"] > 0
        scale = given * np.sqrt(np.maximum(x.sum(axis=1, keepdims=True), 1.0))
        np.testing.assert_allclose(scale[(x > 0) & (scale > 0)], 2.0, rtol=1e-5)  # what is not hidden counts double
        assert not scale[x == 0].any()
        assert 0.2 < (scale[x > 0] > 0).mean() < 0.8
        total += by_hand(model, weights, x, given, batch)[real].sum()
        people += int(real.sum())
        penalty = 0.01 * (weights[0] ** 2).sum()  # of the first kernel, which the engine adds
        values.append(float(loss(fed(batch, weights[0].astype(np.float32)), batch)) + penalty)
    assert people == int((positives.sum(axis=1) > 0).sum())
    expected = total / people + 0.01 * sum((kernel**2).sum() for kernel in weights[::2])
    assert np.mean(values) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_slope_that_training_follows_is_that_of_the_objective(
    ratings: Dataset, hidden: tuple[int, ...], variational: bool
) -> None:
    import jax

    model = MultVAE(hidden=hidden, latent=4, variational=variational, batch_size=64, reg=0.003, beta=0.7, anneal=0.0)
    layers, weights = built(model, ratings.n_items)
    rows = Rows(multvae._scaled(ratings.positives()))
    loss = model._loss(backend.keras(hg.Run()).ops, layers, rows)
    (batch,) = model._batches(rows, 2, np.random.default_rng(0))
    x, given = dense(batch, "there", ratings.n_items), batch["input"].toarray()
    variables = [v for layer in layers for v in layer.trainable_variables]

    def at(arrays: list[Any]) -> Any:
        import keras

        with keras.StatelessScope(state_mapping=list(zip(variables, arrays[1:], strict=True))):
            return loss(fed(batch, arrays[0]), batch) + model.reg * (arrays[0] ** 2).sum()

    slopes = jax.grad(at)([np.float32(weight) for weight in weights])
    rng = np.random.default_rng(1)
    for place, slope in enumerate(slopes):
        for _ in range(4):
            index = tuple(rng.integers(0, n) for n in weights[place].shape)
            values = []
            for step in (1e-5, -1e-5):
                moved = [weight.copy() for weight in weights]
                moved[place][index] += step
                penalty = model.reg * sum((kernel**2).sum() for kernel in moved[::2])
                values.append(by_hand(model, moved, x, given, batch).mean() + penalty)
            expected = (values[0] - values[1]) / 2e-5
            assert float(slope[index]) == pytest.approx(expected, rel=1e-2, abs=2e-4)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("variational", [True, False])
def test_numpy_scores_the_logits_of_the_mean_code(ratings: Dataset, hidden: tuple[int, ...], variational: bool) -> None:
    model = MultVAE(hidden=hidden, latent=5, variational=variational, epochs=1).fit(ratings)
    layers, weights = built(model, ratings.n_items, seed=3)
    model._take(weights[0], tuple(np.asarray(v.value) for layer in layers for v in layer.trainable_variables))
    x = ratings.positives().toarray().astype(np.float64)
    layer = x / np.sqrt(np.maximum(x.sum(axis=1, keepdims=True), 1))
    for place, (kernel, bias) in enumerate(zip(weights[::2], weights[1::2], strict=True)):
        layer = layer @ kernel + bias
        if place == len(hidden):
            layer = layer[:, :5]
        elif place < len(weights) // 2 - 1:
            layer = np.tanh(layer)
    np.testing.assert_allclose(model.score(ratings.profiles()), layer, rtol=1e-4, atol=1e-4)


def test_the_divergence_is_what_drawing_codes_gives() -> None:
    """E[log q(z) - log p(z)] over codes drawn as the loss draws them, for q = N(m, exp(v)) and p = N(0, 1)."""
    rng = np.random.default_rng(0)
    m, v = rng.normal(size=5), rng.normal(size=5)
    z = m + np.exp(v / 2) * rng.standard_normal((400_000, 5))
    log_q, log_p = -0.5 * ((z - m) ** 2 / np.exp(v) + v), -0.5 * z**2
    sampled = (log_q - log_p).sum(axis=1)
    model = MultVAE(hidden=(), latent=5)
    code, out = [np.zeros((3, 10)), np.concatenate([m, v])], [np.zeros((5, 3)), np.zeros(3)]
    batch = {"beta": 1.0, "noise": np.zeros((1, 5))}
    exact = by_hand(model, [*code, *out], np.zeros((1, 3)), np.zeros((1, 3)), batch)[0]
    assert exact == pytest.approx(sampled.mean(), abs=4 * sampled.std() / np.sqrt(len(sampled)))


def test_the_weight_of_the_divergence_rises_to_beta(ratings: Dataset) -> None:
    model = MultVAE(beta=0.4, anneal=0.5, epochs=10, batch_size=10)
    rows = Rows(multvae._scaled(ratings.positives()))
    betas = [
        float(batch["beta"])
        for epoch in range(1, 11)
        for batch in model._batches(rows, epoch, np.random.default_rng(epoch))
    ]
    half = len(betas) // 2
    np.testing.assert_allclose(betas[:half], np.linspace(0, 0.4, half + 1)[1:], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(betas[half:], 0.4, rtol=1e-6)


def test_without_hidden_layers_and_noise_it_ends_at_the_frequencies(make: Make) -> None:
    """Everyone's history being the same in expectation, the best multinomial is how often each item occurs."""
    rng, weights = np.random.default_rng(0), np.array([0.4, 0.3, 0.2, 0.1])
    items = rng.choice(4, size=400, p=weights)
    data = make([(user, int(item), 1.0, 1) for user, item in enumerate(items)], explicit=False)
    model = MultVAE(
        hidden=(), latent=2, variational=False, dropout=0.9, reg=1.0, epochs=300, learning_rate=0.03, batch_size=400
    ).fit(data)  # the penalty leaves only the biases
    out = model.score(strangers(data.schema, [[]]))[0].astype(np.float64)
    shares = np.bincount(data.items, minlength=4) / 400
    np.testing.assert_allclose(np.exp(out) / np.exp(out).sum(), shares, atol=0.01)


def tastes(make: Make) -> tuple[Dataset, np.ndarray]:
    """Two tastes, each liking 12 of 24 items; everyone has 9 of their 12 (and rates 3 of the others low)."""
    rng, rows, held = np.random.default_rng(1), [], []
    for user in range(40):
        own = rng.permutation(np.arange(user % 2, 24, 2))
        rows += [(user, int(item), 5.0, 1) for item in own[:9]]
        rows += [(user, int(item), 1.0, 1) for item in rng.permutation(np.arange(1 - user % 2, 24, 2))[:3]]
        held.append(own[9:])
    return make(rows, positive=">=4"), np.array(held)


@pytest.mark.parametrize("variational", [True, False])
def test_planted_tastes_are_found_by_known_people_and_strangers(make: Make, variational: bool) -> None:
    data, held = tastes(make)
    given = {"hidden": (16,), "latent": 8, "epochs": 60, "dropout": 0.5, "learning_rate": 0.01, "batch_size": 10}
    model = MultVAE(variational=variational, **given).fit(data)
    known, new = model.score(data.profiles()), model.score(data.profiles().strangers())
    np.testing.assert_allclose(new, known, rtol=1e-5, atol=1e-5)
    known[data.matrix().toarray() > 0] = -np.inf
    hits = [len(set(np.argsort(-known[user])[:3]) & set(held[user])) for user in range(40)]
    assert np.mean(hits) > 2.7


def test_lists_are_those_of_the_scores(ratings: Dataset) -> None:
    model = MultVAE(hidden=(6,), latent=4, epochs=5).fit(ratings)
    profiles = ratings.profiles()
    np.testing.assert_allclose(
        model.user_vectors(profiles) @ model.item_vectors().T, model.score(profiles), rtol=1e-5, atol=1e-5
    )
    users = ratings.schema.users.series().to_list()
    table = model.recommend(users, k=5, seen=True)
    expected = np.argsort(-model.score(profiles), axis=1, kind="stable")[:, :5]
    items = ratings.schema.items.encode(table["item"].to_list()).reshape(-1, 5)
    np.testing.assert_array_equal(items, expected)


def test_parameters_take_effect(ratings: Dataset) -> None:
    base = {"epochs": 4, "hidden": (6,), "latent": 4, "batch_size": 16, "learning_rate": 0.02}
    plain = MultVAE(**base).fit(ratings).score(ratings.profiles())
    others: list[dict[str, Any]] = [
        {"variational": False}, {"beta": 2.0}, {"anneal": 0.0}, {"dropout": 0.0}, {"reg": 0.1}, {"batch_size": 8}
    ]  # fmt: skip
    for given in others:
        other = MultVAE(**{**base, **given}).fit(ratings).score(ratings.profiles())
        assert not np.allclose(other, plain, atol=1e-3), given


def test_low_ratings_are_no_positives(make: Make) -> None:
    rows = [(u, i, 5.0, 1) for u in range(6) for i in range(4) if (u + i) % 2]
    data = make([*rows, *[(u, 4, 1.0, 1) for u in range(6)]], positive=">=4")
    model = MultVAE(hidden=(6,), latent=3, epochs=150, learning_rate=0.02).fit(data)
    scores = model.score(data.profiles())
    assert (scores[:, 4] < scores[:, :4].max(axis=1) - 2.0).all()
