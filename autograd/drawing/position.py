"""What a notebook shows of a `Stepper`: the graph with the position lit, and what comes next as a table."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from autograd.drawing.dot import Look, picture
from autograd.drawing.rendering import RenderError
from autograd.drawing.selection import Selection
from autograd.drawing.view import view
from autograd.engine.words import many, number, plain, summary
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["html"]

LEAVES = 20  # in the table at the end


def html(stepper: Stepper) -> str:
    """A picture and a table; the table alone where there is no layout to be had."""
    show = Show(stepper)
    try:
        drawing = picture(view(show, Selection()), show, stepper.grad, Look(lit=stepper.current))
        svg = drawing.pipe("svg", encoding="utf-8")
        svg = f'<div style="overflow: auto">{svg[svg.index("<svg") :]}</div>'
    except RenderError:
        svg = ""
    return svg + _table(stepper, show)


def _table(stepper: Stepper, show: Show) -> str:
    """What the arguments of the next node receive; at the end, what the leaves have received."""
    done = f"{stepper.done:,} of {many(len(stepper.nodes), 'operation')} done"
    node = stepper.current
    if node is None:
        leaves = {p.id: p for k in stepper.nodes for p in k.inputs if p.primitive is None}.values()
        held = [(show.names[p], summary(stepper.data(p)), summary(stepper.grad(p))) for p in list(leaves)[:LEAVES]]
        left = len(leaves) - len(held)
        return _written(f"{done}, the gradients of the leaves" + f", {left:,} more left out" * (left > 0), HELD, held)
    rows = [
        (
            show.names[c.parent],
            c.symbol if c.local is None else number(c.local),
            summary(c.value),
            "-" if c.before is None else summary(c.before),
            summary(c.after),
        )
        for c in stepper.step_of(node).contributions
    ]
    upstream = f"dL/d{show.part(node)} = {summary(stepper.grad(node))}"
    return _written(f"{done}; next {show.header(node)}: {upstream}", GOING, rows)


HELD = ("leaf", "data", "gradient")
GOING = ("input", "local derivative", "receives", "has", "will have")


def _written(caption: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def row(cells: Iterable[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(plain(cell))}</{kind}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    caption = f'<caption style="text-align: left">{escape(plain(caption))}</caption>'
    return f"<table>{caption}<thead>{row(head, 'th')}</thead><tbody>{body}</tbody></table>"
