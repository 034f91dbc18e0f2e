"""Last.fm listening as sequences: 52,551 events, 1,090 people, 3,646 artists.

In the form of S3-Rec (Zhou et al. 2020, arXiv:2008.07873).
"""

from __future__ import annotations

from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.data.sources._files import Files, notice
from honeyguide.data.sources._sequences import read_sequences

FILES = Files(
    "lastfm-sequences",
    "lastfm-sequences",
    "https://github.com/aHuiWang/CIKM2020-S3Rec",
    {
        "LastFM.txt": "9ded486adb5b0fe9dc761950afa0a9a05e93ff018992e0c52bf11afec529f802",
        "LastFM_item2attributes.json": "a4ccd678dc9ff6d43fe5073f491db5c9b02eb98dfa4f8c0382913a784be217ef",
    },
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The events in order of time, with the attributes of each item (numbers without names)."""
    sequences, attributes = FILES.find("LastFM.txt", "LastFM_item2attributes.json", folder=folder)
    notice("lastfm-sequences", "The Last.fm data are for non-commercial use")
    return read_sequences(sequences, attributes, positive=positive, name=FILES.name)
