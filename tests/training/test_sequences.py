"""Every event after the first is foretold once an epoch, from those just before it, in rows that are nearly full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.training.sequences import NextEvents


def histories(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Events whose codes are their numbers among all events."""
    indptr = np.append(0, np.cumsum(counts)).astype(np.int64)
    return indptr, np.arange(indptr[-1], dtype=np.int32)


@given(st.lists(st.integers(0, 23), min_size=1, max_size=20), st.integers(1, 9), st.integers(1, 40), st.integers(0, 99))
@settings(deadline=None, max_examples=80)
def test_each_event_after_the_first_is_a_target_once(counts: list[int], length: int, events: int, seed: int) -> None:
    indptr, items = histories(counts)
    terms = NextEvents(indptr, items, length=length, events=events)
    batches = list(terms.epoch(np.random.default_rng(seed)))
    owner = np.repeat(np.arange(len(counts)), counts)
    targets, total = [], 0.0
    for batch in batches:
        assert {array.shape for array in batch.values()} == {(terms.rows, terms.width)}
        real = batch["weight"] > 0
        targets += batch["target"][real].tolist()
        total += float(batch["weight"].sum())
        assert (batch["target"][real] == batch["item"][real] + 1).all()
        assert not batch["place"][~real].any()
        assert not batch["left"][~real].any()
        for row, at in zip(*np.nonzero(real), strict=True):
            place, item = batch["place"][row, at], batch["item"][row, at]
            assert owner[item] == owner[item + 1]
            window = slice(at - place, at + 1)  # the events of the window so far lie just before it
            np.testing.assert_array_equal(batch["item"][row, window], np.arange(item - place, item + 1))
            np.testing.assert_array_equal(batch["place"][row, window], np.arange(place + 1))
            left = batch["left"][row, at]
            assert (batch["left"][row, window] == left + place - np.arange(place + 1)).all()  # less by one each time
            assert real[row, at : at + left + 1].all()
            assert (batch["place"][row, at : at + left + 1] == place + np.arange(left + 1)).all()
            after = at + left + 1  # the window ends where none are left
            assert after == terms.width or not batch["place"][row, after]
            assert real[row, window].all()
            assert place < length
    assert sorted(targets) == [event for event in range(len(items)) if event not in set(indptr.tolist())]
    if targets:
        assert np.isclose(total, len(batches))


def test_a_history_that_fits_is_never_cut_and_a_long_one_is_cut_anywhere() -> None:
    terms = NextEvents(*histories([10, 31]), length=9, events=1000)
    firsts = []
    for seed in range(60):
        (batch,) = terms.epoch(np.random.default_rng(seed))
        begins = batch["item"][(batch["place"] == 0) & (batch["weight"] > 0)]
        assert (begins < 10).sum() == 1
        long = np.sort(begins[begins >= 10])
        assert (np.diff(long)[1:] == 9).all()
        firsts.append(int(long[1]) - 10)
    assert set(firsts) == set(range(1, 10))


def test_rows_are_nearly_full_and_a_batch_foretells_what_was_asked() -> None:
    counts = np.random.default_rng(0).geometric(0.15, 4000) + 1
    terms = NextEvents(*histories(counts.tolist()), length=50, events=1000)
    batches = list(terms.epoch(np.random.default_rng(1)))
    full = [int((batch["weight"] > 0).sum()) for batch in batches[:-1]]
    assert terms.rows == 20
    assert np.mean(full) > 950
    assert abs(len(batches) - terms.steps()) <= 2


def test_a_seed_repeats_an_epoch_and_epochs_differ() -> None:
    terms = NextEvents(*histories([7, 30, 4, 9] * 5), length=8, events=40)
    one, two = (list(terms.epoch(np.random.default_rng(3))) for _ in range(2))
    for left, right in zip(one, two, strict=True):
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])
    other = list(terms.epoch(np.random.default_rng(4)))
    assert any((left["item"] != right["item"]).any() for left, right in zip(one, other, strict=False))


def test_what_is_omitted_is_drawn_for_each_history_and_the_rest_is_read_in_order() -> None:
    counts = [1, 2, 400, 3, 400]
    indptr, items = histories(counts)
    terms = NextEvents(indptr, items, length=1000, events=10_000, omit=0.8)
    shares: list[float] = []
    for seed in range(60):
        batches = list(terms.epoch(np.random.default_rng(seed)))
        weight = np.concatenate([batch["weight"].ravel() for batch in batches])
        assert np.isclose(weight.sum(), len(batches))
        for batch in batches:
            assert batch["item"].shape == (terms.rows, terms.width)
            for row, at in np.argwhere((batch["left"] == 0) & (batch["weight"] > 0)):
                window = slice(at - batch["place"][row, at], at + 1)
                read = np.append(batch["item"][row, window], batch["target"][row, at])
                assert (np.diff(read) > 0).all()
                owner = int(np.searchsorted(indptr, read[0], side="right")) - 1
                assert indptr[owner] <= read[0] < read[-1] == indptr[owner + 1] - 1  # the last is always there
                np.testing.assert_array_equal(batch["target"][row, window], read[1:])
                if counts[owner] == 400:
                    shares.append(1 - len(read) / 400)
    assert min(shares) < 0.08
    assert 0.7 < max(shares) < 0.87
    assert np.mean(shares) == pytest.approx(0.4, abs=0.06)


def test_batches_are_as_many_as_said_where_events_are_omitted() -> None:
    counts = np.random.default_rng(0).geometric(0.1, 4000)
    terms = NextEvents(*histories(counts.tolist()), length=50, events=1000, omit=0.5)
    for seed in range(3):
        assert abs(sum(1 for _ in terms.epoch(np.random.default_rng(seed))) - terms.steps()) <= 2
