"""The r-th item that a person lacks, against a list of those."""

from __future__ import annotations

import numpy as np

from honeyguide.kernels.lacking import nth_lacking


def test_every_rank_of_every_person() -> None:
    rng = np.random.default_rng(0)
    have = rng.random((9, 14)) < np.linspace(0.0, 1.0, 9)[:, None]  # from nothing to everything
    have[8, 5] = False
    indptr = np.append(0, np.cumsum(have.sum(axis=1))).astype(np.int64)
    gaps = np.concatenate([np.flatnonzero(row) - np.arange(row.sum()) for row in have]).astype(np.int32)
    for user, row in enumerate(have):
        lacking = np.flatnonzero(~row)
        out = np.empty((2, len(lacking)), np.int32)
        users, wanted = np.array([0, user], np.int32), np.tile(np.arange(len(lacking)), (2, 1))
        users.flags.writeable = False
        nth_lacking(0, 2, users, indptr, gaps, wanted, out)
        np.testing.assert_array_equal(out[1], lacking)
        np.testing.assert_array_equal(out[0], np.arange(len(lacking)))
