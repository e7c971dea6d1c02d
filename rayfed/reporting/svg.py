"""Small charts as inline SVG for the page. Colours are CSS classes, so that the page decides on light and dark.

Every function returns one ``<svg>`` element that scales with its container; what it shows is also told to those who
cannot see it, and the figures appear when one points at them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.words import duration

WIDTH, HEIGHT = 350, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 34
ROW = 20
LABEL = 66
TIME_WIDTH = 900
NAMED_UP_TO = 8
"""So many curves have their names at their ends; more would hide each other."""
NAME = 44
GAPS_UP_TO = 16
"""Matrices of at most so many nodes have gaps between cells; larger ones would be all gap."""


def lines(
    merged: Sequence[tuple[int, float]],
    others: Mapping[str, Sequence[float]],
    void: Sequence[int],
    rounds: int,
    label: str,
    metric: Metric = ACCURACY,
) -> str:
    """Draw accuracy, or what the metric is, by round.

    Args:
        merged: (round, figure) of the merged model.
        others: figures after rounds 1, 2, ... by the name of who trained alone.
        void: rounds to shade.
        rounds: the last round on the axis.
        label: what the chart shows, in words.
        metric: what the figures are.
    """
    scaled = metric.scaled
    everything = [value for _, value in merged] + [value for curve in others.values() for value in curve]
    bottom, top, ticks = _axis(scaled(min(everything, default=0.0)), scaled(max(everything, default=1.0)))
    named = {name: curve for name, curve in others.items() if curve} if len(others) <= NAMED_UP_TO else {}
    right = RIGHT + (NAME if named else 0)

    def x(round: float) -> float:
        return LEFT + (WIDTH - LEFT - right) * (round - 0.5) / max(1, rounds)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (scaled(value) - bottom) / (top - bottom)

    parts = [
        f'<rect class="void" x="{x(r - 0.5):.1f}" y="{TOP}" width="{x(1) - x(0):.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"><title>round {r} was void</title></rect>'
        for r in void
    ]
    parts += _frame([(y(tick / scaled(1)), f"{tick:g}{metric.unit}") for tick in ticks], right)
    parts += _rounds(rounds, x)
    for name, curve in others.items():
        points = " ".join(f"{x(r):.1f},{y(value):.1f}" for r, value in enumerate(curve, start=1))
        told = f"{escape(name)}: {metric.shown(curve[-1])} at the end" if curve else escape(name)
        parts.append(f'<polyline class="alone" points="{points}"><title>{told}</title></polyline>')
    points = " ".join(f"{x(r):.1f},{y(value):.1f}" for r, value in merged)
    parts.append(f'<polyline class="merged" points="{points}"/>')
    parts += [
        f'<circle class="merged" cx="{x(r):.1f}" cy="{y(v):.1f}" r="4">'
        f"<title>round {r}: {metric.shown(v)}</title></circle>"
        for r, v in merged
    ]
    parts += _ends({name: (x(len(curve)), y(curve[-1])) for name, curve in named.items()})
    return _svg(WIDTH, HEIGHT, label, parts)


def bars(
    layers: Mapping[str, Sequence[float]], numbers: Sequence[int], unit: str, label: str, classes: Mapping[str, str]
) -> str:
    """Draw stacked bars, one a round.

    Args:
        layers: heights by name, in the order of ``numbers``.
        numbers: the rounds.
        unit: of the heights.
        label: what the chart shows, in words.
        classes: the CSS class of each layer.
    """
    sums = [sum(heights) for heights in zip(*layers.values(), strict=True)]
    _, top, ticks = _axis(0.0, max(sums, default=1.0) or 1.0)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(numbers))

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    parts = _frame([(y(tick), f"{tick:g}") for tick in ticks])
    floor = [0.0] * len(numbers)
    for name, heights in layers.items():
        for column, height in enumerate(heights):
            low, floor[column] = floor[column], floor[column] + height
            parts.append(
                f'<rect class="{classes[name]}" x="{LEFT + step * (column + 0.15):.1f}" y="{y(floor[column]):.1f}" '
                f'width="{step * 0.7:.1f}" height="{max(0.0, y(low) - y(floor[column])):.1f}">'
                f"<title>round {numbers[column]}, {escape(name)}: {height:,.3g} {escape(unit)}</title></rect>"
            )
    parts += _rounds(len(numbers), lambda r: LEFT + step * (r - 0.5), numbers)
    return _svg(WIDTH, HEIGHT, label, parts)


def matrix(cells: Sequence[Sequence[int]], states: Sequence[str], label: str) -> str:
    """Draw a square of cells; a cell's number chooses its class from ``states``. Rows are voters, columns updates."""
    n = len(cells)
    gap = 0.1 if n <= GAPS_UP_TO else 0.0
    paths: dict[int, list[str]] = {}
    for row, line in enumerate(cells):
        start = 0
        while start < n:
            end = start + 1
            while not gap and end < n and line[end] == line[start]:
                end += 1  # neighbours alike are one stroke: 64 nodes would be 4096 otherwise
            paths.setdefault(line[start], []).append(f"M{start + gap / 2:g} {row + 0.5:g}h{end - start - gap:g}")
            start = end
    parts = [
        f'<path class="{states[state]}" stroke-width="{1 - gap:g}" d="{"".join(strokes)}"/>'
        for state, strokes in sorted(paths.items())
    ]
    crosses = [
        f"M{column + 0.35:g} {row + 0.35:g}l.3 .3m0 -.3l-.3 .3"
        for row, line in enumerate(cells)
        for column, cell in enumerate(line)
        if states[cell] == "refused" and gap
    ]
    if crosses:
        parts.append(f'<path class="cross" stroke-width=".08" d="{"".join(crosses)}"/>')
    return _svg(max(1, n), max(1, n), label, parts)


def timeline(
    rows: Sequence[tuple[str, Sequence[tuple[str, float, float, str]]]], seconds: float, classes: Mapping[str, str]
) -> str:
    """Draw what happened when.

    Args:
        rows: a name and its spans: (what, start, end, text to show when one points at it), in seconds.
        seconds: the length of the axis.
        classes: the CSS class for each ``what``.
    """
    scale = (TIME_WIDTH - LABEL - RIGHT) / max(seconds, 1e-9)
    height = ROW * len(rows) + 30
    parts = []
    _, _, ticks = _axis(0.0, max(seconds, 1e-9))
    for tick in ticks:
        if tick <= seconds:
            at = LABEL + tick * scale
            parts.append(f'<path class="grid" d="M{at:.1f} 4V{height - 22}"/>')
            parts.append(f'<text x="{at:.1f}" y="{height - 6}" text-anchor="middle">{duration(tick)}</text>')
    for place, (name, spans) in enumerate(rows):
        y = 6 + ROW * place
        parts.append(f'<text x="{LABEL - 6}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        for what, start, end, told in spans:
            parts.append(
                f'<rect class="{classes.get(what, "s7")}" x="{LABEL + start * scale:.1f}" y="{y}" '
                f'width="{max(0.8, (end - start) * scale):.1f}" height="{ROW - 5}"><title>{escape(told)}</title></rect>'
            )
    return _svg(TIME_WIDTH, height, "Time line of phases and nodes", parts)


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    inner = "".join(parts)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label, quote=True)}">{inner}</svg>'


def _ends(ends: Mapping[str, tuple[float, float]]) -> list[str]:
    """Write names beside the ends of curves, pushed apart where those lie close together."""
    parts, lowest = [], math.inf
    for name, (x, y) in sorted(ends.items(), key=lambda item: -item[1][1]):
        lowest = min(y, lowest - 11)
        parts.append(f'<text class="name" x="{x + 5:.1f}" y="{lowest + 3:.1f}">{escape(name)}</text>')
    return parts


def _frame(ticks: Sequence[tuple[float, str]], right: float = RIGHT) -> list[str]:
    parts = []
    for at, text in ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    return parts


def _rounds(count: int, x: Callable[[float], float], numbers: Sequence[int] | None = None) -> list[str]:
    """Write the rounds below the axis, as many of them as fit."""
    every = max(1, math.ceil(count / 10))
    parts = [
        f'<text x="{x(place):.1f}" y="{HEIGHT - 17}" text-anchor="middle">'
        f"{numbers[place - 1] if numbers else place}</text>"
        for place in range(1, count + 1)
        if (place - 1) % every == 0
    ]
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 3}" text-anchor="middle">round</text>')
    return parts


def _axis(low: float, high: float) -> tuple[float, float, list[float]]:
    """Return an axis from a round number to a round number around what is to be shown, and about five ticks."""
    span = max(high - low, 1e-9)
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 5)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    count = round((top - bottom) / step)
    return bottom, max(top, bottom + step), [round(bottom + step * i, 10) for i in range(max(1, count) + 1)]
