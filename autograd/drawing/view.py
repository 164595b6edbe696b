"""What a drawing shows of a graph: its boxes, the edges between them, and what it leaves out.

Has `folding` fold what is too much for a screen, and gives places to leaves, constants and what leads to
nodes that are not shown. Which nodes are to be shown is `selection`'s; what a box says and how it looks,
`labels`' and `dot`'s.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autograd.drawing.boxes import Box, Cluster, View
from autograd.drawing.folding import Fold, Folding, Group
from autograd.drawing.leaves import home_of, place_leaves
from autograd.drawing.misuse import Misuse
from autograd.drawing.screen import PAGE, PAPER, Screen, readable
from autograd.drawing.selection import Selection, selected
from autograd.engine.graph import Node
from autograd.engine.kinds import is_float
from autograd.engine.words import many, short
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["inside", "view"]

FOLDED = 28  # boxes of operations in a drawing that is folded, at most
TOO_MANY = 2000  # boxes that can be laid out
PORTS = 6  # boxes for single nodes outside of a fold
LEAVES = 12  # boxes of leaves in a drawing that is folded


def view(show: Show, chosen: Selection, screen: Screen = PAPER) -> View:
    """The view of a graph. screen: what it is to be read on.

    Raises Misuse where a scope or a path does not exist, or more would be drawn than can be.
    """
    stepper = show.stepper
    ids, said = selected(stepper, show.names, chosen)
    nodes = {n.id: n for k in stepper.nodes or [stepper.root] for n in (k, *k.inputs)}
    total = len(nodes) if chosen.only is None else len(chosen.only)
    places = {k: n for k, n in enumerate(stepper.nodes) if ids is None or n.id in ids}
    leaves = {i: n for i, n in nodes.items() if n.primitive is None and (ids is None or i in ids)}
    result = _fitting(show, chosen, places, leaves, bool(said), screen)
    if any(box.kind == "fold" or len(box.nodes) > 1 for box in result.boxes):
        said += _folding(result, any(node.source for node in places.values()))
    if any(edge.through for edge in result.edges):
        said.append("dashed edges lead through what is left out")
    if len(result.boxes) > TOO_MANY:
        raise Misuse(
            "this would draw {0:,} boxes, more than {1:,}; fold more of it with another {depth}=, {open}= or {limit}=",
            len(result.boxes),
            TOO_MANY,
        )
    result.note = _note(result, said, total, len(places), len(leaves)) if said else ""
    return result


def _fitting(
    show: Show, chosen: Selection, places: dict[int, Node], leaves: dict[int, Node], part: bool, screen: Screen
) -> View:
    """The first that fits: the whole, or folded to fewer and fewer boxes. part: nodes are left out."""
    count = len(places) + len(leaves)
    free = chosen.depth is None and not chosen.open  # to fold as it takes
    if free and count <= (TOO_MANY if chosen.limit is None else chosen.limit):
        result = _whole(places, leaves)
        if part:
            _left_out(result, show.stepper, chosen)
        if chosen.limit is not None or readable(result, show, screen):
            return result
    folding = Folding(places, chosen.open)
    if chosen.depth is not None:
        return _folded(show, folding, folding.fold(TOO_MANY, chosen.depth), places, leaves, chosen.limit or TOO_MANY)
    return _largest(
        show,
        min(FOLDED, chosen.limit or FOLDED),
        screen,
        lambda most: _folded(show, folding, folding.fold(most), places, leaves, most if free else TOO_MANY),
    )


def _largest(show: Show, most: int, screen: Screen, folded: Callable[[int], View]) -> View:
    """Of what can be folded to so many boxes, that with the most that can be read."""
    best = None
    low, top = 1, most
    while low <= top:
        result = folded(most)
        if readable(result, show, screen):
            best, low = result, most + 1
        else:
            top = most - 1
        most = (low + top + 1) // 2
    return best or result


def inside(show: Show, folding: Folding, group: Group) -> View:
    """The view of what is in a fold, with ports to what is outside of it."""
    places = {k: folding.tape.nodes[k] for k in sorted(k for s in group.instances for k in s.operations())}
    leaves = {p.id: p for node in places.values() for p in node.inputs if p.primitive is None}
    opened = folding.inside(group)
    result = _largest(
        show, FOLDED, PAGE, lambda most: _folded(show, folding, folding.fold(most, None, opened), places, leaves, most)
    )
    _outside(result, show, places)
    return result


def _outside(result: View, show: Show, places: dict[int, Node]) -> None:
    """Ports for what comes from outside of a fold and goes there: one each, or one for all where they are many."""
    own = {node.id for node in places.values()}
    into = [(p, node, i) for node in places.values() for i, p in enumerate(node.parents) if p is not None]
    out = [(node, user, i) for node in places.values() for user, i in show.stepper.consumers(node)]
    for way, edges in (
        ("from", [e for e in into if e[0].id not in result.box]),
        ("to", [e for e in out if e[1].id not in own]),
    ):
        others = {(p if way == "from" else node).id for p, node, _ in edges}
        numbers: dict[tuple[int, int], int] = {}
        ports: dict[int, int] = {}
        for p, node, i in edges:
            other, mine = (p, node) if way == "from" else (node, p)
            key = other.id if len(others) <= PORTS else 0
            if key not in ports:
                ports[key] = result.add(
                    Box("more", text=f"{way} {short(show.names[other], 24) if key else f'{len(others):,} outside'}")
                )
            ends = (ports[key], result.box[mine.id])
            if ends not in numbers:
                numbers[ends] = result.join(*(ends if way == "from" else ends[::-1]), node, i)
            else:
                result.edges[numbers[ends]].count += 1
            result.edge[node.id, i] = (numbers[ends],)


def _note(result: View, said: list[str], total: int, operations: int, leaves: int) -> str:
    """How much of the graph is shown, and by what choice."""
    boxes = [box for box in result.boxes if box.nodes]
    shown = sum(len(box.nodes) for box in boxes if box.kind != "fold")
    if shown == len(boxes):
        return f"{shown:,} of {total:,} nodes: {'; '.join(said)}"
    left = total - operations - leaves
    said = [*said, *[f"{left:,} nodes are left out"] * (left > 0)]
    counts = f"{many(operations, 'operation')} and {many(leaves, 'lea', 'f', 'ves')}"
    return f"{counts} in {many(len(boxes), 'box', '', 'es')}: {'; '.join(said)}"


def _folding(result: View, recorded: bool) -> list[str]:
    """How to read a drawing that is folded."""
    said = ["calls of the same code are one" if recorded else "inside record_source() it would be folded by calls"]
    if any(box.group and box.group.pattern for box in result.boxes):
        said.append("open= opens a fold")
    if any(edge.count > 1 for edge in result.edges):
        said.append("a number on an edge counts what it stands for")
    return [*said, "constants are not shown"]


# ---- whole -------------------------------------------------------------------------------


def _whole(places: dict[int, Node], leaves: dict[int, Node]) -> View:
    """A box a node, two edges for x * x, constants beside their operation, scopes as clusters."""
    result = View()
    users: dict[int, list[Cluster]] = {}
    for node in places.values():
        cluster = tuple(node.scope.split("/")) if node.scope else ()
        for i in range(len(cluster)):
            result.clusters.setdefault(cluster[: i + 1], cluster[i])
        for n in node.inputs:
            users.setdefault(n.id, []).append(cluster)
    for node in leaves.values():
        result.add(Box("leaf", [node], home_of(users.get(node.id, []))))
    for node in places.values():
        cluster = tuple(node.scope.split("/")) if node.scope else ()
        here = result.add(Box("operation", [node], cluster))
        for i, parent in enumerate(node.parents):
            if parent is not None and parent.id in result.box:
                result.edge[node.id, i] = (result.join(result.box[parent.id], here, node, i),)
            elif parent is None and _written(node, i):
                result.join(result.add(Box("constant", [], cluster, value=node.saved[i])), here)
    return result


def _written(node: Node, argument: int) -> bool:
    """Whether a constant is a number that takes part, and not an exponent, which stands in its sign."""
    return is_float(node.saved[argument]) and np.size(node.saved[argument]) > 0 and node.op != "pow"


def _left_out(result: View, stepper: Stepper, chosen: Selection) -> None:
    """What leads to nodes that are left out: a dashed edge to the next one shown, or a quiet box."""

    def hidden(node: Node | None) -> bool:
        return node is not None and node.id not in result.box and (chosen.only is None or node.id in chosen.only)

    if chosen.top is not None:
        _ways_through(result, stepper)
    for here, box in list(enumerate(result.boxes)):
        for node in box.nodes:
            below = sum(map(hidden, node.parents))
            above = sum(hidden(n) for n, _ in stepper.consumers(node))
            if below:
                result.join(result.add(Box("more", [], box.cluster, text=f"{below} more …")), here)
            if above and chosen.top is None:
                result.join(here, result.add(Box("more", [], box.cluster, text=f"{above} more …")))


def _ways_through(result: View, stepper: Stepper) -> None:
    """Edges that stand for ways through nodes that are left out."""
    below: dict[int, int] = {}  # per node that is left out, the boxes that lead to it, as bits
    for node in stepper.nodes:
        shown = node.id in result.box
        found = 0
        for p in node.inputs:
            found |= below.get(p.id, 0) if p.id not in result.box else 0 if shown else 1 << result.box[p.id]
        if not shown:
            below[node.id] = found
            continue
        for tail in range(found.bit_length()):
            if found >> tail & 1:
                result.edges[result.join(tail, result.box[node.id])].through = True


# ---- folded ------------------------------------------------------------------------------


def _folded(
    show: Show, folding: Folding, found: Fold, places: dict[int, Node], leaves: dict[int, Node], most: int
) -> View:
    """A box per fold and per operation that is one in all calls. most: boxes of leaves."""
    result = View(folding=folding)
    for group in found.open:
        result.clusters[group.path] = group.title
        result.groups[group.path] = group
    for operations, around, folded in found.boxes:
        nodes = [places[k] for k in operations]
        result.add(Box("operation" if folded is None else "fold", nodes, around.path, group=folded))
    place_leaves(show, result, places, leaves, min(most, LEAVES) if most < TOO_MANY else most, found)
    _folded_edges(result, places, found)
    return result


def _folded_edges(result: View, places: dict[int, Node], found: Fold) -> None:
    """One edge for all that lead from a box to another; to the next call of what is drawn once, by way of a port."""
    numbers: dict[tuple[int, int], int] = {}
    ports: dict[tuple[int, str], int] = {}
    place = {node.id: k for k, node in places.items()}

    def edge(tail: int, head: int, node: Node, argument: int) -> int:
        number = numbers.setdefault((tail, head), len(result.edges))
        if number == len(result.edges):
            result.join(tail, head, node, argument)
        else:
            result.edges[number].count += 1
            result.edges[number].node = None
        return number

    def port(group: int, text: str) -> int:
        if (group, text) not in ports:
            ports[group, text] = result.add(Box("more", [], found.open[group].path, text=text))
        return ports[group, text]

    for k, node in places.items():
        here = result.box[node.id]
        for i, parent in enumerate(node.parents):
            there = None if parent is None else result.box.get(parent.id)
            if parent is None or there is None or there == here:
                continue
            other = _other_call(found, place.get(parent.id, -1), k)
            if other is None:
                result.edge[node.id, i] = (edge(there, here, node, i),)
            else:
                call = _one(found.open[other])
                into, out = port(other, f"from the {call} before"), port(other, f"to the next {call}")
                result.edge[node.id, i] = edge(into, here, node, i), edge(there, out, node, i)


def _one(group: Group) -> str:
    return "round" if group.what == "loop" else group.name


def _other_call(found: Fold, a: int, b: int) -> int | None:
    """The outermost group drawn once in different calls of which two operations were made; None for none."""
    theirs = found.calls.get(b, {})
    return next((g for g, call in found.calls.get(a, {}).items() if theirs.get(g, call) != call), None)
