"""The form of an explanation: raw ids, titles, values, sums, order, places, languages, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.errors import NotFittedError, ParameterError, UnknownIdError
from honeyguide.explain import Evidence, Explanation, wording
from honeyguide.models.base import Recommender
from honeyguide.models.contributions import Part


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
        assert len(each.reasons) <= 3
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
    assert [(reason.kind, reason.sentence) for reason in alone.reasons] == [
        ("rest", "nothing that you had speaks for it")
    ]
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
    assert "Title of 1 (7 times)" in found.reasons[0].sentence
    assert "《Title of 1》（7 次）" in hg.explain(model, 0, item=4, language="zh").reasons[0].sentence


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


@pytest.mark.parametrize("name", ["attributes", "text", "hybrid_mf", "path_walk", "relation_gcn"])
def test_what_is_named_has_the_attribute_or_is_said_to_go_with_it(name: str, ratings: Dataset) -> None:
    settings = {"epochs": 3} if name == "relation_gcn" else {}
    model = hg.model(name, **settings).fit(ratings)
    table = ratings.schema.item_table
    rows = dict(zip(ratings.schema.items.series(), table.to_dicts(), strict=True))
    alike = others = 0
    for user in ratings.schema.users.series()[:20]:
        for each in hg.explain(model, user, k=8, reasons=6):
            assert len(each.reasons) <= 6
            for reason in (r for r in each.reasons if r.kind in ("attribute", "path") and r.evidence):
                has = [reason.value in str(rows[evidence.item][reason.name]) for evidence in reason.evidence]
                assert reason.value in str(rows[each.item][reason.name])
                assert all(has) or not any(has)
                assert (", as in " in reason.sentence) == all(has)
                assert (", which goes with " in reason.sentence) == (not any(has))
                alike, others = alike + all(has), others + (not any(has))
    assert alike > 0
    assert name != "relation_gcn" or others > 0  # its vectors go together without a common value


def test_without_what_has_the_value_others_go_with_it(make: object) -> None:
    """Things of one kind are had by everyone who has those of another, and one history holds but the other."""
    rows = [(u, i, 5.0, 0) for u in range(30) for i in (range(0, 12) if u % 2 else range(12, 24)) if (u + i) % 5]
    data = make(rows)  # type: ignore[operator]
    kinds = ["a" if i < 6 else "b" if i < 12 else "c" for i in range(24)]
    data = replace(data, schema=replace(data.schema, item_table=pl.DataFrame({"kind": kinds})))
    model = hg.models.HybridMf().fit(data)
    found = hg.explain(model, history=[(0, 5.0), (1, 5.0)], item=8)
    reason = next(each for each in found.reasons if each.kind == "attribute")
    assert reason.sentence in ("kind: b, which goes with 0 and 1", "kind: b, which goes with 1 and 0")
    reason = next(
        each for each in hg.explain(model, history=[(0, 5.0), (7, 5.0)], item=8).reasons if each.kind == "attribute"
    )
    assert reason.sentence == "kind: b, as in 7"
    said = hg.explain(model, history=[(7, 5.0)], item=8, language="zh").reasons[0].sentence
    assert said == "kind：b，与《7》一样"


def test_numbers_and_vectors_are_nobodys_else(make: object) -> None:
    """Nothing is said to be the same or near: what speaks for the item is named, whatever its number is."""
    rows = [(u, i, 5.0, 0) for u in range(30) for i in range(24) if (u + i) % 5 and (u % 2) == (i < 12)]
    data = make(rows)  # type: ignore[operator]
    table = pl.DataFrame({"year": [1950 + i if i < 12 else 1990 + i for i in range(24)]})
    model = hg.models.Attributes().fit(replace(data, schema=replace(data.schema, item_table=table)))
    found = hg.explain(model, history=[(1, 5.0)], item=2).reasons[0]
    assert found.sentence == "year: 1952, which goes with 1"
    assert found.evidence[0].item == 1
    assert hg.explain(model, history=[(1, 5.0)], item=2, language="zh").reasons[0].sentence == "year：1952，与《1》相配"
    table = pl.DataFrame({"shape": [[1.0, 0.1 * i] if i < 12 else [0.1 * i, -1.0] for i in range(24)]})
    model = hg.models.Text().fit(replace(data, schema=replace(data.schema, item_table=table, kinds={})))
    assert hg.explain(model, history=[(1, 5.0)], item=2).reasons[0].sentence == "by its shape it goes with 1"


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
    assert found.reasons[0].sentence == f"popular: {found.score:.0f} people like it in the last 0.05 days"


def test_popular_says_who_likes_or_has_it(make: object) -> None:
    rows = [(u, i, 5.0 if u <= i else 1.0, 0) for u in range(4) for i in range(3)] + [(9, 7, 5.0, 0)]
    model = hg.models.Popular().fit(make(rows, positive=">=4"))  # type: ignore[operator]
    found = hg.explain(model, history=[(7, 5.0)], item=[0, 1])
    assert [each.reasons[0].sentence for each in found] == [
        "popular: 1 person likes it", "popular: 2 people like it"
    ]  # fmt: skip
    model = hg.models.Popular().fit(make(rows))  # type: ignore[operator]
    assert hg.explain(model, history=[(7, 5.0)], item=0).reasons[0].sentence == "popular: 4 people have it"


@pytest.mark.parametrize(
    ("part", "told", "alike", "english", "chinese"),
    [
        (
            ("directed_by", "Kurosawa"), ["Ran"], True,
            "directed by: Kurosawa, as in Ran", "directed by：Kurosawa，与《Ran》一样",
        ),
        (
            ("directed_by", "Kurosawa"), ["Up"], False,
            "directed by: Kurosawa, which goes with Up", "directed by：Kurosawa，与《Up》相配",
        ),
        (("~follows", "Up 2"), ["Up 2"], True, "Up 2 (follows)", "Up 2（follows）"),
        (("~film", "Nolan"), ["Ran"], True, "Nolan (film), as in Ran", "Nolan（film），与《Ran》一样"),
        (("follows", "Up"), ["Up"], True, "follows: Up", "follows：Up"),
        (("5", "Up"), ["Ran"], True, "Up, as in Ran", "Up，与《Ran》一样"),
        (
            ("film.film.country", ""), ["Ran", "Up"], True,
            "country: the same as Ran and Up", "country与《Ran》和《Up》相同",
        ),
        (
            ("~film.director.film", ""), ["Ran"], True,
            "it has something in common with Ran", "与《Ran》有共同之处",
        ),
        (("5", ""), ["Ran"], True, "it has something in common with Ran", "与《Ran》有共同之处"),
        (
            ("film.film.country", ""), ["Ran"], False,
            "what is known of it suits your taste", "它的相关信息符合你的口味",
        ),
    ],
)  # fmt: skip
def test_ways_through_a_graph(
    part: tuple[str, str], told: list[str], alike: bool, english: str, chinese: str, ratings: Dataset
) -> None:
    named = [Evidence(title, title, 5.0, 1.0) for title in told]
    for language, sentence in (("en", english), ("zh", chinese)):
        words = wording.of(language)
        assert words.reason(Part("path", 1.0, None, *part), part[1], named, ratings.schema, alike=alike) == sentence


def test_of_many_that_are_missing_five_are_named() -> None:
    missing = [Evidence(at, f"t{at}", 5.0, 1.0) for at in range(8)]
    assert wording.of("en").without(missing, 3) == "without t0, t1, t2, t3, t4 and 3 more it would not be among your 3"
    assert wording.of("en").without(missing[:2], 3) == "without t0 and t1 it would not be among your 3"
    assert wording.of("en").without(missing[:1], 1) == "without t0 it would not come first"
    assert wording.of("zh").without(missing[:1], 1) == "如果没有《t0》，它就不会排在第一"
    assert (
        wording.of("zh").without(missing, 3)
        == "如果没有《t0》、《t1》、《t2》、《t3》、《t4》等 8 项，它就不会进入你的前 3 个推荐"
    )
    assert wording.of("zh").without(missing[:2], 3) == "如果没有《t0》和《t1》，它就不会进入你的前 3 个推荐"


def test_what_is_said_is_not_said_again(ratings: Dataset) -> None:
    class Vague(hg.models.Ease):
        additive = False

        def contributions(self, profiles: Profiles, items: np.ndarray) -> list[list[Part]]:
            return [[Part("path", 0.3, name="5"), Part("path", 0.2, name="6"), Part("rest", 0.1)] for _ in items]

    found = hg.explain(Vague().fit(ratings), ratings.schema.users.series()[3], k=1, reasons=2)[0]
    assert list(found.sentences()) == ["what is known of it suits your taste", "it does well overall"]


def test_that_you_had_it_takes_no_place_among_the_reasons(ratings: Dataset) -> None:
    model, items = hg.models.HybridMf().fit(ratings), ratings.schema.items.series().to_list()
    one, more = (hg.explain(model, history=[items[1]], item=items[1], reasons=most) for most in (1, 5))
    assert one.reasons == more.reasons[:1]
    assert one.reasons[0].kind == "attribute"


@pytest.mark.parametrize(("name", "settings"), [("hybrid_mf", {}), ("two_tower", {"epochs": 20, "factors": 8})])
def test_who_you_are_is_a_taste_and_not_what_everyone_likes(name: str, settings: dict[str, int]) -> None:
    rows = [(u, i) for u in range(60) for i in range(30) if (u % 2) == (i % 2) and (u + i) % 3]
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    people = pl.DataFrame({"user": range(60), "club": [("chess", "rugby")[u % 2] for u in range(60)]})
    model = hg.model(name, **settings).fit(hg.read(events, users=people))
    found = hg.explain(model, history=[], attributes={"club": "chess"}, k=1)[0]
    assert found.item % 2 == 0
    assert "it suits your taste" in list(found.sentences())
    nobody = hg.explain(model, history=[], k=1)[0]
    assert "taste" not in [reason.kind for reason in nobody.reasons]


def test_no_more_reasons_are_told_than_asked_for(ratings: Dataset) -> None:
    model, user = hg.models.HybridMf().fit(ratings), ratings.schema.users.series()[3]
    all_, two = (hg.explain(model, user, k=6, reasons=most) for most in (9, 2))
    assert max(len(each.reasons) for each in all_) > 2
    assert all(each.reasons == whole.reasons[:2] for each, whole in zip(two, all_, strict=True))


def test_numbers_are_written_out() -> None:
    numbers = (1979, 4.5, 1234567.0, 1234567.5, 0.1 + 0.2, 0.000123456, -0.0)
    assert [wording.number(n) for n in numbers] == ["1979", "4.5", "1234567", "1234567.5", "0.3", "0.000123", "0"]


def test_what_is_refused(ease: Recommender, ratings: Dataset) -> None:
    user = ratings.schema.users.series()[3]
    with pytest.raises(NotFittedError):
        hg.explain(hg.models.Ease(), user)
    with pytest.raises(UnknownIdError):
        hg.explain(ease, "nobody")
    with pytest.raises(UnknownIdError):
        hg.explain(ease, user, item="nothing")
    with pytest.raises(ParameterError, match=r"model must be a fitted model, got 'ease'; hg.open\(path\) opens"):
        hg.explain("ease", user)  # type: ignore[arg-type]
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
    assert {each.reasons[0].sentence for each in found} == {"nothing is known of your taste yet"}
    assert str(hg.explain(ease, history=[], k=1, language="zh")[0]).endswith("还不了解你的口味")
