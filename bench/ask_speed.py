"""How long deep models take to be asked, beside the product of vectors that there is no way around.

    python bench/ask_speed.py [--models two_tower,sasrec,multvae] [--threads 2] [--rounds 7]

256 people the model was not trained on, with 100 events each, and 100,000 items. "score" is `model.score`, all of the
scores; "lists" are those of the 100 best items not in the history. Each stands over "bare": the encoder
(`model.user_vectors`), timed alone, and NumPy's product of its vectors with those of the items, into a new array as
`score` gives one. The three take turns in one process; the models are fitted for an epoch on random events.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import polars as pl

import honeyguide as hg
from bench.exchange import pin
from bench.harness import cores, ratio, spread, write_result
from honeyguide.models import lists

ASKED, ITEMS, HISTORY, K = 256, 100_000, 100, 100
MODELS: dict[str, dict[str, Any]] = {
    "two_tower": {"factors": 64, "epochs": 1},
    "sasrec": {"factors": 64, "epochs": 1},
    "multvae": {"latent": 64, "epochs": 1, "batch_size": 100},
}


def events() -> pl.DataFrame:
    """Each item once, a hundred for each person, in random order."""
    items = np.random.default_rng(0).permutation(ITEMS)
    return pl.DataFrame({"user": np.arange(ITEMS) // HISTORY, "item": items, "time": np.arange(ITEMS)})


def measure(name: str, rounds: int, threads: int) -> dict[str, Any]:
    """Milliseconds of each part and the ratios."""
    data, run = hg.read(events(), user="user", item="item", time="time"), hg.Run(threads=threads, progress=False)
    model: Any = hg.model(name, **MODELS[name]).fit(data, run=run)
    asked = data.profiles().take(slice(0, ASKED)).strangers()
    items = model.item_vectors()
    ways: dict[str, Callable[[], Any]] = {
        "encoder": lambda: model.user_vectors(asked, run=run),
        "product": lambda: people @ items.T,
        "score": lambda: model.score(asked),
        "lists": lambda: lists.top_k(model, asked, K, run=run),
    }
    people = ways["encoder"]()
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, work in ways.items():
            begun = time.perf_counter()
            work()
            if number:  # the first compiles
                seconds[way].append((time.perf_counter() - begun) * 1e3)
    seconds["bare"] = [one + other for one, other in zip(seconds["encoder"], seconds["product"], strict=True)]
    found = {way: spread(each) for way, each in seconds.items()}
    return {"ms": found, "times bare": {way: ratio(found[way], found["bare"]) for way in ("score", "lists")}}


def main() -> None:
    """Measure the models named, print and write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=min(2, cores()))
    given = parser.parse_args()
    pin(given.threads)
    found = {name: measure(name, given.rounds, given.threads) for name in given.models.split(",")}
    for name, told in found.items():
        parts = "  ".join(f"{way} {each['median']:.1f}" for way, each in told["ms"].items())
        over = "  ".join(f"{way} {each['median']:.2f}" for way, each in told["times bare"].items())
        print(f"{name:10} ms: {parts}   times bare: {over}", flush=True)
    protocol = {"people": ASKED, "items": ITEMS, "history": HISTORY, "k": K, "settings": MODELS}
    print(write_result("ask-speed", {"protocol": protocol, "threads": given.threads, "models": found}).name)


if __name__ == "__main__":
    main()
