"""What a check found: findings with rows, a severity and a remedy each, as text for people and JSON for machines."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from honeyguide.data.columns import Columns
from honeyguide.data.dataset import Shape
from honeyguide.files import whole
from honeyguide.run import in_units

Severity: TypeAlias = Literal["error", "warning", "note"]
_HEADINGS: dict[Severity, str] = {
    "error": "Errors: read refuses these rows; mend them, or leave them out with invalid='drop'",
    "warning": "Warnings: likely mistakes",
    "note": "Notes",
}
_WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """One thing found.

    code      its name, which does not change between versions
    severity  "error" (`read` refuses), "warning" (likely a mistake) or "note" (worth knowing)
    rows      how many rows it concerns; 0 where it concerns the data as a whole
    examples  the numbers of the first of them, from 1, a header not counted
    message   what was found
    remedy    what to do
    """

    code: str
    severity: Severity
    rows: int
    examples: tuple[int, ...]
    message: str
    remedy: str


@dataclass(frozen=True)
class Report:
    """All that a check found of one source.

    rows, shape   rows read; people, items and events of those that can be used
    values        (value, rows that have it), ascending; of many different values, bins by their lower end
    times         first and last moment, seconds since 1970, or None
    memory        bytes that a fit of each model would take, where the caller said how to know
    binned        whether `values` are bins
    curves        what plots are drawn from: events of each person and of each item, descending, and events a period
    """

    source: str
    form: str
    columns: Columns
    rows: int
    shape: Shape
    values: tuple[tuple[float, int], ...]
    times: tuple[int, int] | None
    findings: tuple[Finding, ...]
    memory: Mapping[str, int] = field(default_factory=dict)
    binned: bool = False
    curves: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether `read` takes the source as it is."""
        return not any(finding.severity == "error" for finding in self.findings)

    def codes(self) -> list[str]:
        """The codes of the findings, in order."""
        return [finding.code for finding in self.findings]

    def text(self) -> str:
        """The report for people."""
        what = "ratings" if self.columns.rating else "events"
        lines = [f"{self.source}: {self.rows:,} rows ({self.form})", f"columns: {self.columns.text()}"]
        users, items = self.shape.users, self.shape.items
        lines.append(f"usable: {self.shape.events:,} {what} of {users:,} users and {items:,} items{self._span()}")
        for severity, heading in _HEADINGS.items():
            found = [finding for finding in self.findings if finding.severity == severity]
            if found:
                lines += ["", heading]
            for finding in found:
                lines += _paragraph(finding)
        if self.memory:
            lines += ["", "Memory that a fit would take"]
            lines += [
                f"  {name:<20} {in_units(need):>10}" for name, need in sorted(self.memory.items(), key=lambda e: e[1])
            ]
        counts = {s: sum(f.severity == s for f in self.findings) for s in _HEADINGS}
        lines += ["", ", ".join(f"{n} {s}{'' if n == 1 else 's'}" for s, n in counts.items())]
        return "\n".join(lines)

    def json(self) -> str:
        """The report for machines: one JSON object."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)

    def html(self, path: str | Path) -> None:
        """Write the report as one page of HTML with plots, which needs no other file."""
        from honeyguide.data.page import page

        with whole(path) as temporary:
            temporary.write_text(page(self), encoding="utf-8")

    def as_dict(self) -> dict[str, Any]:
        """What `json` writes."""
        return {
            "source": self.source,
            "form": self.form,
            "columns": dict(self.columns.roles()),
            "ok": self.ok,
            "rows": self.rows,
            "users": self.shape.users,
            "items": self.shape.items,
            "events": self.shape.events,
            "binned": self.binned,
            "values": [list(pair) for pair in self.values],
            "times": None if self.times is None else list(self.times),
            "findings": [
                {
                    "code": f.code, "severity": f.severity, "rows": f.rows, "examples": list(f.examples),
                    "message": f.message, "remedy": f.remedy,
                }
                for f in self.findings
            ],
            "memory": dict(self.memory),
        }  # fmt: skip

    def _span(self) -> str:
        return "" if self.times is None else f", {day(self.times[0])} to {day(self.times[1])}"


def day(moment: int) -> str:
    """The date (UTC) of a time; its number where it has none."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):
        return str(moment)


def _paragraph(finding: Finding) -> list[str]:
    rows = f"{finding.rows:,} row{'' if finding.rows == 1 else 's'}: " if finding.rows else ""
    examples = ", ".join(f"{row:,}" for row in finding.examples)
    more = f" (row{'' if finding.rows == 1 else 's'} {examples}{', …' if finding.rows > len(finding.examples) else ''})"
    text = f"[{finding.code}] {rows}{finding.message}{more if examples else ''}"
    first = textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return first + textwrap.wrap(finding.remedy, _WIDTH, initial_indent="    → ", subsequent_indent="      ")
