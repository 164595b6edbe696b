"""The door for a function of JAX: all of it one node, whose rule JAX works out.

Its gradient is one call of `jax.vjp` for all arguments together; one call for each would compute the
forward pass as many times. JAX is imported when such a function is made, and not before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from autograd.engine.base import Data, Function, Operand, Tree
from autograd.engine.graph import Node, Primitive
from autograd.engine.kinds import floats, is_bare, is_foreign, raw
from autograd.engine.recording import current
from autograd.engine.words import described
from autograd.nodes.fused import together
from autograd.nodes.tensor import Tensor
from autograd.numpy_api.doors import ACROSS

__all__ = ["jax_node"]


def jax_node(f: Function) -> Function:
    """A function written for JAX as one operation, which is differentiated by JAX and recorded, drawn and stepped here.

    >>> import numpy as np, autograd as ag
    >>> import jax  # doctest: +SKIP
    >>> silu = ag.jax_node(jax.nn.silu)  # doctest: +SKIP
    >>> ag.grad(lambda x: silu(x).sum())(np.array([0.0]))  # doctest: +SKIP
    array([0.5])
    >>> ag.jax_node(3.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    TypeError: jax_node: expected a function of JAX, got ...3.0...

    f: takes arrays, and dicts, lists and tuples of them; gives one array of floats. It may be what `jax.jit`,
        `jax.checkpoint` or `jax.lax.scan` make.
    What it is given decides what comes out: NumPy of NumPy, in the same precision, JAX of JAX, a Tensor where there is
    a node. Derivatives of every order are JAX's. A function without a derivative in JAX has none here.
    Raises ImportError where JAX is not installed, TypeError where f gives anything but one array of floats.
    """
    if not callable(f) or isinstance(f, Node):
        raise TypeError(f"jax_node: expected a function of JAX, got {described(f)}")
    try:
        import jax
    except ImportError as error:
        raise ImportError(
            f"jax_node needs JAX, which cannot be imported ({error}): pip install 'stepgrad[jax]'"
        ) from None

    @functools.wraps(f)
    def apply(*args: Tree, **options: Tree) -> Operand:
        flat, structure = jax.tree.flatten((args, options))

        def whole(*leaves: Data) -> Data:
            again, named = jax.tree.unflatten(structure, leaves)
            return f(*again, **named)

        return _Call(jax, whole, getattr(f, "__name__", "jax_node"), flat)()

    return apply


class _Call:
    """One call: its arguments in a row, and the rule that comes out of it."""

    def __init__(self, jax: Any, f: Callable[..., Data], name: str, args: Sequence[Operand]) -> None:
        self.jax, self.f, self.name = jax, f, name
        self.args = tuple(map(ACROSS["to_tensor"], args))  # Values, too
        self.wanted = [i for i, x in enumerate(self.args) if isinstance(x, Node)]
        self.seen: tuple[Data, ...] = ()
        self.pull: Callable[[Data], tuple[Data, ...]] | None = None
        for x in args:
            if is_foreign(raw(x)) and not is_bare(raw(x)):
                raise TypeError(
                    f"{name}: ag.compile records calls of NumPy, and this is a function of JAX; leave it outside, or "
                    "compile the whole by jax.jit"
                )

    def __call__(self) -> Operand:
        if not self.wanted:
            return self._forward(*self.args)
        rules: list[Any] = [None] * len(self.args)
        for i, rule in zip(self.wanted, together(self._rule, len(self.wanted)), strict=True):
            rules[i] = rule
        local = tuple("g, pulled back by jax.vjp" if rule else "" for rule in rules)
        return Tensor._apply(Primitive(self.name, None, self._forward, rules, local, analytic=False), self.args)

    def _forward(self, *args: Data) -> Data:
        """The result; while a graph is recorded, also how its gradient is pulled back."""
        with self._precision(args):
            if self.wanted and current().recording:
                out, self.pull = self.jax.vjp(self._of_wanted(args), *(args[i] for i in self.wanted))
                self.seen = args
            else:
                out = self.f(*args)
        if not (hasattr(out, "dtype") and hasattr(out, "shape") and floats(np.dtype(out.dtype))):
            raise TypeError(f"{self.name}: a function of JAX must give one array of floats here, gave {described(out)}")
        return self._as_given(out, args)

    def _rule(self, g: Operand, out: Operand, *args: Operand) -> tuple[Operand, ...]:
        """The gradients of all arguments that are nodes."""
        if any(isinstance(x, Node) for x in (g, *args)):
            return tuple(jax_node(functools.partial(self._slope, i))(g, *args) for i in self.wanted)
        with self._precision(args):
            if self.pull is None or any(a is not b for a, b in zip(args, self.seen, strict=True)):
                _, self.pull = self.jax.vjp(self._of_wanted(args), *(args[i] for i in self.wanted))
                self.seen = args
            found = self.pull(self.jax.numpy.asarray(g, out.dtype))
        return tuple(self._as_given(c, args) for c in found)

    def _slope(self, i: int, g: Data, *args: Data) -> Data:
        """The gradient of one argument, as a function of JAX: for derivatives of higher order."""
        _, pull = self.jax.vjp(lambda x: self.f(*args[:i], x, *args[i + 1 :]), args[i])
        return pull(g)[0]

    def _of_wanted(self, args: Sequence[Data]) -> Callable[..., Data]:
        def f(*some: Data) -> Data:
            given = dict(zip(self.wanted, some, strict=True))
            return self.f(*(given.get(i, x) for i, x in enumerate(args)))

        return f

    def _precision(self, args: Sequence[Data]) -> AbstractContextManager[Any]:
        """Numbers of NumPy keep their precision, which JAX would lower to float32."""
        double = any(isinstance(x, (np.ndarray, np.generic)) and x.dtype == np.float64 for x in args)
        return self.jax.enable_x64(True) if double and not any(map(is_foreign, args)) else nullcontext()

    @staticmethod
    def _as_given(out: Data, args: Sequence[Data]) -> Data:
        """An array of NumPy where no argument is of JAX."""
        return out if any(map(is_foreign, args)) or not hasattr(out, "is_fully_addressable") else np.asarray(out)
