"""What a box and an edge say: names, operations and numbers, as lines of plain text."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.drawing.boxes import Box
from autograd.drawing.heat import Gradient
from autograd.engine import words
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.words import many, number
from autograd.stepping.names import Names
from autograd.stepping.text import Show

__all__ = ["box_lines", "derivative", "made", "numbers", "telling", "title"]

LONG = 26  # characters of an expression that several nodes share
FEW = 3  # numbers that are written out
LARGE = 10_000  # numbers of which the ends are enough


def numbers(what: str, arrays: list[Any]) -> str:
    """One line on numbers: what they are, or from where to where they go."""
    arrays = [telling(np.asarray(x)) for x in arrays if x is not None]
    if not arrays:
        return f"{what}-"
    x = arrays[0] if len(arrays) == 1 else np.concatenate([a.ravel() for a in arrays])
    if x.ndim == 0:
        return what + number(x)
    if x.size <= FEW and x.ndim == 1:
        return f"{what}[{', '.join(map(number, x))}]"
    return what + words.extent(x)


def telling(x: np.ndarray) -> np.ndarray:
    """What of an array tells from where to where it goes: of a large one its ends, and what is not finite."""
    if x.size <= LARGE or x.dtype.kind != "f":
        return x.astype(float)
    ends = np.array([x.min(), x.max()] * 2, float)  # nan where there is one
    if np.isfinite(ends).all():
        return ends
    fine = x[np.isfinite(x)]
    return np.concatenate([telling(fine), x[~np.isfinite(x)].astype(float)])


def box_lines(box: Box, show: Show, grad: Gradient) -> list[str]:
    """The lines of a box."""
    if box.kind == "more":
        return [box.text]
    if box.kind == "constant":
        text = numbers("", [box.value])
        return [text if np.ndim(box.value) == 0 or text.startswith("[") else f"{text} {words.shape(box.value.shape)}"]
    data = [show.stepper.data(node) for node in box.nodes]
    lines = title(box, show)
    shapes = {(np.shape(x), np.asarray(x).dtype) for x, n in zip(data, box.nodes) if not isinstance(n, ScalarNode)}
    if len(shapes) == 1:
        lines += [f"{words.shape(shape)} {dtype}" for shape, dtype in shapes]
    if box.kind != "fold":
        lines.append(numbers("data ", data))
    lines.append(numbers("grad ", [grad(node) for node in box.nodes]))
    if box.group and box.group.pattern:
        lines.append(f'open="{box.group.pattern}"')
    return lines


def title(box: Box, show: Show) -> list[str]:
    """What a box is called, and what it stands for."""
    node = box.nodes[0]
    if box.kind == "fold":
        leaves = f", {many(box.hidden, 'lea', 'f', 'ves')}" if box.hidden else ""
        return [box.group.title if box.group else "", many(len(box.nodes), "operation") + leaves]
    if box.kind == "operation":
        if len(box.nodes) == 1:
            return [made(node, show.names)]
        return [f"{words.short(_same(box, show), LONG)} × {len(box.nodes):,}"]
    if len(box.nodes) == 1:
        return [show.names[node]]
    names = [name for n in (node, box.nodes[-1]) if not (name := show.names[n]).startswith("%")]
    bases = {show.names[n].partition("#")[0] for n in box.nodes}
    called = [next(iter(bases)) if len(bases) == 1 else " … ".join(names)] if names else []
    return [*called, many(len(box.nodes), "lea", "f", "ves")]


def made(node: Node, names: Names) -> str:
    """The name of a result and the expression that made it, once where that is its name: n = x1*w1+x2*w2, x1*w1."""
    name, expression = names[node], names.expression(node)
    if expression and name.partition("#")[0] == words.short(expression, len(name.partition("#")[0])):
        return name
    return f"{name} = {expression or node._op}"


def _same(box: Box, show: Show) -> str:
    """The expression that made all the nodes of a box, or else their operation."""
    expressions = {show.names.expression(node) for node in box.nodes}
    return (expressions.pop() if len(expressions) == 1 else "") or box.nodes[0]._op


def derivative(show: Show, node: Node, argument: int) -> tuple[str, str]:
    """The operation, and what it says of the gradient along one edge."""
    edges = {i: p for i, p, _ in show.stepper.edges(node)}
    if argument not in edges:
        return node.op, "no gradient"
    local = show.stepper.local(node, argument)
    if local is not None:
        return node.op, f"d{show.part(node)}/d{show.part(edges[argument])} = {number(local)}"
    contribution = next(c for c in show.stepper.step_of(node).contributions if c.argument == argument)
    return node.op, show.contribution(contribution)[0].partition("   waits")[0].strip()
