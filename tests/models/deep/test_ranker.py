"""What is hidden and proposed by plain loops, the network and its loss too, planted circumstances and attributes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.features import Features
from honeyguide.errors import DataError, ParameterError
from honeyguide.models.base import Recommender
from honeyguide.models.deep import _proposals
from honeyguide.models.deep.ranker import Ranker
from honeyguide.models.factorization.ease import Ease
from honeyguide.models.neighbours.item_knn import ItemKnn
from honeyguide.run import Run
from honeyguide.training import backend

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None, reason="needs keras and jax"
)
KINDS = ("news", "drama", "sport")
SMALL = {"models": "ease:reg=5.0", "pool": 12, "folds": 3, "factors": 8, "hidden": (16,), "batch_size": 64}


def planted(people: int = 60, items: int = 30, *, seed: int = 0) -> pl.DataFrame:
    """What someone has depends on the device and the hour alone: kind by (is it a phone) + (is it evening)."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(people):
        for _ in range(12):
            device, hour = ("phone", "tv")[int(rng.integers(2))], int(rng.choice([8, 20]))
            item = 3 * int(rng.integers(items // 3)) + (device == "phone") + (hour == 20)
            day = datetime(2026, 1, 1 + int(rng.integers(28)), hour, int(rng.integers(60)), tzinfo=UTC)
            rows.append((f"p{user}", item, int(day.timestamp()), device))
    return pl.DataFrame(rows, schema=["user", "item", "time", "device"], orient="row")


@pytest.fixture(scope="module")
def data() -> Dataset:
    films = pl.DataFrame({"id": range(30), "kind": [KINDS[i % 3] for i in range(30)]})
    crowd = pl.DataFrame({"id": [f"p{u}" for u in range(60)], "age": [20 + u % 50 for u in range(60)]})
    return hg.read(planted(), items=films, users=crowd, context=["device"])


@pytest.fixture(scope="module")
def model(data: Dataset) -> Ranker:
    return Ranker(**{**SMALL, "pool": 30}, epochs=30, learning_rate=1e-2, blank=0.2, dropout=0.0).fit(data)


# ---- the first stage ---------------------------------------------------------------------------------------------


def test_proposals_are_the_best_of_each_model_without_the_history(data: Dataset) -> None:
    rng = np.random.default_rng(1)
    profiles = data.profiles().take(slice(0, 5))
    scores = [rng.normal(size=(5, 30)).astype(np.float32) for _ in range(2)]
    given = _proposals.propose(scores, profiles, 4)
    for row in range(5):
        seen = set(profiles.take([row]).items.tolist())
        wanted: set[int] = set()
        for each in scores:
            wanted |= set([i for i in np.argsort(-each[row]) if i not in seen][:4])
        got = given.codes[row][given.codes[row] >= 0]
        assert sorted(wanted) == got.tolist()
        for m, each in enumerate(scores):
            raw = each[row, got].astype(np.float64)
            said = given.said[row, given.codes[row] >= 0, m]
            np.testing.assert_allclose(said, (raw - raw.mean()) / raw.std(), rtol=1e-4, atol=1e-5)


def test_equal_scores_say_nothing(data: Dataset) -> None:
    given = _proposals.propose([np.full((2, 30), 0.1, np.float32)], data.profiles().take(slice(0, 2)), 6)
    assert not given.said.any()


def test_questions_hide_what_they_ask_for(data: Dataset) -> None:
    """By a plain loop: what is hidden is in no history of the models, their scores are those of a fit without it."""

    def make() -> list[Recommender]:
        return [ItemKnn(), Ease(reg=5.0)]

    asked = _proposals.ask(make, data, folds=3, size=6, run=Run(progress=False))
    whole = data.positives().toarray()
    hidden = np.zeros((3, *whole.shape))
    for q in range(len(asked.person)):
        person, left = asked.person[q], asked.history[q].toarray()[0]
        hidden[asked.part[q], person] = whole[person] - left
        assert (hidden[asked.part[q], person] >= 0).all()
        for code, event in zip(asked.codes[q], asked.event[q], strict=True):
            assert (event >= 0) == (code >= 0 and hidden[asked.part[q], person, code] > 0)
            if event >= 0:
                assert (data.users[event], data.items[event]) == (person, code)
                later = (data.users == person) & (data.items == code)
                assert data.times is not None
                assert data.times[event] == data.times[later].max()
        assert not left[asked.codes[q][asked.codes[q] >= 0]].any()
    np.testing.assert_array_equal(hidden.sum(axis=0), whole)  # each positive is hidden once
    sizes = hidden.sum(axis=2)
    assert (sizes.max(axis=0) - sizes.min(axis=0) <= 1).all()
    for part in range(3):
        rest = data.take(np.array([hidden[part, u, i] == 0 for u, i in zip(data.users, data.items, strict=True)]))
        first = Ease(reg=5.0).fit(rest)
        rows = np.flatnonzero(asked.part == part)[:4]
        raw = first.score(rest.profiles(asked.person[rows]))
        for at, q in enumerate(rows):
            there = asked.codes[q] >= 0
            known = raw[at, asked.codes[q][there]].astype(np.float64)
            standard = (known - known.mean()) / known.std()
            np.testing.assert_allclose(asked.said[q, there, 1], standard, rtol=1e-3, atol=1e-3)
        counts = np.log1p((whole - hidden[part]).sum(axis=0))
        np.testing.assert_allclose(asked.popularity[part], (counts - counts.mean()) / counts.std(), rtol=1e-4)


def test_lessons_are_the_hidden_among_others(data: Dataset) -> None:
    asked = _proposals.ask(lambda: [Ease(reg=5.0)], data, folds=3, size=8, run=Run(progress=False))
    items = sp.csr_matrix(np.eye(30, dtype=np.float32))
    people = sp.csr_matrix(np.eye(60, dtype=np.float32))
    moments = sp.csr_matrix(np.arange(1, len(data) + 1, dtype=np.float32)[:, None])
    lessons = _proposals.Lessons(asked, items, people, moments, size=32, negatives=5, blank=0.3)
    batches = list(lessons.epoch(np.random.default_rng(0)))
    assert len(batches) == lessons.steps
    seen, shown = [], []
    for batch in batches:
        for row in np.flatnonzero(batch["weight"]):
            person = int(batch["user_attributes"][row, 0])
            told, timed = batch["user_attributes_share"][row, 0], batch["moments_share"][row, 0]
            shown.append((told > 0, timed > 0))
            target = int(batch["ids"][row, 0])
            seen.append((person, target))
            if timed > 0:
                assert (data.users[int(timed) - 1], data.items[int(timed) - 1]) == (person, target)
            mine = batch["history"][row][batch["history_share"][row] > 0]
            assert batch["history_share"][row].sum() == pytest.approx(1.0)
            assert target not in mine
            positives = set(data.items[data.users == person])
            others = batch["ids"][row, 1:][batch["there"][row, 1:] > 0]
            assert not positives & set(others.tolist())
    there = np.argwhere(asked.event >= 0)
    assert sorted(seen) == sorted((int(asked.person[q]), int(asked.codes[q, p])) for q, p in there)
    assert np.mean(shown, axis=0) == pytest.approx([0.7, 0.7], abs=0.1)


# ---- the network -------------------------------------------------------------------------------------------------


def plain_score(model: Ranker, item: int, user: np.ndarray, when: np.ndarray, said: np.ndarray) -> float:
    """The formula of ranker.py, number by number."""
    e = model.items_[item].astype(np.float64)
    squashed = np.sign(said) * np.log(1 + np.abs(said))
    x = np.concatenate([e, user, when, e * user, e * when, squashed, [model.popularity_[item]]])
    weights = [w.astype(np.float64) for w in model.weights_]
    y = x
    for layer in range(model.crosses):
        y = x * (weights[2 * layer].T @ y + weights[2 * layer + 1]) + y
    h = x
    for kernel, bias in zip(weights[2 * model.crosses : -1 : 2], weights[2 * model.crosses + 1 : -1 : 2], strict=True):
        h = np.maximum(kernel.T @ h + bias, 0.0)
    whole = np.concatenate([y, h] if model.hidden else [y])
    return float(whole @ weights[-1][:, 0] + said @ model.gains_)


def test_scores_are_those_of_a_plain_loop(model: Ranker, data: Dataset) -> None:
    profiles = data.profiles([0, 7]).take([0, 1])
    evening = int(datetime(2026, 3, 2, 20, 30, tzinfo=UTC).timestamp())  # a Monday
    context = pl.DataFrame({"device": ["tv", "phone"]})
    profiles = replace(profiles, at=np.full(2, evening, np.int64), context=context)
    scores = model.score(profiles)
    first = model.members_[0].score(profiles)
    encoded = Features.of_state(model.moment_kinds_).encode(
        pl.DataFrame({"device": ["tv", "phone"], "\0hour": ["20", "20"], "\0weekday": ["4", "4"]})
    )
    ages = Features.of_state(model.user_kinds_).encode(profiles.attributes)
    for row in range(2):
        seen = set(profiles.take([row]).items.tolist())
        pool = [i for i in range(30) if i not in seen]
        raw = first[row, pool].astype(np.float64)
        said = (raw - raw.mean()) / raw.std()
        user = (
            np.mean([model.history_[i] for i in sorted(seen)], axis=0) + ages[row].toarray()[0] @ model.user_features_
        )
        when = encoded[row].toarray()[0] @ model.moment_features_
        for place, item in enumerate(pool):
            expected = plain_score(model, item, user, when, said[[place]])
            assert scores[row, item] == pytest.approx(expected, rel=1e-3, abs=1e-3)
        lowest = min(scores[row, pool])
        below = [scores[row, i] for i in sorted(seen, key=lambda i: -first[row, i])]
        assert below[0] < lowest
        assert below == sorted(below, reverse=True)  # the rest in the order of the first model


def test_the_loss_is_that_of_a_plain_loop() -> None:
    keras, rng = backend.keras(Run()), np.random.default_rng(3)
    model = Ranker(**SMALL, dropout=0.0, reg=0.1, crosses=2)
    layers = model._layers(keras, rng)
    assert not layers[-2].kernel.numpy().any()  # it begins with the models' own order
    for layer in layers:
        for variable in layer.trainable_variables:
            variable.assign(rng.normal(0.0, 0.3, variable.shape).astype(np.float32))
    r, c, f = 3, 5, 8
    shapes = {
        "ids": (r, c, f), "item_attributes": (r, c, 2, f), "history": (r, 4, f), "user_attributes": (r, 3, f),
        "moments": (r, 2, f),
    }  # fmt: skip
    rows = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    batch = {f"{n}_share": rng.random(s[:-1]).astype(np.float32) for n, s in shapes.items() if n != "ids"}
    batch |= {
        "said": rng.normal(size=(r, c, 1)).astype(np.float32), "popularity": rng.normal(size=(r, c)).astype(np.float32),
        "there": np.array([[1, 1, 0, 1, 1], [1, 0, 1, 1, 1], [1, 1, 1, 1, 0]], np.float32),
        "weight": np.array([1.0, 0.0, 1.0], np.float32), "seed": np.uint32(5),
    }  # fmt: skip
    got = float(model._loss(keras.ops, layers)(rows, batch))
    *model.weights_, gains = [v.numpy() for layer in layers for v in layer.trainable_variables]
    model.gains_ = gains[:, 0]
    total, sizes = [], {"item": [], "user": [], "when": []}
    for row in range(r):
        user = batch["history_share"][row] @ rows["history"][row]
        user = user + batch["user_attributes_share"][row] @ rows["user_attributes"][row]
        when = batch["moments_share"][row] @ rows["moments"][row]
        logits = []
        for at in range(c):
            item = rows["ids"][row, at] + batch["item_attributes_share"][row, at] @ rows["item_attributes"][row, at]
            model.items_, model.popularity_ = item[None], batch["popularity"][row, [at]]
            logits.append(plain_score(model, 0, user, when, batch["said"][row, at]))
            sizes["item"].append(item @ item)
        sizes["user"].append(user @ user)
        sizes["when"].append(when @ when)
        there = batch["there"][row] > 0
        total.append(np.log(np.exp(np.array(logits)[there]).sum()) - logits[0])
    expected = (total[0] + total[2]) / 2 + 0.1 * sum(np.mean(each) for each in sizes.values())
    assert got == pytest.approx(expected, rel=1e-4)


# ---- what it is for ----------------------------------------------------------------------------------------------


def test_planted_circumstances_decide_the_list(model: Ranker, tmp_path: Path) -> None:
    people = [f"p{u}" for u in range(0, 60, 5)]
    for device, at, kind in (
        ("tv", "2026-04-01 08:10", 0),
        ("phone", "2026-04-01 08:10", 1),
        ("tv", datetime(2026, 4, 1, 20, 5, tzinfo=UTC), 1),
        ("phone", int(datetime(2026, 4, 1, 20, 5, tzinfo=UTC).timestamp()), 2),
    ):
        lists = model.recommend(people, context={"device": device}, at=at, k=3)
        assert np.mean(lists["item"].to_numpy() % 3 == kind) > 0.9
    stranger = model.recommend(history=[0, 1, 2], context={"device": "phone"}, at="2026-04-01 20:00", k=3)
    assert (stranger["item"].to_numpy() % 3 == 2).all()
    model.save(tmp_path / "model.safetensors")
    again = hg.open(tmp_path / "model.safetensors", verify=True)
    for k, context in ((4, {"device": "tv"}), (3, None)):
        lists = (each.recommend(people, context=context, at=1_000_000, k=k) for each in (model, again))
        np.testing.assert_array_equal(*(each["item"] for each in lists))
    unknown = model.recommend(people, k=9)["item"].to_numpy() % 3
    assert np.bincount(unknown)[1] == np.bincount(unknown).max()  # of unknown circumstances the most frequent kind


def test_circumstances_that_cannot_be(model: Ranker, data: Dataset) -> None:
    with pytest.raises(DataError, match="the context must be columns of the events' context, got 'devise'; there are"):
        model.recommend("p0", context={"devise": "tv"})
    with pytest.raises(DataError, match="the context must be a mapping from columns to values, got 'tv'"):
        model.recommend("p0", context="tv")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="at must be seconds since 1970 or like 2026-11-24 20:00, got 'noon'"):
        model.recommend("p0", at="noon")
    bare = Ease().fit(hg.read(planted()))
    with pytest.raises(DataError, match="context= needs a model trained on data with context: read"):
        bare.recommend("p0", context={"device": "tv"})


def test_it_begins_with_the_order_of_the_model(data: Dataset) -> None:
    idle = Ranker(**SMALL, epochs=1, learning_rate=1e-6).fit(data)
    first = Ease(reg=5.0).fit(data)
    for user in ("p0", "p9", "p33"):
        np.testing.assert_array_equal(idle.recommend(user, k=8)["item"], first.recommend(user, k=8)["item"])


def test_what_it_says_of_its_models() -> None:
    with pytest.raises(ParameterError, match="there is no model 'eese'; did you mean ease"):
        Ranker(models="eese")
    with pytest.raises(ParameterError, match="Ranker.models must name at least one model"):
        Ranker(models=" ")
    assert Ranker(models="ease").fold_in == "exact"
    assert Ranker(models="ease,bpr").fold_in == "approximate"


def test_nothing_to_hide(tmp_path: Path) -> None:
    data = hg.read(pl.DataFrame({"user": [1, 2], "item": [5, 6]}))
    model = Ranker(epochs=1).fit(data)
    assert model.recommend(1)["item"].to_list() == [6]
    model.save(tmp_path / "model.safetensors")
    again = hg.open(tmp_path / "model.safetensors", verify=True)
    np.testing.assert_array_equal(again.score(again.histories_), model.score(model.histories_))


ALIKE = """
import sys
import numpy as np
import polars as pl
import honeyguide as hg
rng = np.random.default_rng(0)
columns = {"user": rng.integers(30, size=300), "item": rng.integers(20, size=300), "time": np.arange(300) * 5000}
model = hg.model("ranker", epochs=2, pool=10, factors=4, learning_rate=0.02)
model.fit(hg.read(pl.DataFrame(columns)), run=hg.Run(backend=sys.argv[1], threads=1))
np.save(sys.argv[2], model.score(model.histories_))
"""


def test_columns_of_the_clock_s_names_are_their_own() -> None:
    """A caller's own hour is not that of the moment, and a number may be declared a category."""
    events = planted(30).with_columns(hour=pl.Series(np.arange(360) % 7))
    data = hg.read(events, context=["hour", "device"], kinds={"hour": "category"})
    model = Ranker(**SMALL, epochs=1).fit(data)
    kinds = {name: kind for name, kind, *_ in model.moment_kinds_}
    assert kinds == {"hour": "category", "device": "category", "\0hour": "category", "\0weekday": "category"}
    asked = [model.recommend("p0", k=12, at="2026-04-01 20:00", **more) for more in ({}, {"context": {"hour": 20}})]
    np.testing.assert_array_equal(*(each["score"] for each in asked))  # 20 is no hour of the column's


def test_a_watched_fit_that_was_killed_keeps_its_models(data: Dataset, tmp_path: Path) -> None:
    train, validation = hg.split(data, "per-person", test=0.2, seed=0)
    given = {**SMALL, "models": "user_knn", "epochs": 5, "learning_rate": 0.5}

    class Stop(Exception):
        pass

    def fit(killed: int | None) -> tuple[Ranker, int]:
        watch = hg.early_stopping(train, validation, patience=9)
        seen: list[int] = []

        class Killing(type(watch)):  # type: ignore[misc]
            def __call__(self, model: Recommender, epoch: int) -> bool:
                seen.append(epoch)
                if len(seen) == killed:
                    raise Stop
                return super().__call__(model, epoch)

        watch.__class__ = Killing
        model = Ranker(**given).fit(train, run=Run(checkpoint=tmp_path / "kept", progress=False), watch=watch)
        return model, watch.best_epoch

    with pytest.raises(Stop):
        fit(4)
    model, _ = fit(None)
    assert hasattr(model.members_[0], "schema_")
    np.testing.assert_allclose(
        model.score(train.profiles([3])), model.score(train.profiles())[[3]], rtol=1e-4, atol=1e-4
    )


@pytest.mark.tensorflow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs tensorflow")
def test_with_one_seed_it_scores_alike_on_jax_and_tensorflow(tmp_path: Path) -> None:
    found = []
    for name in ("jax", "tensorflow"):
        path = tmp_path / f"{name}.npy"
        subprocess.run([sys.executable, "-c", ALIKE, name, str(path)], check=True)
        found.append(np.load(path))
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-3)
