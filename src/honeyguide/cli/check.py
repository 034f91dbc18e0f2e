"""honeyguide check: what is wrong with data, where, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from honeyguide.cli.options import Source, takes
from honeyguide.cli.output import Json, emit, say


@takes(Source)
def command(
    source: Source,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots there too.")] = None,
    json: Json = False,
) -> int:
    """Report everything that is odd about data at once: rows, severity, remedy. Exit status 1 if there are errors."""
    from honeyguide import service
    from honeyguide.data.check import check
    from honeyguide.files import check_out

    if html is not None:
        check_out(html, (".html",))
    graph = None if source.graph == "attributes" else source.graph
    report = check(source.table(), graph=graph, links=source.links, memory=service.memory, **source.columns())
    if html is not None:
        report.html(html)
    if json:
        emit(report.as_dict())
    else:
        say(report.text())
    return int(any(finding.severity == "error" for finding in report.findings))
