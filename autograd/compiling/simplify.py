"""A program made smaller, with the same results: what nobody asks for is left out, and what changes nothing.

Only rewritings that keep every bit stand here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from autograd.compiling.program import Arg, Program, Step, inputs_of

__all__ = ["VIEWS", "needed", "power_of_2", "simplified"]

VIEWS = {"reshape", "transpose", "index", "broadcast"}


def needed(outputs: Iterable[Step], steps: list[Step]) -> list[Step]:
    """The steps that the outputs are made of, in their order."""
    todo = list(outputs)
    found = {id(s) for s in todo}
    while todo:
        for s in inputs_of(todo.pop()):
            if id(s) not in found:
                found.add(id(s))
                todo.append(s)
    return [s for s in steps if id(s) in found]


def simplified(steps: list[Step], outputs: list[Step]) -> tuple[list[Step], list[Step]]:
    """The same program with fewer steps, and its outputs."""
    program = Program()
    new: dict[int, Step] = {}
    for step in needed(outputs, steps):
        args = tuple(new[id(a)] if isinstance(a, Step) else a for a in step.args)
        new[id(step)] = _rewritten(program, step, args)
    outputs = [new[id(s)] for s in outputs]
    return needed(outputs, program.steps), outputs


def _rewritten(program: Program, step: Step, args: tuple[Arg, ...]) -> Step:
    op = step.op
    if op == "ufunc":
        args = _unstretched(program, step, args)
        same = _unchanged(step, args)
        if same is not None:
            return same
        if step.function is np.add and any(_is_scatter(step, a) for a in args):
            base, spread = args if _is_scatter(step, args[1]) else args[::-1]
            if isinstance(base, Step) and base.shape == step.shape and base.dtype == step.dtype:
                return program.add("added", None, (base, *spread.args), spread.options, step.shape, step.dtype)
        if step.function is np.true_divide and power_of_2(args[1]) and step.dtype.kind == "f":
            return program.add(op, np.multiply, (args[0], 1 / args[1]), None, step.shape, step.dtype)
    elif op in VIEWS:
        (x,) = args
        if x.shape == step.shape and (op != "transpose" and (op != "index" or _whole(step))):
            return x
        if op == x.op == "reshape" or op == x.op == "broadcast":
            return _rewritten(program, step, x.args)
        if op == x.op == "transpose":
            axes = tuple(x.options[i] for i in step.options)
            if axes == tuple(range(len(axes))):
                return x.args[0]
            return program.add(op, None, x.args, axes, step.shape, step.dtype)
        if x.op == "full":
            return program.add("full", None, (), x.options, step.shape, step.dtype)
    return program.add(op, step.function, args, step.options, step.shape, step.dtype, step.number)


def _is_scatter(step: Step, x: Arg) -> bool:
    return isinstance(x, Step) and x.op == "scatter" and x.shape == step.shape and x.dtype == step.dtype


def _whole(step: Step) -> bool:
    """Whether a basic index takes everything as it is."""
    return all(p is Ellipsis or (isinstance(p, slice) and (p.step is None or p.step > 0)) for p in step.options)


def _unstretched(program: Program, step: Step, args: tuple[Arg, ...]) -> tuple[Arg, ...]:
    """Without broadcasting that the call does by itself."""
    args = tuple(_single(program, a) if isinstance(a, Step) and a.op == "full" else a for a in args)
    for i, a in enumerate(args):
        if isinstance(a, Step) and a.op == "broadcast":
            others = [b.shape if isinstance(b, Step) else () for j, b in enumerate(args) if j != i]
            (source,) = a.args
            if np.broadcast_shapes(source.shape, *others) == step.shape:
                return _unstretched(program, step, (*args[:i], source, *args[i + 1 :]))
    return args


def _single(program: Program, x: Step) -> Step:
    """An array of one number over and over, as that number; not where the result would lose its shape."""
    return program.add("full", None, (), x.options, (), x.dtype) if x.shape else x


def _is(x: Arg, number: float) -> bool:
    value = x.options if isinstance(x, Step) and x.op == "full" else x
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == number


def _unchanged(step: Step, args: tuple[Arg, ...]) -> Step | None:
    """The argument that the result is equal to, bit by bit."""
    same = None
    if step.function is np.multiply:
        same = args[0] if _is(args[1], 1) else args[1] if _is(args[0], 1) else None
    elif (step.function in (np.true_divide, np.power) and _is(args[1], 1)) or step.function is np.positive:
        same = args[0]
    elif step.function is np.negative:
        (x,) = args
        if isinstance(x, Step) and x.op == "ufunc" and x.function is np.negative:
            same = x.args[0]
    fits = isinstance(same, Step) and same.number is None and same.shape == step.shape and same.dtype == step.dtype
    return same if fits else None


def power_of_2(x: Arg) -> bool:
    """Whether to multiply by it changes no digit."""
    return type(x) in (int, float) and x != 0 and math.isfinite(x) and abs(math.frexp(x)[0]) == 0.5
