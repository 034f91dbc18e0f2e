"""Options that several commands share, each written once.

`@takes(Source)` gives a command the options of a dataclass; the command receives them as one object, by that name.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from honeyguide.data.dataset import Dataset
    from honeyguide.models.base import Recommender
    from honeyguide.run import Run

_Option = typer.Option
_WHOLE = ("data", "items", "users", "graph", "links")  # sources, not columns


@dataclass(frozen=True)
class Source:
    """What to read."""

    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A file (CSV, Parquet, JSON lines), the URL of a database, or a known set such as movielens-small.",
        ),
    ]
    user: Annotated[str | None, _Option(help="Column of people.")] = None
    item: Annotated[str | None, _Option(help="Column of items.")] = None
    rating: Annotated[str | None, _Option(help="Column of ratings.")] = None
    value: Annotated[str | None, _Option(help="Column of counts: plays, quantities.")] = None
    time: Annotated[str | None, _Option(help="Column of times.")] = None
    items: Annotated[str | None, _Option(help="A file about the items: ids, titles, …")] = None
    users: Annotated[str | None, _Option(help="A file about the people: ids, age, country, …")] = None
    graph: Annotated[
        str | None, _Option(help="A file about the items as triples: head, relation, tail; or: attributes.")
    ] = None
    links: Annotated[str | None, _Option(help="With --graph, a file of items and the entities that they are.")] = None
    separator: Annotated[str | None, _Option(help="Between the fields of a text file.")] = None
    header: Annotated[bool | None, _Option(help="Whether the first line names the columns.")] = None
    encoding: Annotated[str | None, _Option(help="Of a text file, such as latin-1.")] = None
    query: Annotated[str | None, _Option(help="What to ask of a database.")] = None

    def columns(self) -> dict[str, Any]:
        """The arguments that `read` and `check` share, but the sources themselves."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _WHOLE}

    def is_set(self) -> bool:
        """Whether the data is a known set and no file."""
        from honeyguide.data import sources

        plain = {name.replace("-", "") for name in sources.names()}
        return not Path(self.data).exists() and self.data.lower().replace("-", "").replace("_", "") in plain

    def table(self) -> Any:
        """What `check` looks at: the source as given, or the events of a known set."""
        from honeyguide.data import sources

        return sources.load(self.data) if self.is_set() else self.data


@dataclass(frozen=True)
class Reading:
    """How to take what is read."""

    positive: Annotated[str, _Option(help="Which events count as liked: 'every event', '>=4', …")] = "every event"
    invalid: Annotated[str, _Option(help="Rows that cannot be used: refuse the data, or drop them.")] = "refuse"
    context: Annotated[
        list[str] | None, _Option(metavar="COLUMN", help="A circumstance of each event: device, place; may repeat.")
    ] = None
    kind: Annotated[
        list[str] | None,
        _Option(
            metavar="COLUMN=KIND",
            help="Of --items, --users or --context: category, values, number, text or none; may repeat.",
        ),
    ] = None

    def read(self, source: Source, run: Run) -> Dataset:
        """The data; what was recognised is told on the error stream."""
        from honeyguide.cli.output import aside
        from honeyguide.data import sources
        from honeyguide.data.read import beside, columns_of, read
        from honeyguide.errors import ParameterError
        from honeyguide.service import told_of

        kinds, context = told_of(self.kind or [], "--kind", "COLUMN=KIND"), tuple(self.context or ())
        if source.is_set():
            if kinds or context:
                raise ParameterError("--context and --kind are of files; a known set says itself what its columns are")
            data = sources.load(source.data, positive=self.positive)
            if source.graph is not None or source.links is not None:
                data = beside(data, source.graph, source.links, invalid=self.invalid)  # type: ignore[arg-type]
        else:
            given = source.columns()
            aside(f"columns: {columns_of(source.data, context=context, **given).text()}")
            taken: Any = {"positive": self.positive, "invalid": self.invalid, "run": run}
            taken |= {"kinds": kinds, "context": context, "graph": source.graph, "links": source.links}
            data = read(source.data, **given, items=source.items, users=source.users, **taken)
        aside(repr(data).strip("<>"))
        return data


@dataclass(frozen=True)
class How:
    """How to run."""

    seed: Annotated[int, _Option(help="Repeats a run.")] = 0
    threads: Annotated[int | None, _Option(help="By default all cores.")] = None
    backend: Annotated[str | None, _Option(help="Of deep models: jax or tensorflow.")] = None
    memory: Annotated[float | None, _Option(help="Gigabytes a fit may use; by default what is free.")] = None

    def run(self) -> Run:
        """The Run of these options."""
        from honeyguide.errors import ParameterError
        from honeyguide.run import Run

        if self.memory is not None and not 0 < self.memory < math.inf:
            raise ParameterError(f"--memory must be a number of gigabytes > 0, got {self.memory}.")
        memory = None if self.memory is None else max(1, int(self.memory * 1e9))
        return Run(seed=self.seed, threads=self.threads, backend=self.backend, memory=memory)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Parts:
    """How to split."""

    split: Annotated[str, _Option(help="random, per-person, leave-last, time, cold-people or cold-items.")] = "random"
    test: Annotated[float, _Option(help="Share of the test part.")] = 0.1
    validation: Annotated[float, _Option(help="Share of the validation part.")] = 0.1


Settings = Annotated[
    list[str] | None, _Option("--set", metavar="NAME=VALUE", help="A hyperparameter; may be repeated.")
]
ModelFile = Annotated[Path, typer.Argument(metavar="FILE", help="A model that honeyguide saved.")]
Past = Annotated[
    list[str] | None,
    _Option(metavar="ITEM[=VALUE]", help="What someone new has: an id or a title; may be repeated."),
]
About = Annotated[
    list[str] | None,
    _Option(metavar="COLUMN=VALUE", help="What is known of someone new, for models that read it; may repeat."),
]
Circumstances = Annotated[
    list[str] | None,
    _Option(metavar="COLUMN=VALUE", help="A circumstance of asking, for models that read it; may repeat."),
]
Moment = Annotated[str | None, _Option(help="The moment of asking, as 2026-11-24 20:00, in UTC.")]
Length = Annotated[int, _Option("-k", help="Length of a list.")]


def takes(*groups: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace the command's parameters typed with one of the dataclasses by the options of that dataclass."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(command, include_extras=True)
        shared = {name: hint for name, hint in hints.items() if hint in groups}
        parameters, annotations = [], {}
        for name, parameter in inspect.signature(command).parameters.items():
            for inner, hint, default in (
                _options(shared[name]) if name in shared else [(name, hints[name], parameter.default)]
            ):
                parameters.append(
                    inspect.Parameter(inner, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
                )
                annotations[inner] = hint

        def call(**given: Any) -> Any:
            built = {n: cls(**{f.name: given.pop(f.name) for f in fields(cls)}) for n, cls in shared.items()}
            return command(**given, **built)

        call.__name__, call.__doc__ = command.__name__, command.__doc__
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = annotations
        return call

    return decorate


def _options(group: type) -> list[tuple[str, Any, Any]]:
    """(name, annotation, default) of each field."""
    hints = get_type_hints(group, include_extras=True)
    empty = inspect.Parameter.empty
    missing = inspect.signature(group).parameters
    return [(f.name, hints[f.name], empty if missing[f.name].default is empty else f.default) for f in fields(group)]


def settings(texts: list[str] | None) -> dict[str, str]:
    """NAME=VALUE texts as a mapping; ParameterError for one without "="."""
    from honeyguide.errors import ParameterError

    given = {}
    for text in texts or []:
        name, separator, value = text.partition("=")
        if not separator:
            raise ParameterError(f"--set must be NAME=VALUE, such as reg=200, got {text!r}.")
        given[name.strip().replace("-", "_")] = value.strip()
    return given


def open_model(path: Path) -> Recommender:
    """The model of a file."""
    from honeyguide.models.stored import open_model

    return open_model(path)
