"""Negatives are never positives and are uniform; batches hold every pair once; sampling equals the whole on average."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.training.sampling import Negatives, Pointwise, shuffled


def some(n_users: int, n_items: int, density: float, seed: int = 0) -> sp.csr_matrix:
    """Random targets in (0, 1], the first three people with nothing, everything, and everything but one item."""
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((n_users, n_items)) < density, rng.uniform(0.1, 1.0, (n_users, n_items)), 0.0)
    dense[0], dense[1], dense[2] = 0.0, 1.0, 1.0
    dense[2, n_items // 2] = 0.0
    return sp.csr_matrix(dense.astype(np.float32))


def test_a_negative_is_never_held_and_every_lack_is_as_likely() -> None:
    have = some(12, 30, 0.6)
    drawn = Negatives(have).draw(np.arange(12), 20_000, np.random.default_rng(1))
    dense = have.toarray() > 0
    for user in range(12):
        lacking = np.flatnonzero(~dense[user])
        if not len(lacking):
            assert (drawn[user] == -1).all()
            continue
        counts = np.bincount(drawn[user], minlength=30)
        assert not counts[dense[user]].any()
        expected = 20_000 / len(lacking)
        assert (np.abs(counts[lacking] - expected) < 5 * np.sqrt(expected)).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 6), st.integers(1, 9), st.floats(0, 1), st.integers(0, 1000))
def test_a_negative_is_never_held_on_any_shape(n_users: int, n_items: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.random((n_users, n_items)) < density
    users = rng.integers(0, n_users, 50)
    drawn = Negatives(sp.csr_matrix(dense.astype(np.float32))).draw(users, 3, rng)
    full = dense[users].all(axis=1)
    assert (drawn[full] == -1).all()
    assert ((drawn[~full] >= 0) & (drawn[~full] < n_items)).all()
    assert not dense[users[~full, None], drawn[~full]].any()


def test_stored_zeros_count_as_held() -> None:
    have = sp.csr_matrix((np.zeros(2, np.float32), np.array([0, 2]), np.array([0, 2])), shape=(1, 3))
    assert set(Negatives(have).draw(np.zeros(100, np.int64), 1, np.random.default_rng(0)).ravel()) == {1}


@pytest.mark.parametrize(("count", "size"), [(10, 4), (8, 4), (3, 8), (1, 1)])
def test_shuffled_batches_hold_everything_once_in_one_shape(count: int, size: int) -> None:
    batches = list(shuffled(count, size, np.random.default_rng(0)))
    assert {rows.shape for rows, _ in batches} == {(size,)}
    kept = np.concatenate([rows[weight > 0] for rows, weight in batches])
    np.testing.assert_array_equal(np.sort(kept), np.arange(count))
    assert {w for _, weight in batches for w in weight} <= {0.0, 1.0}


def sums(
    terms: Pointwise, size: int, rng: np.random.Generator, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(weights, weights * targets) of each pair (U, I) that an epoch counts."""
    weights, targets = np.zeros(shape), np.zeros(shape)
    steps = 0
    for batch in terms.epoch(size, rng):
        users = np.broadcast_to(batch["user"][:, None], batch["item"].shape)
        np.add.at(weights, (users, batch["item"]), batch["weight"])
        np.add.at(targets, (users, batch["item"]), batch["weight"] * batch["target"])
        steps += 1
    assert steps == terms.steps(size)
    return weights, targets


@pytest.mark.parametrize("n_items", [7, 16, 37])
def test_all_counts_every_pair_once_with_its_target(n_items: int) -> None:
    known = some(9, n_items, 0.3)
    terms = Pointwise(known, negatives="all")
    weights, targets = sums(terms, 5, np.random.default_rng(0), known.shape)
    np.testing.assert_array_equal(weights, 1.0)
    np.testing.assert_allclose(targets, known.toarray())
    assert terms.total == weights.sum()


def test_reweighted_sampling_counts_every_pair_once_on_average() -> None:
    known = some(9, 12, 0.3)
    terms, rng = Pointwise(known, negatives=3, reweight=True), np.random.default_rng(0)
    many = [sums(terms, 5, rng, known.shape) for _ in range(600)]
    weights = np.array([weight for weight, _ in many])
    error = weights.std(axis=0) / np.sqrt(len(many))
    assert (np.abs(weights.mean(axis=0) - 1.0) <= 5 * error + 1e-5).all()
    for _, targets in many[:3]:
        np.testing.assert_allclose(targets, known.toarray(), rtol=1e-6)
    assert terms.total == known.shape[0] * known.shape[1]


def test_plain_sampling_counts_each_drawn_pair_once() -> None:
    known = some(9, 12, 0.3)
    terms = Pointwise(known, negatives=3)
    weights, _ = sums(terms, 5, np.random.default_rng(0), known.shape)
    held = np.diff(known.indptr)
    np.testing.assert_array_equal(weights[known.toarray() > 0], 1.0)
    np.testing.assert_array_equal(weights.sum(axis=1), held * np.where(held < 12, 4, 1))
    assert terms.total == weights.sum()


def test_without_negatives_a_row_is_one_known_pair() -> None:
    known = some(9, 12, 0.3)
    (batch,) = list(Pointwise(known, negatives=0).epoch(known.nnz, np.random.default_rng(0)))
    assert batch["item"].shape == (known.nnz, 1)
    assert Pointwise(known, negatives=0).total == known.nnz
