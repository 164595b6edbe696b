"""The table of primitives: the one place that knows an operation.

A row holds an operation's name, its forward on floats and on arrays, the vjp of each
argument (`lambda g, out, *args`) and each local derivative as text. To add an
operation, add a row; `value` and `tensor` turn rows into operators and methods.
How a row is made is in `rows`; those of linear algebra are in `linalg`.
"""

from __future__ import annotations

import math
import operator
from typing import Any, TypeAlias

import numpy as np

from autograd.engine.base import Data, Operand
from autograd.engine.graph import NUMBER, Node, Primitive
from autograd.engine.kinds import filled, is_bare, is_foreign, is_half, namespace, raw
from autograd.engine.recording import current
from autograd.engine.rows import TABLE as TABLE
from autograd.engine.rows import Array, array_op, binary, portable, scalar_of, unary, variadic

LN2, LN10 = math.log(2.0), math.log(10.0)

Axis: TypeAlias = int | tuple[int, ...] | None
Index: TypeAlias = Any  # whatever an array takes in brackets


# ---- what the rules share --------------------------------------------------------------


def select(condition: Operand, a: Operand, b: Operand) -> Operand:
    """a where the condition holds, b elsewhere. Rules select: they do not multiply by 0, since 0 * inf is nan."""
    if condition.__class__ is bool:
        return a if condition else b
    plain = condition.__class__ is np.ndarray and _is_float(a) and _is_float(b)
    return where.array(condition, a, b) if plain else where(condition, a, b)


def summed(g: Operand, shape: tuple[int, ...]) -> Operand:
    """Undo broadcasting: sum g down to a shape."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    stretched = [i for i, (m, n) in enumerate(zip(g.shape, (-1,) * lead + shape)) if m != n]
    g = total(g, tuple(stretched), True)
    return g.reshape(shape) if lead else g


def fit(g: Operand, like: Operand) -> Operand:
    """Undo broadcasting and promotion: g in the shape and the dtype of `like`."""
    g = summed(g, like.shape)
    return g if g.dtype == like.dtype else g.astype(like.dtype)


def _over(g: Operand, count: Operand) -> Operand:
    """g / count in the dtype of g, although float16 counts no further than 65504."""
    if is_half(g.dtype):
        return (g.astype(np.float32) / count).astype(g.dtype)
    return g / (count if isinstance(count, int) else count.astype(g.dtype))


def _kept(x: Operand, axis: Axis) -> tuple[int, ...]:
    """The shape of x after a reduction over `axis` that keeps the dimensions."""
    if axis is None:
        return (1,) * x.ndim
    gone = {i % max(1, x.ndim) for i in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in gone else n for i, n in enumerate(x.shape))


def _unreduced(g: Operand, x: Operand, axis: Axis) -> Operand:
    """The gradient of a reduction with the axes that it lost, of length 1."""
    return g if g.ndim == x.ndim else g.reshape(_kept(x, axis))


def _spread(g: Operand, x: Operand, axis: Axis) -> Operand:
    """The gradient of a sum: g, at every element that was summed."""
    return broadcast_to(_unreduced(g, x, axis), x.shape)


def _count(x: Operand, out: Operand) -> int:
    """How many elements of x a reduction joined into each one of `out`."""
    return int(x.size // max(1, out.size))


def _extreme(g: Operand, out: Operand, x: Operand, axis: Axis, keep: bool) -> Operand:
    """The gradient of max and min: g at the extreme element; those that tie share it. A nan is the extreme."""
    data, best = raw(x), raw(out).reshape(_kept(x, axis))
    hit = (data == best) | (data != data)
    return where(hit, _over(_unreduced(g, x, axis), hit.sum(axis=axis, keepdims=True)), 0.0)


def _lead(y: Operand) -> Operand:
    """1, and then y without its last, along the last axis: products of all elements before."""
    return concatenate(-1, filled(raw(y)[..., :1], 1.0), y[..., :-1])


def others(x: Operand) -> Operand:
    """For each element the product of all others along the last axis: dividing out by x would fail at 0."""
    return _lead(cumprod(x, -1)) * _lead(cumprod(x[..., ::-1], -1))[..., ::-1]


def _prod_a(g: Operand, out: Operand, x: Operand, axis: Axis, keep: bool) -> Operand:
    if not x.size:
        return flat(x, out)
    gone = [i for i, (m, n) in enumerate(zip(_kept(x, axis), x.shape)) if m != n]
    order = (*(i for i in range(x.ndim) if i not in gone), *gone)
    moved = x.transpose(order)
    line = moved.reshape((*moved.shape[: x.ndim - len(gone)], math.prod(x.shape[i] for i in gone)))
    back = others(line).reshape(moved.shape).transpose(tuple(order.index(i) for i in range(x.ndim)))
    return _unreduced(g, x, axis) * back


def _cumprod_a(g: Operand, out: Operand, x: Operand, axis: int) -> Operand:
    """The product before i times s[i] = g[i] + x[i + 1] * s[i + 1]: no division, so zeros are no exception.

    The recurrence is solved by doubling: after each round s[i] covers twice as many g, and a[i] is
    the product of as many x.
    """
    if not x.size:
        return g
    g, out, x = (t.swapaxes(axis, -1) for t in (g, out, x.reshape(out.shape)))  # NumPy gives (1,) for ()
    s, a, step, n = g, x[..., 1:], 1, x.shape[-1]
    while step < n:
        s = concatenate(-1, s[..., :-step] + a * s[..., step:], s[..., n - step :])
        a, step = a[..., :-step] * a[..., step:], 2 * step
    return (_lead(out) * s).swapaxes(axis, -1)


def _cumsum_a(g: Operand, out: Operand, x: Operand, axis: int) -> Operand:
    backwards = (*(slice(None) for _ in range(axis % g.ndim)), slice(None, None, -1))
    return cumsum(g[backwards], axis)[backwards]


_BASIC = {int, slice, type(None), type(...)}


def _is_basic(index: Index) -> bool:
    """True for an index of ints, slices, None and ... only, which never picks an element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return _BASIC.issuperset(map(type, parts)) or all(
        p is None or p is Ellipsis or (isinstance(p, (int, slice, np.integer)) and not isinstance(p, bool))
        for p in parts
    )


def _pow_a(g: Operand, out: Operand, a: Operand, b: Operand) -> Operand:
    if isinstance(b, NUMBER):
        return g * b * power(a, b - 1) if b else flat(g, out)
    constant = not isinstance(b, Node)
    if constant:  # x^0 has slope 0, whatever x is
        none = b == 0
        return select(none, 0.0, g) * b * power(select(none, 1.0, a), b - 1)
    return g * b * power(a, b - 1 + 1 * ((raw(a) == 0) & (raw(b) == 0)))  # at x = 0 too


def _pow_b(g: Operand, out: Operand, a: Operand, b: Operand) -> Operand:
    none = (raw(a) == 0) & (raw(b) >= 0)  # 0^x has slope 0 for x > 0
    return select(none, 0.0, g) * out * log(select(none, 1.0, a))


def _hypot_a(g: Operand, out: Operand, a: Operand) -> Operand:
    at_0 = raw(out) == 0  # a corner, as that of abs
    return select(at_0, 0.0, g) * (a / select(at_0, 1.0, out))


def _apart(a: Operand, b: Operand) -> Operand:
    """a - b, and 0 between an infinity and itself."""
    same = (raw(a) == raw(b)) & (abs(raw(a)) == math.inf)
    return select(same, 0.0, a) - select(same, 0.0, b)


def _larger(g: Operand, a: Operand, b: Operand) -> Operand:
    """g where a > b, and half of it where they are equal; a nan takes g on."""
    return select(a < b, 0.0, select(raw(a) == raw(b), 0.5 * g, g))


def _unless_0(g: Operand, a: Operand) -> Operand:
    """g, but 0 where a is 0."""
    return select(raw(a) == 0, 0.0, g)


def _unless_nan(g: Operand, a: Operand) -> Operand:
    """g, but 0 where a is nan."""
    return select(raw(a) != raw(a), 0.0, g)


def flat(g: Operand, out: Operand, *args: Operand) -> Operand:
    """The rule of a function that is flat: 0, also where g is inf or nan."""
    g = raw(g)
    return 0.0 if g.__class__ is float else filled(g, 0.0)


def _matmul_a(g: Operand, out: Operand, a: Operand, b: Operand) -> Operand:
    if b.ndim == 1:
        return g.reshape((*g.shape, 1)) * b
    if a.ndim == 1:
        lead = g.shape[:-1]
        return (g.reshape((*lead, 1, g.shape[-1])) @ b.swapaxes(-1, -2)).reshape((*lead, a.shape[0]))
    return _matmul(g, b.swapaxes(-1, -2))


def _matmul_b(g: Operand, out: Operand, a: Operand, b: Operand) -> Operand:
    if b.ndim == 1:
        return a * g.reshape((*g.shape, 1))
    if a.ndim == 1:
        return a.reshape((-1, 1)) * g.reshape((*g.shape[:-1], 1, g.shape[-1]))
    if b.ndim == 2 and a.ndim > 2:
        rows = math.prod(a.shape[:-1])
        a, g = a.reshape((rows, a.shape[-1])), g.reshape((rows, g.shape[-1]))
    return _matmul(a.swapaxes(-1, -2), g)


def _concatenate_i(i: int, g: Operand, out: Operand, axis: int, *arrays: Operand) -> Operand:
    start = sum(x.shape[axis] for x in arrays[: i - 1])
    along = (slice(None),) * (axis % g.ndim)
    return g[(*along, slice(start, start + arrays[i - 1].shape[axis]))]


def _einsum_i(i: int, g: Operand, out: Operand, subscripts: str, *arrays: Operand) -> Operand:
    """The gradient of an operand is an einsum of g with the other operands."""
    ins, result = subscripts.split("->")
    terms = ins.split(",")
    x, own = arrays[i - 1], terms[i - 1]
    others = [t for j, t in enumerate(terms) if j != i - 1]
    letters = "".join(dict.fromkeys(own))
    kept = "".join(c for c in letters if any(c in t for t in (result, *others)))
    c = einsum(f"{','.join((result, *others))}->{kept}", g, *(a for j, a in enumerate(arrays) if j != i - 1))
    # A letter in no other term was only summed over: g is the same all along it.
    c = c.reshape(tuple(c.shape[kept.index(k)] if k in kept else 1 for k in letters))
    sizes = tuple(x.shape[own.index(k)] for k in letters)
    c = broadcast_to(c, tuple(n if m == 1 else m for m, n in zip(c.shape, sizes)))
    return c if letters == own else scatter_add(summed(c, sizes), _diagonal(own, letters, sizes), x.shape)


def _diagonal(own: str, letters: str, sizes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Where the elements of an operand stand that einsum reads, when a letter repeats in it."""
    grid = dict(zip(letters, np.ix_(*map(np.arange, sizes))))
    return tuple(grid[k] for k in own)


# ---- forwards that need more than one call ---------------------------------------------


def _sigmoid(x: Data) -> Data:
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    xp = namespace([x])
    return xp.exp(-xp.logaddexp(xp.zeros_like(x), -x))  # no overflow, and exact in both tails


def _logaddexp(a: float, b: float) -> float:
    if a == b:
        return a + LN2
    high, low = (a, b) if a > b else (b, a)
    return high + math.log1p(math.exp(low - high))


def _complex_logaddexp(a: Data, b: Data) -> Data:
    high = np.maximum(np.real(a), np.real(b))
    return high + np.log(np.exp(a - high) + np.exp(b - high))


def _complex_logaddexp2(a: Data, b: Data) -> Data:
    return _complex_logaddexp(a * LN2, b * LN2) / LN2


def _complex_cbrt(x: Data) -> Data:
    side = np.copysign(1.0, np.real(x))
    return side * (side * x) ** (1 / 3)


def _complex_hypot(a: Data, b: Data) -> Data:
    return np.sqrt(a * a + b * b)


_WHOLE = (np.dtype(np.float64), np.dtype(np.float32))
_add_reduce: Array = np.add.reduce  # what x.sum calls, without the detour through Python


def _sum(x: Data, axis: Axis, keepdims: bool) -> Data:
    if type(x) is np.ndarray and x.dtype in _WHOLE:
        return _add_reduce(x, axis=axis, keepdims=keepdims)
    if is_half(x.dtype):  # as np.mean does
        return x.astype(np.float32).sum(axis=axis, keepdims=keepdims).astype(x.dtype)
    return x.sum(axis=axis, keepdims=keepdims)


def _mean(x: Data, axis: Axis, keepdims: bool) -> Data:
    if is_half(x.dtype):
        return x.astype(np.float32).mean(axis=axis, keepdims=keepdims).astype(x.dtype)
    whole = _sum(x, axis, keepdims)
    return whole / _count(x, whole)


def _cumsum(x: Data, axis: int) -> Data:
    if is_half(x.dtype):
        return x.astype(np.float32).cumsum(axis=axis).astype(x.dtype)
    return x.cumsum(axis=axis)


def _matmul(a: Data, b: Data) -> Data:
    if type(a) is np.ndarray and type(b) is np.ndarray and b.ndim == 2:
        if a.ndim == 2:
            return a.dot(b)
        if a.ndim > 2:  # one BLAS call instead of one per leading index
            return a.reshape((math.prod(a.shape[:-1]), a.shape[-1])).dot(b).reshape((*a.shape[:-1], b.shape[-1]))
    narrow = current().product
    if narrow is None or not is_bare(a) or not is_bare(b):
        return a @ b
    wide = namespace([a]).result_type(a, b)
    return namespace([a]).matmul(a.astype(narrow), b.astype(narrow), preferred_element_type=wide)


def _broadcast_to(x: Data, shape: tuple[int, ...]) -> Data:
    if type(x) is not np.ndarray:
        return namespace([x]).broadcast_to(x, shape) if is_foreign(x) else np.full(shape, x)
    out = np.empty(shape, x.dtype)  # several times faster than np.broadcast_to on small arrays
    out[...] = x
    return out


def _getitem(x: Data, index: Index) -> Data:
    if isinstance(x, np.ndarray) or not is_bare(x):
        return x[index]
    # For an index out of range JAX takes the nearest: known ones raise, as NumPy's do, traced ones give nan.
    if not any(map(is_foreign, index if isinstance(index, tuple) else (index,))):
        np.broadcast_to(False, x.shape)[index]
    return x[index] if _is_basic(index) else x.at[index].get(mode="fill", fill_value=math.nan)


def _scatter_add(g: Data, index: Index, shape: tuple[int, ...]) -> Data:
    wide = np.float32 if is_half(g.dtype) else g.dtype
    if is_foreign(g):  # JAX arrays cannot be written to
        return namespace([g]).zeros(shape, wide).at[index].add(g).astype(g.dtype)
    if _is_basic(index):
        out = np.zeros(shape, g.dtype)
        out[index] = g
        return out
    out = np.zeros(shape, wide)
    np.add.at(out, index, g)
    return out.astype(g.dtype, copy=False)


def _where(condition: Data, a: Data, b: Data) -> Data:
    if type(condition) is np.ndarray and condition.size > 4096 and condition.dtype == bool:
        if b.__class__ is float and str(b) == "0.0" and _is_float_array(a):
            return _masked(a, condition)
        if a.__class__ is float and str(a) == "0.0" and _is_float_array(b):
            return _masked(b, ~condition)
    a, b = _alike(a, b), _alike(b, a)
    return namespace((condition, a, b)).where(condition, a, b)


def _alike(x: Data, other: Data) -> Data:
    """A number of Python beside an array of ml_dtypes in its dtype, as it would be beside one of NumPy's."""
    strange = isinstance(other, (np.ndarray, np.generic)) and other.dtype.kind == "V"
    return np.asarray(x, other.dtype) if strange and x.__class__ in NUMBER else x


def _is_float_array(x: Data) -> bool:
    return type(x) is np.ndarray and x.dtype.kind == "f" and x.itemsize <= 8


def _is_float(x: Operand) -> bool:
    return x.__class__ is float or (x.__class__ is np.ndarray and x.dtype.kind == "f")


def _masked(x: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """x where `keep` holds, and 0 elsewhere, by bits.

    This is what the rules do to large gradients, and np.where branches at every element: for a
    million float32 and a random mask 14.7 ms against 1.0, where the product with the mask takes 0.5.
    """
    bits = f"i{x.itemsize}"
    return (x.view(bits) & -keep.astype(bits)).view(x.dtype)


def _concatenate(axis: int, *arrays: Data) -> Data:
    return namespace(arrays).concatenate(arrays, axis=axis)


def _einsum(subscripts: str, *arrays: Data) -> Data:
    half = all(is_half(x.dtype) for x in arrays)
    dtype = arrays[0].dtype
    if half:  # as _sum
        arrays = tuple(x.astype(np.float32) for x in arrays)
    # From three operands on the order of the products matters; for two, looking for it is all cost.
    out = namespace(arrays).einsum(subscripts, *arrays, optimize=len(arrays) > 2)
    return out.astype(dtype) if half else out


# ---- the table -------------------------------------------------------------------------
# fmt: off
add = binary("add", operator.add, operator.add, lambda g, out, a, b: g, lambda g, out, a, b: g, ("1", "1"), "+")
sub = binary("sub", operator.sub, operator.sub, lambda g, out, a, b: g, lambda g, out, a, b: -g, ("1", "-1"), "-")
mul = binary("mul", operator.mul, operator.mul, lambda g, out, a, b: g * b, lambda g, out, a, b: g * a, ("b", "a"), "*")
div = binary("div", operator.truediv, operator.truediv,
             lambda g, out, a, b: g / b, lambda g, out, a, b: -g * out / b, ("1 / b", "-out / b"), "/")
power = binary("pow", math.pow, operator.pow, _pow_a, _pow_b, ("b * a**(b - 1)", "out * log(a)"), "**")
hypot = binary("hypot", math.hypot, portable(np.hypot, _complex_hypot), lambda g, out, a, b: _hypot_a(g, out, a),
               lambda g, out, a, b: _hypot_a(g, out, b), ("a / out (0 at 0)", "b / out (0 at 0)"))
arctan2 = binary("arctan2", math.atan2, np.arctan2,
                 lambda g, out, a, b: g * (b / hypot(a, b)) / hypot(a, b),
                 lambda g, out, a, b: -g * (a / hypot(a, b)) / hypot(a, b),
                 ("b / (a² + b²)", "-a / (a² + b²)"), analytic=False)
logaddexp = binary("logaddexp", _logaddexp, portable(np.logaddexp, _complex_logaddexp),
                   lambda g, out, a, b: g * sigmoid(_apart(a, b)), lambda g, out, a, b: g * sigmoid(_apart(b, a)),
                   ("sigmoid(a - b)", "sigmoid(b - a)"))
logaddexp2 = binary("logaddexp2", scalar_of(np.logaddexp2), portable(np.logaddexp2, _complex_logaddexp2),
                    lambda g, out, a, b: g * sigmoid(LN2 * _apart(a, b)),
                    lambda g, out, a, b: g * sigmoid(LN2 * _apart(b, a)),
                    ("sigmoid((a - b) * log(2))", "sigmoid((b - a) * log(2))"))
maximum = binary("maximum", lambda a, b: a if a >= b or a != a else b, np.maximum,
                 lambda g, out, a, b: _larger(g, a, b), lambda g, out, a, b: _larger(g, b, a),
                 ("1 if a > b else 0 (1/2 if equal)", "1 if b > a else 0 (1/2 if equal)"), "max", analytic=False)
minimum = binary("minimum", lambda a, b: a if a <= b or a != a else b, np.minimum,
                 lambda g, out, a, b: _larger(g, b, a), lambda g, out, a, b: _larger(g, a, b),
                 ("1 if a < b else 0 (1/2 if equal)", "1 if b < a else 0 (1/2 if equal)"), "min", analytic=False)
fmax = binary("fmax", lambda a, b: a if a >= b or b != b else b, np.fmax,
              lambda g, out, a, b: _unless_nan(_larger(g, a, b), a),
              lambda g, out, a, b: _unless_nan(_larger(g, b, a), b),
              ("1 if a > b else 0 (1/2 if equal)", "1 if b > a else 0 (1/2 if equal)"), analytic=False)
fmin = binary("fmin", lambda a, b: a if a <= b or b != b else b, np.fmin,
              lambda g, out, a, b: _unless_nan(_larger(g, b, a), a),
              lambda g, out, a, b: _unless_nan(_larger(g, a, b), b),
              ("1 if a < b else 0 (1/2 if equal)", "1 if b < a else 0 (1/2 if equal)"), analytic=False)
remainder = binary("remainder", operator.mod, np.remainder,
                   lambda g, out, a, b: g, lambda g, out, a, b: -g * floor_divide(raw(a), raw(b)),
                   ("1", "-floor(a / b)"), "%", analytic=False)
fmod = binary("fmod", math.fmod, np.fmod,  # the whole part of a / b from out: a / b itself may round up to it
              lambda g, out, a, b: g, lambda g, out, a, b: -g * rint(div(raw(a) - raw(out), raw(b))),
              ("1", "-trunc(a / b)"), analytic=False)
floor_divide: Primitive = binary("floor_divide", operator.floordiv, np.floor_divide, flat, flat, ("0", "0"), "//",
                                 analytic=False)
copysign = binary("copysign", math.copysign, np.copysign,
                  lambda g, out, a, b: _unless_0(g, a) * (sign(raw(a)) * sign(raw(out))), flat,
                  ("sign(a) * sign(out)", "0"), analytic=False)
heaviside = binary("heaviside", scalar_of(np.heaviside), np.heaviside, flat,
                   lambda g, out, a, b: select(raw(a) == 0, g, 0.0), ("0", "1 if a = 0 else 0"), analytic=False)

identity = unary("identity", float, lambda x: x, lambda g, out, a: g, "1")
neg = unary("neg", operator.neg, operator.neg, lambda g, out, a: -g, "-1", "-")
square = unary("square", lambda a: a * a, np.square, lambda g, out, a: 2 * g * a, "2 * a")
sqrt = unary("sqrt", math.sqrt, np.sqrt, lambda g, out, a: g / (2 * out), "1 / (2 * out)")
cbrt = unary("cbrt", math.cbrt, portable(np.cbrt, _complex_cbrt),
             lambda g, out, a: g / 3 / out / out, "1 / (3 * out²)")
exp = unary("exp", math.exp, np.exp, lambda g, out, a: g * out, "out")
exp2 = unary("exp2", math.exp2, np.exp2, lambda g, out, a: g * out * LN2, "out * log(2)")
expm1 = unary("expm1", math.expm1, np.expm1, lambda g, out, a: g * (out + 1), "out + 1")
log = unary("log", math.log, np.log, lambda g, out, a: g / a, "1 / a")
log2 = unary("log2", math.log2, np.log2, lambda g, out, a: g / LN2 / a, "1 / (a * log(2))")
log10 = unary("log10", math.log10, np.log10, lambda g, out, a: g / LN10 / a, "1 / (a * log(10))")
log1p = unary("log1p", math.log1p, np.log1p, lambda g, out, a: g / (1 + a), "1 / (1 + a)")
sin = unary("sin", math.sin, np.sin, lambda g, out, a: g * cos(a), "cos(a)")
cos: Primitive = unary("cos", math.cos, np.cos, lambda g, out, a: -g * sin(a), "-sin(a)")
tan = unary("tan", math.tan, np.tan, lambda g, out, a: g * (1 + out * out), "1 + out²")
arcsin = unary("arcsin", math.asin, np.arcsin, lambda g, out, a: g / sqrt((1 - a) * (1 + a)), "1 / sqrt(1 - a²)")
arccos = unary("arccos", math.acos, np.arccos, lambda g, out, a: -g / sqrt((1 - a) * (1 + a)), "-1 / sqrt(1 - a²)")
arctan = unary("arctan", math.atan, np.arctan, lambda g, out, a: g / (1 + a * a), "1 / (1 + a²)")
sinh = unary("sinh", math.sinh, np.sinh, lambda g, out, a: g * cosh(a), "cosh(a)")
cosh: Primitive = unary("cosh", math.cosh, np.cosh, lambda g, out, a: g * sinh(a), "sinh(a)")
tanh = unary("tanh", math.tanh, np.tanh, lambda g, out, a: g * (1 - out * out), "1 - out²")
arcsinh = unary("arcsinh", math.asinh, np.arcsinh, lambda g, out, a: g / hypot(a, 1.0), "1 / sqrt(1 + a²)")
arccosh = unary("arccosh", math.acosh, np.arccosh, lambda g, out, a: g / (sqrt(a - 1) * sqrt(a + 1)),
                "1 / sqrt(a² - 1)")
arctanh = unary("arctanh", math.atanh, np.arctanh, lambda g, out, a: g / ((1 - a) * (1 + a)), "1 / (1 - a²)")
sigmoid: Primitive = unary("sigmoid", lambda a: 1 / (1 + math.exp(-a)), _sigmoid,
                lambda g, out, a: g * out * (1 - out), "out * (1 - out)")
relu = unary("relu", lambda a: 0.0 if a <= 0 else a, lambda x: maximum.array(x, 0.0),
             lambda g, out, a: select(a <= 0, 0.0, g), "1 if a > 0 else 0", "ReLU", analytic=False)
absolute = unary("abs", abs, abs, lambda g, out, a: _unless_0(g, a) * sign(a),
                 "1 if a > 0 else -1 (0 at 0)", analytic=False)
sign: Primitive = unary("sign", lambda a: a if a != a else float(a > 0) - float(a < 0), np.sign, flat, "0",
                        analytic=False)
floor = unary("floor", scalar_of(np.floor), np.floor, flat, "0", analytic=False)
ceil = unary("ceil", scalar_of(np.ceil), np.ceil, flat, "0", analytic=False)
trunc = unary("trunc", scalar_of(np.trunc), np.trunc, flat, "0", analytic=False)
rint: Primitive = unary("rint", scalar_of(np.rint), np.rint, flat, "0", analytic=False)

total = array_op("sum", _sum, lambda g, out, x, axis, keep: _spread(g, x, axis), local=("g, at every element summed",))
mean = array_op("mean", _mean, lambda g, out, x, axis, keep: _spread(_over(g, _count(x, out)), x, axis),
                local=("g / count, at every element averaged",))
amax = array_op("max", lambda x, axis, keep: x.max(axis=axis, keepdims=keep), _extreme,
                local=("g, at the largest element",), analytic=False)
amin = array_op("min", lambda x, axis, keep: x.min(axis=axis, keepdims=keep), _extreme,
                local=("g, at the smallest element",), analytic=False)
prod = array_op("prod", lambda x, axis, keep: x.prod(axis=axis, keepdims=keep), _prod_a,
                local=("g times the product of the other elements",))
cumsum: Primitive = array_op("cumsum", _cumsum, _cumsum_a, local=("g, summed from here to the end",))
cumprod: Primitive = array_op("cumprod", lambda x, axis: x.cumprod(axis=axis), _cumprod_a,
                              local=("g times the product of the other elements, summed from here to the end",))
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
getitem = array_op("getitem", _getitem, lambda g, out, x, index: scatter_add(g, index, x.shape),
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
