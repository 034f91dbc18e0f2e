"""Checks: faults are planted into clean data, and each must be found in its rows, under its severity, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.data import blocks as blocks_module
from honeyguide.data.check import check
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.patterns import gini
from honeyguide.data.report import Finding, Report
from honeyguide.data.sources.movielens_small import FOLDER
from honeyguide.errors import DataError, ParameterError

NOW = 1_100_000_000
N = 2_000


def clean() -> pl.DataFrame:
    """Two thousand half-star ratings, each pair once, hours apart."""
    rng = np.random.default_rng(0)
    pairs = rng.permutation(100 * 80)[:N]
    return pl.DataFrame(
        {
            "user": [f"u{n}" for n in pairs // 80],
            "item": pairs % 80 + 1,
            "rating": rng.integers(1, 11, N) / 2,
            "time": 1_000_000_000 + np.arange(N) * 4_001,
        }
    )


def changed(rows: list[int], column: str, value: Any) -> list[str]:
    """The lines of the clean data as CSV, with a field changed in some rows (from 1)."""
    lines = clean().write_csv().splitlines()
    at = ["user", "item", "rating", "time"].index(column)
    for row in rows:
        fields = lines[row].split(",")
        fields[at] = str(value)
        lines[row] = ",".join(fields)
    return lines


def report_of(lines: list[str], folder: Path, **arguments: Any) -> Report:
    path = folder / "f.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return check(path, now=NOW, **arguments)


def told(report: Report) -> Iterator[Finding]:
    """What is wrong or likely wrong."""
    return (finding for finding in report.findings if finding.severity != "note")


def test_clean_data_have_nothing_wrong(tmp_path: Path) -> None:
    report = report_of(changed([], "user", ""), tmp_path)
    assert list(told(report)) == []
    assert report.ok
    assert report.shape == Shape(100, 80, N)
    assert report.codes() == ["density", "popularity-skew", "5-core", "10-core"]


@pytest.mark.parametrize(
    ("column", "value", "rows", "code", "severity", "message"),
    [
        ("user", "", [3, 17], "missing-user", "error", "without a user"),
        ("user", "  ", [3, 17], "missing-user", "error", "without a user"),
        ("item", "", [2_000], "missing-item", "error", "without an item"),
        ("rating", "", [5], "missing-value", "error", "without a rating"),
        ("rating", "nan", [5], "not-a-number", "error", "with 'nan', which is not a number"),
        ("rating", "four", [5, 6], "not-a-number", "error", "with 'four', which is not a number"),
        ("rating", "inf", [5], "infinite-value", "error", "with the infinite value 'inf'"),
        ("time", "soon", [9], "not-a-time", "error", "with 'soon', which is not a time"),
        ("user", "u" * 10_001, [7], "long-user-id", "error", "with a user id of 10,001 bytes (at most 10,000 "
         "are allowed)"),
        ("rating", "99", [4, 8], "value-apart", "warning", "with a rating such as 99, where all others lie from "
         "0.5 to 5"),
        ("rating", "-1", [4, 8], "value-apart", "warning", "with a rating such as -1, where all others lie from "
         "0.5 to 5"),
        ("time", "0", [4, 8], "early-time", "warning", "with a time before 1990, such as 1970-01-01"),
        ("time", "1999999999", [4], "future-time", "warning", "with a time in the future, such as 2033-05-18"),
        ("time", "", [4, 900], "missing-time", "note", "without a time"),
        ("item", "x", [4], "mixed-looking-item-ids", "warning",
         "with an item id such as 'x', among ids most of which are integers; all are taken as strings"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(
    column: str, value: str, rows: list[int], code: str, severity: str, message: str, tmp_path: Path
) -> None:
    report = report_of(changed(rows, column, value), tmp_path)
    found = {finding.code: finding for finding in report.findings}[code]
    assert (found.severity, found.rows, list(found.examples)) == (severity, len(rows), rows)
    assert found.message == message
    assert found.remedy
    others = [finding.code for finding in told(report) if finding.code != code]
    assert others == []
    assert report.ok == (severity != "error")
    assert report.shape.events == (N - len(rows) if severity == "error" else N)


def test_blocks_or_whole_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = changed([3, 1_500], "user", "")
    for row, column, value in [(40, 1, ""), (1_700, 2, "inf"), (900, 3, "soon"), (1_999, 2, "none"), (1_200, 3, "")]:
        fields = lines[row].split(",")
        fields[column] = value
        lines[row] = ",".join(fields)
    lines[1_000] += ",x"
    lines[1_100] = ""
    whole = report_of(lines, tmp_path)
    monkeypatch.setattr(blocks_module, "BLOCK", 700)
    assert report_of(lines, tmp_path).as_dict() == whole.as_dict()
    assert {f.code: f.examples for f in whole.findings}["infinite-value"] == (1_700,)


def test_lines_that_cannot_be_read(tmp_path: Path) -> None:
    lines = changed([], "user", "")
    lines[10] += ",x"
    lines[20] = '"' + lines[20]
    lines[30] = ""
    found = {finding.code: finding for finding in report_of(lines, tmp_path).findings}
    assert (found["unreadable-line"].rows, found["unreadable-line"].examples) == (2, (10, 20))
    assert "line 11 has 5 fields, and the file has 4 columns" in found["unreadable-line"].message
    assert (found["empty-line"].rows, found["empty-line"].examples) == (1, (30,))
    assert "missing-user" not in found


def test_ratings_off_a_given_scale(tmp_path: Path) -> None:
    report = report_of(changed([4, 8], "rating", "5.5"), tmp_path, scale=(0.5, 5))
    (found,) = told(report)
    assert (found.code, found.severity, found.examples) == ("outside-scale", "error", (4, 8))
    with pytest.raises(ParameterError, match="the lowest rating must come first"):
        report_of(changed([], "user", ""), tmp_path, scale=(5, 0.5))


def test_repeats(tmp_path: Path) -> None:
    lines = changed([], "user", "")
    again = lines[7].split(",")
    report = report_of([*lines, lines[5], ",".join([*again[:3], "1000000001"])], tmp_path)
    found = {finding.code: finding for finding in report.findings}
    assert found["duplicate-row"].examples == (N + 1,)
    assert found["repeated-pair"].examples == (N + 2,)
    assert "the last rating counts" in found["repeated-pair"].remedy
    counted = report_of([*lines, lines[5], ",".join([*again[:3], "1000000001"])], tmp_path, value="rating")
    assert "their values are added up" in {f.code: f for f in counted.findings}["repeated-pair"].remedy


def test_a_time_that_tells_the_rating(tmp_path: Path) -> None:
    ratings = clean()["rating"].to_numpy()
    low = (np.flatnonzero(ratings <= 2)[:200] + 1).tolist()
    (found,) = told(report_of(changed(low, "time", ""), tmp_path))
    assert (found.code, found.rows) == ("time-leak", 200)
    assert "for 0% of those with" in found.message
    even = (np.arange(0, N, 10) + 1).tolist()  # as many, whatever the rating
    assert list(told(report_of(changed(even, "time", ""), tmp_path))) == []


def test_activity_that_no_person_has(tmp_path: Path) -> None:
    frame = clean().sort("user", maintain_order=True)
    robot = pl.DataFrame({"user": ["robot"] * 70, "item": range(1, 71), "rating": [3.0] * 70, "time": [NOW - 100] * 70})
    more = robot.with_columns(item=pl.col("item") + 1_000, time=pl.lit(NOW - 50))
    report = check(pl.concat([frame, robot.cast(frame.schema), more.cast(frame.schema)]), now=NOW)
    (found,) = told(report)
    assert (found.code, found.rows, found.examples[0]) == ("burst", 140, N + 1)
    assert "of one user with 100 or more events within a minute (up to 140)" in found.message
    apart = more.with_columns(time=pl.lit(NOW + 50))
    assert list(told(check(pl.concat([frame, robot.cast(frame.schema), apart.cast(frame.schema)]), now=NOW))) == []


def test_returns_and_counts_taken_for_ratings() -> None:
    frame = clean().rename({"rating": "quantity"})
    frame = frame.with_columns(quantity=pl.when(pl.arange(0, N) == 6).then(-2.0).otherwise("quantity"))
    (found,) = told(check(frame, now=NOW))
    assert (found.code, found.examples, found.message) == ("negative-value", (7,), "with a quantity below 0")
    plays = clean().with_columns(rating=pl.arange(0, N).cast(pl.Float64))
    assert [f.code for f in told(check(plays, now=NOW))] == ["rating-is-count"]
    shifted = clean().select("user", "item", pl.col("time").alias("rating"))
    assert [f.code for f in told(check(shifted, now=NOW))] == ["rating-is-time"]
    same = clean().with_columns(rating=pl.lit(1.0))
    assert [f.code for f in told(check(same, now=NOW))] == ["one-value"]


def test_frames_that_read_cannot_take() -> None:
    mixed = pd.DataFrame({"user": [1, "a", "b", None], "item": [1.5, 2, 3, 4]})
    report = check(mixed)
    assert [(f.code, f.examples) for f in report.findings if f.severity == "error"] == [
        ("missing-user", (4,)), ("fractional-item-id", (1,)), ("mixed-user-ids", (1,)),
    ]  # fmt: skip
    assert report.shape == Shape(2, 2, 2)
    with pytest.raises(DataError, match="has no rows"):
        check(pl.DataFrame({"user": [], "item": []}))


def test_nothing_usable(tmp_path: Path) -> None:
    report = report_of(["user,item,rating", "1,,3", ",2,3"], tmp_path)
    assert report.shape == Shape(0, 0, 0)
    assert report.codes() == ["missing-user", "missing-item"]
    assert "usable: 0 ratings" in report.text()


def test_memory_is_what_the_caller_says(tmp_path: Path) -> None:
    report = report_of(changed([], "user", ""), tmp_path, memory=lambda shape: {"ease": 12 * shape.items**2})
    assert report.memory == {"ease": 76_800}
    assert "ease                      77 KB" in report.text()


def test_text_and_json_say_the_same(tmp_path: Path) -> None:
    report = report_of(changed([3], "user", ""), tmp_path)
    text, machine = report.text(), json.loads(report.json())
    assert "columns: user = user, item = item, rating = rating, time = time" in text
    assert "[missing-user] 1 row: without a user (row 3)" in text
    assert text.endswith("1 error, 0 warnings, 4 notes")
    assert (machine["ok"], machine["rows"], machine["events"]) == (False, N, N - 1)
    assert [finding["code"] for finding in machine["findings"]] == report.codes()
    assert sum(count for _, count in machine["values"]) == N - 1


@settings(deadline=None, max_examples=100)
@given(counts=st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_gini_is_the_mean_difference(counts: list[int]) -> None:
    n, total = len(counts), sum(counts)
    assert gini(np.array(counts)) == pytest.approx(sum(abs(a - b) for a in counts for b in counts) / (2 * n * total))


@pytest.mark.data
def test_the_shop_set(real_data: Path) -> None:
    report = check(real_data / "online-retail" / "online_retail.parquet")
    rows = {finding.code: finding.rows for finding in report.findings}
    frame = pl.read_parquet(real_data / "online-retail" / "online_retail.parquet")
    known = frame.filter(pl.col("CustomerID").is_not_null() & pl.col("Description").is_not_null())
    assert rows["missing-user"] == frame["CustomerID"].null_count() == 135_080
    assert rows["missing-item"] == frame["Description"].null_count()
    assert rows["negative-value"] == known.filter(pl.col("Quantity") < 0).height
    keys = ["CustomerID", "Description", "Quantity", "InvoiceDate"]
    assert rows["duplicate-row"] == known.height - known.select(keys).n_unique()
    assert report.columns.text() == "user = CustomerID, item = Description, value = Quantity, time = InvoiceDate"


def test_the_packaged_set_has_people_with_hundreds_of_ratings_a_minute() -> None:
    report = check(FOLDER / "ratings.csv.gz")
    assert report.ok
    (found,) = told(report)
    assert found.code == "burst"
    table = pd.read_csv(FOLDER / "ratings.csv.gz")
    most = table.groupby(["userId", table["timestamp"] // 60]).size().max()
    assert most >= 100
    assert f"{found.rows} row" in report.text()


def test_a_dataset_is_checked_under_its_name(make: Callable[..., Dataset]) -> None:
    data = make([("u", "a", 1.0, 1), ("u", "b", 2.0, 2), ("v", "a", 3.0, 3)])
    report = check(replace(data, schema=replace(data.schema, name="mine")))
    assert report.source == "mine"
    assert report.shape == data.shape
