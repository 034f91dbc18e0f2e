"""Hybrid factors against the dense least-squares answers, the gradient and als; planted attributes; what is new."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.models.content.hybrid_mf import HybridMf
from honeyguide.models.people import strangers
from honeyguide.run import Run

KINDS = ("news", "drama", "sport")
GIVEN = {"factors": 5, "alpha": 4.0, "reg": 0.05, "attribute_reg": 0.7}


def planted(people: int = 36, items: int = 30, *, seed: int = 0, attributes: bool = True) -> Dataset:
    """People of a team have items of its kind, and one of another; the last three items and two people have nothing."""
    rng = np.random.default_rng(seed)
    things = pl.DataFrame(
        {
            "id": range(items),
            "kind": [KINDS[i % 3] for i in range(items)],
            "tags": [f"t{i % 5}|s{i % 7}" for i in range(items)],
        }
    )
    who = pl.DataFrame({"id": range(people), "team": [f"team {u % 3}" for u in range(people)]})
    rows = [(u, 3 * int(i) + u % 3) for u in range(people - 2) for i in rng.permutation(items // 3 - 1)[:4]]
    rows += [(u, int(rng.integers(items - 3))) for u in range(people - 2)]
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    if not attributes:
        things, who = things.select("id"), who.select("id")
    return hg.read(events, items=things, users=who, kinds={"kind": "category"} if attributes else {})


@pytest.fixture(scope="module")
def data() -> Dataset:
    return planted()


def one_hot(table: pl.DataFrame, columns: tuple[str, ...], codes: np.ndarray) -> np.ndarray:
    """(R, D) by a plain loop: of each column's values the ones that two of the rows `codes` have, sorted."""
    found = []
    for column in columns:
        values = [str(value).split("|") for value in table[column]]
        held = [value for code in np.unique(codes) for value in values[code]]
        for value in sorted({value for value in held if held.count(value) > 1}):
            found.append([(value in mine) / np.sqrt(len(mine)) for mine in values])
    return np.array(found).T


def parts(model: HybridMf, data: Dataset) -> dict[str, np.ndarray]:
    """What the objective is made of, in float64, from the events: p, c, penalties r, attributes, A, B, x and y."""
    known = np.zeros((data.n_users, data.n_items))
    known[data.users, data.items] = 1.0
    sure = 1.0 + model.alpha * known
    people, items = known.any(axis=1), known.any(axis=0)
    return {
        "p": known, "c": sure, "people": people, "items": items,
        "r_u": model.reg * sure[:, items].sum(axis=1) ** model.nu,
        "r_i": model.reg * sure[people].sum(axis=0) ** model.nu,
        "a": one_hot(data.schema.user_table, ("team",), data.users),
        "b": one_hot(data.schema.item_table, ("kind", "tags"), data.items),
        "A": model.user_features_.astype(np.float64), "B": model.item_features_.astype(np.float64),
        "x": model.user_vectors(data.profiles()).astype(np.float64), "y": model.item_vectors().astype(np.float64),
    }  # fmt: skip


def loss(model: HybridMf, data: Dataset) -> float:
    """The objective of the module's docstring, over who and what has events."""
    at = parts(model, data)
    x, y, own = at["x"] * at["people"][:, None], at["y"] * at["items"][:, None], 0.0
    for vectors, there, penalties, features, weights in (
        (x, at["people"], at["r_u"], at["a"], at["A"]), (y, at["items"], at["r_i"], at["b"], at["B"]),
    ):  # fmt: skip
        away = ((vectors - features @ weights) ** 2).sum(axis=1)
        own += (penalties * away)[there].sum() + model.attribute_reg * penalties[there].mean() * (weights**2).sum()
    return float((at["c"] * (at["p"] - x @ y.T) ** 2).sum() + own)


@pytest.mark.parametrize("nu", [1.0, 0.4])
def test_a_person_is_the_dense_least_squares_answer_around_the_prior(data: Dataset, nu: float) -> None:
    model = HybridMf(**GIVEN, nu=nu, epochs=3).fit(data)
    at = parts(model, data)
    y = at["y"] * at["items"][:, None]
    for user in range(data.n_users):
        prior = at["a"][user] @ at["A"]
        if at["people"][user]:  # every pair of the person, the unknown ones too
            gram = y.T @ (at["c"][user][:, None] * y) + at["r_u"][user] * np.eye(5)
            expected = np.linalg.solve(gram, y.T @ (at["c"][user] * at["p"][user]) + at["r_u"][user] * prior)
        else:
            expected = prior
        np.testing.assert_allclose(at["x"][user], expected, atol=2e-5)
        assert np.abs(prior).max() > 0.02
    np.testing.assert_allclose(model.score(data.profiles()), at["x"] @ at["y"].T, atol=2e-5)
    assert (model.score(data.profiles()) == model.score(data.profiles().strangers())).all()


def test_the_gradient_of_the_objective_is_zero_at_the_end(data: Dataset) -> None:
    model = HybridMf(**GIVEN, epochs=500).fit(data)
    at = parts(model, data)
    x, y = at["x"] * at["people"][:, None], at["y"] * at["items"][:, None]
    wrong = at["c"] * (x @ y.T - at["p"])
    away = [(x - at["a"] @ at["A"]) * (at["r_u"] * at["people"])[:, None],
            (y - at["b"] @ at["B"]) * (at["r_i"] * at["items"])[:, None]]  # fmt: skip
    means = [model.attribute_reg * at["r_u"][at["people"]].mean(), model.attribute_reg * at["r_i"][at["items"]].mean()]
    slopes = {
        "x": wrong @ y + away[0], "y": wrong.T @ x + away[1],
        "A": means[0] * at["A"] - at["a"].T @ away[0], "B": means[1] * at["B"] - at["b"].T @ away[1],
    }  # fmt: skip
    for name, slope in slopes.items():
        there = {"x": at["people"], "y": at["items"]}.get(name, slice(None))
        assert np.abs(slope[there]).max() < 3e-3, name
        assert np.abs(at[name]).max() > 0.05, name


def test_the_objective_falls_with_every_epoch(data: Dataset) -> None:
    found: list[float] = []
    HybridMf(**GIVEN, epochs=12).fit(data, watch=lambda model, _: bool(found.append(loss(model, data))))
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(found)), found
    assert found[-1] < 0.9 * found[0]


def test_without_attributes_it_is_als() -> None:
    bare = planted(attributes=False)
    given = {"factors": 4, "alpha": 4.0, "reg": 0.05, "epochs": 60}
    ours, als = HybridMf(**given).fit(bare), hg.models.Als(**given).fit(bare)
    np.testing.assert_allclose(ours.score(bare.profiles()), als.score(bare.profiles()), atol=1e-4)
    heavy = HybridMf(**given, attribute_reg=1e6).fit(planted())  # attributes that may say nothing
    np.testing.assert_allclose(heavy.score(bare.profiles()), als.score(bare.profiles()), atol=1e-3)


def test_a_heavy_penalty_leaves_attributes_alone(data: Dataset) -> None:
    """Then vectors of one team, or of the same kind and tags, are equal."""
    model = HybridMf(factors=4, reg=300.0, attribute_reg=1e-3, epochs=200, init_std=3.0).fit(data)
    at = parts(model, data)
    for vectors, told in (("x", at["a"] @ at["A"]), ("y", at["b"] @ at["B"])):
        assert np.abs(at[vectors] - told).max() < 0.02 * max(np.abs(told).max(), 1e-9) + 1e-6


def test_planted_tastes_reach_whom_and_what_nobody_knows(data: Dataset, tmp_path: Path) -> None:
    model = HybridMf(factors=8).fit(data)
    new = model.recommend(list(range(34)), items=[27, 28, 29], k=1)  # nobody has these
    assert (new["item"] % 3 == new["user"] % 3).all()
    for team in range(3):
        told = model.recommend(attributes={"team": f"team {team}"}, k=5)
        assert (told["item"] % 3 == team).all()
    mixed = strangers(data.schema, [[1, 4]])  # a history speaks louder than what is not known
    assert model.score(mixed)[0].argmax() % 3 == 1
    table = pl.DataFrame({"id": [100, 101, 3], "kind": ["drama", "opera", "news"], "tags": ["t1|s2", None, "t0"]})
    more = model.with_items(table)
    scores = more.score(more.histories_)
    np.testing.assert_array_equal(scores[:, :30], model.score(model.histories_))
    assert (scores[1:34:3, 30] > scores[1:34:3, 27]).mean() > 0.8  # a drama, for people of team 1
    assert (scores[:, 31] == 0).all()  # nothing is known of an opera
    more.save(tmp_path / "more.safetensors")
    again = hg.open(tmp_path / "more.safetensors", verify=True)
    np.testing.assert_array_equal(again.score(again.histories_), scores)
    assert more.recommend(history=[100, 1], k=3)["item"].to_list()[0] % 3 == 1
    near = model.similar_items([4], k=5)["similar"].to_numpy()
    assert (near % 3 == 1).mean() >= 0.8


def test_threads_change_no_bit(data: Dataset) -> None:
    one, two = (HybridMf(factors=6, epochs=4).fit(data, run=Run(seed=5, threads=n)) for n in (1, 2))
    assert (one.item_vectors_ == two.item_vectors_).all()
    other = HybridMf(factors=6, epochs=4).fit(data, run=Run(seed=6))
    assert not np.allclose(one.item_vectors_, other.item_vectors_)


def test_lists_are_searched_for_by_vectors(data: Dataset) -> None:
    model = HybridMf(factors=6).fit(data)
    table, scores = model.recommend(list(range(36)), k=3, seen=True), model.score(data.profiles())
    best = np.sort(scores, axis=1)[:, ::-1][:, :3]
    np.testing.assert_allclose(table["score"].to_numpy().reshape(36, 3), best, atol=1e-5)


def test_contributions_add_up_and_are_what_the_history_adds(data: Dataset) -> None:
    model = HybridMf(**GIVEN, epochs=4).fit(data)
    codes, one = np.array([4, 0, 28], np.int32), data.profiles([7])
    scores, found = model.score(one, codes)[0], model.contributions(one, codes)
    at = parts(model, data)
    y = at["y"] * at["items"][:, None]
    inverse = np.linalg.inv(y.T @ (at["c"][7][:, None] * y) + at["r_u"][7] * np.eye(5))
    mine = np.unique(one.items)
    for code, score, made in zip(codes, scores, found, strict=True):
        assert sum(part.weight for part in made) == pytest.approx(score, abs=1e-5)
        shares = np.sum([part.shares for part in made if part.shares is not None], axis=0)
        expected = [(1 + model.alpha) * at["y"][code] @ inverse @ at["y"][item] for item in mine]
        np.testing.assert_allclose(shares, expected, atol=2e-5)
        told = {(part.name, part.value): part.weight for part in made if part.kind == "attribute"}
        assert set(told) == {("kind", KINDS[code % 3]), ("tags", f"t{code % 5}"), ("tags", f"s{code % 7}")}
        kind = at["B"][sorted(KINDS).index(KINDS[code % 3])]
        assert told["kind", KINDS[code % 3]] == pytest.approx(at["x"][7] @ kind, abs=1e-5)
    nobody = model.contributions(data.profiles([35]), codes[:1])[0]
    assert sum(part.weight for part in nobody) == pytest.approx(
        model.score(data.profiles([35]), codes[:1])[0, 0], abs=1e-6
    )
