"""Preferences against scikit-learn's ridge regression, planted tastes, new items, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError, MemoryBudgetError, ParameterError
from honeyguide.models.content.attributes import Attributes
from honeyguide.models.people import strangers
from honeyguide.run import Run

KINDS = ("news", "drama", "sport")
PLACES = ("here", "there")


def planted(people: int = 30, items: int = 24, *, seed: int = 0) -> Dataset:
    """Everyone has items of one kind, whatever the place; the last two items nobody has."""
    rng = np.random.default_rng(seed)
    things = pl.DataFrame(
        {
            "id": range(items),
            "kind": [KINDS[i % 3] for i in range(items)],
            "place": [PLACES[i // 3 % 2] for i in range(items)],
            "year": [1990 + i for i in range(items)],
            "title": [f"A {('red', 'blue', 'green', 'grey')[i % 4]} tale" for i in range(items)],
        }
    )
    rows = [(u, 3 * int(i) + u % 3) for u in range(people) for i in rng.permutation(items // 3 - 1)[:4]]
    return hg.read(pl.DataFrame(rows, schema=["user", "item"], orient="row"), items=things, kinds={"title": "text"})


@pytest.fixture(scope="module")
def data() -> Dataset:
    return planted()


def encoded(data: Dataset, columns: tuple[str, ...]) -> np.ndarray:
    """(I, D) by a plain loop, without `year`: a value's column is 1, each row then of length 1."""
    values = sorted({(c, v) for c in columns for v in data.schema.item_table[c].to_list()})
    table = data.schema.item_table.to_dicts()
    rows = np.array([[float(row[c] == v) for c, v in values] for row in table])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.mark.parametrize("reg", [0.3, 10.0])
def test_preferences_are_scikit_learns_ridge_regression(data: Dataset, reg: float) -> None:
    model = Attributes(reg=reg, columns="kind, place").fit(data)
    features, positives = encoded(data, ("kind", "place")), data.positives().toarray()
    held = positives.any(axis=0)
    assert held.sum() == 21
    scores = model.score(data.profiles())
    for user in (0, 7, 29):
        ridge = Ridge(alpha=reg, fit_intercept=False).fit(features[held], positives[user, held])
        np.testing.assert_allclose(scores[user], ridge.predict(features), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.similarity(np.array([0, 5], np.int32)), features[[0, 5]] @ features.T, atol=1e-5)


def test_scores_add_up_over_the_history(data: Dataset) -> None:
    model = Attributes().fit(data)
    whole = model.score(data.profiles([4]))
    mine = data.profiles([4]).items.tolist()
    alone = [model.score(strangers(data.schema, [[item]])) for item in mine]
    np.testing.assert_allclose(sum(alone), whole, rtol=1e-4, atol=1e-6)


def test_planted_tastes_reach_items_that_nobody_has(data: Dataset) -> None:
    model = Attributes(columns="kind,place").fit(data)
    lists = model.recommend(list(range(30)), items=[21, 22, 23], k=1)
    assert (lists["item"].to_numpy() % 3 == lists["user"].to_numpy() % 3).all()
    assert model.recommend(history=[0, 3], k=1)["item"].to_list()[0] % 3 == 0
    assert all(item % 3 == 1 for item in model.similar_items([1], k=3)["similar"])


def test_new_items_by_their_attributes(data: Dataset, tmp_path: Path) -> None:
    model = Attributes(columns="kind,place").fit(data)
    table = pl.DataFrame({"id": [100, 101, 3], "kind": ["drama", "opera", "sport"], "place": ["here", "there", "here"]})
    more = model.with_items(table)
    scores = more.score(more.histories_)
    np.testing.assert_array_equal(scores[:, :24], model.score(model.histories_))
    np.testing.assert_allclose(scores[:, 24], scores[:, 1], rtol=1e-6)  # as any drama that is here
    more.save(tmp_path / "more.safetensors")
    again = hg.open(tmp_path / "more.safetensors", verify=True)
    np.testing.assert_array_equal(again.score(again.histories_), scores)


def test_what_it_reads(data: Dataset) -> None:
    assert {name for name, *_ in Attributes().fit(data).kinds_} == {"kind", "place", "year"}  # texts are left to text
    assert {name for name, *_ in Attributes(columns="title,kind").fit(data).kinds_} == {"title", "kind"}
    with pytest.raises(
        ParameterError, match="Attributes.columns must be of the table of items, got 'genre'; there are"
    ):
        Attributes(columns="genre").fit(data)
    with pytest.raises(DataError, match=r"Attributes reads category, values, number of items, and .* give their table"):
        Attributes().fit(hg.read(data.table()))


def test_more_attributes_than_memory(data: Dataset) -> None:
    least = Attributes().memory(data.shape)
    many = pl.DataFrame({"id": range(24), "tags": [[f"t{n}" for n in range(900)] for _ in range(24)]})
    wide = hg.read(data.table(), items=many)
    with pytest.raises(MemoryBudgetError, match="900 attributes need 23 MB, the budget is 10 MB"):
        Attributes().fit(wide, run=Run(memory=max(least, 10_000_000)))
