"""Run: how a fit is carried out (seed, threads, backend, memory, progress), apart from what the model means.

Blocks are fixed by the data, never by the number of threads, so that results do not depend on it.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from honeyguide.checkpoint import Checkpoint
from honeyguide.errors import ParameterError
from honeyguide.progress import Task

Backend: TypeAlias = Literal["jax", "tensorflow"]
_BACKENDS = ("jax", "tensorflow")


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a fit is carried out. None of it changes what the model means.

    seed      repeats a run: on one machine, backend and version the result is the same, whatever the threads
    threads   None: all cores of this process
    backend   of deep models, "jax" (default) or "tensorflow"; one a process, chosen before Keras is first imported
    memory    bytes a fit may use; None: what the machine has free
    progress  True, False, or None: a bar where the error stream is a terminal
    checkpoint  a file that keeps the training of a deep model: a fit that was killed goes on from its last epoch
    """

    seed: int = 0
    threads: int | None = None
    backend: Backend | None = None
    memory: int | None = None
    progress: bool | None = None
    checkpoint: Checkpoint | str | Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.checkpoint, str | Path):
            object.__setattr__(self, "checkpoint", Checkpoint(self.checkpoint))
        whole = (("seed", "an integer", 0), ("threads", "an integer", 1), ("memory", "a number of bytes", 1))
        for name, what, low in whole:
            value = getattr(self, name)
            if value is None and name != "seed":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
                raise ParameterError(f"Run.{name} must be {what} >= {low}, got {value!r}.")
        if self.backend is not None and self.backend not in _BACKENDS:
            raise ParameterError(f"Run.backend must be one of {', '.join(_BACKENDS)}, got {self.backend!r}.")

    @property
    def workers(self) -> int:
        """The number of threads that `map` uses."""
        if self.threads is not None:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def rng(self, *stream: int) -> np.random.Generator:
        """A generator of its own for each stream, all determined by `seed`; (2,) and (2, 0) are two streams."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=stream))

    def map(self, kernel: Callable[..., Any], count: int, *args: Any, block: int = 256) -> list[Any]:
        """Call `kernel(start, stop, *args)` for fixed blocks of range(count) on threads; results in block order."""
        starts = range(0, count, block)
        out: list[Any] = [None] * len(starts)
        failures: dict[int, BaseException] = {}
        take = itertools.count().__next__

        def work() -> None:
            while not failures and (at := take()) < len(starts):
                try:
                    out[at] = kernel(starts[at], min(starts[at] + block, count), *args)
                except BaseException as error:
                    failures[at] = error

        others = [threading.Thread(target=work) for _ in range(min(self.workers, len(starts)) - 1)]
        try:
            for thread in others:
                thread.start()
            work()
            for thread in others:
                thread.join()
        except BaseException as stop:  # Ctrl-C between two blocks
            failures[-1] = stop
            for thread in others:
                if thread.ident is not None:
                    thread.join()
        if failures:
            raise failures[min(failures)]
        return out

    @contextmanager
    def track(self, label: str, total: int | None = None) -> Iterator[Task]:
        """A progress bar over `total` steps, or a clock; it appears only when the work lasts over two seconds."""
        task = Task(label, total, shown=sys.stderr.isatty() if self.progress is None else self.progress)
        try:
            yield task
        finally:
            task.close()

    @property
    def budget(self) -> int:
        """Bytes that a fit may use."""
        return self.memory if self.memory is not None else free_memory()


def free_memory() -> int:
    """Bytes that the machine can still give, its container's limit regarded; where unknown, 4 GB."""
    free = 4 << 30
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as limit:
            free = min(free, int(limit.read()))
    except (OSError, ValueError, StopIteration):
        pass
    return free


def in_units(n_bytes: float) -> str:
    """Bytes for people: 12 MB, 4.5 GB."""
    amount, units = float(n_bytes), ["B", "KB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:,.0f} {units[0]}" if amount >= 10 or units[0] == "B" else f"{amount:.1f} {units[0]}"
