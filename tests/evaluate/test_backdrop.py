"""Metrics of what items are, through `evaluate`: the column meant, what lists are set against, the errors."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ParameterError
from honeyguide.models.base import Recommender
from honeyguide.run import Run

GENRES = ["tea", "cup", "pot"]
METRICS = ["diversity", "diversity:histories", "miscalibration", "exposure:genre=cup", "exposure_gap"]


@pytest.fixture(scope="module")
def halves() -> tuple[Dataset, Dataset, Recommender]:
    rng = np.random.default_rng(1)
    users, items = np.nonzero(rng.random((25, 30)) < 0.3)
    events = pl.DataFrame({"user": users, "item": items, "rating": rng.integers(1, 6, len(users)).astype(float)})
    table = pl.DataFrame({"item": range(30), "genre": [GENRES[i % 3] if i else None for i in range(30)]})
    train, test = hg.split(hg.read(events, items=table, positive=">=3"), "random", test=0.3)
    return train, test, hg.models.Ease(reg=5.0).fit(train, run=Run(threads=1))


def test_values_are_those_of_plain_loops(halves: tuple[Dataset, Dataset, Recommender]) -> None:
    train, test, model = halves
    found = hg.evaluate({"it": model}, train, test, metrics=METRICS, k=5, resamples=0)
    genre = {i: GENRES[i % 3] for i in range(1, 30)}
    likes: dict[int, set[int]] = {user: set() for user in range(25)}
    for user, item, value in zip(train.users, train.items, train.values, strict=True):
        if value >= 3:
            likes[int(user)].add(int(item))
    asked, shown = found.people("miscalibration@5")["user"].to_list(), {}
    for user in likes:
        shown[user] = model.recommend([user], k=5)["item"].to_list()
    away = []
    for user in asked:
        had = [genre[i] for i in likes[user] if i in genre]
        listed = [genre[i] for i in shown[user] if i in genre]
        p, q = ({g: part.count(g) / len(part) for g in GENRES} for part in (had, listed))
        away.append(sum(p[g] * math.log(p[g] / (0.99 * q[g] + 0.01 * p[g])) for g in GENRES if p[g]))
    assert found.value("it", "miscalibration@5") == pytest.approx(np.mean(away))
    people = found.people("diversity@5")["user"].to_list()
    different = [
        np.mean([genre[a] != genre[b] for a, b in combinations([i for i in shown[user] if i in genre], 2)])
        for user in people
    ]
    assert found.value("it", "diversity@5") == pytest.approx(np.mean(different))
    who = {i: {user for user, mine in likes.items() if i in mine} for i in range(30)}
    apart = [
        np.mean(
            [
                1 - len(who[a] & who[b]) / math.sqrt(len(who[a]) * len(who[b]))
                for a, b in combinations([i for i in shown[user] if who[i]], 2)
            ]
        )
        for user in people
    ]
    assert found.value("it", "diversity:histories@5") == pytest.approx(np.mean(apart))
    everything = [genre[i] for mine in likes.values() for i in mine if i in genre]
    places = [genre[i] for user in people for i in shown[user] if i in genre]
    had, got = ({g: part.count(g) / len(part) for g in GENRES} for part in (everything, places))
    assert found.value("it", "exposure:genre=cup@5") == pytest.approx(got["cup"] / had["cup"])
    assert found.value("it", "exposure_gap@5") == pytest.approx(sum(abs(got[g] - had[g]) for g in GENRES) / 2)


def test_the_report_says_by_what(halves: tuple[Dataset, Dataset, Recommender]) -> None:
    train, test, model = halves
    text = str(hg.evaluate({"it": model}, train, test, metrics=["diversity", "diversity:histories@3"], resamples=0))
    assert "diversity@10: mean over pairs of a list's items of 1 - their cosine, by genre\n" in text
    assert text.endswith("diversity:histories@3: mean over pairs of a list's items of 1 - their cosine, "
                         "by who has them in training")  # fmt: skip


def test_pairs_of_a_model_and_a_reranker(halves: tuple[Dataset, Dataset, Recommender]) -> None:
    train, test, model = halves
    several = {"own": model, "same": (model, hg.rerank.MMR(trade=0.0)), "new": (model, hg.rerank.MMR(trade=0.9))}
    found = hg.evaluate(several, train, test, metrics=["diversity", "ndcg"], k=5, resamples=0)
    assert found.value("own", "ndcg@5") == found.value("same", "ndcg@5")
    assert found.value("new", "diversity@5") > found.value("own", "diversity@5") == found.value("same", "diversity@5")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("miscalibration:colour", "got 'colour'; there are: genre"),
        (
            "exposure@5",
            "metric exposure must be of a column and a value, got 'exposure@5': write 'exposure:genres=Drama'",
        ),
        ("exposure:genre=jug", "the column 'genre' has no value 'jug'"),
        ("diversity:genre=cup", "metric diversity must be of a column alone, .*: write 'diversity:genre'"),
        ("ndcg:genre", "metric ndcg is of no column of items, got 'ndcg:genre'; these are: diversity, miscalibration"),
    ],
)
def test_a_mistake_is_one_line(halves: tuple[Dataset, Dataset, Recommender], name: str, says: str) -> None:
    train, test, model = halves
    with pytest.raises(ParameterError, match=says):
        hg.evaluate({"it": model}, train, test, metrics=[name])


def test_without_columns_diversity_is_of_histories_and_tastes_are_refused() -> None:
    rng = np.random.default_rng(1)
    users, items = np.nonzero(rng.random((25, 30)) < 0.3)
    train, test = hg.split(hg.read(pl.DataFrame({"user": users, "item": items})), "random", test=0.3)
    model = hg.models.Popular().fit(train)
    found = hg.evaluate({"it": model}, train, test, metrics=["diversity", "diversity:histories"], resamples=0)
    assert found.value("it", "diversity@10") == found.value("it", "diversity:histories@10")
    with pytest.raises(ParameterError, match="items have no column of categories or values"):
        hg.evaluate({"it": model}, train, test, metrics=["miscalibration"])
