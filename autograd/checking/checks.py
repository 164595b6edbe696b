"""`gradcheck` and `taylor_test`: what users call.

`inputs` and `point` make one function of a vector of the user's function; `compare` has its gradient judged by
`judge`, element by element or in many at once, `curvature` that of its gradient; `report` shows what they found,
and `localize` names the operation at fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from autograd.checking import differences
from autograd.checking.compare import CORNERS, compare, unfit
from autograd.checking.curvature import second_order
from autograd.checking.differences import MARGIN, TOP, noise_beside
from autograd.checking.judge import Judge, Options
from autograd.checking.localize import guilty_operations
from autograd.checking.point import Point, Unfit
from autograd.checking.report import GradcheckReport
from autograd.engine.words import described

__all__ = ["gradcheck", "taylor_test"]


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
    method: how to differentiate at first: "central" (two-sided), "forward", "backward", "richardson"
        (extrapolated over steps), "complex" (exact, for analytic functions), or "auto", which is central.
        Where that does not agree at once, steps of all sizes decide: the smallest that noise leaves
        legible, to both sides, in float64 where f can be computed in it. `f` runs on plain arrays where it gives the
        same on them, and where it gives arrays it is also called on stacked points: on many at once along a new first
        axis. What it does there counts only where it neither raises nor warns, and gives each point what it gives it
        alone; after that it is called on one point again, for what it keeps.
    eps: the first step, relative to max(1, |x|); by default eps^(1/3) of float64, or eps^(1/2) from
        one side. rtol, atol: tolerances, by default 1e-6 (float32: 1e-3) and 0; ten times the
        estimated error of the finite difference, and of the rounding of the gradient, comes on top.
    fast: probe along random directions instead of element by element, and bisect to the elements at
        fault; by itself from 1,000 elements on.
    localize: also check the vjp of every recorded operation by itself, to name the guilty.

    Raises ValueError for options out of range, for inputs without a float, and, for the
    complex step, where an operation of `f` is not analytic.
    """
    if not callable(f):
        raise TypeError(f"gradcheck: expected a function, got {described(f)}")
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order={order}; choose 1, or 2 for derivatives of the gradient")
    if method not in differences.METHODS:
        raise ValueError(f"gradcheck: method={method!r}; choose from {', '.join(differences.METHODS)}")
    for name, x in (("eps", eps), ("rtol", rtol), ("atol", atol)):
        if x is not None and not (0 <= x < math.inf and (x or name != "eps")):
            raise ValueError(f"gradcheck: {name}={x}; expected a positive number")
    with _called("gradcheck"), np.errstate(all="ignore"):
        return _gradcheck(f, inputs, order, Options(method, eps, rtol, atol, fast), localize)


def taylor_test(f: Callable[..., Any], *inputs: Any) -> float:
    """The order at which f(x + h v) - f(x) - h <grad f(x), v> vanishes with h, along a random v.

    >>> round(taylor_test(lambda x: x**3, 2.0), 1), round(taylor_test(lambda x: x * detach(x), 2.0), 1)
    (2.0, 1.0)

    2.00 where the gradient is right and 1.00 where it is wrong; more, up to inf, where f
    curves little or not at all; nan where f is not finite nearby. Takes what `gradcheck` takes.
    """
    with _called("taylor_test"), np.errstate(all="ignore"):
        return _taylor_test(f, inputs)


@contextmanager
def _called(name: str) -> Iterator[None]:
    """What does not fit is reported by the function that the user called."""
    try:
        yield
    except Unfit as error:
        raise ValueError(f"{name}: {error}") from error.__cause__


def _gradcheck(
    f: Callable[..., Any], inputs: tuple[Any, ...], order: int, options: Options, localize: bool
) -> GradcheckReport:
    point = Point(f, inputs)
    evaluations = 0
    guesses: list[str] = []
    rows = unfit(point)
    if not rows:
        rows, guesses = compare(point, options)
        if order == 2:
            more, guesses2, evaluations = second_order(point, options, rows)
            rows, guesses = rows + more, guesses + guesses2
    return GradcheckReport(
        rows,
        function=getattr(f, "__name__", type(f).__name__),
        method=options.method,
        evaluations=point.evaluations + evaluations,
        elements=point.x.size,
        guess=next(iter(guesses), ""),
        notes=point.notes,
        guilty=guilty_operations(point) if localize else None,
    )


def _taylor_test(f: Callable[..., Any], inputs: tuple[Any, ...]) -> float:
    point = Point(f, inputs)
    judge = Judge(point, Options())
    u = np.random.default_rng(0).standard_normal(point.x.size) * point.scale
    # No order can be told across a corner; where the gradient is right there, it is left out.
    corners = np.flatnonzero(point.corners)[:CORNERS]
    u[[i for i, row in zip(corners, judge.elements(corners)) if row.verdict == "kink"]] = 0
    g = point.gradient
    if not (math.isfinite(point.start) and np.isfinite(g).all()):
        return math.nan
    r = judge.line(u)
    noise = max(r.floor, noise_beside(r, TOP, 4 * point.eps) or 0.0)
    size = float(np.abs(g * u).max(initial=0.0))
    rounding = 10 * point.eps * size + MARGIN * float(np.abs(point.gradient_noise * u).max(initial=0.0))
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
