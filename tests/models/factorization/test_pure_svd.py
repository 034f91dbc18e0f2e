"""PureSVD against LAPACK's decomposition, the best approximation of its rank, and a planted answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.models.factorization.pure_svd import PureSVD

Make = Callable[..., Dataset]


@pytest.fixture(scope="module", params=[(40, 25), (25, 40)], ids=["more people", "more items"])
def data(request: pytest.FixtureRequest, make: Make) -> Dataset:
    rng = np.random.default_rng(5)
    users, items = request.param
    likes = rng.random((users, items)) < rng.uniform(0.1, 0.7, items)
    return make([(u, i, 5.0 if likes[u, i] else 1.0, 0) for u in range(users) for i in range(items)], positive=">=4")


def dense(x: AnyArray, factors: int, item_power: float, user_power: float) -> AnyArray:
    """(U, I) scores of all rows of x, by the formula of the class."""
    popularity, lengths = np.maximum(x.sum(axis=0), 1) ** item_power, x.sum(axis=1) ** user_power
    _, _, turned = np.linalg.svd(x / popularity / lengths[:, None])
    projection: AnyArray = turned[:factors].T @ turned[:factors]
    return (x / popularity) @ projection * popularity


@pytest.mark.parametrize(("item_power", "user_power"), [(0.0, 0.0), (0.25, 0.5), (1.0, 0.0), (0.0, 1.0)])
def test_public_scores_are_the_projection(data: Dataset, item_power: float, user_power: float) -> None:
    model = PureSVD(factors=6, item_power=item_power, user_power=user_power).fit(data)
    x = data.positives().toarray().astype(np.float64)
    np.testing.assert_allclose(model.score(data.profiles()), dense(x, 6, item_power, user_power), atol=1e-4)


def test_as_published_it_is_the_best_approximation_of_its_rank(data: Dataset) -> None:
    """No matrix of rank K is nearer: what is missed is what the other singular values hold (Eckart and Young)."""
    x = data.positives().toarray().astype(np.float64)
    values = np.linalg.svd(x)[1]
    for factors in (1, 5):
        scores = PureSVD(factors=factors, item_power=0.0, user_power=0.0).fit(data).score(data.profiles())
        assert np.linalg.matrix_rank(scores, tol=1e-3) == factors
        assert ((x - scores) ** 2).sum() == pytest.approx((values[factors:] ** 2).sum(), rel=1e-4)


def test_similar_items_are_near_in_angle(data: Dataset) -> None:
    model = PureSVD(factors=6).fit(data)
    vectors = model.vectors_ / np.maximum(np.linalg.norm(model.vectors_, axis=1, keepdims=True), 1e-9)
    had = int(np.argmax(data.positives().sum(axis=0)))
    wanted = vectors @ vectors[had]
    wanted[had] = -np.inf
    assert model.similar_items(had, k=5)["similar"].to_list() == np.argsort(-wanted)[:5].tolist()


def test_planted_pair_comes_first(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    model = PureSVD(factors=2).fit(make(rows, explicit=False))
    assert model.recommend(0, k=1)["item"].to_list() == [4]
    assert set(model.recommend(history=[1, 3], k=3)["item"]) == {5, 7, 9}
