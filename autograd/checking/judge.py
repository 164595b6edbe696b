"""The verdict on a gradient along one element or a direction: what finite differences say, and how surely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from autograd.checking import differences
from autograd.checking.differences import MARGIN, Slope
from autograd.checking.point import Point
from autograd.checking.report import Row

__all__ = ["Judge", "Options"]

RTOL = {8: 1e-6, 4: 1e-3, 2: 5e-2}  # by the size of the dtype


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may ask of a check: see `gradcheck`. None leaves it to the check."""

    method: str = "auto"
    eps: float | None = None
    rtol: float | None = None
    atol: float | None = None
    fast: bool | None = None

    def rtol_of(self, dtype: np.dtype) -> float:
        """The relative tolerance for numbers of a dtype."""
        return RTOL[min(8, dtype.itemsize)] if self.rtol is None else self.rtol


class Judge:
    """Compares derivatives along elements and directions, and gives verdicts."""

    def __init__(self, point: Point, rng: np.random.Generator, options: Options, order: int) -> None:
        self.point, self.method, self.order = point, options.method, order
        self.g = g = point.gradient()
        self.noise = point.noise(rng)  # of the function
        self.g_noise = point.gradient_noise(g, rng)
        self.step = differences.step_of(point.dtype, options.method) if options.eps is None else options.eps
        self.rtol = options.rtol_of(point.dtype)
        self.wide_noise: float | None = None
        self.moved = False  # whether the function has changed along anything asked so far
        # The largest gradient within the same input: what rounding of the gradient is measured by.
        sizes = [np.abs(part).max(initial=0.0, where=np.isfinite(part)) for part in point.split(g)]
        self.size = np.repeat(sizes, np.diff(point.starts))
        self.atol = (
            100 * point.eps * (self.size + abs(point.start) / point.scale)
            if options.atol is None
            else np.full(g.size, options.atol)
        )

    def along(self, u: np.ndarray) -> differences.Function:
        r = self.point.along(u, self.g)
        (where,) = np.nonzero(u)
        g = np.where(np.isfinite(self.g), self.g, 0)[where]
        if g.any():  # then a change of the gradient's own part counts as well
            self.moved = True
            return r

        def watched(t: float) -> float:
            y = r(t)
            self.moved = self.moved or y != 0
            return y

        return watched

    def closer(self, u: np.ndarray, r: differences.Function) -> tuple[differences.Function, float, float]:
        """For a closer look along u: the function, in float64 where it can be, with its step and its noise."""
        wide = self.point.wide
        if wide is None or self.method != "auto":
            return r, self.step, self.noise
        if self.wide_noise is None:
            self.wide_noise = wide.noise(np.random.default_rng(0))
        return wide.along(u, self.g), differences.step_of(wide.dtype, "central"), self.wide_noise

    def element(self, i: int) -> Row:
        """The verdict on one element."""
        point, unit, g = self.point, self.point.scale[i], float(self.g[i])
        row = partial(Row, *point.name_of(i), order=self.order)
        if not math.isfinite(g):
            return row(g, math.nan, math.nan, 0.0, "nonfinite")
        u = np.zeros_like(point.x)
        u[i] = unit

        def tolerance(slope: Slope) -> float:
            """The user's, and ten times what the finite difference may be off by."""
            return float(
                self.atol[i]
                + self.rtol * max(abs(g), abs(g + slope.value / unit))
                + MARGIN * (slope.error / unit + self.g_noise[i])
            )

        def rough(slope: Slope) -> bool:
            """Whether the difference is too uncertain to tell even a gradient twice too large."""
            return MARGIN * slope.error / unit > 0.1 * self.size[i] > 0.1 * MARGIN * self.g_noise[i]

        if self.method == "complex":
            self.moved = True
            numeric = point.imaginary_step(u) / unit
            slope = Slope((numeric - g) * unit, point.eps * max(abs(numeric), abs(g)) * unit)
        else:
            r = self.along(u)
            slope = self.slope(r)
            vague = self.method == "auto" and MARGIN * slope.error / unit > 100 * self.rtol * self.size[i]
            if slope.bent or vague or rough(slope) or not abs(slope.value) / unit <= tolerance(slope):
                closer, step, noise = self.closer(u, r)
                corner = differences.kink(closer, step, noise)
                if corner is not None:
                    left, right = g + corner.left / unit, g + corner.right / unit
                    slack = tolerance(Slope(0.0, corner.error))
                    between = min(left, right) - slack <= g <= max(left, right) + slack
                    return row(
                        g, (left + right) / 2, corner.error / unit, slack, "kink" if between else "wrong", left, right
                    )
                if self.method == "auto":
                    fine = differences.richardson(closer, noise)
                    slope = fine if fine.error < slope.error or not math.isfinite(slope.value) else slope
        numeric, estimate, limit = g + slope.value / unit, slope.error / unit, tolerance(slope)
        if not math.isfinite(numeric):
            return row(g, numeric, estimate, 0.0, "nonfinite")
        verdict = "noisy" if rough(slope) else "ok" if abs(slope.value) / unit <= limit else "wrong"
        return row(g, numeric, estimate, limit, verdict)

    def slope(self, r: differences.Function) -> Slope:
        """The derivative of r by the method asked for."""
        if self.method == "forward":
            return differences.one_sided(r, self.step, self.noise)
        if self.method == "backward":
            return differences.one_sided(r, -self.step, self.noise)
        if self.method == "richardson":
            return differences.richardson(r, self.noise)
        return differences.central(r, self.step, self.noise)

    def direction(self, u: np.ndarray) -> tuple[Slope, float]:
        """The unexplained derivative along u, and how large it may be by its own error and by rounding."""
        rounding = 100 * self.point.eps * float(np.linalg.norm(self.g * u)) + MARGIN * float(
            np.linalg.norm(self.g_noise * u)
        )
        if self.method == "complex":
            self.moved = True
            return Slope(self.point.imaginary_step(u) - float(self.g @ u), 0.0), rounding
        r, step, noise = self.closer(u, self.along(u))
        slope = differences.richardson(r, noise)
        bent = differences.kink(r, step, noise) is not None
        return Slope(slope.value, slope.error, bent), MARGIN * slope.error + rounding
