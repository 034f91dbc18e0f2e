"""Parts of a history: who they are, how they score, and where an item stands, in blocks and whole."""

from __future__ import annotations

import numpy as np
import pytest

import honeyguide as hg
from honeyguide.data.dataset import Dataset
from honeyguide.explain import histories
from honeyguide.explain.histories import Histories
from honeyguide.models.people import strangers


@pytest.fixture(scope="module")
def asked(ratings: Dataset) -> Histories:
    return Histories(hg.models.Ease(reg=20.0).fit(ratings), ratings.profiles(np.array([3])))


def test_a_part_is_the_history_of_someone_new(asked: Histories, ratings: Dataset) -> None:
    keep = np.zeros((2, len(asked.held)), dtype=bool)
    keep[0, [1, 4]], keep[1, 2] = True, True
    part = asked.part(keep)
    items = ratings.schema.items.decode(asked.held).to_list()
    values = dict(zip(asked.profile.items, asked.profile.values, strict=True))  # the last of each
    for row, held in enumerate(([1, 4], [2])):
        alone = part.take([row])
        assert alone.known[0] == -1
        assert set(alone.items) == {asked.held[at] for at in held}
        same = strangers(ratings.schema, [[(items[at], float(values[asked.held[at]])) for at in held]])
        np.testing.assert_allclose(asked.model.score(alone), asked.model.score(same), rtol=1e-5)


def test_places_in_blocks_are_those_of_the_sorted_list(asked: Histories, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    keep = rng.random((11, len(asked.held))) < 0.6
    items = rng.choice(asked.candidates, 11).astype(np.int32)
    scores = asked.scores(keep, None)[:, asked.candidates]
    expected = [
        1 + list(asked.candidates[np.argsort(-row, kind="stable")]).index(item)
        for row, item in zip(scores, items, strict=True)
    ]
    assert asked.places(keep, items).tolist() == expected
    monkeypatch.setattr(histories, "_ROWS", 3)
    assert asked.places(keep, items).tolist() == expected
    np.testing.assert_array_equal(asked.scores(keep, None)[:, asked.candidates], scores)
