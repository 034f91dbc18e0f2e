"""honeyguide explain: why an item is recommended, and how true a model's reasons are."""

from __future__ import annotations

from typing import Annotated

import typer

from honeyguide.cli.options import About, Circumstances, Length, ModelFile, Moment, Past, open_model
from honeyguide.cli.output import Json, emit, say


def command(
    model: ModelFile,
    user: Annotated[str | None, typer.Option(help="Someone of the training data.")] = None,
    history: Past = None,
    about: About = None,
    context: Circumstances = None,
    at: Moment = None,
    item: Annotated[
        list[str] | None, typer.Option(help="What to explain: an id or a title; may be repeated. The list without.")
    ] = None,
    k: Length = 10,
    reasons: Annotated[int, typer.Option(help="Reasons named for an item, at most.")] = 3,
    counterfactual: Annotated[
        bool | None,
        typer.Option(help="Say what would have to be missing; without, where the model gives no reasons itself."),
    ] = None,
    language: Annotated[str, typer.Option(help="Of the reasons: en or zh.")] = "en",
    check: Annotated[bool, typer.Option("--check", help="Measure the reasons on people of the training data.")] = False,
    people: Annotated[int, typer.Option(help="With --check: how many of them.")] = 50,
    seed: Annotated[int, typer.Option(help="With --check: who they are.")] = 0,
    json: Json = False,
) -> None:
    """Say why: for one item, or for each of a person's list; or check how true such reasons are."""
    from honeyguide import service
    from honeyguide.errors import ParameterError
    from honeyguide.explain import explain
    from honeyguide.explain.fidelity import fidelity

    opened = open_model(model)
    schema = opened.schema_
    if check:
        if user is not None or history or item or about or context or at:
            raise ParameterError(
                "--check asks people of the training data; leave out --user, --history, --item, --about, --context "
                "and --at."
            )
        measured = fidelity(opened, people=people, k=k, seed=seed)
        emit(measured.as_dict()) if json else say(measured.text())
        return
    if (user is None) == (not history and not about):
        raise ParameterError("give one of --user, --history or --about (for someone new), or --check")
    found = explain(
        opened,
        None if user is None else service.users_of(schema, [user])[0],
        history=service.history_of(schema, history or []) if user is None else None,
        attributes=service.told_of(about, "what is known of someone") if about else None,
        context=service.told_of(context, "a circumstance") if context else None,
        at=at, item=service.items_of(schema, item) if item else None, k=k, reasons=reasons,
        counterfactual=counterfactual, language=language,
    )  # fmt: skip
    if json:
        emit([each.as_dict() for each in found])
        return
    for each in found:
        place = "in the history" if each.place is None else f"place {each.place}"
        say(f"{each.title}  ({each.item}, {place}, score {each.score:.4f})")
        for line in each.sentences():
            say(f"    {line}")
