"""Stochastic gradient descent on pairs of items that a person has and has not, a stratum of blocks at a time.

(Blocks: DSGD, Gemulla et al. 2011, doi:10.1145/2020408.2020426.) In every epoch people and items are dealt anew into
`parts` parts each. The blocks (p, (p + stratum) mod parts) share neither a person nor an item, and the item that a
person lacks is drawn from the item part of the one they have: threads never touch each other's vectors, and the result
does not depend on their number. The deal being random, so is the part; over epochs every item is drawn alike.

Within a block a person's events follow each other, so that the person's vector stays at hand and whether they have an
item is one look into an array. Time O(N F) an epoch, for warp times the draws; memory O(I) a call beside the arguments.
"""

from __future__ import annotations

import math

import numpy as np

from honeyguide.arrays import BoolArray, FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel, summing_kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # splitmix64 (Steele et al. 2014, doi:10.1145/2714064.2660195)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_HALF, _30, _27, _31 = np.uint64(32), np.uint64(30), np.uint64(27), np.uint64(31)


@kernel
def deal_events(
    start: int, stop: int, parts: int, people: IntArray, bounds: LongArray, firsts: LongArray, item_part: IntArray,
    indptr: LongArray, indices: IntArray, offsets: LongArray, users: IntArray, items: IntArray,
) -> None:  # fmt: skip
    """Sort the events of the people parts start … stop by the part of their item, those of a person together.

    people (U,) in the order dealt, part p being bounds[p] … bounds[p + 1] of it, its events from firsts[p] on;
    item_part (I,). Events come by person, indptr (U + 1,) and indices (N,), and leave as users and items (N,), block
    (p, q) beginning at offsets[p * parts + q].
    """
    ends = np.empty(parts + 1, np.int64)
    for part in range(start, stop):
        ends[:] = 0
        for user in people[bounds[part] : bounds[part + 1]]:
            for at in range(indptr[user], indptr[user + 1]):
                ends[item_part[indices[at]] + 1] += 1
        ends[0] = firsts[part]
        for other in range(parts):
            ends[other + 1] += ends[other]
            offsets[part * parts + other] = ends[other]
        for user in people[bounds[part] : bounds[part + 1]]:
            for at in range(indptr[user], indptr[user + 1]):
                item = indices[at]
                place = ends[item_part[item]]
                ends[item_part[item]] = place + 1
                users[place], items[place] = user, item


@summing_kernel
def step_pairs(
    start: int, stop: int, parts: int, stratum: int, offsets: LongArray, users: IntArray, items: IntArray,
    members: IntArray, bounds: LongArray, warp: bool, trials: int, learning_rate: float, reg: float, seed: np.uint64,
    left: FloatArray, right: FloatArray, bias: FloatArray,
) -> None:  # fmt: skip
    """Pass once over the blocks (p, (p + stratum) mod parts), p in start … stop; updates left, right and bias.

    offsets, users and items as `deal_events` left them; item part q is bounds[q] … bounds[q + 1] of members (I,). Each
    event (u, i) moves left_u (F,), right_i (F,), bias_i and those of an item j that u lacks against the gradient of

        loss(x_ui - x_uj) + reg (|left_u|^2 + |right_i|^2 + |right_j|^2 + bias_i^2 + bias_j^2) / 2

    with x_ui = left_u.right_i + bias_i. Whoever has the whole part is passed over in it.

    bpr     j any item, `trials` being 1; loss -ln sigmoid(x)
    warp    j the first of at most `trials` with x < 1; loss log(1 + rank) / log(I) (1 - x), the rank of i among the
            items being taken for (I - 1) / (draws that it took), rounded down; no step where none is found
    """
    u, held = np.empty(left.shape[1], np.float32), np.zeros(len(right), np.bool_)
    rate, keep = np.float32(learning_rate), np.float32(1.0 - learning_rate * reg)
    for part in range(start, stop):
        block, other = part * parts + (part + stratum) % parts, (part + stratum) % parts
        pool = members[bounds[other] : bounds[other + 1]]
        state = mixed(seed + np.uint64(block + 1) * GOLDEN)
        first, end = offsets[block], offsets[block + 1]
        while first < end:
            user, last = users[first], first
            while last < end and users[last] == user:
                held[items[last]] = True
                last += 1
            if last - first < len(pool):
                for k in range(len(u)):
                    u[k] = left[user, k]
                state = _descend(first, last, items, pool, held, warp, trials, rate, keep, state, u, right, bias)
                for k in range(len(u)):
                    left[user, k] = u[k]
            for at in range(first, last):
                held[items[at]] = False
            first = last


@summing_kernel
def _descend(
    first: int, last: int, items: IntArray, pool: IntArray, held: BoolArray, warp: bool, trials: int, rate: np.float32,
    keep: np.float32, state: np.uint64, u: FloatArray, right: FloatArray, bias: FloatArray,
) -> np.uint64:  # fmt: skip
    """The steps of a person's events first … last; the next state. (A call for each event would double the time.)"""
    for at in range(first, last):
        item = items[at]
        own = _score(item, u, right, bias)
        for trial in range(trials):
            rival, state = _draw(pool, held, state)
            step = rate * _slope(own - _score(rival, u, right, bias), warp, trial, len(right))
            if step > 0.0:
                for k in range(len(u)):
                    old, up, down = u[k], right[item, k], right[rival, k]
                    u[k] = keep * old + step * (up - down)
                    right[item, k] = keep * up + step * old
                    right[rival, k] = keep * down - step * old
                bias[item] = keep * bias[item] + step
                bias[rival] = keep * bias[rival] - step
                break
    return state


@summing_kernel
def fold_pairs(
    start: int, stop: int, indptr: LongArray, items: IntArray, members: IntArray, warp: bool, trials: int,
    learning_rate: float, reg: float, epochs: int, right: FloatArray, bias: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Vectors `out` of the rows start … stop: the same steps on a row's own events from 0, the items held fixed.

    The rate falls from learning_rate linearly to 0. Draws are the same for every row, so that a row's vector depends
    on its own events alone.
    """
    held = np.zeros(len(right), np.bool_)
    for row in range(start, stop):
        own, u, state = items[indptr[row] : indptr[row + 1]], out[row], GOLDEN
        u[:] = np.float32(0.0)
        if len(own) == len(members):
            continue
        for item in own:
            held[item] = True
        for epoch in range(epochs):
            rate = np.float32(learning_rate * (1.0 - epoch / epochs))
            keep = np.float32(1.0) - rate * np.float32(reg)
            for item in own:
                score = _score(item, u, right, bias)
                for trial in range(trials):
                    rival, state = _draw(members, held, state)
                    step = rate * _slope(score - _score(rival, u, right, bias), warp, trial, len(right))
                    if step > 0.0:
                        for k in range(len(u)):
                            u[k] = keep * u[k] + step * (right[item, k] - right[rival, k])
                        break
        for item in own:
            held[item] = False


@summing_kernel
def _score(item: int, u: FloatArray, right: FloatArray, bias: FloatArray) -> np.float32:
    score: np.float32 = bias[item]
    for k in range(len(u)):
        score += u[k] * right[item, k]
    return score


@summing_kernel
def _slope(x: np.float32, warp: bool, trial: int, n_items: int) -> np.float32:
    """Minus the slope of the loss in x, `trial` draws having failed; 0 where the next is to be tried."""
    if not warp:
        return np.float32(1.0) / (np.float32(1.0) + np.float32(np.exp(x)))
    if x >= np.float32(1.0):
        return np.float32(0.0)
    return np.float32(math.log(1.0 + (n_items - 1) // (trial + 1)) / math.log(max(n_items, 2)))


@kernel
def _draw(pool: IntArray, held: BoolArray, state: np.uint64) -> tuple[int, np.uint64]:
    """One of the pool that is not held, each as likely, and the next state; the pool must have one."""
    while True:
        state = state + GOLDEN
        item = pool[((mixed(state) >> _HALF) * np.uint64(len(pool))) >> _HALF]
        if not held[item]:
            return item, state


@kernel
def mixed(state: np.uint64) -> np.uint64:
    """The random number of a state."""
    mixed = (state ^ (state >> _30)) * _FIRST
    mixed = (mixed ^ (mixed >> _27)) * _SECOND
    return mixed ^ (mixed >> _31)
