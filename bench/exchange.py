"""What the harness and a side under test hand each other: a folder with job.json, data.npz, answer.npz, timing.json.

`serve` is the one stopwatch for both sides. It runs in the rivals' environments too, so it stands on the standard
library and NumPy alone. Ids are raw, integers or strings, as a user of either library would have them.

With `--trials` behind the folder the process stays and does trial after trial on the same data (bench/trials.py): it
says which versions it has, then reads {"settings", "seed"}, a line of JSON each, and writes {"fit", "lists"} in
seconds, or {"failure"}; the lists of the last trial are in answer.npz.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

AnyArray: TypeAlias = NDArray[Any]
Task: TypeAlias = Literal["lists", "ratings"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one side is to do, once.

    settings   hyperparameters and the like, as the side's module understands them
    k          length of the lists
    scale      lowest and highest rating; None for lists
    refit      measure a second fit and answer as well, in the same process: without compilation
    versions   packages whose versions are to stand in the result
    """

    task: Task
    settings: Mapping[str, Any]
    threads: int
    seed: int
    k: int
    scale: tuple[float, float] | None
    refit: bool
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """What a search tries of a model, in the form of a hyperparameter's `tune=`.

    ranges  (low, high) or (low, high, "log"), of integers where `low` is one; or a list of values
    start   the first trial, the library's own defaults: where it leaves a name out, that is drawn
    fixed   settings of every trial
    """

    ranges: Mapping[str, Any]
    start: Mapping[str, Any]
    fixed: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Events:
    """N events: users (N,), items (N,) raw ids, values (N,) float32, times (N,) where the data have them."""

    users: AnyArray
    items: AnyArray
    values: AnyArray
    times: AnyArray | None = None

    def codes(self) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
        """(user ids, item ids, user codes (N,), item codes (N,)), for libraries that want numbers from 0."""
        users, rows = np.unique(self.users, return_inverse=True)
        items, columns = np.unique(self.items, return_inverse=True)
        return users, items, rows, columns


class Contender(ABC):
    """One side of a comparison. The constructor brings the data into the library's own form; it is not timed."""

    def __init__(self, job: Job, train: Events) -> None:
        self.job, self.train = job, train

    @abstractmethod
    def fit(self) -> None:
        """Fit a new model on the training events. Timed."""

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """The k best unseen items of each user: (users (M,), items (M,)), each user's items best first. Timed."""
        raise NotImplementedError

    def ratings(self, users: AnyArray, items: AnyArray) -> AnyArray:
        """(N,) predicted ratings. Timed."""
        raise NotImplementedError


def serve(contender: type[Contender]) -> None:
    """Do the job of the folder named on the command line: fit, answer, and again; write answer and timing."""
    folder = Path(sys.argv[1])
    if sys.argv[2:] == ["--trials"]:
        serve_trials(contender, folder)
        return
    job, side, users, items = _begin(contender, folder)
    answer: tuple[AnyArray, ...] = ()

    def respond() -> None:
        nonlocal answer
        answer = side.lists(users) if job.task == "lists" else (side.ratings(users, items),)

    gc.collect()
    base = reset_peak()
    timing: dict[str, Any] = {"fit_first": _seconds(side.fit), "fit_mb": (peak() - base) / 1e6}
    reset_peak()
    timing |= {"answer_first": _seconds(respond), "answer_mb": (peak() - base) / 1e6}
    timing["fit"] = _seconds(side.fit) if job.refit else timing["fit_first"]
    timing["answer"] = _seconds(respond)
    timing["versions"] = {name: version(name) for name in job.versions}
    _write(folder, answer)
    (folder / "timing.json").write_text(json.dumps(timing), encoding="utf-8")


def serve_trials(contender: type[Contender], folder: Path) -> None:
    """Fit and make lists with one set of settings after another, until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    job, side, users, _ = _begin(contender, folder)
    print(json.dumps({"versions": {name: version(name) for name in job.versions}}), file=answers)
    for line in sys.stdin:
        side.job = replace(job, **json.loads(line))
        print(json.dumps(_trial(side, users, folder)), file=answers)


def _trial(side: Contender, users: AnyArray, folder: Path) -> dict[str, Any]:
    gc.collect()
    try:
        fit, begun = _seconds(side.fit), time.perf_counter()
        answer = side.lists(users)
        timing = {"fit": fit, "lists": time.perf_counter() - begun}
    except Exception as error:  # whatever a library raises is an outcome of the trial
        return {"failure": f"{type(error).__name__}: {error}".strip().partition("\n")[0]}
    _write(folder, answer)
    return timing


def _begin(contender: type[Contender], folder: Path) -> tuple[Job, Contender, AnyArray, AnyArray]:
    """The job of the folder, the side with its data in place, the users and items asked about."""
    job = Job(**json.loads((folder / "job.json").read_text(encoding="utf-8")))
    pin(job.threads)
    with np.load(folder / "data.npz") as held:
        times = held["train_times"] if "train_times" in held.files else None
        train = Events(held["train_users"], held["train_items"], held["train_values"], times)
        users, items = held["users"], held["items"]
    return job, contender(job, train), users, items


def _write(folder: Path, answer: tuple[AnyArray, ...]) -> None:
    np.savez(folder / "answer.npz", *(each.astype(str) if each.dtype == object else each for each in answer))


def pin(threads: int) -> None:
    """Keep this process on so many cores, so that a library that ignores its settings has no more than the others."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def reset_peak() -> int:
    """Bytes of this process now; on Linux the peak starts again from here."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak()


def peak() -> int:
    """The most bytes this process has had in memory.

    On Linux not `ru_maxrss`: that begins with the size of the process which started this one.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
