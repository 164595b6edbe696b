"""How a row of the table of primitives is made, and what the rules in it share.

The rows themselves stand in `primitives` and `linalg`. Rules are plain operators, methods
and other rows, never `np.*` by name: so the same rule runs on floats, on arrays of any
library, and on nodes, where it records a graph that can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from autograd.engine.base import Data, Rule
from autograd.engine.graph import Primitive
from autograd.engine.kinds import is_foreign, namespace

__all__ = [
    "TABLE",
    "Array",
    "Scalar",
    "Variadic",
    "array_op",
    "binary",
    "portable",
    "row",
    "scalar_of",
    "unary",
    "variadic",
]

Scalar = Callable[..., float]  # a forward on Python floats
Array = Callable[..., Data]  # a forward on arrays of any library

TABLE: dict[str, Primitive] = {}


def row(primitive: Primitive) -> Primitive:
    """Enter a row in the table under its name."""
    TABLE[primitive.name] = primitive
    return primitive


def portable(ufunc: np.ufunc, complex_form: Array | None = None) -> Array:
    """The function of that name in the library that the arrays come from; NumPy has some for real numbers only."""
    name = ufunc.__name__

    def array(*args: Data) -> Data:
        if complex_form is not None and any(np.iscomplexobj(a) for a in args):
            return complex_form(*args)
        for a in args:
            if is_foreign(a):
                return getattr(namespace([a]), name)(*args)
        return ufunc(*args)

    return array


def scalar_of(ufunc: np.ufunc) -> Scalar:
    """A function of NumPy on Python floats, where `math` has none."""

    def scalar(*args: float) -> float:
        with np.errstate(all="ignore"):
            return float(ufunc(*args))

    return scalar


def _array(forward: Array) -> Array:
    return portable(forward) if isinstance(forward, np.ufunc) else forward


def unary(
    name: str, scalar: Scalar, array: Array, rule: Rule, local: str, symbol: str = "", analytic: bool = True
) -> Primitive:
    """A row for a function of one number, elementwise on arrays."""
    return row(Primitive(name, scalar, _array(array), (rule,), (local,), symbol, analytic))


def binary(
    name: str,
    scalar: Scalar,
    array: Array,
    rule_a: Rule,
    rule_b: Rule,
    local: tuple[str, str],
    symbol: str = "",
    analytic: bool = True,
) -> Primitive:
    """A row for a function of two numbers, elementwise on arrays that broadcast."""
    return row(Primitive(name, scalar, _array(array), (rule_a, rule_b), local, symbol, analytic))


def array_op(name: str, array: Array, *rules: Rule | None, local: tuple[str, ...], analytic: bool = True) -> Primitive:
    """A row for an operation that only arrays have; arguments past the rules are constants."""
    return row(Primitive(name, None, array, rules, local, analytic=analytic))


def variadic(name: str, array: Array, rule: Rule, local: str) -> Primitive:
    """A row for one constant, such as an axis, and any number of arrays: `rule(i, g, out, constant, *arrays)`."""
    return row(Primitive(name, None, array, Variadic(rule), ("", local)))


class Variadic:
    """The vjps of an operation with any number of arguments; argument 0 is a constant."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __getitem__(self, i: int) -> Rule | None:
        return partial(self.rule, i) if i else None

    def __iter__(self) -> Iterator[Rule | None]:
        i = 0
        while True:
            yield self[i]
            i += 1
