"""What kind of array is this? NumPy's, JAX's, an array of Values, a node: asked and answered here.

Everybody else asks by these names, so that another array library is one more answer here
(einops keeps its `_backends.py` for the same reason).
"""

from __future__ import annotations

import functools
import numbers
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeGuard

import numpy as np

from autograd.engine.base import Data, Operand
from autograd.engine.graph import Node

__all__ = [
    "always",
    "asked",
    "data_of",
    "each",
    "filled",
    "floats",
    "is_array",
    "is_bare",
    "is_float",
    "is_foreign",
    "is_half",
]
__all__ += ["is_number", "is_values", "limits", "namespace", "raw", "reals", "received", "single"]

_NUMPY = (np.ndarray, np.generic)


def raw(x: Operand) -> Data:
    """The number or array in a node; anything else as it is."""
    return x.raw if isinstance(x, Node) else x


def data_of(x: Operand) -> Data:
    """The numbers in a node or an array of Values, as an array of floats; anything else as it is."""
    if isinstance(x, Node):
        return x.raw
    if not is_values(x):
        return x
    try:
        found = np.array([v.raw if isinstance(v, Node) else v for v in x.flat])
        return found.astype(np.float64).reshape(x.shape) if reals(found.dtype) else x
    except ValueError:  # lists or arrays among them
        return x


def received(node: Node) -> Data:
    """The gradient that has reached a node, as a number or an array; None where none has."""
    return raw(node._grad)


def is_values(x: Operand) -> TypeGuard[np.ndarray]:
    """An array of Python objects: of Values, or of numbers that go with them."""
    return isinstance(x, np.ndarray) and x.dtype == object


def is_foreign(x: Operand) -> bool:
    """An array, or a tracer, of another library than NumPy: of JAX."""
    return not isinstance(x, _NUMPY) and hasattr(x, "__array_namespace__")


def is_bare(x: Operand) -> bool:
    """An array or tracer of JAX, on which NumPy's functions would leave JAX; what ag.compile traces answers to them."""
    return is_foreign(x) and not hasattr(x, "__array_function__")


def is_array(x: Operand) -> bool:
    """An array of numbers, of any library; neither a node nor an array of objects."""
    return x.dtype != object if isinstance(x, np.ndarray) else is_foreign(x)


def is_number(x: Operand) -> bool:
    """A real number of Python or NumPy."""
    return x.__class__ is float or isinstance(x, numbers.Real) or _is_strange(x)


def _is_strange(x: Operand) -> bool:
    """A float of ml_dtypes, as bfloat16."""
    return isinstance(x, np.generic) and x.dtype.kind == "V" and floats(x.dtype)


def is_float(x: Operand) -> bool:
    """A float, or an array of floats, of Python or NumPy: what can be nan or inf."""
    return isinstance(x, float) or (isinstance(x, _NUMPY) and floats(x.dtype))


@functools.lru_cache(maxsize=64)
def floats(dtype: np.dtype) -> bool:
    """Whether a dtype is one of floats: NumPy's, or bfloat16 and others of ml_dtypes, which NumPy calls void."""
    if dtype.kind != "V":
        return dtype.kind == "f"
    try:
        return float(np.array(0.5).astype(dtype)) == 0.5  # an int4 holds no half
    except (TypeError, ValueError):
        return False


def limits(dtype: np.dtype) -> Any:
    """What np.finfo says of a dtype of floats, of ml_dtypes, too."""
    return np.finfo(dtype) if dtype.kind == "f" else sys.modules["ml_dtypes"].finfo(dtype)


def reals(dtype: np.dtype) -> bool:
    """Whether a dtype is one of real numbers: floats, ints or bools."""
    return dtype.kind in "fiub" or floats(dtype)


def is_half(dtype: np.dtype) -> bool:
    """Floats of two bytes or fewer, whose sums must be taken in float32: 2048 + 1 is 2048 in float16."""
    return dtype.itemsize <= 2 and floats(dtype)


def namespace(arrays: Iterable[Data]) -> ModuleType:
    """The library to compute with: JAX where one of the arrays is of JAX, otherwise NumPy."""
    for x in arrays:  # as a generator it would take twice as long
        if is_foreign(x):
            return x.__array_namespace__()
    return np


def asked(x: Data, check: Callable[[Data], None]) -> None:
    """Let `check` look at numbers: now; at every replay, of what ag.compile traces; never, of a tracer of JAX."""
    if not is_foreign(x):
        check(x)
    elif hasattr(x, "require"):
        x.require(check)


def always(condition: Data) -> bool:
    """Whether a condition holds everywhere, as far as can be known: of what ag.compile traces, where the arguments
    say so, and it keeps to such arguments then; never of a tracer of JAX."""
    if type(condition) is not np.ndarray and is_foreign(condition):
        return hasattr(condition, "always") and condition.always()
    if condition.size > 1 << 12:
        return bool(condition.all())
    return b"\0" not in condition.tobytes()  # an eighth of the time for a few


def filled(like: Data, x: float) -> Data:
    """An array of the shape, dtype and library of another, all x."""
    if type(like) is np.ndarray:
        out = np.empty(like.shape, like.dtype)
        out.fill(x)
        return out
    return namespace([like]).full(like.shape, x, like.dtype)


def single(x: Operand) -> Operand:
    """What an array of objects without axes holds; anything else as it is."""
    return x.item() if is_values(x) and x.shape == () else x


def each(f: Callable[[Operand], Operand], array: np.ndarray) -> np.ndarray:
    """An array of objects of the same shape and type, with f applied to every element."""
    out = np.empty(array.shape, dtype=object)
    flat = out.reshape(-1)
    for i, x in enumerate(array.flat):
        flat[i] = f(x)
    return out.view(type(array))
