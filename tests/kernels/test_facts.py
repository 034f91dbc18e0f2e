"""Steps on facts against the gradient by differences and a plain loop that draws the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from honeyguide.kernels.facts import _holds, key, step_facts

NODES, RELATIONS, WIDTH = 14, 3, 4
GOLDEN, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def mixed(state: int) -> int:
    """splitmix64, in Python's integers."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & MASK
    return state ^ (state >> 31)


def given(seed: int = 0) -> dict[str, Any]:
    """Facts of three relations, the last with no heads to draw from; node 13 is head of every tail of the last."""
    rng = np.random.default_rng(seed)
    facts = {(int(h), int(r), int(t)) for h, r, t in rng.integers(0, [10, 2, 10], (24, 3)) if h != t}
    facts |= {(int(h), 2, int(t)) for h, t in zip(rng.integers(10, 13, 8), rng.integers(0, 8, 8), strict=True)}
    facts |= {(13, 2, t) for t in range(8)}
    heads, relations, tails = np.array(sorted(facts), np.int32).T.copy()
    pools: list[int] = []
    bounds = np.zeros((RELATIONS, 3), np.int64)
    for r in range(RELATIONS):
        bounds[r, 0] = len(pools)
        pools += sorted({t for _, q, t in facts if q == r})
        bounds[r, 1] = len(pools)
        pools += sorted({h for h, q, _ in facts if q == r}) if r < 2 else []
        bounds[r, 2] = len(pools)
    keys = np.sort([key(h, r, t, NODES, RELATIONS) for h, r, t in facts]).astype(np.int64)
    return {
        "facts": facts, "heads": heads, "relations": relations, "tails": tails, "keys": keys,
        "pools": np.array(pools, np.int32), "bounds": bounds, "weights": np.array([0.5, 0.2, 1.0], np.float32),
        "nodes": rng.normal(0, 0.7, (NODES, WIDTH)).astype(np.float32),
        "moves": rng.normal(0, 0.7, (RELATIONS, WIDTH)).astype(np.float32),
        "order": rng.permutation(len(facts)),
    }  # fmt: skip


def false_of(data: dict[str, Any], place: int, seed: int) -> tuple[bool, int]:
    """Whether another head is drawn, and which node; -1 for none."""
    at = data["order"][place]
    h, r, t = (int(data[name][at]) for name in ("heads", "relations", "tails"))
    state = mixed((seed + (place + 1) * GOLDEN) & MASK)
    first, middle, last = data["bounds"][r]
    turn = bool(last - middle > 1 and state & 1)
    pool = data["pools"][middle:last] if turn else data["pools"][first:middle]
    for _ in range(20):
        state = (state + GOLDEN) & MASK
        drawn = int(pool[((mixed(state) >> 32) * len(pool)) >> 32])
        if ((drawn, r, t) if turn else (h, r, drawn)) not in data["facts"] and drawn not in (h, t):
            return turn, drawn
    return turn, -1


def value(nodes: np.ndarray, moves: np.ndarray, fact: tuple[int, int, int], turn: bool, other: int) -> float:
    h, r, t = fact
    h2, t2 = (other, t) if turn else (h, other)
    return float((nodes[h] + moves[r]) @ nodes[t] - (nodes[h2] + moves[r]) @ nodes[t2])


def loss(nodes: np.ndarray, moves: np.ndarray, fact: tuple[int, int, int], turn: bool, other: int, reg: float) -> float:
    """What a step descends, weight left out, as the docstring writes it."""
    h, r, t = fact
    squares = sum(float(nodes[at] @ nodes[at]) for at in (h, t, other)) + (0.0 if turn else float(moves[r] @ moves[r]))
    return float(np.log1p(np.exp(-value(nodes, moves, fact, turn, other)))) + reg * squares / 2


def run(data: dict[str, Any], rate: float, reg: float, seed: int, count: int) -> tuple[list[np.ndarray], float]:
    arrays = [data["nodes"].copy(), data["moves"].copy(), np.zeros(NODES, np.float32), np.zeros(RELATIONS, np.float32)]
    names = "order", "heads", "relations", "tails", "keys", "pools", "bounds", "weights"
    return arrays, step_facts(0, count, *(data[n] for n in names), rate, reg, np.uint64(seed), *arrays)


def differences(function: Any, array: np.ndarray) -> np.ndarray:
    out = np.zeros_like(array)
    for at in np.ndindex(array.shape):
        for sign in (1.0, -1.0):
            array[at] += sign * 1e-5
            out[at] += sign * function() / 2e-5
            array[at] -= sign * 1e-5
    return out


def test_a_pass_descends_the_gradient_by_differences() -> None:
    data, rate, reg, seed = given(), 0.05, 0.03, 7
    nodes, moves = data["nodes"].astype(np.float64), data["moves"].astype(np.float64)
    sums = np.zeros(NODES), np.zeros(RELATIONS)
    total, turns, idle = 0.0, 0, 0
    for place in range(len(data["order"])):
        at = data["order"][place]
        fact = tuple(int(data[name][at]) for name in ("heads", "relations", "tails"))
        turn, other = false_of(data, place, seed)
        turns, idle = turns + turn, idle + (other < 0)
        if other < 0:
            continue
        total += loss(nodes, moves, fact, turn, other, 0.0)
        steps = []
        for array, own in ((nodes, sums[0]), (moves, sums[1])):
            plain = differences(lambda n=None: loss(nodes, moves, fact, turn, other, 0.0), array)  # noqa: B023
            whole = differences(lambda n=None: loss(nodes, moves, fact, turn, other, reg), array)  # noqa: B023
            own += (plain**2).mean(axis=1)
            steps.append(data["weights"][fact[1]] * rate * whole / np.sqrt(own + 1e-6)[:, None])
        nodes -= steps[0]
        moves -= steps[1]
    found, said = run(data, rate, reg, seed, len(data["order"]))
    np.testing.assert_allclose(found[0], nodes, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[1], moves, rtol=1e-3, atol=1e-4)
    assert said == pytest.approx(total, rel=1e-4)
    assert 3 < turns < 20
    assert idle == 8  # who has every item


def test_only_false_facts_are_drawn() -> None:
    data = given(3)
    assert all(_holds(data["keys"], key(*fact, NODES, RELATIONS)) for fact in data["facts"])
    every = [(h, r, t) for h in range(NODES) for r in range(RELATIONS) for t in range(NODES)]
    held = [fact for fact in every if _holds(data["keys"], key(*fact, NODES, RELATIONS))]
    assert set(held) == data["facts"]
