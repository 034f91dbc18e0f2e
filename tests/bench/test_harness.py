"""The harness: the same quality as `evaluate` says, memory as it was taken, sides in turn, results without paths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.catalogue import COMPARISONS
from bench.compare import Comparison, Side
from bench.harness import BenchError

import honeyguide as hg
from bench import compare, harness
from honeyguide.data.dataset import Dataset

INVERSE = "bench.rivals.inverse"


def of_lists(*sides: Side, k: int = 5) -> Comparison:
    return Comparison(about="", task="lists", sides=sides, k=k)


@pytest.mark.parametrize(
    ("task", "settings", "metrics"),
    [
        ("lists", {"model": "ease", "reg": 3.0}, ("ndcg@5", "recall@5")),
        ("ratings", {"model": "mf", "factors": 3, "epochs": 3}, ("rmse", "mae")),
    ],
)
def test_quality_is_that_of_evaluate(
    ratings: Dataset, task: Any, settings: dict[str, Any], metrics: tuple[str, ...]
) -> None:
    """Two routes: through a process, raw string ids with commas and emoji, and the judge; or in this process."""
    ratings = ratings.with_positive("every event")
    comparison = Comparison(about="", task=task, sides=(), k=5, test=0.3)
    side = Side("ours", "bench.ours", settings)
    costs, _ = compare.once(side, comparison, compare.ask(comparison, ratings, 1), threads=1, seed=4)
    train, test = hg.split(ratings, "random", test=0.3, seed=1)
    run = hg.Run(seed=4, threads=1)
    given = dict(settings)
    model = hg.model(given.pop("model"), **given)
    table = hg.evaluate({"ours": model.fit(train, run=run)}, train, test, metrics=list(metrics), resamples=0, run=run)
    for name in metrics:
        assert costs[name] == pytest.approx(table.value("ours", name), abs=1e-6)
    assert min(costs[key] for key in ("fit_first", "fit", "answer_first", "answer")) > 0


def test_ease_by_its_formula_is_as_good_as_ours(ratings: Dataset) -> None:
    ours = Side("ease", "bench.ours", {"model": "ease", "reg": 3.0})
    bare = Side("bare", INVERSE, {"dtype": "float64", "reg": 3.0}, refit=False)
    question = compare.ask(of_lists(), ratings, 1)
    found = [compare.once(side, of_lists(), question, threads=1, seed=1)[0] for side in (ours, bare)]
    assert found[0]["ndcg@5"] == pytest.approx(found[1]["ndcg@5"], abs=1e-9)
    assert found[0]["ndcg@5"] > 0.1
    assert found[1]["fit"] == found[1]["fit_first"]  # fitted once


def test_lists_are_put_in_the_order_of_the_question(ratings: Dataset) -> None:
    """A planted answer: everybody gets what is relevant to them, people in reverse."""
    question = compare.ask(of_lists(), ratings, 1)
    assert question.relevant is not None
    users: list[str] = []
    items: list[str] = []
    for row in reversed(range(len(question.users))):
        good = question.relevant.indices[question.relevant.indptr[row] : question.relevant.indptr[row + 1]][:5]
        items += question.train.schema.items.decode(good).to_list()
        users += [question.users[row]] * len(good)
    perfect = compare.judge(question, of_lists(), [np.array(users), np.array(items)])
    assert perfect["ndcg@5"] == pytest.approx(1.0)
    with pytest.raises(BenchError, match="an item twice"):
        compare.judge(question, of_lists(), [np.array(users[:1] * 2), np.array(items[:1] * 2)])
    with pytest.raises(BenchError, match="items that are not there"):
        compare.judge(question, of_lists(), [np.array(users[:1]), np.array(["never seen"])])
    with pytest.raises(BenchError, match="people who were not asked about"):
        compare.judge(question, of_lists(), [np.array(["nobody"]), np.array(items[:1])])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_above_what_was_there_before() -> None:
    """Neither the size of the process that started this one nor what was freed before hides what is taken."""
    mine = np.ones(64 << 20)  # 512 MB here, more than the child takes
    child = (
        "from bench.exchange import peak, reset_peak\n"
        "before = bytearray(300 << 20); del before\n"
        "base = reset_peak(); taken = bytearray(100 << 20); del taken; print(peak() - base)"
    )
    done = subprocess.run([sys.executable, "-c", child], cwd=harness.ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) == pytest.approx(100 << 20, rel=0.05)
    assert mine[-1] == 1


@pytest.mark.filterwarnings("ignore:The MovieLens ratings")
def test_sides_take_turns_and_a_failing_rival_stays_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []

    def once(side: Side, *_: Any, seed: int, threads: int) -> tuple[dict[str, float], dict[str, str]]:
        turns.append(f"{side.name}{seed}")
        if side.name == "broken":
            raise BenchError("broken does not install")
        slower = 3.0 if side.name == "rival" else 1.0
        return dict.fromkeys(compare.COSTS, slower * seed), {}

    monkeypatch.setattr(compare, "once", once)
    sides = [Side(name, INVERSE, {}) for name in ("ours", "rival", "broken")]
    result = compare.compare(of_lists(*sides), rounds=3, threads=1)
    assert turns == ["ours1", "rival1", "broken1", "ours2", "rival2", "ours3", "rival3"]
    assert result["sides"]["broken"]["failure"] == "broken does not install"
    assert result["sides"]["ours"]["fit"] == {"median": 2.0, "min": 1.0, "max": 3.0}
    assert result["ratios"] == {"rival / ours": {key: {"median": 3.0, "min": 3.0, "max": 3.0} for key in compare.COSTS}}
    with pytest.raises(BenchError, match="broken does not install"):
        compare.compare(of_lists(sides[2], sides[0]), rounds=1, threads=1)


def test_a_failing_process_is_told_in_one_line_without_paths() -> None:
    with pytest.raises(BenchError) as caught:
        harness.run([sys.executable, "-c", f"raise ValueError('no file {harness.ROOT}/x at https://host/y')"], what="x")
    assert str(caught.value) == "x failed (exit status 1): ValueError: no file … at …"


def test_a_process_has_the_threads_it_was_given() -> None:
    code = "import os; from bench.exchange import pin; pin(1); print(len(os.sched_getaffinity(0)), os.environ[%r])"
    done = harness.run([sys.executable, "-c", code % "OPENBLAS_NUM_THREADS"], what="x", threads=1)
    assert done.stdout.split() == ["1", "1"]


def test_a_result_has_its_facts_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = str(harness.ROOT / "bench" / "__main__.py")
    monkeypatch.setattr(sys, "argv", [script, "popular", "--data", str(tmp_path)])
    path = harness.write_result("name", {"seconds": [0.123456, 2.0]}, folder=tmp_path / "results")
    text = path.read_text(encoding="utf-8")
    held = json.loads(text)
    assert path.name == f"{held['date']}-name.json"
    assert held["command"] == "python -m bench popular --data '…'"
    assert held["seconds"] == [0.1235, 2.0]
    assert held["machine"]["cores"] >= 1
    assert held["machine"]["cpu"]
    assert held["machine"]["versions"]["numpy"] == np.__version__
    assert str(harness.ROOT) not in text
    assert str(tmp_path) not in text
    assert not list(path.parent.glob("*.part"))


def test_an_environment_is_made_once_for_its_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[list[str]] = []

    def run(step: list[str], **_: Any) -> None:
        steps.append(step)
        (tmp_path / "rival").mkdir(exist_ok=True)

    monkeypatch.setattr(harness, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(harness, "run", run)
    assert harness.python_of("rival", ()) == Path(sys.executable)
    assert steps == []
    for pins in (("a==1",), ("a==1",), ("a==2",)):
        assert harness.python_of("rival", pins) == tmp_path / "rival" / "bin" / "python"
    assert [step[-1] for step in steps if "pip" in step] == ["a==1", "a==2"]


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_names_models_with_hyperparameters_that_exist(name: str) -> None:
    ours, *rivals = COMPARISONS[name].sides
    given = dict(ours.settings)
    hg.model(given.pop("model"), **given)
    assert ours.module == "bench.ours"
    assert all((harness.ROOT / f"{side.module.replace('.', os.sep)}.py").is_file() for side in rivals)
