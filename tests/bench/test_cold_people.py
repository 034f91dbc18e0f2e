"""Whom bench/cold_people.py asks about, what is shown of them and what follows; differences in bench/cold_items.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from bench.cold_items import beside
from bench.cold_people import LENGTHS, ask, exam

from honeyguide.data.dataset import Dataset
from honeyguide.models.baseline.popular import Popular
from honeyguide.run import Run


@pytest.mark.parametrize("timed", [True, False])
def test_what_follows_is_what_was_not_shown(make: Callable[..., Dataset], timed: bool) -> None:
    rng = np.random.default_rng(0)
    rows = [(u, int(i), float(rng.integers(3, 6)), int(rng.integers(10**6))) for u in range(40) for i in range(2 + u)]
    data = make([rows[at] for at in rng.permutation(len(rows))], positive=">=4", timed=timed)
    paper, whole = exam(data, 3, LENGTHS), data.positives().toarray() > 0
    out = sorted(set(range(40)) - set(paper.train.users.tolist()))
    assert len(out) == 8
    asked = [u for u in out if whole[u].sum() > LENGTHS[-1]]
    assert 0 < len(asked) < 8
    for length, profiles, relevant in zip(LENGTHS, paper.shown, paper.relevant, strict=True):
        assert paper.people.tolist() == asked
        assert len(profiles) == len(asked)
        assert (profiles.known == -1).all()
        for row, user in enumerate(asked):
            shown, later = profiles.take([row]).items, relevant[[row]].indices
            assert len(shown) == length
            assert sorted([*shown, *later]) == np.flatnonzero(whole[user]).tolist()
            if timed and length:
                when = {int(i): t for i, u, t in zip(data.items, data.users, data.times, strict=True) if u == user}
                assert max(when[i] for i in shown) <= min(when[i] for i in later)
    assert ask(Popular().fit(paper.train), paper, Run()).shape == (len(LENGTHS), len(asked))


def test_differences_are_over_people() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(0.3, 1.0, 900).astype(np.float32)
    who, nothing = np.arange(900, dtype=np.int32), np.zeros(900, np.float32)
    mean, low, high = beside(one, nothing, who)
    assert mean == pytest.approx(one.mean(), abs=1e-6)
    assert high - low == pytest.approx(2 * 1.96 * one.std() / 30, rel=0.1)
    assert low < mean < high
    assert beside(nothing, one, who)[0] == pytest.approx(-mean)
    twice = beside(np.tile(one, 2), np.tile(nothing, 2), np.tile(who, 2))  # the same people again tell nothing new
    assert twice == pytest.approx([mean, low, high])
