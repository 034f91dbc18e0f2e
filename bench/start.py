"""How long whole processes take to start: bare Python, the import of the package, the help of the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.harness import clock, spread

ROUNDS = 7
_COMMAND = str(Path(sys.executable).with_name("honeyguide"))
PROCESSES = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "python -c 'import honeyguide'": (sys.executable, "-c", "import honeyguide"),
    "honeyguide --help": (_COMMAND, "--help"),
    "honeyguide train --help": (_COMMAND, "train", "--help"),
    "honeyguide models": (_COMMAND, "models"),
}


def start(rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds of each process, in turn, `rounds` times; one round before them fills the caches of disk and bytecode."""
    seconds: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for number in range(rounds + 1):
        for name, step in PROCESSES.items():
            taken = clock(step, what=name)
            if number:
                seconds[name].append(taken)
    return {"rounds": rounds, "seconds": {name: spread(values) for name, values in seconds.items()}}
