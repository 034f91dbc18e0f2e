"""A factorisation machine over person, item, both histories, attributes and time, by Gibbs sampling.

(Rendle 2012, doi:10.1145/2168752.2168771; by relation blocks, Rendle 2013, doi:10.14778/2535573.2488340; the features
are those of Bayesian SVD++ and timeSVD++ "flipped", Rendle et al. 2019, arXiv:1905.01395.) Each feature's vector is
drawn whole. A sweep takes O(N K^2 + (U + I) K^3) for N ratings and K = factors + 1, however long the histories; chains
run side by side. Memory: 4 K^2 (U + I) bytes a chain and some 60 for each of the N ratings; the file 4 `keep` K (U + 2
I). Score: O(keep K) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
import scipy.sparse as sp
from scipy.special import ndtr, ndtri

from honeyguide.arrays import AnyArray, BoolArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import NO_TIME, Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import DataError
from honeyguide.kernels import gibbs
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.models.factorization._ordinal import expected, latent_mean, level_quantile
from honeyguide.models.factorization._relation_blocks import Block, Chain, Sample, identity, shares
from honeyguide.params import param
from honeyguide.run import Run

_DAY = 86_400
_PEOPLE = 64  # folded in at once by a thread
_FEW, _LONGEST = 0.05, 50  # the share of people whose histories are shorter than usual; the longest that counts as such
_HALVINGS = 30  # of the interval that a quantile lies in
_ROUNDS = 8  # of expectation and maximisation for a stranger's latent numbers


@dataclass(kw_only=True, eq=False)
class BayesianFm(Recommender):
    """Rate by the mean over draws from the posterior of a factorisation machine, of the ratings

        w0 + sum_j w_j x_j + sum over j < k of (v_j.v_k) x_j x_k + noise

    whose features x are the person, the item and, with `implicit`, what else the person rated and who else rated the
    item, each 1 / root of how many; `attributes`, columns of the table of items, several values of one being parted by
    |; and with `time_bin`, the day. Vectors of each group of features share a Gaussian whose mean and variances are
    drawn too, so that there is nothing to regularise by hand.

    `keep` draws, evenly spread over the chains, stay. A stranger gets, in each draw, the mean of their own vector given
    their ratings; in other people's eyes they are not among those who rated an item. What n items say of whoever rated
    them was learned from histories of a usual length; with fewer, 1 - n / usual of the prior is the mean and covariance
    of the people trained on, usual being what one in twenty of them has not. Of an item without ratings,
    what would be its own is the mean of all. Where no moment is told, the day is the mean day; outside those known, the
    nearest.

    With `output="probit"` a rating is the interval between cutpoints, drawn too, that w0 + … + noise falls into, so
    that 4 and 5 need not be as far apart as 1 and 2. Lists are then made by the latent number.
    """

    task: ClassVar[Task] = "rating"
    fold_in: ClassVar[FoldIn] = "approximate"
    shapes: ClassVar[Mapping[str, str]] = {
        "user_rows_": "SUK", "item_rows_": "SIK", "new_item_": "SK", "history_vectors_": "SIK", "person_mean_": "SK",
        "person_spread_": "SK", "others_mean_": "SK", "others_spread_": "SKK", "day_rows_": "SDK", "any_day_": "SK",
        "days_": "D", "intercepts_": "S", "noises_": "S", "cuts_": "SC", "levels_": "L",
    }  # fmt: skip

    factors: int = param(10, low=1, tune=(4, 32), help="length of the vectors")
    sweeps: int = param(250, low=2, help="draws of everything, in each chain")
    burn_in: int = param(20, low=0, help="draws of each chain that are not kept")
    chains: int = param(2, low=1, help="chains, side by side on as many threads")
    keep: int = param(32, low=1, help="draws that are kept, in all")
    implicit: bool = param(True, help="what else the person rated, and who else rated the item, are features")
    output: Literal["gaussian", "probit"] = param("gaussian", help="ratings are numbers, or levels in order")
    attributes: str = param("", help="columns of the table of items that are features: genres,year")
    time_bin: float | None = param(None, low=1e-3, help="days that are one day; none: times do not count")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit(self, data: Dataset, run: Run) -> None:
        profiles = data.profiles()
        ratings, latest = profiles.matrix(), profiles.latest()  # (U, I), (N,)
        days = self._learn_days(profiles, latest)
        blocks, targets = self._blocks(data, ratings, days), ratings.data.astype(np.float32)
        levels = None
        if self.output == "probit" and np.ptp(targets) > 0.0:
            self.levels_, targets = np.unique(targets, return_inverse=True)
            levels = len(self.levels_)
        kept, before = -(-self.keep // self.chains), min(self.burn_in, self.sweeps - 1)
        wanted = np.unique(np.linspace(self.sweeps, before, kept, endpoint=False).round().astype(int))  # 1 is the first

        def chains(start: int, stop: int) -> list[list[Sample]]:
            rngs = [run.rng(chain) for chain in range(start, stop)]
            begun = (Chain(blocks, targets, factors=self.factors, levels=levels, rng=rng) for rng in rngs)
            return [list(self._samples(chain, wanted)) for chain in begun]

        drawn = [chain for part in run.map(chains, self.chains, block=1) for chain in part]
        self._keep([sample for chain in drawn for sample in chain][: self.keep], ratings, days is not None)

    def _samples(self, chain: Chain, wanted: AnyArray) -> Iterator[Sample]:
        for sweep in range(1, self.sweeps + 1):
            chain.sweep()
            if sweep in wanted:
                yield chain.sample()

    def _learn_days(self, profiles: Profiles, latest: LongArray) -> LongArray | None:
        """Set the days there are; the place (N,) among them of each rating's, or None where times do not count."""
        self.days_: LongArray = np.zeros(1, np.int64)
        if self.time_bin is None:
            return None
        if profiles.times is None:
            raise DataError("BayesianFm.time_bin needs events with times; name them with time=")
        times = profiles.times[latest]
        if (times == NO_TIME).any():
            raise DataError(
                f"BayesianFm.time_bin needs the time of every event, {np.sum(times == NO_TIME):,} have none"
            )
        self.days_, places = np.unique(self._days_of(times), return_inverse=True)
        return places.astype(np.int64)

    def _days_of(self, times: LongArray) -> LongArray:
        days: LongArray = np.floor(times / (_DAY * (self.time_bin or 1.0))).astype(np.int64)
        return days

    def _blocks(self, data: Dataset, ratings: sp.csr_matrix, days: LongArray | None) -> list[Block]:
        (n_users, n_items), ones = ratings.shape, ratings.copy()
        ones.data[:] = 1.0
        rows = np.repeat(np.arange(n_users), np.diff(ratings.indptr)), ratings.indices.astype(np.int64)
        people, items = [identity(n_users)], [identity(n_items)]
        if self.implicit:
            people.append(shares(ones))
            items.append(shares(ones.T.tocsr()))
        named = [name.strip() for name in self.attributes.split(",") if name.strip()]
        items += [shares(many_hot(column(data.schema.item_table, name))) for name in named]
        blocks = [Block(rows[0], people), Block(rows[1], items)]
        return blocks if days is None else [*blocks, Block(days, [identity(len(self.days_))])]

    def _keep(self, samples: list[Sample], ratings: sp.csr_matrix, timed: bool) -> None:
        """Set the learned state to what the samples hold."""

        def stacked(value: Any) -> FloatArray:
            return np.stack([value(sample) for sample in samples]).astype(np.float32)

        self.user_rows_, self.item_rows_ = stacked(lambda s: s.rows[0]), stacked(lambda s: s.rows[1])
        self.person_mean_ = stacked(lambda s: s.means[0][0])
        self.person_spread_ = stacked(lambda s: 1.0 / s.precisions[0][0])
        seen = np.bincount(ratings.indices, minlength=ratings.shape[1]) > 0  # (I,)
        if self.implicit:
            lengths = np.diff(ratings.indptr)
            self.usual_ = int(np.clip(np.quantile(lengths[lengths > 0], _FEW), 1, _LONGEST))
            trained = zip(self.user_rows_[:, lengths > 0], self.person_mean_, strict=True)
            learned = [_others(rows, mean) for rows, mean in trained]
            self.others_mean_, self.others_spread_ = (np.stack(each) for each in zip(*learned, strict=True))
            turned = shares(ratings.T.tocsr())
            for rows, sample in zip(self.item_rows_, samples, strict=True):
                _as_if_rated(rows, ~seen, turned[seen], sample.vectors[1][1])
            self.history_vectors_ = stacked(lambda s: s.vectors[0][1])
        self.new_item_ = self.item_rows_[:, seen].mean(axis=1)
        if timed:
            self.day_rows_, self.any_day_ = stacked(lambda s: s.rows[2]), stacked(lambda s: s.means[2][0])
        else:
            self.day_rows_ = np.zeros((len(samples), 1, self.factors + 1), np.float32)
            self.any_day_ = self.day_rows_[:, 0]
        self.intercepts_: FloatArray = np.array([s.intercept for s in samples], np.float32)
        self.noises_: FloatArray = np.array([s.noise for s in samples], np.float32)
        if hasattr(self, "levels_"):
            self.cuts_ = np.stack([s.cuts for s in samples])

    # ---- asking -----------------------------------------------------------------------------------------------------

    def _places(self, times: LongArray | None, count: int) -> IntArray:
        """(count,) the row of each moment's day among the days known and, at the end, the mean day."""
        places = np.full(count, len(self.days_), np.int32)
        if self.time_bin is not None and times is not None:
            told = times != NO_TIME
            days = self._days_of(times[told])
            after = np.clip(np.searchsorted(self.days_, days), 1, max(len(self.days_) - 1, 1))
            before, after = after - 1, np.minimum(after, len(self.days_) - 1)
            places[told] = np.where(days - self.days_[before] <= self.days_[after] - days, before, after)
        return places

    def _all_days(self, sample: int) -> FloatArray:
        """(D + 1, K) the rows of the days of a sample, and of the mean day."""
        return np.concatenate([self.day_rows_[sample], self.any_day_[sample : sample + 1]])

    def _people(self, profiles: Profiles, run: Run) -> FloatArray:
        """(S, B, K) the row of each person in each draw: the trained one of those known, folded in for others."""
        known = profiles.known >= 0
        out = np.empty((len(self.intercepts_), len(profiles), self.factors + 1), np.float32)
        out[:, known] = self.user_rows_[:, profiles.known[known]]
        if known.all():
            return out
        new = profiles.take(np.flatnonzero(~known))
        ratings, latest = new.matrix(), new.latest()
        indptr, items = ratings.indptr.astype(np.int64), ratings.indices.astype(np.int32)
        days = self._places(None if new.times is None else new.times[latest], len(items))
        history, new_rows = shares(ratings), np.repeat(np.arange(len(new)), np.diff(indptr))
        parts = history.indptr.astype(np.int64), items, history.data
        folded: FloatArray = np.empty((len(new), self.factors + 1), np.float32)
        given: FloatArray = np.zeros_like(folded)
        for s in range(len(out)):
            if self.implicit:
                gibbs.form_rows(0, len(new), *parts, self.history_vectors_[s], given)
                told = np.minimum(np.diff(indptr)[:, None] / np.float32(self.usual_), np.float32(1.0))
                given += (1.0 - told) * (self.others_mean_[s] - given)
            state = self.item_rows_[s], self._all_days(s), float(self.intercepts_[s]), float(self.noises_[s])
            prior = self.person_mean_[s], self._precisions(s)
            targets = ratings.data
            folded[:] = given
            for _ in range(_ROUNDS if self._ordered else 1):
                if self._ordered:
                    f = self._latent(s, folded[new_rows], items, days)
                    targets = latent_mean(f, self.cuts_[s], np.searchsorted(self.levels_, ratings.data))
                run.map(
                    gibbs.fold_in, len(new), indptr, items, days, targets, given, *state, *prior, folded, block=_PEOPLE
                )
            out[s, ~known] = folded
        return out

    def _precisions(self, sample: int) -> FloatArray:
        """(L, K, K) the inverse of the prior's covariance for people with 0 … L - 1 ratings, the last one for more."""
        own = np.diag(self.person_spread_[sample].astype(np.float64))
        if not self.implicit:
            return np.linalg.inv(own)[None].astype(np.float32)
        known = np.minimum(np.arange(self.usual_ + 1) / self.usual_, 1.0)[:, None, None]
        spread = known * own + (1.0 - known) * (self.others_spread_[sample] + 1e-3 * own)
        return np.linalg.inv(spread).astype(np.float32)

    @property
    def _ordered(self) -> bool:
        return hasattr(self, "cuts_")

    def _latent(self, sample: int, users: FloatArray, items: IntArray, days: IntArray) -> FloatArray:
        """(N,) what a draw predicts for rows of people (N, K) and codes of items, -1 a new one, and places of days."""
        things = np.concatenate([self.item_rows_[sample], self.new_item_[sample : sample + 1]])[items]
        when = self._all_days(sample)[days]
        pairs = np.einsum("nk,nk->n", users[:, 1:], things[:, 1:])
        pairs += np.einsum("nk,nk->n", users[:, 1:] + things[:, 1:], when[:, 1:])
        sums: FloatArray = self.intercepts_[sample] + users[:, 0] + things[:, 0] + when[:, 0] + pairs
        return sums

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, S F + 2) of each profile at its moment: (q_1, …, q_S) / S, 1, and the mean of what all items get."""
        self._need_fit()
        rows = self._people(profiles, run or Run(threads=1))  # (S, B, K)
        places = self._places(profiles.at, len(profiles))
        lines: DoubleArray = np.full(len(profiles), self.intercepts_.mean(dtype=np.float64))
        for s in range(len(rows)):
            days = self._all_days(s)[places]  # (B, K)
            lines += (rows[s, :, 0] + days[:, 0] + np.einsum("bk,bk->b", rows[s, :, 1:], days[:, 1:])) / len(rows)
            rows[s] += days
        return _flat(rows, len(rows), np.ones(len(profiles)), lines)

    def item_vectors(self) -> FloatArray:
        """(I, S F + 2) of each item: (q_1, …, q_S), the mean of l, and 1."""
        self._need_fit()
        return _flat(self.item_rows_, 1, self.item_rows_[:, :, 0].mean(axis=0), np.ones(self.item_rows_.shape[1]))

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        rows = self.item_vectors() if items is None else self.item_vectors()[items]
        return np.asarray(self.user_vectors(profiles) @ rows.T, dtype=np.float32)  # (B, C)

    def draws(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        """(S, N) the mean rating of each pair in each draw that is kept; with probit the latent number's."""
        self._need_fit()
        people, places = self._people(profiles, Run(threads=1)), self._places(pairs.times, len(pairs))
        out: FloatArray = np.empty((len(people), len(pairs)), np.float32)
        for s in range(len(people)):
            out[s] = self._latent(s, people[s, pairs.rows], pairs.items, places)
        return out

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        drawn = self.draws(profiles, pairs)
        if self._ordered:
            for s, cuts in enumerate(self.cuts_):
                drawn[s] = expected(drawn[s], cuts, self.levels_)
        return np.asarray(drawn.mean(axis=0, dtype=np.float64), dtype=np.float32)

    def quantiles(self, profiles: Profiles, pairs: Pairs, shares: Sequence[float]) -> FloatArray:
        """(S, N) of what the draws and their noise foretell; with probit they are levels."""
        drawn = self.draws(profiles, pairs)
        if self._ordered:
            return np.stack([level_quantile(drawn, self.cuts_, self.levels_, share) for share in shares])
        return np.stack([mixture_quantile(drawn, self.noises_, share) for share in shares])

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors, over all draws."""
        return cosines(_flat(self.item_rows_, 1), items)

    def memory(self, shape: Shape) -> int:
        width, rows = gibbs.padded(self.factors), shape.users + shape.items
        one = 4 * width * (width + 6) * rows + 60 * shape.events
        return self.chains * one + 4 * (self.keep + self.chains) * (self.factors + 1) * (rows + shape.items)


def _others(rows: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What is given (K,) of someone like all, rows (R, K), and the covariance (K, K) of the feature added.

    With the feature (w, v) a given (l, q) becomes (l + w + v.q, q + v): at its `mean` that is the mean of the rows.
    """
    wide = rows.astype(np.float64)
    given = wide.mean(axis=0) - mean
    given[0] -= mean[1:] @ given[1:]
    wide[:, 0] -= wide[:, 1:] @ given[1:]
    return given.astype(np.float32), np.cov(wide.T, bias=True).astype(np.float32)


def _as_if_rated(rows: FloatArray, new: BoolArray, shares_of: sp.csr_matrix, vectors: FloatArray) -> None:
    """Add to the rows (I, K) of `new` items (I,) the mean of what histories, shares (R, U), add to other items."""
    added: FloatArray = np.empty((shares_of.shape[0], rows.shape[1]), np.float32)
    parts = shares_of.indptr.astype(np.int64), shares_of.indices.astype(np.int32), shares_of.data
    gibbs.form_rows(0, len(added), *parts, np.ascontiguousarray(vectors), added)
    mean = added.mean(axis=0)
    rows[new, 0] += mean[0] + rows[new, 1:] @ mean[1:]
    rows[new, 1:] += mean[1:]


def column(table: pl.DataFrame, name: str) -> pl.Series:
    """A column of the table of items; DataError where there is none."""
    if name not in table.columns:
        have = ", ".join(table.columns) or "none, read items= too"
        raise DataError(f"BayesianFm.attributes must be columns of the table of items, got {name!r}; there are: {have}")
    return table[name]


def many_hot(values: pl.Series) -> sp.csr_matrix:
    """(R, D) ones where a row has a value, several being parted by |; a row without any has none."""
    texts = [[] if value is None else [part for part in str(value).split("|") if part] for value in values.to_list()]
    known = {value: code for code, value in enumerate(sorted({part for parts in texts for part in parts}))}
    codes = [sorted({known[part] for part in parts}) for parts in texts]
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in codes])]).astype(np.int64)
    indices = np.array([code for each in codes for code in each], np.int32)
    return sp.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(len(texts), max(1, len(known))))


def mixture_quantile(means: FloatArray, precisions: FloatArray, share: float) -> FloatArray:
    """(N,) below which a share of the mixture of Gaussians with means (S, N) and precisions (S,) lies, by bisection."""
    roots = np.sqrt(precisions.astype(np.float64))[:, None]
    low = (means + ndtri(share) / roots).min(axis=0)
    high = (means + ndtri(share) / roots).max(axis=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        below = ndtr((middle - means) * roots).mean(axis=0) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2.0, dtype=np.float32)


def _flat(rows: FloatArray, divisor: int, *columns: AnyArray) -> FloatArray:
    """(R, S F + …) the vectors of all draws of rows (S, R, K) side by side, and more columns (R,)."""
    vectors = rows[:, :, 1:].transpose(1, 0, 2).reshape(rows.shape[1], -1) / np.float32(divisor)
    return np.concatenate([vectors, *(column[:, None] for column in columns)], axis=1).astype(np.float32)
