"""Training speed of deep models beside RecBole, and beside the same networks written by hand in JAX and PyTorch.

    HONEYGUIDE_DATA=… python bench/deep_speed.py [--only neumf,lightgcn] [--rounds 5]

Thousand samples a second: pairs of neumf, positives of lightgcn, people of multvae, events that sasrec foretells, each
by a softmax over all items. RecBole reads a sequence for every event and foretells its last; by hand a person's last 50
events are a row, padded, and each place foretells the next, as ours does, whose rows are packed. Every side trains
whole epochs, drawing of negatives and making of batches included, in a process of its own on the same cores; the first
epoch, which compiles, does not count; then the sides take turns, epoch by epoch (epochs.py). Ours is `fit`, its learned
state taken after each epoch. An epoch of the others is so many "steps" where a trial says so: whole ones take minutes.
Processor time a sample is told too: with one thread (--threads 1) it says who does less, even on a busy machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.epochs import Lesson
from bench.exchange import AnyArray
from bench.harness import ROOT, BenchError, cores, environment, last_words, python_of, spread, write_result

SIDES = {
    "ours": "bench.training",
    "recbole": "bench.rivals.recbole",
    "jax": "bench.rivals.handwritten_jax",
    "torch": "bench.rivals.handwritten_torch",
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One network on some data; `more` are further settings of some sides, `steps` (also there) of a rival's epoch."""

    network: str
    data: str
    settings: Mapping[str, Any]
    steps: int | None = None
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_NEUMF = {"batch": 1024, "negatives": 3, "factors": 32, "hidden": (64, 32, 16), "learning_rate": 1e-3}
_WITHOUT_PENALTY = {"reg": 0.0, "embedding_reg": 0.0}  # as the others are
TRIALS = {
    "neumf": Trial(
        network="neumf", data="movielens-1m-positives", settings=_NEUMF, steps=100, more={"ours": _WITHOUT_PENALTY}
    ),
    "neumf-large": Trial(
        network="neumf",
        data="synthetic",
        settings=_NEUMF,
        steps=40,
        more={"ours": _WITHOUT_PENALTY, "jax": {"rows": True}, "torch": {"rows": True}},
    ),
    "lightgcn": Trial(
        network="lightgcn",
        data="movielens-1m-positives",
        settings={"batch": 2048, "factors": 64, "layers": 3, "reg": 1e-4, "learning_rate": 1e-3},
        steps=10,
    ),
    "multvae": Trial(
        network="multvae",
        data="movielens-1m-positives",
        settings={"batch": 500, "hidden": (600,), "latent": 200, "dropout": 0.5, "learning_rate": 1e-3},
    ),
    "sasrec": Trial(
        network="sasrec",
        data="movielens-1m-positives",
        settings={
            "batch": 2000,
            "factors": 64,
            "inner": 64,
            "blocks": 2,
            "heads": 1,
            "length": 50,
            "dropout": 0.2,
            "learning_rate": 1e-3,
        },
        steps=40,
        more={"ours": {"negatives": "all", "temperature": None, "omit": 0.0}, "recbole": {"steps": 3}},
    ),
}
PEOPLE, ITEMS = 1_000_000, 200_000  # of the synthetic data, an event a person


def positives(name: str) -> tuple[AnyArray, AnyArray, tuple[int, int]]:
    """users (N,) and items (N,) in codes, by person and each person's by time, and how many people and items."""
    if name == "synthetic":
        items = np.random.default_rng(0).permutation(np.arange(PEOPLE) % ITEMS)
        return np.arange(PEOPLE, dtype=np.int32), items.astype(np.int32), (PEOPLE, ITEMS)
    data = hg.load(name)
    profiles = data.profiles()
    return profiles.rows, profiles.items, (data.n_users, data.n_items)


class Process:
    """A side in training, kept between its epochs."""

    def __init__(self, name: str, trial: Trial, folder: Path, *, threads: int, seed: int) -> None:
        self.name, self._errors = name, folder / f"{name}.stderr"
        module = SIDES[name]
        packages: tuple[str, ...] = importlib.import_module(module).PACKAGES
        python = python_of("recbole" if packages else "ours", packages)
        settings = {**trial.settings, **trial.more.get(name, {})}
        steps = settings.pop("steps", trial.steps)
        pinned = tuple(package.partition("==")[0] for package in packages)
        lesson = Lesson(
            network=trial.network, settings=settings, threads=threads, seed=seed, steps=steps, versions=pinned
        )
        own = folder / name
        own.mkdir()
        (own / "lesson.json").write_text(json.dumps(asdict(lesson)), encoding="utf-8")
        (own / "data.npz").symlink_to(folder / "data.npz")
        with open(self._errors, "wb") as errors:
            self._process = subprocess.Popen(
                [str(python), "-m", module, str(own)], cwd=ROOT, env=environment(threads), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def read(self) -> dict[str, Any]:
        """What it tells of the epoch under way; BenchError where it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            told: dict[str, Any] = json.loads(line)
            return told
        self._process.wait()
        said = last_words(self._errors.read_text(encoding="utf-8", errors="replace"))
        raise BenchError(f"{self.name} ended (exit status {self._process.returncode}): {said}")

    def epoch(self) -> dict[str, Any]:
        """One more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # read says why
        return self.read()

    def stop(self) -> None:
        """End it, between two epochs or within one."""
        self._process.kill()
        self._process.communicate()


def measure(trial: Trial, sides: list[str], *, rounds: int, threads: int, seed: int) -> dict[str, Any]:
    """Thousand samples a second of each side, and how many times the others' ours is."""
    users, items, shape = positives(trial.data)
    speeds: dict[str, list[float]] = {}
    work: dict[str, list[float]] = {}
    found: dict[str, Any] = {}
    held: dict[str, Process] = {}
    with tempfile.TemporaryDirectory() as name:
        np.savez(Path(name) / "data.npz", users=users, items=items, shape=np.array(shape))
        try:
            for side in sides:
                try:
                    held[side] = Process(side, trial, Path(name), threads=threads, seed=seed)
                    first = held[side].read()
                    found[side] = {"versions": first["versions"], "first_epoch_s": first["seconds"]}
                    speeds[side], work[side] = [], []
                except BenchError as error:
                    found[side] = {"failure": str(error)}
            for number in range(rounds):
                for side, each in speeds.items():
                    told = held[side].epoch()
                    each.append(told["samples"] / told["seconds"] / 1e3)
                    work[side].append(told["processor"] / told["samples"] * 1e6)
                    print(f"round {number + 1}, {side}: {each[-1]:,.1f}", file=sys.stderr, flush=True)
        finally:
            for process in held.values():
                process.stop()
    for side, each in speeds.items():
        found[side] |= {"thousand_samples_a_second": spread(each), "processor_us_a_sample": spread(work[side])}
    others = [side for side in speeds if side != "ours"]
    ratios = {f"ours / {side}": _median(speeds["ours"]) / _median(speeds[side]) for side in others}
    ratios |= {f"{side} / ours, processor": _median(work[side]) / _median(work["ours"]) for side in others}
    protocol = {
        "network": trial.network, "data": trial.data, "people": shape[0], "items": shape[1], "positives": len(users),
        "settings": dict(trial.settings), "more": dict(trial.more), "steps_of_rivals": trial.steps,
    }  # fmt: skip
    return {"protocol": protocol, "sides": found, "ratios": ratios}


def _median(values: list[float]) -> float:
    return spread(values)["median"]


def main() -> None:
    """Measure the networks named, print their speeds and ratios, write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(TRIALS), help="names, with commas between them")
    parser.add_argument("--sides", default=",".join(SIDES), help="names, with commas between them, ours among them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, cores()))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    for name in given.only.split(","):
        how = {"rounds": given.rounds, "threads": given.threads, "seed": given.seed}
        found[name] = measure(TRIALS[name], given.sides.split(","), **how)
        for side, told in found[name]["sides"].items():
            speed = told.get("thousand_samples_a_second")
            ratio = found[name]["ratios"].get(f"ours / {side}")
            said = (
                told["failure"]
                if speed is None
                else f"{speed['median']:,.1f} [{speed['min']:,.1f} … {speed['max']:,.1f}]"
            )
            less = found[name]["ratios"].get(f"{side} / ours, processor")
            ratios = "" if ratio is None else f"   ours / it {ratio:.2f}, its processor time / ours {less:.2f}"
            print(f"{name:12} {side:8} {said}{ratios}", flush=True)
    measured = {"rounds": given.rounds, "threads": given.threads, "networks": found}
    name = "deep-speed" if set(found) == set(TRIALS) else "deep-speed-" + "-".join(found)
    name += "" if given.threads > 1 else "-one-thread"
    print(write_result(name, measured).name)


if __name__ == "__main__":
    main()
