"""Measure models side by side: A B A B, each time in a fresh process, all judged by the same code."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

import honeyguide as hg
from bench.exchange import AnyArray, Job, Task
from bench.harness import BenchError, python_of, ratio, run, spread
from honeyguide.data.dataset import Dataset
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.evaluate.exam import exam
from honeyguide.metrics import metric
from honeyguide.metrics.rating import mae, rmse

COSTS = ("fit_first", "fit", "answer_first", "answer", "fit_mb", "answer_mb")


@dataclass(frozen=True)
class Side:
    """One side: a module of this folder with a Contender, and what it is told. `refit`: fit twice, see `Job`."""

    name: str
    module: str
    settings: Mapping[str, Any]
    refit: bool = True


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Honeyguide, the first of the sides, against rivals, on one split; `test` is the share or, in k, see `hg.split`.

    data      used where the command line names none
    positive  which events lists are made from and judged by; the rest is left out for all sides
    """

    about: str
    task: Task
    sides: tuple[Side, ...]
    data: str = "movielens-small"
    kind: Literal["random", "per-person"] = "random"
    test: float = 0.2
    positive: str = "every event"
    k: int = 10
    rounds: int = 3
    note: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """What all sides are asked, in raw ids, and the truth they are judged by."""

    train: Dataset
    users: AnyArray  # lists: (P,) whose; ratings: (N,) of the pairs
    items: AnyArray  # ratings: (N,)
    ratings: AnyArray  # (N,)
    relevant: sp.csr_matrix | None  # lists: (P, I)
    left_out: int = 0  # people with test events and no training events


@dataclass
class Measured:
    """What the rounds of one side gave."""

    rounds: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    failure: str | None = None


def compare(
    comparison: Comparison, *, data: str | None = None, rounds: int | None = None, threads: int, seed: int = 1
) -> dict[str, Any]:
    """All rounds of all sides, as a result to write: protocol, costs and quality of each side, ratios to ours.

    A rival that fails or does not install is in the result with its reason. BenchError where ours fails.
    """
    name, rounds = data or comparison.data, rounds or comparison.rounds
    question = ask(comparison, hg.load(name, positive=comparison.positive), seed)
    found = {side.name: Measured() for side in comparison.sides}
    for number in range(rounds):
        for side in comparison.sides:
            measured = found[side.name]
            if measured.failure is None:
                try:
                    costs, measured.versions = once(side, comparison, question, threads=threads, seed=seed + number)
                    measured.rounds.append(costs)
                except BenchError as error:
                    if side == comparison.sides[0]:
                        raise
                    measured.failure = str(error)
    protocol = {
        "task": comparison.task, "data": name, "split": comparison.kind, "test": comparison.test, "seed": seed,
        "positive": comparison.positive, "training_events": len(question.train), "asked": len(question.users),
        "people_left_out": question.left_out, "k": comparison.k, "rounds": rounds, "threads": threads,
    }  # fmt: skip
    sides = {side.name: _summary(side, found[side.name]) for side in comparison.sides}
    return {"about": comparison.about, "note": comparison.note, "protocol": protocol, "sides": sides} | _ratios(sides)


def ask(comparison: Comparison, data: Dataset, seed: int) -> Question:
    """The question of a comparison on some data."""
    if comparison.task == "lists":
        data = data.take(data.schema.positive.mask(data.values))
    train, test = hg.split(data, comparison.kind, test=comparison.test, seed=seed)
    return ask_for_lists(train, test) if comparison.task == "lists" else Question(train, *raw(test), test.values, None)


def ask_for_lists(train: Dataset, test: Dataset) -> Question:
    """The question of whose lists the test part can judge: people with relevant test events and a training history."""
    none = np.zeros(0, np.int64)
    paper = exam(train, test)
    known = paper.asked[paper.profiles.known[paper.asked] >= 0]
    users = _ids(train.schema.users, paper.users[known])
    return Question(train, users, none, none, paper.relevant[known], len(paper.asked) - len(known))


def raw(data: Dataset) -> tuple[AnyArray, AnyArray]:
    """The users (N,) and items (N,) of all events in raw ids."""
    return _ids(data.schema.users, data.users), _ids(data.schema.items, data.items)


def _ids(vocabulary: Vocabulary, codes: AnyArray) -> AnyArray:
    ids: AnyArray = vocabulary.decode(codes).to_numpy()
    return ids if vocabulary.kind == "integer" else ids.astype(str)


def once(
    side: Side, comparison: Comparison, question: Question, *, threads: int, seed: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Have one side do its job in a process of its own: costs and quality, and the versions of its packages."""
    packages: Sequence[str] = importlib.import_module(side.module).PACKAGES
    pinned = tuple(package.partition("==")[0] for package in packages)
    python = python_of(side.module.rpartition(".")[2], packages)
    scale = question.train.schema.scale if comparison.task == "ratings" else None
    job = Job(
        task=comparison.task, settings=side.settings, threads=threads, seed=seed, k=comparison.k, scale=scale,
        refit=side.refit, versions=pinned,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hand_over(folder, job, question)
        run([str(python), "-m", side.module, name], what=side.name, threads=threads)
        timing = json.loads((folder / "timing.json").read_text(encoding="utf-8"))
        versions = timing.pop("versions")
        with np.load(folder / "answer.npz") as answer:
            return timing | judge(question, comparison, [answer[each] for each in answer.files]), versions


def hand_over(folder: Path, job: Job, question: Question) -> None:
    """Write what a side is to do and its data to a folder."""
    (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
    users, items = raw(question.train)
    events = {"train_users": users, "train_items": items, "train_values": question.train.values}
    if question.train.times is not None:
        events["train_times"] = question.train.times
    np.savez(folder / "data.npz", allow_pickle=False, users=question.users, items=question.items, **events)


def judge(question: Question, comparison: Comparison, answer: Sequence[AnyArray]) -> dict[str, float]:
    """The quality of one side's answer."""
    if comparison.task == "ratings":
        (given,) = answer
        return {"rmse": rmse(question.ratings, given), "mae": mae(question.ratings, given)}
    lists = table_of_lists(question, *answer, k=comparison.k)
    asked = [metric(f"{name}@{comparison.k}") for name in ("ndcg", "recall")]
    return {m.name: float(np.mean(m.function(lists, question.relevant, k=comparison.k))) for m in asked}


def table_of_lists(question: Question, users: AnyArray, items: AnyArray, *, k: int) -> AnyArray:
    """(P, k) item codes, -1 for an empty place, from raw ids (M,); BenchError for lists that break the rules."""
    codes = question.train.schema.items.encode(items.tolist())
    order = np.argsort(question.users)
    rows = order[np.minimum(np.searchsorted(question.users[order], users), len(order) - 1)]
    starts = np.flatnonzero(np.append(True, rows[1:] != rows[:-1])) if len(rows) else np.zeros(0, np.int64)
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    pairs = rows * np.int64(question.train.n_items) + codes
    if (question.users[rows] != users).any() or (codes < 0).any() or (place >= k).any():
        raise BenchError("a list holds people who were not asked about, items that are not there, or over k items")
    if len(np.unique(pairs)) != len(pairs) or len(np.unique(rows)) != len(starts):
        raise BenchError("a list holds an item twice, or a person has two lists")
    lists = np.full((len(question.users), k), -1, np.int32)
    lists[rows, place] = codes
    return lists


def _summary(side: Side, measured: Measured) -> dict[str, Any]:
    if measured.failure is not None:
        return {"settings": dict(side.settings), "failure": measured.failure}
    found = {key: spread(each[key] for each in measured.rounds) for key in measured.rounds[0]}
    return {"settings": dict(side.settings), "versions": measured.versions, "fits": 1 + side.refit} | found


def _ratios(sides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """For each rival that was measured: its costs over ours."""
    (ours, first), *rivals = sides.items()
    ratios = {
        f"{name} / {ours}": {key: ratio(side[key], first[key]) for key in COSTS}
        for name, side in rivals
        if "failure" not in side
    }
    return {"ratios": ratios} if ratios else {}
