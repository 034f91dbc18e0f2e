"""Tables in every kind of frame: the same values and kinds as in Polars, gaps included; fast enough for millions."""

from __future__ import annotations

import time
from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import honeyguide as hg
from honeyguide.data.frame import deliver, kind_of

TABLE = pl.DataFrame(
    {
        "user": [3, None, 2**62 + 1], "item": ["a", None, "c, 🎬"],
        "score": pl.Series([0.5, None, 2.0], dtype=pl.Float32),
        "rank": pl.Series([1, 2, 3], dtype=pl.Int32), "nobody": pl.Series([None] * 3, dtype=pl.Int64),
        "at": [datetime(2020, 1, 2, 3, 4, 5, 678), None, datetime(1969, 1, 1)], "own": [True, False, True],
    }
)  # fmt: skip


@pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_every_kind_says_what_polars_does(kind: str, rows: int) -> None:
    table = TABLE.head(rows)
    frame = deliver(table, kind)
    assert kind_of(frame) == kind
    back = nw.from_native(frame, eager_only=True).to_polars()
    floats = pl.col("score").fill_nan(None)  # pandas has one gap for floats
    assert back.with_columns(floats).equals(table)
    kinds = {name: dtype for name, dtype in table.schema.items() if dtype != pl.String and (rows or kind != "pandas")}
    assert {name: back.schema[name] for name in kinds} == kinds


def test_dtypes_of_pandas() -> None:
    frame = deliver(TABLE, "pandas")
    kinds = {"user": "Int64", "score": "float32", "rank": "int32", "nobody": "Int64", "own": "bool"}
    assert {name: str(frame[name].dtype) for name in kinds} == kinds
    assert frame["user"].tolist()[2] == 2**62 + 1  # a float would have lost the one


def test_numbers_pass_as_arrays() -> None:
    codes = np.arange(1_000_000)
    table = pl.DataFrame({"user": codes, "score": codes.astype(np.float32), "rank": codes.astype(np.int32)})
    begun = time.perf_counter()
    for name in table.columns:
        table[name].to_list()
    objects = time.perf_counter() - begun
    for kind in ("pandas", "pyarrow"):
        begun = time.perf_counter()
        frame = deliver(table, kind)
        assert time.perf_counter() - begun < objects / 2
    whole = deliver(table, "pandas")
    whole.loc[0, "rank"] = 7  # it is the caller's own
    assert table["rank"][0] == 0
    assert len(frame) == len(table)


def test_integer_ids_with_gaps_stay_integers_in_predictions() -> None:
    events = pd.DataFrame({"user": [1, 1, 2], "item": [7, 8, 7], "rating": [1.0, 2.0, 3.0]})
    model = hg.models.Bias().fit(hg.read(events))
    asked = pd.DataFrame({"user": pd.array([1, None, 2], dtype="Int64"), "item": [7, 8, 7]})
    rated = model.predict(asked)
    assert rated["user"].equals(asked["user"])
    assert rated["item"].dtype == np.int64
    assert isinstance(hg.read(pa.table({"user": [1], "item": [2]})).table(), pa.Table)
