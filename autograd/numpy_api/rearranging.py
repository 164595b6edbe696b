"""Functions of NumPy that only move numbers: joining, splitting, repeating, picking, padding.

Most are one device: NumPy's own function is applied to an array of positions, and what comes
out says where each element of the result is found. So a line in `DATA` supports a function,
with all its options, and its gradient goes back by the rule of indexing. The others are steps
with a row of their own, which read better in a graph.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterable
from typing import Any

import numpy

from autograd.engine import primitives as p
from autograd.engine.graph import Node
from autograd.engine.kinds import data_of, is_foreign, namespace
from autograd.engine.tree import leaves, map_tree
from autograd.numpy_api.dispatch import Function, arrays, by_row, means, shape_after

np: Any = numpy  # with nodes for arguments, of which its types know nothing

# ---- the device --------------------------------------------------------------------------

# The arguments that hold data; the others say how it is rearranged.
DATA: dict[Function, set[str]] = {
    np.append: {"arr", "values"},
    np.block: {"arrays"},
    np.choose: {"choices"},
    np.compress: {"a"},
    np.delete: {"arr"},
    np.diag: {"v"},
    np.diagflat: {"v"},
    np.diagonal: {"a"},
    np.extract: {"arr"},
    np.insert: {"arr", "values"},
    np.lib.stride_tricks.sliding_window_view: {"x"},
    np.linalg.diagonal: {"x"},
    np.pad: {"array", "constant_values"},
    np.repeat: {"a"},
    np.resize: {"a"},
    np.roll: {"a"},
    np.rot90: {"m"},
    np.select: {"choicelist", "default"},
    np.take: {"a"},
    np.take_along_axis: {"arr"},
    np.tile: {"A"},
}


class Pool:
    """The elements of all data arguments in one row, behind a zero for what a function fills in."""

    def __init__(self) -> None:
        self.flat: list[Any] = []
        self.size = 1

    def positions(self, data: Any) -> Any:
        """An array of positions in place of each array, in nested lists and tuples too."""
        if isinstance(data, (list, tuple)) and any(isinstance(x, (Node, np.ndarray, list, tuple)) for x in data):
            return map_tree(self.positions, data)
        (x,) = arrays(data)
        first = self.size
        self.size += x.size
        self.flat.append(x.reshape(-1))
        return np.arange(first, self.size).reshape(x.shape)

    def look_up(self, where: Any) -> Any:
        """The elements at an array of positions."""
        if len(self.flat) == 1 and (is_foreign(where) or np.all(where)):
            return self.flat[0][where - 1]
        dtype = next(x for x in self.flat if isinstance(x, Node)).raw.dtype
        flat = [x.astype(dtype) if x.shape == (1,) and not isinstance(x, Node) else x for x in self.flat]
        return p.concatenate(0, np.zeros(1, dtype), *flat)[where if is_foreign(where) else np.asarray(where)]


def rearranged(function: Function, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A function of `DATA` with Tensors among its arguments."""
    bound = inspect.signature(function).bind(*args, **options)
    more = bound.arguments.pop("kwargs", {})
    given: dict[str, Any] = {**bound.arguments, **more}
    first, *_ = given if args else [None]  # which may be meant for its place only
    if function is np.pad:
        _only_moves(**given)
    pool = Pool()
    given = {k: pool.positions(x) if k in DATA[function] else map_tree(data_of, x) for k, x in given.items()}
    library = namespace(leaves(given))  # positions that depend on data are of JAX where the data is
    moved = function if library is np else getattr(library, function.__name__)
    return map_tree(pool.look_up, moved(*([given.pop(first)] if first else []), **given))


def _only_moves(mode: Any = "constant", reflect_type: str = "even", **_: Any) -> None:
    """Some modes of np.pad compute what they pad with."""
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        raise TypeError(
            f"np.pad: mode {mode!r} computes what it pads with; compute it and use np.concatenate, "
            "or use one of the modes constant, edge, reflect, symmetric and wrap"
        )


# ---- joining and splitting ---------------------------------------------------------------


@by_row(np.concatenate)
def _concatenate(arrays_: Any, axis: int | None = 0, dtype: Any = None) -> Any:
    parts = arrays(*arrays_)
    if axis is None:
        axis, parts = 0, [x.reshape(-1) for x in parts]
    out = p.concatenate(axis, *parts)
    return out if dtype is None else out.astype(dtype)


@means(np.stack)
def _stack(arrays_: Any, axis: int = 0, dtype: Any = None) -> Any:
    out = np.concatenate([_expand_dims(x, axis) for x in arrays(*arrays_)], axis)
    return out if dtype is None else out.astype(dtype)


@means(np.vstack)
def _vstack(tup: Any, dtype: Any = None) -> Any:
    return np.concatenate([np.atleast_2d(x) for x in arrays(*tup)], 0, dtype=dtype)


@means(np.hstack)
def _hstack(tup: Any, dtype: Any = None) -> Any:
    parts = [np.atleast_1d(x) for x in arrays(*tup)]
    return np.concatenate(parts, int(parts[0].ndim > 1), dtype=dtype)


@means(np.dstack)
def _dstack(tup: Any) -> Any:
    return np.concatenate([np.atleast_3d(x) for x in arrays(*tup)], 2)


@means(np.column_stack)
def _column_stack(tup: Any) -> Any:
    return np.concatenate([x.reshape((-1, 1)) if x.ndim < 2 else x for x in arrays(*tup)], 1)


def _sections(a: Any, indices_or_sections: Any, axis: int = 0, equal: bool = True) -> list[Any]:
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


@means(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _sections(ary, indices_or_sections, axis)


@means(np.array_split)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _sections(ary, indices_or_sections, axis, equal=False)


def _split_along(axis: int, least: int) -> Function:
    def split(ary: Any, indices_or_sections: Any) -> list[Any]:
        if ary.ndim < least:
            raise ValueError(f"split: expected at least {least} axes, got the shape {ary.shape}")
        return _sections(ary, indices_or_sections, axis if ary.ndim > 1 else 0)

    return split


means(np.hsplit)(_split_along(1, 1))
means(np.vsplit)(_split_along(0, 2))
means(np.dsplit)(_split_along(2, 3))


@means(np.unstack)
def _unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    return tuple(np.moveaxis(x, axis, 0))


# ---- shapes ------------------------------------------------------------------------------


@means(np.reshape)
def _reshape(a: Any, shape: Any, order: str = "C") -> Any:
    if order == "F":
        return np.transpose(np.transpose(a).reshape(shape[::-1] if isinstance(shape, (tuple, list)) else shape))
    return a.reshape(shape)


@means(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    return (np.transpose(a) if order == "F" else a).reshape(-1)


@means(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim, lengths = a.ndim + len(axes), iter(a.shape)
    new = np.lib.array_utils.normalize_axis_tuple(axes, ndim)
    return a.reshape(tuple(1 if i in new else next(lengths) for i in range(ndim)))


@means(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    return a.squeeze(axis)


@means(np.transpose, np.permute_dims)
def _transpose(a: Any, axes: Any = None) -> Any:
    return a.transpose(axes)


@means(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return x.swapaxes(-1, -2)


@means(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return a.swapaxes(axis1, axis2)


def _order_after(change: Function, a: Any, *how: Any) -> Any:
    """The axes in another order: where axis i of an array has length i, the shape of the result is that order."""
    return a.transpose(change(np.empty(tuple(range(a.ndim))), *how).shape)


@means(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    return _order_after(np.moveaxis, a, source, destination)


@means(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    return _order_after(np.rollaxis, a, axis, start)


def _atleast(change: Function) -> Function:
    def atleast(*arys: Any) -> Any:
        found = tuple(x.reshape(shape_after(change, x)) for x in arrays(*arys))
        return found[0] if len(found) == 1 else found

    return atleast


for _change in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    means(_change)(_atleast(_change))


@by_row(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if np.broadcast_shapes(array.shape, shape) != shape:
        raise ValueError(f"broadcast_to: an array of shape {tuple(array.shape)} does not broadcast to {shape}")
    return p.broadcast_to(array, shape)


@means(np.broadcast_arrays)
def _broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    parts = arrays(*args)
    shape = np.broadcast_shapes(*(x.shape for x in parts))
    return tuple(np.broadcast_to(x, shape) for x in parts)


@means(np.meshgrid)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    parts = arrays(*xi)
    grid = np.meshgrid(*(np.arange(x.size) for x in parts), sparse=sparse, indexing=indexing)
    return tuple(x.reshape(-1)[index] for x, index in zip(parts, grid))


def _flip_axes(m: Any, axes: Iterable[int]) -> Any:
    index = [slice(None)] * m.ndim
    for axis in axes:
        index[axis] = slice(None, None, -1)
    return m[tuple(index)]


@means(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    if axis is None:
        return _flip_axes(m, range(m.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not all(-m.ndim <= i < m.ndim for i in axes):
        raise np.exceptions.AxisError(f"flip: axis {axis} is out of bounds for an array of shape {m.shape}")
    return _flip_axes(m, axes)


@means(np.flipud)
def _flipud(m: Any) -> Any:
    return _flip(m, 0)


@means(np.fliplr)
def _fliplr(m: Any) -> Any:
    return _flip(m, 1)


# ---- choosing ----------------------------------------------------------------------------


@by_row(np.where)
def _where(condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise TypeError("np.where(condition) without choices gives indices; use np.nonzero(x)")
    condition = data_of(condition)
    if not hasattr(condition, "dtype"):
        condition = np.asarray(condition)
    choices = tuple(np.asarray(x) if isinstance(x, (list, tuple)) else x for x in choices)
    return p.where(condition if condition.dtype == "bool" else condition != 0, *choices)


@by_row(np.repeat)
def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """As often everywhere, it is a broadcast along a new axis: nothing is looked up, on however many devices."""
    if axis is None:
        a, axis = a.reshape(-1), 0
    shape = a.shape
    if not isinstance(repeats, (int, np.integer)) or repeats < 0 or not -len(shape) <= axis < len(shape):
        return rearranged(np.repeat, (a, repeats, axis), {})
    lead, (n, *rest) = shape[: axis % len(shape)], shape[axis % len(shape) :]
    return p.broadcast_to(a.reshape((*lead, n, 1, *rest)), (*lead, n, int(repeats), *rest)).reshape(
        (*lead, n * int(repeats), *rest)
    )


@means(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    return np.where(np.tril(np.ones(m.shape[-2:], bool), k), m, 0.0)


@means(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    return np.where(np.triu(np.ones(m.shape[-2:], bool), k), m, 0.0)


@means(np.sort)
def _sort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Any:
    if axis is None:
        a, axis = a.reshape(-1), -1
    return np.take_along_axis(a, np.argsort(a, axis, kind=kind, stable=stable), axis)


@means(np.partition)
def _partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect") -> Any:
    if axis is None:
        a, axis = a.reshape(-1), -1
    return np.take_along_axis(a, np.argpartition(a, kth, axis, kind), axis)


@means(np.unique)
def _unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **how: Any,
) -> Any:
    """NumPy's, with the elements picked from the array itself."""
    _, index, *rest = np.unique(data_of(ar), True, return_inverse, return_counts, axis, **how)
    picked = ar.reshape(-1)[index] if axis is None else np.take(ar, index, axis)
    rest = [index, *rest] if return_index else rest
    return (picked, *rest) if rest else picked


@means(np.astype)
def _astype(x: Any, dtype: Any, /) -> Any:
    return x.astype(dtype)


@means(np.copy)
def _copy(a: Any) -> Any:
    return a.copy()
