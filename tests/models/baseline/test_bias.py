"""Biases against a dense solve of their normal equations, a planted answer, and by both routes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import DivergedError
from honeyguide.metrics.rating import rmse
from honeyguide.models.baseline import bias as bias_module
from honeyguide.models.baseline.bias import Bias

Make = Callable[..., Dataset]


def dense(data: Dataset, reg_user: float, reg_item: float) -> tuple[float, np.ndarray, np.ndarray]:
    """mean, b_u (U,), b_i (I,) by one dense solve."""
    ratings = data.matrix()
    users, items = ratings.nonzero()
    values = np.asarray(ratings[users, items]).ravel().astype(np.float64)
    n_users, n_items = ratings.shape
    design = np.zeros((len(values), n_users + n_items))
    design[np.arange(len(values)), users] = 1.0
    design[np.arange(len(values)), n_users + items] = 1.0
    penalty = np.diag(np.repeat([reg_user, reg_item], [n_users, n_items]))
    both = np.linalg.solve(design.T @ design + penalty, design.T @ (values - values.mean()))
    return float(values.mean()), both[:n_users], both[n_users:]


@pytest.mark.parametrize(("reg_user", "reg_item"), [(5.0, 3.0), (0.001, 40.0), (0.001, 0.001)])
def test_scores_and_ratings_are_those_of_the_dense_solve(ratings: Dataset, reg_user: float, reg_item: float) -> None:
    mean, b_user, b_item = dense(ratings, reg_user, reg_item)
    model = Bias(reg_user=reg_user, reg_item=reg_item).fit(ratings)
    expected = mean + b_user[:, None] + b_item
    np.testing.assert_allclose(model.score(ratings.profiles()), expected, atol=1e-5)
    rated = model.rate(ratings.profiles(), Pairs(ratings.users, ratings.items))
    np.testing.assert_allclose(rated, expected[ratings.users, ratings.items], atol=1e-5)


def test_gradient_descent_is_that_of_a_plain_loop(make: Make) -> None:
    rng = np.random.default_rng(2)
    rows = [(int(rng.integers(0, 9)), int(rng.integers(0, 7)), float(rng.integers(1, 11)) / 2, t) for t in range(60)]
    data = make([rows[at] for at in rng.permutation(60)])
    model = Bias(solver="sgd", epochs=7, learning_rate=0.03, reg=0.1).fit(data)
    pairs = list(zip(data.users.tolist(), data.items.tolist(), strict=True))
    last = {pairs[at]: at for at in np.argsort(data.times, kind="stable")}
    events = [at for _, at in sorted(last.items())]
    mean = np.mean([data.values[at] for at in events])
    b_user, b_item = np.zeros(data.n_users), np.zeros(data.n_items)
    for _ in range(7):
        for at in events:
            u, i = data.users[at], data.items[at]
            left = data.values[at] - mean - b_user[u] - b_item[i]
            b_user[u] += 0.03 * (left - 0.1 * b_user[u])
            b_item[i] += 0.03 * (left - 0.1 * b_item[i])
    np.testing.assert_allclose(model.score(data.profiles()), mean + b_user[:, None] + b_item, rtol=1e-4)
    folded = model.score(data.profiles().strangers())[3] - mean - b_item
    mine = [at for at in events if data.users[at] == 3]
    shrunk = sum(data.values[at] - mean - b_item[data.items[at]] for at in mine) / (len(mine) + 5.0)
    np.testing.assert_allclose(folded, shrunk, rtol=1e-3)
    with pytest.raises(DivergedError, match="training diverged, learning_rate being 9; lower it"):
        Bias(solver="sgd", learning_rate=9.0).fit(data)


def test_a_strangers_bias_is_the_best_one_given_the_items(ratings: Dataset) -> None:
    model = Bias(reg_user=2.0).fit(ratings)
    new = ratings.profiles().take([5]).strangers()
    values, items = np.asarray(new.values, np.float64), new.items
    tried = np.linspace(-3, 3, 60_001)
    loss = ((values[:, None] - model.mean_ - model.item_biases_[items][:, None] - tried) ** 2).sum(0) + 2.0 * tried**2
    assert len(np.unique(items)) == len(items)
    b_user = model.score(new)[0] - model.mean_ - model.item_biases_
    np.testing.assert_allclose(b_user, tried[loss.argmin()], atol=1e-4)


def test_planted_biases_give_the_held_out_ratings(make: Make) -> None:
    rng = np.random.default_rng(0)
    people, things = rng.integers(-2, 3, 20) / 2, rng.integers(-2, 3, 15) / 2
    rows = [(u, i, 3 + people[u] + things[i], 0) for u in range(20) for i in range(15)]
    held = rng.permutation(len(rows))
    data = make([rows[at] for at in sorted(held[40:])])
    found = Bias(reg_user=0.001, reg_item=0.001).fit(data).predict([rows[at][:2] for at in held[:40]])["prediction"]
    low, high = data.schema.scale or (0, 0)
    np.testing.assert_allclose(found, np.clip([rows[at][2] for at in held[:40]], low, high), atol=2e-3)


def test_an_update_is_as_exact_and_sooner_there(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = len(ratings) - 3
    products: list[int] = []
    multiply = bias_module.sp.csr_matrix.__matmul__
    monkeypatch.setattr(bias_module.sp.csr_matrix, "__matmul__", lambda a, b: products.append(1) or multiply(a, b))
    model = Bias(reg_user=0.01, reg_item=0.01).fit(ratings.take(np.arange(cut)))
    first = len(products)
    model.update(ratings.take(np.arange(cut, len(ratings))))
    assert len(products) - first < first
    mean, b_user, b_item = dense(ratings, 0.01, 0.01)
    np.testing.assert_allclose(model.score(ratings.profiles()), mean + b_user[:, None] + b_item, atol=1e-5)


def test_what_was_never_seen_adds_nothing(make: Make) -> None:
    data = make([("u", "a", 4.5, 1), ("u", "b", 2.0, 2), ("v", "a", 0.5, 3), ("w", "b", 5.0, 3)])
    part = data.take(np.array([0, 1, 2]))  # w has no ratings
    mean, b_user, b_item = dense(part, 5.0, 3.0)
    found = Bias().fit(part).predict([("u", "none"), ("nobody", "a"), ("w", "b"), ("nobody", "none")])["prediction"]
    np.testing.assert_allclose(found, [mean + b_user[0], mean + b_item[0], mean + b_item[1], mean], atol=1e-5)


def test_of_repeated_ratings_the_last_counts(make: Make) -> None:
    rows = [("u", "a", 1.0, 1), ("u", "b", 2.5, 2), ("v", "a", 4.0, 1)]
    model = Bias().fit(make([("u", "a", 5.0, 0), *rows]))
    plain = Bias().fit(make(rows))
    np.testing.assert_allclose(model.score(model.histories_), plain.score(plain.histories_), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(-6, 10), st.integers(0, 3)), min_size=1, max_size=40
    ),
    st.sampled_from([0.001, 1.0, 100.0]),
)
def test_any_ratings_give_the_dense_solve(make: Make, rows: list[tuple[int, int, int, int]], reg: float) -> None:
    data = make([(u, i, value / 2, time) for u, i, value, time in rows])  # half-stars, negatives, zeros, repeats
    mean, b_user, b_item = _dense_of_any(data, reg)
    found = Bias(reg_user=reg, reg_item=reg).fit(data).score(data.profiles())
    np.testing.assert_allclose(found, mean + b_user[:, None] + b_item, atol=1e-4)


def _dense_of_any(data: Dataset, reg: float) -> tuple[float, np.ndarray, np.ndarray]:
    """As `dense`, where a rating may be 0: stored entries count, not values other than 0."""
    lifted = Dataset(data.schema, data.users, data.items, data.values + np.float32(100.0), data.times)
    mean, b_user, b_item = dense(lifted, reg, reg)
    return mean - 100.0, b_user, b_item


@pytest.mark.data
@pytest.mark.quality
def test_error_on_movielens_100k(real_data: Path) -> None:
    train, test = fold(1, folder=real_data)
    error = rmse(test.values, Bias().fit(train).predict(test)["prediction"].to_numpy())
    assert 0.952 < error < 0.955
