"""Profiles against a slow plain loop, and slices against whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from honeyguide.data.dataset import Dataset

Make = Callable[..., Dataset]
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.sampled_from([-1.0, 0.5, 3.5, 4.0]), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


@given(ROWS, st.booleans())
def test_matrix_and_positives_are_those_of_a_plain_loop(
    make: Make, rows: list[tuple[int, int, float, int]], explicit: bool
) -> None:
    data = make(rows, explicit=explicit, positive=">=3.5")
    values = np.zeros((data.n_users, data.n_items), dtype=np.float32)
    liked = np.zeros_like(values)
    users, items = data.schema.users.series().to_list(), data.schema.items.series().to_list()
    for user, item, value, _ in sorted(rows, key=lambda row: row[3]):  # a stable sort: ties as in the file
        cell = users.index(user), items.index(item)
        values[cell] = value if explicit else values[cell] + value
        liked[cell] = value >= 3.5 if explicit else max(liked[cell], value >= 3.5)
    np.testing.assert_allclose(data.matrix().toarray(), values)
    np.testing.assert_array_equal(data.positives().toarray(), liked)
    assert set(data.positives().data) <= {1.0}


@given(ROWS, st.lists(st.integers(0, 4), max_size=6), st.data())
def test_taking_rows_is_taking_rows_of_the_matrix(
    make: Make, rows: list[tuple[int, int, float, int]], picks: list[int], draw: st.DataObject
) -> None:
    data = make(rows)
    whole = data.matrix().toarray()
    picked = [pick % data.n_users for pick in picks]
    np.testing.assert_array_equal(data.profiles(np.array(picked, dtype=np.int64)).matrix().toarray(), whole[picked])
    cut = draw.draw(st.slices(data.n_users).filter(lambda s: s.step in (None, 1)))
    np.testing.assert_array_equal(data.profiles().take(cut).matrix().toarray(), whole[cut])
    keep = data.profiles().values > 0
    assert (data.profiles().where_events(keep).matrix().toarray() >= 0).all()


def test_events_are_in_time_order_with_ties_as_in_the_file(make: Make) -> None:
    data = make([("u", "c", 1, 5), ("u", "a", 2, 3), ("u", "b", 3, 3), ("v", "a", 4, 1)])
    profile = data.profiles(np.array([0]))
    assert data.schema.items.decode(profile.items).to_list() == ["a", "b", "c"]
    assert profile.times is not None
    assert profile.times.tolist() == [3, 3, 5]


def test_whoever_has_no_event_is_not_known(make: Make) -> None:
    data = make([("u", "a", 1, 1), ("v", "b", 2, 2)]).take(np.array([1]))
    assert data.profiles().known.tolist() == [-1, 1]


def test_latest_are_the_events_that_ratings_come_from(make: Make) -> None:
    rows = [("v", "b", 1.0, 7), ("u", "a", 2.0, 9), ("u", "b", 3.0, 1), ("u", "a", 4.0, 9), ("u", "b", 5.0, 0)]
    profiles = make(rows).profiles()
    assert profiles.values[profiles.latest()].tolist() == profiles.matrix().data.tolist() == [4.0, 3.0, 1.0]
    assert profiles.times is not None
    assert profiles.times[profiles.latest()].tolist() == [9, 1, 7]
    assert profiles.take([]).latest().tolist() == []
