"""Stochastic gradient descent on facts (head, relation, tail), each against one made false.

A fact is ranked above the same with another tail or another head, which is drawn until it is none. Facts are taken one
after the other, whatever the threads, as any two may share a vector: O(F) each and a binary search among all facts.
"""

from __future__ import annotations

import numpy as np

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.kernels.compiled import kernel, summing_kernel
from honeyguide.kernels.pairwise import GOLDEN, mixed

_HALF = np.uint64(32)
_DRAWS = 20  # at most for a false fact
_LEAST = np.float32(1e-6)  # of a sum of squares


@summing_kernel
def step_facts(
    start: int, stop: int, order: LongArray, heads: IntArray, relations: IntArray, tails: IntArray, facts: LongArray,
    pools: IntArray, bounds: LongArray, weights: FloatArray, learning_rate: float, reg: float, seed: np.uint64,
    nodes: FloatArray, moves: FloatArray, node_sums: FloatArray, move_sums: FloatArray,
) -> float:  # fmt: skip
    """Pass over the facts order[start … stop]; updates the vectors of nodes (N, F) and of relations, `moves` (R, F).

    A fact (h, r, t) moves the vectors against the gradient of

        w_r (-ln sigmoid(x) + reg (the squares of the vectors that are in x) / 2)
        x = s(h, r, t) - s(h', r, t'),    s(h, r, t) = (h + r).t

    (h', r, t') being the fact with another tail, or with another head half of the times where r has several; r then
    goes out of x. Each moves by learning_rate over the root of the sum of its gradients' mean squares so far, those of
    w and reg left out (Adagrad, a rate a row: Duchi et al. 2011); node_sums (N,) and move_sums (R,) are the sums.
    bounds (R, 3): the tails to draw from are pools[bounds[r, 0] … bounds[r, 1]], the heads up to bounds[r, 2]; facts
    are all that are true, ascending, as `key` writes them; weights (R,). Returns the sum of -ln sigmoid(x) before.
    """
    width, loss, decay = nodes.shape[1], 0.0, np.float32(reg)
    for place in range(start, stop):
        at = order[place]
        h, r, t = heads[at], relations[at], tails[at]
        state = mixed(seed + np.uint64(place + 1) * GOLDEN)
        turn = bounds[r, 2] - bounds[r, 1] > 1 and (state & np.uint64(1)) == np.uint64(1)
        first, last = (bounds[r, 1], bounds[r, 2]) if turn else (bounds[r, 0], bounds[r, 1])
        other = -1
        for _ in range(_DRAWS):
            state = state + GOLDEN
            drawn = pools[first + np.int64(((mixed(state) >> _HALF) * np.uint64(last - first)) >> _HALF)]
            false = key(drawn if turn else h, r, t if turn else drawn, len(nodes), len(moves))
            if drawn != h and drawn != t and not _holds(facts, false):
                other = drawn
                break
        if other < 0:
            continue
        kept, good = (t, h) if turn else (h, t)  # x = (kept + r).(good - other), without r where heads are compared
        share = np.float32(0.0 if turn else 1.0)
        x, length, apart = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for k in range(width):
            common, difference = nodes[kept, k] + share * moves[r, k], nodes[good, k] - nodes[other, k]
            x += common * difference
            length += common * common
            apart += difference * difference
        loss += float(np.log1p(np.exp(-x)) if x > -30.0 else -x)
        slope = np.float32(1.0 / (1.0 + np.exp(x)))
        square = slope * slope / np.float32(width)
        to_kept = weights[r] * _rate(node_sums, kept, square * apart, learning_rate)
        to_good = weights[r] * _rate(node_sums, good, square * length, learning_rate)
        to_other = weights[r] * _rate(node_sums, other, square * length, learning_rate)
        to_move = share * weights[r] * _rate(move_sums, r, share * square * apart, learning_rate)
        for k in range(width):
            a, b, c, d = nodes[kept, k], moves[r, k], nodes[good, k], nodes[other, k]
            nodes[kept, k] = a + to_kept * (slope * (c - d) - decay * a)
            moves[r, k] = b + to_move * (slope * (c - d) - decay * b)
            nodes[good, k] = c + to_good * (slope * (a + share * b) - decay * c)
            nodes[other, k] = d - to_other * (slope * (a + share * b) + decay * d)
    return loss


@summing_kernel
def _rate(sums: FloatArray, row: int, square: np.float32, learning_rate: float) -> np.float32:
    """Add a gradient's mean square to its row's sum; the rate of this step."""
    sums[row] += square
    return np.float32(learning_rate / np.sqrt(sums[row] + _LEAST))


@kernel
def key(head: int, relation: int, tail: int, nodes: int, relations: int) -> np.int64:
    """A fact as one number, below nodes^2 relations."""
    return (np.int64(head) * np.int64(relations) + np.int64(relation)) * np.int64(nodes) + np.int64(tail)


@kernel
def _holds(facts: LongArray, wanted: np.int64) -> bool:
    """Whether an ascending array has a number."""
    low, high = 0, len(facts)
    while low < high:
        middle = (low + high) // 2
        if facts[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low < len(facts) and facts[low] == wanted
