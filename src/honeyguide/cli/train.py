"""honeyguide train: fit one model on all of the data and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import How, Reading, Settings, Source, settings, takes
from honeyguide.cli.output import Json, wrote


@takes(Source, Reading, How)
def command(
    source: Source,
    reading: Reading,
    how: How,
    model: Annotated[str, typer.Option(help="Its name; `honeyguide models` lists them.")],
    out: Annotated[Path, typer.Option(help="The model file to write.")],
    set_: Settings = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A file that keeps the training of a deep model; a killed fit goes on from it.")
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(help="Share of the data on which the number of epochs is found, before a fit on all."),
    ] = None,
    patience: Annotated[int, typer.Option(help="With --held-out: epochs without a better one before it stops.")] = 3,
    histories: Annotated[bool, typer.Option(help="Keep the histories, so that known people can be served.")] = True,
    json: Json = False,
) -> None:
    """Fit a model on all of the data and save it in one file."""
    import time
    from dataclasses import replace

    from honeyguide.evaluate import fit_early
    from honeyguide.files import check_out, check_place
    from honeyguide.models import registry

    check_out(out, (".safetensors",))
    if checkpoint is not None:
        check_place(checkpoint, "the checkpoint")
    built, run = registry.create(model, settings(set_)), replace(how.run(), checkpoint=checkpoint)
    data = reading.read(source, run)
    begun = time.perf_counter()
    if held_out is None:
        built.fit(data, run=run)
    else:
        fit_early(built, data, held_out=held_out, patience=patience, run=run)
    took = time.perf_counter() - begun
    with run.track(f"writing {out}"):
        built.save(out, histories=histories)
    name, size = registry.canonical(model), out.stat().st_size
    text = f"{name}, fitted in {took:.1f} s, {size / 1e6:.1f} MB"
    wrote(out, text, machine=json, model=name, fit_seconds=took, bytes=size)
