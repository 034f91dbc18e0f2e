"""Items on their first day: which of the new ones someone will like, told by what is known of items alone.

    HONEYGUIDE_DATA=... python bench/cold_items.py --data movielens-small
    HONEYGUIDE_DATA=... python bench/cold_items.py --data lastfm --seeds 1 --models popular,hybrid_mf

A tenth of the items is taken out of training with all their events (split "cold-items"). Those alone are ranked for
everyone who has some of them among their positives: ndcg@10 and recall@10, means over people and seeds, and how far
each model is from `attributes`, or `text` where there is only text, with 95 % intervals over people. `popular` knows
nothing of the items and lists them in the order of their ids. All models are at their defaults; two_tower, hybrid_mf
and the switch read histories too. The switch mixes hybrid_mf and that same model.

movielens-small: ratings of 4 and 5 are positive; title, year, genres. lastfm: every artist played; name, and the tags
that people gave, those who are asked among them. musical-instruments, of the Amazon reviews: 4 and 5 stars; an item's
text is what half of the people wrote of it, drawn by chance, and only the other half is trained on and asked. Seeds
begin at 1: the defaults of hybrid_mf were found on the split of seed 0.
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
import polars as pl

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide import metrics
from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.sources.amazon_musical_instruments import FILES
from honeyguide.evaluate import resample
from honeyguide.models import lists, registry
from honeyguide.models.base import Recommender

METRICS, K = ("ndcg@10", "recall@10"), 10
MODELS = "random,popular,attributes,text,two_tower,hybrid_mf,switch"
CONTENT = {"movielens-small": "attributes", "lastfm": "attributes", "musical-instruments": "text"}
_RESAMPLES = 10_000


def load(name: str) -> Dataset:
    """A set with what is known of its items."""
    if name == "musical-instruments":
        return instruments()
    return hg.load(name, positive=">=4" if name.startswith("movielens") else "every event")


def instruments() -> Dataset:
    """Events of one half of the people; of each item what the other half wrote."""
    (path,) = FILES.find("reviews_Musical_Instruments_5.json")
    reviews = pl.read_ndjson(path)
    people = reviews["reviewerID"].unique().sort()
    writes = people.gather(np.flatnonzero(np.random.default_rng(0).random(len(people)) < 0.5))
    written = reviews.filter(pl.col("reviewerID").is_in(writes.implode()))
    text = written.group_by("asin").agg(text=pl.concat_str("summary", "reviewText", separator=" ").str.join(" "))
    events = reviews.join(writes.to_frame(), on="reviewerID", how="anti").select(
        "reviewerID", "asin", "overall", "unixReviewTime"
    )
    return hg.read(events, items=text, kinds={"text": "text"}, positive=">=4")


def build(name: str, parts: str, shown: str = "any") -> Recommender:
    """A model at its defaults; "switch" is one of the models `parts`, found by any items of people or the first."""
    return registry.create(name, {"models": parts, "shown": shown} if name == "switch" else {})


def measure(model: Recommender, data: Dataset, seed: int, run: hg.Run) -> tuple[FloatArray, IntArray, float, int]:
    """Metrics (M, P) of each person, the people's codes, the seconds of the fit, the number of new items."""
    train, test = hg.split(data, "cold-items", test=0.1, seed=seed)
    new = np.unique(test.items).astype(np.int32)
    relevant = test.positives()
    people = np.flatnonzero(np.diff(relevant.indptr)).astype(np.int32)
    begun = time.perf_counter()
    model.fit(train, run=run)
    seconds = time.perf_counter() - begun
    found, _ = lists.top_k(lists.source(model), train.profiles(people), K, candidates=new, run=run)
    values = [metrics.metric(m).function(found, relevant[people], k=K) for m in METRICS]
    return np.array(values), people, seconds, len(new)


def beside(one: FloatArray, other: FloatArray, people: IntArray) -> list[float]:
    """The mean difference of values (N,) of people (N,), and the ends of its 95 % interval over people."""
    sums = np.bincount(people, (one - other).astype(np.float64))[:, None]
    counts = np.bincount(people).astype(np.float64)[:, None]
    there = counts[:, 0] > 0
    drawn = resample.bootstrap(sums[there], counts[there], _RESAMPLES, seed=0)
    return [float(sums.sum() / counts.sum()), *(float(end[0]) for end in resample.interval(drawn))]


def main() -> int:
    """Measure, print and write a result for each set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", default=list(CONTENT))
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in asked.data:
        data = load(name)
        found: dict[str, Any] = {}
        people: dict[str, FloatArray] = {}  # (M, P of all seeds)
        for model in asked.models.split(","):
            try:
                each = [
                    measure(build(model, f"hybrid_mf,{CONTENT[name]}"), data, seed, run)
                    for seed in range(1, asked.seeds + 1)
                    for run in [hg.Run(seed=seed, threads=asked.threads, progress=False)]
                ]
            except hg.errors.DataError as error:  # there is nothing that this model reads
                found[model] = {"failure": str(error)}
                continue
            people[model] = np.concatenate([values for values, *_ in each], axis=1)
            who = np.concatenate([codes for _, codes, *_ in each])
            found[model] = {m: [float(values[at].mean()) for values, *_ in each] for at, m in enumerate(METRICS)}
            found[model] |= {"fit_s": float(np.median([seconds for _, _, seconds, _ in each]))}
            found[model] |= {"people_and_items": (len(each[0][1]), each[0][3])}
            print(name, model, people[model].mean(axis=1).round(4), found[model]["people_and_items"], flush=True)
        for model in set(people) - {CONTENT[name]} if CONTENT[name] in people else ():
            found[model]["ndcg@10 - " + CONTENT[name]] = beside(people[model][0], people[CONTENT[name]][0], who)
        rows = [[way, *(f"{np.mean(v[m]):.4f}" for m in METRICS)] for way, v in found.items() if "failure" not in v]
        print(columns([["", *METRICS], *rows]))
        result = {"seeds": asked.seeds, "threads": asked.threads, "data": name, "models": found}
        print(f"→ bench/results/{write_result(f'cold-items-{name}', result).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
