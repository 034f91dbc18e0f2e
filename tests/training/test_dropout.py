"""Dropout drops its share, anywhere alike, the rest made up for; seeds and neighbours are independent."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.training import backend
from honeyguide.training.dropout import dropout

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)


def mixed(value: int) -> int:
    """lowbias32 in Python's whole numbers."""
    value = ((value ^ (value >> 16)) * 0x7FEB352D) % 2**32
    value = ((value ^ (value >> 15)) * 0x846CA68B) % 2**32
    return value ^ (value >> 16)


def dropped(shape: tuple[int, ...], rate: float, seed: int) -> np.ndarray:
    keras = backend.keras(hg.Run())
    return np.asarray(dropout(keras.ops, keras.ops.ones(shape, "float32"), rate, np.uint32(seed)))


def test_the_mask_is_the_hash_of_place_and_seed() -> None:
    found = dropped((3, 4, 5), 0.4, 77)
    flat = np.array([mixed(at ^ mixed(77)) >= int(0.4 * 2**32) for at in range(60)])
    np.testing.assert_allclose(found, np.where(flat, np.float32(1 / 0.6), 0).reshape(3, 4, 5), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_it_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    found = dropped((100, 1000), rate, 5)
    assert abs((found == 0).mean() - rate) < 0.006
    assert abs(found.mean() - 1) < 0.05
    for axis, count in ((0, 100), (1, 1000)):  # no line is dropped more than another, but by chance
        shares = (found == 0).mean(axis=axis)
        assert shares.std() == pytest.approx((rate * (1 - rate) / count) ** 0.5, rel=0.2)


def test_seeds_and_neighbours_are_independent() -> None:
    masks = np.array([dropped((400, 50), 0.5, seed).ravel() > 0 for seed in (0, 1, 2, 3, 2**31, 2**32 - 1)], float)
    assert np.abs(np.corrcoef(masks) - np.eye(len(masks))).max() < 0.03
    for lag in (1, 2, 50, 64):
        assert abs(np.corrcoef(masks[0][lag:], masks[0][:-lag])[0, 1]) < 0.03


def test_no_rate_is_no_change() -> None:
    x = np.arange(6.0)
    assert dropout(backend.keras(hg.Run()).ops, x, 0.0, np.uint32(1)) is x
