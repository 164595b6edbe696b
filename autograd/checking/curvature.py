"""Second order: the gradient of the gradient, the symmetry of the Hessian, and `hvp`."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from typing import Any

import numpy as np

from autograd.checking.compare import compare
from autograd.checking.differences import Slope
from autograd.checking.inputs import argument_names, like
from autograd.checking.judge import Judge, Options
from autograd.checking.point import Point
from autograd.checking.report import Row
from autograd.engine.kinds import is_values, raw
from autograd.engine.tree import leaves
from autograd.nodes.functional import grad, hvp

__all__ = ["second_order"]


def second_order(point: Point, options: Options, first: list[Row]) -> tuple[list[Row], list[str], int]:
    """The rows, guesses and evaluations for the gradient of <grad f, v> for a random v, the symmetry, and hvp.

    first: the rows of the gradient itself. Across a corner it jumps, so v is 0 at elements that are at one.
    """
    if options.method == "complex":  # a gradient is real even where the function is analytic
        options = replace(options, method="auto")
    corners = point.corners.copy()
    for row in first:
        if row.verdict == "kink" and row.index is not None:
            corners[point.position_of(row.input, row.index)] = True
    rng = np.random.default_rng(0)
    u, v = rng.uniform(0.5, 1.5, (2, point.x.size)) * rng.choice([-1.0, 1.0], (2, point.x.size)) * ~corners
    along_u, along_v = _slope_along(point, u), _slope_along(point, v)
    rows, guesses = compare(along_v, options, 2)

    # u H v by two gradients, the other way round, by hvp, and as a difference of gradients.
    hu, hv = along_u.gradient, along_v.gradient
    uhv, vhu = float(u @ hv), float(v @ hu)
    rounding = 100 * point.eps * float(np.abs(u * hv).sum() + np.abs(v * hu).sum())
    limit = options.rtol_of(point.dtype) * max(abs(uhv), abs(vhu)) + rounding
    if not abs(uhv - vhu) <= limit:
        limit += 100 * float((np.abs(u) * along_v.gradient_noise + np.abs(v) * along_u.gradient_noise).sum())
    rows.append(_row("symmetry of the Hessian", uhv, vhu, rounding, limit))

    vector = [a if is_values(x) else like(a, x) for a, x in zip(point.split(v), point.originals)]
    product = hvp(lambda arrays: point.scalar(*point.arguments(arrays)), point.given(point.x), vector)
    by_hvp = float(u @ np.concatenate([np.asarray(raw(p), float).ravel() for p in product]))
    slope, more = Judge(along_u, options).direction(v)
    found = slope or Slope(0.0, 0.0)
    rows.append(_row("hvp", by_hvp, vhu + found.value, found.error, limit + more))
    return rows, guesses, along_u.evaluations + along_v.evaluations


def _row(name: str, analytic: float, numeric: float, estimate: float, limit: float) -> Row:
    verdict = "ok" if abs(analytic - numeric) <= limit else "wrong" if math.isfinite(analytic) else "nonfinite"
    return Row(name, None, analytic, numeric, estimate, limit, verdict, order=2)


def _slope_along(point: Point, v: np.ndarray) -> Point:
    """The function <grad f, v>, at the same point."""
    parts = point.split(v)

    def slope(*args: Any) -> Any:
        arrays = [x for x, wanted in zip(leaves(list(args)), point.wanted) if wanted]
        slopes = grad(lambda arrays: point.scalar(*point.arguments(arrays)))(arrays)
        return sum((s * w).sum() if np.ndim(raw(s)) else s * float(w) for s, w in zip(slopes, parts))

    names = argument_names(point.f, len(point.inputs))
    slope.__signature__ = inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names])  # type: ignore[attr-defined]
    return Point(slope, point.inputs)
