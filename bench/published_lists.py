"""Lists on MovieLens 1M by two published protocols: tuned on a validation part, measured on the test part.

    HONEYGUIDE_DATA=... python bench/published_lists.py
    HONEYGUIDE_DATA=... python bench/published_lists.py --protocol half-hidden --models als,ease --trials 20

    holdout      every rating is positive, random 80/20; precision, recall and ndcg_full at 10 (Anelli et al. 2022,
                 doi:10.1145/3503252.3531292, and the line of work of Ferrari Dacrema et al., doi:10.1145/3434185)
    half-hidden  every rating is positive; of a fifth of the people a random half of the films is hidden, the other
                 half is trained on with everyone else; ndcg at 20 (the example of irspack for MovieLens 1M)

Settings are found once, on a validation part carved out of the training part of the first split by the same rule;
iterative models are tuned with early stopping. Then every split is fitted and measured with them: `first` is the one
whose test part is wholly apart from the search, with a bootstrap interval over people; `mean` is that of all splits,
which a published figure from someone else's split compares with. --studies keeps the trials: a search goes on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide import params
from honeyguide.data.dataset import Dataset
from honeyguide.models import registry

PROTOCOLS = {"holdout": ("precision@10", "recall@10", "ndcg_full@10"), "half-hidden": ("ndcg@20",)}
SPLITS = 5
MODELS = "popular,item_knn,user_knn,rp3beta,pure_svd,graph_filter,bpr,als,slim,ease"
PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "holdout": {
        "popular": (0.1832, 0.0685, 0.0939), "user_knn": (0.3617, 0.1726, 0.2230), "bpr": (0.3073, 0.1384, 0.1807),
        "als": (0.3628, 0.1702, 0.2200), "slim": (0.3813, 0.1770, 0.2321), "ease": (0.3857, 0.1820, 0.2364),
    },
    "half-hidden": {"als": (0.576,), "ease": (0.573,), "rp3beta": (0.537,)},
}  # fmt: skip


def carve(data: Dataset, protocol: str, seed: int) -> tuple[Dataset, Dataset]:
    """(train, test) by the rule of a protocol."""
    if protocol == "holdout":
        train, test = hg.split(data, "random", test=0.2, seed=seed)
        return train, test
    rng = np.random.default_rng(seed)
    present = np.flatnonzero(np.bincount(data.users, minlength=data.n_users))
    chosen = np.zeros(data.n_users, dtype=bool)
    chosen[rng.choice(present, round(0.2 * len(present)), replace=False)] = True
    order = np.lexsort((rng.random(len(data)), data.users))
    counts = np.bincount(data.users, minlength=data.n_users)
    place = np.arange(len(data)) - np.repeat(np.cumsum(counts) - counts, counts)
    hidden = np.zeros(len(data), dtype=bool)
    hidden[order] = place < np.repeat(counts // 2, counts)
    hidden &= chosen[data.users]
    return data.take(~hidden), data.take(hidden)


def search(name: str, data: Dataset, protocol: str, trials: int, study: Path, run: hg.Run) -> dict[str, Any]:
    """The settings of one model, found within the training part of the first split."""
    if all(declared.tune is None for declared in params.declarations(registry.load(name)).values()):
        return {"settings": {}}
    begun = time.perf_counter()
    part, validation = carve(carve(data, protocol, seed=0)[0], protocol, seed=1)
    found = hg.tune(name, part, validation, trials=trials, metric=PROTOCOLS[protocol][-1], study=study, run=run)
    seconds = time.perf_counter() - begun
    return {"settings": dict(found.hyperparameters), "validation": found.value, "search_s": seconds}


def measure(name: str, settings: dict[str, Any], data: Dataset, protocol: str, run: hg.Run) -> dict[str, Any]:
    """One model on the test part of every split."""
    values: dict[str, list[float]] = {metric: [] for metric in PROTOCOLS[protocol]}
    ends, seconds = {}, []
    for seed in range(SPLITS):
        train, test = carve(data, protocol, seed)
        begun = time.perf_counter()
        model = registry.create(name, settings).fit(train, run=run)
        seconds.append(time.perf_counter() - begun)
        resamples = 1000 if seed == 0 else 0
        result = hg.evaluate({name: model}, train, test, metrics=list(values), resamples=resamples, run=run)
        for metric, found in values.items():
            found.append(result.value(name, metric))
        if seed == 0:
            ends = {row["metric"]: (row["low"], row["high"]) for row in result.table.to_dicts()}
    means = {metric: float(np.mean(found)) for metric, found in values.items()}
    return {"mean": means, "first": {m: (v[0], *ends[m]) for m, v in values.items()}, "splits": values,
            "fit_s": float(np.median(seconds))}  # fmt: skip


def text(protocol: str, found: dict[str, dict[str, Any]]) -> str:
    """Each model's means over the splits, the first split's last metric with its interval, and what was published."""
    metrics = PROTOCOLS[protocol]
    lines = [["", *metrics, f"first split's {metrics[-1]}", "published"]]
    for name, each in found.items():
        cells = [f"{each['mean'][metric]:.4f}" for metric in metrics]
        first = "{:.4f} [{:.4f}, {:.4f}]".format(*each["first"][metrics[-1]])
        known = " / ".join(f"{value:.4f}" for value in PUBLISHED[protocol].get(name, ()))
        lines.append([name, *cells, first, known])
    return columns(lines)


def main() -> int:
    """Measure, print and write a result for each protocol."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--protocol", nargs="+", default=list(PROTOCOLS), choices=list(PROTOCOLS))
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--studies", type=Path, help="a folder that keeps the trials")
    asked = parser.parse_args()
    data, run = hg.load("movielens-1m"), hg.Run(threads=asked.threads, progress=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.studies or Path(temporary)
        for protocol in asked.protocol:
            found: dict[str, dict[str, Any]] = {}
            for name in asked.models.split(","):
                study = folder / f"{protocol}-{name}.journal"
                found[name] = search(name, data, protocol, asked.trials, study, run)
                found[name] |= measure(name, found[name]["settings"], data, protocol, run)
                print(text(protocol, {name: found[name]}), found[name]["settings"], flush=True)
            result = {
                "protocol": protocol,
                "data": "movielens-1m",
                "splits": SPLITS,
                "trials": asked.trials,
                "models": found,
            }
            print(text(protocol, found))
            print(f"→ bench/results/{write_result(f'published-lists-{protocol}', result).name}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
