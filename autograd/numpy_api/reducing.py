"""Reductions, running sums and statistics of NumPy, in its own idiom, so that one text serves both kinds.

They end at the methods `sum prod mean max min cumsum cumprod`: rows for a Tensor, loops over its
elements for an array of Values.
"""

from __future__ import annotations

import functools
import math
from typing import Any, cast

import numpy

from autograd.engine.graph import Node
from autograd.engine.kinds import data_of, is_half, namespace
from autograd.engine.tree import map_tree
from autograd.numpy_api.dispatch import F, Function, arrays, axes_of, means, root

np: Any = numpy  # with nodes for arguments, of which its types know nothing

# ---- reductions --------------------------------------------------------------------------


def _given(a: Any, where: Any, otherwise: Any, dtype: Any) -> Any:
    """What a reduction is to take in: the elements where `where` holds, in the dtype asked for."""
    a = a if where is True else np.where(where, a, otherwise)
    return a if dtype is None else a.astype(dtype)


def _widely(function: F) -> F:
    """A function of an array, in float32 where it is of float16 or less, which counts no further than 65504."""

    @functools.wraps(function)
    def wide(a: Any, *args: Any, **options: Any) -> Any:
        dtype = getattr(a, "dtype", None)
        if dtype is None or not is_half(dtype) or options.get("dtype") is not None:
            return function(a, *args, **options)
        out = function(a.astype(np.float32), *args, **options)
        return map_tree(lambda x: x.astype(dtype), out)

    return cast(F, wide)


def _number(a: Any, axis: Any, where: Any = True) -> Any:
    """How many elements each result of a reduction is made of, with the dimensions kept."""
    where = data_of(where)
    return namespace([where]).broadcast_to(where, a.shape).sum(axis=axis, keepdims=True)


@means(np.sum)
def _sum(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    out = _given(a, where, 0.0, dtype).sum(axis=axis, keepdims=keepdims)
    return out if initial is None else out + initial


@means(np.prod)
def _prod(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    out = _given(a, where, 1.0, dtype).prod(axis=axis, keepdims=keepdims)
    return out if initial is None else out * initial


@means(np.mean)
@_widely
def _mean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, where: Any = True) -> Any:
    if where is True:
        return _given(a, where, 0.0, dtype).mean(axis=axis, keepdims=keepdims)
    out = _given(a, where, 0.0, dtype).sum(axis=axis, keepdims=True) / _number(a, axis, where)
    return out if keepdims else _dropped(out, axis)


def _dropped(out: Any, axis: Any) -> Any:
    """Without the dimensions that a reduction over `axis` kept."""
    return out.reshape(()) if axis is None else out.squeeze(axis)


@means(np.var)
@_widely
def _var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    """The mean square of the distances from the mean, which is over the count less `ddof`."""
    a = a if dtype is None else a.astype(dtype)
    count = _number(a, axis, where)
    centred = a - (np.mean(a, axis=axis, keepdims=True, where=where) if mean is None else mean)
    squares = np.sum(centred * centred, axis=axis, keepdims=True, where=where)
    count = namespace([count]).maximum(count - (ddof if correction is None else correction), 0)
    out = squares / count.astype(_float(a))
    return out if keepdims else _dropped(out, axis)


def _float(a: Any) -> Any:
    """The dtype of the numbers in an array: float64 in one of Values."""
    return np.float64 if a.dtype == object else a.dtype


@means(np.std)
def _std(a: Any, axis: Any = None, **options: Any) -> Any:
    return root(np.var(a, axis, **options))


def _extreme(name: str, better: Function) -> Function:
    def extreme(a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
        if where is not True and initial is None:
            raise ValueError(f"np.{name}: where= needs initial=, the result where nothing is left")
        if initial is not None and not a.size:
            return a.sum(axis=axis, keepdims=keepdims) + initial
        out = getattr(_given(a, where, initial, None), name)(axis=axis, keepdims=keepdims)
        return out if initial is None else better(out, initial)

    return extreme


means(np.max, np.amax)(_extreme("max", np.maximum))
means(np.min, np.amin)(_extreme("min", np.minimum))


@means(np.ptp)
def _ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)


@means(np.average)
@_widely
def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    (a,) = arrays(a)
    if weights is None:
        out = np.mean(a, axis, keepdims=keepdims)
        total: Any = np.full(np.shape(data_of(out)), float(a.size / max(1, np.size(data_of(out)))))
    else:
        (weights,) = arrays(weights)
        if weights.shape != a.shape:  # one weight for each position along the axis
            weights = weights.reshape(tuple(n if i == axis % a.ndim else 1 for i, n in enumerate(a.shape)))
            weights = np.broadcast_to(weights, a.shape)
        total = np.sum(weights, axis, keepdims=keepdims)
        out = np.sum(a * weights, axis, keepdims=keepdims) / total
    return (out, total) if returned else out


# ---- running -----------------------------------------------------------------------------


def _running(name: str) -> Function:
    def running(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
        return getattr(a if dtype is None else a.astype(dtype), name)(axis)

    return running


means(np.cumsum)(_running("cumsum"))
means(np.cumprod)(_running("cumprod"))


def _cumulative(name: str, start: float) -> Function:
    def cumulative(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        if axis is None and x.ndim > 1:
            raise ValueError(f"np.cumulative_{name[3:]}: axis= says along which of the {x.ndim} axes to run")
        axis = axis or 0
        out = getattr(np, name)(x, axis, dtype)
        if not include_initial:
            return out
        first = np.full(tuple(1 if i == axis % x.ndim else n for i, n in enumerate(x.shape)), start)
        return np.concatenate([first.astype(_float(x)), out], axis)

    return cumulative


means(np.cumulative_sum)(_cumulative("cumsum", 0.0))
means(np.cumulative_prod)(_cumulative("cumprod", 1.0))


@means(np.bincount)
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each number occurs; with weights their sums, as a product with the table of what is where."""
    (x,) = arrays(data_of(x))
    if weights is None:
        return namespace([x]).bincount(x, minlength=minlength)
    bins = np.arange(max(int(x.max(initial=-1)) + 1, minlength))
    return arrays(weights)[0] @ (x[:, None] == bins).astype(np.float64)


# ---- without nan -------------------------------------------------------------------------


def _without_nan(function: Function, neutral: float) -> Function:
    """A function with its neutral element in place of nan."""

    def ignoring(a: Any, axis: Any = None, **options: Any) -> Any:
        return function(np.where(np.isnan(a), neutral, a), axis, **options)

    return ignoring


means(np.nansum)(_without_nan(np.sum, 0.0))
means(np.nanprod)(_without_nan(np.prod, 1.0))
means(np.nancumsum)(_without_nan(np.cumsum, 0.0))
means(np.nancumprod)(_without_nan(np.cumprod, 1.0))


def _where_not_nan(function: Function) -> Function:
    """A function over the elements that are not nan."""

    def ignoring(a: Any, axis: Any = None, where: Any = True, **options: Any) -> Any:
        there = ~np.isnan(a) & data_of(where)
        return function(np.where(np.isnan(a), 0.0, a), axis, where=there, **options)

    return ignoring


means(np.nanmean)(_where_not_nan(np.mean))
means(np.nanvar)(_where_not_nan(np.var))
means(np.nanstd)(_where_not_nan(np.std))


def _extreme_without_nan(function: Function, worst: float) -> Function:
    def ignoring(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        out = function(np.where(np.isnan(a), worst, a), axis, keepdims=keepdims)
        return np.where(np.all(np.isnan(a), axis=axis, keepdims=keepdims), math.nan, out)

    return ignoring


means(np.nanmax)(_extreme_without_nan(np.max, -math.inf))
means(np.nanmin)(_extreme_without_nan(np.min, math.inf))


@means(np.nan_to_num)
def _nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    most = float(np.finfo(_float(x)).max)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(np.equal(x, math.inf), most if posinf is None else posinf, x)
    return np.where(np.equal(x, -math.inf), -most if neginf is None else neginf, x)


# ---- by rank -----------------------------------------------------------------------------


def _by_rank(find: Function, a: Any, q: tuple[Any, ...], axis: Any, keepdims: bool, **how: Any) -> Any:
    """A function of the elements in order: NumPy's own, applied to their ranks, says between which two it falls."""
    if any(isinstance(x, Node) for x in q):
        raise TypeError(f"np.{find.__name__} has no derivative by where it looks; give q as a number, as in q.data")
    axes = axes_of(axis, a.ndim)
    lead = tuple(i for i in range(a.ndim) if i not in axes)
    rows = a.transpose((*lead, *axes)).reshape((*(a.shape[i] for i in lead), -1))
    rows = np.sort(rows, -1)  # nan comes last
    nan = np.isnan(rows)
    xp = namespace([nan])
    ranks = xp.where(nan, math.nan, np.arange(float(rows.shape[-1])))
    at = getattr(xp, find.__name__)(ranks, *map(xp.asarray, q), axis=-1, **how)
    at = xp.asarray(at)
    between = xp.nan_to_num(at)
    share, below = between % 1.0, xp.floor(between).astype(int)
    index = np.ix_(*map(np.arange, rows.shape[:-1])) if lead else ()
    low, high = (rows[(*index, i)] for i in (below, below + (share > 0)))
    out = np.where(share == 0, low, low + share.astype(_float(a)) * (high - low))
    out = np.where(at != at, math.nan, out)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    return out.reshape((*at.shape[: at.ndim - len(lead)], *kept)) if keepdims else out


def _median(find: Function) -> Function:
    return lambda a, axis=None, *, keepdims=False: _by_rank(find, a, (), axis, keepdims)


def _quantile(find: Function) -> Function:
    return lambda a, q, axis=None, *, method="linear", keepdims=False: _by_rank(
        find, a, (q,), axis, keepdims, method=method
    )


for _find in (np.median, np.nanmedian):
    means(_find)(_median(_find))
for _find in (np.quantile, np.percentile, np.nanquantile, np.nanpercentile):
    means(_find)(_quantile(_find))


# ---- statistics of rows ------------------------------------------------------------------


@means(np.cov)
@_widely
def _cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    x = np.atleast_2d(arrays(m)[0])
    x = x if rowvar or x.shape[0] == 1 else np.transpose(x)
    if y is not None:
        other = np.atleast_2d(arrays(y)[0])
        x = np.concatenate([x, other if rowvar or other.shape[0] == 1 else np.transpose(other)], 0)
    x = x - np.mean(x, 1, keepdims=True)
    count = x.shape[1] - (int(not bias) if ddof is None else ddof)
    return np.squeeze(x @ np.transpose(x) / float(count))


@means(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    c = np.cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    spread = np.sqrt(np.diag(c))
    return c / np.outer(spread, spread)
