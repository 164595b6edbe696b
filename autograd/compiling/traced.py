"""Arrays that know their shape and dtype but no numbers, and note what is done with them in a program.

`Traced` is an array library of its own, as JAX's tracers are: it answers to operators, to methods of
arrays and to `np.*`, so that the engine, the rules and the optimizers run over it unchanged. What
would need the numbers, such as `if x > 0`, raises TracedError. Nothing is ever a constant without
a word: what cannot be noted raises.
"""

from __future__ import annotations

import operator
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import CodeType, FrameType
from typing import Any

import numpy as np

from autograd.compiling.program import (
    NUMBERS,
    Arg,
    Program,
    Slot,
    Step,
    elementwise,
    filled_in,
    product,
    slotted,
    stand_in,
)  # fmt: skip
from autograd.compiling.running import CONTAINERS, is_library
from autograd.compiling.simplify import VIEWS
from autograd.engine.graph import Node

__all__ = ["Traced", "TracedError", "remembered", "trace"]


class TracedError(TypeError):
    """A compiled function needs the numbers of an array while it is recorded, when there are none yet."""


def _hidden(code: CodeType) -> bool:
    return is_library(code.co_filename) or code.co_filename.startswith(CONTAINERS)


def refusal(what: str, remedy: str) -> TracedError:
    """The error for a call that cannot be recorded, with the user's line."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _hidden(frame.f_code):
        frame = frame.f_back
    at = f" at {frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}" if frame else ""
    error = TracedError(f"ag.compile: {what}{at}; {remedy}")
    if _recording.refused is not None:
        _recording.refused.append(error)
    return error


class _Recording(threading.local):
    refused: list[TracedError] | None = None


_recording = _Recording()


@contextmanager
def remembered() -> Iterator[list[TracedError]]:
    """The refusals from here on: that code of the function's, or NumPy, catches one makes no recording right."""
    before, _recording.refused = _recording.refused, []
    try:
        yield _recording.refused
    finally:
        _recording.refused = before


def _asked_by_user(frame: FrameType) -> bool:
    """Whether code of the user's asks for a text or a type, or a node for its own text; no debugger."""
    while frame.f_back is not None and frame.f_code.co_name in ("__repr__", "__str__", "__format__"):
        frame = frame.f_back
    return not is_library(frame.f_code.co_filename)


_REMEDY = (
    "its numbers are not there while the function is recorded, and every later call would take what the first one "
    "found. Choose by np.where, keep it an array, or take the decision outside of the compiled function"
)


_ADDING = (
    "use np.where(condition, new, x); what is added at an index is the product (index == np.arange(n)[:, None]) @ y"
)


_INTO_ARRAY = "where it is to stand in an array, as by b[i] = x or np.array([x, 0.0]), write np.stack or np.where"
_OF_JAX = "a compiled function calls NumPy; write np.sin for jnp.sin, and give jax.jit the function itself"


def _unreadable(what: str, more: str = "") -> Callable[..., Any]:
    def method(self: Traced, *_: Any, **__: Any) -> Any:
        raise refusal(f"{what} of {_told(self)}", _REMEDY + more)

    return method


def _unwritable(what: str, remedy: str) -> Callable[..., Any]:
    def method(self: Traced, *_: Any, **__: Any) -> Any:
        raise refusal(f"{what} would write into {_told(self)}", remedy)

    return method


def _binary(ufunc: np.ufunc, python: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The operator and its reflection."""

    def forward(self: Traced, other: Any) -> Any:
        return self._operate(ufunc, python, self, other)

    def reflected(self: Traced, other: Any) -> Any:
        return self._operate(ufunc, python, other, self)

    return forward, reflected


def _method(name: str) -> Callable[..., Any]:
    """A method of arrays, by the function of NumPy of that name."""

    def method(self: Traced, *args: Any, **options: Any) -> Any:
        return _call(getattr(np, name), (self, *args), options)

    return method


def _told(x: Traced) -> str:
    if x.step.number:
        return f"a traced {x.step.number.__name__}"
    return f"a traced array of shape {x.shape} and dtype {x.dtype}"


class Traced:
    """The result of a step, in the place of an array or, where the step has one, of a number of Python."""

    __slots__ = ("__weakref__", "program", "step")

    def __init__(self, program: Program, step: Step) -> None:
        self.program = program
        self.step = step

    # ---- what is known ----

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What isinstance answers by: in code of the user's, a number is what the function would be given."""
        number = self.step.number
        return number if number and _asked_by_user(sys._getframe(1)) else Traced

    @property
    def shape(self) -> tuple[int, ...]:
        return self.step.shape

    @property
    def dtype(self) -> np.dtype:
        return self.step.dtype

    @property
    def ndim(self) -> int:
        return len(self.step.shape)

    @property
    def size(self) -> int:
        return self.step.size

    @property
    def nbytes(self) -> int:
        return self.step.nbytes

    @property
    def itemsize(self) -> int:
        return self.step.dtype.itemsize

    def __repr__(self) -> str:
        if self.program.open and _asked_by_user(sys._getframe(1)):
            raise refusal(f"a text made of {_told(self)}", _REMEDY)
        return _told(self)

    def __format__(self, spec: str) -> str:
        if spec:
            raise refusal(f"a text made of {_told(self)}", _REMEDY)
        return self.__repr__()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        return (self[i] for i in range(len(self)))

    # ---- what is not ----

    __bool__ = _unreadable("the truth")
    __float__ = __complex__ = _unreadable("float()", f"; {_INTO_ARRAY}")
    __int__ = _unreadable("int()")
    __index__ = _unreadable("an index, a size or a range made")
    __round__ = _unreadable("round()")
    __array__ = _unreadable("a plain array made", f"; {_INTO_ARRAY}")
    __jax_array__ = property(_unreadable("an array of JAX made", f"; {_OF_JAX}"))
    __contains__ = _unreadable("`in`")
    __hash__ = _unreadable("a key, or a member of a set, made")
    item = _unreadable(".item()")
    tolist = _unreadable(".tolist()")
    tobytes = _unreadable(".tobytes()")
    data = as_data = property(_unreadable(".data"))
    flat = property(_unreadable(".flat"))
    view = _unreadable(".view()")
    __setitem__ = _unwritable("an assignment to items", "write np.where(condition, new, x) or np.concatenate")
    fill = sort = put = itemset = _unwritable("a method", "use the function that gives a new array, as np.sort(x)")

    def __deepcopy__(self, _: Any) -> Traced:
        return self

    __copy__ = __deepcopy__

    # ---- operators ----

    def _operate(self, ufunc: np.ufunc, python: Callable[..., Any], *args: Any) -> Any:
        if any(isinstance(a, Node) or a is None or isinstance(a, str) for a in args):
            return NotImplemented
        if all(type(a) in NUMBERS or (isinstance(a, Traced) and a.step.number) for a in args):
            return _arithmetic(python, args)
        if ufunc is np.power and type(args[1]) in (int, float) and args[0].dtype.kind == "f":
            ufunc, args = _POWERS.get(args[1], np.power), args  # as `x ** 2` of an array does
            args = args if ufunc is np.power else args[:1]
        return _ufunc(ufunc, args)

    __add__, __radd__ = _binary(np.add, operator.add)
    __sub__, __rsub__ = _binary(np.subtract, operator.sub)
    __mul__, __rmul__ = _binary(np.multiply, operator.mul)
    __truediv__, __rtruediv__ = _binary(np.true_divide, operator.truediv)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide, operator.floordiv)
    __mod__, __rmod__ = _binary(np.remainder, operator.mod)
    __pow__, __rpow__ = _binary(np.power, operator.pow)
    __matmul__, __rmatmul__ = _binary(np.matmul, operator.matmul)
    __and__, __rand__ = _binary(np.bitwise_and, operator.and_)
    __or__, __ror__ = _binary(np.bitwise_or, operator.or_)
    __xor__, __rxor__ = _binary(np.bitwise_xor, operator.xor)
    __lshift__, __rlshift__ = _binary(np.left_shift, operator.lshift)
    __rshift__, __rrshift__ = _binary(np.right_shift, operator.rshift)
    __lt__, _ = _binary(np.less, operator.lt)
    __le__, _ = _binary(np.less_equal, operator.le)
    __gt__, _ = _binary(np.greater, operator.gt)
    __ge__, _ = _binary(np.greater_equal, operator.ge)
    __eq__, _ = _binary(np.equal, operator.eq)
    __ne__, _ = _binary(np.not_equal, operator.ne)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Any:
        return self._operate(np.negative, operator.neg, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._operate(np.absolute, operator.abs, self)

    def __invert__(self) -> Any:
        return self._operate(np.invert, operator.invert, self)

    def __getitem__(self, index: Any) -> Any:
        return _getitem(self, index)

    @property
    def at(self) -> _At:
        """`x.at[index].add(y)`, as in JAX: x with y added where the index points, which may be twice."""
        return _At(self)

    # ---- methods ----

    @property
    def T(self) -> Any:
        return _transpose(self)

    @property
    def mT(self) -> Any:
        return _swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        return _call(np.real, (self,), {})

    @property
    def imag(self) -> Any:
        return _call(np.imag, (self,), {})

    def reshape(self, *shape: Any, **options: Any) -> Any:
        return _reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        return _transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def flatten(self) -> Any:
        return _reshape(self, -1)

    def astype(self, dtype: Any, *_: Any, copy: bool = True, **__: Any) -> Any:
        return _astype(self, dtype)

    def copy(self, *_: Any) -> Any:
        return self

    def require(self, check: Callable[[np.ndarray], Any]) -> Traced:
        """Itself; `check` is called with the numbers at every replay, and raises where they are not fit."""
        checks = self.program.checks
        if not any(c.function is check and c.args[0] is self.step for c in checks):
            checks.append(self.program.add("check", check, (self.step,), None, (), np.dtype(bool)))
        return self

    def always(self) -> bool:
        """Whether it holds everywhere that whole numbers are at least so large, as x >= 0 says, since those of the
        argument that they are of are. A replay is then for arguments of the same answer only."""
        step = self.step
        if step.function is not np.greater_equal or type(step.args[1]) is not int:
            return False
        x, floor = step.args
        while isinstance(x, Step) and x.op in VIEWS:
            (x,) = x.args
        given = self.program.given.get(x.options) if isinstance(x, Step) and x.op == "input" else None
        if given is None:
            return False
        return self.program.floors.setdefault((x.options, floor), bool(given.min() >= floor))

    def through(self, function: Callable[[Any], float]) -> Traced:
        """A float that plain Python makes of this number at every replay: it may choose by it, or use `math`."""
        if not self.step.number:
            raise refusal(f"through() of {_told(self)}", "only a number of Python goes through a function of Python")
        return _noted(self.program, "number", function, (self.step,), None, (), np.dtype(float), float)

    # ---- the doors of NumPy ----

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        return _Namespace(self.program)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(x, Node) for x in inputs):
            return NotImplemented
        if options.get("out") is not None:
            raise refusal(f"np.{ufunc.__name__} with out=, or an in-place operator, would write over an array",
                          "write a = a + t for a += t")  # fmt: skip
        if method == "__call__" and not options:
            return _ufunc(ufunc, inputs)
        if method == "reduce":
            return _reduce(ufunc, *inputs, **{"axis": 0, **options})
        if method == "at":
            raise refusal(f"np.{ufunc.__name__}.at would write over an array", _ADDING)
        return _other(ufunc if method == "__call__" else getattr(ufunc, method), inputs, options)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        if any(issubclass(t, Node) for t in types):
            return NotImplemented
        return _call(function, args, options)


for _name in ("sum", "prod", "max", "min", "mean", "var", "std", "any", "all", "argmax", "argmin", "argsort", "clip",
              "cumsum", "cumprod", "squeeze", "swapaxes", "ravel", "take", "repeat", "round", "trace", "diagonal",
              "dot", "conj", "searchsorted", "nonzero", "compress", "choose"):  # fmt: skip
    setattr(Traced, _name, _method(_name))
for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
):
    setattr(Traced, f"__i{_name}__", _unwritable("an in-place operator", "write a = a + t for a += t"))


# ---- how a call is noted -------------------------------------------------------------------

_POWERS = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal, 1: np.positive}


def _program(args: Any) -> Program:
    """The program that is recorded; the traced arrays among the arguments know."""
    for a in args:
        if isinstance(a, Traced):
            if not a.program.open:
                raise refusal(
                    f"{_told(a)} outlived the recording it belongs to",
                    "a compiled function must return what it computes, and not keep it in a global, an attribute or "
                    "the .grad or .data of a node",
                )
            return a.program
        if isinstance(a, (list, tuple, dict)):
            found = _maybe(a.values() if isinstance(a, dict) else a)
            if found is not None:
                return found
    raise LookupError


def _maybe(args: Any) -> Program | None:
    try:
        return _program(args)
    except LookupError:
        return None


def _arg(program: Program, x: Any) -> Arg:
    """An argument as a program holds it: arrays as constants, traced ones as their steps, numbers as they are."""
    if isinstance(x, Traced):
        return x.step
    if isinstance(x, (np.ndarray, np.generic)):
        return program.constant(x)
    if isinstance(x, (list, tuple)):
        return program.constant(np.asarray(x))
    return x


def _noted(program: Program, *call: Any) -> Traced:
    return Traced(program, program.add(*call))


def _arithmetic(python: Callable[..., Any], args: tuple[Any, ...]) -> Traced:
    """Python's arithmetic of numbers."""
    program = _program(args)
    operands = tuple(_arg(program, a) for a in args)
    like = python(*map(stand_in, operands))
    if type(like) not in NUMBERS:
        raise refusal(f"{python.__name__} of {args}", "use functions of NumPy")
    return _noted(program, "number", python, operands, None, (), np.dtype(type(like)), type(like))


def _ufunc(ufunc: np.ufunc, args: tuple[Any, ...]) -> Any:
    program = _program(args)
    operands = tuple(_arg(program, a) for a in args)
    if ufunc is np.matmul:
        return _matmul(program, *operands)
    if ufunc.signature is not None or ufunc.nout > 1:
        return _other(ufunc, args, {})
    shape, dtype = elementwise(ufunc, operands)
    return _noted(program, "ufunc", ufunc, operands, None, shape, dtype)


def _matmul(program: Program, a: Arg, b: Arg) -> Any:
    if not isinstance(a, Step) or not isinstance(b, Step):
        raise ValueError("matmul: a number is no matrix; use *")
    if len(b.shape) == 2 and len(a.shape) > 2 and a.dtype == b.dtype:  # one BLAS call instead of many
        rows = Traced(program, a).reshape((-1, a.shape[-1])) if a.size else None
        if rows is not None:
            return _ufunc(np.matmul, (rows, Traced(program, b))).reshape((*a.shape[:-1], b.shape[-1]))
    return _noted(program, "matmul", np.matmul, (a, b), None, *product(a, b))


def _reduce(
    ufunc: np.ufunc, x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **more: Any
) -> Any:
    if more or out is not None or not isinstance(x, Traced):
        given = {"axis": axis, "dtype": dtype, "keepdims": keepdims, **more}
        return _other(ufunc.reduce, (x,), {k: v for k, v in given.items() if v is not None})
    like = ufunc.reduce(stand_in(_array(x).step), axis=axis, dtype=dtype, keepdims=keepdims)
    options = (axis, bool(keepdims), None if dtype is None else np.dtype(dtype))
    return _noted(_program((x,)), "reduce", ufunc, (_array(x).step,), options, np.shape(like), like.dtype)


def _array(x: Traced) -> Traced:
    """A number of Python as an array."""
    return _ufunc(np.positive, (x,)) if x.step.number else x


def _mean(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **more: Any) -> Any:
    plain = isinstance(x, Traced) and x.ndim and x.dtype.kind == "f" and x.dtype != np.float16
    if dtype is not None or more or not plain:
        return _other(np.mean, (x,), {"axis": axis, "dtype": dtype, "keepdims": keepdims, **more})
    total = _reduce(np.add, x, axis, keepdims=keepdims)
    return total / (x.size // max(1, total.size))


def _view(x: Traced, op: str, options: Any, shape: tuple[int, ...]) -> Traced:
    return _noted(_program((x,)), op, None, (x.step,), options, shape, x.dtype)


def _reshape(x: Any, shape: Any = None, order: str = "C", **options: Any) -> Any:
    shape = options.pop("newshape", shape)
    if order != "C" or not isinstance(x, Traced):
        return _other(np.reshape, (x, shape), {"order": order})
    new = np.broadcast_to(np.ones(()), x.shape).reshape(shape).shape
    return x if new == x.shape and not x.step.number else _view(_array(x), "reshape", new, new)


def _transpose(x: Traced, axes: Any = None) -> Any:
    axes = tuple(range(x.ndim)[::-1]) if axes is None else tuple(map(int, axes))
    shape = np.broadcast_to(np.ones(()), x.shape).transpose(axes).shape
    axes = tuple(i % x.ndim for i in axes)
    return x if axes == tuple(range(x.ndim)) else _view(x, "transpose", axes, shape)


def _swapaxes(a: Traced, axis1: int, axis2: int) -> Any:
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _transpose(a, order)


def _moveaxis(a: Traced, source: Any, destination: Any) -> Any:
    labelled = np.broadcast_to(np.ones(()), tuple(range(a.ndim)))  # axis i has length i
    return _transpose(a, np.moveaxis(labelled, source, destination).shape)


def _squeeze(a: Traced, axis: Any = None) -> Any:
    return _reshape(a, np.broadcast_to(np.ones(()), a.shape).squeeze(axis).shape)


def _expand_dims(a: Traced, axis: Any) -> Any:
    return _reshape(a, np.expand_dims(np.broadcast_to(np.ones(()), a.shape), axis).shape)


def _broadcast_to(array: Traced, shape: Any, subok: bool = False) -> Any:
    shape = np.broadcast_to(np.broadcast_to(np.ones(()), array.shape), shape).shape
    return array if shape == array.shape else _view(_array(array), "broadcast", shape, shape)


def _astype(x: Traced, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise refusal(f"astype of {_told(x)} to {dtype}", "a compiled function holds real numbers")
    if dtype == x.dtype and not x.step.number:
        return x
    return _noted(_program((x,)), "astype", None, (x.step,), None, x.shape, dtype)


def _where(condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise refusal("np.where(condition) without choices", _COUNT)
    program = _program((condition, *choices))
    operands = tuple(_arg(program, a) for a in (condition, *choices))
    if not isinstance(operands[0], Step):
        operands = (program.constant(np.asarray(operands[0])), *operands[1:])
    like = np.where(np.ones(1, bool), *(stand_in(a)[..., :1] if _long(a) else stand_in(a) for a in operands[1:]))
    shape = np.broadcast_shapes(*(a.shape if isinstance(a, Step) else () for a in operands))
    return _noted(program, "where", None, operands, None, shape, like.dtype)


def _long(x: Arg) -> bool:
    return isinstance(x, Step) and len(x.shape) > 0


def _concatenate(arrays: Any, axis: Any = 0, **options: Any) -> Any:
    if options or not isinstance(axis, (int, type(None))) or isinstance(arrays, Traced):
        return _other(np.concatenate, (arrays, axis), options)
    program = _program(arrays)
    parts = [_arg(program, np.asarray(a) if isinstance(a, NUMBERS) else a) for a in arrays]
    like = np.concatenate([stand_in(a) for a in parts], axis)
    if axis is None:
        parts, axis = [Traced(program, a).reshape(-1).step for a in parts], 0
    return _noted(program, "concatenate", None, parts, axis % like.ndim, like.shape, like.dtype)


def _stack(arrays: Any, axis: int = 0, **options: Any) -> Any:
    program = _program((arrays,))
    raised = [_expand_dims(Traced(program, _arg(program, np.asarray(a) if type(a) in NUMBERS else a)), axis)
              for a in arrays]  # fmt: skip
    return _concatenate(raised, axis, **options)


def _einsum(*operands: Any, **options: Any) -> Any:
    if not isinstance(operands[0], str) or options.keys() - {"optimize"}:
        return _other(np.einsum, operands, options)
    program = _program(operands)
    args = tuple(_arg(program, a) for a in operands[1:])
    like = np.einsum(operands[0], *map(stand_in, args))
    told = (operands[0], bool(options.get("optimize", False)))
    return _noted(program, "einsum", None, args, told, np.shape(like), like.dtype)


def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if out is None and 0 < np.ndim(b) <= 2 and np.ndim(a):
        return _ufunc(np.matmul, (a, b))
    return _other(np.dot, (a, b), {})


# ---- indices -------------------------------------------------------------------------------

_COUNT = (
    "how many elements there are depends on the numbers, and a compiled function has fixed shapes. "
    "Use np.where(condition, x, 0.0), and divide by condition.sum() for a mean"
)


def _index(program: Program, index: Any) -> tuple[Any, list[Step]]:
    """The parts of an index, with steps in the place of arrays; and these steps. No steps for a basic one."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, (list, np.ndarray)):
            part = np.asarray(part) if len(part) or isinstance(part, np.ndarray) else np.asarray(part, int)
            if part.dtype == bool:
                parts += [program.constant(i) for i in part.nonzero()]
                continue
            part = program.constant(part)
        elif isinstance(part, Traced):
            if part.dtype == bool:
                raise refusal(f"an index that is {_told(part)}", _COUNT)
            part = part.step
        elif isinstance(part, np.integer):
            part = int(part)
        elif isinstance(part, slice):
            part = slice(*(None if i is None else operator.index(i) for i in (part.start, part.stop, part.step)))
        parts.append(part)
    args: list[Step] = []
    return slotted(tuple(parts), args), args


def _getitem(x: Traced, index: Any) -> Traced:
    x = _array(x)
    told, args = _index(_program((x,)), index)
    if not args:
        told = told if Ellipsis in told else (*told, Ellipsis)  # with which it is never a number, but a view
        return _view(x, "index", told, stand_in(x.step)[told].shape)
    shape = _picked(x.shape, told, args)
    return _noted(_program((x,)), "gather", None, (x.step, *args), told, shape, x.dtype)


def _picked(shape: tuple[int, ...], told: Any, args: list[Step]) -> tuple[int, ...]:
    """The shape that an index picks from an array."""
    zeros = [None, *(np.broadcast_to(np.zeros((), int), a.shape) for a in args)]
    filled = tuple(zeros[1 + p.i] if isinstance(p, Slot) else p for p in told)
    return np.broadcast_to(np.ones(()), shape)[filled].shape


class _At:
    """An array of which an index is to be taken, and then added to."""

    def __init__(self, x: Traced) -> None:
        self.x = x

    def __getitem__(self, index: Any) -> _At:
        self.index = index
        return self

    def add(self, y: Any) -> Traced:
        """The array with y added where the index points."""
        x = self.x
        program = _program((x,))
        told, args = _index(program, self.index)
        y = _broadcast_to(y, _picked(x.shape, told, args))
        spread = _noted(program, "scatter", None, (y.step, *args), (told, x.shape), x.shape, x.dtype)
        blank = x.step.op == "full" and x.step.options == 0.0
        return spread if blank else x + spread


# ---- functions of NumPy --------------------------------------------------------------------

_SUMS = {np.sum: np.add, np.prod: np.multiply}
_EXTREMES = {np.max: np.maximum, np.min: np.minimum, np.any: np.logical_or, np.all: np.logical_and}


def _extreme(ufunc: np.ufunc, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **more: Any) -> Any:
    return _reduce(ufunc, a, axis, None, out, keepdims, **more)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{f: partial(_reduce, ufunc) for f, ufunc in _SUMS.items()},
    **{f: partial(_extreme, ufunc) for f, ufunc in _EXTREMES.items()},
    np.mean: _mean,
    np.reshape: _reshape,
    np.ravel: lambda a, order="C": _reshape(a, -1, order),
    np.transpose: _transpose,
    np.matrix_transpose: lambda x: _swapaxes(x, -1, -2),
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.squeeze: _squeeze,
    np.expand_dims: _expand_dims,
    np.broadcast_to: _broadcast_to,
    np.astype: _astype,
    np.where: _where,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.einsum: _einsum,
    np.dot: _dot,
    np.copy: lambda a, *_, **__: a,
    np.iscomplexobj: lambda x: x.dtype.kind == "c",
    np.isrealobj: lambda x: x.dtype.kind != "c",
    np.result_type: lambda *args: np.result_type(*(stand_in(a.step) if isinstance(a, Traced) else a for a in args)),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
}

# Functions whose result has a shape that depends on the numbers, and those that write.
_COUNTING = {
    "nonzero", "flatnonzero", "argwhere", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    "extract", "compress", "trim_zeros", "bincount", "histogram", "histogram2d", "histogramdd", "union1d", "setdiff1d",
    "intersect1d", "setxor1d", "histogram_bin_edges",
}  # fmt: skip
_WRITING = {"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis"}


def _call(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A function of NumPy."""
    name = getattr(function, "__name__", str(function))
    if isinstance(function, np.ufunc):
        return _ufunc(function, args)
    if name in _COUNTING:
        raise refusal(f"np.{name} of a traced array", _COUNT)
    if name in _WRITING:
        raise refusal(f"np.{name} would write over an array", _ADDING)
    handler = _FUNCTIONS.get(function)
    if handler is not None:
        return handler(*args, **options)
    return _other(function, args, options)


# Functions that take ints as numbers, whatever these are: their results are of one shape.
_OF_ANY_INT = {"clip", "full_like", "roll", "take", "nan_to_num", "isclose", "interp", "round"}
_MADE = {"zeros_like": 0, "ones_like": 1, "empty_like": 0}


def _other(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Any other function: what it gives is found by calling it on stand-ins; it must give arrays."""
    program = _program((args, options))
    name = getattr(function, "__name__", str(function))
    steps: list[Step] = []
    told = slotted(_held(program, (args, options)), steps)
    if name not in _OF_ANY_INT and any(s.number in (int, bool) for s in steps):
        raise refusal(f"np.{name} with an int that is traced", _REMEDY)
    square = "linalg" in (getattr(function, "__module__", None) or "")
    samples = tuple(stand_in(s, square) for s in steps)
    given, more = filled_in(told, samples)
    with np.errstate(all="ignore"):
        like = function(*given, **more)
    if name in _MADE and isinstance(like, np.ndarray):
        fill = _MADE[name]
        return _noted(program, "full", None, (), float(fill), like.shape, like.dtype)
    if not square and any(s.dtype.kind in "iu" and not s.number for s in steps):
        _must_not_count(function, name, told, steps, like)
    call = program.add("call", function, steps, told, *_kind(like, name))
    if not isinstance(like, (tuple, list)):
        return Traced(program, call)
    results = [_noted(program, "item", None, (call,), i, *_kind(x, name)) for i, x in enumerate(like)]
    return type(like)(*results) if hasattr(like, "_fields") else type(like)(results)


def _must_not_count(function: Callable[..., Any], name: str, told: Any, steps: list[Step], like: Any) -> None:
    """Refuse what gives another shape where ints are 0 instead of 1, as np.repeat does."""
    if name == "delete":
        raise refusal("np.delete of traced ints", _COUNT)
    blank = tuple(0 * stand_in(s) if s.dtype.kind in "iu" else stand_in(s) for s in steps)
    given, more = filled_in(told, blank)
    with suppress(ValueError, IndexError, ArithmeticError), np.errstate(all="ignore"):
        other = function(*given, **more)
        several = isinstance(like, (tuple, list))
        if [*map(np.shape, like if several else [like])] != [*map(np.shape, other if several else [other])]:
            raise refusal(f"np.{name} of traced ints", _COUNT)


def _kind(like: Any, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and dtype of a result."""
    if isinstance(like, (tuple, list)):
        return (), np.dtype(object)
    if not isinstance(like, (np.ndarray, np.generic)) or like.dtype.kind not in "fiubc":
        raise refusal(f"np.{name} of a traced array gives {type(like).__name__}", _REMEDY)
    return np.shape(like), like.dtype


def _held(program: Program, x: Any) -> Any:
    """Nested arguments with arrays as constants and traced arrays as steps."""
    if isinstance(x, (Traced, np.ndarray)):
        return _arg(program, x)
    if isinstance(x, (list, tuple)):
        return type(x)(_held(program, y) for y in x)
    if isinstance(x, dict):
        return {k: _held(program, y) for k, y in x.items()}
    return x


# ---- the namespace -------------------------------------------------------------------------


class _Namespace:
    """What `__array_namespace__` gives: the functions of NumPy, whose results are traced."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def full(self, shape: Any, fill_value: Any, dtype: Any = None) -> Any:
        """An array of one number."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if isinstance(fill_value, Traced):
            return _broadcast_to(fill_value if dtype is None else _astype(fill_value, dtype), shape)
        dtype = np.full((), fill_value, dtype).dtype
        number = float(fill_value) if dtype.kind == "f" else dtype.type(fill_value).item()
        return _noted(self._program, "full", None, (), number, shape, dtype)

    def zeros(self, shape: Any, dtype: Any = float) -> Any:
        """An array of zeros."""
        return self.full(shape, 0, dtype)

    def ones(self, shape: Any, dtype: Any = float) -> Any:
        """An array of ones."""
        return self.full(shape, 1, dtype)

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """A traced array as it is, a number as an array without axes, another array as a constant."""
        program = self._program
        x = _array(x) if isinstance(x, Traced) else Traced(program, _arg(program, np.asarray(x)))
        return x if dtype is None else _astype(x, dtype)

    def __getattr__(self, name: str) -> Any:
        return _Linalg() if name == "linalg" else _door(getattr(np, name))


class _Linalg:
    """NumPy's linear algebra; it has no options that JAX's has besides, which is NumPy's way already."""

    def __getattr__(self, name: str) -> Any:
        function = _door(getattr(np.linalg, name))
        return lambda *args, symmetrize_input=False, **options: function(*args, **options)


def _door(function: Any) -> Any:
    """A function of NumPy for arguments that may be traced; what is none, as it is."""
    if isinstance(function, type) or not callable(function):
        return function

    def traced(*args: Any, **options: Any) -> Any:
        if _maybe((args, options)) is None:
            return function(*args, **options)
        return _call(function, args, options)

    return traced


def trace(
    program: Program, index: int, shape: tuple[int, ...], dtype: np.dtype, number: type | None, given: Any
) -> Traced:
    """An argument of the function that is recorded."""
    if isinstance(given, np.ndarray) and given.size and dtype.kind in "iu":
        program.given[index] = given
    return _noted(program, "input", None, (), index, shape, dtype, number)
