"""honeyguide predict: ratings, where the model gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import ModelFile, open_model
from honeyguide.cli.output import Json, emit, show_table, with_titles, wrote


def command(
    model: ModelFile,
    user: Annotated[str | None, typer.Option(help="Someone of the training data, or anyone.")] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(metavar="ITEM[=VALUE]", help="What someone new has: an id or a title; may be repeated."),
    ] = None,
    item: Annotated[list[str] | None, typer.Option(help="An id or a title; may be repeated.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="A file with a column of people and one of items.")] = None,
    level: Annotated[
        float | None, typer.Option(help="Also low and high, between which it lies with this probability.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to a .parquet, .csv or .jsonl file.")] = None,
    json: Json = False,
) -> None:
    """Print or write the rating that each person would give each item, clipped to the scale."""
    from functools import partial

    from honeyguide import service
    from honeyguide.errors import ParameterError
    from honeyguide.files import check_out

    one = item is not None and (user is None) != (history is None)
    if (pairs is None or any(each is not None for each in (user, history, item))) and (pairs is not None or not one):
        raise ParameterError("give --pairs FILE, or --item with one of --user or --history")
    if out is not None:
        check_out(out, service.TABLES)
    opened = open_model(model)
    schema, ask = opened.schema_, opened.predict if level is None else partial(opened.intervals, level=level)
    if pairs is not None:
        table = ask(service.read_pairs(pairs, schema))
    elif history is not None:
        wanted = service.items_of(schema, item or [])
        table = ask(wanted, history=service.history_of(schema, history)).drop("user")
    else:
        (person,) = service.users_of(schema, [user or ""])
        table = ask([(person, wanted) for wanted in service.items_of(schema, item or [])])
    if out is not None:
        service.write_table(table, out)
        wrote(out, f"{len(table):,} rows", machine=json, rows=len(table))
        return
    shown = with_titles(table, schema)
    if json:
        emit(shown.to_dicts())
    else:
        show_table(shown)
