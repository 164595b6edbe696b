"""Derivatives of functions: `grad` and its kin, which nest to any order.

A call wraps the arguments in fresh nodes, runs the function, pulls the gradient back and
unwraps. A call inside another one wraps nodes in nodes and pulls back by rules that
record, so its gradient is itself a graph that the outer call differentiates.
"""

from __future__ import annotations

import functools
import gc
import itertools
import numbers
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from autograd.engine import primitives as p
from autograd.engine.graph import Node, backpropagate, next_id, state
from autograd.engine.kinds import filled, raw
from autograd.engine.tensor import Tensor
from autograd.engine.tree import leaves, map_tree, zip_leaves
from autograd.engine.value import Value, values

__all__ = ["detach", "grad", "hessian", "hvp", "jacobian", "value_and_grad"]


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., tuple[Any, Any]]:
    """A function that gives f's value and its gradient with respect to one argument or several.

    f: takes numbers, arrays, object arrays of Values, and nested dicts, lists and tuples
        of them; gives one number.
    argnums: the position of the argument to differentiate, or several positions.

    The gradient has the structure of the argument: a float for a number, an array for an
    array. Within another call of `grad` both are nodes of the outer graph. Recording is a
    state of the process, so one thread at a time may differentiate.
    Raises TypeError for an argument that is no number or array, ValueError where f gives
    more than one number.
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **options: Any) -> tuple[Any, Any]:
        return _run(_value_and_grad, "grad", f, argnums, args, options)

    return wrapped


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that gives the gradient of f: see `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    12.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(f, argnums)
    return functools.wraps(f)(lambda *args, **options: both(*args, **options)[1])


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that gives the derivative of every output of f by every input.

    For an array in and an array out the result has shape `out.shape + in.shape`. Where f
    gives or takes a structure, the result is the structure of the outputs with, at each
    leaf, the structure of the argument. One backward pass per output number.
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **options: Any) -> Any:
        return _run(_jacobian, "jacobian", f, argnums, args, options)

    return wrapped


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """A function that gives the second derivatives of f: the jacobian of its gradient.

    >>> hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], *at: Any, argnums: int = 0) -> Any:
    """The Hessian of f times a vector, without making the Hessian.

    `hvp(f)` is a function of f's arguments followed by the vector, which has the structure
    of the argument; `hvp(f, *args, v)` calls it at once. The cost is that of a few
    gradients (Pearlmutter 1994): the gradient of `grad(f) . v`.
    """

    def product(*args: Any) -> Any:
        *point, v = args
        if not point:
            raise TypeError("hvp: give f's arguments and then the vector, as in hvp(f, x, v)")

        def along(*point: Any) -> Any:
            slopes = grad(f, argnums)(*point)
            try:
                pairs = list(zip_leaves(slopes, v))
            except ValueError as error:
                raise ValueError(f"hvp: the vector must have the structure of argument {argnums}: {error}") from None
            if any(np.shape(raw(s)) != np.shape(raw(u)) for s, u in pairs):
                raise ValueError(f"hvp: the vector must have the structure and shapes of argument {argnums}")
            return sum((s * u).sum() if np.ndim(raw(s)) else s * u for s, u in pairs)

        return grad(along, argnums)(*point)

    return product(*at) if at else product


def detach(x: Any) -> Any:
    """The same numbers as a new leaf without history: for a Value, a Tensor or an array of Values.

    Anything else, such as a plain array, comes back as it is.
    """
    if isinstance(x, (Value, Tensor)):
        return x.detach()
    if isinstance(x, np.ndarray) and x.dtype == object:
        return _each(detach, x)
    return x


# ---- how it is done --------------------------------------------------------------------


def _run(
    method: Callable[..., Any], name: str, f: Callable[..., Any], argnums: Any, args: tuple[Any, ...], options: Any
) -> Any:
    """Call `method` as one level deeper, without the cyclic collector: a graph has no cycles,
    and looking for them costs a scalar training step more than its arithmetic does."""
    for i in _positions(argnums):
        if not isinstance(i, (int, np.integer)) or not -len(args) <= i < len(args):
            raise TypeError(
                f"{name}: argnums={argnums!r} does not fit the {len(args)} positional arguments given; it counts them from 0"
            )
    collecting = gc.isenabled()
    gc.disable()
    state.depth += 1
    before = state.change(recording=True)  # inside no_grad(), too: a gradient needs its graph
    try:
        return method(f, argnums, list(args), options)
    finally:
        state.change(**before)
        state.depth -= 1
        state.made = None
        if collecting:
            gc.enable()


def _value_and_grad(f: Callable[..., Any], argnums: Any, args: list[Any], options: Any) -> Any:
    inner = state.depth > 1
    floor = next_id()
    wrapped = wrap_arguments("grad", args, argnums)
    top = next_id()
    state.made = None if inner else []
    out = f(*args, **options)
    if isinstance(out, np.ndarray) and out.shape == ():
        out = out.item()
    if not isinstance(out, (Node, numbers.Real)) and getattr(out, "shape", None) != ():
        raise ValueError(f"grad: the function must give one number, but gave {_kind(out)}; sum it, or use jacobian")
    if isinstance(out, Tensor) and out.size != 1:
        raise ValueError(
            f"grad: the function must give one number, but gave a Tensor of shape {out.shape}; sum it, or use jacobian"
        )
    if isinstance(out, Node):
        if out.id >= floor:
            _clear(wrapped)  # of what a backward() inside f has left there
            backpropagate(out, _one(out), floor, inner, top, state.made)
        if not inner:
            out = _plain(out.raw)
    taken: set[int] = set()
    result = [map_tree(lambda x: _gradient(x, inner, taken), w) for w in wrapped]
    return out, _as_asked(result, argnums)


def _jacobian(f: Callable[..., Any], argnums: Any, args: list[Any], options: Any) -> Any:
    inner = state.depth > 1
    floor = next_id()
    wrapped = wrap_arguments("jacobian", args, argnums)
    top = next_id()
    out = f(*args, **options)

    def row(root: Any, seed: Any) -> list[Any]:
        """The gradients of one output number by every input leaf."""
        if isinstance(root, Node) and root.id >= floor:
            backpropagate(root, seed, floor, inner, top)
        found = [_gradient(x, inner, set()) for x in leaves(wrapped)]
        _clear(wrapped)
        return found

    _clear(wrapped)

    def derivative(y: Any) -> Any:
        """The derivatives of one output leaf, in the structure of the arguments."""
        if not isinstance(y, (Node, numbers.Real, np.ndarray)) and not hasattr(y, "__array_namespace__"):
            raise ValueError(f"jacobian: the function must give numbers and arrays, but gave {_kind(y)}")
        shape = np.shape(raw(y))
        if isinstance(y, Tensor):
            rows = [row(y, seed) for seed in np.eye(y.size, dtype=y.dtype).reshape(y.size, *shape)]
        else:
            rows = [row(n, 1.0) for n in (y.flat if isinstance(y, np.ndarray) else [y])]
        columns = iter(zip(*rows, strict=True)) if rows else itertools.repeat([])
        result = [map_tree(lambda x: _join(next(columns), shape, np.shape(raw(x))), w) for w in wrapped]
        return _as_asked(result, argnums)

    return map_tree(derivative, out)


def _positions(argnums: Any) -> tuple[int, ...]:
    return tuple(argnums) if isinstance(argnums, (tuple, list)) else (argnums,)


def _as_asked(result: list[Any], argnums: Any) -> Any:
    """One result for an int, a tuple for several: as `argnums` was given."""
    return tuple(result) if isinstance(argnums, (tuple, list)) else result[0]


def wrap_arguments(name: str, args: list[Any], argnums: Any) -> list[Any]:
    """Replace the arguments asked for by fresh nodes, in place, and give them back."""
    positions = _positions(argnums)
    # One graph holds one kind of node: numbers among arrays become Tensors too.
    number = Tensor if any(map(_is_array, leaves([args[i] for i in positions]))) else Value
    for i in positions:
        args[i] = map_tree(partial(_wrap, number, f"{name}: argument {i}"), args[i])
    return [args[i] for i in positions]


def _is_array(x: Any) -> bool:
    """True for what becomes a Tensor; arrays of Values stay what they are."""
    return (
        x.dtype != object
        if isinstance(x, np.ndarray)
        else isinstance(x, Tensor) or (hasattr(x, "__array_namespace__") and not isinstance(x, np.generic))
    )


def _wrap(number: type[Value | Tensor], where: str, x: Any) -> Any:
    """A leaf of an argument as a node of its own."""
    if isinstance(x, Node):
        # Inside another call the node stays connected to what it came from.
        return p.identity(x) if state.depth > 1 else x.detach()  # type: ignore[attr-defined]
    if isinstance(x, np.ndarray) and x.dtype == object:
        if all(type(v) is float for v in x.flat):
            return values(x.astype(np.float64))
        return _each(partial(_wrap, Value, where), x)
    if _is_array(x):
        return Tensor(x)
    if isinstance(x, numbers.Real):
        return number(float(x))
    raise TypeError(f"{where} holds {_kind(x)}; gradients are of numbers, arrays, and dicts, lists and tuples of them")


def _gradient(x: Any, inner: bool, taken: set[int]) -> Any:
    """The gradient that reached a wrapped leaf: a node inside another call, otherwise plain."""
    if isinstance(x, np.ndarray):
        if inner:
            return _each(lambda v: _gradient(v, inner, taken), x)
        return np.array([v._grad or 0.0 for v in x.flat], np.float64).reshape(x.shape)
    g = x._grad
    if g is None:
        return 0.0 if isinstance(x, Value) else _plain(filled(x.raw, 0))
    if inner or isinstance(g, float):
        return g
    g = _plain(raw(g))
    if isinstance(g, np.ndarray):
        if g.base is not None or not g.flags.writeable or id(g) in taken:
            g = g.copy()  # it is part of another array, or another argument's gradient too
        taken.add(id(g))
    return g


def _clear(wrapped: list[Any]) -> None:
    """Take the gradients from the wrapped arguments."""
    for x in leaves(wrapped):
        for node in x.flat if isinstance(x, np.ndarray) else (x,):
            node._grad = None


def _join(rows: Sequence[Any], shape: tuple[int, ...], tail: tuple[int, ...]) -> Any:
    """Rows of a jacobian as one array, or as the number it is."""
    if shape == tail == ():
        return rows[0]
    if any(isinstance(r, Tensor) for r in rows):
        return np.stack(rows).reshape(shape + tail)
    if any(isinstance(r, Value) for r in rows):
        out = np.empty(len(rows), dtype=object)
        out[:] = rows
        return out.reshape(shape + tail)
    return np.stack([np.asarray(r) for r in rows]).reshape(shape + tail) if rows else np.zeros(shape + tail)


def _each(f: Callable[[Any], Any], array: np.ndarray) -> np.ndarray:
    out = np.empty(array.shape, dtype=object)
    flat = out.reshape(-1)
    for i, x in enumerate(array.flat):
        flat[i] = f(x)
    return out


def _one(root: Any) -> Any:
    if isinstance(root, Value):
        return 1.0
    return filled(root.raw, 1)


def _plain(data: Any) -> Any:
    """A float for a result of one number, as NumPy spells it."""
    return data[()] if isinstance(data, np.ndarray) and data.shape == () else data


def _kind(x: Any) -> str:
    return (
        f"an array of shape {x.shape} and dtype {x.dtype}"
        if isinstance(x, np.ndarray)
        else f"{x!r} of type {type(x).__name__}"
    )
