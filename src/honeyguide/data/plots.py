"""Small charts as SVG text: bars of a histogram, a curve on logarithmic axes, events over time. No dependency.

`curves` and `paths` are pictures that stand alone; the others take their colours from the page they are put into.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 520, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 44
_PLOT_W, _PLOT_H = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_LEGEND, _ROW = 140, 20  # the width of the legend of curves, the height of a line of it
_DASHES = ("7 4", "2 4", "10 4 2 4", "1 7")
_LIGHT = ("#0969b8", "#c2410c", "#15803d", "#a21caf", "#8a6100", "#0e7490")
_DARK = ("#58a6ff", "#ff9248", "#4ac26b", "#e58bf0", "#e3b341", "#39c5cf")


def bars(points: Points, *, x: str, y: str) -> str:
    """A bar for each (value, count), evenly spaced, the value below it where there is room."""
    top = max(count for _, count in points)
    high = _nice(top)
    step = _PLOT_W / len(points)
    every = math.ceil(len(points) * 34 / _PLOT_W)
    parts = _grid([(tick / high, number(tick)) for tick in _ticks(high)])
    for n, (value, count) in enumerate(points):
        tall = _PLOT_H * count / high
        left, upper = _LEFT + n * step, _TOP + _PLOT_H - tall
        parts.append(
            f'<rect class="mark" x="{left + step * 0.1:.1f}" y="{upper:.1f}" width="{step * 0.8:.1f}" '
            f'height="{tall:.1f}" rx="2"><title>{escape(x)} {value:g}: {count:,.0f} {escape(y)}</title></rect>'
        )
        if n % every == 0:
            parts.append(_below(left + step / 2, number(value)))
    return _svg(parts, x, y)


def log_curve(points: Points, *, x: str, y: str) -> str:
    """A line through (x, y) > 0, both axes logarithmic."""
    wide, high = _decades(point[0] for point in points), _decades(point[1] for point in points)
    parts = _grid([(n / high, number(10.0**n)) for n in range(high + 1)])
    parts += [_below(_LEFT + _PLOT_W * n / wide, number(10.0**n)) for n in range(wide + 1)]
    return _svg([*parts, _line(points, lambda v: math.log10(v) / wide, lambda v: math.log10(v) / high, x, y)], x, y)


def over_time(points: Points, *, label: Callable[[float], str], y: str) -> str:
    """A filled line through (moment, count); `label` writes a moment."""
    first, last = points[0][0], points[-1][0]
    high = _nice(max(count for _, count in points))
    parts = _grid([(tick / high, number(tick)) for tick in _ticks(high)])
    for n in range(5):
        anchor = ("start", "middle", "middle", "middle", "end")[n]
        parts.append(_below(_LEFT + _PLOT_W * n / 4, label(first + (last - first) * n / 4), anchor))
    across = lambda v: (v - first) / (last - first)  # noqa: E731
    parts.append(_line(points, across, lambda v: v / high, "", y, filled=True, label=label))
    return _svg(parts, "", y)


def curves(lines: Mapping[str, Points], levels: Mapping[str, float], *, x: str, y: str, low: bool = False) -> str:
    """A picture of its own: a line through the points of each name, x >= 1 logarithmic, a dashed level of each other.

    A dot marks the best point of a line, the highest or, with `low`, the lowest; the legend stands in that order. The
    colours follow the reader's theme, light or dark. Six lines and four levels have colours and dashes of their own.
    """
    pick = min if low else max
    best = {name: pick(points, key=lambda point: point[1]) for name, points in lines.items()}
    seen = [point for points in lines.values() for point in points]
    wide = math.log10(max(2.0, *(a for a, _ in seen)))
    bottom, step, top = _range([*levels.values(), *(b for _, b in seen)])
    height = _PLOT_H / (top - bottom)

    def across(value: float) -> float:
        return _LEFT + (_PLOT_W - _LEGEND) * math.log10(value) / wide

    def up(value: float) -> float:
        return _TOP + (top - value) * height

    marks = [bottom + n * step for n in range(round((top - bottom) / step) + 1)]
    parts = _grid([((mark - bottom) / (top - bottom), f"{mark:.4g}") for mark in marks], short=_LEGEND)
    parts += [_below(across(v), f"{v:g}") for n in range(4) for v in (10**n, 2 * 10**n, 5 * 10**n) if v <= 10**wide]
    right = WIDTH - _RIGHT - _LEGEND
    for n, (name, value) in enumerate(levels.items()):
        parts.append(_piece(_level(n), [(_LEFT, up(value)), (right, up(value))], f"{name}: {value:.4g}"))
    for n, (name, points) in enumerate(lines.items()):
        at, value = best[name]
        parts.append(_piece(f'class="line c{n}"', [(across(a), up(b)) for a, b in points], name))
        told = f"{escape(name)}: {value:.4g}, {escape(x)} {at:g}"
        parts.append(
            f'<circle class="s{n}" cx="{across(at):.1f}" cy="{up(value):.1f}" r="4"><title>{told}</title></circle>'
        )
    kinds = {name: _level(n) for n, name in enumerate(levels)}
    kinds |= {name: f'class="line c{n}"' for n, name in enumerate(lines)}
    values = {**levels, **{name: value for name, (_, value) in best.items()}}
    order = sorted(values, key=lambda name: values[name] if low else -values[name])
    parts += [_key(n, name, values[name], kinds[name]) for n, name in enumerate(order)]
    return _alone(_svg(parts, x, y, short=_LEGEND))


def paths(lines: Mapping[str, Points], *, x: str, y: str, start: str) -> str:
    """A picture of its own: a line with a dot at each point (x, y) of each name, both axes plain; all begin at `start`.

    The legend stands in the order given. Six lines have colours of their own.
    """
    seen = [point for points in lines.values() for point in points]
    left, step, right = _range([a for a, _ in seen])
    bottom, rise, top = _range([b for _, b in seen])
    marks = [bottom + n * rise for n in range(round((top - bottom) / rise) + 1)]
    parts = _grid([((mark - bottom) / (top - bottom), f"{mark:.4g}") for mark in marks], short=_LEGEND)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        a, b = point
        return (
            _LEFT + (_PLOT_W - _LEGEND) * (a - left) / (right - left),
            _TOP + _PLOT_H * (top - b) / (top - bottom),
        )

    ticks = [left + n * step for n in range(round((right - left) / step) + 1)]
    parts += [_below(place((tick, bottom))[0], f"{tick:.4g}") for tick in ticks]
    for n, (name, points) in enumerate(lines.items()):
        parts.append(_piece(f'class="line c{n}"', [place(point) for point in points], name))
        parts += [_dot(f"s{n}", place(point), f"{name}: {point[0]:.4g}, {point[1]:.4g}", 3) for point in points[1:]]
        parts.append(_key(n, name, None, f'class="line c{n}"'))
    first = next(iter(lines.values()))[0]
    parts.append(_dot("ink", place(first), f"{start}: {first[0]:.4g}, {first[1]:.4g}", 5))
    at = _TOP + 8 + len(lines) * _ROW
    parts.append(_dot("ink", (WIDTH - _RIGHT - _LEGEND + 24, at), start, 5))
    parts.append(_name(len(lines), start))
    return _alone(_svg(parts, x, y, short=_LEGEND))


def _dot(kind: str, place: tuple[float, float], told: str, radius: int) -> str:
    a, b = place
    return f'<circle class="{kind}" cx="{a:.1f}" cy="{b:.1f}" r="{radius}"><title>{escape(told)}</title></circle>'


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    """(bottom, step, top) of an axis that holds the values: round numbers, some five steps."""
    low, high = min(values), max(values)
    rough = max(high - low, abs(high) * 1e-3, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.999)
    return math.floor(low / step) * step, step, (math.floor(high / step) + 1) * step


def _level(n: int) -> str:
    return f'class="level" stroke-dasharray="{_DASHES[n % len(_DASHES)]}"'


def _piece(kind: str, places: Sequence[tuple[float, float]], told: str) -> str:
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    return f'<polyline {kind} points="{path}"><title>{escape(told)}</title></polyline>'


def _key(row: int, name: str, value: float | None, kind: str) -> str:
    """A line of the legend: a piece of the curve, the name, its best value."""
    left, y = WIDTH - _RIGHT - _LEGEND + 14, _TOP + 8 + row * _ROW
    number = (
        f'<text class="tick" x="{WIDTH - 6}" y="{y + 4}" text-anchor="end">{value:.3f}</text>'
        if value is not None
        else ""
    )
    return _piece(kind, [(left, y), (left + 20, y)], name) + _name(row, name) + number


def _name(row: int, name: str) -> str:
    """A name in the legend."""
    left, y = WIDTH - _RIGHT - _LEGEND + 14, _TOP + 8 + row * _ROW
    return f'<text class="key" x="{left + 26}" y="{y + 4}">{escape(name)}</text>'


def _alone(svg: str) -> str:
    """A picture with colours and paper of its own. No variables: viewers other than browsers do not know them."""
    head, _, rest = svg.partition(">")
    style = (
        "text { font-family: system-ui, -apple-system, sans-serif; font-size: 11px } .name, .key { font-size: 12px } "
        ".line, .level { fill: none; stroke-width: 2; stroke-linejoin: round } .level { stroke-width: 1.5 } "
        + _colours("#656d76", "#1f2328", "#d8dee4", "#ffffff", _LIGHT)
        + "@media (prefers-color-scheme: dark) { "
        + _colours("#9198a1", "#e6edf3", "#30363d", "#0d1117", _DARK)
        + "}"
    )
    paper = f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{paper}{rest}'


def _colours(soft: str, ink: str, rule: str, paper: str, hues: Sequence[str]) -> str:
    each = "".join(f".c{n} {{ stroke: {hue} }} .s{n} {{ fill: {hue} }} " for n, hue in enumerate(hues))
    return (
        f".tick, .name {{ fill: {soft} }} .key {{ fill: {ink} }} .grid {{ stroke: {rule} }} .paper {{ fill: {paper} }} "
        f".level {{ stroke: {soft} }} .ink {{ fill: {ink} }} {each}"
    )


def number(value: float) -> str:
    """A number for an axis: 1,500 as 1.5k."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _line(
    points: Points,
    across: Callable[[float], float],
    up: Callable[[float], float],
    x: str,
    y: str,
    *,
    filled: bool = False,
    label: Callable[[float], str] = number,
) -> str:
    """The line, what lies under it, and a mark a point that tells its numbers when pointed at."""
    places = [(_LEFT + _PLOT_W * across(a), _TOP + _PLOT_H * (1 - up(b))) for a, b in points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    base = _TOP + _PLOT_H
    area = f'<polygon class="area" points="{places[0][0]:.1f},{base} {path} {places[-1][0]:.1f},{base}"/>'
    dots = [
        f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="5">'
        f"<title>{escape(f'{x} {label(point[0])}'.strip())}: {point[1]:,.0f} {escape(y)}</title></circle>"
        for (a, b), point in zip(places, points, strict=True)
    ]
    return (area if filled else "") + f'<polyline class="line" points="{path}"/>' + "".join(dots)


def _svg(parts: Sequence[str], x: str, y: str, *, short: float = 0) -> str:
    """The whole, its axes named; the plot ends `short` of its usual width."""
    middle, centre = _TOP + _PLOT_H / 2, _LEFT + (_PLOT_W - short) / 2
    names = (
        f'<text class="name" x="{centre}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>'
        f'<text class="name" x="13" y="{middle}" text-anchor="middle" transform="rotate(-90 13 {middle})">'
        f"{escape(y)}</text>"
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}{names}</svg>'


def _grid(ticks: Sequence[tuple[float, str]], *, short: float = 0) -> list[str]:
    """A line and a number at each height from 0 to 1."""
    parts = []
    for at, text in ticks:
        y = _TOP + _PLOT_H * (1 - at)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT - short}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return parts


def _below(x: float, text: str, anchor: str = "middle") -> str:
    return f'<text class="tick" x="{x:.1f}" y="{_TOP + _PLOT_H + 16}" text-anchor="{anchor}">{escape(text)}</text>'


def _nice(top: float) -> float:
    """The least round number that is at least `top` and whose fifths are round."""
    power = 10.0 ** math.floor(math.log10(top))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= top)


def _ticks(high: float) -> list[float]:
    return [high * n / 5 for n in range(6)]


def _decades(values: Iterable[float]) -> int:
    return max(1, math.ceil(math.log10(max(values))))
