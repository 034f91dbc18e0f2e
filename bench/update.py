"""What `update` saves: taking in the last people's events, against a fit on all of them.

    HONEYGUIDE_DATA=... python bench/update.py --data movielens-1m-positives
    python bench/update.py --data movielens-small --models ease,als --rounds 1

The events of some people, chosen at random, are kept back from a first fit, then given to `update`. Each round fits,
updates and fits on all in turns, in one process whose kernels are compiled. `difference` is the largest of the scores
of the updated model from those of the fit on all, against the largest score, over 500 people; for `als` the two are
different solutions of nearly the same objective, so that their lists' overlap says more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide.data.dataset import Dataset
from honeyguide.models import registry

MODELS, KEPT_BACK, ASKED, K = "popular,bias,item_knn,als,ease", (10, 50, 300), 500, 10


def kept_back(data: Dataset, people: int) -> tuple[Dataset, Dataset]:
    """The data without the events of some people, and these events."""
    present = np.unique(data.users)
    late = np.isin(data.users, np.random.default_rng(people).choice(present, people, replace=False))
    return data.take(~late), data.take(late)


def compare(updated: Any, whole: Any, users: list[Any]) -> tuple[float, float]:
    """(largest difference of scores over the largest score, share of the same items in the lists of both)."""
    items = whole.schema_.items.series().to_list()
    tables = [model.recommend(users, k=len(items), seen=True).sort("user", "item") for model in (updated, whole)]
    scores = [table["score"].to_numpy() for table in tables]
    lists = [set(model.recommend(users, k=K).select("user", "item").iter_rows()) for model in (updated, whole)]
    gap = float(np.abs(scores[0] - scores[1]).max() / np.abs(scores[1]).max())
    return gap, len(lists[0] & lists[1]) / max(len(lists[1]), 1)


def measure(name: str, data: Dataset, people: int, rounds: int, run: hg.Run) -> dict[str, float]:
    """Medians of the seconds, and how near the updated model is to the fit on all."""
    before, late = kept_back(data, people)
    seconds: dict[str, list[float]] = {"update": [], "fit": []}
    for turn in range(rounds + 1):  # the first compiles
        updated = registry.create(name, {}).fit(before, run=run)
        begun = time.perf_counter()
        updated.update(late, run=run)
        between = time.perf_counter()
        whole = registry.create(name, {}).fit(data.take(np.arange(len(data))), run=run)
        if turn:
            seconds["update"].append(between - begun)
            seconds["fit"].append(time.perf_counter() - between)
    users = np.unique(data.users)
    asked = data.schema.users.series().gather(users[:: max(1, len(users) // ASKED)]).to_list()
    difference, overlap = compare(updated, whole, asked)
    median = {f"{key}_s": statistics.median(times) for key, times in seconds.items()}
    return median | {"difference": difference, "overlap": overlap, "events": len(late)}


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="movielens-1m-positives")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    run, data = hg.Run(threads=asked.threads, progress=False), hg.load(asked.data)
    lines = [["", "people kept back", "update s", "fit s", "fit / update", "difference", "same lists"]]
    found: dict[str, dict[str, Any]] = {}
    for name in asked.models.split(","):
        if registry.create(name, {}).task == "rating" and not data.schema.explicit:
            continue
        found[name] = {str(people): measure(name, data, people, asked.rounds, run) for people in KEPT_BACK}
        for people, each in found[name].items():
            gain = each["fit_s"] / each["update_s"]
            times = f"{each['update_s']:.3f}", f"{each['fit_s']:.3f}", f"{gain:.1f}"
            lines.append([name, people, *times, f"{each['difference']:.1e}", f"{each['overlap']:.3f}"])
    print(columns(lines))
    result = {"data": asked.data, "threads": asked.threads, "rounds": asked.rounds, "k": K, "models": found}
    print(f"→ bench/results/{write_result('update', result).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
