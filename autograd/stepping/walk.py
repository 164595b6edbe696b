"""Backpropagation as a walk that can be taken step by step, forth and back.

`Walk` holds a position in the backward pass over a recorded graph. It goes through the nodes
in the order of `backward()` and applies the same rules, so at the end its gradients have the
same bits; it keeps what was there before each step, so that stepping back restores these.
What the nodes are called, and what explains a gradient, is left to `stepper`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from autograd.engine.base import Data, Rule
from autograd.engine.graph import Node, ScalarNode, contribution, operations
from autograd.engine.kinds import raw
from autograd.engine.recording import spoil

__all__ = ["Contribution", "Edge", "Entry", "Position", "Step", "Walk"]

Position = tuple[int, int]
Edge = tuple[int, Node, Rule]  # an argument, the input there, and the rule for its gradient
State = tuple[Position, int, dict[int, Data], dict[Position, list[tuple[Node, Data]]]]


@dataclass(frozen=True, slots=True, eq=False)
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
    upstream: Data
    symbol: str
    local: float | None
    value: Data
    before: Data
    after: Data
    applied: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One node of the backward pass, as it stands.

    index: its place on the tape, from 0 for the first operation recorded to total - 1 for the
    root. upstream: its gradient. consumers: how many contributions to that are in, and how
    many there are in all. contributions: what its own arguments receive.
    """

    node: Node
    index: int
    total: int
    upstream: Data
    consumers: tuple[int, int]
    contributions: tuple[Contribution, ...]


@dataclass(slots=True, eq=False)
class Entry:
    """One change of a gradient, to take back: by argument `argument` of the operation at place `index`, or an edit."""

    parent: Node
    before: Data
    value: Data  # the contribution; None for an edit
    index: int = -1
    argument: int = -1

    @property
    def after(self) -> Data:
        return _sum(self.before, self.value)


class Walk:
    """A position in the backward pass from `root`, between two contributions; see `Stepper` for the arguments.

    With `forward` the walk begins before the first operation: `done` counts from minus the number of operations up
    to 0 while values arrive in the order of recording, and then, at the root, turns.
    """

    def __init__(self, root: Node, gradient: Data = None, forward: bool = False) -> None:
        self.root = root
        self.seed = _seed(root, gradient)
        self.nodes = operations(root)  # in the order of recording; backpropagation goes from the end
        self.first = -len(self.nodes) if forward else 0  # what `done` begins with
        self.index = {node.id: k for k, node in enumerate(self.nodes)}
        self.fixed: dict[int, Data] = {}  # what-if: data that was set, by id of the node
        self.values: dict[int, Data] = {}  # that, and what was computed forward from it
        self.edits: dict[Position, list[tuple[Node, Data]]] = {}  # what-if: gradients set at a position
        self.version = 0  # counts edits
        self._consumers: dict[int, list[tuple[int, int]]] | None = None
        self._reset()

    def _reset(self) -> None:
        self.done = self.first  # nodes finished; below 0, nodes to compute before the first of them
        self.part = 0  # contributions made by the node under way
        self._grads: dict[int, Data] = {self.root.id: self.seed}
        self._log: list[Entry] = []
        self._begins: dict[int, int] = {}  # where in the log the contributions of an operation begin, by its place
        self._arrive()

    # ---- where it stands ----

    @property
    def position(self) -> Position:
        """(nodes finished, contributions made by the node under way)."""
        return self.done, self.part

    @property
    def at_start(self) -> bool:
        """Whether nothing has been done yet."""
        return self.position == (self.first, 0)

    @property
    def at_end(self) -> bool:
        """Whether every gradient is complete."""
        return self.done == len(self.nodes)

    @property
    def current(self) -> Node | None:
        """The node whose rules come next, or in the forward pass its value; None at the end."""
        if self.done < 0:
            return self.nodes[self.done]
        return None if self.at_end else self.nodes[len(self.nodes) - 1 - self.done]

    def computed(self, node: Node) -> bool:
        """Whether the value of a node has arrived: of all, but before the end of the forward pass."""
        return self.done >= 0 or self.index.get(node.id, -1) < len(self.nodes) + self.done

    def grad(self, node: Node) -> Data:
        """The gradient that has reached a node so far; None where none has."""
        return self._grads.get(node.id) if self.done >= 0 else None

    def data(self, node: Node) -> Data:
        """The data of a node, or what it was set to."""
        return self.values.get(node.id, raw(node))

    def arguments(self, node: Node) -> tuple[Data, ...]:
        """What a node's operation was applied to, with what was set."""
        if not self.values:
            return node.saved
        return tuple(
            s if p is None else self.values.get(p.id, s) for p, s in zip(node.parents, node.saved, strict=True)
        )

    def edges(self, node: Node) -> list[Edge]:
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
        running: dict[int, Data] = {}
        found = []
        for i, p, _ in self.edges(node):
            e = self.entry_of(node, i)
            if e is not None:
                found.append(self._contribution(node, i, p, e.value, e.before, True))
            else:
                before = running.get(p.id, self._grads.get(p.id))
                c = self._compute(node, i)
                found.append(self._contribution(node, i, p, c, before, False))
                running[p.id] = found[-1].after
        consumers = self.consumers(node)
        arrived = sum(self.passed(n, i) for n, i in consumers)
        total = len(consumers) + (node is self.root)
        return Step(node, k, len(self.nodes), self.grad(node), (arrived + (node is self.root), total), tuple(found))

    def entry_of(self, node: Node, argument: int) -> Entry | None:
        """The contribution of one argument of an operation; None while it lies ahead."""
        k = self.index[node.id]
        for at in range(self._begins.get(k, len(self._log)), len(self._log)):
            e = self._log[at]
            if e.index == k and e.argument == argument:
                return e
            if e.index not in (k, -1):
                break
        return None

    def passed(self, node: Node, argument: int | None = None) -> bool:
        """Whether a node has made its contributions, or that of one argument."""
        k = self.index[node.id]
        turn = len(self.nodes) - 1 - k
        if turn != self.done:
            return turn < self.done
        made = [i for i, _, _ in self.edges(node)][: self.part]
        return bool(made) if argument is None else argument in made

    def _compute(self, node: Node, i: int) -> Data:
        """The contribution of one edge by the present gradient; None where no gradient has come."""
        g = self._grads.get(node.id)
        return None if g is None else self._pulled(node, i, g)

    def _pulled(self, node: Node, i: int, g: Data) -> Data:
        """What argument i of a node receives of a gradient g."""
        parent, primitive = node.parents[i], node.primitive
        assert parent is not None and primitive is not None
        with np.errstate(all="ignore"):
            return contribution(primitive.vjps[i], parent, g, self.data(node), self.arguments(node))

    def _contribution(self, node: Node, i: int, parent: Node, value: Data, before: Data, applied: bool) -> Contribution:
        primitive = node.primitive
        assert primitive is not None
        after = before if value is None else _sum(before, value)
        symbol = primitive.local[min(i, len(primitive.local) - 1)] if primitive.local else ""
        return Contribution(
            node, i, parent, self.grad(node), symbol, self.local(node, i), value, before, after, applied
        )

    def local(self, node: Node, i: int) -> float | None:
        """The local derivative of a scalar operation by one argument, as a number; None for arrays."""
        if not isinstance(node, ScalarNode) or node.primitive is None:
            return None
        c = self._pulled(node, i, 1.0)
        return c if type(c) is float else float(np.asarray(c))

    def local_array(self, node: Node, i: int) -> np.ndarray:
        """What an argument would receive of a gradient of ones: for elementwise operations, the local derivative."""
        return np.asarray(self._pulled(node, i, np.ones_like(self.data(node))))

    # ---- going ----

    def step(self) -> Contribution | None:
        """Make one contribution, along one edge; None at the end."""
        while not self.at_end:
            entry = self.advance()
            if entry is not None:
                node = self.nodes[entry.index]
                return self._contribution(node, entry.argument, entry.parent, entry.value, entry.before, True)
        return None

    def advance(self) -> Entry | None:
        """`step` without its record, or past a node that has nothing to pass on, or on to its value: then None."""
        if self.done < 0:
            self.done += 1
            self._arrive()
            return None
        k = len(self.nodes) - 1 - self.done
        node = self.nodes[k]
        edges, g = self.edges(node), self._grads.get(node.id)
        entry = None
        if g is not None and self.part < len(edges):
            i, parent, rule = edges[self.part]
            with np.errstate(all="ignore"):
                c = contribution(rule, parent, g, self.data(node), self.arguments(node))
                before = self._grads.get(parent.id)
                self._grads[parent.id] = c if before is None else before + c
            entry = Entry(parent, before, c, k, i)
            if self.part == 0:
                self._begins[k] = len(self._log)
            self._log.append(entry)
            self.part += 1
        if entry is None or self.part == len(edges):
            self.done, self.part = self.done + 1, 0
        self._arrive()
        return entry

    def next(self, count: int = 1) -> Step | None:
        """Finish `count` nodes, or in the forward pass compute them; the step of the last of them, None at the end."""
        last = None
        for _ in range(count):
            if self.at_end:
                break
            last = self.current
            self._finish()
        return None if last is None else self.step_of(last)

    def _finish(self) -> None:
        """Make the contributions left of the node under way."""
        done = self.done
        while self.done == done:
            self.advance()

    def back_step(self, count: int = 1) -> Position | None:
        """Take contributions back; the new position, None at the start."""
        if self.at_start:
            return None
        for _ in range(count):
            if self.at_start:
                break
            self._leave()
            if self.part == 0:
                self.done -= 1
                node = self.nodes[len(self.nodes) - 1 - self.done] if self.done >= 0 else None
                reached = node is not None and self._grads.get(node.id) is not None
                self.part = len(self.edges(node)) if node is not None and reached else 0
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
        """Travel to where `count` nodes are finished, forth or back; below 0 is in the forward pass."""
        count = max(self.first, min(count, len(self.nodes)))
        while self.done < count:
            self._finish()
        while self.position > (count, 0):
            self.back_step()
        return self.position

    def start(self) -> Position:
        """Travel to the start."""
        return self.goto(self.first)

    def end(self) -> int:
        """Travel to the end; how many nodes are finished there."""
        return self.goto(len(self.nodes))[0]

    @contextmanager
    def at_its_end(self) -> Iterator[None]:
        """Inside it the walk stands at its end, with every gradient; afterwards again where it stood."""
        done, part, grads, length = self.done, self.part, dict(self._grads), len(self._log)
        try:
            self.end()
            yield
        finally:
            self.done, self.part, self._grads = done, part, grads
            del self._log[length:]

    def move_to(self, position: Position) -> None:
        """Travel to a position, a node's middle included."""
        self.goto(position[0])
        while self.position < position:
            self.step()

    def _arrive(self) -> None:
        for node, value in self.edits.get((self.done, self.part), ()):
            self._log.append(Entry(node, self._grads.get(node.id), None))
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

    def latest(self) -> Entry | None:
        """The contribution that stepping back would take back; None where that is none."""
        return next(
            (e for e in reversed(self._log[-1 - len(self.edits.get(self.position, ())) :]) if e.index >= 0), None
        )

    # ---- what if ----

    def set_grad(self, node: Node, value: Data) -> None:
        """Set the gradient of a node here and now; going on uses it, going back leaves it."""
        if self.done < 0:
            raise ValueError("nothing has a gradient before the end of the forward pass")
        new = _like(node, self.data(node), value)
        self.version += 1
        self.edits.setdefault(self.position, []).append((node, new))
        self._log.append(Entry(node, self._grads.get(node.id), None))
        self._grads[node.id] = new

    def set_data(self, node: Node, value: Data) -> None:
        """Set the data of a node, compute forward what depends on it, and come back to this position."""
        self.version += 1
        self.fixed[node.id] = _like(node, self.data(node), value)
        here = self.position
        self._recompute()
        self.move_to(here)

    def state(self) -> State:
        """Position and edits, for `restore`."""
        return self.position, self.version, dict(self.fixed), {at: list(changes) for at, changes in self.edits.items()}

    def restore(self, state: State) -> None:
        """Put back what `state` gave."""
        position, version, fixed, edits = state
        if version != self.version:
            self.version, self.fixed = version, dict(fixed)
            self.edits = {at: list(changes) for at, changes in edits.items()}
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


def _seed(root: Node, gradient: Data) -> Data:
    """The gradient that the walk starts from, in the shape of the root."""
    if not isinstance(root, Node):
        raise TypeError(f"expected a Value or a Tensor, got {type(root).__name__}")
    if isinstance(root, ScalarNode):
        return 1.0 if gradient is None else float(gradient)
    data = raw(root)
    if gradient is None:
        if np.size(data) != 1:
            raise ValueError(
                f"a Tensor of shape {np.shape(data)} has no single gradient to start from; "
                "pass gradient of its shape, or reduce it to one number"
            )
        return np.ones(data.shape, data.dtype)
    gradient = np.array(gradient, data.dtype)
    if gradient.shape != data.shape:
        raise ValueError(f"gradient has shape {gradient.shape}, and the root {data.shape}")
    return gradient


def _sum(before: Data, value: Data) -> Data:
    """A gradient with one contribution more, the first of which is itself."""
    if before is None or type(value) is float:
        return value if before is None else before + value
    with np.errstate(all="ignore"):
        return before + value


def _like(node: Node, data: Data, value: Data) -> Data:
    """What is set, as a number or an array of the node's own shape and dtype."""
    return float(value) if isinstance(node, ScalarNode) else np.full(np.shape(data), value, data.dtype)
