"""The search: its ranges, its best, going on after a stop without repeating a draw, giving up by epoch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import honeyguide as hg
from honeyguide import params
from honeyguide.data.dataset import Dataset
from honeyguide.errors import DivergedError, HoneyguideError, MissingPackageError, ParameterError, WriteError
from honeyguide.models import registry
from honeyguide.models.factorization.ease import Ease
from honeyguide.models.factorization.mf import Mf
from honeyguide.tune import Tuned, tune

optuna = pytest.importorskip("optuna", reason="needs optuna")
Parts = tuple[Dataset, Dataset]


@pytest.fixture(scope="module")
def parts(ratings: Dataset) -> Parts:
    train, validation, _ = hg.split(ratings, "random", test=0.1, validation=0.2, seed=1)
    return train, validation


def test_the_best_is_what_a_fit_by_hand_gives(parts: Parts) -> None:
    train, validation = parts
    found = tune("Ease", train, validation, trials=4, fixed={"dropout": 0, "user_power": 0, "item_power": 0})
    assert (found.model, found.metric, found.descending) == ("ease", "ndcg@10", True)
    values = []
    for reg in found.trials["reg"]:
        model = hg.models.Ease(reg=reg).fit(train)
        values.append(hg.evaluate({"it": model}, train, validation, metrics=["ndcg@10"]).value("it", "ndcg@10"))
    assert found.trials["value"].to_list() == values
    assert found.value == max(values)
    built: Any = found.build()
    assert built.reg == found.hyperparameters["reg"] == found.trials["reg"][int(np.argmax(values))]
    low, high, _ = params.declarations(Ease)["reg"].tune  # type: ignore[misc]
    assert found.trials["reg"].is_between(low, high).all()


def test_a_trial_is_judged_by_its_best_epoch(parts: Parts) -> None:
    train, validation = parts
    found = tune("mf", train, validation, trials=3, fixed={"factors": "8", "epochs": 30, "learning_rate": 0.01})
    assert (found.metric, found.descending) == ("rmse", False)
    assert found.value == found.trials["value"].min()
    assert set(found.trials.columns) == {"number", "state", "value", "epochs", "reg"}  # the fixed are not searched
    assert found.trials["epochs"].min() < 25  # type: ignore[operator] # the best is not always the last
    for _, _, value, epochs, reg in found.trials.select("number", "state", "value", "epochs", "reg").rows():
        model = hg.models.Mf(factors=8, epochs=epochs, reg=reg).fit(train)
        by_hand = hg.evaluate({"it": model}, train, validation, metrics=["rmse"]).value("it", "rmse")
        assert value == pytest.approx(by_hand, rel=1e-5)
    best = found.trials.filter(value=found.value).row(0, named=True)
    assert found.hyperparameters == {
        "factors": 8, "epochs": best["epochs"], "learning_rate": 0.01, "reg": best["reg"]
    }  # fmt: skip


def test_a_seed_repeats_a_search(parts: Parts) -> None:
    one, same, other = (tune("ease", *parts, trials=3, run=hg.Run(seed=seed)) for seed in (4, 4, 5))
    assert one.trials.equals(same.trials)
    assert not set(one.trials["reg"]) & set(other.trials["reg"])


def test_a_stopped_search_goes_on_without_repeating_a_draw(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, fit, calls = tmp_path / "study.log", Ease._fit, 0

    def stop_at_the_third(self: Ease, *given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        fit(self, *given)

    monkeypatch.setattr(Ease, "_fit", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        tune("ease", *parts, trials=6, study=study)
    then = tune("ease", *parts, trials=6, study=study)
    assert then.trials["state"].to_list() == ["complete", "complete", "stopped", *["complete"] * 4]  # 6 in all
    assert then.trials["reg"].n_unique() == 7
    fits = calls
    again = tune("ease", *parts, trials=6, study=str(study))
    assert again == Tuned(then.model, then.metric, then.value, then.hyperparameters, again.trials)
    assert again.trials.equals(then.trials)
    assert calls == fits  # nothing was left to do
    assert tune("ease", *parts, trials=7, study=study).trials["state"].to_list().count("complete") == 7


def test_a_process_that_was_killed_leaves_a_trial_that_does_not_count(parts: Parts, tmp_path: Path) -> None:
    study = tmp_path / "study.log"
    tune("ease", *parts, trials=1, study=study)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(study)))
    optuna.load_study(study_name="ease", storage=storage).ask(
        {"reg": optuna.distributions.FloatDistribution(10, 1e4, log=True)}
    )
    with open(study, "ab") as file:
        file.write(b'{"op_code": 4, "worker_id"')  # the last line, cut short
    found = tune("ease", *parts, trials=2, study=study)
    assert found.trials["state"].to_list() == ["complete", "stopped", "complete"]


def test_a_study_goes_on_only_as_it_began(parts: Parts, ratings: Dataset, tmp_path: Path) -> None:
    study = tmp_path / "study.log"
    tune("ease", *parts, trials=1, study=study)
    tune("mf", *parts, trials=1, study=study, fixed={"epochs": 1})  # several models share a file
    for change, said in (
        ({"metric": "recall@5"}, "by another metric"),
        ({"train": ratings}, "on other data"),
        ({"model": "mf", "fixed": {"epochs": 2}}, "with other fixed hyperparameters"),
    ):
        given: dict[str, Any] = {"model": "ease", "train": parts[0], "validation": parts[1], "trials": 2, **change}
        with pytest.raises(
            ParameterError, match=f"study must go on as it began, and .* has trials of .* {said}; name a"
        ):
            tune(given.pop("model"), given.pop("train"), given.pop("validation"), study=study, **given)
    for content in (b"user,item\n1,2\n", b'{"a": 1}\n', b"\x00\xff", b"[1]\n7\n", b"op_code", b'{"a": 1}\nxyz'):
        other = tmp_path / "other"
        other.write_bytes(content)
        with pytest.raises(ParameterError, match="study must be a new file or one that an earlier search wrote, got"):
            tune("ease", *parts, trials=1, study=other)
        assert other.read_bytes() == content


def test_a_trial_that_falls_behind_is_given_up(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five good trials, then bad ones, which must not run through their epochs."""
    epochs: list[int] = []
    fit = Mf._fit_epochs

    def count(self: Mf, *given: Any) -> Any:
        epochs.append(0)
        bad = len(epochs) > 5
        for _ in fit(self, *given):
            epochs[-1] += 1
            if bad:
                self.item_vectors_ += np.float32(epochs[-1])
            yield

    monkeypatch.setattr(Mf, "_fit_epochs", count)
    found = tune("mf", *parts, trials=8, fixed={"epochs": 6, "factors": 4, "learning_rate": 0.01})
    assert found.trials["state"].to_list()[5:] == ["pruned"] * 3
    assert max(epochs[5:]) <= 2 < min(epochs[:5])
    assert math.isfinite(found.value)


def test_a_trial_that_fails_is_told_and_the_search_goes_on(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, calls = Ease._fit, 0

    def fail_first(self: Ease, *given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1 or calls > 3:
            raise DivergedError("to infinity")
        fit(self, *given)

    monkeypatch.setattr(Ease, "_fit", fail_first)
    assert tune("ease", *parts, trials=3).trials["state"].to_list() == ["failed", "complete", "complete"]
    with pytest.raises(HoneyguideError, match="no trial of ease came to its end; 2 were pruned or"):
        tune("ease", *parts, trials=2)


def test_lists_and_integers_are_drawn_with_their_types(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = params.declarations(Mf)
    spec = {**declared, "solver": params.dataclasses.replace(declared["solver"], tune=["als", "sgd"])}
    monkeypatch.setattr(params, "declarations", lambda cls: spec if cls is Mf else declared)
    found = tune("mf", *parts, trials=4, fixed={"epochs": 1, "reg": 0.1, "learning_rate": 0.01})
    assert set(found.trials["solver"]) <= {"als", "sgd"}
    assert found.trials["factors"].dtype.is_integer()
    built: Any = found.build()
    assert built.solver in ("als", "sgd")
    assert built.factors == found.hyperparameters["factors"]


def test_what_is_refused(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given, said in (
        (("popular", {}), "popular declares no range to search$"),
        (
            ("pure_svd", {"fixed": {"factors": 4, "item_power": 0, "user_power": 0}}),
            "pure_svd declares no range to search besides the fixed ones",
        ),
        (("ease", {"trials": 0}), "trials must be an integer >= 1, got 0."),
        (("eaze", {}), "did you mean ease?"),
        (("ease", {"fixed": {"regg": 1}}), "Ease has no hyperparameter 'regg'"),
        (("ease", {"metric": "ndgc"}), "metric must be one of"),
        (("ease", {"study": tmp_path / "no" / "s"}), "study must be a file in a folder that exists, got"),
    ):
        with pytest.raises(ParameterError, match=said):
            tune(given[0], *parts, **given[1])  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingPackageError, match=r"tuning needs optuna, .* pip install 'honeyguide\[tune\]'"):
        tune("ease", *parts, trials=1)


def test_a_disk_that_fills_under_a_study(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ease, "_fit", full)
    with pytest.raises(WriteError, match="study.log: No space left on device; the trials before are kept"):
        tune("ease", *parts, trials=2, study=tmp_path / "study.log")


def test_every_declared_range_is_legal_at_both_ends() -> None:
    for name in registry.names():
        for declared in params.declarations(registry.load(name)).values():
            spec = declared.tune
            values = [] if spec is None else spec if isinstance(spec, list) else spec[:2]
            for value in values:
                legal = int(value) if declared.kind is int else value
                assert not declared.fault(legal), f"{name}.{declared.name}"
