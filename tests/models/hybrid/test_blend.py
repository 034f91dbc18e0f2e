"""A blend against a regression over out-of-fold ratings made by hand; what is planted; mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.errors import ParameterError
from honeyguide.models.hybrid.blend import Blend

Make = Callable[..., Dataset]


def test_weights_are_those_of_a_regression_over_out_of_fold_ratings(make: Make) -> None:
    rng = np.random.default_rng(0)
    rows = [(u, i, float(rng.integers(1, 11)) / 2, 0) for u in range(30) for i in range(20) if rng.random() < 0.5]
    data, run = make(rows), hg.Run(seed=4)
    for reg in (0.0, 0.3):
        model = Blend(models="bias:reg_user=2,mf:factors=3:epochs=4", folds=4, reg=reg).fit(data, run=run)
        fold, rated = run.rng().permutation(len(data)) % 4, np.empty((len(data), 2))
        for part in range(4):
            for column, member in enumerate((hg.models.Bias(reg_user=2.0), hg.models.MF(factors=3, epochs=4))):
                fitted = member.fit(data.take(fold != part), run=run)
                rated[fold == part, column] = fitted.predict(data.take(fold == part))["prediction"]
        reference = Ridge(alpha=reg * len(data) or 1e-9, tol=1e-10).fit(rated, data.values - rated.mean(axis=1))
        np.testing.assert_allclose(model.weights_[1:], reference.coef_ + 0.5, rtol=1e-3, atol=1e-3)
        assert model.weights_[0] == pytest.approx(reference.intercept_, abs=5e-3)
        bias, mf = hg.models.Bias(reg_user=2.0).fit(data), hg.models.MF(factors=3, epochs=4).fit(data, run=run)
        profiles, pairs = data.profiles(), Pairs(data.users, data.items)
        parts = [np.clip(member.rate(profiles, pairs), 0.5, 5.0) for member in (bias, mf)]
        expected = model.weights_[0] + model.weights_[1] * parts[0] + model.weights_[2] * parts[1]
        np.testing.assert_allclose(model.rate(profiles, pairs), expected, atol=1e-4)
        np.testing.assert_allclose(model.score(profiles)[data.users, data.items], expected, atol=1e-4)


def test_a_model_of_noise_is_left_aside(make: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    people, things = rng.normal(0, 1, 60), rng.normal(0, 1, 40)
    rows = [(u, i, 3 + people[u] + things[i] + rng.normal(0, 0.3), 0) for u in range(60) for i in range(40)]
    train, test = hg.split(make(rows), "random", test=0.3, seed=1)
    model = Blend(models="random:draws=ratings,bias:reg_user=0.01:reg_item=0.01").fit(train)
    assert abs(model.weights_[1]) < 0.02
    assert model.weights_[2] == pytest.approx(1.0, abs=0.05)
    model.save(tmp_path / "b.safetensors")
    assert hg.open(tmp_path / "b.safetensors", verify=True).predict(test).equals(model.predict(test))


def test_an_event_repeated_is_in_one_fold(make: Make) -> None:
    """Were the old opinion trained on, the new one would be known."""
    rows = [(u, i, float(1 + (u * i) % 5), t) for u in range(12) for i in range(9) for t in (0, 1)]
    once = [row for row in rows if row[3] == 1]
    given = Blend(models="bias,mf:factors=2:epochs=2")
    np.testing.assert_allclose(
        Blend(models=given.models).fit(make(rows)).weights_,
        Blend(models=given.models).fit(make(once)).weights_,
        rtol=1e-5,
    )


def test_models_that_cannot_be_blended() -> None:
    for models, said in (
        ("", r"Blend.models must name at least one model, such as bias,svd:factors=50"),
        ("bias,ease", r"Blend.models must be models that rate, got 'ease'."),
        ("bias:5", r"Blend.models must give hyperparameters as :name=value, got 'bias:5'."),
        ("bias:factors=5", "no hyperparameter 'factors'; it has"),
        ("baias", "there is no model 'baias'; did you mean bias"),
        ("bias:reg_user=-1", "Bias.reg_user must be a number >= 0.001, got -1"),
    ):
        with pytest.raises(ParameterError, match=said):
            Blend(models=models)
