"""Seconds and peak memory of reading ten million rows as CSV and as Parquet, each in a process of its own.

    python bench/read_memory.py [rows]

The file is synthetic (138,000 people, 27,000 items by a power law, half-stars, seconds) and lies in a temporary folder.
`arrays_mb` is what a Dataset of that size holds; `peak_mb` is the most the process had, `start_mb` what it had after a
first small read (medians of three). Half the rows are read too: `bytes_a_row` is how much the peak grows with a row,
where the arrays kept take 20; a second copy would take 40. What does not grow is the block under way.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import polars as pl

from bench.harness import write_result

ROWS = 10_000_000
REPEATS = 3
MEASURE = """
import json, sys, time
from honeyguide.data.read import read
def peak():  # of this process alone: what getrusage says starts from the size of the parent
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
read(sys.argv[2])
start, begun = peak(), time.perf_counter()
data = read(sys.argv[1])
seconds = time.perf_counter() - begun
held = sum(a.nbytes for a in (data.users, data.items, data.values, data.times)) / 1e6
print(json.dumps({"rows": len(data), "users": data.n_users, "items": data.n_items, "seconds": seconds,
                  "start_mb": start, "peak_mb": peak(), "arrays_mb": held}))
"""


def synthetic(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """Ratings with the outline of MovieLens 20M."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "userId": rng.integers(1, 138_001, rows),
            "movieId": (rng.pareto(1.0, rows) * 100).astype(np.int64) % 27_000 + 1,
            "rating": rng.integers(1, 11, rows) / 2,
            "timestamp": rng.integers(800_000_000, 1_600_000_000, rows),
        }
    )


def measure(path: Path, small: Path) -> dict[str, Any]:
    """The medians of some reads, each in a fresh process."""
    runs = []
    for _ in range(REPEATS):
        done = subprocess.run([sys.executable, "-c", MEASURE, path, small], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    found = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return found | {"file_mb": path.stat().st_size / 1e6, "peaks_mb": [run["peak_mb"] for run in runs]}


def main(rows: int) -> None:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.csv"
        synthetic(1_000).write_csv(small)
        for kind in ("csv", "parquet"):
            sides = []
            for part in (rows // 2, rows):
                path = Path(folder) / f"ratings.{kind}"
                table = synthetic(part)
                table.write_csv(path) if kind == "csv" else table.write_parquet(path)
                del table
                sides.append(measure(path, small))
            grown = (sides[1]["peak_mb"] - sides[0]["peak_mb"]) * 1e6 / (rows - rows // 2)
            found[kind] = {"half": sides[0], "whole": sides[1], "bytes_a_row": grown}
    for kind, each in found.items():
        whole = each["whole"]
        print(
            f"{kind:8} {whole['seconds']:.1f} s, peak {whole['peak_mb']:.0f} MB, of which {whole['start_mb']:.0f} from "
            f"the start and {whole['arrays_mb']:.0f} the arrays kept; {each['bytes_a_row']:.0f} bytes more a row"
        )
    print(write_result("read-memory", found).name)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
