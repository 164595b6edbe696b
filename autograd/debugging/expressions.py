"""Expressions at the debugger's prompt: nodes by name, with the data and gradients of the walk."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.engine.graph import Node
from autograd.engine.words import summary
from autograd.stepping.text import Show

__all__ = ["View", "evaluate"]


def evaluate(text: str, show: Show, here: Node | None) -> Any:
    """The value of an expression. Nodes go by name; g and out are the gradient and the data of `here`, np is NumPy.

    Raises NameError for a name that is none of these, and whatever the expression raises.
    """
    names = show.names.by_name
    if text in names:
        return View(show, names[text])
    base, dot, attribute = text.rpartition(".")
    if dot and base in names and attribute in ("grad", "data", "op", "label", "inputs"):
        return getattr(View(show, names[base]), attribute)
    scope: dict[str, Any] = {"np": np, "nan": np.nan, "inf": np.inf}
    if here is not None:
        scope |= {"node": View(show, here), "g": show.stepper.grad(here), "out": show.stepper.data(here)}
    scope |= {name: View(show, n) for name, n in names.items() if name.isidentifier() and name in text}
    return eval(text, scope)


class View:
    """A node as expressions see it: `.data` and `.grad` of the walk, and arithmetic on its data."""

    def __init__(self, show: Show, node: Node) -> None:
        self._show, self._node = show, node

    @property
    def data(self) -> Any:
        return self._show.stepper.data(self._node)

    @property
    def grad(self) -> Any:
        g = self._show.stepper.grad(self._node)
        return g if g is not None else 0.0 if np.ndim(self.data) == 0 else np.zeros_like(self.data)

    @property
    def op(self) -> str:
        return self._node.op

    @property
    def label(self) -> str:
        return self._node.label

    @property
    def inputs(self) -> list[str]:
        return [self._show.names[p] for p in self._node.inputs]

    def __repr__(self) -> str:
        return f"{self._show.names[self._node]} = {summary(self.data)}, grad {summary(self._show.stepper.grad(self._node))}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.data, dtype)

    def __getitem__(self, index: Any) -> Any:
        return self.data[index]

    def __neg__(self) -> Any:
        return -self.data

    def __abs__(self) -> Any:
        return abs(self.data)

    def __float__(self) -> float:
        return float(self.data)


def _operator(operate: Callable[[Any, Any], Any], reflected: bool = False) -> Callable[[View, Any], Any]:
    def method(self: View, other: Any) -> Any:
        other = other.data if isinstance(other, View) else other
        return operate(other, self.data) if reflected else operate(self.data, other)

    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(View, f"__{_name}__", _operator(getattr(operator, _name)))
for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
    setattr(View, f"__r{_name}__", _operator(getattr(operator, _name), reflected=True))
