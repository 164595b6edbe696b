"""Second order: the gradient of the gradient, the symmetry of the Hessian, and `hvp`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from autograd.checking.compare import compare, unfit
from autograd.checking.differences import MARGIN, Slope, norm, random_direction
from autograd.checking.inputs import like
from autograd.checking.judge import Judge, Options
from autograd.checking.point import Point
from autograd.checking.report import Row
from autograd.checking.survey import Sides
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
    u, v = random_direction(rng, 2 * point.x.size).reshape(2, -1) * ~corners
    along_u, along_v = _slope_along(point, u), _slope_along(point, v)
    rows = [] if np.isfinite(point.gradient).all() else unfit(along_v, 2)
    guesses: list[str] = []
    if not rows:
        sides = _columns(point, v, along_v.gradient) if {row.verdict for row in first} <= {"ok", "unused"} else None
        rows, guesses = compare(along_v, options, 2, sides)
    rows = rows + _whole(point, options, _Along(u, along_u), _Along(v, along_v), rows)
    return rows, guesses, along_u.evaluations + along_v.evaluations


def _columns(point: Point, v: np.ndarray, hv: np.ndarray) -> Sides:
    """How <grad f, v> changes along each element: as that element of the gradient does along v, where f is right."""
    exact = point.wide or point
    least = exact.scale.min(initial=math.inf)
    step, unit = least * v, exact.scale / least
    # Elements of one input come out of sums of the same sizes, be they small or large themselves.
    floor = exact.eps / 2 * exact.largest_in_input(exact.gradient) * unit

    def sides(t: float, part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        moved = np.array([exact.gradient_at(exact.x + t * step), exact.gradient_at(exact.x - t * step)])
        predicted = t * (exact.scale * hv)[part]
        return ((moved - exact.gradient) * unit)[:, part], np.array([predicted, -predicted]), floor[part]

    return sides


class _Along(NamedTuple):
    """A direction v and <grad f, v>."""

    v: np.ndarray
    slope: Point


def _whole(point: Point, options: Options, u: _Along, v: _Along, rows: list[Row]) -> list[Row]:
    """u H v by two gradients, the other way round, by hvp, and as a difference of gradients."""
    hu, hv = u.slope.gradient, v.slope.gradient
    uhv, vhu = float(u.v @ hv), float(v.v @ hu)
    rounding = 100 * point.eps * float(np.abs(u.v * hv).sum() + np.abs(v.v * hu).sum())
    limit = options.rtol_of(point.recorded.dtype) * max(abs(uhv), abs(vhu)) + rounding
    if not abs(uhv - vhu) <= limit:
        limit += 100 * float((np.abs(u.v) * v.slope.gradient_noise + np.abs(v.v) * u.slope.gradient_noise).sum())
    symmetry = _row("symmetry of the Hessian", uhv, vhu, rounding, limit)

    vector = [a if is_values(x) else like(a, x) for a, x in zip(point.split(v.v), point.originals)]
    product = hvp(lambda arrays: point.scalar(*point.arguments(arrays)), point.given(point.x), vector)
    by_hvp = float(u.v @ np.concatenate([np.asarray(raw(p), float).ravel() for p in product]))
    if len(rows) == point.x.size and all(row.verdict == "ok" and row.index is not None for row in rows):
        share = u.v[[point.position_of(row.input, row.index or ()) for row in rows]]  # rows may be in any order
        numeric = float(share @ [row.numeric for row in rows])
        error = norm(share * [row.estimate for row in rows])
        more = MARGIN * error
    else:
        slope, more = Judge(u.slope, options).direction(v.v)
        found = slope or Slope(0.0, 0.0)
        numeric, error = vhu + found.value, found.error
    return [symmetry, _row("hvp", by_hvp, numeric, error, limit + more)]


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

    along = Point(slope, point.inputs)
    along.names = point.names
    return along
