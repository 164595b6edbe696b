"""Compare a gradient with finite differences, and judge what differs.

`point` makes a function of one number of the user's function, along every element or random
direction of its inputs; `differences` differentiates that; this module judges the results,
`report` shows them, and `localize` names the operation at fault.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from autograd.checking import differences
from autograd.checking.differences import Slope
from autograd.checking.localize import guilty_operations
from autograd.checking.point import Point, argument_names, floats, like
from autograd.checking.report import GradcheckReport, Row, guess
from autograd.engine.functional import grad, hvp
from autograd.engine.kinds import raw
from autograd.engine.tree import leaves

__all__ = ["gradcheck", "taylor_test"]

LARGE = 1000  # from this many elements on, probe along random directions
PROBES = 3  # random directions an input is probed along
OFFENDERS = 8  # elements that a bisection tracks down
MARGIN = 10  # how many times its estimated error a finite difference may be off
RTOL = {8: 1e-6, 4: 1e-3, 2: 5e-2}  # by the size of the dtype


class _Options(NamedTuple):
    method: str
    eps: float | None
    rtol: float | None
    atol: float | None
    fast: bool | None


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    method: str = "auto",
    eps: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    fast: bool | None = None,
    localize: bool = False,
) -> GradcheckReport:
    """Compare the gradient of `f` at `inputs` with finite differences.

    >>> gradcheck(lambda x: (x**3).sum(), np.array([1.0, 2.0])).verdict
    'ok'

    f: a function as for `grad`; where it gives arrays or a structure, a sum of all outputs
        with random weights is checked. inputs: numbers, arrays, object arrays of Values, and
        nested dicts, lists and tuples of them, every one of which is checked; beside floats,
        integer arrays and objects of other kinds (tokens, a Config) are constants.
    order: 2 also checks the gradient of the gradient, the symmetry of the Hessian and `hvp`.
    method: "central" (two-sided), "forward", "backward", "richardson" (extrapolated over
        steps), "complex" (exact, for analytic functions), or "auto": central, with a closer
        look, by richardson, from both sides and in float64, wherever that differs or may have a corner.
    eps: the step, relative to max(1, |x|); by default the dtype's eps^(1/3), or eps^(1/2) from
        one side. rtol, atol: tolerances, by default 1e-6 (float32: 1e-3) and a trifle for
        rounding; ten times the estimated error of the finite difference comes on top.
    fast: probe along random directions of +-1 instead of element by element, and bisect to
        the elements at fault; by itself from 1,000 elements on.
    localize: also check the vjp of every recorded operation by itself, to name the guilty.

    Raises ValueError for options out of range, for inputs without a float, and, for the
    complex step, where an operation of `f` is not analytic.
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order={order}; choose 1, or 2 for derivatives of the gradient")
    if method not in differences.METHODS:
        raise ValueError(f"gradcheck: method={method!r}; choose from {', '.join(differences.METHODS)}")
    for name, x in (("eps", eps), ("rtol", rtol), ("atol", atol)):
        if x is not None and not (0 <= x < math.inf and (x or name != "eps")):
            raise ValueError(f"gradcheck: {name}={x}; expected a positive number")
    rng = np.random.default_rng(0)  # the same directions at every run
    point = Point(f, inputs, rng)
    options = _Options(method, eps, rtol, atol, fast)
    rows, guesses = _check(point, rng, options, 1)
    evaluations = point.evaluations
    if order == 2 and rows and rows[0].verdict not in ("nondeterministic", "nonfinite"):
        more, guesses2, evaluations2 = _second_order(point, rng, options)
        rows, guesses, evaluations = rows + more, guesses + guesses2, evaluations + evaluations2
    return GradcheckReport(
        rows,
        function=getattr(f, "__name__", type(f).__name__),
        method=method,
        evaluations=evaluations,
        elements=point.x.size,
        guess=next(iter(guesses), ""),
        notes=point.notes,
        guilty=guilty_operations(point, rng) if localize else None,
    )


def taylor_test(f: Callable[..., Any], *inputs: Any) -> float:
    """The order at which f(x + h v) - f(x) - h <grad f(x), v> vanishes with h, along a random v.

    2.00 where the gradient is right and 1.00 where it is wrong; more, up to inf, where f
    curves little or not at all; nan where f is not finite nearby. Takes what `gradcheck` takes.
    """
    rng = np.random.default_rng(0)
    point = Point(f, inputs, rng)
    g, u = point.gradient(), rng.standard_normal(point.x.size) * point.scale
    rounding = MARGIN * float(np.linalg.norm(point.gradient_noise(g, rng) * u)) + 10 * point.eps * float(
        np.linalg.norm(g * u)
    )
    exact = point.wide or point  # f in float64, where it can be
    r, noise = exact.along(u, g), exact.noise(rng)
    residuals = []
    for k in range(2, 40):
        h = 2.0**-k
        residual = abs(r(h))
        if residual <= 100 * noise + 10 * h * rounding:
            break
        if math.isfinite(residual):
            residuals.append(residual)
    if not residuals and not math.isfinite(residual):
        return math.nan
    orders = [math.log2(a / b) for a, b in pairwise(residuals)]
    return float(np.median(orders[-3:])) if orders else math.inf


# ---- judging -----------------------------------------------------------------------------


def _check(point: Point, rng: np.random.Generator, options: _Options, order: int) -> tuple[list[Row], list[str]]:
    """The rows for one function at one point, and guesses at what is wrong."""
    again = point.value(point.x)
    for verdict, there in (
        ("nondeterministic", point.start != again and not (math.isnan(point.start) and math.isnan(again))),
        ("nonfinite", not math.isfinite(point.start)),
    ):
        if there:
            return [Row(", ".join(point.names), None, point.start, again, math.nan, 0.0, verdict, order=order)], []
    judge = _Judge(point, rng, options, order)
    fast = point.x.size > LARGE if options.fast is None else options.fast
    rows: list[Row] = []
    guesses: list[str] = []
    for k, name in enumerate(point.names):
        elements = np.arange(point.starts[k], point.starts[k + 1])
        judge.moved = False
        found = _probe(judge, rng, name, elements) if fast else [judge.element(i) for i in elements]
        if found and not judge.moved and not judge.g[elements].any():
            found = [Row(name, None, 0.0, 0.0, 0.0, 0.0, "unused", order=order)]
        rows += found
        guesses += filter(None, [guess(name, point.shapes[k], found)])
    return rows, guesses


class _Judge:
    """Compares derivatives along elements and directions, and gives verdicts."""

    def __init__(self, point: Point, rng: np.random.Generator, options: _Options, order: int) -> None:
        self.point, self.method, self.order = point, options.method, order
        self.g = g = point.gradient()
        self.noise = point.noise(rng)  # of the function
        self.g_noise = point.gradient_noise(g, rng)
        self.step = differences.step_of(point.dtype, options.method) if options.eps is None else options.eps
        self.rtol = RTOL[min(8, point.dtype.itemsize)] if options.rtol is None else options.rtol
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


def _probe(judge: _Judge, rng: np.random.Generator, name: str, elements: np.ndarray) -> list[Row]:
    """Rows for random directions in an input, and for the elements at fault that bisection finds."""
    point, g = judge.point, judge.g
    bad = elements[~np.isfinite(g[elements])]
    if bad.size:
        return [judge.element(i) for i in bad[:OFFENDERS]]

    def signs(where: np.ndarray) -> np.ndarray:
        u = np.zeros_like(point.x)
        # Not of one size, or what is too much in one element and too little in another would cancel.
        u[where] = rng.choice([-1.0, 1.0], where.size) * rng.uniform(0.5, 1.5, where.size) * point.scale[where]
        return u

    rows: list[Row] = []
    for _ in range(PROBES if elements.size > 1 else 1):
        u = signs(elements)
        slope, limit = judge.direction(u)
        wide = float((judge.atol[elements] * point.scale[elements]).sum() + judge.rtol * np.abs(g * u).sum()) + limit
        along = float(g @ u)
        flagged = slope.bent or not abs(slope.value) <= limit
        found: list[Row] = []
        if flagged:
            # Halve what is at fault until single elements are left.
            todo = [elements]
            while todo and len(found) < OFFENDERS:
                part = todo.pop()
                if part.size == 1:
                    found.append(judge.element(int(part[0])))
                    continue
                for half in reversed(np.array_split(part, 2)):
                    again, small = judge.direction(signs(half))
                    if again.bent or not abs(again.value) <= small:
                        todo.append(half)
        verdicts = {row.verdict for row in found} - {"ok"}
        # Elements that are off by less than the user's tolerance explain a difference; nothing found does not.
        if not verdicts and not abs(slope.value) <= (wide if found else limit):
            verdicts = {"wrong" if math.isfinite(slope.value) else "nonfinite"}
        size = float(np.linalg.norm(g * u))
        rough = MARGIN * slope.error > 0.1 * size > 0.1 * MARGIN * float(np.linalg.norm(judge.g_noise * u))
        if not verdicts and rough:
            verdicts = {"noisy"}
        verdict = next((v for v in ("nonfinite", "wrong", "noisy", "kink") if v in verdicts), "ok")
        tolerance = limit if verdict == "wrong" or not flagged else wide
        rows.append(
            Row(name, None, along, along + slope.value, slope.error, tolerance, verdict, order=judge.order, probe=True)
        )
        if verdicts:
            return rows + found
    return rows


def _second_order(point: Point, rng: np.random.Generator, options: _Options) -> tuple[list[Row], list[str], int]:
    """The gradient of <grad f, v> for a random v, the symmetry of the Hessian, and hvp."""
    if options.method == "complex":  # a gradient is real even where the function is analytic
        options = options._replace(method="auto")
    u, v = rng.uniform(0.5, 1.5, (2, point.x.size)) * rng.choice([-1.0, 1.0], (2, point.x.size))
    along_u, along_v = _slope_along(point, u, rng), _slope_along(point, v, rng)
    rows, guesses = _check(along_v, rng, options, 2)

    # u H v by two gradients, the other way round, by hvp, and as a difference of gradients.
    hu, hv = along_u.gradient(), along_v.gradient()
    uhv, vhu = float(u @ hv), float(v @ hu)
    rounding = float((np.abs(u) * along_v.gradient_noise(hv, rng) + np.abs(v) * along_u.gradient_noise(hu, rng)).sum())
    rounding += point.eps * float(np.abs(u * hv).sum() + np.abs(v * hu).sum())
    rtol = RTOL[min(8, point.dtype.itemsize)] if options.rtol is None else options.rtol
    limit = rtol * max(abs(uhv), abs(vhu)) + 100 * rounding
    rows.append(
        Row(
            "symmetry of the Hessian",
            None,
            uhv,
            vhu,
            rounding,
            limit,
            "ok" if abs(uhv - vhu) <= limit else "wrong",
            order=2,
        )
    )

    vector = [floats(like(a, x)) for a, x in zip(point.split(v), point.originals)]
    product = hvp(lambda arrays: point.scalar(*point.arguments(arrays)), point.given(), vector)
    by_hvp = float(u @ np.concatenate([np.asarray(raw(p), float).ravel() for p in product]))
    slope = differences.richardson(along_u.along(v, hu), along_u.noise(rng))
    numeric = vhu + slope.value
    limit += MARGIN * slope.error
    rows.append(
        Row(
            "hvp",
            None,
            by_hvp,
            numeric,
            slope.error,
            limit,
            "ok" if abs(by_hvp - numeric) <= limit else "wrong",
            order=2,
        )
    )
    return rows, guesses, along_u.evaluations + along_v.evaluations


def _slope_along(point: Point, v: np.ndarray, rng: np.random.Generator) -> Point:
    """The function <grad f, v>, at the same point."""
    parts = point.split(v)

    def slope(*args: Any) -> Any:
        arrays = [x for x, wanted in zip(leaves(list(args)), point.wanted) if wanted]
        slopes = grad(lambda arrays: point.scalar(*point.arguments(arrays)))(arrays)
        return sum((s * w).sum() if np.ndim(raw(s)) else s * float(w) for s, w in zip(slopes, parts))

    names = argument_names(point.f, len(point.inputs))
    slope.__signature__ = inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names])  # type: ignore[attr-defined]
    return Point(slope, point.inputs, rng)
