"""What commands print: tables for people, JSON for machines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl

    from honeyguide.data.dataset import Schema

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def _version(show: bool) -> None:
    if show:
        from honeyguide import __version__

        say(f"honeyguide {__version__}")
        raise typer.Exit


def about(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Recommendations from ratings, plays and purchases."""


def say(text: str = "") -> None:
    """Print a line for the user."""
    sys.stdout.write(text + "\n")


def aside(text: str) -> None:
    """Print a line that is not part of the result, on the error stream."""
    sys.stderr.write(text + "\n")


def emit(value: Any) -> None:
    """Print a value as JSON; NaN becomes null."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    say(json.dumps(_plain(value), ensure_ascii=not unicode, indent=2, default=str))


def wrote(path: Path, text: str, *, machine: bool, **facts: Any) -> None:
    """Say what was written to a file, or print that as JSON."""
    if machine:
        emit({"file": str(path), **facts})
    else:
        say(f"{path}: {text}")


def show_table(table: pl.DataFrame) -> None:
    """Print a table in aligned columns, numbers to the right."""
    numeric = [table[name].dtype.is_numeric() for name in table.columns]
    cells = [table.columns, *([_cell(value) for value in row] for row in table.iter_rows())]
    show_rows(cells, numeric)


def show_rows(cells: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Print rows of cells, the first being the heading, in aligned columns."""
    from rich.cells import cell_len

    widths = [max(cell_len(row[at]) for row in cells) for at in range(len(right))]
    for row in cells:
        parts = []
        for text, width, to_right in zip(row, widths, right, strict=True):
            pad = " " * (width - cell_len(text))
            parts.append(pad + text if to_right else text + pad)
        say("  ".join(parts).rstrip())


def with_titles(table: pl.DataFrame, schema: Schema, column: str = "item") -> pl.DataFrame:
    """The table with the title of each item beside its id, where titles are known."""
    import polars as pl

    if not any(name.lower() in ("title", "name") for name in schema.item_table.columns):
        return table
    codes = schema.items.encode(table[column])
    known = iter(schema.titles(codes[codes >= 0]))
    titles = [next(known) if code >= 0 else "" for code in codes]
    return table.clone().insert_column(table.columns.index(column) + 1, pl.Series("title", titles, dtype=pl.String))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
