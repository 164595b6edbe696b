"""Fused rows: one operation in the place of many, for layers that neural networks are made of.

A row here stands for a composition, which is the definition: `fuse` enters the row of a
function's name into the table, and on Tensors and arrays the row is applied; on Values and inside
`unfused()` the function itself runs. Rules are written as all rules are, and agree with the
composition's at every order.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import threading
import weakref
from collections.abc import Callable

import numpy as np

from autograd.engine.base import Data, Operand, Rule
from autograd.engine.graph import NUMBER, Primitive, ScalarNode
from autograd.engine.kinds import always, asked, filled, is_bare, is_foreign, is_values, namespace, raw
from autograd.engine.modes import F
from autograd.engine.primitives import concatenate, exp, matmul, relu, scatter_add, select, tanh
from autograd.engine.recording import current, now
from autograd.engine.rows import Array, row
from autograd.nodes.tensor import Tensor

__all__ = ["FUSED", "fuse"]


FUSED: dict[str, Primitive] = {}


def _fused_row(name: str, forward: Callable[..., Data], *vjps: Rule | None, local: tuple[str, ...]) -> None:
    FUSED[name] = Primitive(name, None, forward, vjps, local, analytic=False)


_OBJECTS = np.dtype(object)
_PLAIN = {type(None), *NUMBER}


def fuse(composition: F) -> F:
    """A function of arrays that is one operation on Tensors: the row of its name, which knows its derivatives.

    The function is the definition: it runs on Values and inside `ag.unfused()`, and the row gives what it
    gives, to rounding, with fewer calls of NumPy. It takes the arguments of the row, in order.
    Raises ValueError for a function without a row; there are {names}.

    >>> import numpy as np
    >>> from autograd import Tensor
    >>> def gelu(x):
    ...     return 0.5 * x * (1.0 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x)))
    >>> fuse(gelu)(Tensor([0.0, 1.0])).op
    'gelu'
    """
    found = FUSED.get(composition.__name__)
    if found is None:
        raise ValueError(f"fuse: there is no row {composition.__name__!r}; there are {', '.join(FUSED)}")
    found.composition = composition
    entered = row(found)
    signature, count, apply_to, array = inspect.signature(composition), len(entered.vjps), Tensor._apply, entered.array

    def apply(*args: Operand, **options: Operand) -> Operand:
        if options or len(args) < count:
            bound = signature.bind(*args, **options)
            bound.apply_defaults()
            args = bound.args
        if not now().ordinary and not current().fused:
            return composition(*args)
        if args[0].__class__ is Tensor:
            return apply_to(entered, args)
        if _has_floats(args[0]) and all(map(_is_plain, args)):
            return array(*args)
        if any(isinstance(a, ScalarNode) or is_values(a) for a in args):
            return composition(*args)
        # A row knows Tensors, arrays of floats and those of JAX; of anything else the composition is the definition.
        return entered(*args) if any(isinstance(a, Tensor) or is_foreign(a) for a in args) else composition(*args)

    return functools.wraps(composition)(_written_out(apply, signature, entered))  # type: ignore[return-value]


def _has_floats(x: Operand) -> bool:
    return x.__class__ is np.ndarray and x.dtype.kind == "f" and x.ndim > 0


def _is_plain(x: Operand) -> bool:
    return x.__class__ in _PLAIN or (x.__class__ is np.ndarray and x.dtype is not _OBJECTS)


_WRITTEN_OUT = """def apply({taken}):
    if _now().ordinary:
        if {first}.__class__ is _Tensor:
            return _tensor(_row, ({given},))
        if {first}.__class__ is _ndarray and {first}.dtype.kind == "f" and {first}.ndim{plain}:
            return _array({given})
    return _apply({given})"""
_IS_PLAIN = " and ({0}.__class__ is _ndarray and {0}.dtype is not _objects or {0}.__class__ in _numbers)"


def _written_out(apply: Array, signature: inspect.Signature, entered: Primitive) -> Array:
    """`apply` with the composition's own parameters, which sends Tensors and plain arrays to the row by itself.

    Its text is made here, since a call that packs its arguments into a tuple takes Python twice as long.
    """
    parameters = signature.parameters.values()
    if len(parameters) != len(entered.vjps) or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        return apply
    names = [p.name for p in parameters]
    text = _WRITTEN_OUT.format(
        taken=", ".join(p.name if p.default is p.empty else f"{p.name}=_of_{p.name}" for p in parameters),
        first=names[0],
        given=", ".join(names),
        plain="".join(map(_IS_PLAIN.format, names[1:])),
    )
    known = {
        "_now": now, "_apply": apply, "_row": entered, "_array": entered.array, "_tensor": Tensor._apply,
        "_Tensor": Tensor, "_ndarray": np.ndarray, "_objects": _OBJECTS, "_numbers": _PLAIN,
        **{f"_of_{p.name}": p.default for p in parameters},
    }  # fmt: skip
    exec(compile(text, os.path.join(os.path.dirname(__file__), f"<{entered.name}>"), "exec"), known)
    return known["apply"]


# ---- what forwards and rules share -----------------------------------------------------------


def together(rule: Callable[..., tuple[Operand, ...]], n: int) -> list[Rule]:
    """The rules of n arguments that share their work: the first one asked computes what all of them give, and what
    the others give is held until they are asked, or until the result of the operation is gone."""
    kept = threading.local()

    def one(i: int) -> Rule:
        def of(g: Operand, out: Operand, *args: Operand) -> Operand:
            last = getattr(kept, "last", None)
            if not last or last[0] is not g or last[1]() is not out or last[2][i] is None:
                found = list(rule(g, out, *args))
                last = [g, None, found]
            found = last[2]
            c, found[i] = found[i], None
            for x in found:
                if x is not None:
                    break
            else:
                last.clear()
                return c
            if last[1] is None:
                last[1] = weakref.ref(out, lambda _: last.clear())
                kept.last = last
            return c

        return of

    return [one(i) for i in range(n)]


FEW = 32  # rows: so many are summed sooner one by one than as a matrix
SUMMED = 1 << 10  # up to so many numbers are summed by BLAS, which knows no better order than one after the other


_BLAS = (np.dtype(np.float32), np.dtype(np.float64))
_ONES = {dtype: np.ones(SUMMED, dtype) for dtype in _BLAS}
_add_reduce = np.add.reduce


def _sum(x: Operand) -> Operand:
    """The sum over the last axis, kept. As a product with ones it takes BLAS half the time or less."""
    if type(x) is not np.ndarray:
        return x.sum(axis=-1, keepdims=True)
    n, ones = x.shape[-1], _ONES.get(x.dtype)
    if ones is None or not 0 < n <= SUMMED:
        return _add_reduce(x, axis=-1, keepdims=True)
    if x.ndim <= 2 or x.size <= FEW * n:
        return x.dot(ones[:n])[..., None]
    return x.reshape((-1, n)).dot(ones[:n]).reshape((*x.shape[:-1], 1))


def _dot(a: Operand, b: Operand) -> Operand:
    """The sum of a * b over the last axis, kept."""
    return np.vecdot(a, b)[..., None] if type(a) is np.ndarray and type(b) is np.ndarray else _sum(a * b)


def _mean(x: Operand, by: Operand = None) -> Operand:
    """The mean over the last axis, kept; of the product with `by`, where that is given."""
    return (_sum(x) if by is None else _dot(x, by)) * (1 / (x.shape[-1] or 1))


def _max(x: Data) -> Data:
    """The maximum over the last axis, kept."""
    return _max_reduce(x, -1, None, None, True) if type(x) is np.ndarray else x.max(axis=-1, keepdims=True)


_max_reduce: Callable[..., np.ndarray] = np.maximum.reduce


def _exp(x: Operand) -> Operand:
    """exp(x) of an array that nobody else needs."""
    return np.exp(x, x) if type(x) is np.ndarray else exp(x)


def _tanh(x: Operand) -> Operand:
    """tanh(x), likewise."""
    return np.tanh(x, x) if type(x) is np.ndarray else tanh(x)


# ---- softmax ---------------------------------------------------------------------------------


def _softmax(x: Data) -> Data:
    return _in_parts(_exp(x - _max(x)))


def _in_parts(x: Operand) -> Operand:
    """x over its sum, an array that nobody else needs."""
    if type(x) is not np.ndarray:
        return x / _sum(x)
    x /= _sum(x)
    return x


def _softmax_x(g: Operand, out: Operand, x: Operand) -> Operand:
    return out * (g - _dot(g, out))


_fused_row("softmax", _softmax, _softmax_x, local=("out * (g - sum(g * out))",))


@functools.lru_cache(maxsize=64)
def _future(n_time: int, n_all: int, dtype: np.dtype) -> np.ndarray:
    """(T, P+T): 0 where a position may look, -inf at the future."""
    mask = np.triu(np.full((n_time, n_all), -np.inf, dtype), k=1 + n_all - n_time)
    mask.flags.writeable = False
    return mask


def _causal(x: Data) -> Data:
    n_time, n_all = x.shape[-2:]
    if not is_bare(x):
        return x + _future(n_time, n_all, x.dtype)
    xp = namespace([x])  # a mask made here would be a constant of the program for every layer
    seen = xp.arange(n_all) <= xp.arange(n_all - n_time, n_all).reshape((n_time, 1))
    return xp.where(seen, x, -math.inf)


_fused_row("causal", _causal, lambda g, out, x: g, local=("g",))


# ---- attention -------------------------------------------------------------------------------

BLOCK = 64  # queries taken at a time: of the keys after the last of them nothing is computed


def _blocks(q: Operand, k: Operand) -> list[tuple[slice, slice]]:
    """Blocks of queries, and the keys that they may look at: of T queries and P + T keys."""
    n_time, n_past = q.shape[-2], k.shape[-2] - q.shape[-2]
    return [
        (slice(i, min(i + BLOCK, n_time)), slice(0, n_past + min(i + BLOCK, n_time))) for i in range(0, n_time, BLOCK)
    ]


def _grouped(q: Operand, k: Operand) -> Operand:
    """The queries of the heads that share a head of keys in one axis more: (..., nh, T, hs) -> (..., nkv, g, T, hs)."""
    return q.reshape((*k.shape[:-2], q.shape[-3] // k.shape[-3], *q.shape[-2:]))


def _part(x: Operand, rows: slice) -> Operand:
    return x[(..., rows, slice(None))]


def _weights(q: Operand, k: Operand) -> Operand:
    """softmax(q kᵀ / √hs) of a block of queries (..., g, t, hs) and its keys (..., 1, n, hs)."""
    scores = _causal(matmul(q, k.swapaxes(-1, -2)) * q.shape[-1] ** -0.5)
    return _softmax(scores)


def _joined(y: Operand, q: Operand) -> Operand:
    """(..., nkv, g, T, hs) -> (..., T, nh hs)."""
    n_head, n_time, size = q.shape[-3:]
    return y.reshape(q.shape).swapaxes(-2, -3).reshape((*q.shape[:-3], n_time, n_head * size))


def _one_query(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Attention of a single position, which may look at all keys: queries of a group are the rows of one matrix."""
    *lead, n_head, _, size = q.shape
    rows = q * size**-0.5
    if k.shape[-3] != n_head:
        rows = rows.reshape((*k.shape[:-2], n_head // k.shape[-3], size))  # (..., nkv, g, hs)
    scores = np.matmul(rows, k.swapaxes(-1, -2))  # (..., nkv, g, P+1)
    scores -= _max_reduce(scores, -1, None, None, True)
    np.exp(scores, scores)
    y = np.matmul(scores, v)
    y /= _sum(scores)
    return y.reshape((*lead, 1, n_head * size))


def _attention(q: Data, k: Data, v: Data) -> Data:
    plain = type(q) is type(k) is type(v) is np.ndarray and q.dtype == k.dtype == v.dtype
    if plain and q.shape[-2] == 1 and q.shape[:-3] == k.shape[:-3] == v.shape[:-3]:
        return _one_query(q, k, v)
    grouped, k, v = _grouped(q, k), _one_more(k), _one_more(v)
    parts = [matmul(_weights(_part(grouped, rows), _part(k, seen)), _part(v, seen)) for rows, seen in _blocks(q, k)]
    return _joined(parts[0] if len(parts) == 1 else namespace(parts).concatenate(parts, axis=-2), q)


def _one_more(x: Operand) -> Operand:
    """An axis of one for the group, which shares it."""
    return x.reshape((*x.shape[:-2], 1, *x.shape[-2:]))


def _attention_rule(g: Operand, out: Operand, q: Operand, k: Operand, v: Operand) -> tuple[Operand, ...]:
    """With dS = P (dP - sum(dP P)), and sum(dP P) = sum(g out) (Dao et al. 2022, section 3.1)."""
    scale = q.shape[-1] ** -0.5
    qs, ks, vs = _grouped(q, k), _one_more(k), _one_more(v)
    size = (*q.shape[:-3], q.shape[-2], q.shape[-3], q.shape[-1])
    gs, outs = (_grouped(y.reshape(size).swapaxes(-2, -3), k) for y in (g, out))
    dq, dk, dv = [], None, None
    for rows, seen in _blocks(q, k):
        q1, k1, v1, g1 = _part(qs, rows), _part(ks, seen), _part(vs, seen), _part(gs, rows)
        p = _weights(q1, k1)
        ds = p * (matmul(g1, v1.swapaxes(-1, -2)) - _dot(g1, _part(outs, rows))) * scale
        dq.append(matmul(ds, k1))
        dk = _longer(dk, _shared(matmul(ds.swapaxes(-1, -2), q1)))
        dv = _longer(dv, _shared(matmul(p.swapaxes(-1, -2), g1)))
    whole = dq[0] if len(dq) == 1 else concatenate(-2, *dq)
    return whole.reshape(q.shape), dk, dv


def _shared(x: Operand) -> Operand:
    """What all queries of a group give to the keys that they share."""
    return x.sum(axis=-3) if x.shape[-3] > 1 else x.reshape((*x.shape[:-3], *x.shape[-2:]))


def _longer(total: Operand, x: Operand) -> Operand:
    """The sum of what the blocks before gave to fewer keys, and this one."""
    if total is None:
        return x
    n = total.shape[-2]
    return concatenate(-2, total + _part(x, slice(0, n)), _part(x, slice(n, None)))


_fused_row(
    "causal_attention",
    _attention,
    *together(_attention_rule, 3),
    local=("dS k / √hs, dS = P (g vᵀ - sum(g out))", "dSᵀ q / √hs", "Pᵀ g"),
)


# ---- heads -----------------------------------------------------------------------------------


def _split_heads(x: Operand, size: int) -> Operand:
    return x.reshape((*x.shape[:-1], x.shape[-1] // size, size)).swapaxes(-2, -3)


def _join_heads(x: Operand) -> Operand:
    *lead, n, n_time, size = x.shape
    return x.swapaxes(-2, -3).reshape((*lead, n_time, n * size))


_fused_row("split_heads", _split_heads, lambda g, out, x, size: _join_heads(g), None, local=("g, joined", ""))
_fused_row("join_heads", _join_heads, lambda g, out, x: _split_heads(g, x.shape[-1]), local=("g, split",))


# ---- norms -----------------------------------------------------------------------------------


def _scale(x: Operand, eps: float) -> Operand:
    """1 / the root of the mean square."""
    return (_mean(x, x) + eps) ** -0.5


def _affine(y: Data, gain: Data, bias: Data) -> Data:
    y = y if gain is None else y * gain
    return y if bias is None else y + bias


def _one_row(x: np.ndarray, gain: Data, bias: Data, eps: float, centre: bool) -> np.ndarray:
    """The norm of a single row as that of a vector: its mean is a number, and nothing has to be stretched, which
    takes NumPy half the time."""
    n = x.shape[-1]
    y = x.reshape(n)
    if centre:
        y = y - y.dot(_ONES[x.dtype][:n]) * (1 / n)
    y = y * (y.dot(y) * (1 / n) + eps) ** -0.5
    y = _affine(y, gain, bias)
    return y.reshape(x.shape if y.shape == (n,) else np.broadcast_shapes(x.shape, y.shape))


def _is_row(x: Data) -> bool:
    return type(x) is np.ndarray and 0 < x.size == x.shape[-1] <= SUMMED and x.dtype in _ONES


def _rmsnorm(x: Data, gain: Data, bias: Data, eps: float) -> Data:
    if _is_row(x):
        return _one_row(x, gain, bias, eps, centre=False)
    return _affine(x * _scale(x, eps), gain, bias)


def _rmsnorm_rule(
    g: Operand, out: Operand, x: Operand, gain: Operand, bias: Operand, eps: float
) -> tuple[Operand, ...]:
    scale = _scale(x, eps)
    y = x * scale if gain is not None or bias is not None else out
    slope = g if gain is None else g * gain
    return scale * (slope - y * _mean(slope, y)), None if gain is None else g * y, None if bias is None else g


def _layernorm(x: Data, gain: Data, bias: Data, eps: float) -> Data:
    if _is_row(x):
        return _one_row(x, gain, bias, eps, centre=True)
    centred = x - _mean(x)
    return _affine(centred * _scale(centred, eps), gain, bias)


def _layernorm_rule(
    g: Operand, out: Operand, x: Operand, gain: Operand, bias: Operand, eps: float
) -> tuple[Operand, ...]:
    centred = x - _mean(x)
    scale = _scale(centred, eps)
    y = centred * scale
    slope = g if gain is None else g * gain
    return (
        scale * (slope - _mean(slope) - y * _mean(slope, y)),
        None if gain is None else g * y,
        None if bias is None else g,
    )


_NORM = ("g * gain, less its mean and its part along out, over the scale", "g * the normalized x", "g", "")
_fused_row("rmsnorm", _rmsnorm, *together(_rmsnorm_rule, 3), None, local=_NORM)
_fused_row("layernorm", _layernorm, *together(_layernorm_rule, 3), None, local=_NORM)


# ---- relu and gelu ------------------------------------------------------------------------------------

FUSED["relu"] = relu  # a row that Values have, too, as a method

ROOT = math.sqrt(2 / math.pi)


def _gelu_tanh(x: Operand) -> Operand:
    return _tanh(x * (ROOT + (ROOT * 0.044715) * (x * x)))


# As arrays without axes: a number of Python is converted by every call anew.
_GELU = {dtype: tuple(np.array(c, dtype) for c in (0.5, 1.0, ROOT, ROOT * 0.044715)) for dtype in _BLAS}


def _gelu(x: Data) -> Data:
    known = _GELU.get(x.dtype) if type(x) is np.ndarray and x.ndim else None
    if known is None:
        return (0.5 * x) * (1.0 + _gelu_tanh(x))
    half, one, root, cube = known
    y = x * x  # and then the same in its memory
    y *= cube
    y += root
    y *= x
    np.tanh(y, y)
    y += one
    y *= half
    y *= x
    return y


def _gelu_x(g: Operand, out: Operand, x: Operand) -> Operand:
    t = _gelu_tanh(x)
    return g * (0.5 + 0.5 * t + (1 - t * t) * (x * (0.5 * ROOT + (1.5 * ROOT * 0.044715) * (x * x))))


_fused_row("gelu", _gelu, _gelu_x, local=("g * (Φ + x φ), in the tanh form",))


# ---- cross-entropy ---------------------------------------------------------------------------


def _some(counted: np.ndarray) -> None:
    if not counted.any():
        raise ValueError("cross_entropy: every target is -1, so there is nothing to take the mean of")


@functools.lru_cache(maxsize=8)
def _rows(n: int) -> np.ndarray:
    rows = np.arange(n)
    rows.flags.writeable = False
    return rows


def _shares(logits: Operand, targets: Data) -> tuple[Operand, Data, Data]:
    """The rows of logits, 0 where they do not count; where in them the targets stand; and the share of each row in
    the mean: 1 / count where all count, else an array of that or 0 (N, 1)."""
    x, t = logits, targets
    if t.ndim != 1:
        x, t = x.reshape((-1, x.shape[-1])), t.reshape(-1)
    counted = t >= 0
    if t.size and always(counted):
        return x, (_rows(t.size), t), 1 / t.size
    asked(counted, _some)
    x = select(counted.reshape((-1, 1)), x, 0.0)
    t = select(counted, t, 0)
    share = counted.astype(x.dtype) / counted.sum().astype(x.dtype)
    return x, (np.arange(t.shape[0]), t), share.reshape((-1, 1))


def _cross_entropy(logits: Data, targets: Data) -> Data:
    x, at, share = _shares(logits, targets)
    if at[1].shape[0] != x.shape[0]:
        raise ValueError(f"targets of shape {targets.shape} for logits of shape {logits.shape}; expected one a row")
    x = x - _max(x)
    if type(x) is np.ndarray:
        picked = x[at].reshape((-1, 1))
        return ((np.log(_sum(_exp(x))) - picked) * share).sum()
    xp = namespace([x])
    picked = x[at].reshape((-1, 1)) if not is_bare(x) else _along_rows(x, at[1])
    nll = xp.log(_sum(_exp(x))) - picked
    total = (nll * share).sum()
    return xp.where((share > 0).any(), total, math.nan) if is_bare(share) else total  # 0 / 0 may be 0 to XLA


def _cross_entropy_x(g: Operand, out: Operand, logits: Operand, targets: Data) -> Operand:
    x, at, share = _shares(logits, targets)
    slope = _in_parts(_exp(x - _max(raw(x))))
    if type(slope) is np.ndarray:
        slope[at] -= 1.0
    elif is_bare(raw(slope)):  # which, unlike a scatter, needs no look at what other devices have
        slope = slope - (namespace([raw(slope)]).arange(slope.shape[-1]) == at[1].reshape((-1, 1)))
    else:
        slope = slope + scatter_add.array(filled(raw(slope[at]), -1.0), at, slope.shape)
    slope = slope * (g * share)
    return slope if slope.shape == logits.shape else slope.reshape(logits.shape)


def _along_rows(x: Data, t: Data) -> Data:
    """x[i, t[i]] of every row of an array of JAX, where it lies; nan for a t out of range."""
    xp = namespace([x])
    return xp.take_along_axis(x, xp.asarray(t).reshape((-1, 1)), axis=-1, mode="fill")


_fused_row("cross_entropy", _cross_entropy, _cross_entropy_x, None, local=("g * (softmax - onehot) / count", ""))


# ---- linear ----------------------------------------------------------------------------------


def _linear(x: Data, w: Data, b: Data) -> Data:
    y = x.dot(w) if type(x) is type(w) is np.ndarray and x.ndim == w.ndim == 2 else matmul.array(x, w)
    return y if b is None else y + b


_fused_row(
    "linear",
    _linear,
    lambda g, out, x, w, b: matmul.vjps[0](g, out, x, w),
    lambda g, out, x, w, b: matmul.vjps[1](g, out, x, w),
    lambda g, out, x, w, b: g,
    local=("g @ wᵀ", "xᵀ @ g", "g"),
)

fuse.__doc__ = str(fuse.__doc__).replace("{names}", ", ".join(FUSED))
