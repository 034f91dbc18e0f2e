"""Quotas: every list within them, none better among all lists within them (tried out), and what is lacking."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from worlds import candidates, fitted, shares, shop

import honeyguide as hg
from honeyguide.errors import ParameterError
from honeyguide.run import Run


@pytest.mark.parametrize(
    ("least", "most"),
    [(0.0, 0.25), (0.5, 1.0), (0.5, 0.5), (1.0, 1.0), (0.0, 0.0), (0.3, 0.45), (0.0, 0.45), (0.3, 1.0)],
)
def test_no_list_within_the_quotas_is_better(least: float, most: float) -> None:
    model, k = fitted(), 4
    profiles, codes, scores = candidates(model, 12)
    member = ["Drama" in item for item in shares(shop())]
    again = hg.rerank.Quotas(of="genres=Drama", least=least, most=most)
    got, marks = again.order(model, profiles, codes, scores, k, Run(threads=1))
    for row in range(len(codes)):
        there = [(float(s), int(c)) for s, c in zip(scores[row], codes[row], strict=True) if c >= 0]
        low, high = int(np.ceil(least * k)), int(np.floor(most * k))
        high = max(low, high)
        within = [
            sum(score for score, _ in some)
            for some in combinations(there, k)
            if low <= sum(member[code] for _, code in some) <= high
        ]
        if not within:
            continue
        assert low <= sum(member[code] for code in got[row]) <= high
        assert marks[row].sum() == pytest.approx(max(within), abs=1e-5)
        assert (np.diff(marks[row]) <= 0).all()


def test_what_is_lacking_cannot_be_listed() -> None:
    model = fitted()
    profiles, codes, scores = candidates(model, 12)
    member = np.array(["War" in item for item in shares(shop())])
    got, marks = hg.rerank.Quotas(of="genres=War", least=1.0).order(model, profiles, codes, scores, 6, Run(threads=1))
    for row in range(len(codes)):
        own = codes[row][codes[row] >= 0]
        most = min(6, int(member[own].sum()))
        assert member[got[row]].sum() == most
        assert (got[row] >= 0).all()  # filled with others
    rest, marks = hg.rerank.Quotas(of="genres=War", most=0.0).order(
        model, profiles, codes[:, :3], scores[:, :3], 3, Run(threads=1)
    )
    for row in range(len(codes)):
        inside = int(member[codes[row, :3]].sum())
        assert rest[row].tolist()[3 - inside :] == [-1] * inside
        assert np.isneginf(marks[row, 3 - inside :]).all()


def test_new_items_are_those_that_few_have() -> None:
    data, model = shop(), fitted()
    few = np.array([len(set(data.users[(data.items == i) & (data.values >= 3)].tolist())) <= 1 for i in range(40)])
    listed = model.recommend([0, 1, 2], k=10, rerank=hg.rerank.Quotas(of="new", few=1, least=0.4, most=0.4))
    for _, mine in listed.group_by("user"):
        assert few[mine["item"].to_numpy()].sum() == min(4, 10)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"of": "genres"}, 'Quotas.of must be "column=value" or "new"'),
        ({"least": 0.5, "most": 0.2}, "Quotas.least must be <= most, got 0.5 and 0.2"),
        ({"least": 1.5}, "Quotas.least must be a number from 0 to 1"),
    ],
)
def test_mistakes_are_named(given: dict[str, object], says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        hg.rerank.Quotas(**given)


def test_a_value_that_no_two_items_have_is_named() -> None:
    with pytest.raises(ParameterError, match="has no value 'Horror' of two or more items; such as: "):
        fitted().recommend([1], rerank=hg.rerank.Quotas(of="genres=Horror", least=0.5))
    with pytest.raises(ParameterError, match="got 'colour'; there are: genres"):
        fitted().recommend([1], rerank=hg.rerank.Quotas(of="colour=red", least=0.5))
