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
from typing import Any, TypeAlias, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from honeyguide.arrays import AnyArray, DoubleArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.kernels import embedding as kernels
from honeyguide.run import Run

Rate: TypeAlias = float | Callable[[int], float]  # a learning rate, or one for each step 1, 2, …
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
_RATIO = BETA_1 / BETA_2**0.5
_WORTH = 1 << 18  # numbers read or written that are worth a thread
_NONE = np.zeros(0, np.int64)
_Number = TypeVar("_Number", bound=np.generic)


def adam(ops: Any, value: Any, grad: Any, m: Any, v: Any, rate: Any) -> tuple[Any, Any, Any]:
    """One step of Adam on any shape: the new value, m, v. `rate` is a_t, `ops` is keras.ops."""
    m = BETA_1 * m + (1.0 - BETA_1) * grad
    v = BETA_2 * v + (1.0 - BETA_2) * ops.square(grad)
    return value - rate * m / (ops.sqrt(v) + EPSILON), m, v


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

    def missed(self, step: int) -> tuple[DoubleArray, DoubleArray]:
        """T (n,) of the steps 0, 1, … and r^k, b1^k, b2^k (n, 3) of k = 0, 1, …, at least up to `step`."""
        self.step_rate(step)
        return self._tail, self._powers

    def _extend(self, count: int) -> None:
        steps = np.arange(1, count + 1, dtype=np.float64)
        rates = np.array([self._rate(int(t)) for t in steps]) if callable(self._rate) else np.full(count, self._rate)
        a = np.append(0.0, rates * np.sqrt(1.0 - BETA_2**steps) / (1.0 - BETA_1**steps))
        tail = np.empty(count + 1)
        tail[count] = a[count] * _RATIO / (1.0 - _RATIO)  # any end will do: it cancels in S
        for step in range(count - 1, -1, -1):
            tail[step] = _RATIO * (a[step + 1] + tail[step + 1])
        self._a: DoubleArray = a
        self._tail: DoubleArray = read_only(tail)
        self._powers: DoubleArray = read_only(np.array([_RATIO, BETA_1, BETA_2]) ** np.arange(count + 1)[:, None])


class Table:
    """Vectors (N, F), of which a step of Adam reads and moves the rows that its batch names, with dense Adam's result.

    `decay` is the weight of the sum of squares of the whole table in the loss; with it, or if `whole`, every row is
    moved in every step. One thread at a time; the kernels' blocks are fixed, so the bits are the same on any number.
    """

    def __init__(self, value: FloatArray, schedule: Schedule, *, run: Run, decay: float = 0.0, whole: bool = False):
        self._schedule, self._run, self._decay, self._whole = schedule, run, decay, whole or decay > 0.0
        self._width = value.shape[1]
        self._packed = np.pad(np.asarray(value, np.float32), ((0, 0), (0, 2 * self._width)))  # (N, 3 F)
        self._last = np.zeros(len(value), np.int32)  # the step that each row was brought up to
        self._place = np.full(len(value), -1, np.int32)
        self._named: _Named | None = None

    def read(self, wanted: Sequence[AnyArray | sp.csr_matrix], step: int) -> list[FloatArray]:
        """What step 1, 2, … sees: for ids of shape S the rows, S + (F,); for a CSR matrix (B, N) its product (B, F)."""
        named = self._named = _Named.of(wanted, self._place, whole=self._whole)
        before = self._last, step - 1, *self._schedule.missed(step - 1), EPSILON, self._packed
        self._run.map(kernels.catch_up, len(named.rows), named.rows, *before, block=_block(3 * self._width))
        out = []
        for part, (indptr, ids, share) in zip(wanted, named.parts, strict=True):
            found = np.empty((len(indptr) - 1 if share is not None else len(ids), self._width), np.float32)
            if share is None:
                self._run.map(kernels.take, len(ids), ids, self._packed, found, block=_block(self._width))
                found = found.reshape(*part.shape, self._width)
            else:
                block = _block(self._width * len(ids) // max(1, len(found)))
                self._run.map(kernels.add_up, len(found), indptr, ids, share, self._packed, found, block=block)
            out.append(found)
        return out

    def penalty(self) -> float:
        """decay times the sum of squares, before the step that was read for."""
        if not self._decay:
            return 0.0
        parts = self._run.map(kernels.squares, len(self._packed), self._packed, block=_block(self._width))
        return self._decay * float(sum(parts))

    def descend(self, grads: Sequence[AnyArray], step: int) -> None:
        """Do the step that was read for, given the gradients along what was read, in the same order and shapes."""
        assert self._named is not None
        named, flat = self._named, [np.asarray(grad, np.float32).reshape(-1, self._width) for grad in grads]
        grad = _joined(flat)
        how = 2.0 * self._decay, self._schedule.step_rate(step), BETA_1, BETA_2, EPSILON
        count, entries = len(named.rows), len(named.order)
        block = _block(self._width * (3 + entries // max(1, count)))
        self._run.map(
            kernels.descend, count, named.rows, named.begin, named.order, named.owner, named.share, grad, *how,
            self._packed, block=block,
        )  # fmt: skip
        self._last[named.rows] = step
        self._named = None

    def value(self, step: int) -> FloatArray:
        """A copy of the vectors (N, F) as they stand after `step`."""
        out = np.empty((len(self._packed), self._width), np.float32)
        before = self._last, step, *self._schedule.missed(step), EPSILON, self._packed
        self._run.map(kernels.settle, len(out), *before, out, block=_block(self._width))
        return out

    def state(self) -> dict[str, AnyArray]:
        """Copies of what training goes on from."""
        return {"packed": self._packed.copy(), "last": self._last.copy()}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Go on from what `state` gave."""
        self._packed[:], self._last[:] = state["packed"], state["last"]


@dataclass(frozen=True, eq=False)
class _Named:
    """The E entries of a batch in one table: of each part, and together by row."""

    parts: list[tuple[LongArray, IntArray, FloatArray | None]]  # indptr, ids, share; no share where ids are looked up
    rows: IntArray  # (n,) distinct
    begin: LongArray  # (n + 1,) where the entries of a row begin in `order`
    order: IntArray  # (E,)
    owner: IntArray  # (E,) row among those of all parts together
    share: FloatArray  # (E,)

    @staticmethod
    def of(wanted: Sequence[AnyArray | sp.csr_matrix], place: IntArray, *, whole: bool) -> _Named:
        parts: list[tuple[LongArray, IntArray, FloatArray | None]] = []
        owners, shares, above = [], [], 0
        for part in wanted:
            if not isinstance(part, np.ndarray):
                indptr, share = read_only(part.indptr.astype(np.int64)), read_only(part.data.astype(np.float32))
                parts.append((indptr, read_only(part.indices.astype(np.int32, copy=False)), share))
                owners.append(np.repeat(np.arange(above, above + len(indptr) - 1, dtype=np.int32), np.diff(indptr)))
                above += len(indptr) - 1
            else:
                ids = read_only(np.asarray(part, np.int32).reshape(-1))
                parts.append((_NONE, ids, None))
                owners.append(np.arange(above, above + len(ids), dtype=np.int32))
                above += len(ids)
            shares.append(np.ones(len(parts[-1][1]), np.float32) if parts[-1][2] is None else parts[-1][2])
        ids, owner, share = _joined([part[1] for part in parts]), _joined(owners), _joined(shares)
        most = len(place) if whole else min(len(place), len(ids))
        rows, begin, order = np.empty(most, np.int32), np.empty(most + 1, np.int64), np.empty(len(ids), np.int32)
        count = kernels.group(ids, whole, place, rows, begin, order)
        return _Named(parts, read_only(rows[:count]), read_only(begin[: count + 1]), read_only(order), owner, share)


def _joined(parts: list[NDArray[_Number]]) -> NDArray[_Number]:
    """All of them end to end."""
    return read_only(parts[0] if len(parts) == 1 else np.concatenate(parts))


def _block(numbers: int) -> int:
    """Rows of a block that are worth a thread, each of so many numbers."""
    return max(1, _WORTH // max(1, numbers))
