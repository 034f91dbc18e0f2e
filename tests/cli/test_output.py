"""Tables for people and JSON for machines."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from honeyguide.cli import output


def test_json_is_json_whatever_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": math.nan, "b": [math.inf, 1.5, None], 3: (True, "ü 🐦"), "path": Path("x"), "n": {"deep": -math.inf}}
    output.emit(value)
    text = capsys.readouterr().out
    assert json.loads(text) == {
        "a": None, "b": [None, 1.5, None], "3": [True, "ü 🐦"], "path": "x", "n": {"deep": None}
    }  # fmt: skip
    assert "🐦" in text
    assert "NaN" not in text
    assert "Infinity" not in text


def test_columns_are_aligned_wide_characters_too(capsys: pytest.CaptureFixture[str]) -> None:
    table = pl.DataFrame({"title": ["é", "漢字 🐦", "plain"], "n": [1, 20, None], "x": [0.12345, 2.0, None]})
    output.show_table(table)
    assert capsys.readouterr().out.splitlines() == [
        "title     n       x",
        "é         1  0.1235",
        "漢字 🐦  20  2.0000",
        "plain     –       –",
    ]


def test_an_empty_table_has_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table(pl.DataFrame(schema={"item": pl.Int64, "score": pl.Float32}))
    assert capsys.readouterr().out == "item  score\n"


def test_titles_stand_beside_ids(make: object) -> None:
    data = make([("u", "b", 1, 1), ("u", "a", 2, 2)])  # type: ignore[operator]
    table = pl.DataFrame({"user": ["u", "u", "u"], "item": ["b", "zzz", "a"], "rank": [1, 2, 3]})
    shown = output.with_titles(table, data.schema)
    assert shown.columns == ["user", "item", "title", "rank"]
    assert shown["title"].to_list() == ["Title of b", "", "Title of a"]
    assert output.with_titles(table.rename({"item": "similar"}), data.schema, "similar").columns[2] == "title"
    bare = data.schema.__class__(
        data.schema.users, data.schema.items, True, (1.0, 2.0), data.schema.positive, pl.DataFrame()
    )
    assert output.with_titles(table, bare).columns == ["user", "item", "rank"]
    assert np.array_equal(output.with_titles(table.head(0), data.schema).columns, shown.columns)


def test_what_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    output.wrote(Path("x.csv"), "3 rows", machine=False, rows=3)
    output.wrote(Path("x.csv"), "3 rows", machine=True, rows=3)
    text = capsys.readouterr().out
    assert text.startswith("x.csv: 3 rows\n{")
    assert json.loads(text.partition("\n")[2]) == {"file": "x.csv", "rows": 3}
