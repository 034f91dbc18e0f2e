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

AGES = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56 and older"}
OCCUPATIONS = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
    "unemployed", "writer",
)  # fmt: skip
FILES = Files(
    "movielens-1m",
    "ml-1m",
    "https://grouplens.org/datasets/movielens/1m/",
    {
        "ratings.csv": "3b1c1c4442a05858ea33829d5cc48ad89fc2d7075fef9021487835bebfe8faba",
        "positives.csv": "63d5229c4e6c689b6cd15cd8e6e7e4246349a50364d9be12b646098959c7a645",
        "movies.dat": "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9",
        "users.dat": "1dc3a95300cb19f7c10e027daf29b8cdf1d908dab65b5edfb45950aa389a10a3",
    },
    " and write its ratings.dat as ratings.csv (userId,movieId,rating) and, of ratings of 4 and 5, as positives.csv "
    "(userId,movieId,timestamp)",
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The ratings, with the title and genres of each film, and gender, age, occupation and zip code of each person."""
    ratings, movies, users = FILES.find("ratings.csv", "movies.dat", "users.dat", folder=folder)
    known = titles(movies), people(users)
    return read(ratings, items=known[0], users=known[1], positive=positive, scale=(1.0, 5.0), name=FILES.name)


def titles(path: Path) -> pl.DataFrame:
    """id, title, genres (separated by |)."""
    rows = [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]
    return pl.DataFrame(
        [(int(number), title, genres) for number, title, genres in rows], schema=["id", "title", "genres"], orient="row"
    )


def people(path: Path) -> pl.DataFrame:
    """id, gender, age (a range), occupation, zip."""
    rows = [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]
    told = [(int(u), sex, AGES[int(age)], OCCUPATIONS[int(work)], code) for u, sex, age, work, code in rows]
    return pl.DataFrame(told, schema=["id", "gender", "age", "occupation", "zip"], orient="row")
