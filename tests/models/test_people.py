"""From raw ids and histories to profiles, in code order and out of it; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import honeyguide as hg
from honeyguide.data.dataset import NO_TIME, Dataset
from honeyguide.errors import DataError, HoneyguideWarning, ParameterError, UnknownIdError, UnsupportedError
from honeyguide.models import people
from honeyguide.models.base import Recommender
from honeyguide.models.factorization.mf import Mf

ROWS = [("ann", 5, 4.0, 3), ("ann", 7, 1.0, 1), ("bob", 5, 2.0, 2), ("bob", 5, 5.0, 9), ("cy", 9, 3.0, 4)]


@pytest.fixture(scope="module")
def data(make: Callable[..., Dataset]) -> Dataset:
    return make(ROWS)


@pytest.fixture(scope="module")
def model(data: Dataset) -> Recommender:
    return Mf(factors=2, epochs=2).fit(data)


def test_known_people_in_the_order_asked(model: Recommender) -> None:
    profiles, names = people.ask(model, ["cy", "ann", "cy"], None)
    assert names.to_list() == ["cy", "ann", "cy"]
    assert profiles.known.tolist() == [2, 0, 2]
    items = model.schema_.items.decode(profiles.items).to_list()
    assert items == [9, 7, 5, 9]  # of ann in time order
    assert profiles.indptr.tolist() == [0, 1, 3, 4]
    alone, name = people.ask(model, "ann", None)
    assert (len(alone), name.to_list()) == (1, ["ann"])
    nobody, none = people.ask(model, [], None)
    assert (len(nobody), len(none)) == (0, 0)


def test_histories_by_name_or_of_one(model: Recommender) -> None:
    profiles, names = people.ask(model, None, {"x": [5], "y": []})
    assert names.to_list() == ["x", "y"]
    assert profiles.known.tolist() == [-1, -1]
    assert profiles.indptr.tolist() == [0, 1, 1]
    one, name = people.ask(model, None, [5])
    assert (len(one), name.to_list()) == (1, [None])


def test_attributes_of_someone_new(model: Recommender) -> None:
    profiles, names = people.ask(model, None, None, {"team": "red"})
    assert (profiles.attributes.rows(), profiles.indptr.tolist(), names.to_list()) == ([("red",)], [0, 0], [None])
    both, _ = people.ask(model, None, [5, 7], {"team": "red"})
    assert (both.attributes.rows(), both.indptr.tolist()) == ([("red",)], [0, 2])
    several, names = people.ask(model, None, {"x": [5], "y": [7]}, {"z": {"team": "red"}, "y": {}})
    assert names.to_list() == ["x", "y", "z"]
    assert several.attributes.rows() == [(None,), (None,), ("red",)]
    assert several.indptr.tolist() == [0, 1, 2, 2]
    known, _ = people.ask(model, ["cy"], None)
    assert known.attributes.rows() == [("team of cy",)]
    for wrong, message in (
        ({"age": 3}, "attributes must be columns of the table of people, got 'age'; there are: team"),
        ({"x": {"team": "red"}, "y": 3}, "attributes must be a mapping from columns to values, got 3"),
        ("red", "attributes must be a mapping from columns to values, got 'red'"),
        ({"team": ["red"]}, "attributes must be of the kind of their columns"),
    ):
        with pytest.raises(DataError, match=message):
            people.ask(model, None, None, wrong)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="must both be mappings from their names"):
        people.ask(model, None, {"x": [5]}, "red")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="must both be mappings"):
        people.ask(model, None, [5], {"x": {"team": "red"}})


@given(
    histories=st.lists(
        st.lists(st.tuples(st.sampled_from([5, 7, 9]), st.integers(1, 5).map(float), st.integers(0, 3)), max_size=6),
        max_size=5,
    )
)
def test_strangers_are_each_history_sorted_by_time(
    data: Dataset, histories: list[list[tuple[int, float, int]]]
) -> None:
    profiles = people.strangers(data.schema, histories)
    assert len(profiles) == len(histories)
    for row, history in enumerate(histories):
        events = slice(profiles.indptr[row], profiles.indptr[row + 1])
        expected = sorted(history, key=lambda event: event[2])  # stable: ties as given
        assert profiles.times is not None
        found = zip(
            data.schema.items.decode(profiles.items[events]),
            profiles.values[events],
            profiles.times[events],
            strict=True,
        )
        assert [tuple(event) for event in found] == expected


def test_what_an_event_may_be(data: Dataset) -> None:
    profiles = people.strangers(data.schema, [[5, np.int64(7), (9, 2), [5, 3.5, 60]]])
    assert data.schema.items.decode(profiles.items).to_list() == [5, 7, 9, 5]
    assert profiles.values.tolist() == [5.0, 5.0, 2.0, 3.5]  # without a value the top of the scale
    assert profiles.times is not None
    assert profiles.times.tolist() == [NO_TIME, NO_TIME, NO_TIME, 60]
    for event in ((5, "much"), (5, 1.0, 2, 3), (), None):
        with pytest.raises(DataError, match="an event of a history is item"):
            people.strangers(data.schema, [[event]])  # type: ignore[list-item]
    for value in (np.nan, np.inf):
        with pytest.raises(DataError, match="a value in a history must be finite, got"):
            people.strangers(data.schema, [[(5, value)]])
    with pytest.warns(HoneyguideWarning, match=r"left out of the history: 1, 2, 3, 4, 6, …$"):
        left = people.strangers(data.schema, [[1, 2, 3, 5, 4, 6, 8]])
    assert data.schema.items.decode(left.items).to_list() == [5]


def test_who_is_refused(model: Recommender, data: Dataset) -> None:
    for users, history in ((None, None), (["ann"], [5])):
        with pytest.raises(ParameterError, match="give either users of the training data or the history="):
            people.ask(model, users, history)  # type: ignore[arg-type]
    with pytest.raises(UnknownIdError, match="user 'zoe' is not in the training data"):
        people.ask(model, ["ann", "zoe"], None)
    with pytest.raises(UnknownIdError, match="user 3 is not in the training data; ids here are strings"):
        people.ask(model, 3, None)


def test_one_id_or_several(model: Recommender, data: Dataset) -> None:
    """NumPy's integers are ids, one string is one id, and whatever is no id is told on one line."""
    assert model.similar_items(np.int64(5), k=1).equals(model.similar_items([5], k=1))
    alone = model.predict(np.int64(5), history=[7])  # type: ignore[arg-type]
    assert alone.equals(model.predict([5], history=[7]))
    assert model.recommend("cy", items=7)["item"].to_list() == [7]  # type: ignore[arg-type]
    named = hg.models.Popular().fit(hg.read(pl.DataFrame({"user": ["u", "v"], "item": ["ab", "cd"]})))
    assert named.recommend("u", exclude="cd")["item"].to_list() == []
    for wrong in (1.0, None):
        for ask in (model.recommend, model.similar_items, lambda ids: model.predict(ids, history=[5])):
            if wrong is not None or ask != model.recommend:
                with pytest.raises(DataError, match="^an id is an integer or a string, several are a sequence of them"):
                    ask(wrong)  # type: ignore[operator]


def test_what_a_history_may_be(model: Recommender) -> None:
    answer = model.recommend(history=[5, 7], seen=True)
    assert model.recommend(history=np.array([5, 7]), seen=True).equals(answer)  # type: ignore[arg-type]
    assert model.recommend(history=(item for item in (5, 7)), seen=True).equals(answer)  # type: ignore[arg-type]
    for wrong in (5, "57", pl.DataFrame({"item": [5]}), {"ann": 5}, {"ann": "57"}):
        with pytest.raises(DataError, match=r"^a history is a sequence of items, \(item, value\) or"):
            model.recommend(history=wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^names of histories must be all integers or all strings, got \['x', 7\]$"):
        model.recommend(history={"x": [5], 7: [5]})


def test_pairs_of_no_known_form(model: Recommender) -> None:
    for wrong in (5, np.array([[5, 5]])):
        with pytest.raises(DataError, match="^pairs are a Dataset, a data frame with the columns user and item, or a"):
            model.predict(wrong)
    for ask in (lambda: model.predict([5, "x"], history=[5]), lambda: model.predict([("ann", 5), (3, 5)])):
        with pytest.raises(DataError, match=r"^ids must be all integers \(of 64 bits\) or all strings, got a mixture$"):
            ask()


def test_pairs_of_every_form_are_the_same_question(model: Recommender, data: Dataset) -> None:
    asked = [("bob", 7), ("zoe", 5), ("ann", 8), ("bob", 5)]
    answers = model.predict(asked)["prediction"].to_list()
    frame = pl.DataFrame(asked, schema=["user", "item"], orient="row")
    assert model.predict(frame)["prediction"].to_list() == answers
    assert model.predict(frame.to_pandas())["prediction"].to_list() == answers
    assert isinstance(model.predict(frame.to_pandas()), pd.DataFrame)
    assert [model.predict([pair])["prediction"][0] for pair in asked] == pytest.approx(answers, rel=1e-6)
    assert model.predict(frame.with_columns(note=pl.lit("x"))).columns == ["user", "item", "note", "prediction"]
    assert len(model.predict(frame.head(0))) == 0
    found = people.pairs(model, asked, None)
    assert found.profiles.known.tolist() == [-1, 0, 1]  # one profile a person; who is not known has no history
    assert np.diff(found.profiles.indptr).tolist() == [0, 2, 2]
    assert found.pairs.rows.tolist() == [2, 0, 1, 2]
    assert (found.pairs.items < 0).tolist() == [False, False, True, False]
    for wrong in ([("ann",)], ["ann"], [("ann", 5), (3, 5)], [1, 2]):
        with pytest.raises(DataError):
            model.predict(wrong)
    with pytest.raises(DataError, match="pairs need the columns user and item, got who, item"):
        model.predict(frame.rename({"user": "who"}))


def test_a_model_without_histories(model: Recommender, data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    model.save(path, histories=False)
    bare = hg.open(path)
    for ask in (lambda: bare.recommend("ann"), lambda: list(bare.recommend_all()), lambda: bare.predict([("ann", 5)])):
        with pytest.raises(UnsupportedError, match="saved without histories; give the history= of who is asked about"):
            ask()
    assert len(bare.predict([("zoe", 5)])) == 1  # who was never known needs none
    bare.save(path)
    assert hg.open(path, verify=True).recommend(history=[5]).equals(model.recommend(history=[5]))


# ---- moments and circumstances ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (5, 5),
        (5.9, 5),
        (np.int64(7), 7),
        (np.float64(7.5), 7),
        ("1764018000", 1764018000),
        ("1970-01-02", 86400),
        ("1970-01-01 01:00", 3600),
        ("1970-01-01T01:00:00+01:00", 0),
        (datetime(1970, 1, 1, 2), 7200),
        (pd.Timestamp("1970-01-01 02:00", tz="Europe/Berlin"), 3600),
        (-10, -10),
    ],
)
def test_moments(model: Recommender, at: object, seconds: int) -> None:
    profiles = people.asked_at(people.strangers(model.schema_, [[5], []]), at, None)  # type: ignore[arg-type]
    assert profiles.at is not None
    assert profiles.at.tolist() == [seconds, seconds]


@pytest.mark.parametrize("at", ["noon", "", 10**30, -(10**20), float("nan"), float("inf"), pd.NaT, True, [1], "1e30"])
def test_moments_that_are_none(model: Recommender, at: object) -> None:
    with pytest.raises(ParameterError, match="at must be seconds since 1970 or like 2026-11-24 20:00, got "):
        people.asked_at(people.strangers(model.schema_, [[5]]), at, None)  # type: ignore[arg-type]


def test_circumstances_take_the_kind_of_their_columns() -> None:
    events = pl.DataFrame({"user": [1, 2], "item": [5, 6], "wet": [True, False], "store": [3, 4], "place": ["3", "x"]})
    columns = ["wet", "store", "place"]
    schema = hg.read(events, context=columns).schema
    stranger = people.strangers(schema, [[5]])

    def told(**context: object) -> tuple[object, ...]:
        table = people.asked_at(stranger, None, context).context
        assert table is not None
        return table.row(0)

    assert told(wet="true", store="3", place=3) == (True, 3, "3")
    assert told(wet=False, store=3.0) == (False, 3, None)
    for context in ({"store": 2.5}, {"store": "many"}, {"wet": "perhaps"}, {"place": {"a": 1}}, {"place": [1, 2]}):
        with pytest.raises(DataError, match="the context must be of the kind of their columns: "):
            told(**context)
