"""A graph as a picture: `draw_dot` writes Graphviz's DOT, with names, numbers, colours and a legend.

What is shown, and what folded, is decided by `view`, what a box says by `labels`; layout is left to `rendering`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import graphviz
import numpy as np
from graphviz import nohtml

from autograd.drawing import palette
from autograd.drawing.boxes import Box, Cluster, Edge, View
from autograd.drawing.caption import caption
from autograd.drawing.heat import Gradient, Heat, arises_backward, arises_forward, heat_of, size
from autograd.drawing.labels import box_lines, derivative
from autograd.drawing.misuse import Misuse, asked_by
from autograd.drawing.palette import LIGHT
from autograd.drawing.rendering import Drawing
from autograd.drawing.screen import PAGE, PAPER, WIDEST, direction
from autograd.drawing.selection import Named, node_of, selection
from autograd.drawing.view import view
from autograd.drawing.zoom import Part, Place, zoomed
from autograd.engine import words
from autograd.engine.graph import Node
from autograd.engine.kinds import received
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["ROOM", "Look", "draw_dot", "picture"]

ROOM = "▦"  # a line of a box where a picture goes
OPENS = " ▸"  # after the title of what opens in a page
DIRECTIONS = ("LR", "TB", "BT", "RL")

GRAPH = {
    "fontname": "Helvetica",
    "fontsize": "11",
    "fontcolor": LIGHT["quiet"],
    "labelloc": "b",
    "nodesep": "0.18",
    "ranksep": "0.35",
}
GRAPH |= {"nslimit": "1", "nslimit1": "1"}  # layouts of long chains take minutes otherwise, and look no better
CLUSTER = {"labelloc": "t", "style": "rounded", "color": LIGHT["line"], "class": "scope"}
NODE = {
    "shape": "box",
    "style": "rounded,filled",
    "fontname": "Helvetica",
    "fontsize": "11",
    "fontcolor": LIGHT["ink"],
    "margin": "0.1,0.05",
    "height": "0.2",
}
EDGE = {
    "color": LIGHT["edge"],
    "arrowsize": "0.6",
    "fontname": "Helvetica",
    "fontsize": "9",
    "fontcolor": LIGHT["quiet"],
}
ASIDE = {"shape": "plaintext", "style": "", "fontcolor": LIGHT["quiet"], "fontsize": "10", "margin": "0.03"}


def draw_dot(
    root: Node,
    format: str = "svg",
    rankdir: str | None = None,
    *,
    depth: int | None = None,
    open: str | tuple[str, ...] = (),
    around: Named | None = None,
    up: int = 2,
    down: int = 2,
    path: tuple[Named, Named] | None = None,
    top: int | None = None,
    zoom: Part | tuple[Part, Place] | None = None,
    derivatives: bool = False,
    legend: bool | None = None,
    limit: int | None = None,
) -> Drawing:
    """Draw the graph of a Value or a Tensor; gives a `graphviz.Digraph`, which shows itself in Jupyter.

    format: what `.render()` writes. "svg" needs nothing installed, others need Graphviz's `dot`.
    rankdir: "LR", inputs left and root right; "TB", "BT" or "RL"; by default "LR" where that can be read on a
        screen 1,000 pixels wide, and "TB" elsewhere.
    limit: a graph of more nodes is folded, by the calls that `record_source()` saw, calls that ran the same
        code as one, by lines and by loops, until it can be read on such a screen; by default what cannot be is.
    depth: instead, open every scope down to this level and fold what is deeper.
    open: scopes to open in any case: "attention", "block#2", "block/mlp", or several of them.
    around, up, down: a node, its name in a drawing, "op:matmul" for the first of an operation, or a scope for
        its result; and how many operations towards the root and towards the leaves to show.
    path: two nodes; show what lies on the paths between them.
    top: show only so many nodes, those that receive the largest gradient contributions.
    zoom: a Tensor, a scope such as "softmax", or "op:matmul" for the first of an operation; show it
        as the graph of single Values that it is, with the same numbers. Of a large result one
        element is shown, that of the largest gradient; a pair (node, index) chooses another.
    derivatives: write each operation and its local derivative on the edges, where an edge is one.
    legend: what the colours mean; by default where gradients are shown.

    The outline of a box shows the size of its gradient, on a scale of its own for each drawing.
    Same graph, same bytes. Raises TypeError for a root or a node that is none, ValueError for a
    scope that does not occur, a path that does not exist, and numbers out of range.

    >>> from autograd import Value
    >>> x = Value(3.0, label="x")
    >>> print(draw_dot(x * x).source.count("->"))
    2
    """
    with asked_by("draw_dot"):
        show = Show(Stepper(node_of(root, "{root}"), _seed(root)))
        only, note = None, ""
        if zoom is not None:
            stepper, only, note = zoomed(show.stepper, show.names, zoom)
            show = Show(stepper)
        chosen = selection(
            show.stepper,
            show.names,
            limit=limit,
            depth=depth,
            open=open,
            around=around,
            up=up,
            down=down,
            path=path,
            top=top,
            only=only,
        )
        seen = view(show, chosen)
        seen.note = "; ".join(filter(None, (note, seen.note)))
        return picture(seen, show, received, Look(format, rankdir, derivatives, legend))


def _seed(root: Node) -> np.ndarray:
    """The gradient that the backward pass started from, if there was one; ones where there was none."""
    seed = None if root.primitive is None else received(root)
    return np.ones(np.shape(root.raw)) if seed is None or not np.any(seed) else seed


# ---- DOT ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """How a view is drawn.

    rankdir: None for what fits the screen. derivatives, legend: as `draw_dot` has them. lit: the node to mark, with
    its edges. heat: the scale, where it is not of this drawing alone. page: as a part of a page, which has a caption
    of its own. doors: per box or cluster that opens, the number of the drawing of what is in it. first: the numbers
    of the first box and the first edge. widths: per box, how wide it is at least, in points. room: and
    how many lines of room for a picture.
    """

    format: str = "svg"
    rankdir: str | None = None
    derivatives: bool = False
    legend: bool | None = None
    lit: Node | None = None
    heat: Heat | None = None
    page: bool = False
    doors: Mapping[int | Cluster, int] = field(default_factory=dict)
    first: tuple[int, int] = (0, 0)
    widths: Mapping[int, float] = field(default_factory=dict)
    room: Mapping[int, int] = field(default_factory=dict)


def picture(seen: View, show: Show, grad: Gradient, look: Look = Look()) -> Drawing:
    """A view as DOT. grad: gives the gradient of a node to show, None for none."""
    rankdir = look.rankdir or direction(seen, show, PAGE if look.page else PAPER)
    if rankdir not in DIRECTIONS:
        raise Misuse("{rankdir}={0!r}; expected LR, TB, BT or RL", rankdir)
    dot = Drawing(format=look.format, graph_attr=GRAPH | {"rankdir": rankdir}, node_attr=NODE, edge_attr=EDGE)
    heat = look.heat or heat_of(seen, grad)
    wrong = _wrong(seen, show.stepper, grad)
    marked = None if look.lit is None else seen.box.get(look.lit.id)
    # Clusters stand within clusters; the innermost are finished first.
    graphs: dict[Cluster, graphviz.Digraph] = {(): dot}
    for k, (cluster, title) in enumerate(seen.clusters.items()):
        text, classes = _door(title, look.doors.get(cluster))
        label = {"label": _text(text), "class": f"scope{classes}"}
        graphs[cluster] = graphviz.Digraph(f"cluster_{k}", graph_attr=CLUSTER | label)
    for i, box in enumerate(seen.boxes):
        attributes = _box(box, heat.level(size(map(grad, box.nodes))), show.stepper.root, i == marked, wrong.get(i, ()))
        first, *rest = box_lines(box, show, grad)
        text, classes = _door(first, look.doors.get(i))
        attributes["class"] = f"n{look.first[0] + i} {attributes['class']}{classes}"
        if look.page:
            rest = [ROOM] * look.room.get(i, 0) + [line for line in rest if not line.startswith("open=")]
        elif box.nodes:
            attributes["tooltip"] = _tooltip("; ".join(map(show.header, box.nodes[:3])))
        if i in look.widths:
            attributes["width"] = f"{look.widths[i] / 72:.2f}"  # inches
        lines = [_text(text, WIDEST), *map(_text, rest)]
        _nearest(graphs, box.cluster).node(f"n{i}", nohtml(r"\n".join(lines)), _attributes=attributes)
    for cluster in sorted(seen.clusters, key=len, reverse=True):
        _nearest(graphs, cluster[:-1]).subgraph(graphs[cluster])
    for i, edge in enumerate(seen.edges):
        attributes = _edge(edge, seen, show, look.derivatives, marked)
        attributes["class"] = f"e{look.first[1] + i}{attributes.get('class', '')}"
        dot.edge(f"n{edge.tail}", f"n{edge.head}", _attributes=attributes)
    if not look.page:
        kinds = ["root"] * (show.stepper.root.id in seen.box) + ["wrong"] * bool(wrong)
        below = caption(seen, heat, heat.high > 0 if look.legend is None else look.legend, kinds)
        dot.attr(**({"label": below} if below else {}))
    return dot


def _door(title: str, sheet: int | None) -> tuple[str, str]:
    """The title of a box or cluster, and its classes, where it opens to a sheet of the page."""
    return (title, "") if sheet is None else (words.short(title, WIDEST - len(OPENS)) + OPENS, f" opens s{sheet}")


def _nearest(graphs: dict[Cluster, graphviz.Digraph], cluster: Cluster) -> graphviz.Digraph:
    """The graph of a cluster, or of the innermost one around it that is drawn."""
    while cluster not in graphs:
        cluster = cluster[:-1]
    return graphs[cluster]


def _text(text: str, most: int = 0) -> str:
    """Text for a label, so that it says just what it says: no escape, entity or markup in it counts."""
    text = words.short(words.plain(text), most or len(text) + 1)
    return nohtml(text.replace("\\", "\\\\").replace("&", "&amp;"))


def _wrong(seen: View, stepper: Stepper, grad: Gradient) -> dict[int, list[str]]:
    """The classes of boxes in which nan or inf arises: "bad" in the data, "alarm" there or in the gradient."""
    found = {}
    for i, box in enumerate(seen.boxes):
        if any(arises_forward(node, stepper) for node in box.nodes):
            found[i] = ["bad", "alarm"]
        elif any(arises_backward(node, stepper, grad) for node in box.nodes):
            found[i] = ["alarm"]
    return found


def _tooltip(text: str) -> str:
    """With a set minus for the backslash, which dot would read twice here; and -> is for edges alone."""
    return _text(text.replace("\\", "\N{SET MINUS}").replace("->", "→"))


def _box(box: Box, level: int, root: Node, lit: bool, wrong: Sequence[str]) -> dict[str, str]:
    """How a box looks. level: its heat."""
    if not box.nodes:
        return ASIDE | {"class": box.kind}
    kind = "root" if any(node is root for node in box.nodes) else box.kind
    classes = [box.kind, *["root"] * (kind == "root"), f"heat{level}" if level >= 0 else "odd", *wrong]
    attributes = {"class": " ".join(classes), "fillcolor": LIGHT["lit" if lit else kind]}
    if wrong:
        attributes |= {
            "color": LIGHT["alarm"],
            "fillcolor": LIGHT["wrong"],
            "fontcolor": LIGHT["alarm"],
            "penwidth": "3",
        }
    elif level < 0:
        attributes |= {"color": LIGHT["ink"], "penwidth": "1.4"}
    else:
        attributes |= {"color": palette.HEAT[level], "penwidth": str(palette.WIDTH[level])}
    if box.kind == "fold":
        attributes |= {"style": "filled", "peripheries": "2"}
    return attributes


def _edge(edge: Edge, seen: View, show: Show, derivatives: bool, marked: int | None) -> dict[str, str]:
    attributes = {}
    kinds = {seen.boxes[edge.tail].kind, seen.boxes[edge.head].kind}
    if edge.node is not None and derivatives:
        attributes["label"] = nohtml(r"\n".join(map(_text, derivative(show, edge.node, edge.argument))))
    elif edge.count > 1:
        attributes["label"] = f"{edge.count:,}"
    if edge.through:
        attributes |= {"style": "dashed"}
    if kinds & {"constant", "more"}:
        attributes |= {"color": LIGHT["line"], "style": "dotted" if "more" in kinds else "solid", "class": " aside"}
    elif marked is not None and edge.head == marked:
        attributes |= {"class": " lit", "color": palette.HEAT[3], "penwidth": "2.5"}
    return attributes
