"""Bayesian personalised ranking (Rendle et al. 2009, arXiv:1205.2618), and the WARP loss (Weston et al. 2011).

Learns that people rank what they have above what they lack. With x_ui = p_u.q_i + b_i, for every positive (u, i) and an
item j drawn from those that u lacks, a step of stochastic gradient descent on

    bpr     -ln sigmoid(x_ui - x_uj),  j any of them with equal chance
    warp    w(r) max(0, 1 - x_ui + x_uj),  j the first of at most `trials` for which that is not 0

each with reg (|p_u|^2 + |q_i|^2 + |q_j|^2 + b_i^2 + b_j^2) / 2. w(r) = log(1 + r) / log(I), r = (I - 1) / (draws made)
being an estimate of the rank of i: about the paper's 1 + 1/2 + … + 1/r (doi:10.5555/2283696.2283856), scaled to at most
about 1, so that learning rates are alike for both. Where no j is found there is no step.

The learning rate falls linearly to 0 over the epochs. Fit: O(N F) an epoch, for warp times the draws; memory
8 F (U + I) and some 40 bytes an event. A stranger's vector: 20 epochs on their history alone. Score: O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DivergedError
from honeyguide.kernels.pairwise import deal_events, fold_pairs, step_pairs
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run

_BLOCK, _PARTS, _SMALLEST = 4000, 16, 16  # events of a block, about; most parts; least people or items of a part
_FOLDING = 20  # epochs of a stranger's vector
_ROWS = 16  # strangers whom a thread serves at once


@dataclass(kw_only=True, eq=False)
class Bpr(Recommender):
    """Score by p_u.q_i + b_i, p_u being the trained vector or, for other histories, what training makes of them.

    A stranger's vector is found by the same steps from 0, on their history alone with the items fixed, and draws that
    are the same for everyone. Without positives it is 0 and the biases rank. The history of a known person gives a
    vector that ranks as well as the trained one, but not the same: fold_in is "approximate".
    """

    task: ClassVar[Task] = "ranking"
    fold_in: ClassVar[FoldIn] = "approximate"
    shapes: ClassVar[Mapping[str, str]] = {
        "user_vectors_": "UF", "item_vectors_": "IF", "item_biases_": "I", "seen_": "I"
    }  # fmt: skip

    factors: int = param(64, low=1, tune=(16, 256, "log"), help="length of the vectors")
    loss: Literal["bpr", "warp"] = param(
        "bpr", tune=["bpr", "warp"], help="of a pair: logistic, or a hinge weighted by the estimated rank"
    )
    learning_rate: float | None = param(
        None, low=1e-6, tune=(0.03, 0.4, "log"), help="of the first epoch; none: 0.3, of warp 0.1"
    )
    reg: float | None = param(
        None, low=0.0, tune=(2e-3, 0.2, "log"), help="L2 weight on vectors and biases; none: 0.02, of warp 0.12"
    )
    epochs: int = param(60, low=1, tune=(20, 200, "log"), help="passes over the positives")
    trials: int = param(100, low=1, help="warp: items drawn at most for one step")
    init_std: float = param(0.01, low=1e-6, help="standard deviation of the first vectors")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        positives, rng = data.positives(), run.rng(0)
        n_users, n_items = positives.shape
        self.seen_ = np.bincount(positives.indices, minlength=n_items) > 0  # (I,)
        self.user_vectors_ = rng.normal(0.0, self.init_std, (n_users, self.factors)).astype(np.float32)  # (U, F)
        self.item_vectors_ = rng.normal(0.0, self.init_std, (n_items, self.factors)).astype(np.float32)  # (I, F)
        self.item_biases_: FloatArray = np.zeros(n_items, np.float32)
        self.user_vectors_[np.diff(positives.indptr) == 0] = 0.0
        self.item_vectors_[~self.seen_] = 0.0
        parts = _parts(positives)
        for epoch in range(self.epochs):
            self._pass(positives, parts, self._rate * (1.0 - epoch / self.epochs), run.rng(1, epoch), run)
            self._check_finite()
            yield

    def _pass(self, positives: sp.csr_matrix, parts: int, rate: float, rng: np.random.Generator, run: Run) -> None:
        """One epoch: deal people and items into parts, sort the events into blocks, and step through these."""
        n_users, n_items = positives.shape
        indptr, indices = _rows(positives)
        people = rng.permutation(n_users).astype(np.int32)
        members = rng.permutation(n_items).astype(np.int32)
        user_bounds, item_bounds = (np.arange(parts + 1) * n // parts for n in (n_users, n_items))
        item_part = np.empty(n_items, np.int32)
        item_part[members] = np.repeat(np.arange(parts, dtype=np.int32), np.diff(item_bounds))
        firsts = np.concatenate([[0], np.cumsum(np.diff(indptr)[people])])[user_bounds]  # (parts + 1,)
        offsets = np.full(parts**2 + 1, len(indices), np.int64)
        users, items = np.empty_like(indices), np.empty_like(indices)
        dealt = people, user_bounds, firsts, item_part, indptr, indices, offsets, users, items
        run.map(deal_events, parts, parts, *dealt, block=1)
        how = *self._loss, rate, self._reg, np.uint64(rng.integers(1 << 63))
        vectors = self.user_vectors_, self.item_vectors_, self.item_biases_
        for stratum in rng.permutation(parts):
            blocks = parts, int(stratum), offsets, users, items, members, item_bounds
            run.map(step_pairs, parts, *blocks, *how, *vectors, block=1)

    def _check_finite(self) -> None:
        """Raise DivergedError where a learning rate too high has taken the vectors to infinity."""
        if not (np.isfinite(self.user_vectors_).all() and np.isfinite(self.item_vectors_).all()):
            raise DivergedError(
                f"training diverged: the vectors are not finite, learning_rate being {self._rate:g}; "
                "lower learning_rate, or raise reg"
            )

    @property
    def _loss(self) -> tuple[bool, int]:
        """Whether it is warp, and the items drawn at most for one step."""
        return self.loss == "warp", self.trials if self.loss == "warp" else 1

    @property
    def _rate(self) -> float:
        if self.learning_rate is not None:
            return self.learning_rate
        return 0.1 if self.loss == "warp" else 0.3

    @property
    def _reg(self) -> float:
        if self.reg is not None:
            return self.reg
        return 0.12 if self.loss == "warp" else 0.02

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F + 1) the vector of each profile and a 1, by which the bias of `item_vectors` is multiplied."""
        self._need_fit()
        people = self._people(profiles, run or Run(threads=1))
        return np.append(people, np.ones((len(people), 1), np.float32), axis=1)

    def item_vectors(self) -> FloatArray:
        """(I, F + 1) the vector of each item and its bias."""
        self._need_fit()
        return np.append(self.item_vectors_, self.item_biases_[:, None], axis=1)

    def _people(self, profiles: Profiles, run: Run) -> FloatArray:
        """(B, F) the trained vectors of known people; for others what training makes of their history."""
        out = np.zeros((len(profiles), self.item_vectors_.shape[1]), np.float32)
        known = profiles.known >= 0
        out[known] = self.user_vectors_[profiles.known[known]]
        strangers = np.flatnonzero(~known)
        if len(strangers):
            found = out[strangers]
            indptr, items = _rows(profiles.take(strangers).positives())
            members = np.arange(len(self.item_vectors_), dtype=np.int32)
            how = *self._loss, self._rate, self._reg, _FOLDING
            fixed = read_only(self.item_vectors_), read_only(self.item_biases_)
            run.map(fold_pairs, len(found), indptr, items, members, *how, *fixed, found, block=_ROWS)
            out[strangers] = found
        return out

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        wanted = slice(None) if items is None else items
        people = self._people(profiles, Run(threads=1))
        return people @ self.item_vectors_[wanted].T + self.item_biases_[wanted]  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors, biases left out; -inf for items that nobody has."""
        near = cosines(self.item_vectors_, items)
        near[:, ~self.seen_] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        return 40 * shape.events + 20 * self.factors * (shape.users + shape.items)


def _parts(positives: sp.csr_matrix) -> int:
    """How many parts people and items are dealt into: blocks of some thousands of events, by the data alone."""
    return int(np.clip((positives.nnz / _BLOCK) ** 0.5, 1, max(1, min(_PARTS, min(positives.shape) // _SMALLEST))))


def _rows(matrix: sp.csr_matrix) -> tuple[LongArray, IntArray]:
    """(indptr, indices) of a CSR matrix in the types that kernels take."""
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
