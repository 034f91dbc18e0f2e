"""The tour of `honeyguide demo` as users run it: its table and its time, on both backends, over several seeds.

    python bench/demo_tour.py --seeds 0,1,2

A fresh process each; the seconds are of the whole process. The table of the first seed is kept as printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness import spread, write_result

COMMAND = str(Path(sys.executable).with_name("honeyguide"))


def tour(backend: str, seed: int) -> dict[str, Any]:
    """One tour: its outcome, seconds, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        step = [COMMAND, "demo", "--json", "--backend", backend, "--seed", str(seed)]
        done = subprocess.run(step, cwd=folder, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - begun
    return {"seed": seed, "seconds": seconds, "outcome": json.loads(done.stdout), "said": done.stderr.splitlines()}


def main() -> None:
    """Run the tours and write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0,1,2")
    seeds = [int(text) for text in parser.parse_args().seeds.split(",")]
    found: dict[str, Any] = {}
    for backend in ("jax", "tensorflow"):
        tours = [tour(backend, seed) for seed in seeds]
        rows = [row for each in tours for row in each["outcome"]["test"] if row["group"] == "all"]
        cells = {(row["model"], row["metric"]) for row in rows}
        means = {
            f"{model} {metric}": spread(r["value"] for r in rows if (r["model"], r["metric"]) == (model, metric))
            for model, metric in sorted(cells)
            if all(r["value"] is not None for r in rows if (r["model"], r["metric"]) == (model, metric))
        }
        found[backend] = {
            "seconds": spread(each["seconds"] for each in tours),
            "over_seeds": means,
            "said_by_the_first": tours[0]["said"],
        }
        print(backend, found[backend]["seconds"], flush=True)
    print(write_result("demo", {"seeds": seeds, "backends": found}).name)


if __name__ == "__main__":
    main()
