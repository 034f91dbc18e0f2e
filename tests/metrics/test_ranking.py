"""Ranking metrics against a slow plain loop, scikit-learn, and answers worked out by hand."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from honeyguide.errors import ParameterError
from honeyguide.metrics import ranking

ALL = (
    ranking.ndcg, ranking.ndcg_full, ranking.recall, ranking.recall_capped, ranking.precision, ranking.mrr,
    ranking.average_precision, ranking.hit_rate,
)  # fmt: skip


def slow(name: str, ranked: list[int], relevant: set[int], k: int) -> float:
    """One person's value, in plain Python, straight from the definition."""
    if not relevant:
        return math.nan
    gains = [1 if item in relevant else 0 for item in ranked[:k] if item >= 0]
    found = sum(gains)
    dcg = sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))
    if name in ("ndcg", "ndcg_full"):
        places = min(k, len(relevant)) if name == "ndcg" else len(relevant)
        return dcg / sum(1 / math.log2(place + 1) for place in range(1, places + 1))
    if name == "average_precision":
        total = sum(sum(gains[: place + 1]) / (place + 1) for place in range(len(gains)) if gains[place])
        return total / min(k, len(relevant))
    return {
        "recall": found / len(relevant),
        "recall_capped": found / min(k, len(relevant)),
        "precision": found / k,
        "mrr": next((1 / place for place, gain in enumerate(gains, 1) if gain), 0.0),
        "hit_rate": float(found > 0),
    }[name]


def draw(seed: int, people: int, items: int, length: int) -> tuple[np.ndarray, sp.csr_matrix]:
    """Random lists with empty places at the end, and relevant items, for some people none."""
    rng = np.random.default_rng(seed)
    lists = np.argsort(rng.random((people, items)), axis=1)[:, :length].astype(np.int32)
    for row in lists:
        row[rng.integers(0, length + 1) :] = -1
    relevant = rng.random((people, items)) < rng.random((people, 1)) * 0.6
    relevant[rng.random(people) < 0.2] = False
    return lists, sp.csr_matrix(relevant.astype(np.float32))


@given(seed=st.integers(0, 10_000), people=st.integers(1, 12), items=st.integers(1, 30), k=st.integers(1, 35))
@settings(max_examples=60, deadline=None)
def test_equals_a_slow_loop(seed: int, people: int, items: int, k: int) -> None:
    lists, relevant = draw(seed, people, items, items)
    for function in ALL:
        got = function(lists, relevant, k=k)
        want = [slow(function.__name__, list(lists[row]), set(relevant[row].indices), k) for row in range(people)]
        np.testing.assert_allclose(got, want, rtol=1e-12, err_msg=function.__name__)


def test_blocks_of_people_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lists, relevant = draw(1, 100, 40, 20)
    whole = [function(lists, relevant, k=10) for function in ALL]
    monkeypatch.setattr(ranking, "_FLAGS", 1)  # blocks of 16 people
    for function, want in zip(ALL, whole, strict=True):
        np.testing.assert_array_equal(function(lists, relevant, k=10), want)


def test_ndcg_equals_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    scores, truth = rng.random((50, 30)), rng.random((50, 30)) < 0.2
    truth[:, 0] = True
    lists = np.argsort(-scores, axis=1).astype(np.int32)
    relevant = sp.csr_matrix(truth.astype(np.float32))
    for k in (1, 5, 10, 30):
        ours = ranking.ndcg(lists[:, :k], relevant, k=k)
        theirs = [ndcg_score(truth[row : row + 1], scores[row : row + 1], k=k) for row in range(50)]
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_average_precision_over_the_whole_catalogue_equals_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    scores, truth = rng.random((50, 30)), rng.random((50, 30)) < 0.2
    truth[:, 0] = True
    lists = np.argsort(-scores, axis=1).astype(np.int32)
    ours = ranking.average_precision(lists, sp.csr_matrix(truth.astype(np.float32)), k=30)
    assert ours.mean() == pytest.approx(label_ranking_average_precision_score(truth, scores), rel=1e-12)


def test_worked_by_hand() -> None:
    lists = np.array([[7, 3, 9, 1]], dtype=np.int32)
    relevant = sp.csr_matrix(([1.0] * 3, ([0] * 3, [3, 1, 5])), shape=(1, 10))  # hits at places 2 and 4; 5 is missed
    ideal = 1 + 1 / math.log2(3) + 0.5
    assert ranking.ndcg(lists, relevant, k=4)[0] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert ranking.ndcg(lists, relevant, k=2)[0] == pytest.approx(1 / math.log2(3) / (1 + 1 / math.log2(3)))
    assert ranking.ndcg_full(lists, relevant, k=2)[0] == pytest.approx(1 / math.log2(3) / ideal)
    assert ranking.recall(lists, relevant, k=2)[0] == pytest.approx(1 / 3)
    assert ranking.recall_capped(lists, relevant, k=2)[0] == pytest.approx(1 / 2)
    assert ranking.precision(lists, relevant, k=4)[0] == pytest.approx(2 / 4)
    assert ranking.mrr(lists, relevant, k=4)[0] == pytest.approx(1 / 2)
    assert ranking.average_precision(lists, relevant, k=4)[0] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert ranking.hit_rate(lists, relevant, k=1)[0] == 0.0


def test_a_person_without_relevant_items_is_nan_and_nothing_else_is() -> None:
    lists, relevant = draw(4, 60, 20, 10)
    none = np.diff(relevant.indptr) == 0
    assert 0 < none.sum() < 60
    for function in ALL:
        np.testing.assert_array_equal(np.isnan(function(lists, relevant, k=10)), none)


def test_lists_too_short_for_k_are_refused() -> None:
    lists, relevant = draw(5, 3, 20, 10)
    with pytest.raises(ParameterError, match=r"lists must be at least k = 11 long, got 10 places: make longer lists\."):
        ranking.recall(lists, relevant, k=11)
    with pytest.raises(ParameterError, match=r"k must be an integer >= 1, got 0\."):
        ranking.recall(lists, relevant, k=0)
    with pytest.raises(ParameterError, match=r"lists must have a row a person, 3 here, got shape \(2, 10\)\."):
        ranking.recall(lists[:2], relevant, k=5)


def test_six_thousand_lists_of_a_hundred_take_milliseconds() -> None:
    rng = np.random.default_rng(6)
    lists = np.argsort(rng.random((6000, 400)), axis=1)[:, :100].astype(np.int32)
    relevant = sp.random(6000, 4000, density=0.005, format="csr", random_state=6)
    ranking.ndcg(lists, relevant, k=100)
    spent = []
    for _ in range(3):
        begun = time.perf_counter()
        ranking.ndcg(lists, relevant, k=100)
        spent.append(time.perf_counter() - begun)
    assert min(spent) < 0.15  # 0.01 s on an idle machine
