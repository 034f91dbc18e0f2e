"""honeyguide tune: search a model's declared ranges by validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import How, Parts, Reading, Settings, Source, settings, takes
from honeyguide.cli.output import Json, aside, emit, say, show_table


@takes(Source, Reading, How, Parts)
def command(
    source: Source,
    reading: Reading,
    how: How,
    parts: Parts,
    model: Annotated[str, typer.Option(help="Its name; `honeyguide models` lists them.")],
    trials: Annotated[int, typer.Option(help="How many settings to try, in all.")] = 50,
    metric: Annotated[str | None, typer.Option(help="By default ndcg@10, or rmse for rating models.")] = None,
    set_: Settings = None,
    study: Annotated[Path | None, typer.Option(help="Keep the trials there, and go on where they stopped.")] = None,
    out: Annotated[Path | None, typer.Option(help="Refit the best on all data and save it there.")] = None,
    json: Json = False,
) -> None:
    """Search for the best hyperparameters on a validation part; the test part, untouched by it, measures the best."""
    from honeyguide import service
    from honeyguide.files import check_out
    from honeyguide.models import registry
    from honeyguide.split import split
    from honeyguide.tune import tune

    if out is not None:
        check_out(out, (".safetensors",))
    given, run = settings(set_), how.run()
    registry.create(model, given)  # a mistake in them is told before the data are read
    data = reading.read(source, run)
    shares = {"test": parts.test, "validation": parts.validation}
    with run.track("splitting"):
        held = split(data, parts.split, **shares, seed=run.seed)  # type: ignore[arg-type]
    assert held.validation is not None
    try:
        found = tune(
            model, held.train, held.validation, history=held.history, trials=trials, metric=metric, fixed=given,
            study=study, run=run,
        )  # fmt: skip
    except KeyboardInterrupt:
        kept = "" if study is None else f"stopped; the trials so far are in {study}, the same command goes on with them"
        raise KeyboardInterrupt(kept) from None
    tested = service.measure(found.build(), held, metric=found.metric, run=run)
    if json:
        best = {"hyperparameters": found.hyperparameters, "validation": found.value, "test": tested}
        emit({"model": found.model, "metric": found.metric, **best, "trials": found.trials.to_dicts()})
    else:
        show_table(found.trials.sort("value", descending=found.descending, nulls_last=True).head(10))
        chosen = " ".join(f"--set {name}={value}" for name, value in found.hyperparameters.items())
        say(f"\nbest: {found.model} {chosen}\n{found.metric}: validation {found.value:.4f}, test {tested:.4f}")
    if out is not None:
        found.build().fit(data, run=run).save(out)
        aside(f"{out}: refitted on all data")
