"""Vectors of a graph's nodes spread to their neighbours with learned attention, and the way back of the gradient.

    z = x + g A (x + g A (… x)),    A_ht = sum over triples (h, r, t) of exp(w_r) / sum over h's triples of exp(w_r')

x (N, W) are what is learned of the nodes, w (R,) one logit a relation, g a number, and there are K products with A:
neighbours count by what the relation is worth, as in LightKG (Li et al. 2025, arXiv:2506.10347), and share what a node
hears. O(E W) a product for E edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import DoubleArray, FloatArray, IntArray, LongArray
from honeyguide.data.graph import INVERSE, Edges, Graph


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Triples both ways, sorted by their heads: indptr (N + 1,); heads, relations, tails (E,). Items come first.

    Left out are nodes, other than items, that lead back to where one came from alone: with one neighbour they tell that
    neighbour nothing. `entities` (N,) are the codes of the nodes in the graph, -1 for an item without one.
    """

    indptr: LongArray
    heads: IntArray
    relations: IntArray
    tails: IntArray
    entities: IntArray
    relation_names: tuple[str, ...]

    @property
    def count(self) -> int:
        """N."""
        return len(self.indptr) - 1

    @staticmethod
    def of(graph: Graph) -> Neighbours:
        """The neighbours of a graph's items and entities."""
        edges, n_items, n_relations = graph.over_items(), len(graph.links), graph.n_relations
        told = np.stack([edges.heads, edges.relations, edges.tails], axis=1).astype(np.int64)
        nodes, told = _joining(edges, np.unique(told[edges.heads != edges.tails], axis=0), n_items)
        heads, relations, tails = told.T
        both = np.concatenate([heads, tails]), np.concatenate([relations, relations + n_relations])
        other = np.concatenate([tails, heads])
        order = np.lexsort((other, both[1], both[0]))
        starts = np.searchsorted(both[0][order], np.arange(len(nodes) + 1))
        names = (*graph.relation_names, *(INVERSE + name for name in graph.relation_names))
        head, relation, tail = (part[order].astype(np.int32) for part in (*both, other))
        entities = edges.entities[nodes].astype(np.int32)
        return Neighbours(starts.astype(np.int64), head, relation, tail, entities, names)

    def attention(self, logits: FloatArray) -> DoubleArray:
        """(E,) what each edge counts at its head: they sum to 1 there."""
        if not len(self.heads):
            return np.zeros(0)
        grown = np.exp(logits.astype(np.float64) - logits.max())[self.relations]
        return np.asarray(grown / np.bincount(self.heads, grown, self.count)[self.heads])

    def matrix(self, attention: DoubleArray) -> sp.csr_matrix:
        """A (N, N) of an attention (E,)."""
        parts = attention.astype(np.float32), self.tails, self.indptr
        return sp.csr_matrix(parts, shape=(self.count, self.count))

    def slope(self, attention: DoubleArray, told: DoubleArray, n_relations: int) -> FloatArray:
        """The gradient (R,) along the logits, `told` (E,) being that along the attention."""
        if not len(self.heads):
            return np.zeros(n_relations, np.float32)
        mean = np.bincount(self.heads, attention * told, self.count)[self.heads]
        slopes = np.bincount(self.relations, attention * (told - mean), n_relations)
        return slopes.astype(np.float32)


def _joining(edges: Edges, triples: LongArray, n_items: int) -> tuple[LongArray, LongArray]:
    """The nodes (N',) that are items or have two neighbours among such, and the triples (T', 3) among them."""
    kept = np.ones(edges.n_nodes, dtype=bool)
    while True:
        pairs = np.unique(np.sort(triples[:, [0, 2]], axis=1), axis=0)
        kept = np.bincount(pairs.ravel(), minlength=edges.n_nodes) >= 2
        kept[:n_items] = True
        inside = kept[triples[:, 0]] & kept[triples[:, 2]]
        if inside.all():
            break
        triples = triples[inside]
    nodes = np.flatnonzero(kept)
    place = np.cumsum(kept) - 1
    return nodes, np.stack([place[triples[:, 0]], triples[:, 1], place[triples[:, 2]]], axis=1)


def spread(matrix: sp.csr_matrix, own: FloatArray, layers: int, share: float) -> list[FloatArray]:
    """The K + 1 stages (N, W) each: x, x + g A x, …, z; the matrix is A and share is g."""
    stages = [own]
    for _ in range(layers):
        stages.append(own + np.float32(share) * (matrix @ stages[-1]))
    return stages


def slopes(
    near: Neighbours, back: sp.csr_matrix, stages: list[FloatArray], grad: FloatArray, share: float
) -> tuple[FloatArray, DoubleArray]:
    """The gradients along x (N, W) and along the attention (E,), given that along z (N, W); `back` is A transposed."""
    total, told, now = grad.copy(), np.zeros(len(near.heads)), grad
    for stage in stages[-2::-1]:
        told += share * np.einsum("ew,ew->e", now[near.heads], stage[near.tails])
        now = np.float32(share) * (back @ now)
        total += now
    return total, told
