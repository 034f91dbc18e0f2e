"""An Evaluation: its tables, paired tests with planted differences, the best model, and the text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from planted import Planted, PlantedRatings, ratings

from honeyguide.errors import ParameterError
from honeyguide.evaluate import Evaluation, evaluate
from honeyguide.models.baseline.popular import Popular
from honeyguide.split import split


def three_models(frame: str = "polars") -> Evaluation:
    """An oracle with noise, twins that rank alike, and a rating model, on 60 people."""
    train, test = split(ratings(0, 1800, people=60, items=60, frame=frame), "random")
    noise = np.random.default_rng(0).random((60, 60))
    good = test.positives().toarray() + 2 * noise
    models = {
        "good": Planted().planning(good).fit(train),
        "noise": Planted().planning(noise).fit(train),
        "twin": Planted().planning(noise).fit(train),
        "rated": PlantedRatings().planning(noise).fit(train),
    }
    return evaluate(models, train, test, fit_seconds={"good": 1.5}, resamples=400)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return three_models()


def test_the_table_has_a_row_a_model_and_metric_with_an_interval_around_the_value(evaluation: Evaluation) -> None:
    table = evaluation.table
    assert table.columns == ["model", "metric", "value", "low", "high", "people"]
    assert len(table) == 4 * 7
    inside = table.filter(pl.col("low").is_not_null())
    assert (inside["low"] <= inside["value"]).all()
    assert (inside["value"] <= inside["high"]).all()
    assert table.filter(metric="coverage@10")["low"].is_null().all()
    assert table.filter(metric="rmse")["value"].is_null().to_list() == [True, True, True, False]


def test_intervals_are_those_of_the_mean_of_people(evaluation: Evaluation) -> None:
    row = evaluation.table.row(by_predicate=(pl.col("model") == "good") & (pl.col("metric") == "ndcg@10"), named=True)
    people = evaluation.people("ndcg@10").filter(model="good")["value"].to_numpy()
    assert people.mean() == pytest.approx(row["value"])
    assert len(people) == row["people"]
    width = 2 * 1.96 * people.std() / len(people) ** 0.5
    assert row["high"] - row["low"] == pytest.approx(width, rel=0.2)


def test_tables_come_in_the_callers_kind_of_frame() -> None:
    found = three_models("pandas")
    assert isinstance(found.table, pd.DataFrame)
    assert isinstance(found.groups, pd.DataFrame)
    assert isinstance(found.paired("ndcg@10"), pd.DataFrame)
    assert isinstance(found.people("rmse"), pd.DataFrame)


def test_paired_finds_a_planted_difference_and_none_between_twins(evaluation: Evaluation) -> None:
    table = evaluation.paired("ndcg@10")
    rows = {(r["model"], r["other"]): r for r in table.iter_rows(named=True)}
    assert len(rows) == 6
    planted, twins = rows["good", "noise"], rows["noise", "twin"]
    assert planted["p"] == 0.0001
    assert planted["low"] > 0
    assert planted["difference"] == pytest.approx(
        evaluation.value("good", "ndcg@10") - evaluation.value("noise", "ndcg@10")
    )
    assert (twins["difference"], twins["low"], twins["high"], twins["p"], twins["p_holm"]) == (0, 0, 0, 1, 1)
    assert planted["p_holm"] == pytest.approx(6 * 0.0001, rel=1e-9) or planted["p_holm"] <= 0.0006
    assert (table["p_holm"] >= table["p"]).all()


def test_paired_against_a_baseline(evaluation: Evaluation) -> None:
    table = evaluation.paired("recall@10", baseline="noise")
    assert table["model"].to_list() == ["good", "twin", "rated"]
    assert set(table["other"]) == {"noise"}


def test_paired_intervals_are_narrower_than_those_of_unpaired_models() -> None:
    train, test = split(ratings(1, 1500, people=60, items=60), "random")
    base = test.positives().toarray() + 2 * np.random.default_rng(1).random((60, 60))
    nudged = base + 0.01 * np.random.default_rng(2).random((60, 60))
    found = evaluate(
        {"a": Planted().planning(base).fit(train), "b": Planted().planning(nudged).fit(train)}, train, test
    )
    width = found.paired("ndcg@10").select(pl.col("high") - pl.col("low")).item()
    alone = found.table.filter(metric="ndcg@10", model="a").select(pl.col("high") - pl.col("low")).item()
    assert width < alone / 2


def test_paired_of_ratings_is_on_rmse() -> None:
    train, test = split(ratings(2, 1500, people=60), "random")
    close = np.full((60, 30), 0.5)
    close[test.users, test.items] = (test.values + 1.5) / 8
    models = {"close": PlantedRatings().planning(close), "far": PlantedRatings(seed=3)}
    found = evaluate({name: model.fit(train) for name, model in models.items()}, train, test)
    row = found.paired("rmse").row(0, named=True)
    assert row["difference"] == pytest.approx(found.value("close", "rmse") - found.value("far", "rmse"))
    assert row["low"] < row["difference"] < row["high"] < 0
    assert row["p"] == 0.0001
    assert found.best("rmse") == "close"
    left = (
        models["close"]
        .predict(test)
        .group_by("user")
        .agg((pl.col("rating") - pl.col("prediction")).pow(2).mean().sqrt())
    )
    people = found.people("rmse").filter(model="close")
    np.testing.assert_allclose(people["value"], left.sort("user")["rating"], rtol=1e-6)


def test_best_knows_the_direction_and_what_does_not_apply(evaluation: Evaluation) -> None:
    assert evaluation.best("ndcg@10") == "good"
    assert evaluation.best("rmse") == "rated"


def test_errors_are_one_clear_line(evaluation: Evaluation) -> None:
    with pytest.raises(
        ParameterError, match=r"metric must be one of those measured, rmse, mae, ndcg@10, .*, got 'map@10'\."
    ):
        evaluation.best("map@10")
    with pytest.raises(ParameterError, match=r"metric must be one of ndcg, .*, got 'nope'\."):
        evaluation.paired("nope")
    with pytest.raises(ParameterError, match=r"model must be one of good, noise, twin, rated, got 'nope'\."):
        evaluation.paired("ndcg@10", baseline="nope")
    with pytest.raises(ParameterError, match=r"paired needs two models with rmse for each person, got rated\."):
        evaluation.paired("rmse")
    with pytest.raises(
        ParameterError, match=r"metric coverage@10 has no value a person: it belongs to all lists together\."
    ):
        evaluation.people("coverage@10")


def test_the_text_says_what_the_numbers_rest_on(evaluation: Evaluation) -> None:
    text = str(evaluation)
    lines = text.splitlines()
    assert "ndcg@10 ↑" in lines[0]
    assert "rmse ↓" in lines[0]
    good = next(line for line in lines if line.startswith("good"))
    assert good.split()[1:3] == ["–", "–"]  # a ranking model has no RMSE
    assert f"{evaluation.value('good', 'ndcg@10'):.4f}*" in good
    assert "1.50" in good  # seconds of the fit
    assert "positive: >=4;" in text
    assert "people have none and are left out" in text
    assert "ndcg@10: discounted gain (binary) over that of an ideal list cut at min(k, relevant)" in text
    assert max(len(line) for line in lines) < 150


def test_groups_stand_apart_in_the_text() -> None:
    found = split(ratings(3), "cold-items", test=0.3)
    text = str(evaluate([Popular().fit(found.train)], found.train, found.test))
    assert "known items" not in text  # all items tested are cold: one group only
    train, test = split(ratings(4, 60, items=40), "random", test=0.3)
    text = str(evaluate([Popular().fit(train)], train, test, resamples=0))
    assert "known items" in text
    assert "cold items" in text
    assert "interval" not in text


def test_the_same_seed_gives_the_same_intervals() -> None:
    train, test = split(ratings(5), "random")
    model = Planted().fit(train)
    one, same, other = (evaluate([model], train, test, seed=seed).rows for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)
