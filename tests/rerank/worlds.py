"""A small shop with genres for the tests of re-rankers, and what genres are, written as plain loops."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl

import honeyguide as hg
from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.profiles import Profiles
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.models import lists
from honeyguide.models.base import Recommender
from honeyguide.run import Run

GENRES = ("Action", "Comedy", "Drama", "Noir", "War")
ITEMS, USERS = 40, 14


@cache
def shop(*, genres: bool = True) -> Dataset:
    """Ratings 1 to 5 of 14 people, positive from 3; items of 0 to 3 genres; the last item alone is of a sixth."""
    rng = np.random.default_rng(7)
    users, items = np.nonzero(rng.random((USERS, ITEMS)) < 0.25)
    of_items = [
        "|".join(rng.choice(GENRES, rng.integers(0, 4), replace=False, p=(0.35, 0.25, 0.2, 0.15, 0.05)))
        for _ in range(ITEMS - 1)
    ]
    table = pl.DataFrame({"title": [f"Item {i}" for i in range(ITEMS)], "genres": [*of_items, "Horror|Drama"]})
    if not genres:
        table = table.select("title")
    people, things = Vocabulary.of(list(range(USERS))), Vocabulary.of(list(range(ITEMS)))
    schema = Schema(people, things, True, (1.0, 5.0), Positive(">=3"), table)
    values = rng.integers(1, 6, len(users)).astype(np.float32)
    return Dataset(schema, users.astype(np.int32), items.astype(np.int32), values)


@cache
def fitted(*, genres: bool = True) -> Recommender:
    """A model of it."""
    return hg.models.Ease(reg=5.0).fit(shop(genres=genres), run=Run(threads=1))


def candidates(model: Recommender, n: int = 25) -> tuple[Profiles, IntArray, FloatArray]:
    """Everybody's profile, the last one without a history, and the first n of their own lists; places are empty too."""
    profiles = model.histories_
    stranger = profiles.take([0]).where_events(np.zeros(int(profiles.indptr[1]), bool))
    indptr = np.append(profiles.indptr, profiles.indptr[-1])
    joined = replace(profiles, known=np.append(profiles.known, stranger.known), indptr=indptr, attributes=None)
    codes, scores = lists.top_k(model.score, joined, n, run=Run(threads=1))
    codes[3, 20:], scores[3, 20:] = -1, -np.inf
    return joined, codes, scores


@cache
def shares(data: Dataset) -> list[dict[str, float]]:
    """Of each item: genre -> 1 / number of its genres; Horror, which one item alone has, does not count."""
    found = []
    for text in data.schema.item_table["genres"]:
        values = [value for value in text.split("|") if value and value != "Horror"]
        found.append({value: 1.0 / len(values) for value in values})
    return found


def taste(data: Dataset, profiles: Profiles, row: int) -> dict[str, float]:
    """The mean shares of the items that a person rated at least 3 and that have genres."""
    of_items, sums, number = shares(data), dict[str, float](), 0
    for event in range(profiles.indptr[row], profiles.indptr[row + 1]):
        item = of_items[profiles.items[event]]
        if profiles.values[event] >= 3 and item:
            number += 1
            for genre, share in item.items():
                sums[genre] = sums.get(genre, 0.0) + share
    return {genre: each / number for genre, each in sums.items()}


def relevance(codes: IntArray, scores: FloatArray) -> list[float]:
    """(n,) a person's scores between 0 and 1; of equal ones 0."""
    there = [float(score) for code, score in zip(codes, scores, strict=True) if code >= 0]
    return [(score - min(there)) / ((max(there) - min(there)) or 1.0) for score in there]
