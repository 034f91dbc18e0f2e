"""Walks with restart over people, items and what is known of items: personalised PageRank on one graph.

Haveliwala 2002, doi:10.1145/511446.511513; for recommending over a graph of knowledge: Nguyen, Tomeo, Di Noia and Di
Sciascio 2015, in the companion of WWW. Fit: O(E), E edges of events and triples. Score: O(E steps) a person, in blocks
of people; memory 8 bytes for each end of an edge, and 8 a node for each person of a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import AnyArray, BoolArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.graph import INVERSE, Edges, Graph
from honeyguide.data.profiles import Profiles
from honeyguide.errors import UnsupportedError
from honeyguide.models.base import Content, Recommender, Task
from honeyguide.models.contributions import Part, held
from honeyguide.models.knowledge._source import CONTENT, Ties, graph_of, triples
from honeyguide.params import param
from honeyguide.run import Run

_CELLS = 1 << 23  # nodes by people that are walked from at once
_PATHS = 10  # entities told apart in a score


@dataclass(kw_only=True, eq=False)
class PathWalk(Recommender):
    """Score item j by the chance that a walk from the person's items, which may stop after any step, ends there:

    s(j) = p_j^-beta * sum over k <= steps, i in the history of restart (1 - restart)^k p_i^(1-alpha) (P^k)_ij

    P leads from an item to one of its people or, with the chance `graph`, to one of the entities and items that triples
    join it to, either way round; from a person to one of their items; from an entity to one of its neighbours. An item
    without people leads to its neighbours in the graph alone, and is reached by them. p_i people have item i. The
    history is where walks begin, so whoever is asked about needs no training. Without a graph the items' attributes are
    one, which `with_items` brings new items into; without these the walk is over people and items.
    """

    task: ClassVar[Task] = "ranking"
    additive: ClassVar[bool] = True
    shapes: ClassVar[Mapping[str, str]] = {"walk_": "NN", "people_": "I"}

    graph: float = param(
        0.05, low=0.0, high=1.0, tune=(0.005, 0.5, "log"), help="chance to leave an item by what is known of it"
    )
    restart: float = param(0.5, low=0.01, high=1.0, tune=(0.1, 0.9), help="chance that a walk stops after a step")
    steps: int = param(2, low=1, tune=(2, 6), help="at most in a walk; two lead from item to item")
    alpha: float = param(
        0.8, low=0.0, tune=(0.2, 1.2), help="how much popularity of an item that a walk begins at is damped"
    )
    beta: float = param(0.35, low=0.0, tune=(0.0, 0.8), help="how much popularity of an item that it ends at is damped")

    @property
    def item_content(self) -> tuple[Content, ...]:  # type: ignore[override]
        """What the graph tells, unless no step leads into it."""
        return CONTENT if self.graph else ()

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit(self, data: Dataset, run: Run) -> None:
        graph = graph_of(data)
        made = Graph.from_attributes(data.schema)
        self.of_attributes_ = data.graph is None or graph.fingerprint() == made.fingerprint()
        self._join(data.positives(), graph)

    def _extend(self, schema: Schema) -> None:
        """As a fit on the same events with the new items in the table of items."""
        if not self.of_attributes_:
            raise UnsupportedError(
                "PathWalk was trained on a graph of triples, in which new items are not; fit it on one that has them"
            )
        shape = len(schema.users), len(schema.items)
        led = sp.csr_matrix(self.walk_[: len(self.people_), -shape[0] :].T)  # (U, I): people to their items
        events = sp.csr_matrix((np.ones_like(led.data), led.indices, led.indptr), shape=shape)
        self._join(events, Graph.from_attributes(schema))

    def _join(self, events: sp.csr_matrix, graph: Graph) -> None:
        """Learned state of the positives (U, I) and what is known of the items."""
        n_users, n_items = events.shape
        self.graph_ = graph.state()
        self.people_: FloatArray = np.bincount(events.indices, minlength=n_items).astype(np.float32)  # (I,)
        edges = graph.over_items()
        nodes = edges.n_nodes
        ends = np.concatenate([edges.heads, edges.tails]), np.concatenate([edges.tails, edges.heads])
        known = sp.csr_matrix((np.ones(len(ends[0])), ends), shape=(nodes, nodes))
        known.data[:] = 1.0  # several triples between two nodes are one edge
        told = np.diff(known.indptr) > 0  # (N,)
        leaves = np.where(told, 1.0, 0.0)  # the chance of a step along the graph
        leaves[:n_items][told[:n_items] & (self.people_ > 0)] = self.graph
        from_items = sp.vstack([events.T, sp.csr_matrix((nodes - n_items, n_users))])  # (N, U)
        from_people = sp.hstack([events, sp.csr_matrix((n_users, nodes - n_items))])  # (U, N)
        walk = sp.bmat(
            [[_chances(known, leaves), _chances(from_items, 1.0 - leaves)],
             [_chances(from_people, np.ones(n_users)), None]]
        )  # fmt: skip
        self.walk_ = sp.csr_matrix(walk.T, dtype=np.float32)  # (N + U, N + U): a row for each node that is reached

    # ---- asking -----------------------------------------------------------------------------------------------------

    def score(self, profiles: Profiles, items: IntArray | None = None) -> FloatArray:
        begins = sp.csr_matrix(profiles.positives().multiply(self._begin))  # (B, I)
        return self._walked(begins, items)

    def similarity(self, items: IntArray) -> FloatArray:
        """How much (C, I) a walk from each given item ends at the others."""
        count = len(self.people_)
        begins = sp.csr_matrix((np.ones(len(items), np.float32), items, np.arange(len(items) + 1)), (len(items), count))
        return self._walked(begins, None)

    @property
    def _begin(self) -> FloatArray:
        """(I,) with what weight walks begin at an item."""
        return np.asarray(np.maximum(self.people_, 1.0) ** (1.0 - self.alpha), np.float32)

    @property
    def _end(self) -> FloatArray:
        """(I,) what an item's chance is multiplied by."""
        return np.asarray(np.maximum(self.people_, 1.0) ** -self.beta, np.float32)

    def _walked(self, begins: sp.csr_matrix, items: IntArray | None) -> FloatArray:
        """Scores (B, C) of walks from the rows of `begins` (B, I)."""
        wanted = np.arange(begins.shape[1]) if items is None else items
        out = np.empty((begins.shape[0], len(wanted)), np.float32)
        block = max(1, _CELLS // self.walk_.shape[0])
        for first in range(0, len(out), block):
            part = begins[first : first + block]
            at = np.zeros((self.walk_.shape[0], part.shape[0]), np.float32)  # (N + U, B)
            at[: part.shape[1]] = part.T.toarray()
            total, weight = self.restart * at[wanted], self.restart
            for _ in range(self.steps):
                at = self.walk_ @ at
                weight *= 1.0 - self.restart
                total += np.float32(weight) * at[wanted]
            out[first : first + block] = (total * self._end[wanted, None]).T
        return out

    def _led(self, items: IntArray) -> FloatArray:
        """(C, I) how much of a walk from each item ends at those given: walks of few items, followed backwards."""
        count = len(self.people_)
        at = np.zeros((self.walk_.shape[0], len(items)), np.float32)  # (N + U, C)
        at[items, np.arange(len(items))] = self._end[items]
        total, weight = self.restart * at[:count], self.restart
        for _ in range(self.steps):
            at = self.walk_.T @ at
            weight *= 1.0 - self.restart
            total += np.float32(weight) * at[:count]
        return np.asarray(total.T, np.float32)

    def contributions(self, profiles: Profiles, items: IntArray) -> list[list[Part]]:
        """Entities over which walks of two steps lead to each item (C,), and all other walks by where they begin."""
        own, positives, count = held(profiles), profiles.positives(), len(self.people_)
        begins = np.zeros(len(own), np.float32)
        begins[np.searchsorted(own, positives.indices)] = self._begin[positives.indices]
        shares = self._led(items)[:, own] * begins  # (C, H)
        graph = Graph.of_state(self.graph_)
        edges = graph.over_items()
        twice = self.restart * (1.0 - self.restart) ** 2 if self.steps > 1 else 0.0
        into = (self.walk_[count : edges.n_nodes, own] @ sp.diags(twice * begins)).toarray()  # (E, H)
        over = self.walk_[items][:, count : edges.n_nodes].tocsr()  # (C, E)
        found, ties = [], _ties(edges, own)
        for row, (item, share) in enumerate(zip(items, shares, strict=True)):
            nodes, chances = over[row].indices, over[row].data * self._end[item]  # (e,)
            by = np.asarray(into[nodes] * chances[:, None], np.float32)  # (e, H)
            strongest = np.argsort(-by.sum(axis=1), kind="stable")[:_PATHS]
            strongest = strongest[by[strongest].sum(axis=1) > 0]
            told, names = _relations(edges, int(item)), graph.names(edges.entities[nodes + count])
            parts = []
            for at in strongest:
                relation, having = _shared(told[int(nodes[at]) + count], int(nodes[at]) + count, ties)
                name = graph.relation_names[relation] if relation >= 0 else INVERSE + graph.relation_names[~relation]
                parts.append(Part("path", float(by[at].sum()), by[at], name, names[at], having))
            rest = np.asarray(share - by[strongest].sum(axis=0), np.float32)
            found.append([*parts, Part("history", float(rest.sum()), rest)])
        return found

    def memory(self, shape: Shape) -> int:
        edges = 2 * (shape.events + triples(shape))
        return 60 * edges + 40 * (shape.users + 2 * shape.items + triples(shape))


def _chances(edges: sp.csr_matrix, total: AnyArray) -> sp.csr_matrix:
    """The rows scaled so that they add up to `total`; a row without edges is 0."""
    rows = sp.csr_matrix(edges, dtype=np.float64)
    sums = np.maximum(np.asarray(rows.sum(axis=1)).ravel(), 1.0)
    return sp.csr_matrix(sp.diags(total / sums) @ rows)


def _both_ways(edges: Edges) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Where triples begin, their relations and where they end; then the same from the other end, ~r for relation r."""
    yield edges.heads, edges.relations, edges.tails
    yield edges.tails, ~edges.relations, edges.heads


def _ties(edges: Edges, codes: IntArray) -> Ties:
    """Of the items (H,) of a history."""
    places = np.full(edges.n_nodes, -1)
    places[codes] = np.arange(len(codes))
    parts = [
        zip(places[begin[own]].tolist(), relations[own].tolist(), end[own].tolist(), strict=True)
        for begin, relations, end in _both_ways(edges)
        for own in [np.flatnonzero(places[begin] >= 0)]
    ]
    return Ties(chain(*parts), len(codes))


def _relations(edges: Edges, item: int) -> dict[int, list[int]]:
    """By node, the relations that join it to an item, inverse ones last."""
    found: dict[int, list[int]] = {}
    for begin, relations, end in _both_ways(edges):
        for at in np.flatnonzero(begin == item):
            found.setdefault(int(end[at]), []).append(int(relations[at]))
    return found


def _shared(relations: list[int], node: int, ties: Ties) -> tuple[int, BoolArray]:
    """The first of the relations by which something of the history is joined to the node too, and what is (H,)."""
    having = [ties.having(relation, node) for relation in relations]
    best = next((at for at, each in enumerate(having) if each.any()), 0)
    return relations[best], having[best]
