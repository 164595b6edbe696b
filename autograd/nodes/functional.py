"""Derivatives of functions: `grad` and its kin, which nest to any order.

A call wraps the arguments in fresh nodes, runs the function, pulls the gradient back and
unwraps. A call inside another one wraps nodes in nodes and pulls back by rules that
record, so its gradient is itself a graph that the outer call differentiates.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import cast

import numpy as np

from autograd.engine import primitives as p
from autograd.engine.base import Argnums, Data, Function, Operand, Tree
from autograd.engine.graph import Node, backpropagate
from autograd.engine.kinds import each, filled, floats, is_array, is_bare, is_number, is_values, namespace, raw
from autograd.engine.modes import F, no_grad
from autograd.engine.recording import Level, at_level, current, next_id
from autograd.engine.tree import leaves, map_tree, zip_leaves
from autograd.engine.words import described, many
from autograd.nodes.tensor import Tensor, leaf
from autograd.nodes.value import Value, values
from autograd.nodes.value_array import Values

__all__ = ["detach", "grad", "hessian", "hvp", "jacobian", "traceable", "value_and_grad"]


def value_and_grad(f: Function, argnums: Argnums = 0) -> Callable[..., tuple[Operand, Tree]]:
    """A function that gives f's value and its gradient with respect to one argument or several.

    >>> value_and_grad(lambda x: x**3)(2.0)
    (8.0, 12.0)

    f: takes numbers, arrays, object arrays of Values, and nested dicts, lists and tuples
        of them; gives one number.
    argnums: the position of the argument to differentiate, or several positions.

    The gradient has the structure of the argument: a float for a number, an array for an
    array; of an array of Values it is an array of floats. Where the argument is a Value or a
    Tensor, or holds one, and within another call of `grad`, value and gradient are nodes,
    connected to the graph that the argument comes from; leaves, inside no_grad(). f gets copies of the
    dicts and lists in the argument: it may change them, and the gradient is that of what was passed in.
    Threads may differentiate graphs of their own at the same time; a call in a thread that f starts
    stands within f's where it is given nodes.
    Raises TypeError for an argument that is no number or array and for positions that are not there,
    ValueError for a position given twice, and where f gives anything but one number.
    """
    return _public(_value_and_grad, "value_and_grad", f, argnums)


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """A function that gives the gradient of f: see `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    12.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    return _slopes("grad", f, argnums)


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """A function that gives the derivative of every output of f by every input.

    >>> jacobian(lambda x: x * x.sum())(np.array([1.0, 2.0]))
    array([[4., 1.],
           [2., 5.]])

    For an array in and an array out the result has shape `out.shape + in.shape`. Where f
    gives or takes a structure, the result is the structure of the outputs with, at each
    leaf, the structure of the argument. One backward pass per output number.
    """
    return _public(_jacobian, "jacobian", f, argnums)


def hessian(f: Function, argnums: int = 0) -> Function:
    """A function that gives the second derivatives of f: the jacobian of its gradient.

    >>> hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return _public(_jacobian, "hessian", _slopes("hessian", f, argnums), argnums)


def hvp(f: Function, *at: Tree, argnums: int = 0, **options: Tree) -> Tree:
    """The Hessian of f times a vector, without making the Hessian.

    >>> hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])

    `hvp(f)` is a function of f's arguments followed by the vector, which has the structure
    of the argument; `hvp(f, *args, v)` calls it at once. Keyword arguments go to f. The cost is
    that of a few gradients (Pearlmutter 1994): the gradient of `grad(f) . v`.
    Raises ValueError for a vector of another structure or other shapes than the argument.
    """

    slopes = _slopes("hvp", f, argnums)

    def product(*args: Tree, **options: Tree) -> Tree:
        *point, v = args
        if not point:
            raise TypeError("hvp: give f's arguments and then the vector, as in hvp(f, x, v)")
        return _slopes("hvp", partial(_along, slopes, v, argnums), argnums)(*point, **options)

    return product(*at, **options) if at else partial(product, **options)


def _along(slopes: Function, v: Tree, argnums: int, *point: Tree, **options: Tree) -> Operand:
    """The gradient at a point, times v."""
    try:
        pairs = list(zip_leaves(slopes(*point, **options), v))
    except ValueError as error:
        raise ValueError(f"hvp: the vector must have the structure of argument {argnums}: {error}") from None
    if any(np.shape(raw(s)) != np.shape(raw(u)) for s, u in pairs):
        raise ValueError(f"hvp: the vector must have the structure and shapes of argument {argnums}")
    return sum((s * u).sum() if np.ndim(raw(s)) else s * u for s, u in pairs)


def detach(x: Operand) -> Operand:
    """The same numbers as a new leaf without history: for a Value, a Tensor or an array of Values.

    >>> grad(lambda x: x * detach(x))(3.0)
    3.0

    Anything else, such as a plain array, comes back as it is.
    """
    if isinstance(x, (Value, Tensor)):
        return x.detach()
    return each(detach, x) if is_values(x) else x


def traceable(f: F) -> F:
    """A function written in NumPy's words, whose first argument may be, or hold, plain arrays and tracers of JAX.

    On these `np.*` would leave JAX, or fail. They go through f as Tensors that record nothing, and come out
    as what they are: so f stands inside `jax.jit` and `jax.grad`, too. Anything else goes through as it is.

    >>> norm = traceable(lambda x: np.sqrt(np.sum(x * x)))
    >>> norm(np.array([3.0, 4.0])), grad(norm)(np.array([3.0, 4.0]))
    (np.float64(5.0), array([0.6, 0.8]))
    """

    @functools.wraps(f)
    def apply(first: Tree, *args: Tree, **options: Tree) -> Tree:
        given = first.values() if type(first) is dict else leaves(first)
        if _OURS.issuperset(map(type, given)) or not any(map(_are_bare_floats, leaves(first))):
            return f(first, *args, **options)
        with no_grad():
            return map_tree(
                raw, f(map_tree(lambda x: Tensor(x) if _are_bare_floats(x) else x, first), *args, **options)
            )

    return cast(F, apply)


_OURS = frozenset((np.ndarray, Tensor, Values, Value, float, int))


def _are_bare_floats(x: Operand) -> bool:
    return is_bare(x) and floats(x.dtype)


# ---- how it is done --------------------------------------------------------------------

Method = Callable[..., Tree]
Asked = Callable[[list[Tree]], Tree]  # the results as `argnums` asked for them: one for an int, a tuple for several


def _public(method: Method, name: str, f: Function, argnums: Argnums) -> Function:
    """The function that `name` makes of f."""
    if not callable(f):
        remedy = "; .backward() fills the gradients of what a node was made from" if isinstance(f, Node) else ""
        raise TypeError(f"{name}: expected a function, got {described(f)}{remedy}")
    return functools.wraps(f)(lambda *args, **options: _differentiated(method, name, f, argnums, args, options))


def _slopes(name: str, f: Function, argnums: Argnums) -> Function:
    """The gradient of f, as a function; errors are told in the name of `name`."""
    both = _public(_value_and_grad, name, f, argnums)
    return functools.wraps(f)(lambda *args, **options: both(*args, **options)[1])


def _differentiated(
    method: Method, name: str, f: Function, argnums: Argnums, args: tuple[Tree, ...], options: dict[str, Tree]
) -> Tree:
    """Call `method` at a level of its own."""
    positions = _positions(name, argnums, len(args))
    asked: Asked = itemgetter(0) if type(argnums) is int or not isinstance(argnums, Sequence) else tuple
    kinds = {type(x) for i in positions for x in leaves(args[i])}
    nodes = any(issubclass(kind, Node) for kind in kinds)
    alone = not current().recording  # no_grad(): numbers, as for a constant
    found = at_level(partial(method, name, f, positions, asked, list(args), options), nodes)
    return map_tree(_as_node, found) if nodes and alone else found


def _positions(name: str, argnums: Argnums, count: int) -> tuple[int, ...]:
    """The positions of the arguments asked for, counted from 0; TypeError where there are none such."""
    if type(argnums) is int and 0 <= argnums < count:  # the common case
        return (argnums,)
    given: tuple[int, ...] = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    if any(isinstance(i, (bool, np.bool_)) or not isinstance(i, (int, np.integer)) for i in given):
        raise TypeError(f"{name}: argnums={argnums!r} is neither a position, counted from 0, nor a tuple of positions")
    if not all(-count <= i < count for i in given):
        raise TypeError(
            f"{name}: argnums={argnums!r} does not fit the {many(count, 'positional argument')} given; "
            "it counts them from 0"
        )
    positions = tuple(int(i) % count for i in given)
    if len(set(positions)) < len(positions):
        raise ValueError(f"{name}: argnums={argnums!r} names an argument twice; give each position once")
    return positions


def _value_and_grad(
    name: str,
    f: Function,
    positions: tuple[int, ...],
    asked: Asked,
    args: list[Tree],
    options: dict[str, Tree],
    level: Level,
) -> Tree:
    wrapped = wrap_arguments(name, args, positions, level)
    level.top = next_id()
    out = _one_number(name, f(*args, **options))
    if isinstance(out, Node):
        if out.id >= level.floor:
            if level.made is None:
                _clear(wrapped)  # of what a backward() inside f has left there
            backpropagate(out, _one(out), level)
        if not level.nested:
            out = _plain(out.raw)
            out = out.copy() if isinstance(out, np.ndarray) else out  # a graph that lives on may hold it
    gradient = partial(_gradient, level.nested)
    return out, asked([map_tree(gradient, w) for w in wrapped])


def _one_number(name: str, out: Operand) -> Operand:
    """What f gave, where it is one number; ValueError elsewhere."""
    if type(out) is Tensor and out.raw.shape == () and out.raw.dtype.kind == "f":
        return out  # the common case
    if is_values(out) and out.size == 1:
        out = out.item()
    if _is_bool(out):
        raise ValueError(f"{name}: the function gave {out!r}, which has no gradient; np.where chooses by a comparison")
    if isinstance(out, Value) or is_number(out) or ((isinstance(out, Tensor) or is_array(out)) and out.size == 1):
        return out
    what = f"a Tensor of shape {out.shape}" if isinstance(out, Tensor) else described(out)
    remedy = "sum it, or use jacobian" if isinstance(out, Tensor) or is_array(out) or is_values(out) else "return one"
    raise ValueError(f"{name}: the function must give one number, but gave {what}; {remedy}")


def _is_bool(x: Operand) -> bool:
    """Whether it answers a question about the data, which has no derivative."""
    return isinstance(x, bool) or getattr(x, "dtype", None) == np.dtype(bool)


def _jacobian(
    name: str,
    f: Function,
    positions: tuple[int, ...],
    asked: Asked,
    args: list[Tree],
    options: dict[str, Tree],
    level: Level,
) -> Tree:
    wrapped = wrap_arguments(name, args, positions, level)
    level.top = next_id()
    out = f(*args, **options)
    level.made = None  # one walk of many

    def row(root: Operand, seed: Data) -> list[Operand]:
        """The gradients of one output number by every input leaf."""
        if isinstance(root, Node) and root.id >= level.floor:
            backpropagate(root, seed, level)
        found = [_gradient(level.nested, x) for x in leaves(wrapped)]
        _clear(wrapped)
        return found

    _clear(wrapped)

    def derivative(y: Operand) -> Tree:
        """The derivatives of one output leaf, in the structure of the arguments."""
        if _is_bool(y):
            raise ValueError(
                f"{name}: the function gave {described(y)}, which has no derivative; np.where chooses by a comparison"
            )
        if not isinstance(y, (Node, np.ndarray)) and not is_number(y) and not is_array(y):
            raise ValueError(f"{name}: the function must give numbers and arrays, but gave {described(y)}")
        shape = np.shape(raw(y))
        if isinstance(y, Tensor):
            rows = [row(y, seed) for seed in namespace([y.raw]).eye(y.size, dtype=y.dtype).reshape(y.size, *shape)]
        else:
            rows = [row(n, 1.0) for n in (y.reshape(-1) if is_array(y) or is_values(y) else [y])]
        columns = iter(zip(*rows, strict=True)) if rows else itertools.repeat([])
        result = [map_tree(lambda x: _join(next(columns), shape, np.shape(raw(x))), w) for w in wrapped]
        return asked(result)

    return map_tree(derivative, out)


def wrap_arguments(name: str, args: list[Tree], positions: tuple[int, ...], level: Level) -> list[Tree]:
    """Replace the arguments asked for by fresh nodes, in place, and give these: in containers of their own,
    so that what becomes of those in `args` does not change which nodes the gradient is of."""
    wrapped: list[Tree] = []
    if len(positions) == 1 and _is_plain(args[positions[0]]):
        (i,) = positions
        wrapped.append({k: leaf(x.copy("K")) for k, x in args[i].items()})
        args[i] = {**wrapped[0]}
        return wrapped
    # One graph holds one kind of node: numbers among arrays become Tensors too.
    number = Tensor if any(_is_tensor(x) for i in positions for x in leaves(args[i])) else Value
    for i in positions:
        wrapped.append(map_tree(partial(_wrap, number, f"{name}: argument {i}", level.nested), args[i]))
        args[i] = map_tree(lambda x: x.copy() if isinstance(x, np.ndarray) else x, wrapped[-1])
    return wrapped


def _is_plain(x: Tree) -> bool:
    """Whether it is a dict of arrays of floats, as most parameters are, so that nothing has to be asked of each."""
    return type(x) is dict and {a.dtype.kind if type(a) is np.ndarray else "" for a in x.values()} == {"f"}


def _is_tensor(x: Operand) -> bool:
    """True for what becomes a Tensor; arrays of Values stay what they are."""
    return is_array(x) or isinstance(x, Tensor)


def _wrap(number: type[Value | Tensor], where: str, nested: bool, x: Operand) -> Operand:
    """A leaf of an argument as a node of its own; within another graph it stays connected to what it came from."""
    if x.__class__ is np.ndarray and x.dtype.kind == "f":  # the common case
        return leaf(x.copy("K"))
    if isinstance(x, Node):
        return p.identity(x) if nested else detach(x)
    if is_values(x):
        if all(type(v) is float for v in x.flat):
            return values(np.array(x, np.float64))
        return each(partial(_wrap, Value, where, nested), x.view(Values))
    if is_array(x):
        return Tensor(x)
    if is_number(x):
        return number(x)
    raise TypeError(
        f"{where} holds {described(x)}; gradients are of numbers, arrays, and dicts, lists and tuples of them"
    )


def _gradient(nested: bool, x: Operand) -> Operand:
    """The gradient that reached a wrapped leaf: a node inside another call, otherwise plain."""
    if x.__class__ is Tensor and not nested:  # the common case
        g = x._grad
        # Of arrays that nobody else holds, as a rule of a user's may.
        if g.__class__ is np.ndarray and sys.getrefcount(g) == 3 and g.base is None and g.shape and g.flags.writeable:
            return g
    if isinstance(x, np.ndarray):
        if nested:
            return each(partial(_gradient, nested), x)
        return np.array([v._grad or 0.0 for v in x.flat], np.float64).reshape(x.shape)
    g = x._grad
    if nested:
        return g if isinstance(g, Node) else type(x)(_zero(x) if g is None else g)
    if g is None:
        return _plain(_zero(x))
    if isinstance(g, float):
        return g
    g = _plain(raw(g))
    if isinstance(g, np.ndarray):
        return g.copy()  # it is part of another array, or another argument's gradient too, or somebody else's
    return g


def _clear(wrapped: Iterable[Tree]) -> None:
    """Take the gradients from the wrapped arguments."""
    for x in leaves(list(wrapped)):
        for node in x.flat if isinstance(x, np.ndarray) else (x,):
            node._grad = None


def _as_node(x: Operand) -> Operand:
    """A number or an array as a leaf of its kind."""
    return Value(x) if type(x) is float else Tensor(x)


def _join(rows: Sequence[Operand], shape: tuple[int, ...], tail: tuple[int, ...]) -> Operand:
    """Rows of a jacobian as one array, or as the number it is."""
    if shape == tail == ():
        return rows[0]
    if any(isinstance(r, Tensor) for r in rows):
        return np.stack(rows).reshape(shape + tail)
    if any(isinstance(r, Value) for r in rows):
        out = np.empty(len(rows), dtype=object)
        out[:] = rows
        return out.reshape(shape + tail).view(Values)
    xp = namespace(rows)
    return xp.stack([xp.asarray(r) for r in rows]).reshape(shape + tail) if rows else np.zeros(shape + tail)


def _one(root: Node) -> Data:
    """The gradient of a root: by itself, 1."""
    return 1.0 if isinstance(root, Value) else filled(root.raw, 1)


def _zero(x: Node) -> Data:
    """The gradient of what nothing has reached."""
    return 0.0 if isinstance(x, Value) else filled(x.raw, 0)


def _plain(data: Data) -> Data:
    """A float for a result of one number, as NumPy spells it."""
    return data[()] if isinstance(data, np.ndarray) and data.shape == () else data
