"""Adam over whole tables or over the rows of a batch, with one answer (Kingma and Ba 2015, arXiv:1412.6980).

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   x <- x - a_t m / (sqrt(v) + eps)
    a_t = rate sqrt(1 - b2^t) / (1 - b1^t)

Dense Adam moves a row also in the steps whose batch does not hold it, since m outlives the gradient. A row-wise step
leaves those rows alone and catches up when a row is next read: after k missed steps from step s,

    m <- b1^k m,   v <- b2^k v,   x <- x - S(s, k) m / (sqrt(v) + eps),   S(s, k) = sum over j = 1..k of a_(s+j) r^j

with r = b1 / sqrt(b2). Let T(s) be that sum without end: T(s) = r (a_(s+1) + T(s+1)), so S(s, k) = T(s) - r^k T(s+k),
one look-up for any k. That is dense Adam but for eps, which is not decayed, and for rounding.

Cost of a step: dense O(rows F), row-wise O(batch F). Memory: 12 F bytes a row, both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from honeyguide.arrays import AnyArray, DoubleArray, FloatArray, IntArray

Rate: TypeAlias = float | Callable[[int], float]  # a learning rate, or one for each step 1, 2, …
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
_RATIO = BETA_1 / BETA_2**0.5
_SMALLEST = 256  # rows in the smallest bucket


def adam(ops: Any, value: Any, grad: Any, m: Any, v: Any, rate: Any) -> tuple[Any, Any, Any]:
    """One step of Adam on any shape: the new value, m, v. `rate` is a_t, `ops` is keras.ops."""
    m = BETA_1 * m + (1.0 - BETA_1) * grad
    v = BETA_2 * v + (1.0 - BETA_2) * ops.square(grad)
    return value - rate * m / (ops.sqrt(v) + EPSILON), m, v


def catch_up(ops: Any, rows: Sequence[Any], missed: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Value, m, v (n, F) as dense Adam would have left them after the steps that each row missed."""
    value, m, v = rows
    value = value - missed["move"][:, None] * m / (ops.sqrt(v) + EPSILON)
    return value, m * missed["decay_1"][:, None], v * missed["decay_2"][:, None]


class Schedule:
    """a_t and T(t) of every step, computed ahead in doubling stretches."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._extend(1024)

    def step_rate(self, step: int) -> float:
        """a_t of step t = 1, 2, …"""
        if step >= len(self._a):
            self._extend(2 * step)
        return float(self._a[step])

    def missed(self, last: IntArray, now: int) -> dict[str, FloatArray]:
        """What `catch_up` needs for rows last brought up to step `last` (n,), to bring them up to step `now`."""
        self.step_rate(now)
        gap = (now - last).astype(np.float64)
        move = self._tail[last] - _RATIO**gap * self._tail[now]
        found = {"move": move, "decay_1": BETA_1**gap, "decay_2": BETA_2**gap}
        return {name: array.astype(np.float32) for name, array in found.items()}

    def _extend(self, count: int) -> None:
        steps = np.arange(1, count + 1, dtype=np.float64)
        rates = np.array([self._rate(int(t)) for t in steps]) if callable(self._rate) else np.full(count, self._rate)
        a = np.append(0.0, rates * np.sqrt(1.0 - BETA_2**steps) / (1.0 - BETA_1**steps))
        tail = np.empty(count + 1)
        tail[count] = a[count] * _RATIO / (1.0 - _RATIO)  # any end will do: it cancels in S
        for step in range(count - 1, -1, -1):
            tail[step] = _RATIO * (a[step + 1] + tail[step + 1])
        self._a: DoubleArray = a
        self._tail: DoubleArray = tail


@dataclass(frozen=True)
class Touched:
    """The rows of one table that a batch reads: their ids, padded to a bucket, and what they missed."""

    ids: IntArray  # (n,) distinct, then the spare row as padding
    inverse: IntArray  # (E,) place in `ids` of each id of the batch
    missed: dict[str, FloatArray]  # (n,) each


class RowIndex:
    """Remembers the step (`last`) at which each row of a table was brought up to date. The spare row is the last."""

    def __init__(self, rows: int, schedule: Schedule) -> None:
        self._schedule, self._spare = schedule, rows
        self.last: IntArray = np.zeros(rows + 1, np.int32)
        self._place = np.zeros(rows + 1, np.int32)  # scratch: where in the batch a row was seen

    def touch(self, ids: AnyArray, step: int) -> Touched:
        """The distinct rows among ids (E,) and what they missed before this step, which then counts as done."""
        each = np.arange(len(ids), dtype=np.int32)
        self._place[ids] = each
        first = self._place[ids]  # (E,) one place for all that are equal
        chosen = first == each
        unique = ids[chosen].astype(np.int32)
        rank = np.cumsum(chosen, dtype=np.int32) - 1
        padded = np.full(bucket(len(unique)), self._spare, np.int32)
        padded[: len(unique)] = unique
        missed = self._schedule.missed(self.last[padded], step - 1)
        self.last[padded] = step
        return Touched(padded, rank[first], missed)

    def settled(self, value: FloatArray, m: FloatArray, v: FloatArray, step: int) -> FloatArray:
        """Values (rows, F) caught up to `step`, the spare row left out; nothing is changed."""
        rows = self._spare
        move = self._schedule.missed(self.last[:rows], step)["move"]
        return np.asarray(value[:rows] - move[:, None] * m[:rows] / (np.sqrt(v[:rows]) + EPSILON), np.float32)


def bucket(count: int) -> int:
    """The power of two that `count` rows are padded to, so that few shapes are ever compiled."""
    return max(_SMALLEST, 1 << max(0, count - 1).bit_length())
