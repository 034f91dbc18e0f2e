"""The measure against shares that are true, false and turned round; and its parts against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.arrays import IntArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DataError, ParameterError
from honeyguide.explain.fidelity import fidelity
from honeyguide.models.contributions import Part, held
from honeyguide.models.factorization.ease import Ease


class Liar(Ease):
    """An Ease that tells shares by a rule of the test's, which add up to what they like."""

    sign = 1.0

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        alone = self.weights_[held(profiles)][:, items].T * np.isin(held(profiles), profiles.positives().indices)
        return [[Part("history", float(each.sum()), self.sign * each)] for each in alone.astype(np.float32)]


def liar(ratings: Dataset, sign: float) -> Liar:
    model = Liar(reg=20.0).fit(ratings)
    model.sign = sign  # type: ignore[misc]
    return model


def test_true_shares_beat_random_orders_and_turned_ones_lose(ratings: Dataset) -> None:
    true, false = fidelity(liar(ratings, 1.0), people=30, k=3), fidelity(liar(ratings, -1.0), people=30, k=3)
    for right, wrong in ((true.deletion, false.deletion), (true.insertion, false.insertion)):
        assert right is not None
        assert wrong is not None
        assert right.low > 0
        assert wrong.high < 0
        assert right.low <= right.better <= right.high
    assert true.deletion is not None
    assert true.deletion.area < true.deletion.random
    assert true.insertion is not None
    assert true.insertion.area > true.insertion.random
    assert true.additivity < 1e-5
    assert true.stability is not None
    assert true.stability > 0.9


def test_a_sum_that_is_wrong_is_seen(ratings: Dataset) -> None:
    class Off(Liar):
        def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
            return [[*each, Part("rest", 0.5)] for each in super().contributions(profiles, items)]

    assert fidelity(Off(reg=20.0).fit(ratings), people=3, k=3).additivity > 0.01


def test_counterfactuals_are_verified_and_counted(ratings: Dataset) -> None:
    found = fidelity(hg.models.BPR().fit(ratings), people=10, k=3)
    assert found.method == "integrated"
    assert found.verified == 1.0
    assert found.found is not None
    assert found.found > 0
    assert found.size is not None
    assert found.size >= 1
    assert "verified by asking again" in found.text()


def test_popular_has_reasons_and_no_curves(ratings: Dataset) -> None:
    found = fidelity(hg.models.Popular().fit(ratings), people=5, k=3)
    assert (found.deletion, found.insertion, found.stability, found.found) == (None, None, None, None)
    assert found.explained == 1.0
    assert "deletion" not in found.text()


def test_the_same_seed_draws_the_same_people(ratings: Dataset) -> None:
    model = hg.models.Ease().fit(ratings)
    one, other, third = (fidelity(model, people=5, k=3, seed=seed).as_dict() for seed in (1, 1, 2))
    for each in (one, other, third):
        each.pop("seconds")
    assert one == other
    assert one != third


def test_chance_is_no_reason(ratings: Dataset) -> None:
    assert fidelity(hg.models.Random().fit(ratings), people=3).explained == 0.0


def test_what_is_refused(ratings: Dataset, make: object) -> None:
    with pytest.raises(ParameterError, match="people"):
        fidelity(hg.models.Ease().fit(ratings), people=0)
    with pytest.raises(ParameterError, match=r"seed must be an integer >= 0, got -1"):
        fidelity(hg.models.Ease().fit(ratings), seed=-1)
    with pytest.raises(ParameterError, match="model must be a fitted model, got 'ease'"):
        fidelity("ease")  # type: ignore[arg-type]
    few = make([(u, i, 1.0, 0) for u in range(3) for i in range(2)], explicit=False)  # type: ignore[operator]
    with pytest.raises(DataError, match="nobody"):
        fidelity(hg.models.Ease().fit(few))
