"""`Stepper`: the walk with names, with what explains a gradient, and with runs to a stop."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from functools import cached_property

from autograd.engine.graph import Node, ScalarNode
from autograd.stepping.names import Names
from autograd.stepping.runner import Runner
from autograd.stepping.stops import Stop
from autograd.stepping.walk import Contribution, Data, Position, Step, Walk

__all__ = ["Contribution", "Position", "Step", "Stepper"]

Link = tuple[Node, float, "Link | None"]  # a path, from its end: a node, the factor that led there, the path before


class Stepper(Walk):
    """A position in the backward pass from `root`, between two contributions.

    root: a Value, or a Tensor of one element; of several where `gradient`, the gradient of the
    final result by it, is given. variables: names and what they hold, such as `locals()`, for nodes without a label.
    The nodes' own `.grad` is left alone until `commit()`.
    Raises ValueError for a root that needs a `gradient`, or one of another shape, TypeError
    for one that is no node.

    >>> x = Value(3.0, label="x")
    >>> s = Stepper(x * x)
    >>> s.next().contributions[0].value
    3.0
    >>> s.end(), s.grad(x)
    (1, 6.0)
    """

    def __init__(self, root: Node, gradient: Data = None, variables: Mapping[str, object] | None = None) -> None:
        try:
            super().__init__(root, gradient)
        except (TypeError, ValueError) as error:
            raise type(error)(f"Stepper: {error}") from None
        self._variables = variables

    @cached_property
    def names(self) -> Names:
        """What the nodes are called: `names[node]`, and `names.by_name`."""
        return Names(self.root, self.nodes, self._variables)

    def run(self, *stops: str | Node, forward: bool = True) -> list[Stop]:
        """Run on to the first of some stops, or to the end; backwards with forward=False.

        stops: what follows `b` at the prompt, as "op:relu", "scope:attention*, norm(g) > 1", "model.py:12" or a
        name; or "watch g:nan". A node stands for itself. Gives the stops that were hit, with `.node`, where:
        none at the end. Raises ValueError for a stop that cannot be read.

        >>> x = Value(-2.0, label="x")
        >>> s = Stepper(x.relu() * 3)
        >>> s.run("op:relu")[0].node.op
        'relu'
        >>> s.run()
        []
        """
        runner = Runner(self, self.names)
        for stop in stops:
            runner.add(stop)
        return runner.run(forward)

    # ---- explaining ----

    def made(self) -> Iterator[tuple[Node, Data]]:
        """The contributions made so far, in order: an input, and what it received."""
        return ((e.parent, e.value) for e in self._log if e.index >= 0)

    def why(self, node: Node) -> list[Contribution]:
        """The contributions that make up a node's gradient so far, in the order in which they came."""
        return [
            self._contribution(self.nodes[e.index], e.argument, node, e.value, e.before, True)
            for e in self._log
            if e.parent is node and e.index >= 0
        ]

    def paths(self, node: Node, limit: int = 5) -> tuple[list[tuple[float, list[Node], list[float]]], int]:
        """The paths from a scalar node up to the root with the products of local derivatives along them.

        The gradient is the sum over all paths. Gives the `limit` largest products, each with
        its nodes from `node` to the root and the factors between them, and how many paths
        there are in all.
        """
        if not isinstance(node, ScalarNode):
            raise TypeError("paths: products along paths are of scalars; use an array of Values instead of a Tensor")
        counts: dict[int, int] = {self.root.id: 1}  # paths from a node to the root
        best: dict[int, float] = {self.root.id: 1.0}  # the largest product among them
        for k in range(len(self.nodes) - 1, -1, -1):
            n = self.nodes[k]
            for i, p, _ in self.edges(n):
                counts[p.id] = counts.get(p.id, 0) + counts.get(n.id, 0)
                best[p.id] = max(best.get(p.id, 0.0), abs(self.local(n, i) or 0.0) * best.get(n.id, 0.0))
        found: list[tuple[float, list[Node], list[float]]] = []
        # Best first: what is left of a path can be no larger than the best product from its end.
        heap: list[tuple[float, int, float, Link]] = [(-best.get(node.id, 0.0), 0, 1.0, (node, 1.0, None))]
        ticket = 0
        while heap and len(found) < limit:
            _, _, product, path = heapq.heappop(heap)
            if path[0] is self.root:
                found.append((product, *_unlinked(path)))
                continue
            for n, i in self.consumers(path[0]):
                if n.id in counts:
                    ticket -= 1  # of equals the newest first, or a tie of all paths would mean to follow all
                    factor = self.local(n, i) or 0.0
                    longer = product * factor
                    heapq.heappush(heap, (-abs(longer) * best.get(n.id, 0.0), ticket, longer, (n, factor, path)))
        return found, counts.get(node.id, 0)

    def way_to_root(self, node: Node) -> list[Node]:
        """A path from a node to the root, by the operation that used it first."""
        path = [node]
        while path[-1] is not self.root:
            users = self.consumers(path[-1])
            if not users:
                break
            path.append(users[-1][0])
        return path


def _unlinked(path: Link) -> tuple[list[Node], list[float]]:
    """The nodes of a path from its beginning, and the factors between them."""
    nodes, factors, link = [], [], path
    while link[2] is not None:
        nodes.append(link[0])
        factors.append(link[1])
        link = link[2]
    return [link[0], *nodes[::-1]], factors[::-1]
