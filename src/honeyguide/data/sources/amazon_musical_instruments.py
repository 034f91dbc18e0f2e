"""Amazon reviews of musical instruments, the 5-core of 2014: 10,261 ratings of 1 to 5, 1,429 people, 900 products."""

from __future__ import annotations

from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.data.sources._files import Files, notice

FILES = Files(
    "amazon-musical-instruments",
    "amazon-musical-instruments",
    "https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
    {"reviews_Musical_Instruments_5.json": "8e1aaab451ba61484dfe393f53d11886246bc426c7046b180b62352580f68c1d"},
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The ratings with their times."""
    (path,) = FILES.find("reviews_Musical_Instruments_5.json", folder=folder)
    notice(FILES.name, "The Amazon review data are for research")
    return read(
        path,
        user="reviewerID",
        item="asin",
        rating="overall",
        time="unixReviewTime",
        positive=positive,
        scale=(1.0, 5.0),
        name=FILES.name,
    )
