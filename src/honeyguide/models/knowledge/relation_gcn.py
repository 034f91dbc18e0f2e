"""RelationGCN: a history is encoded by vectors that items share with their neighbours in a graph of knowledge.

Of every node, item or entity, two vectors are learned: q, by which an item of a history speaks, and p, with a bias b,
by which an item is spoken to. Both are spread over the graph with one attention to relations (_attention.py):

    s(u, j) = z_u.p*_j + b*_j,    z_u = |H|^-damping * sum over i in the history H of q*_i

where * is what the spread makes of a vector. A step takes a batch of people, hides a share of each history and, by
Adam, lowers the mean over the hidden items j of

    -ln (exp s(u, j) / sum over the items j' that are not left in H of exp s(u, j')) + reg/2 (sum of squares of q, p, b)

The aggregation is that of LightKG and KGIN (Wang et al. 2021, arXiv:2102.07057) with neither user vectors nor intents;
the loss and the hidden part are Mult-DAE's (Liang et al. 2018, arXiv:1802.05814). Trained by Adam through training/, on
Keras; asked in NumPy, so serving needs no Keras.

Fit: O(epochs (U I F + S K E F)) for S steps an epoch, E edges of the graph and K layers; memory 24 B I bytes for a
batch of B people, 76 F a node and 16 F an edge. Score: O(n F) for a history of n, and O(F) an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.graph import Graph
from honeyguide.data.profiles import Profiles
from honeyguide.kernels.spectrum import cosines
from honeyguide.models.base import Content, Recommender, Task
from honeyguide.models.contributions import Part, held, spread
from honeyguide.models.knowledge import _attention
from honeyguide.models.knowledge._attention import Neighbours
from honeyguide.models.knowledge._source import CONTENT, Ties, graph_of, triples
from honeyguide.params import param
from honeyguide.run import Run
from honeyguide.training import backend
from honeyguide.training.loop import Trainer
from honeyguide.training.objective import Objective
from honeyguide.training.rows import Rows, block

_SPREAD = 0.3  # standard deviation of the first vectors, over root F
_PATHS = 10  # entities told apart in a score
_FAR = np.float32(-1e9)  # the logit of what is no candidate


@dataclass(kw_only=True, eq=False)
class RelationGCN(Recommender):
    """Score by the product of what a history is encoded as and an item's vector, both spread over the graph.

    Known people and strangers are encoded alike. An item without events is known by its neighbours; one without
    neighbours too scores lowest. Without a graph the items' attributes are one; without these, ids remain.
    """

    task: ClassVar[Task] = "ranking"
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

    @property
    def item_content(self) -> tuple[Content, ...]:  # type: ignore[override]
        """What the graph tells, unless nothing is spread over it."""
        return CONTENT if self.graph and self.layers else ()

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit_epochs(self, data: Dataset, run: Run) -> Iterator[None]:
        keras, graph, positives = backend.keras(run), graph_of(data), data.positives()
        near, rows = Neighbours.of(graph), Rows(positives)
        self.graph_ = graph.state()
        self.seen_ = np.bincount(positives.indices, minlength=data.n_items) > 0
        layer = self._layer(keras, near, run.rng(0))
        objective = Objective({}, {}, self._loss(keras.ops, layer, near), [layer])
        steps, rate = self.epochs * rows.steps(self.batch_size), self.learning_rate
        trainer = Trainer(objective, learning_rate=lambda t: rate * max(0.05, 1.0 - (t - 1) / steps), run=run)
        for epoch in trainer.epochs(self.epochs):
            trainer.epoch(self._batches(rows, near, run.rng(1, epoch)))
            self._take(near, *trainer.weights())
            yield

    def _layer(self, keras: Any, near: Neighbours, rng: np.random.Generator) -> Any:
        """A layer of q (N, F), p and b (N, F + 1), and one logit w (R,) a relation.

        At first nothing is known of relations and biases, nor of the ids of items without events.
        """
        known = np.append(self.seen_, np.ones(near.count - len(self.seen_), dtype=bool))[:, None]
        q, p = (rng.normal(0.0, _SPREAD / np.sqrt(self.factors), (near.count, self.factors)) * known for _ in range(2))
        layer, logits = keras.layers.Layer(), np.zeros(max(1, len(near.relation_names)))
        first = {"q": q, "p": np.column_stack([p, np.zeros(near.count)]), "w": logits}
        for name, value in first.items():
            weight = layer.add_weight(shape=value.shape, name=name)
            weight.assign(value.astype(np.float32))
            setattr(layer, name, weight)
        return layer

    def _batches(self, rows: Rows, near: Neighbours, rng: np.random.Generator) -> Iterator[dict[str, AnyArray]]:
        """The batches of an epoch: which entries (E,) of the histories are left, and the nodes (N, 1) shown by id."""
        able = np.diff(near.indptr) > 0  # neighbours stand in for an id that is hidden
        able[len(self.seen_) :] = False
        for batch in rows.epoch(self.batch_size, rng):
            batch["left"] = batch.pop("value") * (rng.random(len(batch["there"])) >= self.hidden)
            batch["shown"] = (rng.random(near.count) >= self.blank * able)[:, None].astype(np.float32)
            yield batch

    def _loss(self, ops: Any, layer: Any, near: Neighbours) -> Any:
        """The objective, as a batch estimates it."""
        n_items = len(self.seen_)

        def loss(_: Any, batch: Any) -> Any:
            attention = _attention.attention(ops, layer.w, near)
            spoken, heard = (
                _attention.spread(ops, own * batch["shown"], near, attention, self.layers, self.graph)[:n_items]
                for own in (layer.q, layer.p)
            )
            given, history = (block(ops, batch, batch[name], n_items) for name in ("left", "there"))  # (B, I)
            lengths = ops.maximum(ops.sum(given, axis=1, keepdims=True), 1.0)
            people = given @ spoken * lengths**-self.damping  # (B, F)
            logits = people @ ops.transpose(heard[:, :-1]) + heard[:, -1]  # (B, I)
            logits = logits + _FAR * ops.maximum(given, np.float32(~self.seen_))
            terms = (history - given) * (ops.logsumexp(logits, axis=1, keepdims=True) - logits)
            squares = ops.sum(ops.square(layer.q)) + ops.sum(ops.square(layer.p))
            return ops.sum(terms) / ops.maximum(ops.sum(history - given), 1.0) + self.reg / 2 * squares

        return loss

    def _scale(self, history: sp.csr_matrix) -> FloatArray:
        """(B,) what a person's sum is multiplied by."""
        lengths = np.maximum(np.diff(history.indptr), 1).astype(np.float64)
        return np.asarray(lengths**-self.damping, np.float32)

    def _take(self, near: Neighbours, q: FloatArray, p: FloatArray, logits: FloatArray) -> None:
        """Learned state: the items' spread vectors, and what they were made of."""
        count = len(self.seen_)
        matrix = near.matrix(logits)
        spoken, heard = (_attention.stages(matrix, own, self.layers, self.graph) for own in (q, p))
        self.history_, self.item_vectors_, self.own_ = (each[:count].copy() for each in (spoken[-1], heard[-1], p))
        told = self.graph if self.layers else 0.0
        self.reached_, self.attention_ = heard[-2 if self.layers else -1].copy(), matrix[:count] * np.float32(told)
        self.by_ = near.relations[: self.attention_.nnz].copy()
        self.entities_, self.names_, self.logits_ = near.entities, near.relation_names, logits
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
        names, codes, out = Graph.of_state(self.graph_).names, held(profiles), []
        ties = self._ties(codes)
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
                relation, node = int(self.by_[low + at]), nodes[at]
                value = called[at] if node >= len(self.seen_) else self.schema_.titles(np.array([node]))[0]
                having = ties.having(relation, int(node)) | (codes == node)
                found.append(Part("path", float(shares[at].sum()), shares[at], self.names_[relation], value, having))
            left = shares[strong[_PATHS:]].sum(axis=0)
            bias = float(self.own_[item, -1] + reach[:, -1].sum())
            found.append(Part("rest", bias + float(left.sum())))
            out.append(found)
        return out

    def _ties(self, codes: IntArray) -> Ties:
        """Of the items (H,) of a history."""
        rows = sp.csr_matrix((np.arange(len(self.by_)), self.attention_.indices, self.attention_.indptr))[codes]
        places = np.repeat(np.arange(len(codes)), np.diff(rows.indptr))
        return Ties(zip(places.tolist(), self.by_[rows.data].tolist(), rows.indices.tolist(), strict=True), len(codes))

    def memory(self, shape: Shape) -> int:
        nodes, edges = shape.items + triples(shape), 2 * triples(shape)
        people = min(self.batch_size, shape.users)
        vectors = (60 + 16 * self.layers) * (self.factors + 1) * nodes
        return vectors + 24 * people * shape.items + (60 + 16 * self.factors) * edges + 40 * shape.events
