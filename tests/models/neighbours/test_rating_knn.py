"""RatingKnn against slow loops over its formulas, planted tastes and what Surprise gets; who and what is not known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.metrics.rating import rmse
from honeyguide.models.neighbours.rating_knn import RatingKnn
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]
USERS, ITEMS = 14, 11


@pytest.fixture(scope="module")
def data(make: Make) -> Dataset:
    """Ratings that no two pairs share, one person and one item with a single rating, an item with none."""
    rng = np.random.default_rng(8)
    rows = [(u, i, float(rng.uniform(1, 5)), 0) for u in range(USERS) for i in range(ITEMS) if rng.random() < 0.5]
    rows = [row for row in rows if row[0] != 3 and row[1] != 5] + [(3, 0, 4.5, 0), (4, 5, 2.25, 0)]
    return make([(0, -7, 1.0, 0), *rows]).take(np.arange(1, len(rows) + 1))


def bases(r: AnyArray, reg_user: float, reg_item: float) -> tuple[float, AnyArray, AnyArray]:
    """mean, b_u, b_i by loops, ten times the items' and then the people's."""
    mean, b_u, b_i = np.nanmean(r), np.zeros(len(r)), np.zeros(r.shape[1])
    for _ in range(10):
        for i in range(r.shape[1]):
            here = ~np.isnan(r[:, i])
            b_i[i] = (r[here, i] - mean - b_u[here]).sum() / (reg_item + here.sum())
        for u in range(len(r)):
            here = ~np.isnan(r[u])
            b_u[u] = (r[u, here] - mean - b_i[here]).sum() / (reg_user + here.sum())
    return float(mean), b_u, b_i


def alike(a: AnyArray, b: AnyArray, model: RatingKnn) -> float:
    """The similarity of two columns of ratings or of what they are above their baselines, NaN being none."""
    both = ~np.isnan(a) & ~np.isnan(b)
    a, b, n = a[both], b[both], int(both.sum())
    if n < model.min_support:
        return 0.0
    match model.measure:
        case "msd":
            return float(1 / (1 + ((a - b) ** 2).mean()))
        case "pearson":
            return 0.0 if n < 2 else float(np.corrcoef(a, b)[0, 1])
        case "pearson_baseline":
            return 0.0 if n < 2 else float(a @ b / np.sqrt((a @ a) * (b @ b)) * (n - 1) / (n - 1 + model.shrink))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def plain(data: Dataset, model: RatingKnn) -> AnyArray:
    """(U, I) by loops over the formulas of the class; rows are what neighbours are: items, or people."""
    r = np.full((data.n_users, data.n_items), np.nan)
    r[data.users, data.items] = data.values
    mean, b_u, b_i = bases(r, model.reg_user, model.reg_item)
    base = mean + b_u[:, None] + b_i
    compared = r - base if model.measure == "pearson_baseline" else r
    if model.by == "item":
        r, base, compared = r.T, base.T, compared.T
    means = np.array([np.nanmean(row) if (~np.isnan(row)).any() else 0.0 for row in r])
    spreads = np.array([np.nanstd(row) if (~np.isnan(row)).any() else 0.0 for row in r])
    spreads[spreads == 0] = np.nanstd(r)
    same = [[bool((np.isnan(a) == np.isnan(b)).all()) for b in r] for a in r]
    out = base.copy()
    for x, y in np.ndindex(*r.shape):
        found = []
        for v in range(len(r)):
            if v == x or np.isnan(r[v, y]) or (model.by == "user" and same[x][v]):
                continue
            found.append((alike(compared[x], compared[v], model), v))
        found = sorted((-s, v) for s, v in found if s > 0)
        if model.by == "item" and model.kept is not None:  # among the most similar of all, not of those asked
            near = sorted((-alike(compared[x], compared[v], model), v) for v in range(len(r)) if v != x)[: model.kept]
            found = [one for one in found if one in near]
        weight, total = 0.0, 0.0
        for minus, v in found[: model.neighbours]:
            said = {
                "basic": r[v, y],
                "centred": means[x] + r[v, y] - means[v],
                "z-scored": means[x] + spreads[x] * (r[v, y] - means[v]) / spreads[v],
                "baseline": base[x, y] + r[v, y] - base[v, y],
            }[model.kind]
            weight, total = weight - minus, total - minus * said
        if weight > 0 and len(found[: model.neighbours]) >= model.min_neighbours:
            out[x, y] = (total + model.prior * base[x, y]) / (weight + model.prior)
    return out.T if model.by == "item" else out


SETTINGS = [
    *({"kind": k, "measure": m} for k, m in itertools.product(
        ("basic", "centred", "z-scored", "baseline"), ("cosine", "msd", "pearson", "pearson_baseline")
    )),
    {"neighbours": 2, "prior": 0.0}, {"neighbours": 3, "measure": "msd", "min_neighbours": 3, "prior": 1.5},
    {"min_support": 3, "measure": "cosine"}, {"shrink": 3.0, "reg_user": 15.0, "reg_item": 10.0},
]  # fmt: skip


@pytest.mark.parametrize("by", ["item", "user"])
@pytest.mark.parametrize("given", SETTINGS, ids=lambda given: " ".join(map(str, given.values())))
def test_public_predictions_are_those_of_a_plain_loop(data: Dataset, given: dict[str, object], by: str) -> None:
    model = RatingKnn(by=by, **given).fit(data)  # type: ignore[arg-type]
    wanted = plain(data, model)
    pairs = [(u, i) for u in data.schema.users.series() for i in data.schema.items.series()]
    predicted = model.predict(pairs)["prediction"].to_numpy()
    np.testing.assert_allclose(predicted, np.clip(wanted, *data.schema.scale).ravel(), rtol=1e-4)
    for profiles in (data.profiles(), data.profiles().strangers()):
        np.testing.assert_allclose(model.score(profiles), wanted, rtol=1e-4)


@pytest.mark.parametrize("kept", [1, 4])
def test_kept_are_the_most_similar_of_all(data: Dataset, kept: int) -> None:
    model = RatingKnn(kept=kept).fit(data)
    np.testing.assert_allclose(model.score(data.profiles()), plain(data, model), rtol=1e-4)


@pytest.mark.parametrize("given", [{}, {"by": "user"}, {"by": "user", "kind": "z-scored", "measure": "msd"}], ids=str)
def test_who_and_what_is_not_known_falls_back_on_the_baseline(data: Dataset, given: dict[str, object]) -> None:
    model = RatingKnn(**given).fit(data)  # type: ignore[arg-type]
    r = np.full((data.n_users, data.n_items), np.nan)
    r[data.users, data.items] = data.values
    mean, b_u, b_i = bases(r, model.reg_user, model.reg_item)
    nobody = strangers(data.schema, [[]])
    np.testing.assert_allclose(model.score(nobody)[0], mean + b_i, rtol=1e-5)
    unseen = Pairs(np.array([2, 0], np.int32), np.array([-1, -1], np.int32))
    np.testing.assert_allclose(model.rate(data.profiles(), unseen), mean + b_u[[2, 0]], rtol=1e-5)


def test_pairs_are_rated_as_scored_in_any_order(data: Dataset) -> None:
    rng = np.random.default_rng(1)
    rows, items = rng.integers(0, USERS, 200), rng.integers(0, data.n_items, 200)
    for by in ("item", "user"):
        model = RatingKnn(by=by).fit(data)
        rated = model.rate(data.profiles(), Pairs(rows.astype(np.int32), items.astype(np.int32)))
        np.testing.assert_array_equal(rated, model.score(data.profiles())[rows, items])


@pytest.mark.parametrize("by", ["item", "user"])
def test_of_equally_similar_ones_the_first_are_asked(make: Make, by: str) -> None:
    """Person 0, like item 0, agrees with 1, 2 and 3 alike; what these say of the item, or to the person, differs."""
    shared = [(0, i, 3.0) for i in (0, 1)] + [(v, i, 3.0) for v in (1, 2, 3) for i in (0, 1)]
    told = [(1, 5, 5.0), (2, 5, 4.0), (3, 5, 1.0)]
    rows = [(u, i, r, 0) if by == "user" else (i, u, r, 0) for u, i, r in shared + told]
    for neighbours, wanted in ((1, 5.0), (2, 4.5), (3, 10 / 3)):
        model = RatingKnn(by=by, kind="basic", measure="msd", neighbours=neighbours, prior=0.0).fit(make(rows))
        pair = (0, 5) if by == "user" else (5, 0)
        assert model.predict([pair])["prediction"][0] == pytest.approx(wanted)


@pytest.mark.parametrize("by", ["item", "user"])
@pytest.mark.parametrize("measure", ["msd", "pearson_baseline", "pearson"])
def test_planted_tastes(make: Make, by: str, measure: str) -> None:
    """Two tastes with opposite opinions: held-out ratings are those of the taste, which no baseline can tell."""
    rows = [(u, i, 5.0 if (u + i) % 2 else 1.0, 0) for u, i in np.ndindex(20, 16) if (u * 7 + i * 3) % 5]
    held = [(u, i) for u, i in np.ndindex(20, 16) if not (u * 7 + i * 3) % 5]
    model = RatingKnn(by=by, measure=measure, neighbours=4, shrink=10.0).fit(make(rows))
    predicted = model.predict(held)["prediction"].to_numpy()
    np.testing.assert_allclose(predicted, [5.0 if (u + i) % 2 else 1.0 for u, i in held], atol=1.0)
    liked = [(i, 5.0 if i % 2 else 1.0) for i in range(6)]
    assert model.predict([9, 10], history=liked)["prediction"].to_list() == pytest.approx([5.0, 1.0], abs=1.0)


def test_by_user_from_a_file(data: Dataset, tmp_path: Path) -> None:
    model = RatingKnn(by="user", kind="z-scored").fit(data)
    model.save(tmp_path / "m.safetensors")
    again = hg.open(tmp_path / "m.safetensors", verify=True)
    np.testing.assert_array_equal(again.score(data.profiles()), model.score(data.profiles()))


@pytest.mark.parametrize("by", ["item", "user"])
def test_items_are_similar_by_the_people_of_both(data: Dataset, by: str) -> None:
    model = RatingKnn(by=by, kept=None).fit(data)
    r = np.full((data.n_users, data.n_items), np.nan)
    r[data.users, data.items] = data.values
    mean, b_u, b_i = bases(r, model.reg_user, model.reg_item)
    above = (r - mean - b_u[:, None] - b_i).T
    items = np.array([4, 0, 7], np.int32)
    wanted = [
        [0.0 if i == j else max(0.0, alike(above[i], above[j], model)) for j in range(data.n_items)] for i in items
    ]
    np.testing.assert_allclose(model.similarity(items), wanted, rtol=1e-4, atol=1e-6)


def test_three_ratings_are_not_overrated(make: Make) -> None:
    """One faint neighbour moves the rating a little, where without `prior` it alone would decide."""
    rng = np.random.default_rng(4)
    data = make([(u, i, float(rng.integers(1, 6)), 0) for u in range(60) for i in range(20) if rng.random() < 0.7])
    bold, wary = (RatingKnn(prior=prior).fit(data) for prior in (0.0, 0.2))
    someone = strangers(data.schema, [[(3, 5.0)]])
    base = RatingKnn(min_neighbours=99).fit(data).score(someone)
    assert np.abs(bold.score(someone) - base).max() > 1.0
    assert np.abs(wary.score(someone) - base).max() < 0.5


@pytest.mark.quality
@pytest.mark.parametrize(
    ("given", "surprise"),
    [
        ({"by": "user", "measure": "msd", "kind": "basic"}, 0.9889),
        ({"by": "user", "measure": "msd", "kind": "centred"}, 0.9649),
        ({"by": "user", "measure": "msd", "kind": "z-scored"}, 0.9635),
        ({"by": "user", "measure": "msd", "kind": "baseline"}, 0.9418),
        ({}, 0.9359),
    ],
    ids=str,
)
def test_error_on_movielens_100k_is_that_of_surprise(
    real_data: Path, given: dict[str, object], surprise: float
) -> None:
    """Of scikit-surprise 1.1.4 with the same settings on the same fold."""
    train, test = fold(1, folder=real_data)
    model = RatingKnn(prior=0.0, reg_user=15.0, reg_item=10.0, **given).fit(train)  # type: ignore[arg-type]
    assert rmse(test.values, model.predict(test)["prediction"].to_numpy()) == pytest.approx(surprise, abs=0.003)
