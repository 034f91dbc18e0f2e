"""LightGCN against dense powers of the matrix, a plain loop in float64, differences, planted answers, and strangers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ArtifactError, DivergedError
from honeyguide.models.deep import lightgcn
from honeyguide.models.deep.lightgcn import LightGCN
from honeyguide.models.people import strangers
from honeyguide.run import Run
from honeyguide.training.sampling import Negatives

Make = Callable[..., Dataset]


def plays(make: Make, *, n_users: int = 14, n_items: int = 9, seed: int = 2) -> Dataset:
    """People with about a third of the items; person 1 and item 0 have nothing positive."""
    rng = np.random.default_rng(seed)
    rows = [(u, i, 5.0, 0) for u in range(2, n_users) for i in range(1, n_items) if rng.random() < 0.35 or u == 2 + i]
    return make([(0, 1, 5.0, 0), (1, 0, 1.0, 0), *rows], positive=">=4")


def matrix(data: Dataset) -> np.ndarray:
    """D^-1/2 A D^-1/2 (n, n), dense, in float64."""
    have = data.positives().toarray().astype(np.float64)
    whole = np.block([[np.zeros((len(have), len(have))), have], [have.T, np.zeros((have.shape[1],) * 2)]])
    degrees = whole.sum(axis=1)
    inverse = np.divide(1.0, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)
    return inverse[:, None] * whole * inverse


def mean_of_powers(data: Dataset, layers: int) -> np.ndarray:
    """(I + M + M^2 + … + M^K) / (K + 1)."""
    once = matrix(data)
    return sum(np.linalg.matrix_power(once, k) for k in range(layers + 1)) / (layers + 1)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_spreading_is_the_mean_of_the_powers(make: Make, layers: int) -> None:
    data, rng = plays(make), np.random.default_rng(1)
    graph = lightgcn._Graph.of(data.positives(), layers, 5, Run(threads=2))
    vectors = rng.normal(size=(23, 5)).astype(np.float32)
    expected = mean_of_powers(data, layers) @ vectors
    np.testing.assert_allclose(graph.spread(vectors, np.empty_like(vectors)), expected, rtol=1e-5, atol=1e-6)
    wanted = rng.random(23) < 0.5
    found = graph.spread(vectors, np.full_like(vectors, 7.0), wanted=wanted)
    np.testing.assert_allclose(found[wanted], expected[wanted], rtol=1e-5, atol=1e-6)
    assert (found[~wanted] == 7.0).all()


def objective(value: np.ndarray, powers: np.ndarray, nodes: list[np.ndarray], reg: float) -> float:
    """The loss of a batch as the module's docstring writes it."""
    u, i, j = ((powers @ value)[each] for each in nodes)
    squares = sum((value[each] ** 2).sum() for each in nodes)
    return float(np.logaddexp(0.0, -(u * (i - j)).sum(axis=1)).mean() + reg / 2 * squares / len(nodes[0]))


def batch(data: Dataset, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Nodes u, i and j of so many pairs, any of them."""
    return [rng.integers(low, high, size).astype(np.int32) for low, high in ((0, 14), (14, 23), (14, 23))]


def test_a_step_goes_against_the_gradient_of_the_objective(make: Make) -> None:
    """At the first step Adam's m is a tenth of the gradient; that of the objective comes by differences."""
    data, rng = plays(make), np.random.default_rng(2)
    nodes, reg = batch(data, 30, rng), 0.4
    value = rng.normal(0, 0.7, (23, 3)).astype(np.float32)
    graph, powers, before = lightgcn._Graph.of(data.positives(), 3, 3, Run()), mean_of_powers(data, 3), value.copy()
    learning = lightgcn._Learning.of(value)
    told = learning.step(graph, (nodes[0], nodes[1], nodes[2]), reg, 0.01)
    assert told == pytest.approx(objective(before.astype(np.float64), powers, nodes, 0.0), rel=1e-5)
    for row in range(23):
        for column in range(3):
            step = np.zeros((23, 3))
            step[row, column] = 1e-5
            ends = [objective(before.astype(np.float64) + s, powers, nodes, reg) for s in (step, -step)]
            slope = (ends[0] - ends[1]) / 2e-5
            assert learning.m[row, column] == pytest.approx(0.1 * slope, abs=2e-6)
    assert objective(value.astype(np.float64), powers, nodes, reg) < objective(before, powers, nodes, reg)


def by_hand(model: LightGCN, data: Dataset, seed: int) -> np.ndarray:
    """Z after training, by dense products and loops in float64, with the same draws."""
    have = data.positives()
    (n_users, n_items), powers = have.shape, mean_of_powers(data, model.layers)
    value = (
        Run(seed=seed)
        .rng(0)
        .normal(0.0, model.init_std, (n_users + n_items, model.factors))
        .astype(np.float32)
        .astype(np.float64)
    )
    m, v, lacking, t = np.zeros_like(value), np.zeros_like(value), Negatives(have), 0
    users, items = have.nonzero()
    steps = model.epochs * -(-len(users) // model.batch_size)
    for epoch in range(model.epochs):
        rng = Run(seed=seed).rng(1, epoch)
        order = rng.permutation(len(users))
        for first in range(0, len(users), model.batch_size):
            at = order[first : first + model.batch_size]
            rivals, spreading, along = lacking.draw(users[at], 1, rng)[:, 0], powers @ value, np.zeros_like(value)
            grad = np.zeros_like(value)
            for u, i, j in zip(users[at], items[at] + n_users, rivals + n_users, strict=True):
                slope = -1.0 / (1.0 + np.exp(spreading[u] @ (spreading[i] - spreading[j])))
                along[u] += slope * (spreading[i] - spreading[j])
                along[i] += slope * spreading[u]
                along[j] -= slope * spreading[u]
                for node in (u, i, j):
                    grad[node] += model.reg * value[node] / len(at)
            grad += powers.T @ along / len(at)
            t += 1
            m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad**2
            rate = model.learning_rate * (1.0 - (t - 1) / steps) * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            value = value - rate * m / (np.sqrt(v) + 1e-7)
    return powers @ value


def test_training_is_that_of_the_plain_loop(make: Make) -> None:
    data = plays(make)
    model = LightGCN(factors=4, layers=2, epochs=5, batch_size=16, reg=0.05, learning_rate=0.05)
    model.fit(data, run=Run(seed=3))
    expected = by_hand(model, data, 3)
    active = np.diff(data.positives().indptr) > 0
    np.testing.assert_allclose(model.user_vectors_[active], expected[:14][active], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(model.item_vectors_, expected[14:], rtol=1e-3, atol=1e-4)
    products = model.user_vectors(data.profiles()) @ model.item_vectors().T
    np.testing.assert_allclose(model.score(data.profiles()), products, rtol=1e-5)


def test_a_stranger_gets_what_reaches_them_from_their_history(make: Make) -> None:
    """In a model trained for a step of no length: Z of the person less their own e_u / (K + 1)."""
    data = plays(make)
    model = LightGCN(factors=4, layers=3, epochs=1, learning_rate=1e-6, init_std=1.0).fit(data, run=Run(seed=3))
    value = Run(seed=3).rng(0).normal(0.0, 1.0, (23, 4))
    expected = (mean_of_powers(data, 3) @ value)[:14] - value[:14] / 4
    profiles = data.profiles().strangers()
    found, active = model.user_vectors(profiles), np.diff(data.positives().indptr) > 0
    np.testing.assert_allclose(found[active], expected[active], rtol=1e-3, atol=1e-4)
    assert (found[~active] == model.mean_user_).all()
    several = model.user_vectors(profiles.take([5, 1, 9]), run=Run(threads=2))
    np.testing.assert_allclose(several, found[[5, 1, 9]], rtol=1e-6)


def test_checkerboard_whose_cell_was_held_out(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(40) for i in range(12) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    model = LightGCN(factors=8, batch_size=64).fit(make(rows, explicit=False))
    assert model.recommend(0, k=1)["item"].to_list() == [4]
    assert sorted(model.recommend(history=[1, 3], k=4)["item"].to_list()) == [5, 7, 9, 11]
    near = model.similar_items([4], k=5)
    assert sorted(near["similar"].to_list()) == [0, 2, 6, 8, 10]
    assert (near["score"] > 0.8).all()


def tastes(make: Make, *, n_users: int, n_items: int, n_tastes: int) -> Dataset:
    """People who have most of the items of their taste and few of the others'."""
    rng = np.random.default_rng(0)
    shares = np.where(np.arange(n_users)[:, None] % n_tastes == np.arange(n_items) % n_tastes, 0.5, 0.05)
    return make([(int(u), int(i), 1.0, 0) for u, i in zip(*np.nonzero(rng.random(shares.shape) < shares), strict=True)])


def test_strangers_are_ranked_for_as_known_people_are(make: Make) -> None:
    train, test = hg.split(tastes(make, n_users=200, n_items=60, n_tastes=4), "per-person", test=0.2, seed=1)
    model = LightGCN(factors=16, batch_size=256).fit(train)
    known, folded = model.score(train.profiles()), model.score(train.profiles().strangers())
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(known, folded, strict=True)]) > 0.9
    held, have, found = test.positives().toarray() > 0, train.positives().toarray() > 0, []
    for scores in (known, folded):
        places = np.where(have, -np.inf, scores).argsort(axis=1)[:, ::-1].argsort(axis=1)
        found.append(places[held].mean())
    assert max(found) < 17  # of some 50, at random 25
    assert abs(found[0] - found[1]) < 1.0


def test_threads_change_no_bit_and_the_seed_does(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightgcn, "_SMALL", 0)
    monkeypatch.setattr(lightgcn, "_ROWS", 16)
    data = tastes(make, n_users=90, n_items=50, n_tastes=2)
    shape = {"factors": 9, "epochs": 3, "batch_size": 200}
    one, two, other = (LightGCN(**shape).fit(data, run=Run(seed=s, threads=n)) for s, n in ((5, 1), (5, 2), (6, 2)))
    for name in ("user_vectors_", "item_vectors_", "reach_"):
        assert (getattr(one, name) == getattr(two, name)).all()
    assert not np.allclose(one.item_vectors_, other.item_vectors_)
    monkeypatch.setattr(lightgcn, "_SMALL", 1 << 30)
    assert (LightGCN(**shape).fit(data, run=Run(seed=5)).item_vectors_ == one.item_vectors_).all()


def test_who_has_everything_or_nothing_and_what_nobody_has(make: Make) -> None:
    rows = [(u, i, 5.0, 0) for u in range(40) for i in range(8) if (u + i) % (2 + i)]
    data = make([*rows, *((40, i, 5.0, 0) for i in range(9)), (41, 9, 1.0, 0)], positive=">=4")
    whole = make([*rows, *((40, i, 5.0, 0) for i in range(10)), (41, 9, 1.0, 0)], positive=">=4")
    model = LightGCN(factors=6, epochs=20, batch_size=32).fit(data)
    assert np.isneginf(model.similarity(np.arange(10, dtype=np.int32))[:, 9]).all()
    assert not model.reach_[9].any()
    nobody = strangers(data.schema, [[], [(9, 5.0)], [(3, 1.0)]])
    np.testing.assert_array_equal(
        model.score(nobody), np.repeat(model.score(data.profiles([data.n_users - 1])), 3, axis=0)
    )
    assert model.recommend(41, k=10, seen=True)["item"].to_list()[-1] == 9
    with_unheard_of = model.user_vectors(strangers(data.schema, [[(2, 5.0), (9, 5.0)], [(2, 5.0)]]))
    np.testing.assert_array_equal(with_unheard_of[0], with_unheard_of[1])
    satisfied = LightGCN(factors=6, epochs=2, batch_size=32).fit(whole)
    assert np.isfinite(satisfied.score(whole.profiles())).all()
    lone = make([(0, 0, 5.0, 0)])
    assert LightGCN(epochs=2).fit(lone).recommend(0, k=1, seen=True)["item"].to_list() == [0]


def test_parameters_take_effect(make: Make) -> None:
    data = tastes(make, n_users=40, n_items=20, n_tastes=2)
    base = {"factors": 4, "epochs": 10, "batch_size": 64}
    plain = LightGCN(**base).fit(data)
    assert np.linalg.norm(LightGCN(**base, reg=1.0).fit(data).item_vectors_) < 0.7 * np.linalg.norm(plain.item_vectors_)
    for given in ({"layers": 1}, {"learning_rate": 0.1}, {"batch_size": 32}, {"init_std": 0.5}, {"epochs": 20}):
        assert not np.allclose(LightGCN(**{**base, **given}).fit(data).item_vectors_, plain.item_vectors_, atol=1e-3)


def test_a_rate_too_high_says_so(make: Make) -> None:
    with pytest.raises(DivergedError, match=r"vectors are not finite, learning_rate being 1e\+30; lower learning_rate"):
        LightGCN(learning_rate=1e30, epochs=3).fit(plays(make))


def test_a_file_whose_vectors_differ_is_refused(ratings: Dataset, tmp_path: Path) -> None:
    model = LightGCN(factors=6, epochs=2).fit(ratings)
    model.save(tmp_path / "lightgcn.safetensors")
    people = ratings.profiles().strangers()
    assert (hg.open(tmp_path / "lightgcn.safetensors").score(people) == model.score(people)).all()
    model.reach_ = model.reach_[:3]
    model.save(tmp_path / "short.safetensors")
    with pytest.raises(ArtifactError, match=r"reach_ must be \(30, 6\), got \(3, 6\)"):
        hg.open(tmp_path / "short.safetensors")
