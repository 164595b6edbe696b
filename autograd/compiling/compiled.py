"""`compile`: what stands for a function, records it once for every kind of arguments, and replays it."""

from __future__ import annotations

import functools
import threading
from contextlib import suppress
from types import MethodType
from typing import Any

from autograd.compiling.plan import MISS, Plan
from autograd.compiling.signature import holds_nodes, is_static
from autograd.compiling.traced import TracedError
from autograd.engine.base import Function, Tree
from autograd.engine.graph import Node
from autograd.engine.kinds import is_foreign
from autograd.engine.recording import OUTSIDE, current
from autograd.engine.tree import leaves
from autograd.engine.words import described

__all__ = ["Compiled", "compile"]


def compile(f: Function) -> Compiled:
    """A function that gives what f gives, from the second call on without running f's Python.

    >>> step = ag.compile(ag.grad(lambda x: (x * x).sum()))
    >>> step(np.array([1.0, 2.0])), step(np.array([3.0, 4.0]))
    (array([2., 4.]), array([6., 8.]))
    >>> step.recordings
    1

    f: takes arrays of NumPy, numbers, and nested dicts, lists and tuples of them, and gives such. The
        first call records what f does to its arguments, through `grad` and its kin too, and later calls
        replay it: NumPy's calls only, into memory that is there already.

    Arrays and floats are arguments by shape and dtype, an array of Values as one of their numbers, unless f gives
    Values, when f itself is called; dicts by their keys in order;
    everything else, such as ints, texts and a Config, is static: it must be hashable, and another value
    is recorded anew. An int that changes is treated as a number from then on, if f allows it.
    `.recordings` counts. A cross entropy is recorded apart for targets with padding (-1) and for those without, where
    nothing is masked. What f reads besides its arguments is watched, wherever the code that runs may find it:
    in variables, attributes, items, defaults, arrays and nodes. Where it has changed, f is recorded anew. What
    cannot be watched is refused: random numbers, the clock, files, iterators, arrays left outside, and what f changes
    itself and reads. It may count and collect (`calls += 1`, `log.append(...)`): that happens when it is recorded only.
    A read-only array is taken at its word.

    Results are arrays of their own, and equal those of f to rounding; a large one may take the memory of one
    that an earlier call gave and nobody holds any more. An error in a replay is raised by
    f itself, which is then called. f itself is called, too, inside `detect_anomaly()`, `record_source()` and
    `unfused()`, inside `grad` and its kin, and with nodes or arrays of JAX among the arguments.
    Raises TracedError for what is refused, and where f needs the numbers of an array while it is recorded:
    `if x > 0`, `float(x)`, `x.item()`, `x.data`, `{y: 1}`, `f"{y}"`; and TypeError for a static argument that is not
    hashable.

    What is not noticed: while f is recorded, an array is no np.ndarray to `isinstance`, as under JAX's jit; `type`,
    np.isscalar and numbers.Real know no numbers; and an array that is passed twice is two to `is`.
    """
    if not callable(f):
        raise TypeError(f"compile: expected a function, got {described(f)}")
    return Compiled(f)


class Compiled:
    """A compiled function: see `compile`.

    function: the function itself. recordings: how often it was recorded.
    """

    def __init__(self, f: Function) -> None:
        functools.update_wrapper(self, f)
        self.function = f
        self.recordings = 0
        self._plans: tuple[Plan, ...] = ()  # the one used last comes first
        self._lock = threading.RLock()
        self._name = "f"
        self._loose: dict[str, bool] = {}  # ints that have changed, and whether f takes them as numbers

    def __repr__(self) -> str:
        return f"<compiled {getattr(self.function, '__qualname__', self.function)}, {self.recordings} recordings>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self.function,)  # a copy records anew

    def __set_name__(self, owner: Any, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: an argument that is compared by its value is one, any other object has a method of its own."""
        if instance is None:
            return self
        if isinstance(instance, (dict, list, tuple)) or is_static(instance) or not hasattr(instance, "__dict__"):
            return functools.partial(self, instance)
        key = f"_compiled_{self._name}"
        bound = instance.__dict__.get(key)
        if bound is None or getattr(bound.function, "__self__", None) is not instance:  # such as that of a copy
            bound = instance.__dict__[key] = Compiled(MethodType(self.function, instance))
        return bound

    def __call__(self, *args: Tree, **options: Tree) -> Tree:
        state = current()
        if not state.ordinary and (state.check is not None or state.source is not None or not state.fused):
            return self.function(*args, **options)
        if state.level is not OUTSIDE:
            return self.function(*args, **options)
        plans = self._plans
        for plan in plans:
            try:
                result = plan.replay(args, options)
            except Exception as error:
                result = self._instead(plan, error, args, options)
            if result is not MISS:
                if plan is not plans[0]:
                    self._plans = (plan, *(p for p in plans if p is not plan))
                return result
        return self._first(args, options)

    def _replayed(self, plan: Plan, args: tuple[Tree, ...], options: dict[str, Tree]) -> Tree:
        """What a plan gives, or MISS."""
        try:
            return plan.replay(args, options)
        except Exception as error:
            return self._instead(plan, error, args, options)

    def _instead(self, plan: Plan, error: Exception, args: tuple[Tree, ...], options: dict[str, Tree]) -> Tree:
        """What is given where a replay raises: NumPy's arithmetic may not; and if it does, the function itself."""
        if isinstance(error, (ArithmeticError, ValueError)):
            with suppress(Exception):
                return plan.carefully(args, options)
        return self.function(*args, **options)

    def _first(self, args: tuple[Tree, ...], options: dict[str, Tree]) -> Tree:
        """The first call with arguments of this kind."""
        given = list(leaves([args, options]))
        if any(isinstance(x, Node) or is_foreign(x) for x in given):
            return self.function(*args, **options)
        if any(holds_nodes(x) for x in given):
            result = self.function(*args, **options)
            if any(isinstance(x, Node) or holds_nodes(x) for x in leaves(result)):
                return result  # with its graph, which a replay does not make
        with self._lock:
            self._plans = tuple(p for p in self._plans if not p.stale())
            for plan in self._plans:  # another thread may have been here
                result = self._replayed(plan, args, options)
                if result is not MISS:
                    return result
            try:
                plan = self._recorded(args, options)
            except TracedError:
                raise
            except Exception as error:
                self.function(*args, **options)  # raises what it would have raised
                if "compile: " in str(error):
                    raise
                raise TracedError(
                    f"ag.compile: the function runs on plain arrays, but not while it is recorded: "
                    f"{type(error).__name__}: {error}. Write it in functions of NumPy"
                ) from error
            self.recordings += 1
            self._plans = (plan, *self._plans)
        result = self._replayed(plan, args, options)
        return self.function(*args, **options) if result is MISS else result

    def _recorded(self, args: tuple[Tree, ...], options: dict[str, Tree]) -> Plan:
        """The function recorded; ints that have been seen to change are tried as numbers."""
        plan = Plan.signature(args, options, self._loose)
        changed = [
            path
            for other in self._plans
            if other.kind == plan.kind
            for path in other.ints
            if other.ints[path] != plan.ints[path] and path not in self._loose
        ]
        if changed:
            tried = {**self._loose, **dict.fromkeys(changed, True)}
            try:
                found = Plan(self.function, args, options, tried)
            except Exception:  # f needs their numbers, or is wrong without them too
                self._loose.update(dict.fromkeys(changed, False))
            else:
                self._loose = tried
                return found
        return Plan(self.function, args, options, self._loose)
