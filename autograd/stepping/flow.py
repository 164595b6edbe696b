"""How large the gradient is along a way from the root, what each operation makes of it, and where it divides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autograd.engine.base import Data
from autograd.engine.graph import Node
from autograd.stepping.names import Names
from autograd.stepping.walk import Contribution, Walk

__all__ = ["Branch", "Row", "branch", "flow", "norm"]

MANY = 40  # operations from which a way is told by scope


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """One contribution of several to a gradient.

    name: the operation that it came through. share: of the gradient; the shares of all branches add up to 1.
    cosine: between the contribution and the whole gradient.
    """

    name: str
    norm: float
    share: float
    cosine: float
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One operation, or one call, on the way.

    name: what its result is called, or its scope. norm: of the gradient there, the root of the sum of squares. gain:
    what is passed on along the way, in norms: above 1 it grows. share: how much of this gradient came along the way.
    branches: all that came together here, where it was more than one. node: the operation; of a call the last one.
    """

    name: str
    norm: float
    gain: float
    share: float
    node: Node
    branches: tuple[Branch, ...] = ()


def norm(x: Data) -> float:
    """The root of the sum of squares, without overflow."""
    x = np.abs(np.asarray(0.0 if x is None else x, float)).ravel()
    most = float(x.max(initial=0.0))
    return most * float(np.sqrt(np.square(x / most).sum())) if 0 < most < np.inf else float(x.sum())


def flow(walk: Walk, names: Names, a: Node | None = None, b: Node | None = None, by: str = "") -> list[Row]:
    """The way from a, by default the root, down to b, by default as far as operations go, along the largest gradients.

    by: "operation" or "scope"; by default by scope where the way is long and scopes were recorded. The walk comes
    back to where it stands. Raises ValueError where no way leads from a to b.
    """
    here = walk.position
    walk.end()
    try:
        way = _way(walk, names, walk.root if a is None else a, b)
        rows = [_row(walk, names, way, k) for k in range(len(way))]
        scopes = list(dict.fromkeys(row.node.scope for row in rows))
        if by == "scope" or (not by and len(rows) > MANY and len(scopes) > 2):
            rows = _by_scope(rows)
        return rows
    finally:
        walk.move_to(here)


def _way(walk: Walk, names: Names, a: Node, b: Node | None) -> list[tuple[Node, Contribution | None]]:
    """Operations from a downwards, each with the contribution by which the gradient goes on."""
    above = None
    if b is not None:
        if walk.index.get(b.id, -1) > walk.index.get(a.id, -1):
            a, b = b, a
        above, todo = {b.id}, [b]
        while todo:
            for user, _ in walk.consumers(todo.pop()):
                if user.id not in above:
                    above.add(user.id)
                    todo.append(user)
        if a.id not in above:
            raise ValueError(f"no way leads from {names[a]} to {names[b]}")
    way: list[tuple[Node, Contribution | None]] = []
    node = a
    while node is not b and node.id in walk.index:
        made = [c for c in walk.step_of(node).contributions if c.value is not None]
        made = [c for c in made if c.parent.id in above] if above is not None else made
        on = [c for c in made if c.parent.primitive is not None] if b is None else made
        c = max(on or made, key=lambda c: _size(walk, c), default=None)
        way.append((node, c))
        if c is None:
            break
        node = c.parent
        if b is None and node.primitive is None:
            break
    return [*way, (b, None)] if b is not None else way


def _size(walk: Walk, c: Contribution) -> tuple[float, int, int]:
    """What is largest goes on; of equals, as at a residual sum, the stream, which more operations take up."""
    return float(f"{norm(c.value):.6g}"), len(walk.consumers(c.parent)), c.parent.id


def _row(walk: Walk, names: Names, way: list[tuple[Node, Contribution | None]], k: int) -> Row:
    node, c = way[k]
    g = walk.grad(node)
    size = norm(g)
    arrived = [p for user, i in walk.consumers(node) for p in walk.step_of(user).contributions if p.argument == i]
    arrived = [p for p in arrived if p.value is not None]
    branches = tuple(branch(names, g, p) for p in arrived) if len(arrived) > 1 else ()
    came = way[k - 1][0] if k else None
    share = sum(branch.share for branch in branches if branch.node is came) if branches and came is not None else 1.0
    return Row(names[node], size, norm(c.value) / size if c is not None and size else 0.0, share, node, branches)


def branch(names: Names, g: Data, c: Contribution) -> Branch:
    """A contribution as a part of a gradient."""
    whole, part = np.asarray(g, float).ravel(), np.asarray(c.value, float).ravel()
    size, most = norm(part), norm(whole)
    cosine = float(part / size @ (whole / most)) if size and most else 0.0
    return Branch(names[c.node], size, cosine * size / most if most else 0.0, cosine, c.node)


def _by_scope(rows: list[Row]) -> list[Row]:
    """Rows that follow each other in one scope as one, whose gain is what leaves it by what enters it."""
    found: list[list[Row]] = []
    for row in rows:
        if not found or found[-1][-1].node.scope != row.node.scope:
            found.append([])
        found[-1].append(row)
    made = []
    for group, following in zip(found, [*found[1:], None], strict=True):
        first, last = group[0], group[-1]
        out = last.norm * last.gain if following is None or not following[0].branches else following[0].norm
        gain = out / first.norm if first.norm else 0.0
        branches = max((row.branches for row in group), key=len)
        made.append(Row(first.node.scope or first.name, first.norm, gain, first.share, first.node, branches))
    return made
