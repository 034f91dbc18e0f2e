"""A search over the settings of one side: trial after trial in one process that keeps the data.

The same for all sides: Optuna's tree of Parzen estimators with a fixed seed, the library's own defaults first. A trial
over its time limit is stopped with its process and counts as worse than any that came to an end.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

import numpy as np

from bench.exchange import AnyArray, Search
from bench.harness import ROOT, BenchError, environment, last_words, plain

State: TypeAlias = Literal["done", "over time", "failed"]
_START = 180  # seconds that a process may take to load its library and the data


class TrialError(BenchError):
    """A trial that gave no lists; the message is one line."""


class OverTime(TrialError):
    """A trial that took longer than it may."""


class Server:
    """One side in a process of its own, started when first asked and again after it was stopped.

    folder  has job.json and data.npz, see `compare.hand_over`; the answers come there too
    """

    def __init__(self, python: Path, module: str, folder: Path, *, threads: int) -> None:
        self.versions: dict[str, str] = {}
        self._command = [str(python), "-m", module, str(folder), "--trials"]
        self._folder, self._threads = folder, threads
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def ask(self, settings: Mapping[str, Any], *, seed: int, seconds: float) -> tuple[dict[str, float], list[AnyArray]]:
        """Seconds of fit and lists, and the lists (users (M,), items (M,)); TrialError where there are none."""
        process = self._process or self._start()
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"settings": dict(settings), "seed": seed}).encode() + b"\n")
            process.stdin.flush()
        told = self._read(process, seconds)
        if "failure" in told:
            raise TrialError(plain(told["failure"]))
        with np.load(self._folder / "answer.npz") as answer:
            return told, [answer[each] for each in answer.files]

    def stop(self) -> None:
        """End the process and what it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        with open(self._folder / "stderr.txt", "wb") as errors:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=environment(self._threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, bufsize=0, start_new_session=True,
            )  # fmt: skip
        self.versions = self._read(self._process, _START)["versions"]
        return self._process

    def _read(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """The next line that the process writes; it is stopped where there is none in time."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            in_time = selector.select(seconds)
        line = process.stdout.readline() if in_time else b""
        if line:
            told: dict[str, Any] = json.loads(line)
            return told
        self.stop()
        if not in_time:
            raise OverTime(f"took longer than {seconds:g} s")
        said = last_words((self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace"))
        raise TrialError(f"its process ended (exit status {process.returncode}): {said}")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one search: trials in all, seconds of one trial, seconds after which no further trial begins."""

    trials: int
    trial: float
    study: float


@dataclass
class Trial:
    """What was tried, how it ended, what it was worth, how long it took in all."""

    settings: dict[str, Any]
    state: State
    value: float | None
    seconds: float
    why: str = ""


@dataclass
class Found:
    """The trials of a search, in order."""

    trials: list[Trial] = field(default_factory=list)

    @property
    def best(self) -> Trial:
        """The first trial of the highest value; BenchError where none came to an end."""
        done = [trial for trial in self.trials if trial.value is not None]
        if not done:
            raise BenchError(f"no trial came to an end; the last one {self.trials[-1].why}")
        return max(done, key=lambda trial: trial.value or 0.0)

    def count(self, state: State) -> int:
        """How many trials ended so."""
        return sum(trial.state == state for trial in self.trials)


def search(
    server: Server, what: Search, value: Callable[[Sequence[AnyArray]], float], limits: Limits, *, seed: int
) -> Found:
    """Try settings and keep what they are worth, higher is better. Without ranges there is one trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(dict(what.start))
    found, begun = Found(), time.perf_counter()
    while len(found.trials) < (limits.trials if what.ranges else 1) and time.perf_counter() - begun < limits.study:
        drawn = study.ask()
        settings = {name: suggest(drawn, name, spec) for name, spec in what.ranges.items()} | dict(what.fixed)
        trial = _try(server, settings, value, limits.trial, seed=seed)
        if trial.value is None:
            study.tell(drawn, state=optuna.trial.TrialState.PRUNED)  # a failed one would be forgotten, and come again
        else:
            study.tell(drawn, trial.value)
        found.trials.append(trial)
    return found


def _try(
    server: Server, settings: dict[str, Any], value: Callable[[Sequence[AnyArray]], float], seconds: float, *, seed: int
) -> Trial:
    begun = time.perf_counter()
    try:
        _, answer = server.ask(settings, seed=seed, seconds=seconds)
        worth = value(answer)
    except BenchError as error:
        state: State = "over time" if isinstance(error, OverTime) else "failed"
        return Trial(settings, state, None, time.perf_counter() - begun, str(error))
    return Trial(settings, "done", worth, time.perf_counter() - begun)


def suggest(trial: Any, name: str, spec: Sequence[Any]) -> Any:
    """A value of a range as `Search` writes it, drawn by an Optuna trial."""
    if isinstance(spec, list):
        return trial.suggest_categorical(name, spec)
    low, high, *log = spec
    draw = trial.suggest_int if isinstance(low, int) else trial.suggest_float
    return draw(name, low, high, log=bool(log))
