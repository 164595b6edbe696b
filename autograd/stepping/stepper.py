"""`Stepper`: the walk with names, with what explains a gradient, and with runs to a stop."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from functools import cached_property

from autograd.engine.base import Data
from autograd.engine.graph import Node, ScalarNode
from autograd.stepping.causes import Cause, blame
from autograd.stepping.compare import Comparison, compare
from autograd.stepping.flow import Row, flow, norm
from autograd.stepping.names import Names
from autograd.stepping.runner import Runner
from autograd.stepping.stops import Stop
from autograd.stepping.walk import Contribution, Position, Step, Walk

__all__ = ["Contribution", "Position", "Step", "Stepper"]

Link = tuple[Node, float, "Link | None"]  # a path, from its end: a node, the factor that led there, the path before


class Stepper(Walk):
    """A position in the backward pass from `root`, between two contributions.

    root: a Value, or a Tensor of one element; of several where `gradient`, the gradient of the
    final result by it, is given. variables: names and what they hold, such as `locals()`, for nodes without a label.
    forward: begin before the first operation; `next` then computes value after value up to the root, and turns there.
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

    def __init__(
        self,
        root: Node,
        gradient: Data = None,
        variables: Mapping[str, object] | None = None,
        forward: bool = False,
    ) -> None:
        try:
            super().__init__(root, gradient, forward)
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

    def blame(self, node: Node, index: int | tuple[int, ...] | None = None) -> list[Cause]:
        """From a gradient that is zero, nan, inf, tiny or huge to the operation that made it so: the last of the list.

        index: of one element, or one row, of an array. Each has .node, .reason, .source and .value. What the forward
        pass did counts as well, as an exp that overflowed. The position stays. Raises IndexError for a wrong index.

        >>> x = Value(-2.0, label="x")
        >>> Stepper(x.relu() * 3).blame(x)[-1].reason
        'relu is dead: x is -2.0, and relu passes nothing on where its input is not above 0'
        """
        return blame(self, self.names, node, (index,) if isinstance(index, int) else index)

    def flow(self, a: Node | None = None, b: Node | None = None, by: str = "") -> list[Row]:
        """How large the gradient is along the way from a, the root by default, to b: rows, the first nearest the root.

        Each has .name, .norm (of the gradient there), .gain (by what factor it goes on), .share (how much of the
        gradient came along this way) and .branches, where several came together, as in a residual stream. Without b
        the way goes where most of the gradient goes, as far as there are operations. by: "operation", or "scope",
        the default for long ways. Raises ValueError where no way leads from a to b.
        """
        return flow(self, self.names, a, b, by)

    def compare(self, other: Walk) -> Comparison:
        """This run beside another one of the same code: where they first differ, forward and backward."""
        return compare(self, other)

    def routes(self, node: Node, most: int = 256) -> tuple[list[tuple[Data, list[Node]]], int]:
        """`paths` of an array: what comes along each path from the root, with its nodes from `node` to the root.

        The largest come first; how many paths there are is told as well, and none are given where that is more
        than `most`.
        """
        counts = self._counts()
        total = counts.get(node.id, 0)
        above, todo = {node.id}, [node]
        while todo:
            for user, _ in self.consumers(todo.pop()):
                if user.id not in above:
                    above.add(user.id)
                    todo.append(user)
        if total > most:
            return [], total
        found: list[tuple[Data, list[Node]]] = []
        ways: list[tuple[Data, list[Node]]] = [(self.seed, [self.root])]
        while ways:
            g, way = ways.pop()
            if way[0] is node:
                found.append((g, way))
                continue
            for i, parent, _ in self.edges(way[0]):
                if parent.id in above:
                    ways.append((self._pulled(way[0], i, g), [parent, *way]))
        return sorted(found, key=lambda one: -norm(one[0])), total

    def _counts(self) -> dict[int, int]:
        """How many paths lead from each node to the root."""
        counts: dict[int, int] = {self.root.id: 1}
        for node in reversed(self.nodes):
            for _, p, _ in self.edges(node):
                counts[p.id] = counts.get(p.id, 0) + counts.get(node.id, 0)
        return counts

    def paths(self, node: Node, limit: int = 5) -> tuple[list[tuple[float, list[Node], list[float]]], int]:
        """The paths from a scalar node up to the root with the products of local derivatives along them.

        The gradient is the sum over all paths. Gives the `limit` largest products, each with
        its nodes from `node` to the root and the factors between them, and how many paths
        there are in all.
        """
        if not isinstance(node, ScalarNode):
            raise TypeError("paths: products along paths are of scalars; use an array of Values instead of a Tensor")
        counts = self._counts()
        best: dict[int, float] = {self.root.id: 1.0}  # the largest product among them
        for k in range(len(self.nodes) - 1, -1, -1):
            n = self.nodes[k]
            for i, p, _ in self.edges(n):
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
