"""Progress bars on the error stream for whatever lasts over two seconds: one display, a line a task under way.

A timer brings a bar on, so that it comes up within a long step too. A task without a total has a pulse and a clock.
"""

from __future__ import annotations

import threading
import time
from typing import Any

_PATIENCE = 2.0  # seconds before a bar appears


class Task:
    """One piece of work under way: `advance` moves its bar, `note` puts a text beside it."""

    def __init__(self, label: str, total: int | None, *, shown: bool) -> None:
        self.label, self.total, self.done, self.text, self.begun = label, total, 0, "", time.monotonic()
        self._open, self._timer = shown, None
        if shown:
            self._timer = threading.Timer(_PATIENCE, self._appear)
            self._timer.daemon = True
            self._timer.start()

    _timer: threading.Timer | None

    def advance(self, steps: int = 1) -> None:
        """Count `steps` of the total as done."""
        self.done += steps
        if self._open:
            _display.draw(self)

    def note(self, text: str) -> None:
        """Show a short text, such as the loss, beside the bar."""
        self.text = text
        if self._open:
            _display.draw(self)

    def close(self) -> None:
        """Take the bar off the screen, or never bring it on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # it may be bringing the bar on just now
            self._open = False
            _display.remove(self)

    def _appear(self) -> None:
        _display.add(self)


class _Display:
    """The lines of the tasks that have come up; on the screen while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Task, Any] = {}
        self._bars: Any = None

    def add(self, task: Task) -> None:
        with self._lock:
            if self._bars is None:
                self._bars = _bars()
                self._bars.start()
            given = {"completed": task.done, "text": task.text, "begun": task.begun}
            self._lines[task] = self._bars.add_task(task.label, total=task.total, **given)

    def draw(self, task: Task) -> None:
        with self._lock:
            if task in self._lines:
                self._bars.update(self._lines[task], completed=task.done, text=task.text)

    def remove(self, task: Task) -> None:
        with self._lock:
            if task not in self._lines:
                return
            self._bars.remove_task(self._lines.pop(task))
            if not self._lines:
                self._bars.stop()
                self._bars = None


_display = _Display()


def _bars() -> Any:
    """The bars of Rich: what is done, the bar, its share, the time left (or gone, where no total is known), a text."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn
    from rich.text import Text

    class Clock(ProgressColumn):
        def render(self, task: Any) -> Text:
            gone = time.monotonic() - task.fields["begun"]
            seconds = gone if task.total is None else task.time_remaining
            if seconds is None:  # too early for the pace of the last steps: judged by that of all
                if not task.completed:
                    return Text("")
                seconds = gone * max(0, task.total / task.completed - 1)
            minutes, seconds = divmod(int(seconds), 60)
            return Text(f"{minutes}:{seconds:02}" + ("" if task.total is None else " left"), style="progress.remaining")

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Clock())
    return Progress(
        *columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True), transient=True,
        refresh_per_second=4, redirect_stdout=False,
    )  # fmt: skip
