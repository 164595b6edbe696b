"""The peer of the scalar benchmark: microgpt in plain Python on lists, as people write it by hand.

A number holds its children and local derivatives; backward sorts the graph by depth-first
search. Written from the facts of the published model.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any


class Number:
    """A scalar with gradient, in the way of small teaching engines."""

    __slots__ = ("children", "data", "grad", "locals")

    def __init__(self, data: float, children: tuple[Number, ...] = (), locals: tuple[float, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self.children = children
        self.locals = locals

    def __add__(self, other: Any) -> Number:
        other = other if isinstance(other, Number) else Number(other)
        return Number(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> Number:
        other = other if isinstance(other, Number) else Number(other)
        return Number(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k: float) -> Number:
        return Number(self.data**k, (self,), (k * self.data ** (k - 1),))

    def exp(self) -> Number:
        e = math.exp(self.data)
        return Number(e, (self,), (e,))

    def log(self) -> Number:
        return Number(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> Number:
        return Number(max(0.0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Number:
        return self * -1

    def __sub__(self, other: Any) -> Number:
        return self + -other

    def __truediv__(self, other: Any) -> Number:
        return self * other**-1

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self) -> None:
        order: list[Number] = []
        seen = set()

        def visit(v: Number) -> None:
            if v not in seen:
                seen.add(v)
                for child in v.children:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            for child, local in zip(v.children, v.locals, strict=True):
                child.grad += local * v.grad


Matrix = list[list[Number]]


def linear(x: list[Number], w: Matrix) -> list[Number]:
    """w is (out, in)."""
    return [sum(wi * xi for wi, xi in zip(row, x, strict=True)) for row in w]


def softmax(x: list[Number]) -> list[Number]:
    top = max(v.data for v in x)
    e = [(v - top).exp() for v in x]
    total = sum(e)
    return [v / total for v in e]


def rmsnorm(x: list[Number]) -> list[Number]:
    scale = (sum(v * v for v in x) / len(x) + 1e-5) ** -0.5
    return [v * scale for v in x]


def loss(params: dict[str, Matrix], tokens: list[int], n_head: int = 4) -> Number:
    """The mean of -log p over the positions of one document."""
    keys: list[list[Number]] = []
    values: list[list[Number]] = []
    losses = []
    size = len(params["wte"][0]) // n_head
    for position, (token, target) in enumerate(pairwise(tokens)):
        x = rmsnorm([a + b for a, b in zip(params["wte"][token], params["wpe"][position], strict=True)])
        h = rmsnorm(x)
        q = linear(h, params["wq"])
        keys.append(linear(h, params["wk"]))
        values.append(linear(h, params["wv"]))
        mixed: list[Number] = []
        for start in range(0, len(q), size):
            part = slice(start, start + size)
            scores = [sum(a * b for a, b in zip(q[part], k[part], strict=True)) / size**0.5 for k in keys]
            weights = softmax(scores)
            mixed += [sum(w * v[j] for w, v in zip(weights, values, strict=True)) for j in range(start, start + size)]
        x = [a + b for a, b in zip(x, linear(mixed, params["wo"]), strict=True)]
        h = [v.relu() for v in linear(rmsnorm(x), params["fc1"])]
        x = [a + b for a, b in zip(x, linear(h, params["fc2"]), strict=True)]
        losses.append(-softmax(linear(x, params["lm_head"]))[target].log())
    return sum(losses) / len(losses)


class Adam:
    """Adam over a flat list of numbers."""

    def __init__(self, params: list[Number], lr: float, b1: float, b2: float) -> None:
        self.params, self.lr, self.b1, self.b2 = params, lr, b1, b2
        self.m, self.v, self.t = [0.0] * len(params), [0.0] * len(params), 0

    def step(self) -> None:
        self.t += 1
        for i, p in enumerate(self.params):
            self.m[i] = self.b1 * self.m[i] + (1 - self.b1) * p.grad
            self.v[i] = self.b2 * self.v[i] + (1 - self.b2) * p.grad**2
            m, v = self.m[i] / (1 - self.b1**self.t), self.v[i] / (1 - self.b2**self.t)
            p.data -= self.lr * m / (v**0.5 + 1e-8)
            p.grad = 0.0
