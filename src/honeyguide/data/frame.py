"""Tables in the caller's own kind of data frame (Narwhals): pandas in, pandas out; from files, Polars.

Numbers pass as arrays, O(rows) and without a Python object for each: integers stay integers, in pandas with gaps too.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl

from honeyguide.errors import MissingPackageError


def kind_of(frame: Any) -> str:
    """The name of the library a data frame belongs to, such as "pandas" or "polars"."""
    return str(nw.from_native(frame).implementation.value)


def deliver(table: pl.DataFrame, kind: str) -> Any:
    """The Polars table as a data frame of the library `kind`."""
    if kind == "polars":
        return table
    backend: Any = kind
    try:
        if kind == "pyarrow":
            return table.to_arrow(compat_level=pl.CompatLevel.oldest())
        column = _for_pandas if kind == "pandas" else pl.Series.to_list
        return nw.from_dict({name: column(table[name]) for name in table.columns}, backend=backend).to_native()
    except ModuleNotFoundError:
        raise MissingPackageError(kind, "all", f"a {kind} data frame") from None


def _for_pandas(column: pl.Series) -> Any:
    """A column as NumPy's array, or as pandas' own where integers have gaps, which NumPy would make floats."""
    if not (column.dtype.is_integer() and column.null_count()):
        return column.to_numpy()
    from pandas.arrays import IntegerArray

    return IntegerArray(column.fill_null(0).to_numpy().copy(), column.is_null().to_numpy())
