"""Als against least squares over all pairs, the gradient of its objective, and planted answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import ArtifactError, DataError
from honeyguide.models.factorization.als import Als
from honeyguide.run import Run

Make = Callable[..., Dataset]
SETTINGS = [
    {"nu": 1.0, "reg": 0.02},
    {"nu": 0.0, "reg": 2.0, "alpha": 4.0},
    {"nu": 0.5, "reg": 0.3, "confidence": "values", "alpha": 1.0},
    {"nu": 1.0, "reg": 0.05, "confidence": "log", "alpha": 7.0},
]
EVERY = pytest.mark.parametrize("given", SETTINGS, ids=lambda given: " ".join(map(str, given.values())))


def plays(make: Make, *, n_users: int = 50, n_items: int = 30, seed: int = 0) -> Dataset:
    """Play counts of two tastes, with repeats, one count of 0 and one below it."""
    rng = np.random.default_rng(seed)
    rows = [
        (u, i, float(rng.integers(1, 9)), 0)
        for u in range(n_users)
        for i in range(n_items)
        if rng.random() < (0.5 if (u + i) % 2 else 0.08)
    ]
    return make([*rows, *rows[:9], (0, 0, 0.0, 0), (1, 1, -2.0, 0)], explicit=False)


def dense(model: Als, data: Dataset) -> tuple[np.ndarray, ...]:
    """p (U, I), c (U, I) and the penalties (U,), (I,), by the formula of the module's docstring, from the events."""
    known, value = np.zeros((data.n_users, data.n_items)), np.zeros((data.n_users, data.n_items))
    for user, item, count in zip(data.users, data.items, data.values, strict=True):
        known[user, item] = 1.0
        value[user, item] += count
    value = np.maximum(value, 0.0)
    heft = {"ones": known, "values": value, "log": np.log(1.0 + value)}[model.confidence]
    sure = 1.0 + model.alpha * heft * known
    people, items = known.any(axis=1), known.any(axis=0)
    c_user, c_item = sure[:, items].sum(axis=1), sure[people].sum(axis=0)
    return known, sure, model.reg * c_user**model.nu, model.reg * c_item**model.nu


def vectors(model: Als, data: Dataset) -> np.ndarray:
    """(U, F) the people's vectors behind the public scores: score = vector . items, solved for."""
    return np.linalg.lstsq(model.item_vectors_.astype(np.float64), model.score(data.profiles()).T, rcond=None)[0].T


def loss(people: np.ndarray, items: np.ndarray, about: tuple[np.ndarray, ...]) -> float:
    known, sure, user_reg, item_reg = about
    fit = (sure * (known - people @ items.T) ** 2).sum()
    return float(fit + (user_reg * (people**2).sum(axis=1)).sum() + (item_reg * (items**2).sum(axis=1)).sum())


@EVERY
@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_a_persons_scores_are_the_dense_least_squares_answer(make: Make, given: dict[str, object], solver: str) -> None:
    data = plays(make)
    model = Als(factors=6, epochs=2, solver=solver, **given).fit(data)
    known, sure, user_reg, _ = dense(model, data)
    items, expected = model.item_vectors_.astype(np.float64), []
    for user in range(data.n_users):  # every pair of the person, the unknown ones too
        gram = items.T @ (sure[user][:, None] * items) + user_reg[user] * np.eye(6)
        expected.append(items @ np.linalg.solve(gram, items.T @ (sure[user] * known[user])))
    for profiles in (data.profiles(), data.profiles().strangers()):
        np.testing.assert_allclose(model.score(profiles), expected, atol=2e-5)
    assert np.abs(expected).max() > 0.5


@EVERY
@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_gradient_of_the_objective_is_zero_at_the_end(make: Make, given: dict[str, object], solver: str) -> None:
    data = plays(make)
    model = Als(factors=4, epochs=400, solver=solver, **given).fit(data)
    about, people, items = dense(model, data), vectors(model, data), model.item_vectors_.astype(np.float64)
    known, sure, user_reg, item_reg = about
    wrong = sure * (people @ items.T - known)  # half the gradient, in both factors
    for slope, size in ((wrong @ items + user_reg[:, None] * people, people),
                        (wrong.T @ people + item_reg[:, None] * items, items)):  # fmt: skip
        assert np.abs(slope).max() < 2e-3
        assert np.abs(size).max() > 0.1
    assert model.objective(data) == pytest.approx(loss(people, items, about), rel=1e-5)


@EVERY
def test_gradient_steps_reach_the_loss_of_exact_half_steps(make: Make, given: dict[str, object]) -> None:
    data = plays(make)
    ended = [Als(factors=8, epochs=60, solver=s, **given).fit(data).objective(data) for s in ("cg", "cholesky")]
    assert ended[0] == pytest.approx(ended[1], rel=0.01)


def test_the_objective_falls_with_every_epoch(make: Make) -> None:
    data = plays(make)
    for solver in ("cg", "cholesky"):
        found: list[float] = []

        def watch(model: Als, epoch: int, found: list[float] = found) -> bool:
            found.append(model.objective(data))
            return False

        Als(factors=5, epochs=12, solver=solver).fit(data, watch=watch)
        assert all(after <= before * (1 + 1e-6) for before, after in pairwise(found)), found
        assert found[-1] < 0.9 * found[0]


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_checkerboard_whose_cell_was_held_out(make: Make, solver: str) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    model = Als(factors=2, solver=solver).fit(make(rows, explicit=False))
    assert model.recommend(0, k=1)["item"].to_list() == [4]
    assert sorted(model.recommend(history=[1, 3], k=3, items=range(10))["item"].to_list()) == [5, 7, 9]
    near = model.similar_items([4], k=4)
    assert sorted(near["similar"].to_list()) == [0, 2, 6, 8]
    assert (near["score"] > 0.9).all()


@pytest.mark.parametrize("given", [{}, {"confidence": "values"}, {"solver": "cholesky"}], ids=str)
def test_a_known_person_as_a_stranger_gets_the_same_bits(ratings: Dataset, given: dict[str, object]) -> None:
    model = Als(factors=8, epochs=3, **given).fit(ratings)
    assert model.fold_in == "exact"
    assert (model.score(ratings.profiles()) == model.score(ratings.profiles().strangers())).all()


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_threads_change_no_bit(make: Make, solver: str) -> None:
    data = plays(make, n_users=300)
    one, two = (Als(factors=9, epochs=4, solver=solver).fit(data, run=Run(seed=5, threads=n)) for n in (1, 2))
    assert (one.item_vectors_ == two.item_vectors_).all()
    other = Als(factors=9, epochs=4, solver=solver).fit(data, run=Run(seed=6))
    assert not np.allclose(one.item_vectors_, other.item_vectors_)


def test_values_count_where_they_are_positive(make: Make) -> None:
    rows = [("u", "a", 5.0, 1), ("u", "b", 2.0, 1), ("u", "c", 4.0, 2), ("v", "a", 1.0, 1), ("v", "c", 4.5, 1)]
    rows += [("v", "c", 4.0, 3), ("w", "b", 1.0, 1)]
    data = make(rows, positive=">=4")
    found = Als(confidence="values", alpha=2.0)._weights(data.profiles())
    assert found.toarray().tolist() == [[10.0, 0.0, 8.0], [0.0, 0.0, 8.0], [0.0, 0.0, 0.0]]
    counted = make(rows, positive=">=4", explicit=False)  # counts add up, and one of them positive is enough
    found = Als(confidence="log", alpha=1.0)._weights(counted.profiles())
    np.testing.assert_allclose(found.toarray(), np.log1p([[5.0, 0, 4.0], [0, 0, 8.5], [0, 0, 0]]), rtol=1e-6)


def test_what_nobody_has_scores_zero(make: Make) -> None:
    data = make([(u, i, 5.0 if i < 5 else 1.0, 0) for u in range(9) for i in range(8)], positive=">=4")
    model = Als(factors=70).fit(data)  # more factors than items
    assert (model.score(data.profiles())[:, 5:] == 0).all()
    assert (model.score(data.profiles())[:, :5] > 0.5).all()
    assert np.isneginf(model.similarity(np.arange(8, dtype=np.int32))[:, 5:]).all()


def test_whoever_has_nothing_changes_nothing(make: Make) -> None:
    rows = [(u, i, 5.0, 0) for u in range(12) for i in range(9) if (u * i) % 4 != 1]
    data, more = make(rows, positive=">=4"), make([*rows, *((u, 0, 1.0, 0) for u in range(12, 30))], positive=">=4")
    one, two = (Als(factors=3, nu=0.0, reg=1.0, epochs=1).fit(each) for each in (data, more))  # nu=1 counts people
    np.testing.assert_allclose(two.score(data.profiles()), one.score(data.profiles()), atol=1e-5)


def test_errors_say_what_to_do(make: Make, ratings: Dataset) -> None:
    model = Als(factors=2, epochs=1).fit(ratings)
    with pytest.raises(
        DataError, match=r"the objective needs the people and items of the training data \(40, 30\), got \(1, 1\)"
    ):
        model.objective(make([("u", "a", 1.0, 0)]))


def test_a_file_whose_vectors_and_spectrum_differ_is_refused(ratings: Dataset, tmp_path: Path) -> None:
    model = Als(factors=6, epochs=2).fit(ratings)
    model.save(tmp_path / "als.safetensors")
    again = hg.open(tmp_path / "als.safetensors")
    assert (again.score(ratings.profiles()) == model.score(ratings.profiles())).all()
    model.spectrum_ = model.spectrum_[:3]
    model.save(tmp_path / "short.safetensors")
    with pytest.raises(ArtifactError, match=r"spectrum_ must be \(6,\), got \(3,\)"):
        hg.open(tmp_path / "short.safetensors")


def test_user_vectors_are_what_scores_are_made_of(ratings: Dataset) -> None:
    model = Als(factors=6, epochs=2).fit(ratings)
    found = model.user_vectors(ratings.profiles(), run=Run(threads=2))
    assert found.shape == (40, 6)
    np.testing.assert_allclose(found @ model.item_vectors_.T, model.score(ratings.profiles()), rtol=1e-5, atol=1e-6)


@pytest.mark.data
@pytest.mark.quality
def test_lists_of_movielens_1m(real_data: Path) -> None:
    data = hg.load("movielens-1m-positives", folder=real_data)
    train, test = hg.split(data, "per-person", test=0.2, seed=0)
    found = hg.evaluate({"als": Als().fit(train)}, train, test, metrics=["ndcg@10"])
    assert 0.333 < found.value("als", "ndcg@10") < 0.345


def test_ids_without_positives_change_nothing(make: Make) -> None:
    rng = np.random.default_rng(3)
    rows = [(f"u{u}", f"i{i}", 5.0, 0) for u in range(30) for i in range(20) if rng.random() < 0.3]
    padded = [*rows, *((f"x{n}", f"y{n}", 1.0, 0) for n in range(200))]
    given = {"factors": 4, "epochs": 40, "nu": 1.0}
    alone, among = (Als(**given).fit(make(part, positive=">=4")) for part in (rows, padded))
    items = sorted({row[1] for row in rows})
    tables = [model.recommend(history=items[:3], k=9, items=items) for model in (alone, among)]
    assert tables[0]["item"].to_list() == tables[1]["item"].to_list()
    np.testing.assert_allclose(tables[0]["score"], tables[1]["score"], atol=2e-3)  # both near the end, by other roads


@pytest.mark.parametrize(("share", "above"), [(0.02, 1e-4), (0.2, 2.5e-3)])
def test_an_update_comes_near_the_objective_of_a_fit(share: float, above: float) -> None:
    """With the last events of all: within .01 % and .25 % of a fit, where three epochs from nothing are 3 % above."""
    data = hg.load("movielens-small", positive=">=4")
    order = np.argsort(data.times, kind="stable")
    cut = int(len(data) * (1 - share))
    first, later = data.take(np.sort(order[:cut])), data.take(np.sort(order[cut:]))
    given = {"factors": 24, "alpha": 5.0, "reg": 0.01}
    whole = Als(**given, epochs=15).fit(data).objective(data)
    updated = Als(**given, epochs=15).fit(first).update(later)
    again = Als(**given, epochs=3).fit(data).objective(data)
    assert updated.objective(data) < (1.0 + above) * whole
    assert 1.03 * whole < again
