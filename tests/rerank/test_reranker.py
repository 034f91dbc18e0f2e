"""What all re-rankers share: the own list where nothing is traded, any request, any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from worlds import candidates, fitted, shop

import honeyguide as hg
from honeyguide.errors import ParameterError
from honeyguide.models import lists
from honeyguide.rerank.reranker import relevance
from honeyguide.run import Run

IDLE = ["mmr:trade=0", "mmr:trade=0:of=histories", "calibrated:trade=0", "xquad:trade=0", "quotas:of=genres=Drama"]
BUSY = [
    "mmr:trade=0.8",
    "mmr:trade=0.8:of=histories",
    "calibrated:trade=0.9",
    "xquad:trade=0.9",
    "quotas:least=0.5:few=2",
]


@pytest.mark.parametrize("text", IDLE)
@pytest.mark.parametrize("asked", [{}, {"items": range(5, 30)}, {"exclude": [3, 9]}, {"seen": True}])
def test_nothing_traded_is_the_own_list_to_the_bit(text: str, asked: dict[str, object]) -> None:
    model = fitted()
    for whom in ({"users": [0, 5, 13]}, {"history": [(3, 5.0), (8, 4.0)]}, {"history": []}):
        own = model.recommend(**whom, k=7, **asked)
        assert model.recommend(**whom, k=7, rerank=hg.rerank.named(text), **asked).equals(own)


@pytest.mark.parametrize("text", BUSY)
def test_a_request_is_kept_to(text: str) -> None:
    model, rerank = fitted(), hg.rerank.named(text)
    whole = model.recommend([0, 5], k=40)
    for asked in ({"items": list(range(5, 30))}, {"exclude": [3, 9]}, {}):
        got = model.recommend([0, 5], k=6, rerank=rerank, **asked)
        allowed = set(asked.get("items", range(40))) - set(asked.get("exclude", []))
        assert set(got["item"]) <= allowed
        assert got["rank"].to_list() == [1, 2, 3, 4, 5, 6] * 2
        assert got.select("user", "item").is_unique().all()
        both = got.join(whole, on=["user", "item"], suffix="_own")  # none of the history; scores are the model's
        assert len(both) == len(got)
        np.testing.assert_array_equal(both["score"], both["score_own"])


@pytest.mark.parametrize("text", BUSY)
def test_a_person_alone_or_among_many_with_any_threads(text: str) -> None:
    model, rerank = fitted(), hg.rerank.named(text)
    profiles, codes, scores = candidates(model)
    rows = np.tile(np.arange(len(codes)), 20)
    many = profiles.take(rows)
    one = rerank.order(model, profiles, codes, scores, 8, Run(threads=1))
    got = rerank.order(model, many, codes[rows], scores[rows], 8, Run(threads=3))
    np.testing.assert_array_equal(got[0], one[0][rows])
    np.testing.assert_array_equal(got[1], one[1][rows])
    alone = rerank.order(model, profiles.take([4]), codes[4:5], scores[4:5], 8, Run(threads=1))
    np.testing.assert_array_equal(alone[0], one[0][4:5])


@pytest.mark.parametrize("text", BUSY)
def test_a_stranger_with_the_same_history_and_a_file_give_the_same_list(text: str, tmp_path: Path) -> None:
    model, rerank, data = fitted(), hg.rerank.named(text), shop()
    mine = data.take(data.users == 5)
    history = [(int(item), float(value)) for item, value in zip(mine.items, mine.values, strict=True)]
    known = model.recommend([5], k=6, rerank=rerank).drop("user")
    new = model.recommend(history=history, k=6, rerank=rerank).drop("user")
    assert new["item"].to_list() == known["item"].to_list()
    np.testing.assert_allclose(new["score"], known["score"], rtol=1e-5)
    model.save(tmp_path / "m.safetensors")
    assert hg.open(tmp_path / "m.safetensors").recommend([5], k=6, rerank=rerank).drop("user").equals(known)


@pytest.mark.parametrize("name", ["popular", "als", "user_knn", "rp3beta", "mf", "attributes"])
def test_models_of_every_kind_are_reranked(name: str) -> None:
    model = hg.model(name).fit(shop(), run=Run(threads=1))
    own = model.recommend([0, 5], k=8)
    assert model.recommend([0, 5], k=8, rerank=hg.rerank.MMR(trade=0.0)).equals(own)
    got = model.recommend([0, 5], k=8, rerank=hg.rerank.MMR(trade=0.7))
    assert not got.equals(own)
    both = got.join(model.recommend([0, 5], k=40), on=["user", "item"], suffix="_own")
    np.testing.assert_allclose(both["score"], both["score_own"], rtol=1e-5)


def test_everybody_gets_the_same_lists_at_once() -> None:
    model, rerank = fitted(), hg.rerank.MMR(trade=0.8)
    (whole,) = model.recommend_all(5, rerank=rerank)
    assert whole.equals(model.recommend(list(range(14)), k=5, rerank=rerank))


@pytest.mark.parametrize("text", BUSY)
def test_blocks_of_people_are_reranked_among_their_own_candidates(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, rerank, run = fitted(), hg.rerank.named(f"{text}:candidates=20"), Run(threads=1)
    profiles = model.histories_
    codes, _ = rerank.order(model, profiles, *lists.top_k(model.score, profiles, 20, run=run), 5, run)
    monkeypatch.setattr(lists, "_ROWS", 3)
    got = pl.concat(model.recommend_all(5, rerank=rerank, run=run))
    assert got["item"].to_list() == codes.ravel().tolist()
    assert not pl.concat(model.recommend_all(5, run=run))["item"].equals(got["item"])


def test_a_pool_of_the_list_alone_changes_the_order_only() -> None:
    model = fitted()
    own = model.recommend([2], k=8)
    got = model.recommend([2], k=8, rerank=hg.rerank.MMR(trade=0.9, candidates=8))
    assert set(got["item"]) == set(own["item"])
    assert got["item"].to_list() != own["item"].to_list()


def test_relevance_is_between_0_and_1() -> None:
    codes = np.array([[4, 2, 1], [3, 0, -1], [5, -1, -1], [-1, -1, -1]], np.int32)
    scores = np.array([[3, 2, -1], [7, 7, -np.inf], [2, -np.inf, -np.inf], [-np.inf] * 3], np.float32)
    np.testing.assert_allclose(relevance(codes, scores), [[1, 0.75, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_texts_and_mistakes() -> None:
    got = hg.rerank.named("MMR:trade=0.25:of=genres")
    assert isinstance(got, hg.rerank.MMR)
    assert (got.trade, got.of, got.pool(10), got.pool(500)) == (0.25, "genres", 100, 500)
    for text, says in (
        ("nmr", "there is no re-ranker 'nmr'; there are: mmr, calibrated, xquad, quotas"),
        ("mmr:0.3", "must be :name=value, such as mmr:trade=0.3"),
        ("mmr:lambda=0.3", "MMR has no hyperparameter 'lambda'; it has: candidates, trade, of"),
        ("mmr:trade=2", "MMR.trade must be a number from 0 to 1, got 2.0"),
    ):
        with pytest.raises(ParameterError, match=says):
            hg.rerank.named(text)
    with pytest.raises(ParameterError, match=r"rerank must be a re-ranker, such as hg.rerank.MMR\(\), got 'mmr'"):
        fitted().recommend([1], rerank="mmr")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"rerank must be a re-ranker, such as hg.rerank.MMR\(\), got <class"):
        fitted().recommend([1], rerank=hg.rerank.MMR)  # type: ignore[arg-type]


def test_a_model_without_columns_says_so() -> None:
    with pytest.raises(ParameterError, match="items have no column of categories or values, such as genres"):
        fitted(genres=False).recommend([1], rerank=hg.rerank.Calibrated())
