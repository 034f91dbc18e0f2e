"""Every problem of a source at once: what is wrong, in which rows, and what to do. One pass, on data of any state.

It stands on the stream that `read` stands on, and notes where `read` would refuse. What is wrong with single rows is
told here; what rows do together (repeats, skew, leaks, bursts) is found in `patterns` and `timing`. Time O(N log N),
memory some 100 bytes a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from honeyguide.data.columns import Columns, recognise
from honeyguide.data.dataset import Shape
from honeyguide.data.faults import LONGEST_ID, SHOWN, Fault, Faults, phrase
from honeyguide.data.gather import Gathered, gather
from honeyguide.data.patterns import curves, patterns
from honeyguide.data.report import Finding, Report, Severity
from honeyguide.data.tables import open_table
from honeyguide.data.timing import timing
from honeyguide.data.triples import gather_graph, graph_findings, is_source
from honeyguide.data.usable import Events, usable_rows
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import ParameterError
from honeyguide.run import Run

_BINS = 40
_AS_INTEGER = r"^-?[0-9]+$"
_DROP = "mend them at their source, or leave them out with invalid='drop'"
_REMEDY = {  # in the order of the report
    "unreadable": "mend the lines: a field that holds the separator or a line end must stand in double quotes",
    "encoding": "say which encoding it is, such as encoding='latin-1', or write the file as UTF-8",
    "no": _DROP,
    "long": f"an id has at most {LONGEST_ID:,} bytes: see whether a quote is missing or two columns ran together",
    "fraction": "an id is a whole number or a string: see whether the right column is taken for it",
    "mixed": "write all ids of the column as strings, or all as integers",
    "not": "see whether the right column is taken; write numbers with a point, times as ISO 8601 or seconds since 1970",
    "infinite": _DROP,
    "outside": "see whether it stands for 'no rating'; mend or drop the rows, or widen scale=",
    "blank": "nothing: empty lines are skipped",
}


def check(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    value: str | None = None,
    time: str | None = None,
    graph: Any = None,
    links: Any = None,
    scale: tuple[float, float] | None = None,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    query: str | None = None,
    now: float | None = None,
    memory: Callable[[Shape], Mapping[str, int]] | None = None,
    run: Run | None = None,
) -> Report:
    """What is wrong with a source, and what is worth knowing before a model is trained on it.

    The arguments that describe the source, and a graph of knowledge beside it, are those of `read`. `now` is the moment
    after which a time is impossible, by default the present; `memory` says for a shape how many bytes each model would
    take; `run` says whether a progress bar is shown.
    """
    if scale is not None and not scale[0] < scale[1]:
        raise ParameterError(
            f"scale is (lowest, highest) of ratings; the lowest rating must come first, got {scale!r}."
        )
    table = open_table(source, separator=separator, header=header, encoding=encoding, query=query)
    given = {"user": user, "item": item, "rating": rating, "value": value, "time": time}
    columns = recognise(table.columns, given, source=table.name)
    faults = Faults(table.name, is_file=table.is_file, lenient=True)
    run = run or Run()
    found = gather(table, columns, faults, run)
    with run.track(f"checking {table.name}"):
        usable = usable_rows(found, scale)
        events = Events.of(found, usable)
        findings = [
            *_row_findings(faults),
            *_id_findings(found),
            *timing(events, found, now),
            *patterns(events, found, scale),
            *_graph_findings(found, graph, links),
        ]
    values, binned = _histogram(events, columns)
    order: list[Severity] = ["error", "warning", "note"]
    return Report(
        source=table.name,
        form=table.form + (f", {faults.notes['encoding']}" if "encoding" in faults.notes else ""),
        columns=columns,
        rows=len(found.users) - faults.count(["blank"]),
        shape=events.shape,
        values=values,
        binned=binned,
        times=events.span(),
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.severity))),
        memory=memory(events.shape) if memory is not None and events.shape.events else {},
        curves=curves(events),
    )


def _row_findings(faults: Faults) -> list[Finding]:
    """The faults of single rows."""
    findings = []
    for kind, fault in sorted(faults.kinds.items(), key=_place):
        if kind == "no time":
            continue  # `patterns` tells it, with what it goes along with
        first, _, rest = kind.partition(" ")
        role = rest if rest in ("user", "item") else ""
        code = {
            "no": f"missing-{rest}", "long": f"long-{role}-id", "fraction": f"fractional-{role}-id",
            "mixed": f"mixed-{role}-ids", "not": "not-a-number" if "number" in kind else "not-a-time",
            "infinite": "infinite-value", "outside": "outside-scale", "unreadable": "unreadable-line",
            "encoding": "wrong-encoding", "blank": "empty-line",
        }[first]  # fmt: skip
        severity: Severity = "note" if kind == "blank" else "error"
        findings.append(Finding(code, severity, fault.count, tuple(fault.rows), phrase(kind, fault), _REMEDY[first]))
    return findings


def _place(entry: tuple[str, Fault]) -> tuple[int, int, str]:
    """Where a kind of fault stands in the report: in the order of the remedies, people before items."""
    first, _, role = entry[0].partition(" ")
    return list(_REMEDY).index(first), ("user", "item").index(role) if role in ("user", "item") else 2, role


def _id_findings(found: Gathered) -> list[Finding]:
    """Ids of a text file that look as if two kinds were mixed, or integers that are kept as strings."""
    findings = []
    for role, codes, ids in (("user", found.users, found.user_ids), ("item", found.items, found.item_ids)):
        if ids.kind == "integer" or not len(ids.values) or (ids.kind == "text" and ids.canonical):
            continue
        numeric = ids.values.str.contains(_AS_INTEGER).to_numpy()
        if not numeric.any():
            continue
        if numeric.all():
            why = "look like integers with leading zeros or beyond 64 bits, or come as text; they stay strings"
            findings.append(Finding(f"numeric-{role}-strings", "note", 0, (), f"{role} ids {why}", _AS_STRINGS))
            continue
        few = numeric if numeric.sum() * 2 <= len(numeric) else ~numeric
        rows = np.flatnonzero((codes >= 0) & few[codes])
        example = ids.values.filter(pl.Series(few))[0]
        message = (
            f"with {'an' if role == 'item' else 'a'} {role} id such as {example!r}, among ids most of which "
            f"{'are not integers' if few is numeric else 'are integers'}; all are taken as strings"
        )
        remedy = "see whether two sources of ids ran together, or a total or a heading stands among the rows"
        severity: Severity = "warning" if ids.kind == "text" and few.sum() * 20 <= len(few) else "note"
        examples = tuple(int(row) + 1 for row in rows[:SHOWN])
        findings.append(Finding(f"mixed-looking-{role}-ids", severity, len(rows), examples, message, remedy))
    return findings


def _graph_findings(found: Gathered, graph: Any, links: Any) -> Iterator[Finding]:
    """The faults of a graph of knowledge for the items that were gathered."""
    ids = found.item_ids
    if is_source(graph, links) and len(ids.values):
        items = Vocabulary.of(ids.settled(ids.kind == "integer" or (ids.kind == "text" and ids.canonical)))
        yield from graph_findings(gather_graph(graph, items=items, links=links), len(items))


_AS_STRINGS = "nothing, if they are meant so; ask for them as strings, in quotes: '007', not 7"


def _histogram(events: Events, columns: Columns) -> tuple[tuple[tuple[float, int], ...], bool]:
    """How often each value occurs; where very many do, how many lie in bins: of ratings equal, of counts doubling."""
    if columns.amount is None or not events.shape.events:
        return (), False
    values, counts = np.unique(events.values, return_counts=True)
    binned = len(values) > _BINS
    if binned:
        low, high = float(values[0]), float(values[-1])
        edges = np.linspace(low, high, _BINS + 1)
        if not events.explicit and high > 0:
            least = max(float(values[values > 0][0]), high / 2.0**_BINS)
            edges = 2.0 ** np.arange(np.floor(np.log2(least)), np.ceil(np.log2(high)) + 1)
            edges = np.append([low] if low < edges[0] else [], np.append(edges[:-1], max(edges[-1], high)))
        counts, edges = np.histogram(events.values, edges)
        values = edges[:-1].astype(np.float32)
    return tuple((float(v), int(n)) for v, n in zip(values, counts, strict=True)), binned
