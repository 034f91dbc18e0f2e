"""Matrix factorisation against its own objective: optimality, equal solvers, planted answers, both routes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.data.sources import load
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import DataError, DivergedError, ParameterError
from honeyguide.metrics.rating import rmse
from honeyguide.models.factorization.mf import Mf
from honeyguide.run import Run

Make = Callable[..., Dataset]
EVERY = pytest.mark.parametrize("reg_per", ["rating", "root", "vector"])
POWER = {"rating": 1.0, "root": 0.5, "vector": 0.0}


def planted(make: Make, *, noise: float = 0.4, rank: int = 2, seed: int = 0) -> Dataset:
    """Half-stars of 60 people and 40 items from vectors of length `rank`, a third of the pairs known."""
    rng = np.random.default_rng(seed)
    people, things = rng.normal(0, 0.7, (60, rank)), rng.normal(0, 0.7, (40, rank))
    truth = 3.2 + people @ things.T + rng.normal(0, noise, (60, 40))
    rated = np.clip(np.round(truth * 2) / 2, 0.5, 5.0)
    return make([(u, i, float(rated[u, i]), 0) for u in range(60) for i in range(40) if rng.random() < 0.35])


def loss(model: Mf, data: Dataset) -> float:
    """The objective of the module's docstring, summed in a plain loop over public scores and the vectors' norms."""
    scores, total = model.score(model.histories_), 0.0
    for user, item, value in zip(data.users, data.items, data.values, strict=True):
        total += (float(value) - float(scores[user, item])) ** 2
    for codes, vectors in ((data.users, model.user_vectors_), (data.items, model.item_vectors_)):
        for code in np.unique(codes):
            count = float((codes == code).sum()) ** POWER[model.reg_per]
            total += model.reg * count * float((vectors[code].astype(np.float64) ** 2).sum())
    return total


@EVERY
@pytest.mark.parametrize("biases", [True, False])
def test_objective_is_as_written_and_least_where_als_ends(make: Make, reg_per: str, biases: bool) -> None:
    data = planted(make)
    reg = {"rating": 0.05, "root": 0.3, "vector": 1.0}[reg_per]
    model = Mf(factors=4, reg=reg, reg_per=reg_per, biases=biases, epochs=1500).fit(data)  # type: ignore[arg-type]
    ended = loss(model, data)
    assert model.objective(data) == pytest.approx(ended, rel=1e-5)
    for vectors in (model.user_vectors_, model.item_vectors_):  # central differences: the gradient is zero
        slopes = []
        for place in [(0, 0), (3, 1), (17, 3), (39, 2)]:
            values = []
            for step in (0.02, -0.02):
                vectors[place] += np.float32(step)
                values.append(model.objective(data))
                vectors[place] -= np.float32(step)
            slopes.append((values[0] - values[1]) / 0.04)
            assert min(values) > ended
        np.testing.assert_allclose(slopes, 0, atol=0.02)


@EVERY
def test_a_persons_vector_is_the_ridge_solution_of_their_history(make: Make, reg_per: str) -> None:
    data = planted(make)
    model = Mf(factors=5, reg=0.2, reg_per=reg_per, epochs=2).fit(data)  # type: ignore[arg-type]
    items = model.item_vectors_.astype(np.float64)
    for user in (0, 7, 59):
        mine = data.users == user
        features = items[data.items[mine]].copy()
        left = data.values[mine] - data.values.mean(dtype=np.float64) - features[:, 0]
        features[:, 0] = 1.0
        gram = features.T @ features + 0.2 * mine.sum() ** POWER[reg_per] * np.eye(6)
        found = np.linalg.solve(gram, features.T @ left)
        expected = data.values.mean(dtype=np.float64) + items[:, 0] + found[0] + items[:, 1:] @ found[1:]
        for profiles in (data.profiles().take([user]), data.profiles().take([user]).strangers()):
            np.testing.assert_allclose(model.score(profiles)[0], expected, atol=1e-4)


@pytest.mark.parametrize("epochs", [1, 4])
def test_als_folds_a_known_history_in_to_the_same_bits(ratings: Dataset, epochs: int) -> None:
    model = Mf(factors=8, epochs=epochs).fit(ratings)
    assert model.fold_in == "exact"
    known, new = ratings.profiles(), ratings.profiles().strangers()
    assert (model.score(known) == model.score(new)).all()
    assert Mf(solver="sgd").fold_in == Mf(solver="adam").fold_in == "approximate"


CONVERGED: dict[str, dict[str, object]] = {  # what it takes to come within 0.4 % of the least objective
    "sgd": {"epochs": 800, "learning_rate": 0.15, "decay": 0.992},
    "adam": {"epochs": 400, "learning_rate": 0.1, "decay": 0.98, "batch_size": 64},
}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("reg_per", "reg", "biases"), [("rating", 0.05, True), ("rating", 0.05, False), ("vector", 1.0, True)]
)
def test_solvers_reach_one_objective(make: Make, solver: str, reg_per: str, reg: float, biases: bool) -> None:
    if solver == "adam" and not (importlib.util.find_spec("keras") and importlib.util.find_spec("jax")):
        pytest.skip("needs keras and jax")
    data, given = planted(make), {"factors": 8, "reg": reg, "reg_per": reg_per, "biases": biases, "init_std": 0.1}
    exact = Mf(**given, epochs=300).fit(data).objective(data)  # type: ignore[arg-type]
    found = Mf(**given, solver=solver, **CONVERGED[solver]).fit(data, run=Run(threads=1)).objective(data)  # type: ignore[arg-type]
    assert found == pytest.approx(exact, rel=0.01)


PROCESS = """
import json, sys
from conftest import blobs, dataset
from honeyguide.models.factorization.mf import Mf
from honeyguide.run import Run
model = Mf(solver="adam", factors=4, epochs=6, batch_size=100, learning_rate=0.05)
model.fit(dataset(blobs()), run=Run(seed=2, backend=sys.argv[1]))
print(json.dumps([model.user_vectors_.tolist(), model.item_vectors_.tolist()]))
"""


@pytest.mark.tensorflow
def test_adam_takes_the_same_way_on_jax_and_tensorflow() -> None:
    found = []
    for backend in ("jax", "tensorflow"):
        if not (importlib.util.find_spec("keras") and importlib.util.find_spec(backend)):
            pytest.skip(f"needs keras and {backend}")
        tests = Path(__file__).parents[2]
        ran = subprocess.run(
            [sys.executable, "-c", PROCESS, backend], cwd=tests, capture_output=True, text=True, check=True
        )
        found.append(json.loads(ran.stdout.splitlines()[-1]))
    for jax, tensorflow in zip(*found, strict=True):
        np.testing.assert_allclose(tensorflow, jax, atol=2e-4)
        assert np.abs(jax).max() > 0.2


def test_sgd_takes_the_same_way_on_one_thread_and_two(ratings: Dataset) -> None:
    one, two = (Mf(solver="sgd", factors=9, epochs=4).fit(ratings, run=Run(seed=5, threads=n)) for n in (1, 2))
    assert (one.user_vectors_ == two.user_vectors_).all()
    assert (one.item_vectors_ == two.item_vectors_).all()
    other = Mf(solver="sgd", factors=9, epochs=4).fit(ratings, run=Run(seed=6))
    assert not np.allclose(one.user_vectors_, other.user_vectors_)


@pytest.mark.parametrize("biases", [True, False])
def test_planted_vectors_give_the_ratings_held_out(make: Make, biases: bool) -> None:
    rng = np.random.default_rng(3)
    people, things = rng.normal(0, 0.7, (80, 2)), rng.normal(0, 0.7, (60, 2))
    rows = [(u, i, float(3.0 * biases + people[u] @ things[i]), 0) for u in range(80) for i in range(60)]
    known = rng.random(len(rows)) < 0.4
    data = make([row for row, keep in zip(rows, known, strict=True) if keep])
    model = Mf(factors=3, reg=1e-4, biases=biases, epochs=200).fit(data)
    truth = np.array([row[2] for row, keep in zip(rows, known, strict=True) if not keep], np.float32)
    asked = [row[:2] for row, keep in zip(rows, known, strict=True) if not keep]
    codes = Pairs(*(np.array([pair[side] for pair in asked], np.int32) for side in (0, 1)))
    assert rmse(truth, model.rate(model.histories_, codes)) < 0.05 < truth.std() / 5


def test_unknown_ratings_are_not_zeros() -> None:
    data = load("movielens-small")
    held = np.random.default_rng(0).random(len(data)) < 0.1
    train, test = data.take(~held), data.take(held)
    filled = train.matrix().toarray()
    left = np.linalg.eigh(filled @ filled.T)[1][:, -10:]
    mistaken = rmse(test.values, (left @ (left.T @ filled))[test.users, test.items])  # the best fit to zeros of rank 10
    mean = rmse(test.values, np.full(len(test), train.values.mean(), np.float32))
    for biases in (True, False):
        model = Mf(factors=20, biases=biases).fit(train)
        error = rmse(test.values, model.rate_clipped(model.histories_, Pairs(test.users, test.items)))
        assert error < 0.93 < 1.0 < mean < 1.1 < 2.0 < mistaken, (error, mean, mistaken)


@pytest.mark.parametrize("solver", ["als", "sgd"])
def test_what_was_never_seen_gets_the_mean(make: Make, solver: str) -> None:
    rows = [("u", "a", 4.5, 1), ("u", "b", 2.0, 2), ("v", "a", 0.5, 3), ("v", "b", 3.5, 3), ("w", "A", 5.0, 3)]
    part = make(rows).take(np.arange(4))  # neither w nor A, the first item, has a rating
    mean = float(part.values.mean())
    model = Mf(factors=2, solver=solver, epochs=30).fit(part)  # type: ignore[arg-type]
    b_user, b_item = model.user_vectors_[0, 0], model.item_vectors_[1, 0]
    found = model.predict([("u", "A"), ("u", "none"), ("w", "a"), ("nobody", "a"), ("w", "A"), ("nobody", "none")])
    expected = [mean + b_user, mean + b_user, mean + b_item, mean + b_item, mean, mean]
    np.testing.assert_allclose(found["prediction"], expected, atol=1e-5)
    assert abs(b_user) > 1e-3 < abs(b_item)
    plain = Mf(factors=2, solver=solver, biases=False, epochs=30).fit(part)  # type: ignore[arg-type]
    found = plain.predict([("u", "A"), ("u", "none"), ("w", "a"), ("nobody", "a"), ("nobody", "none")])
    np.testing.assert_allclose(found["prediction"], mean, atol=1e-6)
    np.testing.assert_allclose(plain.score(part.profiles())[:, 0], mean, atol=1e-6)
    np.testing.assert_allclose(plain.score(part.profiles())[2], mean, atol=1e-6)


def test_ratings_are_the_scores_of_the_pairs(ratings: Dataset) -> None:
    for given in ({}, {"biases": False}, {"solver": "sgd"}):
        model = Mf(factors=6, epochs=3, **given).fit(ratings)  # type: ignore[arg-type]
        rated = model.rate(ratings.profiles(), Pairs(ratings.users, ratings.items))
        scores = model.score(ratings.profiles())
        np.testing.assert_allclose(rated, scores[ratings.users, ratings.items], atol=1e-5)


def test_similarity_is_the_cosine_of_vectors_without_biases(ratings: Dataset) -> None:
    model = Mf(factors=6).fit(ratings)
    near = model.similarity(np.arange(ratings.n_items, dtype=np.int32))
    vectors = model.item_vectors_[:, 1:]
    for a, b in ((0, 1), (5, 29), (8, 8)):
        cosine = vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])
        assert near[a, b] == pytest.approx(cosine, abs=1e-5)
    taste = np.array([int(item.split(";")[1]) % 2 for item in ratings.schema.items.series()])
    alike = taste[:, None] == taste
    assert near[alike].mean() > near[~alike].mean() + 0.5


def test_a_file_holds_the_same_vectors(ratings: Dataset, tmp_path: Path) -> None:
    for solver in ("als", "sgd"):
        model = Mf(factors=4, epochs=2, solver=solver).fit(ratings)  # type: ignore[arg-type]
        model.save(tmp_path / "mf.safetensors")
        again = hg.open(tmp_path / "mf.safetensors")
        assert isinstance(again, Mf)
        assert again.objective(ratings) == model.objective(ratings)
        assert (again.score(ratings.profiles().strangers()) == model.score(ratings.profiles().strangers())).all()


def test_errors_say_what_to_do(make: Make, ratings: Dataset) -> None:
    with pytest.raises(
        DivergedError, match=r"the vectors are not finite, learning_rate being 50; lower learning_rate, or raise reg"
    ):
        Mf(solver="sgd", learning_rate=50.0).fit(ratings)
    model = Mf(factors=2, epochs=1).fit(ratings)
    with pytest.raises(
        DataError, match=r"the objective needs the people and items of the training data \(40, 30\), got \(1, 1\)"
    ):
        model.objective(make([("u", "a", 1.0, 0)]))
    with pytest.raises(ParameterError, match="Mf.reg_per must be one of 'rating', 'root', 'vector', got 'row'"):
        Mf(reg_per="row")  # type: ignore[arg-type]


@pytest.mark.data
@pytest.mark.quality
@pytest.mark.parametrize(
    ("given", "low", "high"),
    [({}, 0.919, 0.932), ({"solver": "sgd", "reg": 0.1, "epochs": 30}, 0.915, 0.928)],
    ids=["als", "sgd"],
)
def test_error_on_movielens_100k(real_data: Path, given: dict[str, object], low: float, high: float) -> None:
    train, test = fold(1, folder=real_data)
    error = rmse(test.values, Mf(**given).fit(train).predict(test)["prediction"].to_numpy())  # type: ignore[arg-type]
    assert low < error < high
