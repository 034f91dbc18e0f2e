"""honeyguide similar: the items nearest to one."""

from __future__ import annotations

from typing import Annotated

import typer

from honeyguide.cli.options import Length, ModelFile, open_model
from honeyguide.cli.output import Json, emit, show_table, with_titles


def command(
    model: ModelFile,
    item: Annotated[list[str], typer.Option(help="An id or a title; may be repeated.")],
    k: Length = 10,
    json: Json = False,
) -> None:
    """Print the items that the model holds nearest to each given one."""
    from honeyguide import service

    opened = open_model(model)
    table = with_titles(opened.similar_items(service.items_of(opened.schema_, item), k=k), opened.schema_, "similar")
    if json:
        emit(table.to_dicts())
    else:
        show_table(table)
