"""xQuAD against the definition in plain loops; planted tastes."""

from __future__ import annotations

import pytest
from worlds import candidates, fitted, relevance, shares, shop, taste

import honeyguide as hg
from honeyguide.run import Run


def mean_of(items: list[dict[str, float]]) -> dict[str, float]:
    """The mean shares of the items that have genres."""
    told = [item for item in items if item]
    return {g: sum(item.get(g, 0.0) for item in told) / len(told) for item in told for g in item}


@pytest.mark.parametrize("trade", [0.3, 0.8, 1.0])
def test_each_place_has_the_best_objective(trade: float) -> None:
    data, model = shop(), fitted()
    profiles, codes, scores = candidates(model)
    got, _ = hg.rerank.XQuAD(trade=trade).order(model, profiles, codes, scores, 8, Run(threads=1))
    of_items = shares(data)
    for row in range(len(codes)):
        worth, order = relevance(codes[row], scores[row]), codes[row].tolist()
        p = taste(data, profiles, row) or mean_of([of_items[code] for code in order if code >= 0])
        chosen: list[dict[str, float]] = []
        left = list(range(len(worth)))
        for place in range(8):
            objective = []
            for c in left:
                gain = 0.0
                for genre, share in of_items[order[c]].items():
                    lacking = 1.0
                    for item in chosen:
                        lacking *= 1.0 - item.get(genre, 0.0)
                    gain += p.get(genre, 0.0) * share * lacking
                objective.append((1 - trade) * worth[c] + trade * gain)
            given = left.index(order.index(got[row, place]))
            assert objective[given] == pytest.approx(max(objective), abs=1e-6)
            chosen.append(of_items[order[left.pop(given)]])


def test_the_second_taste_is_served_at_the_second_place() -> None:
    import polars as pl

    items = pl.DataFrame({"item": range(20), "kind": ["tea"] * 10 + ["cup"] * 10})
    tea = [(user, item) for user in range(9) for item in range(10) if item != user]
    cups = [(user, 10) for user in range(9)] + [(9, item) for item in range(10, 20)]
    events = pl.DataFrame([*tea, *cups], schema=["user", "item"], orient="row")
    model = hg.models.Popular().fit(hg.read(events, items=items))
    own = model.recommend(history=[0, 10], k=5)["item"].to_list()
    served = model.recommend(history=[0, 10], k=5, rerank=hg.rerank.XQuAD(trade=0.9))["item"].to_list()
    assert [item < 10 for item in own] == [True] * 5
    assert [item < 10 for item in served[:2]] == [True, False]
