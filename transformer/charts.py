"""Small charts as SVG, which take their colours from the style sheet of the page they stand in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

import numpy as np

Points: TypeAlias = Sequence[tuple[float, float]]
LEVELS = 12  # shades of a heat map


def curves(lines: Mapping[str, Points], levels: Mapping[str, float], label: str, named: bool = False) -> str:
    """Lines over the steps, by class; levels: dotted lines with their names. named: lines have theirs at the end."""
    width, height, left, bottom, right = 720, 300, 54, 26, 24
    points = [p for line in lines.values() for p in line if math.isfinite(p[1])]
    if not points:
        return "<p>nothing was measured yet</p>"
    ys = [y for _, y in points] + list(levels.values())
    low, high, last = min(ys), max(ys), max(x for x, _ in points) or 1
    margin = 0.04 * (high - low) or 0.5
    low, high = low - margin, high + margin

    def at(x: float, y: float) -> str:
        down = (high - y) / (high - low) * (height - bottom - 8) + 8
        return f"{left + x / last * (width - left - right):.1f},{down:.1f}"

    parts = []
    for tick in _ticks(low, high):
        x1, y1 = at(0, tick).split(",")
        parts.append(f'<path class="grid" d="M{x1} {y1}H{width - right}"/>')
        parts.append(f'<text x="{left - 6}" y="{y1}" dy=".32em" text-anchor="end">{tick:.3g}</text>')
    for tick in _ticks(0, last):
        x1, _ = at(tick, points[0][1]).split(",")
        parts.append(f'<text x="{x1}" y="{height - 8}" text-anchor="middle">{tick:,.0f}</text>')
    for name, y in levels.items():
        x1, y1 = at(0, y).split(",")
        parts.append(f'<path class="level" d="M{x1} {y1}H{width - right}"/>')
        parts.append(
            f'<text class="quiet" x="{width - right}" y="{y1}" dy="-4" text-anchor="end">{escape(name)}</text>'
        )
    for name, line in lines.items():
        drawn = [at(x, y) for x, y in line if math.isfinite(y)]
        parts.append(f'<polyline class="{escape(name)}" points="{" ".join(drawn)}"/>')
        if len(drawn) <= 60:
            parts.append(f'<path class="dots {escape(name)}" d="{"".join(f"M{p}h0" for p in drawn)}"/>')
        if named and drawn:
            x1, y1 = drawn[-1].split(",")
            parts.append(f'<text x="{x1}" y="{y1}" dy="-6" text-anchor="end">{escape(name)}</text>')
    return _svg(width, height, "".join(parts), label, "curves")


def heat(x: np.ndarray, rows: Sequence[str], columns: Sequence[str], label: str, cell: float = 12) -> str:
    """A matrix of numbers from 0 to 1 as squares, the darker the larger, with the names of its rows and columns."""
    left, top = (7 * max(map(len, names), default=0) + 8 for names in (rows, columns))
    height, width = (cell * n for n in x.shape)
    shades: dict[int, list[str]] = {}
    for i, j in zip(*np.nonzero(x > 0.5 / LEVELS), strict=True):
        square = f"M{left + j * cell:g} {top + i * cell:g}h{cell:g}v{cell:g}h-{cell:g}z"
        shades.setdefault(round(float(x[i, j]) * LEVELS), []).append(square)
    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{width:g}" height="{height:g}"/>']
    parts += [f'<path opacity="{k / LEVELS:.2f}" d="{"".join(d)}"/>' for k, d in sorted(shades.items())]
    for i, name in enumerate(rows):
        y = f"{top + (i + 0.5) * cell:g}"
        parts.append(f'<text x="{left - 4}" y="{y}" dy=".32em" text-anchor="end">{escape(name)}</text>')
    for j, name in enumerate(columns):
        turned = f'transform="translate({left + (j + 0.5) * cell:g} {top - 4}) rotate({-90 if len(name) > 1 else 0})"'
        middle = 'dy=".32em"' if len(name) > 1 else 'text-anchor="middle"'
        parts.append(f"<text {turned} {middle}>{escape(name)}</text>")
    return _svg(left + width + 2, top + height + 2, "".join(parts), label, "heat")


def scatter(places: np.ndarray, names: Sequence[str], label: str) -> str:
    """Names at their places (N, 2)."""
    width, height = 720, 420
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    at = (places - low) / np.where(span > 0, span, 1) * (width - 48, 40 - height) + (24, height - 20)
    parts = [
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(name)}</text>'
        for (x, y), name in zip(at, names, strict=True)
    ]
    return _svg(width, height, "".join(parts), label, "scatter")


def histogram(x: np.ndarray, label: str) -> str:
    """How often numbers occur, between the least and the largest."""
    counts, _ = np.histogram(x, bins=40)
    top = counts.max() or 1
    bars = "".join(f"M{3 * i} 24v-{24 * n / top:.1f}h3v{24 * n / top:.1f}z" for i, n in enumerate(counts) if n)
    return _svg(120, 24, f'<path d="{bars}"/>', label, "histogram")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends, about five."""
    rough = (high - low) / 5
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(k for k in (1, 2, 5, 10) if k * step >= rough)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _svg(width: float, height: float, inside: str, label: str, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px" role="img" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )
