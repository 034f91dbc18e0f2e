"""Aspects: which column is meant, shares and tastes counted by hand, mistakes by name."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.aspects import HISTORIES, Aspects, histories, usual
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ParameterError

ITEMS = pl.DataFrame(
    {
        "item": [1, 2, 3, 4],
        "title": ["One | two", "A b", "C", "D"],
        "maker": ["x", "x", "y", "y"],
        "tags": [["a", "b"], ["a"], None, ["b", "c", "a"]],
    }
)
EVENTS = pl.DataFrame({"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 3, 4], "rating": [5.0, 4.0, 2.0, 5.0, 4.0]})


def data(items: pl.DataFrame = ITEMS, **more: object) -> Dataset:
    return hg.read(EVENTS, items=items, positive=">=4", **more)  # type: ignore[arg-type]


def test_shares_are_one_over_the_number_of_values() -> None:
    aspects = Aspects.of_schema(data().schema)
    assert (aspects.column, aspects.names) == ("tags", ("a", "b"))  # c, of one item alone, is left out
    np.testing.assert_allclose(aspects.shares.toarray(), [[0.5, 0.5], [1, 0], [0, 0], [0.5, 0.5]])
    np.testing.assert_allclose(aspects.vectors.multiply(aspects.vectors).sum(axis=1).A1, [1, 1, 0, 1], rtol=1e-6)
    assert aspects.code("b") == 1
    with pytest.raises(ParameterError, match="the column 'tags' has no value 'c' of two or more items; such as: a, b"):
        aspects.code("c")


def test_a_taste_is_the_mean_of_what_is_known_and_liked() -> None:
    made = data()
    tastes = Aspects.of_schema(made.schema).tastes(made.positives()).toarray()
    np.testing.assert_allclose(tastes, [[0.75, 0.25], [0, 0], [0.5, 0.5]], rtol=1e-6)


def test_histories_are_the_people_who_like_an_item() -> None:
    made = data()
    alike = (histories(made.profiles()) @ histories(made.profiles()).T).toarray()
    np.testing.assert_allclose(alike, [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], rtol=1e-6)


def test_the_most_telling_column_is_meant() -> None:
    assert usual(data().schema, "") == "tags"
    assert usual(data(ITEMS.drop("tags")).schema, "") == "maker"
    assert usual(data(ITEMS.select("item", "title")).schema, "") == HISTORIES
    assert usual(data().schema, "maker") == "maker"
    assert Aspects.of_schema(data(kinds={"tags": "none"}).schema).column == "maker"
    fuller = ITEMS.with_columns(pl.Series("more", [["a"], ["a"], ["b"], ["b"]]))
    assert usual(data(fuller).schema, "") == "more"


def test_mistakes_are_named() -> None:
    with pytest.raises(ParameterError, match="got 'colour'; there are: tags, maker"):
        Aspects.of_schema(data().schema, "colour")
    with pytest.raises(ParameterError, match="got 'colour'; there are: none, read items= too"):
        Aspects.of_schema(data(ITEMS.select("item", "title")).schema, "colour")
    with pytest.raises(ParameterError, match="items have no column of categories or values, such as genres"):
        Aspects.of_schema(data(ITEMS.select("item")).schema)
