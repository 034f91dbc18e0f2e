"""The first stage of ranker.py: what models propose to people, and the questions that its network learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Profiles
from honeyguide.models.base import Recommender
from honeyguide.run import Run
from honeyguide.training.padded import padded
from honeyguide.training.sampling import shuffled

CELLS = 8 << 20  # scores made at once
_HISTORY, _MOST = 50, 32  # events of a history, attributes of someone or something, that a step reads


@dataclass(frozen=True, eq=False)
class Proposals:
    """Codes (B, P) of items, ascending but for -1 where there is none, and what each model says of them (B, P, M).

    What it says is less the mean, over the standard deviation, of the person's candidates.
    """

    codes: IntArray
    said: FloatArray


def blocks(profiles: Profiles, models: int) -> Iterator[Profiles]:
    """The profiles in parts for which the scores of all items by so many models take a bounded memory."""
    step = max(1, CELLS // max(1, len(profiles.schema.items) * models))
    return (profiles.take(slice(low, low + step)) for low in range(0, len(profiles), step))


def propose(scores: Sequence[FloatArray], profiles: Profiles, size: int) -> Proposals:
    """The union of each model's best `size` items by its scores (B, I), what is in the history left out."""
    count = min(size, scores[0].shape[1])
    best = []
    for each in scores:
        free = each.copy()
        free[profiles.rows, profiles.items] = -np.inf
        codes = np.argpartition(-free, count - 1, axis=1)[:, :count]
        best.append(np.where(np.isneginf(np.take_along_axis(free, codes, axis=1)), -1, codes))
    codes = np.sort(np.concatenate(best, axis=1), axis=1).astype(np.int32)
    codes[:, 1:][codes[:, 1:] == codes[:, :-1]] = -1
    at = np.maximum(codes, 0)
    said = np.stack([np.take_along_axis(each, at, axis=1) for each in scores], axis=2).astype(np.float64)
    there = (codes >= 0)[:, :, None]
    total = np.maximum(there.sum(axis=1, keepdims=True), 1)
    centred = np.where(there, said - np.where(there, said, 0.0).sum(axis=1, keepdims=True) / total, 0.0)
    spread = np.sqrt(np.square(centred).sum(axis=1, keepdims=True) / total)
    floor = 1e-6 * np.abs(said).max(axis=1, keepdims=True, initial=0.0) + 1e-12  # below it are rounding errors
    standard = np.where(spread > floor, centred / np.maximum(spread, floor), 0.0).astype(np.float32)
    return Proposals(np.asarray(codes, np.int32), standard)


def popularity(positives: sp.csr_matrix) -> FloatArray:
    """(I,) ln(1 + people who have the item), less the mean and over the deviation; zeros where all are alike."""
    counts = np.log1p(np.bincount(positives.indices, minlength=positives.shape[1]))
    spread = counts.std()
    return np.asarray((counts - counts.mean()) / (spread if spread > 0 else 1.0), np.float32)


@dataclass(frozen=True, eq=False)
class Questions:
    """What models proposed to Q people, each without a part of what they have.

    person (Q,) their codes; part (Q,) which was hidden; codes and said as in `Proposals`; event (Q, P) the event of
    each candidate that was hidden, by its number in the data, else -1; history (Q, I) CSR what was left; popularity
    (folds, I) by what was left.
    """

    person: LongArray
    part: LongArray
    codes: IntArray
    said: FloatArray
    event: LongArray
    history: sp.csr_matrix
    popularity: FloatArray


def ask(
    make: Callable[[], list[Recommender]], data: Dataset, *, folds: int, size: int, run: Run,
    told: Callable[[], None] = lambda: None,
) -> Questions:  # fmt: skip
    """Hide each fold of everyone's positives in turn from models made anew, and let them propose.

    No questions where hiding leaves nothing to learn from. `told` is called after each fold.
    """
    user, item, event = _positives(data)
    fold = _dealt(user, folds, run.rng(1))
    pairs, held = _keys(user, item, data.n_items), _keys(data.users, data.items, data.n_items)
    models = len(make())
    found, left = [], []
    known = np.zeros((folds, data.n_items), np.float32)
    for part in range(folds):
        rest = data.take(~np.isin(held, pairs[fold == part]))
        asked = np.unique(user[fold == part])
        if not len(asked) or not data.schema.positive.mask(rest.values).any():
            told()
            continue
        members = [model.fit(rest, run=run) for model in make()]
        profiles = rest.profiles(asked)
        known[part] = popularity(rest.positives())
        left.append(profiles.positives())
        low = 0
        for block in blocks(profiles, models):
            given = propose([model.score(block) for model in members], block, size)
            people = asked[low : low + len(block)].astype(np.int64)
            low += len(block)
            wanted = _keys(people[:, None], given.codes, data.n_items)
            at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
            hit = (given.codes >= 0) & (pairs[at] == wanted) & (fold[at] == part)
            found.append((people, np.full(len(people), part), given.codes, given.said, np.where(hit, event[at], -1)))
        del members  # before the next are fitted
        told()
    if not found:
        nobody = np.zeros(0, np.int64)
        none = np.zeros((0, 1), np.int32), np.zeros((0, 1, models), np.float32), np.zeros((0, 1), np.int64)
        return Questions(nobody, nobody, *none, sp.csr_matrix((0, data.n_items), dtype=np.float32), known)
    person, part_of, codes, said, events = (np.concatenate(each) for each in zip(*found, strict=True))
    return Questions(person, part_of, codes, said, events, sp.vstack(left, format="csr"), known)


def _positives(data: Dataset) -> tuple[LongArray, LongArray, LongArray]:
    """Person, item and the number of the last event of each positive pair (N,), by person and item."""
    profiles = data.profiles()
    latest, wanted = profiles.latest(), profiles.positives()
    user, item = profiles.rows[latest].astype(np.int64), profiles.items[latest].astype(np.int64)
    rows = np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr))
    good = np.isin(_keys(user, item, data.n_items), _keys(rows, wanted.indices, data.n_items), assume_unique=True)
    return user[good], item[good], data.by_user[0][latest][good]


def _dealt(user: LongArray, folds: int, rng: np.random.Generator) -> LongArray:
    """(N,) the fold of each pair: those of a person, sorted by person, in equal numbers but for one."""
    order = np.lexsort((rng.random(len(user)), user))
    first = np.searchsorted(user, user)
    fold = np.empty(len(user), np.int64)
    fold[order] = np.arange(len(user)) - first
    begin = rng.integers(folds, size=int(user.max(initial=0)) + 1)
    return np.asarray((fold + begin[user]) % folds)


def _keys(users: AnyArray, items: AnyArray, n_items: int) -> LongArray:
    return np.asarray(users, np.int64) * n_items + items


class Lessons:
    """Batches of candidates that were hidden, each among others of the same person that were not.

    `items` (I, Q), `people` (U, R) and `moments` (N, T) are what is known of items, of people and of events.
    """

    def __init__(
        self, questions: Questions, items: sp.csr_matrix, people: sp.csr_matrix, moments: sp.csr_matrix, *,
        size: int, negatives: int, blank: float,
    ) -> None:  # fmt: skip
        self._asked, self._size, self._negatives, self._blank = questions, size, negatives, blank
        self._known = {
            "item_attributes": padded(items, _MOST), "user_attributes": padded(people, _MOST),
            "moments": padded(moments, _MOST),
        }  # fmt: skip
        self._row, self._place = np.nonzero(questions.event >= 0)  # (N,)

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return -(-len(self._row) // self._size)

    def epoch(self, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """Each hidden candidate once, at place 0 of its row (C,) of candidates."""
        for at, weight in shuffled(len(self._row), self._size, rng):
            yield self._batch(self._row[at], self._place[at], weight, rng)

    def _batch(
        self, rows: LongArray, places: LongArray, weight: FloatArray, rng: np.random.Generator
    ) -> dict[str, AnyArray]:
        asked = self._asked
        others = rng.integers(asked.codes.shape[1], size=(len(rows), self._negatives))
        at = np.concatenate([places[:, None], others], axis=1)  # (R, C)
        codes = asked.codes[rows[:, None], at]
        there = (codes >= 0) & (asked.event[rows[:, None], at] < 0)
        there[:, 0] = True
        codes = np.maximum(codes, 0)
        events, people = asked.event[rows, places], asked.person[rows]
        told, timed = (rng.random((2, len(rows), 1)) >= self._blank).astype(np.float32)
        history, share = self._history(rows, rng)
        found = {"ids": codes, "history": history, "history_share": share}
        shares = (("item_attributes", codes, None), ("user_attributes", people, told), ("moments", events, timed))
        for name, which, shown in shares:
            columns, values = (part[which] for part in self._known[name])
            found |= {name: columns, f"{name}_share": values if shown is None else values * shown}
        return {
            **found, "said": asked.said[rows[:, None], at], "there": there.astype(np.float32), "weight": weight,
            "popularity": asked.popularity[asked.part[rows][:, None], codes],
            "seed": rng.integers(2**32, size=(), dtype=np.uint32),
        }  # fmt: skip

    def _history(self, rows: LongArray, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Up to `_HISTORY` items (R, L) of what was left of each history, drawn anew, and their shares."""
        begin, count = self._asked.history.indptr[rows], np.diff(self._asked.history.indptr)[rows]
        within = np.arange(_HISTORY)
        start = rng.integers(0, 1 << 30, (len(rows), 1))
        turn = (start + within) % np.maximum(count, 1)[:, None]  # a stretch, around the end to the beginning
        given = within < np.minimum(count, _HISTORY)[:, None]
        items = self._asked.history.indices[np.where(given, begin[:, None] + turn, 0)] if count.any() else 0 * turn
        share = given / np.maximum(given.sum(axis=1, keepdims=True), 1)
        return np.asarray(items, np.int32), share.astype(np.float32)
