"""RMSE and MAE of rating models by published protocols: means over the folds.

    HONEYGUIDE_DATA=... python bench/rating_folds.py --models bias,mf,mf:reg_per=root:reg=1.4
    HONEYGUIDE_DATA=... python bench/rating_folds.py --protocol 1m-holdout --models bayesian_fm:factors=20

    100k-published   the five published folds of MovieLens 100K, u1 … u5
    100k-u1          the first of them alone
    100k, 1m, small  five random folds of MovieLens 100K, 1M and latest-small
    1m-holdout       MovieLens 1M, 90 % random for training, five times

A model may carry hyperparameters. They and the defaults are chosen on parts of training data, never on a test part.
Predictions are clipped to the scale; all test pairs count, those of films without a training rating included. On
MovieLens 1M no model may see times: they are known of positive ratings only. A result keeps the models that the one
before it has and this run was not asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.harness import RESULTS, cores, revision, write_result
from honeyguide.data.dataset import Dataset
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import HoneyguideError
from honeyguide.metrics.rating import mae, rmse
from honeyguide.models import registry
from honeyguide.run import Run
from honeyguide.split import k_fold

Folds = Iterator[tuple[Dataset, Dataset]]


def _random(name: str) -> Callable[[int], Folds]:
    return lambda seed: ((train, test) for train, test in k_fold(hg.load(name), 5, seed=seed))


def _holdout(seed: int) -> Folds:
    data = hg.load("movielens-1m")
    for each in range(5):
        train, test = hg.split(data, "random", test=0.1, seed=seed + each)
        yield train, test


PROTOCOLS: dict[str, Callable[[int], Folds]] = {
    "100k-published": lambda seed: (fold(number) for number in range(1, 6)),
    "100k-u1": lambda seed: iter([fold(1)]),
    "100k": _random("movielens-100k"),
    "1m": _random("movielens-1m"),
    "1m-holdout": _holdout,
    "small": _random("movielens-latest-small"),
}


def measure(spec: str, protocol: str, run: Run) -> dict[str, Any]:
    """Errors and seconds of one model, such as "mf:solver=sgd:epochs=30", fold by fold."""
    name, *pairs = spec.split(":")
    given = dict(pair.split("=", 1) for pair in pairs)
    folds = []
    for train, test in PROTOCOLS[protocol](run.seed):
        model = registry.create(name, given)
        if model.task != "rating":
            raise HoneyguideError(f"{spec} gives lists, not ratings")
        begun = time.perf_counter()
        model.fit(train, run=run)
        seconds = time.perf_counter() - begun
        predicted = model.predict(test)["prediction"].to_numpy()
        folds.append({"rmse": rmse(test.values, predicted), "mae": mae(test.values, predicted), "fit_s": seconds})
    means = {key: float(np.mean([each[key] for each in folds])) for key in ("rmse", "mae")}
    return {"hyperparameters": given, **means, "folds": folds, "commit": revision()}


def main() -> None:
    """Measure each model named and write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", default="100k-published", choices=PROTOCOLS)
    parser.add_argument("--models", default="bias,mf", help="names, each with :parameter=value where not the default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    name = "rating-folds" if asked.protocol == "100k-published" else f"rating-folds-{asked.protocol}"
    about = {"split": asked.protocol, "seed": asked.seed}
    found = held(name, about, asked.out)
    for spec in asked.models.split(","):
        found[spec] = measure(spec, asked.protocol, Run(seed=asked.seed, threads=asked.threads))
        print(f"{spec:50} RMSE {found[spec]['rmse']:.4f}  MAE {found[spec]['mae']:.4f}", flush=True)
        path = write_result(name, {"protocol": about, "models": found}, folder=asked.out)
    print(path.name)


def held(name: str, about: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The models of the newest result of the same protocol."""
    paths = sorted(folder.glob(f"????-??-??-{name}.json"))
    result: dict[str, Any] = json.loads(paths[-1].read_text(encoding="utf-8")) if paths else {"protocol": None}
    models: dict[str, Any] = result["models"] if result["protocol"] == about else {}
    return models


if __name__ == "__main__":
    main()
