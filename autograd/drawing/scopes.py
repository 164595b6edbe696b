"""The tape as a tree of calls, as `record_source()` saw them, and the patterns that name some of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Union

import numpy as np

from autograd.drawing.misuse import Misuse
from autograd.engine import words
from autograd.engine.graph import Node

__all__ = ["Item", "Scope", "Tape", "fits", "no_scope", "open_scopes", "size", "tree"]


Item = Union[int, "Scope"]  # an operation, by place on the tape, or a call


class Scope:
    """A call, or an iteration of a loop: operations (by place on the tape) and calls, in the order of time."""

    __slots__ = ("alike", "items", "name", "opened", "path", "size")

    def __init__(self, name: str, path: tuple[str, ...], items: Sequence[Item] = ()) -> None:
        self.name, self.path = name, path
        self.items = list(items)
        self.size = sum(map(size, items))  # operations in it, those of its calls included
        self.alike: Hashable = None  # equal for scopes that ran the same code
        self.opened = False  # by name

    def operations(self) -> Iterator[int]:
        """The operations in it, those of its calls included."""
        todo: list[Item] = [self]
        while todo:
            item = todo.pop()
            if isinstance(item, int):
                yield item
            else:
                todo += item.items


def size(item: Item) -> int:
    """Operations in an item."""
    return 1 if isinstance(item, int) else item.size


class Tape:
    """The operations to fold, by place; what each needs, and what code made it, as a number."""

    def __init__(self, nodes: dict[int, Node]) -> None:
        self.nodes = nodes
        self.place = {node.id: k for k, node in nodes.items()}
        self.inputs = {
            k: [self.place[p.id] for p in node.parents if p is not None and p.id in self.place]
            for k, node in nodes.items()
        }
        codes: dict[Hashable, int] = {}
        self.code = {k: codes.setdefault(_code(node), len(codes)) for k, node in nodes.items()}


def _code(node: Node) -> Hashable:
    """What makes two operations the same code."""
    source = node.source
    return node.op, np.shape(node.raw), source and (source.file, source.line)


def tree(tape: Tape) -> Scope:
    """The calls of a tape. One that goes on after others of its caller, as a generator does, counts as two."""
    top = Scope("", ())
    order = [top]
    now = [top]  # the calls under way
    for k, node in tape.nodes.items():
        names = node.scope.split("/") if node.scope else []
        same = 0
        while same < min(len(names), len(now) - 1) and now[same + 1].name == names[same]:
            same += 1
        del now[same + 1 :]
        for name in names[same:]:
            scope = Scope(name, (*now[-1].path, name))
            now[-1].items.append(scope)
            now.append(scope)
            order.append(scope)
        now[-1].items.append(k)
    numbers: dict[Hashable, int] = {}
    for scope in reversed(order):  # calls before their callers
        code = tuple(
            tape.code[item] if isinstance(item, int) else (item.name.partition("#")[0], item.alike)
            for item in scope.items
        )
        scope.alike = numbers.setdefault(code, len(numbers))
        scope.size = sum(map(size, scope.items))
    return top


def open_scopes(top: Scope, pattern: str) -> None:
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
        todo += [(child, here) for child in scope.items if isinstance(child, Scope)]
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
