"""Early stopping: stops `patience` epochs after the best, gives the best state back, watches what it says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from planted import Planted, PlantedRatings, ratings

from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError, ParameterError
from honeyguide.evaluate import EarlyStopping, early_stopping, evaluate, fit_early
from honeyguide.models.baseline.popular import Popular
from honeyguide.models.factorization.mf import Mf
from honeyguide.run import Run
from honeyguide.split import split


@dataclass(kw_only=True, eq=False)
class Wandering(PlantedRatings):
    """A model that changes its state in place after each epoch, its quality going up and then down."""

    def wander(self, watch: EarlyStopping, truth: np.ndarray, quality: list[float]) -> int:
        """The number of epochs run."""
        noise = np.random.default_rng(0).random(truth.shape, dtype=np.float32)
        self.tuple_ = (np.zeros(1), sp.csr_matrix(np.eye(2)))
        epoch = 0
        for epoch, share in enumerate(quality, start=1):
            self.plan_[:] = share * truth + (1 - share) * noise
            self.tuple_[0][:] = epoch
            self.tuple_[1].data[:] = epoch
            if watch(self, epoch):
                break
        watch.finish(self)
        return epoch


def prepared(**options: Any) -> tuple[Wandering, EarlyStopping, np.ndarray, Dataset, Dataset]:
    train, validation = split(ratings(0, 900, people=40, items=60), "random")
    return (
        Wandering().fit(train),
        early_stopping(train, validation, **options),
        validation.positives().toarray(),
        train,
        validation,
    )


def test_it_stops_after_patience_and_gives_back_the_best_epoch() -> None:
    model, watch, truth, train, validation = prepared(metric="ndcg@10", patience=2)
    assert model.wander(watch, truth, [0.1, 0.2, 0.4, 0.3, 0.2, 0.2, 0.1]) == 5
    assert watch.best_epoch == 3
    assert len(watch.history) == 5
    assert np.argmax(watch.history) == 2
    assert model.tuple_[0][0] == 3
    assert model.tuple_[1].data.tolist() == [3, 3]
    again = evaluate({"m": model}, train, validation, metrics=["ndcg@10"], resamples=0)
    assert again.value("m", "ndcg@10") == pytest.approx(watch.best)


def test_it_lets_a_model_that_improves_go_on_and_keeps_its_last_state() -> None:
    model, watch, truth, *_ = prepared(patience=1)
    assert model.wander(watch, truth, [0.05, 0.2, 0.3, 0.45]) == 4
    assert model.tuple_[0][0] == 4


def test_rmse_is_better_when_lower() -> None:
    model, watch, _, train, validation = prepared(metric="rmse", patience=1)
    exact = np.full((40, 60), 0.5, np.float32)
    exact[validation.users, validation.items] = (validation.values + 1) / 8
    assert model.wander(watch, exact, [0.2, 0.9, 0.5, 0.9]) == 3
    assert watch.best_epoch == 2
    found = evaluate({"m": model}, train, validation, metrics=["rmse"], resamples=0)
    assert found.value("m", "rmse") == pytest.approx(watch.best)


def test_fewer_people_are_watched_if_asked() -> None:
    model, watch, truth, train, validation = prepared(people=5, seed=1)
    model.wander(watch, truth, [0.3])
    measured = evaluate({"m": model}, train, validation, metrics=["ndcg@10"], resamples=0).people("ndcg@10")["value"]
    five = np.random.default_rng(1).choice(len(measured), 5, replace=False)
    assert watch.history[0] == pytest.approx(measured.to_numpy()[five].mean())
    assert watch.history[0] != pytest.approx(measured.mean())


def test_the_same_watcher_serves_a_second_fit() -> None:
    model, watch, truth, *_ = prepared(patience=2)
    model.wander(watch, truth, [0.4, 0.1, 0.1])
    assert model.wander(watch, truth, [0.1, 0.2, 0.3]) == 3
    assert watch.best_epoch == 3


def test_a_metric_that_is_not_a_number_is_never_the_best() -> None:
    model, watch, truth, *_ = prepared(metric="rmse", patience=2)
    assert model.wander(watch, np.full_like(truth, np.nan), [0.5, 0.5, 0.5]) == 2
    assert watch.best_epoch == 0
    assert np.isnan(watch.best)


def test_nested_models_stay_as_they_are() -> None:
    """A model stands on others that its epochs do not change: they are neither copied nor put into a checkpoint."""
    train, validation = split(ratings(1), "random")
    outer, inner = Planted().fit(train), Planted().fit(train)
    outer.inner_, outer.others_ = inner, (inner, inner)
    watch = early_stopping(train, validation, patience=5)
    outer.plan_[:] = validation.positives().toarray()
    watch(outer, 1)
    assert set(watch.state()[1]) == {"plan_"}
    outer.plan_[:] = 0.0
    watch(outer, 2)
    watch.finish(outer)
    assert watch.best_epoch == 1
    assert outer.plan_.max() == 1.0
    assert outer.inner_ is inner
    assert outer.others_ == (inner, inner)
    assert outer.schema_ is train.schema


def test_errors_are_one_clear_line() -> None:
    train, validation = split(ratings(2), "random")
    with pytest.raises(ParameterError, match=r"early_stopping patience must be an integer >= 1, got 0\."):
        early_stopping(train, validation, patience=0)
    with pytest.raises(
        ParameterError, match=r"early_stopping metric must be of ratings or of ranking, got 'coverage@10'"
    ):
        early_stopping(train, validation, metric="coverage@10")
    nobody = validation.take(validation.values < 4)
    rule = r"early_stopping needs a person with a relevant validation item \(positive: >=4\), got none\."
    with pytest.raises(DataError, match=rule):
        early_stopping(train, nobody)


def test_progress_and_threads_are_the_runs() -> None:
    train, validation = split(ratings(3), "random")
    model = Planted().fit(train)
    values = []
    for threads in (1, 2):
        watch = early_stopping(train, validation, run=Run(threads=threads, progress=False))
        watch(model, 1)
        values.append(watch.best)
    assert values[0] == values[1]


def test_a_fit_that_is_stopped_equals_a_fit_of_its_best_epochs() -> None:
    train, validation = split(ratings(4, 600, people=40), "random")
    watch = early_stopping(train, validation, metric="rmse", patience=2)
    stopped = Mf(factors=8, reg=0.001, epochs=12).fit(
        train, run=Run(seed=1), watch=watch
    )  # hardly any reg: it overfits
    assert 1 <= watch.best_epoch < len(watch.history) < 12
    plain = Mf(factors=8, reg=0.001, epochs=watch.best_epoch).fit(train, run=Run(seed=1))
    one, other = (model.predict(validation)["prediction"].to_numpy() for model in (stopped, plain))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_its_state_is_kept_and_gone_on_from() -> None:
    model, watch, truth, train, validation = prepared(metric="ndcg@10", patience=2)
    quality = [0.1, 0.4, 0.3]
    again = early_stopping(train, validation, metric="ndcg@10", patience=2)
    noise = np.random.default_rng(0).random(truth.shape, dtype=np.float32)
    for epoch, share in enumerate(quality, start=1):
        model.plan_[:] = share * truth + (1 - share) * noise
        model.tuple_ = (np.full(1, epoch), sp.csr_matrix(np.eye(2)))
        assert not watch(model, epoch)
    plain, arrays = watch.state()
    again.restore(json.loads(json.dumps(plain)), {name: array.copy() for name, array in arrays.items()})
    model.plan_[:] = noise
    model.tuple_ = (np.full(1, 4), sp.csr_matrix(np.eye(2)))
    assert again(model, 4)  # two epochs after the best, which was before the restart
    again.finish(model)
    assert (again.best_epoch, len(again.history)) == (2, 4)
    assert model.tuple_[0][0] == 2

    other = early_stopping(train, validation, metric="recall@10")
    other.restore(plain, arrays)
    assert not other(model, 4)  # values of another metric say nothing
    assert np.isnan(other.history[:3]).all()
    assert other.best_epoch == 4


def test_epochs_are_found_on_a_held_out_share_and_the_fit_is_on_all(tmp_path: Path) -> None:
    data, run = ratings(0, 900, people=40, items=60), Run(seed=3, progress=False)
    found = fit_early(Mf(solver="adam", epochs=12, learning_rate=0.1), data, held_out=0.2, patience=2, run=run)
    part, validation = split(data, "per-person", test=0.2, seed=3)
    watch = early_stopping(part, validation, metric="rmse", patience=2, seed=3)
    Mf(solver="adam", epochs=12, learning_rate=0.1).fit(part, run=run, watch=watch)
    assert 1 <= watch.best_epoch < 12
    whole = Mf(solver="adam", epochs=watch.best_epoch, learning_rate=0.1).fit(data, run=run)
    np.testing.assert_array_equal(found.score(data.profiles()), whole.score(data.profiles()))
    again = fit_early(
        Mf(solver="adam", epochs=12, learning_rate=0.1), data, held_out=0.2, patience=2,
        run=Run(seed=3, progress=False, checkpoint=tmp_path / "kept"),
    )  # fmt: skip
    np.testing.assert_array_equal(again.score(data.profiles()), whole.score(data.profiles()))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(
        ParameterError, match="held_out must be for a model that learns in epochs, and Popular has none"
    ):
        fit_early(Popular(), data)
