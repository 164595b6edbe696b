"""A recording made ready: one function of Python that tests arguments, replays the program and builds the results."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Mapping

import numpy as np

from autograd.compiling.emit import Code
from autograd.compiling.outside import Dice, Outside
from autograd.compiling.program import Program, Step
from autograd.compiling.signature import Signature
from autograd.compiling.simplify import simplified
from autograd.compiling.traced import Traced, trace
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

    def __init__(
        self, f: Function, args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool]
    ) -> None:
        program = Program()
        signature = Signature(args, options, loose, lambda *leaf: trace(program, *leaf))
        self.kind, self.ints = signature.kind, signature.ints
        dice, self._outside = Dice(f, args, options), Outside()
        try:
            with self._outside.watching:
                result = f(*signature.args, **signature.options)
        finally:
            program.open = False
        dice.must_lie_still()
        outputs: list[Step] = []
        told = _structure(result, outputs)
        steps, outputs, checks = _reduced(program, outputs)
        self._outside.settle(program, steps)
        code = Code(steps, outputs, checks)
        lines = [*signature.source, *(["if stale(): return MISS"] if self._outside else [])]
        body = [*code.lines, f"return {_built(told, code)}"]
        text = ["def replay(args, options):", *_indented(lines), " with lock:", *_indented(body, 2)]
        self.source = "\n".join(text)
        names = {**code.globals, **signature.globals, "MISS": MISS, "lock": threading.Lock(), "stale": self.stale}
        exec(builtins.compile(self.source, f"<compiled {getattr(f, '__name__', 'function')}>", "exec"), names)
        self.replay: Callable[[tuple[Tree, ...], dict[str, Tree]], Tree] = names["replay"]
        self.nbytes = code.memory.nbytes

    def stale(self) -> bool:
        """Whether an array or a node that the function brought along has changed since."""
        return self._outside.changed()

    @staticmethod
    def signature(args: tuple[Tree, ...], options: dict[str, Tree], loose: Mapping[str, bool]) -> Signature:
        """The kind of the arguments alone."""
        return Signature(args, options, loose, lambda *leaf: None)


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
