"""What a drawing shows of a graph: its boxes, the edges between them, and what it leaves out.

Has `folding` fold what is too much, and gives places to leaves and constants. Which nodes are to be
shown is `selection`'s; what a box says and how it looks, `labels`' and `dot`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from autograd.drawing.folding import Fold, Group, fold
from autograd.drawing.misuse import Misuse
from autograd.drawing.selection import Selection, selected
from autograd.engine.graph import Node
from autograd.engine.kinds import is_float
from autograd.engine.words import many
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["Box", "Edge", "View", "view"]

FOLDED = 16  # boxes of operations in a drawing that is folded
TOO_MANY = 2000  # boxes that can be laid out
LEAVES = 12  # and of leaves; with a legend these stay under 40

Cluster = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Box:
    """One box. kind: "operation", "leaf", "constant", "fold", or "more" for neighbours left out.

    nodes: what it stands for. cluster: the open scopes around it. calls: how many of them are one here.
    name, hidden: of a fold, its title, and how many operations and leaves it hides. pattern: what opens a fold.
    """

    kind: str
    nodes: list[Node]
    cluster: Cluster = ()
    calls: int = 1
    name: str = ""
    hidden: tuple[int, int] = (0, 0)
    pattern: str = ""
    value: Any = None


@dataclass(slots=True, eq=False)
class Edge:
    """From an input to its operation.

    node, argument: of the operation, where it is one edge. again: from one call of merged ones to the next.
    """

    tail: int
    head: int
    node: Node | None = None
    argument: int = 0
    count: int = 1
    again: bool = False


@dataclass(slots=True, eq=False)
class View:
    """All that is shown.

    box: per id of a node, its box. edge: per id and argument, its edge. clusters: their titles.
    """

    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    clusters: dict[Cluster, str] = field(default_factory=dict)
    box: dict[int, int] = field(default_factory=dict)
    edge: dict[tuple[int, int], int] = field(default_factory=dict)
    note: str = ""

    def add(self, box: Box) -> int:
        """One more box; its number."""
        for node in box.nodes:
            self.box[node.id] = len(self.boxes)
        self.boxes.append(box)
        return len(self.boxes) - 1


def view(show: Show, chosen: Selection) -> View:
    """The view of a graph. Raises Misuse where a scope or a path does not exist, or more would be drawn than can be."""
    stepper = show.stepper
    ids, said = selected(stepper, show.names, chosen)
    nodes = {n.id: n for k in stepper.nodes or [stepper.root] for n in (k, *k.inputs)}
    total = len(nodes) if chosen.only is None else len(chosen.only)
    places = {k: n for k, n in enumerate(stepper.nodes) if ids is None or n.id in ids}
    leaves = {i: n for i, n in nodes.items() if n.primitive is None and (ids is None or i in ids)}
    if chosen.depth is None and not chosen.open and len(places) + len(leaves) <= chosen.limit:
        result = _whole(places, leaves)
        if said:
            _more(result, stepper, chosen.only)
    else:
        result = _folded(places, leaves, chosen)
        said += _folding(result, any(node.scope for node in places.values()))
    if len(result.boxes) > TOO_MANY:
        raise Misuse(
            "this would draw {0:,} boxes, more than {1:,}; fold more of it with another {depth}=, {open}= or {limit}=",
            len(result.boxes),
            TOO_MANY,
        )
    result.note = _note(result, said, total, len(places), len(leaves)) if said else ""
    return result


def _note(result: View, said: list[str], total: int, operations: int, leaves: int) -> str:
    """How much of the graph is shown, and by what choice."""
    boxes = [box for box in result.boxes if box.kind not in ("constant", "more")]
    shown = sum(len(box.nodes) for box in boxes if box.kind != "fold")
    if shown == len(boxes):
        return f"{shown:,} of {total:,} nodes: {'; '.join(said)}"
    left = total - operations - leaves
    said = [*said, *[f"{left:,} nodes are left out"] * (left > 0)]
    counts = f"{many(operations, 'operation')} and {many(leaves, 'lea', 'f', 'ves')}"
    return f"{counts} in {many(len(boxes), 'box', '', 'es')}: {'; '.join(said)}"


def _folding(result: View, scopes: bool) -> list[str]:
    """How to read a drawing that is folded."""
    said = (
        ["calls of the same code are one"]
        if scopes
        else ["grouped by operation; built inside record_source() it would be by calls"]
    )
    if any(box.pattern for box in result.boxes):
        said.append("open= opens a fold")
    if any(edge.again for edge in result.edges):
        said.append("dashed edges lead to the next call")
    if any(edge.count > 1 for edge in result.edges):
        said.append("a number on an edge counts what it stands for")
    return [*said, "constants are not shown"]


# ---- whole -------------------------------------------------------------------------------


def _whole(places: dict[int, Node], leaves: dict[int, Node]) -> View:
    """A box a node, two edges for x * x, constants beside their operation, scopes as clusters."""
    result = View()
    home: dict[int, Cluster] = {}
    for node in places.values():
        cluster = tuple(node.scope.split("/")) if node.scope else ()
        for n in node.parents:
            if n is not None and n.id in leaves:
                home[n.id] = _common(home.get(n.id, cluster), cluster)
        for i in range(len(cluster)):
            result.clusters.setdefault(cluster[: i + 1], cluster[i])
    for node in leaves.values():
        result.add(Box("leaf", [node], home.get(node.id, ())))
    for node in places.values():
        cluster = tuple(node.scope.split("/")) if node.scope else ()
        here = result.add(Box("operation", [node], cluster))
        for i, parent in enumerate(node.parents):
            if parent is not None:
                if parent.id in result.box:
                    result.edge[node.id, i] = len(result.edges)
                    result.edges.append(Edge(result.box[parent.id], here, node, i))
            elif (
                is_float(node.saved[i]) and np.size(node.saved[i]) and node.op != "pow"
            ):  # whose exponent stands in its sign
                constant = result.add(Box("constant", [], cluster, value=node.saved[i]))
                result.edges.append(Edge(constant, here))
    return result


def _common(a: Cluster, b: Cluster) -> Cluster:
    n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return a[:n]


def _more(result: View, stepper: Stepper, only: frozenset[int] | None) -> None:
    """A quiet box beside each node whose inputs or consumers are left out, of those that there are to show."""

    def left_out(node: Node | None) -> bool:
        return node is not None and node.id not in result.box and (only is None or node.id in only)

    for here, box in list(enumerate(result.boxes)):
        for node in box.nodes:
            below = sum(map(left_out, node.parents))
            above = sum(left_out(n) for n, _ in stepper.consumers(node))
            if below:
                result.edges.append(Edge(result.add(Box("more", [], box.cluster, below)), here))
            if above:
                result.edges.append(Edge(here, result.add(Box("more", [], box.cluster, above))))


# ---- folded ------------------------------------------------------------------------------


def _folded(places: dict[int, Node], leaves: dict[int, Node], chosen: Selection) -> View:
    result = View()
    found = fold(places, min(chosen.limit, FOLDED), chosen.depth, chosen.open)
    for group in found.open:
        result.clusters[group.path] = group.title
    for operations, around, folded in found.boxes:
        nodes = [places[k] for k in operations]
        if folded is None:
            result.add(Box("operation", nodes, around.path, len(nodes)))
        else:
            result.add(
                Box("fold", nodes, around.path, len(folded.instances), folded.title, (len(nodes), 0), _pattern(folded))
            )
    fits = chosen.depth is None and not chosen.open
    _place_leaves(result, places, leaves, min(chosen.limit, LEAVES) if fits else chosen.limit)
    _folded_edges(result, places, found)
    return result


def _folded_edges(result: View, places: dict[int, Node], found: Fold) -> None:
    """One edge for all that lead from a box to another, those to the next call of what is merged apart."""
    numbers: dict[tuple[int, int, bool], int] = {}
    place = {node.id: k for k, node in places.items()}
    for k, node in places.items():
        here = result.box[node.id]
        for i, parent in enumerate(node.parents):
            there = None if parent is None else result.box.get(parent.id)
            if parent is None or there is None or there == here:
                continue
            again = parent.id in place and _other_call(found.calls.get(place[parent.id], {}), found.calls.get(k, {}))
            number = numbers.setdefault((there, here, again), len(result.edges))
            if number == len(result.edges):
                result.edges.append(Edge(there, here, node, i, count=0, again=again))
            edge = result.edges[number]
            edge.count += 1
            if edge.count > 1:
                edge.node = None
            result.edge[node.id, i] = number


def _other_call(a: dict[int, int], b: dict[int, int]) -> bool:
    """Whether two operations were made in different calls of a group that is drawn as one."""
    return any(b.get(group, call) != call for group, call in a.items())


def _pattern(group: Group) -> str:
    """What `open` takes to open a fold."""
    return "" if group.mixed else "/".join(group.path[-2:])


def _place_leaves(result: View, places: dict[int, Node], leaves: dict[int, Node], most: int) -> None:
    """Boxes for leaves: one each, or as coarse as it takes; what only one fold uses is hidden in it."""
    users: dict[int, set[tuple[int, int]]] = {i: set() for i in leaves}  # the boxes, and as which argument there
    for node in places.values():
        here = result.box[node.id]
        fold = result.boxes[here].kind == "fold"
        for i, parent in enumerate(node.parents):
            if parent is not None and parent.id in users:
                users[parent.id].add((here, -1 if fold else i))
    shown = []
    for i, node in leaves.items():
        boxes = {here for here, _ in users[i]}
        (only, *others) = boxes or {-1}
        if boxes and not others and result.boxes[only].kind == "fold":
            operations, hidden = result.boxes[only].hidden
            result.boxes[only].hidden = operations, hidden + 1
            result.box[i] = only
        else:
            shown.append(node)
    for nodes in _alike(shown, users, most, any(box.calls > 1 for box in result.boxes)):
        clusters = [result.boxes[here].cluster for node in nodes for here, _ in users[node.id]]
        result.add(Box("leaf", nodes, reduce(_common, clusters) if clusters else (), len(nodes)))


def _alike(nodes: list[Node], users: dict[int, set[tuple[int, int]]], most: int, merged: bool) -> list[list[Node]]:
    """Leaves that share a box: one each unless calls are merged, or as coarse as it takes to be `most`."""
    ways: tuple[Callable[[Node], Hashable], ...] = (
        lambda n: n.id,
        lambda n: (tuple(sorted(users[n.id])), _stem(str(n.label))),
        lambda n: tuple(sorted({here for here, _ in users[n.id]})),
        lambda n: 0,
    )
    for key in ways[merged:]:
        groups: dict[Hashable, list[Node]] = {}
        for node in nodes:
            groups.setdefault(key(node), []).append(node)
        if len(groups) <= most:
            break
    return list(groups.values())


def _stem(label: str) -> str:
    """What labels of one kind share: w[3,2] and w[0,1], h0.attn.wq and h1.attn.wq."""
    return re.sub(r"\d+", "#", label.partition("[")[0])
