"""What history, attributes of people and of items, and hidden layers each add to `two_tower`; beside als and ease.

    HONEYGUIDE_DATA=... python bench/two_tower_ablation.py
    HONEYGUIDE_DATA=... python bench/two_tower_ablation.py --data movielens-100k --seeds 1

Positive is a rating of 4 or 5; per-person 80/20, a validation part taken out of training by the same split says when to
stop. Whole catalogue without the history, ndcg@10 and recall@10 on the test part: means over seeds of split and model.
`als` and `ease` are at their defaults. In movielens-100k people have age, gender, occupation and zip code, and films a
title and genres; in movielens-latest-small only films have: title, year (within it) and genres.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide.data.dataset import Dataset
from honeyguide.models import registry
from honeyguide.models.base import Iterative

METRICS = ("ndcg@10", "recall@10")
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "popular": ("popular", {}),
    "als": ("als", {}),
    "ease": ("ease", {}),
    "attributes alone": ("two_tower", {"history": False}),
    "history alone": ("two_tower", {"attributes": False}),
    "history and attributes": ("two_tower", {}),
    "the same, hidden (64,)": ("two_tower", {"hidden": (64,)}),
    "the same, hidden (128, 64)": ("two_tower", {"hidden": (128, 64)}),
}


def measure(name: str, given: dict[str, Any], data: Dataset, seed: int, run: hg.Run) -> tuple[list[float], float]:
    """The metrics on the test part, and the seconds of the fit."""
    train, test = hg.split(data, "per-person", test=0.2, seed=seed)
    part, validation = hg.split(train, "per-person", test=0.2, seed=seed + 100)
    model = registry.create(name, given)
    begun = time.perf_counter()
    if isinstance(model, Iterative) and name == "two_tower":
        watch = hg.early_stopping(part, validation, patience=4)
        model.fit(part, run=run, watch=watch)
        model.epochs = watch.best_epoch
    model.fit(train, run=run)
    seconds = time.perf_counter() - begun
    found = hg.evaluate({name: model}, train, test, metrics=list(METRICS), resamples=0, run=run)
    return [found.value(name, metric) for metric in METRICS], seconds


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=["movielens-100k", "movielens-latest-small"])
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    result: dict[str, Any] = {"seeds": asked.seeds, "data": {}}
    for name in asked.data:
        data, found = hg.load(name, positive=">=4"), {}
        for way, (model, given) in WAYS.items():
            each = [
                measure(model, given, data, seed, hg.Run(seed=seed, threads=cores(), progress=False))
                for seed in range(asked.seeds)
            ]
            values = np.array([metrics for metrics, _ in each])
            found[way] = {m: values[:, at].tolist() for at, m in enumerate(METRICS)}
            found[way]["fit_s"] = float(np.median([seconds for _, seconds in each]))
            print(name, way, values.mean(axis=0).round(4), f"{found[way]['fit_s']:.1f} s", flush=True)
        result["data"][name] = found
        lines = [["", *METRICS], *([way, *(f"{np.mean(v[m]):.4f}" for m in METRICS)] for way, v in found.items())]
        print(columns(lines))
    print(f"→ bench/results/{write_result('two-tower-ablation', result).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
