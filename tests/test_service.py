"""What a person typed → ids; comparing and refitting; files of pairs and of lists."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide import service
from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, ParameterError, UnknownIdError
from honeyguide.models import registry
from honeyguide.models.base import Recommender
from honeyguide.models.factorization.ease import Ease
from honeyguide.run import Run


def schema(items: list[Any], titles: list[str | None] | None = None, *, explicit: bool = True) -> Schema:
    """A schema of these items (in the order of their ids) and titles."""
    table = pl.DataFrame({"Title": titles}) if titles else pl.DataFrame(height=len(items))
    scale = (1.0, 5.0) if explicit else None
    return Schema(Vocabulary.of([1, 2]), Vocabulary.of(items), explicit, scale, Positive(), table)


FILMS = schema([10, 20, 30, 40], ["Alien", "20", "alien", None])
NAMES = schema(["a", "a=2", "b c"])


@pytest.mark.parametrize(
    ("held", "typed", "found"),
    [
        (FILMS, "10", 10),
        (FILMS, "ALIEN", 10),  # of equal titles the lower code's
        (FILMS, "20", 20),  # an id goes before a title
        (FILMS, "040", 40),
        (NAMES, "b c", "b c"),
        (NAMES, "a=2", "a=2"),
    ],
)
def test_an_item_by_id_or_title(held: Schema, typed: str, found: object) -> None:
    assert service.items_of(held, [typed]) == [found]


def test_an_item_that_is_not_there() -> None:
    with pytest.raises(UnknownIdError, match=r"title 'aliem'; did you mean 'Alien'\?"):
        service.items_of(FILMS, ["10", "aliem"])
    with pytest.raises(UnknownIdError, match=r"there is no item with the id or title '99'; ids here are integers"):
        service.items_of(FILMS, ["99"])
    with pytest.raises(UnknownIdError, match=r"there is no item with the id or title 'A'; ids here are strings"):
        service.items_of(NAMES, ["A"])


@pytest.mark.parametrize(
    ("held", "typed", "found"),
    [
        (FILMS, "alien=4.5", (10, 4.5)),
        (FILMS, "30", (30, 5.0)),
        (FILMS, "30=-1e0", (30, -1.0)),
        (NAMES, "a=2", ("a=2", 5.0)),
        (NAMES, "a=3", ("a", 3.0)),
        (NAMES, "a=2=3", ("a=2", 3.0)),
        (schema([1], explicit=False), "1", (1, 1.0)),
    ],
)
def test_an_event_of_a_history(held: Schema, typed: str, found: object) -> None:
    assert service.history_of(held, [typed]) == [found]


def test_an_event_that_is_none() -> None:
    with pytest.raises(ParameterError, match="an event must be ITEM or ITEM=VALUE with a number, got 'alien=good'"):
        service.history_of(FILMS, ["alien=good"])
    with pytest.raises(UnknownIdError, match="id or title 'x'"):
        service.history_of(FILMS, ["x=3"])


def test_people() -> None:
    assert service.users_of(FILMS, ["1", "77"]) == [1, 77]
    with pytest.raises(UnknownIdError, match="the user is not in the training data: ids here are integers, got 'ann'"):
        service.users_of(FILMS, ["ann"])


def test_settings_go_to_each_model_that_has_them() -> None:
    built: dict[str, Any] = service.build(["Ease", " mf", "ease", ""], {"reg": "3", "mf.factors": "7"})
    assert list(built) == ["ease", "mf"]
    assert (built["ease"].reg, built["mf"].reg, built["mf"].factors) == (3.0, 3.0, 7)
    for names, given, said in (
        ([""], {}, "name at least one model, such as popular,ease"),
        (["ease"], {"factors": "3"}, "none of ease has the hyperparameter 'factors'"),
        (["ease"], {"mf.factors": "3"}, "none of ease has the hyperparameter 'mf.factors'"),
        (["ease"], {"ease.regg": "3"}, "Ease has no hyperparameter 'regg'"),
        (["ease"], {"eaze.reg": "3"}, "did you mean ease?"),
    ):
        with pytest.raises(ParameterError, match=said):
            service.build(names, given)


def test_models_describe_themselves() -> None:
    listed = service.describe_models()
    assert [model["name"] for model in listed] == list(registry.names())
    ease = service.describe_models(["EASE"])[0]
    assert (ease["class"], ease["family"], ease["task"], ease["fold_in"]) == (
        "Ease",
        "factorization",
        "ranking",
        "exact",
    )
    assert ease["summary"].startswith("EASE: ")
    assert [h["name"] for h in ease["hyperparameters"]] == ["reg"]


# ---- comparing ------------------------------------------------------------------------------------------------------


def test_compare_is_split_fit_and_evaluate_by_hand(ratings: Dataset) -> None:
    heard: list[str] = []
    models: dict[str, Recommender] = {"popular": hg.models.Popular(), "ease": hg.models.Ease(reg=10)}
    result = service.compare(
        ratings, models, test=0.2, validation=0.2, run=Run(seed=3), told=lambda name, _: heard.append(name)
    )
    assert heard == ["popular", "ease"]
    train, validation, test = hg.split(ratings, "random", test=0.2, validation=0.2, seed=3)
    fitted = {"popular": hg.models.Popular().fit(train), "ease": hg.models.Ease(reg=10).fit(train)}
    for part, evaluation in ((validation, result.validation), (test, result.test)):
        by_hand = hg.evaluate(fitted, train, part)
        for name in models:
            for metric in ("ndcg@10", "recall@10", "coverage@10"):
                assert evaluation.value(name, metric) == by_hand.value(name, metric)
    assert result.best("ndcg@10") == hg.evaluate(fitted, train, validation).best("ndcg@10")
    again = result.refit("ease")
    assert again.fingerprint_ == ratings.fingerprint
    assert isinstance(again, Ease)
    assert again.reg == 10
    assert not hasattr(models["ease"], "schema_") or models["ease"].fingerprint_ == train.fingerprint


def test_people_held_out_are_served_by_the_history_that_may_be_shown(ratings: Dataset) -> None:
    """Choosing, stopping, measuring and searching all show it; without it nobody held out has a list of their own."""
    models = {"ease": hg.models.Ease(reg=1.0), "mf": hg.models.Mf(factors=4, epochs=6)}
    result = service.compare(ratings, models, kind="cold-people", test=0.2, validation=0.3, patience=1)
    parts = result.parts
    assert parts.history is not None
    for found, held in ((result.test, parts.test), (result.validation, parts.validation)):
        assert (found.counts.warm_people, found.counts.cold_people) == (found.counts.people, 0)
        by_hand = hg.evaluate(result.fitted, parts.train, held, history=parts.history)
        for metric in ("ndcg@10", "rmse"):
            assert found.value("mf", metric) == by_hand.value("mf", metric)
    watch = hg.early_stopping(parts.train, parts.validation, history=parts.history, metric="rmse", patience=1)
    hg.models.Mf(factors=4, epochs=6).fit(parts.train, watch=watch)
    assert models["mf"].epochs == watch.best_epoch
    assert watch.best == pytest.approx(result.validation.value("mf", "rmse"), rel=1e-6)
    measured = service.measure(hg.models.Ease(reg=1.0), parts, metric="ndcg@10", run=hg.Run())
    assert measured == result.test.value("ease", "ndcg@10")
    for name, metric in (("ease", "ndcg@10"), ("mf", "rmse")):
        tuned = hg.tune(name, parts.train, parts.validation, history=parts.history, trials=1)
        model = tuned.build().fit(parts.train)
        by_hand = hg.evaluate({"it": model}, parts.train, parts.validation, history=parts.history)
        assert tuned.value == pytest.approx(by_hand.value("it", metric), rel=1e-6)


def test_the_choice_is_by_validation_and_not_by_test(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    models: dict[str, Recommender] = {"popular": hg.models.Popular(), "random": hg.models.Random()}
    result = service.compare(ratings, models, test=0.2, validation=0.2)
    winner = result.best("ndcg@10")
    loser = next(name for name in models if name != winner)
    swapped = service.Comparison(
        result.data, result.parts, result.fitted, result.test, result.validation, result.run
    )  # parts exchanged: only what is called validation may speak
    monkeypatch.setattr(type(result.test), "best", lambda self, metric: winner if self is result.validation else loser)
    assert result.best("ndcg@10") == winner
    assert swapped.best("ndcg@10") == loser


def test_an_iterative_model_is_refitted_for_the_epochs_that_validation_chose(ratings: Dataset) -> None:
    model: Any = hg.models.Mf(factors=8, reg=0.001, epochs=30)
    result = service.compare(ratings, {"mf": model}, test=0.2, validation=0.2, patience=2)
    chosen: Any = result.fitted["mf"]
    train, validation, _ = hg.split(ratings, "random", test=0.2, validation=0.2, seed=0)
    errors = []
    for epochs in range(1, chosen.epochs + 3):
        fitted = hg.models.Mf(factors=8, reg=0.001, epochs=epochs).fit(train)
        errors.append(hg.evaluate({"mf": fitted}, train, validation, metrics=["rmse"]).value("mf", "rmse"))
    assert chosen.epochs == int(np.argmin(errors)) + 1 < 30
    again: Any = result.refit("mf")
    by_hand: Any = hg.models.Mf(factors=8, reg=0.001, epochs=chosen.epochs).fit(ratings)
    np.testing.assert_allclose(again.item_vectors_, by_hand.item_vectors_, rtol=1e-5, atol=1e-6)


def test_a_metric_that_none_gives_is_refused_before_any_fit(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ease, "_fit", lambda *_: pytest.fail("fitted"))
    with pytest.raises(ParameterError, match="metric rmse is of ratings, and none of ease gives any here"):
        service.compare(ratings, {"ease": hg.models.Ease()}, metric="rmse")


# ---- files ----------------------------------------------------------------------------------------------------------


def test_pairs_of_a_file_get_the_models_kind_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("movieId;userId;x\n10;1;a\n99;2;b\n")
    assert service.read_pairs(path, FILMS).rows() == [(1, 10), (2, 99)]
    path.write_text("1,10\n2,99\n")  # no heading
    assert service.read_pairs(path, NAMES).rows() == [(1, "10"), (2, "99")]
    path.write_text("user,item\nann,10\n")
    with pytest.raises(
        ParameterError, match="pairs.csv does not hold ids of the model's kind: its people are integers"
    ):
        service.read_pairs(path, FILMS)
    path.write_text("user,item\n1,10,7\n")
    with pytest.raises(DataError, match="line 2 of .* has 3 fields"):
        service.read_pairs(path, FILMS)


def test_lists_stream_block_by_block_from_whatever_thread(
    ratings: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, held = Ease(reg=10).fit(ratings), []

    whole = model.recommend_all

    def watched(*given: Any, **more: Any) -> Any:
        for table in whole(*given, **more):
            held.append(threading.current_thread().name)
            yield table

    monkeypatch.setattr(model, "recommend_all", watched)
    monkeypatch.setattr("honeyguide.models.lists.CELLS", 100)
    assert service.write_lists(model, tmp_path / "x.parquet", k=2) == 80
    assert len(held) == 14
    assert pl.read_parquet(tmp_path / "x.parquet").equals(pl.concat(whole(2)))


def test_a_failure_while_streaming_is_the_models_own_and_leaves_nothing(
    ratings: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, score, calls = Ease(reg=10).fit(ratings), Ease.score, 0

    def fail_third(self: Ease, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise DataError("the third block")
        return score(self, *given)

    monkeypatch.setattr(Ease, "score", fail_third)
    monkeypatch.setattr("honeyguide.models.lists.CELLS", 100)
    for suffix in service.TABLES:
        calls = 0
        with pytest.raises(DataError, match="^the third block$"):
            service.write_lists(model, tmp_path / f"x{suffix}", k=2)
    assert list(tmp_path.iterdir()) == []
