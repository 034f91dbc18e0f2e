"""People on their first day: what someone new likes, by what is known of who they are and the first things they had.

    HONEYGUIDE_DATA=... python bench/cold_people.py --data movielens-100k
    HONEYGUIDE_DATA=... python bench/cold_people.py --data lastfm --seeds 2 --models popular,als,hybrid_mf

A fifth of the people is taken out of training with all their events (split "cold-people"). What comes after their
first 0, 1, 2, 4 and 8 positives is to be found by what they are and by those: ndcg@10, means over people and seeds, of
everyone who has more than eight; of the musical instruments, where few have, 0, 1, 2 and 4. First is by time; where
there are no times, by chance. All models are at their defaults; the content model is `attributes`, or `text` where
there is only text; the switch is one of als, hybrid_mf and popular; "unasked" is hybrid_mf that is not told what the
new are. Differences are with 95 % intervals over people. Seeds begin at 1: the defaults were found on the split of
seed 0.

movielens-100k, -1m: ratings of 4 and 5 are positive; people have gender, age, occupation and zip code, films a title
and genres. lastfm: every artist played; people have friends, artists tags. Of the people of movielens-small and
musical-instruments (see bench/cold_items.py) nothing is known.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import scipy.sparse as sp

import honeyguide as hg
from bench.cold_items import CONTENT, beside, build, load
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide import metrics
from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.models import lists
from honeyguide.models.base import Recommender

LENGTHS, FEW, K = (0, 1, 2, 4, 8), {"musical-instruments": (0, 1, 2, 4)}, 10
MODELS = "random,popular,als,content,two_tower,hybrid_mf,switch"
PARTS = "als,hybrid_mf,popular"


@dataclass(frozen=True, eq=False)
class Exam:
    """What to train on; whom (P,) it is about; for each of the lengths, so many positives, and what follows (P, I)."""

    train: Dataset
    people: IntArray
    shown: tuple[Profiles, ...]
    relevant: tuple[sp.csr_matrix, ...]


def exam(data: Dataset, seed: int, lengths: tuple[int, ...]) -> Exam:
    """The people held out who have more positives than are ever shown."""
    train, test = hg.split(data, "cold-people", test=0.2, history=0.0, seed=seed)
    if test.times is None:
        test = test.take(np.random.default_rng(seed).permutation(len(test)))
    everyone = test.profiles()
    people = np.flatnonzero(np.diff(everyone.positives().indptr) > lengths[-1])
    held = everyone.take(people).strangers()
    whole = held.positives()
    good = np.asarray(whole[held.rows, held.items]).ravel() > 0
    number = np.cumsum(good) - np.append(0, np.cumsum(good))[held.indptr[:-1]][held.rows]  # (E,) positives so far
    shown = tuple(held.where_events((number <= length) & good) for length in lengths)
    relevant = [whole - profiles.positives() for profiles in shown]
    for left in relevant:
        left.eliminate_zeros()
    return Exam(train, people.astype(np.int32), shown, tuple(relevant))


def ask(model: Recommender, paper: Exam, run: hg.Run, *, told: bool = True) -> FloatArray:
    """ndcg@10 (L, P) of each person for each length; without what they are, unless `told`."""
    found = []
    for profiles, relevant in zip(paper.shown, paper.relevant, strict=True):
        asked = profiles if told else replace(profiles, attributes=None)
        codes, _ = lists.top_k(lists.source(model), asked, K, run=run)
        found.append(metrics.metric("ndcg@10").function(codes, relevant, k=K))
    return np.array(found)


def main() -> int:
    """Measure, print and write a result for each set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=["movielens-100k", "movielens-1m"])
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in asked.data:
        data, lengths = load(name), FEW.get(name, LENGTHS)
        papers = {seed: exam(data, seed, lengths) for seed in range(1, asked.seeds + 1)}
        who = np.concatenate([paper.people for paper in papers.values()])
        people: dict[str, FloatArray] = {}  # (L, P of all seeds)
        seconds: dict[str, list[float]] = {}
        for model in asked.models.split(","):
            each: dict[str, list[FloatArray]] = {}
            for seed, paper in papers.items():
                run, begun = hg.Run(seed=seed, threads=asked.threads, progress=False), time.perf_counter()
                wanted = CONTENT.get(name, "attributes") if model == "content" else model
                fitted = build(wanted, PARTS, "any" if data.times is None else "first").fit(paper.train, run=run)
                seconds.setdefault(model, []).append(time.perf_counter() - begun)
                each.setdefault(model, []).append(ask(fitted, paper, run))
                if model == "hybrid_mf":
                    each.setdefault("hybrid_mf, unasked", []).append(ask(fitted, paper, run, told=False))
            people |= {way: np.concatenate(values, axis=1) for way, values in each.items()}
            print(name, {way: people[way].mean(axis=1).round(4).tolist() for way in each}, flush=True)
        found: dict[str, Any] = {way: {"ndcg@10": values.mean(axis=1).tolist()} for way, values in people.items()}
        for model, took in seconds.items():
            found[model]["fit_s"] = float(np.median(took))
        for way in people:
            for other in {"popular", "als", "hybrid_mf, unasked"} & set(people) - {way}:
                pairs = zip(people[way], people[other], strict=True)
                found[way][f"ndcg@10 - {other}"] = [beside(one, another, who) for one, another in pairs]
        rows = [[way, *(f"{value:.4f}" for value in v["ndcg@10"])] for way, v in found.items()]
        print(columns([["positives shown", *map(str, lengths)], *rows]))
        result = {
            "seeds": asked.seeds, "threads": asked.threads, "data": name, "lengths": lengths,
            "people": [len(paper.people) for paper in papers.values()], "models": found,
        }  # fmt: skip
        print(f"→ bench/results/{write_result(f'cold-people-{name}', result).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
