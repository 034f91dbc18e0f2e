"""The graph that a model of this room learns from, what items are known by in it, and what memory is stated for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from honeyguide.arrays import BoolArray
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


class Ties:
    """Which of the `count` items of a history are joined to a node by a relation: ties are (place, relation, node)."""

    def __init__(self, ties: Iterable[tuple[int, int, int]], count: int) -> None:
        self._count = count
        self._places: dict[tuple[int, int], list[int]] = {}
        for place, relation, node in ties:
            self._places.setdefault((relation, node), []).append(place)

    def having(self, relation: int, node: int) -> BoolArray:
        """(H,) those that are."""
        out: BoolArray = np.zeros(self._count, dtype=bool)
        out[self._places.get((relation, node), [])] = True
        return out
