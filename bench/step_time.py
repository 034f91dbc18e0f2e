"""How the time of one training step grows with the rows of the tables, updated whole and by rows.

    python bench/step_time.py

NeuMF's shape: 4,096 pairs a step (1,024 people with 4 items each, drawn uniformly, so that nearly every id is a new
row), embeddings of 32 and 32 with hidden layers 64-32-16. Five sixths of the rows are people, the rest items. The sizes
take turns, round by round; a step's time is that of a stretch of steps over their number, the batches ready made.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from bench.harness import spread, write_result
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective, initialise

SIZES = (10_000, 30_000, 100_000, 300_000, 1_200_000)
WHOLE_UP_TO = 300_000  # rows beyond which whole updates are not worth the wait
FACTORS, HIDDEN, PEOPLE, EACH = 32, (64, 32, 16), 1024, 4


def trainer(rows: int, run: Run, *, row_wise: bool) -> Trainer:
    """A NeuMF-shaped objective over tables of so many rows together."""
    keras, rng = backend.keras(run), np.random.default_rng(0)
    layers, below = [], 2 * FACTORS
    for units in (*HIDDEN, 1):
        layers.append(keras.layers.Dense(units, activation="relu" if units > 1 else None))
        layers[-1].build((None, below if units > 1 else FACTORS + below))
        below = units
    initialise(layers, rng)
    ops = keras.ops

    def loss(found: Mapping[str, Any], batch: Mapping[str, Any]) -> Any:
        items = found["item"]
        users = ops.broadcast_to(found["user"][:, None], ops.shape(items))
        layer = ops.concatenate([users[..., FACTORS:], items[..., FACTORS:]], axis=-1)
        for dense in layers[:-1]:
            layer = dense(layer)
        joined = ops.concatenate([users[..., :FACTORS] * items[..., :FACTORS], layer], axis=-1)
        out = layers[-1](joined)[..., 0]
        return ops.mean(ops.softplus(out) - batch["target"] * out)

    sides = {"users": rows * 5 // 6, "items": rows - rows * 5 // 6}
    tables = {name: rng.normal(0, 0.1, (count, 2 * FACTORS)).astype(np.float32) for name, count in sides.items()}
    objective = Objective(tables, {"user": "users", "item": "items"}, loss, layers)
    return Trainer(objective, learning_rate=1e-3, run=run, row_wise=row_wise)


def batches(rows: int, steps: int) -> list[dict[str, Any]]:
    """So many steps' batches."""
    rng, people = np.random.default_rng(1), rows * 5 // 6
    return [
        {
            "user": rng.integers(0, people, PEOPLE).astype(np.int32),
            "item": rng.integers(0, rows - people, (PEOPLE, EACH)).astype(np.int32),
            "target": rng.integers(0, 2, (PEOPLE, EACH)).astype(np.float32),
        }
        for _ in range(steps)
    ]


def main() -> None:
    """Measure every size both ways, and what the engine chooses by itself; write the dated result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=("jax", "tensorflow"), default="jax")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=40)
    asked = parser.parse_args()
    run = Run(backend=asked.backend)
    ways = {"whole": False, "rows": True}
    times: dict[str, dict[int, list[float]]] = {way: {} for way in ways}
    sides = [(way, size) for size in SIZES for way in ways if way != "whole" or size <= WHOLE_UP_TO]
    for number in range(asked.rounds):
        for way, size in sides:
            held, given = trainer(size, run, row_wise=ways[way]), batches(size, asked.steps + 5)
            held.epoch(given[:5])
            begun = time.perf_counter()
            held.epoch(given[5:])
            times[way].setdefault(size, []).append((time.perf_counter() - begun) / asked.steps * 1e3)
        print(f"round {number + 1} of {asked.rounds}", file=sys.stderr, flush=True)
    found = {way: {str(size): spread(each) for size, each in by_size.items()} for way, by_size in times.items()}
    growth = found["rows"][str(SIZES[-1])]["median"] / found["rows"][str(SIZES[0])]["median"]
    for way, by_size in found.items():
        print(way.ljust(8), "  ".join(f"{int(size):,}: {each['median']:.2f} ms" for size, each in by_size.items()))
    print(f"{SIZES[0]:,} to {SIZES[-1]:,} rows, by rows: {growth:.2f} times")
    what = {"pairs_a_step": PEOPLE * EACH, "steps": asked.steps, "rounds": asked.rounds}
    measured = {"protocol": {**what, "backend": asked.backend}, "step_ms": found, "growth": growth}
    print(write_result("step-time" if asked.backend == "jax" else "step-time-tensorflow", measured).name)


if __name__ == "__main__":
    main()
