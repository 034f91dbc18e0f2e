"""How true the reasons of every model are, and how long they take; see honeyguide.fidelity.

    python bench/fidelity.py                                       # movielens-small, every model, 50 people
    HONEYGUIDE_DATA=... python bench/fidelity.py --data movielens-1m-positives --people 20 --models ease,sasrec:epochs=1

Ratings of 4 and 5 are positive. Every model is fitted on all of the data at its defaults, but for what is said after a
colon; on one thread. The seconds are medians over the people, each of a list of ten with a reason for each item, and
those of counterfactuals where the model needs them.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import honeyguide as hg
from bench.harness import write_result
from honeyguide.errors import HoneyguideError, HoneyguideWarning
from honeyguide.models import registry

OVER_MODELS = {"blend": "svd,rating_knn", "ranker": "als,ease"}  # what models of models are made of here


def main() -> None:
    """Fit, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="movielens-small")
    parser.add_argument("--models", default=",".join(registry.names()))
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--note", default="")
    args = parser.parse_args()
    warnings.simplefilter("ignore", HoneyguideWarning)
    data = hg.load(args.data, positive="every event" if args.data.endswith("positives") else ">=4")
    run, rows = hg.Run(threads=1), dict[str, dict[str, Any]]()
    for spec in args.models.split(","):
        name, *settings = spec.split(":")
        given = dict(pair.split("=", 1) for pair in settings)
        if name in OVER_MODELS and "models" not in given:
            given["models"] = OVER_MODELS[name]
        begun = time.perf_counter()
        try:
            model = registry.create(name, given).fit(data, run=run)
            fit = time.perf_counter() - begun
            rows[spec] = {**hg.fidelity(model, people=args.people).as_dict(), "fit_seconds": fit}
        except HoneyguideError as error:
            rows[spec] = {"failure": str(error)}
        print(spec, rows[spec], flush=True)
    about = "Fidelity of every model's reasons; see bench/fidelity.py."
    path = write_result(f"fidelity-{args.data}{args.note}", {"about": about, "data": args.data, "models": rows})
    print(table(rows))
    print(path)


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The result as Markdown."""
    head = ["model", "method", "with a reason", "additivity", "deletion", "insertion", "stable", "without", "ms a list"]
    cells = []
    for spec, row in rows.items():
        if "failure" not in row:
            found = "–" if row["found"] is None else f"{row['found']:.0%} of {row['size'] or 0:.1f}"
            cells.append([
                f"`{spec}`", row["method"], f"{row['explained']:.0%}", f"{row['additivity']:.0e}",
                *(_margin(row[name]) for name in ("deletion", "insertion")),
                "–" if row["stability"] is None else f"{row['stability']:.0%}", found, f"{1000 * row['seconds']:.0f}",
            ])  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *cells])


def _margin(of: dict[str, float] | None) -> str:
    return "–" if of is None else f"{of['better']:+.2f} [{of['low']:+.2f}, {of['high']:+.2f}]"


if __name__ == "__main__":
    main()
