"""Vectors of a graph's nodes spread to their neighbours with learned attention: asked in NumPy, trained in keras.ops.

    z = x + g A (x + g A (… x)),    A_ht = sum over triples (h, r, t) of exp(w_r) / sum over h's triples of exp(w_r')

x (N, W) are what is learned of the nodes, w (R,) one logit a relation, g a number, and there are K products with A:
neighbours count by what the relation is worth, as in LightKG (Li et al. 2025, arXiv:2506.10347), and share what a node
hears. O(E W) a product for E edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from honeyguide.arrays import FloatArray, IntArray, LongArray
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

    def matrix(self, logits: FloatArray) -> sp.csr_matrix:
        """A (N, N), of one logit a relation (R,)."""
        grown = np.exp(logits.astype(np.float64) - logits.max())[self.relations]
        parts = grown / np.bincount(self.heads, grown, self.count)[self.heads] if len(grown) else grown
        return sp.csr_matrix((parts.astype(np.float32), self.tails, self.indptr), shape=(self.count, self.count))


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


def stages(matrix: sp.csr_matrix, own: FloatArray, layers: int, share: float) -> list[FloatArray]:
    """The K + 1 stages (N, W) each: x, x + g A x, …, z; the matrix is A and share is g."""
    out = [own]
    for _ in range(layers):
        out.append(own + np.float32(share) * (matrix @ out[-1]))
    return out


def attention(ops: Any, logits: Any, near: Neighbours) -> Any:
    """(E,) what each edge counts at its head, where they sum to 1, of one logit a relation (R,); in keras.ops."""
    grown = ops.take(ops.exp(logits - ops.max(logits)), near.relations)
    return grown / ops.take(ops.segment_sum(grown, near.heads, near.count), near.heads)


def spread(ops: Any, own: Any, near: Neighbours, attention: Any, layers: int, share: float) -> Any:
    """z (N, W) of x: the last of `stages`, in keras.ops."""
    out = own
    for _ in range(layers if len(near.heads) else 0):
        told = attention[:, None] * ops.take(out, near.tails, axis=0)  # (E, W)
        out = own + share * ops.segment_sum(told, near.heads, near.count)
    return out
