"""honeyguide verify: whether a model file is whole."""

from __future__ import annotations

from honeyguide.cli.options import ModelFile
from honeyguide.cli.output import Json, emit, say


def command(model: ModelFile, json: Json = False) -> None:
    """Check the contents of every array of a model file against its digest, and say what the file holds."""
    from honeyguide import service
    from honeyguide.run import Run

    with Run().track(f"verifying {model}"):
        about = service.verify(model)
    if json:
        emit(about)
    else:
        for name, value in about.items():
            say(f"{name}: {value}")
