"""A program in the calls that NumPy does fastest, which for small arrays are not the obvious ones.

Measured with NumPy 2.4 on arrays of (8, 16) and more: a call on arrays of one shape and dtype takes
0.18 µs, one that must broadcast or convert an operand 0.70 µs, and copying that operand into an array of
the right shape and dtype, `a[...] = x`, 0.11 µs. From some thousand elements on there is nothing to gain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from autograd.compiling.again import made_again
from autograd.compiling.program import Arg, Step, inputs_of
from autograd.compiling.simplify import VIEWS, power_of_2

__all__ = ["SMALL", "lowered"]

SMALL = 1 << 15  # bytes: up to here an argument is copied, so that its views are there before the call
STRETCHED = 1 << 13  # elements: up to here an operand is copied to the shape and dtype of the result


def lowered(steps: list[Step], outputs: list[Step]) -> tuple[list[Step], list[Step]]:
    """The same program with copies where they help, and its outputs."""
    steps, outputs = made_again(*_turned(steps, outputs))
    steps = _sooner(steps)
    lowering = _Lowering(steps, outputs)
    for step in steps:
        lowering.add(step)
    return lowering.steps, [lowering.now(s) for s in outputs]


def _turned(steps: list[Step], outputs: list[Step]) -> tuple[list[Step], list[Step]]:
    """With the product of the turned factors in the place of a turned product, which so lies as it is needed."""
    uses = Counter(id(s) for step in steps for s in inputs_of(step)) + Counter(map(id, outputs))
    instead: dict[int, Step] = {}
    turned: dict[int, Step] = {}
    found: list[Step] = []

    def turn(x: Step) -> Step:
        if x.op == "transpose" and x.options == (1, 0):
            return x.args[0]
        if id(x) not in turned:
            turned[id(x)] = Step("transpose", None, (x,), (1, 0), x.shape[::-1], x.dtype)
            found.append(turned[id(x)])
        return turned[id(x)]

    products = {id(s.args[0]) for s in steps if s.op == "transpose" and s.options == (1, 0)}
    products &= {id(s) for s in steps if s.op == "matmul" and len(s.args[0].shape) == len(s.args[1].shape) == 2}
    products = {p for p in products if uses[p] == 1}
    for step in steps:
        args = tuple(instead.get(id(a), a) if isinstance(a, Step) else a for a in step.args)
        if id(step) in products:
            instead[id(step)] = Step("matmul", step.function, args, None, step.shape, step.dtype)
            continue  # it is made where it is turned
        if step.op == "transpose" and id(step.args[0]) in products:
            a, b = args[0].args
            new = Step("matmul", np.matmul, (turn(b), turn(a)), None, step.shape, step.dtype)
        else:
            new = Step(step.op, step.function, args, step.options, step.shape, step.dtype, step.number)
        instead[id(step)] = new
        found.append(new)
    return found, [instead[id(s)] for s in outputs]


def _sooner(steps: list[Step]) -> list[Step]:
    """With what makes much into little as soon as it can be, so that the much need not be kept for it."""
    waiting: dict[int, list[Step]] = {}  # for the operand that is made last
    place = {id(s): i for i, s in enumerate(steps)}
    early = set()
    for step in steps:
        operands = list(inputs_of(step))
        if step.op in ("reduce", "gather") and 4 * step.nbytes <= max(s.nbytes for s in operands):
            waiting.setdefault(id(max(operands, key=lambda s: place[id(s)])), []).append(step)
            early.add(id(step))
    found: list[Step] = []
    todo = [s for s in reversed(steps) if id(s) not in early]
    while todo:
        found.append(todo.pop())
        todo += waiting.get(id(found[-1]), ())[::-1]
    return found


class _Lowering:
    def __init__(self, steps: list[Step], outputs: list[Step]) -> None:
        self.steps: list[Step] = []
        self._uses = Counter(id(s) for step in steps for s in inputs_of(step)) + Counter(map(id, outputs))
        self._viewed = {id(s.args[0]) for s in steps if s.op in VIEWS}
        self._instead: dict[int, Step] = {}  # of a step: what later ones take
        self._copies: dict[tuple[int, tuple[int, ...], str], Step] = {}

    def now(self, x: Step) -> Step:
        """What stands for a step."""
        return self._instead.get(id(x), x)

    def add(self, step: Step) -> None:
        """A step, behind the copies that it needs."""
        args: tuple[Arg, ...] = tuple(self.now(a) if isinstance(a, Step) else a for a in step.args)
        if self._is_mean(step):
            # By a power of 2 each number may be divided before they are added, in the product that adds them.
            total = args[0]
            total.options = (*total.options[:3], args[1])
            self._instead[id(step)] = total
            return
        if step.op == "ufunc" and step.shape and step.size <= STRETCHED:
            args = tuple(self._fitted(step, args))
        new = Step(step.op, step.function, args, step.options, step.shape, step.dtype, step.number)
        self.steps.append(new)
        self._instead[id(step)] = new
        if step.op == "input" and step.number is None and step.nbytes <= SMALL and id(step) in self._viewed:
            self._instead[id(step)] = self._copy(new, step.shape, step.dtype)

    def _is_mean(self, step: Step) -> bool:
        """Whether a step divides a sum that nobody else needs by a power of 2."""
        if step.op != "ufunc" or step.function is not np.multiply or not isinstance(step.args[0], Step):
            return False
        total, factor = step.args
        summed = total.op == "reduce" and total.function is np.add and total.dtype == step.dtype
        return summed and step.dtype.kind == "f" and power_of_2(factor) and self._uses[id(total)] == 1

    def _fitted(self, step: Step, args: tuple[Arg, ...]) -> Iterator[Arg]:
        """The operands in the shape of the result and the dtype that it is computed in."""
        kinds = [a.number or a.dtype if isinstance(a, Step) else type(a) for a in args]
        kinds = [np.dtype(bool) if k is bool else k for k in kinds]
        dtypes = step.function.resolve_dtypes((*kinds, *[None] * step.function.nout))
        for a, dtype in zip(args, dtypes):
            if not isinstance(a, Step) or a.number or a.size == 1 or (a.shape == step.shape and a.dtype == dtype):
                yield a
            else:
                yield self._copy(a, step.shape, dtype)

    def _copy(self, x: Step, shape: tuple[int, ...], dtype: np.dtype) -> Step:
        key = (id(x), shape, dtype.str)
        if key not in self._copies:
            if x.op == "constant":
                whole = np.array(np.broadcast_to(x.function, shape), dtype, order="C")
                whole.flags.writeable = False
                self._copies[key] = Step("constant", whole, (), None, shape, dtype)
            else:
                self._copies[key] = Step("copy", None, (x,), None, shape, dtype)
            self.steps.append(self._copies[key])
        return self._copies[key]
