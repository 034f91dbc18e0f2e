"""Small charts as SVG text: bars of a histogram, a curve on logarithmic axes, events over time. No dependency."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TypeAlias

Points: TypeAlias = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 520, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 44
_PLOT_W, _PLOT_H = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM


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


def _svg(parts: Sequence[str], x: str, y: str) -> str:
    middle = _TOP + _PLOT_H / 2
    names = (
        f'<text class="name" x="{_LEFT + _PLOT_W / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>'
        f'<text class="name" x="13" y="{middle}" text-anchor="middle" transform="rotate(-90 13 {middle})">'
        f"{escape(y)}</text>"
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}{names}</svg>'


def _grid(ticks: Sequence[tuple[float, str]]) -> list[str]:
    """A line and a number at each height from 0 to 1."""
    parts = []
    for at, text in ticks:
        y = _TOP + _PLOT_H * (1 - at)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>')
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
