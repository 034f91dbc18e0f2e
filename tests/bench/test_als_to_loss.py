"""The loss that sides are compared by is the objective of `als`, and the synthetic set is what it says."""

from __future__ import annotations

import numpy as np
import pytest
from bench.als_to_loss import ALPHA, REG, loss, reached, synthetic

from honeyguide.data.dataset import Dataset
from honeyguide.models.factorization.als import Als


def test_one_loss_for_all_sides(ratings: Dataset) -> None:
    model = Als(factors=5, alpha=ALPHA, reg=REG, nu=0.0, epochs=2).fit(ratings)
    people = model.user_vectors(ratings.profiles())
    assert loss(ratings.positives(), people, model.item_vectors_) == pytest.approx(model.objective(ratings), rel=1e-5)


def test_synthetic_events() -> None:
    made = synthetic(5_000, 300, 2_000, topics=5)
    assert made.shape == (300, 2_000)
    assert made.nnz == 5_000
    assert (made.data == 1).all()
    popular = np.sort(np.bincount(made.indices, minlength=2_000))[::-1]
    assert popular[:200].sum() > 3 * popular[-1_000:-800].sum()


def test_seconds_to_the_rivals_loss() -> None:
    """By hand: an epoch of ours takes 1 s after 2 of preparation, and half a second solves for the people."""
    mine = {"epochs": [3.0, 4.0, 5.0], "losses": [9.0, 6.0, 5.0], "solved": [0.5, 0.5, 0.5]}
    theirs = {"epochs": [1.0, 4.0, 7.0], "losses": [None, 7.0, 5.0]}
    found = reached([mine], [theirs], 1)
    assert (found["loss"], found["our epochs"]) == (7.0, 2)
    assert found["ours"]["median"] == 2.5
    assert found["rival"]["median"] == 3.0
    assert found["ours whole"]["median"] == 4.5
    assert found["rival whole"]["median"] == 4.0
