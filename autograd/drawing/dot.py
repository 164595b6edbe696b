"""A graph as a picture: `draw_dot` writes Graphviz's DOT, with names, numbers, colours and a legend.

What is shown, and what folded, is decided by `view`; layout is left to `rendering`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

import graphviz
import numpy as np
from graphviz import nohtml

from autograd.drawing.rendering import Drawing
from autograd.drawing.view import Box, Edge, View, view
from autograd.drawing.zoom import zoomed
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import raw
from autograd.engine.words import many, number
from autograd.engine.words import shape as shape_text
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["LIMIT", "draw_dot", "heat_of", "nodes_of", "numbers", "picture", "size"]

LIMIT = 150  # nodes that are drawn whole
WIDEST = 32  # characters of a line in a box

FILL = {"leaf": "#e6f4ea", "operation": "#e8f0fe", "fold": "#f1e9fb", "root": "#fff4d6", "lit": "#ffe08a"}
INK, QUIET, ALARM = "#1f2328", "#6e7781", "#d1242f"
FAINT = "#d0d7de"
HEAT = ("#b6bec8", "#f2c14e", "#ee9b3a", "#e36a22", "#c43c1a", "#8c1515")  # from no gradient to the largest
WIDTH = (1.0, 1.4, 1.8, 2.2, 2.6, 3.0)  # heat is width as well, for those who see no red

GRAPH = {
    "fontname": "Helvetica",
    "fontsize": "11",
    "fontcolor": QUIET,
    "labelloc": "b",
    "nodesep": "0.18",
    "ranksep": "0.35",
}
GRAPH |= {"nslimit": "1", "nslimit1": "1"}  # layouts of long chains take minutes otherwise, and look no better
CLUSTER = {"labelloc": "t", "style": "rounded", "color": FAINT, "class": "scope"}
NODE = {
    "shape": "box",
    "style": "rounded,filled",
    "fontname": "Helvetica",
    "fontsize": "11",
    "fontcolor": INK,
    "margin": "0.1,0.05",
    "height": "0.2",
}
EDGE = {"color": "#8c959f", "arrowsize": "0.6", "fontname": "Helvetica", "fontsize": "9", "fontcolor": QUIET}


def draw_dot(
    root: Any,
    format: str = "svg",
    rankdir: str = "LR",
    *,
    depth: int | None = None,
    open: str | tuple[str, ...] = (),
    around: Any = None,
    up: int = 2,
    down: int = 2,
    path: tuple[Any, Any] | None = None,
    top: int | None = None,
    zoom: Any = None,
    derivatives: bool = False,
    legend: bool | None = None,
    limit: int = LIMIT,
) -> Drawing:
    """Draw the graph of a Value or a Tensor; gives a `graphviz.Digraph`, which shows itself in Jupyter.

    format: what `.render()` writes. "svg" needs nothing installed, others need Graphviz's `dot`.
    rankdir: "LR", inputs left and root right; "TB", "BT" or "RL".
    limit: a graph of more nodes is folded to at most 40 boxes, by the calls that
        `record_source()` saw, calls that ran the same code as one, and by operation.
    depth: instead, open every scope down to this level and fold what is deeper.
    open: scopes to open in any case: "attention", "block#2", "block/mlp", or several of them.
    around, up, down: a node or its name in a drawing, and how many operations towards the root and towards the leaves to show.
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
    seed = (
        None if _node(root, "root", "draw_dot").primitive is None else raw(root._grad)
    )  # of the backward pass, if there was one
    show = Show(Stepper(root, np.ones(np.shape(root.raw)) if seed is None or not np.any(seed) else seed))
    only, note = None, ""
    if zoom is not None:
        stepper, only, note = zoomed(show.stepper, zoom)
        show = Show(stepper)
    chosen = {
        "limit": limit,
        "depth": depth,
        "open": open,
        "around": around,
        "up": up,
        "down": down,
        "path": path,
        "top": top,
    }
    seen = view(show.stepper, show.names, only=only, **nodes_of(show, "draw_dot", chosen))
    seen.note = "; ".join(filter(None, (note, seen.note)))
    return picture(seen, show, lambda node: raw(node._grad), format, rankdir, derivatives, legend)


def nodes_of(show: Show, function: str, options: dict[str, Any]) -> dict[str, Any]:
    """What to show, checked and ready for `view`; nodes may be given by name. Raises as `draw_dot` does."""
    options = dict(options)
    for name in ("depth", "up", "down", "top", "limit"):
        n, least = options.get(name), int(name in ("top", "limit"))
        if n is not None and (not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < least):
            raise ValueError(f"{function}: {name}={n!r}; expected a whole number from {least} on")
    opened = options.pop("open", ())
    opened = (opened,) if isinstance(opened, str) else opened
    if not isinstance(opened, (tuple, list)) or not all(isinstance(x, str) for x in opened):
        raise TypeError(f"{function}: open={opened!r}; expected a scope such as 'attention', or several")
    options["opened"] = tuple(opened)
    if options.get("around") is not None:
        options["around"] = _known(options["around"], "around", function, show)
    if options.get("path") is not None:
        path = options["path"]
        if not isinstance(path, (tuple, list)) or len(path) != 2:
            raise ValueError(f"{function}: path={path!r}; expected a pair of nodes")
        options["path"] = tuple(_known(x, f"path[{i}]", function, show) for i, x in enumerate(path))
    return options


def _node(x: Any, what: str, function: str) -> Node:
    if not isinstance(x, Node):
        raise TypeError(f"{function}: {what} must be a Value or a Tensor, got {type(x).__name__}")
    return x


def _known(x: Any, what: str, function: str, show: Show) -> Node:
    if isinstance(x, str) and x not in show.names.by_name:
        near = get_close_matches(x, show.names.by_name, 1)
        raise ValueError(
            f"{function}: no node is called {x!r}, as {what} says{f'; did you mean {near[0]}?' if near else ''}"
        )
    node = _node(show.names.by_name[x] if isinstance(x, str) else x, what, function)
    if node.id not in show.names.by_id:
        raise ValueError(f"{function}: the node given as {what} is not in the graph of root")
    return node


# ---- DOT ---------------------------------------------------------------------------------


def picture(
    seen: View,
    show: Show,
    grad: Callable[[Node], Any],
    format: str = "svg",
    rankdir: str = "LR",
    derivatives: bool = False,
    legend: bool | None = None,
    lit: Node | None = None,
    tooltips: bool = True,
    widths: dict[int, int] | None = None,
) -> Drawing:
    """A view as DOT.

    grad: gives the gradient of a node to show, None for none. lit: the node to mark, with its edges.
    widths: per box, characters that a line of it must have room for.
    """
    if rankdir not in ("LR", "TB", "BT", "RL"):
        raise ValueError(f"rankdir={rankdir!r}; expected LR, TB, BT or RL")
    dot = Drawing(format=format, graph_attr=GRAPH | {"rankdir": rankdir}, node_attr=NODE, edge_attr=EDGE)
    if seen.note:
        dot.attr(label=_text(seen.note))
    heat = heat_of(seen, grad)
    marked = None if lit is None else seen.box.get(lit.id)
    # Clusters stand within clusters; the innermost are finished first.
    graphs: dict[tuple[str, ...], graphviz.Digraph] = {(): dot}
    for k, (cluster, title) in enumerate(seen.clusters.items()):
        graphs[cluster] = graphviz.Digraph(f"cluster_{k}", graph_attr=CLUSTER | {"label": _text(title)})
    for i, box in enumerate(seen.boxes):
        label, attributes = _box(box, i, heat, show, grad, i == marked)
        if tooltips and box.nodes:
            # A set minus for the backslash, which dot would read twice here; and -> is for edges alone.
            attributes["tooltip"] = _text(
                "; ".join(map(show.header, box.nodes[:3])).replace("\\", "\N{SET MINUS}").replace("->", "→")
            )
        if widths and box.nodes:
            attributes["width"] = f"{0.083 * widths.get(i, 0) + 0.2:.2f}"  # inches
        graphs[box.cluster].node(f"n{i}", nohtml(r"\n".join(label)), _attributes=attributes)
    for cluster in sorted(seen.clusters, key=len, reverse=True):
        graphs[cluster[:-1]].subgraph(graphs[cluster])
    for i, edge in enumerate(seen.edges):
        dot.edge(f"n{edge.tail}", f"n{edge.head}", _attributes=_edge(edge, i, seen, show, derivatives, lit))
    if legend or (legend is None and heat.high > 0):
        dot.subgraph(_legend(seen, heat))
    return dot


def _text(text: str, most: int = 0) -> str:
    """Text for a label, so that it says just what it says: no escape, entity or markup in it counts."""
    text = "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if most and len(text) > most:
        text = text[: most - 1] + "…"
    return nohtml(text.replace("\\", "\\\\").replace("&", "&amp;"))


def _box(
    box: Box, number_: int, heat: Heat, show: Show, grad: Callable[[Node], Any], lit: bool
) -> tuple[list[str], dict[str, str]]:
    """The lines of a box, and its attributes."""
    classes = f"n{number_} {box.kind}"
    if box.kind in ("constant", "more"):
        text = (
            f"{box.calls} more …"
            if box.kind == "more"
            else number(box.value)
            if np.ndim(box.value) == 0
            else numbers("", [box.value]).strip()
        )
        return [_text(text)], {
            "class": classes,
            "shape": "plaintext",
            "style": "",
            "fontcolor": QUIET,
            "fontsize": "10",
            "margin": "0.03",
        }
    nodes, s = box.nodes, show.stepper
    data, grads = [s.data(node) for node in nodes], [grad(node) for node in nodes]
    lines = _title(box, show)
    shapes = {(np.shape(x), np.asarray(x).dtype) for x, node in zip(data, nodes) if not isinstance(node, ScalarNode)}
    if len(shapes) == 1:
        lines += [f"{shape_text(shape)} {dtype}" for shape, dtype in shapes]
    if box.kind != "fold":
        lines.append(numbers("data ", data))
    lines.append(numbers("grad ", grads))
    if box.pattern:
        lines.append(f'open="{box.pattern}"')
    level = heat.level(size(grads))
    kind = "root" if s.root in nodes else box.kind
    attributes = {
        "class": f"{classes}{' root' * (kind == 'root')} heat{max(level, 0)}{' alarm' * (level < 0)}",
        "fillcolor": FILL["lit" if lit else kind],
        "color": HEAT[level] if level >= 0 else ALARM,
        "penwidth": str(WIDTH[level]),
    }
    if level < 0 or any(_alarming(node, x) for node, x in zip(nodes, data)):
        attributes |= {
            "class": f"{attributes['class']} {'' if level < 0 else 'bad '}alarm",
            "color": ALARM,
            "fontcolor": ALARM,
            "penwidth": "3",
        }
    if box.kind == "fold":
        attributes |= {"style": "filled", "peripheries": "2"}
    return [_text(line, WIDEST) for line in lines[:1]] + [_text(line) for line in lines[1:]], attributes


def _title(box: Box, show: Show) -> list[str]:
    node = box.nodes[0]
    if box.kind == "fold":
        operations, leaves = box.hidden
        return [box.name, many(operations, "operation") + (f", {many(leaves, 'lea', 'f', 'ves')}" if leaves else "")]
    if box.kind == "leaf":
        if len(box.nodes) == 1:
            return [show.names[node]]
        names = {n.label for n in box.nodes}
        first, last = box.nodes[0].label, box.nodes[-1].label
        return [
            f"{first or 'leaves'} … {last}" if len(names) > 1 else first or "leaves",
            many(len(box.nodes), "lea", "f", "ves"),
        ]
    return [f"{show.names[node]} = {node._op}" if len(box.nodes) == 1 else node._op + f" × {len(box.nodes):,}"]


def _edge(edge: Edge, number_: int, seen: View, show: Show, derivatives: bool, lit: Node | None) -> dict[str, str]:
    attributes = {"class": f"e{number_}"}
    kinds = {seen.boxes[edge.tail].kind, seen.boxes[edge.head].kind}
    if edge.node is not None and derivatives:
        attributes["label"] = nohtml(r"\n".join(map(_text, _derivative(show, edge.node, edge.argument))))
    elif edge.count > 1:
        attributes["label"] = f"{edge.count:,}"
    if edge.again:  # drawn back from one call to the next
        attributes |= {"style": "dashed", "constraint": "false"}
    if kinds & {"constant", "more"}:
        attributes |= {"color": FAINT, "style": "dotted" if "more" in kinds else "solid"}
    elif lit is not None and edge.head == seen.box.get(lit.id):
        attributes |= {"class": f"e{number_} lit", "color": HEAT[3], "penwidth": "2.5"}
    return attributes


def _derivative(show: Show, node: Node, argument: int) -> tuple[str, str]:
    """The operation, and what it says of the gradient along one edge."""
    edges = {i: p for i, p, _ in show.stepper.edges(node)}
    if argument not in edges:
        return node.op, "no gradient"
    local = show.stepper.local(node, argument)
    if local is not None:
        return node.op, f"d{show.names[node]}/d{show.names[edges[argument]]} = {number(local)}"
    contribution = next(c for c in show.stepper.step_of(node).contributions if c.argument == argument)
    return node.op, show.contribution(contribution)[0].partition("   waits")[0].strip()


# ---- numbers -----------------------------------------------------------------------------


def numbers(what: str, arrays: list[Any]) -> str:
    """One line on numbers: what they are, or from where to where they go."""
    arrays = [np.asarray(x, float) for x in arrays if x is not None]
    if not arrays:
        return f"{what}-"
    x = arrays[0] if len(arrays) == 1 else np.concatenate([a.ravel() for a in arrays])
    if x.size == 1 and x.ndim == 0:
        return what + number(x)
    if x.size <= 3 and x.ndim == 1:
        return f"{what}[{', '.join(map(number, x))}]"
    fine = x[np.isfinite(x)]
    ends = sorted({number(fine.min()), number(fine.max())}, key=float) if fine.size else []
    odd = [f"{n:,} {name}" for n, name in ((np.isnan(x).sum(), "nan"), (np.isinf(x).sum(), "inf")) if n]
    return what + ", ".join([*([" … ".join(ends)] if ends else []), *odd]) + ("" if what else f" {shape_text(x.shape)}")


def _alarming(node: Node, data: Any) -> bool:
    """Whether a number went wrong here: a nan, or an inf that did not come in with the inputs, as the -inf of a mask does."""
    if isinstance(data, float):
        return not math.isfinite(data) and (data != data or all(map(math.isfinite, node.saved)))
    if np.isfinite(data).all():
        return False
    return bool(np.isnan(data).any()) or all(
        np.isfinite(x).all()
        for x in node.saved
        if isinstance(x, (float, np.ndarray)) and np.asarray(x).dtype.kind == "f"
    )


def size(grads: Iterable[Any]) -> float | None:
    """The largest magnitude among gradients; nan where one is nan or inf, None where there is none."""
    sizes = [
        float(abs(g)) if isinstance(g, float) else float(np.max(np.abs(np.asarray(g, float)), initial=0.0))
        for g in grads
        if g is not None
    ]
    return None if not sizes else max(sizes) if all(map(math.isfinite, sizes)) else math.nan


class Heat:
    """Steps from the smallest gradient of a drawing to its largest, evenly in the logarithm, over one decade at least and five at most."""

    def __init__(self, sizes: list[float | None]) -> None:
        real = [x for x in sizes if x is not None and x > 0]
        self.high = max(real, default=0.0)
        least = min(real, default=0.0)
        self.low = max(min(max(least, self.high * 1e-5), self.high / 10), math.ulp(0.0))
        self.cut = least < self.low  # some are smaller still

    def level(self, size: float | None) -> int:
        """0 where there is no gradient or none yet, 1 to 5 by size, -1 for nan and inf."""
        if size is None or size == 0:
            return 0
        if not math.isfinite(size):
            return -1
        if size >= self.high:  # also while a gradient is larger than it will be at the end
            return len(HEAT) - 1
        decades = math.log(self.high) - math.log(self.low)
        return 1 + int((len(HEAT) - 1.001) * max(0.0, math.log(size) - math.log(self.low)) / decades)


def heat_of(seen: View, grad: Callable[[Node], Any]) -> Heat:
    """The scale of a drawing."""
    return Heat([size(map(grad, box.nodes)) for box in seen.boxes])


def _legend(seen: View, heat: Heat) -> graphviz.Digraph:
    """What colours mean: a strip of kinds, and one of heat."""
    title = (
        "legend"
        if heat.high == 0
        else f"outline: largest |grad|\n{'≤ ' if heat.cut else ''}{number(heat.low)} … {number(heat.high)}, log scale"
    )
    node = {"shape": "box", "style": "striped", "color": FAINT, "class": "legend", "fontsize": "9", "margin": "0"}
    graph = graphviz.Digraph("cluster_legend", graph_attr=CLUSTER | {"label": title, "class": "legend"}, node_attr=node)
    if heat.high > 0:
        graph.node("heat", "", fillcolor=":".join(HEAT[1:]), height="0.14", width="1.2")
    shown = {box.kind for box in seen.boxes} | {"root"}
    kinds = [kind for kind in ("leaf", "operation", "fold", "root") if kind in shown]
    room = [len(kind) + 3 for kind in kinds]  # in characters
    stripes = ":".join(f"{FILL[kind]};{n / sum(room):.3f}" for kind, n in zip(kinds, room))
    graph.node("kinds", "      ".join(kinds), fillcolor=stripes, height="0.22", width=f"{0.07 * sum(room):.2f}")
    return graph
