"""A result as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_WORDS = {
    "fit_first": "first fit s", "fit": "fit s", "answer_first": "first answer s", "answer": "answer s",
    "fit_mb": "fit MB", "answer_mb": "answer MB",
}  # fmt: skip


def of_comparison(name: str, result: Mapping[str, Any]) -> str:
    """Costs and quality of each side, median (least–most); then of each rival / ours [of the least, of the most]."""
    protocol = result["protocol"]
    facts = f"{protocol['data']}, {protocol['split']} {protocol['test']:g}, {protocol['training_events']:,} events"
    head = f"{name}: {result['about']}\n{facts}, rounds: {protocol['rounds']}, threads: {protocol['threads']}"
    measured = {side: found for side, found in result["sides"].items() if "failure" not in found}
    first: Mapping[str, Any] = next(iter(measured.values()))
    found = [key for key, value in first.items() if isinstance(value, Mapping) and "median" in value]
    keys = [key for key in _WORDS if key in found] + [key for key in found if key not in _WORDS]
    lines = [["", *(str(_WORDS.get(key, key)) for key in keys)]]
    lines += [[side, *(_cell(found[key]) for key in keys)] for side, found in measured.items()]
    for pair, ratios in result.get("ratios", {}).items():
        lines.append([pair, *(_ratio(ratios.get(key)) for key in keys)])
    failed = [f"{side} is absent: {found['failure']}" for side, found in result["sides"].items() if "failure" in found]
    return "\n".join([head, columns(lines), *failed, *([result["note"]] if result["note"] else [])])


def of_start(name: str, result: Mapping[str, Any]) -> str:
    """Seconds of each process."""
    lines = [["", "seconds"], *([process, _cell(found)] for process, found in result["seconds"].items())]
    return f"{name}: whole processes, {result['rounds']} rounds\n{columns(lines)}"


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    )


def _cell(found: Mapping[str, float]) -> str:
    median, low, high = (f"{found[key]:.3g}" for key in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}–{high})"


def _ratio(found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    median, low, high = (f"{found[key]:.3g}" for key in ("median", "min", "max"))
    return f"{median}x" if low == high else f"{median}x [{low}, {high}]"
