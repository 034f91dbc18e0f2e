"""RMSE for people who were not trained on, by how many of their ratings a model is shown; beside `bias`.

    HONEYGUIDE_DATA=... python bench/history_length.py --models bias,mf,mf:reg_per=root:reg=1.0

Some people with ratings enough are left out of training whole. Of each, 20 ratings drawn at random are asked for, and
1, 2, 3, 5, 10, 20 and 50 of the others are shown, the shorter histories being parts of the longer ones: all lengths are
judged on the same people and pairs. Differences to the first model come with the standard error of a bootstrap over
people. Predictions are clipped to the scale.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.exchange import AnyArray
from bench.harness import write_result
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.models import registry
from honeyguide.run import Run

LENGTHS = (1, 2, 3, 5, 10, 20, 50)
ASKED = 20  # ratings asked for of each person
_DRAWS = 500  # of the bootstrap


@dataclass(frozen=True, eq=False)
class Exam:
    """Whom the models learn from, and what is shown and asked of the others."""

    train: Dataset
    shown: tuple[Profiles, ...]  # one for each of LENGTHS, of the same P people
    pairs: Pairs  # (N,) N = ASKED P, rows of people
    ratings: AnyArray  # (N,)


def exam(data: Dataset, share: float, seed: int) -> Exam:
    """Leave out a share of the people who have ratings enough."""
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(np.bincount(data.users, minlength=data.n_users) >= LENGTHS[-1] + ASKED)
    people = np.sort(rng.choice(able, max(1, round(share * len(able))), replace=False))
    order = rng.permutation(len(data))
    order = order[np.argsort(data.users[order], kind="stable")]  # a person's ratings together, in random order
    starts = np.searchsorted(data.users[order], people)  # (P,)
    asked = order[(starts[:, None] + np.arange(ASKED)).ravel()]
    shown = tuple(
        data.take(np.sort(order[(starts[:, None] + ASKED + np.arange(length)).ravel()])).profiles(people).strangers()
        for length in LENGTHS
    )
    pairs = Pairs(np.repeat(np.arange(len(people), dtype=np.int32), ASKED), data.items[asked])
    return Exam(data.take(~np.isin(data.users, people)), shown, pairs, data.values[asked])


def squared_errors(spec: str, paper: Exam, run: Run) -> AnyArray:
    """(lengths, P) the mean squared error for each person of a model such as "mf:factors=20"."""
    name, *settings = spec.split(":")
    model = registry.create(name, dict(pair.split("=", 1) for pair in settings)).fit(paper.train, run=run)
    errors = [model.rate_clipped(profiles, paper.pairs) - paper.ratings for profiles in paper.shown]
    means: AnyArray = (np.stack(errors).astype(np.float64) ** 2).reshape(len(LENGTHS), -1, ASKED).mean(axis=2)
    return means


def beside(errors: AnyArray, first: AnyArray, seed: int) -> dict[str, list[float]]:
    """RMSE at each length, its difference to that of the first model, and the difference's standard error."""
    people = errors.shape[1]
    draws = np.random.default_rng(seed).integers(0, people, (_DRAWS, people))
    ours, other = (np.sqrt(e[:, draws].mean(axis=2)) for e in (errors, first))  # (lengths, draws)
    rmse, its = np.sqrt(errors.mean(axis=1)), np.sqrt(first.mean(axis=1))
    return {"rmse": rmse.tolist(), "difference": (rmse - its).tolist(), "error": (ours - other).std(axis=1).tolist()}


def main() -> None:
    """Measure each model named, print a table and write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="bias,mf", help="names, each with :parameter=value where not the default")
    parser.add_argument("--data", default="movielens-1m")
    parser.add_argument("--share", type=float, default=0.25, help="of the people with ratings enough, left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="write no result")
    asked = parser.parse_args()
    paper, found, first = exam(hg.load(asked.data), asked.share, asked.seed), {}, None
    print(f"{'ratings shown':40}" + "".join(f"{length:>20}" for length in LENGTHS))
    for spec in asked.models.split(","):
        errors = squared_errors(spec, paper, Run(seed=asked.seed))
        first = errors if first is None else first
        found[spec] = beside(errors, first, asked.seed)
        cells = zip(*found[spec].values(), strict=True)
        print(f"{spec:40}" + "".join(f"  {r:.3f} {d:+.3f}±{e:.3f}" for r, d, e in cells), flush=True)
    protocol: dict[str, Any] = {
        "data": asked.data, "people": len(paper.shown[0]), "asked_each": ASKED, "lengths": LENGTHS,
        "training_events": len(paper.train), "seed": asked.seed,
    }  # fmt: skip
    if not asked.dry:
        name = "history-length" if asked.data == "movielens-1m" else f"history-length-{asked.data}"
        print(write_result(name, {"protocol": protocol, "models": found}).name)


if __name__ == "__main__":
    main()
