"""Memory for results: that of earlier ones which nobody holds any more, as the counts of references tell.

So a result is an array of its own, and yet no memory is fetched in a loop that lets go of what it had.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from autograd.compiling.memory import FILLING, viewed
from autograd.compiling.program import Step
from autograd.compiling.simplify import VIEWS

__all__ = ["Family", "families", "unheld", "unheld_family"]

SMALL = 1 << 18  # bytes of an array whose parts are results: who holds one of them holds all of it
KEPT = 3  # families at most


def unheld(pool: list[np.ndarray], i: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Memory for a large result."""
    x = pool[i]
    if sys.getrefcount(x) > 3 or x.shape != shape:  # the pool, x, and the call that counts
        x = pool[i] = np.empty(shape, dtype)
    return x


class Family:
    """Results that are parts of one array, none of which overlaps another: they need not be copied out of it.

    root: the step that fills the array. outputs: the steps of the parts.
    """

    def __init__(self, root: Step, outputs: list[Step]) -> None:
        self.root = root
        self.outputs = outputs

    def parts(self, whole: np.ndarray) -> list[np.ndarray]:
        """The parts of an array."""
        return [_part(s, self.root, whole) for s in self.outputs]

    def fits(self) -> bool:
        """Whether the parts are parts, each in one piece, and do not overlap."""
        parts = self.parts(np.arange(self.root.size).reshape(self.root.shape))
        whole = all(p.base is not None and p.flags.c_contiguous and p.ndim for p in parts)
        places = np.concatenate([p.reshape(-1) for p in parts])
        return whole and len(np.unique(places)) == len(places)

    def made(self) -> tuple[np.ndarray, ...]:
        """A new array, and its parts."""
        whole = np.empty(self.root.shape, self.root.dtype)
        return (whole, *self.parts(whole))


def _part(step: Step, root: Step, whole: np.ndarray) -> np.ndarray:
    return whole if step is root else viewed(step, _part(step.args[0], root, whole))


def families(outputs: list[Step], but: set[int]) -> list[Family]:
    """The families among the results. but: ids of steps that lie elsewhere."""
    asked = set(map(id, outputs))
    found: dict[int, Family] = {}
    for step in {id(s): s for s in outputs}.values():
        root = step
        while root.op in VIEWS:
            root = root.args[0]
        apart = id(root) not in but and id(root) not in asked and root.op in FILLING and root.op != "added"
        if root is not step and apart and root.nbytes <= SMALL and not root.number:
            found.setdefault(id(root), Family(root, [])).outputs.append(step)
    return [f for f in found.values() if len(f.outputs) > 1 and f.fits()]


def unheld_family(
    kept: list[tuple[tuple[int, ...], tuple[np.ndarray, ...]]], made: Callable[[], tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, ...]:
    """An array and its parts, none of which anybody holds. kept: earlier ones, and how many held each when new."""
    for counts, arrays in kept:
        if tuple(map(sys.getrefcount, arrays)) == counts:
            return arrays
    arrays = made()
    if len(kept) == KEPT:
        del kept[0]
    kept.append((tuple(map(sys.getrefcount, arrays)), arrays))
    return arrays
