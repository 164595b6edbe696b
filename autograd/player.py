"""Backprop as a page that plays: one HTML file with the drawing, every step of it, and no network.

The steps are a list in the page, readable without JavaScript; `page/player.js` plays that list
over the drawing. What a step is comes from `stepper`, how it reads from `show`, and the
picture from `drawing`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from tqdm import tqdm

from autograd.drawing import heat_of, nodes_of, numbers, picture, size
from autograd.graph import Node
from autograd.show import Show, summary
from autograd.stepper import Contribution, Position, Stepper
from autograd.view import View, view

__all__ = ["Player", "play", "player"]

LIMIT = 400  # nodes that are drawn whole
MOST = 5000  # steps of one page
LONG = 50_000  # nodes from which the recording shows its progress

PAGE = Path(__file__).parent / "page"


@dataclass(frozen=True)
class Player:
    """A recorded backprop. `.save(path)` writes it as a page, `.html` is that page, `.fragment` its part to put into another."""

    title: str
    fragment: str
    note: str = ""  # what it leaves out

    @property
    def html(self) -> str:
        """The whole page."""
        title = escape(self.title)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
            f"<title>{title}</title>\n</head>\n<body>\n<main>\n{self.fragment}\n</main>\n</body>\n</html>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the page; gives its path."""
        Path(path).write_text(self.html, encoding="utf-8")
        return os.fspath(path)

    def _repr_html_(self) -> str:
        """For Jupyter: the page in a frame, so that its script and its keys are its own."""
        return f'<iframe srcdoc="{escape(self.html)}" title="{escape(self.title)}" style="width: 100%; height: 46rem; border: 0"></iframe>'


def play(root: Any, path: str | os.PathLike[str] | None = None, gradient: Any = None, **options: Any) -> Player:
    """Record the backward pass from `root` and write it as a page that plays it; gives a `Player`.

    path: where to write it, as "backprop.html"; without one nothing is written.
    gradient: as for `Stepper`. options: what to show, as for `draw_dot`: depth, open, around, up, down, path
    as `between`, top and limit; only steps among the nodes shown are played. The nodes' own `.grad` is left alone.
    Raises ValueError for more than 5,000 steps, and what `Stepper` and `draw_dot` raise.
    """
    stepper = Stepper(root, gradient)
    show = Show(stepper)
    made = player(show, **options)
    if path is not None:
        made.save(path)
    return made


def player(show: Show, **options: Any) -> Player:
    """The backward pass of the stepper that is shown, its what-if edits included; it comes back to its position."""
    rankdir = options.pop("rankdir", "LR")
    if "between" in options:
        options["path"] = options.pop("between")
    seen = view(show.stepper, show.names, **nodes_of(show, "play", {"limit": LIMIT} | options))
    stepper = show.stepper
    here = stepper.position
    title = f"Backprop of {show.names[stepper.root]}"
    try:
        stepper.end()
        final = {i: stepper.grad(node) for i, node in _shown(seen)}
        svg = picture(seen, show, lambda node: final[node.id], rankdir=rankdir, tooltips=False).pipe("svg", encoding="utf-8")
        heat = heat_of(seen, lambda node: final[node.id])
        page = _Page(show, seen, heat)
        steps = "\n".join(page.steps())
    finally:
        stepper.move_to(here)
    root = seen.box.get(stepper.root.id, "")
    seed = numbers("grad ", [stepper.seed])
    start = f"Nothing is done yet. d{show.names[stepper.root]}/d{show.names[stepper.root]} = {summary(stepper.seed)}: the gradient starts here and flows back."
    fill = {
        "CSS": (PAGE / "player.css").read_text(encoding="utf-8"),
        "JS": (PAGE / "player.js").read_text(encoding="utf-8"),
        "TITLE": escape(title),
        "ROOT": f'data-root="{root}" data-grad="{escape(seed)}" data-heat="{heat.level(size([stepper.seed]))}" data-start="{escape(start)}"',
        "SVG": _slim(svg, f"Computation graph of {show.names[stepper.root]}: {len(seen.boxes)} boxes, {len(seen.edges)} edges"),
        "STEPS": steps,
        "COUNT": f"{page.count:,} step{'s' * (page.count != 1)}",
    }
    text = (PAGE / "player.html").read_text(encoding="utf-8")
    return Player(title, re.sub(r"\{\{(\w+)\}\}", lambda m: fill[m[1]], text), seen.note)


def _shown(seen: View) -> Iterator[tuple[int, Node]]:
    return ((node.id, node) for box in seen.boxes for node in box.nodes)


class _Page:
    """Writes the steps as items of a list, with what the script needs to know of each."""

    def __init__(self, show: Show, seen: View, heat: Any) -> None:
        self.show, self.seen, self.heat = show, seen, heat
        self.count = 0
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
                if s.current is not None and s.current.id in self.seen.box:
                    c = s.step()
                    if c is not None and c.node.id in self.seen.box and c.parent.id in self.seen.box:
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
        edge = self.seen.edge.get((c.node.id, c.argument), "")
        lines = (("head", head), ("upstream", upstream), ("rule", rule), ("sum", total))
        return self._item(c.parent, c.after, lines, n=self.seen.box[c.node.id], e=edge, k=s.index[c.node.id])

    def _sets(self, after: Position, until: Position) -> Iterator[str]:
        edits = self.show.stepper.edits
        for position in sorted(p for p in edits if after < p <= until):
            for node, value in edits[position]:
                if node.id in self.seen.box:
                    name = self.show.names[node]
                    yield self._item(node, value, (("head", "what if"), ("sum", f"{name}.grad = {summary(value)} (set)")), n="", e="", k=f"set{self.count}")

    def _item(self, node: Node, value: Any, lines: Any, **data: Any) -> str:
        self.count += 1
        if self.count > MOST:
            raise ValueError(
                f"play: the backward pass has more than {MOST:,} steps, too many for one page; show a part of it with around=, between= or top=, "
                "or build the graph of Tensors or of a smaller model"
            )
        box = self.seen.box[node.id]
        text, level = self._receive(node, value)
        data |= {"p": box, "g": text, "h": level, "name": self.show.names[node]}
        attributes = " ".join(f'data-{key}="{escape(str(x))}"' for key, x in data.items())
        return f"<li {attributes}>" + "".join(f'<span class="{kind}">{escape(line)}</span>' for kind, line in lines) + "</li>"

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
    svg = re.sub(r'<!--.*?-->\n?| xml:space="preserve"| font-family="[^"]*"| xmlns:xlink="[^"]*"|(?<=<g) id="[^"]*"', "", svg, flags=re.S)
    svg = re.sub(r"<title>.*?</title>\n?", "", svg, flags=re.S)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1).strip()
