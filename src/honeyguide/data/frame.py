"""Tables in the caller's own kind of data frame (Narwhals): pandas in, pandas out; from files, Polars."""

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
    columns = {name: table[name].to_list() for name in table.columns}
    backend: Any = kind
    try:
        return nw.from_dict(columns, backend=backend).to_native()
    except ModuleNotFoundError:
        raise MissingPackageError(kind, "all", f"a {kind} data frame") from None
