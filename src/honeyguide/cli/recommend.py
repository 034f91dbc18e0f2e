"""honeyguide recommend: the list of one person, of someone new, or of everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import About, Circumstances, How, Length, ModelFile, Moment, Past, open_model, takes
from honeyguide.cli.output import Json, emit, show_table, with_titles, wrote


@takes(How)
def command(
    model: ModelFile,
    how: How,
    user: Annotated[list[str] | None, typer.Option(help="Someone of the training data; may be repeated.")] = None,
    history: Past = None,
    about: About = None,
    context: Circumstances = None,
    at: Moment = None,
    all_: Annotated[bool, typer.Option("--all", help="Everybody of the training data; needs --out.")] = False,
    k: Length = 10,
    exclude: Annotated[list[str] | None, typer.Option(metavar="ITEM", help="Never recommend it.")] = None,
    seen: Annotated[bool, typer.Option(help="Also what the person has already.")] = False,
    rerank: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="Choose among the first candidates: mmr:trade=0.3, calibrated, xquad, quotas:of=new:least=0.2.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to a .parquet, .csv or .jsonl file.")] = None,
    json: Json = False,
) -> None:
    """Print or write ranked lists."""
    from honeyguide import service
    from honeyguide.errors import ParameterError
    from honeyguide.files import check_out

    if sum(map(bool, (user, history or about, all_))) != 1:
        raise ParameterError("give one of --user, --history or --about (for someone new), or --all")
    if all_ and out is None:
        raise ParameterError("--all needs --out with a .parquet, .csv or .jsonl file")
    if all_ and (context or at):
        raise ParameterError("--context and --at are of one moment of asking, --all has none")
    if out is not None:
        check_out(out, service.TABLES)
    ranker = service.reranker(rerank) if rerank else None
    opened, run = open_model(model), how.run()
    schema = opened.schema_
    banned = service.items_of(schema, exclude) if exclude else None
    if all_ and out is not None:
        rows = service.write_lists(opened, out, k=k, exclude=banned, seen=seen, rerank=ranker, run=run)
        return wrote(out, f"{rows:,} rows", machine=json, rows=rows)
    people = service.users_of(schema, user) if user else None
    past = None if people is not None else service.history_of(schema, history or [])
    known = service.told_of(about, "what is known of someone") if about else None
    circumstances = service.told_of(context, "a circumstance") if context else None
    table = opened.recommend(
        people, history=past, attributes=known, context=circumstances, at=at, k=k, exclude=banned, seen=seen,
        rerank=ranker, run=run,
    )  # fmt: skip
    if out is not None:
        service.write_table(table, out)
        return wrote(out, f"{len(table):,} rows", machine=json, rows=len(table))
    shown = with_titles(table, schema)
    if json:
        emit(shown.to_dicts())
    else:
        show_table(shown if people is not None and len(people) > 1 else shown.drop("user"))
    return None
