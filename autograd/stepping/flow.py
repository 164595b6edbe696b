"""How large the gradient is along a way from the root, what each operation makes of it, and where it divides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autograd.engine.base import Data
from autograd.engine.graph import Node
from autograd.stepping.names import Names
from autograd.stepping.walk import Entry, Walk

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
    if x is None or type(x) is float:
        return abs(x or 0.0)
    x = np.abs(np.asarray(x, float)).ravel()
    most = float(x.max(initial=0.0))
    return most * float(np.sqrt(np.square(x / most).sum())) if 0 < most < np.inf else float(x.sum())


def flow(walk: Walk, names: Names, a: Node | None = None, b: Node | None = None, by: str = "") -> list[Row]:
    """The way from a, by default the root, down to b, by default as far as operations go, along the largest gradients.

    by: "operation" or "scope"; by default by scope where the way is long and scopes were recorded. The walk comes
    back to where it stands. Raises ValueError where no way leads from a to b.
    """
    with walk.at_its_end():
        way = _way(walk, names, walk.root if a is None else a, b)
        rows = [_row(walk, names, way, k) for k in range(len(way))]
        scopes = {row.node.scope for row in rows}
        return _by_scope(rows) if by == "scope" or (not by and len(rows) > MANY and len(scopes) > 2) else rows


def _way(walk: Walk, names: Names, a: Node, b: Node | None) -> list[tuple[Node, Entry | None]]:
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
    way: list[tuple[Node, Entry | None]] = []
    node = a
    while node is not b and node.id in walk.index:
        made = [e for i, _, _ in walk.edges(node) if (e := walk.entry_of(node, i)) is not None and e.value is not None]
        made = [e for e in made if e.parent.id in above] if above is not None else made
        on = [e for e in made if e.parent.primitive is not None] if b is None else made
        best = max(on or made, key=lambda e: _size(walk, e), default=None)
        way.append((node, best))
        if best is None or (b is None and best.parent.primitive is None):
            break
        node = best.parent
    return [*way, (b, None)] if b is not None else way


def _size(walk: Walk, c: Entry) -> tuple[float, int, int]:
    """What is largest goes on; of equals, as at a residual sum, the stream, which more operations take up."""
    return float(f"{norm(c.value):.6g}"), len(walk.consumers(c.parent)), c.parent.id


def _row(walk: Walk, names: Names, way: list[tuple[Node, Entry | None]], k: int) -> Row:
    node, c = way[k]
    g = walk.grad(node)
    size = norm(g)
    made = ((user, walk.entry_of(user, i)) for user, i in walk.consumers(node))
    arrived = [(user, e.value) for user, e in made if e is not None and e.value is not None]
    branches = tuple(branch(names, g, user, value) for user, value in arrived) if len(arrived) > 1 else ()
    came = way[k - 1][0] if k else None
    share = sum(branch.share for branch in branches if branch.node is came) if branches and came is not None else 1.0
    return Row(names[node], size, norm(c.value) / size if c is not None and size else 0.0, share, node, branches)


def branch(names: Names, g: Data, node: Node, value: Data) -> Branch:
    """A contribution, which came through an operation, as a part of a gradient."""
    whole, part = np.asarray(g, float).ravel(), np.asarray(value, float).ravel()
    size, most = norm(part), norm(whole)
    if not np.isfinite(size + most):
        return Branch(names[node], size, np.nan, np.nan, node)
    cosine = float(part / size @ (whole / most)) if size and most else 0.0
    return Branch(names[node], size, cosine * size / most if most else 0.0, cosine, node)


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
