"""What tests share: small data made from a seed, and strictness about warnings of our own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from honeyguide.data.dataset import Dataset, Positive, Schema
from honeyguide.data.features import Kind
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import HoneyguideWarning

Rows = Sequence[tuple[int | str, int | str, float, int]]


def dataset(rows: Rows, *, explicit: bool = True, positive: str = "every event", timed: bool = True) -> Dataset:
    """A Dataset of (user, item, value, time) rows."""
    users, items = [row[0] for row in rows], [row[1] for row in rows]
    values = np.array([row[2] for row in rows], dtype=np.float32)
    scale = (float(values.min()), float(values.max())) if explicit and len(rows) else None
    people, things = Vocabulary.of(users), Vocabulary.of(items)
    codes = range(len(things))
    table = pl.DataFrame(
        {
            "title": [f"Title of {item}" for item in things.series()],
            "kind": [f"kind {code % 3} of things" for code in codes],
            "plot": [f"{('red', 'blue', 'grey')[code % 3]} tale {('here', 'there')[code % 2]}" for code in codes],
        }
    )
    kinds: dict[str, Kind] = {"plot": "text"}
    known = pl.DataFrame({"team": [f"team of {user}" for user in people.series()]})
    schema = Schema(people, things, explicit, scale, Positive(positive), table, known, kinds)
    times = np.array([row[3] for row in rows], dtype=np.int64) if timed else None
    return Dataset(schema, people.encode(users), things.encode(items), values, times)


def blobs(
    n_users: int = 40, n_items: int = 30, *, seed: int = 0, density: float = 0.3
) -> list[tuple[str, str, float, int]]:
    """Half-star ratings of two tastes, with ids that hold commas, quotes and emoji, and a few repeats."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        for item in np.flatnonzero(rng.random(n_items) < density * (1.5 if n_items else 1)):
            liked = (user % 2) == (item % 2)
            rating = np.clip(np.round((3.9 if liked else 1.9) * 2 + rng.normal(0, 1)) / 2, 0.5, 5.0)
            rows.append((f"user,{user} 🐦", f'it"em;{item}', float(rating), int(rng.integers(1, 10_000))))
    return rows + rows[:5]


@pytest.fixture
def blob_rows() -> list[tuple[str, str, float, int]]:
    """The events of `blobs`, to be cut as a test likes."""
    return blobs()


@pytest.fixture(scope="session")
def make() -> Callable[..., Dataset]:
    """Build a Dataset of (user, item, value, time) rows."""
    return dataset


@pytest.fixture(scope="session")
def ratings() -> Dataset:
    """Some 500 half-star ratings of 40 people and 30 items."""
    return dataset(blobs(), positive=">=3")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    folder = os.environ.get("HONEYGUIDE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real data: set HONEYGUIDE_DATA to the folder that holds ml-100k, ml-1m, …")
    return Path(folder)


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    """Warnings from honeyguide are errors, unless a test expects them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=HoneyguideWarning)
        warnings.filterwarnings("error", module=r"honeyguide\b")
        yield
