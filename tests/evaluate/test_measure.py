"""`evaluate` against plain loops, scikit-learn and planted answers; known, warm and cold apart; the errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from planted import Planted, PlantedRatings, ratings
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError, NotFittedError, ParameterError
from honeyguide.evaluate import Evaluation, evaluate
from honeyguide.evaluate.exam import exam
from honeyguide.models.baseline.popular import Popular
from honeyguide.run import Run
from honeyguide.split import split


def value(evaluation: Evaluation, model: str, metric: str, group: str = "all") -> dict[str, float]:
    return evaluation.rows.filter(group=group, model=model, metric=metric).row(0, named=True)


def loop(train: Dataset, test: Dataset, plan: np.ndarray, k: int) -> tuple[list[float], list[float], list[int]]:
    """ndcg and recall of each person with a relevant item, and who that is, in plain Python."""
    gains, recalls, who = [], [], []
    for person in range(train.n_users):
        have = set(train.items[train.users == person].tolist())
        last: dict[int, tuple[int, float]] = {}
        for row in np.flatnonzero(test.users == person):  # of equal times the later row
            item, moment = int(test.items[row]), int(test.times[row])
            if item not in last or moment >= last[item][0]:
                last[item] = (moment, float(test.values[row]))
        relevant = {item for item, (_, rating) in last.items() if rating >= 4} - have
        if not relevant:
            continue
        ranked = sorted((i for i in range(train.n_items) if i not in have), key=lambda i: (-plan[person, i], i))[:k]
        places = [place for place, item in enumerate(ranked, 1) if item in relevant]
        ideal = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(relevant)) + 1))
        gains.append(sum(1 / math.log2(place + 1) for place in places) / ideal)
        recalls.append(len(places) / len(relevant))
        who.append(person)
    return gains, recalls, who


@pytest.mark.parametrize("k", [1, 5, 40])
def test_rankings_equal_a_plain_loop(k: int) -> None:
    train, test = split(ratings(0, 150), "random", test=0.3)
    plan = np.round(np.random.default_rng(1).random((20, 30)), 1)  # many ties
    evaluation = evaluate({"planted": Planted().planning(plan).fit(train)}, train, test, k=k, resamples=0)
    gains, recalls, who = loop(train, test, plan.astype(np.float32), k)
    assert value(evaluation, "planted", f"ndcg@{k}")["value"] == pytest.approx(np.mean(gains))
    assert value(evaluation, "planted", f"recall@{k}")["value"] == pytest.approx(np.mean(recalls))
    assert value(evaluation, "planted", f"ndcg@{k}")["people"] == len(gains) < 20
    people = evaluation.people(f"ndcg@{k}")
    assert people["user"].to_list() == [f"p{person:02}" for person in who]
    np.testing.assert_allclose(people["value"], gains)
    assert evaluation.counts.without_relevant == len(np.unique(test.users)) - len(gains)


def test_an_oracle_reaches_one_and_its_opposite_zero() -> None:
    train, test = split(ratings(0, items=90), "random")
    truth = test.positives().toarray()
    models = {"oracle": Planted().planning(truth).fit(train), "opposite": Planted().planning(-truth).fit(train)}
    evaluation = evaluate(models, train, test, metrics=["ndcg@5", "recall_capped@5", "mrr@5", "map@5"], resamples=50)
    for name in ("ndcg@5", "recall_capped@5", "mrr@5", "map@5"):
        assert value(evaluation, "oracle", name)["value"] == pytest.approx(1.0)
        assert value(evaluation, "opposite", name)["value"] == 0.0
    assert evaluation.best("ndcg@5") == "oracle"


def test_ratings_equal_scikit_learn_on_predict() -> None:
    train, test = split(ratings(2), "per-person")
    model = PlantedRatings().fit(train)
    evaluation = evaluate({"planted": model, "popular": Popular().fit(train)}, train, test)
    predicted = model.predict(test)
    truth, guess = predicted["rating"].to_numpy(), predicted["prediction"].to_numpy()
    assert guess.min() == 1.0
    assert guess.max() == 5.0  # clipped to the scale
    assert value(evaluation, "planted", "rmse")["value"] == pytest.approx(
        root_mean_squared_error(truth, guess), rel=1e-6
    )
    assert value(evaluation, "planted", "mae")["value"] == pytest.approx(mean_absolute_error(truth, guess), rel=1e-6)
    assert value(evaluation, "planted", "ndcg@10")["value"] is not None
    assert value(evaluation, "popular", "rmse")["value"] is None
    low, high = value(evaluation, "planted", "rmse")["low"], value(evaluation, "planted", "rmse")["high"]
    assert low < value(evaluation, "planted", "rmse")["value"] < high


def test_ratings_are_predicted_for_the_right_pairs() -> None:
    train, test = split(ratings(3), "random")
    plan = np.full((20, 30), 0.5)
    plan[test.users, test.items] = (test.values + 1) / 8  # the later of two ratings of one pair stands
    evaluation = evaluate([PlantedRatings().planning(plan).fit(train)], train, test, metrics=["rmse"])
    pairs = {(u, i): v for u, i, v in zip(test.users.tolist(), test.items.tolist(), test.values.tolist(), strict=True)}
    left = [
        pairs[u, i] - v for u, i, v in zip(test.users.tolist(), test.items.tolist(), test.values.tolist(), strict=True)
    ]
    assert evaluation.rows["value"][0] == pytest.approx(np.sqrt(np.mean(np.square(left))), abs=1e-6)


def test_people_held_out_are_served_by_their_history_as_strangers() -> None:
    found = split(ratings(4), "cold-people", test=0.3)
    model = Popular().fit(found.train)
    evaluation = evaluate({"popular": model}, found.train, found.test, history=found.history, metrics=["recall@5"])
    assert (evaluation.counts.known_people, evaluation.counts.warm_people, evaluation.counts.cold_people) == (0, 6, 0)
    shown, items = found.history, found.train.schema.items
    assert shown is not None
    recalls = []
    for person in np.unique(found.test.users):
        have = items.decode(shown.items[shown.users == person]).to_list()
        listed = set(model.recommend(history=have, k=5)["item"].to_list())
        row = found.test.positives()[int(person)]
        relevant = set(items.decode(row.indices).to_list()) - set(have)
        if relevant:
            recalls.append(len(listed & relevant) / len(relevant))
    assert value(evaluation, "popular", "recall@5")["value"] == pytest.approx(np.mean(recalls))


def test_without_their_history_the_same_people_are_cold() -> None:
    found = split(ratings(4), "cold-people", test=0.3)
    evaluation = evaluate([Popular().fit(found.train)], found.train, found.test)
    assert (evaluation.counts.warm_people, evaluation.counts.cold_people) == (0, 6)


def test_a_history_takes_the_place_of_training_events() -> None:
    data = ratings(5)
    train, test = split(data, "random")
    someone = int(test.users[0])
    history = train.take(train.users == someone).take(slice(0, 2))
    evaluation = evaluate([Popular().fit(train)], train, test, history=history)
    assert evaluation.counts.warm_people == 1
    assert evaluation.counts.cold_people == 0
    paper = exam(train, test, history=history)
    row = int(np.flatnonzero(paper.users == someone)[0])
    assert paper.profiles.known[row] == -1
    assert sorted(paper.profiles.take([row]).items.tolist()) == sorted(history.items.tolist())
    others = paper.profiles.known >= 0
    assert int(np.diff(paper.profiles.indptr)[others].sum()) == int(np.isin(train.users, paper.users[others]).sum())


def test_groups_of_people_and_items_add_up_to_all() -> None:
    data = ratings(6, 500)
    held = split(data, "cold-people", test=0.3)
    some = np.flatnonzero(held.train.items >= 4)  # items 0 … 3 are cold
    rest = split(held.train.take(some), "random", test=0.2)
    cold = held.train.take(held.train.items < 4)
    test = joined(joined(rest.test, held.test), cold)
    model = PlantedRatings(seed=2).fit(rest.train)
    evaluation = evaluate({"planted": model}, rest.train, test, history=held.history, metrics=["recall@10", "rmse"])
    rows = {(r["group"], r["metric"]): r for r in evaluation.rows.iter_rows(named=True)}
    for sides in (("known people", "warm people"), ("known items", "cold items")):
        parts = [rows[side, "rmse"]["value"] for side in sides]
        sizes = [events(evaluation, side) for side in sides]
        assert sum(sizes) == len(test)
        mixed = np.sqrt(np.dot(np.square(parts), sizes) / len(test))
        assert rows["all", "rmse"]["value"] == pytest.approx(mixed)
    people = ("known people", "warm people")
    weighted = sum(rows[side, "recall@10"]["value"] * rows[side, "recall@10"]["people"] for side in people)
    assert rows["all", "recall@10"]["value"] == pytest.approx(weighted / rows["all", "recall@10"]["people"])
    assert evaluation.counts.cold_items == 4


def events(evaluation: Evaluation, group: str) -> int:
    counts = evaluation.results[group]["planted", "rmse"].counts
    assert counts is not None
    return int(counts.sum())


def joined(one: Dataset, other: Dataset) -> Dataset:
    columns = (np.concatenate([getattr(one, n), getattr(other, n)]) for n in ("users", "items", "values", "times"))
    return Dataset(one.schema, *columns)


def test_items_of_the_history_are_not_relevant_again() -> None:
    data = ratings(7, 800, people=5)  # 160 events a person on 30 items: many repeats
    train, test = split(data, "random", test=0.1)
    evaluation = evaluate([Planted().fit(train)], train, test)
    assert evaluation.counts.seen_again > 0
    assert evaluation.counts.seen_again + evaluation.counts.relevant == test.positives().nnz


def test_the_positive_rule_decides_what_is_relevant() -> None:
    data = ratings(8)
    all_of_it, fours = (split(data.with_positive(rule), "random", seed=1) for rule in ("every event", ">=4"))
    counts = [evaluate([Popular().fit(s.train)], s.train, s.test).counts.relevant for s in (all_of_it, fours)]
    assert counts[0] > counts[1] > 0


def test_the_number_of_threads_changes_nothing() -> None:
    train, test = split(ratings(9), "random")
    model = Planted().fit(train)
    one, two = (evaluate([model], train, test, run=Run(threads=threads)).rows for threads in (1, 2))
    assert one.equals(two)


def test_models_without_a_name_get_that_of_their_file_and_a_number() -> None:
    train, test = split(ratings(10), "random")
    evaluation = evaluate([Popular().fit(train), Popular().fit(train), Planted().fit(train)], train, test)
    assert evaluation.models == ("popular", "popular-2", "Planted")


def test_errors_are_one_clear_line() -> None:
    train, test = split(ratings(11), "random")
    model = Popular().fit(train)
    with pytest.raises(
        ParameterError, match=r"model 'popular' must be fitted on train, got one fitted on other data: fit"
    ):
        evaluate([Popular().fit(test)], train, test)
    with pytest.raises(NotFittedError, match="Popular is not fitted"):
        evaluate([Popular()], train, test)
    with pytest.raises(ParameterError, match=r"evaluate needs at least one model, got none\."):
        evaluate([], train, test)
    with pytest.raises(ParameterError, match=r"metric must be one of .*, got 'nope'\."):
        evaluate([model], train, test, metrics=["nope"])
    with pytest.raises(ParameterError, match=r"resamples must be an integer >= 0, got -1\."):
        evaluate([model], train, test, resamples=-1)
    with pytest.raises(DataError, match=r"the test part holds no events: nothing can be measured on it\."):
        evaluate([model], train, test.take(slice(0, 0)))
    with pytest.raises(ParameterError, match=r"train and test must share their ids: take both from one split"):
        evaluate([model], train, ratings(11, items=31))


def test_data_read_twice_share_their_ids() -> None:
    train, test = split(ratings(12), "random")
    again = replace(test, schema=ratings(12).schema)
    assert isinstance(evaluate([Popular().fit(train)], train, again).table, pl.DataFrame)
