"""How long the best items of many people take: ours, implicit's `recommend`, and the product of the vectors alone.

    python bench/top_k.py                                     # Gaussian vectors, and those of als on a long tail
    python bench/top_k.py --vectors gaussian --k 100 --rounds 1

6,000 people, 100,000 items, 64 factors, histories left out: 50 random items each, with als the person's own, some 100.
Ours is `lists.top_k` with all it does, ordering the items among it. implicit's is `recommend` of a model that has the
same vectors. The product is NumPy's, in float32, of 160 people with all items at a time; nothing is read of it. The
sides take turns, each in a process of its own, the best of three answers in each; how far the lists agree is told.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import scipy.sparse as sp

from bench.exchange import AnyArray, peak, pin, reset_peak
from bench.harness import cores, python_of, ratio, run, spread, write_result
from bench.table import columns

PEOPLE, ITEMS, FACTORS, HISTORY = 6_000, 100_000, 64, 50
SIDES = ("ours", "implicit", "product")
Lists = tuple[AnyArray, AnyArray]  # codes and scores (B, k)


# ---- the vectors ----------------------------------------------------------------------------------------------------


def gaussian() -> tuple[AnyArray, AnyArray, sp.csr_matrix]:
    """People, items and histories at random: all vectors about equally long, so that no item can be left out."""
    rng = np.random.default_rng(0)
    people, items = (rng.normal(size=(n, FACTORS)).astype(np.float32) for n in (PEOPLE, ITEMS))
    rows = np.repeat(np.arange(PEOPLE), HISTORY)
    ones = np.ones(len(rows), np.float32)
    return people, items, sp.csr_matrix((ones, (rows, rng.integers(0, ITEMS, len(rows)))), shape=(PEOPLE, ITEMS))


def long_tail() -> tuple[AnyArray, AnyArray, sp.csr_matrix]:
    """Those that als learns from five million events of 50,000 people on items of power-law popularity."""
    import polars as pl

    import honeyguide as hg
    from bench.als_to_loss import synthetic
    from honeyguide.models.factorization.als import Als

    matrix = synthetic(5_000_000, 50_000, ITEMS)
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    data = hg.read(pl.DataFrame({"user": users, "item": matrix.indices}), user="user", item="item")
    model = Als(factors=FACTORS, nu=0.0, alpha=5.0, reg=50.0, epochs=6).fit(data, run=hg.Run(progress=False))
    profiles = data.profiles().take(slice(0, PEOPLE))
    return model.user_vectors(profiles), model.item_vectors_, profiles.matrix()


VECTORS: dict[str, Callable[[], tuple[AnyArray, AnyArray, sp.csr_matrix]]] = {
    "gaussian": gaussian, "long-tail": long_tail
}  # fmt: skip


# ---- the sides ------------------------------------------------------------------------------------------------------


def ours(people: AnyArray, items: AnyArray, seen: sp.csr_matrix, k: int, threads: int) -> Callable[[], Lists]:
    """By `lists.top_k`."""
    import honeyguide as hg
    from honeyguide.data.dataset import Positive, Schema
    from honeyguide.data.profiles import Profiles
    from honeyguide.data.vocabulary import Vocabulary
    from honeyguide.models import lists

    class Model:
        def user_vectors(self, profiles: Profiles, *, run: hg.Run | None = None) -> AnyArray:
            return people[profiles.known]

        def item_vectors(self) -> AnyArray:
            return items

    users, things = (Vocabulary.of(range(n)) for n in seen.shape)
    schema = Schema(users, things, False, None, Positive("every event"), None)
    known, indptr = np.arange(len(people), dtype=np.int32), seen.indptr.astype(np.int64)
    profiles = Profiles(schema, known, indptr, seen.indices.astype(np.int32), seen.data)
    how = hg.Run(threads=threads, progress=False)
    return lambda: lists.top_k(Model(), profiles, k, run=how)


def implicit(people: AnyArray, items: AnyArray, seen: sp.csr_matrix, k: int, threads: int) -> Callable[[], Lists]:
    """By `recommend`, with BLAS held to one thread as its manual asks: it has threads of its own."""
    from implicit.cpu.als import AlternatingLeastSquares  # type: ignore[import-not-found]
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, "blas")
    model = AlternatingLeastSquares(factors=FACTORS, num_threads=threads)
    model.user_factors, model.item_factors = people, items
    rows = np.arange(len(people))
    return lambda: model.recommend(rows, seen, N=k, filter_already_liked_items=True)


def product(people: AnyArray, items: AnyArray, seen: sp.csr_matrix, k: int, threads: int) -> Callable[[], Lists]:
    """The product alone, on all threads of BLAS, in a block that is used again."""
    out = np.empty((160, len(items)), np.float32)

    def work() -> Lists:
        for first in range(0, len(people), len(out)):
            part = people[first : first + len(out)]
            np.matmul(part, items.T, out=out[: len(part)])
        return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)

    return work


def serve(name: str, folder: Path) -> None:
    """The part of one side, in a process of its own."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    pin(job["threads"])
    with np.load(folder / "vectors.npz") as held:
        people, items = held["people"], held["items"]
    seen = sp.load_npz(folder / "seen.npz")
    work = {"ours": ours, "implicit": implicit, "product": product}[name](people, items, seen, job["k"], job["threads"])
    work()  # compiles, and gives every thread its memory
    base, seconds = reset_peak(), []
    for _ in range(job["repeats"]):
        begun = time.perf_counter()
        codes, scores = work()
        seconds.append(time.perf_counter() - begun)
    np.savez(folder / f"{name}.npz", codes=codes, scores=scores)
    report = {"seconds": min(seconds), "mb": (peak() - base) / 1e6}
    (folder / f"{name}.json").write_text(json.dumps(report), encoding="utf-8")


# ---- the comparison -------------------------------------------------------------------------------------------------


def measure(folder: Path, k: int, rounds: int, threads: int) -> dict[str, Any]:
    """Seconds of every side for lists of k, and how far ours and implicit's agree."""
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    megabytes: dict[str, list[float]] = {name: [] for name in SIDES}
    (folder / "job.json").write_text(json.dumps({"k": k, "threads": threads, "repeats": 3}), encoding="utf-8")
    for _ in range(rounds):
        for name in SIDES:
            packages = importlib.import_module("bench.rivals.implicit").PACKAGES if name == "implicit" else ()
            step = [str(python_of(name, packages)), "-m", "bench.top_k", "--side", name, str(folder)]
            run(step, what=name, threads=threads)
            report = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            seconds[name].append(report["seconds"])
            megabytes[name].append(report["mb"])
    found = {name: {"seconds": spread(seconds[name]), "peak MB": spread(megabytes[name])} for name in SIDES}
    answers = [np.load(folder / f"{name}.npz") for name in ("ours", "implicit")]
    same = float(np.mean(answers[0]["codes"] == answers[1]["codes"]))
    apart = float(np.abs(answers[0]["scores"] - answers[1]["scores"]).max())
    ratios = {name: ratio(found[name]["seconds"], found["ours"]["seconds"]) for name in SIDES[1:]}
    return {**found, "ratios": ratios, "equal places": same, "scores apart at most": apart}


def text(name: str, k: int, found: dict[str, Any]) -> str:
    """The result of one set of vectors and length of lists as a table."""
    lines = [["", "seconds", "times ours", "MB"]]
    for side in SIDES:
        times = "" if side == "ours" else f"{found['ratios'][side]['median']:.2f}x"
        seconds, megabytes = found[side]["seconds"]["median"], found[side]["peak MB"]["median"]
        lines.append([side, f"{seconds:.3g}", times, f"{megabytes:.0f}"])
    agree = (
        f"{100 * found['equal places']:.3f} % of places are equal, scores within {found['scores apart at most']:.1g}"
    )
    return f"{name} vectors, lists of {k}; {agree}\n{columns(lines)}"


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vectors", nargs="+", choices=VECTORS, default=list(VECTORS))
    parser.add_argument("--k", nargs="+", type=int, default=[10, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        serve(asked.side[0], Path(asked.side[1]))
        return 0
    about = {"people": PEOPLE, "items": ITEMS, "factors": FACTORS, "rounds": asked.rounds, "threads": asked.threads}
    result: dict[str, Any] = {**about, "vectors": {}}
    for name in asked.vectors:
        people, items, seen = VECTORS[name]()
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "vectors.npz", people=people, items=items)
            sp.save_npz(Path(folder) / "seen.npz", seen, compressed=False)
            for k in asked.k:
                found = measure(Path(folder), k, asked.rounds, asked.threads)
                result["vectors"].setdefault(name, {})[str(k)] = found
                print(text(name, k, found), flush=True)
    print(f"→ bench/results/{write_result('top-k', result).name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
