"""A recording made ready: one function of Python that tests arguments, replays the program and builds the results."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Mapping
from operator import is_
from typing import TypeAlias

import numpy as np

from autograd.compiling.emit import Code
from autograd.compiling.outside import Outside
from autograd.compiling.program import Program, Step, alike
from autograd.compiling.signature import Signature
from autograd.compiling.simplify import simplified
from autograd.compiling.traced import Traced, TracedError, remembered, trace
from autograd.engine.base import Function, Tree
from autograd.engine.graph import Node
from autograd.engine.kinds import is_values
from autograd.engine.tree import leaves

__all__ = ["MISS", "Plan"]


class Busy(Exception):
    """A replay was begun within itself, as by a handler of signals: its memory is in use."""


MISS = object()  # what a replay gives for arguments of another kind
Replay: TypeAlias = Callable[[tuple[Tree, ...], dict[str, Tree]], Tree]


class Plan:
    """A function recorded for one kind of arguments.

    replay(args, options): what the function gives, or MISS. source: what is run, as text.
    kind, ints: see `Signature`.
    """

    def __init__(
        self, f: Function, args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool]
    ) -> None:
        own = self._record(f, args, options, loose)
        first = self._parts
        # What the function changes itself may have come to rest, as a table that is filled at first use has.
        again = self._record(f, args, options, loose) if own else ""
        if again or (own and not alike(first[1], self._parts[1])):
            raise TracedError(
                f"ag.compile: the function changes {own}, which is none of its arguments, and reads it; a replay "
                "would not change it. Pass it as an argument, and return what it becomes"
            )
        self._name = getattr(f, "__name__", "function")
        self._careful: Replay | None = None
        self.source, self.replay = self._written(numbers=True)

    def _record(self, f: Function, args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool]) -> str:
        """Run the function once; what it changes outside and reads, as text."""
        program = Program()
        signature = Signature(args, options, loose, lambda *leaf: trace(program, *leaf))
        self.kind, self.ints = signature.kind, signature.ints
        functions = [x for x in leaves([args, options]) if callable(x)]
        given = _containers([signature.args, signature.options])
        self._outside = Outside([f, *functions], given)
        try:
            with self._outside.watching():
                result = _run(f, signature)
        finally:
            program.open = False
            program.given.clear()
        outputs: list[Step] = []
        told = _structure(result, outputs)
        del result
        steps, outputs = _reduced(program, outputs)
        signature.ask(program.floors)
        self._parts = signature, steps, outputs, told
        return self._outside.settle(program, steps)

    def carefully(self, args: tuple[Tree, ...], options: dict[str, Tree]) -> Tree:
        """A replay in which NumPy computes the numbers too: where Python raises, IEEE arithmetic gives inf or nan."""
        if self._careful is None:
            _, self._careful = self._written(numbers=False)
        return self._careful(args, options)

    def _written(self, numbers: bool) -> tuple[str, Replay]:
        """The source of the replay, and the function that it defines."""
        signature, steps, outputs, told = self._parts
        code = Code(steps, outputs, numbers)
        self.nbytes = code.memory.nbytes
        lines = [*signature.source, "if stale(): return MISS", "if within(): raise Busy"]
        body = [*code.lines, f"return {_built(told, code)}"]
        source = "\n".join(["def replay(args, options):", *_indented(lines), " with lock:", *_indented(body, 2)])
        lock = threading.RLock()
        names = {
            **code.globals,
            **signature.globals,
            "MISS": MISS,
            "lock": lock,
            "within": lock._is_owned,  # type: ignore[attr-defined]
            "Busy": Busy,
            "stale": self._outside.changed,
        }
        exec(builtins.compile(source, f"<compiled {self._name}>", "exec"), names)
        return source, names["replay"]

    def stale(self) -> bool:
        """Whether an array or a node that the function brought along has changed since."""
        return self._outside.changed()

    @staticmethod
    def signature(args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool]) -> Signature:
        """The kind of the arguments alone."""
        return Signature(args, options, loose, lambda *leaf: None)


def _indented(lines: list[str], depth: int = 1) -> list[str]:
    return [" " * depth + line for line in lines]


def _reduced(program: Program, outputs: list[Step]) -> tuple[list[Step], list[Step]]:
    """What is needed for the outputs and the checks."""
    steps, found = simplified(program.steps, [*outputs, *program.checks])
    return steps, found[: len(outputs)]


def _run(f: Function, signature: Signature) -> Tree:
    """What the function gives. TracedError for what was refused, though somebody may have caught it."""
    given = _containers([signature.args, signature.options])
    before = [_items(x) for x in given]
    with remembered() as refused:
        try:
            result = f(*signature.args, **signature.options)
        except Exception as error:
            if refused and error is not refused[0]:
                raise refused[0] from error
            raise
    if refused:
        raise refused[0]
    for x, old in zip(given, before):
        new = _items(x)
        if len(new) != len(old) or not all(map(is_, new, old)):
            raise TracedError(
                f"ag.compile: the function changes a {type(x).__name__} among its arguments, and a replay would not; "
                "make another one, as {**d, 'w': w}, and return it"
            )
    return result


def _items(x: Tree) -> list[Tree]:
    return [*x, *x.values()] if isinstance(x, dict) else list(x)


def _containers(x: Tree) -> list[Tree]:
    """The containers of a nested structure: those that a function is given are made for it."""
    if not isinstance(x, (dict, list, tuple)):
        return []
    return [x, *(z for y in (x.values() if isinstance(x, dict) else x) for z in _containers(y))]


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
