"""Splits: every row in one part, leaks counted against plain loops, shares, times, and the errors."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.data.dataset import NO_TIME, Dataset, Positive, Schema
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, ParameterError
from honeyguide.split import Split, k_fold, split

KINDS = ("random", "per-person", "leave-last", "time", "cold-people", "cold-items")


def dataset(users: list[int], items: list[int], times: list[int] | None = None) -> Dataset:
    """Events with the row number as their value, so that a row can be told wherever it goes."""
    ids = Vocabulary.of(list(range(max(users) + 2))), Vocabulary.of(list(range(max(items) + 2)))
    schema = Schema(*ids, False, None, Positive(), pl.DataFrame())
    codes = np.array(users, np.int32), np.array(items, np.int32)
    values = np.arange(len(users), dtype=np.float32)
    return Dataset(schema, *codes, values, None if times is None else np.array(times, np.int64))


def random_dataset(seed: int, events: int = 400, *, people: int = 25, items: int = 30, moments: int = 50) -> Dataset:
    rng = np.random.default_rng(seed)
    return dataset(*(rng.integers(0, high, events).tolist() for high in (people, items, moments)))


def rows(part: Dataset) -> list[int]:
    return part.values.astype(int).tolist()


@given(seed=st.integers(0, 999), kind=st.sampled_from(KINDS), watched=st.booleans(), events=st.integers(30, 120))
@settings(max_examples=80, deadline=None)
def test_each_row_goes_to_exactly_one_part_in_the_order_of_the_file(
    seed: int, kind: str, watched: bool, events: int
) -> None:
    data = random_dataset(seed, events, people=8, items=9, moments=20)
    found = split(data, kind, test=0.2, validation=0.2 if watched else None, seed=seed)  # type: ignore[arg-type]
    assert sorted(row for part in found.parts.values() for row in rows(part)) == list(range(events))
    for part in found.parts.values():
        assert rows(part) == sorted(rows(part))
        assert part.schema is data.schema
        np.testing.assert_array_equal(part.users, data.users[rows(part)])
        np.testing.assert_array_equal(part.times, data.times[rows(part)])
    again = split(data, kind, test=0.2, validation=0.2 if watched else None, seed=seed)  # type: ignore[arg-type]
    assert [rows(part) for part in again] == [rows(part) for part in found]
    assert len(tuple(found)) == len(found) == (3 if watched else 2)


@pytest.mark.parametrize("kind", ["random", "per-person", "cold-people", "cold-items"])
def test_another_seed_gives_another_split(kind: str) -> None:
    data = random_dataset(0)
    one, other = (split(data, kind, seed=seed) for seed in (1, 2))  # type: ignore[arg-type]
    assert rows(one.test) != rows(other.test)


def test_random_takes_shares_of_all_events() -> None:
    train, validation, test = split(random_dataset(0, 1000), "random", test=0.2, validation=0.1)
    assert (len(train), len(validation), len(test)) == (700, 100, 200)


def test_per_person_takes_a_share_of_each_persons_events_and_leaves_one() -> None:
    data = dataset([0] * 10 + [1] * 5 + [2] * 2 + [3], list(range(18)))
    train, validation, test = split(data, "per-person", test=0.5, validation=0.4)
    counts = [np.bincount(part.users, minlength=4).tolist() for part in (train, validation, test)]
    assert counts == [[1, 1, 1, 1], [4, 1, 0, 0], [5, 3, 1, 0]]


def test_leave_last_takes_the_last_by_time_with_ties_in_the_order_of_the_file() -> None:
    #               row: 0  1  2  3  4  5   6  7   8
    data = dataset([0, 0, 0, 0, 0, 1, 1, 2, 0], [0, 1, 2, 3, 4, 0, 1, 0, 5], [9, 5, 5, 1, 9, 3, 2, 7, 5])
    # person 0 in time: 3, 1, 2, 8, 0, 4; person 1: 6, 5; person 2: 7
    found = split(data, "leave-last", leave=2, validation=0.1)
    assert rows(found.test) == [0, 4, 5]
    assert found.validation is not None
    assert rows(found.validation) == [2, 8]
    assert rows(found.train) == [1, 3, 6, 7]
    assert rows(split(data, "leave-last").test) == [4, 5]


def test_leave_last_of_events_without_times_takes_the_order_of_the_file() -> None:
    #         row: 0  1  2  3  4  5  6  7
    people, items = [1, 0, 1, 0, 0, 1, 0, 2], [0, 1, 2, 3, 4, 0, 1, 0]
    for times in (None, [NO_TIME] * 8, [7] * 8):
        found = split(dataset(people, items, times), "leave-last", validation=0.1)
        assert rows(found.test) == [5, 6]
        assert found.validation is not None
        assert rows(found.validation) == [2, 4]
        assert rows(found.train) == [0, 1, 3, 7]
    #   where some times are known, events without one come before the others
    assert rows(split(dataset([0] * 3, [0, 1, 2], [4, NO_TIME, NO_TIME]), "leave-last").test) == [0]


def test_time_cuts_at_one_moment_for_everybody() -> None:
    data = random_dataset(1, 1000, moments=500)
    train, validation, test = split(data, "time", test=0.2, validation=0.1)
    assert train.times.max() < validation.times.min() <= validation.times.max() < test.times.min()
    assert len(test) == pytest.approx(200, abs=4)
    assert len(validation) == pytest.approx(100, abs=4)


def test_time_never_divides_a_moment() -> None:
    data = dataset([0] * 10, list(range(10)), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2])
    assert rows(split(data, "time", test=0.01).test) == [5, 6, 7, 8, 9]
    with pytest.raises(
        DataError, match=r"split 'time' must leave events in every part, got none for training of 3 events"
    ):
        split(dataset([0, 1, 2], [0, 1, 2], [4, 4, 4]), "time")


def test_an_event_without_time_is_trained_on_by_time() -> None:
    found = split(dataset([0] * 5, list(range(5)), [NO_TIME, 3, 4, NO_TIME, 9]), "time", test=0.2)
    assert rows(found.test) == [4]
    assert found.audit.leaks["test"].future_of_all == 0


def test_cold_people_are_wholly_held_out_and_their_first_events_are_shown() -> None:
    data = random_dataset(2, 600, people=20)
    found = split(data, "cold-people", test=0.2, validation=0.1, history=0.5)
    assert found.validation is not None
    assert found.history is not None
    groups = [set(part.users.tolist()) for part in (found.train, found.validation, found.test)]
    assert [len(group) for group in groups] == [14, 2, 4]
    assert sum(len(group) for group in groups) == len(set().union(*groups))
    assert set(found.history.users.tolist()) == groups[1] | groups[2]
    for person in groups[2]:
        shown, asked = found.history.users == person, found.test.users == person
        assert abs(int(shown.sum()) - int(asked.sum())) <= 1
        assert found.history.times[shown].max() <= found.test.times[asked].min()
    assert split(data, "cold-people", history=0.0).history is None


def test_cold_items_are_wholly_held_out() -> None:
    train, test = split(random_dataset(3), "cold-items", test=0.2)
    assert len(np.unique(test.items)) == 6
    assert not set(train.items.tolist()) & set(test.items.tolist())


def test_k_fold_tests_each_event_once() -> None:
    data = random_dataset(4, 103)
    folds = k_fold(data, 5, seed=1)
    assert sorted(row for fold in folds for row in rows(fold.test)) == list(range(103))
    for fold in folds:
        assert sorted(rows(fold.train) + rows(fold.test)) == list(range(103))
        assert len(fold.test) in (20, 21)
    assert rows(k_fold(data, 5, seed=1)[0].test) == rows(folds[0].test)


def slow_leaks(found: Split) -> tuple[int, int, int, int, int, int]:
    """The leaks into the test part, in plain loops."""
    train = [(u, i, t) for u, i, t in zip(*(a.tolist() for a in columns(found.train)), strict=True)]
    test = [(u, i, t) for u, i, t in zip(*(a.tolist() for a in columns(found.test)), strict=True)]
    pairs = {(u, i) for u, i, _ in train}
    both = [(u, i) for u, i, _ in test if (u, i) in pairs]
    first = {u: min(t for v, _, t in test if v == u) for u, _, _ in test}
    return (
        len(set(both)),
        len(both),
        sum(t > first[u] for u, _, t in train if u in first),
        sum(t > min(first.values()) for _, _, t in train),
        len({u for u, _, _ in test} - {u for u, _, _ in train}),
        len({i for _, i, _ in test} - {i for _, i, _ in train}),
    )


def columns(data: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert data.times is not None
    return data.users, data.items, data.times


@pytest.mark.parametrize("kind", KINDS)
def test_the_audit_equals_plain_loops(kind: str) -> None:
    found = split(random_dataset(5, 200, people=12, items=40, moments=30), kind)  # type: ignore[arg-type]
    assert tuple(vars(found.audit.leaks["test"]).values()) == slow_leaks(found)


def test_the_audit_knows_a_clean_split_from_a_leaky_one() -> None:
    data = random_dataset(6)
    assert split(data, "time").audit.leaks["test"].future_of_all == 0
    assert split(data, "leave-last").audit.leaks["test"].future_of_person == 0
    assert (split(data, "random").audit.leaks["test"].future_of_person or 0) > 0
    assert split(dataset([0, 1] * 20, [0, 1] * 20), "random").audit.leaks["test"].future_of_all is None


def test_the_audit_as_text_and_as_plain_numbers() -> None:
    found = split(random_dataset(7), "random", test=0.25, validation=0.25)
    plain = found.audit.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert found.audit.sizes["train"].share == 0.5
    text = str(found.audit)
    assert "train" in text
    assert "100 events (25.0%)" in text
    assert "pairs also in training" in text
    assert repr(found) == "<Split random: train 200, validation 100, test 100>"


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        (
            "nope",
            {},
            r"split kind must be one of random, per-person, leave-last, time, cold-people, cold-items, got 'nope'\.",
        ),
        ("random", {"test": 1.5}, r"split test must be a share above 0 and below 1, got 1\.5\."),
        ("random", {"validation": 0.0}, r"split validation must be a share above 0 and below 1, got 0\.0\."),
        ("random", {"test": float("nan")}, r"split test must be a share above 0 and below 1, got nan\."),
        ("random", {"test": 0.5, "validation": 0.5}, r"must leave a share for training, got 0\.5 \+ 0\.5\."),
        ("cold-people", {"history": 1.0}, r"split history must be a share from 0 to below 1, got 1\.0\."),
        ("leave-last", {"leave": 0}, r"leave must be an integer >= 1, got 0\."),
        ("random", {"seed": -1}, r"seed must be an integer >= 0, got -1\."),
    ],
)
def test_what_breaks_a_rule_is_one_clear_line(kind: str, arguments: dict[str, float], text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        split(random_dataset(8), kind, **arguments)  # type: ignore[arg-type]


def test_a_cut_by_time_without_times_says_so() -> None:
    rule = r"split 'time' needs times, and these events have none: name their column \(time=\) or split 'random'\."
    with pytest.raises(DataError, match=rule):
        split(dataset([0, 0, 1], [0, 1, 2]), "time")
    with pytest.raises(DataError, match="needs times"):
        split(dataset([0, 0, 1], [0, 1, 2], [NO_TIME] * 3), "time")


def test_a_part_that_would_be_empty_is_refused() -> None:
    rule = r"split 'random' must leave events in every part, got none for test of 3 events: choose other shares"
    with pytest.raises(DataError, match=rule):
        split(dataset([0, 0, 1], [0, 1, 2]), "random", test=0.01)
    with pytest.raises(ParameterError, match=r"folds must be at most the number of events, 3 here, got 4\."):
        k_fold(dataset([0, 0, 1], [0, 1, 2]), 4)
