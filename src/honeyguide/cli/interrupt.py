"""Ctrl-C stops a command within two seconds, even in the middle of compiled code, which Python cannot interrupt.

Python tells the main thread of a signal between two of its own steps, so that a long compiled one delays it. The
signal's wake-up file tells another thread at once, which ends the process where the main thread has not in time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from honeyguide.files import discard

STOPPED = "stopped; nothing was written"
_GRACE = 1.5  # seconds in which the main thread may end by itself


@contextmanager
def prompt() -> Iterator[None]:
    """Within it, Ctrl-C ends the process with status 1, an unfinished file removed, even where nothing heeds it."""
    if os.name == "nt" or threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before, ended = signal.set_wakeup_fd(writer, warn_on_full_buffer=False), threading.Event()
    sys.unraisablehook = _quiet
    watcher = threading.Thread(target=_watch, args=(reader, ended), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        sys.unraisablehook = sys.__unraisablehook__
        signal.set_wakeup_fd(before)
        os.close(writer)  # the watcher reads the end of the file
        watcher.join()
        os.close(reader)


def _quiet(failure: sys.UnraisableHookArgs) -> None:
    """Say nothing of a Ctrl-C that came while an object was taken down; of the rest what Python says."""
    if failure.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(failure)


def _watch(reader: int, ended: threading.Event) -> None:
    while number := os.read(reader, 1):
        if number[0] == signal.SIGINT and not ended.wait(_GRACE):
            discard()
            restore = "\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar's line and hidden cursor
            os.write(2, f"{restore}{STOPPED}\n".encode())
            os._exit(1)
