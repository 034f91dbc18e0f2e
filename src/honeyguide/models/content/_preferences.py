"""Preferences for attributes by ridge regression: what `attributes` and `text` compute, each from its own columns.

With a_i the attributes of item i, scaled to length 1, and x_ui 1 for a positive and 0 for any other item,

    w_u = argmin over w of  sum over items i of (x_ui - w.a_i)^2 + reg |w|^2
        = (A'A + reg I)^-1  sum over the history of a_j,          score = w_u.a_i

over the items that someone has among their positives. (Ridge regression: Hoerl and Kennard 1970,
doi:10.1080/00401706.1970.10488634; recommending by what items are: Pazzani and Billsus 2007,
doi:10.1007/978-3-540-72079-9_10.) The matrix is common to all people, so anyone's preferences are a sum over the
history, and so is each score: exact for people never seen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
import scipy.sparse as sp

from honeyguide.arrays import BoolArray, FloatArray, IntArray
from honeyguide.data.dataset import Dataset, Schema, Shape
from honeyguide.data.features import Features, Kind, recognise
from honeyguide.data.profiles import Profiles
from honeyguide.errors import DataError, MemoryBudgetError, ParameterError
from honeyguide.kernels.lapack import cholesky, inverse
from honeyguide.models.contributions import Part, held, spread
from honeyguide.run import Run, in_units

MOST = 6000  # attributes that memory is stated for


def learn(data: Dataset, columns: str, kinds: Collection[Kind], name: str) -> Features:
    """The encoding of the columns named, or of all of these kinds; by items that have events."""
    schema = data.schema
    wanted = [each.strip() for each in columns.split(",") if each.strip()]
    for column in wanted:
        if column not in schema.item_table.columns:
            have = ", ".join(schema.item_table.columns) or "none, read items= too"
            raise ParameterError(f"{name}.columns must be of the table of items, got {column!r}; there are: {have}.")
    known = schema.item_table.select(wanted) if wanted else schema.item_table
    features = Features.learn(known[np.unique(data.items)], schema.kinds, None if wanted else kinds)
    if not features.width:
        told = ", ".join(f"{c.name} is {schema.kinds.get(c.name) or recognise(c)}" for c in known)
        remedy = f"{told}: say what a column is with kinds= (--kind)" if told else "give their table: read(..., items=)"
        raise DataError(
            f"{name} reads {', '.join(kinds)} of items, and there is nothing of the kind that two share; {remedy}"
        )
    return features


def encode(features: Features, schema: Schema) -> sp.csr_matrix:
    """(I, D) the attributes of all items, each row of length 1, or 0 where nothing is known."""
    table: pl.DataFrame | None = schema.item_table if schema.item_table.width else None
    found = features.encode(table, len(schema.items))
    lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    scale = sp.diags((1.0 / np.where(lengths > 0, lengths, 1.0)).astype(np.float32))
    return sp.csr_matrix(scale @ found, dtype=np.float32)


def regression(items: sp.csr_matrix, positives: sp.csr_matrix, reg: float, run: Run) -> FloatArray:
    """(D, D) float32 (A'A + reg I)^-1, A being the rows of the items (I, D) that are among the positives (U, I)."""
    width = items.shape[1]
    if 28 * width * width > run.budget:
        need = in_units(28 * width * width)
        raise MemoryBudgetError(
            f"{width:,} attributes need {need}, the budget is {in_units(run.budget)} (Run.memory); "
            "name fewer columns, or give texts and values that are rare the kind none"
        )
    known = items[np.unique(positives.indices)].astype(np.float64)
    gram = np.asfortranarray((known.T @ known).toarray())
    gram[np.diag_indices(width)] += reg
    cholesky(gram)
    inverse(gram)
    low = np.tril(gram)
    return np.asarray(low + np.tril(low, -1).T, np.float32)


def preferences(profiles: Profiles, items: sp.csr_matrix, matrix: FloatArray) -> FloatArray:
    """(B, D) w_u of each profile."""
    return np.asarray((profiles.positives() @ items).toarray() @ matrix, np.float32)


def scores(wanted: FloatArray, items: sp.csr_matrix, which: IntArray | None) -> FloatArray:
    """(B, C) w.a_i of preferences (B, D) for all items or for those of some codes."""
    asked = items if which is None else items[which]
    return np.ascontiguousarray((asked @ wanted.T).T, np.float32)


def contributions(
    profiles: Profiles, items: sp.csr_matrix, matrix: FloatArray, which: IntArray, names: Sequence[tuple[str, str]]
) -> list[list[Part]]:
    """What each attribute of each item (C,) adds to its score, and the share of each item of the history in that.

    `names` (D,) are the column and the value of each attribute. An item j of the history adds (a_j M)_d a_cd.
    """
    positives = profiles.positives()
    wanted = np.asarray((items[positives.indices] @ matrix), np.float32)  # (M, D)
    own, found = items[held(profiles)], []
    for item in which:
        row = items[int(item)]
        shares = spread(positives.indices, (wanted[:, row.indices] * row.data).T, profiles)  # (attributes of it, H)
        together: dict[tuple[str, str], FloatArray] = {}
        for at, share in zip(row.indices, shares, strict=True):
            together[names[at]] = together[names[at]] + share if names[at] in together else share
        alike = having(own, row, names)
        found.append(
            [Part("attribute", float(share.sum()), share, *name, alike[name]) for name, share in together.items()]
        )
    return found


def having(
    own: sp.csr_matrix, row: sp.csr_matrix, names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], BoolArray]:
    """(H,) which items of a history (H, D) have each attribute of an item (1, D), by name; numbers and vectors none."""
    has = (own[:, row.indices] != 0).toarray()  # (H, attributes of it)
    called = [names[at] for at in row.indices]
    return {name: mark & (name[1] != "") for name, mark in zip(called, has.T, strict=True)}


def cosines(items: sp.csr_matrix, which: IntArray) -> FloatArray:
    """(C, I) how alike items are in their attributes."""
    return np.asarray((items[which] @ items.T).toarray(), np.float32)


def memory(shape: Shape) -> int:
    """Bytes of a fit with as many attributes as items, at most `MOST`; the number is known only when they are read."""
    width = min(shape.items, MOST)
    return 28 * width * width + 400 * shape.items + 16 * shape.events
