"""A recording made ready: one function of Python that tests arguments, replays the program and builds the results."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd.compiling.emit import Code
from autograd.compiling.program import Program, Step, same_bits
from autograd.compiling.signature import Signature
from autograd.compiling.simplify import simplified
from autograd.compiling.traced import Traced, TracedError, trace
from autograd.engine.base import Function, Tree
from autograd.engine.graph import Node
from autograd.engine.kinds import is_values

__all__ = ["MISS", "Plan"]

MISS = object()  # what a replay gives for arguments of another kind


class Plan:
    """A function recorded for one kind of arguments.

    replay(args, options): what the function gives, or MISS. source: what is run, as text.
    kind, ints: see `Signature`.
    """

    def __init__(self, f: Function, args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool]) -> None:
        program = Program()
        signature = Signature(args, options, loose, lambda *leaf: trace(program, *leaf))
        self.kind, self.ints = signature.kind, signature.ints
        dice = _Dice(f)
        try:
            result = f(*signature.args, **signature.options)
        finally:
            program.open = False
        dice.must_lie_still()
        outputs: list[Step] = []
        told = _structure(result, outputs)
        steps, outputs, checks = _reduced(program, outputs)
        self._watched = _Watched(program, steps)
        code = Code(steps, outputs, checks)
        lines = [*signature.source, *(["if stale(): return MISS"] if self._watched.arrays else [])]
        body = [*code.lines, f"return {_built(told, code)}"]
        text = ["def replay(args, options):", *_indented(lines), " with lock:", *_indented(body, 2)]
        self.source = "\n".join(text)
        names = {**code.globals, **signature.globals, "MISS": MISS, "lock": threading.Lock(), "stale": self.stale}
        exec(builtin_compile(self.source, f"<compiled {getattr(f, '__name__', 'function')}>", "exec"), names)
        self.replay: Callable[[tuple[Tree, ...], dict[str, Tree]], Tree] = names["replay"]
        self.nbytes = code.memory.nbytes

    def stale(self) -> bool:
        """Whether an array that the function brought along has changed since."""
        return self._watched.changed()

    @staticmethod
    def signature(args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool]) -> Signature:
        """The kind of the arguments alone."""
        return Signature(args, options, loose, lambda *leaf: None)


builtin_compile = __builtins__["compile"] if isinstance(__builtins__, dict) else __builtins__.compile


def _indented(lines: list[str], depth: int = 1) -> list[str]:
    return [" " * depth + line for line in lines]


def _reduced(program: Program, outputs: list[Step]) -> tuple[list[Step], list[Step], list[Step]]:
    """What is needed for the outputs and the checks."""
    checks = program.checks
    steps, found = simplified(program.steps, [*outputs, *checks])
    return steps, found[: len(outputs)], found[len(outputs) :]


# ---- results -------------------------------------------------------------------------------


class _Output:
    def __init__(self, i: int) -> None:
        self.i = i


def _structure(x: Tree, outputs: list[Step]) -> Tree:
    """A result with its traced leaves moved to `outputs`."""
    if isinstance(x, dict):
        return {k: _structure(y, outputs) for k, y in x.items()}
    if isinstance(x, (list, tuple)):
        parts = [_structure(y, outputs) for y in x]
        return parts if isinstance(x, list) else type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
    if isinstance(x, Traced):
        outputs.append(x.step)
        return _Output(len(outputs) - 1)
    if isinstance(x, Node):
        raise TypeError(
            f"compile: the function gave a {type(x).__name__}, whose graph a replay does not make; "
            "compile grad or value_and_grad of it, or let it give plain arrays"
        )
    if is_values(x):
        raise TypeError("compile: the function gave an array of objects; expected plain arrays and numbers")
    return x


def _built(told: Tree, code: Code) -> str:
    """The result as source."""
    if isinstance(told, _Output):
        return code.results[told.i]
    if isinstance(told, dict):
        return f"{{{', '.join(f'{code.constant(k)}: {_built(x, code)}' for k, x in told.items())}}}"
    if isinstance(told, list):
        return f"[{', '.join(_built(x, code) for x in told)}]"
    if isinstance(told, tuple):
        inner = "".join(f"{_built(x, code)}, " for x in told)
        return f"{code.constant(type(told))}({inner})" if hasattr(told, "_fields") else f"({inner})"
    if isinstance(told, np.ndarray):
        return f"{code.constant(told.copy())}.copy()"
    return code.constant(told)


# ---- what a recording does not see -----------------------------------------------------------


class _Watched:
    """Arrays that the function brought along and somebody else still holds: they may change between replays."""

    def __init__(self, program: Program, steps: list[Step]) -> None:
        self.arrays: list[tuple[np.ndarray, np.ndarray, int]] = []
        used = {id(s.function) for s in steps if s.op == "constant"}
        held = [(x, step.function) for x, step in program.captured if id(step.function) in used]
        program.captured.clear()
        while held:
            x, copy = held.pop()
            root = _root(x)
            # Here: x, root, and the argument of getrefcount; and the view x holds root.
            others = sys.getrefcount(root) > 3 or (x is not root and sys.getrefcount(x) > 2)
            if root.flags.writeable and others:
                self.arrays.append((x, copy, 0))
        self.arrays = [(x, copy, sys.getrefcount(_root(x))) for x, copy, _ in self.arrays]

    def changed(self) -> bool:
        """Whether one of them holds other numbers, or has been given up by who held it."""
        for x, copy, count in self.arrays:
            if not same_bits(x, copy):
                return True
        return False


def _root(x: np.ndarray) -> np.ndarray:
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


class _Dice:
    """The generators of random numbers within reach of a function: what they give would be a constant."""

    def __init__(self, f: Function) -> None:
        self.generators = _generators(f)
        self.before = self._states()

    def _states(self) -> list[str]:
        states = [repr(np.random.get_state(legacy=False)), repr(hash(random.getstate()))]
        return states + [repr(g.bit_generator.state) for g in self.generators]

    def must_lie_still(self) -> None:
        """TracedError where a random number has been drawn."""
        if self._states() != self.before:
            raise TracedError(
                "ag.compile: the function draws random numbers, which every later call would repeat; "
                "draw them outside and pass them as an array"
            )


def _generators(f: Any) -> list[np.random.Generator]:
    """The generators that a function and those that it wraps hold by name."""
    found: list[Any] = []
    seen: set[int] = set()
    todo = [f]
    while todo and len(seen) < 1000:
        g = todo.pop()
        if id(g) in seen:
            continue
        seen.add(id(g))
        if isinstance(g, np.random.Generator):
            found.append(g)
        if isinstance(g, (np.ndarray, type)):
            continue
        todo += [c.cell_contents for c in getattr(g, "__closure__", None) or () if _full(c)]
        todo += [getattr(g, name) for name in ("__wrapped__", "__func__", "__self__", "func") if hasattr(g, name)]
        code = getattr(g, "__code__", None)
        if code is not None and not code.co_filename.startswith(_OURS):
            todo += [g.__globals__[name] for name in code.co_names if name in g.__globals__]
        elif hasattr(g, "__dict__") and not callable(g):
            todo += list(vars(g).values())
    return found


def _full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


_OURS = __file__.rpartition("compiling")[0]
