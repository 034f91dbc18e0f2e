"""Slope One: how much higher an item is rated than another, on the mean (Lemire and Maclachlan 2005, arXiv:cs/0702144).

Fit: O(sum of squared history lengths) time. Memory: 12 bytes a pair of items that share a person, in both orders; a
dense matrix of all pairs would take 8 bytes each, and rarely less. Score: O(pairs of the history's items) a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Pairs, Profiles
from honeyguide.errors import ArtifactError, MemoryBudgetError
from honeyguide.kernels import deviations as kernels
from honeyguide.models.base import Recommender, Task
from honeyguide.models.contributions import Part, spread
from honeyguide.models.neighbours._asked import each_item, pair_by_pair
from honeyguide.models.neighbours._baseline import REG_ITEM, REG_USER, bases, biases, row_of_each
from honeyguide.params import param
from honeyguide.run import Run, in_units

_BLOCK = 16  # rows a call
_PAIR = 12  # bytes: code, deviation, people of both


@dataclass(kw_only=True, eq=False)
class SlopeOne(Recommender):
    """Rate item i for person u by how i is rated beside the items j of u's history that share people with it.

    With dev_ij the mean of r_vi - r_vj over the c_ij people v who rated both, and R_i these items j, other than i,

        weighted   sum of c_ij (dev_ij + r_uj) / sum of c_ij, over j in R_i
        plain      mean rating of u + mean of dev_ij over j in R_i

    The baseline b_ui = mean + b_u + b_i counts beside them as `prior` more items do; it is the rating where R_i is
    empty. Of someone without a history b_u is 0, of an item never seen b_i. Ratings count as they are, where
    Surprise's SlopeOne cuts them to whole numbers, half-stars lost, before it takes differences; on whole stars, plain
    without a prior is what it computes.
    """

    task: ClassVar[Task] = "rating"
    shapes: ClassVar[Mapping[str, str]] = {"deviations_": "II", "base_": "I"}

    weighted: bool = param(True, tune=[True, False], help="an item counts by the people it shares; else each once")
    prior: float = param(16.0, low=0.0, tune=(1.0, 100.0, "log"), help="items that the baseline counts for")

    def _fit(self, data: Dataset, run: Run) -> None:
        ratings = data.matrix()  # (U, I)
        turned = ratings.T.tocsr()  # (I, U)
        self.mean_, self.base_ = bases(ratings, REG_USER, REG_ITEM)
        counts = np.empty(data.n_items, np.int64)
        ways = turned.indptr, turned.indices, ratings.indptr, ratings.indices
        run.map(kernels.count_pairs, data.n_items, *ways, counts, block=_BLOCK)
        pairs = int(counts.sum())
        self._refuse(pairs, data.shape, run)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        codes, self.common_ = np.empty(pairs, np.int32), np.empty(pairs, np.int32)
        deviations = np.empty(pairs, np.float32)
        both = turned.indptr, turned.indices, turned.data, ratings.indptr, ratings.indices, ratings.data
        out = offsets, codes, deviations, self.common_
        run.map(kernels.deviate, data.n_items, *both, *out, block=_BLOCK)
        self.deviations_ = sp.csr_matrix((deviations, codes, offsets), shape=(data.n_items, data.n_items))

    def _refuse(self, pairs: int, shape: Shape, run: Run) -> None:
        """MemoryBudgetError where the pairs, now counted, take more than the budget."""
        need = _PAIR * pairs + self._besides(shape)
        if need > run.budget:
            raise MemoryBudgetError(
                f"SlopeOne needs {in_units(need)} for {pairs:,} pairs of items that share a person, the budget is "
                f"{in_units(run.budget)} (Run.memory); leave out rare items, or use rating_knn, which keeps few of them"
            )

    def rate(self, profiles: Profiles, pairs: Pairs) -> FloatArray:
        return pair_by_pair(self._rated, profiles, pairs)

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        return each_item(self._rated, profiles, items)

    def _rated(self, profiles: Profiles, indptr: LongArray, items: IntArray) -> FloatArray:
        """(N,) the rating of each item by the profile whose part of `indptr` (B + 1,) it lies in; -1 is never seen."""
        history = profiles.matrix()  # (B, I)
        values = history.data
        if not self.weighted:  # the mean of a person's ratings in place of each
            sums = np.bincount(row_of_each(history), values, len(profiles))
            values = (sums / np.maximum(np.diff(history.indptr), 1)).astype(np.float32)[row_of_each(history)]
        means, found = np.empty(len(items), np.float32), np.empty(len(items), np.int32)
        kept = self._pairs()
        arrays = (
            history.indptr, history.indices, values, indptr, items,
            kept.indptr.astype(np.int64), kept.indices, kept.data, self.common_,
        )  # fmt: skip
        out = self.weighted, means, found
        Run().map(kernels.expect, len(profiles), *map(read_only, arrays), *out, block=_BLOCK)
        rows = np.repeat(np.arange(len(profiles)), np.diff(indptr))
        base = np.where(items >= 0, self.base_[items], np.float32(self.mean_))
        base = base + biases(history, self.base_, REG_USER)[rows]
        trust = found / np.where(found > 0, found + self.prior, 1.0)
        return (base + trust * (means - base)).astype(np.float32)

    def _pairs(self) -> sp.csr_matrix:
        """(I, I) the deviations; ArtifactError where there are not as many counts of people."""
        kept = self.deviations_
        if self.common_.shape != (kept.nnz,):  # compiled code, which reads them next, checks no bounds
            raise ArtifactError(f"{self.common_.size} counts for {kept.nnz} pairs of items; honeyguide verify its file")
        return kept

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """The mean, the person and the item, b_ui being their sum, and what each item j of the history adds to it.

        With w_ij what j counts for, n items in R_i and trust = n / (n + prior), weighted that is

            trust w_ij (dev_ij + r_uj - b_ui)

        and plain, over the m items of the history, those not in R_i with a part in the mean rating of u as well,

            trust ((dev_ij + mean rating of u - b_ui) / n if j is in R_i + (r_uj - mean rating of u) / m)
        """
        history, kept = profiles.matrix(), self._pairs()
        ratings, places = history.data.astype(np.float64), np.full(kept.shape[0], -1, np.int32)
        places[history.indices] = np.arange(len(ratings))
        person, level = float(biases(history, self.base_, REG_USER)[0]), ratings.mean() if len(ratings) else 0.0
        said = ratings if self.weighted else np.full(len(ratings), level)
        added = np.zeros((len(items), len(ratings)))  # (C, M)
        for item, row in zip(items, added, strict=True):
            here = slice(kept.indptr[item], kept.indptr[item + 1])
            place = places[kept.indices[here]]
            mine, n = place[place >= 0], np.count_nonzero(place >= 0)
            if n:
                counts = self.common_[here][place >= 0].astype(np.float64) if self.weighted else np.ones(n)
                above = kept.data[here][place >= 0] + said[mine] - self.base_[item] - person
                row[mine] = counts / counts.sum() * above
                row += (ratings - said) / len(ratings)
                row *= n / (n + self.prior)
        common = [Part("average", self.mean_), Part("person", person)]
        return [
            [*common, Part("item", float(base) - self.mean_), Part("history", float(each.sum()), each)]
            for base, each in zip(
                self.base_[items], spread(history.indices, added.astype(np.float32), profiles), strict=True
            )
        ]

    def memory(self, shape: Shape) -> int:
        """Pairs are taken to be at most twice those of people with equally long histories; `fit` counts them."""
        pairs = min(shape.items**2, 2 * shape.events**2 // max(1, shape.users))
        return _PAIR * pairs + self._besides(shape)

    def _besides(self, shape: Shape) -> int:
        """Bytes that a fit takes beside the pairs."""
        return 72 * shape.events + 64 * (shape.users + shape.items)
