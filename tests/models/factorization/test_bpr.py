"""Bpr against the gradient of its objective over all pairs, planted answers, and what strangers get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ArtifactError, DivergedError
from honeyguide.models.factorization import bpr
from honeyguide.models.factorization.bpr import Bpr
from honeyguide.run import Run

Make = Callable[..., Dataset]
Loss: TypeAlias = Literal["bpr", "warp"]
LOSSES = pytest.mark.parametrize("loss", ["bpr", "warp"])


def tastes(make: Make, *, n_users: int = 60, n_items: int = 40, n_tastes: int = 2, seed: int = 0) -> Dataset:
    """People who have most of the items of their taste and few of the others', some items more popular than others."""
    rng = np.random.default_rng(seed)
    fame = rng.uniform(0.3, 1.0, n_items)
    rows = [
        (u, i, 1.0, 0)
        for u in range(n_users)
        for i in range(n_items)
        if rng.random() < fame[i] * (0.8 if u % n_tastes == i % n_tastes else 0.1)
    ]
    return make(rows, explicit=False)


def gradient(model: Bpr, reg: float, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Of the objective of "bpr" over all (u, i, j), each (u, i) once: along p, q and b end to end; and its loss alone.

    sum over positive (u, i) of the mean over j that u lacks of
        -ln sigmoid(x_ui - x_uj) + reg (|p_u|^2 + |q_i|^2 + |q_j|^2 + b_i^2 + b_j^2) / 2
    """
    have = data.positives().toarray() > 0
    p, q, b = (each.astype(np.float64) for each in (model.user_vectors_, model.item_vectors_, model.item_biases_))
    grads, penalty = [np.zeros_like(each) for each in (p, q, b)], [np.zeros_like(each) for each in (p, q, b)]
    for u in range(len(p)):
        lacking = np.flatnonzero(~have[u])
        for i in np.flatnonzero(have[u]):
            x = (q[i] - q[lacking]) @ p[u] + b[i] - b[lacking]
            z = 1.0 / (1.0 + np.exp(x)) / len(lacking)  # minus the slope, of each j
            grads[0][u] -= z @ (q[i] - q[lacking])
            grads[1][i] -= z.sum() * p[u]
            grads[1][lacking] += np.outer(z, p[u])
            grads[2][i] -= z.sum()
            grads[2][lacking] += z
            penalty[0][u] += reg * p[u]
            for each, vectors in ((1, q), (2, b)):
                penalty[each][i] += reg * vectors[i]
                penalty[each][lacking] += reg * vectors[lacking] / len(lacking)
    flat = [np.concatenate([each.ravel() for each in parts]) for parts in (grads, penalty)]
    return flat[0] + flat[1], flat[0]


def test_training_ends_where_the_gradient_over_all_pairs_is_zero(make: Make) -> None:
    data = tastes(make, n_users=24, n_items=16)
    model = Bpr(factors=3, reg=0.03, epochs=3000, learning_rate=0.02).fit(data)
    whole, loss = gradient(model, 0.03, data)
    assert np.abs(model.user_vectors_).max() > 0.5
    assert np.linalg.norm(whole) < 0.1 * np.linalg.norm(loss)  # what the last steps' draws leave


@LOSSES
def test_checkerboard_whose_cell_was_held_out(make: Make, loss: Loss) -> None:
    rows = [(u, i, 1.0, 0) for u in range(40) for i in range(12) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    model = Bpr(factors=4, loss=loss).fit(make(rows, explicit=False))
    assert model.recommend(0, k=1)["item"].to_list() == [4]
    assert sorted(model.recommend(history=[1, 3], k=4)["item"].to_list()) == [5, 7, 9, 11]
    near = model.similar_items([4], k=5)
    assert sorted(near["similar"].to_list()) == [0, 2, 6, 8, 10]
    assert (near["score"] > 0.8).all()


@LOSSES
def test_strangers_are_ranked_for_as_known_people_are(make: Make, loss: Loss) -> None:
    data = tastes(make, n_users=200, n_items=60, n_tastes=4)
    train, test = hg.split(data, "per-person", test=0.2, seed=1)
    model = Bpr(factors=8, loss=loss).fit(train)
    assert model.fold_in == "approximate"
    known, folded = model.score(train.profiles()), model.score(train.profiles().strangers())
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(known, folded, strict=True)]) > 0.9
    held, have, found = test.positives().toarray() > 0, train.positives().toarray() > 0, []
    for scores in (known, folded):
        places = (np.where(have, -np.inf, scores)).argsort(axis=1)[:, ::-1].argsort(axis=1)
        found.append(places[held].mean())
    assert max(found) < 15
    assert abs(found[0] - found[1]) < 0.6
    some = train.profiles().strangers().take([7, 3])
    np.testing.assert_array_equal(model.user_vectors(some, run=Run(threads=2)), model.user_vectors(some))
    np.testing.assert_allclose(model.score(some), folded[[7, 3]], rtol=1e-5, atol=1e-5)


@LOSSES
def test_threads_change_no_bit_and_the_seed_does(make: Make, loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpr, "_BLOCK", 50)  # events, so that there are three parts
    data = tastes(make, n_users=90, n_items=50)
    assert bpr._parts(data.positives()) == 3
    one, two = (Bpr(factors=9, epochs=4, loss=loss).fit(data, run=Run(seed=5, threads=n)) for n in (1, 2))
    for name in ("user_vectors_", "item_vectors_", "item_biases_"):
        assert (getattr(one, name) == getattr(two, name)).all()
    other = Bpr(factors=9, epochs=4, loss=loss).fit(data, run=Run(seed=6))
    assert not np.allclose(one.item_vectors_, other.item_vectors_)


def test_how_data_are_cut_changes_the_draws_and_not_the_quality(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tastes(make, n_users=200, n_items=64, n_tastes=4)
    train, test = hg.split(data, "per-person", test=0.2, seed=1)
    found = []
    for size in (10**9, 100):
        monkeypatch.setattr(bpr, "_BLOCK", size)
        model = Bpr(factors=8).fit(train)
        found.append(hg.evaluate({"bpr": model}, train, test, metrics=["ndcg@10"]).value("bpr", "ndcg@10"))
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], abs=0.03)


def test_warp_puts_more_into_the_first_places_than_bpr(make: Make) -> None:
    data = tastes(make, n_users=150, n_items=300, n_tastes=10)
    train, test = hg.split(data, "per-person", test=0.3, seed=1)
    models = {
        loss: Bpr(factors=16, loss=loss, epochs=20, learning_rate=0.1, reg=0.02).fit(train) for loss in ("bpr", "warp")
    }
    found = hg.evaluate(models, train, test, metrics=["ndcg@5"])
    assert found.value("warp", "ndcg@5") > found.value("bpr", "ndcg@5") + 0.02


def test_early_stopping_keeps_the_best_epoch(make: Make) -> None:
    train, validation = hg.split(tastes(make), "per-person", test=0.2, seed=1)
    watch = hg.early_stopping(train, validation, metric="ndcg@10", patience=2)
    model = Bpr(factors=4, epochs=40, learning_rate=0.5, reg=0.0).fit(train, watch=watch)
    assert 1 <= watch.best_epoch == len(watch.history) - 2 < 38
    found = hg.evaluate({"bpr": model}, train, validation, metrics=["ndcg@10"])
    assert found.value("bpr", "ndcg@10") == pytest.approx(watch.best, abs=1e-6)


@LOSSES
def test_what_nobody_has_comes_last_and_whoever_has_nothing_gets_the_popular(make: Make, loss: Loss) -> None:
    rows = [(u, i, 5.0 if i < 8 and (u + i) % (2 + i) else 1.0, 0) for u in range(40) for i in range(12)]
    data = make([*rows, (40, 0, 1.0, 0)], positive=">=4")
    model = Bpr(factors=4, loss=loss).fit(data)
    counts = data.positives().sum(axis=0).A1
    assert model.item_biases_[counts == 0].max() < model.item_biases_[counts > 0].min()
    assert np.isneginf(model.similarity(np.arange(12, dtype=np.int32))[:, counts == 0]).all()
    assert not model.user_vectors_[40].any()
    assert not model.user_vectors(data.profiles([40]))[0, :-1].any()
    np.testing.assert_array_equal(model.score(data.profiles([40]))[0], model.item_biases_)
    products = model.user_vectors(data.profiles()) @ model.item_vectors().T
    np.testing.assert_allclose(model.score(data.profiles()), products, rtol=1e-5, atol=1e-5)
    first = model.recommend(40, k=8, seen=True)["item"].to_list()
    assert first == model.recommend(history=[], k=8)["item"].to_list()
    assert sorted(first) == list(range(8))


def test_a_rate_too_high_says_so(make: Make) -> None:
    with pytest.raises(DivergedError, match=r"vectors are not finite, learning_rate being 1e\+06; lower learning_rate"):
        Bpr(learning_rate=1e6, epochs=30).fit(tastes(make))


def test_a_file_whose_vectors_and_biases_differ_is_refused(ratings: Dataset, tmp_path: Path) -> None:
    model = Bpr(factors=6, epochs=2).fit(ratings)
    model.save(tmp_path / "bpr.safetensors")
    strangers = ratings.profiles().strangers()
    assert (hg.open(tmp_path / "bpr.safetensors").score(strangers) == model.score(strangers)).all()
    model.item_biases_ = model.item_biases_[:3]
    model.save(tmp_path / "short.safetensors")
    with pytest.raises(ArtifactError, match=r"item_biases_ must be \(30,\), got \(3,\)"):
        hg.open(tmp_path / "short.safetensors")


@pytest.mark.data
@pytest.mark.quality
@pytest.mark.parametrize(("loss", "low", "high"), [("bpr", 0.283, 0.297), ("warp", 0.285, 0.301)])
def test_lists_of_movielens_1m(real_data: Path, loss: Loss, low: float, high: float) -> None:
    data = hg.load("movielens-1m-positives", folder=real_data)
    train, test = hg.split(data, "per-person", test=0.2, seed=0)
    found = hg.evaluate({"bpr": Bpr(loss=loss).fit(train)}, train, test, metrics=["ndcg@10"])
    assert low < found.value("bpr", "ndcg@10") < high
