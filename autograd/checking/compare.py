"""All elements of all inputs: one by one, or, where they are many, along random directions and by bisection."""

from __future__ import annotations

import math

import numpy as np

from autograd.checking.differences import MARGIN, Slope
from autograd.checking.judge import Judge, Options
from autograd.checking.point import Point
from autograd.checking.report import Row, guess

__all__ = ["compare"]

LARGE = 1000  # from this many elements on, probe along random directions
PROBES = 3  # random directions an input is probed along
OFFENDERS = 8  # elements that a bisection tracks down


def compare(point: Point, rng: np.random.Generator, options: Options, order: int) -> tuple[list[Row], list[str]]:
    """The rows for one function at one point, and guesses at what is wrong; order: of the derivatives it gives."""
    again = point.value(point.x)
    for verdict, there in (
        ("nondeterministic", point.start != again and not (math.isnan(point.start) and math.isnan(again))),
        ("nonfinite", not math.isfinite(point.start)),
    ):
        if there:
            return [Row(", ".join(point.names), None, point.start, again, math.nan, 0.0, verdict, order=order)], []
    judge = Judge(point, rng, options, order)
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


def _probe(judge: Judge, rng: np.random.Generator, name: str, elements: np.ndarray) -> list[Row]:
    """Rows for random directions in an input, up to one that fails, and for the elements at fault."""
    bad = elements[~np.isfinite(judge.g[elements])]
    if bad.size:
        return [judge.element(i) for i in bad[:OFFENDERS]]
    rows: list[Row] = []
    for _ in range(PROBES if elements.size > 1 else 1):
        u = _signs(judge, rng, elements)
        slope, limit = judge.direction(u)
        flagged = slope.bent or not abs(slope.value) <= limit
        found = _offenders(judge, rng, elements) if flagged else []
        row = _row(judge, name, elements, u, slope, limit, found, flagged)
        rows.append(row)
        if row.verdict != "ok":
            return rows + found
    return rows


def _signs(judge: Judge, rng: np.random.Generator, where: np.ndarray) -> np.ndarray:
    """A random direction in some elements; of many sizes, or too much in one would cancel too little in another."""
    u = np.zeros_like(judge.point.x)
    u[where] = rng.choice([-1.0, 1.0], where.size) * rng.uniform(0.5, 1.5, where.size) * judge.point.scale[where]
    return u


def _offenders(judge: Judge, rng: np.random.Generator, elements: np.ndarray) -> list[Row]:
    """Halve what is at fault until single elements are left."""
    found: list[Row] = []
    todo = [elements]
    while todo and len(found) < OFFENDERS:
        part = todo.pop()
        if part.size == 1:
            found.append(judge.element(int(part[0])))
            continue
        for half in reversed(np.array_split(part, 2)):
            slope, limit = judge.direction(_signs(judge, rng, half))
            if slope.bent or not abs(slope.value) <= limit:
                todo.append(half)
    return found


def _row(
    judge: Judge,
    name: str,
    elements: np.ndarray,
    u: np.ndarray,
    slope: Slope,
    limit: float,
    found: list[Row],
    flagged: bool,
) -> Row:
    """The verdict on a direction, given what was found among its elements."""
    g = judge.g
    allowed = float((judge.atol[elements] * judge.point.scale[elements]).sum() + judge.rtol * np.abs(g * u).sum())
    along, wide = float(g @ u), allowed + limit
    verdicts = {row.verdict for row in found} - {"ok"}
    # Elements that are off by less than the user's tolerance explain a difference; nothing found does not.
    if not verdicts and not abs(slope.value) <= (wide if found else limit):
        verdicts = {"wrong" if math.isfinite(slope.value) else "nonfinite"}
    size, noise = float(np.linalg.norm(g * u)), float(np.linalg.norm(judge.g_noise * u))
    if not verdicts and MARGIN * slope.error > 0.1 * size > 0.1 * MARGIN * noise:
        verdicts = {"noisy"}
    verdict = next((v for v in ("nonfinite", "wrong", "noisy", "kink") if v in verdicts), "ok")
    tolerance = limit if verdict == "wrong" or not flagged else wide
    numeric = along + slope.value
    return Row(name, None, along, numeric, slope.error, tolerance, verdict, order=judge.order, probe=True)
