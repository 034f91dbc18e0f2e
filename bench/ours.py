"""Honeyguide's side of a comparison, through its public calls alone."""

from __future__ import annotations

import numpy as np
import polars as pl

import honeyguide as hg
from bench.exchange import AnyArray, Contender, Events, Job, serve

PACKAGES: tuple[str, ...] = ()  # the environment of the harness itself


class Honeyguide(Contender):
    """A model by name: settings are {"model": name, and its hyperparameters}."""

    def __init__(self, job: Job, train: Events) -> None:
        super().__init__(job, train)
        columns = {"user": train.users, "item": train.items}
        if job.task == "ratings":
            columns["rating"] = train.values
        scale = None if job.scale is None else (job.scale[0], job.scale[1])  # a list where it comes from JSON
        self.data = hg.read(pl.DataFrame(columns), user="user", item="item", scale=scale)
        self.run = hg.Run(threads=job.threads, seed=job.seed, progress=False)

    def fit(self) -> None:
        """A new model on data that have nothing prepared: sorting the histories is on the clock."""
        given = dict(self.job.settings)
        self.model = hg.model(given.pop("model"), **given).fit(self.data.take(np.arange(len(self.data))), run=self.run)

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
