"""What re-ranking costs: the values of `evaluate`, weights of nothing; the newest result stands in the docs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from bench.harness import ROOT

import honeyguide as hg
from bench import rerank


def test_a_weight_of_nothing_loses_nothing_and_every_way_is_clocked() -> None:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((30, 40)) < 0.3)
    table = pl.DataFrame({"item": range(40), "genres": [("a", "b", "a|c", "c")[n % 4] for n in range(40)]})
    train, test = hg.split(hg.read(pl.DataFrame({"user": users, "item": items}), items=table), "per-person", test=0.2)
    run = hg.Run(threads=1, progress=False)
    found = rerank.measure(train, test, {"mmr:trade=": (0.0, 0.9), "calibrated:trade=": (0.0,)}, 4, run)
    own, idle, busy = (found["values"][name] for name in (rerank.OWN, "mmr:trade=0.0", "mmr:trade=0.9"))
    assert {name: idle[name] for name in own} == own
    assert idle["ndcg@10 lost"] == pytest.approx([0, 0, 0], abs=1e-12)
    assert busy["diversity@10"] > own["diversity@10"]
    lost, low, high = busy["ndcg@10 lost"]
    assert lost == pytest.approx(own["ndcg@10"] - busy["ndcg@10"])
    assert low < lost < high
    assert list(found["ms_a_request"]) == [rerank.OWN, "mmr:trade=0.9", "calibrated:trade=0.0"]
    assert f"| own list | {own['ndcg@10']:.3f} |" in rerank.table(found)
    assert found["definitions"]["diversity@10"].endswith("by genres")
    drawn = rerank.draw(found["values"], "diversity@10")
    assert f"mmr: {busy['diversity@10']:.4g}, {busy['ndcg@10']:.4g}" in drawn


def test_the_pictures_and_tables_are_those_of_the_newest_result_and_stand_in_the_docs() -> None:
    page = (ROOT / "docs" / "beyond-accuracy.md").read_text(encoding="utf-8")
    for name, found in rerank.newest().items():
        for metric, short in rerank.DRAWN.items():
            path = rerank.PICTURES / f"rerank-{name}-{short}.svg"
            assert path.read_text(encoding="utf-8") == rerank.draw(found["values"], metric), "bench/rerank.py --draw"
            assert f"(pictures/{path.name})" in page
        assert rerank.table(found) in page, "python bench/rerank.py --table"
