"""Honeyguide's side of the training benchmark: `fit`, whose `watch` tells of each epoch and waits for the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

import honeyguide as hg
from bench.epochs import Lesson, Mark, Positives, serve

PACKAGES: tuple[str, ...] = ()  # the environment of the harness itself
_LONG = 1000  # epochs: more than are ever asked for, so that the learning rate hardly falls


def train(lesson: Lesson, given: Positives, mark: Mark) -> None:
    """Epochs of the model of that name."""
    table = pl.DataFrame({"user": given.users, "item": given.items, "time": np.arange(len(given.users))})
    data = hg.read(table, user="user", item="item", time="time")
    samples = _samples(lesson, given)
    run = hg.Run(threads=lesson.threads, seed=lesson.seed, progress=False)
    model = hg.model(lesson.network, epochs=_LONG, **_settings(lesson))
    model.fit(data, run=run, watch=lambda _, epoch: not mark(samples))


def _settings(lesson: Lesson) -> dict[str, Any]:
    """Our names for the settings."""
    said = dict(lesson.settings)
    said["batch_size"] = said.pop("batch")
    said.pop("inner", None)  # of a block of sasrec: as wide as the vectors
    if "hidden" in said:
        said["hidden"] = tuple(said["hidden"])
    return said


def _samples(lesson: Lesson, given: Positives) -> int:
    """What an epoch's speed counts: pairs, positives, people, or events foretold."""
    if lesson.network == "multvae":
        return given.n_users
    if lesson.network == "sasrec":
        return len(given.users) - len(np.unique(given.users))
    return len(given.users) * (1 + lesson.settings["negatives"] if lesson.network == "neumf" else 1)


if __name__ == "__main__":
    serve(train)
