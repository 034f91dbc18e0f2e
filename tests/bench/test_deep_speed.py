"""The training benchmark: what all sides are given, draws that are fair, processes that take turns, failures told."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from bench.deep_speed import Trial, measure
from bench.epochs import Draws, Positives, graph, histories, windows

from bench import deep_speed
from honeyguide.models.deep.lightgcn import _Graph
from honeyguide.run import Run


def given(n_users: int = 30, n_items: int = 12) -> Positives:
    users, items = np.nonzero(np.random.default_rng(0).random((n_users, n_items)) < 0.3)
    return Positives(users.astype(np.int32), items.astype(np.int32), n_users, n_items)


def test_draws_are_uniform_over_what_a_person_lacks() -> None:
    pairs = given()
    have = histories(pairs)(np.array([4]))[0] > 0
    assert set(np.flatnonzero(have)) == set(pairs.items[pairs.users == 4])
    drawn = Draws(pairs, np.random.default_rng(1)).draw(np.full(2000, 4, np.int32), 3)
    assert drawn.shape == (2000, 3)
    counts = np.bincount(drawn.ravel(), minlength=12)
    assert not counts[have].any()
    expected = 6000 / (~have).sum()
    np.testing.assert_allclose(counts[~have], expected, atol=5 * expected**0.5)


def test_the_graph_written_by_hand_is_ours() -> None:
    pairs = given()
    rows, columns, weights = graph(pairs)
    ones = np.ones(len(pairs.users), np.float32)
    ours = _Graph.of(sp.csr_matrix((ones, (pairs.users, pairs.items)), shape=(30, 12)), 3, 4, Run())
    found = sp.csr_matrix((weights, (rows, columns)), shape=(42, 42)).toarray()
    expected = sp.csr_matrix((ours.weights, ours.indices, ours.indptr), shape=(42, 42)).toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_windows_are_the_last_events_and_those_after_them() -> None:
    users, items = np.repeat([0, 1, 3], [5, 1, 3]).astype(np.int32), np.array([4, 7, 1, 2, 9, 5, 3, 0, 6], np.int32)
    read, target = windows(Positives(users, items, 4, 10), 3)
    assert read.tolist() == [[7, 1, 2], [3, 0, -1]]
    assert target.tolist() == [[1, 2, 9], [0, 6, -1]]


def test_sides_take_turns_and_one_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = given()
    monkeypatch.setattr(deep_speed, "positives", lambda name: (pairs.users, pairs.items, (30, 12)))
    monkeypatch.setitem(deep_speed.SIDES, "deaf", "bench.rivals.inverse")  # which does not speak this protocol
    settings = {"batch": 32, "factors": 4, "layers": 2, "reg": 1e-4, "learning_rate": 1e-3}
    found = measure(
        Trial(network="lightgcn", data="tiny", settings=settings), ["ours", "deaf"], rounds=2, threads=1, seed=1
    )
    speed = found["sides"]["ours"]["thousand_samples_a_second"]
    assert 0 < speed["min"] <= speed["median"] <= speed["max"]
    assert found["sides"]["deaf"]["failure"].startswith("deaf ended (exit status 1): ")
    assert found["ratios"] == {}
    assert found["protocol"]["positives"] == len(pairs.users)
