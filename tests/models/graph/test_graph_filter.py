"""GraphFilter against the dense filter of the paper, each part alone, and a planted answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.models.graph.graph_filter import GraphFilter
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]


@pytest.fixture(scope="module", params=[(40, 25), (25, 40)], ids=["more people", "more items"])
def data(request: pytest.FixtureRequest, make: Make) -> Dataset:
    rng = np.random.default_rng(5)
    users, items = request.param
    likes = rng.random((users, items)) < rng.uniform(0.1, 0.7, items)
    return make([(u, i, 5.0 if likes[u, i] else 1.0, 0) for u in range(users) for i in range(items)], positive=">=4")


def parts(data: Dataset, factors: int) -> tuple[AnyArray, AnyArray, AnyArray]:
    """The positives (U, I), and the linear and the ideal low-pass filter (I, I), as the paper writes them."""
    x = data.positives().toarray().astype(np.float64)
    people, items = np.diag(x.sum(axis=1) ** -0.5), np.maximum(x.sum(axis=0), 1)
    scaled = people @ x @ np.diag(items**-0.5)
    leading = np.linalg.svd(scaled)[2][:factors].T
    return x, scaled.T @ scaled, np.diag(items**-0.5) @ leading @ leading.T @ np.diag(items**0.5)


@pytest.mark.parametrize("low_pass", [0.0, 0.3, 2.0])
def test_unseen_items_score_as_in_the_paper(data: Dataset, low_pass: float) -> None:
    x, linear, ideal = parts(data, 7)
    model = GraphFilter(factors=7, low_pass=low_pass, neighbours=data.n_items).fit(data)
    wanted = x @ (linear + low_pass * ideal)
    unseen = x == 0  # of those seen the linear part is left out, which changes no list
    np.testing.assert_allclose(model.score(data.profiles())[unseen], wanted[unseen], rtol=1e-3, atol=1e-4)


def test_the_linear_filter_keeps_the_largest_of_each_column(data: Dataset) -> None:
    _, linear, _ = parts(data, 7)
    np.fill_diagonal(linear, 0.0)
    model = GraphFilter(factors=7, low_pass=0.0, neighbours=4).fit(data)
    each = model.score(strangers(data.schema, [[(item, 5.0)] for item in data.schema.items.series()]))
    for item in range(data.n_items):
        kept = each[:, item] > 0
        assert kept.sum() == min(4, np.count_nonzero(linear[:, item]))
        if not kept.any():  # an item that nobody has
            continue
        np.testing.assert_allclose(each[kept, item], linear[kept, item], rtol=1e-4)
        assert linear[kept, item].min() >= linear[~kept, item].max() * (1 - 1e-6)


def test_planted_pair_comes_first(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    for given in ({"neighbours": 1}, {"low_pass": 0.0}, {}):
        model = GraphFilter(factors=2, **given).fit(make(rows, explicit=False))
        assert model.recommend(0, k=1)["item"].to_list() == [4]
        assert set(model.recommend(history=[1, 3], k=3)["item"]) == {5, 7, 9}
