"""SlopeOne and its reasons against slow loops on half-stars, which Surprise cuts off; a planted answer; memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import ArtifactError, MemoryBudgetError
from honeyguide.metrics.rating import rmse
from honeyguide.models.contributions import held
from honeyguide.models.neighbours.slope_one import SlopeOne
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def data(make: Make) -> Dataset:
    """Half-stars of 15 people and 12 items; one item without ratings, one person with a single one."""
    rng = np.random.default_rng(2)
    rows = [(u, i, float(rng.integers(1, 11) / 2), 0) for u in range(14) for i in range(11) if rng.random() < 0.3]
    rows = [row for row in rows if row[1] != 5] + [(14, 0, 4.5, 0), (14, 5, 2.5, 0), (13, 0, 0.5, 0)]
    return make([(0, -7, 1.0, 0), *rows]).take(np.arange(1, len(rows) + 1))


def matrix(data: Dataset) -> AnyArray:
    r = np.full((data.n_users, data.n_items), np.nan)
    r[data.users, data.items] = data.values
    return r


def baseline(data: Dataset) -> tuple[float, AnyArray, AnyArray]:
    """mean, b_u, b_i by loops, ten times the items' and then the people's."""
    r = matrix(data)
    mean, b_u, b_i = float(np.nanmean(r)), np.zeros(len(r)), np.zeros(r.shape[1])
    for _ in range(10):
        for i in range(r.shape[1]):
            here = ~np.isnan(r[:, i])
            b_i[i] = (r[here, i] - mean - b_u[here]).sum() / (3 + here.sum())
        for u in range(len(r)):
            here = ~np.isnan(r[u])
            b_u[u] = (r[u, here] - mean - b_i[here]).sum() / (5 + here.sum())
    return mean, b_u, b_i


def plain(data: Dataset, *, weighted: bool, prior: float, whole: bool = False) -> AnyArray:
    """(U, I) by loops over the formulas of the class; `whole` cuts ratings before it takes differences."""
    r = matrix(data)
    mean, b_u, b_i = baseline(data)
    out = mean + b_u[:, None] + b_i
    for u in range(len(r)):
        for i in range(r.shape[1]):
            sums, weights, devs = 0.0, 0, []
            for j in np.flatnonzero(~np.isnan(r[u])):
                both = np.flatnonzero(~np.isnan(r[:, i]) & ~np.isnan(r[:, j]))
                if j == i or len(both) == 0:
                    continue
                differences = [int(r[v, i]) - int(r[v, j]) if whole else r[v, i] - r[v, j] for v in both]
                devs.append(np.mean(differences))
                sums += len(both) * (devs[-1] + r[u, j])
                weights += len(both)
            if devs:
                slope = sums / weights if weighted else np.nanmean(r[u]) + np.mean(devs)
                out[u, i] = (len(devs) * slope + prior * out[u, i]) / (len(devs) + prior)
    return out


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("prior", [0.0, 16.0])
def test_public_predictions_are_those_of_a_plain_loop(data: Dataset, weighted: bool, prior: float) -> None:
    model = SlopeOne(weighted=weighted, prior=prior).fit(data)
    wanted = plain(data, weighted=weighted, prior=prior)
    users, items = data.schema.users.series(), data.schema.items.series()
    predicted = model.predict([(u, i) for u in users for i in items])["prediction"].to_numpy()
    np.testing.assert_allclose(predicted, np.clip(wanted, *data.schema.scale).ravel(), rtol=1e-4)
    for profiles in (data.profiles(), data.profiles().strangers()):
        np.testing.assert_allclose(model.score(profiles), wanted, rtol=1e-4)
        for item in range(data.n_items):  # one at a time it is the item's deviations that are read
            alone = model.score(profiles, np.array([item], np.int32))[:, 0]
            np.testing.assert_allclose(alone, wanted[:, item], rtol=1e-4)


def test_half_stars_count_where_surprise_cuts_them_off(data: Dataset, make: Make) -> None:
    """With differences of ratings cut to whole stars predictions are others, on whole stars the same."""
    exact, cut = (plain(data, weighted=False, prior=0.0, whole=whole) for whole in (False, True))
    ours = SlopeOne(weighted=False, prior=0.0).fit(data).score(data.profiles())
    np.testing.assert_allclose(ours, exact, rtol=1e-4)
    assert np.abs(ours - cut).max() > 0.4
    stars = make([(u, i, float(np.ceil(r)), 0) for u, i, r, _ in data.table().iter_rows()])
    exact, cut = (plain(stars, weighted=False, prior=0.0, whole=whole) for whole in (False, True))
    np.testing.assert_array_equal(exact, cut)


@pytest.mark.parametrize("weighted", [True, False])
def test_planted_levels_are_found(make: Make, weighted: bool) -> None:
    """Ratings that are a person's level plus an item's are predicted without error."""
    rng = np.random.default_rng(1)
    level, quality = rng.uniform(2, 3, 20), rng.uniform(-1, 1, 12)
    seen = rng.random((20, 12)) < 0.6
    data = make([(u, i, level[u] + quality[i], 0) for u, i in np.argwhere(seen).tolist()])
    model = SlopeOne(weighted=weighted, prior=0.0).fit(data)
    wanted = level[:, None] + quality
    if weighted:  # plain adds deviations to the mean of all of the history, this to the very ratings they belong to
        np.testing.assert_allclose(model.score(data.profiles()), wanted, atol=1e-4)
    np.testing.assert_allclose(model.score(data.profiles())[~seen], wanted[~seen], atol=1e-4)
    someone = strangers(data.schema, [[(3, float(2.5 + quality[3]))]])
    others = np.delete(np.arange(12), 3)
    np.testing.assert_allclose(model.score(someone)[0, others], 2.5 + quality[others], atol=1e-4)


def test_who_and_what_is_not_known_falls_back_on_the_baseline(data: Dataset) -> None:
    mean, b_u, b_i = baseline(data)
    model = SlopeOne().fit(data)
    np.testing.assert_allclose(model.score(strangers(data.schema, [[]]))[0], mean + b_i, rtol=1e-5)
    unseen = Pairs(np.array([2, 0], np.int32), np.array([-1, -1], np.int32))
    np.testing.assert_allclose(model.rate(data.profiles(), unseen), mean + b_u[[2, 0]], rtol=1e-5)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("prior", [0.0, 16.0])
def test_reasons_are_those_of_a_plain_loop(data: Dataset, weighted: bool, prior: float) -> None:
    model = SlopeOne(weighted=weighted, prior=prior).fit(data)
    r = matrix(data)
    mean, b_u, b_i = baseline(data)
    items = np.array([3, 0, 5, 11], np.int32)
    for user in range(len(r)):
        profile = data.profiles([user])
        mine = held(profile)
        found, scores = model.contributions(profile, items), model.score(profile, items)[0]
        for item, score, parts in zip(items, scores, found, strict=True):
            both = {j: np.flatnonzero(~np.isnan(r[:, item]) & ~np.isnan(r[:, j])) for j in mine if j != item}
            both = {j: people for j, people in both.items() if len(people)}
            weights = {j: len(people) if weighted else 1 for j, people in both.items()}
            trust = len(both) / (len(both) + prior) if both else 0.0
            wanted = np.zeros(len(mine))
            for place, j in enumerate(mine):
                if j in both:
                    dev = np.mean([r[v, item] - r[v, j] for v in both[j]])
                    said = dev + (r[user, j] if weighted else np.nanmean(r[user]))
                    wanted[place] += trust * weights[j] / sum(weights.values()) * (said - mean - b_u[user] - b_i[item])
                if not weighted:
                    wanted[place] += trust * (r[user, j] - np.nanmean(r[user])) / len(mine)
            assert [part.kind for part in parts] == ["average", "person", "item", "history"]
            np.testing.assert_allclose([part.weight for part in parts[:3]], [mean, b_u[user], b_i[item]], atol=1e-5)
            np.testing.assert_allclose(parts[3].shares, wanted, atol=1e-5)
            assert sum(part.weight for part in parts) == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("weighted", [True, False])
def test_planted_reason_comes_first(make: Make, weighted: bool) -> None:
    """Item 9 is rated as 1 is, and as 2 is: of 5 for 1 and 1 for 2, that for 1 speaks for 9 and that for 2 against."""
    rows = [(u, i, r, 0) for u in range(8) for i, r in ((1, 1.0 + u % 3), (9, 1.0 + u % 3))]
    rows += [(u, i, r, 0) for u in range(8, 16) for i, r in ((2, 3.0), (9, 3.0))]
    model = SlopeOne(weighted=weighted, prior=1.0).fit(make(rows))
    found = hg.explain(model, history=[(1, 5.0), (2, 1.0)], item=9).reasons[0]
    assert found.kind == "history"
    assert [(evidence.item, evidence.value) for evidence in found.evidence] == [(1, 5.0)]
    assert found.sentence == "because you rated Title of 1 5"


def test_pairs_are_counted_before_memory_is_taken(make: Make) -> None:
    """A person with every item is more than the estimate from counts alone expects."""
    data = make([(0, i, 3.0, 0) for i in range(300)] + [(u, u % 300, 4.0, 0) for u in range(1, 3000)])
    model, stated = SlopeOne(), SlopeOne().memory(data.shape)
    assert stated < 12 * 300 * 299
    with pytest.raises(MemoryBudgetError, match=r"SlopeOne needs .* for 89,700 pairs of items that share a person"):
        model.fit(data, run=hg.Run(memory=stated))
    assert SlopeOne().memory(Shape(6040, 3706, 1_000_209)) >= 12 * 3706**2


def test_a_file_with_too_few_counts_is_refused(data: Dataset, tmp_path: Path) -> None:
    model = SlopeOne().fit(data)
    model.common_ = model.common_[:-1]
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ArtifactError, match="counts for .* pairs of items; honeyguide verify its file"):
        hg.open(tmp_path / "m.safetensors").recommend(0)


@pytest.mark.quality
def test_error_on_movielens_100k_is_that_of_surprise(real_data: Path) -> None:
    """scikit-surprise 1.1.4 gets .9567 on this fold."""
    train, test = fold(1, folder=real_data)
    errors = [
        rmse(test.values, model.fit(train).predict(test)["prediction"].to_numpy())
        for model in (SlopeOne(weighted=False, prior=0.0), SlopeOne())
    ]
    assert errors[0] == pytest.approx(0.9567, abs=0.003)
    assert 0.93 < errors[1] < 0.95
