"""SVD++ against the gradient of its objective, the plain loop of its steps, and planted answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bench.history_length import exam

from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.data.sources import load
from honeyguide.data.sources.movielens_100k import fold
from honeyguide.errors import DivergedError
from honeyguide.metrics.rating import rmse
from honeyguide.models.baseline.bias import Bias
from honeyguide.models.factorization.svdpp import Svdpp
from honeyguide.run import Run

Make = Callable[..., Dataset]
State = tuple[np.ndarray, np.ndarray, np.ndarray]


def two_epochs(model: Svdpp, data: Dataset, run: Run) -> list[State]:
    """Of people (U, F + 1), items (I, F + 1) and what items imply (I, F), after each of two epochs."""
    seen: list[State] = []

    def watch(now: Svdpp, epoch: int) -> bool:
        state = now.user_vectors_, now.item_vectors_, now.implicit_
        seen.append(tuple(vectors.astype(np.float64) for vectors in state))  # type: ignore[arg-type]
        return epoch == 2

    model.fit(data, run=run, watch=watch)  # type: ignore[arg-type]
    return seen


def objective(state: State, ratings: np.ndarray, given: np.ndarray, reg: float) -> float:
    """The sum of the module's docstring in a plain loop; `given` (U, I) is where there are ratings."""
    people, items, implicit = state
    total, mean = 0.0, float(ratings[given].mean())
    for u, i in np.argwhere(given):
        mine = np.flatnonzero(given[u])
        whole = people[u, 1:] + implicit[mine].sum(axis=0) / np.sqrt(len(mine))
        total += (ratings[u, i] - mean - people[u, 0] - items[i, 0] - whole @ items[i, 1:]) ** 2
        total += reg * ((people[u] ** 2).sum() + (items[i] ** 2).sum() + (implicit[mine] ** 2).sum())
    return total


def test_a_small_step_goes_down_the_gradient_of_the_objective(make: Make) -> None:
    rng = np.random.default_rng(0)
    data = make([(u, i, float(rng.integers(1, 6)), 0) for u in range(7) for i in range(6) if rng.random() < 0.6])
    rate, reg = 1e-3, 0.3
    before, after = two_epochs(Svdpp(factors=2, reg=reg, learning_rate=rate, init_std=0.5), data, Run(seed=4))
    ratings = data.matrix().toarray()
    for old, new in zip(before, after, strict=True):
        slope = np.zeros_like(old)
        for place in np.ndindex(old.shape):
            ends = []
            for step in (1e-4, -1e-4):
                old[place] += step
                ends.append(objective(before, ratings, ratings > 0, reg))
                old[place] -= step
            slope[place] = (ends[0] - ends[1]) / 2e-4
        np.testing.assert_allclose((new - old) / rate, -slope / 2, atol=0.03 * np.abs(slope).max())


def test_an_epoch_is_that_of_the_plain_loop(ratings: Dataset) -> None:
    run, matrix = Run(seed=1), ratings.matrix()
    model = Svdpp(factors=3, learning_rate=0.02)
    (people, items, implicit), after = two_epochs(model, ratings, run)
    mean, squares = float(matrix.data.mean(dtype=np.float64)), 0.0
    for u in run.rng(1, 1).permutation(ratings.n_users):
        mine = matrix[u].indices
        for i, rating in zip(mine, matrix[u].data, strict=True):
            p, q = people[u].copy(), items[i].copy()
            whole = p[1:] + implicit[mine].sum(axis=0) / np.sqrt(len(mine))
            error = rating - mean - p[0] - q[0] - whole @ q[1:]
            squares += error**2
            people[u] += 0.02 * (error * np.append(1, q[1:]) - 0.02 * p)
            items[i] += 0.02 * (error * np.append(1, whole) - 0.02 * q)
            implicit[mine] += 0.02 * (error * q[1:] / np.sqrt(len(mine)) - 0.02 * implicit[mine])
    for got, expected in zip(after, (people, items, implicit), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4)
    scale = model.prior_root_ @ model.prior_root_.T  # the prior's covariance by the noise
    whole = np.cov(people.T, bias=True) * 40 + 4 * 0.01 * np.eye(4)
    np.testing.assert_allclose(scale * squares / matrix.nnz, whole / 44, rtol=1e-3, atol=1e-5)


def expected(model: Svdpp, profiles: Profiles, row: int, *, known: bool) -> np.ndarray:
    """(I,) the ratings of a person by the formulas, in float64."""
    matrix = profiles.matrix()[row]
    items, implied = model.item_vectors_.astype(np.float64), np.zeros(model.factors)
    if matrix.nnz:
        implied = model.implicit_[matrix.indices].sum(axis=0) / np.sqrt(matrix.nnz)
    if known:
        own = model.user_vectors_[profiles.known[row]]
    else:
        x = np.column_stack([np.ones(matrix.nnz), items[matrix.indices, 1:]])
        y = matrix.data - model.mean_ - items[matrix.indices, 0] - items[matrix.indices, 1:] @ implied
        precision = np.linalg.inv(model.prior_root_ @ model.prior_root_.T)
        own = np.linalg.solve(x.T @ x + precision, x.T @ y + precision @ model.prior_mean_)
    return model.mean_ + own[0] + items[:, 0] + items[:, 1:] @ (own[1:] + implied)


def test_people_known_and_new_are_rated_by_the_formulas(ratings: Dataset) -> None:
    model = Svdpp(factors=3, epochs=40, learning_rate=0.03).fit(ratings)
    profiles = ratings.profiles().take([0, 5, 39])
    for row in range(3):
        for known, asked in ((True, profiles), (False, profiles.strangers())):
            np.testing.assert_allclose(model.score(asked)[row], expected(model, profiles, row, known=known), atol=1e-3)
    empty = profiles.strangers().where_events(np.zeros(len(profiles.items), bool))
    np.testing.assert_allclose(model.score(empty)[1], expected(model, empty, 1, known=False), atol=1e-4)
    mixed = model.score(profiles.take([0, 1]))  # neighbours in a batch of known and new
    profiles.known[1] = -1
    np.testing.assert_allclose(model.score(profiles)[0], mixed[0], atol=1e-5)
    np.testing.assert_allclose(model.score(profiles)[1], model.score(profiles.strangers())[1], atol=1e-5)


def test_what_one_has_rated_is_learned_whatever_the_rating(make: Make) -> None:
    """Everybody rates items of one half alone, and likes what is even there and odd in the other; noise in the rest."""
    rng, rows = np.random.default_rng(2), []
    for u in range(200):
        half = u % 2
        for i in rng.permutation(20)[:10]:
            rows.append((u, int(i + 20 * half), float(rng.integers(1, 6)), 0))
        for i in range(40, 50):
            rows.append((u, i, 5.0 if (i + u) % 2 else 1.0, 0))
    data = make(rows)
    model = Svdpp(factors=4, epochs=60, learning_rate=0.02).fit(data)
    shown = data.profiles().where_events(data.profiles().items < 40).strangers()  # noise: only which items says
    scores = model.score(shown)[:, 40:]
    liked = (np.arange(40, 50) + np.arange(200)[:, None]) % 2 == 1
    assert scores[liked].mean() - scores[~liked].mean() > 2.0


def test_known_people_are_strangers_where_all_are_solved_for(ratings: Dataset) -> None:
    trained, solved = (Svdpp(factors=4, people=people).fit(ratings) for people in ("trained", "solved"))  # type: ignore[arg-type]
    known, new = ratings.profiles(), ratings.profiles().strangers()
    assert (trained.fold_in, solved.fold_in) == ("approximate", "exact")
    assert (solved.score(known) == trained.score(new)).all()
    assert (solved.score(new) == trained.score(new)).all()
    assert np.abs(trained.score(known) - solved.score(known)).max() > 0.01


def test_seeds_repeat_and_threads_do_not_matter(ratings: Dataset) -> None:
    one, two = (Svdpp(epochs=3).fit(ratings, run=Run(seed=5, threads=n)) for n in (1, 2))
    for name in ("user_vectors_", "item_vectors_", "implicit_", "prior_mean_", "prior_root_"):
        assert (getattr(one, name) == getattr(two, name)).all()
    assert not np.allclose(one.implicit_, Svdpp(epochs=3).fit(ratings, run=Run(seed=6)).implicit_)


def test_what_was_never_seen_is_rated_without_its_part(make: Make) -> None:
    rows = [("u", "a", 4.5, 1), ("u", "b", 2.0, 2), ("v", "a", 0.5, 3), ("v", "b", 3.5, 3), ("w", "A", 5.0, 3)]
    part = make(rows).take(np.arange(4))  # neither w nor A, the first item, has a rating
    model = Svdpp(factors=2, epochs=30).fit(part)
    own, usual = model.user_vectors_[0, 0], model.prior_mean_[0]
    asked = [("u", "A"), ("u", "none"), ("nobody", "none"), ("w", "none"), ("w", "A")]
    expected = model.mean_ + np.array([own, own, usual, usual, usual])
    np.testing.assert_allclose(model.predict(asked)["prediction"], expected, atol=1e-5)
    assert (model.implicit_[0] == 0).all()
    assert abs(own) > 1e-3
    np.testing.assert_allclose(model.prior_mean_, model.user_vectors_[:2].mean(axis=0), atol=1e-6)  # w is nobody
    assert (model.user_vectors_[2] == 0).all()


def test_ratings_are_scores_are_products_of_vectors(ratings: Dataset) -> None:
    model = Svdpp(factors=6).fit(ratings)
    for profiles in (ratings.profiles(), ratings.profiles().strangers()):
        rated, scores = model.rate(profiles, Pairs(ratings.users, ratings.items)), model.score(profiles)
        np.testing.assert_allclose(rated, scores[ratings.users, ratings.items], atol=1e-5)
        np.testing.assert_allclose(scores, model.user_vectors(profiles) @ model.item_vectors().T, atol=1e-5)


def test_similarity_is_the_cosine_of_vectors_without_biases(ratings: Dataset) -> None:
    model = Svdpp(factors=6, epochs=60, learning_rate=0.03).fit(ratings)
    near, vectors = model.similarity(np.arange(ratings.n_items, dtype=np.int32)), model.item_vectors_[:, 1:]
    for a, b in ((0, 1), (5, 29), (8, 8)):
        cosine = vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])
        assert near[a, b] == pytest.approx(cosine, abs=1e-5)


def test_a_learning_rate_too_high_is_said(ratings: Dataset) -> None:
    with pytest.raises(DivergedError, match=r"the vectors are not finite, learning_rate being 50; lower learning_rate"):
        Svdpp(learning_rate=50.0).fit(ratings)


def test_short_histories_are_about_as_well_rated_as_by_bias() -> None:
    paper = exam(load("movielens-small"), 0.3, 1)
    errors = [
        np.array([rmse(paper.ratings, model.rate_clipped(shown, paper.pairs)) for shown in paper.shown])
        for model in (Svdpp().fit(paper.train), Bias().fit(paper.train))
    ]
    assert (errors[0] - errors[1]).max() < 0.012
    assert errors[0][-1] < errors[1][-1]


@pytest.mark.data
@pytest.mark.quality
def test_error_on_movielens_100k(real_data: Path) -> None:
    train, test = fold(1, folder=real_data)
    error = rmse(test.values, Svdpp().fit(train).predict(test)["prediction"].to_numpy())
    assert 0.927 < error < 0.937  # Surprise's: .933
