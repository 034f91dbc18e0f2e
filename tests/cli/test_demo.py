"""The tour, as a machine sees it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from shell import spawn

import honeyguide as hg


@pytest.mark.slow
@pytest.mark.skipif(not all(map(importlib.util.find_spec, ("keras", "jax"))), reason="needs keras and jax")
def test_the_tour_ends_with_a_model_that_serves(tmp_path: Path) -> None:
    done = spawn(["demo", "--json"], cwd=tmp_path)
    assert done.status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["demo.safetensors"]
    value = {(row["model"], row["metric"]): row["value"] for row in done.json["test"] if row["group"] == "all"}
    lists = {model: value[model, "ndcg@10"] for model, metric in value if metric == "ndcg@10"}
    assert done.json["best"] == max(lists, key=lambda model: lists[model])
    assert value["mf", "rmse"] < value["bias", "rmse"] < 0.92  # the mean alone gives 1.06
    assert value["popular", "rmse"] is None
    assert "Rating models make poor lists" in done.err
    model = hg.open(tmp_path / "demo.safetensors", verify=True)
    assert len(model.recommend(42)) == 10
    assert model.fingerprint_ == hg.load("movielens-small", positive=">=4").fingerprint
