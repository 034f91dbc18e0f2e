"""Trials in a process that stays: the quality that `evaluate` says, limits of time, failures, the search itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.exchange import AnyArray, Events, Job, Search
from bench.ours import Honeyguide
from bench.trials import Limits, OverTime, Server, TrialError, search, suggest

import honeyguide as hg
from bench import compare, exchange
from honeyguide.data.dataset import Dataset
from honeyguide.metrics.ranking import ndcg

ODD = '''
import os, sys, time
import numpy as np
from bench.exchange import Contender, serve

class Odd(Contender):
    """Lists that hold the settings, after what they say has happened."""
    def fit(self):
        print("noise")
        what = self.job.settings["do"]
        if what == "raise":
            raise ValueError("no file /a/b here\\nsecond line")
        if what == "sleep":
            time.sleep(60)
        if what == "die":
            sys.stderr.write("Error: out of memory\\n")
            os._exit(3)

    def lists(self, users):
        return users, np.full(len(users), self.job.settings["number"] + self.job.seed + os.getpid() * 0)

serve(Odd)
'''


def _job() -> Job:
    return Job(task="lists", settings={}, threads=1, seed=0, k=5, scale=None, refit=False, versions=("numpy",))


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "odd_side.py").write_text(ODD, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "job.json").write_text(json.dumps(asdict(_job())), encoding="utf-8")
    some = np.arange(3)
    np.savez(
        tmp_path / "data.npz", train_users=some, train_items=some, train_values=some.astype(np.float32), users=some,
        items=some,
    )  # fmt: skip
    with Server(Path(sys.executable), "odd_side", tmp_path, threads=1) as server:
        yield server


def test_each_trial_has_the_quality_that_evaluate_says(ratings: Dataset, tmp_path: Path) -> None:
    """Two routes, trial after trial in one process or in this one; later settings leave nothing of earlier ones."""
    ratings = ratings.with_positive("every event")
    train, test = hg.split(ratings, "per-person", test=0.3, seed=1)
    question = compare.ask_for_lists(train, test)
    compare.hand_over(tmp_path, _job(), question)
    with Server(Path(sys.executable), "bench.ours", tmp_path, threads=1) as server:
        for settings in ({"model": "ease", "reg": 3.0}, {"model": "ease", "reg": 300.0}, {"model": "popular"}):
            seconds, answer = server.ask(settings, seed=0, seconds=60)
            lists = compare.table_of_lists(question, *answer, k=5)
            found = ndcg(lists, question.relevant, k=5).mean()
            given = {key: value for key, value in settings.items() if key != "model"}
            model = hg.model(str(settings["model"]), **given).fit(train, run=hg.Run(threads=1))
            table = hg.evaluate({"it": model}, train, test, metrics=["ndcg@5"], resamples=0)
            assert found == pytest.approx(table.value("it", "ndcg@5"), abs=1e-9)
            assert 0 < seconds["fit"] < 60


def test_the_seed_of_a_trial_is_that_of_its_fit_and_sequences_alone_see_the_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Planted: a person's last event comes first in the file, so that without times another one is last."""
    users, items = np.repeat(np.arange(8), 3), np.tile([3, 1, 2], 8)
    events = Events(users, items, np.ones(24, np.float32), np.tile([30, 10, 20], 8))
    side = Honeyguide(_job(), events)
    histories = side.ordered.profiles(), side.data.profiles()
    assert [side.data.schema.items.decode(each.items[:3]).to_list() for each in histories] == [[1, 2, 3], [3, 1, 2]]
    assert Honeyguide(_job(), replace(events, times=None)).ordered.times is None
    for seed in (0, 4):
        side.job = replace(_job(), seed=seed, settings={"model": "random"})
        side.fit()
        expected = hg.models.Random().fit(side.data, run=hg.Run(seed=seed, threads=1)).recommend([0, 1], k=5)
        assert side.lists(np.array([0, 1]))[1].tolist() == expected["item"].to_list()
    given: dict[str, Dataset] = {}

    class Learner:
        def __init__(self, name: str) -> None:
            self.name = name

        def fit(self, data: Dataset, *, run: hg.Run) -> None:
            given[self.name] = data

    monkeypatch.setattr(hg, "model", Learner)
    for name in ("sasrec", "multvae", "als"):
        side.job = replace(_job(), settings={"model": name})
        side.fit()
    assert {name: data.times is not None for name, data in given.items()} == {
        "sasrec": True,
        "multvae": False,
        "als": False,
    }


def test_times_are_handed_over_where_there_are_any(ratings: Dataset, tmp_path: Path) -> None:
    ratings = ratings.with_positive("every event")
    for times in (ratings.times, None):
        train, test = hg.split(replace(ratings, times=times), "per-person", test=0.3, seed=1)
        compare.hand_over(tmp_path, _job(), compare.ask_for_lists(train, test))
        _, side, *_ = exchange._begin(Honeyguide, tmp_path)
        assert (times is None) == (train.times is None) == (side.train.times is None)
        if train.times is not None:
            assert np.array_equal(side.train.times, train.times)


def test_a_process_answers_trial_after_trial(odd: Server) -> None:
    for number, seed in ((1, 0), (5, 2)):
        seconds, (users, items) = odd.ask({"do": "", "number": number}, seed=seed, seconds=30)
        assert set(seconds) == {"fit", "lists"}
        assert (items == number + seed).all()
        assert len(users) == 3
    assert odd.versions == {"numpy": np.__version__}


def test_what_a_library_raises_is_told_in_one_line_and_the_process_stays(odd: Server) -> None:
    with pytest.raises(TrialError, match="^ValueError: no file … here$"):
        odd.ask({"do": "raise", "number": 0}, seed=0, seconds=30)
    before = odd._process
    odd.ask({"do": "", "number": 0}, seed=0, seconds=30)
    assert odd._process is before


def test_a_trial_over_its_time_is_stopped_and_the_next_one_has_a_new_process(odd: Server) -> None:
    odd.ask({"do": "", "number": 0}, seed=0, seconds=30)
    process, begun = odd._process, time.monotonic()
    with pytest.raises(OverTime, match=r"^took longer than 0\.3 s$"):
        odd.ask({"do": "sleep", "number": 0}, seed=0, seconds=0.3)
    assert time.monotonic() - begun < 10
    assert process is not None
    assert process.returncode is not None
    assert (odd.ask({"do": "", "number": 4}, seed=0, seconds=30)[1][1] == 4).all()


def test_a_process_that_dies_says_why_and_comes_again(odd: Server) -> None:
    with pytest.raises(TrialError, match=r"^its process ended \(exit status 3\): Error: out of memory$"):
        odd.ask({"do": "die", "number": 0}, seed=0, seconds=30)
    odd.ask({"do": "", "number": 0}, seed=0, seconds=30)


class Parabola:
    """In the place of a server: an answer whose worth is highest at x = 3; above 8 it fails."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def ask(self, settings: dict[str, Any], *, seed: int, seconds: float) -> tuple[dict[str, float], list[AnyArray]]:
        self.asked.append(settings)
        if settings["x"] > 8:
            raise OverTime("took too long")
        return {}, [np.array([-((settings["x"] - 3) ** 2)])]


def _value(answer: Sequence[AnyArray]) -> float:
    return float(answer[0][0])


WHAT = Search({"x": (0.0, 10.0), "n": (1, 5), "kind": ["a", "b"]}, {"x": 9.5, "n": 2}, {"model": "it"})


def test_the_search_begins_with_the_defaults_and_finds_the_planted_best() -> None:
    pytest.importorskip("optuna", reason="needs optuna")
    server: Any = Parabola()
    found = search(server, WHAT, _value, Limits(trials=40, trial=9, study=60), seed=0)
    assert len(server.asked) == len(found.trials) == 40
    first = server.asked[0]
    assert (first["x"], first["n"], first["model"]) == (9.5, 2, "it")
    assert {type(each["n"]) for each in server.asked} == {int}
    assert {each["kind"] for each in server.asked} == {"a", "b"}
    assert found.best.settings["x"] == pytest.approx(3, abs=0.2)
    assert found.best.value == max(trial.value for trial in found.trials if trial.value is not None)
    assert found.trials[0].state == "over time"
    assert found.count("over time") == sum(each["x"] > 8 for each in server.asked)
    late = [each["x"] for each in server.asked[20:]]
    assert sum(x > 8 for x in late) <= 2  # what did not end is kept away from
    again: Any = Parabola()
    search(again, WHAT, _value, Limits(trials=5, trial=9, study=60), seed=0)
    assert again.asked == server.asked[:5]


def test_a_search_ends_by_its_time_and_without_ranges_after_one_trial() -> None:
    pytest.importorskip("optuna", reason="needs optuna")
    server: Any = Parabola()
    assert len(search(server, WHAT, _value, Limits(trials=9, trial=9, study=0.0), seed=0).trials) == 0
    none = Search({}, {}, {"x": 1.0})
    found = search(server, none, _value, Limits(trials=9, trial=9, study=60), seed=0)
    assert [trial.settings for trial in found.trials] == [{"x": 1.0}]


def test_logarithms_are_drawn_in_their_range() -> None:
    optuna = pytest.importorskip("optuna", reason="needs optuna")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [suggest(study.ask(), "x", (1.0, 1e4, "log")) for _ in range(200)]
    assert 30 < np.median(drawn) < 300  # 100; evenly, 5,000
    whole = [suggest(study.ask(), "n", (1, 10_000, "log")) for _ in range(200)]
    assert 30 < np.median(whole) < 300
