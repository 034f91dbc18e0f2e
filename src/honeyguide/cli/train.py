"""honeyguide train: fit one model on all of the data and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import How, PositiveRule, Settings, Source, settings, takes
from honeyguide.cli.output import say


@takes(Source, How)
def command(
    source: Source,
    how: How,
    model: Annotated[str, typer.Option(help="Its name; `honeyguide models` lists them.")],
    out: Annotated[Path, typer.Option(help="The model file to write.")],
    positive: PositiveRule = "every event",
    set_: Settings = None,
    histories: Annotated[bool, typer.Option(help="Keep the histories, so that known people can be served.")] = True,
) -> None:
    """Fit a model on all of the data and save it in one file."""
    import time

    from honeyguide import service
    from honeyguide.models import registry

    service.check_out(out, (".safetensors",))
    built, run = registry.create(model, settings(set_)), how.run()
    data = source.read(positive=positive)
    begun = time.perf_counter()
    built.fit(data, run=run)
    took = time.perf_counter() - begun
    built.save(out, histories=histories)
    say(f"{out}: {registry.canonical(model)}, fitted in {took:.1f} s, {out.stat().st_size / 1e6:.1f} MB")
