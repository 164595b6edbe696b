"""The table of primitives: the one place that knows an operation.

A row holds an operation's name, its forward on floats and on arrays, the vjp of each
argument (`lambda g, out, *args`) and each local derivative as text. To add an
operation, add a row; `value` and `tensor` turn rows into operators and methods.
How a row is made is in `rows`; those of linear algebra are in `linalg`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.engine.graph import NUMBER, Primitive
from autograd.engine.kinds import filled, is_foreign, namespace, raw
from autograd.engine.rows import TABLE as TABLE
from autograd.engine.rows import array_op, binary, unary, variadic

# ---- what the rules share --------------------------------------------------------------


def fit(g: Any, like: Any) -> Any:
    """Undo broadcasting and promotion: sum g down to the shape of `like`, in its dtype."""
    shape = like.shape
    if g.shape != shape:
        lead = g.ndim - len(shape)
        stretched = [i for i, (m, n) in enumerate(zip(g.shape, (-1,) * lead + shape)) if m != n]
        g = total(g, tuple(stretched), True)
        g = g.reshape(shape) if lead else g
    return g if g.dtype == like.dtype else g.astype(like.dtype)


def _kept(x: Any, axis: Any) -> tuple[int, ...]:
    """The shape of x after a reduction over `axis` that keeps the dimensions."""
    if axis is None:
        return (1,) * x.ndim
    gone = {i % max(1, x.ndim) for i in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in gone else n for i, n in enumerate(x.shape))


def _spread(g: Any, x: Any, axis: Any) -> Any:
    """The gradient of a sum: g, at every element that was summed."""
    return broadcast_to(g if g.ndim == x.ndim else g.reshape(_kept(x, axis)), x.shape)


def _count(x: Any, out: Any) -> int:
    """How many elements of x a reduction joined into each one of `out`."""
    return int(x.size // max(1, out.size))


def _share(x: Any, out: Any, axis: Any) -> Any:
    """Which element was the extreme one; elements that tie share it equally."""
    if x.ndim == 0:
        return filled(raw(x), 1.0)
    x, hit = raw(x), raw(x) == raw(out).reshape(_kept(x, axis))
    return (hit / hit.sum(axis=axis, keepdims=True)).astype(x.dtype)


def _is_basic(index: Any) -> bool:
    """True for an index of ints, slices, None and ... only, which never picks an element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None or p is Ellipsis or (isinstance(p, (int, slice, np.integer)) and not isinstance(p, bool))
        for p in parts
    )


def _pow_a(g: Any, out: Any, a: Any, b: Any) -> Any:
    if isinstance(b, NUMBER) and b:
        return g * b * power(a, b - 1)
    return g * b * power(a, b - 1 + 1 * ((raw(a) == 0) & (raw(b) == 0)))  # x^0 has slope 0, at x = 0 too


def _pow_b(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g * out * log(a + (raw(a) == 0))  # 0^x has slope 0 for x > 0


def _matmul_a(g: Any, out: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return g.reshape((*g.shape, 1)) * b
    if a.ndim == 1:
        lead = g.shape[:-1]
        return (g.reshape((*lead, 1, g.shape[-1])) @ b.swapaxes(-1, -2)).reshape((*lead, a.shape[0]))
    return _matmul(g, b.swapaxes(-1, -2))


def _matmul_b(g: Any, out: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return a * g.reshape((*g.shape, 1))
    if a.ndim == 1:
        return a.reshape((-1, 1)) * g.reshape((*g.shape[:-1], 1, g.shape[-1]))
    if b.ndim == 2 and a.ndim > 2:
        rows = math.prod(a.shape[:-1])
        a, g = a.reshape((rows, a.shape[-1])), g.reshape((rows, g.shape[-1]))
    return _matmul(a.swapaxes(-1, -2), g)


def _concatenate_i(i: int, g: Any, out: Any, axis: int, *arrays: Any) -> Any:
    start = sum(x.shape[axis] for x in arrays[: i - 1])
    along = (slice(None),) * (axis % g.ndim)
    return g[(*along, slice(start, start + arrays[i - 1].shape[axis]))]


def _einsum_i(i: int, g: Any, out: Any, subscripts: str, *arrays: Any) -> Any:
    """The gradient of an operand is an einsum of g with the other operands."""
    ins, result = subscripts.split("->")
    terms = ins.split(",")
    x, own = arrays[i - 1], terms[i - 1]
    others = [t for j, t in enumerate(terms) if j != i - 1]
    kept = "".join(c for c in own if any(c in t for t in (result, *others)))
    c = einsum(f"{','.join((result, *others))}->{kept}", g, *(a for j, a in enumerate(arrays) if j != i - 1))
    # A letter in no other term was only summed over: g is the same all along it.
    c = c.reshape(tuple(c.shape[kept.index(k)] if k in kept else 1 for k in own))
    return broadcast_to(c, tuple(max(m, n) for m, n in zip(c.shape, x.shape, strict=True)))


# ---- forwards that need more than one call ---------------------------------------------


def _sigmoid(x: Any) -> Any:
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    xp = namespace([x])
    return xp.exp(-xp.logaddexp(xp.zeros_like(x), -x))  # no overflow, and exact in both tails


_add_reduce: Callable[..., Any] = np.add.reduce  # what x.sum calls, without the detour through Python


def _sum(x: Any, axis: Any, keepdims: bool) -> Any:
    if type(x) is np.ndarray:
        return _add_reduce(x, axis=axis, keepdims=keepdims)
    return x.sum(axis=axis, keepdims=keepdims)


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype == np.float16:
        return x.mean(axis=axis, keepdims=keepdims)  # which sums in float32
    summed = _sum(x, axis, keepdims)
    return summed / _count(x, summed)


def _matmul(a: Any, b: Any) -> Any:
    if type(a) is np.ndarray and type(b) is np.ndarray and b.ndim == 2:
        if a.ndim == 2:
            return a.dot(b)
        if a.ndim > 2:  # one BLAS call instead of one per leading index
            return a.reshape((math.prod(a.shape[:-1]), a.shape[-1])).dot(b).reshape((*a.shape[:-1], b.shape[-1]))
    return a @ b


def _broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    if type(x) is not np.ndarray:
        return namespace([x]).broadcast_to(x, shape) if is_foreign(x) else np.full(shape, x)
    out = np.empty(shape, x.dtype)  # several times faster than np.broadcast_to on small arrays
    out[...] = x
    return out


def _scatter_add(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    if is_foreign(g):  # JAX arrays cannot be written to
        return namespace([g]).zeros(shape, g.dtype).at[index].add(g)
    out = np.zeros(shape, g.dtype)
    if _is_basic(index):
        out[index] = g
    else:
        np.add.at(out, index, g)
    return out


def _where(condition: Any, a: Any, b: Any) -> Any:
    return namespace((condition, a, b)).where(condition, a, b)


def _concatenate(axis: int, *arrays: Any) -> Any:
    return namespace(arrays).concatenate(arrays, axis=axis)


def _einsum(subscripts: str, *arrays: Any) -> Any:
    return namespace(arrays).einsum(subscripts, *arrays)


# ---- the table -------------------------------------------------------------------------
# fmt: off
add = binary("add", operator.add, operator.add, lambda g, out, a, b: g, lambda g, out, a, b: g, ("1", "1"), "+")
sub = binary("sub", operator.sub, operator.sub, lambda g, out, a, b: g, lambda g, out, a, b: -g, ("1", "-1"), "-")
mul = binary("mul", operator.mul, operator.mul, lambda g, out, a, b: g * b, lambda g, out, a, b: g * a, ("b", "a"), "*")
div = binary("div", operator.truediv, operator.truediv,
             lambda g, out, a, b: g / b, lambda g, out, a, b: -g * out / b, ("1 / b", "-out / b"), "/")
power = binary("pow", math.pow, operator.pow, _pow_a, _pow_b, ("b * a**(b - 1)", "out * log(a)"), "**")
maximum = binary("maximum", lambda a, b: a if a >= b or a != a else b, np.maximum,
                 lambda g, out, a, b: g * (0.5 * (a > b) + 0.5 * (a >= b)),
                 lambda g, out, a, b: g * (0.5 * (b > a) + 0.5 * (b >= a)),
                 ("1 if a > b else 0 (1/2 if equal)", "1 if b > a else 0 (1/2 if equal)"), "max", analytic=False)
minimum = binary("minimum", lambda a, b: a if a <= b or a != a else b, np.minimum,
                 lambda g, out, a, b: g * (0.5 * (a < b) + 0.5 * (a <= b)),
                 lambda g, out, a, b: g * (0.5 * (b < a) + 0.5 * (b <= a)),
                 ("1 if a < b else 0 (1/2 if equal)", "1 if b < a else 0 (1/2 if equal)"), "min", analytic=False)

identity = unary("identity", float, lambda x: x, lambda g, out, a: g, "1")
neg = unary("neg", operator.neg, operator.neg, lambda g, out, a: -g, "-1", "-")
exp = unary("exp", math.exp, np.exp, lambda g, out, a: g * out, "out")
log = unary("log", math.log, np.log, lambda g, out, a: g / a, "1 / a")
sqrt = unary("sqrt", math.sqrt, np.sqrt, lambda g, out, a: g / (2 * out), "1 / (2 * out)")
square = unary("square", lambda a: a * a, np.square, lambda g, out, a: 2 * g * a, "2 * a")
sin = unary("sin", math.sin, np.sin, lambda g, out, a: g * cos(a), "cos(a)")
cos: Primitive = unary("cos", math.cos, np.cos, lambda g, out, a: -g * sin(a), "-sin(a)")
tanh = unary("tanh", math.tanh, np.tanh, lambda g, out, a: g * (1 - out * out), "1 - out²")
sigmoid = unary("sigmoid", lambda a: 1 / (1 + math.exp(-a)), _sigmoid,
                lambda g, out, a: g * out * (1 - out), "out * (1 - out)")
relu = unary("relu", lambda a: 0.0 if a <= 0 else a, lambda x: maximum.array(x, 0.0), lambda g, out, a: g * (a > 0),
             "1 if a > 0 else 0", "ReLU", analytic=False)
log1p = unary("log1p", math.log1p, np.log1p, lambda g, out, a: g / (1 + a), "1 / (1 + a)")
expm1 = unary("expm1", math.expm1, np.expm1, lambda g, out, a: g * (out + 1), "out + 1")
sign = unary("sign", lambda a: a if a != a else float(a > 0) - float(a < 0), np.sign,
             lambda g, out, a: g * 0.0, "0", analytic=False)
absolute = unary("abs", abs, abs, lambda g, out, a: g * sign(a), "1 if a > 0 else -1 (0 at 0)", analytic=False)

total = array_op("sum", _sum, lambda g, out, x, axis, keep: _spread(g, x, axis), local=("g, at every element summed",))
mean = array_op("mean", _mean, lambda g, out, x, axis, keep: _spread(g / _count(x, out), x, axis),
                local=("g / count, at every element averaged",))
amax = array_op("max", lambda x, axis, keep: x.max(axis=axis, keepdims=keep),
                lambda g, out, x, axis, keep: _spread(g, x, axis) * _share(x, out, axis),
                local=("g, at the largest element",), analytic=False)
amin = array_op("min", lambda x, axis, keep: x.min(axis=axis, keepdims=keep),
                lambda g, out, x, axis, keep: _spread(g, x, axis) * _share(x, out, axis),
                local=("g, at the smallest element",), analytic=False)
matmul = array_op("matmul", _matmul, _matmul_a, _matmul_b, local=("g @ bᵀ", "aᵀ @ g"))
einsum = variadic("einsum", _einsum, _einsum_i, "einsum of g and the other operands")
reshape = array_op("reshape", lambda x, shape: x.reshape(shape), lambda g, out, x, shape: g.reshape(x.shape),
                   local=("g, in the old shape",))
transpose = array_op("transpose", lambda x, axes: x.transpose(axes),
                     lambda g, out, x, axes: g.transpose(tuple(axes.index(i) for i in range(len(axes)))),
                     local=("g, its axes put back",))
swapaxes = array_op("swapaxes", lambda x, i, j: x.swapaxes(i, j), lambda g, out, x, i, j: g.swapaxes(i, j),
                    local=("g, its axes swapped back",))
broadcast_to = array_op("broadcast_to", _broadcast_to, lambda g, out, x, shape: fit(g, x),
                        local=("g, summed over the copies",))
getitem = array_op("getitem", lambda x, index: x[index], lambda g, out, x, index: scatter_add(g, index, x.shape),
                   local=("g, put back where it was taken",))
scatter_add: Primitive = array_op("scatter_add", _scatter_add, lambda g, out, x, index, shape: g[index],
                                  local=("g, taken from where it was put",))
concatenate = variadic("concatenate", _concatenate, _concatenate_i, "g, its own part")
where: Primitive = array_op("where", _where, None,
                            lambda g, out, c, a, b: where(c, g, 0.0), lambda g, out, c, a, b: where(c, 0.0, g),
                            local=("", "g where the condition holds", "g where it does not"))
astype = array_op("astype", lambda x, dtype: x.astype(dtype), lambda g, out, x, dtype: g.astype(x.dtype),
                  local=("g, in the old dtype",), analytic=False)
# fmt: on
