"""RMSE and MAE of rating models on the five published folds of MovieLens 100K: means over the folds.

    HONEYGUIDE_DATA=... python bench/rating_folds.py --models bias,mf,mf:reg_per=root:reg=1.4

A model may carry hyperparameters. They and the defaults are chosen on parts of training data, never on a test part.
Predictions are clipped to the scale; all test pairs count, those of films without a training rating included.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench.harness import write_result
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import HoneyguideError
from honeyguide.metrics.rating import mae, rmse
from honeyguide.models import registry
from honeyguide.run import Run

FOLDS = (1, 2, 3, 4, 5)


def measure(spec: str, seed: int) -> dict[str, Any]:
    """Errors and seconds of one model, such as "mf:solver=sgd:epochs=30", fold by fold."""
    name, *pairs = spec.split(":")
    given = dict(pair.split("=", 1) for pair in pairs)
    folds = []
    for number in FOLDS:
        train, test = fold(number)
        model = registry.create(name, given)
        if model.task != "rating":
            raise HoneyguideError(f"{spec} gives lists, not ratings")
        begun = time.perf_counter()
        model.fit(train, run=Run(seed=seed))
        seconds = time.perf_counter() - begun
        predicted = model.predict(test)["prediction"].to_numpy()
        folds.append({"rmse": rmse(test.values, predicted), "mae": mae(test.values, predicted), "fit_s": seconds})
    means = {key: float(np.mean([each[key] for each in folds])) for key in ("rmse", "mae")}
    return {"hyperparameters": given, **means, "folds": folds}


def main() -> None:
    """Measure each model named and write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="bias,mf", help="names, each with :parameter=value where not the default")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found = {}
    for spec in asked.models.split(","):
        found[spec] = measure(spec, asked.seed)
        print(f"{spec:50} RMSE {found[spec]['rmse']:.4f}  MAE {found[spec]['mae']:.4f}", flush=True)
    protocol = {"data": "movielens-100k", "split": "u1 … u5, mean of the five", "seed": asked.seed}
    print(write_result("rating-folds", {"protocol": protocol, "models": found}).name)


if __name__ == "__main__":
    main()
