"""RelationGCN against a plain loop in float64, planted answers, both backends, and its own parts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import honeyguide as hg
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.graph import Graph
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import ArtifactError, DivergedError
from honeyguide.models.contributions import held
from honeyguide.models.knowledge import _attention, relation_gcn
from honeyguide.models.knowledge._attention import Neighbours
from honeyguide.models.knowledge.relation_gcn import RelationGCN
from honeyguide.models.people import strangers
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.rows import Rows

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


def plain_spread(own: np.ndarray, logits: np.ndarray, near: Neighbours, model: RelationGCN) -> np.ndarray:
    """What the spread makes of vectors, by loops over nodes and their triples, in float64."""
    triples = list(zip(near.heads.tolist(), near.relations.tolist(), near.tails.tolist(), strict=True))
    out = own
    for _ in range(model.layers):
        new = own.copy()
        for node in range(near.count):
            mine = [(r, t) for h, r, t in triples if h == node]
            total = sum(np.exp(logits[r]) for r, _ in mine)
            for r, t in mine:
                new[node] += model.graph * np.exp(logits[r]) / total * out[t]
        out = new
    return out


def plain_loss(
    value: dict[str, np.ndarray], near: Neighbours, history: np.ndarray, left: np.ndarray, shown: np.ndarray,
    seen: np.ndarray, model: RelationGCN,
) -> float:  # fmt: skip
    """The loss as the docstring of the module writes it: loops over triples and pairs, in float64."""
    spoken, heard = (plain_spread(value[side] * shown, value["w"], near, model) for side in ("q", "p"))
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
def test_the_objective_is_the_formula(make: Make, layers: int) -> None:
    """A batch as the engine gets it against the plain loop; Keras differentiates it."""
    data, rng = films(make), np.random.default_rng(3)
    model = RelationGCN(factors=3, layers=layers, graph=0.7, damping=0.6, reg=0.1, batch_size=8, epochs=1).fit(data)
    assert data.graph is not None
    near, positives = Neighbours.of(data.graph), data.positives()
    shapes = {"q": (near.count, 3), "p": (near.count, 4), "w": (12,)}
    value = {name: rng.normal(0, 0.8, shape).astype(np.float32) for name, shape in shapes.items()}
    ops, rows = backend.keras(Run()).ops, []
    for batch in model._batches(Rows(positives), near, rng):
        history, left = (np.zeros((8, data.n_items), bool) for _ in range(2))
        there = batch["there"] > 0
        history[tuple(batch["place"][there].T)] = True
        left[tuple(batch["place"][batch["left"] > 0].T)] = True
        assert 0 < left.sum() < history.sum()
        loss = float(model._loss(ops, SimpleNamespace(**value), near)({}, batch))
        tables = {name: each.astype(np.float64) for name, each in value.items()}
        squares = sum((tables[name] ** 2).sum() for name in ("q", "p"))
        expected = plain_loss(tables, near, history, left, batch["shown"], model.seen_, model) + 0.05 * squares
        assert loss == pytest.approx(expected, rel=1e-5)
        rows += [tuple(each) for each in history[history.any(axis=1)]]
    assert sorted(rows) == sorted(tuple(each) for each in positives.toarray() > 0 if each.any())


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_what_is_asked_is_spread_as_what_is_trained(make: Make, layers: int) -> None:
    """NumPy's way and that of Keras's operations."""
    data, rng = films(make), np.random.default_rng(4)
    assert data.graph is not None
    near, ops = Neighbours.of(data.graph), backend.keras(Run()).ops
    own, logits = rng.normal(size=(near.count, 5)).astype(np.float32), rng.normal(size=12).astype(np.float32)
    last = _attention.stages(near.matrix(logits), own, layers, 0.6)[-1]
    np.testing.assert_allclose(near.matrix(logits).sum(axis=1), (np.diff(near.indptr) > 0)[:, None], atol=1e-6)
    weights = _attention.attention(ops, logits, near)
    np.testing.assert_allclose(_attention.spread(ops, own, near, weights, layers, 0.6), last, rtol=1e-4, atol=1e-5)


def test_so_much_of_histories_is_hidden_and_ids_of_items_with_neighbours_alone(make: Make) -> None:
    data = known(films(make), [("f0", "by", "d0"), ("f1", "by", "d0")])
    assert data.graph is not None
    near, model = Neighbours.of(data.graph), RelationGCN(blank=0.5, hidden=0.2, epochs=1).fit(data)
    rows, rng = Rows(data.positives()), np.random.default_rng(0)
    drawn = [next(model._batches(rows, near, rng)) for _ in range(200)]
    shown = np.mean([batch["shown"] for batch in drawn], axis=0)[:, 0]
    assert (shown[2:] == 1).all()  # the entity is never hidden
    np.testing.assert_allclose(shown[:2], 0.5, atol=0.12)
    left, there = (sum(batch[name].sum() for batch in drawn) for name in ("left", "there"))
    assert left / there == pytest.approx(0.8, abs=0.03)


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


def test_the_rate_falls_by_steps_to_a_twentieth(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[Callable[[int], float]] = []

    def trainer(*given: Any, learning_rate: Callable[[int], float], **more: Any) -> Trainer:
        rates.append(learning_rate)
        return Trainer(*given, learning_rate=learning_rate, **more)

    monkeypatch.setattr(relation_gcn, "Trainer", trainer)
    RelationGCN(factors=2, epochs=10, batch_size=5, learning_rate=0.04).fit(films(make))  # 2 steps an epoch of 10
    found = [rates[0](step) for step in (1, 6, 11, 20, 25)]
    np.testing.assert_allclose(found, [0.04, 0.03, 0.02, 0.002, 0.002])


def test_what_is_asked_is_the_formula_of_what_was_learned(make: Make) -> None:
    """The state after a fit against the plain sums, and its parts against the score."""
    data, rng = films(make), np.random.default_rng(4)
    model = RelationGCN(factors=4, layers=2, graph=0.5, damping=0.7, epochs=3).fit(data)
    assert data.graph is not None
    near = Neighbours.of(data.graph)
    q, p, logits = (rng.normal(size=s).astype(np.float32) for s in ((near.count, 4), (near.count, 5), 12))
    model._take(near, q, p, logits)
    np.testing.assert_allclose(model.history_, plain_spread(q, logits, near, model)[:8], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.item_vectors_, plain_spread(p, logits, near, model)[:8], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.own_, p[:8])
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
        assert paths[0] == {("by", "d0"), ("sequel", "Title of f3")}
        assert paths[3] == {("by", "d0"), ("~sequel", "Title of f0")}
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
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match="lower learning_rate, or raise the reg"):
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


BACKEND = """
import sys
import numpy as np
import polars as pl
import honeyguide as hg

rng = np.random.default_rng(0)
events = pl.DataFrame({"user": rng.integers(0, 40, 400), "item": (30 * rng.random(400) ** 2).astype(int)}).unique(
    maintain_order=True)
triples = [(i, name, f"{name}{i % count}") for i in range(30) for name, count in (("a", 4), ("b", 7))]
graph = pl.DataFrame(triples, schema=["head", "relation", "tail"], orient="row")
data = hg.read(events, graph=graph)
model = hg.models.RelationGCN(factors=8, epochs=6, batch_size=16)
model.fit(data, run=hg.Run(seed=2, backend=sys.argv[1]))
np.savez(sys.argv[2], scores=model.score(data.profiles()), logits=model.logits_)
"""


@pytest.mark.tensorflow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs tensorflow")
def test_with_one_seed_it_scores_alike_on_jax_and_tensorflow(tmp_path: Path) -> None:
    found = []
    for name in ("jax", "tensorflow"):
        out = tmp_path / f"{name}.npz"
        env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-c", BACKEND, name, str(out)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(out) as arrays:
            found.append(dict(arrays))
    for name, each in found[0].items():
        np.testing.assert_allclose(found[1][name], each, rtol=1e-2, atol=2e-3, err_msg=name)
        assert each.std() > 0.01


def test_an_item_of_the_history_that_is_the_neighbour_itself_is_no_likeness(make: Make) -> None:
    model = RelationGCN(epochs=1, factors=4).fit(films(make))
    codes = model.schema_.items.encode(["f0", "f1", "f6"])
    profile = strangers(model.schema_, [["f0", "f1", "f6"]])
    parts = model.contributions(profile, model.schema_.items.encode(["f3"]))[0]
    having = {part.value: part.having for part in parts if part.kind == "path"}
    assert set(having) == {"d0", "Title of f0"}
    assert held(profile).tolist() == sorted(codes.tolist())
    assert having["d0"].tolist() == [True, False, True]  # by the same director
    assert having["Title of f0"].tolist() == [True, False, False]  # the film that it follows
