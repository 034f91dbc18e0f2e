"""UserKnn and its reasons against slow plain loops, and planted answers; who has the same items is no neighbour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.models.contributions import held
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
    """(U, I) by loops over the formulas of the class."""
    return plain_shares(data, weighting, shrink, voters, k1, b).sum(axis=2)


def plain_shares(
    data: Dataset, weighting: str, shrink: float, voters: int, k1: float = 10.0, b: float = 0.1
) -> AnyArray:
    """(U, I, I) what each item of a history adds; people of equal similarity in the order of their codes."""
    x = data.positives().toarray().astype(np.float64)
    idf = [1.0 if weighting == "cosine" else np.log1p(len(x) / x[:, i].sum()) for i in range(x.shape[1])]
    mean = x.sum() / np.count_nonzero(x.sum(axis=1))
    out = np.zeros((*x.shape, x.shape[1]))

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
        for _, v in sorted(similar)[:voters]:
            for i, j in np.ndindex(out.shape[1:]):
                if x[v, i] and x[u, j] and x[v, j]:
                    out[u, i, j] += idf[j] ** 2 / (length(x[u]) * length(x[v]) + shrink)
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


@pytest.mark.parametrize("voters", [4, 30])
@pytest.mark.parametrize("shrink", [0.0, 7.0])
@pytest.mark.parametrize("weighting", ["cosine", "tfidf", "bm25"])
def test_reasons_are_those_of_a_plain_loop(data: Dataset, weighting: str, shrink: float, voters: int) -> None:
    """Everyone in the data has rated every item: what is not positive has no part in a score."""
    model = UserKnn(weighting=weighting, shrink=shrink, neighbours=voters).fit(data)
    wanted = plain_shares(data, weighting, shrink, voters)
    items = np.array([7, 0, 13, 4], np.int32)
    for user in range(0, 30, 3):
        for profile in (data.profiles([user]), data.profiles([user]).strangers()):
            found = [part for (part,) in model.contributions(profile, items)]
            np.testing.assert_array_equal(held(profile), np.arange(20))
            np.testing.assert_allclose([part.shares for part in found], wanted[user, items], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose([part.weight for part in found], model.score(profile, items)[0], rtol=1e-4)
            assert {part.kind for part in found} == {"people"}


def test_nobody_has_reasons_for_nothing(data: Dataset) -> None:
    model = UserKnn().fit(data)
    for profile in (strangers(data.schema, [[]]), strangers(data.schema, [[(3, 1.0)]])):
        found = [part for (part,) in model.contributions(profile, np.array([0, 3], np.int32))]
        assert [part.weight for part in found] == [0.0, 0.0]
        assert found[0].shares is not None
        assert not found[0].shares.any()


def test_planted_reason_comes_first(make: Make) -> None:
    """Whoever has 2 has 9 too, whoever has 1 has 8, and many have 3 and 4: it is by 2 that 9 is found, 8 by 1."""
    rows = [(f"two {u}", i, 1.0, 0) for u in range(6) for i in (2, 3, 9)]
    rows += [(f"one {u}", i, 1.0, 0) for u in range(6) for i in (1, 4, 8)]
    rows += [(f"other {u}", i, 1.0, 0) for u in range(9) for i in (3, 4, 5)]
    model = UserKnn(neighbours=12).fit(make(rows, explicit=False))
    for item, first in ((9, 2), (8, 1)):
        reason = hg.explain(model, history=[1, 2, 3, 4], item=item).reasons[0]
        assert reason.kind == "people"
        assert reason.evidence[0].item == first
        assert reason.sentence.startswith(f"people with your taste have it, going by Title of {first}")
