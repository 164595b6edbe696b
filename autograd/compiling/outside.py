"""What a recording takes from outside of its arguments: arrays and nodes that may change, and random numbers.

They would be constants of the program. Arrays, nodes, and the numbers and texts in variables are watched, so
that the function is recorded anew when one has changed; random numbers, and a node that is written into, are refused.
"""

from __future__ import annotations

import random
import sys
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from autograd.compiling.program import Program, Step, same_bits
from autograd.compiling.traced import Traced, TracedError
from autograd.engine.base import Operand
from autograd.engine.graph import Node
from autograd.engine.kinds import raw
from autograd.engine.recording import Mode, next_id

__all__ = ["Dice", "Outside"]

SMALL = 1 << 16  # bytes of an array in a variable that is looked at before every replay
LASTING = (ModuleType, type, BuiltinFunctionType, np.ufunc)  # what a variable goes on holding
_NOTHING = object()


class Outside:
    """What a function brings along while it is recorded, inside `with outside.watching`.

    watching: the mode in which nodes are noticed. within: the function; what its variables hold, those of the
    functions that it calls by name and of the objects in them, are watched, arrays up to SMALL bytes by their bits.
    """

    def __init__(self, *within: Any) -> None:
        self.watching = Mode(check=self._notice)
        held = [h for h in _reachable(within) if not isinstance(h.value, LASTING)]
        self._variables = held
        self._mappings: list[Held] = []
        self._others: list[Held] = []
        self._within_reach = [(h.value, h.value.copy()) for h in held if _is_array(h.value) and h.value.nbytes <= SMALL]
        self._since = next_id()
        self._nodes: dict[int, tuple[weakref.ref[Node], Any]] = {}
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []

    def _notice(self, node: Node, inputs: Any, result: Operand, parent: Node | None = None) -> None:
        """Called with every node that is made."""
        for p in node.parents:
            if p is not None and p.id < self._since and p.primitive is None and p.id not in self._nodes:
                self._nodes[p.id] = weakref.ref(p), p.raw

    def settle(self, program: Program, steps: Iterable[Step]) -> None:
        """The recording is over: keep what may change. TracedError for a node that was written into."""
        for ref, _ in self._nodes.values():
            node = ref()
            if node is not None and isinstance(raw(node._grad), Traced):
                node._grad = None
                raise TracedError(
                    f"ag.compile: the function leaves a gradient in {node.label or 'a node'} that is none of its "
                    "arguments; a replay would not. Use ag.grad, and return what is computed"
                )
        # What the function itself changes, such as a count of its calls, it changes when it is recorded only.
        still = [h for h in self._variables if h.now() is h.value]
        self._mappings = [h for h in still if isinstance(h.holder, dict)]
        self._others = [h for h in still if not isinstance(h.holder, dict)]
        self._within_reach = [(x, copy) for x, copy in self._within_reach if same_bits(x, copy)]
        used = {id(s.function) for s in steps if s.op == "constant"}
        self._arrays = [(x, s.function) for x, s in program.captured if id(s.function) in used]
        program.captured.clear()
        self._arrays = [self._arrays[i] for i in range(len(self._arrays)) if _may_change(self._arrays, i)]

    def __bool__(self) -> bool:
        return bool(self._arrays or self._nodes or self._mappings or self._others)

    def changed(self) -> bool:
        """Whether something holds other numbers, or is held by nobody any more and so has been replaced."""
        for holder, key, value in self._mappings:  # most of them, and so without a call of Python each
            if holder.get(key, _NOTHING) is not value:
                return True
        if any(h.now() is not h.value for h in self._others):
            return True
        if not all(same_bits(x, copy) for x, copy in self._within_reach):
            return True
        arrays = self._arrays
        for i, (x, copy) in enumerate(arrays):
            if not same_bits(x, copy) or not _may_change(arrays, i):
                return True
        for ref, data in self._nodes.values():
            node = ref()
            if node is not None and node.raw is not data:
                return True
        return False


def _may_change(arrays: list[tuple[np.ndarray, Any]], i: int) -> bool:
    """Whether somebody else holds an array, or what it is a view of, and may write into it."""
    root = _root(arrays[i][0])
    return root.flags.writeable and _holders(arrays, i) > (_ALONE if root is arrays[i][0] else _ALONE_VIEW)


def _root(x: np.ndarray) -> np.ndarray:
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _holders(arrays: list[tuple[np.ndarray, Any]], i: int) -> int:
    """How many references there are to an array and to what it is a view of."""
    x = arrays[i][0]
    root = _root(x)
    return sys.getrefcount(x) + sys.getrefcount(root)


# What that says of arrays that nobody else holds.
_ALONE = _holders([(np.empty(2), None)], 0)
_ALONE_VIEW = _holders([(np.empty((2, 2))[0], None)], 0)


class Dice:
    """The generators of random numbers within reach of a function: what they give would be a constant."""

    def __init__(self, *within: Any) -> None:
        self._generators = _generators(within)
        self._before = self._states()

    def _states(self) -> list[str]:
        states = [repr(np.random.get_state(legacy=False)), repr(hash(random.getstate()))]
        return states + [repr(g.bit_generator.state) for g in self._generators]

    def must_lie_still(self) -> None:
        """TracedError where a random number has been drawn."""
        if self._states() != self._before:
            raise TracedError(
                "ag.compile: the function draws random numbers, which every later call would repeat; "
                "draw them outside and pass them as an array"
            )


class Held(NamedTuple):
    """A value, and the variable, attribute or item that holds it."""

    holder: Any
    key: Any
    value: Any

    def now(self) -> Any:
        """What it holds by now."""
        try:
            return self.holder.cell_contents if self.key is None else self.holder[self.key]
        except (ValueError, LookupError):
            return _NOTHING


def _reachable(within: tuple[Any, ...]) -> list[Held]:
    """What functions, and those that they call by name, hold in variables, and what is in it; thousands at most."""
    found: list[Held] = []
    seen: set[int] = set()
    todo = list(within)
    while todo and len(seen) < 2000:
        x = todo.pop()
        if id(x) not in seen and not isinstance(x, (np.ndarray, type, str, int, float, ModuleType)):
            seen.add(id(x))
            held = list(_held_by(x))
            found += held
            todo += [h.value for h in held]
    return found


def _generators(within: tuple[Any, ...]) -> list[np.random.Generator]:
    """The generators of random numbers that are held, or given."""
    values = [*within, *(h.value for h in _reachable(within))]
    return list({id(x): x for x in values if isinstance(x, np.random.Generator)}.values())


def _held_by(x: Any) -> Iterator[Held]:
    """What a function or an object holds: its closure, the globals that it names, its attributes, its items."""
    if isinstance(x, (list, tuple, dict)):
        yield from (Held(x, k, v) for k, v in (x.items() if isinstance(x, dict) else enumerate(x)))
        return
    wrappers = ("__wrapped__", "__func__", "__self__", "func", "args")
    inner = {name: getattr(x, name) for name in wrappers if hasattr(x, name)}
    yield from (Held(inner, name, v) for name, v in inner.items())
    for cell in getattr(x, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            yield Held(cell, None, cell.cell_contents)
    code = getattr(x, "__code__", None)
    if code is not None and not code.co_filename.startswith(_LIBRARIES):
        yield from (Held(x.__globals__, name, x.__globals__[name]) for name in code.co_names if name in x.__globals__)
    if not isinstance(x, (FunctionType, BuiltinFunctionType)) and not type(x).__module__.startswith(
        ("numpy", "autograd")
    ):
        own = getattr(x, "__dict__", {})
        yield from (Held(own, name, v) for name, v in own.items())


def _is_array(x: Any) -> TypeGuard[np.ndarray]:
    return isinstance(x, np.ndarray)


_LIBRARIES = (__file__.rpartition("compiling")[0], np.__file__.rpartition("__init__")[0])
