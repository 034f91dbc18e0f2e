"""MovieLens 100K of 1998: 100,000 ratings of 1 to 5 stars, 943 people, 1,682 films; with its fixed folds."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.prepare import under_one_schema
from honeyguide.data.read import read
from honeyguide.data.sources._files import Files
from honeyguide.errors import ParameterError

FOLDS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
FILES = Files(
    "movielens-100k",
    "ml-100k",
    "https://grouplens.org/datasets/movielens/100k/",
    {
        "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
        "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
        "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
        "u1.base": "ce253ec86c448b44fb3ba9a30d12dcfc2e9210cbde71efada3730c22e9ac212a",
        "u1.test": "18c6014a4b2c7324f250a63f8904a7b16b2b19f911129e346141507b0cbac950",
        "u2.base": "6c06f0b5df4b256da1a994f3ac66edc8da4d3f09bc9282df6b14d893366d703e",
        "u2.test": "4de658d1e04ed9104629509a2e2528fce833ac8e048280183f1df167632038c3",
        "u3.base": "afdc155c291c6edc41c0407e39d7462eb98d341e064f0b0a12175b80b3c4af5d",
        "u3.test": "0f548b51c78327de4c156461d3e430b7e5579fe2b5681586a59416e48fd35f6d",
        "u4.base": "219f0f4d40dfe9c5141d425f53fa91ee23ed275f14e280bbf1b50117afb064ca",
        "u4.test": "7c02ad0a1e7ab1083c8b9d4b627203a051dd7b5eab46d99fa44de33470de8db9",
        "u5.base": "a9574e59ce961eec2121627760b6e9b0974ce1637b3fe69ac32cb14a4bfab485",
        "u5.test": "351cc52e0d15b6c721466276fc24671d40936899e3d01fadeaf312915b8c5634",
        "ua.base": "67b5bcdb380c29f85d56a012ecd88612ae020f30a6730d117a334ee8203b91f2",
        "ua.test": "d0497e202417720f57a184ec8c66be2d1afa4ff41bb53787c57b28d6bf79bc42",
        "ub.base": "237254d253b6ad7de84f919d041055428646254f34ed8f562703c899430cd881",
        "ub.test": "d54a72d05730d5892062734b2bec73e976f9b713d18c828a18b968d6cce442da",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """All ratings, with the title and genres of each film, and age, gender, occupation and zip code of each person."""
    ratings, movies, people = FILES.find("u.data", "u.item", "u.user", folder=folder)
    return _read(ratings, _movies(movies), _people(people), positive)


def fold(
    number: int | str, *, folder: str | Path | None = None, positive: str = "every event"
) -> tuple[Dataset, Dataset]:
    """(training part, test part) of a published fold, under one schema: 1 … 5 or "u1" … "u5" (80/20), "ua", "ub"."""
    name = f"u{number}" if isinstance(number, int) else number.lower()
    if name not in FOLDS:
        raise ParameterError(f"a fold is 1 … 5 or one of {', '.join(FOLDS)}, got {number!r}.")
    base, test, *known = FILES.find(f"{name}.base", f"{name}.test", "u.item", "u.user", folder=folder)
    tables = _movies(known[0]), _people(known[1])
    train, held_out = under_one_schema(_read(base, *tables, positive), _read(test, *tables, positive))
    return train, held_out


def _read(path: Path, movies: pl.DataFrame, people: pl.DataFrame, positive: str) -> Dataset:
    return read(
        path, items=movies, users=people, positive=positive, scale=(1.0, 5.0), separator="\t", header=False,
        name=FILES.name,
    )  # fmt: skip


def _movies(path: Path) -> pl.DataFrame:
    """id, title, genres (separated by |)."""
    rows = []
    for line in path.read_text(encoding="latin-1").splitlines():
        fields = line.split("|")
        genres = [genre for genre, flag in zip(GENRES, fields[5:], strict=True) if flag == "1"]
        rows.append((int(fields[0]), fields[1], "|".join(genres)))
    return pl.DataFrame(rows, schema=["id", "title", "genres"], orient="row")


def _people(path: Path) -> pl.DataFrame:
    """id, age, gender, occupation, zip."""
    rows = [line.split("|") for line in path.read_text(encoding="latin-1").splitlines()]
    told = [(int(number), int(age), *rest) for number, age, *rest in rows]
    return pl.DataFrame(told, schema=["id", "age", "gender", "occupation", "zip"], orient="row")
