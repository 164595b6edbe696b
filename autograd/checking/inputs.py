"""The inputs of a function: what each is called, which are differentiated, and other numbers in their kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd.engine.graph import Node
from autograd.engine.kinds import floats, is_array, is_foreign, is_values, raw

__all__ = ["argument_names", "has_gradient", "is_counted", "letter", "like", "named", "plain"]


def argument_names(f: Callable[..., object], count: int) -> list[str]:
    """What f calls its first arguments; argument_3 where it does not say."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [q.name for q in parameters if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]
    return (names + [f"argument_{i}" for i in range(len(names), count)])[:count]


def named(f: Callable[..., object], inputs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Every leaf of the inputs, with a name that says how to reach it: params['w'][0]."""

    def walk(name: str, x: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(x, (dict, list, tuple)):
            for key, branch in x.items() if isinstance(x, dict) else enumerate(x):
                yield from walk(f"{name}[{key!r}]", branch)
        else:
            yield name, x

    for name, x in zip(argument_names(f, len(inputs)), inputs):
        yield from walk(name, x)


def has_gradient(x: object) -> bool:
    """A float, a node, or an array of them: what a function is differentiated by."""
    if is_values(x):
        return all(isinstance(v, (Node, float)) for v in x.flat)
    return isinstance(x, (Node, float)) or letter(x) == "f"


def is_counted(x: object) -> bool:
    """An int or an array of ints: a constant beside floats, differentiated where there are none."""
    return (isinstance(x, int) and not isinstance(x, bool)) or letter(x) in ("i", "u")


def letter(x: Any) -> str:
    """NumPy's letter for the dtype of an array or a NumPy number; "" for anything else."""
    if isinstance(x, type):  # a dtype as an argument, which has what an array has
        return ""
    if not is_array(x) and not isinstance(x, np.generic):
        return ""
    return "f" if floats(np.dtype(x.dtype)) else np.dtype(x.dtype).kind


def plain(x: Any) -> np.ndarray:
    """The numbers of an input as an array of NumPy."""
    if is_values(x):
        return np.array([raw(v) for v in x.flat], float).reshape(x.shape)
    return np.asarray(raw(x))


def like(a: np.ndarray, x: Any) -> Any:
    """Numbers in the kind of an input: a float, an array of its dtype, objects for Values, JAX for JAX."""
    if is_values(x):
        return a.astype(object)
    data = raw(x)
    if isinstance(data, (int, float)) and not isinstance(data, np.generic):
        return float(a)
    dtype = np.dtype(data.dtype)
    a = a.astype(dtype if floats(dtype) else float)
    return data.__array_namespace__().asarray(a) if is_foreign(data) else a
