"""Non-negative factors against a plain loop, the condition of a minimum, planted answers; and people never seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from bench.history_length import exam

from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs
from honeyguide.data.sources import load
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import DataError
from honeyguide.metrics.rating import rmse
from honeyguide.models.baseline.bias import Bias
from honeyguide.models.factorization.nmf import Nmf
from honeyguide.run import Run

Make = Callable[..., Dataset]


def watched(model: Nmf, data: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    """The vectors (U, F), (I, F) after each epoch, in float64."""
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def watch(now: Nmf, epoch: int) -> bool:
        seen.append((now.user_vectors_.astype(np.float64), now.item_vectors_.astype(np.float64)))
        return False

    model.fit(data, watch=watch)  # type: ignore[arg-type]
    return seen


def test_an_epoch_is_that_of_the_plain_loop(ratings: Dataset) -> None:
    model = Nmf(factors=4, reg=0.3, epochs=2)
    (people, items), (new_people, new_items) = watched(model, ratings)
    matrix, squares = ratings.matrix().tocoo(), 0.0
    for side in (0, 1):
        own, other = (people, items) if side == 0 else (items, people)
        upper, lower = np.zeros_like(own), np.zeros_like(own)
        for u, i, rating in zip(matrix.row, matrix.col, matrix.data, strict=True):
            found, (at, from_) = people[u] @ items[i], (u, i) if side == 0 else (i, u)
            squares += side * (rating - found) ** 2
            upper[at] += rating * other[from_]
            lower[at] += found * other[from_] + 0.3 * own[at]
        own *= upper / lower
    np.testing.assert_allclose(new_people, people, rtol=1e-4)
    np.testing.assert_allclose(new_items, items, rtol=1e-4)
    top = 2 * np.sqrt(matrix.data.mean() / 4)
    whole = np.cov(new_people.T, bias=True) * 40 + 4 * top**2 / 12 * np.eye(4)
    scale = model.prior_root_ @ model.prior_root_.T  # the prior's covariance by the noise
    np.testing.assert_allclose(scale * squares / matrix.nnz, whole / 44, rtol=1e-3, atol=1e-5)


def test_the_objective_never_rises_and_ends_where_the_gradient_is_zero(make: Make) -> None:
    rng = np.random.default_rng(0)
    data = make([(u, i, float(rng.integers(1, 6)), 0) for u in range(30) for i in range(20) if rng.random() < 0.6])
    ratings, losses = data.matrix().toarray(), []
    given = ratings > 0
    for people, items in watched(Nmf(factors=3, reg=0.1, epochs=3000), data):
        error = np.where(given, ratings - people @ items.T, 0.0)
        sizes = given.sum(axis=1) @ people**2, given.sum(axis=0) @ items**2
        losses.append(float((error**2).sum() + 0.1 * (sizes[0].sum() + sizes[1].sum())))
    assert np.diff(losses).max() < 1e-6 * losses[0]
    assert losses[-1] < 0.8 * losses[0]
    down = error @ items, error.T @ people
    for vectors, slope, counts in zip((people, items), down, (given.sum(axis=1), given.sum(axis=0)), strict=True):
        half = 0.1 * counts[:, None] * vectors - slope  # of the gradient
        assert (vectors >= 0).all()
        assert np.abs(half[vectors > 1e-2]).max() < 0.05
        assert half[vectors <= 1e-2].min() > -0.05  # at the border it may only point outwards


def test_any_scale_of_ratings_gives_the_same_answer(make: Make) -> None:
    rng = np.random.default_rng(1)
    rows = [(u, i, float(rng.integers(1, 6)), 0) for u in range(30) for i in range(20) if rng.random() < 0.6]
    few, many = (Nmf(reg=0.0, epochs=20).fit(make([(u, i, v * by, t) for u, i, v, t in rows])) for by in (1.0, 100.0))
    profiles = few.histories_
    np.testing.assert_allclose(100 * few.score(profiles), many.score(many.histories_), rtol=0.01)


def test_planted_factors_give_the_ratings_held_out(make: Make) -> None:
    rng = np.random.default_rng(3)
    people, things = rng.gamma(1.0, 1.0, (120, 2)), rng.gamma(1.0, 1.0, (60, 2))
    rows = [(u, i, float(people[u] @ things[i]), 0) for u in range(120) for i in range(60)]
    known = rng.random(len(rows)) < 0.5
    data = make([row for row, keep in zip(rows, known, strict=True) if keep])
    train = data.take(data.users < 80)
    model = Nmf(factors=2, reg=1e-5, epochs=1500).fit(train)
    held = [row for row, keep in zip(rows, known, strict=True) if not keep]
    truth, pairs = np.array([row[2] for row in held], np.float32), Pairs(*np.array([r[:2] for r in held], np.int32).T)
    profiles = data.profiles().strangers()
    profiles.known[:80] = np.arange(80)
    off = (model.rate(profiles, pairs) - truth) ** 2
    for whose in (pairs.rows < 80, pairs.rows >= 80):  # trained on, and folded in
        assert off[whose].mean() ** 0.5 < 0.05 * truth.std()


def test_a_strangers_vector_is_the_best_non_negative_one_under_the_prior(ratings: Dataset) -> None:
    model = Nmf(factors=3, epochs=30).fit(ratings)
    profiles, items = ratings.profiles().take([0, 5, 39]).strangers(), model.item_vectors_.astype(np.float64)
    matrix, root = profiles.matrix(), np.linalg.inv(model.prior_root_)
    for row in range(3):
        x, y = items[matrix[row].indices], matrix[row].data.astype(np.float64)
        best, _ = scipy.optimize.nnls(np.vstack([x, root]), np.append(y, root @ model.prior_mean_))
        np.testing.assert_allclose(model.score(profiles)[row], items @ best, atol=0.03)
    empty = profiles.where_events(np.zeros(len(profiles.items), bool))
    np.testing.assert_allclose(model.score(empty)[0], items @ model.prior_mean_, atol=1e-4)


def test_known_people_are_strangers_where_all_are_solved_for(ratings: Dataset) -> None:
    trained, solved = (Nmf(factors=4, people=people).fit(ratings) for people in ("trained", "solved"))  # type: ignore[arg-type]
    known, new = ratings.profiles(), ratings.profiles().strangers()
    assert (trained.fold_in, solved.fold_in) == ("approximate", "exact")
    assert (solved.score(known) == trained.score(new)).all()
    assert (solved.score(new) == trained.score(new)).all()
    assert np.abs(trained.score(known) - solved.score(known)).max() > 0.01


def test_threads_do_not_change_a_bit(ratings: Dataset) -> None:
    one, two = (Nmf(epochs=4).fit(ratings, run=Run(seed=5, threads=n)) for n in (1, 2))
    for name in ("user_vectors_", "item_vectors_", "prior_mean_", "prior_root_"):
        assert (getattr(one, name) == getattr(two, name)).all()
    assert not np.allclose(one.user_vectors_, Nmf(epochs=4).fit(ratings, run=Run(seed=6)).user_vectors_)


def test_what_was_never_seen_gets_the_mean(make: Make) -> None:
    rows = [("u", "a", 4.5, 1), ("u", "b", 2.0, 2), ("v", "a", 0.5, 3), ("v", "b", 3.5, 3), ("w", "A", 5.0, 3)]
    part = make(rows).take(np.arange(4))  # neither w nor A, the first item, has a rating
    model, mean = Nmf(factors=2, epochs=30).fit(part), float(part.values.mean())
    asked = [("u", "A"), ("u", "none"), ("nobody", "none"), ("w", "none"), ("w", "A")]
    np.testing.assert_allclose(model.predict(asked)["prediction"], mean, atol=1e-6)
    np.testing.assert_allclose(model.score(part.profiles())[:, 0], mean, atol=1e-6)
    usual = model.prior_mean_ @ model.item_vectors_[1]
    for history in ([], [("A", 5.0)]):  # of which nothing is known
        rated = model.predict(["a"], history=history)["prediction"].to_list()
        assert rated == pytest.approx([usual], abs=1e-4)
    everyone = model.user_vectors_[:2].mean(axis=0)
    np.testing.assert_allclose(model.prior_mean_, everyone, atol=1e-6)


def test_ratings_are_scores_are_products_of_vectors(ratings: Dataset) -> None:
    model = Nmf(factors=6).fit(ratings)
    for profiles in (ratings.profiles(), ratings.profiles().strangers()):
        rated, scores = model.rate(profiles, Pairs(ratings.users, ratings.items)), model.score(profiles)
        np.testing.assert_allclose(rated, scores[ratings.users, ratings.items], atol=1e-5)
        np.testing.assert_allclose(scores, model.user_vectors(profiles) @ model.item_vectors().T, atol=1e-5)


def test_similarity_is_the_cosine_of_vectors(ratings: Dataset) -> None:
    model = Nmf(factors=6).fit(ratings)
    near, vectors = model.similarity(np.arange(ratings.n_items, dtype=np.int32)), model.item_vectors_
    for a, b in ((0, 1), (5, 29), (8, 8)):
        cosine = vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])
        assert near[a, b] == pytest.approx(cosine, abs=1e-5)
    taste = np.array([int(item.split(";")[1]) % 2 for item in ratings.schema.items.series()])
    alike = taste[:, None] == taste
    assert near[alike].mean() > near[~alike].mean() + 0.3


def test_negative_ratings_are_refused_and_zeros_are_not(make: Make) -> None:
    rows = [("u", "a", -1.0, 1), ("u", "b", 2.0, 2), ("v", "a", 0.5, 3)]
    with pytest.raises(DataError, match=r"Nmf learns ratings >= 0, and the least is -1; add a number to all of them"):
        Nmf().fit(make(rows))
    zeros = Nmf(epochs=5).fit(make([("u", "a", 0.0, 1), ("u", "b", 0.0, 2), ("v", "a", 0.0, 3)]))
    np.testing.assert_allclose(zeros.score(zeros.histories_), 0.0, atol=1e-3)


def test_short_histories_are_rated_as_well_as_long_ones_are_learned() -> None:
    """With so few ratings nmf falls behind bias for everybody; a fold-in that knows nothing is .3 worse at length 1."""
    paper = exam(load("movielens-small"), 0.3, 1)
    errors = [
        np.array([rmse(paper.ratings, model.rate_clipped(shown, paper.pairs)) for shown in paper.shown])
        for model in (Nmf().fit(paper.train), Bias().fit(paper.train))
    ]
    assert (errors[0] - errors[1]).max() < 0.06
    assert errors[0][0] < errors[1][0] + 0.04


@pytest.mark.data
@pytest.mark.quality
def test_error_on_movielens_100k(real_data: Path) -> None:
    train, test = fold(1, folder=real_data)
    error = rmse(test.values, Nmf().fit(train).predict(test)["prediction"].to_numpy())
    assert 0.970 < error < 0.984  # Surprise's, over seeds: .974 to .980
