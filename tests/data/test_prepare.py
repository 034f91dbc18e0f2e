"""Duplicates, k-cores and common schemas, against plain loops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.data.dataset import Dataset
from honeyguide.data.prepare import compact, core, dedupe, k_core, under_one_schema
from honeyguide.data.read import read
from honeyguide.errors import DataError, ParameterError

Make = Callable[..., Dataset]
pairs = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 6), st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=60
)


def rows(data: Dataset) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in data.table().rows()]


def peel(events: list[tuple[int, int]], k: int, least: int) -> list[bool]:
    """The k-core by dropping one person or item at a time."""
    alive = set(events)
    while True:
        users, items = Counter(u for u, _ in alive), Counter(i for _, i in alive)
        weak = [("u", u) for u, n in users.items() if n < least] + [("i", i) for i, n in items.items() if n < k]
        if not weak:
            return [pair in alive for pair in events]
        side, who = weak[0]
        alive = {pair for pair in alive if pair[0 if side == "u" else 1] != who}


@settings(deadline=None, max_examples=200)
@given(pairs=pairs, k=st.integers(1, 4), least=st.integers(1, 4))
def test_core_is_what_peeling_one_by_one_leaves(pairs: list[tuple[int, ...]], k: int, least: int) -> None:
    users, items = (np.array([pair[at] for pair in pairs], dtype=np.int32) for at in (0, 1))
    kept = core(users, items, k=k, users_least=least)
    assert kept.tolist() == peel([(pair[0], pair[1]) for pair in pairs], k, least)


def test_k_core_drops_ids_and_counts_repeats_once(make: Make) -> None:
    square = [(u, i, 1.0, 1) for u in ("a", "b") for i in ("x", "y")]
    data = make([*square, ("c", "z", 1.0, 1), ("c", "z", 2.0, 2), ("c", "x", 1.0, 3), ("d", "z", 1.0, 1)])
    kept = k_core(data, 2)
    assert [row[:2] for row in rows(kept)] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert kept.schema.users.series().to_list() == ["a", "b"]
    assert kept.schema.item_table["title"].to_list() == ["Title of x", "Title of y"]
    assert kept.schema.user_table.rows() == [("team of a",), ("team of b",)]
    assert len(k_core(data, 9)) == 0
    with pytest.raises(ParameterError, match="must be integers >= 1"):
        k_core(data, 0)


@settings(deadline=None, max_examples=100)
@given(events=pairs, keep=st.sampled_from(["last", "first", "sum"]))
def test_dedupe_by_a_plain_loop(events: list[tuple[int, ...]], keep: Any) -> None:
    table = pl.DataFrame(events, schema=["user", "item", "rating", "time"], orient="row")
    data = read(table)
    found: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for at, (user, item, rating, time) in enumerate(events):
        found.setdefault((user, item), []).append((time, at, float(rating)))
    wanted = []
    for pair, seen in found.items():
        time, at, rating = min(seen) if keep == "first" else max(seen)
        wanted.append((at, *pair, sum(r for _, _, r in seen) if keep == "sum" else rating, time))
    assert rows(dedupe(data, keep=keep)) == [row[1:] for row in sorted(wanted)]


def test_dedupe_refuses_other_rules(make: Make) -> None:
    with pytest.raises(ParameterError, match="^keep must be 'last', 'first' or 'sum', got 'best'.$"):
        dedupe(make([(1, 2, 3.0, 4)]), keep="best")  # type: ignore[arg-type]


def test_compact_keeps_the_events(ratings: Dataset) -> None:
    part = ratings.take(np.arange(40))
    small = compact(part)
    assert rows(small) == rows(part)
    assert (small.n_users, small.n_items) == (len(np.unique(part.users)), len(np.unique(part.items)))
    assert small.schema.titles(small.items) == part.schema.titles(part.items)


def test_parts_under_one_schema() -> None:
    names = pl.DataFrame({"id": ["x", "q"], "title": ["X", "Q"]})
    ages = pl.DataFrame({"user": [5, 9], "age": [50, 90]})
    one = read(pl.DataFrame({"user": [5, 1], "item": ["x", "b"], "rating": [1.0, 4.0]}), items=names, users=ages)
    two = read(pl.DataFrame({"user": [3, 5], "item": ["a", "x"], "rating": [2.0, 5.0]}))
    first, second = under_one_schema(one, two)
    assert first.schema is second.schema
    assert first.schema.users.series().to_list() == [1, 3, 5, 9]
    assert first.schema.user_table.rows() == [(None,), (None,), (50,), (90,)]
    assert first.schema.items.series().to_list() == ["a", "b", "q", "x"]
    assert first.schema.item_table.rows() == [(None,), (None,), ("Q",), ("X",)]
    assert first.schema.scale == (1.0, 5.0)
    assert (rows(first), rows(second)) == (rows(one), rows(two))


def test_parts_that_do_not_fit() -> None:
    rated = read(pl.DataFrame({"user": [1], "item": [1], "rating": [1.0]}))
    with pytest.raises(DataError, match="^parts under one schema must agree in explicit"):
        under_one_schema(rated, read(pl.DataFrame({"user": [1], "item": [1]})))
    with pytest.raises(DataError, match="^ids are integers in one part and strings in another"):
        under_one_schema(rated, read(pl.DataFrame({"user": ["a"], "item": [1], "rating": [1.0]})))
