"""Functions of NumPy from element to element, and along an axis: rounding, limits, differences, polynomials, grids."""

from __future__ import annotations

import math
from typing import Any

import numpy

from autograd.engine.graph import Node
from autograd.engine.kinds import data_of, is_values, namespace
from autograd.numpy_api.dispatch import arrays, means

np: Any = numpy  # with nodes for arguments, of which its types know nothing

# ---- element by element ------------------------------------------------------------------


@means(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


@means(np.round, np.around)
def _round(a: Any, decimals: int = 0) -> Any:
    if decimals == 0:
        return np.rint(a)
    scale = 10.0 ** abs(decimals)
    return np.rint(a * scale) / scale if decimals > 0 else np.rint(a / scale) * scale


@means(np.fix)
def _fix(x: Any) -> Any:
    return np.trunc(x)


@means(np.real, np.real_if_close)
def _real(val: Any, *_: Any) -> Any:
    return np.positive(val)


@means(np.imag)
def _imag(val: Any) -> Any:
    return np.zeros_like(val)


@means(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    return np.less(z, 0) * (180.0 if deg else math.pi)


@means(np.sinc)
def _sinc(x: Any) -> Any:
    """sin(y) / y of y = pi x. Near 0, where that has no derivative, its Taylor series, to the last bit below y = 1."""
    y = math.pi * x
    near = abs(data_of(y)) < 1
    squares = np.where(near, y * y, 0.0)
    series: Any = 1.0
    for k in range(10, 0, -1):
        series = 1.0 - squares / float(2 * k * (2 * k + 1)) * series
    y = np.where(near, 1.0, y)
    return np.where(near, series, np.sin(y) / y)


@means(np.i0)
def _i0(x: Any) -> Any:
    """The mean of exp(x cos t) over a circle, which converges at once (Trefethen and Weideman 2014)."""
    n = 32 + 2 * int(np.max(np.abs(data_of(x)), initial=0.0))
    angles = np.arange(n) * (2 * math.pi / n)
    return np.mean(np.exp(x[..., None] * np.cos(angles)), axis=-1)


@means(np.piecewise)
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Each function sees the elements that are its own, and only those."""
    several = np.ndim(condlist) and (np.ndim(condlist[0]) or not x.ndim)  # or one condition, by itself
    conditions = [np.broadcast_to(data_of(c), x.shape) for c in (condlist if several else [condlist])]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    owner = np.select(conditions[::-1], list(range(len(conditions)))[::-1], -1).reshape(-1)
    pieces, places = [np.zeros(1)], np.zeros(x.size, int)  # nobody's elements are 0
    flat, size = x.reshape(-1), 1
    for k, f in enumerate(funclist):
        own = np.flatnonzero(owner == k)
        y = f(flat[own], *args, **kw) if callable(f) else f
        pieces.append(np.broadcast_to(arrays(y)[0], own.shape))
        places[own] = np.arange(size, size + own.size)
        size += own.size
    return np.concatenate(pieces)[places].reshape(x.shape)


# ---- along an axis -----------------------------------------------------------------------


def _along(a: Any, axis: int, part: Any) -> Any:
    """a[..., part, ...] at an axis."""
    return a[(*(slice(None) for _ in range(axis % a.ndim)), part)]


@means(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    (a,) = arrays(a)
    one = tuple(1 if i == axis % a.ndim else k for i, k in enumerate(a.shape))
    ends = [
        x if np.ndim(data_of(x)) or x is a else np.broadcast_to(x, one) for x in (prepend, a, append) if x is not None
    ]
    a = np.concatenate(ends, axis) if len(ends) > 1 else a
    for _ in range(n):
        a = _along(a, axis, slice(1, None)) - _along(a, axis, slice(None, -1))
    return a


@means(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [None if x is None else arrays(x)[0].reshape(-1) for x in (to_begin, np.diff(ary.reshape(-1)), to_end)]
    return np.concatenate([x for x in parts if x is not None])


@means(np.gradient)
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    (f,) = arrays(f)
    axes = tuple(range(f.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(steps) != len(axes):
        raise TypeError(f"gradient: expected one spacing, or one for each of {len(axes)} axes; got {len(varargs)}")
    found = [_slope(f, h, i, edge_order) for i, h in zip(axes, steps)]
    return found[0] if len(found) == 1 else tuple(found)


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences inside (Fornberg 1988), one-sided ones of first or second order at the ends."""
    y = np.moveaxis(f, axis, -1)
    n = y.shape[-1]
    if n < edge_order + 1:
        raise ValueError(f"gradient: {n} points along axis {axis} are too few; needs {edge_order + 1}")
    h = np.diff(h) if np.ndim(data_of(h)) else np.broadcast_to(h, (n - 1,))
    step = np.diff(y) / h  # the slope between each two points
    a, b = h[:-1], h[1:]
    inside = (b * step[..., :-1] + a * step[..., 1:]) / (a + b)
    first, last = step[..., :1], step[..., -1:]
    if edge_order == 2:
        first = first - h[0] * (step[..., 1:2] - first) / (h[0] + h[1])
        last = last + h[-1] * (last - step[..., -2:-1]) / (h[-1] + h[-2])
    return np.moveaxis(np.concatenate([first, inside, last], -1), -1, axis)


@means(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    (y,) = arrays(y)
    y = np.moveaxis(y, axis, -1)
    if x is not None:
        (x,) = arrays(x)
        dx = np.diff(x if x.ndim == 1 else np.moveaxis(x, axis, -1))
    return np.sum(dx * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


@means(np.interp)
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """On the line between the two points around each x; beyond the ends, the value there."""
    x, xp, fp = arrays(x, xp, fp)
    at, knots = data_of(x), data_of(xp)
    lib = namespace((at, knots))
    xp, fp = (v if isinstance(v, Node) else lib.asarray(v) for v in (xp, fp))
    k = lib.clip(lib.searchsorted(knots, at, side="right") - 1, 0, max(0, xp.shape[0] - 2))
    step = xp[k + 1] - xp[k]
    slope = (fp[k + 1] - fp[k]) / (step + 1.0 * (data_of(step) == 0))  # nothing lies between points that coincide
    inside = fp[k] + (x - xp[k]) * slope
    inside = np.where(at < knots[0], fp[0] if left is None else left, inside)
    return np.where(at > knots[-1], fp[-1] if right is None else right, inside)


@means(np.unwrap)
def _unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """Plus whole periods, which are constants."""
    data = data_of(p)
    return p + (namespace([data]).unwrap(data, discont, axis, period=period) - data)


@means(np.apply_along_axis)
def _apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    rows = np.moveaxis(arr, axis, -1)
    lead = rows.shape[:-1]
    found = np.stack([func1d(row, *args, **kwargs) for row in rows.reshape((-1, rows.shape[-1]))])
    out = found.reshape((*lead, *found.shape[1:]))
    own = range(len(lead), out.ndim)  # the axes of one result stand where the axis was
    return np.moveaxis(out, tuple(own), tuple(axis % arr.ndim + i for i in range(len(own))))


# ---- polynomials and grids ---------------------------------------------------------------


@means(np.polyval)
def _polyval(p: Any, x: Any) -> Any:
    """Horner's rule."""
    p, x = arrays(p, x)
    y = np.zeros(x.shape)
    for k in range(p.shape[0]):
        y = y * x + p[k]
    return y


@means(np.vander)
def _vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    powers = np.arange(float(x.shape[0] if N is None else N))
    return x[:, None] ** (powers if increasing else powers[::-1])


@means(np.linspace)
def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, axis: int = 0) -> Any:
    start, stop = arrays(start, stop)
    step = (stop - start) / float(num - endpoint) if num > endpoint else stop * math.nan
    shape = np.broadcast_shapes(start.shape, stop.shape)
    k = np.arange(float(num)).reshape((num, *(1 for _ in shape)))
    out = start + (k * step if num > 1 else np.zeros((num, *shape)))
    if endpoint and num > 1:
        out = np.concatenate([out[:-1], np.expand_dims(np.broadcast_to(stop, shape), 0)])
    out = np.moveaxis(out, 0, axis)
    return (out, step) if retstep else out


@means(np.logspace)
def _logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, axis: int = 0) -> Any:
    return base ** np.linspace(start, stop, num, endpoint, axis=axis)


@means(np.geomspace)
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Any:
    start, stop = arrays(start, stop)
    side = np.sign(data_of(start))
    return side * np.exp(np.linspace(np.log(start * side), np.log(stop * side), num, endpoint, axis=axis))


@means(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    data = data_of(a)
    shape = np.shape(data) if shape is None else tuple(np.atleast_1d(shape))
    if isinstance(fill_value, Node) or is_values(fill_value):
        out = np.broadcast_to(fill_value, shape)
        return out if dtype is None else out.astype(dtype)
    return namespace([data]).full(shape, fill_value, dtype=data.dtype if dtype is None else dtype)
