"""Calibration against Steck's greedy objective in plain loops; planted tastes."""

from __future__ import annotations

import math

import pytest
from worlds import candidates, fitted, relevance, shares, shop, taste

import honeyguide as hg
from honeyguide.run import Run


def divergence(p: dict[str, float], items: list[dict[str, float]], alpha: float) -> float:
    """KL(p || q~) of the mean of the items that have genres."""
    told = [item for item in items if item]
    total = 0.0
    for genre, wanted in p.items():
        q = sum(item.get(genre, 0.0) for item in told) / len(told) if told else 0.0
        total += wanted * math.log(wanted / ((1 - alpha) * q + alpha * wanted))
    return total


@pytest.mark.parametrize("trade", [0.3, 0.8, 1.0])
@pytest.mark.parametrize("alpha", [0.01, 0.2])
def test_each_place_has_the_best_objective(trade: float, alpha: float) -> None:
    data, model = shop(), fitted()
    profiles, codes, scores = candidates(model)
    again = hg.rerank.Calibrated(trade=trade, smoothing=alpha)
    got, _ = again.order(model, profiles, codes, scores, 8, Run(threads=1))
    of_items = shares(data)
    for row in range(len(codes)):
        p, worth, order = taste(data, profiles, row), relevance(codes[row], scores[row]), codes[row].tolist()
        chosen: list[dict[str, float]] = []
        gained, left = 0.0, list(range(len(worth)))
        for place in range(8):
            objective = [
                (1 - trade) * (gained + worth[c]) - trade * divergence(p, [*chosen, of_items[order[c]]], alpha)
                for c in left
            ]
            given = left.index(order.index(got[row, place]))
            assert objective[given] == pytest.approx(max(objective), abs=1e-6)
            gained += worth[left[given]]
            chosen.append(of_items[order[left.pop(given)]])


def test_who_has_no_history_gets_the_own_list() -> None:
    model = fitted()
    profiles, codes, scores = candidates(model)
    got, _ = hg.rerank.Calibrated(trade=0.9).order(model, profiles, codes, scores, 8, Run(threads=1))
    assert got[-1].tolist() == codes[-1, :8].tolist()


def test_a_list_has_the_shares_of_the_history() -> None:
    """Seven of ten films seen are romances: so are seven of the ten recommended (Steck's introduction)."""
    items = [{"item": n, "genre": "romance" if n < 40 else "action"} for n in range(80)]
    events = [(user, (user * 7 + n) % 40, 1.0) for user in range(30) for n in range(7)]
    events += [(user, 40 + (user * 3 + n) % 40, 1.0) for user in range(30) for n in range(3)]
    table = {name: [event[at] for event in events] for at, name in enumerate(("user", "item", "value"))}
    import polars as pl

    model = hg.models.Popular().fit(hg.read(pl.DataFrame(table), items=pl.DataFrame(items)))
    listed = model.recommend([0, 1], k=10, rerank=hg.rerank.Calibrated(trade=0.99))
    for _, mine in listed.group_by("user"):
        assert int((mine["item"] < 40).sum()) == 7
