"""All elements of all inputs: one by one, or, where they are many, along random directions and by bisection."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autograd.checking.differences import MARGIN, TELLING, Slope, norm, random_direction
from autograd.checking.judge import Judge, Options
from autograd.checking.point import Point
from autograd.checking.report import Row, guess
from autograd.checking.survey import Sides

__all__ = ["compare", "unfit"]

LARGE = 1000  # from this many elements on, probe along random directions
PROBES = 3  # random directions an input is probed along
OFFENDERS = 8  # elements that a bisection tracks down
CORNERS = 100  # elements at corners that are looked at one by one
FAR = 1e-4  # how much smaller than the largest a gradient may be that is probed together with it


def unfit(point: Point, order: int = 1) -> list[Row]:
    """The row that says that a function cannot be compared with anything at a point; none where it can."""
    again = point.value(point.x)
    for verdict, there in (
        ("nondeterministic", point.start != again and not (math.isnan(point.start) and math.isnan(again))),
        ("nonfinite", not math.isfinite(point.start)),
    ):
        if there:
            return [Row(", ".join(point.names), None, point.start, again, math.nan, 0.0, verdict, order=order)]
    return []


def compare(point: Point, options: Options, order: int = 1, sides: Sides | None = None) -> tuple[list[Row], list[str]]:
    """The rows for one function at one point, and guesses at what is wrong.

    order: of the derivatives it gives. sides: what tells how it changes along each element, at first.
    """
    judge = Judge(point, options, order)
    every = np.arange(point.x.size)
    fast = point.x.size > LARGE if options.fast is None else options.fast
    slow = [] if fast else judge.elements(every, sides)
    rows: list[Row] = []
    guesses: list[str] = []
    for name, shape, (part, _) in zip(point.names, point.shapes, point.parts):
        found = _probed(judge, name, every[part]) if fast else slow[part]
        if order == 1 and found and not judge.moved[part].any():
            found = [Row(name, None, 0.0, 0.0, 0.0, 0.0, "unused")]
        rows += found
        guesses += filter(None, [guess(name, shape, found)])
    return rows, guesses


def _probed(judge: Judge, name: str, elements: np.ndarray) -> list[Row]:
    """Rows for random directions in an input, and for the elements that may be at fault."""
    rng = np.random.default_rng(0)  # the same directions at every run
    bad = elements[~np.isfinite(judge.g[elements])]
    if bad.size:
        return judge.elements(bad[:OFFENDERS])
    corners = judge.point.corners[elements]
    edges = elements[corners]
    rows = judge.elements(edges if edges.size <= CORNERS else rng.choice(edges, CORNERS, replace=False))
    if edges.size > CORNERS:
        judge.point.notes.append(f"{name}: {edges.size:,} elements are at a corner, of which {CORNERS} were looked at")
    for group in _groups(judge, elements[~corners]):
        rows += _probe(judge, rng, name, group) if group.size > 1 else judge.elements(group)
    return rows


def _groups(judge: Judge, elements: np.ndarray) -> Iterator[np.ndarray]:
    """The elements by the size of their gradients: beside one that is far larger, a small one would go unseen."""
    sizes = np.abs(judge.g[elements]) * judge.point.scale[elements]
    far = max(FAR, 300 * judge.point.eps / judge.rtol) if judge.rtol else FAR
    while elements.size:
        large = sizes >= min(far, 0.1) * sizes.max()
        yield elements[large]
        elements, sizes = elements[~large], sizes[~large]


def _probe(judge: Judge, rng: np.random.Generator, name: str, elements: np.ndarray) -> list[Row]:
    """Rows for random directions in some elements, up to one that fails, and for the elements at fault."""
    rows: list[Row] = []
    for _ in range(PROBES):
        u = _signs(judge, rng, elements)
        slope, limit = judge.direction(u, quick=True)
        found = [] if _clear(slope, limit) else _at_a_glance(judge, rng, _Part(elements, u, slope))
        if found is None:
            slope, limit = judge.direction(u)
            found = [] if _clear(slope, limit) else judge.elements(_offenders(judge, rng, _Part(elements, u, slope)))
        row = _row(judge, name, u, slope, limit, found)
        rows.append(row)
        if row.verdict != "ok":
            return rows + [row for row in found if row.verdict != "ok"]
    return rows


def _clear(slope: Slope | None, limit: float) -> bool:
    """Whether a direction leaves nothing to look for."""
    return slope is not None and slope.kind == "smooth" and abs(slope.value) <= limit


def _signs(judge: Judge, rng: np.random.Generator, where: np.ndarray) -> np.ndarray:
    """A random direction in some elements."""
    u = np.zeros_like(judge.point.x)
    u[where] = random_direction(rng, where.size) * judge.point.scale[where]
    return u


@dataclass(frozen=True, slots=True)
class _Part:
    """Some elements, a direction in them and the slope along it."""

    elements: np.ndarray
    u: np.ndarray
    slope: Slope | None


def _at_a_glance(judge: Judge, rng: np.random.Generator, part: _Part) -> list[Row] | None:
    """Rows for the elements at fault, looked for in the quickest ways; None where they do not explain the slope."""
    for suspects in (_one, partial(_offenders, quick=True)):
        rows = [row for row in judge.elements(suspects(judge, rng, part)) if row.verdict != "ok"]
        if _explain(judge, rows, part):
            return rows
    return None


def _explain(judge: Judge, found: list[Row], part: _Part) -> bool:
    """Whether what was found along elements is what was found along u, or as much of it as is looked for."""
    if part.slope is None or part.slope.kind != "smooth" or any(row.verdict != "wrong" for row in found):
        return False
    place = judge.point.position_of
    shares = [(row.numeric - row.analytic) * part.u[place(row.input, row.index or ())] for row in found]
    return len(found) == OFFENDERS or abs(sum(shares) - part.slope.value) <= TELLING * abs(part.slope.value)


def _one(judge: Judge, rng: np.random.Generator, part: _Part) -> np.ndarray:
    """The one element at fault, if it is one: its place is told by what it brings to a direction of other lengths."""
    elements, whole = part.elements, part.slope
    while whole and elements.size > 1:
        lengths = np.zeros_like(part.u)
        lengths[elements] = np.linspace(0.5, 1, elements.size)
        share = judge.share(lengths * part.u, whole)
        if share is None:
            return elements[:0]
        apart = MARGIN * (share.error + whole.error) / abs(whole.value)
        found = elements[np.abs(lengths[elements] - share.value / whole.value) <= apart]
        if 2 * found.size > elements.size:
            return elements[:0]
        elements = found
    return elements


def _offenders(judge: Judge, rng: np.random.Generator, whole: _Part, quick: bool = False) -> np.ndarray:
    """Halve what is at fault until single elements are left; quick: by what each half brings to the whole."""
    found: list[int] = []
    todo = [whole]
    while todo and len(found) < OFFENDERS:
        part = todo.pop()
        if part.elements.size == 1:
            found.append(int(part.elements[0]))
        else:
            todo += reversed(_at_fault(judge, rng, part, quick))
    return np.array(found, int)


def _at_fault(judge: Judge, rng: np.random.Generator, part: _Part, quick: bool) -> list[_Part]:
    """The halves of a part that are at fault."""
    halves = np.array_split(part.elements, 2)
    u = np.zeros_like(part.u)
    u[halves[0]] = part.u[halves[0]]
    looks: list[tuple[Slope | None, float]]
    first = judge.share(u, part.slope) if quick and part.slope else None
    if first and part.slope:
        rest = replace(first, value=part.slope.value - first.value, coarse=part.slope.coarse - first.value)
        directions = [u, part.u - u]
        looks = [(slope, judge.limit(slope, v)) for slope, v in zip((first, rest), directions)]
    else:
        directions = [_signs(judge, rng, half) for half in halves]
        looks = [judge.direction(u) if half.size > 1 else (None, 0.0) for half, u in zip(halves, directions)]
    return [
        _Part(half, u, slope) for half, u, (slope, limit) in zip(halves, directions, looks) if not _clear(slope, limit)
    ]


def _row(
    judge: Judge,
    name: str,
    u: np.ndarray,
    slope: Slope | None,
    limit: float,
    found: list[Row],
) -> Row:
    """The verdict on a direction, given what was found among its elements."""
    g, along = judge.g, float(judge.g @ u)
    if slope is None:
        return Row(name, None, along, math.nan, math.nan, 0.0, "nonfinite", order=judge.order, probe=True)
    verdicts = {row.verdict for row in found} - {"ok"}
    # Elements that are off by less than the user's tolerance, or near a corner, explain a difference.
    if not found and not _clear(slope, limit):
        verdicts = {"kink" if slope.kind == "corner" and slope.vanishes(limit) else "wrong"}
    if not verdicts and judge.rough(slope, norm(judge.size * u), u):
        verdicts = {"noisy"}
    verdict = next((v for v in ("nonfinite", "wrong", "noisy", "kink") if v in verdicts), "ok")
    allowed = judge.atol * float(np.abs(u).sum()) + judge.rtol * float(np.abs(g * u).sum()) + limit
    tolerance = allowed if found and verdict != "wrong" else limit
    numeric = along + slope.value
    return Row(name, None, along, numeric, slope.error, tolerance, verdict, order=judge.order, probe=True)
