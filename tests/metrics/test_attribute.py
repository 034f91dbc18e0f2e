"""Diversity, miscalibration and exposure against plain loops, and the properties that their authors name."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.errors import ParameterError
from honeyguide.metrics import attribute
from honeyguide.metrics.attribute import Groups, Tastes

RNG = np.random.default_rng(5)
SHARES = RNG.random((20, 6)) * (RNG.random((20, 6)) < 0.4)
SHARES[7] = 0.0
SHARES = np.divide(
    SHARES, SHARES.sum(axis=1, keepdims=True), out=np.zeros_like(SHARES), where=SHARES.any(axis=1)[:, None]
)
LISTS = np.array([RNG.permutation(20)[:8] for _ in range(400)], np.int32)
LISTS[3, 5:], LISTS[4, 1:], LISTS[5] = -1, -1, -1
LISTS[6, :2] = 7, 1


@pytest.mark.parametrize("k", [2, 5, 8])
def test_diversity_is_the_mean_distance_of_all_pairs(k: int) -> None:
    norms = np.linalg.norm(SHARES, axis=1, keepdims=True)
    rows = SHARES / np.where(norms > 0, norms, 1.0)
    got = attribute.diversity(LISTS, sp.csr_matrix(rows), k=k)
    for person, mine in enumerate(LISTS[:, :k]):
        known = [item for item in mine if item >= 0 and SHARES[item].any()]
        pairs = [1 - rows[a] @ rows[b] for a, b in combinations(known, 2)]
        assert got[person] == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


def test_diversity_at_the_ends() -> None:
    rows = sp.csr_matrix(np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    got = attribute.diversity(np.array([[0, 1, -1], [1, 2, 3], [2, -1, -1]], np.int32), rows, k=3)
    np.testing.assert_allclose(got, [0.0, 1.0, np.nan])


@pytest.mark.parametrize("k", [1, 5])
def test_miscalibration_is_steck_s_divergence(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute, "_CELLS", 60)  # many blocks
    had = RNG.random((400, 6)) * (RNG.random((400, 6)) < 0.5)
    had[9] = 0.0
    had = np.divide(had, had.sum(axis=1, keepdims=True), out=np.zeros_like(had), where=had.any(axis=1)[:, None])
    got = attribute.miscalibration(LISTS, Tastes(sp.csr_matrix(SHARES), sp.csr_matrix(had)), k=k)
    for person, mine in enumerate(LISTS[:, :k]):
        known = [SHARES[item] for item in mine if item >= 0 and SHARES[item].any()]
        if not known or not had[person].any():
            assert math.isnan(got[person])
            continue
        q, total = np.mean(known, axis=0), 0.0
        for p_g, q_g in zip(had[person], q, strict=True):
            if p_g > 0:
                total += p_g * math.log(p_g / (0.99 * q_g + 0.01 * p_g))
        assert got[person] == pytest.approx(total)


def test_miscalibration_is_what_steck_asks_of_it() -> None:
    """0 where the list is as the history; a genre that is rare in the history and missing costs more than one less."""
    shares = sp.csr_matrix(np.eye(2))
    tens = {n: np.array([[0] * n + [1] * (10 - n)], np.int32) for n in range(11)}

    def away(history: float, listed: int) -> float:
        tastes = Tastes(shares, sp.csr_matrix([[history, 1 - history]]))
        return float(attribute.miscalibration(tens[listed], tastes, k=10)[0])

    assert away(0.7, 7) == pytest.approx(0.0)
    assert all(away(0.7, n) > 0 for n in range(11) if n != 7)
    assert away(0.3, 3) < away(0.3, 4) < away(0.3, 6) < away(0.3, 10)
    assert away(0.9, 10) - away(0.9, 9) > away(0.5, 6) - away(0.5, 5)


def test_exposure_counts_places_by_their_shares() -> None:
    had = np.array([0.3, 0.2, 0.1, 0.1, 0.2, 0.1])
    sums = sum((SHARES[item] for mine in LISTS[:, :4] for item in mine if item >= 0), np.zeros(6))
    expected = sums / sums.sum()
    rows = sp.csr_matrix(SHARES)
    np.testing.assert_allclose(attribute.places(LISTS, rows, k=4), expected)
    assert attribute.exposure(LISTS, Groups(rows, had, 4), k=4) == pytest.approx(expected[4] / 0.2)
    assert attribute.exposure_gap(LISTS, Groups(rows, had), k=4) == pytest.approx(abs(expected - had).sum() / 2)


def test_exposure_at_the_ends() -> None:
    rows, lists = sp.csr_matrix(np.eye(2)), np.array([[0, 1], [0, -1]], np.int32)
    assert attribute.exposure(lists, Groups(rows, np.array([2 / 3, 1 / 3]), 1), k=2) == pytest.approx(1.0)
    assert attribute.exposure_gap(lists, Groups(rows, np.array([2 / 3, 1 / 3])), k=2) == pytest.approx(0.0)
    assert attribute.exposure_gap(lists, Groups(rows, np.array([0.0, 1.0])), k=1) == pytest.approx(1.0)
    nobody = np.full((2, 2), -1, np.int32)
    assert math.isnan(attribute.exposure_gap(nobody, Groups(rows, np.array([0.5, 0.5])), k=2))
    with pytest.raises(ParameterError, match="k must be an integer >= 1, got 0"):
        attribute.places(lists, rows, k=0)
