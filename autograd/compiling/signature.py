"""What kind of arguments a function was called with, and source that tells whether others are of the same kind.

Arrays count by shape and dtype, floats of Python as floats; everything else by its value.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd.engine.base import Tree
from autograd.engine.graph import Node
from autograd.engine.kinds import data_of, is_values
from autograd.engine.words import described

__all__ = ["Signature", "holds_nodes", "is_static"]

# What becomes of a leaf: leaf(index, shape, dtype, number, given) stands for it while the function is recorded.
Leaf = Callable[[int, tuple[int, ...], np.dtype, "type | None", Tree], Any]


class Signature:
    """The kind of some arguments.

    loose: by their paths, ints that are to be taken as numbers and not by value.
    kind: equal for arguments that differ in ints only. ints: these, by their paths.
    args, options: the arguments with leaves in the place of arrays and numbers.
    source: statements that bind x0, x1, ... from `args` and `options`, or return MISS.
    globals: what the source refers to.
    """

    def __init__(self, args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool], leaf: Leaf) -> None:
        self.loose = loose
        self.ints: dict[str, int] = {}
        self.globals: dict[str, Any] = {"ndarray": np.ndarray}
        self._leaf = leaf
        self._first: list[str] = []  # what tells kinds apart soonest
        self._tests: list[str] = []
        self._kind: list[Any] = []
        self._count = 0
        self._names = 0
        self.args = self._walk(args, "args", "")
        self.options = self._walk(options, "options", "")
        self.kind = tuple(self._kind)

    @property
    def source(self) -> list[str]:
        """The statements, in an order in which each has what it needs."""
        return self._first + self._tests

    def _global(self, x: Any) -> str:
        name = f"s{len(self.globals)}"
        self.globals[name] = x
        return name

    def _test(self, condition: str) -> None:
        self._tests.append(f"if {condition}: return MISS")

    def _walk(self, x: Tree, name: str, path: str) -> Tree:
        if isinstance(x, (dict, list, tuple)):
            return self._container(x, name, path)
        if isinstance(x, np.ndarray):
            return self._array(x, name, path)
        if isinstance(x, np.generic):
            return self._scalar(x, name, path)
        if type(x) is float or (type(x) is int and self.loose.get(path)):
            self._test(f"{name}.__class__ is not {type(x).__name__}")
            return self._bound(name, x, (), np.dtype(type(x)), type(x))
        if type(x) is int:
            self.ints[path] = x
            self._kind.append((path, int))
            self._test(f"{name}.__class__ is not int or {name} != {x}")
            return x
        _must_be_static(x, path)
        self._kind.append((path, type(x), x))
        held = self._global(x)
        self._test(f"{name} is not {held} and ({name}.__class__ is not {self._global(type(x))} or {name} != {held})")
        return x

    def _container(self, x: Any, name: str, path: str) -> Tree:
        kind = type(x)
        self._kind.append((path, kind, tuple(x) if isinstance(x, dict) else len(x)))
        known = kind.__name__ if kind in (dict, list, tuple) else self._global(kind)
        if isinstance(x, dict):  # f may go by their order
            self._test(f"{name}.__class__ is not {known} or [*{name}] != {self._global([*x])}")
        else:
            self._test(f"{name}.__class__ is not {known} or len({name}) != {len(x)}")
        branches = {}
        for k in x if isinstance(x, dict) else range(len(x)):
            self._names += 1
            inner, key = f"a{self._names}", repr(k) if type(k) in (str, int) else self._global(k)
            if isinstance(x[k], np.ndarray) and not is_values(x[k]):
                inner = f"x{self._count}"  # it is bound already
            if isinstance(x, dict):
                self._tests.append(f"{inner} = {name}.get({key}, MISS)")
            else:
                self._tests.append(f"{inner} = {name}[{key}]")
            branches[k] = self._walk(x[k], inner, f"{path}[{k!r}]")
        if isinstance(x, dict):
            return branches
        values = branches.values()
        return kind(*values) if hasattr(x, "_fields") else kind(values)

    def _array(self, x: np.ndarray, name: str, path: str) -> Any:
        if is_values(x):
            kind = self._global(type(x))
            self._test(f"{name}.__class__ is not {kind} or {name}.dtype != object or {name}.shape != {x.shape}")
            numbers_of(x)
            if not holds_nodes(x):
                self._test(f"{self._global(holds_nodes)}({name})")
            return self._bound(f"{self._global(numbers_of)}({name})", x, x.shape, np.dtype(np.float64), None)
        if type(x) is not np.ndarray or x.dtype.kind not in "fiubc":
            raise TypeError(
                f"compile: argument {path or x} holds {described(x)} of type {type(x).__name__}; "
                "expected plain arrays of numbers"
            )
        dtype = self._global(x.dtype)
        other = f"({name}.dtype is not {dtype} and {name}.dtype != {dtype})"
        self._test(f"{name}.__class__ is not ndarray or {name}.shape != {x.shape} or {other}")
        return self._bound(name, x, x.shape, x.dtype, None)

    def _scalar(self, x: np.generic, name: str, path: str) -> Any:
        if x.dtype.kind not in "fiubc":
            raise TypeError(f"compile: argument {path} holds {described(x)}; expected numbers")
        self._test(f"{name}.__class__ is not {self._global(type(x))}")
        return self._bound(name, x, (), x.dtype, None)

    def ask(self, floors: Mapping[tuple[int, int], bool]) -> None:
        """A kind of arguments that goes by whether no number of a leaf, by its index, is below a floor."""
        for (index, floor), reached in floors.items():
            self._test(f"{self._global(_least)}(x{index}) {'<' if reached else '>='} {floor}")

    def _bound(self, name: str, x: Tree, shape: tuple[int, ...], dtype: np.dtype, number: type | None) -> Any:
        if name != f"x{self._count}":
            self._tests.append(f"x{self._count} = {name}")
        self._kind.append((name, shape, dtype.str, number))
        self._count += 1
        return self._leaf(self._count - 1, shape, dtype, number, x)


def _least(x: np.ndarray) -> int:
    """The smallest number; of a few it is found soonest in Python."""
    return min(x.ravel().tolist()) if x.size <= 64 else int(x.min())


def numbers_of(values: np.ndarray) -> np.ndarray:
    """The numbers in an array of objects: of Values, or of numbers; TypeError where there is something else."""
    try:
        return values.view(np.ndarray).astype(np.float64)
    except (TypeError, ValueError):
        numbers = data_of(values)
        if numbers.dtype == object:
            raise TypeError("compile: an array of objects that are neither numbers nor Values") from None
        return numbers


def holds_nodes(x: Tree) -> bool:
    """Whether it is an array of objects some of which are Values."""
    return is_values(x) and any(isinstance(v, Node) for v in x.flat)


def is_static(x: Any) -> bool:
    """Whether it can be compared by its value, or has none but its name."""
    kind: Any = type(x)
    by_name = isinstance(x, (type, types.ModuleType)) or callable(x)
    return kind.__hash__ is not None and (kind.__eq__ is not object.__eq__ or by_name or x is None)


def _must_be_static(x: Any, path: str) -> None:
    """TypeError for what cannot be compared by value: it might change, and a recording would not notice."""
    if not is_static(x):
        raise TypeError(
            f"compile: argument {path} is {described(x)}, which is neither an array nor a number, and cannot be "
            "compared by its value; pass its arrays in a dict, or let the function hold it, as ag.compile(x.f) does; "
            "random numbers are drawn outside and passed as an array"
        )
