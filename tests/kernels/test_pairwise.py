"""Steps on pairs against the gradient by differences and a plain loop that draws the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from honeyguide.kernels.pairwise import _draw, deal_events, fold_pairs, step_pairs
from honeyguide.run import Run

PARTS, USERS, ITEMS, WIDTH = 3, 26, 31, 5
GOLDEN, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
LOSSES = pytest.mark.parametrize(("warp", "trials"), [(False, 1), (True, 6)], ids=["bpr", "warp"])


def dealt(seed: int = 0, *, threads: int = 1) -> dict[str, Any]:
    """Events of USERS people in blocks, and vectors to begin from; person 3 has every item, person 4 none."""
    rng = np.random.default_rng(seed)
    have = rng.random((USERS, ITEMS)) < 0.3
    have[3], have[4] = True, False
    indptr = np.concatenate([[0], np.cumsum(have.sum(axis=1))]).astype(np.int64)
    indices = np.nonzero(have)[1].astype(np.int32)
    people, members = (rng.permutation(n).astype(np.int32) for n in (USERS, ITEMS))
    user_bounds, item_bounds = (np.arange(PARTS + 1) * n // PARTS for n in (USERS, ITEMS))
    item_part = np.empty(ITEMS, np.int32)
    item_part[members] = np.repeat(np.arange(PARTS), np.diff(item_bounds))
    firsts = np.concatenate([[0], np.cumsum(np.diff(indptr)[people])])[user_bounds]
    offsets = np.full(PARTS**2 + 1, len(indices), np.int64)
    users, items = np.empty_like(indices), np.empty_like(indices)
    Run(threads=threads).map(
        deal_events, PARTS, PARTS, people, user_bounds, firsts, item_part, indptr, indices, offsets, users, items,
        block=1,
    )  # fmt: skip
    return {
        "have": have, "indptr": indptr, "indices": indices, "people": people, "user_bounds": user_bounds,
        "item_part": item_part, "members": members, "bounds": item_bounds, "offsets": offsets, "users": users,
        "items": items, "left": rng.normal(0, 0.5, (USERS, WIDTH)).astype(np.float32),
        "right": rng.normal(0, 0.5, (ITEMS, WIDTH)).astype(np.float32),
        "bias": rng.normal(0, 0.5, ITEMS).astype(np.float32),
    }  # fmt: skip


def epoch(given: dict[str, Any], warp: bool, trials: int, *, threads: int = 1) -> list[np.ndarray]:
    found = [given[name].copy() for name in ("left", "right", "bias")]
    blocks = [given[name] for name in ("offsets", "users", "items", "members", "bounds")]
    for stratum in range(PARTS):
        Run(threads=threads).map(
            step_pairs, PARTS, PARTS, stratum, *blocks, warp, trials, 0.1, 0.03, np.uint64(7), *found, block=1
        )
    return found


def mixed(state: int) -> int:
    """splitmix64, in Python's integers."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & MASK
    return state ^ (state >> 31)


class Plain:
    """The same steps, an event at a time in float64, the negative checked against all that the person has."""

    def __init__(self, given: dict[str, Any], warp: bool, trials: int) -> None:
        self.have, self.warp, self.trials = given["have"], warp, trials
        self.left, self.right, self.bias = (given[n].astype(np.float64) for n in ("left", "right", "bias"))

    def draw(self, user: int, pool: list[int], state: int) -> tuple[int, int]:
        while True:
            state = (state + GOLDEN) & MASK
            item = pool[(mixed(state) >> 32) * len(pool) >> 32]
            if not self.have[user, item]:
                return item, state

    def find(self, user: int, item: int, pool: list[int], u: np.ndarray, state: int) -> tuple[int, float, int]:
        """The rival, minus the slope of the loss in x, the next state."""
        for draws in range(1, self.trials + 1):
            rival, state = self.draw(user, pool, state)
            x = u @ (self.right[item] - self.right[rival]) + self.bias[item] - self.bias[rival]
            if not self.warp:
                return rival, 1.0 / (1.0 + np.exp(x)), state
            if x < 1.0:
                return rival, np.log(1.0 + (ITEMS - 1) // draws) / np.log(ITEMS), state
        return rival, 0.0, state


@LOSSES
def test_an_epoch_is_that_of_a_plain_loop(warp: bool, trials: int) -> None:
    given, skipped, idle = dealt(), 0, 0
    plain = Plain(given, warp, trials)
    left, right, bias = plain.left, plain.right, plain.bias
    for stratum in range(PARTS):
        for part in range(PARTS):
            other = (part + stratum) % PARTS
            block = part * PARTS + other
            pool = given["members"][given["bounds"][other] : given["bounds"][other + 1]].tolist()
            state = mixed((7 + (block + 1) * GOLDEN) & MASK)
            for at in range(given["offsets"][block], given["offsets"][block + 1]):
                user, item = given["users"][at], given["items"][at]
                if given["have"][user, pool].all():
                    skipped += 1
                    continue
                u, up = left[user].copy(), right[item].copy()
                rival, slope, state = plain.find(user, item, pool, u, state)
                if slope == 0.0:
                    idle += 1
                    continue
                down = right[rival].copy()
                left[user] += 0.1 * (slope * (up - down) - 0.03 * u)
                right[item] += 0.1 * (slope * u - 0.03 * up)
                right[rival] += 0.1 * (-slope * u - 0.03 * down)
                bias[item] += 0.1 * (slope - 0.03 * bias[item])
                bias[rival] += 0.1 * (-slope - 0.03 * bias[rival])
    assert skipped >= ITEMS
    assert (idle > 0) == warp
    for found, expected in zip(epoch(given, warp, trials), (left, right, bias), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


@LOSSES
def test_a_step_goes_down_the_gradient_by_differences(warp: bool, trials: int) -> None:
    rng = np.random.default_rng(4)
    before = [rng.normal(0, 0.4, shape).astype(np.float32) for shape in ((1, WIDTH), (2, WIDTH), (2,))]
    before[2][:] = 0.3, 0.1
    one = np.array([0, 1], np.int64), np.zeros(1, np.int32), np.zeros(1, np.int32)
    pool = np.array([0, 1], np.int32), np.array([0, 2], np.int64)
    after, rate, reg = [array.copy() for array in before], 1e-2, 0.2
    step_pairs(0, 1, 1, 0, *one, *pool, warp, trials, rate, reg, np.uint64(1), *after)  # the person has item 0 alone

    def loss(flat: np.ndarray) -> float:
        u, better, worse, (own, rival) = flat[:WIDTH], flat[WIDTH:-7], flat[-7:-2], flat[-2:]
        x = u @ better + own - u @ worse - rival
        assert x < 1.0
        main = np.log(1 + 1) / np.log(2) * (1.0 - x) if warp else np.log1p(np.exp(-x))
        return float(main + reg / 2 * (flat**2).sum())

    flat = np.concatenate([array.ravel() for array in before]).astype(np.float64)
    slope = [(loss(flat + h) - loss(flat - h)) / 2e-5 for h in 1e-5 * np.eye(len(flat))]
    moved = np.concatenate([(new - old).ravel() for new, old in zip(after, before, strict=True)])
    np.testing.assert_allclose(moved, -rate * np.array(slope), atol=1e-6)


@LOSSES
def test_threads_do_not_change_a_bit(warp: bool, trials: int) -> None:
    one, two = (epoch(dealt(1, threads=n), warp, trials, threads=n) for n in (1, 2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


def test_blocks_hold_the_events_of_their_parts() -> None:
    given, seen = dealt(2), set()
    user_part = np.empty(USERS, int)
    user_part[given["people"]] = np.repeat(np.arange(PARTS), np.diff(given["user_bounds"]))
    for part in range(PARTS):
        for other in range(PARTS):
            at = slice(*given["offsets"][part * PARTS + other :][:2])
            users, items = given["users"][at], given["items"][at]
            assert (user_part[users] == part).all()
            assert (given["item_part"][items] == other).all()
            assert (np.diff(users) != 0).sum() + 1 == len(np.unique(users))  # a person's events follow each other
            seen |= set(zip(users.tolist(), items.tolist(), strict=True))
    assert seen == set(zip(*(each.tolist() for each in np.nonzero(given["have"])), strict=True))
    assert len(given["users"]) == given["have"].sum()


def test_every_item_that_is_lacking_is_drawn_alike() -> None:
    pool, held = np.arange(3, 13, dtype=np.int32), np.zeros(20, bool)
    held[[4, 5, 11]] = True
    state, counts = 5, np.zeros(20, int)
    for _ in range(14_000):
        item, state = _draw(pool, held, np.uint64(state))
        counts[item] += 1
    assert counts[held].sum() == counts[:3].sum() == counts[13:].sum() == 0
    assert np.abs(counts[[3, 6, 7, 8, 9, 10, 12]] - 2000).max() < 5 * 2000**0.5


@LOSSES
def test_folding_is_a_plain_loop_over_a_persons_own_events(warp: bool, trials: int) -> None:
    given, epochs = dealt(3), 4
    plain, members = Plain(given, warp, trials), np.arange(ITEMS, dtype=np.int32)
    expected = np.zeros((USERS, WIDTH))
    for user in range(USERS):
        u, state = expected[user], GOLDEN
        for at in range(epochs if not given["have"][user].all() else 0):
            rate = 0.2 * (1 - at / epochs)
            for item in np.flatnonzero(given["have"][user]):
                rival, slope, state = plain.find(user, int(item), members.tolist(), u, state)
                if slope > 0.0:
                    u += rate * (slope * (plain.right[item] - plain.right[rival]) - 0.03 * u)
    found = np.full((USERS, WIDTH), 9.0, np.float32)
    fixed = given["indptr"], given["indices"], members, warp, trials, 0.2, 0.03, epochs, given["right"], given["bias"]
    Run(threads=2).map(fold_pairs, USERS, *fixed, found, block=5)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (found[[3, 4]] == 0).all()
    assert np.abs(found[5:]).min(axis=1).max() > 0.01
