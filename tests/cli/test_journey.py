"""From a ratings file to lists, end to end; what the shell prints is what Python gives."""

from __future__ import annotations

import csv
import json
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from shell import Call, spawn

import honeyguide as hg
from honeyguide.models import lists
from honeyguide.models.base import Recommender


@pytest.fixture(scope="module")
def ease(shop: Path) -> Recommender:
    return hg.open(shop / "ease.safetensors")


def test_train_tells_what_it_took_for_what(call: Call, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    done = call("train", shop / "ratings.csv", "--model", "Ease", "--set", "reg=7", "--out", out, "--json")
    assert done.status == 0
    assert done.json.keys() == {"file", "model", "fit_seconds", "bytes"}
    assert (done.json["model"], done.json["bytes"]) == ("ease", out.stat().st_size)
    assert "columns: user = userId, item = movieId, rating = rating, time = timestamp\n" in done.err
    assert "30 items, positive: every event\n" in done.err
    data = hg.read(shop / "ratings.csv")
    assert hg.open(out).recommend(3).equals(hg.models.Ease(reg=7).fit(data).recommend(3))


def test_update_is_a_fit_on_all_written_over_the_file(call: Call, shop: Path, tmp_path: Path) -> None:
    file, later = tmp_path / "m.safetensors", tmp_path / "later.csv"
    rows = (shop / "ratings.csv").read_text().splitlines()
    fresh = ["1,900,5,1100000000", "ann,101,2,1100000000", "ann,900,5,1100000001"]
    (tmp_path / "old.csv").write_text("\n".join([rows[0], *(f"u{row}" for row in rows[1:])]) + "\n")
    later.write_text("\n".join([rows[0], *(f"u{row}" for row in fresh)]) + "\n")
    (tmp_path / "all.csv").write_text((tmp_path / "old.csv").read_text() + later.read_text().partition("\n")[2])
    train = ["train", "--model", "ease", "--set", "reg=7", "--positive", ">=3"]
    assert call(*train, tmp_path / "old.csv", "--out", file).status == 0
    assert call(*train, tmp_path / "all.csv", "--out", tmp_path / "all.safetensors").status == 0
    done = call("update", file, later, "--out", file, "--json")
    assert {k: v for k, v in done.json.items() if k != "update_seconds"} == {
        "file": str(file), "events": 3, "users": 1, "items": 1
    }  # fmt: skip
    assert done.err.endswith("positive: >=3\n")
    for user in ("u1", "uann"):
        ours, whole = (hg.open(path).recommend(user, k=40) for path in (file, tmp_path / "all.safetensors"))
        assert ours["item"].to_list() == whole["item"].to_list()
        np.testing.assert_allclose(ours["score"], whole["score"], rtol=1e-4, atol=1e-6)
    text = call("update", file, later, "--out", tmp_path / "n.safetensors", "--no-histories").out
    assert text.startswith(f"{tmp_path / 'n.safetensors'}: 3 new events, 0 new users and 0 new items, learned in ")
    with pytest.raises(hg.errors.UnsupportedError, match="saved without histories"):
        hg.open(tmp_path / "n.safetensors").recommend("u1")


def test_intervals_from_the_shell_are_those_of_python(call: Call, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "fm.safetensors"
    train = ["train", shop / "ratings.csv", "--model", "bayesian-fm", "--set", "sweeps=10", "--set", "factors=2"]
    assert call(*train, "--out", out).status == 0
    found = call("predict", out, "--user", 3, "--item", 104, "--item", 107, "--level", 0.5, "--json").json
    expected = hg.open(out).intervals([(3, 104), (3, 107)], level=0.5)
    assert [row["low"] for row in found] == expected["low"].to_list()
    assert all(row["low"] < row["prediction"] < row["high"] for row in found)
    assert call("predict", out, "--user", 3, "--item", 104, "--level", 0.5).out.split()[2:5] == [
        "prediction",
        "low",
        "high",
    ]


def test_lists_of_the_known_and_of_the_new(call: Call, shop: Path, ease: Recommender) -> None:
    file = shop / "ease.safetensors"
    known = call("recommend", file, "--user", 3, "--user", 5, "-k", 4, "--json").json
    assert [{k: v for k, v in row.items() if k != "title"} for row in known] == ease.recommend([3, 5], k=4).to_dicts()
    assert known[0]["title"] == f"Film, The {known[0]['item'] - 100} 🎬"
    typed = [
        "--history",
        "film, the 4 🎬=4.5",
        "--history",
        "107",
    ]  # by title in any case, by id; no value: the highest
    new = call("recommend", file, *typed, "-k", 4, "--json").json
    expected = ease.recommend(history=[(104, 4.5), (107, 5.0)], k=4)
    assert [row["item"] for row in new] == expected["item"].to_list()
    assert [row["score"] for row in new] == expected["score"].to_list()
    text = call("recommend", file, *typed, "-k", 4).out.splitlines()
    assert text[0].split() == ["item", "title", "score", "rank"]
    assert [line.split()[0] for line in text[1:]] == [str(row["item"]) for row in new]
    without = call("recommend", file, "--user", 3, "--exclude", known[0]["title"], "-k", 3, "--json").json
    assert [row["item"] for row in without] == [row["item"] for row in known[1:4]]
    everything = call("recommend", file, "--user", 3, "--seen", "-k", 99, "--json").json
    assert len(everything) == 30


def test_reasons_by_the_command_line(call: Call, shop: Path, ease: Recommender) -> None:
    file = shop / "ease.safetensors"
    told = call("explain", file, "--user", 3, "-k", 4, "--json").json
    expected = hg.explain(ease, 3, k=4)
    assert [row["item"] for row in told] == [each.item for each in expected]
    assert [row["reasons"][0]["sentence"] for row in told] == [each.reasons[0].sentence for each in expected]
    text = call("explain", file, "--history", "film, the 4 🎬=4.5", "--item", 107, "--language", "zh").out
    assert text.splitlines()[0].startswith("Film, The 7 🎬  (107, place ")
    assert "因为你给《Film, The 4 🎬》打了 4.5 分" in text
    for name in ("ease", "mf"):
        measured = call("explain", shop / f"{name}.safetensors", "--check", "--people", 3, "-k", 3)
        assert "additivity error" in measured.out
        assert "a list is explained in" in measured.out
    assert call("explain", file, "--check", "--people", 3, "--json").json["people"] == 3
    assert call("explain", file).error == ("give one of --user, --history or --about (for someone new), or --check")
    assert call("explain", file, "--check", "--user", 3).status == 2
    assert call("explain", file, "--check", "--at", "2020-01-01").status == 2
    assert call("explain", file, "--check", "--seed", "-1").error == "Run.seed must be an integer >= 0, got -1."
    lines = call("explain", file, "--user", 3, "-k", 1, "--reasons", 1, "--no-counterfactual").out.splitlines()
    assert len(lines) == 2
    assert call("explain", file, "--user", 3, "--language", "fr").error == "language must be one of en, zh, got 'fr'."


READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": lambda path: pl.read_csv(path, schema_overrides={"score": pl.Float32, "rank": pl.Int32}),
    ".jsonl": lambda path: pl.read_ndjson(path, schema_overrides={"score": pl.Float32, "rank": pl.Int32}),
}


def test_lists_are_reranked(call: Call, shop: Path, ease: Recommender, tmp_path: Path) -> None:
    file, how = shop / "ease.safetensors", "mmr:trade=0.9:of=histories"
    rerank = hg.rerank.MMR(trade=0.9, of="histories")
    own = ease.recommend([3], k=5)["item"].to_list()
    asked = call("recommend", file, "--user", 3, "-k", 5, "--rerank", how, "--json")
    assert [row["item"] for row in json.loads(asked.out)] == ease.recommend([3], k=5, rerank=rerank)["item"].to_list()
    assert [row["item"] for row in json.loads(asked.out)] != own
    out = tmp_path / "lists.parquet"
    assert call("recommend", file, "--all", "-k", 5, "--rerank", how, "--out", out).status == 0
    assert pl.read_parquet(out).equals(pl.concat(ease.recommend_all(5, rerank=rerank)))
    assert call("recommend", file, "--user", 3, "--rerank", "nothing").error == (
        "there is no re-ranker 'nothing'; there are: mmr, calibrated, xquad, quotas."
    )


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("more", [[], ["--seen", "--exclude", "104"]], ids=["new", "seen"])
def test_everybody_is_streamed_in_blocks(
    call: Call, shop: Path, ease: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str,
    more: list[str],
) -> None:  # fmt: skip
    given = {"seen": True, "exclude": [104]} if more else {}
    whole = ease.recommend(list(range(1, 41)), k=3, **given)  # type: ignore[arg-type]
    monkeypatch.setattr(lists, "CELLS", 200)  # six people a block
    blocks = list(ease.recommend_all(3))
    assert [len(block) for block in blocks] == [18] * 6 + [12]
    out = tmp_path / f"lists{suffix}"
    done = call("recommend", shop / "ease.safetensors", "--all", "-k", 3, "--out", out, "--json", *more)
    assert done.json == {"file": str(out), "rows": 120}
    table = READERS[suffix](out)
    assert table.drop("score").equals(whole.drop("score"))
    np.testing.assert_allclose(table["score"], whole["score"], rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_ratings_of_one_of_many_and_of_a_file_of_pairs(call: Call, shop: Path, tmp_path: Path) -> None:
    file, model = shop / "mf.safetensors", hg.open(shop / "mf.safetensors")
    one = call("predict", file, "--user", 3, "--item", 104, "--json").json
    assert one == [
        {"user": 3, "item": 104, "title": "Film, The 4 🎬", "prediction": model.predict([(3, 104)])["prediction"][0]}
    ]
    many = call("predict", file, "--user", 3, "--item", 104, "--item", "Film, The 9 🎬", "--json").json
    assert [row["prediction"] for row in many] == model.predict([(3, 104), (3, 109)])["prediction"].to_list()
    new = call("predict", file, "--history", "104=5", "--item", 109, "--json").json
    assert [row["prediction"] for row in new] == model.predict([109], history=[(104, 5.0)])["prediction"].to_list()
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("userId,movieId\n3,104\n40,110\n999,104\n3,7\n")
    asked = [(3, 104), (40, 110), (999, 104), (3, 7)]  # the last two hold someone and something never seen
    done = call("predict", file, "--pairs", pairs, "--out", tmp_path / "rated.csv")
    assert (done.status, done.out) == (0, f"{tmp_path / 'rated.csv'}: 4 rows\n")
    rated = pl.read_csv(tmp_path / "rated.csv")
    assert rated.select("user", "item").rows() == asked
    np.testing.assert_allclose(rated["prediction"], model.predict(asked)["prediction"], rtol=1e-6)
    assert [row["prediction"] for row in call("predict", file, "--pairs", pairs, "--json").json] == model.predict(
        asked
    )["prediction"].to_list()


def test_similar_verify_and_models(call: Call, shop: Path, ease: Recommender) -> None:
    near = call("similar", shop / "ease.safetensors", "--item", "Film, The 4 🎬", "-k", 3, "--json").json
    assert [row["similar"] for row in near] == ease.similar_items([104], k=3)["similar"].to_list()
    about = call("verify", shop / "ease.safetensors", "--json").json
    assert (about["model"], about["users"], about["items"]) == ("ease", 40, 30)
    assert about["hyperparameters"] == {"reg": 20.0, "dropout": 0.0, "user_power": 0.0, "item_power": 0.0}
    assert about["data"] == ease.fingerprint_
    listed = call("models", "--json").json
    assert {"popular", "ease", "mf"} <= {model["name"] for model in listed}
    assert call("models", "EASE", "--json").json == [model for model in listed if model["name"] == "ease"]
    assert call("models").out.count("\n") > len(listed)


def test_check_says_what_is_wrong_by_its_status(call: Call, shop: Path, tmp_path: Path) -> None:
    done = call("check", shop / "ratings.csv", "--json")
    assert (done.status, done.json["ok"], done.json["users"]) == (0, True, 40)
    (tmp_path / "bad.csv").write_text("user,item,rating\n1,2,3\n1,,4\n")
    done = call("check", tmp_path / "bad.csv", "--json")
    assert (done.status, done.json["ok"]) == (1, False)
    assert "missing-item" in [finding["code"] for finding in done.json["findings"]]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        done = call("train", tmp_path / "bad.csv", "--model", "popular", "--out", tmp_path / "m.safetensors",
                    "--invalid", "drop")  # fmt: skip
    assert done.status == 0
    assert "note: 1 rows of" in done.err


def test_compare_saves_the_winner_of_validation_refitted_on_all(call: Call, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "best.safetensors"
    asked = ["compare", shop / "ratings.csv", "--models", "random,ease,ease", "--set", "ease.reg=20", "--seed", 2]
    done = call(*asked, "--save-best", "map@7", "--out", out, "--json", "--validation", "0.2")
    assert done.status == 0
    data = hg.read(shop / "ratings.csv")
    train, validation, test = hg.split(data, "random", test=0.1, validation=0.2, seed=2)
    run = hg.Run(seed=2)
    fitted = {"random": hg.models.Random().fit(train, run=run), "ease": hg.models.Ease(reg=20).fit(train)}
    expected = hg.evaluate(fitted, train, test, metrics=["map@7"])
    shown = {(row["model"], row["metric"]): row["value"] for row in done.json["test"] if row["group"] == "all"}
    for name in fitted:
        assert shown[name, "map@7"] == pytest.approx(expected.value(name, "map@7"), abs=1e-9)
    winner = hg.evaluate(fitted, train, validation, metrics=["map@7"]).best("map@7")
    assert f"{out}: {winner}, best by validation map@7, refitted on all data\n" in done.err
    saved = hg.open(out)
    assert saved.fingerprint_ == data.fingerprint
    again = {"random": hg.models.Random(), "ease": hg.models.Ease(reg=20)}[winner].fit(data, run=run)
    assert saved.recommend(3).equals(again.recommend(3))
    text = call(*asked, "--models", "random,ease", "--metric", "diversity", "--metric", "gini@5")
    assert "ndcg@10" in text.out
    assert (
        "diversity@10: mean over pairs of a list's items of 1 - their cosine, by who has them in training" in text.out
    )
    assert "gini@5 ↓" in text.out
    assert "fitted in" in text.err
    refused = call(*asked, "--models", "random,ease", "--metric", "miscalibration")
    assert refused.error == "items have no column of categories or values, such as genres: read items= too."
    assert "fitted in" not in refused.err


def test_tune_goes_on_and_saves(call: Call, shop: Path, tmp_path: Path) -> None:
    study, out = tmp_path / "study.log", tmp_path / "tuned.safetensors"
    asked = ["tune", shop / "ratings.csv", "--model", "ease", "--study", study, "--json"]
    first = call(*asked, "--trials", 2).json
    assert [trial["state"] for trial in first["trials"]] == ["complete"] * 2
    then = call(*asked, "--trials", 4, "--out", out).json
    assert then["trials"][:2] == first["trials"]
    assert len({trial["reg"] for trial in then["trials"]}) == 4
    best = max(then["trials"], key=lambda trial: trial["value"])
    assert then["validation"] == best["value"]
    assert hg.open(out).reg == then["hyperparameters"]["reg"] == best["reg"]  # type: ignore[attr-defined]
    assert hg.open(out).fingerprint_ == hg.read(shop / "ratings.csv").fingerprint
    text = call(*asked[:-1], "--trials", 4)
    assert "best: ease --set reg=" in text.out
    chosen = shlex.split(text.out[text.out.index("best: ") :].splitlines()[0])[2:]
    assert call("train", shop / "ratings.csv", "--model", "ease", "--out", out, *chosen).status == 0


def test_ids_with_commas_signs_and_emoji_through_a_real_shell(call: Call, shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "odd.safetensors"
    done = spawn(["train", shop / "odd.csv", "--model", "ease", "--set", "reg=20", "--out", out])
    assert done.status == 0
    model = hg.open(out)
    user, item = "Zoë, 3 🐦", 'a=b 4, "x"'
    assert [
        row["item"] for row in spawn(["recommend", out, "--user", user, "--json", "-k", 3]).json
    ] == model.recommend(user, k=3)["item"].to_list()
    for typed, value in ((item, 5.0), (f"{item}=2.5", 2.5)):  # an equals sign belongs to the id where there is such one
        shown = spawn(["recommend", out, "--history", typed, "--json", "-k", 3]).json
        assert [row["score"] for row in shown] == model.recommend(history=[(item, value)], k=3)["score"].to_list()
    assert spawn(["recommend", out, "--all", "--out", tmp_path / "odd.csv"]).status == 0
    with open(tmp_path / "odd.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    everybody = pl.concat(model.recommend_all(10))
    assert [(row["user"], row["item"]) for row in rows] == everybody.select("user", "item").rows()


def test_pandas_in_pandas_out(shop: Path) -> None:
    frame = pd.read_csv(shop / "ratings.csv")
    data = hg.read(frame, user="userId", item="movieId", rating="rating", time="timestamp")
    model = hg.models.Mf(factors=4, epochs=3).fit(data)
    file = hg.open(shop / "mf.safetensors")
    for mine, theirs in (
        (model.recommend(3), file.recommend(3)),
        (model.predict([(3, 104)]), file.predict([(3, 104)])),
        (model.similar_items(104), file.similar_items(104)),
    ):
        assert isinstance(mine, pd.DataFrame)
        assert isinstance(theirs, pl.DataFrame)
        pd.testing.assert_frame_equal(mine, theirs.to_pandas(), check_dtype=False)
    assert isinstance(file.predict(frame.rename(columns={"userId": "user", "movieId": "item"})), pd.DataFrame)
