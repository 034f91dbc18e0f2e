"""Popular counts people, not events, and only positives."""

from __future__ import annotations

from collections.abc import Callable

from honeyguide.data.dataset import Dataset
from honeyguide.models.baseline.popular import Popular


def test_counts_people_with_a_positive(make: Callable[..., Dataset]) -> None:
    rows = [
        ("u", "a", 5, 1),
        ("u", "a", 5, 2),
        ("v", "b", 4, 1),
        ("w", "b", 4, 1),
        ("w", "c", 1, 1),
        ("v", "c", 2, 2),
        ("u", "c", 1, 3),
    ]
    model = Popular().fit(make(rows, positive=">=4"))
    table = model.recommend(history=[], k=3)
    assert table["item"].to_list() == ["b", "a", "c"]
    assert table["score"].to_list() == [2, 1, 0]
