"""Translations: what people have and what is known of items as facts in one space of vectors.

Relations are translations, as in TransE (Bordes et al. 2013, doi:10.5555/2999792.2999923), with "has" as one more, from
people to items, and facts are scored by products and not by distances (CFKG: Ai et al. 2018, arXiv:1805.03352). Fit:
O((events + triples) F) an epoch; memory 4 F for every person, item and entity, and some 60 bytes a fact. A stranger's
vector: 20 epochs on their history alone. Score: O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import BoolArray, FloatArray, IntArray, LongArray, read_only
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.graph import Edges
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DivergedError
from honeyguide.kernels.facts import step_facts
from honeyguide.kernels.pairwise import fold_pairs
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Content, FoldIn, Recommender, Task
from honeyguide.models.knowledge._source import CONTENT, graph_of, triples
from honeyguide.params import param
from honeyguide.run import Run

_FOLDING, _FOLDING_RATE = 20, 0.3  # epochs of a stranger's vector, and the first rate
_ROWS = 16  # strangers whom a thread serves at once


@dataclass(kw_only=True, eq=False)
class TransE(Recommender):
    """Score item i by (u + has).i, how well it fits where "has" leads from the person.

    Learned by steps of stochastic gradient descent, for facts (h, r, t), of people and of the graph alike, on

        -w ln sigmoid(x) + w reg (the squares of the vectors in x) / 2,    x = (h + r).t - (h' + r).t'

    (h', r, t') being false: t' is an item that the person has not or, in the graph, another of the tails of r, or h'
    is another of its heads. w is 1 for what people have, and `graph` for triples. The learning rate falls linearly to
    0. A stranger's vector is found by such steps on their history alone with the items fixed: near the trained one, not
    the same. Items without people lie where their triples put them; without these they score 0.
    """

    task: ClassVar[Task] = "ranking"
    fold_in: ClassVar[FoldIn] = "approximate"
    shapes: ClassVar[Mapping[str, str]] = {
        "user_vectors_": "UF", "item_vectors_": "IF", "mean_user_": "F", "seen_": "I"
    }  # fmt: skip

    factors: int = param(64, low=1, tune=(16, 256, "log"), help="length of the vectors")
    graph: float = param(0.1, low=0.0, tune=(0.01, 1.0, "log"), help="weight of triples; 0 leaves the graph out")
    learning_rate: float = param(0.1, low=1e-6, tune=(0.02, 0.4, "log"), help="of the first epoch")
    reg: float = param(0.02, low=0.0, tune=(1e-3, 0.1, "log"), help="L2 weight on the vectors")
    epochs: int = param(100, low=1, tune=(30, 300, "log"), help="passes over all facts")
    init_std: float = param(0.01, low=1e-6, help="standard deviation of the first vectors; relations begin at length 1")

    @property
    def item_content(self) -> tuple[Content, ...]:  # type: ignore[override]
        """What facts of the graph tell, unless they weigh nothing."""
        return CONTENT if self.graph else ()

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        rng, facts = run.rng(0), _Facts.of(data, self.graph)
        nodes, moves = (
            rng.normal(0.0, self.init_std, (count, self.factors)).astype(np.float32)
            for count in (facts.n_nodes + data.n_users, len(facts.weights))
        )
        moves /= np.linalg.norm(moves, axis=1, keepdims=True)
        sums = np.zeros(len(nodes), np.float32), np.zeros(len(moves), np.float32)
        self.seen_: BoolArray = facts.seen  # (I,)
        known = facts.heads, facts.relations, facts.tails, facts.keys, facts.pools, facts.bounds, facts.weights
        for epoch in _epochs(self.epochs, (nodes, moves, *sums), run):
            order = run.rng(1, epoch).permutation(len(facts.heads))
            seed, rate = np.uint64(run.rng(2, epoch).integers(1 << 63)), self.learning_rate * (1 - epoch / self.epochs)
            step_facts(0, len(order), order, *known, rate, self.reg, seed, nodes, moves, *sums)
            self._take(nodes, moves, facts)
            yield

    def _take(self, nodes: FloatArray, moves: FloatArray, facts: _Facts) -> None:
        """Learned state; DivergedError where a learning rate too high has taken the vectors to infinity."""
        if not (np.isfinite(nodes).all() and np.isfinite(moves).all()):
            raise DivergedError(
                f"training diverged: the vectors are not finite, learning_rate being {self.learning_rate:g}; "
                "lower learning_rate, or raise reg"
            )
        self.user_vectors_: FloatArray = nodes[facts.n_nodes :] + moves[-1]
        self.item_vectors_: FloatArray = np.where(facts.reached[:, None], nodes[: len(facts.seen)], np.float32(0.0))
        self.mean_user_: FloatArray = self.user_vectors_[facts.active].mean(axis=0)
        self.user_vectors_[~facts.active] = self.mean_user_

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F) u + has: trained, of known people; for others what training makes of their history."""
        self._need_fit()
        out = np.repeat(self.mean_user_[None], len(profiles), axis=0)
        known = profiles.known >= 0
        out[known] = self.user_vectors_[profiles.known[known]]
        history = sp.csr_matrix(profiles.positives().multiply(self.seen_[None]))  # (B, I): others are never drawn
        history.eliminate_zeros()
        strangers = np.flatnonzero(~known & (np.diff(history.indptr) > 0))
        if len(strangers):
            own, found = history[strangers], np.zeros((len(strangers), out.shape[1]), np.float32)
            indptr, items = own.indptr.astype(np.int64), own.indices.astype(np.int32)
            members, biases = np.flatnonzero(self.seen_).astype(np.int32), np.zeros(len(self.seen_), np.float32)
            how = False, 1, _FOLDING_RATE, self.reg, _FOLDING
            fixed = read_only(self.item_vectors_), read_only(biases)
            (run or Run(threads=1)).map(
                fold_pairs, len(found), indptr, items, members, *how, *fixed, found, block=_ROWS
            )  # fmt: skip
            out[strangers] = found
        return out

    def item_vectors(self) -> FloatArray:
        """(I, F) the vector of each item."""
        self._need_fit()
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors; -inf for items of which there is no fact."""
        near = cosines(self.item_vectors_, items)
        near[:, ~self.item_vectors_.any(axis=1)] = -np.inf
        return near

    def memory(self, shape: Shape) -> int:
        nodes = shape.users + 2 * shape.items + triples(shape)
        return 16 * self.factors * nodes + 60 * (shape.events + triples(shape))


def _epochs(count: int, learning: tuple[FloatArray, ...], run: Run) -> Iterator[int]:
    """The epochs 0 … `count` that are left to do, those of an earlier run being in its checkpoint."""
    kept, done = run.checkpoint, 0
    assert not isinstance(kept, str | Path)
    parts = dict(zip(("nodes", "moves", "node_sums", "move_sums"), learning, strict=True))
    if kept is not None:
        plain, arrays = kept.state()
        done = int(plain.get("epochs", 0))
        for name, array in arrays.items():
            parts[name][:] = array
    for epoch in range(done, count):
        yield epoch
        if kept is not None and epoch + 1 < count and kept.due():
            kept.save(epoch + 1, {"epochs": epoch + 1}, parts)


@dataclass(frozen=True, eq=False)
class _Facts:
    """Everything known as M facts among N nodes and U people, who follow them; see `step_facts`."""

    heads: IntArray
    relations: IntArray
    tails: IntArray
    keys: LongArray
    pools: IntArray
    bounds: LongArray
    weights: FloatArray
    n_nodes: int
    active: BoolArray  # (U,) the people that have something
    seen: BoolArray  # (I,) the items that someone has
    reached: BoolArray  # (I,) those of which there is a fact

    @staticmethod
    def of(data: Dataset, weight: float) -> _Facts:
        """The facts of events and, unless they weigh nothing, of triples."""
        positives, graph = data.positives(), graph_of(data)
        edges = graph.over_items()
        if weight == 0.0:
            none = np.zeros(0, np.int32)
            edges = Edges(none, none, none, edges.entities[: data.n_items])
        nodes, has = edges.n_nodes, graph.n_relations if weight else 0
        users = np.repeat(np.arange(data.n_users), np.diff(positives.indptr)) + nodes
        heads = np.concatenate([edges.heads, users]).astype(np.int32)
        tails = np.concatenate([edges.tails, positives.indices]).astype(np.int32)
        relations = np.concatenate([edges.relations, np.full(len(users), has)]).astype(np.int32)
        keys = (heads.astype(np.int64) * (has + 1) + relations) * (nodes + data.n_users) + tails
        pools, ends = [], [0]
        for relation in range(has + 1):
            own = relations == relation
            for pool in (np.unique(tails[own]), np.unique(heads[own]) if relation < has else heads[:0]):
                pools.append(pool)
                ends.append(ends[-1] + len(pool))
        bounds = np.stack([ends[:-1:2], ends[1::2], ends[2::2]], axis=1).astype(np.int64)
        weights = np.full(has + 1, weight, np.float32)
        weights[has] = 1.0
        active = np.diff(positives.indptr) > 0
        seen = np.bincount(positives.indices, minlength=data.n_items) > 0
        reached = np.bincount(np.concatenate([heads, tails]), minlength=data.n_items)[: data.n_items] > 0
        return _Facts(
            heads, relations, tails, np.sort(keys), np.concatenate(pools), bounds, weights, nodes, active, seen, reached
        )  # fmt: skip
