"""Shares against Shapley values counted over all orders, against the dense formulas, and native ones by their sums."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.explain.attribution import following, integrated, parts
from honeyguide.explain.histories import Histories
from honeyguide.models.base import Recommender
from honeyguide.models.people import strangers

ITEMS = np.array([7, 1, 12], np.int32)


def short(data: Dataset, count: int = 5) -> Profiles:
    """Someone new with a few items, all of them positive."""
    return strangers(data.schema, [[(item, 5.0) for item in data.schema.items.series()[10 : 10 + count]]])


def test_integrated_gradients_of_pairs_are_shapley_values(together: Recommender, ratings: Dataset) -> None:
    asked = Histories(together, short(ratings))
    items = np.array([0, 3, 20], np.int32)
    next_ = following(asked, items)

    def ahead(held: tuple[int, ...]) -> np.ndarray:
        keep = np.isin(np.arange(5), held)[None]
        scores = together.score(asked.part(keep), None)[0].astype(np.float64)
        return scores[items] - scores[next_].mean()

    shapley = np.zeros((3, 5))
    for order in permutations(range(5)):
        for at, each in enumerate(order):
            shapley[:, each] += (ahead(order[: at + 1]) - ahead(order[:at])) / 120
    found = integrated(asked, items)
    np.testing.assert_allclose([each[0].shares for each in found], shapley, atol=1e-5)
    np.testing.assert_allclose([each[1].weight for each in found], ahead(()), atol=1e-5)
    assert not np.isin(next_, items).any()


@pytest.mark.parametrize("name", ["ease", "slim", "pure_svd", "item_knn", "rp3beta", "graph_filter"])
def test_an_additive_score_is_the_sum_of_what_each_item_scores_alone(name: str, ratings: Dataset) -> None:
    model = hg.model(name).fit(ratings)
    for profile in (ratings.profiles(np.array([3])), short(ratings)):
        found, method = parts(Histories(model, profile), ITEMS)
        assert method == "additive"
        sums = [part[0].shares.sum() for part in found if part[0].shares is not None]
        np.testing.assert_allclose(sums, model.score(profile, ITEMS)[0], rtol=1e-4, atol=1e-6)


def test_als_by_the_dense_formula_of_the_paper(ratings: Dataset) -> None:
    """Hu et al. 2008, section 5: p_ui = sum over j of s_ij c_uj, s_ij = y_i' W y_j, W = (Y'C Y + reg)^-1."""
    model = hg.models.Als(factors=6, nu=0.0, reg=0.3, alpha=4.0).fit(ratings)
    profile = ratings.profiles(np.array([3]))
    y = model.item_vectors_.astype(np.float64)
    c = 1.0 + 4.0 * profile.positives().toarray()[0]
    w = np.linalg.inv((y.T * c) @ y + 0.3 * np.eye(6))
    held = np.unique(profile.items)
    p = profile.positives().toarray()[0]
    expected = (y[ITEMS] @ w @ y[held].T) * (c * p)[held]
    found, method = parts(Histories(model, profile), ITEMS)
    assert method == "native"
    np.testing.assert_allclose([each[0].shares for each in found], expected, rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(expected.sum(axis=1), model.score(profile, ITEMS)[0], atol=1e-4)


@pytest.mark.parametrize("biases", [True, False])
def test_svd_share_is_what_the_rating_moves(ratings: Dataset, biases: bool) -> None:
    """The score is linear in a stranger's ratings: the share is the slope times how far the rating is off m's guess."""
    model = hg.models.SVD(factors=4, epochs=5, learning_rate=0.05, biases=biases, people="solved").fit(ratings)
    events = [(item, 1.0 + at % 4) for at, item in enumerate(ratings.schema.items.series()[5:11])]
    asked = Histories(model, strangers(ratings.schema, [events]))
    base = model.score(asked.profile, ITEMS)[0].astype(np.float64)
    own = [float(part.weight) for part in model.contributions(asked.profile, ITEMS)[0] if part.kind == "person"]
    nobody = strangers(ratings.schema, [[]])
    guess = model.score(nobody, None)[0]  # m's
    found = model.contributions(asked.profile, ITEMS)
    for item, value in events:
        code = int(ratings.schema.items.encode([item])[0])
        moved = [(i, v + (0.5 if i == item else 0.0)) for i, v in events]
        more = strangers(ratings.schema, [moved])
        change = (model.score(more, ITEMS)[0] - base) / 0.5  # (C,)
        if biases:  # the part of it that is the person's bias
            change -= (next(p.weight for p in model.contributions(more, ITEMS)[0] if p.kind == "person") - own[0]) / 0.5
        shares = [next(p.shares for p in each if p.kind == "taste") for each in found]
        place = int(np.searchsorted(asked.held, code))
        np.testing.assert_allclose([s[place] for s in shares], change * (value - guess[code]), atol=2e-3)
    np.testing.assert_allclose([sum(p.weight for p in each) for each in found], base, atol=1e-4)
    taste = [next(p for p in each if p.kind == "taste") for each in found]
    np.testing.assert_allclose([p.shares.sum() for p in taste], [p.weight for p in taste], atol=1e-4)


@pytest.mark.parametrize("name", ["attributes", "text"])
def test_content_adds_up_by_attribute_and_by_item(name: str, ratings: Dataset) -> None:
    model = hg.model(name).fit(ratings)
    profile = ratings.profiles(np.array([3]))
    asked = Histories(model, profile)
    alone = asked.scores(np.eye(len(asked.held), dtype=bool), ITEMS).T  # the score is additive too
    found, _ = parts(asked, ITEMS)
    for at, each in enumerate(found):
        np.testing.assert_allclose(sum(p.weight for p in each), model.score(profile, ITEMS)[0, at], rtol=1e-4)
        np.testing.assert_allclose(np.sum([p.shares for p in each], axis=0), alone[at], atol=1e-5)
    kinds = {(p.name, p.value) for each in found for p in each}
    word = ("plot", "tale") if name == "text" else ("kind", "kind 1 of things")
    assert (word in kinds) == (name != "text")  # a word that all have tells nothing
    assert all(column == word[0] for column, _ in kinds)


def test_baselines_add_up(ratings: Dataset) -> None:
    profile = ratings.profiles(np.array([3]))
    for model in (hg.models.Popular(), hg.models.Bias()):
        model.fit(ratings)
        found, _ = parts(Histories(model, profile), ITEMS)
        sums = [sum(part.weight for part in each) for each in found]
        np.testing.assert_allclose(sums, model.score(profile, ITEMS)[0], rtol=1e-5)


def test_what_training_knows_beyond_the_history_is_a_part(ratings: Dataset) -> None:
    model = hg.models.Bpr(epochs=3).fit(ratings)
    asked = Histories(model, ratings.profiles(np.array([3])))
    next_ = following(asked, ITEMS)
    known, folded = (model.score(each, None)[0] for each in (asked.profile, asked.profile.strangers()))
    ahead = [each[ITEMS] - each[next_].mean() for each in (known, folded)]
    found, stranger = (integrated(Histories(model, each), ITEMS) for each in (asked.profile, asked.profile.strangers()))
    np.testing.assert_allclose([each[2].weight for each in found], ahead[0] - ahead[1], atol=1e-5)
    assert [each[2].kind for each in found] == ["taste"] * 3
    assert [len(each) for each in stranger] == [2] * 3
