"""Search by a product that errs against a sort of the exact ones; the exact one against a plain loop of additions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyguide.arrays import FloatArray
from honeyguide.kernels import top_k
from honeyguide.kernels import vector_search as search


def plain(x: FloatArray, y: FloatArray) -> np.float32:
    """Sixteen partial sums of products over the factors, then halves added to halves, each step rounded to float32."""
    lanes = [np.float32(0)] * 16
    for k in range(len(x)):
        lanes[k % 16] = np.float32(lanes[k % 16] + np.float32(x[k] * y[k]))
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [np.float32(a + b) for a, b in zip(lanes[:half], lanes[half:], strict=True)]
    return lanes[0]


@pytest.mark.parametrize("width", [1, 5, 15, 16, 17, 33, 64, 70, 140])
@pytest.mark.parametrize("count", [4, 19])  # people, one by one and side by side
def test_products_are_added_in_one_order_to_the_bit(width: int, count: int) -> None:
    rng = np.random.default_rng(width)
    people, items = (rng.normal(size=(n, width)).astype(np.float32) for n in (count, 9))
    codes, out = np.array([7, 0, 7, 3, 8], np.int32), np.zeros((count, 5), np.float32)
    search.multiply(0, 3, people, items, codes, out)
    search.multiply(3, 5, people, items, codes, out)
    assert out.tolist() == [[plain(x, items[code]) for code in codes] for x in people]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 3), st.booleans())
def test_lists_are_exact_though_the_product_errs(seed: int, k: int, width: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    n_items, n_people, tile = int(rng.integers(1, 900)), 3, 2 * search.CHUNK
    drawn = [rng.normal(size=(n, width)) for n in (n_people, n_items)]
    people, items = (np.round(d if coarse else 64 * d).astype(np.float32) for d in drawn)  # whole, so sums are exact
    errors = rng.choice([1e-3, 0.3, 4.0], n_people).astype(np.float32)
    truth = people @ items.T
    errors = np.maximum(
        errors, np.float32(4) * np.spacing(np.abs(truth).max())
    )  # or rounding alone would take them further off
    erring = truth + 1.75 * errors[:, None] * rng.uniform(-1, 1, truth.shape).astype(np.float32)
    assert (np.abs(erring - truth) <= 2 * errors[:, None]).all()
    history = [rng.choice(n_items, min(n_items, 20)).astype(np.int32) for _ in range(n_people)]  # with repeats
    indptr = np.cumsum([0, *map(len, history)]).astype(np.int64)
    best, codes = np.empty((n_people, k), np.float32), np.empty((n_people, k), np.int32)
    length = 2 * k + 2 * search.CHUNK
    values, held = np.empty((n_people, length), np.float32), np.empty((n_people, length), np.int32)
    counts, owner = np.zeros(n_people, np.int32), np.full(n_items, -1, np.int32)
    floors = np.full(n_people, -np.inf, np.float32)
    state = people, items, indptr, np.concatenate(history), owner, errors
    order = rng.permutation(n_items).astype(np.int32)
    for first in range(0, n_items, tile):
        part = order[first : first + tile]
        rows = np.array([2, 0, 1], np.int32)
        scores = np.full((n_people, tile), 99.0, np.float32)  # what lies beyond the width must not count
        scores[:, : len(part)] = erring[rows][:, part]
        search.gather(scores, len(part), part, rows, *state, floors, values, held, counts, best, codes)
    search.finish(*state, values, held, counts, best, codes)
    top_k.settle(0, n_people, best, codes)
    for row in range(n_people):
        allowed = sorted(set(range(n_items)) - set(history[row].tolist()))
        wanted = sorted((-truth[row, code], code) for code in allowed)[:k]
        assert codes[row].tolist() == [code for _, code in wanted] + [-1] * (k - len(wanted))
        assert best[row, : len(wanted)].tolist() == [-score for score, _ in wanted]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-40, 1e-20, 1.0, 1e15]))
def test_lengths_are_rounded_up_and_only_zeros_have_none(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = (size * rng.normal(size=(20, int(rng.integers(1, 80))))).astype(np.float32)
    vectors[3] = 0.0
    out = np.full(20, np.nan, np.float32)
    search.measure(0, 20, vectors, out)
    true = np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert (out >= true).all()
    assert (out <= np.maximum(true * (1 + 1e-6), 1e-37)).all()
    assert (out == 0).tolist() == (true == 0).tolist()


def test_the_lowest_codes_are_the_list_where_all_tie() -> None:
    best, codes = np.full((2, 3), -np.inf, np.float32), np.full((2, 3), 9, np.int32)
    indptr, history, owner = np.array([0, 2, 2]), np.array([1, 4], np.int32), np.full(9, -1, np.int32)
    wanted = np.array([1, 3, 4, 8], np.int32)
    search.lowest(np.array([0, 1], np.int32), wanted, indptr, history, owner, best, codes)
    top_k.settle(0, 2, best, codes)
    assert codes.tolist() == [[3, 8, -1], [1, 3, 4]]
    assert best.tolist() == [[0, 0, -np.inf], [0, 0, 0]]
