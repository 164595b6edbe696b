"""One Tensor operation, or all those of one scope, as the graph of single Values that it is.

The recorded operations run once more, on arrays of Values, so every number is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd.drawing.misuse import Misuse
from autograd.drawing.selection import meant
from autograd.engine import words
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import each, is_foreign, is_values, raw, received
from autograd.engine.primitives import identity
from autograd.engine.recording import Mode
from autograd.nodes.value import Value, values
from autograd.stepping.names import VARIABLE, Names
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import rows

__all__ = ["Part", "Place", "zoomed"]

MOST = 100  # nodes up to which all elements of a result are shown
LONG = 20  # characters of the name of an array whose elements are shown
TOO_MANY = 300_000  # operations on single Values

Part = Node | str  # an operation's result, "op:matmul", or a scope
Place = int | tuple[int, ...]  # an element of a result
Index = tuple[int, ...]
Apart = Callable[..., Any]  # a recorded operation and its arguments, of which arrays of Values make one


def zoomed(stepper: Stepper, names: Names, what: Part | tuple[Part, Place]) -> tuple[Stepper, frozenset[int], str]:
    """A stepper over single Values, the ids of those that are shown, and a note.

    what: a node that an operation on Tensors made, its name, "op:matmul" for the first of an operation, or a
    scope; or a pair of that and the index of an element of the result. Raises Misuse where there is nothing
    to expand or the index is outside.
    """
    what, element = what if isinstance(what, tuple) and len(what) == 2 else (what, None)
    nodes, title = _parts(stepper, names, what)
    if any(isinstance(node, ScalarNode) for node in nodes):
        raise Misuse(
            "{zoom} expands operations on Tensors, and {0} is of single Values already; {around}= shows its neighbours",
            title,
        )
    shape = np.shape(nodes[-1].raw)
    if 0 in shape:
        raise Misuse("{zoom}: {0} has no elements, its shape is {1}", title, words.shape(shape))
    place = None if element is None else _place(element, shape)
    numbers = sum(map(_count, nodes))
    if numbers > TOO_MANY:
        raise Misuse(
            "{zoom}: {0} is some {1:,} operations on single Values, more than {2:,}; zoom into a smaller one",
            title,
            numbers,
            TOO_MANY,
        )
    gradient = received(nodes[-1])
    with Mode(recording=True, source=None, check=None):
        result = _run(nodes, names)
        if place is None and len(_below(result.flat)) > MOST:
            place = _largest(gradient, shape)
        shown = [(i, v) for i, v in np.ndenumerate(result) if isinstance(v, Value) and (place is None or i == place)]
        if not shown:
            at = "" if element is None else f"[{','.join(map(str, place or ()))}]"
            raise Misuse("{zoom}: {0}{1} is a constant, made from nothing in the graph", title, at)
        root = _weighted(shown, gradient)
        if gradient is not None:
            root.backward()
    note = _note(title, shape, place, element is not None)
    return Stepper(root), frozenset(n.id for n in _below(v for _, v in shown)), note


def _parts(stepper: Stepper, names: Names, what: Part) -> tuple[list[Node], str]:
    """The operations to expand, the last of which is the result, and what to call them."""
    if isinstance(what, str):
        nodes, title = meant(stepper, names, what, "zoom")
    elif isinstance(what, Node):
        nodes, title = [what], f"{names[what]} = {what.op}" if what.id in names.by_id else ""
    else:
        raise Misuse(
            "{zoom} must be a Tensor, a scope, or a pair of that and an index, got {0}",
            type(what).__name__,
            kind=TypeError,
        )
    if nodes[-1].id not in stepper.index:
        raise Misuse("{zoom} takes a Tensor of this graph that an operation made; leaves have nothing inside")
    return nodes, title


def _largest(gradient: Any, shape: Index) -> Index:
    """The element with the largest gradient; the first where there is none."""
    k = 0 if gradient is None else int(np.abs(np.asarray(gradient)).argmax())
    return tuple(map(int, np.unravel_index(k, shape)))


def _weighted(shown: list[tuple[Index, Value]], gradient: Any) -> Value:
    """The sum of elements by the gradients they have, so that these are what flows back from it."""
    first, *rest = (v * (1.0 if gradient is None else float(gradient[i])) for i, v in shown)
    return sum(rest, first)


def _note(title: str, shape: Index, place: Index | None, chosen: bool) -> str:
    element = ""
    if place is not None and int(np.prod(shape)) > 1:
        element = f", element {list(place)} of {words.shape(shape)},"
    note = f"{title}{element} as single Values, with the gradients that flow back through it alone"
    return note + ("; zoom=(..., index) shows another" if element and not chosen else "")


def _count(node: Node) -> int:
    """About how many operations on single numbers an operation on arrays is."""
    size = np.size(node.raw)
    if node.op == "matmul":
        return size * 2 * np.shape(node.saved[0])[-1]
    return max(size, *(np.size(x) for x in node.saved if isinstance(x, np.ndarray)), 0)


def _run(nodes: list[Node], names: Names) -> np.ndarray:
    """The recorded operations once more, on object arrays of Values; the result of the last."""
    done: dict[int, np.ndarray] = {}
    for node in nodes:
        args: list[Any] = []
        for i, (parent, saved) in enumerate(zip(node.parents, node.saved, strict=True)):
            if parent is None:
                args.append(np.asarray(saved) if is_foreign(saved) else saved)  # an array of JAX takes no Values
                continue
            if parent.id not in done:
                done[parent.id] = _values(
                    saved, words.short(names[parent], LONG) if parent.label or parent.primitive else f"input{i}"
                )
            args.append(done[parent.id])
        done[node.id] = _again(node, args, names[node])
    return done[nodes[-1].id]


def _again(node: Node, args: list[Any], name: str) -> np.ndarray:
    """One operation on arrays of Values, each of which it made; Misuse where it does not come apart into them."""
    assert node.primitive is not None
    apart: Apart = APART.get(node.op) or (_elementwise if node.primitive.scalar is not None else _whole)
    try:
        with np.errstate(all="ignore"):
            result = np.array(apart(node, *args), object)
        # What went through a Tensor on the way is no operation on single numbers either.
        same = _same(result, np.asarray(node.raw)) and all(isinstance(n, ScalarNode) for n in _below(result.flat))
    except (TypeError, ValueError, AttributeError):  # NumPy's ways to say that it takes no objects here
        same = False
    if not same:
        raise Misuse(
            "{zoom}: {0} is no composition of operations on single numbers; {around}= shows its place", node.op
        )
    came = {id(v) for a in args if is_values(a) for v in a.flat}
    for index, v in np.ndenumerate(result):
        if isinstance(v, Value):
            if id(v) in came:  # taken as it is, which shall be seen
                v = result[index] = identity(v)
            if not v.label and (node.label or VARIABLE.fullmatch(name.partition("#")[0])):
                v.label = _named(name, index)
    return result


def _same(result: np.ndarray, data: np.ndarray) -> bool:
    """Whether it means the same on objects; a sum in another order, or of Values for float32, may differ in digits."""
    numbers = each(lambda v: float(raw(v)), result).astype(float)
    near = 1e-3 * np.max(np.abs(data), initial=0.0, where=np.isfinite(data))
    return numbers.shape == data.shape and np.allclose(numbers, data, rtol=1e-3, atol=near, equal_nan=True)


def _whole(node: Node, *args: Any) -> Any:
    assert node.primitive is not None
    return (node.primitive.composition or node.primitive.array)(*args)


def _elementwise(node: Node, *args: Any) -> Any:
    assert node.primitive is not None
    return np.frompyfunc(node.primitive, len(args), 1)(*args)


def _mean(node: Node, x: np.ndarray, axis: Any, keep: bool) -> Any:
    return np.asarray(x.sum(axis=axis, keepdims=keep), object) / (x.size // max(1, np.size(node.raw)))


def _extreme(node: Node, x: np.ndarray, axis: Any, _keep: bool) -> np.ndarray:
    """The largest or smallest elements, nan before all; of those that tie the mean, for they share the gradient."""
    _, table = rows(x, axis)
    result = np.empty(table.shape[:-1], object)
    for i in np.ndindex(result.shape):
        data = np.array([v.data for v in table[i]])
        best = data.max() if node.op == "max" else data.min()
        tied = table[i][np.isnan(data) if np.isnan(best) else data == best]
        result[i] = tied[0] if len(tied) == 1 else sum(tied[1:], tied[0]) / len(tied)
    return result.reshape(np.shape(node.raw))


def _elements(_node: Node, x: np.ndarray, *_: Any) -> np.ndarray:
    """Values are float64, all of them."""
    return x


APART: dict[str, Apart] = {  # where NumPy's own function of objects is another, or none
    "max": _extreme,
    "min": _extreme,
    "mean": _mean,
    "astype": _elements,
}


def _values(array: Any, label: str) -> np.ndarray:
    x = np.asarray(array, float)
    return values(x, label) if x.ndim else np.asarray(Value(float(x), label), object)


def _named(name: str, index: Index) -> str:
    return f"{name}[{','.join(map(str, index))}]" if index else name


def _below(roots: Iterable[Any]) -> list[Node]:
    """The nodes that lead to some Values, these included."""
    found: dict[int, Node] = {}
    todo = [v for v in roots if isinstance(v, Value)]
    while todo:
        node: Any = todo.pop()
        if node.id not in found:
            found[node.id] = node
            todo += node.inputs
    return list(found.values())


def _place(element: Place, shape: Index) -> Index:
    index = element if isinstance(element, tuple) else (element,)
    inside = (isinstance(i, (int, np.integer)) and -n <= i < n for i, n in zip(index, shape))
    if len(index) != len(shape) or not all(inside):
        raise Misuse("{zoom}: {0!r} is no index of an element of a result of shape {1}", element, words.shape(shape))
    return tuple(int(i) % n for i, n in zip(index, shape))
