"""TransE: what it descends falls, planted facts are learnt, strangers are served as those who are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.errors import DivergedError
from honeyguide.kernels.facts import key
from honeyguide.models.knowledge.transe import TransE, _Facts
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]
RUN = hg.Run(seed=1, threads=1)


def films(n_users: int = 60, n_new: int = 30) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """People like the films of one maker each; some films are new, and only the graph tells who made them."""
    rng = np.random.default_rng(4)
    maker = rng.permutation(np.repeat(np.arange(6), 15))
    new = np.sort(rng.permutation(90)[:n_new])
    old = np.setdiff1d(np.arange(90), new)
    rows = [(u, i) for u in range(n_users) for i in old[maker[old] == u % 6] if rng.random() < 0.7]
    kg = pl.DataFrame({"head": np.arange(90), "relation": ["by"] * 90, "tail": 1000 + maker})
    events = pl.DataFrame(rows, schema=["user", "item"], orient="row")
    return read(events, items=pl.DataFrame({"item": np.arange(90)}), graph=kg), maker, new


def test_new_films_are_found_by_their_maker_and_not_in_a_rewired_graph() -> None:
    data, maker, new = films()
    assert data.graph is not None
    right = []
    for graph in (data.graph, data.graph.rewired(np.random.default_rng(0))):
        model = TransE(factors=16, graph=1.0, epochs=60).fit(data.with_graph(graph), run=RUN)
        best = new[model.score(data.profiles(), new).argmax(axis=1)]
        right.append(np.mean(maker[best] == np.arange(60) % 6))
    assert right[0] > 0.9
    assert right[1] < 0.5


def test_strangers_get_what_the_known_get() -> None:
    data, maker, new = films()
    model = TransE(factors=16, graph=1.0, epochs=60).fit(data, run=RUN)
    known, folded = (model.score(profiles) for profiles in (data.profiles(), data.profiles().strangers()))
    old = np.setdiff1d(np.arange(90), new)
    for scores in (known, folded):
        lists = old[np.argsort(-scores[:, old], axis=1)[:, :8]]
        assert np.mean(maker[lists] == (np.arange(60) % 6)[:, None]) > 0.95
    nobody = model.score(strangers(data.schema, [[]]))
    np.testing.assert_allclose(nobody[0], model.item_vectors_ @ model.mean_user_, rtol=1e-4, atol=1e-5)


def test_without_weight_the_graph_says_nothing() -> None:
    data, _, new = films()
    one, other = (TransE(factors=8, graph=0.0, epochs=3).fit(each, run=RUN) for each in (data, data.with_graph(None)))
    np.testing.assert_array_equal(one.score(data.profiles()), other.score(data.profiles()))
    assert (one.score(data.profiles(), new) == 0).all()  # nothing is known of them
    similar = one.similarity(np.array([0], np.int32))
    assert np.isneginf(similar[0, new]).all()


def test_what_people_have_rises_above_what_they_have_not() -> None:
    data, _, _ = films()
    gaps = []

    def watch(model: hg.Recommender, epoch: int) -> bool:
        scores = model.score(data.profiles())
        held = data.positives().toarray() > 0
        gaps.append(scores[held].mean() - scores[~held].mean())
        return False

    TransE(factors=16, epochs=20).fit(data, run=RUN, watch=watch)
    assert gaps[-1] > gaps[4] > gaps[0]


def test_facts_are_those_of_events_and_triples() -> None:
    data, maker, _ = films()
    facts = _Facts.of(data, 0.5)
    assert len(facts.heads) == len(data) + 90
    assert facts.n_nodes == 96
    told = set(zip(facts.heads.tolist(), facts.relations.tolist(), facts.tails.tolist(), strict=True))
    events = {(96 + u, 1, i) for u, i in zip(data.users.tolist(), data.items.tolist(), strict=True)}
    assert {fact for fact in told if fact[1] == 1} == events
    by = {(h, t) for h, r, t in told if r == 0}
    assert all((maker[h] == maker[other]) == (t == tail) for h, t in by for other, tail in by)
    tails, heads = facts.pools[slice(*facts.bounds[0, :2])], facts.pools[slice(*facts.bounds[0, 1:])]
    assert (len(tails), len(heads)) == (6, 90)
    assert facts.pools[slice(*facts.bounds[1, :2])].tolist() == np.unique(data.items).tolist()
    assert facts.bounds[1, 1] == facts.bounds[1, 2]
    assert facts.weights.tolist() == [0.5, 1.0]
    assert facts.keys.tolist() == sorted(key(*fact, 96 + 60, 2) for fact in told)


def test_people_are_where_has_leads_from_them() -> None:
    """Before anything is learnt, from the draws of the seed: relations have length 1."""
    data, _, _ = films()
    model = TransE(factors=8, learning_rate=1e-6, epochs=1, init_std=0.3).fit(data, run=RUN)
    rng = RUN.rng(0)
    nodes, moves = rng.normal(0.0, 0.3, (96 + 60, 8)), rng.normal(0.0, 0.3, (2, 8))
    has = moves[1] / np.linalg.norm(moves[1])
    np.testing.assert_allclose(model.score(data.profiles()), (nodes[96:] + has) @ nodes[:90].T, atol=1e-3)


def test_a_rate_too_high_is_told() -> None:
    data, _, _ = films()
    with pytest.raises(DivergedError, match="lower learning_rate"):
        TransE(factors=8, learning_rate=1e8, epochs=5).fit(data, run=RUN)
