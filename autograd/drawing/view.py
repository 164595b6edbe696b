"""What a drawing shows of a graph: its boxes, the edges between them, and what it leaves out.

Selects nodes (around one, along paths, the largest), has `folding` fold what is too much, and
gives places to leaves and constants. How boxes look is left to `drawing`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd.drawing.folding import Group, fold
from autograd.engine.graph import Node
from autograd.engine.words import many
from autograd.stepping.names import Names
from autograd.stepping.stepper import Stepper

__all__ = ["Box", "Edge", "View", "view"]

FOLDED = 16  # boxes of operations in a drawing that is folded
TOO_MANY = 2000  # boxes that can be laid out
LEAVES = 12  # and of leaves; with a legend these stay under 40

Cluster = tuple[str, ...]


@dataclass(slots=True)
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


@dataclass(slots=True)
class Edge:
    """From an input to its operation. node, argument: of the operation, where it is one edge. again: from one call of merged ones to the next."""

    tail: int
    head: int
    node: Node | None = None
    argument: int = 0
    count: int = 1
    again: bool = False


@dataclass(slots=True)
class View:
    """All that is shown. box: per id of a node, its box. edge: per id and argument, its edge. clusters: their titles."""

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


def view(
    stepper: Stepper,
    names: Names,
    limit: int,
    *,
    depth: int | None = None,
    opened: tuple[str, ...] = (),
    around: Node | None = None,
    up: int = 2,
    down: int = 2,
    path: tuple[Node, Node] | None = None,
    top: int | None = None,
    only: set[int] | None = None,
) -> View:
    """The view of a graph; see `draw_dot` for the arguments. only: ids of the nodes that there are to show; all by default."""
    nodes = stepper.nodes or [stepper.root]
    total = len({n.id for k in nodes for n in (k, *k.inputs)} if only is None else only)
    said = []
    if around is not None:
        only = _around(stepper, around, up, down)
        said.append(f"around {names[around]}, {up} up and {down} down")
    if path is not None:
        along = _along(stepper, *path)
        only = along if only is None else only & along
        said.append(f"on the paths between {names[path[0]]} and {names[path[1]]}")
    if top is not None:
        largest = _largest(stepper, top)
        only = largest if only is None else only & largest
        said.append(f"the {len(largest)} that receive the largest gradient contributions")
    places = {k: n for k, n in enumerate(stepper.nodes) if only is None or n.id in only}
    leaves = {n.id: n for k in nodes for n in (k, *k.inputs) if n.primitive is None and (only is None or n.id in only)}
    if depth is None and not opened and len(places) + len(leaves) <= limit:
        result = _whole(places, leaves)
        if said:
            _more(result, stepper)
    else:
        result = _folded(places, leaves, limit, depth, opened)
        said += _folding(result, any(node.scope for node in places.values()))
    if len(result.boxes) > TOO_MANY:
        raise ValueError(
            f"draw_dot: this would draw {len(result.boxes):,} boxes, more than {TOO_MANY:,}; fold more of it with another depth=, open= or limit="
        )
    boxes = [box for box in result.boxes if box.kind not in ("constant", "more")]
    shown = sum(len(box.nodes) for box in boxes if box.kind != "fold")
    if said and shown == len(boxes):
        result.note = f"{shown:,} of {total:,} nodes: {'; '.join(said)}"
    elif said:
        left = total - len(places) - len(leaves)
        said += [f"{left:,} nodes are left out"] * (left > 0)
        result.note = f"{many(len(places), 'operation')} and {many(len(leaves), 'lea', 'f', 'ves')} in {many(len(boxes), 'box', '', 'es')}: {'; '.join(said)}"
    return result


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
            elif _is_number(node.saved[i]) and node.op != "pow":  # whose exponent stands in its sign
                constant = result.add(Box("constant", [], cluster, value=node.saved[i]))
                result.edges.append(Edge(constant, here))
    return result


def _is_number(x: Any) -> bool:
    return (isinstance(x, (float, np.floating)) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")) and np.size(
        x
    ) > 0


def _common(a: Cluster, b: Cluster) -> Cluster:
    n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return a[:n]


def _more(result: View, stepper: Stepper) -> None:
    """A quiet box beside each node whose inputs or consumers are left out."""
    for here, box in list(enumerate(result.boxes)):
        for node in box.nodes:
            below = sum(p is not None and p.id not in result.box for p in node.parents)
            above = sum(n.id not in result.box for n, _ in stepper.consumers(node))
            if below:
                result.edges.append(Edge(result.add(Box("more", [], box.cluster, below)), here))
            if above:
                result.edges.append(Edge(here, result.add(Box("more", [], box.cluster, above))))


# ---- folded ------------------------------------------------------------------------------


def _folded(
    places: dict[int, Node], leaves: dict[int, Node], limit: int, depth: int | None, opened: tuple[str, ...]
) -> View:
    result = View()
    found = fold(places, min(limit, FOLDED), depth, opened)
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
    _place_leaves(result, places, leaves, min(limit, LEAVES) if depth is None and not opened else limit)
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
    return result


def _other_call(a: dict[int, int], b: dict[int, int]) -> bool:
    """Whether two operations were made in different calls of a group that is drawn as one."""
    return any(b.get(group, call) != call for group, call in a.items())


def _pattern(group: Group) -> str:
    """What `open` takes to open a fold."""
    return "" if group.mixed else "/".join(group.path[-2:])


def _place_leaves(result: View, places: dict[int, Node], leaves: dict[int, Node], most: int) -> None:
    """Boxes for leaves: one each, or as coarse as it takes; what only one fold uses is hidden in it."""
    users: dict[int, set[tuple[int, int]]] = {i: set() for i in leaves}
    for node in places.values():
        here = result.box[node.id]
        fold = result.boxes[here].kind == "fold"
        for i, parent in enumerate(node.parents):
            if parent is not None and parent.id in users:
                users[parent.id].add((here, -1 if fold else i))
    shown = {}
    for i, node in leaves.items():
        boxes = {here for here, _ in users[i]}
        (only, *others) = boxes or {-1}
        if boxes and not others and result.boxes[only].kind == "fold":
            operations, hidden = result.boxes[only].hidden
            result.boxes[only].hidden = operations, hidden + 1
            result.box[i] = only
        else:
            shown[i] = node
    merged = any(box.calls > 1 for box in result.boxes)
    for key in (
        (lambda n: (tuple(sorted(users[n.id])), _stem(n.label))) if merged else (lambda n: n.id),
        lambda n: (tuple(sorted(users[n.id])), _stem(n.label)),
        lambda n: tuple(sorted({here for here, _ in users[n.id]})),
        lambda n: 0,
    ):
        groups: dict[Any, list[Node]] = {}
        for node in shown.values():
            groups.setdefault(key(node), []).append(node)
        if len(groups) <= most:
            break
    for nodes in groups.values():
        cluster: Cluster | None = None
        for node in nodes:
            for here, _ in users[node.id]:
                other = result.boxes[here].cluster
                cluster = other if cluster is None else _common(cluster, other)
        result.add(Box("leaf", nodes, cluster or (), len(nodes)))


def _stem(label: str) -> str:
    """What labels of one kind share: w[3,2] and w[0,1], h0.attn.wq and h1.attn.wq."""
    return re.sub(r"\d+", "#", label.partition("[")[0])


# ---- selecting ---------------------------------------------------------------------------


def _around(stepper: Stepper, node: Node, up: int, down: int) -> set[int]:
    """The nodes within `up` operations towards the root and `down` towards the leaves."""
    found = {node.id}
    for steps, neighbours in ((up, lambda n: (m for m, _ in stepper.consumers(n))), (down, lambda n: n.inputs)):
        edge: list[Node] = [node]
        for _ in range(steps):
            edge = list({m.id: m for n in edge for m in neighbours(n)}.values())
            found |= {m.id for m in edge}
    return found


def _along(stepper: Stepper, a: Node, b: Node) -> set[int]:
    """The nodes on paths between two, given in either order; ValueError where there is none."""
    for low, high in ((a, b), (b, a)):
        above = {low.id}
        for node in stepper.nodes:  # inputs before their consumers
            if any(p.id in above for p in node.inputs):
                above.add(node.id)
        if high.id in above:
            below = {high.id}
            for node in reversed(stepper.nodes):
                if node.id in below:
                    below |= {p.id for p in node.inputs}
            return above & below
    raise ValueError(
        "draw_dot: no path leads from one of the two nodes of path= to the other; both must be in the graph of root"
    )


def _largest(stepper: Stepper, count: int) -> set[int]:
    """The root, and the nodes that receive the largest contributions to their gradient."""
    walk = Stepper(stepper.root, stepper.seed)
    walk.end()
    sizes: dict[int, float] = {}
    for node, c in walk.made():
        size = abs(c) if isinstance(c, float) else float(np.linalg.norm(np.ravel(np.asarray(c, float))))
        sizes[node.id] = max(sizes.get(node.id, 0.0), np.inf if np.isnan(size) else size)
    return {stepper.root.id, *(i for i, _ in sorted(sizes.items(), key=lambda item: (-item[1], -item[0]))[: count - 1])}
