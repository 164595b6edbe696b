"""One Tensor operation, or all those of one scope, as the graph of single Values that it is.

The recorded operations run once more, on arrays of Values, so every number is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd.drawing.folding import fits, no_scope
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import raw
from autograd.engine.primitives import identity
from autograd.engine.recording import Mode
from autograd.engine.value import Value, values
from autograd.engine.words import shape as shape_text
from autograd.stepping.names import Names
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import rows

__all__ = ["zoomed"]

MOST = 100  # nodes up to which all elements of a result are shown
TOO_MANY = 300_000  # operations on single Values


def zoomed(stepper: Stepper, what: Any) -> tuple[Stepper, set[int], str]:
    """A stepper over single Values, the ids of those that are shown, and a note.

    what: a node that an operation on Tensors made, its name, "op:matmul" for the first of an operation, or a scope; or a pair of that and the index
    of an element of the result. Raises ValueError where there is nothing to expand or the
    index is outside, TypeError for anything else.
    """
    element: Any = None
    if isinstance(what, tuple) and len(what) == 2:
        what, element = what
    names = Names(stepper.root, stepper.nodes)
    what = names.by_name.get(what, what) if isinstance(what, str) else what
    if isinstance(what, str) and what.startswith("op:"):
        op = what.removeprefix("op:")
        what = next((node for node in stepper.nodes if node.op == op), None)
        if what is None:
            raise ValueError(
                f"draw_dot: zoom='op:{op}': no node was made by it; operations here: {', '.join(sorted({n.op for n in stepper.nodes}))}"
            )
    if isinstance(what, str):
        scopes = list(dict.fromkeys(node.scope for node in stepper.nodes))
        parts = [path[:i] for path in (tuple(scope.split("/")) for scope in scopes) for i in range(1, len(path) + 1)]
        found = next((path for path in parts if fits(path, what)), None)
        if found is None:
            raise no_scope("zoom", what, scopes)
        title = "/".join(found)
        nodes = [node for node in stepper.nodes if node.scope == title or node.scope.startswith(title + "/")]
    elif isinstance(what, Node):
        if what.id not in stepper.index:
            raise ValueError(
                "draw_dot: zoom takes a Tensor of this graph that an operation made; leaves have nothing inside"
            )
        nodes, title = [what], f"{names[what]} = {what.op}"
    else:
        raise TypeError(
            f"draw_dot: zoom must be a Tensor, a scope, or a pair of that and an index, got {type(what).__name__}"
        )
    if any(isinstance(node, ScalarNode) for node in nodes):
        raise ValueError(
            f"draw_dot: zoom expands operations on Tensors, and {title} is of single Values already; around= shows its neighbours"
        )
    out = nodes[-1]
    shape = np.shape(out.raw)
    everywhere = list(np.ndindex(shape))
    if not everywhere:
        raise ValueError(f"draw_dot: zoom: {title} has no elements, its shape is {shape_text(shape)}")
    places = everywhere if element is None else [_place(element, shape)]
    numbers = sum(map(_count, nodes))
    if numbers > TOO_MANY:
        raise ValueError(
            f"draw_dot: zoom: {title} is some {numbers:,} operations on single Values, more than {TOO_MANY:,}; zoom into a smaller one"
        )
    gradient = raw(out._grad)
    with Mode(recording=True, source=None, check=None):
        result = _run(nodes, names)
        if element is None and len(_below(result.flat)) > MOST:  # one that has something to show
            places = [everywhere[0 if gradient is None else int(np.abs(np.asarray(gradient)).argmax())]]
        shown = [(i, result[i]) for i in places if isinstance(result[i], Value)]
        if not shown:
            raise ValueError(
                f"draw_dot: zoom: {title}{list(places[0]) if element is not None else ''} is a constant, made from nothing in the graph"
            )
        root: Any = None
        for i, v in shown:
            weighted = v * (1.0 if gradient is None else float(gradient[i]))
            root = weighted if root is None else root + weighted
        if gradient is not None:
            root.backward()
    note = f"{title} as single Values, with the gradients that flow back through it alone"
    if places != everywhere:
        note = f"{title}, element {list(places[0])} of {shape_text(shape)}, as single Values, with the gradients that flow back through it alone"
        note += "" if element is not None else "; zoom=(..., index) shows another"
    return Stepper(root), {n.id for n in _below(v for _, v in shown)}, note


def _count(node: Node) -> int:
    """About how many operations on single numbers an operation on arrays is."""
    size = np.size(node.raw)
    return (
        size * 2 * np.shape(node.saved[0])[-1]
        if node.op == "matmul"
        else max(size, *(np.size(x) for x in node.saved if isinstance(x, np.ndarray)), 0)
    )


def _run(nodes: list[Node], names: Names) -> np.ndarray:
    """The recorded operations once more, on object arrays of Values; the result of the last."""
    done: dict[int, Any] = {}
    result: Any = None
    for node in nodes:
        assert node.primitive is not None
        args: list[Any] = []
        for i, (parent, saved) in enumerate(zip(node.parents, node.saved, strict=True)):
            if parent is None:
                args.append(
                    np.asarray(saved) if hasattr(saved, "__array_namespace__") else saved
                )  # an array of JAX takes no Values
                continue
            if parent.id not in done:
                done[parent.id] = _values(saved, names[parent] if parent.label or parent.primitive else f"input{i}")
            args.append(done[parent.id])
        came = {id(v) for a in args if isinstance(a, np.ndarray) and a.dtype == object for v in a.flat}
        if node.op in ("max", "min"):
            result = _extreme(node, *args)
        elif node.op == "mean":
            x, axis, keep = args
            result = np.asarray(x.sum(axis=axis, keepdims=keep), object) / (x.size // max(1, np.size(node.raw)))
        elif node.op == "astype":  # Values are float64, all of them
            result = args[0]
        elif node.primitive.scalar is not None:
            result = np.frompyfunc(node.primitive, len(args), 1)(*args)
        else:
            result = node.primitive.array(*args)
        result = np.array(result, object)
        for index, v in np.ndenumerate(result):
            if not isinstance(v, Value):
                continue
            if id(v) in came:  # taken as it is, which shall be seen
                v = result[index] = identity(v)
            if not v.label and not names[node].startswith("%"):
                v.label = _named(names[node], index)
        done[node.id] = result
    return np.asarray(result, object)


def _extreme(node: Node, x: np.ndarray, axis: Any, _keep: bool) -> np.ndarray:
    """The largest or smallest elements; of those that tie the mean, for they share the gradient."""
    _, table = rows(x, axis)
    result = np.empty(table.shape[:-1], object)
    for i in np.ndindex(result.shape):
        row = table[i]
        best = (max if node.op == "max" else min)(v.data for v in row)
        tied = [v for v in row if v.data == best]
        result[i] = tied[0] if len(tied) == 1 else sum(tied[1:], tied[0]) / len(tied)
    return result.reshape(np.shape(node.raw))


def _values(array: Any, label: str) -> np.ndarray:
    x = np.asarray(array, float)
    return values(x, label) if x.ndim else np.asarray(Value(float(x), label), object)


def _named(name: str, index: tuple[int, ...]) -> str:
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


def _place(element: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    index = element if isinstance(element, tuple) else (element,)
    if len(index) != len(shape) or not all(
        isinstance(i, (int, np.integer)) and -n <= i < n for i, n in zip(index, shape)
    ):
        raise ValueError(
            f"draw_dot: zoom: {element!r} is no index of an element of a result of shape {shape_text(shape)}"
        )
    return tuple(int(i) % n for i, n in zip(index, shape))
