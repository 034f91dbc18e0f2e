"""Lists in blocks against one full sort; memory follows the block; eight threads at once."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from honeyguide.arrays import FloatArray, IntArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.models import lists
from honeyguide.models.factorization.ease import Ease
from honeyguide.run import Run


def _scores(profiles: Profiles, items: IntArray | None) -> FloatArray:
    """Coarse scores with many ties, the same for a candidate as for the catalogue."""
    codes = np.arange(len(profiles.schema.items)) if items is None else items
    return ((profiles.known[:, None] * 7 + codes * 3) % 5).astype(np.float32)


@pytest.mark.parametrize("cells", [1, 7, 64, lists.CELLS])
@pytest.mark.parametrize("seen", [True, False])
def test_blocks_give_a_full_sort(ratings: Dataset, monkeypatch: pytest.MonkeyPatch, cells: int, seen: bool) -> None:
    monkeypatch.setattr(lists, "CELLS", cells)
    profiles, k = ratings.profiles(), 6
    candidates = np.array([25, 3, 4, 17, 8, 9, 20], dtype=np.int32)
    exclude = np.array([4, 11], dtype=np.int32)
    for wanted, banned in ((None, None), (candidates, None), (None, exclude), (candidates, exclude)):
        codes, scores = lists.top_k(
            _scores, profiles, k, candidates=wanted, exclude=banned, seen=seen, run=Run(threads=2)
        )
        matrix = ratings.matrix().toarray() != 0
        for row in range(len(profiles)):
            allowed = set(range(ratings.n_items) if wanted is None else wanted.tolist()) - set(
                [] if banned is None else banned.tolist()
            )
            if not seen:
                allowed -= set(np.flatnonzero(matrix[row]).tolist())
            best = sorted(allowed, key=lambda code: (-((row * 7 + code * 3) % 5), code))[:k]
            assert codes[row].tolist() == best + [-1] * (k - len(best))
            assert scores[row, : len(best)].tolist() == [(row * 7 + code * 3) % 5 for code in best]


def test_a_list_longer_than_the_catalogue_holds_all_of_it(ratings: Dataset) -> None:
    model = Ease(reg=10.0).fit(ratings)
    whole = model.recommend("user,1 🐦", k=ratings.n_items)
    assert model.recommend("user,1 🐦", k=10**15).equals(whole)
    few = ['it"em;3', 'it"em;4']
    assert len(model.recommend("user,1 🐦", k=10**15, items=few, seen=True)) == 2
    assert len(model.recommend("user,1 🐦", k=10**15, items=few, exclude=few, seen=True)) == 0
    assert sum(map(len, model.recommend_all(10**15))) == sum(map(len, model.recommend_all(ratings.n_items)))


def test_memory_follows_the_block(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = ratings.profiles().take(np.zeros(2_000, dtype=np.int64))
    monkeypatch.setattr(lists, "CELLS", 3_000)
    for _ in lists.blocks(_scores, profiles, 5, run=Run(threads=1)):
        pass
    tracemalloc.start()
    for _ in lists.blocks(_scores, profiles, 5, run=Run(threads=1)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000 * 50  # the whole matrix would be 2,000 * 30 * 4 = 240,000 bytes, and its scores as much again


def test_eight_threads_at_once(ratings: Dataset) -> None:
    model = Ease(reg=10.0).fit(ratings)
    users = ratings.schema.users.series().to_list()
    alone = [model.recommend(user, k=5).rows() for user in users]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda user: model.recommend(user, k=5).rows(), users * 5))
        whole = list(pool.map(lambda _: model.recommend(users, k=5).rows(), range(16)))
    assert together == alone * 5
    assert whole == [[row for rows in alone for row in rows]] * 16
