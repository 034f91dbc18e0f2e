"""Ctrl-C in the middle of a fit: status 1, one line, no file, within two seconds, whatever runs just then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from shell import MAIN, listing

from honeyguide.cli import interrupt

# What a fit does when the signal comes, put in place of a model's own fit. Each says so on the error stream first.
WORK = {
    "Python": "while True: pass",
    "a kernel in this thread": "spin(0, 1, 4 * 10**9)",
    "kernels on threads": "run.map(spin, 64, 10**9, block=1)",
    "LAPACK": "import numpy as np; from honeyguide.kernels import lapack\n"
    "    while True: lapack.cholesky(np.asfortranarray(np.eye(3000)))",
    "an object taken down": "import time; End = type('End', (), {'__del__': lambda self: time.sleep(1)})\n"
    "    while True: End()",
    "a long call that holds Python's lock for a while": "import time\n    while True: sum(range(3 * 10**7))",
}
SPIN = """
import sys
from numba import njit
@njit(nogil=True)
def spin(start, stop, steps):
    total = 0.0
    for step in range(steps):
        total += (step % 7) ** 0.5 * (start + 1)
    return total
spin(0, 1, 1)
from honeyguide.models.factorization import ease
def fit(self, data, run):
    print("fitting", file=sys.stderr, flush=True)
    {work}
ease.Ease._fit = fit
"""
TUNE = ["tune", "ratings.csv", "--model", "ease", "--trials", "5"]


def _stopped(arguments: list[str], work: str, folder: Path) -> tuple[int, str, float]:
    """(status, error stream from then on, seconds until it stopped) of a command that gets Ctrl-C while it fits."""
    code = SPIN.replace("{work}", work) + MAIN
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line == "fitting\n":
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert out == ""
    return process.returncode, err, time.monotonic() - begun


@pytest.mark.parametrize("work", WORK)
def test_a_fit_stops_at_once(shop: Path, work: str) -> None:
    before = listing(shop)
    status, err, seconds = _stopped(
        ["train", "ratings.csv", "--model", "ease", "--out", "stopped.safetensors"], WORK[work], shop
    )
    assert (status, err) == (1, "stopped; nothing was written\n")
    assert seconds < 4  # 1.5 of grace, and a machine that others use too
    assert listing(shop) == before


def test_a_search_stops_and_says_where_its_trials_are(shop: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.log"
    status, err, seconds = _stopped([*TUNE, "--study", str(study)], WORK["Python"], shop)
    kept = f"stopped; the trials so far are in {study}, the same command goes on with them\n"
    assert (status, err) == (1, kept)
    assert seconds < 4
    status, err, _ = _stopped(TUNE, WORK["kernels on threads"], shop)
    assert (status, err) == (1, "stopped; nothing was written\n")


def test_an_unfinished_file_goes_with_the_process(tmp_path: Path) -> None:
    work = (
        "from honeyguide.files import whole\n"
        f"    with whole({str(tmp_path / 'big')!r}) as temporary:\n"
        "        temporary.write_bytes(b'half'); print('fitting', file=sys.stderr, flush=True); spin(0, 1, 4 * 10**9)"
    )
    code = SPIN.replace("{work}", work).replace('    print("fitting", file=sys.stderr, flush=True)\n', "")
    assert "print" in code
    process = subprocess.Popen(
        [sys.executable, "-c", code + MAIN, "train", "movielens-small", "--model", "ease", "--out", "m.safetensors"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line == "fitting\n":
            break
    assert [path.name for path in tmp_path.iterdir()] == [f".big.{process.pid}.tmp"]
    process.send_signal(signal.SIGINT)
    assert process.stderr.read() == "stopped; nothing was written\n"
    assert process.wait(20) == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_it_afterwards() -> None:
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc") else 0
    for _ in range(3):
        with interrupt.prompt():
            assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1
    if files:
        assert len(os.listdir("/proc/self/fd")) == files
    with pytest.raises(KeyboardInterrupt), interrupt.prompt():
        signal.raise_signal(signal.SIGINT)
    assert threading.active_count() == threads
