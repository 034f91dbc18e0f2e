"""Popular counts people, not events, and only positives, of a window of time where one is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from honeyguide.data.dataset import NO_TIME, Dataset
from honeyguide.errors import DataError
from honeyguide.models.baseline.popular import Popular

Make = Callable[..., Dataset]
DAY = 86_400


def test_counts_people_with_a_positive(make: Make) -> None:
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


@pytest.mark.parametrize("window", [0.0, 0.5, 1.0, 7.0, 30.0, 1000.0])
def test_a_window_counts_as_a_plain_loop_does(make: Make, window: float) -> None:
    rng = np.random.default_rng(0)
    rows = [(int(rng.integers(9)), int(rng.integers(6)), float(rng.integers(1, 6)), int(rng.integers(400)) * DAY // 4)
            for _ in range(200)]  # fmt: skip
    had: dict[int, set[int]] = {item: set() for item in range(6)}
    last = {}
    for at, (user, item, value, time) in enumerate(rows):  # a person's opinion is the last one, of the same time too
        if (user, item) not in last or (time, at) > last[user, item][:2]:
            last[user, item] = (time, at, value)
    for (user, item), (time, _, value) in last.items():
        if value >= 4 and (window == 0 or time >= max(row[3] for row in rows) - window * DAY):
            had[item].add(user)
    table = Popular(window=window).fit(make(rows, positive=">=4")).recommend(history=[], k=6)
    assert dict(zip(table["item"], table["score"], strict=True)) == {item: len(people) for item, people in had.items()}


def test_what_came_up_of_late_is_first(make: Make) -> None:
    rows = [(user, "old", 1.0, user) for user in range(20)] + [(user, "new", 1.0, 90 * DAY) for user in range(3)]
    data = make(rows, explicit=False)
    assert Popular().fit(data).recommend(history=[], k=1)["item"].to_list() == ["old"]
    assert Popular(window=30).fit(data).recommend(history=[], k=1)["item"].to_list() == ["new"]


def test_a_window_needs_times(make: Make) -> None:
    for data in (make([("u", "a", 1.0, 0)], timed=False), make([("u", "a", 1.0, int(NO_TIME))])):
        assert len(Popular().fit(data).recommend(history=[])) == 1
        with pytest.raises(DataError, match=r"Popular.window needs times, and these data have none; name them with"):
            Popular(window=7).fit(data)
    data = make([("u", "a", 1.0, int(NO_TIME)), ("v", "b", 1.0, 5)])
    assert Popular(window=7).fit(data).recommend(history=[], k=2)["score"].to_list() == [1, 0]
