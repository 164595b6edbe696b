"""Arrays of Values: NumPy's arrays of objects, whose doors lead to the same table as those of a Tensor.

It knows a Value only as a node; `value` makes them.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy

from autograd.engine.graph import NUMBER, ArrayNode, Node
from autograd.engine.kinds import data_of, each, is_values, raw
from autograd.numpy_api.dispatch import axes_of
from autograd.numpy_api.doors import ACROSS, ArrayMethods, call_function_on_values, call_ufunc_on_values, unboxed

np: Any = numpy  # with nodes for arguments, of which its types know nothing

__all__ = ["Values", "arrayed", "boxed", "by_function", "by_ufunc"]


class Values(ArrayMethods, np.ndarray):  # type: ignore[misc]
    """An array of Values, dtype object, as `ag.values` makes it: NumPy's in all, but for what a number is asked.

    Functions of NumPy and methods that compute lead to the same table and the same texts as those
    of a Tensor, and what they give is such an array again, or a Value where no axes are left.
    Slices, reshaped arrays and transposes hold the same Values. Elements may be floats, constants then.
    """

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return by_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        return by_function(function, types, args, options)

    @property
    def data(self) -> Any:
        """The numbers, as an array of floats. May be assigned where the elements are leaves."""
        return data_of(self)

    @data.setter
    def data(self, data: Any) -> None:
        self._set("data", data)

    @property
    def grad(self) -> np.ndarray:
        """The gradients of the elements, as an array of floats. May be assigned."""
        return np.array([getattr(x, "grad", 0.0) for x in self.flat], np.float64).reshape(self.shape)

    @grad.setter
    def grad(self, grad: Any) -> None:
        self._set("grad", grad)

    def _set(self, name: str, numbers_: Any) -> None:
        numbers_ = np.asarray(numbers_)
        if numbers_.ndim and numbers_.shape != self.shape:
            raise ValueError(f"{name}: expected the shape {self.shape} of the Values, got {numbers_.shape}")
        for x, number in zip(self.flat, np.broadcast_to(numbers_, self.shape).flat):
            setattr(x, name, number)

    def zero_grad(self) -> None:
        """Set the gradients back to 0.0."""
        self._set("grad", 0.0)

    def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """The sum over `axis`."""
        return self._folded(np.add, np.sum, axis, keepdims, options)

    def prod(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """The product over `axis`."""
        return self._folded(np.multiply, np.prod, axis, keepdims, options)

    def _folded(self, ufunc: np.ufunc, function: Any, axis: Any, keepdims: bool, options: dict[str, Any]) -> Any:
        if options:
            return function(self, axis, keepdims=keepdims, **options)
        start = {} if self.size else {"initial": float(ufunc.identity)}
        return arrayed(ufunc.reduce(self.view(np.ndarray), axis=axis, keepdims=keepdims, **start))

    def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """The mean over `axis`."""
        if options:
            return np.mean(self, axis, keepdims=keepdims, **options)
        total = self.sum(axis, keepdims)
        return np.true_divide(total, self.size // max(1, np.size(total)))

    def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """The maximum over `axis`; elements that tie share the gradient equally."""
        return self._extreme(np.max, axis, keepdims, options)

    def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        """The minimum over `axis`; elements that tie share the gradient equally."""
        return self._extreme(np.min, axis, keepdims, options)

    def _extreme(self, function: Any, axis: Any, keepdims: bool, options: dict[str, Any]) -> Any:
        if options:
            return function(self, axis, keepdims=keepdims, **options)
        data = data_of(self)
        best = function(data, axis=axis, keepdims=True)
        hit = (data == best) | (data != data)
        axes = axes_of(axis, self.ndim)
        order = (*(i for i in range(self.ndim) if i not in axes), *axes)
        rows, hits = (x.transpose(order).reshape((best.size, -1)) for x in (self.view(np.ndarray), hit))
        out = np.empty(best.size, object)
        for i in range(best.size):
            out[i] = _shared(rows[i, hits[i]])
        return arrayed(out.reshape(best.shape if keepdims else function(data, axis=axis).shape))

    def cumsum(self, axis: int | None = None, **options: Any) -> Any:
        """The sums of the elements up to each one, along `axis`."""
        return self._accumulated(np.add, np.cumsum, axis, options)

    def cumprod(self, axis: int | None = None, **options: Any) -> Any:
        """The products of the elements up to each one, along `axis`."""
        return self._accumulated(np.multiply, np.cumprod, axis, options)

    def _accumulated(self, ufunc: np.ufunc, function: Any, axis: int | None, options: dict[str, Any]) -> Any:
        if options:
            return function(self, axis, **options)
        x = self.view(np.ndarray)
        return arrayed(ufunc.accumulate(x.reshape(-1) if axis is None else x, axis or 0))

    def maximum(self, other: Any) -> Any:
        """The larger of the two, element by element; at a tie each gets half the gradient."""
        return np.maximum(self, other)

    def minimum(self, other: Any) -> Any:
        """The smaller of the two, element by element; at a tie each gets half the gradient."""
        return np.minimum(self, other)

    def detach(self) -> Any:
        """The same numbers as new leaves without history."""
        return each(lambda x: getattr(x, "detach", lambda: x)(), self)

    def astype(self, dtype: Any, **options: Any) -> Any:
        """The numbers rounded to another float dtype, which the Values hold in float64."""
        dtype = np.dtype(dtype)
        if dtype.kind == "O" or not any(isinstance(x, Node) for x in self.flat):
            return super().astype(dtype, **options)
        if dtype.kind != "f":
            raise TypeError(
                f"astype: Values hold floats, not {dtype}; "
                f"use .data.astype({dtype.name!r}) for an array without a graph"
            )
        data = data_of(self)
        with np.errstate(over="ignore"):
            rounded = data.astype(dtype).astype(np.float64)
        return self.copy() if np.array_equal(rounded, data, equal_nan=True) else self + _apart(rounded, data)

    def sort(self, axis: int = -1, kind: Any = None, **options: Any) -> None:
        """Sort in place."""
        self[...] = np.sort(self, axis, kind=kind, **options)


def _shared(tied: np.ndarray) -> Any:
    """One number from elements that are equal, each of which gets its share of the gradient."""
    best = tied[0]
    if len(tied) > 1 and raw(best) in (math.inf, -math.inf):
        return functools.reduce(operator.add, tied) / len(tied)
    for k, x in enumerate(tied[1:], 2):
        best = best + (x - best) / k  # their mean, in steps that add an exact 0
    return best


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b, and 0 where they are equal, infinite or both nan."""
    return np.where((a == b) | (a != a), 0.0, a - b)


def arrayed(x: Any) -> Any:
    """What NumPy gives for objects as this module has it: an array of Values, or the one of an array without axes."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(arrayed, x)) if not hasattr(x, "_fields") else type(x)(*map(arrayed, x))
    if is_values(x):
        if x.ndim:
            return x.view(Values)
        x = x.item()
        x = float(x) if isinstance(x, NUMBER) and not isinstance(x, bool) else x
    return ACROSS["to_value"](x) if x.__class__ is float else x  # a constant, of which more is asked than of a float


def boxed(x: Any) -> Any:
    return unboxed(x).view(Values) if isinstance(x, Node) else x


def by_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if any(isinstance(x, ArrayNode) for x in inputs):
        return NotImplemented  # a Tensor answers for itself and for us
    try:
        return arrayed(call_ufunc_on_values(ufunc, method, inputs, options))
    except SystemError as error:
        raise _first(error) from None


def by_function(function: Callable[..., Any], types: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if any(issubclass(t, ArrayNode) for t in types):
        return NotImplemented
    options = {k: boxed(x) for k, x in options.items()}
    try:
        return arrayed(call_function_on_values(function, tuple(map(boxed, args)), options))
    except SystemError as error:
        raise _first(error) from None


def _first(error: BaseException) -> BaseException:
    """The error of an element, after which NumPy's loop over objects went on, and stumbled."""
    while isinstance(error, SystemError) and error.__cause__ is not None:
        error = error.__cause__
    return error
