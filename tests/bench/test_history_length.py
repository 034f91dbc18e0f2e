"""What is shown, asked for and trained on in bench/history_length.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from bench.history_length import ASKED, LENGTHS, beside, exam, squared_errors

from honeyguide.data.dataset import Dataset
from honeyguide.run import Run


def many(make: Callable[..., Dataset]) -> Dataset:
    """40 people of 60 to 99 ratings, of whom 30 have enough, in an order of no meaning."""
    rng = np.random.default_rng(0)
    rows = [(u, int(i), float(rng.integers(1, 6)), 0) for u in range(40) for i in rng.permutation(120)[: 60 + u]]
    return make([rows[at] for at in rng.permutation(len(rows))])


def test_people_are_left_out_whole_and_shorter_histories_are_parts_of_longer_ones(
    make: Callable[..., Dataset],
) -> None:
    data = many(make)
    paper, whole = exam(data, 0.4, 3), data.matrix().toarray()
    left_out = [u for u in range(40) if u not in set(paper.train.users)]
    assert len(left_out) == len(paper.shown[0]) == 12
    assert min(left_out) >= LENGTHS[-1] + ASKED - 60
    assert len(paper.train) + sum(60 + u for u in left_out) == len(data)
    seen: list[set[int]] = [set() for _ in left_out]
    for length, profiles in zip(LENGTHS, paper.shown, strict=True):
        assert (profiles.known == -1).all()
        for row, u in enumerate(left_out):
            mine = profiles.take([row])
            assert len(set(mine.items)) == length
            assert seen[row] <= set(mine.items)
            np.testing.assert_array_equal(mine.values, whole[u, mine.items])
            seen[row] = set(mine.items)
    asked = paper.pairs.items.reshape(12, ASKED)
    for row, u in enumerate(left_out):
        assert len(set(asked[row])) == ASKED
        assert not set(asked[row]) & seen[row]
        np.testing.assert_array_equal(paper.ratings.reshape(12, ASKED)[row], whole[u, asked[row]])
    assert (paper.pairs.rows == np.repeat(np.arange(12), ASKED)).all()


def test_errors_and_differences_are_those_of_the_models(make: Callable[..., Dataset]) -> None:
    paper = exam(many(make), 0.4, 3)
    first, other = (squared_errors(spec, paper, Run()) for spec in ("bias", "bias:reg_user=100"))
    off = (paper.train.values.mean() - paper.ratings) ** 2  # nearly what so strong a penalty leaves of items that vary
    assert first.shape == other.shape == (len(LENGTHS), 12)
    assert abs(np.sqrt(other[0].mean()) - np.sqrt(off.mean())) < 0.1
    found = beside(other, first, 0)
    np.testing.assert_allclose(found["rmse"], np.sqrt(other.mean(axis=1)))
    np.testing.assert_allclose(found["difference"], np.sqrt(other.mean(axis=1)) - np.sqrt(first.mean(axis=1)))
    assert beside(first, first, 0)["error"] == [0.0] * len(LENGTHS)
    assert 0 < min(found["error"]) < max(found["error"]) < 0.2
