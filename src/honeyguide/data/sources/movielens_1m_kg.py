"""The ratings of 4 and 5 of MovieLens 1M beside a graph of films: 20,782 triples about 2,347 of the films.

H. Wang, F. Zhang, M. Zhao, W. Li, X. Xie, M. Guo 2019, arXiv:1901.08907 (MKR).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.data.sources import movielens_1m_positives
from honeyguide.data.sources._files import Files
from honeyguide.data.triples import read_graph

FILES = Files(
    "movielens-1m-kg",
    "kg-movie",
    "https://github.com/hwwang55/MKR/tree/master/data/movie",
    {
        "kg.txt": "60d0a28e8646423654b47a36b4438dcd70a87ac90a7d1512ef0cf59f19c869a9",
        "item_index2entity_id.txt": "ba88da11d2fffdcea4fc0d73f1fd16f5478d8fcfb362e16331dc30cceea81f60",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The events of movielens-1m-positives, those of films that are not in the graph included."""
    triples, links = FILES.find(*FILES.digests, folder=folder)
    data = movielens_1m_positives.load(folder=folder, positive=positive)
    data = replace(data, schema=replace(data.schema, name=FILES.name))
    return data.with_graph(read_graph(triples, items=data.schema.items, links=links))
