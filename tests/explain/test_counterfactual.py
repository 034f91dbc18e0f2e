"""Sets that are verified by asking for lists, are irreducible, and are the only one where there is only one."""

from __future__ import annotations

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.explain import counterfactual
from honeyguide.explain.attribution import parts
from honeyguide.explain.counterfactual import counterfactuals
from honeyguide.explain.histories import Histories
from honeyguide.explain.reasons import shares_of
from honeyguide.models.base import Recommender


def listed(model: Recommender, asked: Histories, gone: np.ndarray, k: int) -> list[int]:
    """The list by `recommend`, without some items of the history, which stay out of it."""
    items = asked.profile.schema.items
    kept = [
        (items.decode(np.array([code], np.int32))[0], float(value))
        for code, value in zip(asked.profile.items, asked.profile.values, strict=True)
        if code not in asked.held[gone]
    ]
    out = items.decode(asked.held).to_list()
    table = model.recommend(history=kept, exclude=out, k=k)
    return [int(code) for code in items.encode(table["item"])]


@pytest.mark.parametrize("name", ["ease", "user_knn", "als", "together"])
def test_without_the_set_the_item_is_gone_and_with_any_back_it_is_there(
    name: str, ratings: Dataset, together: Recommender
) -> None:
    model = together if name == "together" else hg.model(name).fit(ratings)
    looked = 0
    for user in range(6):
        asked = Histories(model, ratings.profiles(np.array([user])))
        everything = np.zeros(0, np.int32)
        items = np.array(listed(model, asked, everything, 3), np.int32)
        made, _ = parts(asked, items)
        shares = np.stack([shares_of(each, len(asked.held)) for each in made])
        for item, gone in zip(items, counterfactuals(asked, items, shares, 3), strict=True):
            if gone is None:
                continue
            looked += 1
            assert int(item) not in listed(model, asked, gone, 3)
            for place in range(len(gone)):
                assert int(item) in listed(model, asked, np.delete(gone, place), 3)
    assert looked > 5


def test_an_item_that_is_not_in_the_list_has_none(ratings: Dataset) -> None:
    model = hg.models.Ease().fit(ratings)
    asked = Histories(model, ratings.profiles(np.array([3])))
    last = asked.candidates[np.argsort(model.score(asked.profile, asked.candidates)[0])[:1]]
    made, _ = parts(asked, last)
    assert counterfactuals(asked, last, np.stack([shares_of(made[0], len(asked.held))]), 3) == [None]


def test_of_popular_nothing_is_due_to_the_history(ratings: Dataset) -> None:
    model = hg.models.Popular().fit(ratings)
    found = hg.explain(model, ratings.schema.users.series()[3], counterfactual=True, k=3)
    assert [each.without for each in found] == [(), (), ()]


def test_two_items_either_of_which_holds_the_place_are_both_named(make: object) -> None:
    """The item stays while one of two is left: both are the set, and what pulls the other way is not in it."""
    rows = []
    for user in range(12):  # a and b always go with x; p and q are what everyone has
        rows += [
            (f"u{user}", item, 1.0, at) for at, item in enumerate(("a", "b", "x", "p") if user < 8 else ("p", "q"))
        ]
    rows += [("asker", item, 1.0, 0) for item in ("a", "b", "p")]
    data = make(rows, explicit=False)  # type: ignore[operator]
    model = hg.models.ItemKnn().fit(data)
    found = hg.explain(model, "asker", item="x", k=1, counterfactual=True)
    assert {each.item for each in found.without} == {"a", "b"}
    assert found.without_sentence == "without Title of a and Title of b it would not come first"


def test_the_largest_shares_are_left_out_first(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one item of the history may be missing, it is the one of the largest share."""
    monkeypatch.setattr(counterfactual, "_MOST", 1)
    model, looked = hg.models.Ease(reg=20.0).fit(ratings), 0
    for user in range(10):
        asked = Histories(model, ratings.profiles(np.array([user])))
        items = np.array(listed(model, asked, np.zeros(0, np.int32), 3), np.int32)
        made, _ = parts(asked, items)
        shares = np.stack([shares_of(each, len(asked.held)) for each in made])
        for own, gone in zip(shares, counterfactuals(asked, items, shares, 3), strict=True):
            if gone is not None:
                looked += 1
                assert gone.tolist() == [int(np.argmax(own))]
    assert looked > 3
