"""Seconds until a first list on a fresh machine, where kernels are still to be compiled, and on later starts.

    python bench/first_use.py
    python bench/first_use.py --models als,ease --rounds 3

Each model learns the MovieLens set of the package, a tenth of its people, and makes one list, in a process of its own:
first with an empty cache of compiled code, then again with what the first one left. Both times are those of whole
processes: Python, imports, reading and fitting are in them. "fit" is the call of `fit` alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness import ROOT, spread, write_result
from bench.table import columns
from honeyguide.models import registry

ONE = """
import json, sys, time
import honeyguide as hg
data = hg.load("movielens-small")
data = data.take(data.users % 10 == 0)
model = hg.model(sys.argv[1])
begun = time.perf_counter()
model.fit(data, run=hg.Run(progress=False))
seconds = time.perf_counter() - begun
model.recommend(history=[318, 296], k=10)
print(json.dumps(seconds))
"""


def once(name: str, cache: str) -> tuple[float, float]:
    """Seconds of the whole process and of its fit."""
    begun = time.perf_counter()
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", ONE, name], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return time.perf_counter() - begun, json.loads(done.stdout)


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=",".join(registry.names()))
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    found, lines = {}, [["", "first start s", "its fit s", "later start s", "its fit s"]]
    for name in asked.models.split(","):
        first, later = [], []
        for _ in range(asked.rounds):
            with tempfile.TemporaryDirectory() as cache:
                first.append(once(name, cache))
                later.append(once(name, cache))
        sides = {"first": first, "later": later}
        found[name] = {
            side: {"process": spread(whole for whole, _ in each), "fit": spread(fit for _, fit in each)}
            for side, each in sides.items()
        }
        cells = [found[name][side][what]["median"] for side in sides for what in ("process", "fit")]
        lines.append([name, *(f"{cell:.2f}" for cell in cells)])
        print(columns([lines[0], lines[-1]]), flush=True)
    print(columns(lines))
    print(f"→ bench/results/{write_result('first-use', {'rounds': asked.rounds, 'models': found}).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
