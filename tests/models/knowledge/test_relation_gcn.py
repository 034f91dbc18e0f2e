"""RelationGCN against a plain loop in float64, differences, planted answers, and its own parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import honeyguide as hg
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.graph import Graph
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import ArtifactError, DivergedError
from honeyguide.models.knowledge._attention import Neighbours
from honeyguide.models.knowledge.relation_gcn import RelationGCN, _Learning
from honeyguide.run import Run

Make = Callable[..., Dataset]
Triples = Sequence[tuple[str, str, str]]


def known(data: Dataset, triples: Triples) -> Dataset:
    """The data beside a graph whose entities are items by their ids, and others."""
    names = tuple(dict.fromkeys(name for _, name, _ in triples))
    items = [str(item) for item in data.schema.items.series()]
    entities = Vocabulary.of([*items, *dict.fromkeys(e for h, _, t in triples for e in (h, t) if e not in items)])
    heads, tails = (entities.encode([triple[at] for triple in triples]) for at in (0, 2))
    relations = np.array([names.index(name) for _, name, _ in triples], np.int32)
    return data.with_graph(Graph(entities, names, heads, relations, tails, entities.encode(items)))


def films(make: Make, seed: int = 0) -> Dataset:
    """Ten people and eight films, the last of which nobody has; directors, a sequel, and entities that join nothing."""
    rng = np.random.default_rng(seed)
    rows = [(f"u{u}", f"f{i}", 1.0, 0) for u in range(10) for i in range(7) if rng.random() < 0.5 or i == u % 7]
    data = make([*rows, ("u10", "f7", -1.0, 0)], explicit=False, positive=">0")
    triples = [(f"f{i}", "by", f"d{i % 3}") for i in range(8)]
    triples += [("f0", "sequel", "f3"), ("f1", "shot in", "Oslo"), ("Oslo", "lies in", "Norway"), ("f2", "by", "d0")]
    triples += [("d0", "knows", "d1"), ("f4", "by", "d1"), ("f4", "like", "d1")]
    return known(data, triples)


def test_neighbours_are_both_ways_without_what_joins_nothing(make: Make) -> None:
    data = films(make)
    assert data.graph is not None
    near = Neighbours.of(data.graph)
    assert data.graph.entities.decode(near.entities[8:]).to_list() == ["d0", "d1", "d2"]
    edges = set(zip(near.heads.tolist(), near.relations.tolist(), near.tails.tolist(), strict=True))
    by, sequel, knows, like, n = 0, 1, 4, 5, 6
    assert len(near.heads) == len(edges) == 2 * 12  # one triple is told twice
    assert {(0, by, 8), (8, by + n, 0), (0, sequel, 3), (3, sequel + n, 0), (8, knows, 9), (4, like, 9)} <= edges
    assert near.relation_names[sequel + n] == "~sequel"
    assert (np.diff(near.heads) >= 0).all()
    np.testing.assert_array_equal(near.indptr, np.searchsorted(near.heads, np.arange(12)))


def plain_loss(
    value: dict[str, np.ndarray], near: Neighbours, history: np.ndarray, left: np.ndarray, shown: np.ndarray,
    seen: np.ndarray, model: RelationGCN,
) -> float:  # fmt: skip
    """The loss as the docstring of the module writes it: loops over triples and pairs, in float64."""
    triples = list(zip(near.heads.tolist(), near.relations.tolist(), near.tails.tolist(), strict=True))

    def wide(own: np.ndarray) -> np.ndarray:
        out = own
        for _ in range(model.layers):
            new = own.copy()
            for node in range(near.count):
                mine = [(r, t) for h, r, t in triples if h == node]
                total = sum(np.exp(value["w"][r, 0]) for r, _ in mine)
                for r, t in mine:
                    new[node] += model.graph * np.exp(value["w"][r, 0]) / total * out[t]
            out = new
        return out

    spoken, heard = wide(value["q"] * shown), wide(value["p"] * shown)
    terms = []
    for person in range(len(history)):
        given = np.flatnonzero(history[person] & left[person])
        z = spoken[given].sum(axis=0) / max(1, len(given)) ** model.damping
        rivals = [j for j in range(history.shape[1]) if seen[j] and j not in given]
        scores = {j: float(z @ heard[j, :-1] + heard[j, -1]) for j in rivals}
        whole = np.log(sum(np.exp(score) for score in scores.values()))
        terms += [whole - scores[j] for j in np.flatnonzero(history[person] & ~left[person]).tolist()]
    return float(np.mean(terms))


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_slope_is_that_of_the_loss(make: Make, layers: int) -> None:
    """Loss by a plain loop, gradients by differences of it: of vectors, biases and relations."""
    data, rng = films(make), np.random.default_rng(3)
    model = RelationGCN(factors=3, layers=layers, graph=0.7, damping=0.6, epochs=1).fit(data)
    assert data.graph is not None
    near, positives = Neighbours.of(data.graph), data.positives()[:9]
    shapes = {"q": (near.count, 3), "p": (near.count, 4), "w": (12, 1)}
    value = {name: rng.normal(0, 0.8, shape).astype(np.float32) for name, shape in shapes.items()}
    left, shown = rng.random(positives.nnz) < 0.5, (rng.random((near.count, 1)) < 0.8).astype(np.float32)
    loss, grads = model.slope(value, near, positives, left, shown)
    dense = np.zeros(positives.shape, dtype=bool)
    dense[positives.nonzero()] = left
    exact = {name: each.astype(np.float64) for name, each in value.items()}

    def at(given: dict[str, np.ndarray]) -> float:
        return plain_loss(given, near, positives.toarray() > 0, dense, shown, model.seen_, model)

    assert loss == pytest.approx(at(exact), rel=1e-5)
    for name, each in exact.items():
        assert grads[name].shape == each.shape
        cells = list(np.ndindex(*each.shape))
        for cell in [cells[i] for i in rng.choice(len(cells), 12, replace=False)]:
            moved = []
            for way in (1e-5, -1e-5):
                other = {key: table.copy() for key, table in exact.items()}
                other[name][cell] += way
                moved.append(at(other))
            assert grads[name][cell] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-3, abs=2e-6)
    assert layers == 0 or np.abs(grads["w"]).max() > 1e-4


def test_a_step_penalises_vectors_and_not_relations() -> None:
    """At the first step Adam's m is a tenth of the gradient, reg times the value included."""
    rng = np.random.default_rng(4)
    value = {name: rng.normal(size=(5, 2)).astype(np.float32) for name in ("q", "p", "w")}
    before, grads = {name: each.copy() for name, each in value.items()}, {name: value[name] * 0 + 1 for name in value}
    learning = _Learning.of(value)
    learning.step(grads, 0.3, 0.01, Run(threads=1))
    for name in ("q", "p"):
        np.testing.assert_allclose(learning.m[name], 0.1 * (1.0 + 0.3 * before[name]), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(learning.m["w"], 0.1, rtol=1e-5)


def clubs(make: Make, *, seed: int = 0) -> Dataset:
    """Two tastes of 20 films each, told by `club`; `noise` says nothing. Of each taste one film has no events."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(60):
        for item in rng.choice(19, 7, replace=False):
            rows.append((f"u{user}", f"f{user % 2}-{item}", 1.0, 0))
    rows += [("nobody", f"f{taste}-19", -1.0, 0) for taste in range(2)]
    data = make(rows, explicit=False, positive=">0")
    names = [str(item) for item in data.schema.items.series()]
    triples = [(name, "club", f"club {name[1]}") for name in names]
    triples += [(name, "noise", f"noise {rng.integers(2)}") for name in names]
    return known(data, triples)


def test_an_item_without_events_is_found_by_what_is_known_of_it(make: Make) -> None:
    """A planted answer: the new film of each taste is the one for that taste; without the graph neither is."""
    data = clubs(make)
    people, items = np.arange(60), data.schema.items.encode(["f0-19", "f1-19"])
    mine = people % 2
    told = hg.models.RelationGCN(factors=8, epochs=40, batch_size=16).fit(data)
    scores = told.score(data.profiles(data.schema.users.encode([f"u{u}" for u in people])), items)
    assert (scores[people, mine] > scores[people, 1 - mine] + 0.05).mean() > 0.95
    blind = hg.models.RelationGCN(factors=8, epochs=40, batch_size=16, layers=0).fit(data)
    scores = blind.score(data.profiles(), items)
    assert (scores == blind.score(data.profiles()).min(axis=1, keepdims=True)).all() or (
        np.ptp(scores, axis=1) == 0
    ).all()
    logits = dict(zip(told.names_, told.logits_, strict=True))
    assert logits["club"] > logits["noise"] + 0.2


def test_what_is_asked_is_the_formula_of_what_was_learned(make: Make) -> None:
    """The state after a fit against the plain sums, and its parts against the score."""
    data = films(make)
    model = RelationGCN(factors=4, layers=2, graph=0.5, damping=0.7, epochs=3).fit(data)
    profiles = data.profiles()
    history = data.positives().toarray()
    lengths = np.maximum(history.sum(axis=1, keepdims=True), 1.0)
    people = (history @ model.history_) / lengths**0.7
    expected = people @ model.item_vectors_[:, :-1].T + model.item_vectors_[:, -1]
    np.testing.assert_allclose(model.score(profiles), expected, rtol=1e-4, atol=1e-6)
    assembled = model.own_ + model.attention_ @ model.reached_
    np.testing.assert_allclose(assembled, model.item_vectors_, rtol=1e-4, atol=1e-6)
    for row in range(3):
        one, codes = profiles.take([row]), np.arange(8, dtype=np.int32)
        parts = model.contributions(one, codes)
        sums = [sum(part.weight for part in each) for each in parts]
        np.testing.assert_allclose(sums, model.score(one, codes)[0], rtol=1e-4, atol=1e-5)
        for each in parts:
            for part in each:
                assert part.shares is None or part.shares.sum() == pytest.approx(part.weight, abs=1e-5)
        paths = [{(part.name, part.value) for part in each if part.kind == "path"} for each in parts]
        assert paths[0] == {("by", "d0"), ("sequel", "f3")}
        assert paths[3] == {("by", "d0"), ("~sequel", "f0")}
        assert paths[4] == {("by", "d1"), ("like", "d1")}


def test_a_file_keeps_what_each_neighbour_adds(make: Make, tmp_path: Path) -> None:
    data = films(make)
    model = RelationGCN(factors=4, epochs=2).fit(data)
    model.save(tmp_path / "m.safetensors")
    again, person, codes = (
        hg.open(tmp_path / "m.safetensors"),
        data.profiles(np.array([2])),
        np.arange(8, dtype=np.int32),
    )
    assert isinstance(again, RelationGCN)
    for one, other in zip(model.contributions(person, codes), again.contributions(person, codes), strict=True):
        assert [(p.name, p.value) for p in one] == [(p.name, p.value) for p in other]
        np.testing.assert_allclose([p.weight for p in one], [p.weight for p in other], rtol=1e-5, atol=1e-7)


def test_an_item_of_which_nothing_is_known_comes_last(make: Make) -> None:
    rows = [(f"u{u}", f"f{i}", 1.0, 0) for u in range(6) for i in range(4) if (u + i) % 3]
    data = make([*rows, ("u0", "new", -1.0, 0), ("u0", "told", -1.0, 0)], explicit=False, positive=">0")
    data = known(data, [(f"f{i}", "by", f"d{i % 2}") for i in range(4)] + [("told", "by", "d0")])
    model = RelationGCN(factors=4, epochs=5).fit(data)
    assert model.recommend(history=[], k=6)["item"].to_list()[-1] == "new"
    code = data.schema.items.encode(["new"])[0]
    assert model.item_vectors_[code, -1] == model.item_vectors_[model.seen_, -1].min() < 0.0
    assert not model.item_vectors_[code, :-1].any()


def test_without_a_graph_attributes_are_one_and_a_weight_of_0_leaves_it_out(make: Make) -> None:
    data = films(make)
    bare = data.with_graph(None)
    made = RelationGCN(epochs=2, factors=4).fit(bare)
    assert "kind" in made.names_
    none = [RelationGCN(epochs=2, factors=4, blank=0.0, **way).fit(data) for way in ({"layers": 0}, {"graph": 0.0})]
    seen = none[0].seen_
    scores = [model.score(data.profiles())[:, seen] for model in none]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-6)


def test_someone_without_a_history_gets_what_most_have(make: Make) -> None:
    data = clubs(make, seed=5)
    model = RelationGCN(factors=8, epochs=30, batch_size=16).fit(data)
    empty = model.recommend(history=[], k=40)
    np.testing.assert_allclose(empty["score"], np.sort(model.item_vectors_[:, -1])[::-1][:40], rtol=1e-6)


def test_a_rewired_graph_misleads(make: Make) -> None:
    """The same fit beside links dealt anew no longer knows which new film is whose."""
    data = clubs(make)
    assert data.graph is not None
    wrong = data.with_graph(data.graph.rewired(np.random.default_rng(1)))
    items = data.schema.items.encode(["f0-19", "f1-19"])
    model = RelationGCN(factors=8, epochs=20, batch_size=16).fit(wrong)
    gap = np.subtract(*model.score(data.profiles(data.schema.users.encode(["u0", "u1"])), items).T)
    right = RelationGCN(factors=8, epochs=20, batch_size=16).fit(data)
    true = np.subtract(*right.score(data.profiles(data.schema.users.encode(["u0", "u1"])), items).T)
    assert (true[0] - true[1]) > (gap[0] - gap[1]) + 0.1


def test_too_large_steps_are_told(make: Make) -> None:
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match="lower learning_rate, or raise reg"):
        RelationGCN(learning_rate=1e30, reg=1e30, epochs=3).fit(films(make))


def test_a_damaged_file_is_refused(make: Make, tmp_path: Path) -> None:
    model = RelationGCN(epochs=1, factors=4).fit(films(make))
    model.own_ = model.own_[:-1]
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ArtifactError):
        hg.open(tmp_path / "m.safetensors")


def test_memory_counts_the_triples() -> None:
    model = RelationGCN()
    small, large = (model.memory(replace(Shape(100, 50, 1000), triples=count)) for count in (10, 10_000))
    assert small < large


def test_many_entities_are_told_apart_up_to_ten(make: Make) -> None:
    data = make([("a", f"f{i}", 1.0, 0) for i in range(3)] + [("b", "f0", 1.0, 0), ("b", "f1", 1.0, 0)], explicit=False)
    data = known(data, [(f"f{i}", "has", f"t{at}") for i in range(3) for at in range(14)])
    model = RelationGCN(epochs=2, factors=4).fit(data)
    parts = model.contributions(data.profiles(np.array([0])), np.array([2], np.int32))[0]
    assert sum(part.kind == "path" for part in parts) == 10
    total = model.score(data.profiles(np.array([0])), np.array([2], np.int32))[0, 0]
    assert sum(part.weight for part in parts) == pytest.approx(total, abs=1e-5)
    assert isinstance(model.attention_, sp.csr_matrix)
