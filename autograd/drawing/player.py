"""Backprop as a page that plays: one HTML file with the drawing, every step of it, and no network.

The steps are a list in the page, readable without JavaScript; `page/player.js` plays that list
over the drawing. What a step is and how it reads is `stepping`'s; the picture is `dot`'s.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from autograd.drawing.dot import Look, picture
from autograd.drawing.heat import Heat, size
from autograd.drawing.inline import heatmaps, inlined, laid_out
from autograd.drawing.misuse import asked_by
from autograd.drawing.palette import DARK, LIGHT, heat_rules, properties
from autograd.drawing.screen import LETTER, PAGE
from autograd.drawing.selection import Named, Selection, selection
from autograd.drawing.sheets import Sheet, sheets
from autograd.drawing.steps import Steps, check_count
from autograd.drawing.view import view
from autograd.engine.graph import Node
from autograd.engine.words import many, number, plain, summary
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["Player", "play", "player"]

PARTS = Path(__file__).parent / "page"
COLOURS = {"LIGHT": properties(LIGHT), "DARK": properties(DARK), "HEAT": heat_rules(), "INK": LIGHT["ink"]}


@dataclass(frozen=True, repr=False)
class Player:
    """A recorded backprop: `.save(path)` writes it as a page, `.html` is that page.

    fragment: the part of the page to put into another. count: how many steps it has. note: what it leaves out.
    """

    title: str
    fragment: str
    count: int
    note: str

    @property
    def html(self) -> str:
        """The whole page."""
        title = escape(self.title)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
            f"<title>{title}</title>\n</head>\n<body>\n<main>\n{self.fragment}\n</main>\n</body>\n</html>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the page; gives its path."""
        if Path(path).suffix.lower() not in (".html", ".htm"):
            name = os.fspath(path)
            raise ValueError(
                f"play: {name!r} is no name of a page: it is HTML, as in backprop.html; draw_dot writes pictures"
            )
        Path(path).write_text(self.html, encoding="utf-8", errors="replace")
        return os.fspath(path)

    def __repr__(self) -> str:
        return f"<Player: {self.title}, {many(self.count, 'step')}; .save('backprop.html') writes it>"

    def _repr_html_(self) -> str:
        """For Jupyter: the page in a frame, so that its script and its keys are its own."""
        page, title = escape(self.html), escape(self.title)
        return f'<iframe srcdoc="{page}" title="{title}" style="width: 100%; height: 46rem; border: 0"></iframe>'


def play(
    root: Node,
    path: str | os.PathLike[str] | None = None,
    gradient: ArrayLike | None = None,
    *,
    rankdir: str | None = None,
    depth: int | None = None,
    open: str | tuple[str, ...] = (),
    around: Named | None = None,
    up: int = 2,
    down: int = 2,
    between: tuple[Named, Named] | None = None,
    top: int | None = None,
    limit: int | None = None,
) -> Player:
    """Record the backward pass from `root` and write it as a page that plays it; gives a `Player`.

    >>> x = Value(3.0, label="x")
    >>> y = x * x
    >>> y.label = "y"
    >>> play(y)
    <Player: Backprop of y, 2 steps; .save('backprop.html') writes it>

    path: where to write it, as "backprop.html"; without one nothing is written.
    gradient: as for `Stepper`. The nodes' own `.grad` is left alone.
    rankdir, depth, open, around, up, down, top, limit: what to show, as for `draw_dot`, and between
    as its `path`; only steps that reach a node shown are played.
    Raises ValueError for more than 5,000 steps and for a path that is not HTML, and as `Stepper` and `draw_dot` do.
    """
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"play: path is the file to write, as in play(root, 'backprop.html'), got {type(path).__name__}; "
            "between=(a, b) shows paths"
        )
    if not isinstance(root, Node):
        raise TypeError(f"play: expected a Value or a Tensor, got {type(root).__name__}")
    with asked_by("play", path="between"):
        show = Show(Stepper(root, gradient))
        chosen = selection(
            show.stepper,
            show.names,
            limit=limit,
            depth=depth,
            open=open,
            around=around,
            up=up,
            down=down,
            path=between,
            top=top,
        )
        made = player(show, chosen, rankdir)
    if path is not None:
        made.save(path)
    return made


def player(show: Show, chosen: Selection | None = None, rankdir: str | None = None) -> Player:
    """The backward pass of the stepper that is shown, its what-if edits included; it comes back to its position."""
    stepper = show.stepper
    first = view(show, chosen or Selection(), PAGE)
    check_count(stepper, first)
    pages = sheets(show, first)
    here = stepper.position
    try:
        stepper.end()
        final = {node.id: stepper.grad(node) for sheet in pages for box in sheet.view.boxes for node in box.nodes}
        steps = Steps(show, pages, _heat(pages, final))
        forward, backward = "\n".join(steps.forward()), "\n".join(steps.backward())
        drawings = _drawn(show, pages, final, steps, rankdir)
        start = Steps(show, pages, steps.heat).root()
    finally:
        stepper.move_to(here)
    name = show.names[stepper.root]
    title = f"Backprop of {name}"
    seeded = f"dL/d{show.part(stepper.root)} = {summary(stepper.seed)}"
    root = {
        "root": start["p"],
        "grad": start["g"],
        "heat": start["h"],
        "start": f"Nothing is computed yet: {many(len(stepper.nodes), 'operation')} to come, then the way back.",
        "turn": f"All is computed; now back. {seeded}: the gradient of the root, from where it flows.",
    }
    fill = {
        "CSS": _filled("player.css", COLOURS),
        "JS": _filled("player.js", {}),
        "TITLE": escape(plain(title)),
        "ROOT": " ".join(f'data-{key}="{escape(text)}"' for key, text in root.items()),
        "SHEETS": "\n".join(drawings),
        "NOTE": escape(plain(pages[0].view.note.replace("open= opens a fold", "a click opens a fold ▸"))),
        "LEGEND": _legend(steps.heat),
        "FORWARD": forward,
        "STEPS": backward,
        "COUNT": many(steps.count, "step"),
    }
    return Player(title, _filled("player.html", fill), steps.count, pages[0].view.note)


def _heat(pages: list[Sheet], final: dict[int, Any]) -> Heat:
    """One scale for all drawings of a page."""
    return Heat(size(final[node.id] for node in box.nodes) for sheet in pages for box in sheet.view.boxes)


def _drawn(show: Show, pages: list[Sheet], final: dict[int, Any], steps: Steps, rankdir: str | None) -> list[str]:
    """Every sheet, laid out; its way back, and which box is which, are for the script."""
    sources, inside = [], []
    for sheet in pages:
        maps = heatmaps(show, sheet.view)
        widths = {i: max(LETTER * steps.widths.get(sheet.first[0] + i, 0) + 15, m.wide + 8) for i, m in maps.items()}
        for i, box in enumerate(sheet.view.boxes):
            if box.nodes and i not in widths:
                widths[i] = LETTER * steps.widths.get(sheet.first[0] + i, 0) + 15
        lines = {i: m.lines for i, m in maps.items()}
        look = Look(
            rankdir=rankdir, heat=steps.heat, page=True, doors=sheet.doors, first=sheet.first, widths=widths, room=lines
        )
        sources.append(picture(sheet.view, show, lambda node: final[node.id], look).source)
        inside.append({sheet.first[0] + i: m for i, m in maps.items()})
    whole = show.names[show.stepper.root]
    found = []
    for k, (sheet, svg, maps) in enumerate(zip(pages, laid_out(sources), inside, strict=True)):
        counts = f"{many(len(sheet.view.boxes), 'box', '', 'es')}, {many(len(sheet.view.edges), 'edge')}"
        title = escape(plain(sheet.title or whole))
        up = "" if sheet.up is None else f' data-up="{sheet.up}"'
        heading = "" if sheet.up is None else f"<h4>{title}</h4>"
        label = f"{sheet.title or f'Computation graph of {whole}'}: {counts}"
        found.append(
            f'<div class="sheet" data-sheet="{k}" data-title="{title}"{up}>{heading}{inlined(svg, label, maps)}</div>'
        )
    return found


def _legend(heat: Heat) -> str:
    """What colours mean, each word on its colour."""
    words = [f'<span class="{kind}">{kind}</span>' for kind in ("leaf", "operation", "fold", "root")]
    if heat.high > 0:
        ends = {1: ("≤ " if heat.cut else "") + number(heat.low), 5: number(heat.high)}
        words.append("outline: |grad|")
        words += [f'<span class="heat" style="--heat: var(--heat{k})">{ends.get(k, "")}</span>' for k in range(1, 6)]
    return " ".join([*words, '<span class="alarm">nan or inf arises</span>'])


def _filled(file: str, fill: dict[str, str]) -> str:
    """A part of the page, with what stands for each {{NAME}} in it."""
    text = (PARTS / file).read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda m: fill[m[1]], text)
