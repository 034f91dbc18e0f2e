"""Lists by a search over vectors against a sort of all products; one answer whatever the batch or threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.profiles import Profiles
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import ArtifactError
from honeyguide.models import lists, vectors
from honeyguide.models.base import Recommender
from honeyguide.models.factorization.als import Als
from honeyguide.models.factorization.mf import Mf
from honeyguide.models.factorization.pure_svd import PureSVD
from honeyguide.run import Run


@dataclass
class Product:
    """A model that is its vectors."""

    people: FloatArray
    items: FloatArray

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        return self.people[profiles.known]

    def item_vectors(self) -> FloatArray:
        return self.items


def profiles_of(n_people: int, n_items: int, rng: np.random.Generator) -> Profiles:
    """Histories of 0 to 20 items, some of them twice."""
    lengths = rng.integers(0, 20, n_people)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    items = rng.integers(0, n_items, indptr[-1]).astype(np.int32)
    people, things = (Vocabulary.of(list(range(n))) for n in (n_people, n_items))
    schema = Schema(people, things, False, None, Positive("every event"), None)
    return Profiles(schema, np.arange(n_people, dtype=np.int32), indptr, items, np.ones(len(items), np.float32))


def sorted_lists(
    truth: FloatArray, profiles: Profiles, k: int, allowed: set[int], *, seen: bool
) -> list[list[tuple[float, int]]]:
    """The (score, code) of the k best of each row."""
    out = []
    for row, scores in enumerate(truth):
        low, high = profiles.indptr[row : row + 2]
        left = allowed - (set() if seen else set(profiles.items[low:high].tolist()))
        out.append([(-score, code) for score, code in sorted((-float(scores[code]), code) for code in left)[:k]])
    return out


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches, blocks and tiles on little data."""
    for name, value in {"_BATCH": 23, "_BLOCK": 7, "_TILE": 128, "_LONG": 256}.items():
        monkeypatch.setattr(vectors, name, value)


@pytest.mark.parametrize("kind", ["ties", "long tail", "one length", "zeros", "one item", "biases"])
@pytest.mark.parametrize("n_people", [60, 3])
def test_lists_are_those_of_a_full_sort(small_blocks: None, kind: str, n_people: int) -> None:
    rng = np.random.default_rng(len(kind))
    n_items, width = (1, 4) if kind == "one item" else (900, 5)
    people, items = (rng.integers(-4, 5, (n, width)).astype(np.float32) for n in (n_people, n_items))  # sums are exact
    if kind == "long tail":
        items *= np.float32(2.0) ** -rng.integers(0, 12, (n_items, 1))
    elif kind == "one length":
        items = np.where(rng.random((n_items, width)) < 0.5, 1.0, -1.0).astype(np.float32)
    elif kind == "zeros":
        items[rng.random(n_items) < 0.9] = 0.0
        people[::3] = 0.0
    elif kind == "biases":
        people[:, 0], items[:, 1] = 1.0, 1.0
    profiles, model, run = profiles_of(n_people, n_items, rng), Product(people, items), Run(threads=2)
    truth, every = people @ items.T, set(range(n_items))
    some, banned = (rng.permutation(n_items)[:n].astype(np.int32) for n in (500, 60))
    for k in (1, 9, 70):
        for wanted, barred, seen in (
            (None, None, False),
            (some, None, False),
            (None, banned, True),
            (some, banned, False),
        ):
            allowed = (every if wanted is None else set(wanted.tolist())) - set(
                [] if barred is None else barred.tolist()
            )
            codes, scores = lists.top_k(model, profiles, k, candidates=wanted, exclude=barred, seen=seen, run=run)
            due = sorted_lists(truth, profiles, k, allowed, seen=seen)
            got = [
                [(s, c) for s, c in zip(*row, strict=True) if c >= 0]
                for row in zip(scores.tolist(), codes.tolist(), strict=True)
            ]
            assert got == due


def test_scores_are_the_same_to_the_bit_whatever_is_asked(small_blocks: None) -> None:
    rng = np.random.default_rng(5)
    people, items = (rng.normal(size=(n, 19)).astype(np.float32) for n in (60, 700))
    items *= rng.pareto(1.0, (700, 1)).astype(np.float32)
    profiles, model = profiles_of(60, 700, rng), Product(people, items)

    def ask(rows: Any, k: int, threads: int = 1, candidates: IntArray | None = None) -> list[Any]:
        found = lists.top_k(model, profiles.take(rows), k, candidates=candidates, run=Run(threads=threads))
        return [each.tolist() for each in found]

    whole = ask(slice(0, 60), 20)
    assert ask(slice(0, 60), 20, threads=3) == whole
    alone = [ask(slice(row, row + 1), 20) for row in range(60)]
    assert [[row for each in alone for row in each[part]] for part in (0, 1)] == whole
    assert [[row[:20] for row in part] for part in ask(slice(0, 60), 690)] == whole  # too long a list for the search
    chosen = np.unique(np.array(whole[0])).astype(np.int32)
    assert ask(slice(0, 60), 20, candidates=chosen) == whole


def test_a_long_tail_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    from honeyguide.kernels import vector_search

    looked, gather = [], vector_search.gather
    monkeypatch.setattr(vectors, "_TILE", 128)

    def spy(scores: FloatArray, width: int, *rest: Any) -> None:
        looked.append(len(scores) * width)
        gather(scores, width, *rest)

    monkeypatch.setattr(vector_search, "gather", spy)
    rng = np.random.default_rng(2)
    people, items = (rng.normal(size=(n, 16)).astype(np.float32) for n in (100, 10_000))
    items *= (1.0 / np.arange(1, 10_001, dtype=np.float32) ** 0.7)[:, None]
    profiles = profiles_of(100, 10_000, rng)
    codes, _ = lists.top_k(Product(people, items), profiles, 10, run=Run(threads=1))
    assert sum(looked) < 100 * 10_000 // 10
    due = sorted_lists(people @ items.T, profiles, 10, set(range(10_000)), seen=False)
    assert codes.tolist() == [[code for _, code in row] for row in due]


@pytest.mark.parametrize(
    "model",
    [Als(factors=7, epochs=3), PureSVD(factors=4), PureSVD(factors=99), Mf(factors=5), Mf(factors=5, biases=False)],
    ids=repr,
)
def test_models_recommend_by_their_vectors(model: Recommender, ratings: Dataset) -> None:
    few = ratings.take(np.flatnonzero((ratings.users != 3) & (ratings.items != 11)))  # one without history, one unseen
    model.fit(few)
    source = lists.source(model)
    assert isinstance(source, vectors.Factored)
    profiles, scores = few.profiles(), model.score(few.profiles())
    np.testing.assert_allclose(source.user_vectors(profiles) @ source.item_vectors().T, scores, rtol=1e-5, atol=1e-5)
    table = model.recommend(few.schema.users.series().to_list(), k=6)
    users, items = few.schema.users.encode(table["user"]), few.schema.items.encode(table["item"])
    np.testing.assert_allclose(table["score"].to_numpy(), scores[users, items], rtol=1e-5, atol=1e-5)
    scores[few.matrix().toarray() != 0] = -np.inf
    best = -np.sort(-scores, axis=1)[:, :6]
    np.testing.assert_allclose(table["score"].to_numpy().reshape(-1, 6), best, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_people", [40, 2])
def test_what_is_no_number_is_not_in_a_list(small_blocks: None, n_people: int) -> None:
    rng = np.random.default_rng(3)
    people, items = (rng.normal(size=(n, 4)).astype(np.float32) for n in (n_people, 400))
    items[[5, 7, 200]], people[1, 2] = np.nan, np.nan
    profiles = replace(profiles_of(n_people, 400, rng), indptr=np.zeros(n_people + 1, np.int64))
    codes, scores = lists.top_k(Product(people, items), profiles, 30, run=Run(threads=1))
    with np.errstate(invalid="ignore"):
        truth = people @ items.T
    best = np.argsort(-np.where(np.isnan(truth), -np.inf, truth), axis=1, kind="stable")[:, :30]
    best[1] = -1
    assert codes.tolist() == best.tolist()
    items[:300] = np.float32(3e38)
    with np.errstate(over="ignore", invalid="ignore"):
        codes, scores = lists.top_k(Product(people, items), profiles, 30, run=Run(threads=1))
    assert not np.isnan(scores).any()
    assert codes.max() < 400


def test_vectors_of_another_shape_are_refused(ratings: Dataset) -> None:
    profiles = ratings.profiles()
    for people, items in (((39, 3), (30, 3)), ((40, 3), (29, 3)), ((40, 3), (30, 2))):
        model = Product(np.zeros(people, np.float32), np.zeros(items, np.float32))
        model.user_vectors = lambda *_, model=model, **__: model.people  # type: ignore[method-assign, misc]
        with pytest.raises(ArtifactError, match=r"vectors \(\d+, \d\) where"):
            lists.top_k(model, profiles, 3, run=Run(threads=1))


def test_blas_has_its_threads_back_when_the_last_search_is_over() -> None:
    def threads() -> list[int]:
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    rng = np.random.default_rng(4)
    model, profiles = (
        Product(*(rng.normal(size=(n, 8)).astype(np.float32) for n in (50, 600))),
        profiles_of(50, 600, rng),
    )
    before = threads()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: lists.top_k(model, profiles, 5, run=Run(threads=2))[0].tolist(), range(40)))
    assert threads() == before
    assert found == found[:1] * 40
    with vectors.one_thread_each:
        with vectors.one_thread_each:
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == before
