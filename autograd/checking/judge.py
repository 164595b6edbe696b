"""The verdict on a gradient along one element or a direction: what finite differences say, and how surely."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autograd.checking import differences
from autograd.checking.differences import MARGIN, TELLING, TOP, Line, Slope
from autograd.checking.point import Point
from autograd.checking.report import Row
from autograd.checking.survey import Sides, Slopes, Survey, Tolerance
from autograd.engine.kinds import limits

__all__ = ["Judge", "Options"]

RTOL = {8: 1e-6, 4: 1e-3, 2: 5e-2, 1: 0.5}  # by the size of the dtype
SHARP = 1e-3  # of the tolerance: so small an error tells at a glance
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
        dtype = point.recorded.dtype
        self.rtol = options.rtol_of(dtype)
        self.atol = options.atol or 0.0
        self.tolerance = Tolerance(self.rtol, self.atol, point.eps, float(limits(dtype).tiny))
        self.moved = g != 0  # along which elements f, or what the gradient predicts of it, was seen to change
        # The largest gradient within the same input: an error far below it may go unseen in a smaller one.
        self.size = point.largest_in_input(g)

    # ---- elements ----

    def elements(self, elements: np.ndarray, sides: Sides | None = None) -> list[Row]:
        """The verdicts on some elements; sides: what tells how f changes along each, f itself by default."""
        unit = self.point.scale[elements]
        g = self.g[elements] * unit
        found = Slopes.unknown(elements.size)
        if self.options.method not in ("richardson", "complex") and elements.size:
            side = {"forward": 1, "backward": -1}.get(self.options.method, 0)
            survey = Survey(self.exact, elements, unit, g, self.tolerance, self.step, side, sides)
            found, changed = survey.run()
            self.moved[elements] |= changed
        found.value[~found.known] = found.error[~found.known] = math.nan
        for k in np.flatnonzero(~found.known & np.isfinite(g)):
            u = np.zeros_like(self.point.x)
            u[elements[k]] = unit[k]
            slope = self.slope(u, float(g[k]))
            if slope is not None:
                found.put(int(k), slope)
        return self.rows(elements, found)

    def rows(self, elements: np.ndarray, found: Slopes) -> list[Row]:
        """The verdicts on some elements along which these slopes are left unexplained."""
        g, unit = self.g[elements], self.point.scale[elements]
        slack = self.tolerance.slack(g * unit, unit, found.value)
        off = found.known & ~found.vanish(slack)
        if off.any() and found.vanish(slack + MARGIN * self.point.most_gradient_noise[elements] * unit)[off].any():
            slack += np.where(off, MARGIN * self.point.gradient_noise[elements] * unit, 0.0)
            off &= ~found.vanish(slack)
        size = self.size[elements] * unit
        bent = found.corner & ~off & (found.size > slack)
        bent &= (found.size < 1e-6 * size) | (found.size > 1e3 * size)  # or it is as large as gradients are
        if bent.any():  # it may be what rounding makes of a gradient that crosses 0
            bent &= found.size <= slack + MARGIN * 100 * self.exact.eps * self.point.steepness[elements] * unit
            slack[bent] = found.size[bent]
        kink = found.corner & (found.size > slack)
        rough = found.known & ~off & ~kink & ~(MARGIN * found.error <= TELLING * size)
        for k in np.flatnonzero(rough):
            u = np.zeros_like(self.point.x)
            u[elements[k]] = unit[k]
            rough[k] = self.rough(found.at(int(k)), float(size[k]), u)
        verdicts = ["ok"] * elements.size
        for mask, verdict in ((rough, "noisy"), (kink, "kink"), (off, "wrong"), (~found.known, "nonfinite")):
            for k in np.flatnonzero(mask):
                verdicts[k] = verdict
        limit = np.where(found.known, slack + MARGIN * found.error, 0.0) / unit
        left, right = (np.where(found.corner, g + side / unit, math.nan) for side in (found.left, found.right))
        numbers = (g, g + found.value / unit, found.error / unit, limit, left, right)
        columns = [column.tolist() for column in numbers]
        return [
            Row(name, index, a, b, error, most, verdict, to_left, to_right, self.order)
            for (name, index), verdict, a, b, error, most, to_left, to_right in zip(
                self.point.names_of(elements), verdicts, *columns
            )
        ]

    def rough(self, found: Slope, size: float, u: np.ndarray) -> bool:
        """Whether the difference along u is too uncertain to tell a wrong gradient."""
        if MARGIN * found.error <= TELLING * size or not found.size:
            return False
        # Where the gradients are 0, how steep f is beside the point tells what is little.
        r, i = self.line(u), int(np.flatnonzero(u)[0])
        if MARGIN * found.error <= self.rtol * max(abs(r.change(TOP)), abs(r.change(-TOP))) / TOP < math.inf:
            return False
        noise = self.point.split(self.point.gradient_noise)[self.point.input_of(i)].max()
        if size > MARGIN * self.point.scale[i] * noise:
            return True
        return found.noise > UNEXPLAINED * self.point.rounding

    # ---- along any direction ----

    def direction(self, u: np.ndarray, quick: bool = False) -> tuple[Slope | None, float]:
        """The unexplained derivative along u, and how large it may be by its own error and by rounding.

        quick: that it is not 0 need not be certain.
        """
        size = differences.norm(self.g * u)
        found = None
        if self.options.method == "complex":
            found = self.slope(u, float(self.g @ u))
        else:
            r = self.line(u)
            found = self.glance(r, u, size, quick) or self.closer_look(r, u, size)
            if r.moved:
                self.moved |= u != 0
        return found, self.limit(found, u)

    def glance(self, r: Line, u: np.ndarray, size: float, quick: bool) -> Slope | None:
        """The derivative of r over a few steps, where that tells that it is 0; quick: or that it may not be."""
        if (
            self.exact.rounding > math.sqrt(self.exact.eps) * size > 0
            or self.point.nearest[u != 0].min(initial=1.0) < 1e-6
        ):
            return None
        rounding, sharp = 100 * self.point.eps * size, SHARP * self.rtol * size
        for found in differences.glances(r, differences.step_of(self.exact.eps, "central")):
            told = MARGIN * found.error <= sharp or not (size or r.moved or self.lost(r, size))
            if told and found.kind == "smooth" and abs(found.value) <= MARGIN * found.error + rounding:
                return found
        told = quick and found.kind == "smooth" and MARGIN * found.error <= TELLING * abs(found.value)
        return found if told else None

    def share(self, u: np.ndarray, whole: Slope) -> Slope | None:
        """What a part u of a direction brings to the derivative along the whole; None if a step does not tell."""
        if whole.kind != "smooth" or self.options.method == "complex":
            return None
        r, h = self.line(u), differences.step_of(self.exact.eps, "central")
        bent = whole.coarse - whole.value
        noise = max(r.noise(h), whole.noise)
        error = noise / h + abs(bent) * (h / differences.GLANCE[-1]) ** 2
        value = (r(h) - r(-h)) / (2 * h)
        told = MARGIN * error <= TELLING * abs(whole.value)
        return Slope(value, error, coarse=value + bent, noise=whole.noise) if told else None

    def limit(self, found: Slope | None, u: np.ndarray) -> float:
        """How large a derivative along u may be by its own error and by rounding."""
        limit = 100 * self.point.eps * differences.norm(self.g * u)
        if found is None:
            return limit
        limit += MARGIN * found.error
        if abs(found.value) <= limit:
            return limit
        most = MARGIN * differences.norm(self.point.most_gradient_noise * u)
        if limit + most < abs(found.value):
            return limit + most
        return limit + MARGIN * differences.norm(self.point.gradient_noise * u)

    def line(self, u: np.ndarray) -> Line:
        """The function along u, in float64 where it can be, and what the gradient says of it."""
        return self.exact.line(u, self.g)

    def slope(self, u: np.ndarray, g: float) -> Slope | None:
        """The unexplained derivative along u, where the gradient says g, by a close look."""
        if self.options.method == "complex":
            self.moved |= u != 0
            numeric = self.point.imaginary_step(u)
            # Of cancellation, too: between numbers that are the smaller the shorter the step is beside x.
            far = float((np.abs(u) / np.where(self.point.nearest > 0, self.point.nearest, 1)).max(initial=0.0))
            error = max(self.exact.rounding * min(1.0, far), self.point.eps * max(abs(numeric), abs(g)))
            return Slope(numeric - g, error)
        r = self.line(u)
        found = self.closer_look(r, u, g)
        if r.moved:
            self.moved |= u != 0
        return found

    def lost(self, r: Line, g: float) -> bool:
        """Whether small steps may be lost in a sum with something large."""
        if self.exact.rounding > math.sqrt(self.exact.eps) * abs(g) > 0:
            return True
        return not r.moved and bool(r.change(TOP) or r.change(-TOP))

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
