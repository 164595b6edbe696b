"""The unexplained slopes along many elements at once, where a first look at them leaves no doubt.

A step to both sides of every element tells which gradients agree with f: that settles most. What is left is looked
at over a larger step. There a slope that is plainly another, or a corner that is plainly one, must hold over the
smallest steps, too: all such elements are moved together, in random directions, and by halves where that does not
show them to hold. Elements that stay in doubt are left unknown, for `judge` to look at closer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd.checking.differences import MARGIN, TELLING, TOP, Slope, random_direction
from autograd.checking.point import Point

__all__ = ["Sides", "Slopes", "Survey", "Tolerance"]

STRAIGHT = 1e-4  # of the gradient: by so much less may both sides differ without being looked at twice
CLOSE = 1e-6  # of the gradient: by so much less may f differ from it without being looked at twice
APART = 0.05  # of a slope: how far another may be off that is still the same
SHARP = 1e-4  # of a slope: how precisely it must be known to be reported, beside a wrong one, at a glance
PLAIN = 1e-5  # of the gradient: what is plainly another slope
STEEP = 1e-3  # of the gradient: a slope that is there at all
SMALL = (1e-7, 1e-9, 1e-11, 1e-13)  # the smallest steps

# For a step t and some of the elements: how much f changes to the right and to the left of each, how much the gradient
# predicts of that, and the least that rounding does to f.
Sides = Callable[[float, np.ndarray], tuple[np.ndarray, np.ndarray, "np.ndarray | float"]]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user lets pass, relative to a slope and as it is, and the precision of the gradient."""

    rtol: float
    atol: float
    eps: float
    tiny: float

    def slack(self, g: Any, unit: Any, value: Any) -> Any:
        """The difference let pass between a slope of g and one of g + value, and that rounding of g alone makes."""
        numeric = np.where(np.isfinite(value), np.abs(g + value), 0.0)
        rounding = 4 * self.eps * np.abs(g) + self.tiny * unit
        return self.atol * unit + self.rtol * np.maximum(np.abs(g), numeric) + rounding


@dataclass(slots=True)
class Slopes:
    """Many a `Slope`, as arrays. known: which there are. corner: which are not smooth, be it that f jumps."""

    value: np.ndarray
    error: np.ndarray
    left: np.ndarray
    right: np.ndarray
    noise: np.ndarray
    corner: np.ndarray
    known: np.ndarray

    @classmethod
    def unknown(cls, count: int) -> Slopes:
        value, error, left, right = np.full((4, count), np.nan)
        corner, known = np.zeros((2, count), bool)
        return cls(value, error, left, right, np.zeros(count), corner, known)

    def at(self, i: int) -> Slope:
        """One of them."""
        value, error, left, right, noise = (
            float(x[i]) for x in (self.value, self.error, self.left, self.right, self.noise)
        )
        return Slope(value, error, left, right, "corner" if self.corner[i] else "smooth", noise)

    def put(self, i: int, slope: Slope) -> None:
        """Fill one in."""
        self.value[i], self.error[i], self.noise[i] = slope.value, slope.error, slope.noise
        self.left[i], self.right[i] = slope.left, slope.right
        self.corner[i], self.known[i] = slope.kind != "smooth", True

    @property
    def size(self) -> np.ndarray:
        """The largest of the slopes."""
        return np.fmax(np.abs(self.value), np.fmax(np.abs(self.left), np.abs(self.right)))

    def vanish(self, slack: np.ndarray) -> np.ndarray:
        """Whether each is 0, or at a corner may be, as far as can be told; within `slack` is as good as 0."""
        slack = slack + MARGIN * self.error
        within = (np.minimum(self.left, self.right) <= slack) & (np.maximum(self.left, self.right) >= -slack)
        return np.where(self.corner, within & np.isfinite(self.value), np.abs(self.value) <= slack)


@dataclass(slots=True)
class _Look:
    """One step to both sides of some elements: r(t) / t, r(-t) / -t, the noise in these, and whether f changes."""

    right: np.ndarray
    left: np.ndarray
    noise: np.ndarray
    changed: np.ndarray

    def __getitem__(self, part: np.ndarray) -> _Look:
        return _Look(self.right[part], self.left[part], self.noise[part], self.changed[part])

    def value(self, side: int) -> np.ndarray:
        """The slope from one side (1: the right, -1: the left) or, for 0, from both."""
        return (self.right + self.left) / 2 if not side else self.right if side > 0 else self.left


@dataclass(slots=True)
class Survey:
    """A first look along some elements of a point; unit: a step of 1 along each, g: the slope there, by the gradient.

    step, side: of the first look: to both sides (0), to the right (1) or to the left (-1). sides: what tells the
    changes; f by default.
    """

    point: Point
    elements: np.ndarray
    unit: np.ndarray
    g: np.ndarray
    tolerance: Tolerance
    step: float
    side: int = 0
    sides: Sides | None = None

    def run(self) -> tuple[Slopes, np.ndarray]:
        """The slopes that are plain, and whether f was seen to change along each element."""
        every = np.arange(self.elements.size)
        found = Slopes.unknown(every.size)
        near = self._look(self.step, every)
        value, noise = near.value(self.side), near.noise
        # No corner, and what is left of the difference may be the error of so short a look.
        close = np.abs(near.right - near.left) <= np.maximum(20 * noise, STRAIGHT * np.abs(self.g))
        close &= np.abs(value) <= np.maximum(MARGIN * noise, CLOSE * np.abs(self.g))
        found.known[:] = close & self._agrees(value, noise, every)
        found.value[:], found.error[:] = value, noise + np.abs(value)
        still = every[~near.changed & (self.g == 0)]
        if still.size:
            still = _halved(still, self._stands_still)
            found.known[still], found.value[still], found.error[still] = True, 0.0, noise[still]
        rest = every[~found.known & np.isfinite(self.g) & near.changed]
        if rest.size:
            self._wrong(found, near[rest], rest)
        rest = every[~found.known & np.isfinite(self.g) & (near.changed | (self.g != 0))]
        if rest.size:
            self._again(found, near[rest], rest)
        return found, near.changed

    def _look(self, t: float, part: np.ndarray) -> _Look:
        changes, predicted, floor = (self.sides or self._of_f)(t, part)
        right, left = (changes - predicted) / t
        noise = np.maximum(floor, self.point.eps * np.abs(changes).max(axis=0)) / t
        return _Look(right, -left, noise, (changes != 0).any(axis=0))

    def _of_f(self, t: float, part: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        unit = self.unit[part]
        changes, moves = self.point.changes(self.elements[part], t * unit, self.g[part] / unit)
        return changes, moves * (self.g[part] / unit), self.point.floor

    def _agrees(self, value: np.ndarray, error: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Whether nothing is left to explain, and would be seen, too."""
        g = self.g[part]
        slack = self.tolerance.slack(g, self.unit[part], value)
        slack += np.minimum(MARGIN * error, 10 * self.tolerance.rtol * np.abs(g))
        return (np.abs(value) <= slack) & (MARGIN * error <= TELLING * np.abs(g)) & ~self._is_lost(part)

    def _is_lost(self, part: np.ndarray) -> np.ndarray:
        """Whether small steps may be lost in a sum with something large."""
        g = np.abs(self.g[part])
        return (g > 0) & (self.point.rounding > math.sqrt(self.point.eps) * g)

    def _wrong(self, found: Slopes, near: _Look, part: np.ndarray) -> None:
        """Settle what is plainly another slope than the gradient's, and the same over small steps and a larger one."""
        value, noise = near.value(self.side), near.noise
        apart = APART * np.abs(value)
        plain = self._is_plain(part, apart, noise, np.abs(self.g[part] + value))
        corner = np.maximum(np.abs(value), STEEP * np.abs(self.g[part]))
        plain &= np.abs(near.right - near.left) <= corner
        some = self._held(part, np.flatnonzero(plain), np.array([value, value]), apart)
        if some.size:
            # Over a smaller step the same slopes must be left: what is not is their error, some of which may cancel.
            slope, t = (self.g[part] + value)[some] / self.unit[part[some]], self.step / 4
            moves, changes = self._beside(part[some], t)
            right, left = (changes - moves @ slope) / t
            error = noise[some] + 4 * (max(abs(right), abs(left)) if self.side else abs(right - left) / 2)
            sure = MARGIN * error <= np.minimum(apart[some], SHARP * np.abs(self.g[part] + value)[some])
            found.error[part[some]], found.known[part[some]] = error, sure

    def _is_plain(self, part: np.ndarray, apart: np.ndarray, error: np.ndarray, steep: np.ndarray) -> np.ndarray:
        """Whether slopes are apart by more than their error, and steps far below 1 would show nothing new."""
        size, nearest = np.abs(self.g[part]), self.point.nearest[self.elements[part]]
        plain = (MARGIN * (error + self.point.rounding / self.step) <= apart) & (apart > APART * PLAIN * size)
        return plain & ~self._is_lost(part) & ((nearest >= 1e-6) | ((nearest == 0) & (steep >= STEEP * size)))

    @property
    def _wide(self) -> float:
        """The larger step."""
        return max(2 * self.step, min(100 * self.step, TOP))

    @property
    def _shrinks(self) -> float:
        """How much smaller the truncation error of the smaller step is."""
        return (self.step / self._wide) ** (1 if self.side else 2)

    def _again(self, found: Slopes, near: _Look, part: np.ndarray) -> None:
        """Look over a larger step, too: that tells the error of the smaller one, and keeps what bends at a corner."""
        far, shorter = self._look(self._wide, part), self.step / self._wide
        value, coarse = near.value(self.side), far.value(self.side)
        bend = np.abs(near.right - near.left)
        bent = (bend > 20 * near.noise) & (bend > np.abs(far.right - far.left) * math.sqrt(shorter))
        error = np.abs(coarse - value) * self._shrinks + near.noise * (2 if self.side else 1)
        agrees = ~bent & self._agrees(value, error, part)
        agrees &= np.abs(coarse - value) <= TELLING * np.abs(self.g[part])
        # A corner is plain where both looks find the same slopes.
        change = np.maximum(np.abs(far.right - near.right), np.abs(far.left - near.left))
        error = np.where(bent, change * shorter + near.noise, error)
        apart, sides = APART * bend, np.array([near.right, near.left])
        plain = bent & (change <= apart) & (near.changed | far.changed)
        plain &= self._is_plain(part, apart, error, np.abs(self.g[part] + sides).max(axis=0))
        corners = self._held(part, np.flatnonzero(plain), sides, apart)
        found.value[part], found.error[part] = value, error
        found.known[part[agrees]], found.known[part[corners]], found.corner[part[corners]] = True, True, True
        found.right[part[corners]], found.left[part[corners]] = sides[:, corners]

    def _held(self, part: np.ndarray, some: np.ndarray, sides: np.ndarray, apart: np.ndarray) -> np.ndarray:
        """Those of some elements whose slopes to both sides hold over the smallest steps, too."""

        def hold(some: np.ndarray) -> bool:
            right, left = self.g[part[some]] + sides[:, some]
            return self._hold(part[some], right, left, apart[some])

        return _halved(some[np.argsort(apart[some])], hold)

    def _beside(self, part: np.ndarray, *steps: float) -> tuple[np.ndarray, np.ndarray]:
        """How far some elements move together, by each step in a random direction and back, and how f changes there."""
        where = self.elements[part]
        u = random_direction(np.random.default_rng(0), part.size) * self.unit[part]
        flats = np.tile(self.point.x, (2 * len(steps), 1))
        flats[:, where] += np.outer([way * t for t in steps for way in (1, -1)], u)
        flats = self.point.rounded(flats)
        return flats[:, where] - self.point.x[where], np.array(self.point.values(flats)) - self.point.start

    def _stands_still(self, part: np.ndarray) -> bool:
        """Whether f does not change at all."""
        return not any(self._beside(part, t)[1].any() for t in (TOP, self._wide))

    def _hold(self, part: np.ndarray, right: np.ndarray, left: np.ndarray, apart: np.ndarray) -> bool:
        """Whether slopes hold over the smallest steps: all over the first of these, and while some are legible."""
        unit = self.unit[part]
        right, left, least = right / unit, left / unit, float(apart.min())
        noise = MARGIN * max(self.point.floor, self.point.rounding)
        if not noise <= 10 * SMALL[0] * least:
            return False
        legible = [t for t in SMALL[1:] if noise <= 10 * t * apart.max()]
        for steps in filter(None, ([SMALL[0]], legible)):
            moves, changes = self._beside(part, *steps)
            predicted = (moves * np.where(moves > 0, right, left)).sum(axis=1)
            off = np.abs(changes - predicted) - np.maximum(noise, MARGIN * self.point.eps * np.abs(changes))
            if not (off <= np.maximum(least * np.repeat(steps, 2), noise / 10)).all():
                return False
        return True


def _halved(part: np.ndarray, holds: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The elements for which something holds, asked of all together, and of halves where it does not hold for all."""
    if not part.size or holds(part):
        return part
    if part.size == 1:
        return part[:0]
    return np.concatenate([_halved(half, holds) for half in np.array_split(part, 2)])
