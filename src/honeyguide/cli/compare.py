"""honeyguide compare: several models on one split, and the winner refitted on all of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import How, Length, Parts, Reading, Settings, Source, settings, takes
from honeyguide.cli.output import Json, aside, emit, say


@takes(Source, Reading, How, Parts)
def command(
    source: Source,
    reading: Reading,
    how: How,
    parts: Parts,
    models: Annotated[str, typer.Option(help="Names, with commas between.")],
    set_: Settings = None,
    k: Length = 10,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="One more, such as diversity or miscalibration:genres@10; may be repeated."),
    ] = None,
    save_best: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Refit the best by this metric on all data and save it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where --save-best writes.")] = Path("best.safetensors"),
    json: Json = False,
) -> None:
    """Fit models on one training part, choose by validation, measure on test: a table with 95 % intervals.

    A hyperparameter for one of several models is set with --set MODEL.NAME=VALUE.
    """
    from honeyguide import service
    from honeyguide.files import check_out
    from honeyguide.metrics import metric as metric_named

    chosen = metric_named(save_best or "ndcg@10", k=k).name
    if save_best is not None:
        check_out(out, (".safetensors",))
    built = service.build(models.split(","), settings(set_))
    run = how.run()
    data = reading.read(source, run)
    result = service.compare(
        data, built, kind=parts.split, test=parts.test, validation=parts.validation, metric=chosen,
        also=metric or (), k=k, run=run,
        told=lambda name, seconds: aside(f"{name}: fitted in {seconds:.1f} s"),
    )  # fmt: skip
    if json:
        emit({"split": result.parts.audit.as_dict(), "test": result.test.rows.to_dicts()})
    else:
        say(str(result.test))
    if save_best is not None:
        name = result.best(chosen)
        winner = result.refit(name)
        with run.track(f"writing {out}"):
            winner.save(out)
        aside(f"{out}: {name}, best by validation {chosen}, refitted on all data")
