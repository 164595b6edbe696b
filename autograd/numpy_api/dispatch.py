"""Where the functions of NumPy are entered that Tensors and arrays of Values answer to.

`rearranging`, `reducing`, `products` and `functions` fill the two tables; `numpy_api` looks a call
up. What is said here of arrays holds for both kinds: a Tensor, or an array of Values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from autograd.engine.graph import Node
from autograd.engine.kinds import data_of, is_foreign

__all__ = ["COMPOSED", "MATRICES", "ROWS", "F", "Function", "arrays", "axes_of", "by_row", "means", "root"]
__all__ += ["shape_after"]

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

# Written in operators, methods and other functions of NumPy, and so good for both kinds.
COMPOSED: dict[Function, Function] = {}
# Written in rows of the table, for Tensors; NumPy's own function serves arrays of Values.
ROWS: dict[Function, Function] = {}
# Those of them that no loop over objects does: an array of Values takes the way of a Tensor made from it.
MATRICES: set[Function] = set()


def means(*functions: Function) -> Callable[[F], F]:
    """Enter what functions of NumPy mean, for both kinds."""

    def enter(f: F) -> F:
        COMPOSED.update(dict.fromkeys(functions, f))
        return f

    return enter


def by_row(*functions: Function) -> Callable[[F], F]:
    """Enter what functions of NumPy mean on Tensors."""

    def enter(f: F) -> F:
        ROWS.update(dict.fromkeys(functions, f))
        return f

    return enter


def arrays(*xs: Any) -> list[Any]:
    """Nodes and arrays as they are; lists and numbers as arrays."""
    return [x if isinstance(x, (Node, np.ndarray)) or is_foreign(x) else np.asarray(x) for x in xs]


def axes_of(axis: Any, ndim: int) -> list[int]:
    """The axes that a reduction goes over, counted from 0 and in order."""
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return sorted(i % max(1, ndim) for i in given)


def shape_after(change: Function, x: Any, *how: Any) -> tuple[int, ...]:
    """The shape that a function of NumPy gives: NumPy knows the rules, and no memory is taken."""
    return change(np.broadcast_to(False, np.shape(data_of(x))), *how).shape


def root(total: Any, ord: float = 2) -> Any:
    """The root of a sum of powers. It has a corner at 0, where the slope is taken to be 0, as that of abs."""
    at_0 = np.equal(total, 0)
    total = np.where(at_0, 1.0, total)
    return np.where(at_0, 0.0, np.sqrt(total) if ord == 2 else total ** (1 / ord))
