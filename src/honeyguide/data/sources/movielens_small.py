"""MovieLens "latest small" of October 2016: 100,004 half-star ratings, 671 people, 9,066 films. In the package.

For non-commercial use; terms and citation: movielens_small/LICENSE.txt.
"""

from __future__ import annotations

from pathlib import Path

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.data.sources._files import notice

FOLDER = Path(__file__).with_suffix("")


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The ratings, with the title, year and genres of each film. `folder` has no meaning here."""
    notice(
        "movielens-small",
        "The MovieLens ratings in the package are for non-commercial use: movielens_small/LICENSE.txt",
    )
    return read(
        FOLDER / "ratings.csv.gz",
        items=FOLDER / "movies.csv.gz",
        positive=positive,
        scale=(0.5, 5.0),
        name="movielens-small",
    )
