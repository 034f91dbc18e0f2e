"""The ratings of 4 and 5 of MovieLens 1M, as events with times: 575,281 of 6,038 people and 3,533 films."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.data.sources.movielens_1m import FILES, people, titles


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The events, with what movielens-1m knows of the films and of those people."""
    events, movies, users = FILES.find("positives.csv", "movies.dat", "users.dat", folder=folder)
    told = people(users).join(pl.read_csv(events, columns=["userId"]), left_on="id", right_on="userId", how="semi")
    return read(events, items=titles(movies), users=told, positive=positive, name="movielens-1m-positives")
