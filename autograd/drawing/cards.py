"""What a notebook shows of a Value or a Tensor: a small picture, made without Graphviz in no time.

A Value stands beside what it was made from; a Tensor is a card with a heatmap. `drawing` draws
whole graphs.
"""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import raw
from autograd.engine.words import number
from autograd.engine.words import shape as shape_text

__all__ = ["card"]

ROWS, COLUMNS = 16, 32  # cells of a heatmap at most
MOST = 1_000_000  # elements that the numbers on a card are taken from at most
CELL = 9  # pixels of a cell at least; few cells are larger
STYLE = 'xmlns="http://www.w3.org/2000/svg" font-family="Helvetica, Arial, sans-serif" font-size="12"'


def card(node: Node) -> str:
    """An SVG of a few kilobytes; "" where the numbers are not there yet, as under a JAX trace."""
    if isinstance(node, ScalarNode):
        return _value(node)
    data, grad = _there(raw(node)), _there(raw(node._grad))
    return "" if data is None else _tensor(node, data, grad)


def _there(x: Any) -> np.ndarray | None:
    try:
        return None if x is None else np.asarray(x)
    except Exception:  # a tracer: JAX raises errors of its own for what is not computed yet
        return None


# ---- Value -------------------------------------------------------------------------------


def _value(node: ScalarNode) -> str:
    """The node as a box, and an arrow from each argument to it."""
    inputs = [
        (_name(p), s, True) if p is not None else ("", s, False) for p, s in zip(node.parents, node.saved, strict=True)
    ]
    height = max(1, len(inputs)) * 40 + 16
    middle = height / 2
    parts = []
    for i, (name, data, solid) in enumerate(inputs):
        y = height / 2 + (i - (len(inputs) - 1) / 2) * 40
        parts.append(
            _box(
                4,
                y,
                [name, number(data)] if name else [number(data)],
                "#e6f4ea" if solid else "none",
                "#b6bec8" if solid else "none",
            )
        )
        parts.append(f'<path d="M118,{y:g} L166,{middle:g}" stroke="#8c959f" fill="none"/>')
    if inputs:
        parts.append(f'<text x="186" y="{middle + 4:g}" text-anchor="middle">{escape(_short(node._op))}</text>')
        parts.append(f'<circle cx="186" cy="{middle:g}" r="20" fill="none" stroke="#8c959f"/>')
        parts.append(f'<path d="M206,{middle:g} H236" stroke="#8c959f"/>')
    left = 236 if inputs else 4
    grad = raw(node._grad)
    lines = [_name(node), f"data {number(node.raw)}", f"grad {'-' if grad is None else number(grad)}"]
    parts.append(_box(left, middle, [line for line in lines if line], "#fff4d6", "#8c959f"))
    return _svg(left + 120, max(height, 66), parts, f"Value {_name(node)}: {', '.join(lines[1:])}")


def _box(x: float, y: float, lines: list[str], fill: str, stroke: str) -> str:
    """A rounded box 114 wide, its middle at height y."""
    tall = 15 * len(lines) + 6
    text = "".join(
        f'<text x="{x + 57:g}" y="{y - tall / 2 + 15 * (k + 1):g}" text-anchor="middle">{escape(_short(line))}</text>'
        for k, line in enumerate(lines)
    )
    return f'<rect x="{x:g}" y="{y - tall / 2:g}" width="114" height="{tall}" rx="6" fill="{fill}" stroke="{stroke}"/>{text}'


# ---- Tensor ------------------------------------------------------------------------------


def _tensor(node: Node, data: np.ndarray, grad: np.ndarray | None) -> str:
    """Name, shape and numbers, and heatmaps of data and gradient side by side."""
    title = (
        f"{_name(node) or 'Tensor'}{' = ' + node._op if node.primitive else ''}  {shape_text(data.shape)} {data.dtype}"
    )
    parts = [f'<text x="6" y="16" font-weight="bold">{escape(_short(title, 60))}</text>']
    x, bottom = 6.0, 0.0
    for what, array in (("data", data), ("grad", grad)):
        if array is None:
            parts.append(f'<text x="{x:g}" y="34">{what} -</text>')
            continue
        sample, note = _sampled(array)
        parts.append(f'<text x="{x:g}" y="34">{escape(f"{what} {_numbers(sample)}{note}")}</text>')
        cells, width, height = _heatmap(array, x, 42)
        parts.append(cells)
        x += max(width + 16, 250.0)
        bottom = max(bottom, height)
    if bottom:
        parts.append(
            f'<text x="6" y="{42 + bottom + 14:g}" font-size="10" fill="#59636e">orange above 0, blue below, red nan and inf</text>'
        )
    return _svg(max(x, 400.0), 42 + bottom + 20, parts, title)


def _sampled(x: np.ndarray) -> tuple[np.ndarray, str]:
    """All numbers, or of very many every k-th, which is then said."""
    step = -(-x.size // MOST)
    return (x, "") if step <= 1 else (x.reshape(-1)[::step], f" (of every {step}th)")


def _numbers(x: np.ndarray) -> str:
    fine = x[np.isfinite(x)]
    if x.size == 1 and fine.size:
        return number(fine[0])
    text = f"{number(fine.min())} … {number(fine.max())}, mean {number(fine.mean(dtype=float))}" if fine.size else ""
    odd = [f"{n:,} {name}" for n, name in ((np.isnan(x).sum(), "nan"), (np.isinf(x).sum(), "inf")) if n]
    return ", ".join(filter(None, [text, *odd])) or "empty"


def _heatmap(x: np.ndarray, left: float, top: float) -> tuple[str, float, float]:
    """Blue below zero, orange above, red for nan and inf; rows and columns are left out evenly where there are too many."""
    if not x.size:
        return "", 0.0, 0.0
    table = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)  # (rows, columns)
    table = table[:: -(-table.shape[0] // ROWS), :: -(-table.shape[1] // COLUMNS)]
    cell = max(CELL, min(24, 216 // max(table.shape)))
    size = np.abs(np.where(np.isfinite(table), table, 0.0))
    strength = size / (size.max() or 1.0)
    cells = []
    for (i, j), s in np.ndenumerate(strength):
        colour = (
            "#d1242f"
            if not np.isfinite(table[i, j])
            else _mixed((227, 106, 34) if table[i, j] > 0 else (32, 99, 196), float(s))
        )
        cells.append(
            f'<rect x="{left + j * cell:g}" y="{top + i * cell:g}" width="{cell}" height="{cell}" fill="{colour}"/>'
        )
    return "".join(cells), table.shape[1] * cell, table.shape[0] * cell


def _mixed(colour: tuple[int, int, int], strength: float) -> str:
    """A colour over near white."""
    return "#" + "".join(f"{round(246 + (c - 246) * strength):02x}" for c in colour)


# ---- both --------------------------------------------------------------------------------


def _svg(width: float, height: float, parts: list[str], title: str) -> str:
    return (
        f'<svg {STYLE} width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(_clean(title))}">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def _name(node: Node) -> str:
    return _clean(node.label)


def _clean(text: str) -> str:
    """Without characters that XML cannot hold."""
    return "".join(c if c.isprintable() else " " for c in text)


def _short(text: str, most: int = 18) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _picture(node: Node) -> str | None:
    return card(node) or None


def _mimebundle(node: Node, include: Any = None, exclude: Any = None) -> dict[str, str]:
    """For Jupyter: the picture, and the text for where there are none. include, exclude: MIME types that are wanted, or not."""
    bundle = {"text/plain": repr(node), "image/svg+xml": card(node)}
    return {
        kind: x
        for kind, x in bundle.items()
        if x and (include is None or kind in include) and kind not in (exclude or ())
    }


Node._repr_svg_ = Node._repr_html_ = _picture
Node._repr_mimebundle_ = _mimebundle
