"""The verdict on a gradient along one element or a direction: what finite differences say, and how surely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autograd.checking import differences
from autograd.checking.differences import MARGIN, TELLING, TOP, Line, Slope
from autograd.checking.point import Point
from autograd.checking.report import Row

__all__ = ["Judge", "Options"]

RTOL = {8: 1e-6, 4: 1e-3, 2: 5e-2, 1: 0.5}  # by the size of the dtype
UNEXPLAINED = 100  # times what rounding does to f: more noise than this is no rounding


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
    """Compares derivatives along elements and directions, and gives verdicts.

    The gradient is judged in its own precision; the function is differentiated numerically in float64, where
    it can be.
    """

    def __init__(self, point: Point, options: Options, order: int = 1) -> None:
        self.point, self.options, self.order = point, options, order
        self.g = g = point.gradient
        self.exact = point.wide or point
        self.step = options.eps or differences.step_of(self.exact.eps, options.method)
        self.rtol = options.rtol_of(point.dtype)
        self.atol = options.atol or 0.0
        self.moved = False  # whether the function has changed along anything asked so far
        # The largest gradient within the same input: an error far below it may go unseen in a smaller one.
        parts = [np.abs(part).max(initial=0.0, where=np.isfinite(part)) for part in point.split(g)]
        self.size = np.repeat(parts, np.diff(point.starts))

    # ---- one element ----

    def element(self, i: int) -> Row:
        """The verdict on one element."""
        name, index = self.point.name_of(i)
        unit, g = float(self.point.scale[i]), float(self.g[i])
        if not math.isfinite(g):
            return Row(name, index, g, math.nan, math.nan, 0.0, "nonfinite", order=self.order)
        u = np.zeros_like(self.point.x)
        u[i] = unit
        found = self.slope(u, g * unit)
        if found is None:
            return Row(name, index, g, math.nan, math.nan, 0.0, "nonfinite", order=self.order)
        slack = self.slack(g * unit, unit, found)
        if not found.vanishes(slack):
            slack += MARGIN * float(self.point.gradient_noise[i]) * unit
        verdict = self.verdict(found, slack, float(self.size[i]) * unit, i)
        left, right = (
            (math.nan, math.nan) if found.kind == "smooth" else (g + found.left / unit, g + found.right / unit)
        )
        limit = (slack + MARGIN * found.error) / unit
        numeric = g + found.value / unit
        return Row(name, index, g, numeric, found.error / unit, limit, verdict, left, right, order=self.order)

    def slack(self, g: float, unit: float, found: Slope) -> float:
        """The difference that the user lets pass, and that the rounding of g alone makes."""
        numeric = abs(g + found.value) if math.isfinite(found.value) else 0.0
        rounding = 4 * self.point.eps * abs(g) + self.point.tiny * unit
        return self.atol * unit + self.rtol * max(abs(g), numeric) + rounding

    def verdict(self, found: Slope, slack: float, size: float, i: int) -> str:
        """The word for what was found along an element."""
        if not found.vanishes(slack):
            return "wrong"
        if found.kind == "corner" and found.size > slack:
            return "kink"
        return "noisy" if self.rough(found, size, i) else "ok"

    def rough(self, found: Slope, size: float, i: int) -> bool:
        """Whether the difference is too uncertain to tell a wrong gradient."""
        if MARGIN * found.error <= TELLING * size or not found.size:
            return False
        noise = self.point.split(self.point.gradient_noise)[self.point.input_of(i)].max()
        if size > MARGIN * self.point.scale[i] * noise:
            return True
        return found.noise > UNEXPLAINED * self.point.rounding

    # ---- along any direction ----

    @cached_property
    def corners(self) -> np.ndarray:
        """Where an element may be at a corner: those are looked at one by one."""
        return self.point.corners

    def direction(self, u: np.ndarray, whole: Slope | None = None) -> tuple[Slope | None, float]:
        """The unexplained derivative along u, and how large it may be by its own error and by rounding.

        whole: that of a direction of which u is a part, if it is at fault.
        """
        size = differences.norm(self.g * u)
        rounding = 100 * self.point.eps * size
        found: Slope | None
        if self.options.method == "complex":
            found = self.slope(u, float(self.g @ u))
        else:
            r = self.line(u)
            first = self.first_look(r) if whole else None
            if whole and first and first.kind == "smooth" and MARGIN * first.error <= TELLING * abs(whole.value):
                found = first  # good enough to see which part it is
            else:
                found = self.closer_look(r, u, size, whole.noise if whole else None)
            self.moved = self.moved or r.moved
        if found is None:
            return None, rounding
        limit = MARGIN * found.error + rounding
        if not abs(found.value) <= limit:
            limit += MARGIN * differences.norm(self.point.gradient_noise * u)
        return found, limit

    def line(self, u: np.ndarray) -> Line:
        """The function along u, in float64 where it can be, and what the gradient says of it."""
        return self.exact.line(u, self.g)

    def slope(self, u: np.ndarray, g: float) -> Slope | None:
        """The unexplained derivative along u, where the gradient says g."""
        if self.options.method == "complex":
            self.moved = True
            numeric = self.point.imaginary_step(u)
            error = max(self.exact.rounding, self.point.eps * max(abs(numeric), abs(g)))  # of cancellation, too
            return Slope(numeric - g, error)
        r = self.line(u)
        first = self.first_look(r)
        if first is not None and first.kind == "smooth" and abs(first.coarse - first.value) <= TELLING * abs(g):
            slack = self.slack(g, float(np.abs(u).max()), first)
            slack += min(MARGIN * first.error, 10 * self.rtol * abs(g))
            telling = MARGIN * first.error <= TELLING * abs(g) or not (g or r.moved)
            if abs(first.value) <= slack and telling and not self.lost(r, g):
                self.moved = self.moved or r.moved
                return first
            small = self.point.nearest[np.nonzero(u)].min() < 1e-6
            if not self.lost(r, g) and not small and first.is_plain(r, self.step, g):
                self.moved = True
                return first
        found = self.closer_look(r, u, g)
        self.moved = self.moved or r.moved
        return found

    def lost(self, r: Line, g: float) -> bool:
        """Whether small steps may be lost in a sum with something large."""
        if self.exact.rounding > math.sqrt(self.exact.eps) * abs(g) > 0:
            return True
        return not r.moved and bool(r.change(TOP) or r.change(-TOP))

    def first_look(self, r: Line) -> Slope | None:
        """The derivative of r by the method asked for; None where that is the closer look."""
        method = self.options.method
        if method == "richardson":
            return None
        return differences.first_look(r, self.step, {"forward": 1, "backward": -1}.get(method, 0))

    def closer_look(self, r: Line, u: np.ndarray, g: float, noise: float | None = None) -> Slope | None:
        """The derivative of r over all steps; on the scale of x, or of what g says of f, where 1 is too large."""
        bottom, slack, enough = 4 * self.exact.eps, self.rtol * abs(g), TELLING * abs(g)

        def settled(found: Slope | None) -> bool:
            return found is not None and found.kind == "smooth" and found.resolves(slack, enough)

        def still(t: float) -> bool:
            return not r.change(t) and not r.change(-t)

        if noise is None and self.lost(r, g):
            noise = differences.noise_beside(r, TOP, bottom)
        found = differences.look(r, TOP, bottom, slack, enough, known=noise or 0.0, noise=noise)
        if settled(found):
            return found
        (where,) = np.nonzero(u)
        least = float((np.abs(self.point.x[where]) / np.abs(u[where])).max(initial=0.0))
        for unit in self.units(r, u, g):
            floor = bottom * max(unit, least)
            finer = differences.look(r, TOP * unit, floor, slack, enough, known=found.noise if found else 0.0)
            if finer and (not found or finer.error < found.error or (finer.tells(g) and finer.differs(found))):
                found = finer
        hidden = r.rounding >= 1e-3 * TOP * abs(g) > 0
        if hidden and still(2 * bottom) and (found is None or still(TOP) or not found.tells(g)):
            # Steps are lost in a sum with something large: look from where they are not.
            start = h = max(TOP, min(max(r.floor, r.rounding / 1e3) / abs(g), 1e250))
            while still(h) and h < 1e5 * start:
                h *= 8
            wider = differences.look(r, 1e6 * h, h / 8, slack, enough)
            resolved = wider and MARGIN * wider.error <= enough and wider.noise <= 1e-3 * abs(r.change(1e6 * h))
            if settled(wider) or (still(TOP) and resolved):
                return wider
        if self.point.wide and not (found and found.vanishes(slack)):
            # What is apart by less than the precision of x may be one and the same to the gradient.
            coarse = differences.look(r, TOP, 4 * self.point.eps, slack, enough, noise=found.noise if found else None)
            if coarse is not None and coarse.kind == "corner" and coarse.vanishes(slack):
                return coarse
        return found

    def units(self, r: Line, u: np.ndarray, g: float) -> list[float]:
        """Scales far below 1 on which f may vary, largest first: that of x, and how far f goes at the slope g."""
        (where,) = np.nonzero(u)
        near = self.point.nearest[where]
        units = [float((near / np.abs(u[where])).max(initial=0.0))]
        if g:
            changes = [abs(x) for x in (r.change(TOP), r.change(-TOP)) if math.isfinite(x)]
            units.append(max(changes, default=abs(self.exact.start)) / abs(g))
        units = sorted((x for x in units if 1e-305 < x < 1e-3), reverse=True)
        return [x for k, x in enumerate(units) if not k or x < 1e-3 * units[k - 1]]
