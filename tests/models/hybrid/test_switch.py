"""A switch against plain loops over held-out people, planted tastes, places of new items, mistakes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ParameterError, UnsupportedError
from honeyguide.models import registry
from honeyguide.models.hybrid import _trust
from honeyguide.models.hybrid._trust import LEVELS, simplex
from honeyguide.models.hybrid.switch import Switch
from honeyguide.run import Run

Make = Callable[..., Dataset]
KINDS = ("news", "drama", "sport")
RUN = Run(seed=4)


def planted(people: int = 60, items: int = 48, *, seed: int = 0, names: bool = False, timed: bool = False) -> Dataset:
    """Everyone has items of one kind, above all the popular ones; the last six items nobody has."""
    rng = np.random.default_rng(seed)
    things = pl.DataFrame({"id": range(items), "kind": [KINDS[i % 3] for i in range(items)]})
    if names:
        things = things.with_columns(name=pl.Series([f"{('red', 'blue')[i % 2]} tale" for i in range(items)]))
    chance = 1.0 / rng.permutation(np.arange(1, items // 3 - 1)) ** 2
    rows = [(item % 3, item) for item in range(items - 6)]
    for user in range(people):
        mine = rng.choice(len(chance), size=int(rng.integers(1, 8)), replace=False, p=chance / chance.sum())
        rows += [(user, 3 * int(i) + user % 3) for i in mine]
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    if timed:
        events = events.with_columns(time=rng.integers(1, 9, len(events)))
    return hg.read(events, items=things, kinds={"name": "text"} if names else {})


@pytest.fixture(scope="module")
def data() -> Dataset:
    return planted()


@pytest.fixture(scope="module")
def model(data: Dataset) -> Switch:
    return Switch(models="item_knn,attributes,popular", folds=3).fit(data, run=RUN)


def z(scores: np.ndarray, had: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of one person's scores (I,), by the docstring: 0 the mean, 1 the ten best of what is known and not seen."""
    free = had.copy()
    free[seen] = False
    mean, best = scores[free].mean(), np.sort(scores[free])[-10:].mean()
    return (scores - mean) / (best - mean if best - mean > 1e-6 * abs(best) else 1.0)


def ndcg(scores: np.ndarray, wanted: set[int]) -> float:
    best = np.argsort(-scores, kind="stable")[:10]
    gains = [
        1.0 / np.log2(place + 2) for place, item in enumerate(best) if item in wanted and np.isfinite(scores[item])
    ]
    return sum(gains) / sum(1.0 / np.log2(place + 2) for place in range(min(10, len(wanted))))


@pytest.mark.parametrize("shown", ["any", "first"])
def test_weights_are_the_best_on_people_held_out_by_a_plain_loop(shown: str) -> None:
    data = planted(timed=True)
    model = Switch(models="item_knn,attributes,popular", shown=shown).fit(data, run=RUN)
    rng, names = RUN.rng(), ("item_knn", "attributes", "popular")
    fold, asked = rng.permutation(data.n_users) % 3, rng.permutation(data.n_users)
    mixtures = [np.array(each) / 10 for each in product(range(11), repeat=3) if sum(each) == 10]
    found: dict[int, list[list[float]]] = {level: [] for level in range(len(LEVELS))}
    whole: list[list[float]] = []
    for part in range(3):
        rest = data.take(fold[data.users] != part)
        members = [registry.create(name, {}).fit(rest) for name in names]
        had = np.isin(np.arange(data.n_items), rest.items)
        people = sorted(int(user) for user in asked if fold[user] == part)
        theirs = [np.unique(data.items[data.users == user]) for user in people]
        draws = np.split(rng.random(sum(map(len, theirs))), np.cumsum([len(each) for each in theirs])[:-1])
        for level, count in enumerate(LEVELS):
            for user, items, draw in zip(people, theirs, draws, strict=True):
                if len(items) <= count:
                    continue
                when = [min(data.times[(data.users == user) & (data.items == item)]) for item in items]
                order = items[np.lexsort((draw, when)) if shown == "first" else np.argsort(draw)]
                mine, hidden = order[:count], set(order[count:].tolist())
                profile = hg.models.people.strangers(data.schema, [[int(item) for item in mine]])
                said = [z(member.score(profile)[0].astype(np.float64), had, mine) for member in members]
                row = []
                for mixture in mixtures:
                    scores = np.asarray(mixture @ np.array(said))
                    scores[~had] = scores[mine] = -np.inf
                    row.append(ndcg(scores, hidden))
                found[level].append(row)
                if len(items) <= (*LEVELS, 999)[level + 1]:
                    whole.append(row)
    alone = [next(at for at, mixture in enumerate(mixtures) if mixture[m] == 1.0) for m in range(3)]

    def clearest(gains: np.ndarray, usual: int) -> int:
        best = int(gains.mean(axis=0).argmax())
        ahead = gains[:, best] - gains[:, usual]
        return best if ahead.mean() > 2.0 * np.sqrt(ahead.var() / len(ahead)) else usual

    assert len(whole) == 60
    usual = clearest(np.array(whole), max(alone, key=lambda at: np.mean(whole, axis=0)[at]))
    for level, rows in found.items():
        if not rows:
            assert np.isnan(model.validation_[level]).all()
            np.testing.assert_allclose(model.weights_[level], mixtures[usual])
            continue
        due = clearest(np.array(rows), usual)
        np.testing.assert_allclose(model.weights_[level], mixtures[due], err_msg=str(level))
        np.testing.assert_allclose(model.validation_[level], np.mean(rows, axis=0)[[*alone, due]], atol=1e-9)
    assert len(found[3]) > 20


def test_scores_are_the_weighted_sum_of_standard_scores(data: Dataset, model: Switch) -> None:
    profiles, had = data.profiles(), np.isin(np.arange(data.n_items), data.items)
    found, said = model.score(profiles), [member.score(profiles) for member in model.members_]
    counts = np.diff(data.positives().indptr)
    for user in range(data.n_users):
        level = max(at for at, count in enumerate(LEVELS) if count <= counts[user])
        mine = data.items[data.users == user]
        parts = [z(each[user].astype(np.float64), had, mine) for each in said]
        expected = sum(weight * part for weight, part in zip(model.weights_[level], parts, strict=True))
        np.testing.assert_allclose(found[user, had], expected[had], rtol=1e-4, atol=1e-4)


def test_who_is_not_known_gets_what_is_popular(data: Dataset, model: Switch) -> None:
    assert model.weights_[0][2] > 0.0  # without a history the others say the same of all
    popular = hg.models.Popular().fit(data)
    had = sorted({int(item) for item in data.items})
    assert model.recommend(history=[], k=9, items=had)["item"].equals(popular.recommend(history=[], k=9)["item"])
    assert model.weights_[2][2] < 1.0  # with two positives the others say more
    assert (model.recommend(history=[0, 3], k=3, items=had)["item"] % 3 == 0).all()


def test_new_items_stand_where_the_able_models_see_them_and_are_worth_it(data: Dataset) -> None:
    content, users, had = hg.models.Attributes().fit(data), list(range(60)), np.arange(48) < 42
    level = np.searchsorted(LEVELS, np.diff(data.positives().indptr), side="right") - 1
    both = Switch(models="item_knn,attributes,text:columns=name").fit(planted(names=True), run=RUN)
    parts, found = [member.score(data.profiles()) for member in both.members_[1:]], both.score(data.profiles())
    for user in users:
        shares, worth = both.new_weights_[1:], both.validation_[level[user]]
        discount = min(1.0, float(shares @ worth[1:3]) / worth[3])
        mine = data.items[data.users == user]
        mixed = [share * z(part[user].astype(np.float64), had, mine) for share, part in zip(shares, parts, strict=True)]
        np.testing.assert_allclose(found[user, 42:], discount * sum(mixed)[42:], rtol=1e-4, atol=1e-4)
    one = Switch(models="item_knn,attributes,popular").fit(data, run=RUN)
    new = one.recommend(users, items=range(42, 48), k=6)
    assert new["item"].equals(content.recommend(users, items=range(42, 48), k=6)["item"])
    bare = Switch(models="item_knn,popular").fit(data).score(data.profiles())
    assert (bare[:, 42:].max(axis=1) < bare[:, :42].min(axis=1)).all()


def two_tastes() -> Dataset:
    """People who have items of one kind and of one colour, mostly those that are of both."""
    rng, rows = np.random.default_rng(1), []
    things = [(i, KINDS[i % 3], ("red", "blue")[i // 3 % 2]) for i in range(240)]
    for user in range(120):
        alike = np.array([(i % 3 == user % 3) + (i // 3 % 2 == user // 3 % 2) for i in range(240)])
        rows += [(user, int(i)) for i in np.flatnonzero(rng.random(240) < np.array([0.01, 0.06, 0.2])[alike])]
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    return hg.read(events, items=pl.DataFrame(things, schema=["id", "kind", "colour"], orient="row"))


def test_weights_of_new_items_are_those_of_items_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """By plain loops: a tenth of the items is taken out and ranked for whoever has them; a clear lead wins."""
    data = two_tastes()
    models = ("item_knn", "attributes:columns=kind", "attributes:columns=colour")
    seen: list[np.ndarray] = []
    clearest = _trust._clearest
    monkeypatch.setattr(_trust, "_clearest", lambda gains, usual: (seen.append(gains), clearest(gains, usual))[1])
    model = Switch(models=",".join(models), folds=2).fit(data, run=RUN)
    rng, have = RUN.rng(1), data.positives().toarray() > 0
    n_users, n_items = have.shape
    had = np.flatnonzero(have.any(axis=0))
    new = set(rng.permutation(had)[: len(had) // 10].tolist())
    rest = data.take(np.array([item not in new for item in data.items]))
    fitted = [hg.models.Attributes(columns=column).fit(rest, run=RUN) for column in ("kind", "colour")]
    said, known = [one.score(rest.profiles()) for one in fitted], np.isin(np.arange(n_items), sorted(set(had) - new))
    mixtures, gains = simplex(2), []
    for user in range(n_users):
        wanted = [item for item in sorted(new) if have[user, item]]
        mine = rest.items[rest.users == user]
        if not wanted or not len(mine):
            continue
        parts = [z(each[user].astype(np.float64), known, mine) for each in said]
        row = []
        for mixture in mixtures:
            best = sorted(sorted(new), key=lambda item: -round(float(mixture @ [part[item] for part in parts]), 9))[:10]
            gain = sum(1.0 / np.log2(place + 2.0) for place, item in enumerate(best) if item in wanted)
            row.append(gain / sum(1.0 / np.log2(place + 2.0) for place in range(min(10, len(wanted)))))
        gains.append(row)
    table = np.array(gains)
    np.testing.assert_allclose(seen[-1].T, table, atol=1e-9)
    alone = max((0, len(mixtures) - 1), key=lambda at: table.mean(axis=0)[at])
    best = int(table.mean(axis=0).argmax())
    ahead = table[:, best] - table[:, alone]
    due = best if ahead.mean() > 2.0 * np.sqrt(ahead.var() / len(ahead)) else alone
    np.testing.assert_allclose(model.new_weights_, [0.0, *mixtures[due]])
    assert 0.0 < model.new_weights_[1] < 1.0  # people go by both
    one = Switch(models="item_knn,attributes", folds=2).fit(data, run=RUN)
    assert one.new_weights_.tolist() == [0.0, 1.0]


RANKING = [name for name in registry.names() if registry.load(name).task == "ranking"]
GRAPH_MODELS = [name for name in RANKING if "graph" in registry.create(name, {}).item_content]


@pytest.mark.parametrize("name", GRAPH_MODELS)
def test_new_items_stand_where_the_models_of_a_graph_see_them(data: Dataset, name: str) -> None:
    bare = hg.read(
        pl.DataFrame({"user": data.users, "item": data.items}), items=pl.DataFrame({"id": range(48)}),
        graph=pl.DataFrame({"head": range(48), "relation": ["kind"] * 48, "tail": [KINDS[i % 3] for i in range(48)]}),
    )  # fmt: skip
    model = Switch(models=f"item_knn,{name}", folds=2).fit(bare, run=RUN)
    alone = model.members_[1].recommend(list(range(60)), items=range(42, 48), k=6)
    found = model.recommend(list(range(60)), items=range(42, 48), k=6)
    assert found["item"].equals(alone["item"])
    own = found.filter(pl.col("rank") <= 2).select(pl.col("user") % 3 == pl.col("item") % 3)
    assert own.to_series().mean() > 0.6  # by chance a third
    nothing = Switch(models=f"item_knn,{name}", folds=2).fit(bare.with_graph(None), run=RUN)
    scores = nothing.score(nothing.histories_)
    assert (scores[:, 42:].max(axis=1) < scores[:, :42].min(axis=1)).all()
    with pytest.raises(UnsupportedError, match="none of .* takes in items by their attributes"):
        nothing.with_items(pl.DataFrame({"id": [100]}))
    without = Switch(models=f"item_knn,{name}:graph=0", folds=2).fit(bare, run=RUN)
    scores = without.score(without.histories_)
    assert (scores[:, 42:].max(axis=1) < scores[:, :42].min(axis=1)).all()


@pytest.mark.parametrize("name", ["transe", "relation_gcn:epochs=5", "path_walk"])
def test_what_comes_after_the_fit_is_known_to_those_that_took_it_in(name: str) -> None:
    """The other model, of whatever weight, cannot take new items in, or not into a graph of triples."""
    data = planted()
    kinds = data.schema.item_table["kind"]
    graph = pl.DataFrame({"head": range(48), "relation": ["kind"] * 48, "tail": kinds})
    events = pl.DataFrame({"user": data.users, "item": data.items})
    data = hg.read(events, items=pl.DataFrame({"id": range(48), "kind": kinds}), graph=graph)
    model = Switch(models=f"attributes,{name}", folds=2).fit(data, run=RUN)
    model.new_weights_ = np.array([0.0, 1.0])
    more = model.with_items(pl.DataFrame({"id": [100, 101, 102], "kind": KINDS}))
    first = more.recommend(list(range(60)), items=[100, 101, 102], k=1)
    assert (first["item"] == 100 + first["user"] % 3).mean() > 0.95
    own = hg.models.Attributes().fit(data).with_items(pl.DataFrame({"id": [100, 101, 102], "kind": KINDS}))
    assert first["item"].equals(own.recommend(list(range(60)), items=[100, 101, 102], k=1)["item"])


def test_new_items_by_their_attributes(data: Dataset, model: Switch, tmp_path: Path) -> None:
    table = pl.DataFrame({"id": [100, 101], "kind": ["drama", "sport"]})
    more = model.with_items(table)
    assert more.score(more.histories_).shape == (60, 50)
    had = np.unique(data.items)
    np.testing.assert_allclose(more.score(more.histories_)[:, had], model.score(model.histories_)[:, had], atol=1e-5)
    lists = more.recommend(list(range(60)), items=[100, 101], k=1)
    drama = lists.filter(pl.col("user") % 3 == 1)["item"]
    assert (drama == 100).all()
    more.save(tmp_path / "more.safetensors")
    again = hg.open(tmp_path / "more.safetensors", verify=True)
    np.testing.assert_allclose(again.score(again.histories_), more.score(more.histories_), atol=1e-6)
    asked = {"history": [100, 1], "k": 5}  # an item that two of the models do not know is in the history
    assert again.recommend(**asked).equals(more.recommend(**asked))
    del again.new_weights_  # as in the first files
    assert (again.recommend(list(range(60)), items=[100, 101], k=1)["item"] == lists["item"]).all()
    third = again.with_items(pl.DataFrame({"id": [102], "kind": ["news"]}))
    assert third.score(third.histories_).shape == (60, 51)
    with pytest.raises(UnsupportedError, match="none of 'ease,popular' takes in items by their attributes"):
        Switch(models="ease,popular").fit(data).with_items(table)


def test_mixtures() -> None:
    for models, count in ((1, 1), (2, 11), (3, 66), (4, 286), (5, 126), (30, 30)):
        found = simplex(models)
        assert found.shape == (count, models)
        assert np.allclose(found.sum(axis=1), 1.0)
        assert all((found == one).all(axis=1).any() for one in np.eye(models))
        assert len(np.unique(found, axis=0)) == count


def test_models_that_do_not_rank() -> None:
    with pytest.raises(ParameterError, match=r"Switch.models must be models that rank, got 'bias'; blend takes"):
        Switch(models="ease,bias")
    with pytest.raises(ParameterError, match=r"Switch.models must name at least one model"):
        Switch(models=" ")
    assert Switch(models="ease,bpr").fold_in == "approximate"
    assert Switch(models="ease,als").fold_in == "exact"
