"""Second order: the gradient of the gradient, the symmetry of the Hessian, and `hvp`."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np

from autograd.checking import differences
from autograd.checking.compare import compare
from autograd.checking.differences import MARGIN
from autograd.checking.inputs import argument_names, like
from autograd.checking.judge import Options
from autograd.checking.point import Point
from autograd.checking.report import Row
from autograd.engine.functional import grad, hvp
from autograd.engine.kinds import is_values, raw
from autograd.engine.tree import leaves

__all__ = ["second_order"]


def second_order(point: Point, rng: np.random.Generator, options: Options) -> tuple[list[Row], list[str], int]:
    """The rows, guesses and evaluations for the gradient of <grad f, v> for a random v, the symmetry, and hvp."""
    if options.method == "complex":  # a gradient is real even where the function is analytic
        options = replace(options, method="auto")
    u, v = rng.uniform(0.5, 1.5, (2, point.x.size)) * rng.choice([-1.0, 1.0], (2, point.x.size))
    along_u, along_v = _slope_along(point, u, rng), _slope_along(point, v, rng)
    rows, guesses = compare(along_v, rng, options, 2)

    # u H v by two gradients, the other way round, by hvp, and as a difference of gradients.
    hu, hv = along_u.gradient(), along_v.gradient()
    uhv, vhu = float(u @ hv), float(v @ hu)
    rounding = float((np.abs(u) * along_v.gradient_noise(hv, rng) + np.abs(v) * along_u.gradient_noise(hu, rng)).sum())
    rounding += point.eps * float(np.abs(u * hv).sum() + np.abs(v * hu).sum())
    limit = options.rtol_of(point.dtype) * max(abs(uhv), abs(vhu)) + 100 * rounding
    rows.append(_row("symmetry of the Hessian", uhv, vhu, rounding, limit))

    vector = [a if is_values(x) else like(a, x) for a, x in zip(point.split(v), point.originals)]
    product = hvp(lambda arrays: point.scalar(*point.arguments(arrays)), point.given(), vector)
    by_hvp = float(u @ np.concatenate([np.asarray(raw(p), float).ravel() for p in product]))
    slope = differences.richardson(along_u.along(v, hu), along_u.noise(rng))
    rows.append(_row("hvp", by_hvp, vhu + slope.value, slope.error, limit + MARGIN * slope.error))
    return rows, guesses, along_u.evaluations + along_v.evaluations


def _row(name: str, analytic: float, numeric: float, estimate: float, limit: float) -> Row:
    verdict = "ok" if abs(analytic - numeric) <= limit else "wrong"
    return Row(name, None, analytic, numeric, estimate, limit, verdict, order=2)


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
