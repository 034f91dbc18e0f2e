"""Posterior means of a factorisation machine on planted data; strangers, times, attributes, intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import DataError, ParameterError
from honeyguide.metrics.rating import rmse
from honeyguide.models.factorization._relation_blocks import Block, Chain, identity, shares
from honeyguide.models.factorization.bayesian_fm import BayesianFm, _as_if_rated, many_hot, mixture_quantile

Make = Callable[..., Dataset]
DAY, NOISE = 86_400, 0.3


def planted(*, users: int = 120, items: int = 60, share: float = 0.4, seed: int = 0) -> pl.DataFrame:
    """Ratings 3 + b_u + b_i + u.v + noise of two factors; odd days are worth 1 more."""
    rng = np.random.default_rng(seed)
    u, v = rng.normal(0, 0.6, (users, 3)), rng.normal(0, 0.6, (items, 3))
    who, what = np.nonzero(rng.random((users, items)) < share)
    day = rng.integers(0, 20, len(who))
    rating = 3 + u[who, 0] + v[what, 0] + (u[who, 1:] * v[what, 1:]).sum(axis=1) + day % 2
    rating = rating + rng.normal(0, NOISE, len(who))
    return pl.DataFrame({"user": who, "item": what, "rating": rating, "time": day * DAY + 5})


def error(model: Any, test: Any) -> float:
    found = model.predict(test)
    return float(np.sqrt(((found["rating"] - found["prediction"]) ** 2).mean()))


def test_what_is_planted_is_found_and_days_are_what_they_add() -> None:
    train, test = hg.split(hg.read(planted(share=0.6)), "random", test=0.2, seed=1)
    timed = BayesianFm(factors=3, sweeps=120, time_bin=1.0).fit(train)
    blind = BayesianFm(factors=3, sweeps=120).fit(train)
    assert NOISE < error(timed, test) < 1.25 * NOISE
    assert np.hypot(NOISE, 0.5) * 0.97 < error(blind, test) < 1.2 * np.hypot(NOISE, 0.5)


def test_the_posterior_of_means_alone_is_the_closed_form() -> None:
    """One event a row and no factors to speak of: w_j of a block of ids are means shrunk to that of the group."""
    rng = np.random.default_rng(0)
    groups, truth = rng.integers(0, 8, 4_000), rng.normal(0, 1, 8)
    targets = (truth[groups] + rng.normal(0, 0.5, 4_000)).astype(np.float32)
    chain = Chain([Block(groups, [identity(8)])], targets, factors=1, levels=None, rng=rng)
    samples = []
    for _ in range(400):
        chain.sweep()
        samples.append(chain.sample())
    rows = np.array([s.intercept + s.rows[0][:, 0] for s in samples[50:]])
    means = np.array([targets[groups == g].mean() for g in range(8)])
    counts = np.bincount(groups)
    np.testing.assert_allclose(rows.mean(axis=0), means, atol=0.01)
    np.testing.assert_allclose(rows.std(axis=0), 0.5 / np.sqrt(counts), rtol=0.25)
    assert np.mean([s.noise for s in samples[50:]]) == pytest.approx(4.0, rel=0.08)


@pytest.mark.parametrize("output", ["gaussian", "probit"])
def test_a_stranger_with_a_known_history_and_intervals_that_cover(output: Any) -> None:
    table = planted(share=0.5).with_columns((pl.col("rating") * 2).round().clip(-2, 12) / 2)
    train, test = hg.split(hg.read(table), "random", test=0.3, seed=1)
    model = BayesianFm(factors=3, sweeps=120, output=output, time_bin=1.0).fit(train)
    known, pairs = train.profiles(), hg.data.profiles.Pairs(test.users, test.items, test.times)
    folded = model.rate(known.strangers(), pairs)
    of_strangers = float(np.sqrt(((test.values - folded) ** 2).mean()))
    assert error(model, test) < 0.45
    assert of_strangers < error(model, test) + 0.02
    for level in (0.5, 0.9):
        found = model.intervals(test, level=level)
        covered = found["rating"].is_between(found["low"] - 1e-6, found["high"] + 1e-6).mean()
        assert level - 0.05 < covered < level + (0.05 if output == "gaussian" else 0.3)  # levels are 0.5 apart
    assert found.columns == ["user", "item", "rating", "prediction", "low", "high"]
    assert found["low"].is_between(*train.schema.scale).all()
    with pytest.raises(ParameterError, match="level must be a number above 0 and below 1, got 1.0"):
        model.intervals(test, level=1.0)


def test_a_new_item_is_rated_by_its_attributes() -> None:
    rng = np.random.default_rng(4)
    table = planted(share=0.5).filter(pl.col("item") < 40).with_columns(pl.col("rating") + (pl.col("item") % 2) * 2)
    films = pl.DataFrame({"item": range(50), "kind": [f"even|{i % 3}" if i % 2 == 0 else "odd" for i in range(50)]})
    data = hg.read(table.sample(fraction=1.0, seed=1), items=films)
    model = BayesianFm(factors=3, sweeps=500, attributes="kind").fit(data)
    user = int(rng.integers(0, 100))
    odd, even = (
        model.predict([(user, i) for i in at])["prediction"].mean() for at in (range(41, 50, 2), range(40, 50, 2))
    )
    assert 1.4 < odd - even < 2.2
    plain = BayesianFm(factors=3, sweeps=30).fit(data)
    found = plain.predict([(user, i) for i in range(40, 50)])["prediction"]
    assert found.n_unique() == 1
    seen = plain.rate(
        data.profiles().take([user]), hg.data.profiles.Pairs(np.zeros(40, np.int32), np.arange(40, dtype=np.int32))
    )
    never = plain.predict([(user, -1)])["prediction"][0]
    assert never == pytest.approx(seen.mean(), abs=0.02)
    assert found[0] == pytest.approx(seen.mean(), abs=0.35)
    with pytest.raises(
        DataError, match=r"attributes must be columns of the table of items, got 'year'; there are: .*kind"
    ):
        BayesianFm(attributes="kind,year").fit(data)


def test_what_someone_rated_says_what_they_like() -> None:
    """Of two kinds of people each rates films of one half, at random marks, and some others, by their kind."""
    rng = np.random.default_rng(5)
    kind, rows = rng.integers(0, 2, 300), []
    for user in range(300):
        rows += [
            (user, int(item), float(rng.integers(1, 6))) for item in rng.choice(20, 5, replace=False) + 20 * kind[user]
        ]
        rows += [(user, 40 + int(item), 4.5 if kind[user] else 1.5) for item in rng.choice(20, 2, replace=False)]
    data = hg.read(pl.DataFrame(rows, schema=["user", "item", "rating"], orient="row"))
    train, test = hg.split(data, "random", test=0.2, seed=1)
    told = test.take(test.items >= np.searchsorted(data.schema.items.series(), 40))
    given, blind = (BayesianFm(factors=3, sweeps=80, implicit=implicit).fit(train) for implicit in (True, False))
    assert error(given, told) < 0.8 * error(blind, told)


def test_with_few_ratings_a_stranger_is_like_all_people() -> None:
    """What someone rated is a feature learned from histories of twenty and more; one rating says little by it."""
    data = hg.load("movielens-small")
    rng, order = np.random.default_rng(0), np.random.default_rng(1).permutation(len(data))
    out = rng.choice(data.n_users, 120, replace=False)
    train, held = data.take(~np.isin(data.users, out)), data.take(order[np.isin(data.users[order], out)])
    place = pl.Series(held.users).to_frame("u").select(pl.int_range(pl.len()).over("u")).to_series().to_numpy()
    people, rows = np.unique(held.users, return_inverse=True)
    asked = hg.data.profiles.Pairs(rows[place >= 10].astype(np.int32), held.items[place >= 10])
    bias, model = hg.models.Bias().fit(train), BayesianFm(factors=4, sweeps=30).fit(train)
    assert 20 <= model.usual_ <= 25
    never, rated = (
        model.item_rows_[:, np.isin(np.arange(data.n_items), train.items) == known, 1:] for known in (False, True)
    )
    assert np.abs(never[:, 0] - rated.mean(axis=1)).mean() < 0.1 * np.abs(rated.mean(axis=1)).mean()
    for shown, gain in ((0, -0.01), (1, -0.005), (3, 0.0), (9, 0.01)):
        profiles = held.take(place < shown).profiles(people).strangers()
        of_bias, ours = (
            np.sqrt(np.mean((m.rate(profiles, asked) - held.values[place >= 10]) ** 2)) for m in (bias, model)
        )
        assert ours < of_bias - gain


def test_someone_of_whom_nothing_is_known_is_the_mean_of_all() -> None:
    data = hg.read(planted(users=40, items=25))
    model = BayesianFm(factors=2, sweeps=20, keep=3).fit(data)
    nobody = hg.models.base.people.strangers(data.schema, [[]])
    np.testing.assert_allclose(
        model._people(nobody, hg.Run())[:, 0], model.user_rows_.mean(axis=1), rtol=1e-3, atol=1e-4
    )
    halfway = model._precisions(0)[model.usual_ // 2]
    share = model.usual_ // 2 / model.usual_
    own, others = np.diag(model.person_spread_[0]), model.others_spread_[0]
    np.testing.assert_allclose(np.linalg.inv(halfway), share * own + (1 - share) * others, rtol=0.02, atol=0.01)


def test_an_item_nobody_rated_gets_what_histories_add_to_others() -> None:
    rng = np.random.default_rng(6)
    vectors, rows = rng.normal(0, 1, (7, 3)).astype(np.float32), rng.normal(0, 1, (4, 3)).astype(np.float32)
    ones = sp.csr_matrix((rng.random((3, 7)) < 0.6).astype(np.float32))
    weights, before = shares(ones), rows.copy()
    _as_if_rated(rows, np.array([False, False, True, False]), weights, vectors)
    x = weights.toarray()
    added = x @ vectors
    added[:, 0] += ((added[:, 1:] ** 2).sum(axis=1) - (x**2) @ (vectors[:, 1:] ** 2).sum(axis=1)) / 2
    mean, own = added.mean(axis=0), before[2]
    expected = [own[0] + mean[0] + own[1:] @ mean[1:], *(own[1:] + mean[1:])]
    np.testing.assert_allclose(rows[2], expected, rtol=1e-5)
    np.testing.assert_array_equal(np.delete(rows, 2, axis=0), np.delete(before, 2, axis=0))


def test_lists_are_made_by_ratings_at_the_moment_of_asking() -> None:
    data = hg.read(planted(users=20, items=15))
    model = BayesianFm(factors=2, sweeps=20, time_bin=1.0).fit(data)
    moments = np.arange(20) * DAY
    everyone = replace(data.profiles(), at=moments)
    rows, items = (each.ravel().astype(np.int32) for each in np.indices((20, data.n_items)))
    rated = model.rate(everyone, hg.data.profiles.Pairs(rows, items, moments[rows]))
    np.testing.assert_allclose(model.score(everyone).ravel(), rated, rtol=1e-4)
    assert np.abs(model.score(everyone) - model.score(data.profiles())).max() > 0.2


def test_a_history_counts_by_the_root_of_its_length() -> None:
    found = shares(sp.csr_matrix(np.array([[1.0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]])))
    np.testing.assert_array_equal(found.toarray(), [[0.5, 0, 0.5, 0.5, 0.5], [0] * 5, [0, 1, 0, 0, 0]])


def test_more_draws_kept_predict_no_worse() -> None:
    train, test = hg.split(hg.read(planted()), "random", test=0.2, seed=1)
    few, many = (BayesianFm(factors=3, sweeps=80, keep=keep).fit(train) for keep in (2, 64))
    assert error(many, test) < error(few, test)
    assert (few.item_rows_.shape[0], many.item_rows_.shape[0]) == (2, 64)


def test_times_that_are_missing_or_beyond_those_known(make: Make) -> None:
    rows = [(f"u{u}", f"i{i}", float(1 + (u + i) % 5), (u % 3) * 4 * DAY) for u in range(12) for i in range(8)]
    with pytest.raises(DataError, match="time_bin needs events with times; name them with time="):
        BayesianFm(time_bin=1.0).fit(make(rows, timed=False))
    model = BayesianFm(factors=2, sweeps=20, time_bin=2.0).fit(make(rows))
    assert model.days_.tolist() == [0, 2, 4]
    nearest = np.array([-9, 0, 1, 3, 5, 9_999]) * DAY
    assert model._places(nearest, 6).tolist() == [0, 0, 0, 0, 1, 2]  # bins of two days; of two as near the first
    assert model._places(None, 2).tolist() == [3, 3]


def test_quantiles_of_a_mixture() -> None:
    means, precisions = np.float32([[0.0, 3.0], [2.0, 3.0]]), np.float32([1.0, 4.0])
    rng = np.random.default_rng(0)
    draws = np.concatenate([means[s] + rng.normal(0, precisions[s] ** -0.5, (200_000, 2)) for s in range(2)])
    for share in (0.05, 0.5, 0.9):
        found = mixture_quantile(means, precisions, share)
        np.testing.assert_allclose(found, np.quantile(draws, share, axis=0), atol=0.02)


def test_several_values_of_one_attribute() -> None:
    found = many_hot(pl.Series(["b|a|b", None, "", "c"]))
    assert isinstance(found, sp.csr_matrix)
    np.testing.assert_array_equal(found.toarray(), [[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]])


@pytest.mark.data
@pytest.mark.quality
def test_error_on_movielens_100k(real_data: Path) -> None:
    train, test = fold(1, folder=real_data)
    model = BayesianFm(sweeps=60, keep=80).fit(train)
    error = rmse(test.values, model.predict(test)["prediction"].to_numpy())
    assert 0.886 < error < 0.894
    covered = model.intervals(test, level=0.9)
    assert 0.88 < covered["rating"].is_between(covered["low"], covered["high"]).mean() < 0.94
