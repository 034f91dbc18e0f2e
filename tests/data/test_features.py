"""Encodings against scikit-learn and by hand; unknown values, missing columns, what a file keeps."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from honeyguide.data.features import Features, Kind, check_kinds, recognise
from honeyguide.data.read import read
from honeyguide.errors import ParameterError

TABLE = pl.DataFrame(
    {
        "colour": ["red", None, "red", "blue", "blue", "once"],
        "genres": ["Drama|War", "Drama", "", None, "War|Drama|Drama", "War"],
        "year": [1990, 1995, None, 2000, 2010, 1990],
        "tags": [["a", "b"], ["a"], None, [], ["b"], ["b", "once"]],
        "loan": [True, False, True, None, False, True],
        "plot": ["A good film", "good movie", None, "the film 机器", "机器 film", "Movie, machine"],
        "same": ["x"] * 6,
    }
)
DENSE = Features.learn(TABLE.select("colour", "genres", "tags", "loan"))


def test_values_by_hand() -> None:
    root = np.sqrt(0.5)
    expected = [  # blue red, Drama War, a b, false true
        [0, 1, root, root, root, root, 0, 1],
        [0, 0, 1, 0, 1, 0, 1, 0],
        [0, 1, 0, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, root, root, 0, 1, 1, 0],
        [0, 0, 0, 1, 0, 1, 0, 1],
    ]
    np.testing.assert_allclose(DENSE.encode(TABLE).toarray(), expected, rtol=1e-6)
    assert DENSE.encode(TABLE).dtype == np.float32


def test_numbers_lie_between_knots() -> None:
    learned = Features.learn(pl.DataFrame({"n": np.arange(101)}))
    knots = learned.columns[0].numbers
    assert len(knots) == 10
    asked = np.array([0.0, 3.0, 11.0, 50.5, 99.9, 100.0, 1e9, -5.0, np.nan])
    got = learned.encode(pl.DataFrame({"n": asked}))
    np.testing.assert_allclose(got[:8] @ knots, np.clip(asked[:8], 0, 100), rtol=1e-6)  # linear between, flat beyond
    np.testing.assert_allclose(got.sum(axis=1).A1, [1] * 8 + [0], rtol=1e-6)
    assert (np.diff(got.indptr) <= 2).all()
    assert (got.data > 0).all()


@given(st.lists(st.text(alphabet="ab cd,é", max_size=12), min_size=1, max_size=12))
def test_text_is_scikit_learns_tf_idf(texts: list[str]) -> None:
    words = TfidfVectorizer(min_df=2, max_df=0.5, sublinear_tf=True, token_pattern=r"\w\w+")
    learned = Features.learn(pl.DataFrame({"t": texts}, schema={"t": pl.String}), {"t": "text"})
    try:
        expected = words.fit_transform(texts)
    except ValueError:  # no word is left
        assert learned.width == 0
        return
    assert learned.columns[0].known.series().to_list() == words.get_feature_names_out().tolist()
    np.testing.assert_allclose(learned.encode(pl.DataFrame({"t": texts})).toarray(), expected.toarray(), rtol=1e-5)


@pytest.mark.parametrize(("rows", "most"), [(60, 30), (120, 50), (500, 50), (900, 90)])
def test_words_that_many_rows_have_are_left_out(rows: int, most: int) -> None:
    texts = [
        " ".join(word for word, count in (("at", most), ("over", most + 1), ("few", 2)) if row < count) or "else"
        for row in range(rows)
    ]
    found = Features.learn(pl.DataFrame({"plot": texts}), {"plot": "text"})
    assert set(found.columns[0].known.series()) == {"at", "few"} | ({"else"} if rows - most - 1 <= most else set())


def test_chinese_is_read_by_character() -> None:
    learned = Features.learn(TABLE.select("plot"))
    assert set(learned.columns[0].known.series()) == {"good", "movie", "film", "机", "器"}


def test_kinds_are_recognised() -> None:
    kinds = {column.name: recognise(column) for column in TABLE}
    assert kinds == {
        "colour": "category", "genres": "values", "year": "number", "tags": "values", "loan": "category",
        "plot": "text", "same": "category",
    }  # fmt: skip
    assert recognise(pl.Series(["ab12", "cd34", "ef56"])) == "category"  # one word each: codes, not text
    assert recognise(pl.Series([None, None], dtype=pl.String)) == "none"
    assert recognise(pl.Series([object()])) == "none"


def test_unknown_values_and_absent_columns_give_nothing() -> None:
    found = DENSE.encode(pl.DataFrame({"colour": ["green", "red"], "more": [1, 2]}))
    assert found.toarray().tolist() == [[0] * 8, [0, 1] + [0] * 6]
    assert DENSE.encode(None, 3).shape == (3, 8)
    assert DENSE.encode(None, 3).nnz == 0
    assert Features.learn(TABLE, dict.fromkeys(TABLE.columns, "none")).width == 0
    assert Features.learn(pl.DataFrame({"n": [3, 3]})).width == 0


def test_a_file_keeps_the_encoding() -> None:
    learned = Features.learn(TABLE)
    again = Features.of_state(learned.state())
    np.testing.assert_array_equal(again.encode(TABLE).toarray(), learned.encode(TABLE).toarray())
    assert [(column.name, column.kind) for column in again.columns] == [(c.name, c.kind) for c in learned.columns]


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (
            {"nope": "text"},
            "must be of columns of items=, users= or context=, got 'nope'; there are: colour, genres, year",
        ),
        (
            {"year": "date"},
            "the kind of 'year' must be one of category, values, number, text, vector, none, got 'date'",
        ),
    ],
)
def test_wrong_kinds(kinds: dict[str, Kind], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_kinds(kinds, TABLE)
    with pytest.raises(ParameterError, match=message):
        read(
            pl.DataFrame({"user": [1], "item": [2]}),
            items=TABLE.with_columns(pl.Series("id", range(6))).select("id", *TABLE.columns),
            kinds=kinds,
        )


def test_declared_kinds_go_into_the_schema() -> None:
    items = pl.DataFrame({"id": [2, 3], "year": [1990, 1990]})
    data = read(pl.DataFrame({"user": [1], "item": [2]}), items=items, kinds={"year": "category"})
    learned = Features.learn(data.schema.item_table, data.schema.kinds)
    assert learned.columns[0].known.series().to_list() == ["1990"]


def test_vectors_are_directions() -> None:
    table = pl.DataFrame({"e": [[3.0, -4.0], None, [0.0, 0.0], [0.0, 2.0]], "colour": ["red", "red", "blue", "blue"]})
    assert [recognise(table["e"]), recognise(pl.Series([["a"], ["b"]]))] == ["vector", "values"]
    assert Features.learn(table).columns[0].name == "colour"  # vectors are read where they are asked for
    learned = Features.learn(table, only=("vector",))
    np.testing.assert_allclose(learned.encode(table).toarray(), [[0.6, -0.8], [0, 0], [0, 0], [0, 1]], rtol=1e-6)
    again = Features.of_state(learned.state())
    np.testing.assert_array_equal(again.encode(table).toarray(), learned.encode(table).toarray())
