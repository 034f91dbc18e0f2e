"""Row-wise Adam against dense Adam, and dense Adam against a plain loop and Keras's own."""

from __future__ import annotations

import numpy as np
import pytest

from honeyguide.training import tables

RATE = 0.05


def plain(value: np.ndarray, grads: list[np.ndarray]) -> np.ndarray:
    """Kingma and Ba, algorithm 1 with its own remark on efficiency, one number at a time."""
    out = value.astype(np.float64).copy()
    for at in np.ndindex(*value.shape):
        m = v = 0.0
        for t, grad in enumerate(grads, start=1):
            m = 0.9 * m + 0.1 * grad[at]
            v = 0.999 * v + 0.001 * grad[at] ** 2
            out[at] -= RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    return out


class Ops:
    """What `adam` needs of keras.ops, from NumPy in double precision."""

    sqrt, square = staticmethod(np.sqrt), staticmethod(np.square)


def sparse_grads(rng: np.random.Generator, rows: int, steps: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(steps) gradients of a table (rows, 3), and the rows that each touches: some rows rarely or never."""
    touched = [rng.choice(rows - 1, rng.integers(1, 4), replace=False, p=odds(rows - 1)) for _ in range(steps)]
    grads = []
    for rows_now in touched:
        grad = np.zeros((rows, 3))
        grad[rows_now] = rng.normal(size=(len(rows_now), 3)) * 10 ** rng.uniform(-3, 2)
        grads.append(grad)
    return grads, touched


def odds(count: int) -> np.ndarray:
    """Chances that fall by half from one row to the next."""
    chance = 0.5 ** np.arange(count)
    return chance / chance.sum()


def test_adam_is_the_papers() -> None:
    rng = np.random.default_rng(0)
    value, grads = rng.normal(size=(4, 3)), [rng.normal(size=(4, 3)) for _ in range(50)]
    schedule = tables.Schedule(RATE)
    now, m, v = value, np.zeros((4, 3)), np.zeros((4, 3))
    for step, grad in enumerate(grads, start=1):
        now, m, v = tables.adam(Ops, now, grad, m, v, schedule.step_rate(step))
    np.testing.assert_allclose(now, plain(value, grads), rtol=1e-9)


@pytest.mark.parametrize("steps", [5, 60, 1500])
def test_rows_end_where_dense_adam_ends(steps: int) -> None:
    rng = np.random.default_rng(steps)
    rows = 8
    value = rng.normal(size=(rows, 3)).astype(np.float32)
    grads, touched = sparse_grads(rng, rows, steps)
    schedule = tables.Schedule(RATE)
    index = tables.RowIndex(rows, schedule)
    state = [np.vstack([value, np.zeros((1, 3))]), np.zeros((rows + 1, 3)), np.zeros((rows + 1, 3))]
    for step, (grad, ids) in enumerate(zip(grads, touched, strict=True), start=1):
        plan = index.touch(np.repeat(ids, 2).astype(np.int32), step)
        part = tables.catch_up(Ops, [array[plan.ids] for array in state], plan.missed)
        given = np.vstack([grad, np.zeros((1, 3))])[plan.ids]
        for array, new in zip(
            state, tables.adam(Ops, *(part[0], given), *part[1:], schedule.step_rate(step)), strict=True
        ):
            array[plan.ids] = new
    ends = index.settled(*(array[:rows].astype(np.float32) for array in state), steps)
    np.testing.assert_allclose(ends, plain(value, grads), rtol=2e-4, atol=2e-4)


def test_a_falling_rate_is_caught_up_too() -> None:
    def rate(step: int) -> float:
        return 0.1 / step

    schedule = tables.Schedule(rate)
    last, now = np.array([3, 10], dtype=np.int32), 40
    move = schedule.missed(last, now)["move"]
    for start, got in zip(last, move, strict=True):
        sizes = [
            rate(t) * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * (0.9 / np.sqrt(0.999)) ** (t - start)
            for t in range(start + 1, now + 1)
        ]
        assert got == pytest.approx(sum(sizes), rel=1e-6)


def test_the_schedule_grows_without_a_seam() -> None:
    long, short = tables.Schedule(RATE), tables.Schedule(RATE)
    long.step_rate(9000)
    last = np.array([1000, 1022, 1023, 1030, 2000], dtype=np.int32)
    for now in (1023, 1024, 1500, 2050, 3000):
        earlier = last[last <= now]
        for name, expected in long.missed(earlier, now).items():
            np.testing.assert_allclose(short.missed(earlier, now)[name], expected, rtol=1e-6, atol=1e-12)


def test_touched_rows_are_each_id_once_then_the_spare_row() -> None:
    index = tables.RowIndex(1000, tables.Schedule(RATE))
    ids = np.random.default_rng(0).integers(0, 400, 700).astype(np.int32)
    plan = index.touch(ids, 1)
    np.testing.assert_array_equal(plan.ids[plan.inverse], ids)
    real = plan.ids[: len(np.unique(ids))]
    np.testing.assert_array_equal(np.sort(real), np.unique(ids))
    assert (plan.ids[len(real) :] == 1000).all()
    assert len(plan.ids) == 512


@pytest.mark.parametrize(("count", "size"), [(1, 256), (256, 256), (257, 512), (5000, 8192)])
def test_buckets_are_powers_of_two(count: int, size: int) -> None:
    assert tables.bucket(count) == size
