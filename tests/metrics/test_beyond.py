"""Coverage, Gini, novelty and popularity lift against plain loops and extreme cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from honeyguide.metrics import beyond
from honeyguide.metrics.beyond import Popularity


def pairwise_gini(amounts: list[int]) -> float:
    """Half the mean absolute difference over the mean, the definition of Gini's coefficient."""
    n, total = len(amounts), sum(amounts)
    return sum(abs(a - b) for a in amounts for b in amounts) / (2 * n * total)


def test_gini_equals_the_pairwise_definition() -> None:
    rng = np.random.default_rng(0)
    lists = rng.integers(-1, 12, (30, 5)).astype(np.int32)
    counts = [int((lists[:, :4] == item).sum()) for item in range(15)]
    got = beyond.gini(lists, Popularity(np.zeros(15, np.int64), 0), k=4)
    assert got == pytest.approx(pairwise_gini(counts))


def test_gini_at_the_ends() -> None:
    popularity = Popularity(np.ones(10, np.int64), 1)
    same = np.tile(np.array([[3]], np.int32), (20, 1))
    each = np.arange(10, dtype=np.int32)[:, None]
    assert beyond.gini(same, popularity, k=1) == pytest.approx(0.9)  # 1 - 1 / I
    assert beyond.gini(each, popularity, k=1) == pytest.approx(0.0)
    assert math.isnan(beyond.gini(np.full((4, 2), -1, np.int32), popularity, k=2))


def test_coverage_counts_items_of_the_first_k_places_only() -> None:
    lists = np.array([[0, 1, 2], [1, 0, 3], [-1, -1, -1]], np.int32)
    popularity = Popularity(np.ones(8, np.int64), 1)
    assert beyond.coverage(lists, popularity, k=2) == 2 / 8
    assert beyond.coverage(lists, popularity, k=3) == 4 / 8


def test_novelty_is_bits_of_surprise_and_skips_empty_places() -> None:
    popularity = Popularity(np.array([8, 4, 1, 0]), 8)
    lists = np.array([[0, 1], [2, -1], [3, -1], [-1, -1]], np.int32)
    got = beyond.novelty(lists, popularity, k=2)
    np.testing.assert_allclose(got, [(0 + 1) / 2, 3.0, 3.0, np.nan])


def test_popularity_lift_of_what_people_have_is_one() -> None:
    counts = np.array([5, 3, 1, 1])
    had = np.repeat(np.arange(4), counts).astype(np.int32)[:, None]  # one list an event
    lift = beyond.popularity_lift(had, Popularity(counts, 5), k=1)
    assert lift.mean() == pytest.approx(1.0)
    assert lift[0] == pytest.approx(5 / (36 / 10))
