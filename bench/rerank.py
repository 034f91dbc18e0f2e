"""What re-ranking costs in accuracy and gains in diversity and calibration, and milliseconds a request; with pictures.

    HONEYGUIDE_DATA=... python bench/rerank.py                      # three data sets
    HONEYGUIDE_DATA=... python bench/rerank.py --data lastfm
    HONEYGUIDE_DATA=... python bench/rerank.py --clock              # the milliseconds alone, anew
    python bench/rerank.py --draw                                   # the pictures of the newest result alone
    python bench/rerank.py --table                                  # the newest result as Markdown tables

`als` at its defaults, fitted on four fifths of each person's events; everyone's list of 10 is measured on the rest, as
it is and re-ranked among 100 candidates (quotas: 1,000) with several weights. Differences of ndcg@10 to the own lists
come with a 95 % interval over people (`Evaluation.paired`). A request is `model.recommend([user], k=10)` on one thread,
in processor time; own and re-ranked lists of a person are asked for in turn, each first as often as the others: the
median over people of the own list's milliseconds, and of what re-ranking adds. The pictures go to
docs/pictures/rerank-DATA-METRIC.svg.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import honeyguide as hg
from bench.harness import RESULTS, ROOT, write_result
from honeyguide.data import plots
from honeyguide.data.dataset import Dataset
from honeyguide.models.base import Recommender

NAME, PICTURES, OWN = "rerank", ROOT / "docs" / "pictures", "own list"
DATA = {"movielens-small": ">=4", "movielens-1m-positives": "every event", "lastfm": "every event"}
MILD, STRONG = (0.1, 0.3, 0.5, 0.7, 0.9), (0.1, 0.3, 0.5, 0.8, 0.95)
WAYS = {
    "mmr:trade=": MILD, "mmr:of=histories:trade=": MILD, "xquad:trade=": MILD, "calibrated:trade=": STRONG,
    "quotas:of=new:few=20:least=": (0.2, 0.4),
}  # fmt: skip
METRICS = ("ndcg@10", "recall@10", "diversity@10", "diversity:histories@10", "miscalibration@10", "novelty@10",
           "coverage@10", "exposure_gap@10")  # fmt: skip
DRAWN = {"diversity@10": "diversity", "miscalibration@10": "miscalibration"}


def measure(train: Dataset, test: Dataset, ways: Mapping[str, Sequence[float]], people: int, run: hg.Run) -> Any:
    """The metrics of the own list and of every re-ranker and weight; milliseconds a request of each re-ranker."""
    model = hg.model("als").fit(train, run=run)
    asked = {f"{way}{weight}": (model, hg.rerank.named(f"{way}{weight}")) for way in ways for weight in ways[way]}
    found = hg.evaluate({OWN: model, **asked}, train, test, metrics=METRICS, run=run)
    paired = {row["model"]: row for row in found.paired("ndcg@10", OWN).to_dicts()}
    rows = {}
    for name in found.models:
        rows[name] = {metric: found.value(name, metric) for metric in METRICS}
        if name in paired:
            rows[name]["ndcg@10 lost"] = [-paired[name][end] for end in ("difference", "high", "low")]
    return {
        "people": found.counts.people - found.counts.without_relevant,
        "values": rows,
        "ms_a_request": clock(model, train, ways, people, run),
        "definitions": {metric.name: metric.definition for metric in found.metrics},
    }


def clock(
    model: Recommender, train: Dataset, ways: Mapping[str, Sequence[float]], people: int, run: hg.Run
) -> dict[str, float]:
    """Milliseconds of a list of 10 for one person, medians: the own one, and what each re-ranker adds."""
    middle = [f"{way}{weights[len(weights) // 2]}" for way, weights in ways.items()]
    drawn = np.random.default_rng(run.seed).permutation(np.unique(train.users))[:people]
    every: dict[str, Any] = {OWN: None, **{name: hg.rerank.named(name) for name in middle}}
    taken: list[dict[str, float]] = []
    for turn, user in enumerate(train.schema.users.decode(drawn.astype(np.int32))):
        names = list(every)[turn % len(every) :] + list(every)[: turn % len(every)]
        taken.append({})
        for name in names:
            begun = time.thread_time()
            model.recommend([user], k=10, rerank=every[name], run=run)
            taken[-1][name] = 1e3 * (time.thread_time() - begun)
    warm = taken[1:]  # the first loads what is compiled
    added = {name: statistics.median(each[name] - each[OWN] for each in warm) for name in middle}
    return {OWN: statistics.median(each[OWN] for each in warm), **added}


def draw(values: Mapping[str, Mapping[str, float]], metric: str) -> str:
    """Accuracy against one other metric: a line a re-ranker, from the own list on, a point a weight."""
    lines: dict[str, list[tuple[float, float]]] = {}
    first = values[OWN][metric], values[OWN]["ndcg@10"]
    for name, row in values.items():
        way, found, _ = name.partition(":trade=")
        if found:
            lines.setdefault(way.replace(":of=", ", "), [first]).append((row[metric], row["ndcg@10"]))
    return plots.paths(lines, x=metric, y="ndcg@10", start=OWN) + "\n"


def table(found: Mapping[str, Any]) -> str:
    """A data set's result in Markdown; of five weights the middle three, the others are in the pictures."""
    heads = ["ndcg@10", "diversity@10", "miscalibration@10", "novelty@10", "coverage@10"]
    lines = [f"| | {' | '.join(heads)} | ndcg@10 lost, 95 % | ms a request |", "|" + " --- |" * (len(heads) + 3)]
    names = list(found["values"])
    ways = [name.rpartition("=")[0] for name in names]
    for name, way in zip(names, ways, strict=True):
        same = [other for other, its in zip(names, ways, strict=True) if its == way]
        if len(same) == 5 and name in (same[0], same[-1]):
            continue
        row, ms = found["values"][name], found["ms_a_request"].get(name)
        lost = row.get("ndcg@10 lost")
        told = "" if lost is None else f"{lost[0]:.4f} ({lost[1]:.4f} – {lost[2]:.4f})"
        asked = "" if ms is None else f"{ms:.1f}" if name == OWN else f"{ms:+.1f}"
        lines.append(f"| {name} | {' | '.join(f'{row[head]:.3f}' for head in heads)} | {told} | {asked} |")
    return "\n".join(lines)


def newest(folder: Path = RESULTS) -> dict[str, Any]:
    """The data sets of the newest result, none where there is no result."""
    paths = sorted(folder.glob(f"????-??-??-{NAME}.json"))
    return json.loads(paths[-1].read_text(encoding="utf-8"))["data"] if paths else {}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=DATA, action="append", help="one of the sets; again for another")
    parser.add_argument("--people", type=int, default=300, help="whose requests are clocked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", action="store_true", help="measure the milliseconds alone")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--table", action="store_true", help="measure nothing, print tables")
    args = parser.parse_args()
    found, run = newest(), hg.Run(seed=args.seed, threads=1, progress=False)
    warnings.simplefilter("ignore")  # licences
    for name in [] if args.draw or args.table else args.data or list(DATA):
        train, test = hg.split(hg.load(name, positive=DATA[name]), "per-person", test=0.2, seed=args.seed)
        about = {
            "positive": DATA[name],
            "split": "per-person, a fifth",
            "model": "als",
            "seed": args.seed,
            "threads": 1,
        }
        if args.clock and name in found:
            model = hg.model("als").fit(train, run=run)
            found[name]["ms_a_request"] = clock(model, train, WAYS, args.people, run)
        else:
            found[name] = about | measure(train, test, WAYS, args.people, run)
        write_result(NAME, {"data": {each: found[each] for each in DATA if each in found}})
    if args.table:
        print("\n\n".join(f"{name}\n\n{table(each)}" for name, each in found.items()))
        return
    PICTURES.mkdir(exist_ok=True)
    for name, each in found.items():
        for metric, short in DRAWN.items():
            (PICTURES / f"rerank-{name}-{short}.svg").write_text(draw(each["values"], metric), encoding="utf-8")


if __name__ == "__main__":
    main()
