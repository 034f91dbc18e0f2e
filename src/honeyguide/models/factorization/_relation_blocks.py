"""Gibbs sampling of a factorisation machine over relation blocks, a chain a thread: see kernels/gibbs.py.

Priors as in Bayesian probabilistic matrix factorisation by coordinates (Rendle 2012, doi:10.1145/2168752.2168771): the
vectors of a group of features are N(mu_k, 1 / lambda_k), mu_k being N(0, 1 / lambda_k), lambda_k and the precision of
the errors Gamma(1/2, 1/2); all are drawn anew in each sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.kernels import gibbs
from honeyguide.models.factorization._ordinal import Ordinal

_INIT_STD = 0.1  # of the first vectors
_PRIOR = 1.0  # twice the shape and the rate of the gamma priors, and the pull of mu_k to 0


@dataclass(frozen=True, eq=False)
class Block:
    """One kind of row, such as people, made of groups of features: a group is a matrix (R, D_g)."""

    rows: LongArray  # (N,) the row of each event
    groups: Sequence[sp.csr_matrix]

    @property
    def count(self) -> int:
        """R."""
        return int(self.groups[0].shape[0])


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One draw of everything: of each block the rows (R, K), vectors of features (D, K) by group, and their priors."""

    intercept: float
    noise: float  # the precision of the errors
    cuts: FloatArray  # cutpoints (C - 1,) of an ordered probit, else none
    rows: tuple[FloatArray, ...]
    vectors: tuple[tuple[FloatArray, ...], ...]
    means: tuple[tuple[FloatArray, ...], ...]
    precisions: tuple[tuple[FloatArray, ...], ...]


class Chain:
    """A Markov chain on one thread; its draws depend on nothing but the data and its generator.

    Targets (N,) are numbers, or places among so many `levels` of an ordered probit.
    """

    def __init__(
        self, blocks: Sequence[Block], targets: AnyArray, *, factors: int, levels: int | None, rng: np.random.Generator
    ) -> None:
        self._used, self._rng, self._targets = factors + 1, rng, targets
        width = gibbs.padded(factors)
        counts = [block.count for block in blocks]
        self._offsets = np.concatenate([[0], np.cumsum(counts)])
        places = [block.rows + first for block, first in zip(blocks, self._offsets[:-1], strict=True)]
        self._places = np.stack(places, axis=1).astype(np.int32)  # (N, blocks)
        self._rows: FloatArray = np.zeros((int(self._offsets[-1]), width), np.float32)
        self._parts = [_Part(block, width, self._used, rng) for block in blocks]
        self._errors: FloatArray = np.zeros(len(targets), np.float32)
        self._ordinal = None if levels is None else Ordinal(targets, levels, rng)
        self._intercept, self._noise = float(targets.mean()) if levels is None else 0.0, 1.0

    def sweep(self) -> None:
        """Draw everything once."""
        self._form()
        n = len(self._targets)
        gibbs.predict_events(0, n, self._places, self._rows, self._intercept, self._errors)
        if self._ordinal is None:
            self._errors -= self._targets
            squares = float(self._errors.astype(np.float64) @ self._errors)
            self._noise = self._rng.gamma((_PRIOR + n) / 2.0, 2.0 / (_PRIOR + squares))
            shift = self._rng.normal(-float(self._errors.mean()), 1.0 / np.sqrt(self._noise * n))
            self._intercept += shift
            self._errors += np.float32(shift)
        else:  # the cutpoints are where the intercept would be, and the errors' precision is 1
            self._errors -= self._ordinal.draw(self._errors)
        for number, part in enumerate(self._parts):
            self._draw(number, part)

    def _draw(self, number: int, part: _Part) -> None:
        rows = self._rows[self._offsets[number] : self._offsets[number + 1]]
        part.draw_priors(self._rng, self._used)
        normals = self._rng.standard_normal(part.vectors.shape, dtype=np.float32)
        gibbs.gather_rows(
            0, len(rows), number, part.event_indptr, part.events, self._places, self._rows, self._errors,
            part.grams, part.sums, part.error_sums, part.totals,
        )  # fmt: skip
        part.moved[:], part.shifts[:] = 0.0, 0.0
        gibbs.draw_features(
            0, len(part.vectors), self._used, part.column_indptr, part.members, part.column_weights, part.group_of,
            part.means, part.precisions, self._noise, normals, part.vectors, rows, part.counts, part.grams, part.sums,
            part.error_sums, part.totals, part.moved, part.shifts,
        )  # fmt: skip
        first = int(self._offsets[number])
        gibbs.settle_errors(
            0, len(self._errors), number, self._places, first, self._rows, part.moved, part.shifts, self._errors
        )

    def _form(self) -> None:
        for first, part in zip(self._offsets[:-1], self._parts, strict=True):
            rows = self._rows[first : first + part.count]
            gibbs.form_rows(0, part.count, part.indptr, part.features, part.weights, part.vectors, rows)

    def sample(self) -> Sample:
        """What was drawn last. Features that no event has are at the mean of their group."""
        for part in self._parts:
            part.vectors[part.idle] = part.means[part.group_of[part.idle]]
        self._form()
        rows = tuple(self._rows[a:b, : self._used].copy() for a, b in pairwise(self._offsets.tolist()))
        groups = [part.by_group(self._used) for part in self._parts]
        vectors, means, precisions = (tuple(each) for each in zip(*groups, strict=True))
        cuts = np.zeros(0) if self._ordinal is None else self._ordinal.cuts
        return Sample(
            intercept=self._intercept, noise=self._noise, cuts=cuts.astype(np.float32), rows=rows, vectors=vectors,
            means=means, precisions=precisions,
        )  # fmt: skip


class _Part:
    """A block as the kernels take it, by row, by feature and by event, and what is summed of it."""

    def __init__(self, block: Block, width: int, used: int, rng: np.random.Generator) -> None:
        rows = sp.hstack(block.groups, format="csr", dtype=np.float32)  # (R, D)
        columns = rows.tocsc()
        self.count, size = rows.shape
        self.indptr, self.features, self.weights = _csr(rows)
        self.column_indptr, self.members, self.column_weights = _csr(columns)
        self.ends = np.concatenate([[0], np.cumsum([group.shape[1] for group in block.groups])])
        self.group_of = np.repeat(np.arange(len(block.groups), dtype=np.int32), np.diff(self.ends))  # (D,)
        order = np.argsort(block.rows, kind="stable")
        self.events = order.astype(np.int32)
        counts = np.bincount(block.rows, minlength=self.count)
        self.event_indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.counts = counts.astype(np.float32)
        self.idle = rows.T @ counts == 0.0  # (D,)
        self.vectors: FloatArray = np.zeros((size, width), np.float32)
        self.vectors[:, 1:used] = rng.normal(0.0, _INIT_STD, (size, used - 1))
        self.means: DoubleArray = np.zeros((len(block.groups), width))
        self.precisions: DoubleArray = np.full((len(block.groups), width), 1.0 / _INIT_STD**2)
        self.grams: FloatArray = np.empty((self.count, width, width), np.float32)
        self.sums, self.error_sums, self.moved = (np.empty((self.count, width), np.float32) for _ in range(3))
        self.totals, self.shifts = (np.empty(self.count, np.float32) for _ in range(2))

    def draw_priors(self, rng: np.random.Generator, used: int) -> None:
        """Draw the mean and the precision of each group given its vectors."""
        for group, (low, high) in enumerate(pairwise(self.ends.tolist())):
            vectors = self.vectors[low:high, :used].astype(np.float64)
            mean, count = self.means[group, :used], len(vectors)
            squares = ((vectors - mean) ** 2).sum(axis=0) + _PRIOR * mean**2
            precision = rng.gamma((_PRIOR + count + 1) / 2.0, 2.0 / (_PRIOR + squares))
            centre = vectors.sum(axis=0) / (count + _PRIOR)
            self.means[group, :used] = rng.normal(centre, 1.0 / np.sqrt((count + _PRIOR) * precision))
            self.precisions[group, :used] = precision

    def by_group(self, used: int) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...], tuple[FloatArray, ...]]:
        """Vectors (D_g, K), means (K,) and precisions (K,) of each group."""
        spans = list(pairwise(self.ends.tolist()))
        vectors = tuple(self.vectors[a:b, :used].copy() for a, b in spans)
        means, precisions = (
            tuple(each[:used].astype(np.float32) for each in held) for held in (self.means, self.precisions)
        )
        return vectors, means, precisions


def _csr(matrix: sp.csr_matrix | sp.csc_matrix) -> tuple[LongArray, IntArray, FloatArray]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32)


def identity(count: int) -> sp.csr_matrix:
    """A group of one feature a row: the row's own id."""
    return sp.identity(count, np.float32, format="csr")


def shares(ones: sp.csr_matrix) -> sp.csr_matrix:
    """Each row of a matrix (R, D) of ones divided by the root of how many it has, as SVD++ weighs a history."""
    lengths = np.diff(ones.indptr)
    data = np.repeat(1.0 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
    return sp.csr_matrix((data, ones.indices, ones.indptr), shape=ones.shape)
