"""A program in the calls that NumPy does fastest, which for small arrays are not the obvious ones.

Measured with NumPy 2.4 on arrays of (8, 16) and more: a call on arrays of one shape and dtype takes
0.18 µs, one that must broadcast or convert an operand 0.70 µs, and copying that operand into an array of
the right shape and dtype, `a[...] = x`, 0.11 µs. From some thousand elements on there is nothing to gain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from autograd.compiling.program import Arg, Step, inputs_of
from autograd.compiling.simplify import VIEWS, power_of_2

__all__ = ["SMALL", "lowered"]

SMALL = 1 << 15  # bytes: up to here an argument is copied, so that its views are there before the call
STRETCHED = 1 << 13  # elements: up to here an operand is copied to the shape and dtype of the result


def lowered(steps: list[Step], outputs: list[Step]) -> tuple[list[Step], list[Step]]:
    """The same program with copies where they help, and its outputs."""
    lowering = _Lowering(steps, outputs)
    for step in steps:
        lowering.add(step)
    return lowering.steps, [lowering.now(s) for s in outputs]


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
            self._copies[key] = Step("copy", None, (x,), None, shape, dtype)
            self.steps.append(self._copies[key])
        return self._copies[key]
