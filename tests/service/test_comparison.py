"""Comparing against the same by hand; the choice; refitting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import honeyguide as hg
from honeyguide import service
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ParameterError
from honeyguide.models.base import Recommender
from honeyguide.models.factorization.ease import Ease
from honeyguide.run import Run


def test_compare_is_split_fit_and_evaluate_by_hand(ratings: Dataset) -> None:
    heard: list[str] = []
    models: dict[str, Recommender] = {"popular": hg.models.Popular(), "ease": hg.models.Ease(reg=10)}
    result = service.compare(
        ratings, models, test=0.2, validation=0.2, run=Run(seed=3), told=lambda name, _: heard.append(name)
    )
    assert heard == ["popular", "ease"]
    train, validation, test = hg.split(ratings, "random", test=0.2, validation=0.2, seed=3)
    fitted = {"popular": hg.models.Popular().fit(train), "ease": hg.models.Ease(reg=10).fit(train)}
    for part, evaluation in ((validation, result.validation), (test, result.test)):
        by_hand = hg.evaluate(fitted, train, part)
        for name in models:
            for metric in ("ndcg@10", "recall@10", "coverage@10"):
                assert evaluation.value(name, metric) == by_hand.value(name, metric)
    assert result.best("ndcg@10") == hg.evaluate(fitted, train, validation).best("ndcg@10")
    again = result.refit("ease")
    assert again.fingerprint_ == ratings.fingerprint
    assert isinstance(again, Ease)
    assert again.reg == 10
    assert not hasattr(models["ease"], "schema_") or models["ease"].fingerprint_ == train.fingerprint


def test_people_held_out_are_served_by_the_history_that_may_be_shown(ratings: Dataset) -> None:
    """Choosing, stopping, measuring and searching all show it; without it nobody held out has a list of their own."""
    models = {"ease": hg.models.Ease(reg=1.0), "mf": hg.models.Mf(factors=4, epochs=6)}
    result = service.compare(ratings, models, kind="cold-people", test=0.2, validation=0.3, patience=1)
    parts = result.parts
    assert parts.history is not None
    for found, held in ((result.test, parts.test), (result.validation, parts.validation)):
        assert (found.counts.warm_people, found.counts.cold_people) == (found.counts.people, 0)
        by_hand = hg.evaluate(result.fitted, parts.train, held, history=parts.history)
        for metric in ("ndcg@10", "rmse"):
            assert found.value("mf", metric) == by_hand.value("mf", metric)
    watch = hg.early_stopping(parts.train, parts.validation, history=parts.history, metric="rmse", patience=1)
    hg.models.Mf(factors=4, epochs=6).fit(parts.train, watch=watch)
    assert models["mf"].epochs == watch.best_epoch
    assert watch.best == pytest.approx(result.validation.value("mf", "rmse"), rel=1e-6)
    measured = service.measure(hg.models.Ease(reg=1.0), parts, metric="ndcg@10", run=hg.Run())
    assert measured == result.test.value("ease", "ndcg@10")
    for name, metric in (("ease", "ndcg@10"), ("mf", "rmse")):
        tuned = hg.tune(name, parts.train, parts.validation, history=parts.history, trials=1)
        model = tuned.build().fit(parts.train)
        by_hand = hg.evaluate({"it": model}, parts.train, parts.validation, history=parts.history)
        assert tuned.value == pytest.approx(by_hand.value("it", metric), rel=1e-6)


def test_the_choice_is_by_validation_and_not_by_test(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    models: dict[str, Recommender] = {"popular": hg.models.Popular(), "random": hg.models.Random()}
    result = service.compare(ratings, models, test=0.2, validation=0.2)
    winner = result.best("ndcg@10")
    loser = next(name for name in models if name != winner)
    swapped = service.Comparison(
        result.data, result.parts, result.fitted, result.test, result.validation, result.run
    )  # parts exchanged: only what is called validation may speak
    monkeypatch.setattr(type(result.test), "best", lambda self, metric: winner if self is result.validation else loser)
    assert result.best("ndcg@10") == winner
    assert swapped.best("ndcg@10") == loser


def test_an_iterative_model_is_refitted_for_the_epochs_that_validation_chose(ratings: Dataset) -> None:
    model: Any = hg.models.Mf(factors=8, reg=0.001, epochs=30)
    result = service.compare(ratings, {"mf": model}, test=0.2, validation=0.2, patience=2)
    chosen: Any = result.fitted["mf"]
    train, validation, _ = hg.split(ratings, "random", test=0.2, validation=0.2, seed=0)
    errors = []
    for epochs in range(1, chosen.epochs + 3):
        fitted = hg.models.Mf(factors=8, reg=0.001, epochs=epochs).fit(train)
        errors.append(hg.evaluate({"mf": fitted}, train, validation, metrics=["rmse"]).value("mf", "rmse"))
    assert chosen.epochs == int(np.argmin(errors)) + 1 < 30
    again: Any = result.refit("mf")
    by_hand: Any = hg.models.Mf(factors=8, reg=0.001, epochs=chosen.epochs).fit(ratings)
    np.testing.assert_allclose(again.item_vectors_, by_hand.item_vectors_, rtol=1e-5, atol=1e-6)


def test_a_metric_that_none_gives_is_refused_before_any_fit(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ease, "_fit", lambda *_: pytest.fail("fitted"))
    with pytest.raises(ParameterError, match="metric rmse is of ratings, and none of ease gives any here"):
        service.compare(ratings, {"ease": hg.models.Ease()}, metric="rmse")
