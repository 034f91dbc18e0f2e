"""LightGCN: vectors learned so that they rank once spread over the graph (He et al. 2020, arXiv:2002.02126).

    E(k+1) = D^-1/2 A D^-1/2 E(k),    Z = (E(0) + E(1) + … + E(K)) / (K + 1),    score(u, i) = z_u.z_i

A being the graph of people and items with their positives, D its degrees, E(0) (U + I, F) what is learned: by Adam, on
the mean over the batch of

    -ln sigmoid(z_u.z_i - z_u.z_j) + reg (|e_u|^2 + |e_i|^2 + |e_j|^2) / 2

for positives (u, i) and an item j that u lacks, drawn uniformly; e are the rows of E(0). Z is linear in E(0), by a
symmetric matrix, so that the gradient along E(0) is the one along Z spread in the same way. That leaves nothing for
automatic differentiation: this deep model is compiled loops (kernels/propagation.py) and needs no Keras.

Fit: O(K N F) a step, N / B steps an epoch for N positives in batches of B. Memory: 36 F (U + I) and 120 N bytes. Score:
O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import BoolArray, FloatArray, IntArray, LongArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DivergedError
from honeyguide.kernels.propagation import slope_of_pairs, spread, step_rows
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import FoldIn, Recommender, Task
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training.sampling import Negatives
from honeyguide.training.tables import BETA_1, BETA_2, EPSILON, Schedule

_ROWS = 256  # nodes that a thread takes at once
_SMALL = 1 << 20  # numbers read in a product up to which a second thread is not worth its start


@dataclass(kw_only=True, eq=False)
class LightGCN(Recommender):
    """Score by z_u.z_i, vectors averaged over the layers of the graph.

    A stranger's vector is what reaches them from their history, E(1) … E(K), the items' layers held as they are; e_u,
    which only training gives, is left out. Without positives it is the mean over all people. The learning rate falls
    linearly to 0 over the epochs.
    """

    task: ClassVar[Task] = "ranking"
    fold_in: ClassVar[FoldIn] = "approximate"
    shapes: ClassVar[Mapping[str, str]] = {
        "user_vectors_": "UF", "item_vectors_": "IF", "reach_": "IF", "mean_user_": "F", "seen_": "I"
    }  # fmt: skip

    factors: int = param(64, low=1, tune=(16, 256, "log"), help="length of the vectors")
    layers: int = param(3, low=1, tune=(1, 4), help="steps over the graph, K")
    reg: float = param(1e-4, low=0.0, tune=(1e-6, 1e-2, "log"), help="L2 weight on the learned vectors of a pair")
    learning_rate: float = param(0.02, low=1e-6, tune=(2e-3, 5e-2, "log"), help="step of Adam, at first")
    batch_size: int = param(2048, low=1, tune=(512, 8192, "log"), help="positives in a step")
    epochs: int = param(30, low=1, tune=(10, 100, "log"), help="passes over the positives")
    init_std: float = param(0.1, low=1e-6, help="standard deviation of the first vectors")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        positives = data.positives()
        n_users, n_items = positives.shape
        graph = _Graph.of(positives, self.layers, self.factors, run)
        first = run.rng(0).normal(0.0, self.init_std, (n_users + n_items, self.factors)).astype(np.float32)
        learning, lacking = _Learning.of(first), Negatives(positives)
        users = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(positives.indptr))
        able = lacking.lacking[users] > 0  # who has every item ranks none of them above another
        users, items = users[able], positives.indices.astype(np.int32)[able]  # (N,)
        each = -(-len(users) // self.batch_size)  # steps of an epoch
        whole = max(1, self.epochs * each)
        schedule = Schedule(lambda t: self.learning_rate * max(0.0, 1.0 - (t - 1) / whole))
        for epoch in _epochs(self.epochs, learning, run):
            rng = run.rng(1, epoch)
            order = rng.permutation(len(users))
            for step in range(each):
                at = order[step * self.batch_size : (step + 1) * self.batch_size]
                rivals = lacking.draw(users[at], 1, rng)[:, 0]
                nodes = users[at], items[at] + np.int32(n_users), rivals + np.int32(n_users)
                learning.step(graph, nodes, self.reg, schedule.step_rate(epoch * each + step + 1))
            self._take(graph, learning.value, positives)
            yield

    def _take(self, graph: _Graph, value: FloatArray, positives: sp.csr_matrix) -> None:
        """Learned state: Z, and for strangers what an item hands on, (E(0) + … + E(K - 1)) / (K + 1) over sqrt(d_i)."""
        n_users, n_items = positives.shape
        spreading = graph.spread(value, np.empty_like(value))
        if not np.isfinite(spreading).all():
            raise DivergedError(
                f"training diverged: the vectors are not finite, learning_rate being {self.learning_rate:g}; "
                "lower learning_rate, or raise reg"
            )
        self.user_vectors_, self.item_vectors_ = spreading[:n_users].copy(), spreading[n_users:].copy()
        handed = graph.spread(value, spreading, layers=self.layers - 1, share=1.0 / (self.layers + 1))[n_users:]
        popularity = np.bincount(positives.indices, minlength=n_items)[:, None]
        self.reach_ = np.where(popularity > 0, handed / np.sqrt(np.maximum(popularity, 1)), 0.0).astype(np.float32)
        active = np.diff(positives.indptr) > 0
        self.mean_user_ = self.user_vectors_[active].mean(axis=0)
        self.user_vectors_[~active] = self.mean_user_
        self.seen_ = popularity[:, 0] > 0  # (I,)

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F) the trained vectors of known people; for others what reaches them from their history."""
        self._need_fit()
        out = np.repeat(self.mean_user_[None], len(profiles), axis=0)
        known = profiles.known >= 0
        out[known] = self.user_vectors_[profiles.known[known]]
        strangers = np.flatnonzero(~known)
        if len(strangers):
            history = profiles.take(strangers).positives().multiply(self.seen_[None]).tocsr()  # (S, I)
            history.eliminate_zeros()
            lengths = np.diff(history.indptr)
            some = lengths > 0
            root = np.sqrt(lengths[some], dtype=np.float32)[:, None]
            out[strangers[some]] = (history[some] @ self.reach_) / root
        return out

    def item_vectors(self) -> FloatArray:
        """(I, F) the vector of each item."""
        self._need_fit()
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors; -inf for items that nobody has."""
        near = cosines(self.item_vectors_, items)
        near[:, ~self.seen_] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        return 36 * self.factors * (shape.users + shape.items) + 120 * shape.events


@dataclass(frozen=True, eq=False)
class _Graph:
    """D^-1/2 A D^-1/2 of n people and items, people first, as a CSR matrix; room for what lies between two layers."""

    indptr: LongArray  # (n + 1,)
    indices: IntArray
    weights: FloatArray
    every: BoolArray  # (n,) True
    between: tuple[FloatArray, FloatArray]  # (n, F) each
    layers: int
    run: Run

    @staticmethod
    def of(positives: sp.csr_matrix, layers: int, factors: int, run: Run) -> _Graph:
        """The graph of the positives (U, I)."""
        people, items = positives.tocsr(), positives.T.tocsr()
        n_users, n_items = people.shape
        indptr = np.concatenate([people.indptr, people.nnz + items.indptr[1:].astype(np.int64)]).astype(np.int64)
        indices = np.concatenate([people.indices + n_users, items.indices]).astype(np.int32)
        degrees = np.diff(indptr)
        inverse = 1.0 / np.sqrt(np.maximum(degrees, 1))
        weights = (np.repeat(inverse, degrees) * inverse[indices]).astype(np.float32)
        count = n_users + n_items
        between = np.empty((count, factors), np.float32), np.empty((count, factors), np.float32)
        return _Graph(indptr, indices, weights, np.ones(count, np.bool_), between, layers, run)

    def spread(
        self, vectors: FloatArray, out: FloatArray, *, wanted: BoolArray | None = None, layers: int | None = None,
        share: float | None = None,
    ) -> FloatArray:  # fmt: skip
        """`out` (n, F): share times the sum of 0 … `layers` steps from `vectors`, at least in the rows `wanted`.

        By Horner's rule, x + A (x + A (x + …)), one product a layer; share is 1 / (K + 1) where none is said.
        """
        count = self.layers if layers is None else layers
        part = 1.0 / (count + 1) if share is None else share
        if count == 0:
            return np.multiply(vectors, np.float32(part), out=out)
        small = len(self.indices) * vectors.shape[1] <= _SMALL
        given = vectors
        for layer in range(1, count + 1):
            last = layer == count
            to = out if last else self.between[layer % 2]
            rows = wanted if last and wanted is not None else self.every
            self.run.map(
                spread, len(vectors), self.indptr, self.indices, self.weights, vectors, given, rows,
                part if last else 1.0, to, block=len(vectors) if small else _ROWS,
            )  # fmt: skip
            given = to
        return out


@dataclass(frozen=True, eq=False)
class _Learning:
    """E(0), its moments in Adam, and room for vectors and gradients: (n, F) each."""

    value: FloatArray
    m: FloatArray
    v: FloatArray
    spreading: FloatArray  # Z, and after it the gradient along E(0)
    grad: FloatArray  # along Z
    counts: FloatArray  # (n,) how often a node is in the batch

    @staticmethod
    def of(value: FloatArray) -> _Learning:
        """The state before the first step."""
        m, v, spreading, grad = (np.zeros_like(value) for _ in range(4))
        return _Learning(value, m, v, spreading, grad, np.zeros(len(value), np.float32))

    def step(self, graph: _Graph, nodes: tuple[IntArray, IntArray, IntArray], reg: float, rate: float) -> float:
        """A step of Adam on a batch of (u, i, j), (B,) each; the mean loss of its pairs before, reg left out."""
        wanted = np.zeros(len(self.value), np.bool_)
        for each in nodes:
            wanted[each] = True
        graph.spread(self.value, self.spreading, wanted=wanted)
        self.grad[:] = 0.0
        self.counts[:] = 0.0
        loss = slope_of_pairs(*nodes, self.spreading, self.grad, self.counts)
        graph.spread(self.grad, self.spreading)
        decay = self.counts * np.float32(reg / len(nodes[0]))
        how = rate, BETA_1, BETA_2, EPSILON
        block = 8 * _ROWS
        graph.run.map(step_rows, len(decay), self.spreading, decay, *how, self.value, self.m, self.v, block=block)
        return loss


def _epochs(count: int, learning: _Learning, run: Run) -> Iterator[int]:
    """The epochs 0 … `count` that are left to do, those of an earlier run being in its checkpoint."""
    kept, done = run.checkpoint, 0
    assert not isinstance(kept, str | Path)
    parts = {"value": learning.value, "m": learning.m, "v": learning.v}
    if kept is not None:
        plain, arrays = kept.state()
        done = int(plain.get("epochs", 0))
        for name, array in arrays.items():
            parts[name][:] = array
    for epoch in range(done, count):
        yield epoch
        if kept is not None and epoch + 1 < count and kept.due():
            kept.save(epoch + 1, {"epochs": epoch + 1}, parts)
