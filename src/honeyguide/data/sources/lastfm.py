"""Last.fm of HetRec 2011: how often 1,892 people played 17,632 artists, 92,834 counts. For non-commercial use.

I. Cantador, P. Brusilovsky, T. Kuflik 2011, doi:10.1145/2043932.2044016.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.faults import Faults
from honeyguide.data.read import read
from honeyguide.data.sources._files import Files, notice
from honeyguide.data.tables import open_table, whole

FILES = Files(
    "lastfm",
    "lastfm-2k",
    "https://grouplens.org/datasets/hetrec-2011/",
    {
        "user_artists.dat": "254272fa721c3935e8be286d28c051b206844307128698ab4eaa41d483379416",
        "artists.dat": "c173881362c6b28551368fecb3c0be5a6a30a6cd859e1f5775413dfe46d48648",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The counts of plays, with the name of each artist."""
    plays, artists = FILES.find("user_artists.dat", "artists.dat", folder=folder)
    notice("lastfm", "The Last.fm data of HetRec 2011 are for non-commercial use: readme.txt of the set")
    table = open_table(artists, separator="\t", quoted=False)
    names = whole(table, Faults(table.name)).select("id", "name").cast({"id": pl.Int64})
    return read(plays, items=names, value="weight", separator="\t", positive=positive, name=FILES.name)
