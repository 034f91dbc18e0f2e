"""Ids keep their type and value; look-ups agree with a dictionary."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, UnknownIdError

INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30)
STRINGS = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=30)


@given(st.one_of(INTEGERS, STRINGS), st.one_of(INTEGERS, STRINGS))
def test_agrees_with_a_dictionary(ids: list[int | str], asked: list[int | str]) -> None:
    vocabulary = Vocabulary.of(ids)
    assert vocabulary.series().to_list() == sorted(set(ids), key=lambda i: i.encode() if isinstance(i, str) else i)
    table = {value: code for code, value in enumerate(vocabulary.series())}
    wanted = [table.get(value, -1) for value in [*ids, *asked]] if ids else [-1] * len(asked)
    one_by_one = [vocabulary._find(value) for value in [*ids, *asked]]
    assert one_by_one == wanted
    assert vocabulary.encode(pl.Series(ids, dtype=vocabulary.series().dtype)).tolist() == wanted[: len(ids)]
    assert vocabulary.decode(vocabulary.encode(ids)).to_list() == ids


@given(st.one_of(st.tuples(INTEGERS, INTEGERS), st.tuples(STRINGS, STRINGS)))
def test_extending_changes_no_code(ids: tuple[list[int | str], list[int | str]]) -> None:
    old = Vocabulary.of(ids[0])
    new = old.extended(ids[1])
    assert new.series().to_list()[: len(old)] == old.series().to_list()
    assert set(new.series()) == {*ids[0], *ids[1]}
    again = Vocabulary.from_arrays(new.arrays())
    assert again.encode(ids[1]).tolist() == [new.series().to_list().index(value) for value in ids[1]]


def test_large_batches_take_the_other_route_to_the_same_codes() -> None:
    vocabulary = Vocabulary.of([f"id {n}" for n in range(2_000)])
    asked = [f"id {n}" for n in range(1_000, 3_000)]
    assert vocabulary.encode(asked).tolist() == [vocabulary._find(value) for value in asked]


def test_types_are_not_mixed() -> None:
    assert Vocabulary.of([42]).encode(["42"]).tolist() == [-1]
    assert Vocabulary.of(["42"]).encode([42]).tolist() == [-1]
    assert Vocabulary.of([1, 0]).encode([True]).tolist() == [-1]
    with pytest.raises(DataError, match="all integers .* or all strings, got a mixture"):
        Vocabulary.of([1, "a"])
    with pytest.raises(DataError, match="integers or strings, got Float64"):
        Vocabulary.of(pl.Series([1.5]))
    with pytest.raises(UnknownIdError, match="user '42' is not in the training data; ids here are integers"):
        Vocabulary.of([42]).code("42", "user")
    assert Vocabulary.of([42]).parse("42") == 42
    assert Vocabulary.of(["42"]).parse("42") == "42"
    with pytest.raises(UnknownIdError, match="ids here are integers, got 'x'"):
        Vocabulary.of([42]).parse("x")
