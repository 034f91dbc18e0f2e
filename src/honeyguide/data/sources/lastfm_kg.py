"""Last.fm of HetRec 2011 beside a graph of music: 21,173 plays of 3,846 artists by 1,872 people; 15,518 triples.

The part on which knowledge graphs are compared: the artists that are entities of it. For non-commercial use.
H. Wang, M. Zhao, X. Xie, W. Li, M. Guo 2019, arXiv:1904.12575 (KGCN).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.prepare import compact
from honeyguide.data.sources import lastfm
from honeyguide.data.sources._files import Files
from honeyguide.data.triples import read_graph

FILES = Files(
    "lastfm-kg",
    "kg-music",
    "https://github.com/hwwang55/KGCN/tree/master/data/music",
    {
        "kg.txt": "f62bbc8f717c9f68e66dff6faeaa71025092acc11a0f1b4878b953eb05f946a9",
        "item_index2entity_id.txt": "f9693bdde538f755d09b9931b0be662a98965e538658a00c2050912c0adf487b",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The counts of plays of the artists in the graph, with what lastfm knows of them; 49 triples are left out."""
    triples, links = FILES.find(*FILES.digests, folder=folder)
    whole = lastfm.load(folder=folder, positive=positive)
    linked = whole.schema.items.encode(_items(links))
    data = compact(whole.take(np.isin(whole.items, linked)))
    data = replace(data, schema=replace(data.schema, name=FILES.name))
    return data.with_graph(read_graph(triples, items=data.schema.items, links=links))


def _items(links: Path) -> pl.Series:
    return pl.read_csv(links, separator="\t", has_header=False, new_columns=["item", "entity"])["item"]
