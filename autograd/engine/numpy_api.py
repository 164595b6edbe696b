"""What `np.*` means on a Tensor: NumPy's functions, in terms of Tensor methods and the table.

`__array_ufunc__` and `__array_function__` of `Tensor` lead here. Whatever is not listed
raises TypeError naming the function and what to use instead, so nothing ever loses its
graph without a word. To support another function, add a line.
"""

from __future__ import annotations

import inspect
import itertools
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.engine import primitives as p
from autograd.engine.graph import Node
from autograd.engine.kinds import is_foreign, namespace, raw
from autograd.engine.rows import portable

# ---- ufuncs ----------------------------------------------------------------------------

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: p.add, np.subtract: p.sub, np.multiply: p.mul, np.true_divide: p.div,
    np.power: p.power, np.float_power: p.power, np.negative: p.neg, np.positive: p.identity,
    np.exp: p.exp, np.log: p.log, np.sqrt: p.sqrt, np.square: p.square,
    np.sin: p.sin, np.cos: p.cos, np.tanh: p.tanh, np.log1p: p.log1p, np.expm1: p.expm1, np.sign: p.sign,
    np.absolute: p.absolute, np.fabs: p.absolute, np.maximum: p.maximum, np.minimum: p.minimum, np.matmul: p.matmul,
    np.reciprocal: lambda x: 1.0 / x,
    np.tan: lambda x: p.sin(x) / p.cos(x),
    np.logaddexp: lambda a, b: p.maximum(a, b) + p.log1p(p.exp(-abs(p.where(raw(a) == raw(b), 0.0, p.sub(a, b))))),
}  # fmt: skip

# Answers about the data that have no derivative: plain arrays.
QUESTIONS = {
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
    np.isnan, np.isinf, np.isfinite, np.signbit,
}  # fmt: skip

REDUCTIONS = {np.add: "sum", np.maximum: "max", np.minimum: "min"}

# ---- functions -------------------------------------------------------------------------


def _reduction(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, *, keepdims=False: getattr(a, name)(axis, keepdims)


def _spread(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, *, ddof=0, keepdims=False: getattr(a, name)(axis, keepdims, ddof)


def _where(condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise TypeError("np.where(condition) without choices gives indices; use np.nonzero(x.data)")
    condition = raw(condition)
    if not hasattr(condition, "dtype"):
        condition = np.asarray(condition)
    return p.where(condition if condition.dtype == "bool" else condition != 0, *choices)


def _arrays(tensors: Any) -> list[Any]:
    return [t if isinstance(t, Node) or is_foreign(t) else np.asarray(t) for t in tensors]


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    arrays = _arrays(arrays)
    return p.concatenate(0, *(a.reshape(-1) for a in arrays)) if axis is None else p.concatenate(axis, *arrays)


def _stack(arrays: Any, axis: int = 0) -> Any:
    return _concatenate([_expand_dims(a, axis) for a in _arrays(arrays)], axis)


def _vstack(arrays: Any) -> Any:
    return _concatenate([a.reshape((1, -1)) if a.ndim < 2 else a for a in _arrays(arrays)], 0)


def _hstack(arrays: Any) -> Any:
    arrays = [a.reshape(-1) if a.ndim < 1 else a for a in _arrays(arrays)]
    return _concatenate(arrays, 0 if arrays[0].ndim == 1 else 1)


def _split(a: Any, indices_or_sections: Any, axis: int = 0, equal: bool = True) -> list[Any]:
    n, parts = a.shape[axis], indices_or_sections
    if not isinstance(parts, (int, np.integer)):
        cuts = [0, *(int(i) for i in parts), n]
    elif equal and n % parts:
        raise ValueError(
            f"split: {n} elements along axis {axis} do not divide into {parts} equal parts; use np.array_split"
        )
    else:
        cuts = [0, *np.cumsum([len(piece) for piece in np.array_split(np.arange(n), parts)])]
    lead = (slice(None),) * (axis % a.ndim)
    return [a[(*lead, slice(i, j))] for i, j in itertools.pairwise(cuts)]


def _expand_dims(a: Any, axis: Any) -> Any:
    return a.reshape(np.expand_dims(np.empty(a.shape, bool), axis).shape)  # NumPy knows the rules


def _broadcast_to(array: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if np.broadcast_shapes(array.shape, shape) != shape:
        raise ValueError(f"broadcast_to: an array of shape {tuple(array.shape)} does not broadcast to {shape}")
    return p.broadcast_to(array, shape)


def _full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    if isinstance(fill_value, Node):
        return p.broadcast_to(fill_value, tuple(np.shape(raw(a))))
    return np.full_like(raw(a), fill_value, dtype)


def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    labelled = np.empty(tuple(range(a.ndim)))  # axis i has length i
    return a.transpose(np.moveaxis(labelled, source, destination).shape)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (
        _arrays([x])[0] if isinstance(x, (list, tuple)) else x
        for x in (a_min if min is None else min, a_max if max is None else max)
    )
    a = a if low is None else p.maximum(a, low)
    return a if high is None else p.minimum(a, high)


def _dot(a: Any, b: Any) -> Any:
    a, b = _arrays((a, b))
    if np.ndim(raw(a)) == 0 or np.ndim(raw(b)) == 0:
        return p.mul(a, b)
    if b.ndim > 2:
        raise TypeError("np.dot of a Tensor with more than two axes is not supported; use @ or np.einsum")
    return p.matmul(a, b)


def _einsum(subscripts: Any, *operands: Any) -> Any:
    if not isinstance(subscripts, str):
        raise TypeError("np.einsum of Tensors takes its subscripts as a string, as in 'bij,bjk->bik'")
    operands = tuple(_arrays(operands))
    terms, out = _letters(subscripts.replace(" ", ""), [o.ndim for o in operands])
    if [len(t) for t in terms] != [o.ndim for o in operands]:
        raise ValueError(
            f"einsum: subscripts {subscripts!r} do not match operands of shapes {[tuple(o.shape) for o in operands]}"
        )
    if any(len(set(t)) != len(t) for t in terms):
        raise TypeError(
            f"np.einsum of Tensors: a letter repeats within one operand in {subscripts!r}; "
            "take the diagonal by indexing first"
        )
    return p.einsum(f"{','.join(terms)}->{out}", *operands)


def _letters(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The subscripts of the operands and of the result, with letters for the axes that '...' stands for."""
    ins, arrow, out = subscripts.partition("->")
    if not arrow:
        named = ins.replace(",", "").replace(".", "")
        out = "..." * ("..." in ins) + "".join(sorted(c for c in set(named) if named.count(c) == 1))
    terms = ins.split(",")
    if "..." in ins and arrow and "..." not in out and any("..." in t and n > len(t) - 3 for t, n in zip(terms, ndims)):
        raise ValueError(f"einsum: the axes of '...' are missing from the result in {subscripts!r}; write ->...{out}")
    hidden = [max(0, n - len(t) + 3) if "..." in t else 0 for t, n in zip(terms, ndims)]
    free = [c for c in string.ascii_letters if c not in subscripts][: max(hidden, default=0)]
    terms[: len(hidden)] = [t.replace("...", "".join(free[len(free) - n :])) for t, n in zip(terms, hidden)]
    return terms, out.replace("...", "".join(free))


def _triangle(keep: Callable[..., Any]) -> Callable[..., Any]:
    def triangle(m: Any, k: int = 0) -> Any:
        return p.where(keep(np.ones(m.shape[-2:], bool), k), m, 0.0)

    return triangle


def _take_along_axis(arr: Any, indices: Any, axis: int = -1) -> Any:
    positions = np.arange(arr.size).reshape(arr.shape)
    return arr.reshape(-1)[np.take_along_axis(positions, np.asarray(raw(indices)), axis)]


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    **{getattr(np, name): _reduction(name) for name in ("sum", "mean", "max", "min")},
    **{getattr(np, name): _spread(name) for name in ("var", "std")},
    np.where: _where,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.vstack: _vstack,
    np.hstack: _hstack,
    np.split: _split,
    np.array_split: lambda a, n, axis=0: _split(a, n, axis, equal=False),
    np.einsum: _einsum,
    np.dot: _dot,
    np.expand_dims: _expand_dims,
    np.broadcast_to: _broadcast_to,
    np.reshape: lambda a, shape: a.reshape(shape),
    np.ravel: lambda a: a.ravel(),
    np.squeeze: lambda a, axis=None: a.squeeze(axis),
    np.transpose: lambda a, axes=None: a.transpose(axes),
    np.matrix_transpose: lambda a: a.swapaxes(-1, -2),
    np.swapaxes: lambda a, axis1, axis2: a.swapaxes(axis1, axis2),
    np.moveaxis: _moveaxis,
    np.atleast_1d: lambda a: a.reshape(1) if a.ndim == 0 else a,
    np.clip: _clip,
    np.outer: lambda a, b: _arrays([a])[0].reshape((-1, 1)) * _arrays([b])[0].reshape((1, -1)),
    np.full_like: _full_like,
    np.tril: _triangle(np.tril),
    np.triu: _triangle(np.triu),
    np.take_along_axis: _take_along_axis,
    np.astype: lambda x, dtype: x.astype(dtype),
}

# Answers about shape or data that have no derivative: plain numbers and arrays.
FACTS = {
    np.shape, np.ndim, np.size, np.argmax, np.argmin, np.argsort, np.allclose, np.isclose, np.array_equal,
    np.zeros_like, np.ones_like, np.empty_like, np.any, np.all, np.count_nonzero, np.nonzero,
    np.array_repr, np.array_str, np.result_type,
}  # fmt: skip

INSTEAD = {
    np.prod: "np.exp(np.sum(np.log(x))) for positive x, or a product of its elements",
    np.cumsum: "x @ np.triu(np.ones((n, n)))",
    np.linalg.norm: "np.sqrt(np.sum(x * x))",
    np.median: "indexing with np.argsort(x)",
    np.sort: "indexing with np.argsort(x)",
    np.copy: "x itself, since results never change, or x.detach()",
    np.inner: "np.einsum",
    np.tensordot: "np.einsum",
    np.average: "np.sum(x * w) / np.sum(w)",
    np.pad: "np.concatenate with zeros",
    np.roll: "np.concatenate of two slices",
    np.tile: "np.concatenate, or np.broadcast_to",
    np.repeat: "indexing with np.repeat(np.arange(n), k)",
    np.flip: "slicing, as in x[::-1]",
    np.take: "indexing, as in x[i]",
    np.diff: "x[1:] - x[:-1]",
    np.trace: "np.einsum, or x[i, i].sum() with i = np.arange(n)",
    np.diagonal: "x[i, i] with i = np.arange(n)",
}


# ---- the two doors ---------------------------------------------------------------------


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
    if method == "reduce" and ufunc in REDUCTIONS and not options.keys() - {"axis", "keepdims"}:
        return getattr(inputs[0], REDUCTIONS[ufunc])(
            axis=options.get("axis", 0), keepdims=options.get("keepdims", False)
        )
    if method != "__call__":
        raise TypeError(
            f"{name}.{method} is not supported on Tensors; use operators, np.sum, np.max, indexing or np.einsum"
        )
    if options:
        raise TypeError(
            f"{name}: the option {', '.join(options)} is not supported on Tensors; "
            "use np.where for a choice, .astype for a dtype"
        )
    if ufunc in QUESTIONS:
        return portable(ufunc)(*map(raw, inputs))
    if ufunc not in UFUNCS:
        known = ", ".join(sorted(f.__name__ for f in UFUNCS))
        raise TypeError(
            f"{name} has no derivative here; supported: {known}; or use {name}(x.data) for an array without a graph"
        )
    for i, x in enumerate(inputs):
        if isinstance(x, (str, bytes, dict, set)) or x is None:
            raise TypeError(f"{name}: argument {i} is {x!r}; expected a Tensor, an array or a number")
    return UFUNCS[ufunc](*(np.asarray(x) if isinstance(x, (list, tuple)) else x for x in inputs))


def call_function(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What `Tensor.__array_function__` does."""
    name = f"np.{'linalg.' if 'linalg' in (function.__module__ or '') else ''}{function.__name__}"
    if function in FACTS:
        args = tuple(map(raw, args))
        function = getattr(namespace(args), function.__name__)
        return function(*args, **{k: raw(v) for k, v in options.items()})
    if function not in FUNCTIONS:
        instead = INSTEAD.get(
            function,
            f"operators, indexing and other functions of NumPy, or {name}(x.data) for an array without a graph",
        )
        raise TypeError(f"{name} is not supported on Tensors; use {instead}")
    try:
        inspect.signature(FUNCTIONS[function]).bind(*args, **options)
    except TypeError as error:
        raise TypeError(
            f"{name} on Tensors: {error}; leave that argument out, or use {name}(x.data) for an array without a graph"
        ) from None
    return FUNCTIONS[function](*args, **options)
