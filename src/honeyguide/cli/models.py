"""honeyguide models: every model, its task, its hyperparameters."""

from __future__ import annotations

from typing import Annotated

import typer

from honeyguide.cli.output import Json, emit, say


def command(
    name: Annotated[str | None, typer.Argument(help="One model alone.")] = None,
    json: Json = False,
) -> None:
    """List the models with their hyperparameters: default, legal values, and the range that `tune` searches."""
    from honeyguide import service

    listed = service.describe_models([name] if name else None)
    if json:
        emit(listed)
        return
    for model in listed:
        say(f"{model['name']} ({model['family']}, {model['task']}): {model['summary']}")
        for parameter in model["hyperparameters"]:
            searched = f"; tune {parameter['tune']}" if parameter["tune"] else ""
            say(
                f"    {parameter['name']} = {parameter['default']}: {parameter['help']} ({parameter['rule']}{searched})"
            )
