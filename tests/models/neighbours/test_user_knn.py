"""UserKnn against a slow plain loop, and a planted answer; who has the same items is no neighbour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.models.neighbours.user_knn import UserKnn
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def data(make: Make) -> Dataset:
    rng = np.random.default_rng(6)
    likes = rng.random((30, 20)) < rng.uniform(0.1, 0.7, 20)
    likes[7] = likes[3]  # two people with the same items
    rows = [(u, i, 5.0 if likes[u, i] else 1.0, 0) for u in range(30) for i in range(20)]
    return make(rows, positive=">=4")


def plain(data: Dataset, weighting: str, shrink: float, voters: int, k1: float = 10.0, b: float = 0.1) -> AnyArray:
    """(U, I) by loops over the formulas of the class; people of equal similarity in the order of their codes."""
    x = data.positives().toarray().astype(np.float64)
    idf = [1.0 if weighting == "cosine" else np.log1p(len(x) / x[:, i].sum()) for i in range(x.shape[1])]
    mean = x.sum() / np.count_nonzero(x.sum(axis=1))
    out = np.zeros_like(x)

    def length(row: AnyArray) -> float:
        if weighting == "bm25":
            return 1 + k1 * (1 - b + b * row.sum() / mean)
        return float(np.sqrt(sum(idf[i] ** 2 for i in range(len(row)) if row[i])))

    for u in range(len(x)):
        similar = []
        for v in range(len(x)):
            if (x[u] == x[v]).all():
                continue
            shared = sum(idf[i] ** 2 for i in range(x.shape[1]) if x[u, i] and x[v, i])
            if shared:
                similar.append((-round(shared / (length(x[u]) * length(x[v]) + shrink), 9), v))
        for minus, v in sorted(similar)[:voters]:
            out[u] -= minus * x[v]
    return out


@pytest.mark.parametrize("voters", [4, 30])
@pytest.mark.parametrize("shrink", [0.0, 7.0])
@pytest.mark.parametrize("weighting", ["cosine", "tfidf", "bm25"])
def test_public_scores_are_those_of_a_plain_loop(data: Dataset, weighting: str, shrink: float, voters: int) -> None:
    model = UserKnn(weighting=weighting, shrink=shrink, neighbours=voters).fit(data)
    wanted = plain(data, weighting, shrink, voters)
    for profiles in (data.profiles(), data.profiles().strangers()):
        np.testing.assert_allclose(model.score(profiles), wanted, rtol=1e-4, atol=1e-6)


def test_who_has_the_same_items_has_no_vote(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in "abc" for i in (1, 2)] + [("d", 1, 1.0, 0), ("d", 3, 1.0, 0)]
    model = UserKnn(neighbours=1).fit(make(rows, explicit=False))
    assert model.recommend("a", k=1)["item"].to_list() == [3]  # b and c are nearer and know nothing new
    assert model.recommend("a", k=1)["score"][0] > 0
    assert model.recommend(history=[1, 2], k=1)["score"][0] > 0


def test_someone_with_part_of_a_history_is_a_neighbour(make: Make) -> None:
    """More items at an equal sum of weights shared: neither a part of the history nor more than it is the history."""
    data = make([("a", 1, 1.0, 0), ("b", 1, 1.0, 0), ("b", 2, 1.0, 0)], explicit=False)
    scores = UserKnn().fit(data).score(data.profiles())
    assert scores[0, 1] > 0
    assert scores[1, 0] > 0
    assert (UserKnn().fit(data).score(strangers(data.schema, [[2]])) > 0).all()


def test_planted_item_comes_first(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    for weighting in ("cosine", "tfidf", "bm25"):
        model = UserKnn(weighting=weighting, neighbours=5).fit(make(rows, explicit=False))
        assert model.recommend(0, k=1)["item"].to_list() == [4]
        assert model.recommend(history=[1, 3], k=3, items=range(10))["item"].to_list() == [5, 7, 9]
