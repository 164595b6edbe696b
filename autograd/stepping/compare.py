"""Two runs of the same code, node by node: where they first differ, forward and backward, and how that grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autograd.engine.base import Data
from autograd.engine.graph import Node
from autograd.stepping.flow import norm
from autograd.stepping.walk import Walk

__all__ = ["Comparison", "Difference", "compare"]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One operation in both runs. data, grad: the norm of the difference by the larger norm, 0 for the same numbers."""

    place: int
    here: Node
    there: Node
    data: float
    grad: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All operations that both runs have, in the order of their recording, and where the code itself parts.

    parts: the place of the first operation that is not the same in both; None where the code is the same.
    """

    rows: tuple[Difference, ...]
    parts: int | None

    def forward(self, tolerance: float = 0.0) -> Difference | None:
        """The first operation whose data differs by more than that."""
        return next((row for row in self.rows if row.data > tolerance), None)

    def backward(self, tolerance: float = 0.0) -> Difference | None:
        """The first in the order of backpropagation whose gradient differs by more than that."""
        return next((row for row in reversed(self.rows) if row.grad > tolerance), None)


def compare(here: Walk, there: Walk) -> Comparison:
    """Compare two runs, with the gradients at their ends; both walks come back to where they stand."""
    rows: list[Difference] = []
    parts = None
    with here.at_its_end(), there.at_its_end():
        for k, (a, b) in enumerate(zip(here.nodes, there.nodes)):
            if a.op != b.op or np.shape(here.data(a)) != np.shape(there.data(b)):
                parts = k
                break
            data, grad = _distance(here.data(a), there.data(b)), _distance(here.grad(a), there.grad(b))
            rows.append(Difference(k, a, b, data, grad))
    if parts is None and len(here.nodes) != len(there.nodes):
        parts = min(len(here.nodes), len(there.nodes))
    return Comparison(tuple(rows), parts)


def _distance(a: Data, b: Data) -> float:
    """The norm of the difference by the larger norm; inf where only one of them is finite at a place."""
    if type(a) is float and type(b) is float and math.isfinite(a) and math.isfinite(b):
        return abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0
    x, y = (np.asarray(0.0 if z is None else z, float) for z in (a, b))
    x, y = np.broadcast_arrays(x, y)
    if np.array_equal(x, y, equal_nan=True):
        return 0.0
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if not np.isfinite(x[~same]).all() or not np.isfinite(y[~same]).all():
        return np.inf
    with np.errstate(all="ignore"):
        difference = norm(np.where(same, 0.0, x - y))
    return difference / max(norm(x[np.isfinite(x)]), norm(y[np.isfinite(y)]))
