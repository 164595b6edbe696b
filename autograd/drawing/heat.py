"""How large gradients are: the scale of a drawing's outlines; and where nan and inf arise.

Which colour and width a level has is `palette`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd.drawing.boxes import View
from autograd.drawing.palette import HEAT
from autograd.engine.graph import Node
from autograd.engine.kinds import is_float, is_foreign
from autograd.stepping.stepper import Stepper

__all__ = ["Gradient", "Heat", "arises_backward", "arises_forward", "heat_of", "size"]

Gradient = Callable[[Node], Any]  # of a node to show: a number or an array, None where there is none


class Heat:
    """Steps from the smallest gradient of a drawing to its largest.

    Evenly in the logarithm, over one decade at least and five at most.
    """

    def __init__(self, sizes: Iterable[float | None]) -> None:
        real = [x for x in sizes if x is not None and x > 0]
        self.high = max(real, default=0.0)
        least = min(real, default=0.0)
        self.low = max(min(max(least, self.high * 1e-5), self.high / 10), math.ulp(0.0))
        self.cut = least < self.low  # some are smaller still

    def level(self, size: float | None) -> int:
        """0 where there is no gradient or none yet, 1 to 5 by size, -1 for nan and inf."""
        if size is None or size == 0:
            return 0
        if not math.isfinite(size):
            return -1
        if size >= self.high:  # also while a gradient is larger than it will be at the end
            return len(HEAT) - 1
        decades = math.log(self.high) - math.log(self.low)
        return 1 + int((len(HEAT) - 1.001) * max(0.0, math.log(size) - math.log(self.low)) / decades)


def heat_of(seen: View, grad: Gradient) -> Heat:
    """The scale of a drawing."""
    return Heat(size(map(grad, box.nodes)) for box in seen.boxes)


def size(grads: Iterable[Any]) -> float | None:
    """The largest magnitude among gradients; nan where one is nan or inf, None where there is none."""
    return largest(
        float(abs(g)) if isinstance(g, float) else float(np.max(np.abs(np.asarray(g)), initial=0.0))
        for g in grads
        if g is not None
    )


def largest(sizes: Iterable[float | None]) -> float | None:
    """The size of several gradients together, of the size of each."""
    found = [x for x in sizes if x is not None]
    return None if not found else max(found) if all(map(math.isfinite, found)) else math.nan


def arises_forward(node: Node, stepper: Stepper) -> bool:
    """Whether nan or inf arises in the data of a node: it is there, and came from no argument."""
    elementwise = node.primitive is not None and node.primitive.scalar is not None
    return _new(stepper.data(node), stepper.arguments(node), elementwise)


def arises_backward(node: Node, stepper: Stepper, grad: Gradient) -> bool:
    """Whether nan or inf arises in the gradient of a node: it is there, and in that of no operation it went into."""
    g = grad(node)
    if g is None or node is stepper.root or not _new(g, (), False):
        return False
    return _new(g, [grad(user) for user, _ in stepper.consumers(node)], False)


def _new(x: Any, sources: Iterable[Any], elementwise: bool) -> bool:
    """Whether there is nan that is in no source, or inf where all of them are finite; the -inf of a mask is neither."""
    if math.isfinite(x) if isinstance(x, float) else np.isfinite(x).all():
        return False
    x = np.asarray(x)
    given = [np.asarray(s) for s in sources if is_float(s) or is_foreign(s)]
    nan, odd = (np.zeros(x.shape, bool), np.zeros(x.shape, bool))
    for s in given:
        nan = nan | (np.isnan(s) if elementwise else np.isnan(s).any())
        odd = odd | (~np.isfinite(s) if elementwise else ~np.isfinite(s).all())
    return bool(((np.isnan(x) & ~nan) | (np.isinf(x) & ~odd)).any())
