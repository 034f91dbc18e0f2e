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
        "tags.dat": "c815d7216101fd0ba9b9c59fa2a011998d2fd076e0064d281ec4153d95ae8095",
        "user_taggedartists.dat": "c4a9ffae9ab47a9f9b2f0678ab1f7e5c1db4ca818837d8cddd1f5699c5bbf048",
        "user_friends.dat": "0360883a3557776e04fdebda851f2e5dd23e796cad7059b968acdebd528d13fa",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The counts of plays; each artist's name and the tags that people gave it, the most frequent first; friends."""
    plays, artists, names_of_tags, given, friends = FILES.find(*FILES.digests, folder=folder)
    notice("lastfm", "The Last.fm data of HetRec 2011 are for non-commercial use: readme.txt of the set")
    names = _table(artists).select("id", "name").cast({"id": pl.Int64})
    tags = _table(names_of_tags, encoding="latin-1").cast({"tagID": pl.Int64})
    counts = _table(given).cast({"artistID": pl.Int64, "tagID": pl.Int64}).group_by("artistID", "tagID").len()
    told = counts.join(tags, on="tagID").sort("artistID", "len", "tagID", descending=[False, True, False])
    by_artist = told.group_by("artistID", maintain_order=True).agg(tags=pl.col("tagValue"))
    items = names.join(by_artist, left_on="id", right_on="artistID", how="left", maintain_order="left")
    of = _table(friends).cast(pl.Int64).group_by("userID", maintain_order=True).agg(friends=pl.col("friendID"))
    return read(plays, items=items, users=of, value="weight", separator="\t", positive=positive, name=FILES.name)


def _table(path: Path, encoding: str | None = None) -> pl.DataFrame:
    table = open_table(path, separator="\t", quoted=False, encoding=encoding)
    return whole(table, Faults(table.name))
