"""SLIM column by column against scikit-learn's elastic net, through public scores; its optimality; a planted answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.models.factorization.slim import Slim
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]


def some(make: Make, n_users: int, n_items: int, *, seed: int = 1) -> Dataset:
    """Ratings of two tastes; positives are those of 3 and more."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(n_users):
        for i in range(n_items):
            if rng.random() < 0.3 + 0.25 * (u % 2 == i % 2):
                rows.append((u, i, float(rng.integers(1, 6)), 0))
    return make(rows, positive=">=3")


def weights(model: Slim, data: Dataset) -> np.ndarray:
    """(I, I) by asking for someone who has one item, for each item."""
    return model.score(strangers(data.schema, [[(item, 5.0)] for item in data.schema.items.series()]))


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.5, 2.0), (2.0, 0.5), (1.0, 50.0), (0.01, 0.1)])
@pytest.mark.parametrize(("n_users", "n_items"), [(60, 14), (15, 40)], ids=["more people", "more items"])
def test_public_scores_are_those_of_an_elastic_net_for_each_item(
    make: Make, n_users: int, n_items: int, l1: float, l2: float, positive: bool
) -> None:
    data = some(make, n_users, n_items)
    found = weights(Slim(l1=l1, l2=l2, positive=positive, tolerance=1e-6).fit(data), data)
    x, n = data.positives().toarray().astype(np.float64), data.n_users
    alpha, ratio = (l1 + l2) / n, l1 / (l1 + l2)
    for target in range(data.n_items):
        others = np.delete(np.arange(data.n_items), target)
        net = ElasticNet(
            alpha=alpha, l1_ratio=ratio, fit_intercept=False, positive=positive, tol=1e-10, max_iter=100_000
        )
        expected = net.fit(x[:, others], x[:, target]).coef_
        np.testing.assert_allclose(found[others, target], expected, atol=2e-4)
        assert found[target, target] == 0
    assert (found > 1e-3).any()
    if positive:
        assert (found >= 0).all()
    elif l1 < 0.1:
        assert (found < -1e-2).any()


@pytest.mark.parametrize("positive", [True, False])
def test_every_column_is_at_its_optimum_within_the_tolerance(positive: bool) -> None:
    data = hg.load("movielens-small", positive=">=4")
    data = data.take(data.users < 200)
    model = Slim(l1=2.0, l2=20.0, positive=positive, tolerance=1e-3).fit(data)
    x = data.positives().astype(np.float64)
    w = model.weights_.astype(np.float64).tocsc()
    popular = np.argsort(-np.bincount(x.indices, minlength=data.n_items), kind="stable")[:300:7]
    for j in popular:
        column = np.asarray(w[:, j].todense()).ravel()
        people = x[:, j].sum()
        slope = x.T @ (np.asarray(x[:, j].todense()).ravel() - x @ column) - 20.0 * column
        slope[j] = 0.0
        has = column != 0
        off = np.abs(slope[has] - 2.0 * np.sign(column[has]))
        assert (off <= 0.05 * people).all()  # a sweep's last steps move the slopes of those before it
        rest = slope[~has] if positive else np.abs(slope[~has])
        assert (rest <= 2.0 + 0.02 * people).all()
        assert has.any()


def test_more_l1_leaves_fewer_weights(ratings: Dataset) -> None:
    left = [Slim(l1=l1).fit(ratings).weights_.nnz for l1 in (0.0, 1.0, 3.0, 1e6)]
    assert left[0] > left[1] > left[2] > left[3] == 0


def test_planted_pair_comes_first(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    for positive in (True, False):
        model = Slim(l1=0.1, l2=1.0, positive=positive).fit(make(rows, explicit=False))
        assert model.recommend(0, k=1)["item"].to_list() == [4]
        assert model.recommend(history=[1, 3], k=3, items=range(10))["item"].to_list() == [5, 7, 9]


def test_threads_do_not_change_a_bit(ratings: Dataset) -> None:
    one, two = (Slim().fit(ratings, run=hg.Run(threads=n)).weights_ for n in (1, 2))
    assert (one != two).nnz == 0
    assert one.nnz > 0


@pytest.mark.quality
def test_quality_on_movielens_small() -> None:
    train, test = hg.split(hg.load("movielens-small", positive=">=4"), "per-person", test=0.2, seed=0)
    found = hg.evaluate({"slim": Slim().fit(train)}, train, test, metrics=["ndcg@10"])
    assert 0.286 < found.value("slim", "ndcg@10") < 0.301
