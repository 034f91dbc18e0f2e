"""A report as one page of HTML that needs nothing else: numbers, plots as inline SVG, findings with their remedies."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from honeyguide.data import plots
from honeyguide.run import in_units

if TYPE_CHECKING:
    from honeyguide.data.report import Finding, Report

_STYLE = """
:root { --ink: #1f2328; --soft: #656d76; --rule: #d8dee4; --paper: #fff; --card: #f6f8fa; --mark: #b7791f;
  --error: #b42318; --warning: #9a6700; --note: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --rule: #30363d; --paper: #0d1117;
  --card: #161b22; --mark: #e3b341; --error: #ff7b72; --warning: #e3b341; --note: #9198a1; } }
* { box-sizing: border-box } body { margin: 0 auto; padding: 32px 24px; max-width: 1120px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere }
h2 { font-size: 17px; margin: 32px 0 12px } p { margin: 4px 0 } .soft { color: var(--soft) }
.numbers, .plots { display: grid; gap: 16px; margin-top: 16px }
.numbers { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)) }
.plots { grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)) }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px }
.card b { display: block; font-size: 21px } figure { margin: 0 } figcaption { font-weight: 600; margin-bottom: 4px }
svg { width: 100%; height: auto; display: block } .grid { stroke: var(--rule) }
.tick, .name { fill: var(--soft); font-size: 11px }
.name { font-size: 12px } .mark, .area { fill: var(--mark) } .area { opacity: .22 } .dot { fill: transparent }
.dot:hover { fill: var(--mark) } .mark:hover { opacity: .7 } .line { fill: none; stroke: var(--mark); stroke-width: 2 }
.finding { border-left: 4px solid var(--note); padding: 6px 14px; margin: 12px 0 } .error { border-color: var(--error) }
.warning { border-color: var(--warning) } .finding span { font-weight: 600 } .error span { color: var(--error) }
.warning span { color: var(--warning) } table { border-collapse: collapse } td { padding: 3px 18px 3px 0;
  border-bottom: 1px solid var(--rule) } td + td { text-align: right; font-variant-numeric: tabular-nums }
"""


def page(report: Report) -> str:
    """The HTML of a report."""
    rated = report.columns.rating is not None
    numbers = [("rows", report.rows), ("users", report.shape.users), ("items", report.shape.items)]
    numbers.append(("usable ratings" if rated else "usable events", report.shape.events))
    cards = "".join(f'<div class="card"><b>{count:,}</b>{name}</div>' for name, count in numbers)
    found = "".join(_finding(finding) for finding in report.findings) or "<p>Nothing.</p>"
    needs = sorted(report.memory.items(), key=lambda entry: entry[1])
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{in_units(need)}</td></tr>" for name, need in needs)
    memory = f"<h2>Memory that a fit would take</h2><table>{rows}</table>" if rows else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Check of {escape(report.source)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{escape(report.source)}</h1><p class="soft">{escape(report.form)} · {escape(report.columns.text())}</p>'
        f'<div class="numbers">{cards}</div><div class="plots">{_plots(report)}</div>'
        f"<h2>Findings</h2>{found}{memory}</body></html>\n"
    )


def _plots(report: Report) -> str:
    """The plots that the data allow."""
    from honeyguide.data.report import day

    what = "ratings" if report.columns.rating is not None else "events"
    figures = []
    if len(report.values) > 1:
        axis = f"{report.columns.amount}{', from … on' if report.binned else ''}"
        title = "Ratings" if report.columns.rating is not None else f"Values of {report.columns.amount}"
        figures.append((title, plots.bars(report.values, x=axis, y=what)))
    if report.curves.get("time"):
        drawn = plots.over_time(report.curves["time"], label=lambda moment: day(int(moment)), y=what)
        figures.append((f"{what.capitalize()} over time", drawn))
    for curve, who, most in (("activity", "user", "active"), ("popularity", "item", "popular")):
        if len(report.curves.get(curve, ())) > 1:
            drawn = plots.log_curve(report.curves[curve], x=f"{who}s, the most {most} first", y=what)
            figures.append((f"{curve.capitalize()}: {what} of each {who}", drawn))
    return "".join(f'<figure class="card"><figcaption>{escape(t)}</figcaption>{svg}</figure>' for t, svg in figures)


def _finding(finding: Finding) -> str:
    rows = f"{finding.rows:,} row{'' if finding.rows == 1 else 's'}: " if finding.rows else ""
    more = ", …" if finding.rows > len(finding.examples) else ""
    examples = f" (rows {', '.join(f'{row:,}' for row in finding.examples)}{more})" if finding.examples else ""
    return (
        f'<div class="finding {finding.severity}"><p><span>{finding.severity}</span> · {escape(finding.code)} · '
        f'{rows}{escape(finding.message)}{examples}</p><p class="soft">→ {escape(finding.remedy)}</p></div>'
    )
