"""Drawings as parts of a page: laid out together, without what the page's style says, and with heatmaps in them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from autograd.drawing.boxes import View
from autograd.drawing.dot import ROOM
from autograd.drawing.heatmap import cells, png
from autograd.drawing.rendering import render
from autograd.drawing.screen import PAGE
from autograd.engine.graph import ScalarNode
from autograd.engine.words import plain
from autograd.stepping.text import Show

__all__ = ["Heatmap", "heatmaps", "inlined", "laid_out"]

LINE = 12.0  # points between lines of a label
SIDE, WIDE = 10.0, 150.0  # of an element at most, and of all

# What the style of the page says, or nobody needs; ids would be shared by drawings.
SLIM = (
    r"<!--.*?-->\n?|<title>.*?</title>\n?",
    r' xml:space="preserve"| xmlns:xlink="[^"]*"| (?:font-family|font-size|text-anchor|stroke-dasharray)="[^"]*"',
    r' (?:fill|stroke|stroke-width)="[^"]*"|(?<=<g) id="[^"]*"',
)
ROUNDED = re.compile(r'<path d="M([-\d.,C ]+)"/>(?=\s*<(?:text|image))')
PLACE = re.compile(rf'(?:<text[^>]*x="([-\d.]+)" y="([-\d.]+)"[^>]*>{ROOM}</text>\s*)+')


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A picture of an array in a box. wide, high: in points."""

    wide: float
    high: float
    png: bytes

    @property
    def lines(self) -> int:
        """Lines of the label that it takes the room of."""
        return -(-round(self.high + 4) // round(LINE))

    def at(self, x: float, y: float) -> str:
        """As an element of SVG with its middle there."""
        place = f'x="{x - self.wide / 2:g}" y="{y - self.high / 2:g}" width="{self.wide:g}" height="{self.high:g}"'
        data = base64.b64encode(self.png).decode()
        return f'<image {place} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>\n'


def heatmaps(show: Show, seen: View) -> dict[int, Heatmap]:
    """The heatmaps of boxes of one array, and of one call, whose result it is."""
    found = {}
    for i, box in enumerate(seen.boxes):
        one = len(box.nodes) == 1 or (box.group is not None and len(box.group.instances) == 1)
        if not one or isinstance(box.nodes[-1], ScalarNode):
            continue
        x = np.asarray(show.stepper.data(box.nodes[-1]))
        if x.size > 1:
            colours = cells(x)
            rows, columns, _ = colours.shape
            side = min(SIDE, (PAGE.pictures * LINE - 4) / rows, WIDE / columns)
            found[i] = Heatmap(columns * side, rows * side, png(colours))
    return found


def laid_out(sources: list[str]) -> list[str]:
    """The drawings of several graphs, laid out at once."""
    return [f"<svg{part}" for part in render("\0".join(sources)).decode().split("<svg")[1:]]


def inlined(svg: str, label: str, maps: Mapping[int, Heatmap]) -> str:
    """A drawing for a page. maps: heatmaps by the number of a box, which has room for it."""
    for number, heatmap in maps.items():
        found = PLACE.search(svg, svg.index(f'class="node n{number} '))
        if found is not None:
            middle = float(found[2]) + 3 - LINE / 2 * found[0].count(ROOM)
            svg = svg[: found.start()] + heatmap.at(float(found[1]), middle) + svg[found.end() :]
    for pattern in SLIM:
        svg = re.sub(pattern, "", svg, flags=re.S)
    svg = ROUNDED.sub(_rectangle, svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(plain(label))}" ', 1).strip()


def _rectangle(path: re.Match[str]) -> str:
    """A rounded rectangle, which Graphviz draws as a path."""
    xs, ys = (sorted(map(float, part)) for part in zip(*re.findall(r"([-\d.]+),([-\d.]+)", path[1])))
    size = f'width="{xs[-1] - xs[0]:g}" height="{ys[-1] - ys[0]:g}"'
    return f'<rect x="{xs[0]:g}" y="{ys[0]:g}" {size} rx="10"/>'
