"""The doors of NumPy: what `np.*` does with a Tensor, a Value or an array of Values.

`__array_ufunc__` and `__array_function__` of all three lead here. A ufunc leads to a row of the
table, which serves numbers and arrays; a function to what is entered in `dispatch`. Whatever is
not known raises TypeError naming the function and what to use instead, so that nothing ever
loses its graph without a word.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
from typing import TYPE_CHECKING, Any

import numpy

from autograd.engine import primitives as p
from autograd.engine.graph import NUMBER, Node, Primitive
from autograd.engine.kinds import data_of, is_values, namespace
from autograd.engine.rows import portable
from autograd.engine.tree import map_tree
from autograd.numpy_api import functions, matrices, products, rearranging, reducing
from autograd.numpy_api.dispatch import COMPOSED, MATRICES, ROWS, Function, arrays
from autograd.numpy_api.rearranging import DATA, rearranged

np: Any = numpy  # with nodes for arguments, of which its types know nothing

FILLED = (functions, matrices, products, rearranging, reducing)  # the rooms that have filled the tables of `dispatch`

# ---- ufuncs ----------------------------------------------------------------------------

_NAMES = {"sub": "subtract", "mul": "multiply", "div": "true_divide", "pow": "power", "neg": "negative"}
_NAMES |= {"identity": "positive", "abs": "absolute"}
_BY_NAME = {_NAMES.get(row.name, row.name): row for row in p.TABLE.values()}

UFUNCS: dict[np.ufunc, Function] = {
    **{getattr(np, n): row for n, row in _BY_NAME.items() if isinstance(getattr(np, n, None), np.ufunc)},
    np.fabs: p.absolute,
    np.conjugate: p.identity,
    np.reciprocal: lambda x: 1.0 / x,
    np.deg2rad: lambda x: x * (np.pi / 180),
    np.radians: lambda x: x * (np.pi / 180),
    np.rad2deg: lambda x: x * (180 / np.pi),
    np.degrees: lambda x: x * (180 / np.pi),
    np.float_power: lambda a, b: np.power(_doubled(a), _doubled(b)),
    np.divmod: lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)),
    np.ldexp: lambda a, n: a * 2.0 ** data_of(n),
    np.modf: lambda x: _modf(x),
    np.frexp: lambda x: _frexp(x),
    np.vecdot: lambda a, b: np.sum(operator.mul(*arrays(a, b)), axis=-1),
}
for _name, _f in {
    "matvec": lambda a, v: (a @ arrays(v)[0][..., None])[..., 0],
    "vecmat": lambda v, a: (arrays(v)[0][..., None, :] @ a)[..., 0, :],
}.items():
    if hasattr(np, _name):  # from NumPy 2.2 on
        UFUNCS[getattr(np, _name)] = _f

# Answers about the data that have no derivative: plain arrays.
QUESTIONS = {
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
    np.isnan, np.isinf, np.isfinite, np.signbit,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
}  # fmt: skip

REDUCTIONS = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
RUNNING = {np.add: np.cumsum, np.multiply: np.cumprod}


def _doubled(x: Any) -> Any:
    """In float64, which np.float_power computes in."""
    return x.astype(np.float64) if hasattr(x, "astype") else x


def _modf(x: Any) -> tuple[Any, Any]:
    whole = np.trunc(x)
    data = data_of(x)
    return np.where(np.isinf(x), namespace([data]).copysign(0.0, data), x - whole), whole


def _frexp(x: Any) -> tuple[Any, Any]:
    data = data_of(x)
    exponent = namespace([data]).frexp(data)[1]
    return x * 2.0**-exponent, exponent


# ---- functions -------------------------------------------------------------------------

# Answers about shape or data that have no derivative: plain numbers and arrays.
FACTS = {
    np.shape, np.ndim, np.size, np.argmax, np.argmin, np.argsort, np.argpartition, np.nanargmax, np.nanargmin,
    np.lexsort, np.searchsorted, np.digitize, np.histogram, np.allclose, np.isclose, np.isin,
    np.array_equal, np.array_equiv, np.zeros_like, np.ones_like, np.empty_like, np.any, np.all, np.count_nonzero,
    np.nonzero, np.flatnonzero, np.argwhere, np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal, np.isposinf,
    np.isneginf, np.may_share_memory, np.shares_memory, np.tril_indices_from, np.triu_indices_from,
    np.diag_indices_from, np.linalg.matrix_rank, np.array_repr, np.array_str, np.array2string, np.result_type,
    np.can_cast, np.min_scalar_type, np.common_type,
}  # fmt: skip

# What only arrays of Values can do: NumPy's own functions move the nodes in them.
ON_OBJECTS = {
    np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal, np.apply_over_axes, np.save,
}  # fmt: skip

INSTEAD = {
    np.copyto: "np.where, or np.broadcast_to to fill an array with a Tensor",
    np.put: "np.where",
    np.place: "np.where",
    np.putmask: "np.where",
    np.put_along_axis: "np.where",
    np.fill_diagonal: "np.where(np.eye(n, dtype=bool), value, x)",
}


Defaults = dict[str, Any]


@functools.cache
def _parameters(function: Function) -> tuple[tuple[str, ...], Defaults] | None:
    """The names of the arguments in order, and the defaults of all; None for a function of any number of arguments.

    Of functions written in C older versions of NumPy tell nothing.
    """
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:
        return None
    if any(x.kind is x.VAR_POSITIONAL for x in found):
        return None
    in_place = tuple(x.name for x in found if x.kind in (x.POSITIONAL_ONLY, x.POSITIONAL_OR_KEYWORD))
    return in_place, {x.name: x.default for x in found}


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and isinstance(value, (str, int)) and value == default)


def _asked(
    function: Function, args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments without those that say what NumPy does anyway: so every option is accepted at its default."""
    known = _parameters(function)
    if known is None:
        return args, {k: x for k, x in options.items() if k not in _UNSAID or x != _UNSAID[k]}
    names, defaults = known
    given = dict(zip(names, args)) | options
    given = {k: x for k, x in given.items() if not _is_default(x, defaults.get(k, given))}
    leading = list(itertools.takewhile(lambda name: name in given, names))
    return tuple(map(given.pop, leading)), given


_UNSAID = {"out": None, "subok": False, "order": "K", "casting": "safe", "dtype": None}


def name_of(function: Function) -> str:
    """As a user writes it: np.linalg.norm, np.fft.fft, np.sum."""
    module = (function.__module__ or "numpy").split(".")
    return ".".join(["np", *(part for part in module[1:] if not part.startswith("_")), function.__name__])


def _refusal(function: Function, name: str, kind: str) -> TypeError:
    instead = INSTEAD.get(function) or f"other functions of NumPy, or {name}(x.data) for a result without a graph"
    why = "gives complex numbers, which have no gradient here" if ".fft." in name else "is not supported"
    return TypeError(f"{name} {why} on {kind}; use {instead}")


def call_function(function: Function, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What `Tensor.__array_function__` does."""
    name = name_of(function)
    if function in FACTS:
        return _fact(function, args, options)
    args, options = _asked(function, args, options)
    ours = COMPOSED.get(function) or ROWS.get(function)
    if ours is not None:
        return _composed(ours, name, args, options)
    if function in DATA:
        return rearranged(function, args, options)
    raise _refusal(function, name, "Tensors")


def _composed(ours: Function, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    try:
        return ours(*args, **options)
    except TypeError:
        try:
            inspect.signature(ours).bind(*args, **options)
        except TypeError as error:
            raise TypeError(
                f"{name} of a Tensor or of Values: {error}; leave that argument out, "
                f"or use {name}(x.data) for a result without a graph"
            ) from None
        raise


def _are_constant(bins: Any) -> bool:
    """Whether the edges of a histogram are given, and are numbers."""
    return isinstance(bins, (list, tuple, np.ndarray)) and not any(isinstance(x, Node) for x in np.ravel(bins))


def _fact(function: Function, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if isinstance(options.get("weights"), Node) or is_values(options.get("weights")):
        raise TypeError(f"{name_of(function)} has no derivative by its weights here; use np.bincount, or weights.data")
    if function is np.histogram and not _are_constant(args[1] if len(args) > 1 else options.get("bins")):
        raise TypeError(
            "np.histogram gives its edges, too, and without an array of them as bins these follow the data, whose "
            "gradient would be lost; give bins as an array, or use np.histogram(x.data)"
        )
    args = tuple(map_tree(data_of, x) for x in args)
    options = {k: map_tree(data_of, x) for k, x in options.items()}
    xp: Any = namespace(args)
    if xp is numpy:
        return function(*args, **options)
    args, options = _asked(function, args, options)  # of the options JAX knows only some
    theirs: Any = xp
    for part in name_of(function).split(".")[1:]:
        theirs = getattr(theirs, part, function)
    return theirs(*(np.asarray(x) if isinstance(x, list) else x for x in args), **options)


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What `Tensor.__array_ufunc__` does."""
    if len(inputs) == 1 and method == "__call__" and not options and ufunc in UFUNCS:
        return UFUNCS[ufunc](*inputs)
    name = f"np.{ufunc.__name__}"
    if options.pop("out", None) is not None:
        raise TypeError(
            f"{name}: out= and in-place operators write over an array, which a graph cannot record; "
            f"write y = {name}(...), or a = a + t for a += t"
        )
    if method != "__call__":
        return _by_folding(ufunc, method, inputs, options)
    _refuse_options(name, options)
    if ufunc in QUESTIONS:
        return portable(ufunc)(*map(data_of, inputs))
    if ufunc not in UFUNCS:
        raise _no_derivative(ufunc)
    for i, x in enumerate(inputs):
        if isinstance(x, (str, bytes, dict, set)) or x is None:
            raise TypeError(f"{name}: argument {i} is {x!r}; expected a Tensor, an array or a number")
    return UFUNCS[ufunc](*(np.asarray(x) if isinstance(x, (list, tuple)) else x for x in inputs))


_UFUNC_DEFAULTS = {"where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True}


def _refuse_options(name: str, options: dict[str, Any]) -> None:
    asked = [k for k, x in options.items() if k not in _UFUNC_DEFAULTS or not _is_default(x, _UFUNC_DEFAULTS[k])]
    if asked:
        raise TypeError(
            f"{name}: the option {', '.join(asked)} is not supported on a Tensor or on Values; "
            "use np.where for a choice, .astype for a dtype"
        )


def _no_derivative(ufunc: np.ufunc) -> TypeError:
    name = f"np.{ufunc.__name__}" if hasattr(np, ufunc.__name__) else ufunc.__name__
    return TypeError(
        f"{name} has no derivative here; use functions that have one, or {name}(x.data) for a result without a graph"
    )


def _by_folding(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """reduce, accumulate and outer of a ufunc of two arguments, by calls of it."""
    if ufunc not in UFUNCS and ufunc not in QUESTIONS:
        raise _no_derivative(ufunc)
    options = {k: x for k, x in options.items() if x is not None or k == "axis"}
    if method == "outer":
        a, b = arrays(*inputs)
        return ufunc(a.reshape(a.shape + (1,) * b.ndim), b, **options)
    a, axis = inputs[0], options.pop("axis", 0)
    if method == "reduce" and ufunc in (np.logical_and, np.logical_or):
        return (np.all if ufunc is np.logical_and else np.any)(a, axis=axis, **options)
    if method == "reduce" and ufunc in REDUCTIONS:
        return REDUCTIONS[ufunc](a, axis=axis, **options)
    if method == "accumulate" and ufunc in RUNNING:
        return RUNNING[ufunc](a, axis, **options)
    keepdims = options.pop("keepdims", False)
    if method not in ("reduce", "accumulate") or options or isinstance(axis, tuple):
        raise TypeError(
            f"np.{ufunc.__name__}.{method} is not supported on a Tensor or on Values"
            + (f" with {', '.join(options)}" if options else "")
            + "; use operators, np.where, indexing and np.stack"
        )
    parts = list(np.moveaxis(a.reshape(-1) if axis is None else a, axis or 0, 0))
    if method == "accumulate":
        return np.stack(list(itertools.accumulate(parts, ufunc)), axis or 0)
    out = functools.reduce(ufunc, parts)
    return np.expand_dims(out, axis) if keepdims and axis is not None else out


# ---- methods -------------------------------------------------------------------------------


def _method(function: Function) -> Function:
    @functools.wraps(function, ("__doc__", "__name__"), ())
    def method(self: Any, *args: Any, **options: Any) -> Any:
        return function(self, *args, **options)

    return method


class ArrayMethods:
    """The methods of NumPy's arrays that are functions of NumPy, for a Tensor, a Value and an array of Values."""

    __slots__ = ()

    if TYPE_CHECKING:  # the rows of one number, which are methods, too

        def __getattr__(self, name: str) -> Any: ...

    def __dir__(self) -> list[str]:
        """Without what is only there to say that it is elsewhere."""
        return [
            name for name in super().__dir__() if hasattr(type(self), name) or name in getattr(self, "__dict__", ())
        ]

    all, any, argmax, argmin = map(_method, (np.all, np.any, np.argmax, np.argmin))
    argsort, argpartition, nonzero = map(_method, (np.argsort, np.argpartition, np.nonzero))
    searchsorted, choose, clip, dot = map(_method, (np.searchsorted, np.choose, np.clip, np.dot))
    round, take, repeat, diagonal, trace = map(_method, (np.round, np.take, np.repeat, np.diagonal, np.trace))
    conj = conjugate = _method(np.conjugate)

    def var(self, axis: Any = None, keepdims: bool = False, ddof: float = 0, **options: Any) -> Any:
        """The variance over `axis`, divided by the count less `ddof`."""
        return np.var(self, axis, ddof=ddof, keepdims=keepdims, **options)

    def std(self, axis: Any = None, keepdims: bool = False, ddof: float = 0, **options: Any) -> Any:
        """The standard deviation over `axis`."""
        return np.std(self, axis, ddof=ddof, keepdims=keepdims, **options)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """The slices along `axis` where the condition holds."""
        return np.compress(condition, self, axis)

    @property
    def real(self) -> Any:
        """Itself, being real."""
        return self

    @property
    def imag(self) -> Any:
        """Zeros."""
        return np.imag(self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return np.matrix_transpose(self)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __round__(self, ndigits: int | None = None) -> Any:
        return np.round(self, ndigits or 0)

    def __floor__(self) -> Any:
        return np.floor(self)

    def __ceil__(self) -> Any:
        return np.ceil(self)

    def __trunc__(self) -> Any:
        return np.trunc(self)


# ---- arrays of Values --------------------------------------------------------------------

# Their loops over objects use the operators and methods of Value; `value` writes that of matmul out.
LOOPS: dict[np.ufunc, Function] = {
    ufunc: ufunc for ufunc in (
        np.add, np.subtract, np.multiply, np.true_divide, np.power, np.negative, np.matmul,
        np.exp, np.log, np.sqrt, np.square, np.sin, np.cos, np.tanh,
    )
}  # fmt: skip


def unboxed(x: Any) -> Any:
    """As NumPy's own loops over objects take it: an array of Values as a plain one, a Value in one without axes."""
    if isinstance(x, np.ndarray):
        return x.view(np.ndarray) if x.dtype == object else x
    if isinstance(x, Node):
        box = np.empty((), object)
        box[()] = x
        return box
    return x


@functools.cache
def _each(row: Function, n: int) -> Any:
    return np.frompyfunc(row, n, 1)


def call_ufunc_on_values(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What the doors of Value and of an array of Values do: a row of the table for each element."""
    out = options.pop("out", None)
    if out is not None:
        return _written(out, call_ufunc_on_values(ufunc, method, inputs, options))
    if method != "__call__":
        return _by_folding(ufunc, method, inputs, options)
    if options:
        _refuse_options(f"np.{ufunc.__name__}", options)
    plainly = [unboxed(x) for x in inputs]
    if set("".join(ufunc.types)) == set("O->"):
        return ufunc(*plainly)  # from np.frompyfunc: a function of the elements
    if ufunc in LOOPS:
        try:
            return LOOPS[ufunc](*plainly)
        except (ArithmeticError, TypeError, ValueError):
            if ufunc is np.matmul:
                raise
            # Some elements are floats, which have no methods, and for which Python raises where IEEE gives inf.
    if ufunc in QUESTIONS:
        return ufunc(*map(data_of, inputs))
    if ufunc not in UFUNCS:
        raise _no_derivative(ufunc)
    f = UFUNCS[ufunc]
    return _each(f, len(inputs))(*plainly) if isinstance(f, Primitive) else f(*inputs)


def _written(out: tuple[Any, ...], result: Any) -> Any:
    """The result of an in-place operator, in an array that can hold nodes."""
    (target,) = out
    if not is_values(target):
        raise TypeError(
            f"the result holds Values, and an array of dtype {target.dtype} cannot; write a = a + v for a += v"
        )
    np.copyto(target.view(np.ndarray), unboxed(result))
    return target


# How an array of Values becomes a Tensor, and back: for what has no way through single numbers. Set by `tensor`.
ACROSS: dict[str, Function] = {}


def call_function_on_values(function: Function, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The same for functions: NumPy's own where they only move elements about."""
    name = name_of(function)
    if function in FACTS:
        return _fact(function, args, options)
    if function in COMPOSED:
        args, options = _asked(function, args, options)
        return _composed(COMPOSED[function], name, args, options)
    if function in MATRICES:
        found = function(*map(ACROSS["to_tensor"], args), **options)
        return map_tree(ACROSS["to_values"], found)
    if options.get("dtype") is not None:
        return function(*args, **{k: x for k, x in options.items() if k != "dtype"}).astype(options["dtype"])
    if function in ROWS or function in DATA or function in ON_OBJECTS:
        return _moved(function, name, args, options)
    raise _refusal(function, name, "an array of Values")


def _moved(function: Function, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """NumPy's own function of arrays of objects, called behind its door, at which Values in lists would ask again."""
    behind = getattr(function, "_implementation", function)
    if function in DATA:
        bound = inspect.signature(function).bind(*args, **options)
        bound.arguments.update({k: _of_objects(x) for k, x in bound.arguments.items() if k in DATA[function]})
        args, options = bound.args, bound.kwargs
    try:
        return behind(*map(_argument, args), **{k: _argument(x) for k, x in options.items()})
    except TypeError as error:
        if "not 'Value'" not in str(error):
            raise
        raise TypeError(
            f"{name}: an array of numbers cannot hold Values; give an array of objects, as x.astype(object) makes it"
        ) from None


def _of_objects(x: Any) -> Any:
    """An array of numbers as one that can hold Values too."""
    if isinstance(x, list) and x and all(isinstance(v, NUMBER) for v in x):
        x = np.array(x)
    return x.astype(object) if isinstance(x, np.ndarray) else x


def _argument(x: Any) -> Any:
    """An argument for NumPy's own function. Values in a list stay what they are, elements of an array to be."""
    return (
        map_tree(lambda y: y if isinstance(y, Node) else unboxed(y), x) if isinstance(x, (list, tuple)) else unboxed(x)
    )
