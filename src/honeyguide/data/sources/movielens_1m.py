"""MovieLens 1M of 2003: 1,000,209 ratings of 1 to 5 stars, 6,040 people, 3,706 films. Without times.

Times are known here for the ratings of 4 and 5 only (movielens-1m-positives): a model that saw them would see the
rating.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.data.sources._files import Files

FILES = Files(
    "movielens-1m",
    "ml-1m",
    "https://grouplens.org/datasets/movielens/1m/",
    {
        "ratings.csv": "3b1c1c4442a05858ea33829d5cc48ad89fc2d7075fef9021487835bebfe8faba",
        "positives.csv": "63d5229c4e6c689b6cd15cd8e6e7e4246349a50364d9be12b646098959c7a645",
        "movies.dat": "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9",
    },
    " and write its ratings.dat as ratings.csv (userId,movieId,rating) and, of ratings of 4 and 5, as positives.csv "
    "(userId,movieId,timestamp)",
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The ratings, with the title and genres of each film."""
    ratings, movies = FILES.find("ratings.csv", "movies.dat", folder=folder)
    return read(ratings, items=titles(movies), positive=positive, scale=(1.0, 5.0), name=FILES.name)


def titles(path: Path) -> pl.DataFrame:
    """id, title, genres (separated by |)."""
    rows = [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]
    return pl.DataFrame(
        [(int(number), title, genres) for number, title, genres in rows], schema=["id", "title", "genres"], orient="row"
    )
