"""Folding a large graph: which operations share a box, by the calls that they were made in.

Scopes form a tree. Calls of one function that did the same operations, by the same lines, are
one group ("block x 4"); a group is open, and shows what is in it, or folded to a box. Looks at
nothing but scopes, lines and shapes; what becomes of the boxes is `view`'s business.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from autograd.drawing.misuse import Misuse
from autograd.engine import words
from autograd.engine.graph import Node

__all__ = ["Fold", "Group", "fits", "fold", "no_scope"]

MOST_PLAIN = 150  # operations of one open scope that are drawn one by one, where depth or open asks for it


class Scope:
    """A call: the operations made in it (by place on the tape), and the calls it made."""

    __slots__ = ("alike", "children", "name", "opened", "own", "path", "size")

    def __init__(self, name: str, path: tuple[str, ...]) -> None:
        self.name, self.path = name, path
        self.own: list[int] = []
        self.children: list[Scope] = []
        self.size = 0  # operations in it, those of its calls included
        self.alike = 0  # equal for scopes that ran the same code
        self.opened = False  # by name


@dataclass(slots=True)
class Group:
    """Calls that are drawn as one. path: the names around it, its own last. mixed: they are of several functions."""

    instances: list[Scope]
    path: tuple[str, ...]
    level: int
    mixed: bool = False

    @property
    def name(self) -> str:
        """As "attention", or "block#1" where that call alone is meant."""
        return self.path[-1] if self.path else ""

    @property
    def size(self) -> int:
        """Operations in it."""
        return sum(s.size for s in self.instances)

    @property
    def alike(self) -> bool:
        """Whether its calls ran the same code."""
        return len({s.alike for s in self.instances}) == 1

    @property
    def title(self) -> str:
        """As "block × 4", where all four ran the same code."""
        calls = len(self.instances)
        if calls == 1 or self.mixed:
            return self.name or "everything"
        return f"{self.name} × {calls:,}" if self.alike else f"{self.name}, {calls:,} calls that differ"

    def children(self, alike: bool = True) -> list[Group]:
        """The groups of calls made in it: those that ran the same code, or all of one name."""
        found: dict[Any, list[Scope]] = {}
        for scope in self.instances:
            for child in scope.children:
                base = child.name.partition("#")[0]
                found.setdefault((base, child.alike, child.opened) if alike else base, []).append(child)
        groups: dict[str, Group] = {}
        for scopes in found.values():
            base = name = scopes[0].name.partition("#")[0]
            if (
                len(scopes) == 1 or name in groups
            ):  # one of a name that others have, too, is called after its first call
                name = scopes[0].name
            again = 1
            while name in groups:
                name, again = f"{base}#{again}", again + 1
            groups[name] = Group(scopes, (*self.path, name), self.level + 1)
        return list(groups.values())


@dataclass(slots=True)
class Fold:
    """What became of a tape.

    box: per operation, the box it is in. boxes: per box, the operations, the group around it,
    and the group that it is the fold of, or None. open: the groups drawn as clusters.
    calls: per operation, the merged groups around it and which of their calls made it.
    """

    box: dict[int, int] = field(default_factory=dict)
    boxes: list[tuple[list[int], Group, Group | None]] = field(default_factory=list)
    open: list[Group] = field(default_factory=list)
    calls: dict[int, dict[int, int]] = field(default_factory=dict)

    def add(self, operations: list[int], around: Group, folded: Group | None = None) -> None:
        """One more box."""
        for k in operations:
            self.box[k] = len(self.boxes)
        self.boxes.append((operations, around, folded))


def fold(nodes: dict[int, Node], most: int, depth: int | None = None, opened: tuple[str, ...] = ()) -> Fold:
    """Fold the nodes, given by place on the tape, to at most `most` boxes.

    depth: instead, open every scope down to this level, and fold what is deeper.
    opened: patterns of scopes to open in any case, as "attention", "block#2" or "block/mlp".
    Raises Misuse for a pattern that fits no scope.
    """
    top = _tree(nodes)
    for pattern in opened:
        _open(top, pattern)
    result = Fold()
    root = Group([top], (), 0)
    total, tickets = 1, 0
    # The largest first, so that the few boxes there are go where the computation is.
    heap: list[tuple[int, int, int, Group]] = [(0, -root.size, 0, root)]
    while heap:
        *_, group = heapq.heappop(heap)
        way = _way(group, nodes, most - total + 1, depth)
        if way is None:
            result.add(sorted(_inside(group)), Group(group.instances, group.path[:-1], group.level - 1), group)
            continue
        if group.path:
            result.open.append(group)
        if len(group.instances) > 1:
            _note_calls(result, group, len(result.open))
        own, children = way
        total += len(own) + len(children) - 1
        for operations in own:
            result.add(operations, group)
        for child in children:
            tickets += 1
            heapq.heappush(heap, (-any(s.opened for s in child.instances), -child.size, tickets, child))
    return result


def _way(
    group: Group, nodes: dict[int, Node], room: int, depth: int | None
) -> tuple[list[list[int]], list[Group]] | None:
    """The boxes and groups that an open group shows; None where it stays folded."""
    if group.mixed:
        return None
    one_by_one = (
        [list(places) for places in zip(*(s.own for s in group.instances))]
        if group.alike
        else [[k] for s in group.instances for k in s.own]
    )
    children = group.children()
    if depth is not None or any(s.opened for s in group.instances):
        if depth is not None and group.level > depth and not any(s.opened for s in group.instances):
            return None
        return (one_by_one if len(one_by_one) <= MOST_PLAIN else _by_operation(group, nodes)), children
    if len(one_by_one) + len(children) <= room:
        return one_by_one, children
    by_operation = _by_operation(group, nodes)
    if len(by_operation) + len(children) <= room:
        return by_operation, children
    children = group.children(alike=False)
    if len(by_operation) + len(children) > room:
        children.sort(key=lambda child: -child.size)
        most = max(0, room - len(by_operation) - 1)
        rest = children[most:]
        path = (*group.path, f"{len(rest)} other functions")
        children[most:] = [
            Group([scope for child in rest for scope in child.instances], path, group.level + 1, mixed=True)
        ]
    return (by_operation, children) if len(by_operation) + len(children) <= room else None


def _by_operation(group: Group, nodes: dict[int, Node]) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for scope in group.instances:
        for k in scope.own:
            found.setdefault(nodes[k].op, []).append(k)
    return list(found.values())


def _inside(group: Group) -> Iterable[int]:
    todo = list(group.instances)
    while todo:
        scope = todo.pop()
        yield from scope.own
        todo += scope.children


def _note_calls(result: Fold, group: Group, number: int) -> None:
    for i, scope in enumerate(group.instances):
        for k in _inside(Group([scope], (), 0)):
            result.calls.setdefault(k, {})[number] = i


# ---- the tree of scopes ------------------------------------------------------------------


def _tree(nodes: dict[int, Node]) -> Scope:
    top = Scope("", ())
    scopes = {"": top}
    order = [top]
    for k, node in nodes.items():
        scope = scopes.get(node.scope)
        if scope is None:
            scope = top
            text = ""
            for name in node.scope.split("/"):
                text = f"{text}/{name}".lstrip("/")
                if text not in scopes:
                    scopes[text] = Scope(name, (*scope.path, name))
                    scope.children.append(scopes[text])
                    order.append(scopes[text])
                scope = scopes[text]
        scope.own.append(k)
    numbers: dict[Any, int] = {}
    for scope in reversed(order):  # calls before their callers
        lines = tuple(_line(nodes[k]) for k in scope.own)
        calls = tuple((child.name.partition("#")[0], child.alike) for child in scope.children)
        scope.alike = numbers.setdefault((lines, calls), len(numbers))
        scope.size = len(scope.own) + sum(child.size for child in scope.children)
    return top


def _line(node: Node) -> Any:
    """What makes two operations the same code."""
    source = node.source
    return node.op, np.shape(node.raw), source and (source.file, source.line)


def _open(top: Scope, pattern: str) -> None:
    """Mark the scopes that a pattern fits, and those around them, as open."""
    todo: list[tuple[Scope, list[Scope]]] = [(top, [])]
    paths, hit = [], False
    while todo:
        scope, around = todo.pop()
        here = [*around, scope]
        paths.append("/".join(scope.path))
        if fits(scope.path, pattern):
            hit = True
            for s in here:
                s.opened = True
        todo += [(child, here) for child in scope.children]
    if not hit:
        raise no_scope("open", pattern, paths)


def fits(path: tuple[str, ...], pattern: str) -> bool:
    """Whether a pattern, as "attention", "block#1/mlp" or "att*", fits the end of a scope.

    #0 is the first call; without # all are meant.
    """
    wanted = pattern.split("/")
    tail = path[-len(wanted) :]
    return len(tail) == len(wanted) and all(map(_fits, tail, wanted))


def _fits(name: str, part: str) -> bool:
    base, _, call = name.partition("#")
    return fnmatchcase(f"{base}#{call or 0}", part) if "#" in part else fnmatchcase(base, part)


def no_scope(argument: str, pattern: str, paths: Iterable[str]) -> Misuse:
    """The error for a pattern that fits nothing, with what there is."""
    names = sorted({part.partition("#")[0] for path in paths for part in path.split("/")} - {""})
    known = ", ".join(names[:20]) or "none were recorded; build the graph inside `with ag.record_source():`"
    near = words.nearest(pattern, names)
    return Misuse(f"{{{argument}}}={{0!r}} fits no scope{{1}}; scopes: {{2}}", pattern, near, known)
