"""PathWalk against walks followed by plain loops and PageRank by a linear system; answers that only the graph holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.graph import Graph
from honeyguide.data.read import read
from honeyguide.data.triples import read_graph
from honeyguide.errors import UnsupportedError
from honeyguide.models.contributions import held
from honeyguide.models.knowledge.path_walk import PathWalk
from honeyguide.models.knowledge.relation_gcn import RelationGCN
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]
TRIPLES = [
    ("i0", "by", "ann"), ("i1", "by", "ann"), ("i2", "by", "bob"), ("i9", "by", "ann"), ("i9", "genre", "war"),
    ("i1", "genre", "war"), ("i1", "set in", "war"), ("ann", "knew", "bob"), ("i3", "sequel", "i2"),
]  # fmt: skip


@pytest.fixture(scope="module")
def data(make: Make) -> Dataset:
    rng = np.random.default_rng(2)
    likes = rng.random((12, 7)) < 0.5
    rows = [(f"u{u}", f"i{i}", 5.0 if likes[u, i] else 1.0, 0) for u in range(12) for i in range(7)]
    bare = make([*rows, ("u0", "i9", 1.0, 0)], positive=">=4")  # nobody likes i9
    kg = pl.DataFrame(TRIPLES, schema=["head", "relation", "tail"], orient="row")
    return bare.with_graph(read_graph(kg, items=bare.schema.items))


def chances(data: Dataset, graph: float) -> tuple[list[str], np.ndarray]:
    """The names of all nodes and the matrix of a step, by the rule as it is written."""
    near: dict[str, dict[str, set[str]]] = {}
    for user, item, value, _ in data.table().rows():
        if value >= 4:
            near.setdefault(user, {}).setdefault("people", set()).add(item)
            near.setdefault(item, {}).setdefault("people", set()).add(user)
    for head, _, tail in TRIPLES:
        near.setdefault(head, {}).setdefault("graph", set()).add(tail)
        near.setdefault(tail, {}).setdefault("graph", set()).add(head)
    items = data.schema.items.series().to_list()
    names = [*items, *sorted(set(near) - set(items))]
    step = np.zeros((len(names), len(names)))
    for name, kinds in near.items():
        for kind, others in kinds.items():
            share = 1.0 if len(kinds) == 1 else graph if kind == "graph" else 1.0 - graph
            for other in others:
                step[names.index(name), names.index(other)] += share / len(others)
    return names, step


def likers(data: Dataset) -> np.ndarray:
    return np.maximum(np.bincount(data.positives().indices, minlength=data.n_items), 1.0)


def test_a_long_walk_is_page_rank_by_a_linear_system(data: Dataset) -> None:
    names, step = chances(data, 0.3)
    begin = np.zeros((data.n_users, len(names)))
    begin[:, : data.n_items] = data.positives().toarray()
    wanted = 0.2 * np.linalg.solve((np.eye(len(names)) - 0.8 * step).T, begin.T).T[:, : data.n_items]
    model = PathWalk(graph=0.3, restart=0.2, steps=80, alpha=1.0, beta=0.0).fit(data)
    np.testing.assert_allclose(model.score(data.profiles()), wanted, rtol=1e-4, atol=1e-6)
    leaves = np.asarray(model.walk_.sum(axis=0)).ravel()
    np.testing.assert_allclose(leaves[leaves > 0], 1.0, rtol=1e-5)  # no chance is lost


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_walks_with_popularity_damped(data: Dataset, steps: int) -> None:
    names, step = chances(data, 0.4)
    popularity, wanted = likers(data), np.zeros((data.n_users, data.n_items))
    for user in range(data.n_users):
        for item in data.positives()[user].indices:
            at = np.zeros(len(names))
            at[item] = popularity[item] ** (1 - 0.7)
            for k in range(steps + 1):
                wanted[user] += 0.3 * 0.7**k * at[: data.n_items]
                at = at @ step
    wanted /= popularity**0.35
    model = PathWalk(graph=0.4, restart=0.3, steps=steps, alpha=0.7, beta=0.35).fit(data)
    np.testing.assert_allclose(model.score(data.profiles()), wanted, rtol=1e-4, atol=1e-7)


def test_parts_add_up_and_paths_are_those_of_the_graph(data: Dataset) -> None:
    model = PathWalk(graph=0.4, restart=0.3, steps=4, alpha=0.6, beta=0.2).fit(data)
    names, step = chances(data, 0.4)
    popularity, items = likers(data), data.schema.items.encode(["i9", "i1", "i2"])
    profile = strangers(data.schema, [[("i0", 5.0), ("i1", 5.0), ("i2", 1.0), ("i5", 5.0)]])
    scores = model.score(profile, items)[0]
    for item, score, parts in zip(items, scores, model.contributions(profile, items), strict=True):
        assert sum(part.weight for part in parts) == pytest.approx(score, rel=1e-5)
        assert all(part.weight == pytest.approx(part.shares.sum(), rel=1e-5) for part in parts)
        alone = [model.score(strangers(data.schema, [[(f"i{h}", 5.0)]]), np.array([item]))[0, 0] for h in (0, 1, 2, 5)]
        alone[2] = 0.0  # i2 was not liked
        assert held(profile).tolist() == [0, 1, 2, 5]
        np.testing.assert_allclose(sum(part.shares for part in parts), alone, rtol=1e-4, atol=1e-7)
        for part in (part for part in parts if part.kind == "path"):
            at = names.index(part.value)
            for share, h in zip(part.shares, (0, 1, 2, 5), strict=True):
                by = 0.3 * 0.7**2 * step[h, at] * step[at, item] * popularity[h] ** 0.4 / popularity[item] ** 0.2
                assert share == pytest.approx(0.0 if h == 2 else by, rel=1e-4)
    told = {(part.name, part.value) for part in model.contributions(profile, items[:1])[0] if part.kind == "path"}
    assert told == {("by", "ann"), ("genre", "war")}


def test_an_item_without_people_is_reached_through_the_graph(data: Dataset) -> None:
    cold = data.schema.items.encode(["i9"])
    model = PathWalk().fit(data)
    assert model.score(strangers(data.schema, [["i0"]]), cold)[0, 0] > 0
    assert model.score(strangers(data.schema, [["i0"], ["i1"]]), cold)[1, 0] > 0
    without = PathWalk().fit(data.with_graph(Graph.from_attributes(replace(data.schema, item_table=pl.DataFrame()))))
    assert (without.score(data.profiles(), cold) == 0).all()


def test_without_a_graph_it_is_that_of_the_attributes(make: Make) -> None:
    rows = pl.DataFrame({"user": ["u", "u", "v"], "item": ["a", "b", "b"]})
    films = pl.DataFrame({"item": ["a", "b", "c", "d"], "genre": ["war", "love", "war", "love"]})
    data = read(rows, items=films)
    model = PathWalk().fit(data)
    assert model.recommend(history=["a"], k=1, exclude=["b"])["item"].to_list() == ["c"]
    np.testing.assert_array_equal(
        model.score(data.profiles()), PathWalk().fit(data.with_graph("attributes")).score(data.profiles())
    )
    bare = PathWalk().fit(read(rows))
    assert bare.recommend(history=["a"], k=3)["item"].to_list() == ["b"]


def test_new_items_join_the_graph_of_attributes(tmp_path: Path, data: Dataset) -> None:
    rows = pl.DataFrame({"user": ["u", "u", "v", "w"], "item": [3, 5, 5, 9]})
    known = pl.DataFrame({"item": [3, 5, 9, 11], "genre": ["war", "love", "war", "love"]})
    new = pl.DataFrame({"item": [4, 20], "genre": ["war", "love"]})
    events = read(rows, items=known)
    PathWalk().fit(events).save(tmp_path / "old.safetensors")
    told = PathWalk().fit(events.with_graph("attributes")).with_items(new)  # the same graph, asked for
    assert told.recommend(history=[3], k=1, items=[4, 20])["item"].to_list() == [4]
    more = hg.open(tmp_path / "old.safetensors").with_items(new)
    whole = PathWalk().fit(read(rows, items=pl.concat([known, new])))
    assert more.recommend(history=[3], k=1, items=[4, 20])["item"].to_list() == [4]
    ids = [3, 4, 5, 9, 11, 20]
    places = [model.schema_.items.encode(ids) for model in (more, whole)]
    users = ["u", "v", "w"]
    one, other = (
        model.score(model.histories_.take(model.schema_.users.encode(users)))[:, at]
        for model, at in zip((more, whole), places, strict=True)
    )
    np.testing.assert_allclose(one, other, rtol=1e-5)
    graph = events.with_graph("attributes").graph
    assert graph is not None
    dealt = next(g for seed in range(9) for g in [graph.rewired(seed)] if g.fingerprint() != graph.fingerprint())
    control = events.with_graph(dealt)  # stays one
    for told, more in ((data, pl.DataFrame({"item": ["x"], "title": ["X"]})), (control, new)):
        with pytest.raises(UnsupportedError, match="trained on a graph of triples, in which new items are not"):
            PathWalk().fit(told).with_items(more)


def test_new_films_are_found_by_their_maker_and_not_in_a_rewired_graph() -> None:
    """People like the films of one maker each; a third of the films is new, and only the graph tells who made it."""
    rng = np.random.default_rng(4)
    maker = rng.permutation(np.repeat(np.arange(6), 15))
    new = np.sort(rng.permutation(90)[:30])
    old = np.setdiff1d(np.arange(90), new)
    rows = [(u, i) for u in range(60) for i in old[maker[old] == u % 6] if rng.random() < 0.7]
    kg = pl.DataFrame({"head": np.arange(90), "relation": ["by"] * 90, "tail": 1000 + maker})
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    data = read(events, items=pl.DataFrame({"item": np.arange(90)}), graph=kg)
    assert data.graph is not None
    right = []
    for graph in (data.graph, data.graph.rewired(np.random.default_rng(0))):
        best = new[PathWalk().fit(data.with_graph(graph)).score(data.profiles(), new).argmax(axis=1)]
        right.append(np.mean(maker[best] == np.arange(60) % 6))
    assert right[0] == 1.0
    assert right[1] < 0.4


@pytest.mark.parametrize("model", [PathWalk(graph=0.5), RelationGCN(epochs=2, factors=4)], ids=["walk", "gcn"])
def test_one_who_acts_here_and_directs_there_is_not_the_same(model: PathWalk | RelationGCN) -> None:
    """What is named has the entity by the same relation, of several the one that something of the history has."""
    rows = [("u", "a"), ("u", "b"), ("v", "b"), ("v", "c"), ("w", "a"), ("w", "d")]
    triples = [("a", "director", "Clint"), ("b", "actor", "Clint"), ("c", "director", "Clint"), ("c", "actor", "Clint")]
    triples += [("d", "director", "Clint"), ("d", "genre", "war"), ("a", "genre", "war")]
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    graph = pl.DataFrame(triples, schema=["head", "relation", "tail"], orient="row")
    model.fit(hg.read(events, graph=graph))

    def having(history: list[str], item: str) -> dict[tuple[str, str], list[bool]]:
        profile = strangers(model.schema_, [history])
        (parts,) = model.contributions(profile, model.schema_.items.encode([item]))
        return {(part.name, part.value): part.having.tolist() for part in parts if part.having is not None}

    assert having(["b"], "d")["director", "Clint"] == [False]
    assert having(["a", "b"], "d")["director", "Clint"] == [True, False]
    assert having(["b"], "c")["actor", "Clint"] == [True]
