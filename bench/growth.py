"""How seconds and memory of models grow: with 1, 3 and 10 million synthetic events, and from one thread to two.

    python bench/growth.py              # models of lists
    python bench/growth.py --ratings    # models of ratings
    python bench/growth.py --models als,item_knn --millions 1 3 --rounds 1

The events are those of als_to_loss.py: 72 a person, 27,000 items of power-law popularity, people with tastes. Each fit
runs in a process of its own after a fit on a few people, so that compilation is not in it; then the lists of 2,000
people are made, or 100,000 of the training pairs rated (`answer`). Ratings are 1 to 5, drawn at random: what they are
does not change the work. Seconds are medians; `exponent` is the slope of log seconds over log events. Iterative models
go 5 epochs, `bayesian_fm` 5 sweeps in two chains. `ease` is not here: its cost follows the cube of the items, not the
rows.

`second thread` is what two threads gain on the largest set. What they can gain at all is measured beside it: the same
kernel gathers random rows of 64 floats from a table that fits in the cache and from one that does not, and multiplies
numbers that stay in registers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import scipy.sparse as sp

import honeyguide as hg
from bench.als_to_loss import synthetic
from bench.exchange import peak, pin, reset_peak
from bench.harness import ROOT, cores, write_result
from bench.table import columns
from honeyguide import params
from honeyguide.arrays import FloatArray, LongArray
from honeyguide.data.dataset import Dataset
from honeyguide.kernels.compiled import summing_kernel
from honeyguide.models import registry
from honeyguide.models.base import Recommender
from honeyguide.run import Run

LISTS = "popular,item_knn,rp3beta,als,bpr,pure_svd,graph_filter,slim"
RATINGS = "bias,svd,svdpp,nmf,rating_knn,slope_one,co_clustering,bayesian_fm"
USERS, ITEMS = 13_800, 27_000  # people a million events, items
EPOCHS, ASKED, PAIRS = 5, 2_000, 100_000


def read(matrix: sp.csr_matrix, *, rated: bool) -> Dataset:
    """The events of a matrix as a data set."""
    import polars as pl

    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    columns = {"user": users, "item": matrix.indices}
    if rated:
        columns["rating"] = np.random.default_rng(0).integers(1, 6, len(users))
    return hg.read(pl.DataFrame(columns), user="user", item="item")


def once(name: str, path: str, threads: int) -> dict[str, float]:
    """Seconds of a fit and of lists, and the peak in MB above what the process had with its data ready."""
    pin(threads)
    run, rated = Run(threads=threads, progress=False), registry.create(name, {}).task == "rating"
    data = read(sp.load_npz(path), rated=rated)
    given = {n: EPOCHS for n in ("epochs", "sweeps") if n in params.declarations(registry.load(name))}
    small = data.take(data.users < 300)
    pairs = small.table().select("user", "item").head(100)
    warm = registry.create(name, given).fit(small, run=run)
    _answer(warm, small, pairs, run)
    model, data = registry.create(name, given), data.take(np.arange(len(data)))
    pairs = data.table().select("user", "item").sample(min(PAIRS, len(data)), seed=0)
    base = reset_peak()
    begun = time.perf_counter()
    model.fit(data, run=run)
    fitted = time.perf_counter()
    _answer(model, data, pairs, run)
    return {"fit": fitted - begun, "answer": time.perf_counter() - fitted, "mb": (peak() - base) / 1e6}


def _answer(model: Recommender, data: Dataset, pairs: Any, run: Run) -> None:
    if model.task == "rating":
        model.predict(pairs)
    else:
        model.recommend(data.schema.users.series()[: min(ASKED, data.n_users)].to_list(), k=10, run=run)


# ---- what the second thread can give ---------------------------------------------------------------------------------


@summing_kernel
def gather(start: int, stop: int, table: FloatArray, rows: LongArray, out: FloatArray) -> None:
    """out[n] = sum of the row `rows[n]` of a table (R, 64)."""
    for n in range(start, stop):
        total = np.float32(0.0)
        row = table[rows[n]]
        for f in range(64):
            total += row[f]
        out[n] = total


@summing_kernel
def multiply(start: int, stop: int, out: FloatArray) -> None:
    """A few hundred multiplications a number, in registers."""
    for n in range(start, stop):
        value = np.float32(n % 7)
        for _ in range(256):
            value = value * np.float32(0.999) + np.float32(0.5)
        out[n] = value


def second_thread() -> dict[str, float]:
    """How many times as fast each of the three loops is on two threads as on one."""
    rng, n = np.random.default_rng(0), 2_000_000
    out: FloatArray = np.empty(n, np.float32)
    found = {}
    for what, rows in (("gather, 1 MB table", 4_096), ("gather, 512 MB table", 2_000_000)):
        table, drawn = rng.random((rows, 64), dtype=np.float32), rng.integers(0, rows, n)
        found[what] = _gain(lambda run, t=table, d=drawn: run.map(gather, n, t, d, out, block=20_000))
    found["multiply in registers"] = _gain(lambda run: run.map(multiply, n, out, block=20_000))
    return found


def _gain(work: Any) -> float:
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(6):
        for threads, each in seconds.items():
            begun = time.perf_counter()
            work(Run(threads=threads, progress=False))
            each.append(time.perf_counter() - begun)
    return min(seconds[1]) / min(seconds[2])


# ---- the whole -------------------------------------------------------------------------------------------------------


def measure(name: str, path: Path, threads: int, rounds: int) -> dict[str, float]:
    """The medians of some rounds, each in a fresh process."""
    runs = []
    for _ in range(rounds):
        command = [sys.executable, "-m", "bench.growth", "--one", name, str(path), str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        runs.append(json.loads(done.stdout))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", help="names of either kind; the result has them in its name")
    parser.add_argument("--ratings", action="store_true", help="models of ratings, not of lists")
    parser.add_argument("--millions", nargs="+", type=int, default=[1, 3, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(once(asked.one[0], asked.one[1], int(asked.one[2]))))
        return 0
    names = (asked.models or (RATINGS if asked.ratings else LISTS)).split(",")
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    can = second_thread() if cores() > 1 else {}
    with tempfile.TemporaryDirectory() as folder:
        for millions in asked.millions:
            path = Path(folder) / f"{millions}.npz"
            sp.save_npz(path, synthetic(millions * 1_000_000, USERS * millions, ITEMS), compressed=False)
            for name in names:
                found[name][str(millions)] = measure(name, path, cores(), asked.rounds)
                print(name, millions, found[name][str(millions)], flush=True)
        for name in names:
            found[name]["one thread"] = measure(name, path, 1, asked.rounds)
    print(text(found, [str(each) for each in asked.millions]))
    print("two threads can give: " + ", ".join(f"{what} {gain:.2f}x" for what, gain in can.items()))
    result = {"items": ITEMS, "people_a_million": USERS, "epochs": EPOCHS, "asked": ASKED, "rounds": asked.rounds,
              "threads": cores(), "models": found, "second_thread_can_give": can}  # fmt: skip
    name = "growth-ratings" if asked.ratings else "growth"
    name = "-".join(["growth", *names]).replace("_", "-") if asked.models else name
    print(f"→ bench/results/{write_result(name, result).name}")
    return 0


def text(found: dict[str, dict[str, Any]], millions: list[str]) -> str:
    """Seconds of the fit at each size, their exponent, what the second thread gave, memory, seconds of the answer."""
    sizes = [f"{each} M" for each in millions]
    lines = [["fit s", *sizes, "exponent", "second thread", *(f"MB at {each}" for each in sizes), "answer s"]]
    for name, sides in found.items():
        fits = [sides[each]["fit"] for each in millions]
        slope = np.polyfit(np.log([float(each) for each in millions]), np.log(fits), 1)[0] if len(fits) > 1 else np.nan
        gain = sides["one thread"]["fit"] / fits[-1]
        memory = [f"{sides[each]['mb']:.0f}" for each in millions]
        answer = f"{sides[millions[-1]]['answer']:.2f}"
        lines.append([name, *(f"{fit:.2f}" for fit in fits), f"{slope:.2f}", f"{gain:.2f}x", *memory, answer])
    return columns(lines)


if __name__ == "__main__":
    sys.exit(main())
