"""Tables under Adam: by rows and whole against a plain loop and a dense product, on one thread and on two."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.run import Run
from honeyguide.training import tables
from honeyguide.training.tables import Schedule, Table

RATE = 0.05


def plain(value: np.ndarray, grads: list[np.ndarray], *, decay: float = 0.0) -> np.ndarray:
    """Kingma and Ba, algorithm 1 with its own remark on efficiency, one number at a time."""
    out = value.astype(np.float64).copy()
    for at in np.ndindex(*value.shape):
        m = v = 0.0
        for t, grad in enumerate(grads, start=1):
            slope = grad[at] + 2.0 * decay * out[at]
            m = 0.9 * m + 0.1 * slope
            v = 0.999 * v + 0.001 * slope**2
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
    schedule = Schedule(RATE)
    now, m, v = value, np.zeros((4, 3)), np.zeros((4, 3))
    for step, grad in enumerate(grads, start=1):
        now, m, v = tables.adam(Ops, now, grad, m, v, schedule.step_rate(step))
    np.testing.assert_allclose(now, plain(value, grads), rtol=1e-9)


@pytest.mark.parametrize(("steps", "whole"), [(5, False), (60, False), (1500, False), (60, True)])
def test_rows_end_where_dense_adam_ends(steps: int, whole: bool) -> None:
    rng = np.random.default_rng(steps)
    value = rng.normal(size=(8, 3)).astype(np.float32)
    grads, touched = sparse_grads(rng, 8, steps)
    table = Table(value, Schedule(RATE), run=Run(threads=1), whole=whole)
    for step, (grad, ids) in enumerate(zip(grads, touched, strict=True), start=1):
        (read,) = table.read([np.repeat(ids, 2).reshape(-1, 2)], step)
        np.testing.assert_array_equal(read[:, 0], read[:, 1])
        np.testing.assert_allclose(read[:, 0], table.value(step - 1)[ids], rtol=1e-6)
        halves = np.repeat(grad[ids][:, None], 2, axis=1)
        halves[:, 0] *= 0.25
        halves[:, 1] *= 0.75
        table.descend([halves], step)
    np.testing.assert_allclose(table.value(steps), plain(value, grads), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_a_bag_is_a_product_and_its_slope_that_of_the_dense_layer(decay: float) -> None:
    """S T for sparse S, beside a look-up in the same table; along T the slope is S' G, the look-up's, the decay's."""
    rng = np.random.default_rng(0)
    value, steps = rng.normal(size=(30, 5)).astype(np.float32), 25
    table, grads, now = Table(value, Schedule(RATE), run=Run(threads=1), decay=decay), [], value
    for step in range(1, steps + 1):
        bag = sp.random(6, 30, 0.3, format="csr", random_state=step, data_rvs=rng.standard_normal).astype(np.float32)
        ids = rng.integers(0, 9, 4).astype(np.int32)
        summed, taken = table.read([bag, ids], step)
        np.testing.assert_allclose(summed, bag.toarray() @ now, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(taken, now[ids], rtol=1e-5)
        assert table.penalty() == pytest.approx(decay * float((now.astype(np.float64) ** 2).sum()), rel=1e-5)
        along = rng.normal(size=summed.shape), rng.normal(size=taken.shape)
        grad = bag.toarray().T @ along[0]
        np.add.at(grad, ids, along[1])
        grads.append(grad)
        table.descend(list(along), step)
        now = table.value(step)
    np.testing.assert_allclose(now, plain(value, grads, decay=decay), rtol=1e-3, atol=1e-3)


def test_threads_change_no_bit() -> None:
    found = []
    for threads in (1, 2):
        rng = np.random.default_rng(1)
        table = Table(rng.normal(size=(3000, 70)).astype(np.float32), Schedule(RATE), run=Run(threads=threads))
        for step in range(1, 4):
            bag = sp.random(400, 3000, 0.02, format="csr", random_state=step).astype(np.float32)
            table.descend([np.sin(part) for part in table.read([bag, rng.integers(0, 3000, 5000)], step)], step)
        found.append(table.value(5))
    np.testing.assert_array_equal(*found)


def test_a_falling_rate_is_caught_up_too() -> None:
    def rate(step: int) -> float:
        return 0.1 / step

    tail, powers = Schedule(rate).missed(40)
    for start in (3, 10):
        sizes = [
            rate(t) * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * (0.9 / np.sqrt(0.999)) ** (t - start)
            for t in range(start + 1, 41)
        ]
        assert tail[start] - powers[40 - start, 0] * tail[40] == pytest.approx(sum(sizes), rel=1e-6)


def test_the_schedule_grows_without_a_seam() -> None:
    long, short = Schedule(RATE), Schedule(RATE)
    whole, powers = long.missed(9000)
    for now in (1023, 1024, 1500, 2050, 3000):
        tail, own = short.missed(now)
        for last in (1000, 1022, 1023, 1030, 2000):
            if last <= now:
                expected = whole[last] - powers[now - last, 0] * whole[now]
                assert tail[last] - own[now - last, 0] * tail[now] == pytest.approx(expected, rel=1e-6, abs=1e-12)
