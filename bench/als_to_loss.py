"""How long alternating least squares takes to one training loss: als, implicit and irspack minimise the same objective.

    python bench/als_to_loss.py                                  # movielens-1m and ten million synthetic events
    python bench/als_to_loss.py --data synthetic --factors 64 --rounds 1

Hu, Koren and Volinsky's objective, penalty reg |x|^2 a vector, confidence 1 + alpha of a pair that is there. The rivals
go 15 epochs by conjugate gradient, their fastest solver here; their loss after 5, 10 and 15 is what ours has to reach,
its people's vectors solved for to the end on the clock. The sides take turns, each in a process of its own; the loss
of all is summed by one function, off the clock. `epoch` is the median second of an epoch; `whole` counts what comes
before the first one too, which for us is all of `fit` from an unsorted data set and for the rivals what they make of
a finished matrix. Compilation has a line of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from bench.exchange import AnyArray, peak, pin, reset_peak
from bench.harness import cores, python_of, ratio, run, spread, write_result
from bench.table import columns

ALPHA, REG, EPOCHS, MARKS = 5.0, 50.0, 15, (5, 10, 15)
RIVALS = ("implicit", "irspack")
State = tuple[float, AnyArray, AnyArray]  # seconds since the beginning, vectors of people and of items


def loss(matrix: sp.csr_matrix, people: AnyArray, items: AnyArray) -> float:
    """The objective at these vectors. On one thread: others would still wait for work when the clock goes on."""
    rows, total = np.repeat(np.arange(len(people)), np.diff(matrix.indptr)), 0.0
    for first in range(0, matrix.nnz, 1 << 17):
        at = slice(first, first + (1 << 17))
        scores = np.einsum("nf,nf->n", people[rows[at]], items[matrix.indices[at]]).astype(np.float64)
        total += float(((1 + ALPHA) * (1 - scores) ** 2 - scores**2).sum())
    with threadpool_limits(1, "blas"):
        grams = [np.asarray(v.T.astype(np.float64) @ v.astype(np.float64)) for v in (people, items)]
    return total + float((grams[0] * grams[1]).sum() + REG * (np.trace(grams[0]) + np.trace(grams[1])))


# ---- the sides: epochs, each with the seconds spent so far ----------------------------------------------------------


def implicit(matrix: sp.csr_matrix, job: dict[str, Any]) -> Iterator[State]:
    """One epoch a call of `fit`, which goes on from the vectors it has; its preparations are off the clock but once."""
    from implicit.als import AlternatingLeastSquares  # type: ignore[import-not-found]

    threadpool_limits(1, "blas")
    model = AlternatingLeastSquares(
        factors=job["factors"], alpha=1 + ALPHA, regularization=REG, iterations=EPOCHS, use_cg=True,
        num_threads=job["threads"], random_state=job["seed"],
    )  # fmt: skip
    begun, spent = time.perf_counter(), 0.0
    states: list[State] = []

    def keep(_: int, seconds: float, *rest: Any) -> None:
        nonlocal spent
        spent += seconds
        states.append((spent, model.user_factors.copy(), model.item_factors.copy()))

    model.fit(matrix, show_progress=False, callback=keep)
    before = max(time.perf_counter() - begun - spent, 0.0)
    yield before, states[0][1], states[0][2]
    yield from ((before + seconds, people, items) for seconds, people, items in states)


def irspack(matrix: sp.csr_matrix, job: dict[str, Any]) -> Iterator[State]:
    """An epoch a call of the trainer."""
    from irspack.recommenders.ials import IALSTrainer, LossType, SolverType  # type: ignore[import-not-found]

    weights = matrix * np.float32(ALPHA)
    begun = time.perf_counter()
    trainer = IALSTrainer(
        weights, job["factors"], 1.0, REG, 0.0, 0.1, SolverType.CG, 3, 64, LossType.ORIGINAL, job["seed"],
        job["threads"], 5, 1,
    )  # fmt: skip
    spent = time.perf_counter() - begun
    yield spent, trainer.core_trainer.user, trainer.core_trainer.item
    for _ in range(EPOCHS):
        begun = time.perf_counter()
        trainer.run_epoch()
        spent += time.perf_counter() - begun
        yield spent, trainer.core_trainer.user, trainer.core_trainer.item


def ours(matrix: sp.csr_matrix, job: dict[str, Any]) -> dict[str, Any]:
    """Through `fit` and `user_vectors`: epochs until all losses asked for are reached."""
    import polars as pl

    import honeyguide as hg
    from honeyguide.data.dataset import Dataset
    from honeyguide.models.base import Recommender
    from honeyguide.models.factorization.als import Als

    def read(matrix: sp.csr_matrix) -> Dataset:
        users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return hg.read(pl.DataFrame({"user": users, "item": matrix.indices}), user="user", item="item")

    how = hg.Run(threads=job["threads"], seed=job["seed"], progress=False)
    begun, small = time.perf_counter(), read(matrix[:50])
    first = Als(factors=job["factors"], nu=0.0, alpha=ALPHA, reg=REG, epochs=2).fit(small, run=how)
    first.user_vectors(small.profiles(), run=how)
    compiled = time.perf_counter() - begun
    data = read(matrix)
    out: dict[str, list[float]] = {"epochs": [], "losses": [], "solved": []}
    begun, spent = time.perf_counter(), 0.0

    def watch(model: Recommender, epoch: int) -> bool:
        nonlocal begun, spent
        spent += time.perf_counter() - begun
        begun = time.perf_counter()
        assert isinstance(model, Als)
        people = model.user_vectors(data.profiles(), run=how)
        out["solved"].append(time.perf_counter() - begun)
        out["epochs"].append(spent)
        out["losses"].append(loss(matrix, people, model.item_vectors_))
        begun = time.perf_counter()
        return all(out["losses"][-1] <= goal for goal in job["goals"])

    base = reset_peak()
    Als(factors=job["factors"], nu=0.0, alpha=ALPHA, reg=REG, epochs=60).fit(data, run=how, watch=watch)
    return {**out, "compiled": compiled, "mb": (peak() - base) / 1e6}


def serve(name: str, folder: Path) -> None:
    """The part of one side, in a process of its own."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    pin(job["threads"])
    matrix = sp.load_npz(folder / "matrix.npz")
    if name == "als":
        found = ours(matrix, job)
    else:
        found = {"epochs": [], "losses": []}
        for epoch, (seconds, people, items) in enumerate({"implicit": implicit, "irspack": irspack}[name](matrix, job)):
            found["epochs"].append(seconds)  # [0] is what comes before the first epoch
            found["losses"].append(loss(matrix, people, items) if epoch in MARKS else None)
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


# ---- the data -------------------------------------------------------------------------------------------------------


def synthetic(events: int, users: int, items: int, *, topics: int = 40, seed: int = 0) -> sp.csr_matrix:
    """(U, I) CSR of ones: people of log-normal activity and a few tastes each, items of power-law popularity."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0.0, 1.1, users)
    people = rng.choice(users, size=int(events * 1.35), p=activity / activity.sum())  # pairs drawn twice are dropped
    topic = rng.integers(0, topics, items)
    order = np.argsort(topic, kind="stable")
    mass = np.concatenate([[0.0], np.cumsum((1.0 / (np.arange(items) + 30.0) ** 0.9)[order])])
    ends = mass[np.searchsorted(topic[order], np.arange(topics + 1))]
    taste = np.cumsum((rng.gamma(0.25, 1.0, (users, topics)) + 1e-3) * np.diff(ends), axis=1)
    taste /= taste[:, -1:]
    drawn, chosen = rng.random(len(people)), np.empty(len(people), np.int64)
    for first in range(0, len(people), 1 << 20):
        at = slice(first, first + (1 << 20))
        chosen[at] = (taste[people[at]] < drawn[at, None]).sum(axis=1)
    low, high = ends[chosen], ends[chosen + 1]
    places = np.searchsorted(mass, low + rng.random(len(people)) * (high - low), side="right") - 1
    pairs = np.unique(people.astype(np.int64) * items + order[np.clip(places, 0, items - 1)])
    pairs = np.sort(rng.permutation(pairs)[:events])
    ones = np.ones(len(pairs), np.float32)
    return sp.csr_matrix((ones, (pairs // items, pairs % items)), shape=(users, items))


def events(name: str) -> sp.csr_matrix:
    """The matrix of a data set by name, nobody and nothing without an event; "synthetic" is ten million events."""
    if name == "synthetic":
        found = synthetic(10_000_000, 138_000, 27_000)
    else:
        import honeyguide as hg

        found = hg.load(name).positives()
    found = found[np.diff(found.indptr) > 0]
    return found[:, np.bincount(found.indices, minlength=found.shape[1]) > 0].tocsr()


# ---- the comparison -------------------------------------------------------------------------------------------------


def measure(folder: Path, factors: int, rounds: int, threads: int) -> dict[str, Any]:
    """Seconds of every side at one number of factors, and the rivals' over ours at equal loss."""
    sides: dict[str, list[dict[str, Any]]] = {name: [] for name in ("als", *RIVALS)}
    for number in range(rounds):
        job: dict[str, Any] = {"factors": factors, "threads": threads, "seed": number + 1, "goals": []}
        for name in (*RIVALS, "als"):
            packages = () if name == "als" else importlib.import_module(f"bench.rivals.{name}").PACKAGES
            if name == "als":
                job["goals"] = [sides[rival][-1]["losses"][mark] for rival in RIVALS for mark in MARKS]
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            python = str(python_of(name, packages))
            run([python, "-m", "bench.als_to_loss", "--side", name, str(folder)], what=name, threads=threads)
            sides[name].append(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    mine = sides["als"]
    found: dict[str, Any] = {
        "als": {
            "epoch": spread(per_epoch(each["epochs"]) for each in mine),
            "first use": spread(each["compiled"] for each in mine),
            "solving for all people": spread(statistics.median(each["solved"]) for each in mine),
            "before the first epoch": spread(each["epochs"][0] - per_epoch(each["epochs"]) for each in mine),
            "peak MB": spread(each["mb"] for each in mine),
        }
    }
    for rival in RIVALS:
        theirs = sides[rival]
        found[rival] = {
            "epoch": spread(per_epoch(each["epochs"]) for each in theirs),
            "before the first epoch": spread(each["epochs"][0] for each in theirs),
        } | {f"to the loss after {mark}": reached(mine, theirs, mark) for mark in MARKS}
    return found


def per_epoch(seconds: list[float]) -> float:
    """The median second of an epoch, from the seconds at the end of each."""
    return statistics.median(np.diff(seconds).tolist())


def reached(mine: list[dict[str, Any]], theirs: list[dict[str, Any]], mark: int) -> dict[str, Any]:
    """The loss of the rival after so many epochs, the epochs we need, the seconds of both, and their ratio."""
    ours, rival, ours_whole, rival_whole, epochs, losses = [], [], [], [], [], []
    for my, their in zip(mine, theirs, strict=True):
        goal = their["losses"][mark]
        at = next(place for place, value in enumerate(my["losses"]) if value <= goal)
        start = my["epochs"][0] - per_epoch(my["epochs"])
        ours.append(my["epochs"][at] - start + my["solved"][at])
        ours_whole.append(my["epochs"][at] + my["solved"][at])
        rival.append(their["epochs"][mark] - their["epochs"][0])
        rival_whole.append(their["epochs"][mark])
        epochs.append(at + 1)
        losses.append(goal)
    sides = {"ours": spread(ours), "rival": spread(rival)}
    sides |= {"ours whole": spread(ours_whole), "rival whole": spread(rival_whole)}
    return {
        "loss": statistics.median(losses), "our epochs": statistics.median(epochs), **sides,
        "ratio": ratio(sides["rival"], sides["ours"]), "ratio whole": ratio(sides["rival whole"], sides["ours whole"]),
    }  # fmt: skip


def text(name: str, factors: int, found: dict[str, Any]) -> str:
    """The result of one data set and number of factors as a table."""
    lines = [["", "rival s", "our s", "our epochs", "ratio", "ratio whole"]]
    for rival in RIVALS:
        for mark in MARKS:
            one = found[rival][f"to the loss after {mark}"]
            cells = [one["rival"]["median"], one["ours"]["median"], one["our epochs"]]
            ratios = [one["ratio"]["median"], one["ratio whole"]["median"]]
            lines.append([f"{rival}, {mark} epochs", *(f"{c:.3g}" for c in cells), *(f"{r:.2f}x" for r in ratios)])
    epochs = ", ".join(f"{side} {found[side]['epoch']['median']:.3g}" for side in found)
    mine = found["als"]
    return (
        f"{name}, {factors} factors; seconds an epoch: {epochs}; ours: first use {mine['first use']['median']:.2g} s, "
        f"before the first epoch {mine['before the first epoch']['median']:.2g} s, "
        f"peak {mine['peak MB']['median']:.0f} MB\n"
        f"{columns(lines)}"
    )


def main() -> int:
    """Measure, print and write a result for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=["movielens-1m", "synthetic"])
    parser.add_argument("--factors", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        serve(asked.side[0], Path(asked.side[1]))
        return 0
    for name in asked.data:
        matrix = events(name)
        with tempfile.TemporaryDirectory() as folder:
            sp.save_npz(Path(folder) / "matrix.npz", matrix, compressed=False)
            about = {"users": matrix.shape[0], "items": matrix.shape[1], "events": matrix.nnz}
            result: dict[str, Any] = {"data": name, **about, "alpha": ALPHA, "reg": REG, "rounds": asked.rounds,
                                      "threads": asked.threads, "factors": {}}  # fmt: skip
            for factors in asked.factors:
                result["factors"][str(factors)] = measure(Path(folder), factors, asked.rounds, asked.threads)
                print(text(name, factors, result["factors"][str(factors)]), flush=True)
        print(f"→ bench/results/{write_result(f'als-to-loss-{name}', result).name}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
