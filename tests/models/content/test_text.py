"""Words against scikit-learn from end to end, vectors that the caller supplies, Chinese titles."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.errors import DataError
from honeyguide.models.content.text import Text

WORDS = ("whale sea ship", "robot space star", "garden rose bee")
EVENTS = pl.DataFrame([(u, 3 * i + u % 3) for u in range(12) for i in range(4)], schema=["user", "item"], orient="row")


def plots(items: int = 15) -> list[str]:
    """Each tells of one of three worlds, in two of its three words."""
    return [" ".join(np.roll(WORDS[i % 3].split(), i)[:2]) + f" again{i // 2}" for i in range(items)]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return hg.read(EVENTS, items=pl.DataFrame({"id": range(15), "plot": plots()}), kinds={"plot": "text"})


def test_words_are_scikit_learns_from_end_to_end(data: Dataset) -> None:
    model = Text(reg=2.0).fit(data)
    words = TfidfVectorizer(min_df=2, max_df=0.5, sublinear_tf=True, token_pattern=r"\w\w+")
    words.fit(plots()[:12])  # of items with events
    features, positives = words.transform(plots()).toarray(), data.positives().toarray()
    scores = model.score(data.profiles())
    for user in (0, 1, 11):
        ridge = Ridge(alpha=2.0, fit_intercept=False).fit(features[:12], positives[user, :12])
        np.testing.assert_allclose(scores[user], ridge.predict(features), rtol=1e-3, atol=1e-5)


def test_items_on_their_first_day(data: Dataset) -> None:
    lists = Text().fit(data).recommend(list(range(12)), items=[12, 13, 14], k=1)
    assert (lists["item"].to_numpy() % 3 == lists["user"].to_numpy() % 3).all()


def test_vectors_of_the_callers() -> None:
    rng = np.random.default_rng(0)
    worlds = rng.normal(size=(3, 16))
    vectors = [(5.0 * worlds[i % 3] + rng.normal(size=16)).tolist() if i != 13 else None for i in range(15)]
    table = pl.DataFrame({"id": range(15), "embedding": vectors})
    for given in (table, table.to_pandas(), table.with_columns(pl.col("embedding").cast(pl.Array(pl.Float32, 16)))):
        model = Text().fit(hg.read(EVENTS, items=given))
        lists = model.recommend(list(range(12)), items=[12, 14], k=1)
        user, item = lists["user"].to_numpy() % 3, lists["item"].to_numpy() % 3
        assert (item[user != 1] == user[user != 1]).all()
        unit = np.array([v if v is not None else [0.0] * 16 for v in vectors])
        unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
        np.testing.assert_allclose(model.similarity(np.array([2], np.int32))[0], unit @ unit[2], atol=1e-5)
    more = model.with_items(pl.DataFrame({"id": [99], "embedding": [worlds[1].tolist()]}))
    assert more.recommend(1, items=[12, 14, 99], k=1)["item"].to_list() == [99]
    assert not hg.models.TwoTower(factors=2, epochs=1).fit(hg.read(EVENTS, items=table)).item_kinds_  # reads none


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 2.0], [1.0]] * 6, "the vectors of column 'e' must be lists of numbers, all of one length"),
        ([[1.0, float("nan")]] * 12, "the vectors of column 'e' must be finite"),
    ],
)
def test_vectors_that_are_none(vectors: list[list[float]], message: str) -> None:
    data = hg.read(EVENTS, items=pl.DataFrame({"id": range(12), "e": vectors}))
    with pytest.raises(DataError, match=message):
        Text().fit(data)


def test_a_new_vector_of_another_length() -> None:
    data = hg.read(EVENTS, items=pl.DataFrame({"id": range(12), "e": [[1.0, float(i)] for i in range(12)]}))
    with pytest.raises(DataError, match="the vectors of column 'e' must be lists of numbers, all of one length"):
        Text().fit(data).with_items(pl.DataFrame({"id": [77], "e": [[1.0, 2.0, 3.0]]}))


def test_chinese_titles() -> None:
    titles = ["海上的船", "星际机器人", "花园玫瑰"] * 5
    data = hg.read(EVENTS, items=pl.DataFrame({"id": range(15), "标题": titles}), kinds={"标题": "text"})
    lists = Text().fit(data).recommend(list(range(12)), items=[12, 13, 14], k=1)
    assert (lists["item"].to_numpy() % 3 == lists["user"].to_numpy() % 3).all()


def test_a_text_that_is_not_taken_for_one() -> None:
    data = hg.read(EVENTS, items=pl.DataFrame({"id": range(12), "note": ["a red tale", "a blue tale"] * 6}))
    with pytest.raises(DataError, match=r"two share; note is category: say what a column is with kinds= \(--kind\)"):
        Text().fit(data)
