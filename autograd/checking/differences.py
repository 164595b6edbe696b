"""Derivatives by finite differences, each with an estimate of its own error.

Everything here is about a function along a line: how it changes from 0 to t, and what a gradient leaves
unexplained of that, r(t), whose derivative at 0 is 0 where the gradient is right. This is plain numerical
analysis that knows nothing of graphs.

Three things are told apart. *Noise* is what remains as the step shrinks, and is there at every distance from
the point; it is measured beside the point, never at it. A *corner* has one slope to the left and another to the
right, however small the step. A *jump* does not vanish with the step at all. Where pictures at several scales
differ, the smallest that the noise leaves legible counts: that is what a derivative is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

METHODS = ("auto", "central", "forward", "backward", "richardson", "complex")
MARGIN = 10  # how many times its estimated error a finite difference may be off
TELLING = 0.1  # an error of this part of the gradient is still good enough to tell right from wrong
DEPTH = 6  # columns of the triangle of extrapolations
GOLDEN = (math.sqrt(5) - 1) / 2  # no round number in any base, so that steps by it are rounded as any number is
TOP = GOLDEN / 10  # the largest step
FACTOR = 8  # from one step to the next
GLANCE = (TOP / 8, TOP / 64, TOP / 512)  # the steps of a glance
# The places where noise is measured, so many steps from the point, and the polynomials of degree 4 to 7 there.
WINDOW = 1 + np.sort(GOLDEN * np.arange(8) % 1)
HIGH = np.linalg.qr(np.vander((WINDOW - WINDOW.mean()) / 0.5, increasing=True))[0].T[4:]
WINDOWS = 10  # how many of them, each four times closer to the point than the one before


@dataclass(slots=True)
class Line:
    """A function along a line from a point, and what a gradient says of it.

    sample: for t, how much the function changes from 0 to t, and how much its gradient predicts.
    eps: of its precision. floor: the least that rounding does to the function, half a unit in the last place of its
    value. rounding: the most that it may do, given what the function is computed from.
    """

    sample: Callable[[float], tuple[float, float]]
    eps: float
    floor: float
    rounding: float
    moved: bool = False
    seen: dict[float, tuple[float, float]] = field(default_factory=dict)

    def change(self, t: float) -> float:
        """f(t) - f(0)."""
        return self._at(t)[0]

    def __call__(self, t: float) -> float:
        """r(t): the change less what the gradient predicts."""
        change, predicted = self._at(t)
        return change - predicted

    def predicted(self, t: float) -> float:
        """The size of the change that the gradient predicts."""
        return abs(self._at(t)[1])

    def noise(self, h: float) -> float:
        """The least noise in r at a step to both sides."""
        return max(self.floor, self.eps * max(abs(self.change(h)), abs(self.change(-h))))

    def _at(self, t: float) -> tuple[float, float]:
        if t not in self.seen:
            self.seen[t] = self.sample(t)
            self.moved = self.moved or self.seen[t] != (0.0, 0.0)
        return self.seen[t]


@dataclass(frozen=True, slots=True)
class Slope:
    """The derivative of r at 0 and how far off it may be.

    left, right: the derivatives to both sides. kind: "smooth", "corner" (the sides differ) or "jump" (a side
    is infinite). noise: that of the function, as far as it was measured.
    coarse: what a glance finds over its smallest step alone.
    """

    value: float
    error: float
    left: float = math.nan
    right: float = math.nan
    kind: str = "smooth"
    noise: float = 0.0
    coarse: float = 0.0

    @property
    def size(self) -> float:
        """The largest of the slopes."""
        return max(abs(self.value), *(abs(x) for x in (self.left, self.right) if not math.isnan(x)), 0.0)

    def vanishes(self, slack: float) -> bool:
        """Whether it is 0, or at a corner may be, as far as can be told; within `slack` is as good as 0."""
        slack += MARGIN * self.error
        if self.kind == "corner":
            return min(self.left, self.right) <= slack and max(self.left, self.right) >= -slack
        return self.kind == "smooth" and abs(self.value) <= slack

    def resolves(self, slack: float, enough: float) -> bool:
        """Whether it vanishes, with an error that is small enough."""
        return self.vanishes(slack) and MARGIN * self.error <= enough

    def tells(self, g: float) -> bool:
        """Whether the error is small beside the slopes."""
        return MARGIN * self.error <= TELLING * max(self.size, abs(g))

    def differs(self, other: Slope) -> bool:
        """Whether it is another picture than that of a larger scale, and not the same less clearly."""
        apart = max(abs(self.left - other.left), abs(self.right - other.right))
        return self.kind != other.kind or not apart <= MARGIN * (self.error + other.error)


def step_of(eps: float, method: str) -> float:
    """The step that balances truncation and rounding: eps^(1/3) for two sides, eps^(1/2) for one.

    6e-6 and 1.5e-8 in float64, 5e-3 and 3.5e-4 in float32 (Press et al., Numerical Recipes, 5.7).
    """
    return eps ** (1 / 2) if method in ("forward", "backward") else eps ** (1 / 3)


# ---- a glance ----------------------------------------------------------------------------


def glances(r: Line, h: float) -> Iterator[Slope]:
    """The derivative of r from one step, and from a few, which are enough where r is smooth on the scale of 1."""
    yield Slope((r(h) - r(-h)) / (2 * h), r.noise(h) / h)
    ladder = _ladder(r, GLANCE)
    if len(ladder.steps) < len(GLANCE):
        yield Slope(math.nan, math.nan)
        return
    found = _sides(ladder, r.floor, 0.0)
    yield replace(found, coarse=float(ladder.left[-1] + ladder.right[-1]) / 2, noise=found.error * GLANCE[-1])


# ---- a closer look -----------------------------------------------------------------------


def look(
    r: Line,
    top: float,
    bottom: float,
    slack: float,
    enough: float,
    known: float = 0.0,
    noise: float | None = None,
) -> Slope | None:
    """The derivative of r, from both sides and over all steps from `top` down to `bottom`; None where r is not finite.

    slack: a derivative that is as good as 0. enough: an error that is small enough. known: noise measured on a
    larger scale, which counts where the function does not move at all. noise: where it need not be measured.
    """
    ladder = _ladder(r, _steps(top, bottom))
    if len(ladder.steps) < 2:
        return None

    def settled(found: Slope) -> bool:
        last = slack + MARGIN * found.error + 100 * ladder.noise(found.noise)[-1]
        return found.kind == "smooth" and found.resolves(slack, enough) and ladder.last <= last

    found = _sides(ladder, max(r.floor, known), slack)
    if settled(found):
        return found
    if noise is None:
        noise = noise_beside(r, top, bottom)
    noise = max(r.floor, known if noise is None else noise)
    found = _sides(ladder, noise, slack)
    if settled(found):
        return found
    least = slack + 100 * ladder.noise(noise)[-1] + r.rounding / ladder.steps[-1]
    sides = (ladder.left, ladder.right)
    if any(_diverges(s, least) for s in sides):
        ends = [math.copysign(math.inf, s[-1]) if _diverges(s, least) else float(s[-1]) for s in sides]
        return Slope(math.inf, math.inf, ends[0], ends[1], "jump", noise)
    return _finest(found, ladder, slack)


@dataclass(frozen=True, slots=True)
class _Ladder:
    """Ever smaller steps h, with r(-h) / -h, r(h) / h, and what the rounding of r alone makes of these."""

    steps: np.ndarray
    left: np.ndarray
    right: np.ndarray
    rounding: np.ndarray

    def __getitem__(self, part: slice) -> _Ladder:
        return _Ladder(self.steps[part], self.left[part], self.right[part], self.rounding[part])

    @property
    def last(self) -> float:
        """The larger slope over the smallest step."""
        return float(max(abs(self.left[-1]), abs(self.right[-1])))

    def noise(self, noise: float) -> np.ndarray:
        """What the noise in the function makes of the slopes."""
        return np.maximum(noise / self.steps, self.rounding)


def _steps(top: float, bottom: float) -> Iterator[float]:
    while top >= bottom:
        yield top
        top /= FACTOR


def _ladder(r: Line, steps: Iterable[float]) -> _Ladder:
    """The slopes over those of the steps at which both are finite."""
    rows = ((h, r(-h) / -h, r(h) / h, r.noise(h) / h) for h in steps)
    return _Ladder(*np.array([row for row in rows if all(map(math.isfinite, row))]).reshape(-1, 4).T)


def _sides(ladder: _Ladder, noise: float, slack: float) -> Slope:
    """Both one-sided derivatives and the two-sided one, extrapolated."""
    noises = ladder.noise(noise)
    a, a_error = _extrapolated(ladder.left, 1, noises)
    b, b_error = _extrapolated(ladder.right, 1, noises)
    apart = abs(b - a)
    if apart > MARGIN * (a_error + b_error) and apart > slack:
        return Slope((a + b) / 2, max(a_error, b_error), a, b, "corner", noise)
    value, error = _extrapolated((ladder.left + ladder.right) / 2, 2, noises)
    return Slope(value, error, value, value, "smooth", noise)


def _extrapolated(slopes: np.ndarray, order: int, noises: np.ndarray) -> tuple[float, float]:
    """Slopes over ever smaller steps, extrapolated to step zero, and the estimated error.

    A triangle of extrapolations (Ridders 1982), of which the entry with the least estimated error counts: so a
    corner or a pole nearby spoils the large steps only, and noise the small ones.
    """
    best, least = float(slopes[-1]), math.inf
    for k in range(1, min(DEPTH, len(slopes))):
        finer = slopes[1:] + (slopes[1:] - slopes[:-1]) / (float(FACTOR) ** (order * k) - 1)
        errors = np.maximum(np.abs(finer - slopes[1:]), np.abs(finer - slopes[:-1])) + noises[k:]
        i = int(errors.argmin())
        if errors[i] < least:
            best, least = float(finer[i]), float(errors[i])
        slopes = finer
    return best, least


def _diverges(slopes: np.ndarray, least: float) -> bool:
    """Whether slopes grow without end as the step shrinks: r jumps, or has an infinite slope."""
    last = np.abs(slopes[-3:])
    return len(last) == 3 and bool(last[2] > least and last[2] >= 2 * last[1] and last[1] >= 2 * last[0])


def _finest(found: Slope, ladder: _Ladder, slack: float) -> Slope:
    """The same, unless the smallest legible steps tell otherwise: then by what agrees with those."""
    left, right, noises = ladder.left, ladder.right, ladder.noise(found.noise)
    start = 0
    for _ in range(4):
        apart = max(found.size / 10, 3 * found.error)  # what must be told apart
        (legible,) = np.nonzero(3 * noises <= apart)
        if not legible.size or legible[-1] < start + 1:
            break
        end = int(legible[-1])
        near = max(start, end - 2)
        fine = _sides(ladder[near : end + 1], found.noise, slack)
        apart = 3 * apart + MARGIN * fine.error
        if abs(fine.left - found.left) <= apart and abs(fine.right - found.right) <= apart:
            break
        start = end
        while start and abs(left[start - 1] - left[end]) <= apart and abs(right[start - 1] - right[end]) <= apart:
            start -= 1
        start = min(start, near)
        found = _sides(ladder[start : end + 1], found.noise, slack)
    return found


def random_direction(rng: np.random.Generator, count: int) -> np.ndarray:
    """Numbers of both signs, of sizes that differ, or too much in one would cancel too little in another."""
    x = rng.uniform(-1, 1, count)
    return x + np.copysign(0.5, x)


def norm(x: np.ndarray) -> float:
    """The Euclidean norm, where squares would overflow, too."""
    square = float(np.vdot(x, x))
    if 1e-30 < square < 1e30:
        return math.sqrt(square)
    largest = float(np.abs(x).max(initial=0.0))
    return largest * float(np.linalg.norm(x / largest)) if 0 < largest < math.inf else largest


# ---- noise -------------------------------------------------------------------------------


def noise_beside(r: Line, top: float, bottom: float) -> float | None:
    """The noise in the function beside the point; None where it does not move.

    It is looked for in windows from four times `top` inwards, to both sides. What looks like noise and is more than
    rounding explains may be corners or waves: of noise, as much must be in every window. Where windows become so
    small that steps are lost in rounding, there is nothing more to see.
    """
    found = []
    seen = False
    h = 4 * top
    for _ in range(WINDOWS):
        if h < 16 * bottom:
            break
        moves = False
        for side in (h, -h):
            window = np.array([r.change(side * t) for t in WINDOW])
            largest = float(np.abs(window).max())
            if not math.isfinite(largest):
                moves = True  # for all that is known
                continue
            if window.min() == window.max():
                continue
            seen = moves = True
            noise, noisy = (float(x) for x in noise_of(window))
            if noise <= 8 * r.eps * largest and largest <= 100 * r.predicted(h):
                noise = 0.0  # of rounding the change itself, which is known
            if noise <= 100 * r.floor or (noisy and noise <= r.rounding):
                return noise
            if noisy:
                found.append(noise)
        if not moves:
            # What is no rounding, and is not there so near the point, was something else: a jump further out.
            found = [x for x in found if x <= r.rounding]
            break
        h /= 4
    return min(found) if len(found) > 2 else 0.0 if seen else None


def noise_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The noise in values at the places of a window, along axis 0, and whether it is noise.

    A smooth function is nearly a polynomial there, so its parts along polynomials of degree 4 to 7 vanish the
    faster the higher the degree; those of noise are all of one size (after Moré and Wild 2011, section 2, who
    take differences between equal steps, in which the rounding of a sum with something large can hide).
    """
    largest = np.abs(values).max(axis=0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)  # or squares overflow
    parts = np.tensordot(HIGH, values / scale, 1) ** 2
    coarse, fine = (parts[0] + parts[1]) / 2, (parts[2] + parts[3]) / 2
    noisy = 16 * fine >= coarse
    return np.sqrt(np.where(noisy, (coarse + fine) / 2, fine)) * scale, noisy
