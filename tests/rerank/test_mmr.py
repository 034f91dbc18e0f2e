"""MMR against the definition, loop by loop; planted twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from worlds import candidates, fitted, relevance, shares, shop

import honeyguide as hg
from honeyguide.errors import ParameterError
from honeyguide.run import Run


def by_genre(a: int, b: int) -> float:
    """The cosine of two items' genres."""
    one, other = (set(shares(shop())[item]) for item in (a, b))
    return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0


def by_people(a: int, b: int) -> float:
    """The cosine of the people who rated two items at least 3."""
    data = shop()
    one, other = (set(data.users[(data.items == item) & (data.values >= 3)].tolist()) for item in (a, b))
    return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0


@pytest.mark.parametrize(("of", "alike"), [("", by_genre), ("genres", by_genre), ("histories", by_people)])
@pytest.mark.parametrize("trade", [0.2, 0.7, 1.0])
def test_each_place_is_the_best_in_the_light_of_those_above(of: str, alike, trade: float) -> None:  # type: ignore[no-untyped-def]
    model = fitted()
    profiles, codes, scores = candidates(model)
    got, _ = hg.rerank.MMR(trade=trade, of=of).order(model, profiles, codes, scores, 8, Run(threads=1))
    for row in range(len(codes)):
        worth = relevance(codes[row], scores[row])
        chosen: list[int] = []
        left = list(range(len(worth)))
        for place in range(8):
            marginal = [
                (1 - trade) * worth[c] - trade * max((alike(int(codes[row, c]), j) for j in chosen), default=0.0)
                for c in left
            ]
            best = max(marginal)
            given = left.index(codes[row].tolist().index(got[row, place]))
            assert marginal[given] == pytest.approx(best, abs=1e-6)  # of equal ones the rounding may choose another
            chosen.append(int(got[row, place]))
            left.pop(given)


def test_histories_are_what_is_left_without_a_column() -> None:
    model, plain = fitted(), fitted(genres=False)
    asked = candidates(model)
    told = hg.rerank.MMR(trade=0.6, of="histories").order(model, *asked, 8, Run(threads=1))
    left = hg.rerank.MMR(trade=0.6).order(plain, *candidates(plain), 8, Run(threads=1))
    np.testing.assert_array_equal(told[0], left[0])


def test_a_file_without_histories_has_no_similarity_of_them(tmp_path) -> None:  # type: ignore[no-untyped-def]
    fitted().save(tmp_path / "m.safetensors", histories=False)
    model = hg.open(tmp_path / "m.safetensors")
    assert len(model.recommend(history=[1, 2], k=3, rerank=hg.rerank.MMR())) == 3
    with pytest.raises(ParameterError, match="MMR of histories needs those of the training data"):
        model.recommend(history=[1, 2], k=3, rerank=hg.rerank.MMR(of="histories"))
