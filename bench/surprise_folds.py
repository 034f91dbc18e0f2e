"""RMSE and MAE of Surprise's eleven algorithms and of ours by the same name, on the same five random folds.

    HONEYGUIDE_DATA=... python bench/surprise_folds.py [--only svd,nmf] [--threads 2]

Both sides have Surprise's defaults, each side a process of its own a fold (exchange.py), and are judged by one piece of
code on predictions clipped to the scale. The data are MovieLens 100K, the whole of it in five parts at random.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.compare import Comparison, Question, Side, once, raw
from bench.harness import cores, write_result

_KNN = {"model": "rating_knn", "by": "user", "measure": "msd", "kept": None, "prior": 0.0}
_ALS = {"reg_user": 15.0, "reg_item": 10.0}
# of each algorithm of Surprise: its settings beside its defaults, and ours that mean what its defaults do
PAIRS: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "normal": ({}, {"model": "random", "draws": "ratings"}),
    "baseline": ({"method": "als", "reg_u": 15, "reg_i": 10}, {"model": "bias", **_ALS}),
    "baseline-sgd": ({"method": "sgd"}, {"model": "bias", "solver": "sgd"}),
    "knn-basic": ({}, {**_KNN, "kind": "basic"}),
    "knn-means": ({}, {**_KNN, "kind": "centred"}),
    "knn-zscore": ({}, {**_KNN, "kind": "z-scored"}),
    "knn-baseline": ({}, {**_KNN, "kind": "baseline", **_ALS}),
    "svd": ({}, {"model": "svd"}),
    "svdpp": ({}, {"model": "svdpp"}),
    "nmf": ({}, {"model": "nmf"}),
    "slope-one": ({}, {"model": "slope_one", "weighted": False, "prior": 0.0}),
    "co-clustering": ({}, {"model": "co_clustering", "prior": 0.0}),
}
FOLDS = 5
_ASKED = Comparison(about="", task="ratings", sides=())


def questions(seed: int) -> list[Question]:
    """What both sides are asked, fold by fold."""
    folds = hg.k_fold(hg.load("movielens-100k"), FOLDS, seed=seed)
    return [Question(train, *raw(test), test.values, None) for train, test in folds]


def sides(name: str) -> dict[str, Side]:
    """Ours and Surprise's of one algorithm."""
    theirs, ours = PAIRS[name]
    model = "baseline" if name.startswith("baseline") else name
    return {
        "ours": Side(f"ours {name}", "bench.ours", ours),
        "surprise": Side(f"surprise {name}", "bench.rivals.surprise", {"model": model, **theirs}, refit=False),
    }


def measure(name: str, asked: list[Question], *, threads: int, seed: int) -> dict[str, Any]:
    """The means over the folds of both sides, seconds of a fit and of the ratings among them, and RMSE fold by fold."""
    found: dict[str, Any] = {}
    for who, side in sides(name).items():
        costs = [once(side, _ASKED, each, threads=threads, seed=seed + n)[0] for n, each in enumerate(asked)]
        means = {key: float(np.mean([each[key] for each in costs])) for key in ("rmse", "mae", "fit", "answer")}
        found[who] = {"settings": dict(side.settings), **means, "folds": [each["rmse"] for each in costs]}
    found["difference"] = {key: found["ours"][key] - found["surprise"][key] for key in ("rmse", "mae")}
    return found


def main() -> None:
    """Measure the pairs named, print a table and write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PAIRS), help="names, with commas between them")
    parser.add_argument("--threads", type=int, default=min(2, cores()))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    asked, found = questions(given.seed), {}
    print(f"{'':15}{'RMSE: ours':>12}{'Surprise':>10}{'':9}{'MAE: ours':>12}{'Surprise':>10}{'':9}{'fit, s':>14}")
    for name in given.only.split(","):
        found[name] = measure(name, asked, threads=given.threads, seed=given.seed)
        (ours, its), apart = (found[name][who] for who in ("ours", "surprise")), found[name]["difference"]
        cells = (f"{ours[key]:>12.4f}{its[key]:>10.4f}{apart[key]:>+9.4f}" for key in ("rmse", "mae"))
        print(f"{name:15}{''.join(cells)}{ours['fit']:>14.3f}{its['fit']:>11.3f}", flush=True)
    protocol = {
        "data": "movielens-100k",
        "split": f"{FOLDS} random folds",
        "seed": given.seed,
        "threads": given.threads,
    }
    name = "surprise-folds" if set(found) == set(PAIRS) else "surprise-folds-" + "-".join(found)
    print(write_result(name, {"protocol": protocol, "algorithms": found}).name)


if __name__ == "__main__":
    main()
