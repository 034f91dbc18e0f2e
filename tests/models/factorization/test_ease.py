"""EASE against the optimality condition of its objective, by both routes, and a planted answer."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from honeyguide.data.dataset import Dataset
from honeyguide.models.factorization.ease import Ease
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]


@pytest.mark.parametrize(("n_users", "n_items"), [(40, 12), (12, 40)], ids=["more people", "more items"])
def test_public_scores_minimise_the_objective(make: Make, n_users: int, n_items: int) -> None:
    rng = np.random.default_rng(1)
    rows = [(u, i, float(rng.integers(1, 6)), 0) for u in range(n_users) for i in range(n_items) if rng.random() < 0.3]
    data, reg = make(rows, positive=">=3"), 2.5
    model = Ease(reg=reg).fit(data)
    x = data.positives().toarray().astype(np.float64)
    weights = model.score(
        strangers(data.schema, [[(item, 5.0)] for item in data.schema.items.series()])
    )  # one item each
    for target in range(n_items):  # each column is a ridge regression on the other items
        others = np.delete(np.arange(n_items), target)
        gram = x[:, others].T @ x[:, others] + reg * np.eye(n_items - 1)
        np.testing.assert_allclose(
            weights[others, target], np.linalg.solve(gram, x[:, others].T @ x[:, target]), atol=1e-5
        )
    np.testing.assert_allclose(weights.diagonal(), 0, atol=1e-6)


@pytest.mark.parametrize(("dropout", "user_power", "item_power"), [(0.0, 0.7, 0.0), (0.3, 0.0, 0.4), (0.8, 1.0, 0.2)])
@pytest.mark.parametrize(("n_users", "n_items"), [(9, 6), (4, 6)], ids=["more people", "more items"])
def test_public_scores_minimise_the_expected_error(
    make: Make, n_users: int, n_items: int, dropout: float, user_power: float, item_power: float
) -> None:
    rng = np.random.default_rng(3)
    rows = [(u, i, 1.0, 0) for u in range(n_users) for i in range(n_items) if rng.random() < 0.6 or i == u % n_items]
    data, reg = make(rows, explicit=False), 0.7
    x = data.positives().toarray().astype(np.float64)
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=n_items)))  # (M, I): every way to drop out
    chances = np.prod(np.where(masks == 1.0, 1.0 - dropout, dropout), axis=1)
    noisy = (x[:, None, :] * masks / (1.0 - dropout)).reshape(-1, n_items)  # (U M, I)
    clean, counts = np.repeat(x, len(masks), axis=0), (100.0 / x.sum(axis=1)) ** user_power
    popularity = x.sum(axis=0) ** item_power
    people = (counts[:, None] * chances).ravel()  # (U M,)
    model = Ease(reg=reg, dropout=dropout, user_power=user_power, item_power=item_power).fit(data)
    weights = model.score(strangers(data.schema, [[item] for item in data.schema.items.series()]))
    for target in range(n_items):
        others = np.delete(np.arange(n_items), target)
        seen = noisy[:, others] * people[:, None]
        best = np.linalg.solve(seen.T @ noisy[:, others] + reg * np.eye(n_items - 1), seen.T @ clean[:, target])
        np.testing.assert_allclose(weights[others, target], best / popularity[others] / popularity[target], atol=1e-5)
    near = model.similarity(np.arange(n_items, dtype=np.int32))
    np.testing.assert_allclose(near, weights, atol=1e-6)
    some = np.array([4, 0, 2], dtype=np.int32)
    np.testing.assert_allclose(model.score(data.profiles(), some), model.score(data.profiles())[:, some], atol=1e-6)


@pytest.mark.parametrize("given", [{}, {"dropout": 0.4, "user_power": 0.6, "item_power": 0.3}], ids=["plain", "all"])
def test_updates_of_low_rank_are_fits(make: Make, monkeypatch: pytest.MonkeyPatch, given: dict[str, float]) -> None:
    rng = np.random.default_rng(4)
    rows = [(u, i, float(rng.integers(1, 6)), 0) for u in range(300) for i in range(118) if rng.random() < 0.1]
    later = [
        [(7, 4, 5.0, 1), (300, 118, 4.0, 1), (300, 3, 4.0, 1)],  # someone new, with a new item
        [(8, rows[0][1], 1.0, 2), (8, 119, 5.0, 2), *((9, i, 1.0, 2) for i in range(118))],  # who now likes nothing
        [(9, 5, 5.0, 3), (300, 118, 1.0, 3)],  # a new item that nobody likes any more
    ]
    model = Ease(reg=3.0, **given).fit(make(rows, positive=">=3"))
    with monkeypatch.context() as patch:
        patch.delattr(Ease, "_fit")
        for part in later:
            model.update(make(part, positive=">=3"))
    whole = Ease(reg=3.0, **given).fit(make([*rows, *(row for part in later for row in part)], positive=">=3"))
    np.testing.assert_allclose(model.score(model.histories_), whole.score(whole.histories_), rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(model.errors_, whole.errors_, rtol=1e-5)


@pytest.mark.parametrize(
    ("before", "after"), [(9, 40), (40, 9), (9, 9)], ids=["people catch up", "items do", "neither"]
)
def test_an_update_of_either_form_is_a_fit(make: Make, before: int, after: int) -> None:
    rng = np.random.default_rng(5)
    old = [(u, i, 1.0, 0) for u in range(before) for i in range(20) if rng.random() < 0.3 or i == u % 20]
    new = [(u, i, 1.0, 0) for u in range(after) for i in range(20, 60 if after == 9 else 22) if rng.random() < 0.3]
    model = Ease(reg=3.0, item_power=0.2).fit(make(old, explicit=False)).update(make(new, explicit=False))
    whole = Ease(reg=3.0, item_power=0.2).fit(make([*old, *new], explicit=False))
    assert vars(model).keys() == vars(whole).keys()
    np.testing.assert_allclose(model.score(model.histories_), whole.score(whole.histories_), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("changed", [{"reg": 9.0}, {"dropout": 0.5}, {"user_power": 0.5}, {"item_power": 0.4}], ids=str)
def test_an_update_by_other_settings_is_a_fit_by_them(make: Make, changed: dict[str, float]) -> None:
    rng = np.random.default_rng(6)
    rows = [(u, i, 1.0, 0) for u in range(60) for i in range(40) if rng.random() < 0.2]
    model = Ease(reg=3.0).fit(make(rows, explicit=False))
    vars(model).update(changed)
    model.update(make([(60, 1, 1.0, 0), (60, 2, 1.0, 0)], explicit=False))
    whole = Ease(**{"reg": 3.0} | changed).fit(make([*rows, (60, 1, 1.0, 0), (60, 2, 1.0, 0)], explicit=False))
    np.testing.assert_allclose(model.score(model.histories_), whole.score(whole.histories_), rtol=1e-4, atol=2e-6)


def test_planted_pair_comes_first(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    model = Ease(reg=1.0).fit(make(rows, explicit=False))
    assert model.recommend(0, k=1)["item"].to_list() == [4]
    assert model.recommend(history=[1, 3], k=3, items=range(10))["item"].to_list() == [5, 7, 9]


def test_items_that_nobody_has_score_zero(make: Make) -> None:
    data = make(
        [(u, i, 5.0 if i < 5 else 1.0, 0) for u in range(9) for i in range(8) if (u * i) % 3 != 1], positive=">=4"
    )
    model = Ease().fit(data)
    assert (model.score(data.profiles())[:, 5:] == 0).all()


@pytest.mark.parametrize(("n_users", "n_items"), [(900, 300), (300, 900)], ids=["more people", "more items"])
def test_a_fit_takes_the_memory_that_it_states(make: Make, n_users: int, n_items: int) -> None:
    rng = np.random.default_rng(2)
    pairs = np.argwhere(rng.random((n_users, n_items)) < 0.02)
    data = make([(int(u), int(i), 1.0, 0) for u, i in pairs], explicit=False)
    Ease().fit(data)  # compiled, histories sorted
    tracemalloc.start()
    model = Ease().fit(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.6 * model.memory(data.shape) < peak < 1.2 * model.memory(data.shape)
