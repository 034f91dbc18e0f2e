"""Schemas of films and of odd names, for the tests of what is typed and of files."""

from __future__ import annotations

from typing import Any

import polars as pl

from honeyguide.data.dataset import Positive, Schema
from honeyguide.data.vocabulary import Vocabulary


def schema(items: list[Any], titles: list[str | None] | None = None, *, explicit: bool = True) -> Schema:
    """A schema of these items (in the order of their ids) and titles."""
    table = pl.DataFrame({"Title": titles}) if titles else pl.DataFrame(height=len(items))
    scale = (1.0, 5.0) if explicit else None
    return Schema(Vocabulary.of([1, 2]), Vocabulary.of(items), explicit, scale, Positive(), table)


FILMS = schema([10, 20, 30, 40], ["Alien", "20", "alien", None])
NAMES = schema(["a", "a=2", "b c"])
