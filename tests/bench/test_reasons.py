"""What bench/reasons.py prints of an explanation: all of its score, and who speaks for it."""

from __future__ import annotations

import re

import pytest
from bench.reasons import lines

import honeyguide as hg
from honeyguide.data.dataset import Dataset


def test_what_is_printed_adds_up_to_the_score(ratings: Dataset) -> None:
    model, user = hg.models.BPR(epochs=5).fit(ratings), ratings.schema.users.series()[3]
    found = hg.explain(model, user, k=2, counterfactual=True)[0]
    first, *rest = lines("bpr", found)
    assert first == f"bpr: {found.title}, place 1, score {found.score:.4f}, integrated"
    told = [float(number) for line in rest for number in re.findall(r"^  \S.* ([+-]\d+\.\d+)(?:  |$)", line)]
    assert sum(told) == pytest.approx(found.score, abs=1e-3)
    assert sum(line.startswith("      ") for line in rest) == sum(len(r.evidence) for r in found.reasons) + len(
        found.without
    )
