"""MovieLens 100K beside a part of Freebase: 91,631 triples of 34,628 entities about 1,495 of the films.

W. X. Zhao et al. 2019, arXiv:1807.11141 (KB4Rec); the files are RecBole's. Their item ids are those of MovieLens 1M and
later sets, not of this one, where 260 is Star Wars and not Air Force One: the films are found by their titles there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.sources import movielens_1m, movielens_100k
from honeyguide.data.sources._files import Files
from honeyguide.data.triples import read_graph

FILES = Files(
    "movielens-100k-kg",
    "ml-100k-kg",
    "https://github.com/RUCAIBox/RecBole/tree/master/dataset/ml-100k",
    {
        "ml-100k.kg": "200a0636fa07c218119a42e5bac7aa3e26e3665a6f919c1b22909bd412b14779",
        "ml-100k.link": "524dca2c3d62619688ab99b3ec53ea2acb9b64d38eafec3e02bdd0dc6bb7d948",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """All ratings, with what movielens-100k knows of films and people; needs movies.dat of movielens-1m too."""
    triples, links = FILES.find(*FILES.digests, folder=folder)
    (movies,) = movielens_1m.FILES.find("movies.dat", folder=folder)
    data = movielens_100k.load(folder=folder, positive=positive)
    data = replace(data, schema=replace(data.schema, name=FILES.name))
    here = data.schema.item_table.select("title").with_columns(item=data.schema.items.series())
    there = movielens_1m.titles(movies).unique("title", keep="first").select("title", "id")
    entities = pl.read_csv(links, separator="\t", new_columns=["id", "entity"])
    linked = here.join(there, on="title").join(entities, on="id").select("item", "entity")
    return data.with_graph(read_graph(triples, items=data.schema.items, links=linked))
