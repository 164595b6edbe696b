"""The drawings of the lesson's page, as HTML and SVG: bars, curves, attention and the map of the words.

Colours are classes, which the page's style fills for light and dark. What moves with the training is found again by
`page/lesson.js`: the cells of an attention by their order, the words of a map and the marks of a curve by theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

__all__ = ["bars", "curve", "heat", "points", "scatter"]


def bars(rows: Sequence[tuple[str, float, str]], title: str) -> str:
    """Labelled bars, to the left where negative: (label, value, how the value is written) each."""
    most = max(abs(value) for _, value, _ in rows) or 1.0
    signed = " signed" if any(value < 0 for _, value, _ in rows) else ""
    items = "".join(
        f'<li><span class="label">{escape(label)}</span><span class="track">'
        f'<span class="bar{" minus" if value < 0 else ""}" style="--share: {abs(value) / most:.4f}"></span></span>'
        f'<span class="amount">{written}</span></li>'
        for label, value, written in rows
    )
    return f'<figure class="plot"><ul class="bars{signed}">{items}</ul><figcaption>{title}</figcaption></figure>'


def _svg(width: float, height: float, inside: str, label: str, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )


def _line(x: Sequence[float], y: Sequence[float], kind: str) -> str:
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline class="{kind}" points="{path}"/>'


def curve(
    lines: Sequence[tuple[str, Sequence[float]]],
    label: str,
    ticks: Sequence[float],
    levels: Sequence[tuple[float, str]] = (),
    log: bool = False,
) -> str:
    """Lines over the steps from 0 on, with levels drawn across, and a mark that stands at a step.

    ticks: the values that are written at the side. log: as logarithms, so that equal factors are equally high.
    """
    width, height, left, right, top, bottom = 640, 220, 56, 632, 16, 190
    scale = np.log if log else np.asarray
    every = scale([x for _, line in lines for x in line] + list(ticks))
    low, high = float(every.min()), float(every.max())
    last = len(lines[0][1]) - 1

    def at(value: float) -> float:
        return bottom - (float(scale(value)) - low) / (high - low) * (bottom - top)

    parts = [f'<path class="axis" d="M{left},{top}V{bottom}H{right}"/>']
    for tick in ticks:
        parts.append(f'<text x="{left - 6}" y="{at(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for share in (0, 0.5, 1):
        anchor = "end" if share == 1 else "middle"
        x = left + share * (right - left)
        parts.append(f'<text x="{x:g}" y="{bottom + 22}" text-anchor="{anchor}">{share * last:,.0f}</text>')
    for value, name in levels:
        y = at(value)
        parts.append(f'<path class="level" d="M{left},{y:.1f}H{right}"/>')
        beside = y - 5 if y < (top + bottom) / 2 else y + 15
        parts.append(f'<text x="{right}" y="{beside:.1f}" text-anchor="end">{escape(name)}</text>')
    for k, (name, values) in enumerate(lines):
        along = [left + i / last * (right - left) for i in range(len(values))]
        thin = slice(None, None, max(1, len(values) // 500))
        parts.append(_line(along[thin], [at(v) for v in values[thin]], f"line line{k}"))
        if len(lines) > 1:
            y = at(values[len(values) // 2]) - 8
            parts.append(
                f'<text class="line{k}" x="{left + 0.53 * (right - left):g}" y="{y:.1f}">{escape(name)}</text>'
            )
    mark = f'data-left="{left}" data-right="{right}" visibility="hidden"'
    parts.append(f'<path class="mark" d="M{left},{top}V{bottom}" {mark}/>')
    return _svg(width, height, "".join(parts), label, "curve")


def points(values: Sequence[tuple[float, float, str]], label: str) -> str:
    """-log p over p, with some of its points: (p, price, how the price is written) each."""
    width, height, left, right, top, bottom = 640, 220, 30, 620, 14, 190
    p = np.linspace(0.015, 1.0, 200)
    most = -np.log(p[0])

    def x(q: float) -> float:
        return left + q * (right - left)

    def y(cost: float) -> float:
        return float(bottom - cost / most * (bottom - top))

    parts = [f'<path class="axis" d="M{left},{top}V{bottom}H{right}"/>']
    parts += [f'<text x="{x(q):g}" y="{bottom + 18}" text-anchor="middle">{q:g}</text>' for q in (0, 0.5, 1)]
    parts.append(_line([x(q) for q in p], [y(-np.log(q)) for q in p], "line line0"))
    for q, price, written in values:
        side, anchor = (9, "start") if q < 0.9 else (4, "end")
        parts.append(f'<circle class="dot" cx="{x(q):.1f}" cy="{y(price):.1f}" r="5"/>')
        at = f'x="{x(q) + side:.1f}" y="{y(price) - 9:.1f}" text-anchor="{anchor}"'
        parts.append(f"<text {at}>{written}</text>")
    return _svg(width, height, "".join(parts), label, "curve")


def heat(weights: np.ndarray, words: Sequence[str], title: str, label: str, strong: int) -> str:
    """Attention weights (T, T) as cells, a row a token that looks, a column a token that is looked at.

    title: written into the empty half. strong: the row that is framed.
    """
    n, cell, left, top = len(words), 18, 62, 62
    parts = [f'<text class="title" x="{left + n * cell}" y="{top + 3 * cell}" text-anchor="end">{escape(title)}</text>']
    for i, word in enumerate(words):
        kind = ' class="strong"' if i == strong else ""
        y, x = top + i * cell + 13, left + i * cell + 13
        parts.append(f'<text{kind} x="{left - 5}" y="{y}" text-anchor="end">{escape(word)}</text>')
        parts.append(f'<text transform="translate({x},{top - 5}) rotate(-60)">{escape(word)}</text>')
    frame = f'x="{left - 1}" y="{top + strong * cell - 1}" width="{(strong + 1) * cell + 1}" height="{cell + 1}"'
    parts.append(f'<rect class="row" {frame}/>')
    for i in range(n):
        for j in range(i + 1):
            parts.append(
                f'<rect class="cell" x="{left + j * cell}" y="{top + i * cell}" width="{cell - 1}" '
                f'height="{cell - 1}" fill-opacity="{weights[i, j]:.2f}"/>'
            )
    return _svg(left + n * cell + 26, top + n * cell + 2, "".join(parts), label, "heat")


def scatter(places: np.ndarray, words: Sequence[str], kinds: Sequence[str], extent: float, label: str) -> str:
    """Words on a map; `extent` is how far the map reaches from its middle."""
    width, height = 360, 300
    across, up = 120 / extent, 130 / extent  # a unit of the map in units of the drawing: words have room to the right
    parts = [f'<path class="axis" d="M0,{height / 2}H{width}M{width / 2},0V{height}"/>']
    for (x, y), word, kind in zip(places, words, kinds, strict=True):
        at = f"translate({width / 2 + x * across:.1f} {height / 2 - y * up:.1f})"
        parts.append(
            f'<g class="word {kind}" transform="{at}"><circle r="3"/><text x="5" y="4">{escape(word)}</text></g>'
        )
    return _svg(width, height, "".join(parts), label, f'map" data-across="{across:.4f}" data-up="{up:.4f}')
