"""Run: order, threads, failures, Ctrl-C; streams of random numbers; what is refused."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyguide import run as run_module
from honeyguide.errors import ParameterError
from honeyguide.run import Run, free_memory, in_units


@given(count=st.integers(0, 300), block=st.integers(1, 70), threads=st.integers(1, 5))
def test_map_covers_the_range_in_order_whatever_the_threads(count: int, block: int, threads: int) -> None:
    blocks = Run(threads=threads).map(
        lambda start, stop, add: list(range(start + add, stop + add)), count, 7, block=block
    )
    assert [value for part in blocks for value in part] == [value + 7 for value in range(count)]
    assert all(len(part) == block for part in blocks[:-1])
    assert blocks == Run(threads=1).map(
        lambda start, stop, add: list(range(start + add, stop + add)), count, 7, block=block
    )


def test_map_keeps_order_where_later_blocks_end_first() -> None:
    def slow_first(start: int, stop: int) -> int:
        time.sleep(0.05 if start == 0 else 0)
        return start

    assert Run(threads=4).map(slow_first, 40, block=10) == [0, 10, 20, 30]


def test_map_runs_on_the_threads_asked_for() -> None:
    meeting = threading.Barrier(3, timeout=10)
    names = Run(threads=3).map(lambda *_: (meeting.wait(), threading.current_thread().name)[1], 3, block=1)
    assert len(set(names)) == 3
    assert Run(threads=1).map(lambda *_: threading.current_thread(), 3, block=1) == [threading.main_thread()] * 3


@pytest.mark.parametrize("threads", [1, 4])
def test_a_failure_is_raised_and_the_rest_left_undone(threads: int) -> None:
    done = []

    def fail(start: int, stop: int) -> None:
        if start == 2:
            raise ZeroDivisionError("block 2")
        done.append(start)
        time.sleep(0.002)

    with pytest.raises(ZeroDivisionError, match="block 2"):
        Run(threads=threads).map(fail, 500, block=1)
    assert len(done) < 100


def test_ctrl_c_cancels_what_has_not_begun() -> None:
    begun = []

    def work(start: int, stop: int) -> None:
        begun.append(start)
        if start == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.02)

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        Run(threads=2).map(work, 1000, block=1)
    assert len(begun) < 50
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread that was just being started ends by itself
    assert threading.active_count() <= before


def test_streams_differ_and_repeat() -> None:
    streams = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]
    first = {stream: Run(seed=5).rng(*stream).integers(2**60) for stream in streams}
    assert first == {stream: Run(seed=5, threads=3).rng(*stream).integers(2**60) for stream in streams}
    others = [Run(seed=seed).rng(*stream).integers(2**60) for seed in (6, 5 + 2**32) for stream in streams]
    assert len({*first.values(), *others}) == 3 * len(streams)


def test_what_is_refused() -> None:
    for asked, said in (
        ({"threads": 0}, "Run.threads must be an integer >= 1, got 0."),
        ({"seed": -1}, "Run.seed must be an integer >= 0, got -1."),
        ({"memory": 0}, "Run.memory must be a number of bytes >= 1, got 0."),
        ({"threads": "2"}, "Run.threads must be an integer >= 1, got '2'."),
        ({"seed": 1.5}, "Run.seed must be an integer >= 0, got 1.5."),
        ({"seed": None}, "Run.seed must be an integer >= 0, got None."),
        ({"memory": 1e9}, "Run.memory must be a number of bytes >= 1, got 1000000000.0."),
        ({"backend": "torch"}, "Run.backend must be one of jax, tensorflow, got 'torch'."),
    ):
        with pytest.raises(ParameterError) as caught:
            Run(**asked)  # type: ignore[arg-type]
        assert str(caught.value) == said


def test_memory_is_what_is_free_within_the_containers_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    meminfo, limit = tmp_path / "meminfo", tmp_path / "max"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    real = open
    places = {"/proc/meminfo": meminfo, "/sys/fs/cgroup/memory.max": limit}
    monkeypatch.setattr(run_module, "open", lambda path, **how: real(places[path], **how), raising=False)
    assert free_memory() == 2 << 20  # no limit known
    for text, expected in (("max", 2 << 20), ("1048576", 1 << 20), ("99999999999", 2 << 20)):
        limit.write_text(text)
        assert free_memory() == expected
    meminfo.unlink()
    assert free_memory() == 4 << 30
    assert Run(memory=123).budget == 123
    assert Run().budget == 4 << 30


def test_workers_follow_the_processors_of_the_process() -> None:
    assert Run(threads=7).workers == 7
    assert Run().workers >= 1
    assert np.isfinite(Run().workers)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 KB"), (52_345, "52 KB"), (4.5e9, "4.5 GB"), (4e16, "40,000 TB")],
)
def test_bytes_for_people(number: float, text: str) -> None:
    assert in_units(number) == text
