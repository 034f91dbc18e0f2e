"""Bars: on the error stream of a terminal, after two seconds, gone at the end."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time

import pytest

from honeyguide import progress
from honeyguide.run import Run

SLOW = """
import sys, time
from honeyguide import progress
from honeyguide.run import Run
progress._PATIENCE = 0.9
run = Run({how})
with run.track("outer", 4) as outer:
    with run.track("inner"):
        time.sleep(1.8)
    for step in range(4):
        outer.note(f"loss {{step}}")
        outer.advance()
        print("result", step)
        time.sleep({pause})
"""


def _on_a_terminal(code: str) -> tuple[str, str]:
    """(output, what a terminal got as the error stream) of a program."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.decode(), seen.decode()


def test_a_bar_with_the_time_left_on_a_terminal() -> None:
    out, seen = _on_a_terminal(SLOW.format(how="", pause=0.6))
    assert out == "".join(f"result {step}\n" for step in range(4))
    assert re.search(r"inner [^\n\r]*0:01", seen)  # no total: a clock from the beginning, although nothing advanced
    assert re.search(r"outer .*50%.*0:0[12] left.*loss", seen)
    assert seen.index("inner") < seen.rindex("outer")
    assert "\x1b[?25h" in seen[seen.rindex("outer") :]  # the cursor is shown again, the line taken away
    assert "\x1b[2K" in seen[seen.rindex("outer") :]


def test_no_bar_for_quick_work_nor_where_it_is_not_wanted() -> None:
    quick = SLOW.replace("sleep(1.8)", "sleep(0)").replace("= 0.9", "= 2.0")
    assert _on_a_terminal(quick.format(how="", pause=0))[1] == ""
    assert _on_a_terminal(SLOW.format(how="progress=False", pause=0.1))[1] == ""
    piped = subprocess.run(
        [sys.executable, "-c", SLOW.format(how="", pause=0.1)], capture_output=True, text=True, check=True
    )
    assert piped.stderr == ""


def test_the_wait_is_two_seconds() -> None:
    assert progress._PATIENCE == 2.0


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What a display in place of the real one is told."""
    told: list[tuple[str, object]] = []

    class Display:
        def add(self, task: progress.Task) -> None:
            told.append(("add", task.done))

        def draw(self, task: progress.Task) -> None:
            told.append(("draw", (task.done, task.text)))

        def remove(self, task: progress.Task) -> None:
            told.append(("remove", task.done))

    monkeypatch.setattr(progress, "_display", Display())
    monkeypatch.setattr(progress, "_PATIENCE", 0.05)
    return told


def test_a_task_comes_up_by_itself_with_what_is_done(shown: list[tuple[str, object]]) -> None:
    with Run(progress=True).track("work", 5) as task:
        task.advance(2)
        time.sleep(0.3)
        task.note("half")
    assert shown == [("draw", (2, "")), ("add", 2), ("draw", (2, "half")), ("remove", 2)]


def test_a_task_that_ends_before_never_comes_up(shown: list[tuple[str, object]]) -> None:
    with pytest.raises(KeyboardInterrupt), Run(progress=True).track("work", 5):
        raise KeyboardInterrupt
    time.sleep(0.2)
    assert shown == [("remove", 0)]
