"""The door for an operation of one's own: a row beside the table.

A row of the table is trusted; what comes through here is looked at: how many rules there are,
what forward and rules give, and that neither writes into arrays that the graph relies on.
"""

from __future__ import annotations

import inspect

import numpy as np

from autograd.engine.base import Data, Operand, Rule
from autograd.engine.graph import Node, Primitive, ScalarNode
from autograd.engine.kinds import filled, floats, is_foreign, is_number, is_values, raw, reals
from autograd.engine.rows import TABLE, Array, Scalar
from autograd.engine.words import described, many

__all__ = ["primitive"]


def primitive(forward: Array, *vjps: Rule | None, name: str, local: str | tuple[str, ...] = ()) -> Array:
    """An operation of your own, which is differentiated, checked, stepped through and drawn like the others.

    >>> import numpy as np, autograd as ag
    >>> softsign = ag.primitive(
    ...     lambda x: x / (1 + abs(x)), lambda g, out, x: g / (1 + abs(x)) ** 2, name="softsign"
    ... )
    >>> ag.grad(softsign)(1.0)
    0.25
    >>> bool(ag.gradcheck(softsign, np.array([-2.0, 0.5]), order=2))
    True

    forward: takes arrays and gives an array of floats; takes floats and gives a float where it
        meets numbers and Values.
    vjps: for each argument of forward, `rule(g, out, *args)`, which gives the gradient of that
        argument from the gradient g of the result; None for an argument that has none, such as an
        axis. Written in operators, methods and functions that take nodes, a rule is itself
        differentiated for higher orders. Undoing broadcasting is not its business.
    name: what `node.op`, tables and drawings say. local: the local derivatives as text, in a, b
        and out; with a g in it, the whole rule.

    The result takes what forward takes, and Values, Tensors, and arrays of Values element by
    element; Values only where forward has one or two arguments and each has a rule.
    Raises TypeError for a wrong number of rules or arguments, and where forward or a rule gives
    no floats; ValueError for a name that an operation has already, and for a gradient whose
    shape is not that of its argument.
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"primitive: name must be a text such as 'softsign', got {described(name)}")
    if name in TABLE:
        raise ValueError(f"primitive: the name {name!r} is taken by an operation of the table; choose another")
    signature = _signature(name, forward, vjps)
    texts = (local,) if isinstance(local, str) else tuple(local)
    if texts and len(texts) != len(vjps):
        raise TypeError(f"primitive {name}: local has {many(len(texts), 'text')} for {many(len(vjps), 'rule')}")
    of_numbers = len(vjps) in (1, 2) and None not in vjps
    rules = tuple(rule if rule is None else _checked(name, i, rule) for i, rule in enumerate(vjps))
    row = Primitive(
        name, _scalar(name, forward) if of_numbers else None, _array(name, forward), rules, texts, analytic=False
    )

    def apply(*args: Operand, **options: Operand) -> Operand:
        if signature is not None and (options or len(args) != len(vjps)):
            args = _bound(name, signature, args, options)
        elif len(args) != len(vjps):
            raise TypeError(f"{name}: takes {many(len(vjps), 'argument')}, got {len(args)}")
        of_values = any(map(is_values, args))
        if not of_numbers and (of_values or any(isinstance(a, ScalarNode) for a in args)):
            raise TypeError(
                f"{name}: Values go through operations of one or two numbers, each with a rule; give Tensors instead"
            )
        return np.frompyfunc(row, len(vjps), 1)(*args) if of_values else row(*args)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = forward.__doc__
    return apply


def _signature(name: str, forward: Array, vjps: tuple[Rule | None, ...]) -> inspect.Signature | None:
    """The arguments of forward, one for each rule; None where Python cannot tell."""
    if not callable(forward) or not all(rule is None or callable(rule) for rule in vjps):
        raise TypeError(f"primitive {name}: forward and rules are functions; a rule may be None")
    if not any(vjps):
        raise TypeError(f"primitive {name}: give a rule for at least one argument: rule(g, out, *args)")
    try:
        found = inspect.signature(forward)
    except (TypeError, ValueError):  # a function written in C
        return None
    given = list(found.parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in given):
        return None
    places = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in given if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if not set(needed) <= set(places[: len(vjps)]) or len(places) < len(vjps):
        raise TypeError(
            f"primitive {name}: got {many(len(vjps), 'rule')} for the arguments of forward{found}; "
            "give one for each, in order, and None for one without a gradient"
        )
    return found.replace(parameters=places[: len(vjps)])


def _bound(
    name: str, signature: inspect.Signature, args: tuple[Operand, ...], options: dict[str, Operand]
) -> tuple[Operand, ...]:
    """All arguments in their places, with those given by name and those by default."""
    try:
        bound = signature.bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"{name}{signature}: {error}") from None
    bound.apply_defaults()
    return bound.args


def _scalar(name: str, forward: Array) -> Scalar:
    def scalar(*args: float) -> float:
        y = forward(*map(float, args))
        if is_number(y) or (isinstance(y, np.ndarray) and y.shape == () and reals(y.dtype)):
            return float(y)
        raise TypeError(f"{name}: forward must give a number for numbers, gave {described(y)}")

    return scalar


def _array(name: str, forward: Array) -> Array:
    def array(*args: Data) -> Data:
        y = forward(*map(_read_only, args))
        if is_foreign(y):
            return y
        if isinstance(y, (np.ndarray, np.generic)) or is_number(y):
            found = np.asarray(y)
            if found.dtype.kind == "c" or floats(found.dtype):
                return found if hasattr(y, "dtype") else found.astype(np.result_type(y, *_floats(args)))
            if found.dtype.kind in "iub":
                return found.astype(np.float64)
        raise TypeError(f"{name}: forward must give an array of floats, gave {described(y)}")

    return array


def _floats(args: tuple[Data, ...]) -> list[np.dtype]:
    return [a.dtype for a in args if isinstance(a, (np.ndarray, np.generic)) and floats(a.dtype)]


def _checked(name: str, i: int, rule: Rule) -> Rule:
    """A rule whose result is looked at."""

    def checked(g: Operand, out: Operand, *args: Operand) -> Operand:
        c = rule(*map(_read_only, (g, out, *args)))
        like, found = raw(args[i]), raw(c)
        if not hasattr(like, "dtype"):
            if is_number(found) or getattr(found, "shape", None) == ():
                return c if isinstance(c, Node) else float(found)
        elif is_number(found) and not hasattr(found, "dtype"):
            return filled(like, found)
        elif hasattr(found, "dtype") and found.dtype != object:
            if np.broadcast_shapes(found.shape, like.shape) == found.shape:
                return c
            raise ValueError(
                f"{name}: the rule for argument {i} gave shape {tuple(found.shape)} for an argument of shape "
                f"{tuple(like.shape)}; it must give that shape, or one that the argument broadcasts to"
            )
        raise TypeError(f"{name}: the rule for argument {i} must give a gradient of floats, gave {described(c)}")

    return checked


def _read_only(x: Operand) -> Operand:
    """The same array, which cannot be written to: the graph relies on it."""
    if not isinstance(x, np.ndarray):
        return x
    view = x.view()
    view.flags.writeable = False
    return view
