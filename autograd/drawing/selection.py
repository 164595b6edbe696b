"""Which nodes of a graph to show: a selection, checked once, and the nodes that it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autograd.drawing.misuse import Misuse
from autograd.drawing.scopes import fits, no_scope
from autograd.engine import words
from autograd.engine.graph import Node
from autograd.stepping.names import Names
from autograd.stepping.stepper import Stepper

__all__ = ["Named", "Selection", "meant", "node_of", "selected", "selection"]

Named = Node | str  # a node, its name in a drawing, "op:matmul", or a call as "softmax", whose result it is


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What to show; `draw_dot` explains the fields. only: ids of all the nodes that there are to show; None for all."""

    limit: int | None = None
    depth: int | None = None
    open: tuple[str, ...] = ()
    around: Node | None = None
    up: int = 2
    down: int = 2
    path: tuple[Node, Node] | None = None
    top: int | None = None
    only: frozenset[int] | None = None


def selection(
    stepper: Stepper,
    names: Names,
    *,
    limit: int | None = None,
    depth: int | None = None,
    open: str | Sequence[str] = (),
    around: Named | None = None,
    up: int = 2,
    down: int = 2,
    path: tuple[Named, Named] | None = None,
    top: int | None = None,
    only: frozenset[int] | None = None,
) -> Selection:
    """What a user asks for, checked; nodes may be given by name.

    Raises Misuse for a node that is not there and a number out of range.
    """
    counts = {"depth": (depth, 0), "up": (up, 0), "down": (down, 0), "top": (top, 1), "limit": (limit, 1)}
    for name, (n, least) in counts.items():
        if n is not None and (not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < least):
            raise Misuse(f"{{{name}}}={{0!r}}; expected a whole number from {least} on", n)
    opened = (open,) if isinstance(open, str) else open
    if not isinstance(opened, (tuple, list)) or not all(isinstance(x, str) for x in opened):
        raise Misuse("{open}={0!r}; expected a scope such as 'attention', or several", opened, kind=TypeError)
    chosen = Selection(limit, depth, tuple(opened), None, up, down, None, top, only)
    if around is not None:
        chosen = replace(chosen, around=_known(around, "around", "", stepper, names, only))
    if path is not None:
        if not isinstance(path, (tuple, list)) or len(path) != 2:
            raise Misuse("{path}={0!r}; expected a pair of nodes", path)
        a, b = (_known(x, "path", f"[{i}]", stepper, names, only) for i, x in enumerate(path))
        chosen = replace(chosen, path=(a, b))
    return chosen


def node_of(x: object, what: str) -> Node:
    """A node; Misuse for anything else. what: the argument, as {root}."""
    if not isinstance(x, Node):
        raise Misuse(f"{what} must be a Value or a Tensor, got {{0}}", type(x).__name__, kind=TypeError)
    return x


def meant(stepper: Stepper, names: Names, text: str, argument: str) -> tuple[list[Node], str]:
    """What a text means, and what to call it: a node by name, "op:matmul", the first of an operation, or a call.

    The last of the nodes is the result. Raises Misuse for what is not there.
    """
    if text in names.by_name:
        node = names.by_name[text]
        return [node], f"{text} = {node.op}"
    name = text.removeprefix("op:")
    if name != text:
        found = next((node for node in stepper.nodes if node.op == name), None)
        if found is not None:
            return [found], f"{names[found]} = {name}"
    scopes = list(dict.fromkeys(node.scope for node in stepper.nodes))
    calls = [path[:i] for path in (tuple(scope.split("/")) for scope in scopes) for i in range(1, len(path) + 1)]
    title = "/".join(next((path for path in calls if fits(path, name)), ()))
    if title:
        return [node for node in stepper.nodes if f"{node.scope}/".startswith(f"{title}/")], title
    if name == text:
        raise no_scope(argument, text, scopes)
    known = ", ".join(sorted({n.op for n in stepper.nodes}))
    raise Misuse(f"{{{argument}}}={{0!r}}: no node was made by it; operations here: {{1}}", text, known)


def _known(x: Named, argument: str, place: str, stepper: Stepper, names: Names, only: frozenset[int] | None) -> Node:
    what = f"{{{argument}}}{place}"
    if isinstance(x, str) and x not in names.by_name:
        near = words.nearest(x, names.by_name)
        try:
            node = meant(stepper, names, x, argument)[0][-1]
        except Misuse:
            if x.startswith("op:"):
                raise
            raise Misuse(f"no node is called {{0!r}}, as {what} says{{1}}", x, near) from None
    else:
        node = node_of(names.by_name[x] if isinstance(x, str) else x, what)
    if node.id not in names.by_id:
        raise Misuse(f"the node given as {what} is not in the graph of {{root}}")
    if only is not None and node.id not in only:
        raise Misuse(f"{names[node]}, given as {what}, is not among what {{zoom}} shows")
    return node


def selected(stepper: Stepper, names: Names, chosen: Selection) -> tuple[frozenset[int] | None, list[str]]:
    """The ids of the nodes to show, None for all of them, and what is to be said of the choice."""
    ids, said = chosen.only, []
    if chosen.around is not None:
        ids = _both(ids, _around(stepper, chosen.around, chosen.up, chosen.down))
        said.append(f"around {names[chosen.around]}, {chosen.up} up and {chosen.down} down")
    if chosen.path is not None:
        a, b = chosen.path
        ids = _both(ids, _along(stepper, a, b))
        said.append(f"on the paths between {names[a]} and {names[b]}")
    if chosen.top is not None:
        largest = _largest(stepper, chosen.top, chosen.only)
        ids = _both(ids, largest)
        said.append(f"the {len(largest)} that receive the largest gradient contributions")
    return ids, said


def _both(a: frozenset[int] | None, b: set[int]) -> frozenset[int]:
    return frozenset(b if a is None else a & b)


def _around(stepper: Stepper, node: Node, up: int, down: int) -> set[int]:
    """The nodes within `up` operations towards the root and `down` towards the leaves."""

    def users(n: Node) -> Iterable[Node]:
        return (m for m, _ in stepper.consumers(n))

    def inputs(n: Node) -> Iterable[Node]:
        return n.inputs

    found = {node.id}
    for steps, neighbours in ((up, users), (down, inputs)):
        edge = [node]
        for _ in range(steps):
            edge = list({m.id: m for n in edge for m in neighbours(n)}.values())
            found |= {m.id for m in edge}
    return found


def _along(stepper: Stepper, a: Node, b: Node) -> set[int]:
    """The nodes on paths between two, given in either order; Misuse where there is none."""
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
    raise Misuse("no path leads from one of the two nodes of {path}= to the other; both must be in the graph of {root}")


def _largest(stepper: Stepper, count: int, only: frozenset[int] | None) -> set[int]:
    """The root, and the nodes that receive the largest contributions to their gradient."""
    walk = Stepper(stepper.root, stepper.seed)
    walk.end()
    sizes: dict[int, float] = {}
    for node, c in walk.made():
        if only is None or node.id in only:
            size = abs(c) if isinstance(c, float) else float(np.linalg.norm(np.ravel(np.asarray(c, float))))
            sizes[node.id] = max(sizes.get(node.id, 0.0), np.inf if np.isnan(size) else size)
    root = {stepper.root.id} if only is None or stepper.root.id in only else set()
    largest = sorted(sizes, key=lambda i: (-sizes[i], -i))
    return root | set(largest[: count - len(root)])
