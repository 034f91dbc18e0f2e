"""An Evaluation as text: models side by side, each value over its 95 % interval, and what the numbers rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from honeyguide.evaluate.evaluation import Evaluation

_NONE = "–"


def render(evaluation: Evaluation) -> str:
    """The whole report."""
    parts = [_main(evaluation), _basis(evaluation)]
    if len(evaluation.results) > 1:
        parts.insert(1, _apart(evaluation))
    return "\n\n".join(parts)


def _main(evaluation: Evaluation) -> str:
    """A row of values a model, the best of each metric starred, over a row of intervals."""
    arrows = {"higher": "↑", "lower": "↓"}
    timed = [part for part in ("fit", "recommend") if any(part in s for s in evaluation.seconds.values())]
    rows = [["", *(f"{m.name} {arrows[m.better]} " for m in evaluation.metrics), *(f"{part} s" for part in timed)]]
    ends = {(r["model"], r["metric"]): r for r in evaluation.rows.filter(group="all").iter_rows(named=True)}
    best = {m.name: None if m.kind == "beyond" else _best(evaluation, m.name) for m in evaluation.metrics}
    for model in evaluation.models:
        values, intervals = [model], [""]
        for name in best:
            row = ends[model, name]
            values.append(_number(row["value"]) + ("*" if best[name] == model else " "))
            intervals.append("" if row["low"] is None else f"{_number(row['low'])}–{_number(row['high'])} ")
        clock = evaluation.seconds.get(model, {})
        rows.append(values + [f"{clock[part]:.2f}" if part in clock else _NONE for part in timed])
        if any(intervals):
            rows.append(intervals + [""] * len(timed))
    return _columns(rows)


def _apart(evaluation: Evaluation) -> str:
    """The first rating and the first ranking metric of each group of people and items, a column a model."""
    lead = [next((m for m in evaluation.metrics if m.kind == kind), None) for kind in ("rating", "ranking")]
    tables = []
    for asked in lead:
        if asked is None:
            continue
        rows = [[asked.name, *evaluation.models, "people"]]
        for group, results in evaluation.results.items():
            values = [results[model, asked.name] for model in evaluation.models]
            people = next((r.people for r in values if r.people is not None), 0)
            rows.append([group, *(_number(r.value) for r in values), f"{people:,}"])
        tables.append(_columns(rows))
    return "\n\n".join(tables)


def _basis(evaluation: Evaluation) -> str:
    """What the numbers rest on: the rule, the people, the items, the definitions."""
    counts, listed = evaluation.counts, any(m.kind != "rating" for m in evaluation.metrics)
    lines = [
        f"positive: {evaluation.schema.positive.rule}; {counts.events:,} test events on "
        f"{counts.known_items:,} known and {counts.cold_items:,} cold items",
        f"people: {counts.people:,}, of them {counts.known_people:,} known, {counts.warm_people:,} warm, "
        f"{counts.cold_people:,} cold",
    ]
    if listed:
        lines.append("lists: the whole catalogue ranked, the person's history left out")
        lines.append(
            f"relevant: {counts.relevant:,} items, {counts.relevant_cold:,} of them cold; "
            f"{counts.without_relevant:,} people have none and are left out"
        )
    if counts.seen_again:
        lines.append(f"not counted as relevant: {counts.seen_again:,} items that are already in the person's history")
    if evaluation.resamples:
        lines.append(
            f"under each value: its 95 % interval, people resampled {evaluation.resamples:,} times; *: the best"
        )
    lines += [f"{m.name}: {m.definition}" for m in evaluation.metrics]
    return "\n".join(lines)


def _best(evaluation: Evaluation, name: str) -> str | None:
    applies = any(not math.isnan(evaluation.value(model, name)) for model in evaluation.models)
    return evaluation.best(name) if applies and len(evaluation.models) > 1 else None


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return _NONE
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.3f}"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
