"""Backpropagation as a walk that can be taken step by step, forth and back.

`Stepper` holds a position in the backward pass over a recorded graph. It goes through the
nodes in the order of `backward()` and applies the same rules, so at the end its gradients
have the same bits; it keeps what was there before each step, so that stepping back restores
these. It is data for notebooks, tests and the prompt in `debugger`; it prints nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd.engine.graph import Node, ScalarNode, contribution, operations
from autograd.engine.recording import spoil

__all__ = ["Contribution", "Step", "Stepper"]

Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one argument of an operation adds to the gradient of its input.

    node: the operation's result. argument: which argument. parent: the input. symbol: the
    local derivative as text in a, b and out, or with a g in it the whole rule. local: for
    scalars, the local derivative as a number. value: what is added. before, after: the input's
    accumulated gradient, None where nothing has reached it. applied: False while it lies ahead.
    """

    node: Node
    argument: int
    parent: Node
    upstream: Any
    symbol: str
    local: float | None
    value: Any
    before: Any
    after: Any
    applied: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the backward pass, as it stands.

    index: its place on the tape, from 0 for the first operation recorded to total - 1 for the
    root. upstream: its gradient. consumers: how many contributions to that are in, and how
    many there are in all. contributions: what its own arguments receive.
    """

    node: Node
    index: int
    total: int
    upstream: Any
    consumers: tuple[int, int]
    contributions: tuple[Contribution, ...]


@dataclass(slots=True)
class _Entry:
    """One change of a gradient, to take back."""

    parent: Node
    before: Any
    value: Any  # the contribution; None for an edit
    index: int = -1
    argument: int = -1


class Stepper:
    """A position in the backward pass from `root`, between two contributions.

    root: a Value, or a Tensor of one element; of several where `gradient`, the gradient of the
    final result by it, is given. The nodes' own `.grad` is left alone until `commit()`.
    Raises ValueError for a root that needs a `gradient`, or one of another shape, TypeError
    for one that is no node.

    >>> x = Value(3.0, label="x")
    >>> s = Stepper(x * x)
    >>> s.next().contributions[0].value
    3.0
    >>> s.end(), s.grad(x)
    (1, 6.0)
    """

    def __init__(self, root: Any, gradient: Any = None) -> None:
        if not isinstance(root, Node):
            raise TypeError(f"Stepper: expected a Value or a Tensor, got {type(root).__name__}")
        data: Any = root.raw
        if gradient is None:
            if np.size(data) != 1:
                raise ValueError(
                    f"Stepper: a Tensor of shape {np.shape(data)} has no single gradient to start from; pass gradient of its shape, or reduce it to one number"
                )
            gradient = 1.0 if isinstance(root, ScalarNode) else np.ones(data.shape, data.dtype)
        elif isinstance(root, ScalarNode):
            gradient = float(gradient)
        else:
            gradient = np.array(gradient, data.dtype)
            if gradient.shape != data.shape:
                raise ValueError(f"Stepper: gradient has shape {gradient.shape}, and the root {data.shape}")
        self.root = root
        self.seed = gradient
        self.nodes = operations(root)  # in the order of recording; backpropagation goes from the end
        self.index = {node.id: k for k, node in enumerate(self.nodes)}
        self.fixed: dict[int, Any] = {}  # what-if: data that was set, by id of the node
        self.values: dict[int, Any] = {}  # that, and what was computed forward from it
        self.edits: dict[Position, list[tuple[Node, Any]]] = {}  # what-if: gradients set at a position
        self.version = 0  # counts edits
        self._consumers: dict[int, list[tuple[int, int]]] | None = None
        self._reset()

    def _reset(self) -> None:
        self.done = 0  # nodes finished
        self.part = 0  # contributions made by the node under way
        self._grads: dict[int, Any] = {self.root.id: self.seed}
        self._log: list[_Entry] = []
        self._arrive()

    # ---- where it stands ----

    @property
    def position(self) -> Position:
        """(nodes finished, contributions made by the node under way)."""
        return self.done, self.part

    @property
    def at_start(self) -> bool:
        """Whether nothing has been done yet."""
        return self.position == (0, 0)

    @property
    def at_end(self) -> bool:
        """Whether every gradient is complete."""
        return self.done == len(self.nodes)

    @property
    def current(self) -> Node | None:
        """The node whose rules come next; None at the end."""
        return None if self.at_end else self.nodes[len(self.nodes) - 1 - self.done]

    def grad(self, node: Node) -> Any:
        """The gradient that has reached a node so far; None where none has."""
        return self._grads.get(node.id)

    def data(self, node: Node) -> Any:
        """The data of a node, or what it was set to."""
        return self.values.get(node.id, node.raw)

    def arguments(self, node: Node) -> tuple[Any, ...]:
        """What a node's operation was applied to, with what was set."""
        if not self.values:
            return node.saved
        return tuple(
            s if p is None else self.values.get(p.id, s) for p, s in zip(node.parents, node.saved, strict=True)
        )

    def edges(self, node: Node) -> list[tuple[int, Node, Any]]:
        """Argument, input and rule for each input of a node that has a gradient; none where its data was set."""
        if node.primitive is None or node.id in self.fixed:
            return []
        return [
            (i, p, rule)
            for i, (p, rule) in enumerate(zip(node.parents, node.primitive.vjps))
            if p is not None and rule is not None
        ]

    def consumers(self, node: Node) -> list[tuple[Node, int]]:
        """The operations that a node went into, with the argument it was, last one first."""
        if self._consumers is None:
            self._consumers = {}
            for k in range(len(self.nodes) - 1, -1, -1):
                for i, p, _ in self.edges(self.nodes[k]):
                    self._consumers.setdefault(p.id, []).append((k, i))
        return [(self.nodes[k], i) for k, i in self._consumers.get(node.id, [])]

    def step_of(self, node: Node) -> Step:
        """The step of a node, whether it is over, under way or ahead."""
        k = self.index[node.id]
        mine = {e.argument: e for e in reversed(self._log) if e.index == k} if self._passed(k) else {}
        running: dict[int, Any] = {}
        found = []
        for i, p, _ in self.edges(node):
            if i in mine:
                e = mine[i]
                found.append(self._contribution(node, i, p, e.value, e.before, True))
            else:
                before = running.get(p.id, self._grads.get(p.id))
                c = self._compute(node, i)
                found.append(self._contribution(node, i, p, c, before, False))
                running[p.id] = found[-1].after
        consumers = self.consumers(node)
        arrived = sum(self._passed(self.index[n.id], i) for n, i in consumers)
        total = len(consumers) + (node is self.root)
        return Step(node, k, len(self.nodes), self.grad(node), (arrived + (node is self.root), total), tuple(found))

    def _passed(self, k: int, argument: int | None = None) -> bool:
        """Whether the node at place k has made its contributions, or that of one argument."""
        turn = len(self.nodes) - 1 - k
        if turn != self.done:
            return turn < self.done
        made = [i for i, _, _ in self.edges(self.nodes[k])][: self.part]
        return bool(made) if argument is None else argument in made

    def _compute(self, node: Node, i: int) -> Any:
        """The contribution of one edge by the present gradient; None where no gradient has come."""
        g = self._grads.get(node.id)
        if g is None or node.primitive is None:
            return None
        parent = node.parents[i]
        assert parent is not None
        with np.errstate(all="ignore"):
            return contribution(node.primitive.vjps[i], parent, g, self.data(node), self.arguments(node))

    def _contribution(self, node: Node, i: int, parent: Node, value: Any, before: Any, applied: bool) -> Contribution:
        after = before if value is None else value if before is None else before + value
        local = self.local(node, i)
        primitive = node.primitive
        assert primitive is not None
        symbol = primitive.local[min(i, len(primitive.local) - 1)] if primitive.local else ""
        return Contribution(node, i, parent, self.grad(node), symbol, local, value, before, after, applied)

    def local(self, node: Node, i: int) -> float | None:
        """The local derivative of a scalar operation by one argument, as a number; None for arrays."""
        if not isinstance(node, ScalarNode) or node.primitive is None:
            return None
        parent = node.parents[i]
        assert parent is not None
        with np.errstate(all="ignore"):
            return float(
                np.asarray(contribution(node.primitive.vjps[i], parent, 1.0, self.data(node), self.arguments(node)))
            )

    def local_array(self, node: Node, i: int) -> Any:
        """What an argument would receive of a gradient of ones: for elementwise operations, the local derivative."""
        assert node.primitive is not None
        parent = node.parents[i]
        assert parent is not None
        with np.errstate(all="ignore"):
            return np.asarray(
                contribution(
                    node.primitive.vjps[i], parent, np.ones_like(self.data(node)), self.data(node), self.arguments(node)
                )
            )

    # ---- going ----

    def step(self) -> Contribution | None:
        """Make one contribution, along one edge; None at the end."""
        while not self.at_end:
            node = self.nodes[len(self.nodes) - 1 - self.done]
            edges = self.edges(node)
            if self.part < len(edges) and self._grads.get(node.id) is not None:
                i, parent, _ = edges[self.part]
                c = self._compute(node, i)
                before = self._grads.get(parent.id)
                self._grads[parent.id] = c if before is None else before + c
                self._log.append(_Entry(parent, before, c, len(self.nodes) - 1 - self.done, i))
                self.part += 1
                if self.part == len(edges):
                    self.done, self.part = self.done + 1, 0
                self._arrive()
                return self._contribution(node, i, parent, c, before, True)
            self.done, self.part = self.done + 1, 0  # nothing to pass on
            self._arrive()
        return None

    def next(self, count: int = 1) -> Step | None:
        """Finish `count` nodes; the step of the last of them, None at the end."""
        last = None
        for _ in range(count):
            if self.at_end:
                break
            last = self.nodes[len(self.nodes) - 1 - self.done]
            self._finish()
        return None if last is None else self.step_of(last)

    def _finish(self) -> None:
        """Make the contributions left of the node under way: `step`, without its record."""
        node = self.nodes[len(self.nodes) - 1 - self.done]
        g = self._grads.get(node.id)
        edges = self.edges(node)
        if g is not None and self.part < len(edges):
            out, args = self.data(node), self.arguments(node)
            while True:
                i, parent, rule = edges[self.part]
                with np.errstate(all="ignore"):
                    c = contribution(rule, parent, g, out, args)
                before = self._grads.get(parent.id)
                self._grads[parent.id] = c if before is None else before + c
                self._log.append(_Entry(parent, before, c, len(self.nodes) - 1 - self.done, i))
                self.part += 1
                if self.part == len(edges):
                    break
                self._arrive()
        self.done, self.part = self.done + 1, 0
        self._arrive()

    def back_step(self) -> Position | None:
        """Take one contribution back; the new position, None at the start."""
        if self.at_start:
            return None
        self._leave()
        if self.part == 0:
            self.done -= 1
            node = self.nodes[len(self.nodes) - 1 - self.done]
            self.part = len(self.edges(node)) if self._grads.get(node.id) is not None else 0
        if self.part:
            self.part -= 1
            self._take_back()
        return self.position

    def back_next(self, count: int = 1) -> Position | None:
        """Take back what is done of the node under way, or else `count` nodes; None at the start."""
        if self.at_start:
            return None
        for _ in range(count):
            if self.at_start:
                break
            target = self.done if self.part else self.done - 1
            while self.position > (target, 0):
                self.back_step()
        return self.position

    def goto(self, count: int) -> Position:
        """Travel to where `count` nodes are finished, forth or back."""
        count = max(0, min(count, len(self.nodes)))
        while self.done < count:
            self._finish()
        while self.position > (count, 0):
            self.back_step()
        return self.position

    def start(self) -> Position:
        """Travel to the start."""
        return self.goto(0)

    def end(self) -> int:
        """Travel to the end; how many nodes are finished there."""
        return self.goto(len(self.nodes))[0]

    def move_to(self, position: Position) -> None:
        """Travel to a position, a node's middle included."""
        self.goto(position[0])
        while self.position < position:
            self.step()

    def _arrive(self) -> None:
        for node, value in self.edits.get((self.done, self.part), ()):
            self._log.append(_Entry(node, self._grads.get(node.id), None))
            self._grads[node.id] = value

    def _leave(self) -> None:
        for _ in self.edits.get((self.done, self.part), ()):
            self._take_back()

    def _take_back(self) -> None:
        entry = self._log.pop()
        if entry.before is None:
            self._grads.pop(entry.parent.id, None)
        else:
            self._grads[entry.parent.id] = entry.before

    def last_entry(self) -> _Entry | None:
        """The contribution that stepping back would take back; None where that is none."""
        return next(
            (e for e in reversed(self._log[-1 - len(self.edits.get(self.position, ())) :]) if e.index >= 0), None
        )

    def sum_of(self, entry: _Entry) -> Any:
        """What a contribution made of the gradient it was added to."""
        return entry.value if entry.before is None else entry.before + entry.value

    # ---- what if ----

    def set_grad(self, node: Node, value: Any) -> None:
        """Set the gradient of a node here and now; going on uses it, going back leaves it."""
        new = (
            float(value)
            if isinstance(node, ScalarNode)
            else np.full(np.shape(self.data(node)), value, self.data(node).dtype)
        )
        self.version += 1
        self.edits.setdefault(self.position, []).append((node, new))
        self._log.append(_Entry(node, self._grads.get(node.id), None))
        self._grads[node.id] = new

    def set_data(self, node: Node, value: Any) -> None:
        """Set the data of a node, compute forward what depends on it, and come back to this position."""
        data = self.data(node)
        self.version += 1
        self.fixed[node.id] = (
            float(value) if isinstance(node, ScalarNode) else np.full(np.shape(data), value, data.dtype)
        )
        here = self.position
        self._recompute()
        self.move_to(here)

    def state(self) -> tuple[Any, ...]:
        """Position and edits, for `restore`."""
        return self.position, self.version, dict(self.fixed), {at: list(changes) for at, changes in self.edits.items()}

    def restore(self, state: tuple[Any, ...]) -> None:
        """Put back what `state` gave."""
        position, version, fixed, edits = state
        if version != self.version:
            self.version, self.fixed, self.edits = (
                version,
                dict(fixed),
                {at: list(changes) for at, changes in edits.items()},
            )
            self._recompute()
        self.move_to(position)

    def _recompute(self) -> None:
        """Compute forward from the data that was set, and go to the start."""
        self.values = dict(self.fixed)
        self._consumers = None  # what was set passes nothing on any more
        for node in self.nodes if self.fixed else ():
            if node.id not in self.fixed and any(p is not None and p.id in self.values for p in node.parents):
                assert node.primitive is not None
                with np.errstate(all="ignore"):
                    self.values[node.id] = node.primitive(*self.arguments(node))
        self._reset()

    def commit(self) -> None:
        """Write the gradients into the nodes, as `backward()` does: leaves add up, others start afresh."""
        spoil()
        for node in {n.id: n for k in self.nodes for n in (k, *k.inputs)}.values():
            g = self._grads.get(node.id)
            if g is not None:
                node._grad = g if node.primitive is not None or node._grad is None else node._grad + g

    # ---- explaining ----

    def made(self) -> Iterator[tuple[Node, Any]]:
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
        # A path is its last node, the factor that led there, and the path before.
        heap: list[tuple[float, int, float, Any]] = [(-best.get(node.id, 0.0), 0, 1.0, (node, 1.0, None))]
        ticket = 0
        while heap and len(found) < limit:
            _, _, product, path = heapq.heappop(heap)
            if path[0] is self.root:
                nodes, factors = [], []
                while path is not None:
                    nodes.append(path[0])
                    factors.append(path[1])
                    path = path[2]
                found.append((product, nodes[::-1], factors[-2::-1]))
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
