"""What a side of the training benchmark speaks: a folder with lesson.json and data.npz, then a line of JSON an epoch.

The side prepares its data, trains an epoch and writes {"seconds", "processor", "samples",
"versions"}, "processor" being the seconds of all cores together; for each line it then reads
it trains one more. So the sides take turns epoch by epoch while their processes stay, and what is compiled stays
compiled. It runs in the rivals' environments too, so it stands on the standard library and NumPy alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bench.exchange import AnyArray, pin

Mark: TypeAlias = Callable[[int], bool]  # told the samples of the epoch that just ended: whether another is wanted


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A network to train.

    settings   its sizes and the batch's, by the names in deep_speed.py
    steps      batches in an epoch, for sides that can stop early; None for all
    versions   packages whose versions are to stand in the result
    """

    network: str
    settings: Mapping[str, Any]
    threads: int
    seed: int
    steps: int | None
    versions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Positives:
    """N pairs in codes, by person, a person's in the order of time: users (N,), items (N,); and how many there are."""

    users: AnyArray
    items: AnyArray
    n_users: int
    n_items: int


def serve(train: Callable[[Lesson, Positives, Mark], None]) -> None:
    """Train as the folder named on the command line says, until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    folder = Path(sys.argv[1])
    lesson = Lesson(**json.loads((folder / "lesson.json").read_text(encoding="utf-8")))
    pin(lesson.threads)
    with np.load(folder / "data.npz") as held:
        given = Positives(held["users"], held["items"], int(held["shape"][0]), int(held["shape"][1]))
    versions = {name: version(name) for name in lesson.versions}
    begun = time.perf_counter(), time.process_time()

    def mark(samples: int) -> bool:
        nonlocal begun
        spent = {"seconds": time.perf_counter() - begun[0], "processor": time.process_time() - begun[1]}
        print(json.dumps({**spent, "samples": samples, "versions": versions}), file=answers)
        more = bool(sys.stdin.readline())
        begun = time.perf_counter(), time.process_time()
        return more

    train(lesson, given, mark)


class Draws:
    """Items that people do not have, uniformly: drawn, looked up among the pairs, and drawn again where they are there.

    For the sides written by hand, which bring no sampler.
    """

    def __init__(self, given: Positives, rng: np.random.Generator) -> None:
        self._n_items, self._rng = given.n_items, rng
        self._keys = np.sort(given.users.astype(np.int64) * given.n_items + given.items)

    def draw(self, users: AnyArray, count: int) -> AnyArray:
        """(B, count) int32 for users (B,), of whom none may have every item."""
        each = np.repeat(users.astype(np.int64), count)
        found = self._rng.integers(0, self._n_items, len(each))
        wrong = np.arange(len(each))
        while len(wrong):
            keys = each[wrong] * self._n_items + found[wrong]
            at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            wrong = wrong[self._keys[at] == keys]
            found[wrong] = self._rng.integers(0, self._n_items, len(wrong))
        return found.astype(np.int32).reshape(-1, count)


def graph(given: Positives) -> tuple[AnyArray, AnyArray, AnyArray]:
    """(rows, columns, weights) (2 N,) of LightGCN's matrix D^-1/2 A D^-1/2, people first, sorted by row and column."""
    users, items = given.users.astype(np.int64), given.items.astype(np.int64) + given.n_users
    rows, columns = np.concatenate([users, items]), np.concatenate([items, users])
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    degrees = np.bincount(rows, minlength=given.n_users + given.n_items).astype(np.float64)
    weights = 1.0 / np.sqrt(degrees[rows] * degrees[columns])
    return rows, columns, weights.astype(np.float32)


def histories(given: Positives) -> Callable[[AnyArray], AnyArray]:
    """A function from people (B,) to their positives as ones and zeros, dense (B, I) float32."""
    indptr = np.concatenate([[0], np.cumsum(np.bincount(given.users, minlength=given.n_users))])

    def rows(people: AnyArray) -> AnyArray:
        out = np.zeros((len(people), given.n_items), np.float32)
        counts = indptr[people + 1] - indptr[people]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        out[np.repeat(np.arange(len(people)), counts), given.items[np.repeat(indptr[people], counts) + within]] = 1.0
        return out

    return rows


def windows(given: Positives, length: int) -> tuple[AnyArray, AnyArray]:
    """Of people with two events or more, what they read and what they are to foretell: (U, length) int32 each.

    The last `length` pairs of an event and the next, at the beginning of a row; what is left is -1.
    """
    indptr = np.concatenate([[0], np.cumsum(np.bincount(given.users, minlength=given.n_users))])
    last, count = indptr[1:], np.minimum(np.diff(indptr) - 1, length)
    last, count = last[count > 0], count[count > 0]
    at = (last - 1 - count)[:, None] + np.arange(length)  # (U, length)
    there = np.arange(length) < count[:, None]
    read = np.where(there, given.items[np.where(there, at, 0)], -1)
    target = np.where(there, given.items[np.where(there, at + 1, 0)], -1)
    return read.astype(np.int32), target.astype(np.int32)
