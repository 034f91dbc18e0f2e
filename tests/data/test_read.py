"""Reading, against the standard library's csv module, between routes, and what each bad input is told."""

from __future__ import annotations

import csv
import gzip
import io
import sqlite3
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honeyguide.data import blocks
from honeyguide.data.dataset import NO_TIME, Dataset
from honeyguide.data.read import columns_of, read
from honeyguide.errors import DataError, HoneyguideWarning, ParameterError

HEAD = "user,item,rating,time\n"


def write(folder: Path, text: str | bytes, name: str = "f.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(data: Dataset) -> list[tuple[Any, ...]]:
    """The events with raw ids, by a plain loop."""
    users, items = data.schema.users.series().to_list(), data.schema.items.series().to_list()
    times = [None] * len(data) if data.times is None else [None if t == NO_TIME else int(t) for t in data.times]
    return [
        (users[u], items[i], float(v), t) for u, i, v, t in zip(data.users, data.items, data.values, times, strict=True)
    ]


# ---- a reference: the standard library ------------------------------------------------------------------------------

ids = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from(',"\n;| '), min_size=1, max_size=12
).filter(lambda text: text.strip() == text and text)
events = st.lists(
    st.tuples(ids, ids, st.integers(-10, 10).map(lambda n: n / 2), st.none() | st.integers(0, 2_000_000_000)),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=events, block=st.sampled_from([40, 100, 1 << 24]))
def test_reads_what_csv_wrote(
    events: list[tuple[Any, ...]], block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", block)  # blocks end anywhere, within quotes too
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["user", "item", "rating", "time"])
    writer.writerows(events)
    data = read(write(tmp_path, text.getvalue()))
    canonical = [all(is_canonical(event[at]) for event in events) for at in (0, 1)]
    wanted = [
        (int(u) if canonical[0] else u, int(i) if canonical[1] else i, float(np.float32(r)), t) for u, i, r, t in events
    ]
    assert rows(data) == wanted
    for vocabulary in (data.schema.users, data.schema.items):
        assert vocabulary.series().to_list() == sorted(vocabulary.series().to_list())


def is_canonical(text: str) -> bool:
    try:
        return str(int(text)) == text and -(2**63) <= int(text) < 2**63 and text.isascii()
    except ValueError:
        return False


def test_reads_the_packaged_ratings_as_pandas_does() -> None:
    folder = Path(blocks.__file__).parent / "sources" / "movielens_small"
    data = read(folder / "ratings.csv.gz", items=folder / "movies.csv.gz")
    table = pd.read_csv(folder / "ratings.csv.gz")
    got = data.table().to_pandas()
    for ours, theirs in zip(got.columns, table.columns, strict=True):
        np.testing.assert_array_equal(got[ours], table[theirs].astype(got[ours].dtype))
    movies = pd.read_csv(folder / "movies.csv.gz").set_index("movieId")["title"]
    assert data.schema.titles(data.items[:50]) == [movies[item] for item in table["movieId"][:50]]


# ---- two routes, one answer -----------------------------------------------------------------------------------------

TABLE = {
    "user": [3, 1, 2, 1, 3],
    "item": ["007", "é,1", '5" pipe', "007", "😀"],
    "rating": [1.0, 2.5, 4.0, 5.0, 0.5],
    "time": [978_300_760, 5, 978_300_761, 978_300_762, 978_300_763],
}


@pytest.fixture
def wanted() -> list[tuple[Any, ...]]:
    return list(zip(*TABLE.values(), strict=True))


def test_every_kind_of_file_says_the_same(tmp_path: Path, wanted: list[tuple[Any, ...]]) -> None:
    frame = pl.DataFrame(TABLE)
    comma, tab = frame.write_csv(), frame.write_csv(separator="\t")
    sources = [
        write(tmp_path, comma, "a.csv"),
        write(tmp_path, tab, "a.tsv"),
        write(tmp_path, frame.write_csv(separator=";"), "semicolon.csv"),
        write(tmp_path, comma.replace("\n", "\r\n"), "crlf.csv"),
        write(tmp_path, comma.rstrip("\n"), "no_last_line_end.csv"),
        write(tmp_path, b"\xef\xbb\xbf" + comma.encode(), "bom.csv"),
        write(tmp_path, comma.encode("utf-16"), "utf16.csv"),
        write(tmp_path, frame.write_csv(include_header=False), "no_header.csv"),
        write(tmp_path, gzip.compress(comma.encode()), "a.csv.gz"),
        write(tmp_path, gzip.compress(comma.encode()), "gzip_without_the_name.csv"),
        write(tmp_path, frame.write_ndjson(), "a.jsonl"),
        write(tmp_path, gzip.compress(frame.write_ndjson().encode()), "a.json.gz"),
        write(tmp_path, frame.write_json(), "a.json"),
    ]
    frame.write_parquet(tmp_path / "a.parquet")
    for source in [*sources, tmp_path / "a.parquet", str(tmp_path / "a.parquet")]:
        assert rows(read(source)) == wanted, source
    assert len({read(source).fingerprint for source in sources}) == 1


def test_every_kind_of_frame_says_the_same(wanted: list[tuple[Any, ...]]) -> None:
    frame = pl.DataFrame(TABLE)
    for source, kind in [
        (frame, "polars"), (frame.lazy(), "polars"), (frame.to_arrow(), "pyarrow"), (pd.DataFrame(TABLE), "pandas"),
        (pd.DataFrame(TABLE).astype({"user": "float64", "item": "object"}), "pandas"),
        (pd.DataFrame(TABLE).astype({"user": "Int32", "item": "category", "rating": "float32"}), "pandas"),
    ]:  # fmt: skip
        data = read(source)
        assert rows(data) == wanted
        assert data.schema.frame == kind
        assert type(data.table()).__module__.split(".")[0] == kind


def test_a_database_says_the_same(tmp_path: Path, wanted: list[tuple[Any, ...]]) -> None:
    pytest.importorskip("sqlalchemy")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("create table events (who integer, what text, stars real, at integer)")
        shop.executemany("insert into events values (?, ?, ?, ?)", wanted)
    query = "select who as user, what as item, stars, at as time from events order by rowid"
    assert rows(read(f"sqlite:///{tmp_path / 'shop.db'}", query=query)) == wanted
    with pytest.raises(DataError, match=r"^the query on sqlite:///.*shop.db failed: .*no such column: nope$"):
        read(f"sqlite:///{tmp_path / 'shop.db'}", query="select nope from events")
    with pytest.raises(DataError, match="has no rows"):
        read(f"sqlite:///{tmp_path / 'shop.db'}", query=query.replace("order", "where 0 order"))


def test_latin_1_is_recognised(tmp_path: Path) -> None:
    path = write(tmp_path, (HEAD + "é,x,1,5\n").encode("latin-1"))
    assert rows(read(path)) == rows(read(path, encoding="latin-1")) == [("é", "x", 1.0, 5)]


def test_the_old_separator_of_movielens(tmp_path: Path) -> None:
    assert rows(read(write(tmp_path, "1::2::3::978300760\n1::3::4::978300761\n"))) == [
        (1, 2, 3.0, 978_300_760), (1, 3, 4.0, 978_300_761),
    ]  # fmt: skip


# ---- what ids, values and times mean --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "back"),
    [
        (["1", "10", "2"], [1, 2, 10]),
        (["007", "42", "1"], ["007", "1", "42"]),
        (["1.0", "2.0", "3.0"], ["1.0", "2.0", "3.0"]),
        (["-7", "9223372036854775807", "0"], [-7, 0, 9223372036854775807]),
        (["9223372036854775808", "1", "2"], ["1", "2", "9223372036854775808"]),
        (["+1", "1", "2"], ["+1", "1", "2"]),
        (["1", " 1 ", "2"], [1, 2]),
        (["nan", "null", "NA"], ["NA", "nan", "null"]),
    ],
)
def test_ids_of_text_keep_their_type(given: list[str], back: list[Any], tmp_path: Path) -> None:
    text = "user,item\n" + "".join(f"{value},x\n" for value in given)
    assert read(write(tmp_path, text)).schema.users.series().to_list() == back


def test_ids_of_frames_keep_their_type() -> None:
    frame = pl.DataFrame({"user": ["1", "2"], "item": [1, 2]})
    data = read(frame)
    assert data.schema.users.series().to_list() == ["1", "2"]
    assert data.schema.items.series().to_list() == [1, 2]


@pytest.mark.parametrize(
    "times",
    [
        ["978300760", "978300761"], ["978300760000", "978300761999"], ["978300760000000", "978300761000000"],
        ["978300760000000000", "978300761000000000"], ["978300760.25", "978300761.75"],
        ["2000-12-31T22:12:40Z", "2000-12-31 22:12:41"], ["2001-01-01T00:12:40+02:00", "2000-12-31T22:12:41.5"],
    ],
)  # fmt: skip
def test_times_become_seconds(times: list[str], tmp_path: Path) -> None:
    text = "user,item,time\n" + "".join(f"1,2,{time}\n" for time in times) + "1,2,\n"
    data = read(write(tmp_path, text))
    assert data.times is not None
    assert data.times.tolist() == [978_300_760, 978_300_761, NO_TIME]


def test_datetimes_of_frames() -> None:
    moments = pd.to_datetime(["2000-12-31T22:12:40", None])
    for column in (moments, moments.tz_localize("UTC").tz_convert("Asia/Tokyo")):
        data = read(pd.DataFrame({"user": [1, 2], "item": [1, 2], "time": column}))
        assert data.times is not None
        assert data.times.tolist() == [978_300_760, NO_TIME]


def test_a_rating_is_explicit_and_a_value_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1,2,3,4\n1,3,5,4\n")
    rated, counted = read(path), read(path, value="rating")
    assert (rated.schema.explicit, rated.schema.scale) == (True, (3.0, 5.0))
    assert (counted.schema.explicit, counted.schema.scale) == (False, None)
    assert read(path, scale=(1, 5)).schema.scale == (1, 5)
    bare = read(write(tmp_path, "user,item\n1,2\n", "bare.csv"))
    assert (bare.schema.explicit, bare.values.tolist(), bare.times) == (False, [1.0], None)


def test_what_was_recognised_can_be_asked(tmp_path: Path) -> None:
    path = write(tmp_path, "customer;sku;qty\n1;2;3\n")
    assert columns_of(path).text() == "user = customer, item = sku, value = qty"
    assert columns_of(path, rating="qty").text() == "user = customer, item = sku, rating = qty (given)"


# ---- items ----------------------------------------------------------------------------------------------------------


def test_items_are_aligned_and_join_the_vocabulary(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1,20,3,4\n1,3,5,4\n")
    items = write(tmp_path, "movieId,title,year\n7,Seven,1995\n20,Twenty,\n", "movies.csv")
    data = read(path, items=items)
    assert data.schema.items.series().to_list() == [3, 7, 20]
    assert data.schema.item_table.rows() == [(None, None), ("Seven", 1995), ("Twenty", None)]
    assert rows(data) == [(1, 20, 3.0, 4), (1, 3, 5.0, 4)]


@pytest.mark.parametrize("side", ["items", "users"])
def test_a_table_with_nothing_but_its_header_says_nothing(side: str, tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1,20,3,4\n2,3,5,4\n")
    known = write(tmp_path, "id,title,year\n", "known.csv")
    for source in (known, pl.DataFrame({"id": [], "title": [], "year": []})):
        schema = read(path, **{side: source}).schema
        table = schema.item_table if side == "items" else schema.user_table
        assert table.columns == ["title", "year"]
        assert table.rows() == [(None, None)] * 2
    assert read(path, items=known).schema.titles(np.array([0, 1], np.int32)) == ["3", "20"]


def test_people_are_aligned_and_join_the_vocabulary(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "9,20,3,4\n1,3,5,4\n")
    users = write(tmp_path, "userId,age,country\n9,30,pe\n4,,cn\n", "people.csv")
    data = read(path, users=users)
    assert data.schema.users.series().to_list() == [1, 4, 9]
    assert data.schema.user_table.rows() == [(None, None), (None, "cn"), (30, "pe")]
    assert rows(data) == [(9, 20, 3.0, 4), (1, 3, 5.0, 4)]
    profiles = data.profiles()
    assert profiles.attributes.rows() == data.schema.user_table.rows()
    assert profiles.take([2, 0]).attributes.rows() == [(30, "pe"), (None, None)]
    assert profiles.take(slice(1, 3)).strangers().attributes.rows() == [(None, "cn"), (30, "pe")]
    with pytest.raises(
        DataError, match="^user ids are integers in the interactions and strings in the table of people$"
    ):
        read(pd.DataFrame({"user": [1], "item": [20]}), users=pd.DataFrame({"id": ["1"], "age": [2]}))
    with pytest.warns(HoneyguideWarning, match="repeat a user id"):
        read(path, users=pd.DataFrame({"id": [9, 9], "age": [2, 3]}))


def test_a_second_row_of_an_item_is_left_out_with_a_warning_to_the_caller() -> None:
    events = pd.DataFrame({"user": [1, 1], "item": [20, 3]})
    items = pd.DataFrame({"id": [20, 7, 20], "title": ["first", "other", "second"]})
    with pytest.warns(HoneyguideWarning, match="^1 rows of the pandas frame repeat an item id; the first row") as told:
        data = read(events, items=items)
    assert data.schema.item_table["title"].to_list() == [None, "other", "first"]
    assert told[0].filename == __file__


def test_ids_of_items_agree_in_type_with_those_of_events(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1,20,3,4\n")
    strings = read(path, items=pd.DataFrame({"id": ["20", "x"], "title": ["a", "b"]}))
    assert strings.schema.items.series().to_list() == ["20", "x"]
    assert strings.schema.titles(strings.items) == ["a"]
    with pytest.raises(
        DataError, match="^item ids are integers in the interactions and strings in the table of items$"
    ):
        read(pd.DataFrame({"user": [1], "item": [20]}), items=pd.DataFrame({"id": ["20"], "title": ["a"]}))


# ---- bad input: one line each ---------------------------------------------------------------------------------------

ALL = "; honeyguide check {} shows all, invalid='drop' leaves them out"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "{} is empty; it must hold a row a line"),
        (" \n\n", "{} is empty; it must hold a row a line"),
        (HEAD, "{} has no rows; it must hold an interaction a line"),
        ("user\n1\n", "{} has one column only, or a separator that was not recognised; name it with separator="),
        (b"\0\1\2" * 99, "{} is a binary file, not text; honeyguide reads CSV, TSV, JSON lines (also .gz) and Parquet"),
        (b"PK\x03\x04junk", "{} is a zip archive or an Excel workbook, not text; "
         "honeyguide reads CSV, TSV, JSON lines (also .gz) and Parquet"),
        (HEAD.replace("\n", "\r") + "1,2,3,4\r", "{} ends its lines with a bare carriage return; write it with "
         "line feeds"),
        (HEAD + "1,2,3,4\n1,2,3,4,5\n", "line 3 of {} has 5 fields, and the file has 4 columns; "
         "honeyguide check {} shows all such lines"),
        (HEAD + '1,2,3,4\n"1,2,3,4\n' + "1,2,3,4\n" * 200, "line 3 of {} opens a quote that is never closed; "
         "honeyguide check {} shows all such lines"),
        (HEAD + "a" * 10_000_000 + ",2,3,4\n", "{} has 1 row with a user id of 10,000,000 bytes (at most 10,000 "
         "are allowed) "
         "(first: row 1)" + ALL),
        (HEAD + "1,2,3,4\n1,2,NaN,4\n", "{} has 1 row with 'NaN', which is not a number (first: row 2)" + ALL),
        (HEAD + "1,2,good,4\n1,3,bad,4\n", "{} has 2 rows with 'good', which is not a number (first: row 1)" + ALL),
        (HEAD + "1,2,3,4\n1,2,-inf,4\n", "{} has 1 row with the infinite value '-inf' (first: row 2)" + ALL),
        (HEAD + "1,2,1e300,4\n", "{} has 1 row with the infinite value '1e300' (first: row 1)" + ALL),
        (HEAD + "1,2,3,4\n,2,3,4\n , 2,3,4\n", "{} has 2 rows without a user (first: row 2)" + ALL),
        (HEAD + "1,2,3,4\n1,,3,4\n", "{} has 1 row without an item (first: row 2)" + ALL),
        (HEAD + "1,2,,4\n", "{} has 1 row without a rating (first: row 1)" + ALL),
        (HEAD + "1,2,3,2020-01-01\n1,2,3,soon\n1,2,3,2020-01-01\n",
         "{} has 1 row with 'soon', which is not a time (first: row 2)" + ALL),
        ((HEAD + "é,2,3,4\nü,2,3,4\n").encode() + b"\xff,1,1,1\n",
         "byte 0xff in line 4 of {} is not UTF-8; say which encoding it is, such as encoding='latin-1'"),
        (b"\x1f\x8bjunk", "{} is a damaged gzip file (Compressed file ended before the end-of-stream marker was "
         "reached); "
         "fetch or write it again"),
        (gzip.compress((HEAD + "1,2,3,4\n" * 9999).encode())[:-50],
         "{} is a damaged gzip file (Compressed file ended before the end-of-stream marker was reached); fetch "
         "or write it again"),
        ('{"user": 1, "item": 2}\n{"user": 1, \n', "line 2 of {} is not a JSON object (Expecting property name "
         "enclosed in "
         "double quotes: line 1 column 13 (char 12)); honeyguide check {} shows all such lines"),
        ("[]", "{} has no rows; it must hold one interaction an object"),
        ('{"user": 1, "item": 2}\n{"user": "a", "item": 2}\n',
         "user ids of {} must be all integers or all strings, got a mixture (row 2 has 'a'); write them all as "
         "strings"),
        ('{"user": true, "item": 2}\n', "user ids of {} must be integers or strings, got Boolean"),
        (b"PAR1" + b"x" * 50, "{} is a damaged Parquet file: parquet: File out of specification: "
         "The file must end with PAR1 or PARE"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value) == message.replace("{}", str(path))


def test_no_file(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, "ratings.csv")
    with pytest.raises(DataError) as caught:
        read(tmp_path / "rating.csv")
    assert str(caught.value) == f"there is no file {tmp_path / 'rating.csv'}; did you mean {str(path)!r}?"
    for name in ("movielens-smal", "movielens-small"):
        with pytest.raises(DataError, match=r"; did you mean the known set movielens-small \(hg.load\)\?$"):
            read(name)
    with pytest.raises(DataError, match=r"is a folder; name the file in it that is meant$"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"ends in .gz and is not a gzip file; rename it, or write it again with gzip$"):
        read(write(tmp_path, HEAD, "ratings.csv.gz"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (42, "a source is a path, the URL of a database, or a data frame (pandas, Polars, PyArrow, …), got 42"),
        (pd.DataFrame([[1, 2]]), "a data frame's columns need names, got 0; rename them user, item, rating, time"),
        (pd.DataFrame([[1, 2, 3]], columns=["user", "item", "item"]),
         "the data frame cannot be read: Expected unique column names, got: - 'item' 2 times"),
        (pd.DataFrame({"user": [], "item": []}), "the pandas frame has no rows; it must hold an interaction a line"),
        (pd.DataFrame({"user": [1.5], "item": [1]}), "the pandas frame has 1 row with a user id that is not a "
         "whole number, such "
         "as 1.5 (first: row 1); hg.check with the same arguments shows all, invalid='drop' leaves them out"),
        (pd.DataFrame({"user": [1, "a", 2], "item": [1, 2, 3]}), "user ids of the pandas frame must be all "
         "integers or all "
         "strings, got a mixture (row 2 has 'a'); write them all as strings"),
        (pl.DataFrame({"user": [1, None], "item": ["", "x"]}), "the polars frame has 1 row without an item "
         "(first: row 1); "
         "hg.check with the same arguments shows all, invalid='drop' leaves them out"),
        (pl.DataFrame({"user": pl.Series([2**63], dtype=pl.UInt64), "item": [1]}),
         "user ids of the polars frame pass 64 bits with a sign; write them as strings"),
        (pd.DataFrame({"user": [10**30, 10**30 + 1], "item": [1, 2]}),
         "user ids of the pandas frame pass 64 bits with a sign; write them as strings"),
        (pl.DataFrame({"user": [1], "item": pl.Series([-(2**63) - 1], dtype=pl.Int128)}),
         "item ids of the polars frame pass 64 bits with a sign; write them as strings"),
        (pd.DataFrame({"user": [1, 2**140], "item": [1, 2]}),
         "user ids of the pandas frame must be all integers or all strings, got a mixture; write them all as strings"),
    ],
)  # fmt: skip
def test_a_bad_frame_is_told_in_one_line(source: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(source)
    assert str(caught.value) == message


def test_bad_arguments(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1,2,3,4\n")
    for arguments, message in [
        ({"query": "select 1"}, "query= goes with the URL of a database"),
        ({"scale": (5, 1)}, "the lowest rating must come first, got"),
        ({"scale": (1, 5), "value": "rating"}, "it needs a rating column"),
        ({"invalid": "ignore"}, "invalid must be 'refuse' or 'drop', got 'ignore'."),
        ({"positive": "=4"}, "positive must be 'every event' or a rule"),
    ]:
        with pytest.raises(ParameterError, match=message):
            read(path, **arguments)  # type: ignore[arg-type]
    with pytest.raises(
        DataError, match="^encoding must be a text encoding such as 'utf-8' or 'latin-1', got 'utf-ate'$"
    ):
        read(path, encoding="utf-ate")
    with pytest.raises(ParameterError, match="a database needs query="):
        read("sqlite:///x.db")


def test_invalid_rows_are_dropped_on_demand_with_one_warning(tmp_path: Path) -> None:
    bad = "9,2,3,4,5\n,2,3,4\n8,,3,4\n7,2,,4\n6,2,inf,3\n5,2,3,soon\n4,2,99,4\n"
    path = write(tmp_path, HEAD + "1,2,3,4\n\n" + bad + "2,2,5,\n")
    with pytest.warns(HoneyguideWarning) as caught:
        data = read(path, invalid="drop", scale=(1, 5))
    assert rows(data) == [(1, 2, 3.0, 4), (2, 2, 5.0, None)]
    assert data.schema.users.series().to_list() == [1, 2]
    assert [str(w.message) for w in caught] == [
        f"7 rows of {path} were left out: 1 that cannot be read (line 4 has 5 fields, and the file has 4 "
        f"columns); 1 without a "
        "user; 1 without an item; 1 without a rating; 1 with the infinite value 'inf'; 1 with 'soon', which is "
        "not a time; 1 "
        "with a rating outside the scale, such as 99"
    ]


def test_clean_data_warn_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(write(tmp_path, HEAD + "1,2,3,4\n\n1,3,3,\n"))
        read(write(tmp_path, HEAD + "1,2,3,4\n"), invalid="drop")
    assert [str(w.message) for w in caught] == []


# ---- the circumstances of events -------------------------------------------------------------------------------------


def test_context_follows_its_events(tmp_path: Path) -> None:
    text = "user,item,rating,time,device,warmth,note\n1,5,4,30,tv,21.5,a\n1,6,x,20,phone,3,b\n2,5,3,10, ,,c\n"
    path = write(tmp_path, text)
    with pytest.warns(HoneyguideWarning, match="1 rows of .* were left out"):
        data = read(path, context=["device", "warmth"], invalid="drop")
    assert data.context is not None
    assert data.context.rows() == [("tv", 21.5), (None, None)]  # a row that is dropped takes its context along
    assert (data.schema.context.columns, len(data.schema.context)) == (["device", "warmth"], 0)
    assert data.table().columns == ["user", "item", "rating", "time", "device", "warmth"]
    part = data.take(np.array([False, True]))
    assert part.context is not None
    assert part.context.rows() == [(None, None)]
    assert data.take(np.array([1, 0])).context.rows() == [(None, None), ("tv", 21.5)]  # type: ignore[union-attr]
    frame = pl.DataFrame({"user": [1, 2], "item": [3, 4], "device": ["tv", "phone"]})
    assert read(frame, context=["device"]).fingerprint != read(frame).fingerprint
    assert read(frame.to_pandas(), context=["device"]).context.rows() == [("tv",), ("phone",)]  # type: ignore[union-attr]
    assert read(frame).context is None


def test_context_of_blocks_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 40)
    lines = [f"{n},{n % 7},{n % 3},{'x' if n == 90 else n}" for n in range(100)]
    data = read(write(tmp_path, "user,item,place,size\n" + "\n".join(lines) + "\n"), context=["place", "size"])
    assert data.context is not None
    assert data.context["place"].to_list() == [float(n % 3) for n in range(100)]
    assert data.context["size"].to_list() == ["x" if n == 90 else str(n) for n in range(100)]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (["devise"], "context= must name further columns, 'devise' is none of "),
        (["user"], "context= must name further columns, 'user' is another role's; its columns are "),
    ],
)
def test_context_that_is_no_further_column(tmp_path: Path, context: list[str], message: str) -> None:
    path = write(tmp_path, "user,item,device\n1,2,tv\n")
    with pytest.raises(DataError, match=message):
        read(path, context=context, user="user")


def test_context_is_a_sequence(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="context must be a sequence of columns, got 'device'"):
        read(write(tmp_path, "user,item,device\n1,2,tv\n"), context="device")


def test_context_that_models_cannot_read() -> None:
    base = {"user": [1, 2], "item": [3, 4]}
    for values in ([[1], [2]], [{"a": 1}, {"a": 2}], [b"a", b"b"], [date(2026, 1, 1), None]):
        with pytest.raises(
            DataError, match="context= must name columns of numbers, texts or booleans, 'c' of .* is of"
        ):
            read(pl.DataFrame({**base, "c": values}), context=["c"])
    with pytest.raises(DataError, match="context= must name columns of numbers, texts or booleans, 'c' of .* is of"):
        read(pd.DataFrame({**base, "c": [1, "x"]}), context=["c"])
    twice = read(pl.DataFrame({**base, "c": [1, 2]}), context=["c", "c"])
    assert twice.context is not None
    assert twice.context.columns == ["c"]
    assert read(pl.DataFrame(base), context=None).context is None  # type: ignore[arg-type]


def test_the_kind_of_a_context_can_be_declared(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": [1, 2], "item": [3, 4], "store": [17, 18]})
    assert read(frame, context=["store"], kinds={"store": "category"}).schema.kinds == {"store": "category"}
    with pytest.raises(ParameterError, match="kinds must be of columns of items=, users= or context=, got 'stare'"):
        read(frame, context=["store"], kinds={"stare": "category"})
