"""Recommender: the contract of every model, and what all of them get from it.

A model file declares hyperparameters, `_fit` (or `_fit_epochs`), `score`, `memory`, and `rate` where it gives ratings.
From here it gets checks of parameters and fitting, lists, predictions, similar items, saving and loading.

Optional abilities are methods that a model has or has not:
    _fit_epochs(data, run) -> Iterator[None]    iterative: yields after each epoch, the model usable then
    similarity(items) -> (C, I)                 how alike items are, higher is nearer
    user_vectors(profiles), item_vectors()      of which the score is the product: see `lists.Factored`
    _update(before, after, run)                 learn from new events; see `Updatable`
    _extend(schema)                             score new items by their attributes; see `with_items`
    quantiles(profiles, pairs, shares) -> (S, N)    of the rating that is foretold; see `intervals`
    contributions(profiles, items)              what scores are sums of, and `additive`: see `contributions`
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import polars as pl

from honeyguide import params
from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.data.vocabulary import Id
from honeyguide.errors import (
    NotFittedError,
    ParameterError,
    UnsupportedError,
)
from honeyguide.models import fitting, lists, people, registry, renew
from honeyguide.models.fitting import Watch
from honeyguide.run import Run

Task: TypeAlias = Literal["rating", "ranking"]
FoldIn: TypeAlias = Literal["exact", "approximate"]
Content: TypeAlias = Literal["attributes", "graph"]
History: TypeAlias = people.History
Attributes: TypeAlias = people.Attributes
_PAIRS = 1 << 16  # pairs rated at once


@runtime_checkable
class Iterative(Protocol):
    """A model that learns in epochs."""

    epochs: int

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]: ...


@runtime_checkable
class Similar(Protocol):
    """A model that knows how alike two items are."""

    def similarity(self, items: IntArray) -> FloatArray: ...


@runtime_checkable
class Uncertain(Protocol):
    """A model that knows how sure it is: (S, N) the numbers below which the shares (S,) of the ratings will lie."""

    def quantiles(self, profiles: Profiles, pairs: Pairs, shares: Sequence[float]) -> FloatArray: ...


@runtime_checkable
class Extensible(Protocol):
    """A model that knows items by their attributes: `_extend` learns to score the last of `schema`, which are new."""

    def _extend(self, schema: Schema) -> None: ...


@runtime_checkable
class Updatable(Protocol):
    """A model that takes in new events: exactly as a fit on all would, or as nearly as its file states.

    `_update` sees the data `before` and `after`, whose codes of old ids are the same, and replaces learned state, in
    whose arrays it does not write.
    """

    def _update(self, before: Dataset, after: Dataset, run: Run) -> None: ...


@dataclass(kw_only=True, eq=False)
class Recommender(ABC):
    """A model. Its constructor only checks and stores hyperparameters; learned state is in names that end in "_".

    fold_in "exact": a known person's own history, given as a stranger's, yields the trained answer. "approximate": the
    trained vector serves the trained history, and a vector folded in serves any other.

    additive: a score is a sum over the items of the history, each adding what it alone would score.

    item_content: what the model knows items by that nobody has had, where the data say it.

    shapes names the dimensions of learned arrays, a letter each: {"item_vectors_": "IK"}. U is people, I items; any
    other letter is one length, at least 1, in all of them. A file whose arrays differ is refused.
    """

    task: ClassVar[Task] = "ranking"
    fold_in: ClassVar[FoldIn] = "exact"
    additive: ClassVar[bool] = False
    item_content: ClassVar[tuple[Content, ...]] = ()
    shapes: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        params.check(self)

    # ---- what a model's own file gives ------------------------------------------------------------------------------

    def _fit(self, data: Dataset, run: Run) -> None:
        """Learn, and set the learned state. Iterative models give `_fit_epochs` instead."""
        raise NotImplementedError

    @abstractmethod
    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        """Scores (B, I), or (B, C) for the item codes `items`: higher is better, never clipped. float32."""

    @abstractmethod
    def memory(self, shape: Shape) -> int:
        """Bytes that a fit on data of this shape takes at its peak, the data themselves left out."""

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        """Ratings (N,) of pairs, never clipped; an item code of -1 is an item never seen."""
        able = ", ".join(name for name in registry.names() if registry.load(name).rate is not Recommender.rate)
        raise UnsupportedError(f"{type(self).__name__} gives lists, not ratings; models that rate: {able}")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def fit(self, data: Dataset, *, run: Run | None = None, watch: Watch | None = None) -> Self:
        """Learn from the data. `watch(model, epoch)` sees an iterative model after each epoch and stops it with True.

        Raises DataError for data this model cannot learn from, MemoryBudgetError above `run.memory`. A fit that fails
        or is interrupted leaves the model unfitted.
        """
        run = run or Run()
        fitting.admit(self, data, run)
        self._forget()
        self.schema_: Schema = data.schema
        with run.track(f"sorting histories for {type(self).__name__}"):
            self.histories_: Profiles = data.profiles()
            self.fingerprint_: str = data.fingerprint
        try:
            with fitting.blas_threads(run.threads):
                if isinstance(self, Iterative):
                    fitting.run_epochs(self, self._fit_epochs(data, run), self.epochs, run, watch)
                else:
                    fitting.say_whether_kept(self, run.checkpoint)
                    with run.track(f"fitting {type(self).__name__}"):
                        self._fit(data, run)
        except BaseException:
            self._forget()
            raise
        return self

    def update(self, events: Any, *, run: Run | None = None) -> Self:
        """Learn from new events too, as if they had followed the training data: new people and new items welcome.

        `events` is a Dataset or what `hg.read` takes. What counts as positive stays as it was. UnsupportedError where
        the model cannot, or has no histories; DataError for events that do not fit. A failure leaves it as it was.
        """
        self._need_fit()
        run, name = run or Run(), type(self).__name__
        if not isinstance(self, Updatable):
            able = ", ".join(n for n in registry.names() if issubclass(registry.load(n), Updatable))
            raise UnsupportedError(f"{name} cannot be updated, fit it on all of the data; these can: {able}")
        before, after = renew.merged(self, events, run)
        fitting.admit(self, after, run)
        fresh = copy.copy(self)
        fresh.schema_, fresh.histories_, fresh.fingerprint_ = after.schema, after.profiles(), after.fingerprint
        with fitting.blas_threads(run.threads), run.track(f"updating {name}"):
            fresh._update(before, after, run)
        self.__dict__ = fresh.__dict__
        return self

    def with_items(self, items: Any) -> Self:
        """A copy that recommends new items too, by their attributes: `items` is a table as `read(items=)` takes it.

        Items already known stay as they are. UnsupportedError where the model reads no attributes; DataError for ids of
        another type.
        """
        self._need_fit()
        if not isinstance(self, Extensible):
            able = ", ".join(n for n in registry.names() if issubclass(registry.load(n), Extensible))
            raise UnsupportedError(f"{type(self).__name__} takes in no items after its fit; by attributes do: {able}")
        return renew.extended(self, renew.with_items(self.schema_, items))

    def _forget(self) -> None:
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
            delattr(self, name)

    def _need_fit(self) -> None:
        if not hasattr(self, "schema_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit(data) first")

    # ---- asking -----------------------------------------------------------------------------------------------------

    def recommend(
        self,
        users: Id | Sequence[Id] | None = None,
        *,
        history: History | Mapping[Id, History] | None = None,
        attributes: Attributes | Mapping[Id, Attributes] | None = None,
        context: Mapping[str, Any] | None = None,
        at: people.Moment | None = None,
        k: int = 10,
        items: Iterable[Id] | None = None,
        exclude: Iterable[Id] | None = None,
        seen: bool = False,
        rerank: lists.Reranking | None = None,
        run: Run | None = None,
    ) -> Any:
        """The k best items of each person: a table of user, item, score, rank.

        Give `users` of the training data, or the `history` of someone new: items, or (item, value), or (item, value,
        time); a mapping from a name to a history serves several. `attributes` are what is known of someone new, in the
        columns of `read(users=)`, for models that read them: with a history or alone. `context` are the circumstances
        of asking, in the columns of `read(context=)`, and `at` is the moment (seconds since 1970, a datetime or ISO
        8601 text), also for models that read them; without, they are not known. `items` are the only ones to rank,
        `exclude` never appear; what is in the history appears only if `seen`. `rerank`, such as `hg.rerank.MMR()`,
        chooses and orders the list among the model's first candidates; the scores stay the model's. Raises
        UnknownIdError for a user never seen.
        """
        self._need_fit()
        params.at_least_one("k", k)
        profiles, names = people.ask(self, users, history, attributes)
        profiles = people.asked_at(profiles, at, context)
        made = lists.of_model(
            self, profiles, k, candidates=self._item_codes(items), exclude=self._item_codes(exclude), seen=seen,
            rerank=rerank, run=run or Run(),
        )  # fmt: skip
        codes, scores = lists.joined(made)
        return self.schema_.deliver(self.as_table(names, codes, scores))

    def recommend_all(
        self, k: int = 10, *, exclude: Iterable[Id] | None = None, seen: bool = False,
        rerank: lists.Reranking | None = None, run: Run | None = None,
    ) -> Iterator[pl.DataFrame]:  # fmt: skip
        """The lists of all people of the training data, a Polars table per block: memory follows the block."""
        self._need_fit()
        params.at_least_one("k", k)
        asked = people.trained(self)
        made = lists.of_model(
            self, asked, k, exclude=self._item_codes(exclude), seen=seen, rerank=rerank, run=run or Run()
        )
        return self._tables(made, len(asked), run or Run())

    def _tables(
        self, made: Iterator[tuple[slice, IntArray, FloatArray]], count: int, run: Run
    ) -> Iterator[pl.DataFrame]:
        with run.track("recommending", count) as bar:
            for rows, codes, scores in made:
                users = np.arange(rows.start, rows.stop, dtype=np.int32)
                yield self.as_table(self.schema_.users.decode(users), codes, scores)
                bar.advance(len(codes))

    def as_table(self, names: pl.Series, codes: IntArray, scores: FloatArray) -> pl.DataFrame:
        """Lists (B, k) as a long table of user, item, score, rank; empty places left out."""
        row, place = np.nonzero(codes >= 0)
        return pl.DataFrame(
            {
                "user": names.gather(row),
                "item": self.schema_.items.decode(codes[row, place]),
                "score": scores[row, place],
                "rank": (place + 1).astype(np.int32),
            }
        )

    def predict(self, pairs: Any, *, history: History | None = None) -> Any:
        """Ratings, clipped to the scale: a table of user, item, (rating), prediction.

        `pairs` is a Dataset, a data frame with the columns user and item, or a sequence of (user, item); with the
        `history` of someone new, a sequence of items. People and items never seen are rated from what is left.
        """
        self._need_fit()
        asked = people.pairs(self, pairs, history)
        rated = asked.table.with_columns(pl.Series("prediction", self.rate_clipped(asked.profiles, asked.pairs)))
        return asked.deliver(rated)

    def intervals(self, pairs: Any, *, level: float = 0.9, history: History | None = None) -> Any:
        """Where each rating will lie with the probability `level`: the table of `predict`, and low and high.

        Of the ratings foretold, (1 - level) / 2 lie beyond each end. UnsupportedError where the model does not know.
        """
        self._need_fit()
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0.0 < level < 1.0:
            raise ParameterError(f"level must be a number above 0 and below 1, got {level!r}.")
        if not isinstance(self, Uncertain):
            able = ", ".join(name for name in registry.names() if issubclass(registry.load(name), Uncertain))
            raise UnsupportedError(f"{type(self).__name__} does not know how sure it is; these do: {able}")
        asked, scale = people.pairs(self, pairs, history), self.schema_.scale or (-np.inf, np.inf)
        shares = (1.0 - level) / 2.0, (1.0 + level) / 2.0
        ends = np.empty((2, len(asked.pairs)), np.float32)
        for at, profiles, part in _parts(asked.profiles, asked.pairs):
            ends[:, at] = self.quantiles(profiles, part, shares)
        columns = {"prediction": self.rate_clipped(asked.profiles, asked.pairs)}
        columns |= dict(zip(("low", "high"), np.clip(ends, *scale), strict=True))
        return asked.deliver(asked.table.with_columns(**{name: pl.Series(each) for name, each in columns.items()}))

    def rate_clipped(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        """`rate` (N,), clipped to the scale, in blocks that bound the memory."""
        scale = self.schema_.scale or (-np.inf, np.inf)
        out = np.empty(len(pairs), np.float32)
        for at, part, asked in _parts(profiles, pairs):
            out[at] = np.clip(self.rate(part, asked), *scale)
        return out

    def similar_items(self, items: Id | Sequence[Id], *, k: int = 10) -> Any:
        """The k items nearest to each given one: a table of item, similar, score, rank."""
        self._need_fit()
        params.at_least_one("k", k)
        if not isinstance(self, Similar):
            able = ", ".join(name for name in registry.names() if issubclass(registry.load(name), Similar))
            raise UnsupportedError(f"{type(self).__name__} does not know how alike items are; these do: {able}")
        given = people.listed_ids(items)
        codes = np.array([self.schema_.items.code(item, "item") for item in given], dtype=np.int32)
        own = people.strangers(self.schema_, [[item] for item in given])  # an item is not similar to itself
        similarity = self.similarity

        def score(profiles: Profiles, wanted: IntArray | None) -> FloatArray:
            near = similarity(profiles.items)
            return near if wanted is None else near[:, wanted]

        found, scores = lists.top_k(score, own, k, run=Run(threads=1))
        table = self.as_table(self.schema_.items.decode(codes), found, scores)
        return self.schema_.deliver(table.rename({"item": "similar"}).rename({"user": "item"}))

    def _item_codes(self, items: Iterable[Id] | None) -> IntArray | None:
        """Codes of the items that are known, of those given."""
        if items is None:
            return None
        codes = self.schema_.items.encode(people.listed_ids(items))
        return codes[codes >= 0]

    # ---- files ------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, histories: bool = True) -> None:
        """Write the model to one file, whole or not at all. Without `histories`, who is asked about brings theirs."""
        from honeyguide.models import stored

        self._need_fit()
        stored.save(self, path, histories=histories)


def _parts(profiles: Profiles, pairs: Pairs) -> Iterator[tuple[LongArray, Profiles, Pairs]]:
    """Pairs in blocks that bound the memory: which they are, the profiles that they are of, and themselves."""
    order = np.argsort(pairs.rows, kind="stable")
    for first in range(0, len(pairs), _PAIRS):
        at = order[first : first + _PAIRS]
        rows, local = np.unique(pairs.rows[at], return_inverse=True)
        times = None if pairs.times is None else pairs.times[at]
        yield at, profiles.take(rows), Pairs(local.astype(np.int32), pairs.items[at], times)


def fitted(model: Any) -> None:
    """ParameterError for what is no model, such as a file's name; NotFittedError for one that is not fitted."""
    if not isinstance(model, Recommender):
        got = repr(model) if isinstance(model, str) else f"a {type(model).__name__}"
        raise ParameterError(f"model must be a fitted model, got {got}; hg.open(path) opens the file of one.")
    model._need_fit()
