"""The ratings of 4 and 5 of MovieLens 1M, as events with times: 575,281 of 6,038 people and 3,533 films."""

from __future__ import annotations

from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.data.sources.movielens_1m import FILES, titles


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The events, with the title and genres of each film."""
    events, movies = FILES.find("positives.csv", "movies.dat", folder=folder)
    return read(events, items=titles(movies), positive=positive, name="movielens-1m-positives")
