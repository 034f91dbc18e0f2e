"""The benchmark of the graph: who is asked what, and the measures of clicks."""

from __future__ import annotations

import numpy as np
import pytest
from bench.knowledge_graph import ARMS, arm, auc, beside, build, carve, cold, f1, measure_ablation, pairs, recalls, text

import honeyguide as hg
from honeyguide.data.dataset import Dataset


def keys(data: Dataset) -> np.ndarray:
    return data.users.astype(np.int64) * data.n_items + data.items


def test_a_tenth_of_each_persons_events_is_tested(ratings: Dataset) -> None:
    parts = carve(ratings, 0)
    assert sorted(np.concatenate([keys(part) for part in parts])) == sorted(keys(ratings))
    whole = np.bincount(ratings.users, minlength=ratings.n_users)
    for user, count in enumerate(whole):
        train, validation, test = (int((part.users == user).sum()) for part in parts)
        assert validation == test == (count // 10 if count >= 10 else 1)
        assert train == count - validation - test
    again = [keys(carve(ratings, seed)[2]).tolist() for seed in (0, 1)]
    assert again[0] == keys(parts[2]).tolist() != again[1]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (9, (7, 1, 1)), (20, (16, 2, 2))]
)
def test_short_histories_are_rounded_as_recbole_rounds(ratings: Dataset, count: int, sizes: tuple[int, ...]) -> None:
    data = ratings.take(np.resize(np.flatnonzero(ratings.users == 0), count))
    assert tuple(map(len, carve(data, 0))) == sizes


def test_recall_is_of_what_is_not_hidden(ratings: Dataset) -> None:
    train, validation, test = carve(ratings, 0)
    model = hg.models.Popular().fit(train)
    had, relevant = (train.positives() + validation.positives()).tocsr(), test.positives()
    found = recalls(model, train, had, relevant)
    scores = model.score(train.profiles())
    for user in range(ratings.n_users):
        free = [i for i in np.argsort(-scores[user], kind="stable") if not had[user, i]][:10]
        wanted = relevant[user].indices
        expected = np.isin(wanted, free).mean() if len(wanted) else np.nan
        np.testing.assert_allclose(found[user], expected, rtol=1e-6)


def test_every_arm_has_the_items_it_says(ratings: Dataset) -> None:
    data = ratings.with_graph("attributes")
    found = {which: arm(data, which, 0).graph for which in ARMS}
    graph, none, rewired = found["graph"], found["none"], found["rewired"]
    assert graph is not None
    assert none is not None
    assert rewired is not None
    assert graph is data.graph
    assert len(none) == 0
    np.testing.assert_array_equal(none.links, graph.links)
    assert (rewired.tails != graph.tails).any()
    np.testing.assert_array_equal(np.sort(rewired.tails), np.sort(graph.tails))


def test_names_that_are_joined_are_a_switch_with_the_settings_of_each() -> None:
    both = build("ease+als+popular", "lastfm-kg")
    assert isinstance(both, hg.models.Switch)
    ease, als, popular = both.models.split(",")
    assert dict(pair.split("=") for pair in ease.split(":")[1:]) == {
        "reg": "100.0",
        "dropout": "0.5",
        "user_power": "0.5",
    }
    assert als.startswith("als:alpha=40")
    assert popular == "popular"


def test_people_are_compared_with_themselves() -> None:
    rng = np.random.default_rng(0)
    one = rng.random((2, 400))
    one[:, 7] = np.nan
    mean, low, high = beside(one + 0.01, one)
    assert mean == pytest.approx(0.01)
    assert low == pytest.approx(high) == pytest.approx(0.01)
    assert beside(one, one) == [0.0, 0.0, 0.0]


def test_clicks_are_balanced_and_apart(ratings: Dataset) -> None:
    train, asked = pairs(ratings, np.random.default_rng(1))
    have = ratings.positives()
    assert (
        len(np.intersect1d(keys(train), np.concatenate([u * ratings.n_items + i for u, i, h in asked if h.any()]))) == 0
    )
    for users, items, held in asked:
        np.testing.assert_array_equal(np.asarray(have[users, items]).ravel() > 0, held)
        assert len(users) == pytest.approx(0.4 * have.nnz, abs=1)
        assert 0.4 < held.mean() < 0.6


def test_the_area_and_f1_by_hand() -> None:
    scores, held = np.array([0.1, 0.4, 0.35, 0.8, 0.4]), np.array([False, False, True, True, True])
    wins = [(a > b) + 0.5 * (a == b) for a in scores[held] for b in scores[~held]]
    assert auc(scores, held) == pytest.approx(np.mean(wins))
    assert f1(scores, held, 0.4) == pytest.approx(2 * 2 / (3 + 3))


def test_an_ablation_sets_the_first_arm_beside_the_others(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.knowledge_graph.hg.load", lambda _: ratings.with_graph("attributes"))
    result = measure_ablation("small", ["path_walk"], 1, hg.Run(threads=1, progress=False), ("graph", "none"))
    for kind in ("warm", "cold"):
        found = result["models"]["path_walk"][kind]
        means = found["recall@10"]
        assert set(means) == {"graph", "none"}
        mean, low, high = found["apart"]["none"]
        assert mean == pytest.approx(means["graph"] - means["none"])
        assert low <= mean <= high
    assert "path_walk, cold" in text("ablation", result)


def test_new_items_of_equal_score_are_ranked_by_chance(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.knowledge_graph.K", 1)
    run, found = hg.Run(threads=1, progress=False), []
    for seed in range(4):
        found.append(cold(hg.models.Popular(), ratings, seed, run))
    assert np.nanmean(found) == pytest.approx(1 / 3, abs=0.12)  # three items are new
