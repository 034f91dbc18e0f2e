"""RatingKnn and its reasons against slow loops over formulas, planted tastes, Surprise; who and what is not known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.metrics.rating import rmse
from honeyguide.models.contributions import held
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


@dataclass
class Tables:
    """What the formulas of the class are over; of r, base and compared the rows are what neighbours are."""

    mean: float
    b_u: AnyArray
    b_i: AnyArray
    r: AnyArray
    base: AnyArray
    compared: AnyArray
    means: AnyArray
    spreads: AnyArray


def tables(data: Dataset, model: RatingKnn) -> Tables:
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
    return Tables(mean, b_u, b_i, r, base, compared, means, spreads)


def neighbours(t: Tables, model: RatingKnn, x: int, y: int) -> list[tuple[float, int]]:
    """(similarity, row) of those that are asked about y for x."""
    found = []
    for v in range(len(t.r)):
        same = bool((np.isnan(t.r[x]) == np.isnan(t.r[v])).all())
        if v != x and not np.isnan(t.r[v, y]) and not (model.by == "user" and same):
            found.append((-alike(t.compared[x], t.compared[v], model), v))
    found = sorted((minus, v) for minus, v in found if minus < 0)
    if model.by == "item" and model.kept is not None:  # among the most similar of all, not of those asked
        near = sorted((-alike(t.compared[x], t.compared[v], model), v) for v in range(len(t.r)) if v != x)
        found = [one for one in found if one in near[: model.kept]]
    found = found[: model.neighbours]
    return [(-minus, v) for minus, v in found] if len(found) >= model.min_neighbours else []


def plain(data: Dataset, model: RatingKnn) -> AnyArray:
    """(U, I) by loops over the formulas of the class."""
    t = tables(data, model)
    out = t.base.copy()
    for x, y in np.ndindex(*out.shape):
        weight, total = 0.0, 0.0
        for similarity, v in neighbours(t, model, x, y):
            said = {
                "basic": t.r[v, y],
                "centred": t.means[x] + t.r[v, y] - t.means[v],
                "z-scored": t.means[x] + t.spreads[x] * (t.r[v, y] - t.means[v]) / t.spreads[v],
                "baseline": t.base[x, y] + t.r[v, y] - t.base[v, y],
            }[model.kind]
            weight, total = weight + similarity, total + similarity * said
        if weight > 0:
            out[x, y] = (total + model.prior * t.base[x, y]) / (weight + model.prior)
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


def split(a: AnyArray, b: AnyArray, model: RatingKnn) -> AnyArray:
    """What each column is of the similarity of a and b, from the formulas; NaN being none."""
    both = ~np.isnan(a) & ~np.isnan(b)
    x, y, n = a[both], b[both], int(both.sum())
    if model.measure == "pearson":
        x, y = x - x.mean(), y - y.mean()
    out = np.zeros(len(a))
    out[both] = x * y / np.sqrt((x @ x) * (y @ y))
    return out * (n - 1) / (n - 1 + model.shrink) if model.measure == "pearson_baseline" else out


def plain_parts(t: Tables, model: RatingKnn, u: int, i: int) -> tuple[list[float], AnyArray]:
    """What the person and the item are, and what each of all items adds to what neighbours say, by loops."""
    x, y = (i, u) if model.by == "item" else (u, i)
    found = neighbours(t, model, x, y)
    weight = sum(similarity for similarity, _ in found)
    whole = weight + model.prior if found else 1.0
    shares, left = np.zeros(len(t.b_i)), 1.0 - weight / whole
    for similarity, v in found:
        z = {
            "basic": t.r[v, y] - t.mean,
            "centred": t.r[v, y] - t.means[v],
            "z-scored": t.spreads[x] * (t.r[v, y] - t.means[v]) / t.spreads[v],
            "baseline": t.r[v, y] - t.base[v, y],
        }[model.kind]
        if model.by == "item":
            shares[v] += similarity * z / whole
        elif model.measure != "msd":
            shares += split(t.compared[u], t.compared[v], model) * z / whole
    own = [float(t.b_u[u]), float(t.b_i[i])]
    if model.kind != "baseline":
        own = [left * each for each in own]
    if model.kind in ("centred", "z-scored"):
        own[model.by == "item"] += (1.0 - left) * (t.means[x] - t.mean)
    return own, shares


@pytest.mark.parametrize("by", ["item", "user"])
@pytest.mark.parametrize("given", SETTINGS, ids=lambda given: " ".join(map(str, given.values())))
def test_reasons_are_those_of_a_plain_loop(data: Dataset, given: dict[str, object], by: str) -> None:
    model = RatingKnn(by=by, **given).fit(data)  # type: ignore[arg-type]
    t, items = tables(data, model), np.array([6, 0, 5, 9, data.n_items - 1], np.int32)
    for user in range(USERS):
        profile = data.profiles([user])
        found, scores = model.contributions(profile, items), model.score(profile, items)[0]
        for item, score, parts in zip(items, scores, found, strict=True):
            own, shares = plain_parts(t, model, user, int(item))
            assert [part.kind for part in parts[:3]] == ["average", "person", "item"]
            assert parts[3].kind == ("history" if by == "item" else "raters")
            np.testing.assert_allclose([part.weight for part in parts[:3]], [t.mean, *own], atol=1e-5)
            assert sum(part.weight for part in parts) == pytest.approx(score, rel=1e-5)
            if by == "user" and model.measure == "msd":
                assert parts[3].shares is None
                continue
            np.testing.assert_allclose(parts[3].shares, shares[held(profile)], rtol=1e-5, atol=1e-5)
            assert parts[3].weight == pytest.approx(shares.sum(), abs=1e-5)


@pytest.mark.parametrize("by", ["item", "user"])
@pytest.mark.parametrize("measure", ["cosine", "msd", "pearson", "pearson_baseline"])
def test_who_has_no_history_has_no_neighbours(data: Dataset, by: str, measure: str) -> None:
    model, items = RatingKnn(by=by, measure=measure).fit(data), np.array([0, 7], np.int32)
    nobody = strangers(data.schema, [[]])
    found = model.contributions(nobody, items)
    assert [parts[3].weight for parts in found] == [0.0, 0.0]
    np.testing.assert_allclose(
        [sum(p.weight for p in parts) for parts in found], model.score(nobody, items)[0], rtol=1e-5
    )
    assert model.contributions(nobody, items[:0]) == []


def test_planted_reasons(make: Make) -> None:
    """8 is rated as 1 and 2 are, the other way round than 3 and 4: it is those two that speak for it, and not 5."""
    rng = np.random.default_rng(3)
    taste = rng.choice([-2.0, 2.0], 40)
    rows = [(u, i, 3.0 + taste[u], 0) for u in range(40) for i in (1, 2, 8)]
    rows += [(u, i, 3.0 - taste[u], 0) for u in range(40) for i in (3, 4)]
    rows += [(u, 5, float(rng.choice([1.0, 5.0])), 0) for u in range(40)]
    history = [(1, 5.0), (2, 4.0), (3, 1.0), (4, 1.0), (5, 5.0)]
    by_item = hg.explain(RatingKnn(neighbours=2).fit(make(rows)), history=history, item=8).reasons[0]
    assert by_item.kind == "history"
    assert by_item.sentence == "because you rated Title of 1 5 and Title of 2 4"
    by_user = hg.explain(RatingKnn(by="user").fit(make(rows)), history=history, item=8, reasons=1).reasons[0]
    assert by_user.kind == "raters"
    assert by_user.sentence.startswith("people with your taste rate it higher, going by Title of ")
    assert 5 not in [evidence.item for evidence in by_user.evidence]


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
        data = make(rows)
        model = RatingKnn(by=by, kind="basic", measure="msd", neighbours=neighbours, prior=0.0).fit(data)
        pair = (0, 5) if by == "user" else (5, 0)
        assert model.predict([pair])["prediction"][0] == pytest.approx(wanted)
        (parts,) = model.contributions(
            data.profiles(data.schema.users.encode(pair[:1])), data.schema.items.encode(pair[1:])
        )
        assert sum(part.weight for part in parts) == pytest.approx(wanted)


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
