"""What a model that rates by history is asked, in the layout that its kernels take: a person's items side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from honeyguide.arrays import FloatArray, IntArray, LongArray
from honeyguide.data.profiles import Pairs, Profiles

Rated: TypeAlias = Callable[[Profiles, LongArray, IntArray], FloatArray]
"""(N,) the rating of each item (N,) by the profile whose part of the offsets (B + 1,) it lies in; -1 is never seen."""


def pair_by_pair(rated: Rated, profiles: Profiles, pairs: Pairs) -> FloatArray:
    """(N,) the ratings of pairs in any order."""
    order = np.argsort(pairs.rows, kind="stable")
    indptr = np.searchsorted(pairs.rows[order], np.arange(len(profiles) + 1))
    ratings = np.empty(len(pairs), np.float32)
    ratings[order] = rated(profiles, indptr.astype(np.int64), pairs.items[order])
    return ratings


def each_item(rated: Rated, profiles: Profiles, items: IntArray | None) -> FloatArray:
    """(B, C) the ratings of the same items for everyone; without `items` of all."""
    wanted = np.arange(len(profiles.schema.items), dtype=np.int32) if items is None else items.astype(np.int32)
    indptr = np.arange(len(profiles) + 1, dtype=np.int64) * len(wanted)
    return rated(profiles, indptr, np.tile(wanted, len(profiles))).reshape(len(profiles), len(wanted))
