"""RP3Beta against the walk itself, step by step, and the formula with its exponents; a planted answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honeyguide.data.dataset import Dataset
from honeyguide.models.graph.rp3beta import RP3Beta
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def data(make: Make) -> Dataset:
    rng = np.random.default_rng(5)
    likes = rng.random((40, 25)) < rng.uniform(0.1, 0.7, 25)
    return make([(u, i, 5.0 if likes[u, i] else 1.0, 0) for u in range(40) for i in range(25)], positive=">=4")


def test_with_alpha_one_and_no_beta_it_is_the_walk(data: Dataset) -> None:
    """Where three steps end: the chances of the unseen items, up to the first step's, which is alike for all."""
    x = data.positives().toarray().astype(np.float64)
    to_item, to_person = x / x.sum(axis=1, keepdims=True), x.T / x.sum(axis=0)[:, None]
    ends = to_item @ to_person @ to_item
    scores = RP3Beta(alpha=1.0, beta=0.0, neighbours=25).fit(data).score(data.profiles())
    unseen = x == 0
    np.testing.assert_allclose((scores / x.sum(axis=1, keepdims=True))[unseen], ends[unseen], rtol=1e-4)
    assert ends.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("neighbours", [25, 6])
def test_public_scores_are_those_of_the_formula(data: Dataset, neighbours: int) -> None:
    alpha, beta = 0.7, 0.3
    x = data.positives().toarray().astype(np.float64)
    to_item, to_person = (x / x.sum(axis=1, keepdims=True)) ** alpha, (x.T / x.sum(axis=0)[:, None]) ** alpha
    wanted = to_person @ to_item / x.sum(axis=0) ** beta  # (I, I)
    np.fill_diagonal(wanted, 0.0)
    model = RP3Beta(alpha=alpha, beta=beta, neighbours=neighbours).fit(data)
    each = model.score(strangers(data.schema, [[(item, 5.0)] for item in data.schema.items.series()]))
    for item in range(25):
        kept = each[:, item] > 0
        assert kept.sum() == min(neighbours, np.count_nonzero(wanted[:, item]))
        np.testing.assert_allclose(each[kept, item], wanted[kept, item], rtol=1e-4)
        assert wanted[kept, item].min() >= wanted[~kept, item].max(initial=0.0) * (1 - 1e-6)
    np.testing.assert_allclose(model.score(data.profiles()), data.positives() @ each, rtol=1e-4)


def test_planted_pair_comes_first(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    model = RP3Beta().fit(make(rows, explicit=False))
    assert model.recommend(0, k=1)["item"].to_list() == [4]
    assert set(model.recommend(history=[1, 3], k=3)["item"]) == {5, 7, 9}
