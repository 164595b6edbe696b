"""Backprop as a page that plays: one HTML file with the drawing, every step of it, and no network.

The steps are a list in the page, readable without JavaScript; `page/player.js` plays that list
over the drawing. What a step is and how it reads is `stepping`'s; the picture is `dot`'s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from tqdm import tqdm

from autograd.drawing.boxes import View
from autograd.drawing.dot import picture
from autograd.drawing.heat import Heat, heat_of, size
from autograd.drawing.labels import numbers
from autograd.drawing.misuse import Misuse, asked_by
from autograd.drawing.palette import DARK, LIGHT, heat_rules, properties
from autograd.drawing.selection import Named, Selection, selection
from autograd.drawing.view import view
from autograd.engine.graph import Node
from autograd.engine.words import many, plain, summary
from autograd.stepping.stepper import Contribution, Position, Stepper
from autograd.stepping.text import Show

__all__ = ["WHOLE", "Player", "play", "player"]

WHOLE = 400  # nodes that a page shows one by one
MOST = 5000  # steps of one page
LONG = 50_000  # nodes from which the recording shows its progress

PAGE = Path(__file__).parent / "page"
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
    limit: int = WHOLE,
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
    seen = view(show, chosen or Selection(limit=WHOLE))
    here = stepper.position
    try:
        stepper.end()
        final = {node.id: stepper.grad(node) for box in seen.boxes for node in box.nodes}
        page = _Page(show, seen, heat_of(seen, lambda node: final[node.id]))
        steps = "\n".join(page.steps())
        drawing = picture(seen, show, lambda node: final[node.id], rankdir=rankdir, tooltips=False, widths=page.widths)
    finally:
        stepper.move_to(here)
    name = show.names[stepper.root]
    title = f"Backprop of {name}"
    seed = numbers("grad ", [stepper.seed])
    seeded = f"dL/d{name} = {summary(stepper.seed)}"
    start = f"Nothing is done yet. {seeded}: the gradient of the root, from where it flows back."
    fill = {
        "CSS": _filled("player.css", COLOURS),
        "JS": _filled("player.js", {}),
        "TITLE": escape(title),
        "ROOT": f'data-root="{seen.box.get(stepper.root.id, "")}" data-grad="{escape(seed)}" '
        f'data-heat="{page.heat.level(size([stepper.seed]))}" data-start="{escape(start)}"',
        "SVG": _slim(
            drawing.pipe("svg", encoding="utf-8"),
            f"Computation graph of {name}: {len(seen.boxes)} boxes, {len(seen.edges)} edges",
        ),
        "STEPS": steps,
        "COUNT": many(page.count, "step"),
    }
    return Player(title, _filled("player.html", fill), page.count, seen.note)


def _filled(file: str, fill: dict[str, str]) -> str:
    """A part of the page, with what stands for each {{NAME}} in it."""
    text = (PAGE / file).read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda m: fill[m[1]], text)


class _Page:
    """Writes the steps as items of a list, with what the script needs to know of each."""

    def __init__(self, show: Show, seen: View, heat: Heat) -> None:
        self.show, self.seen, self.heat = show, seen, heat
        self.count = 0
        self.widths: dict[int, int] = {}  # per box, its longest gradient as text
        self._in: dict[int, dict[int, Any]] = {i: {} for i, box in enumerate(seen.boxes) if len(box.nodes) > 1}

    def steps(self) -> Iterator[str]:
        """An item a contribution, and one for each gradient that was set."""
        s = self.show.stepper
        s.start()
        self._receive(s.root, s.seed)
        yield from self._sets((-1, 0), s.position)
        with tqdm(total=len(s.nodes), unit="node", disable=len(s.nodes) < LONG, leave=False) as bar:
            while not s.at_end:
                before = s.position
                if s.current is not None and any(p.id in self.seen.box for p in s.current.inputs):
                    c = s.step()
                    if c is not None and c.parent.id in self.seen.box:
                        yield self._step(c)
                else:
                    s.goto(s.done + 1)  # many times faster, for its steps are not told
                yield from self._sets(before, s.position)
                bar.update(s.done - before[0])

    def _step(self, c: Contribution) -> str:
        show, s = self.show, self.show.stepper
        head, name = show.header(c.node), show.names[c.node]
        upstream = f"dL/d{name} = {summary(c.upstream)}"
        rule, total = (line.strip() for line in show.contribution(c))
        edge = " ".join(map(str, self.seen.edge.get((c.node.id, c.argument), ())))
        lines = (("head", head), ("upstream", upstream), ("rule", rule), ("sum", total))
        return self._item(c.parent, c.after, lines, n=self.seen.box.get(c.node.id, ""), e=edge, k=s.index[c.node.id])

    def _sets(self, after: Position, until: Position) -> Iterator[str]:
        edits = self.show.stepper.edits
        for position in sorted(p for p in edits if after < p <= until):
            for node, value in edits[position]:
                if node.id in self.seen.box:
                    name = self.show.names[node]
                    yield self._item(
                        node,
                        value,
                        (("head", "what if"), ("sum", f"{name}.grad = {summary(value)} (set)")),
                        n="",
                        e="",
                        k=f"set{self.count}",
                    )

    def _item(self, node: Node, value: Any, lines: Any, **data: Any) -> str:
        self.count += 1
        if self.count > MOST:
            raise Misuse(
                "the backward pass has more than {0:,} steps, too many for one page; show a part of it with "
                "{around}=, {path}= or {top}=, or build the graph of Tensors or of a smaller model",
                MOST,
            )
        box = self.seen.box[node.id]
        text, level = self._receive(node, value)
        self.widths[box] = max(self.widths.get(box, 0), len(text))
        data |= {"p": box, "g": text, "h": level, "name": self.show.names[node]}
        attributes = " ".join(f'data-{key}="{escape(plain(str(x)))}"' for key, x in data.items())
        spans = "".join(f'<span class="{kind}">{escape(plain(line))}</span>' for kind, line in lines)
        return f"<li {attributes}>{spans}</li>"

    def _receive(self, node: Node, value: Any) -> tuple[str, int]:
        """What the box of a node shows once it has received: its gradient, or those of all its nodes."""
        box = self.seen.box.get(node.id)
        if box not in self._in:
            return numbers("grad ", [value]), self.heat.level(size([value]))
        present = self._in[box]
        present[node.id] = value
        if len(present) > 50:  # of a large fold not every state, but how far it has come
            total = len(self.seen.boxes[box].nodes)
            if len(present) < total:
                return f"grad in {len(present):,} of {total:,}", self.heat.level(size([value]))
        return numbers("grad ", list(present.values())), self.heat.level(size(present.values()))


def _slim(svg: str, title: str) -> str:
    """The drawing as a part of a page: no prologue, no ids that two drawings would share, fonts left to the style."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r'<!--.*?-->\n?| xml:space="preserve"| font-family="[^"]*"| xmlns:xlink="[^"]*"|(?<=<g) id="[^"]*"',
        "",
        svg,
        flags=re.S,
    )
    svg = re.sub(r"<title>.*?</title>\n?", "", svg, flags=re.S)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1).strip()
