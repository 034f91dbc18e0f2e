"""What a model says of parts of a history: the questions that explanations are made of, asked in batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from honeyguide.arrays import BoolArray, FloatArray, IntArray
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender
from honeyguide.models.contributions import held

_CELLS = 8 << 20  # scores, or events, of a batch
_ROWS = 1024  # histories of a batch


class Histories:
    """One person, without some items of their history.

    profile     one row; parts of the history are those of someone new, since nobody was trained on them
    held        (H,) the distinct items of the history
    candidates  (N,) the items that are not in it, which lists are made of, whatever part is left
    """

    def __init__(self, model: Recommender, profile: Profiles) -> None:
        self.model, self.profile, self.held = model, profile, held(profile)
        self._place = np.searchsorted(self.held, profile.items)  # (E,)
        self.candidates = np.setdiff1d(np.arange(len(profile.schema.items), dtype=np.int32), self.held)

    def part(self, keep: BoolArray) -> Profiles:
        """The profiles (S,) with only the items to keep (S, H)."""
        many = self.profile.strangers().take(np.zeros(len(keep), np.int64))
        return many.where_events(keep[:, self._place].ravel())

    def scores(self, keep: BoolArray, items: IntArray | None) -> FloatArray:
        """(S, C) scores of items, or of all, for parts of the history (S, H)."""
        count = len(self.profile.schema.items) if items is None else len(items)
        parts = [self.model.score(self.part(rows), items) for rows in self._batches(keep, count)]
        return np.concatenate(parts) if parts else np.zeros((0, count), np.float32)

    def places(self, keep: BoolArray, items: IntArray) -> IntArray:
        """(S,) the place of one item for each part, 1 first, among the candidates; ties to the lower code."""
        found = []
        first = 0
        for rows in self._batches(keep, len(self.profile.schema.items)):
            scores = self.model.score(self.part(rows), None)[:, self.candidates]  # (S, N)
            found.append(place_of(scores, self.candidates, items[first : first + len(rows)]))
            first += len(rows)
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def _batches(self, keep: BoolArray, count: int) -> Iterator[BoolArray]:
        step = max(1, min(_ROWS, _CELLS // max(1, count, len(self.profile.items))))
        for first in range(0, len(keep), step):
            yield keep[first : first + step]


def has_attributes(profile: Profiles) -> bool:
    """Whether anything is known of one person besides the history."""
    told = profile.attributes
    return told is not None and any(column.null_count() < len(column) for column in told)


def place_of(scores: FloatArray, candidates: IntArray, items: IntArray) -> IntArray:
    """(S,) the place of items (S,), all of them candidates (N,), by scores (S, N)."""
    at = np.searchsorted(candidates, items)
    own = scores[np.arange(len(items)), at][:, None]
    before = (scores > own) | ((scores == own) & (np.arange(len(candidates)) < at[:, None]))
    places: IntArray = (1 + before.sum(axis=1)).astype(np.int32)
    return places
