"""The sampled loss is the whole one where all are drawn, and near it on average; targets that are drawn count once."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.training import backend
from honeyguide.training.softmax import cross_entropy, draw, drawn_among

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)


def by_hand(out: np.ndarray, items: np.ndarray, targets: np.ndarray, drawn: np.ndarray) -> list[float]:
    """The formula of the module's docstring, a row at a time, in double precision."""
    losses = []
    for row, target in enumerate(targets):
        scores = items.astype(np.float64) @ out[row]
        others = [code for code in drawn if code != target]
        weight = (len(items) - 1) / max(1, len(others))
        losses.append(np.log(np.exp(scores[target]) + weight * np.exp(scores[others]).sum()) - scores[target])
    return losses


def computed(out: np.ndarray, items: np.ndarray, targets: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    keras = backend.keras(hg.Run())
    hit = drawn_among(targets, drawn, len(items))
    return np.asarray(cross_entropy(keras.ops, out, items[targets], items[drawn], hit, n_items=len(items)))


def some(n_items: int = 30, rows: int = 25, width: int = 6, scale: float = 1.0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    out, items = (rng.normal(0, scale, (n, width)).astype(np.float32) for n in (rows, n_items))
    return out, items, rng.integers(0, n_items, rows)


@pytest.mark.parametrize("count", [1, 2, 12, 29, 30, 99])
def test_it_is_the_formula(count: int) -> None:
    out, items, targets = some()
    drawn = draw(30, count, np.random.default_rng(1))
    assert len(np.unique(drawn)) == len(drawn) == min(count, 30)
    expected = by_hand(out, items, targets, drawn)
    np.testing.assert_allclose(computed(out, items, targets, drawn), expected, rtol=1e-4, atol=2e-5)


def test_of_all_items_it_is_softmax() -> None:
    out, items, targets = some()
    scores = (out @ items.T).astype(np.float64)
    expected = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(25), targets]
    drawn = draw(30, 30, np.random.default_rng(1))
    np.testing.assert_allclose(computed(out, items, targets, drawn), expected, rtol=1e-5, atol=1e-5)
    ordinary = computed(out, items, targets, draw(30, 29, np.random.default_rng(1)))
    assert np.abs(ordinary - expected).max() < 0.3  # one item is left out


def test_the_weighted_sum_is_that_of_all_on_average() -> None:
    out, items, targets = some(scale=0.7)
    scores = (out @ items.T).astype(np.float64)
    whole = np.exp(scores).sum(axis=1) / np.exp(scores[np.arange(25), targets])
    rng = np.random.default_rng(2)
    found = [np.exp(computed(out, items, targets, draw(30, 10, rng))) for _ in range(400)]
    error = np.std(found, axis=0) / 20
    assert (np.abs(np.mean(found, axis=0) - whole) < 4.5 * error).all()


def test_the_gradient_is_finite_where_scores_are_extreme() -> None:
    import jax

    keras = backend.keras(hg.Run())
    out, items, targets = some(scale=6.0)
    drawn = draw(30, 12, np.random.default_rng(1))
    hit = drawn_among(targets, drawn, 30)

    def loss(out: jax.Array) -> jax.Array:
        parts = out, items[targets], items[drawn], hit
        return keras.ops.sum(cross_entropy(keras.ops, *parts, n_items=30))

    for size in (1.0, 0.0, 40.0):
        assert np.isfinite(np.asarray(jax.grad(loss)(out * np.float32(size)))).all()


def test_which_targets_were_drawn() -> None:
    found = drawn_among(np.array([[3, 1], [0, 3]]), np.array([3, 2], np.int32), 4)
    assert found.tolist() == [[1, 0], [0, 1]]
