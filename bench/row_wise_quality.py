"""Does updating tables by rows change the quality that NeuMF reaches? By rows and whole, side by side, seed by seed.

    HONEYGUIDE_DATA=... python bench/row_wise_quality.py

Random 80/20 split, ndcg@10 over the whole catalogue. A change from one way to the other at one seed is to be held
against the change from one seed to another.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench.harness import write_result
from honeyguide.data.dataset import Dataset
from honeyguide.data.sources import load
from honeyguide.metrics import ranking as metrics
from honeyguide.models import registry
from honeyguide.models.deep import neumf
from honeyguide.models.lists import top_k
from honeyguide.run import Run
from honeyguide.split import split

GIVEN = {"factors": 32, "hidden": (32,), "negatives": 10, "epochs": 8}
WAYS = {"whole": False, "rows": True}  # whether a step moves the rows of its batch alone


def ndcg(train: Dataset, test: Dataset, seed: int, *, row_wise: bool) -> float:
    """ndcg@10 of one fit with tables updated by rows or whole."""
    usual = neumf.Trainer
    neumf.Trainer = partial(usual, row_wise=row_wise)  # type: ignore[misc, assignment]
    try:
        model = registry.create("neumf", GIVEN).fit(train, run=Run(seed=seed))
    finally:
        neumf.Trainer = usual  # type: ignore[misc]
    lists, _ = top_k(model.score, train.profiles(), 10, run=Run())
    return float(np.nanmean(metrics.ndcg(lists, test.positives(), k=10)))


def main() -> None:
    """Fit every seed both ways on every data set; write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="movielens-small,lastfm")
    parser.add_argument("--seeds", type=int, default=5)
    asked, found = parser.parse_args(), {}
    for name in asked.data.split(","):
        train, test = split(load(name), "random", test=0.2, seed=1)
        begun = time.perf_counter()
        each = {
            way: [ndcg(train, test, seed, row_wise=rows) for seed in range(asked.seeds)] for way, rows in WAYS.items()
        }
        change = np.array(each["rows"]) - np.array(each["whole"])
        deviation = float(np.std(each["whole"], ddof=1))
        found[name] = {
            "ndcg@10": each, "mean_change": float(change.mean()), "largest_change": float(np.abs(change).max()),
            "seed_deviation": deviation, "seconds": time.perf_counter() - begun,
        }  # fmt: skip
        print(f"{name}: whole {np.mean(each['whole']):.4f}, rows {np.mean(each['rows']):.4f}, "
              f"seed deviation {deviation:.4f}, largest change {np.abs(change).max():.4f}", flush=True)  # fmt: skip
    protocol = {"split": "random 80/20, seed 1", "model": "neumf", "hyperparameters": GIVEN, "seeds": asked.seeds}
    print(write_result("row-wise-quality", {"protocol": protocol, "data": found}).name)


if __name__ == "__main__":
    main()
