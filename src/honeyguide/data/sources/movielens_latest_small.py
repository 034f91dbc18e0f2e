"""MovieLens "latest small" of September 2018: 100,836 half-star ratings, 610 people, 9,724 films (9,742 titles)."""

from __future__ import annotations

from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.data.sources._files import Files

FILES = Files(
    "movielens-latest-small",
    "ml-latest-small",
    "https://grouplens.org/datasets/movielens/latest/",
    {
        "ratings.csv": "80da8b3393dae325bbba5a31f291a6ba55d8d4f4396de3c456f2c1635b1b70e8",
        "movies.csv": "c47b783f23eb304413307e1bb05335e427737da20ec8d3c0e96335567dd5f3dc",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The ratings, with the title and genres of each film."""
    ratings, movies = FILES.find("ratings.csv", "movies.csv", folder=folder)
    return read(ratings, items=movies, positive=positive, scale=(0.5, 5.0), name=FILES.name)
