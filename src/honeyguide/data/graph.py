"""Graph: what is known of items as triples (head, relation, tail), such as (Ran, directed by, Kurosawa).

    graph = Graph.from_attributes(schema)        # film - genre, artist - tag: made of the columns of the items
    graph = read_graph("kg.tsv", items=schema.items, links="links.tsv")      # see `triples`
    data = data.with_graph(graph)                # models of the room `knowledge` read it

An item is an entity where `links` says so. T triples take 12 bytes each, beside the ids of the entities.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from honeyguide.arrays import AnyArray, IntArray
from honeyguide.data.features import Features
from honeyguide.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from honeyguide.data.dataset import Schema

INVERSE = "~"  # before the name of a relation, it is the relation the other way round
_CODE = re.compile(r"(.*[:/])?([mg][./][01]\w+|Q\d+)>?")  # ids of Freebase and Wikidata, which tell a person nothing
_OF = "\x1f"  # between a column and its value in the id of an entity made of attributes; no text holds it


class Edges(NamedTuple):
    """Triples among N nodes of which the first I are the items: heads, relations, tails (T',), entities (N,) or -1."""

    heads: IntArray
    relations: IntArray
    tails: IntArray
    entities: IntArray

    @property
    def n_nodes(self) -> int:
        """N."""
        return len(self.entities)


@dataclass(frozen=True, eq=False)
class Graph:
    """T triples: heads (T,), relations (T,), tails (T,) int32 codes; `links` (I,) int32: each item's entity, or -1."""

    entities: Vocabulary
    relation_names: tuple[str, ...]
    heads: IntArray
    relations: IntArray
    tails: IntArray
    links: IntArray

    def __len__(self) -> int:
        return len(self.heads)

    def __repr__(self) -> str:
        linked = int((self.links >= 0).sum())
        return (
            f"<Graph {len(self):,} triples, {self.n_entities:,} entities, {self.n_relations:,} relations, "
            f"{linked:,} of {len(self.links):,} items>"
        )

    @staticmethod
    def from_attributes(schema: Schema) -> Graph:
        """The graph of the columns of the kinds "category" and "values", a relation each: item - column - value.

        Values that one item alone has lead nowhere and are left out, as `features` does.
        """
        features = Features.learn(schema.item_table, schema.kinds, only=("category", "values"))
        found = features.encode(schema.item_table, len(schema.items)).tocoo()  # (I, D)
        values = [f"{c.name}{_OF}{value}" for c in features.columns for value in c.known.series()]  # (D,)
        column = np.repeat(np.arange(len(features.columns)), [c.width for c in features.columns])  # (D,)
        own = pl.concat_str([pl.lit(_OF), pl.col("id").cast(pl.String)]).alias("id")
        items = pl.DataFrame({"id": schema.items.series()}).select(own)["id"]  # (I,)
        told = np.unique(found.row)
        entities = Vocabulary.of(pl.concat([items.gather(told), pl.Series(values, dtype=pl.String)]))
        links = np.full(len(schema.items), -1, np.int32)
        links[told] = entities.encode(items.gather(told))
        return Graph(
            entities, tuple(c.name for c in features.columns), links[found.row],
            column[found.col].astype(np.int32), entities.encode(pl.Series(values, dtype=pl.String))[found.col], links,
        )  # fmt: skip

    @property
    def n_entities(self) -> int:
        """Entities, those that are items included."""
        return len(self.entities)

    @property
    def n_relations(self) -> int:
        """Relations, inverse ones included where there are any."""
        return len(self.relation_names)

    def with_inverses(self) -> Graph:
        """The graph with each triple the other way round too, under the relation's name after "~"."""
        return replace(
            self,
            relation_names=(*self.relation_names, *(INVERSE + name for name in self.relation_names)),
            heads=np.concatenate([self.heads, self.tails]),
            relations=np.concatenate([self.relations, self.relations + np.int32(self.n_relations)]),
            tails=np.concatenate([self.tails, self.heads]),
        )

    def rewired(self, rng: np.random.Generator | int) -> Graph:
        """The control of an experiment: the tails of each relation dealt anew among its triples.

        Every entity keeps its number of triples of each relation, as head and as tail; what they said is lost.
        """
        rng = np.random.default_rng(rng)
        order = np.argsort(self.relations, kind="stable")
        tails = self.tails.copy()
        for rows in np.split(order, np.flatnonzero(np.diff(self.relations[order])) + 1):
            tails[rows] = self.tails[rng.permutation(rows)]
        return replace(self, tails=tails)

    def relinked(self, codes: IntArray) -> Graph:
        """The graph over other items: `codes` (I',) are their codes here, -1 of those that are not."""
        return replace(self, links=np.where(codes >= 0, self.links[codes], -1).astype(np.int32))

    def over_items(self) -> Edges:
        """The triples with items for their entities: node i is item i, the other entities follow.

        An item without an entity is a node without triples; of an entity that several items are, each has its triples.
        """
        linked = np.flatnonzero(self.links >= 0)
        rest = np.setdiff1d(np.arange(self.n_entities), self.links)
        entities = np.concatenate([self.links, rest]).astype(np.int32)  # (N,)
        nodes = np.concatenate([linked, len(self.links) + np.arange(len(rest))])
        nodes = nodes[np.argsort(entities[nodes], kind="stable")]  # by entity
        counts = np.bincount(entities[nodes], minlength=self.n_entities)
        starts = np.cumsum(counts) - counts

        def each(codes: IntArray) -> tuple[AnyArray, IntArray]:
            """For every node of each entity: the row it stands in, and the node."""
            rows = np.repeat(np.arange(len(codes)), counts[codes])
            first = np.cumsum(counts[codes]) - counts[codes]
            return rows, nodes[starts[codes][rows] + np.arange(len(rows)) - first[rows]].astype(np.int32)

        rows, heads = each(self.heads)
        again, tails = each(self.tails[rows])
        return Edges(heads[again], self.relations[rows[again]], tails, entities)

    def names(self, codes: IntArray) -> list[str]:
        """What to call entities in a reason: their ids.

        "" where all are numbers, and for codes of Freebase and Wikidata. One made of attributes is called by the value,
        or by the item's id.
        """
        if self.entities.kind == "integer":
            return [""] * len(codes)
        ids = self.entities.decode(codes).cast(pl.String)
        return [name.rpartition(_OF)[2] if _OF in name or not _CODE.fullmatch(name) else "" for name in ids]

    def fingerprint(self) -> bytes:
        """A digest: equal graphs, equal fingerprint."""
        digest = hashlib.blake2b("\n".join(self.relation_names).encode(), digest_size=16)
        for array in (*self.entities.arrays().values(), self.heads, self.relations, self.tails, self.links):
            digest.update(np.ascontiguousarray(array).data)
        return digest.digest()

    def state(self) -> tuple[Any, ...]:
        """Names and arrays, for a model's file."""
        return (
            *self.entities.arrays().values(), self.relation_names, self.heads, self.relations, self.tails, self.links,
        )  # fmt: skip

    @staticmethod
    def of_state(state: tuple[Any, ...]) -> Graph:
        """What `state` was taken of."""
        ids: Mapping[str, AnyArray] = dict(zip(("ids", "offsets", "order"), state[:3], strict=True))
        return Graph(Vocabulary.from_arrays(ids), tuple(state[3]), *state[4:])
