"""The graph and the chain rule.

A `Node` is one number or one array together with how it was made; a `Primitive` is
one differentiable operation. This module records nodes, orders them, and pulls a
gradient back through them. It knows no operation (`primitives` does), and neither
what a node holds (`value` and `tensor` do).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np

from autograd.engine.base import Data, Operand, Rule
from autograd.engine.recording import OUTSIDE, Level, current, spoil
from autograd.engine.words import described

__all__ = [
    "ArrayNode",
    "Node",
    "Primitive",
    "Rule",
    "ScalarNode",
    "backpropagate",
    "contribution",
    "note",
    "operations",
    "tape",
]

NUMBER = (float, int)  # what Python calls a number; a tuple, since `float | int` is made anew at every use


class Primitive:
    """One differentiable operation: a row of the table in `primitives`.

    name: what `node.op` says. symbol: how micrograd spells it, and how people write it.
    scalar: the forward on Python floats; None where the operation needs an array.
    array: the forward on arrays of NumPy or any other library of the array API.
    vjps: per argument, `rule(g, out, *args)` gives the gradient of that argument from
        the gradient g of the result; None for an argument that has no gradient. Rules
        are written in plain operators, methods and other primitives, so that they run on
        numbers, arrays and nodes alike. Undoing broadcasting is not their business.
    local: per argument, the local derivative as text, in `a`, `b` and `out`; with a `g` in it,
        the whole rule.
    analytic: whether the forward on complex arrays is the same function there.
    composition: of a fused row, the function of other rows that it stands for.
    """

    __slots__ = ("analytic", "array", "binary", "composition", "local", "name", "scalar", "symbol", "vjps")

    def __init__(
        self,
        name: str,
        scalar: Callable[..., float] | None,
        array: Callable[..., Data],
        vjps: Any,
        local: tuple[str, ...] = (),
        symbol: str = "",
        analytic: bool = True,
    ) -> None:
        self.name = name
        self.scalar = scalar
        self.array = array
        self.vjps = vjps
        self.binary = scalar is not None and len(vjps) == 2
        self.local = local
        self.analytic = analytic
        self.symbol = symbol or name
        self.composition: Callable[..., Operand] | None = None

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __call__(self, *args: Operand) -> Operand:
        """Apply to numbers, arrays or nodes; with a node among them the result is a node."""
        numbers = self.scalar is not None
        for a in args:
            if isinstance(a, Node):
                return a._apply(self, args)
            numbers = numbers and isinstance(a, NUMBER)
        if not numbers:
            return self.array(*args)
        try:
            return self.scalar(*args)  # type: ignore[misc]
        except (ArithmeticError, ValueError):
            return self.ieee(*args)

    def ieee(self, *args: float) -> float:
        """The result that IEEE arithmetic gives where Python's floats raise: inf or nan."""
        with np.errstate(all="ignore"):
            return float(self.array(*map(np.float64, args)))


class Node:
    """A number or an array, and how it was made.

    id: increases with every node, so that ascending ids are a topological order.
    primitive: the operation that made it; None for a leaf.
    parents: per argument of the operation, the node it came from, or None for a constant.
    saved: per argument, its number or array as it was when this node was recorded.
    source: the line of code and the scope that made it, inside `record_source()`.
    """

    # A label and a source that nobody gave are not stored: a scalar graph is all overhead.
    __slots__ = ("__weakref__", "_grad", "_told", "id", "primitive", "raw")
    raw: Data
    _grad: Operand
    _told: tuple[str, Any]  # its label and its source
    id: int
    primitive: Primitive | None
    debug: Callable[..., None]  # the debugger's way in, set by `sessions`
    _repr_svg_: Callable[..., str | None]  # what a notebook shows, set by `cards`
    _repr_html_: Callable[..., str | None]
    _repr_mimebundle_: Callable[..., dict[str, str]]

    @property
    def parents(self) -> tuple[Node | None, ...]:
        raise NotImplementedError

    @property
    def saved(self) -> tuple[Operand, ...]:
        raise NotImplementedError

    @classmethod
    def _apply(cls, primitive: Primitive, args: tuple[Operand, ...]) -> Operand:
        raise NotImplementedError

    def _fit(self, g: Operand) -> Operand:
        """A contribution to this node's gradient, in its own shape: arrays sum over what was broadcast."""
        return g

    @property
    def label(self) -> str:
        """What to call it in pictures and messages; "" where it was given no name."""
        try:
            return self._told[0]
        except AttributeError:
            return ""

    @label.setter
    def label(self, label: str) -> None:
        if not isinstance(label, str):
            raise TypeError(f"a label is a text, got {described(label)}")
        self._told = label, self.source

    @property
    def source(self) -> Any:
        """The line of code and the scope that made it, inside `record_source()`; None elsewhere."""
        try:
            return self._told[1]
        except AttributeError:
            return None

    @source.setter
    def source(self, source: Any) -> None:
        self._told = self.label, source

    @property
    def op(self) -> str:
        """The name of the operation that made this node; "" for a leaf."""
        return self.primitive.name if self.primitive else ""

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes this one was made from, in the order of the arguments; constants are left out."""
        return tuple(p for p in self.parents if p is not None)

    @property
    def scope(self) -> str:
        """The functions this node was made in, as "loss/block#1"; "" unless recorded."""
        return self.source.scope if self.source else ""

    @property
    def _prev(self) -> set[Node]:
        return set(self.inputs)

    @property
    def _op(self) -> str:
        if self.primitive is None:
            return ""
        if self.primitive.name == "pow" and self.parents[1] is None:
            return f"**{self.saved[1]:g}" if np.ndim(self.saved[1]) == 0 else "**"
        return self.primitive.symbol


class ArrayNode(Node):
    """A node of an operation with any number of arguments, kept in tuples."""

    __slots__ = ("parents", "saved")
    parents: tuple[Node | None, ...]
    saved: tuple[Operand, ...]


class ScalarNode(Node):
    """A node of an operation with one or two arguments, kept in slots of its own.

    A scalar graph is all overhead. Without tuples a node takes two thirds of the memory, and
    the garbage collector has a third of the objects to trace.
    """

    __slots__ = ("_a", "_b", "_from_a", "_from_b")
    _a: float
    _b: float
    _from_a: Node | None
    _from_b: Node | None

    @property
    def parents(self) -> tuple[Node | None, ...]:
        if self.primitive is None:
            return ()
        return (self._from_a, self._from_b) if self.primitive.binary else (self._from_a,)

    @property
    def saved(self) -> tuple[float, ...]:
        if self.primitive is None:
            return ()
        return (self._a, self._b) if self.primitive.binary else (self._a,)


def note(node: Node) -> None:
    """What happens to a new result besides being recorded, where that is out of the ordinary or inside `grad`."""
    state = current()
    if state.level.made is not None:
        state.level.made.append(node)
    if state.source is not None:
        node.source = state.source()
    if state.check is not None:
        state.check(node, node.saved, node.raw)


_SEEN = object()
_UNMARK = methodcaller("__setattr__", "_grad", None)


def operations(root: Node) -> list[Node]:
    """The same as `tape`, for those who only look: no gradient is touched."""
    seen, todo = {root.id: root}, [root]
    while todo:
        for p in todo.pop().parents:
            if p is not None and p.id not in seen and p.primitive is not None:
                seen[p.id] = p
                todo.append(p)
    return [] if root.primitive is None else [seen[i] for i in sorted(seen)]


def tape(root: Node, floor: int = 0) -> list[Node]:
    """The nodes below `root`, itself included, that operations made, in the order of their making.

    Nodes with an id under `floor` are left out. The walk is a loop, so depth is no limit,
    and the order depends on ids alone. Gradients of these nodes are cleared.
    """
    if root.primitive is None:
        return []
    # Marking in the slot that backpropagation is about to use anyway is several times
    # faster than a set of ids.
    found, todo = [root], [root]
    push, pop, add = todo.append, todo.pop, found.append
    try:
        root._grad = _SEEN
        while todo:
            node: Any = pop()
            for p in (node._from_a, node._from_b) if isinstance(node, ScalarNode) else node.parents:
                if p is not None and p.primitive is not None and p._grad is not _SEEN and p.id >= floor:
                    add(p)  # before it is marked: Ctrl-C may come between, and no mark must be left
                    p._grad = _SEEN
                    push(p)
        for node in found:
            node._grad = None
    except BaseException:
        deque(map(_UNMARK, found), 0)  # in one step, which Ctrl-C cannot cut in two
        raise
    found.sort(key=attrgetter("id"))
    return found


def backpropagate(root: Node, seed: Data, level: Level = OUTSIDE) -> None:
    """Pull `seed`, the gradient of `root`, back to every node below it that belongs to `level`, into their `_grad`.

    Leaves add to the gradient they have; other nodes start afresh. In a nested level the rules run on
    nodes and so record a graph of their own: that is how derivatives of derivatives come about.
    """
    nodes: list[Any] | None = None if level is OUTSIDE else level.made
    spoil()
    if root.primitive is None:
        if root.id >= level.floor:
            root._grad = seed if root._grad is None else root._grad + seed
        return
    scalars = isinstance(root, ScalarNode)
    if nodes is None:
        nodes = tape(root, level.floor)
        scalars = scalars and all(isinstance(node, ScalarNode) for node in nodes)
    root._grad = seed
    if current().check is not None:
        with np.errstate(all="ignore"):  # an error is on its way; no warning besides
            _pull(nodes, level)
    elif scalars and not level.nested:
        _pull_scalars(nodes, level.floor)
    else:
        _pull(nodes, level)


def _pull(nodes: list[Any], level: Level) -> None:
    """The chain rule, last node first: each node's gradient becomes contributions to its parents'."""
    check, floor, top, nested = current().check, level.floor, level.top, level.nested
    ndarray = np.ndarray
    for node in reversed(nodes):
        g, out, args = node._grad, node.raw, node.saved
        if g is None:
            continue
        if nested:
            args, out = _as_nodes(node), node
        for parent, rule in zip(node.parents, node.primitive.vjps):
            if parent is None or rule is None:
                continue
            number = parent.id
            if number < floor or (number >= top and parent.primitive is None):
                continue
            try:  # `contribution`, written out: two calls less for every edge
                c, like = rule(g, out, *args), parent.raw
                if like.__class__ is not ndarray or c.dtype is not like.dtype or c.shape != like.shape:
                    c = parent._fit(c)
            except (ArithmeticError, ValueError) as error:
                c = _ieee(rule, error, g, out, *args)
            if check is not None:
                check(node, (g, *args), c, parent)
            total = parent._grad
            parent._grad = c if total is None else total + c
        if node.id >= top:
            node._grad = None


def contribution(rule: Rule, parent: Node, g: Operand, out: Operand, args: tuple[Operand, ...]) -> Operand:
    """What one argument of an operation receives of the gradient g of its result."""
    try:
        return parent._fit(rule(g, out, *args))
    except (ArithmeticError, ValueError) as error:
        return _ieee(rule, error, g, out, *args)


def _pull_scalars(nodes: list[Any], floor: int) -> None:
    """The same for scalars, written out: a scalar step of microgpt takes 28 ms with it and 55 without."""
    for node in reversed(nodes):
        g = node._grad
        if g is None:
            continue
        out, a, p, primitive = node.raw, node._a, node._from_a, node.primitive
        if primitive.binary:
            b, q = node._b, node._from_b
            rule_a, rule_b = primitive.vjps
            if p is not None and p.id >= floor:
                try:
                    c = rule_a(g, out, a, b)
                except (ArithmeticError, ValueError) as error:
                    c = _ieee(rule_a, error, g, out, a, b)
                total = p._grad
                p._grad = c if total is None else total + c
            if q is not None and q.id >= floor:
                try:
                    c = rule_b(g, out, a, b)
                except (ArithmeticError, ValueError) as error:
                    c = _ieee(rule_b, error, g, out, a, b)
                total = q._grad
                q._grad = c if total is None else total + c
        elif p.id >= floor:
            (rule,) = primitive.vjps
            try:
                c = rule(g, out, a)
            except (ArithmeticError, ValueError) as error:
                c = _ieee(rule, error, g, out, a)
            total = p._grad
            p._grad = c if total is None else total + c


def _as_nodes(node: Node) -> tuple[Operand, ...]:
    """The arguments of a node as nodes, to differentiate its rule; refuses what has changed since."""
    for i, (p, s) in enumerate(zip(node.parents, node.saved, strict=True)):
        if p is not None and p.raw is not s and not np.array_equal(p.raw, s, equal_nan=True):
            raise RuntimeError(
                f"{node.op}: the data of its argument {i} ({p.label or 'unlabelled'}, id {p.id}) was assigned after "
                "the operation was recorded, so the operation cannot be differentiated twice; "
                "run the forward pass again after changing data"
            )
    return tuple(s if p is None else p for p, s in zip(node.parents, node.saved, strict=True))


def _ieee(rule: Rule, error: Exception, g: Data, *numbers: Data) -> Data:
    """Where Python's floats raise in a rule, what IEEE arithmetic gives: inf or nan."""
    if not isinstance(g, (float, ScalarNode)):
        raise error
    with np.errstate(all="ignore"):
        c = rule(*(np.float64(x) if isinstance(x, float) else x for x in (g, *numbers)))
    return float(c) if isinstance(c, float) else c
