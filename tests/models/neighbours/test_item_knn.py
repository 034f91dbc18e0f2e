"""ItemKnn against dense similarities, scikit-learn's cosine and TF-IDF among them, and a planted answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honeyguide.arrays import AnyArray
from honeyguide.data.dataset import Dataset
from honeyguide.models.neighbours.item_knn import ItemKnn
from honeyguide.models.people import strangers

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def data(make: Make) -> Dataset:
    rng = np.random.default_rng(5)
    likes = rng.random((40, 25)) < rng.uniform(0.1, 0.7, 25)  # items of many popularities
    rows = [(u, i, 5.0 if likes[u, i] else 1.0, 0) for u in range(40) for i in range(25)]
    return make(rows, positive=">=4")


def one_each(model: ItemKnn) -> AnyArray:
    """(I, I) what a person with one item gets for each item: the similarities that count, by the public method."""
    ids = model.schema_.items.series()
    return model.score(strangers(model.schema_, [[(item, 5.0)] for item in ids]))


def dense(data: Dataset, weighting: str, *, shrink: float, k1: float = 10.0, b: float = 0.1) -> AnyArray:
    """(I, I) by the formulas of the class, on a dense matrix of weighted entries."""
    x = data.positives().toarray().astype(np.float64)  # (U, I)
    idf = np.log1p(x.shape[1] / x.sum(axis=1)) if weighting != "cosine" else np.ones(len(x))
    weighted = idf[:, None] * x
    length = np.sqrt((weighted**2).sum(axis=0))
    if weighting == "bm25":
        length = 1 + k1 * (1 - b + b * x.sum(axis=0) / x.sum(axis=0).mean())
    similar = weighted.T @ weighted / (np.outer(length, length) + shrink)
    np.fill_diagonal(similar, 0.0)
    return similar


@pytest.mark.parametrize("shrink", [0.0, 7.0])
@pytest.mark.parametrize("weighting", ["cosine", "tfidf", "bm25"])
def test_public_scores_are_the_largest_similarities_of_each_item(data: Dataset, weighting: str, shrink: float) -> None:
    wanted = dense(data, weighting, shrink=shrink)
    everything = one_each(ItemKnn(weighting=weighting, shrink=shrink, neighbours=25).fit(data))
    np.testing.assert_allclose(everything, wanted, rtol=1e-5)
    few = one_each(ItemKnn(weighting=weighting, shrink=shrink, neighbours=6).fit(data))
    for item in range(25):  # a column: the items that this one is scored by
        kept = few[:, item] > 0
        assert kept.sum() == 6
        np.testing.assert_allclose(few[kept, item], wanted[kept, item], rtol=1e-5)
        assert wanted[kept, item].min() >= wanted[~kept, item].max() * (1 - 1e-6)


def test_scores_add_up_over_the_history(data: Dataset) -> None:
    model = ItemKnn(neighbours=8).fit(data)
    each = one_each(model)
    np.testing.assert_allclose(model.score(data.profiles()), data.positives() @ each, rtol=1e-4)


def test_cosine_and_tfidf_as_scikit_learn_has_them(data: Dataset) -> None:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.metrics.pairwise import cosine_similarity

    people = data.positives().T.tocsr()  # items are documents, people their terms
    ours = one_each(ItemKnn(weighting="cosine", shrink=0.0, neighbours=25).fit(data))
    theirs = cosine_similarity(people)
    np.fill_diagonal(theirs, 0.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    ours = one_each(ItemKnn(weighting="tfidf", shrink=0.0, neighbours=25).fit(data))
    close = cosine_similarity(TfidfTransformer().fit_transform(people))  # its idf is log((1 + n) / (1 + df)) + 1
    off = ~np.eye(25, dtype=bool)
    assert np.corrcoef(ours[off], close[off])[0, 1] > 0.98


def test_similar_items_are_the_items_own_neighbours(data: Dataset) -> None:
    similar = dense(data, "tfidf", shrink=100.0)
    table = ItemKnn(neighbours=5).fit(data).similar_items(3, k=4)
    assert table["similar"].to_list() == np.argsort(-similar[3])[:4].tolist()
    np.testing.assert_allclose(table["score"], np.sort(similar[3])[::-1][:4], rtol=1e-5)


def test_planted_pair_comes_first(make: Make) -> None:
    rows = [(u, i, 1.0, 0) for u in range(30) for i in range(10) if (u + i) % 2 == 0]
    rows.remove((0, 4, 1.0, 0))
    for weighting in ("cosine", "tfidf", "bm25"):
        model = ItemKnn(weighting=weighting, neighbours=3).fit(make(rows, explicit=False))
        assert model.recommend(0, k=1)["item"].to_list() == [4]
        assert model.recommend(history=[1, 3], k=3, items=range(10))["item"].to_list() == [5, 7, 9]


def test_shrinking_distrusts_rare_pairs(make: Make) -> None:
    """Two people share b and c and nothing else; twenty share a and b, of whom five have no b."""
    rows = [(f"u{u}", "a", 1.0, 0) for u in range(20)] + [(f"u{u}", "b", 1.0, 0) for u in range(15)]
    rows += [(f"v{v}", item, 1.0, 0) for v in range(2) for item in ("c", "d")] + [
        ("u0", "c", 1.0, 0),
        ("u0", "d", 1.0, 0),
    ]
    data = make(rows, explicit=False)
    trusting = ItemKnn(weighting="cosine", shrink=0.0).fit(data)
    careful = ItemKnn(weighting="cosine", shrink=20.0).fit(data)
    pairs = [
        (model.similar_items("a", k=1)["score"][0], model.similar_items("c", k=1)["score"][0])
        for model in (trusting, careful)
    ]
    assert pairs[0][0] < pairs[0][1]
    assert pairs[1][0] > pairs[1][1]
