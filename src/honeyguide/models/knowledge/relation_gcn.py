"""RelationGCN: a history is encoded by vectors that items share with their neighbours in a graph of knowledge.

Of every node, item or entity, two vectors are learned: q, by which an item of a history speaks, and p, with a bias b,
by which an item is spoken to. Both are spread over the graph with one attention to relations (_attention.py):

    s(u, j) = z_u.p*_j + b*_j,    z_u = |H|^-damping * sum over i in the history H of q*_i

where * is what the spread makes of a vector. A step takes a batch of people, hides a share of each history and, by
Adam, lowers the mean over the hidden items j of

    -ln (exp s(u, j) / sum over the items j' that are not left in H of exp s(u, j')) + reg/2 (sum of squares of q, p, b)

The aggregation is that of LightKG and KGIN (Wang et al. 2021, arXiv:2102.07057) with neither user vectors nor intents;
the loss and the hidden part are Mult-DAE's (Liang et al. 2018, arXiv:1802.05814). The gradient is written out: it is a
few products of matrices, which need no Keras, in training or in asking.

Fit: O(epochs (U I F + S K E F)) for S steps an epoch, E edges of the graph and K layers; memory 12 B I bytes for a
batch of B people and 60 F a node. Score: O(n F) for a history of n, and O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.graph import Graph
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DivergedError
from honeyguide.kernels.propagation import step_rows
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Content, Recommender, Task
from honeyguide.models.contributions import Part, spread
from honeyguide.models.knowledge import _attention
from honeyguide.models.knowledge._attention import Neighbours
from honeyguide.models.knowledge._source import graph_of, triples
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training.tables import BETA_1, BETA_2, EPSILON, Schedule

_SPREAD = 0.3  # standard deviation of the first vectors, over root F
_ROWS = 2048  # rows a thread moves at once
_PATHS = 10  # entities told apart in a score
_FAR = np.float32(-1e9)  # the logit of what is no candidate


@dataclass(kw_only=True, eq=False)
class RelationGCN(Recommender):
    """Score by the product of what a history is encoded as and an item's vector, both spread over the graph.

    Known people and strangers are encoded alike. An item without events is known by its neighbours; one without
    neighbours too scores lowest. Without a graph the items' attributes are one; without these, ids remain.
    """

    task: ClassVar[Task] = "ranking"
    item_content: ClassVar[tuple[Content, ...]] = ("attributes", "graph")
    shapes: ClassVar[Mapping[str, str]] = {
        "item_vectors_": "IK", "history_": "IF", "own_": "IK", "reached_": "NK", "attention_": "IN", "by_": "E",
        "entities_": "N",
    }  # fmt: skip

    factors: int = param(64, low=1, tune=(32, 256, "log"), help="length of the vectors")
    layers: int = param(1, low=0, tune=(1, 3), help="steps over the graph; 0 leaves it out")
    graph: float = param(0.3, low=0.0, tune=(0.03, 1.0, "log"), help="weight of the neighbours beside an item's own")
    blank: float = param(0.1, low=0.0, high=0.9, help="share of items with neighbours whose own vector a step hides")
    hidden: float = param(0.5, low=0.1, high=0.9, tune=(0.3, 0.8), help="share of a history hidden in a step")
    damping: float = param(0.5, low=0.0, high=1.0, tune=(0.25, 1.0), help="how much a history's length is divided out")
    reg: float = param(5e-5, low=0.0, tune=(1e-6, 3e-4, "log"), help="L2 weight on the vectors")
    learning_rate: float = param(0.01, low=1e-6, tune=(3e-3, 0.05, "log"), help="step of Adam, at first")
    batch_size: int = param(256, low=1, tune=(128, 1024, "log"), help="people in a step")
    epochs: int = param(40, low=1, tune=(10, 100, "log"), help="passes over the people")

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        positives, graph = data.positives(), graph_of(data)
        near = Neighbours.of(graph)
        self.graph_ = graph.state()
        self.seen_ = np.bincount(positives.indices, minlength=data.n_items) > 0
        learning = self._begin(near, run)
        people = np.flatnonzero(np.diff(positives.indptr))
        each = -(-len(people) // self.batch_size)
        whole = max(1, self.epochs * each)
        schedule = Schedule(lambda t: self.learning_rate * max(0.05, 1.0 - (t - 1) / whole))
        for epoch in _epochs(self.epochs, learning, run):
            rng = run.rng(1, epoch)
            order = rng.permutation(people)
            for step in range(each):
                history = positives[order[step * self.batch_size : (step + 1) * self.batch_size]]
                left = rng.random(history.nnz) >= self.hidden
                shown = (rng.random((near.count, 1)) >= self.blank * self._able(near)).astype(np.float32)
                _, grads = self.slope(learning.value, near, history, left, shown)
                learning.step(grads, self.reg, schedule.step_rate(epoch * each + step + 1), run)
            self._take(near, learning.value)
            yield

    def _begin(self, near: Neighbours, run: Run) -> _Learning:
        """The first vectors: nothing is known of relations and biases, nor of the ids of items without events."""
        rng, scale = run.rng(0), _SPREAD / np.sqrt(self.factors)
        known = np.append(self.seen_, np.ones(near.count - len(self.seen_), dtype=bool))[:, None]
        drawn = (rng.normal(0.0, scale, (near.count, self.factors)) * known for _ in range(2))
        q, p = (each.astype(np.float32) for each in drawn)
        p = np.column_stack([p, np.zeros(near.count, np.float32)])
        return _Learning.of({"q": q, "p": p, "w": np.zeros((max(1, len(near.relation_names)), 1), np.float32)})

    def _able(self, near: Neighbours) -> FloatArray:
        """(N, 1) 1 for items with neighbours, which stand in for the vector of an id that is hidden."""
        able = np.diff(near.indptr) > 0
        able[len(self.seen_) :] = False
        return able[:, None].astype(np.float32)

    def slope(
        self, value: Mapping[str, FloatArray], near: Neighbours, history: sp.csr_matrix, left: BoolArray,
        shown: FloatArray,
    ) -> tuple[float, dict[str, FloatArray]]:  # fmt: skip
        """The loss of a batch, reg left out, and its gradients.

        history (B, I) are the positives of the people, of whose entries those `left` (E,) are read and the others
        foretold; shown (N, 1) is 0 where the node's own vector is hidden.
        """
        n_items, attention = history.shape[1], near.attention(value["w"][:, 0])
        matrix = near.matrix(attention)
        stages = {name: _attention.spread(matrix, value[name] * shown, self.layers, self.graph) for name in ("q", "p")}
        spoken, heard = stages["q"][-1][:n_items], stages["p"][-1][:n_items]
        given, wanted = _part(history, left), _part(history, ~left)
        given.data *= np.repeat(self._scale(given), np.diff(given.indptr))
        people = given @ spoken  # (B, F)
        logits = people @ heard[:, :-1].T + heard[:, -1]  # (B, I)
        logits[:, ~self.seen_] = _FAR
        logits[given.nonzero()] = _FAR
        logits -= logits.max(axis=1, keepdims=True)
        rows, total = _rows(wanted), max(1, wanted.nnz)
        loss = -float(logits[rows, wanted.indices].sum(dtype=np.float64))
        np.exp(logits, out=logits)
        sums, counts = logits.sum(axis=1, keepdims=True), np.diff(wanted.indptr)[:, None]
        loss += float((counts * np.log(sums)).sum(dtype=np.float64))
        logits *= (counts / (sums * total)).astype(np.float32)
        logits[rows, wanted.indices] -= np.float32(1.0 / total)  # now the slope along the logits
        along_people = logits @ heard[:, :-1]
        grads = {"q": np.zeros_like(value["q"]), "p": np.zeros_like(value["p"])}
        grads["q"][:n_items] = given.T @ along_people
        grads["p"][:n_items] = np.column_stack([logits.T @ people, logits.sum(axis=0)])
        back, told = matrix.T.tocsr(), np.zeros(len(near.heads))
        for name, grad in list(grads.items()):
            along, more = _attention.slopes(near, back, stages[name], grad, self.graph)
            grads[name] = along * shown
            told += more
        grads["w"] = near.slope(attention, told, len(value["w"]))[:, None]
        return loss / total, grads

    def _scale(self, history: sp.csr_matrix) -> FloatArray:
        """(B,) what a person's sum is multiplied by."""
        lengths = np.maximum(np.diff(history.indptr), 1).astype(np.float64)
        return np.asarray(lengths**-self.damping, np.float32)

    def _take(self, near: Neighbours, value: Mapping[str, FloatArray]) -> None:
        """Learned state: the items' spread vectors, and what they were made of."""
        if not all(np.isfinite(each).all() for each in value.values()):
            raise DivergedError(
                f"training diverged: the vectors are not finite, learning_rate being {self.learning_rate:g}; "
                "lower learning_rate, or raise reg"
            )
        count = len(self.seen_)
        matrix = near.matrix(near.attention(value["w"][:, 0]))
        spoken, heard = (_attention.spread(matrix, value[name], self.layers, self.graph) for name in ("q", "p"))
        self.history_, self.item_vectors_, self.own_ = (
            each[:count].copy() for each in (spoken[-1], heard[-1], value["p"])
        )
        told = self.graph if self.layers else 0.0
        self.reached_, self.attention_ = heard[-2 if self.layers else -1].copy(), matrix[:count] * np.float32(told)
        self.by_ = near.relations[: self.attention_.nnz].copy()
        self.entities_, self.names_, self.logits_ = near.entities, near.relation_names, value["w"][:, 0].copy()
        alone = ~self.seen_ & (np.diff(near.indptr[: count + 1]) == 0 if self.layers else True)
        lowest = self.item_vectors_[self.seen_, -1].min(initial=0.0)
        self.item_vectors_[alone, -1] = self.own_[alone, -1] = lowest

    # ---- asking -----------------------------------------------------------------------------------------------------

    def user_vectors(self, profiles: Profiles, *, run: Run | None = None) -> FloatArray:
        """(B, F + 1) of each profile, from the history alone; the last number is 1."""
        self._need_fit()
        history = profiles.positives()
        people = (history @ self.history_) * self._scale(history)[:, None]
        return np.column_stack([people, np.ones(len(people))]).astype(np.float32)

    def item_vectors(self) -> FloatArray:
        """(I, F + 1) of each item, the bias at the end."""
        self._need_fit()
        return self.item_vectors_

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        vectors = self.item_vectors_ if items is None else self.item_vectors_[items]
        return self.user_vectors(profiles) @ vectors.T  # (B, C)

    def similarity(self, items: IntArray) -> FloatArray:
        """Cosine (C, I) of the items' vectors, biases left out."""
        return cosines(self.item_vectors_[:, :-1], items)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """What the history says of an item itself, and of each of its neighbours in the graph; the bias is the rest."""
        history = profiles.positives()
        parts = self.history_[history.indices] * self._scale(history)  # (M, F)
        names = Graph.of_state(self.graph_).names
        out = []
        for item in items.tolist():
            own = spread(history.indices, (parts @ self.own_[item, :-1])[None], profiles)[0]
            found = [Part("history", float(own.sum()), own)]
            low, high = self.attention_.indptr[item : item + 2]
            nodes = self.attention_.indices[low:high]
            reach = self.attention_.data[low:high, None] * self.reached_[nodes]  # (n, K)
            shares = spread(history.indices, reach[:, :-1] @ parts.T, profiles)  # (n, H)
            strong = np.argsort(-np.abs(shares.sum(axis=1)), kind="stable")
            called = names(self.entities_[nodes])
            for at in strong[:_PATHS]:
                relation = self.names_[self.by_[low + at]]
                found.append(Part("path", float(shares[at].sum()), shares[at], relation, called[at]))
            left = shares[strong[_PATHS:]].sum(axis=0)
            bias = float(self.own_[item, -1] + reach[:, -1].sum())
            found.append(Part("rest", bias + float(left.sum())))
            out.append(found)
        return out

    def memory(self, shape: Shape) -> int:
        nodes, edges = shape.items + triples(shape), 2 * triples(shape)
        people = min(self.batch_size, shape.users)
        vectors = (60 + 8 * self.layers) * (self.factors + 1) * nodes
        return vectors + 12 * people * shape.items + (60 + 8 * self.factors) * edges + 40 * shape.events


def _part(history: sp.csr_matrix, kept: AnyArray) -> sp.csr_matrix:
    """The matrix (B, I) with the entries (E,) that are kept alone."""
    rows = np.bincount(_rows(history)[kept], minlength=history.shape[0])
    indptr = np.append(0, np.cumsum(rows))
    return sp.csr_matrix((history.data[kept].astype(np.float32), history.indices[kept], indptr), shape=history.shape)


def _rows(history: sp.csr_matrix) -> AnyArray:
    """(E,) the row of each entry."""
    return np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))


@dataclass(frozen=True, eq=False)
class _Learning:
    """q (N, F), p (N, F + 1) and w (R, 1), and their moments in Adam."""

    value: dict[str, FloatArray]
    m: dict[str, FloatArray]
    v: dict[str, FloatArray]

    @staticmethod
    def of(value: dict[str, FloatArray]) -> _Learning:
        """The state before the first step."""
        zeros = ({name: np.zeros_like(each) for name, each in value.items()} for _ in range(2))
        return _Learning(value, *zeros)

    def step(self, grads: Mapping[str, FloatArray], reg: float, rate: float, run: Run) -> None:
        """A step of Adam; relations are not penalised."""
        how = rate, BETA_1, BETA_2, EPSILON
        for name, grad in grads.items():
            decay = np.full(len(grad), 0.0 if name == "w" else reg, np.float32)
            tables = self.value[name], self.m[name], self.v[name]
            run.map(step_rows, len(grad), np.ascontiguousarray(grad), decay, *how, *tables, block=_ROWS)


def _epochs(count: int, learning: _Learning, run: Run) -> Iterator[int]:
    """The epochs 0 … `count` that are left to do, those of an earlier run being in its checkpoint."""
    kept, done = run.checkpoint, 0
    assert not isinstance(kept, str | Path)
    tables = {"value": learning.value, "m": learning.m, "v": learning.v}
    parts = {f"{kind}.{name}": each for kind, table in tables.items() for name, each in table.items()}
    if kept is not None:
        plain, arrays = kept.state()
        done = int(plain.get("epochs", 0))
        for name, array in arrays.items():
            parts[name][:] = array
    for epoch in range(done, count):
        yield epoch
        if kept is not None and epoch + 1 < count and kept.due():
            kept.save(epoch + 1, {"epochs": epoch + 1}, parts)
