"""Exposure by group, counted by hand, and as the metrics of the same names have it."""

from __future__ import annotations

import polars as pl
import pytest

import honeyguide as hg
from honeyguide.errors import ParameterError, UnsupportedError
from honeyguide.run import Run

ITEMS = pl.DataFrame({"item": [1, 2, 3, 4, 5], "tags": ["a|b", "a", "a", "b", ""]})
EVENTS = pl.DataFrame({"user": [1, 1, 2, 2, 3, 3, 3], "item": [1, 2, 1, 2, 1, 3, 5]})


def test_places_are_counted_by_shares() -> None:
    model = hg.models.Popular().fit(hg.read(EVENTS, items=ITEMS))
    listed = {user: model.recommend([user], k=2)["item"].to_list() for user in (1, 2, 3)}
    assert listed == {1: [3, 5], 2: [3, 5], 3: [2, 4]}  # a, nothing; a, nothing; a, b
    table = hg.exposure(model, k=2)
    assert table["value"].to_list() == ["a", "b"]
    assert table["places"].to_list() == pytest.approx([3 / 4, 1 / 4])
    assert table["had"].to_list() == pytest.approx([(1.5 + 2 + 1) / 6, 1.5 / 6])
    assert table["catalogue"].to_list() == pytest.approx([2.5 / 4, 1.5 / 4])
    assert table["over_had"].to_list() == pytest.approx([(3 / 4) / (4.5 / 6), (1 / 4) / (1.5 / 6)])
    assert table["over_catalogue"].to_list() == pytest.approx([(3 / 4) / (2.5 / 4), (1 / 4) / (1.5 / 4)])


def test_a_quota_moves_the_places() -> None:
    model = hg.models.Popular().fit(hg.read(EVENTS, items=ITEMS))
    more = hg.exposure(model, "tags", k=2, rerank=hg.rerank.Quotas(of="tags=b", least=0.5), run=Run(threads=1))
    assert dict(zip(more["value"], more["places"], strict=True))["b"] == pytest.approx(1 / 2)


def test_mistakes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = hg.models.Popular().fit(hg.read(EVENTS, items=ITEMS))
    with pytest.raises(ParameterError, match="got 'colour'; there are: tags"):
        hg.exposure(model, "colour")
    model.save(tmp_path / "m.safetensors", histories=False)
    with pytest.raises(UnsupportedError, match="saved without histories"):
        hg.exposure(hg.open(tmp_path / "m.safetensors"))
