"""What a notebook shows of a Value or a Tensor: a small picture, made without Graphviz in no time.

A Value stands beside what it was made from; a Tensor is a card with a heatmap. `dot` draws
whole graphs.
"""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from typing import Any

import numpy as np

from autograd.drawing.heatmap import cells
from autograd.drawing.palette import LIGHT
from autograd.engine import words
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import received
from autograd.engine.words import number, plain, short
from autograd.stepping.names import Names

__all__ = ["card", "mimebundle", "svg"]

MOST = 1_000_000  # elements that the numbers on a card are taken from at most
CELL = 9  # pixels of a cell at least; few cells are larger
NAME, TITLE = 18, 60  # characters of a name in a box, and of a title
STYLE = 'xmlns="http://www.w3.org/2000/svg" font-family="Helvetica, Arial, sans-serif" font-size="12"'


def card(node: Node) -> str:
    """An SVG of a few kilobytes; "" where the numbers are not there yet, as under a JAX trace.

    >>> card(Tensor([[1.0, 2.0]]))[:4]
    '<svg'
    """
    if isinstance(node, ScalarNode):
        return _value(node)
    data, grad = _there(node.raw), _there(received(node))
    return "" if data is None else _tensor(node, data, grad)


def svg(node: Node) -> str | None:
    """For Jupyter: the card, None where there is none."""
    return card(node) or None


def mimebundle(
    node: Node, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, str]:
    """For Jupyter: the card, and text for where pictures are not shown.

    include, exclude: MIME types that are wanted, or not.
    """
    bundle = {"text/plain": repr(node), "image/svg+xml": card(node)}
    return {
        kind: x
        for kind, x in bundle.items()
        if x and (include is None or kind in include) and kind not in (exclude or ())
    }


def _there(x: Any) -> np.ndarray | None:
    try:
        return None if x is None else np.asarray(x)
    except Exception:  # a tracer: JAX raises errors of its own for what is not computed yet
        return None


# ---- Value -------------------------------------------------------------------------------


def _value(node: ScalarNode) -> str:
    """The node as a box, and an arrow from each argument to it."""
    inputs = [(_name(p) if p is not None else "", s, p is not None) for p, s in zip(node.parents, node.saved)]
    height = max(1, len(inputs)) * 40 + 16
    middle = height / 2
    parts = []
    for i, (name, data, solid) in enumerate(inputs):
        y = middle + (i - (len(inputs) - 1) / 2) * 40
        lines = [*filter(None, [name]), number(data)]
        parts.append(_box(4, y, lines, LIGHT["leaf"] if solid else "none", LIGHT["heat0"] if solid else "none"))
        parts.append(f'<path d="M118,{y:g} L166,{middle:g}" stroke="{LIGHT["edge"]}" fill="none"/>')
    if inputs:
        op = escape(short(node._op, NAME))
        parts.append(f'<text x="186" y="{middle + 4:g}" text-anchor="middle">{op}</text>')
        parts.append(f'<circle cx="186" cy="{middle:g}" r="20" fill="none" stroke="{LIGHT["edge"]}"/>')
        parts.append(f'<path d="M206,{middle:g} H236" stroke="{LIGHT["edge"]}"/>')
    left = 236 if inputs else 4
    grad = received(node)
    lines = [_name(node), f"data {number(node.raw)}", f"grad {'-' if grad is None else number(grad)}"]
    parts.append(_box(left, middle, [line for line in lines if line], LIGHT["root"], LIGHT["edge"]))
    return _svg(left + 120, max(height, 66), parts, f"Value {_name(node)}: {', '.join(lines[1:])}")


def _box(x: float, y: float, lines: list[str], fill: str, stroke: str) -> str:
    """A rounded box 114 wide, its middle at height y."""
    tall = 15 * len(lines) + 6
    top = y - tall / 2
    text = "".join(
        f'<text x="{x + 57:g}" y="{top + 15 * (k + 1):g}" text-anchor="middle">{escape(short(line, NAME))}</text>'
        for k, line in enumerate(lines)
    )
    box = f'<rect x="{x:g}" y="{top:g}" width="114" height="{tall}" rx="6" fill="{fill}" stroke="{stroke}"/>'
    return box + text


# ---- Tensor ------------------------------------------------------------------------------


def _tensor(node: Node, data: np.ndarray, grad: np.ndarray | None) -> str:
    """Name, shape and numbers, and heatmaps of data and gradient side by side."""
    made = f" = {node._op}" if node.primitive else ""
    title = f"{_name(node) or 'Tensor'}{made}  {words.shape(data.shape)} {data.dtype}"
    parts = [f'<text x="6" y="16" font-weight="bold">{escape(short(title, TITLE))}</text>']
    x, bottom = 6.0, 0.0
    for what, array in (("data", data), ("grad", grad)):
        if array is None:
            parts.append(f'<text x="{x:g}" y="34">{what} -</text>')
            continue
        sample, note = _sampled(array)
        parts.append(f'<text x="{x:g}" y="34">{escape(f"{what} {_numbers(sample)}{note}")}</text>')
        squares, width, height = _heatmap(array, x, 42)
        parts.append(squares)
        x += max(width + 16, 250.0)
        bottom = max(bottom, height)
    if bottom:
        key = "orange above 0, blue below, black inf, red nan"
        parts.append(f'<text x="6" y="{42 + bottom + 14:g}" font-size="10" fill="{LIGHT["quiet"]}">{key}</text>')
    return _svg(max(x, 400.0), 42 + bottom + 20, parts, title)


def _sampled(x: np.ndarray) -> tuple[np.ndarray, str]:
    """All numbers, or of very many every k-th, which is then said."""
    step = -(-x.size // MOST)
    return (x, "") if step <= 1 else (x.reshape(-1)[::step], f" (of every {step}th)")


def _numbers(x: np.ndarray) -> str:
    fine = x[np.isfinite(x)]
    mean = [f"mean {number(fine.mean(dtype=float))}"] if x.size > 1 and fine.size else []
    return ", ".join([words.extent(fine), *mean, *words.odd(x)]) if fine.size else words.extent(x) or "empty"


def _heatmap(x: np.ndarray, left: float, top: float) -> tuple[str, float, float]:
    """A square an element; how wide and how high they are together."""
    if not x.size:
        return "", 0.0, 0.0
    colours = cells(x)
    rows, columns, _ = colours.shape
    cell = max(CELL, min(24, 216 // max(rows, columns)))
    squares = (
        f'<rect x="{left + j * cell:g}" y="{top + i * cell:g}" width="{cell}" height="{cell}" '
        f'fill="#{colours[i, j].tobytes().hex()}"/>'
        for i, j in np.ndindex(rows, columns)
    )
    return "".join(squares), columns * cell, rows * cell


# ---- both --------------------------------------------------------------------------------


def _svg(width: float, height: float, parts: list[str], title: str) -> str:
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    paper = f'<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>'
    return f'<svg {STYLE} {size} role="img" aria-label="{escape(plain(title))}">{paper}{"".join(parts)}</svg>'


def _name(node: Node) -> str:
    """Its label, or what the source calls it, as a drawing does; "" where it has no name."""
    if node.label or node.source is None:
        return plain(str(node.label))
    name = Names(node, [node] if node.primitive else [])[node]
    return "" if name.startswith("%") else name
