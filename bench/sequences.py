"""What comes next, on two published sets of sequences: leave-one-out, the whole catalogue, the history masked.

    HONEYGUIDE_DATA=... python bench/sequences.py --data lastfm-sequences
    HONEYGUIDE_DATA=... python bench/sequences.py --data amazon-beauty --models popular,item_knn,als,sasrec

The last event of each person is tested, the one before it is for validation: as in S3-Rec (arXiv:2008.07873), whose
sets these are, and DuoRec (arXiv:2110.05730). All models are fitted on the events before those two. When tested they
are shown the validation event as well, so that everyone is a stranger with one event more than was trained on.
Settings are the defaults but for what SETTINGS says, chosen on the validation event; with --patience, iterative models
stop early by ndcg@10 on it, of all people. The events have no times, so `popular` counts all.

"SASRec, sampled softmax" and "eSASRec" are of arXiv:2508.06450. As far as its code tells, it holds the validation event
of everyone out of training, to stop early by recall@10, and shows it when the last one is tested, as here.

With --refit the models are fitted on all events but the tested one, the validation event too, by settings that were
chosen without it: what someone would use, and another protocol, whose figures are higher.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide.models import registry
from honeyguide.models.base import Iterative

METRICS = ("recall@10", "ndcg@10")
MODELS = "popular,item_knn,als,ease,sasrec"
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "amazon-beauty": {"sasrec": {"blocks": 1, "dropout": 0.4, "epochs": 40}},
    "lastfm-sequences": {},
}
PUBLISHED: dict[str, dict[str, tuple[float, float]]] = {
    "amazon-beauty": {
        "popular": (0.0152, 0.0068), "SASRec in S3-Rec": (0.0605, 0.0318), "S3-Rec": (0.0647, 0.0327),
        "DuoRec": (0.0845, 0.0443), "SASRec, sampled softmax": (0.0921, 0.0531), "eSASRec": (0.0928, 0.0523),
    },
    "lastfm-sequences": {
        "popular": (0.0440, 0.0203), "SASRec in S3-Rec": (0.0688, 0.0390), "S3-Rec": (0.0743, 0.0427),
    },
}  # fmt: skip


def measure(
    name: str, given: dict[str, Any], data: hg.Dataset, run: hg.Run, patience: int | None, refit: bool
) -> dict[str, Any]:
    """One model: its metrics with intervals over people, on the test event and on the validation event."""
    train, validation, test = hg.split(data, "leave-last", validation=0.1)
    shown = hg.split(data, "leave-last").train  # the validation event included
    model = registry.create(name, given)
    watch = None
    if patience and not refit and isinstance(model, Iterative):
        watch = hg.early_stopping(train, validation, metric="ndcg@10", patience=patience, people=None)
    fitted = shown if refit else train
    begun = time.perf_counter()
    model.fit(fitted, run=run, watch=watch)
    found: dict[str, Any] = {"settings": given, "fit_s": time.perf_counter() - begun}
    if watch is not None:
        found |= {"best_epoch": watch.best_epoch, "epochs_done": len(watch.history)}
    parts = {"validation": (validation, None), "test": (test, shown)} if not refit else {"test": (test, None)}
    for part, (asked, history) in parts.items():
        begun = time.perf_counter()
        result = hg.evaluate({name: model}, fitted, asked, metrics=METRICS, history=history, run=run)
        rows = {row["metric"]: (row["value"], row["low"], row["high"]) for row in result.table.to_dicts()}
        found |= {part: rows, f"{part}_s": time.perf_counter() - begun}
    return found


def text(data: str, found: dict[str, dict[str, Any]]) -> str:
    """A line for each model, then what was published."""
    lines = [["", "recall@10", "ndcg@10", "validation", "fit s"]]
    for name, each in found.items():
        cells = ["{:.4f} [{:.4f}, {:.4f}]".format(*each["test"][metric]) for metric in METRICS]
        watched = each.get("validation", {"ndcg@10": (float("nan"),)})["ndcg@10"][0]
        lines.append([name, *cells, f"{watched:.4f}", f"{each['fit_s']:.1f}"])
    published = PUBLISHED[data].items()
    lines += [[f"published: {name}", *(f"{value:.4f}" for value in values), "", ""] for name, values in published]
    return columns(lines)


def main() -> int:
    """Measure, print and write a result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="lastfm-sequences", choices=list(PUBLISHED))
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--patience", type=int, help="epochs without a gain on the validation event; none: all epochs")
    parser.add_argument("--refit", action="store_true", help="fit on the validation event too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    data, run = hg.load(asked.data), hg.Run(seed=asked.seed, threads=asked.threads, progress=False)
    found = {}
    for name in asked.models.split(","):
        found[name] = measure(name, SETTINGS[asked.data].get(name, {}), data, run, asked.patience, asked.refit)
        print(name, found[name], file=sys.stderr, flush=True)
    print(text(asked.data, found))
    facts = {"data": asked.data, "seed": asked.seed, "threads": asked.threads, "models": found}
    print(
        write_result(
            f"sequences-{asked.data}{'-refit' if asked.refit else ''}", {**facts, "published": PUBLISHED[asked.data]}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
