"""Training curves of the deep models, beside levels of models that have none, as a result and as pictures for the docs.

    HONEYGUIDE_DATA=... python bench/training_curves.py                     # all panels
    HONEYGUIDE_DATA=... python bench/training_curves.py --panel ratings
    python bench/training_curves.py --draw                                  # the pictures of the newest result alone

After each epoch the metric is taken on a validation part (a fifth, and another fifth is for a test that is not looked
at), by `hg.early_stopping` without stopping. All models are at their defaults, and read what they can: `two_tower` the
attributes, `sasrec` the order. A curve is of one seed. The pictures go to docs/pictures/training-PANEL.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import honeyguide as hg
from bench.harness import RESULTS, ROOT, cores, write_result
from honeyguide import metrics
from honeyguide.data import plots
from honeyguide.models import registry
from honeyguide.split import Kind

NAME, PICTURES = "training-curves", ROOT / "docs" / "pictures"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture: the data, how they are split, the metric, and which models are curves and which are levels."""

    data: str
    kind: Kind
    metric: str
    curves: Mapping[str, Mapping[str, Any]]
    levels: tuple[str, ...]
    positive: str = "every event"


PANELS = {
    "lists": Panel(
        data="movielens-latest-small", positive=">=4", kind="per-person", metric="ndcg@10",
        curves={"two_tower": {}, "multvae": {}, "lightgcn": {}, "neumf": {}, "sasrec": {}}, levels=("als", "ease"),
    ),
    "ratings": Panel(
        data="movielens-latest-small", kind="random", metric="rmse",
        curves={"autorec": {}, "neumf": {"objective": "squared_error"}}, levels=("bias", "svd"),
    ),
}  # fmt: skip


def measure(panel: Panel, run: hg.Run) -> dict[str, Any]:
    """The values after each epoch of every curve, seconds of its fit, and the value of every level."""
    data = hg.load(panel.data, positive=panel.positive)
    train, validation, _ = hg.split(data, panel.kind, test=0.2, validation=0.2, seed=run.seed)
    found: dict[str, Any] = {"about": about(panel), "curves": {}, "levels": {}}
    for name, given in panel.curves.items():
        model: Any = registry.create(name, given)
        watch = hg.early_stopping(train, validation, metric=panel.metric, patience=model.epochs, people=None, run=run)
        begun = time.perf_counter()
        model.fit(train, run=run, watch=watch)
        found["curves"][name] = {"settings": dict(given), "values": watch.history, "best_epoch": watch.best_epoch}
        print(
            f"{name}: {watch.best:.4f} after {watch.best_epoch} epochs, {time.perf_counter() - begun:.0f} s", flush=True
        )
    for name in panel.levels:
        model = registry.create(name, {}).fit(train, run=run)
        judged = hg.evaluate({name: model}, train, validation, metrics=[panel.metric], resamples=0, run=run)
        found["levels"][name] = judged.value(name, panel.metric)
        print(f"{name}: {found['levels'][name]:.4f}", flush=True)
    return found


def about(panel: Panel) -> dict[str, Any]:
    """What the values of a panel were taken on."""
    return {"data": panel.data, "positive": panel.positive, "split": panel.kind, "metric": panel.metric}


def draw(found: Mapping[str, Any]) -> str:
    """The picture of a panel."""
    lines = {name: list(enumerate(each["values"], 1)) for name, each in found["curves"].items()}
    metric = found["about"]["metric"]
    low = metrics.metric(metric).better == "lower"
    text = plots.curves(lines, found["levels"], x="epoch", y=f"validation {metric}", low=low)
    return text + "\n"


def newest(folder: Path = RESULTS) -> dict[str, Any]:
    """The panels of the newest result, none where there is no result."""
    paths = sorted(folder.glob(f"????-??-??-{NAME}.json"))
    return json.loads(paths[-1].read_text(encoding="utf-8"))["panels"] if paths else {}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", choices=PANELS, action="append", help="one of the pictures; again for another")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    args = parser.parse_args()
    panels = newest()
    run = hg.Run(seed=args.seed, threads=args.threads, progress=False)
    warnings.simplefilter("ignore")  # licences
    for name in [] if args.draw else args.panel or list(PANELS):
        panels[name] = measure(PANELS[name], run) | {"seed": args.seed, "threads": args.threads}
        write_result(NAME, {"panels": {each: panels[each] for each in PANELS if each in panels}})
    PICTURES.mkdir(exist_ok=True)
    for name, found in panels.items():
        (PICTURES / f"training-{name}.svg").write_text(draw(found), encoding="utf-8")


if __name__ == "__main__":
    main()
