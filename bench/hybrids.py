"""Hybrids beside their parts on people and items that have been seen: whether what is known of items helps, or costs.

    HONEYGUIDE_DATA=... python bench/hybrids.py --data movielens-small

Per-person 80/20; ndcg@10 and recall@10 over the whole catalogue without the history. als and hybrid_mf have the same
search, the confidence and penalty of `GRID` on a validation share of the training part; all else is at its defaults.
The switch is made of als, hybrid_mf, both as found, and `attributes` or `text`. Differences are with 95 % intervals
over people: of hybrid_mf from als, and of the switch from the best of its parts on the test part, whichever that is.
movielens-small, lastfm and musical-instruments are as in bench/cold_items.py. Seeds begin at 1, see there.
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
from bench.cold_items import CONTENT, METRICS, K, beside, load
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide import metrics
from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset
from honeyguide.models import lists, registry
from honeyguide.models.base import Recommender

GRID = [(alpha, reg) for alpha in (3.0, 10.0) for reg in (0.003, 0.01, 0.03)]


def measure(model: Recommender, train: Dataset, test: Dataset, run: hg.Run) -> FloatArray:
    """Metrics (M, P) of the people who have something to be found."""
    relevant = test.positives()
    people = np.flatnonzero(np.diff(relevant.indptr))
    found, _ = lists.top_k(lists.source(model), train.profiles(people), K, run=run)
    return np.array([metrics.metric(m).function(found, relevant[people], k=K) for m in METRICS])


def searched(name: str, train: Dataset, seed: int, run: hg.Run) -> str:
    """The model with what is best of the grid on a validation share, as `Switch.models` writes it."""
    part, validation = hg.split(train, "per-person", test=0.1, seed=seed)
    specs = [f"{name}:alpha={alpha}:reg={reg}" for alpha, reg in GRID]
    found = [measure(created(spec).fit(part, run=run), part, validation, run)[0].mean() for spec in specs]
    return specs[int(np.argmax(found))]


def created(spec: str) -> Recommender:
    """The model of a text such as "als:alpha=5"."""
    (model,) = registry.several(spec, "the benchmark").values()
    return model


def main() -> int:
    """Measure, print and write a result for each set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=list(CONTENT))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in asked.data:
        data = load(name)
        each: dict[str, list[FloatArray]] = {}
        seconds: dict[str, list[float]] = {}
        chosen: dict[int, Any] = {}
        who: list[IntArray] = []
        for seed in range(1, asked.seeds + 1):
            run = hg.Run(seed=seed, threads=asked.threads, progress=False)
            train, test = hg.split(data, "per-person", test=0.2, seed=seed)
            who.append(np.flatnonzero(np.diff(test.positives().indptr)).astype(np.int32))
            als, hybrid = (searched(model, train, seed, run) for model in ("als", "hybrid_mf"))
            ways = {"popular": created("popular"), CONTENT[name]: created(CONTENT[name]), "als": created(als)}
            ways |= {"hybrid_mf": created(hybrid), "switch": hg.models.Switch(models=f"{als},{hybrid},{CONTENT[name]}")}
            for way, model in ways.items():
                begun = time.perf_counter()
                model.fit(train, run=run)
                seconds.setdefault(way, []).append(time.perf_counter() - begun)
                each.setdefault(way, []).append(measure(model, train, test, run))
            switch = ways["switch"]
            chosen[seed] = {"parts": switch.models, "weights": switch.weights_.tolist()}  # type: ignore[attr-defined]
            print(
                name,
                seed,
                chosen[seed]["parts"],
                {way: round(v[-1][0].mean(), 4) for way, v in each.items()},
                flush=True,
            )
        people = {way: np.concatenate(values, axis=1) for way, values in each.items()}  # (M, P of all seeds)
        found: dict[str, Any] = {
            way: {m: [float(values[at].mean()) for values in each[way]] for at, m in enumerate(METRICS)}
            | {"fit_s": float(np.median(seconds[way]))}
            for way in people
        }
        best = max(("als", "hybrid_mf", CONTENT[name]), key=lambda way: people[way][0].mean())
        for way, other in (("hybrid_mf", "als"), ("switch", best)):
            for at, m in enumerate(METRICS):
                found[way][f"{m} - {other}"] = beside(people[way][at], people[other][at], np.concatenate(who))
        print(columns([["", *METRICS], *([way, *(f"{v.mean():.4f}" for v in people[way])] for way in people)]))
        result = {"seeds": asked.seeds, "threads": asked.threads, "data": name, "models": found, "chosen": chosen}
        print(f"→ bench/results/{write_result(f'hybrids-{name}', result).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
