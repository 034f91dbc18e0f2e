"""Training curves: the values that `evaluate` gives, the pictures of the newest result, both in the docs."""

from __future__ import annotations

import pytest
from bench.harness import ROOT

import honeyguide as hg
from bench import training_curves
from honeyguide.data.dataset import Dataset


def test_a_curve_ends_where_a_fit_of_as_many_epochs_does(ratings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two routes; `bpr` stands for the deep models, which are watched in the same way."""
    monkeypatch.setattr(hg, "load", lambda *_, positive: ratings.with_positive(positive))
    panel = training_curves.Panel(
        data="it", positive=">=4", kind="per-person", metric="ndcg@10", curves={"bpr": {"epochs": 3}}, levels=("ease",)
    )
    run = hg.Run(seed=2, threads=1, progress=False)
    found = training_curves.measure(panel, run)
    train, validation, _ = hg.split(ratings.with_positive(">=4"), "per-person", test=0.2, validation=0.2, seed=2)
    models = {"bpr": hg.model("bpr", epochs=3).fit(train, run=run), "ease": hg.model("ease").fit(train)}
    judged = hg.evaluate(models, train, validation, metrics=["ndcg@10"], resamples=0)
    values = found["curves"]["bpr"]["values"]
    assert len(values) == 3
    assert values[-1] == pytest.approx(judged.value("bpr", "ndcg@10"), abs=1e-9)
    assert found["curves"]["bpr"]["best_epoch"] == 1 + values.index(max(values))
    assert found["levels"]["ease"] == pytest.approx(judged.value("ease", "ndcg@10"), abs=1e-9)
    assert 'class="line c0"' in training_curves.draw(found)


def test_the_dot_of_an_error_is_at_its_least() -> None:
    about = {"metric": "rmse"}
    found = {"about": about, "curves": {"it": {"values": [0.9, 0.7, 0.8]}}, "levels": {"bias": 0.75}}
    assert "it: 0.7, epoch 2" in training_curves.draw(found)
    assert "it: 0.9, epoch 1" in training_curves.draw(found | {"about": {"metric": "ndcg@10"}})


def test_the_pictures_are_those_of_the_newest_result_and_stand_in_the_docs() -> None:
    page = (ROOT / "docs" / "deep-models.md").read_text(encoding="utf-8")
    for name, found in training_curves.newest().items():
        path = training_curves.PICTURES / f"training-{name}.svg"
        assert path.read_text(encoding="utf-8") == training_curves.draw(found), "python bench/training_curves.py --draw"
        assert f"(pictures/{path.name})" in page
