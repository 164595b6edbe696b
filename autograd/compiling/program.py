"""A program: the calls of NumPy that a function comes down to, in order, each with the shape and dtype of its result.

It is what `traced` writes and everything else here reads. `infer` asks NumPy itself what a call
would give, on arrays that take no memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np

__all__ = ["NUMBERS", "Arg", "Program", "Slot", "Step"]
__all__ += ["alike", "filled_in", "inputs_of", "same_bits", "slotted", "stand_in"]

NUMBERS = (bool, int, float)  # Python's, whose dtype gives way to that of an array
# What a call takes: the result of another one, or something that stays the same.
Arg: TypeAlias = Any


class Step:
    """One call, and what is known of its result.

    op: what kind of call, see `Program`. function: what is called. args: results of other steps, and
    constants. options: what else the call is told. number: float, int or bool where the result is a
    number of Python; None for an array.
    """

    __slots__ = ("args", "dtype", "function", "number", "op", "options", "shape")

    def __init__(
        self,
        op: str,
        function: Any,
        args: tuple[Arg, ...],
        options: Any,
        shape: tuple[int, ...],
        dtype: np.dtype,
        number: type | None = None,
    ) -> None:
        self.op = op
        self.function = function
        self.args = args
        self.options = options
        self.shape = shape
        self.dtype = dtype
        self.number = number

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", self.op)
        return f"<{self.op} {name} {self.shape} {self.dtype}>"


class Slot:
    """A place in the options of a call where the result of a step belongs: args[i]."""

    __slots__ = ("i",)

    def __init__(self, i: int) -> None:
        self.i = i

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slot) and other.i == self.i

    def __hash__(self) -> int:
        return hash(("slot", self.i))


def slotted(tree: Any, args: list[Step]) -> Any:
    """A nested structure with its steps moved to `args`, and slots in their place."""
    if isinstance(tree, Step):
        args.append(tree)
        return Slot(len(args) - 1)
    if isinstance(tree, (list, tuple)):
        return type(tree)(slotted(x, args) for x in tree)
    if isinstance(tree, dict):
        return {k: slotted(x, args) for k, x in tree.items()}
    return tree


def filled_in(tree: Any, args: tuple[Any, ...]) -> Any:
    """The structure again, with args[i] in its slots."""
    if isinstance(tree, Slot):
        return args[tree.i]
    if isinstance(tree, (list, tuple)):
        return type(tree)(filled_in(x, args) for x in tree)
    if isinstance(tree, dict):
        return {k: filled_in(x, args) for k, x in tree.items()}
    return tree


def inputs_of(step: Step) -> Iterator[Step]:
    """The steps whose results a step takes."""
    return (a for a in step.args if isinstance(a, Step))


class Program:
    """Steps in the order of their making. A call that was made before is not made again.

    The kinds of steps:
    input (options: which), constant (function: the array), full (options: the number),
    ufunc and matmul (function, args), number (arithmetic of Python on numbers),
    reduce (function: a ufunc; options: axis, keepdims, dtype),
    reshape, transpose, index and broadcast, which are views (options: shape, axes, index, shape),
    gather (args: x and indices; options: the index with slots), scatter (the same for g; and the shape),
    added (args: what a scatter is added to, and the arguments of the scatter),
    where, concatenate (options: axis), einsum (options: subscripts and more), astype,
    call (any other function; options: its arguments with slots), item (one of several results),
    check (a function that raises where the numbers are not fit).
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.given: dict[int, np.ndarray] = {}  # the whole numbers among the inputs, while it is recorded
        self.floors: dict[tuple[int, int], bool] = {}  # of an input, by its index: whether no number is below a floor
        self.checks: list[Step] = []
        self.captured: list[tuple[np.ndarray, Step]] = []
        self.open = True
        self._known: dict[Any, Step] = {}

    def add(
        self,
        op: str,
        function: Any,
        args: Iterable[Arg],
        options: Any,
        shape: tuple[int, ...],
        dtype: np.dtype,
        number: type | None = None,
    ) -> Step:
        """The result of a call, which may have been made before."""
        args = tuple(args)
        key: Any = None
        if op not in ("call", "input", "constant", "check"):
            key = (op, function, tuple(map(_identity, args)), _identity(options), shape, dtype)
            try:
                if key in self._known:
                    return self._known[key]
            except TypeError:  # an index with an array in it
                key = None
        step = Step(op, function, args, options, shape, dtype, number)
        self.steps.append(step)
        if key is not None:
            self._known[key] = step
        return step

    def constant(self, x: np.ndarray | np.generic) -> Step:
        """An array that the function brought along, copied; it is remembered, to see whether it changes later."""
        if x.dtype.kind not in "fiubc":
            raise TypeError(f"ag.compile: an array of dtype {x.dtype} among traced ones; expected real numbers")
        if isinstance(x, np.generic):
            x = np.asarray(x)
        if isinstance(x, (np.ma.MaskedArray, np.matrix)):
            raise TypeError(f"ag.compile: a {type(x).__name__} means something else than an array; use np.asarray(x)")
        for known, step in self.captured:
            if known is x and same_bits(known, step.function):
                return step
        copy = x.copy()
        copy.flags.writeable = False
        step = self.add("constant", copy, (), None, x.shape, x.dtype)
        self.captured.append((x, step))
        return step


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same bits in the same shape and dtype."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.nbytes <= 1 << 20 or not a.ndim:
        return a.tobytes() == b.tobytes()
    return all(same_bits(x, y) for x, y in zip(a, b))  # not a copy of all at once


def alike(steps: list[Step], others: list[Step]) -> bool:
    """Whether two lists of steps are the same calls with the same constants."""
    place = {id(s): i for both in (steps, others) for i, s in enumerate(both)}

    def told(x: Any) -> Any:
        if isinstance(x, Step):
            return "step", place.get(id(x))
        if isinstance(x, np.ndarray):
            return x.shape, x.dtype.str, x.tobytes()
        if isinstance(x, (tuple, list)):
            return tuple(map(told, x))
        if isinstance(x, dict):
            return tuple((k, told(y)) for k, y in x.items())
        return _identity(x)

    return [*map(told, ((s.op, s.function, s.args, s.options, s.shape, s.dtype) for s in steps))] == [
        *map(told, ((s.op, s.function, s.args, s.options, s.shape, s.dtype) for s in others))
    ]


def _identity(x: Any) -> Any:
    """What must be equal for two arguments to be the same; 0.0 is not -0.0, nor 1 True."""
    if isinstance(x, Step):
        return id(x)
    if isinstance(x, tuple):
        return tuple(map(_identity, x))
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    return (type(x), repr(x) if isinstance(x, float) else x)


# ---- what a call would give ----------------------------------------------------------------

_SAMPLES = {bool: True, int: 1, float: 1.0}


def stand_in(x: Any, square: bool = False) -> Any:
    """An array of the same shape and dtype without memory of its own: ones; where asked, identity matrices."""
    if not isinstance(x, Step):
        return x
    if x.number is not None:
        return _SAMPLES[x.number]
    if square and len(x.shape) > 1:
        return np.broadcast_to(np.eye(*x.shape[-2:], dtype=x.dtype), x.shape)
    return np.broadcast_to(np.ones((), x.dtype), x.shape)


_dtypes: dict[Any, np.dtype] = {}


def elementwise(ufunc: np.ufunc, args: tuple[Arg, ...]) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and dtype that a ufunc of one result gives."""
    kinds: list[Any] = []
    for a in args:
        if isinstance(a, Step):
            kinds.append(a.number or a.dtype)
        else:
            kinds.append(type(a) if isinstance(a, float) else (type(a), a))
    key = (ufunc, *kinds)
    dtype = _dtypes.get(key)
    if dtype is None:
        samples = [stand_in(a) if not isinstance(a, Step) or a.number else np.ones(1, a.dtype) for a in args]
        with np.errstate(all="ignore"):
            dtype = _dtypes[key] = ufunc(*samples).dtype
    return np.broadcast_shapes(*(a.shape if isinstance(a, Step) else np.shape(a) for a in args)), dtype


def product(a: Step, b: Step) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and dtype of a @ b, found over no columns of a and no rows of b."""
    if len(a.shape) and len(b.shape) and a.shape[-1] == b.shape[-2 if len(b.shape) > 1 else 0]:
        x, y = stand_in(a)[..., :0], stand_in(b)
        y = y[..., :0, :] if y.ndim > 1 else y[:0]
        like = np.matmul(x, y)
    else:
        like = np.matmul(stand_in(a), stand_in(b))  # raises what NumPy raises
    return like.shape, like.dtype
