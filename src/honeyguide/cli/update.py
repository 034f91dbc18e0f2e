"""honeyguide update: let a model learn from new events too, without fitting it on all of the data again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import How, ModelFile, Reading, Source, open_model, takes
from honeyguide.cli.output import Json, wrote


@takes(Source, How)
def command(
    model: ModelFile,
    source: Source,
    how: How,
    out: Annotated[Path, typer.Option(help="The model file to write; it may be the one that was read.")],
    invalid: Annotated[str, typer.Option(help="Rows that cannot be used: refuse the data, or drop them.")] = "refuse",
    histories: Annotated[bool, typer.Option(help="Keep the histories, so that it can be updated again.")] = True,
    json: Json = False,
) -> None:
    """Learn from new events as if they had followed the training data; new people and items are welcome."""
    import time

    from honeyguide.files import check_out

    check_out(out, (".safetensors",))
    opened, run = open_model(model), how.run()
    data = Reading(positive=opened.schema_.positive.rule, invalid=invalid).read(source, run)
    users, items = len(opened.schema_.users), len(opened.schema_.items)
    begun = time.perf_counter()
    opened.update(data, run=run)
    took = time.perf_counter() - begun
    with run.track(f"writing {out}"):
        opened.save(out, histories=histories)
    people, things = len(opened.schema_.users) - users, len(opened.schema_.items) - items
    text = f"{len(data):,} new events, {people:,} new users and {things:,} new items, learned in {took:.1f} s"
    wrote(out, text, machine=json, events=len(data), users=people, items=things, update_seconds=took)
