"""Honeyguide's side of a comparison, through its public calls alone.

Sequence models alone are told when each event was, as no rival is: what all others are asked stays the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

import honeyguide as hg
from bench.exchange import AnyArray, Contender, Events, Job, serve
from honeyguide.data.dataset import Dataset
from honeyguide.models import registry

PACKAGES: tuple[str, ...] = ()  # the environment of the harness itself


class Honeyguide(Contender):
    """A model by name: settings are {"model": name, and its hyperparameters}."""

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        self.data = self._read({})

    def _read(self, more: dict[str, AnyArray]) -> Dataset:
        columns = {"user": self.train.users, "item": self.train.items, **more}
        if self.job.task == "ratings":
            columns["rating"] = self.train.values
        scale = self.job.scale and (self.job.scale[0], self.job.scale[1])  # a list where it comes from JSON
        return hg.read(pl.DataFrame(columns), user="user", item="item", scale=scale)

    @cached_property
    def ordered(self) -> Dataset:
        """The events with their times, where there are any."""
        return self.data if self.train.times is None else self._read({"time": self.train.times})

    @property
    def run(self) -> hg.Run:
        """Of this trial."""
        return hg.Run(threads=self.job.threads, seed=self.job.seed, progress=False)

    def fit(self) -> None:
        """A new model on data that have nothing prepared: sorting the histories is on the clock."""
        given: dict[str, Any] = dict(self.job.settings)
        model = hg.model(given.pop("model"), **given)
        data = self.ordered if registry.family(self.job.settings["model"]) == "sequential" else self.data
        self.model = model.fit(data.take(np.arange(len(data))), run=self.run)

    def lists(self, users: AnyArray) -> tuple[AnyArray, AnyArray]:
        """By `recommend`, its table included."""
        table = self.model.recommend(users.tolist(), k=self.job.k, run=self.run)
        return table["user"].to_numpy(), table["item"].to_numpy()

    def ratings(self, users: AnyArray, items: AnyArray) -> AnyArray:
        """By `predict`, its table included."""
        table = self.model.predict(pl.DataFrame({"user": users, "item": items}))
        found: AnyArray = table["prediction"].to_numpy()
        return found


if __name__ == "__main__":
    serve(Honeyguide)
