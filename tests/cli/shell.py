"""Calling the command line in tests, and what it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and streams."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The whole output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of a failure; asserted to be one, on the error stream, with nothing on the other."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert self.status == 2, (self.status, self.out, self.err)
        assert self.out == ""
        assert len(lines) == 1
        assert self.err.endswith(lines[0] + "\n")
        assert "Traceback" not in self.err
        return lines[0].removeprefix("error: ")


Call = Callable[..., Done]
MAIN = "from honeyguide.cli import main; main()"


def spawn(arguments: Sequence[object], code: str = MAIN, **more: Any) -> Done:
    """Run a command in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, **more)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def listing(folder: Path) -> dict[str, int]:
    """Every file under a folder with its size: what must not change where a command fails."""
    return {str(path): path.stat().st_size for path in sorted(folder.rglob("*"))}
