"""Derivatives by finite differences, each with an estimate of its own error.

Everything here is about a function r(t) of one number at t = 0, where r(0) = 0: plain
numerical analysis that knows nothing of graphs. `gradcheck` makes such functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Function = Callable[[float], float]

MARGIN = 10  # how many times its estimated error a finite difference may be off
METHODS = ("auto", "central", "forward", "backward", "richardson", "complex")


@dataclass(frozen=True, slots=True)
class Slope:
    """A derivative and how far off it may be. bent: the graph of r may have a corner at 0."""

    value: float
    error: float
    bent: bool = False


@dataclass(frozen=True, slots=True)
class Kink:
    """The derivatives to the left and to the right of a corner."""

    left: float
    right: float
    error: float


def step_of(dtype: np.dtype, method: str) -> float:
    """The step that balances truncation and rounding: eps^(1/3) for two sides, eps^(1/2) for one.

    6e-6 and 1.5e-8 in float64, 5e-3 and 3.5e-4 in float32 (Press et al., Numerical Recipes, 5.7).
    """
    eps = float(np.finfo(dtype).eps)
    return eps ** (1 / 2) if method in ("forward", "backward") else eps ** (1 / 3)


def central(r: Function, h: float, noise: float) -> Slope:
    """(r(h) - r(-h)) / 2h. The same over 2h tells the truncation error, and whether r has a corner."""
    right, left, right2, left2 = r(h), r(-h), r(2 * h), r(-2 * h)
    value, coarse = (right - left) / (2 * h), (right2 - left2) / (4 * h)
    bend, bend2 = abs(right + left) / h, abs(right2 + left2) / (2 * h)  # a corner keeps the bend, a curve halves it
    bent = bend > 20 * noise / h and bend > 0.7 * bend2
    # A corner between -h and h, wherever it is, is no more than half the bend off.
    return Slope(value, abs(coarse - value) / 3 + noise / h + (bend / 2 if bent else 0), bent)


def one_sided(r: Function, h: float, noise: float) -> Slope:
    """r(h) / h; with a negative h, from the left."""
    value, coarse = r(h) / h, r(2 * h) / (2 * h)
    return Slope(value, abs(coarse - value) + 2 * noise / abs(h))


def richardson(r: Function, noise: float) -> Slope:
    """Central differences over ever smaller steps, extrapolated to step zero.

    A triangle of extrapolations (Ridders 1982), of which the entry with the least estimated
    error counts. It ends where noise alone is more than that, so a corner or a pole nearby
    spoils the large steps only; steps where r is not finite are passed over.
    """
    best = Slope(math.nan, math.inf)
    above: list[float] = []
    bend4 = 0.0
    h = 1 / 16
    while h > 1e-14 and noise / h < best.error:
        right, left = r(h), r(-h)
        d, bend = (right - left) / (2 * h), abs(right + left) / h
        if math.isfinite(d):
            corner = bend / 2 if bend > 20 * noise / h and bend > 0.5 * bend4 else 0
            row = [d]
            for k, old in enumerate(above, start=1):
                row.append(row[-1] + (row[-1] - old) / (16.0**k - 1))
            for k in range(1, len(row)):
                error = max(abs(row[k] - row[k - 1]), abs(row[k] - above[k - 1])) + noise / h + corner
                if error < best.error:
                    best = Slope(row[k], error)
            above, bend4 = row, bend
        h /= 4
    return best


def kink(r: Function, h: float, noise: float) -> Kink | None:
    """The two one-sided derivatives, where they stay as they are and apart however small the step."""
    for t in (h / 64, h / 8):
        right, left, right8, left8 = r(t) / t, r(-t) / -t, r(8 * t) / (8 * t), r(-8 * t) / (-8 * t)
        jump = abs(right - left)
        if (
            all(map(math.isfinite, (right, left, right8, left8)))
            and jump > 20 * noise / t
            and max(abs(right - right8), abs(left - left8)) < 0.3 * jump
        ):
            return Kink(left, right, 2 * noise / t)
    return None


def noise_of(values: Sequence[float], eps: float) -> float:
    """The rounding noise in a function, from its values at equally spaced points very close together.

    High differences of a smooth function vanish there, so what is left of them is noise
    (Moré and Wild 2011, section 2).
    """
    table = np.asarray(values, np.float64)
    floor = eps * float(np.abs(table).max())
    levels = []
    for k in range(1, len(values)):
        table = np.diff(table)
        if k >= 3:
            levels.append(math.sqrt(float((table * table).mean()) * math.factorial(k) ** 2 / math.factorial(2 * k)))
    return max(floor, *levels)
