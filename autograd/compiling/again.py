"""What is made again where it is needed late, instead of being kept: large results of one cheap call.

A backward pass asks for much that the forward pass had in hand, such as `x * x`. To keep it takes memory and to read
it takes as long as to make it from `x`, which is kept anyway.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from autograd.compiling.program import Step, inputs_of

__all__ = ["made_again"]

LARGE = 1 << 18  # bytes of a result, from which on it is worth while
LATE = 60  # calls between two uses
CHEAP = {np.add, np.subtract, np.multiply, np.negative, np.square}
ROUNDS = 3  # of results of results


def made_again(steps: list[Step], outputs: list[Step]) -> tuple[list[Step], list[Step]]:
    """The same program, and its outputs."""
    for _ in range(ROUNDS):
        steps, changed = _once(steps, outputs)
        if not changed:
            break
    return steps, outputs


def _once(steps: list[Step], outputs: list[Step]) -> tuple[list[Step], bool]:
    uses: dict[int, list[int]] = {}
    for i, step in enumerate(steps):
        for s in inputs_of(step):
            uses.setdefault(id(s), []).append(i)
    for s in outputs:
        uses.setdefault(id(s), []).append(len(steps))
    instead: dict[int, list[tuple[int, Step]]] = {}  # of a step: from which place on another one stands for it
    before: dict[int, list[Step]] = {}
    for step in steps:
        at = _late(step, uses)
        if at is not None and at < len(steps) and uses[id(step)][-1] < len(steps):
            again = Step(step.op, step.function, step.args, step.options, step.shape, step.dtype)
            before.setdefault(at, []).append(again)
            instead[id(step)] = [(at, again)]
    if not before:
        return steps, False
    found: list[Step] = []
    for i, step in enumerate(steps):
        found += before.get(i, ())
        # In place, since others refer to it.
        step.args = tuple(_now(a, i, instead) if isinstance(a, Step) else a for a in step.args)
        found.append(step)
    return found, True


def _now(x: Step, i: int, instead: dict[int, list[tuple[int, Step]]]) -> Step:
    for at, again in instead.get(id(x), ()):
        if i >= at:
            return again
    return x


def _late(step: Step, uses: dict[int, list[int]]) -> int | None:
    """The place of the first late use of what is cheap to make again from what is there by then anyway."""
    if step.op != "ufunc" or step.function not in CHEAP or step.nbytes < LARGE:
        return None
    places = uses.get(id(step), [])
    late = next((b for a, b in pairwise(places) if b - a > LATE), None)
    if late is None:
        return None
    for s in inputs_of(step):
        if s.op not in ("input", "constant", "full") and uses[id(s)][-1] < late:
            return None
    return late
