"""The form of an explanation: raw ids, titles, values, sums, order, places, languages, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import NotFittedError, ParameterError, UnknownIdError
from honeyguide.explain import Explanation
from honeyguide.models.base import Recommender


@pytest.fixture(scope="module")
def ease(ratings: Dataset) -> Recommender:
    return hg.models.Ease().fit(ratings)


def test_a_list_is_explained_item_by_item(ease: Recommender, ratings: Dataset) -> None:
    user = ratings.schema.users.series()[3]
    table = ease.recommend(user, k=5)
    found = hg.explain(ease, user, k=5)
    assert [each.item for each in found] == table["item"].to_list()
    assert [each.place for each in found] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose([each.score for each in found], table["score"].to_numpy(), rtol=1e-5)
    own = ratings.table().filter(user=user)
    for each in found:
        assert isinstance(each, Explanation)
        assert each.user == user
        assert each.title == f"Title of {each.item}"
        assert each.rest + sum(reason.weight for reason in each.reasons) == pytest.approx(each.score, abs=1e-6)
        for reason in each.reasons:
            weights = [evidence.weight for evidence in reason.evidence]
            assert weights == sorted(weights, reverse=True)
            assert all(weight > 0 for weight in weights)
            for evidence in reason.evidence:
                rated = own.filter(item=evidence.item)["rating"]
                assert evidence.value == rated[-1]
                assert f"{evidence.title} {evidence.value:g}" in reason.sentence
        json.dumps(each.as_dict())
        assert str(each).startswith(each.title)


def test_one_item_comes_alone_and_several_in_their_order(ease: Recommender) -> None:
    items = ease.schema_.items.series().to_list()
    asked = [(items[1], 5.0), (items[3], 4.0)]
    one = hg.explain(ease, history=asked, item=items[7])
    many = hg.explain(ease, history=asked, item=[items[9], items[7]])
    assert one.user is None
    assert one == many[1]
    assert many[0].item == items[9]


def test_that_you_had_it_is_no_reason(ratings: Dataset) -> None:
    model = hg.models.Als().fit(ratings)
    items = ratings.schema.items.series().to_list()
    held = hg.explain(model, history=[(items[1], 5.0), (items[3], 4.0), (items[5], 4.0)], item=items[1])
    assert held.place is None
    assert held.reasons[0].weight > 0
    assert items[1] not in [evidence.item for reason in held.reasons for evidence in reason.evidence]
    alone = hg.explain(model, history=[(items[1], 5.0)], item=items[1])
    assert alone.reasons == ()
    assert alone.rest == alone.score


def test_someone_known_and_the_same_history_have_the_same_reasons(ease: Recommender, ratings: Dataset) -> None:
    user = ratings.schema.users.series()[3]
    own = ratings.table().filter(user=user).sort("time")
    history = list(zip(own["item"].to_list(), own["rating"].to_list(), own["time"].to_list(), strict=True))
    for a, b in zip(hg.explain(ease, user, k=3), hg.explain(ease, history=history, k=3), strict=True):
        assert a.item == b.item
        assert a.reasons == b.reasons


def test_counts_are_said_as_times(make: object) -> None:
    rows = [(u, i, float(1 + (u == 0 and i == 1) * 6), 0) for u in range(6) for i in range(5) if (u, i) != (0, 4)]
    model = hg.models.Ease(reg=1.0).fit(make(rows, explicit=False))  # type: ignore[operator]
    found = hg.explain(model, 0, item=4)
    assert "had" in found.reasons[0].sentence
    assert "Title of 1 7 times" in found.reasons[0].sentence
    assert "《Title of 1》 7 次" in hg.explain(model, 0, item=4, language="zh").reasons[0].sentence


@pytest.mark.parametrize("name", ["attributes", "popular", "bias", "svd", "als", "user_knn"])
def test_chinese_and_english_say_the_same(name: str, ratings: Dataset) -> None:
    model = hg.model(name).fit(ratings)
    user = ratings.schema.users.series()[3]
    for a, b in zip(hg.explain(model, user, k=3), hg.explain(model, user, k=3, language="zh"), strict=True):
        assert [r.kind for r in a.reasons] == [r.kind for r in b.reasons]
        for one, other in zip(a.reasons, b.reasons, strict=True):
            assert one.evidence == other.evidence
            assert not any("一" <= letter <= "鿿" for letter in one.sentence)
            assert any("一" <= letter <= "鿿" for letter in other.sentence)


def test_an_attribute_is_told_with_what_shares_it(ratings: Dataset) -> None:
    model = hg.models.Attributes().fit(ratings)
    user = ratings.schema.users.series()[3]
    kinds = dict(zip(ratings.schema.items.series(), ratings.schema.item_table["kind"], strict=True))
    for each in hg.explain(model, user, k=5):
        for reason in each.reasons:
            assert reason.kind == "attribute"
            assert (reason.name, reason.value) == ("kind", kinds[each.item])
            assert all(kinds[evidence.item] == reason.value for evidence in reason.evidence)
            assert reason.sentence.startswith(f"kind: {reason.value}, as in Title of ")


@pytest.mark.parametrize("draws", ["order", "ratings"])
def test_chance_is_no_matter_of_the_history(ratings: Dataset, draws: str) -> None:
    model = hg.models.Random(draws=draws).fit(ratings)
    user = ratings.schema.users.series()[0]
    for language, sentence in (("en", "drawn by chance"), ("zh", "随机抽取")):
        for each in hg.explain(model, user=user, k=3, language=language):
            assert [reason.sentence for reason in each.reasons] == [sentence]
            assert each.reasons[0].weight == pytest.approx(each.score)
            assert not each.without


def test_a_window_of_popularity_is_told(ratings: Dataset) -> None:
    model = hg.models.Popular(window=0.05).fit(ratings)
    found = hg.explain(model, ratings.schema.users.series()[3], k=1)[0]
    assert found.reasons[0].sentence == f"popular: {found.score:.0f} people have it in the last 0.05 days"


def test_what_is_refused(ease: Recommender, ratings: Dataset) -> None:
    user = ratings.schema.users.series()[3]
    with pytest.raises(NotFittedError):
        hg.explain(hg.models.Ease(), user)
    with pytest.raises(UnknownIdError):
        hg.explain(ease, "nobody")
    with pytest.raises(UnknownIdError):
        hg.explain(ease, user, item="nothing")
    for given in ({"language": "fr"}, {"k": 0}, {"reasons": 0}):
        with pytest.raises(ParameterError, match=next(iter(given))):
            hg.explain(ease, user, **given)
    with pytest.raises(ParameterError, match="either users"):
        hg.explain(ease)
    with pytest.raises(ParameterError, match="one person"):
        hg.explain(ease, [user, user])


def test_someone_without_a_history_gets_an_answer(ease: Recommender) -> None:
    found = hg.explain(ease, history=[], k=2)
    assert len(found) == 2
    assert all(not each.reasons for each in found)
