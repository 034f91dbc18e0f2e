"""What the draws of `bayesian_fm` are good for: RMSE by how many are kept, and how often its intervals hold.

    HONEYGUIDE_DATA=... python bench/bayesian_draws.py
    python bench/bayesian_draws.py --data movielens-small --sweeps 60

One fit for each output keeps 480 draws; fewer are every so-manyth of them, as the model itself would have kept. Of an
interval: the share of the test ratings inside it, which `level` promises, and its mean width. Random 80/20; on
MovieLens 100K the published fold u1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide.data.dataset import Dataset
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.metrics.rating import rmse
from honeyguide.models.base import Recommender

KEPT, LEVELS = (1, 4, 8, 16, 32, 64, 128, 480), (0.5, 0.8, 0.9, 0.95)


def parts(name: str) -> tuple[Dataset, Dataset]:
    """(train, test)."""
    if name == "movielens-100k":
        return fold(1)
    train, test = hg.split(hg.load(name), "random", test=0.2, seed=0)
    return train, test


def thinned(model: Recommender, kept: int) -> Recommender:
    """The same model with fewer of its draws."""
    few = type(model)(keep=kept, **{n: getattr(model, n) for n in ("factors", "output", "sweeps")})
    draws = len(vars(model)["intercepts_"])
    at = np.linspace(0, draws - 1, kept).round().astype(int)
    for name, value in vars(model).items():
        stacked = name.endswith("_") and model.shapes.get(name, "").startswith("S")
        setattr(few, name, value[at] if stacked else value)
    few.keep = kept  # type: ignore[attr-defined]
    return few


def measure(output: str, train: Dataset, test: Dataset, sweeps: int, run: hg.Run) -> dict[str, Any]:
    """RMSE by draws, coverage and width by level."""
    model = hg.model("bayesian_fm", output=output, sweeps=sweeps, keep=max(KEPT)).fit(train, run=run)
    errors = {}
    for kept in KEPT:
        predicted = thinned(model, kept).predict(test)["prediction"].to_numpy()
        errors[str(kept)] = rmse(test.values, predicted)
    few, intervals = thinned(model, 32), {}
    for level in LEVELS:
        table = few.intervals(test, level=level)  # type: ignore[attr-defined]
        inside = table["rating"].is_between(table["low"], table["high"]).mean()
        intervals[str(level)] = {"inside": inside, "width": (table["high"] - table["low"]).mean()}
    return {"rmse": errors, "intervals": intervals}


def _cell(interval: dict[str, float]) -> str:
    return f"{interval['inside']:.3f} ({interval['width']:.2f})"


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="movielens-100k")
    parser.add_argument("--sweeps", type=int, default=250)
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    train, test = parts(asked.data)
    run = hg.Run(threads=asked.threads, progress=False)
    found = {each: measure(each, train, test, asked.sweeps, run) for each in ("gaussian", "probit")}
    errors = [[f"RMSE, {n}", *(f"{each['rmse'][str(kept)]:.4f}" for kept in KEPT)] for n, each in found.items()]
    print(columns([["draws kept", *map(str, KEPT)], *errors]))
    held = [[n, *(_cell(each["intervals"][str(level)]) for level in LEVELS)] for n, each in found.items()]
    print(columns([["inside (width)", *map(str, LEVELS)], *held]))
    result = {"data": asked.data, "sweeps": asked.sweeps, "threads": asked.threads, "outputs": found}
    print(f"→ bench/results/{write_result('bayesian-draws', result).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
