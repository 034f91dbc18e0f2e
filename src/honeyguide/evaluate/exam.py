"""What is asked of a model: whose lists, what proved relevant to each, which ratings.

The whole catalogue is ranked; items in a person's history are never listed, so what of them is tested again is not
counted as relevant. Relevant are the positive test events (of ratings, a person's last for the item). Time O(N log N).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Dataset
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, ParameterError
from honeyguide.metrics.beyond import Popularity
from honeyguide.models import lists
from honeyguide.models.base import Recommender
from honeyguide.run import Run


@dataclass(frozen=True, eq=False)
class Exam:
    """P people with test events.

    users     (P,) their codes
    profiles  P: what a model is shown of them, at the moment of their first test event and under its circumstances;
              `known` is -1 for who has no training events or brings a history
    train     what the models were fitted on; test: the N events asked about
    seen_again  relevant items left out because the person's history holds them
    """

    users: IntArray
    profiles: Profiles
    train: Dataset
    test: Dataset
    relevant: sp.csr_matrix  # (P, I) of ones
    seen_again: int

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def asked(self) -> IntArray:
        """(A,) rows of the people with at least one relevant item: whose lists are made."""
        return np.flatnonzero(np.diff(self.relevant.indptr)).astype(np.int32)

    @cached_property
    def row_of_event(self) -> IntArray:
        """(N,) the row of each test event's person."""
        return np.searchsorted(self.users, self.test.users).astype(np.int32)

    @cached_property
    def tested_items(self) -> LongArray:
        """Codes of the items with test events."""
        return np.flatnonzero(np.bincount(self.test.items))

    @cached_property
    def popularity(self) -> Popularity:
        """How many people have each item in training."""
        matrix = self.train.matrix()
        people = int(np.count_nonzero(np.diff(matrix.indptr)))
        return Popularity(np.bincount(matrix.indices, minlength=self.train.n_items), people)

    @cached_property
    def backdrops(self) -> dict[tuple[str, str], Any]:
        """What metrics beyond accuracy set lists against, by what they need and of which column."""
        return {}

    @cached_property
    def trained_items(self) -> BoolArray:
        """(I,) whether an item has training events."""
        found: BoolArray = self.popularity.counts > 0
        return found

    def people_groups(self) -> dict[str, BoolArray]:
        """(P,) masks of the known (trained on), warm (another history) and cold (no history) people."""
        known = self.profiles.known >= 0
        some = np.diff(self.profiles.indptr) > 0
        return {"known people": known, "warm people": ~known & some, "cold people": ~some}

    def lists(
        self, model: Recommender, k: int, run: Run, *, name: str = "", rerank: lists.Reranking | None = None
    ) -> IntArray:
        """(A, min(k, I)) the item codes of the lists of `asked`, made in blocks; re-ranked, where told so."""
        profiles = self.profiles.take(self.asked)
        made = np.empty((len(profiles), min(k, self.train.n_items)), np.int32)
        with run.track(f"lists of {name}", len(profiles)) as bar:
            for rows, codes, _ in lists.of_model(model, profiles, k, rerank=rerank, run=run):
                made[rows] = codes
                bar.advance(len(codes))
        return made

    def ratings(self, model: Recommender) -> FloatArray:
        """(N,) the ratings that the model predicts for the test events, clipped to the scale."""
        return model.rate_clipped(self.profiles, Pairs(self.row_of_event, self.test.items, self.test.times))

    def sample(self, people: int, among: IntArray, rng: np.random.Generator) -> Exam:
        """The exam of at most so many people, drawn at random from the rows `among`."""
        if people >= len(among):
            return self
        rows = np.sort(rng.choice(among, people, replace=False))
        test = self.test.take(np.isin(self.row_of_event, rows))
        return replace(
            self, users=self.users[rows], profiles=self.profiles.take(rows), test=test, relevant=self.relevant[rows]
        )


def exam(train: Dataset, test: Dataset, *, history: Dataset | None = None) -> Exam:
    """The exam on `test` for models fitted on `train`; people in `history` are served by it instead, as strangers."""
    for name, part in (("test", test), ("history", history)):
        if part is not None and not (_same(train.schema.users, part.schema.users) and _same_items(train, part)):
            raise ParameterError(f"train and {name} must share their ids: take both from one split, or one reading.")
    if not len(test):
        raise DataError("the test part holds no events: nothing can be measured on it.")
    users = np.flatnonzero(np.bincount(test.users)).astype(np.int32)
    profiles = _at_first(_profiles(train, history, users), test, users)
    positives = test.profiles(users).positives()  # (P, I)
    relevant = _without(positives, profiles)
    return Exam(users, profiles, train, test, relevant, positives.nnz - relevant.nnz)


def _profiles(train: Dataset, history: Dataset | None, users: IntArray) -> Profiles:
    """What is known of each of the users (P,) at the moment of asking."""
    trained = np.bincount(train.users, minlength=train.n_users) > 0
    shown = train
    if history is not None:
        brings = np.bincount(history.users, minlength=train.n_users) > 0
        trained &= ~brings
        shown = _joined(train.take(~brings[train.users]), history)
    profiles = shown.profiles(users)
    return replace(profiles, known=np.where(trained[users], users, -1).astype(np.int32))


def _at_first(profiles: Profiles, test: Dataset, users: IntArray) -> Profiles:
    """The profiles of the users (P,) at the moment of their first test event, and under its circumstances."""
    first = test.by_user[0][test.by_user[1][users]]
    return replace(
        profiles, at=None if test.times is None else test.times[first],
        context=None if test.context is None else test.context[first],
    )  # fmt: skip


def _joined(one: Dataset, other: Dataset) -> Dataset:
    """The events of two parts under the schema of the first; without times unless both have them."""
    times: LongArray | None = None
    if one.times is not None and other.times is not None:
        times = np.concatenate([one.times, other.times])
    users, items = np.concatenate([one.users, other.users]), np.concatenate([one.items, other.items])
    return Dataset(one.schema, users, items, np.concatenate([one.values, other.values]), times)


def _without(positives: sp.csr_matrix, profiles: Profiles) -> sp.csr_matrix:
    """The positives (P, I) whose item is not in the person's profile."""
    rows = np.repeat(np.arange(len(profiles)), np.diff(positives.indptr))
    items = np.int64(positives.shape[1])
    seen = np.append(np.sort(profiles.rows.astype(np.int64) * items + profiles.items), -1)  # (E + 1,)
    asked = rows * items + positives.indices  # (N,)
    fresh = seen[np.searchsorted(seen[:-1], asked)] != asked
    return _csr(rows[fresh], positives.indices[fresh], positives.shape)


def of_items(relevant: sp.csr_matrix, mask: BoolArray) -> sp.csr_matrix:
    """The relevant (P, I) entries of the items in the mask (I,)."""
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    kept = mask[relevant.indices]
    return _csr(rows[kept], relevant.indices[kept], relevant.shape)


def _csr(rows: AnyArray, columns: AnyArray, shape: tuple[int, int]) -> sp.csr_matrix:
    indptr = np.searchsorted(rows, np.arange(shape[0] + 1))
    return sp.csr_matrix((np.ones(len(rows), np.float32), columns, indptr), shape=shape)


def _same_items(one: Dataset, other: Dataset) -> bool:
    return _same(one.schema.items, other.schema.items)


def _same(one: Vocabulary, other: Vocabulary) -> bool:
    """Whether codes mean the same ids."""
    if one is other:
        return True
    arrays = zip(one.arrays().values(), other.arrays().values(), strict=True)
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in arrays)
