"""The graph that a model of this room learns from, what items are known by in it, and what memory is stated for."""

from __future__ import annotations

from honeyguide.data.dataset import Dataset, Shape
from honeyguide.data.graph import Graph
from honeyguide.models.base import Content

CONTENT: tuple[Content, ...] = "attributes", "graph"
_TOLD = 8  # attributes an item, where the graph is made of them: how many there are is known when they are read


def graph_of(data: Dataset) -> Graph:
    """The graph of the data; where they have none, that of the items' attributes, which may be empty."""
    return Graph.from_attributes(data.schema) if data.graph is None else data.graph


def triples(shape: Shape) -> int:
    """The triples that memory is stated for."""
    return shape.triples or _TOLD * shape.items
