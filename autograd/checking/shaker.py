"""What rounding may make of a computation: every number on the way is changed by as much as it is rounded.

This is Monte Carlo arithmetic (Parker 1997). A `Shaker` is the `check` of a recording.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd.checking.inputs import letter
from autograd.engine.graph import Node
from autograd.engine.kinds import raw

__all__ = ["Shaker"]

SPARE = 256  # by so many places may the same random numbers be moved, that no two operations meet the same


class Shaker:
    """Changes the result of every operation by up to eps of itself. largest: the largest number that it has changed."""

    def __init__(self, eps: float, count: int, rng: np.random.Generator) -> None:
        """count: numbers in the largest array, if that is known."""
        self.eps, self.rng = eps, rng
        self.largest = 0.0
        self._grow(count)

    def _grow(self, count: int) -> None:
        self.factors = 1 + self.eps * self.rng.uniform(-1, 1, count + SPARE)

    def __call__(self, node: Node, inputs: tuple[Any, ...], result: Any, parent: Node | None = None) -> None:
        x = raw(result)
        if parent is None and letter(x) in ("f", "") and not _is_chosen(x, inputs):
            largest = float(np.abs(x).max(initial=0.0))
            if not math.isfinite(largest):
                largest = float(np.abs(x).max(initial=0.0, where=np.isfinite(x)))
            self.largest = max(self.largest, largest)
            node.raw = self.shaken(x)

    def shaken(self, x: Any) -> Any:
        """A number or an array, changed."""
        shape = np.shape(x)
        size = math.prod(shape)
        if size + SPARE > self.factors.size:
            self._grow(size)
        start = int(self.rng.integers(self.factors.size - size))
        factors = self.factors[start : start + size].reshape(shape)
        return x * float(factors) if type(x) is float else x * factors.astype(x.dtype, copy=False)


def _is_chosen(x: Any, inputs: tuple[Any, ...]) -> bool:
    """Whether all numbers stand among the inputs of the operation: then none is rounded, and rules may compare them."""
    given = [np.asarray(raw(v)) for v in inputs if letter(raw(v)) == "f" or isinstance(raw(v), float)]
    found = np.asarray(x)
    # In most operations the first few do not or, as of times 1, all stand in the same place; that takes no sorting.
    if not all(any((part == y).any() for part in given) for y in found.ravel()[:2]):
        return False
    if any(part.shape in (found.shape, ()) and (part == found).all() for part in given):
        return True
    return bool(given) and bool(np.isin(found, np.concatenate([part.ravel() for part in given])).all())
