"""What a graph of knowledge is worth: lists by RecBole's protocol, the graph taken away or dealt anew, and clicks.

    HONEYGUIDE_DATA=... python bench/knowledge_graph.py lists --data lastfm-kg --seeds 5
    HONEYGUIDE_DATA=... python bench/knowledge_graph.py ablation --data lastfm-kg movielens-100k-kg
    HONEYGUIDE_DATA=... python bench/knowledge_graph.py clicks

lists     of each person's events, dealt by chance, 8 : 1 : 1 are trained on, for validation and tested (RecBole's
          rounding: floors, but one of each for who has fewer than ten); the whole catalogue is ranked but for what is
          trained on or for validation; recall@10, the mean over people, then over splits. Each model's distance from
          the best that reads no graph, with a 95 % interval over people, whose values are means over the splits.
ablation  each model with the graph, with none of its triples, with the tails of each relation dealt anew ("rewired"),
          and with the graph of the items' attributes instead; the same seeds for splits and models. Warm: as in
          `lists`. Cold: a tenth of the items is taken out with all their events and ranked alone (recall@10), equal
          scores in an order drawn for each person: that of the ids tells how popular an artist of Last.fm is.
clicks    each person's events beside as many items that they have not, 6 : 2 : 2 by chance (KGCN: Wang et al. 2019,
          arXiv:1904.12575); the area under the ROC curve of the scores less each person's mean over the catalogue,
          and F1 at the threshold that is best for validation.

The settings below, and the defaults of relation_gcn, were found by at most forty trials a model on the validation parts
of splits 0 to 2 of lastfm-kg, 0 of movielens-1m-kg, 0 and 1 of movielens-100k-kg; everything else is at its defaults.
A name such as "als+relation_gcn" is a switch between both.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import scipy.sparse as sp

import honeyguide as hg
from bench.harness import cores, write_result
from bench.table import columns
from honeyguide.arrays import BoolArray, DoubleArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.graph import Graph
from honeyguide.evaluate import resample
from honeyguide.models import registry
from honeyguide.models.base import Recommender

K, BLOCK, RESAMPLES = 10, 512, 10_000
MODELS = {
    "lists": "popular,ease,als,lightgcn,path_walk,transe,relation_gcn",
    "ablation": "path_walk,transe,relation_gcn",
    "clicks": "als,relation_gcn",
}
SEEDS = {"lists": 5, "ablation": 2, "clicks": 3}
DATA = {"lists": ["lastfm-kg"], "ablation": ["lastfm-kg", "movielens-100k-kg"], "clicks": ["lastfm-kg"]}
GRAPHLESS = ("popular", "ease", "als", "lightgcn")
ARMS = ("graph", "none", "rewired", "attributes")
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("als", "lastfm-kg"): {"alpha": 40.0, "reg": 0.03},
    ("als", "movielens-1m-kg"): {"alpha": 3.0},
    ("ease", "lastfm-kg"): {"reg": 100.0, "dropout": 0.5, "user_power": 0.5},
    ("ease", "movielens-1m-kg"): {"reg": 200.0, "dropout": 0.5, "user_power": 0.5},
    ("path_walk", "lastfm-kg"): {"beta": 0.2, "graph": 0.02},
    ("path_walk", "movielens-1m-kg"): {"alpha": 0.5, "beta": 0.7, "graph": 0.02},
    ("path_walk", "movielens-100k-kg"): {"alpha": 1.1, "beta": 0.5, "graph": 0.1},
    ("transe", "lastfm-kg"): {"epochs": 150},
    ("relation_gcn", "movielens-1m-kg"): {"factors": 128, "reg": 1e-5, "learning_rate": 0.02},
}


def build(model: str, data: str) -> Recommender:
    """A model with the settings found for a set, else at its defaults; "als+ease" is a switch between both."""
    parts = [(name, SETTINGS.get((name, data), {})) for name in model.split("+")]
    if len(parts) == 1:
        return registry.create(*parts[0])
    specs = [":".join([name, *(f"{key}={value}" for key, value in given.items())]) for name, given in parts]
    return registry.create("switch", {"models": ",".join(specs)})


def carve(data: Dataset, seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """(train, validation, test): 8 : 1 : 1 of each person's events by chance, as RecBole rounds."""
    order = np.lexsort((np.random.default_rng(seed).random(len(data)), data.users))
    counts = np.bincount(data.users, minlength=data.n_users)
    tested = np.where(counts < 10, counts >= 2, counts // 10)
    watched = np.where(counts < 10, counts >= 3, counts // 10)
    place = np.arange(len(data)) - np.repeat(np.cumsum(counts) - counts, counts)
    users = data.users[order]
    part = np.empty(len(data), np.int8)
    part[order] = (place >= tested[users]) * (1 + (place >= (tested + watched)[users]))
    test, validation, train = (data.take(part == which) for which in range(3))
    return train, validation, test


def recalls(model: Recommender, train: Dataset, hidden: sp.csr_matrix, relevant: sp.csr_matrix) -> DoubleArray:
    """(U,) recall at 10 of each person, NaN without relevant items; what is hidden (U, I) is not listed."""
    out = np.full(train.n_users, np.nan)
    people = np.flatnonzero(np.diff(relevant.indptr))
    for first in range(0, len(people), BLOCK):
        rows = people[first : first + BLOCK]
        scores = model.score(train.profiles(rows)).copy()
        scores[hidden[rows].nonzero()] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        wanted = relevant[rows].toarray()
        out[rows] = np.take_along_axis(wanted, best, axis=1).sum(axis=1) / wanted.sum(axis=1)
    return out


def warm(model: Recommender, data: Dataset, seed: int, run: hg.Run) -> tuple[DoubleArray, float, float]:
    """Recall (U,) of each person on the test part; the mean on that for validation; seconds of the fit."""
    train, validation, test = carve(data, seed)
    begun = time.perf_counter()
    model.fit(train, run=replace(run, seed=seed))
    seconds = time.perf_counter() - begun
    had, watched = train.positives(), validation.positives()
    found = recalls(model, train, (had + watched).tocsr(), test.positives())
    return found, float(np.nanmean(recalls(model, train, had, watched))), seconds


def cold(model: Recommender, data: Dataset, seed: int, run: hg.Run) -> DoubleArray:
    """Recall (U,) of each person among the items that were taken out of training."""
    train, test = hg.split(data, "cold-items", test=0.1, seed=seed)
    new, relevant = np.unique(test.items).astype(np.int32), test.positives()
    model.fit(train, run=replace(run, seed=seed))
    people = np.flatnonzero(np.diff(relevant.indptr))
    scores = model.score(train.profiles(people), new)  # (P, C)
    chance = np.random.default_rng([11, seed]).random(scores.shape)
    best = np.lexsort((chance, -scores), axis=1)[:, :K]
    wanted = relevant[people][:, new].toarray()
    out = np.full(data.n_users, np.nan)
    out[people] = np.take_along_axis(wanted, best, axis=1).sum(axis=1) / wanted.sum(axis=1)
    return out


def beside(one: Iterable[DoubleArray], other: Iterable[DoubleArray]) -> list[float]:
    """The mean difference of people's values, and its 95 % interval; (S, U) each, people's means over the splits."""
    apart = np.array(list(one)) - np.array(list(other))
    some = ~np.isnan(apart).all(axis=0)
    means = np.nanmean(apart[:, some], axis=0)[:, None]
    drawn = resample.bootstrap(means, np.ones_like(means), RESAMPLES, seed=0)
    return [float(means.mean()), *(float(end[0]) for end in resample.interval(drawn))]


def measure_lists(name: str, models: list[str], seeds: int, run: hg.Run) -> dict[str, Any]:
    """Every model on the test part of every split."""
    data = hg.load(name)
    found: dict[str, Any] = {}
    people: dict[str, list[DoubleArray]] = {}
    for model in models:
        each = [warm(build(model, name), data, seed, run) for seed in range(seeds)]
        people[model] = [values for values, _, _ in each]
        found[model] = {
            "recall@10": float(np.mean([np.nanmean(values) for values in people[model]])),
            "splits": [float(np.nanmean(values)) for values in people[model]],
            "validation": float(np.mean([value for _, value, _ in each])),
            "fit_s": float(np.median([seconds for _, _, seconds in each])),
            "settings": SETTINGS.get((model, name), {}),
        }
        print(f"{name} {model}: {found[model]['recall@10']:.4f}", flush=True)
    plain = [model for model in models if set(model.split("+")) <= set(GRAPHLESS)]
    best = max(plain, key=lambda model: found[model]["validation"]) if plain else models[0]
    for model in models:
        found[model]["apart"] = beside(people[model], people[best])
    return {"data": name, "events": len(data), "seeds": seeds, "beside": best, "models": found}


def arm(data: Dataset, which: str, seed: int) -> Dataset:
    """The data beside their graph, none of it, the graph dealt anew, or that of the items' attributes."""
    if which == "attributes":
        return data.with_graph("attributes")
    graph = data.graph if data.graph is not None else Graph.from_attributes(data.schema)
    if which == "rewired":
        graph = graph.rewired(np.random.default_rng([7, seed]))
    if which == "none":
        graph = replace(graph, heads=graph.heads[:0], relations=graph.relations[:0], tails=graph.tails[:0])
    return data.with_graph(graph)


def measure_ablation(name: str, models: list[str], seeds: int, run: hg.Run, arms: Sequence[str]) -> dict[str, Any]:
    """Every model, warm and cold, beside each kind of graph; how far the first is from the others."""
    data = hg.load(name)
    found: dict[str, Any] = {}
    for model in models:
        found[model] = {}
        for kind in ("warm", "cold"):
            people: dict[str, list[DoubleArray]] = {}
            for which in arms:
                people[which] = []
                for seed in range(seeds):
                    told, fresh = arm(data, which, seed), build(model, name)
                    values = warm(fresh, told, seed, run)[0] if kind == "warm" else cold(fresh, told, seed, run)
                    people[which].append(values)
            found[model][kind] = {
                "recall@10": {w: float(np.mean([np.nanmean(v) for v in each])) for w, each in people.items()},
                "apart": {w: beside(people[arms[0]], people[w]) for w in arms[1:]},
            }
            print(name, model, kind, found[model][kind]["recall@10"], flush=True)
    return {"data": name, "seeds": seeds, "arms": list(arms), "models": found}


def pairs(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, list[tuple[Any, Any, BoolArray]]]:
    """What is trained on; then, for validation and test, people, items and whether they have them (N,)."""
    have = data.positives()
    users = np.repeat(np.arange(data.n_users), np.diff(have.indptr))
    others = np.concatenate([
        rng.choice(np.setdiff1d(np.arange(data.n_items), have[u].indices), have[u].nnz, replace=False)
        for u in np.flatnonzero(np.diff(have.indptr))
    ])  # fmt: skip
    everyone, items = np.tile(users, 2), np.concatenate([have.indices, others])
    held = np.arange(len(everyone)) < len(users)
    part = np.searchsorted([0.6, 0.8], rng.permutation(len(everyone)) / len(everyone), side="right")
    trained = held & (part == 0)
    kept = np.isin(data.users.astype(np.int64) * data.n_items + data.items, (everyone * data.n_items + items)[trained])
    return data.take(kept), [(everyone[part == p], items[part == p], held[part == p]) for p in (1, 2)]


def auc(scores: DoubleArray, held: BoolArray) -> float:
    """The area under the ROC curve: how often what is held scores above what is not, ties counting half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = int(held.sum())
    return float((ranks[held].sum() - positive * (positive + 1) / 2) / (positive * (len(held) - positive)))


def f1(scores: DoubleArray, held: BoolArray, threshold: float) -> float:
    """The harmonic mean of precision and recall of scores of at least the threshold."""
    hits = int((held & (scores >= threshold)).sum())
    return 2.0 * hits / max(1, int((scores >= threshold).sum()) + int(held.sum()))


def measure_clicks(name: str, models: list[str], seeds: int, run: hg.Run) -> dict[str, Any]:
    """Area and F1 of every model, means over the seeds."""
    data = hg.load(name)
    found: dict[str, Any] = {}
    for model in models:
        values = []
        for seed in range(seeds):
            train, asked = pairs(data, np.random.default_rng(seed))
            fitted = build(model, name).fit(train, run=replace(run, seed=seed))
            scores = fitted.score(train.profiles())
            scores = scores - scores.mean(axis=1, keepdims=True)
            (watched, told), (tested, held) = ((scores[u, i].astype(np.float64), h) for u, i, h in asked)
            bars = np.quantile(watched, np.linspace(0.05, 0.95, 91))
            bar = max(bars, key=lambda at: f1(watched, told, at))
            values.append((auc(tested, held), f1(tested, held, bar)))
        means = np.mean(values, axis=0)
        found[model] = {"auc": float(means[0]), "f1": float(means[1]), "splits": values}
        print(name, model, found[model]["auc"], found[model]["f1"], flush=True)
    return {"data": name, "seeds": seeds, "models": found}


def text(part: str, result: Mapping[str, Any]) -> str:
    """A result as a table."""
    ends = "{:+.4f} [{:+.4f}, {:+.4f}]".format
    models: Mapping[str, Any] = result["models"]
    if part == "lists":
        lines = [["", "recall@10", f"beside {result['beside']}"]]
        lines += [[name, f"{each['recall@10']:.4f}", ends(*each["apart"])] for name, each in models.items()]
    elif part == "ablation":
        arms = result["arms"]
        lines = [["", *arms, *(f"{arms[0]} - {which}" for which in arms[1:])]]
        for name, kinds in models.items():
            for kind, each in kinds.items():
                means = [f"{each['recall@10'][which]:.4f}" for which in arms]
                lines.append([f"{name}, {kind}", *means, *(ends(*each["apart"][which]) for which in arms[1:])])
    else:
        lines = [["", "auc", "f1"], *([n, f"{each['auc']:.4f}", f"{each['f1']:.4f}"] for n, each in models.items())]
    return columns(lines)


def main() -> int:
    """Measure, print and write a result for each set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=list(MODELS))
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--models")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS, help="of the ablation")
    parser.add_argument("--threads", type=int, default=cores())
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    run = hg.Run(threads=asked.threads, progress=False)
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "lists": measure_lists, "ablation": partial(measure_ablation, arms=asked.arms), "clicks": measure_clicks,
    }  # fmt: skip
    for name in asked.data or DATA[asked.part]:
        models, seeds = (asked.models or MODELS[asked.part]).split(","), asked.seeds or SEEDS[asked.part]
        result = parts[asked.part](name, models, seeds, run)
        print(text(asked.part, result))
        written = write_result(f"knowledge-graph-{asked.part}-{name}", result)
        print(f"→ bench/results/{written.name}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
