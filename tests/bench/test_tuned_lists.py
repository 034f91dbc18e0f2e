"""The tuned table: every side's ranges, going on after a stop, the choice by validation alone, the interval."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.trials import Limits
from bench.tuned_table import duel, markdown

import honeyguide as hg
from bench import harness, tuned_lists
from honeyguide.data.dataset import Dataset

SIDES = {side.name: side for side in tuned_lists.sides()}


@pytest.mark.parametrize("name", SIDES)
def test_the_first_trial_lies_in_the_ranges_and_the_settings_go_through_json(name: str) -> None:
    found = SIDES[name].search
    for key, value in found.start.items():
        spec = found.ranges[key]
        inside = value in spec if isinstance(spec, list) else spec[0] <= value <= spec[1]
        assert inside, key
        assert isinstance(spec, list) or type(spec[0]) is type(spec[1]), key
    assert json.loads(json.dumps(found.ranges | found.fixed)).keys() == (found.ranges | found.fixed).keys()


def test_all_our_models_for_lists_take_part_with_their_declared_ranges() -> None:
    ours = [name for name in SIDES if name.startswith("honeyguide ")]
    assert {"honeyguide als", "honeyguide ease", "honeyguide slim", "honeyguide popular"} <= set(ours)
    assert not {"honeyguide random", "honeyguide bias", "honeyguide mf"} & set(ours)
    found = SIDES["honeyguide als"].search
    assert found.ranges["factors"] == (16, 256, "log")
    assert type(found.ranges["epochs"][0]) is int
    assert type(found.ranges["alpha"][0]) is float
    assert found.start["factors"] == hg.models.Als().factors
    assert found.fixed == {"model": "als"}
    hg.model("als", **found.start)
    assert {f"honeyguide {name}" for name in ("two_tower", "multvae", "neumf", "lightgcn", "sasrec")} <= set(ours)
    assert "honeyguide autorec" not in ours  # it gives ratings
    neumf = hg.models.NeuMF()
    first = hg.model("neumf", **SIDES["honeyguide neumf"].search.start)
    assert (first._embedding_reg, first._dropout) == (neumf._embedding_reg, neumf._dropout)  # type: ignore[attr-defined]


DEEP = Limits(trials=1, trial=90, study=90)


@pytest.fixture
def args(ratings: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    monkeypatch.setattr(hg, "load", lambda *_, positive: ratings.with_positive(positive))
    plans = {"small": tuned_lists.Plan("every event", Limits(trials=2, trial=60, study=60), DEEP)}
    return argparse.Namespace(
        plans=plans, threads=1, out=tmp_path / "out", only="* ease", again=False, retest=False, afresh=False
    )


def test_a_run_goes_on_where_it_stopped(
    args: argparse.Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratings: Dataset
) -> None:
    pytest.importorskip("optuna", reason="needs optuna")
    monkeypatch.setattr(tuned_lists, "sides", lambda: [SIDES["honeyguide popular"], SIDES["honeyguide ease"]])
    tuned_lists.run("small", args, tmp_path)
    found: Any = tuned_lists.newest("small", args.out)
    side = found["sides"]["honeyguide ease"]
    assert list(found["sides"]) == ["honeyguide ease"]
    assert side["trials"] == 2
    assert len(side["test_of_seeds"]) == 1  # it is not random
    assert side["validation"] == max(side["values"])
    train, test = hg.split(ratings.with_positive("every event"), "per-person", test=0.2, seed=0)
    given = {key: value for key, value in side["settings"].items() if key != "model"}
    table = hg.evaluate({"it": hg.model("ease", **given).fit(train)}, train, test, metrics=["ndcg@10", "recall@10"])
    for name, value in side["test"].items():
        assert value == pytest.approx(table.value("it", name), rel=2e-3)  # four digits are kept, of the settings too
    part, validation = hg.split(train, "per-person", test=0.2, seed=0)
    judged = hg.evaluate({"it": hg.model("ease", **given).fit(part)}, part, validation, metrics=["ndcg@10"])
    assert side["validation"] == pytest.approx(judged.value("it", "ndcg@10"), rel=2e-3)

    done: list[str] = []

    def fake(side: tuned_lists.Side, ground: Any, known: Any) -> dict[str, Any]:
        done.append(side.name)
        return {"failure": "does not install"}

    monkeypatch.setattr(tuned_lists, "tuned", fake)
    args.only = "*"
    tuned_lists.run("small", args, tmp_path)
    assert done == ["honeyguide popular"]
    again: Any = tuned_lists.newest("small", args.out)
    assert again["sides"]["honeyguide ease"] == side
    assert "| **honeyguide popular** | 0 | does not install |" in markdown(again)
    args.plans["small"] = tuned_lists.Plan(
        "every event", Limits(trials=2, trial=60, study=60), Limits(trials=9, trial=9, study=9)
    )
    tuned_lists.run("small", args, tmp_path)  # the limits of deep models stand beside each of them
    args.plans["small"] = tuned_lists.Plan("every event", Limits(trials=3, trial=60, study=60), DEEP)
    with pytest.raises(tuned_lists.BenchError, match="another protocol; --afresh"):
        tuned_lists.run("small", args, tmp_path)


def test_a_known_side_is_judged_again_on_test_with_other_seeds(
    args: argparse.Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna", reason="needs optuna")
    monkeypatch.setattr(tuned_lists, "sides", lambda: [SIDES["honeyguide bpr"]])
    args.only, args.plans["small"] = "* bpr", tuned_lists.Plan("every event", DEEP, DEEP)
    tuned_lists.run("small", args, tmp_path)
    found: Any = tuned_lists.newest("small", args.out)
    side = found["sides"]["honeyguide bpr"]
    assert len(set(side["test_of_seeds"])) == 3  # of a model that is random
    assert side["test"]["ndcg@10"] == pytest.approx(np.mean(side["test_of_seeds"]), rel=1e-3)
    path = next(args.out.glob("*.json"))
    path.write_text(json.dumps(found | {"sides": {"honeyguide bpr": side | {"test_of_seeds": [0.5]}}}))
    args.retest = True
    tuned_lists.run("small", args, tmp_path)
    again: Any = tuned_lists.newest("small", args.out)
    assert again["sides"] == {"honeyguide bpr": side}


def test_deep_models_have_limits_of_their_own_and_sequences_need_times(ratings: Dataset, tmp_path: Path) -> None:
    plan = tuned_lists.Plan("every event", Limits(trials=5, trial=9, study=9), DEEP)
    ground = tuned_lists.Ground("movielens-small", plan, tmp_path, 1)
    assert ground.protocol()["limits"] == {"trials": 5, "trial": 9, "study": 9}
    for name, limits in {"multvae": DEEP, "sasrec": DEEP, "als": plan.limits}.items():
        assert ground.limits(SIDES[f"honeyguide {name}"]) == limits
    assert ground.limits(SIDES["irspack ials"]) == plan.limits
    assert all(ground.able(side) for side in SIDES.values())
    ground.ordered = False
    assert [side.name for side in SIDES.values() if not ground.able(side)] == ["honeyguide sasrec"]


def test_the_best_of_ours_is_chosen_by_validation_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: what is best on test is worse on validation, on both sides."""
    names = [
        "implicit als",
        "irspack ials",
        "honeyguide als",
        "honeyguide slim",
        "honeyguide neumf",
        "honeyguide sasrec",
    ]
    values = dict(zip(names, [(0.3, 0.1), (0.2, 0.5), (0.3, 0.1), (0.2, 0.9), (0.1, 0.3), (0.05, 0.9)], strict=True))
    held = {
        name: {"validation": v, "test": {"ndcg@10": t}, "settings": {"name": name}} for name, (v, t) in values.items()
    }

    def tested(side: Any, ground: Any, settings: dict[str, Any]) -> Any:
        assert settings["name"] == side.name
        return np.full((3, 4, 2), values[side.name][1]), {}, {}

    monkeypatch.setattr(tuned_lists, "tested", tested)
    ground: Any = None
    found = list(tuned_lists._duels([SIDES[name] for name in names], held, ground))
    assert [(each["ours"], each["rival"], each["rival_chosen_by"]) for each in found] == [
        ("honeyguide als", "implicit als", "validation"),
        ("honeyguide als", "irspack ials", "test"),
        ("honeyguide neumf", "honeyguide als", "ours"),
    ]
    assert found[1]["ndcg@10"]["difference"] == pytest.approx(0.1 - 0.5)
    assert found[2]["ndcg@10"]["difference"] == pytest.approx(0.3 - 0.1)


def test_the_interval_of_a_difference_is_that_of_its_mean() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.random(1000)
    found = duel(theirs + rng.normal(0.01, 0.1, 1000), theirs)
    half = 1.96 * 0.1 / np.sqrt(1000)  # of a mean of independent differences
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.08)
    assert found["low"] < found["difference"] < found["high"]
    assert found["difference"] == pytest.approx(found["ours"] - found["rival"])
    assert found["p"] < 0.05
    same = duel(theirs, theirs)
    assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
    assert duel(theirs, theirs + 0.2)["difference"] == pytest.approx(-0.2)


def test_the_table_has_a_row_a_side_and_a_sentence_a_duel() -> None:
    side = {
        "validation": 0.25, "test": {"ndcg@10": 0.5, "recall@10": 0.125}, "trials": 28, "over_time": 2, "failed": 0,
        "fit_seconds": 1.25, "lists_seconds": 0.5,
    }  # fmt: skip
    numbers = {"ours": 0.3, "rival": 0.2, "difference": 0.1, "low": 0.05, "high": 0.15, "p": 0.0001}
    result = {
        "date": "2026-11-24",
        "protocol": {
            "data": "lastfm", "positive": "every event", "asked": 1877, "limits": {"trials": 30}, "threads": 2
        },
        "sides": {"honeyguide als": side, "lenskit ease": side | {"over_time": 0}},
        "duels": [{"ours": "honeyguide als", "rival": "lenskit ease", "rival_chosen_by": "test", "ndcg@10": numbers}],
    }  # fmt: skip
    text = markdown(result)
    assert "| **honeyguide als** | 28, 2 over time | .2500 | .5000 | .1250 | 1.25 | 0.5 |" in text
    assert "| lenskit ease | 28 | .2500 |" in text
    assert "ndcg@10 +0.1000 [+0.0500, +0.1500], p 0.0001." in text
    assert "1,877 people asked; 2026-11-24, 30 trials a side, 2 threads" in text
    deep = side | {"limits": {"trials": 12, "trial": 240, "study": 2400}}
    duels = [{"ours": "honeyguide multvae", "rival": "honeyguide als", "rival_chosen_by": "ours", "ndcg@10": numbers}]
    text = markdown(result | {"sides": {"honeyguide multvae": deep}, "duels": duels})
    assert "30 trials a side, 12 of a deep model, 2 threads" in text
    assert "honeyguide multvae − honeyguide als (on validation our best deep model and the best of our others)" in text


def test_the_page_shows_the_newest_results() -> None:
    page = (harness.ROOT / "docs" / "choose-a-model.md").read_text(encoding="utf-8")
    for name in tuned_lists.PLANS:
        found = tuned_lists.newest(name, tuned_lists.RESULTS)
        assert found is None or markdown(found) in page, f"python bench/tuned_lists.py --data {name} --table"


def test_the_model_of_two_stages_stands_on_what_was_tuned() -> None:
    known = {
        "honeyguide als": {"settings": {"factors": 8, "reg": 0.5, "model": "als"}},
        "honeyguide ease": {"settings": {"reg": 20.0, "model": "ease"}},
    }
    searched = tuned_lists.over(tuned_lists.of_ours("ranker"), known)
    assert searched.fixed == {"model": "ranker", "models": "als:factors=8:reg=0.5,ease:reg=20.0"}
    assert "models" not in searched.ranges
    with pytest.raises(harness.BenchError, match="ranker stands on honeyguide ease, which is not tuned yet"):
        tuned_lists.over(searched, {"honeyguide als": known["honeyguide als"]})
