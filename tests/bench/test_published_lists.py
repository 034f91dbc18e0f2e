"""The published protocols: who and what is hidden."""

from __future__ import annotations

import numpy as np
import pytest
from bench.published_lists import PROTOCOLS, carve

from honeyguide.data.dataset import Dataset


def pairs(*parts: Dataset) -> list[tuple[int, int]]:
    return sorted(pair for data in parts for pair in zip(data.users.tolist(), data.items.tolist(), strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_event_is_trained_on_or_tested(protocol: str, ratings: Dataset) -> None:
    train, test = carve(ratings, protocol, seed=3)
    assert len(test) > 0
    assert pairs(train, test) == pairs(ratings)
    assert pairs(carve(ratings, protocol, seed=3)[1]) == pairs(test)
    assert pairs(carve(ratings, protocol, seed=4)[1]) != pairs(test)


def test_half_of_the_items_of_a_fifth_of_the_people_are_hidden(ratings: Dataset) -> None:
    _, test = carve(ratings, "half-hidden", seed=0)
    whole = np.bincount(ratings.users, minlength=ratings.n_users)
    hidden = np.bincount(test.users, minlength=ratings.n_users)
    chosen = np.flatnonzero(hidden)
    assert len(chosen) == round(0.2 * np.count_nonzero(whole))
    np.testing.assert_array_equal(hidden[chosen], whole[chosen] // 2)
    places = np.concatenate([np.isin(rows, test.items[test.users == u]) for u, rows in halves(ratings, chosen)])
    assert 0.2 < places.mean() < 0.8  # of the earlier half of each one's events about half is hidden, not all or none


def halves(data: Dataset, users: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The items of the first half of each one's events in the file."""
    found = [(int(u), data.items[data.users == u]) for u in users]
    return [(u, items[: len(items) // 2]) for u, items in found]
