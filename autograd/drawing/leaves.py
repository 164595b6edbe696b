"""Where leaves stand in a drawing, and which of them share a box."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from functools import reduce

from autograd.drawing.boxes import Box, Cluster, View
from autograd.drawing.folding import Fold
from autograd.engine.graph import Node
from autograd.stepping.names import Names
from autograd.stepping.text import Show

__all__ = ["home_of", "place_leaves"]


def place_leaves(
    show: Show, result: View, places: dict[int, Node], leaves: dict[int, Node], most: int, found: Fold
) -> None:
    """Boxes for leaves: one each, or as coarse as it takes; what only one fold uses is hidden in it."""
    users: dict[int, set[tuple[int, int]]] = {i: set() for i in leaves}  # the boxes, and as which argument there
    calls: dict[int, dict[int, set[int]]] = {i: {} for i in leaves}  # and in which calls of what is drawn once
    for k, node in places.items():
        here = result.box[node.id]
        fold = result.boxes[here].kind == "fold"
        for i, parent in enumerate(node.parents):
            if parent is not None and parent.id in users:
                users[parent.id].add((here, -1 if fold else i))
                for group, call in found.calls.get(k, {}).items():
                    calls[parent.id].setdefault(group, set()).add(call)
    shown = []
    for i, node in leaves.items():
        boxes = {here for here, _ in users[i]}
        (only, *others) = boxes or {-1}
        if boxes and not others and result.boxes[only].kind == "fold":
            result.boxes[only].hidden += 1
            result.box[i] = only
        else:
            shown.append(node)
    merged = any(box.kind == "operation" and len(box.nodes) > 1 for box in result.boxes)
    for nodes in _alike(shown, show.names, users, most, merged):
        home = home_of([result.boxes[here].cluster for node in nodes for here, _ in users[node.id]])
        for number, plate in enumerate(found.open):
            inside = [calls[node.id].get(number, set()) for node in nodes]
            if home[: len(plate.path)] == plate.path and not _each_its_own(inside, len(plate.instances)):
                home = plate.path[:-1]
                break
        result.add(Box("leaf", nodes, home))


def _each_its_own(calls: list[set[int]], count: int) -> bool:
    """Whether every call of what is drawn once has leaves of its own, and shares none."""
    return count == 1 or (all(len(one) == 1 for one in calls) and len(set().union(*calls)) == count)


def _alike(
    nodes: list[Node], names: Names, users: dict[int, set[tuple[int, int]]], most: int, merged: bool
) -> list[list[Node]]:
    """Leaves that share a box: one each unless calls are merged, or as coarse as it takes to be `most`."""
    ways: tuple[Callable[[Node], Hashable], ...] = (
        lambda n: n.id,
        lambda n: (tuple(sorted(users[n.id])), _stem(names[n])),
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


def _stem(name: str) -> str:
    """What names of one kind share: w[3,2] and w[0,1], h0.attn.wq and h1.attn.wq, wi and wi#3; "" for those of none."""
    return "" if name.startswith("%") else re.sub(r"\d+", "#", re.split(r"[\[#]", name)[0])


def home_of(users: list[Cluster]) -> Cluster:
    """Where a leaf stands: with its user; what calls share comes from outside of them."""
    if not users:
        return ()
    common = reduce(_common, users)
    return common if all(cluster == common for cluster in users) else common[:-1]


def _common(a: Cluster, b: Cluster) -> Cluster:
    n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return a[:n]
