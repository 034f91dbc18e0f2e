"""What the second stage adds: `ranker` beside the models that propose to it, with and without attributes.

    HONEYGUIDE_DATA=... python bench/ranker_ablation.py
    HONEYGUIDE_DATA=... python bench/ranker_ablation.py --data lastfm --seeds 1

Of sets of ratings 4 and 5 are positive, of others every event; per-person 80/20, whole catalogue without the history,
ndcg@10 and recall@10 on the test part: means over seeds of split and model. All models are at their defaults, ranker's
epochs too. "blend" is the sum of what both models say, standardised over a person's candidates: ranker as it begins.
movielens-100k has attributes of people and of films, movielens-latest-small of films, lastfm of neither.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import polars as pl

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide.data.dataset import Dataset
from honeyguide.models import registry

METRICS = ("ndcg@10", "recall@10")
_BOTH = {"models": "als,ease"}
WAYS: dict[str, tuple[str, dict[str, Any], bool]] = {  # the model, its hyperparameters, whether it sees attributes
    "als": ("als", {}, False),
    "ease": ("ease", {}, False),
    "ranker over als": ("ranker", {"models": "als"}, True),
    "ranker over ease": ("ranker", {"models": "ease"}, True),
    "als and ease, blend": ("ranker", {**_BOTH, "epochs": 1, "learning_rate": 1e-6, "folds": 2}, False),
    "ranker over both, no attributes": ("ranker", _BOTH, False),
    "ranker over both": ("ranker", _BOTH, True),
}


def bare(data: Dataset) -> Dataset:
    """The same without attributes."""
    return replace(data, schema=replace(data.schema, item_table=pl.DataFrame(), user_table=pl.DataFrame()))


def measure(way: str, data: Dataset, seed: int, run: hg.Run) -> tuple[list[float], float]:
    """The metrics on the test part, and the seconds of the fit."""
    name, given, attributes = WAYS[way]
    train, test = hg.split(data if attributes else bare(data), "per-person", test=0.2, seed=seed)
    begun = time.perf_counter()
    model = registry.create(name, given).fit(train, run=run)
    seconds = time.perf_counter() - begun
    found = hg.evaluate({name: model}, train, test, metrics=list(METRICS), resamples=0, run=run)
    return [found.value(name, metric) for metric in METRICS], seconds


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=["movielens-100k", "movielens-latest-small", "lastfm"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    result: dict[str, Any] = {"seeds": asked.seeds, "threads": asked.threads, "data": {}}
    for name in asked.data:
        data, found = hg.load(name, positive=">=4" if name.startswith("movielens") else "every event"), {}
        for way in WAYS:
            each = [
                measure(way, data, seed, hg.Run(seed=seed, threads=asked.threads, progress=False))
                for seed in range(asked.seeds)
            ]
            values = np.array([metrics for metrics, _ in each])
            found[way] = {m: values[:, at].tolist() for at, m in enumerate(METRICS)}
            found[way]["fit_s"] = float(np.median([seconds for _, seconds in each]))
            print(name, way, values.mean(axis=0).round(4), f"{found[way]['fit_s']:.1f} s", flush=True)
        result["data"][name] = found
        lines = [["", *METRICS], *([way, *(f"{np.mean(v[m]):.4f}" for m in METRICS)] for way, v in found.items())]
        print(columns(lines))
    print(f"→ bench/results/{write_result('ranker-ablation', result).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
