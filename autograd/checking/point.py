"""A function and its inputs as one function of a flat vector of numbers.

What `gradcheck` needs to know of a function it learns here: its value at points nearby, its
analytic gradient, its rounding noise. The function is called as `grad` calls it, on nodes.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from autograd.checking.differences import Line, norm, random_direction
from autograd.checking.inputs import has_gradient, is_counted, like, named, plain
from autograd.checking.shaker import Shaker
from autograd.engine.graph import Node, ScalarNode, backpropagate, operations
from autograd.engine.kinds import each, floats, is_array, is_foreign, is_number, is_values, limits, raw, single
from autograd.engine.modes import no_grad
from autograd.engine.recording import OUTSIDE, Level, Mode, at_level
from autograd.engine.tree import leaves, map_tree
from autograd.nodes.functional import grad, wrap_arguments
from autograd.nodes.tensor import Tensor
from autograd.nodes.value import Value

__all__ = ["Point", "Unfit"]

CHUNK = 2**18  # numbers in the points that are made at once
STACK = 128  # points that f is called on at once
BATCH = 2**16  # numbers in the largest array within f then
CLOSE = 1e-6  # of the least that one of them changes f: by so much may f on many at once differ from f on each
WARNINGS = threading.RLock()  # what catches them is not made for threads
FEW = 8  # elements or points that are not worth it
SHAKES = 6  # gradients from which the noise in one is told


class Unfit(ValueError):
    """A function, inputs or a method that do not go together; whom the user called puts its name before."""


class Recorded(NamedTuple):
    """A run of f on nodes, and back: its value, the dtype of the lowest precision in it, the most that the change of a
    number in it by as much as itself changes f, and the most numbers in one array."""

    value: float
    dtype: np.dtype
    share: float
    largest: int


class Point:
    """A function and its inputs as one function of a flat vector of float64, `value`.

    x: the vector. names, shapes, dtypes, originals: per input that is differentiated. starts:
    where it begins in x. scale: max(1, |x|), the unit of steps. nearest: |x|, or where that is 0
    a typical one of the same input; 0 where all are.
    """

    def __init__(self, f: Callable[..., Any], inputs: tuple[Any, ...], weights: list[Any] | None = None) -> None:
        self.f, self.inputs, self.weights = f, inputs, weights
        self.calls = 0
        leaves_ = list(named(f, inputs))
        wanted = has_gradient if any(has_gradient(x) for _, x in leaves_) else is_counted
        self.wanted = [wanted(x) for _, x in leaves_]
        self.plain = (
            all(self.wanted)
            and len(self.wanted) == len(inputs)
            and not any(isinstance(x, (dict, list, tuple)) for x in inputs)
        )
        self.names = [name for (name, _), wanted in zip(leaves_, self.wanted) if wanted]
        if not self.names:
            given = ", ".join(name for name, _ in leaves_) or "no inputs"
            raise Unfit(f"no input to differentiate among {given}; pass floats or arrays of floats")
        constant = [name for (name, _), wanted in zip(leaves_, self.wanted) if not wanted]
        self.notes = [f"held constant: {', '.join(constant)}"] if constant else []
        self.originals = [x for (_, x), wanted in zip(leaves_, self.wanted) if wanted]
        arrays = [plain(x) for x in self.originals]
        self.shapes = [a.shape for a in arrays]
        self.dtypes = [a.dtype if floats(a.dtype) else np.dtype(float) for a in arrays]
        self.starts = np.cumsum([0, *(a.size for a in arrays)])
        self.parts = [(slice(i, j), shape) for i, j, shape in zip(self.starts, self.starts[1:], self.shapes)]
        self.x = np.concatenate([a.ravel().astype(float) for a in arrays])
        self.rounds = any(d != np.float64 for d in self.dtypes)
        self.scale = np.maximum(1, np.abs(self.x))
        self.nearest = np.concatenate([_nearest(np.abs(a)) for a in self.split(self.x)])
        self.direct: bool | None = None  # whether f is called on plain arrays; None: not known yet
        self.stacks: bool | None = None  # whether on many of them at once

    @cached_property
    def recorded(self) -> Recorded:
        """What is seen as f runs once on nodes, and back, as `grad` does it."""
        return at_level(self._record, nested=False)

    def _record(self, level: Level) -> Recorded:
        arrays = [self.given(self.x)]
        wrapped = wrap_arguments("check", arrays, (0,), level)
        out = single(self.scalar(*self.arguments(arrays[0])))
        dtypes, sizes, largest = set(self.dtypes), [0.0], self.x.size
        if isinstance(out, Node) and out.id >= level.floor:
            backpropagate(out, np.ones(np.shape(out.raw), np.asarray(out.raw).dtype)[()], level)
            inputs = [v for x in leaves(wrapped) for v in (x.flat if is_values(x) else (x,))]
            for node in [*operations(out), *inputs]:
                x, g = np.asarray(node.raw), node._grad
                largest = max(largest, x.size)
                if not isinstance(node, ScalarNode) and floats(x.dtype):
                    dtypes.add(x.dtype)
                if g is not None:
                    sizes.append(norm(x * np.asarray(raw(g))))
        dtype = max(dtypes, key=lambda d: float(limits(d).eps))
        return Recorded(_number(out), dtype, max(x for x in sizes if math.isfinite(x)), largest)

    @cached_property
    def eps(self) -> float:
        """The precision of f: that of the lowest within it."""
        return float(limits(self.recorded.dtype).eps)

    @cached_property
    def rounding(self) -> float:
        """What rounding the number within f that matters most makes of f."""
        return self.eps * self.recorded.share

    def _agrees(self) -> bool:
        """Whether f gives on plain arrays what it gives on nodes, here and beside: then it need not record."""
        if any(is_foreign(raw(x)) for x in self.originals):
            return False
        beside = self.x + 1e-3 * np.cos(np.arange(self.x.size)) * np.where(self.nearest > 0, self.nearest, 1)
        try:
            values = self._direct(np.stack([self.x, beside]))
            pairs = list(zip(values, (self.recorded.value, self._recorded(beside))))
        except Exception:  # f asks for what only nodes have
            return False
        return all(
            abs(a - b) <= 64 * max(self.rounding, self.eps * abs(a)) or a == b or (a != a and b != b) for a, b in pairs
        )

    # ---- inputs ----

    def given(self, flat: np.ndarray) -> list[Any]:
        """Other numbers for the inputs that are differentiated, in their own kinds."""
        return [like(a, x) for a, x in zip(self.split(flat), self.originals)]

    def bare(self, flats: np.ndarray) -> list[np.ndarray]:
        """The same as plain arrays of many points, of which f may change what it is given."""
        return [flats[:, part].astype(d).reshape(-1, *shape) for (part, shape), d in zip(self.parts, self.dtypes)]

    def rounded(self, flats: np.ndarray) -> np.ndarray:
        """Flat vectors as they come out in the dtypes of the inputs."""
        if self.rounds:
            parts = [flats[..., part].astype(d).astype(float) for (part, _), d in zip(self.parts, self.dtypes)]
            return np.concatenate(parts, axis=-1)
        return flats

    def input_of(self, i: int) -> int:
        """Which input an element of the vector belongs to."""
        return int(np.searchsorted(self.starts, i, side="right")) - 1

    def names_of(self, elements: np.ndarray) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The names of the inputs that elements of the vector belong to, and their indices there."""
        inputs = np.searchsorted(self.starts, elements, side="right") - 1
        for run in np.split(elements, np.flatnonzero(np.diff(inputs)) + 1) if elements.size else ():
            k = self.input_of(run[0])
            indices = [a.tolist() for a in np.unravel_index(run - self.starts[k], self.shapes[k] or (1,))]
            for index in zip(*indices):
                yield self.names[k], index if self.shapes[k] else ()

    def position_of(self, name: str, index: tuple[int, ...]) -> int:
        """Where in the vector an element of an input stands."""
        k = self.names.index(name)
        return int(self.starts[k] + (np.ravel_multi_index(index, self.shapes[k]) if index else 0))

    def split(self, flat: np.ndarray) -> list[np.ndarray]:
        """A flat vector as arrays in the shapes of the inputs."""
        return [flat[part].reshape(shape) for part, shape in self.parts]

    def largest_in_input(self, flat: np.ndarray) -> np.ndarray:
        """For every element, the largest size within the same input."""
        parts = [np.abs(part).max(initial=0.0, where=np.isfinite(part)) for part in self.split(flat)]
        return np.repeat(parts, np.diff(self.starts))

    def arguments(self, arrays: list[Any]) -> list[Any]:
        """The inputs, with `arrays` in place of those that are differentiated."""
        if self.plain:
            return arrays
        new, wanted = iter(arrays), iter(self.wanted)
        return list(map_tree(lambda x: next(new) if next(wanted) else x, list(self.inputs)))

    def wrapped(self, arrays: list[Any]) -> list[Any]:
        """The arguments with fresh nodes for the floats in them."""
        given = [arrays]
        wrap_arguments("check", given, (0,), OUTSIDE)
        return self.arguments(given[0])

    # ---- the function ----

    def scalar(self, *args: Any) -> Any:
        """f, made one number."""
        return self._one(self.f(*args))

    def _one(self, out: Any) -> Any:
        """What f gave as one number: weighted at random, unless it is just one."""
        if isinstance(out, (float, Value)) or (isinstance(out, Tensor) and not out.raw.shape):
            return out
        if type(out) is np.ndarray and out.dtype.kind == "f" and self.weights and len(self.weights) == 1:
            return np.add.reduce(out * self.weights[0], axis=None)  # as below, of one array
        outputs = list(leaves(out))
        for y in outputs:
            if not (isinstance(y, Node) or is_number(y) or is_array(y) or is_values(y)):
                raise Unfit(f"the function must give numbers and arrays, but gave {y!r}")
        shapes = [np.shape(raw(y)) for y in outputs]
        if shapes == [()]:
            return outputs[0]
        if self.weights is None:
            rng = np.random.default_rng(1)
            self.weights = [rng.uniform(0.5, 1.5, s) * rng.choice([-1.0, 1.0], s) for s in shapes]
        return sum((y * w).sum() if np.ndim(w) else y * float(w) for y, w in zip(outputs, self.weights, strict=True))

    @property
    def evaluations(self) -> int:
        """How often f was called for its value."""
        wide = self.__dict__.get("wide")  # unless it was not needed yet
        return self.calls + (wide.evaluations if wide else 0)

    def value(self, flat: np.ndarray) -> float:
        """f at another point."""
        return self.values(flat[None])[0]

    def values(self, flats: np.ndarray) -> list[float]:
        """f at other points, one after the other."""
        self.calls += len(flats)
        if self.direct is None:
            self.direct = self._agrees()
        if self.direct:
            try:
                return self._direct(flats)
            except Exception:  # somewhere else it asks for what only nodes have
                self.direct = False
        return [self._recorded(flat) for flat in flats]

    def _direct(self, flats: np.ndarray) -> list[float]:
        found = []
        for arrays in zip(*self.bare(flats)):
            out = self.f(*(arrays if self.plain else self.arguments(list(arrays))))
            found.append(float(out) if isinstance(out, float) else _number(self._one(out)))
        return found

    def _recorded(self, flat: np.ndarray) -> float:
        with no_grad():
            return _number(self.scalar(*self.wrapped(self.given(flat))))

    @cached_property
    def start(self) -> float:
        """f at the point."""
        return self.value(self.x)

    @cached_property
    def floor(self) -> float:
        """The least that rounding does to f: half a unit in its last place."""
        return self.eps / 2 * abs(self.start)

    def line(self, u: np.ndarray, g: np.ndarray) -> Line:
        """f along u, and what the gradient g says of it; steps are taken as they come out in the inputs' dtypes."""
        (where,) = np.nonzero(u)
        here, u, g = self.x[where], u[where], np.where(np.isfinite(g), g, 0)[where]

        def sample(t: float) -> tuple[float, float]:
            flat = self.x.copy()
            flat[where] = here + t * u
            flat = self.rounded(flat)
            return self.value(flat) - self.start, float(g @ (flat[where] - here))

        return Line(sample, self.eps, self.floor, 1e3 * self.rounding)

    # ---- many points at once ----

    def changes(self, elements: np.ndarray, steps: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much f changes as one element at a time goes a step to the right or to the left, and how far it went.

        g: the gradient there, which tells how precisely that must be known.
        """
        there = []
        for step in (steps, -steps):
            flat = self.x.copy()
            flat[elements] += step
            there.append(self.rounded(flat)[elements])
        ways = np.array(there)
        found = self._stacked(elements, ways, g) if self.stacks is not False and elements.size >= FEW else None
        if found is None:
            points = self._points(np.tile(elements, 2), ways.ravel(), CHUNK // self.x.size)
            values = [value for flats in points for value in self.values(flats)]
            found = np.array(values).reshape(2, -1) - self.start
        return found, ways - self.x[elements]

    def _points(self, elements: np.ndarray, there: np.ndarray, count: int) -> Iterator[np.ndarray]:
        """Points at each of which one element is elsewhere, so many at a time."""
        count = max(1, count)
        for k in range(0, elements.size, count):
            flats = np.tile(self.x, (min(count, elements.size - k), 1))
            flats[np.arange(len(flats)), elements[k : k + count]] = there[k : k + count]
            yield flats

    def _stacked(self, elements: np.ndarray, ways: np.ndarray, g: np.ndarray) -> np.ndarray | None:
        """The changes, by calls of f on many points stacked; None where f does not give each as it gives it alone.

        With them go two points at which all elements are elsewhere. Alone, these must change f by as much, far more
        precisely than the elements do and, the first time, by as much as those do one by one: so what stacked points
        tell is true of f itself. It is called alone last: what it keeps is then of one point again.
        """
        count = min(STACK, BATCH // self.recorded.largest)
        if self.weights is None or count < FEW or not (math.isfinite(self.start) and self.direct):
            return None
        rng = np.random.default_rng(4)
        shares = random_direction(rng, elements.size)
        moves = ways - self.x[elements]
        beside = np.tile(self.x, (2, 1))
        beside[:, elements] += shares * moves
        parts = []
        for flats in self._points(np.tile(elements, 2), ways.ravel(), count):
            found = self._at_once(np.concatenate([beside, flats]))
            if found is None:
                break
            parts.append(found)
        alone = np.array(self.values(np.concatenate([beside, self.x[None]]))) - self.start
        predicted = np.abs(moves * g)
        least = min(self._alike, CLOSE * float(predicted.min(initial=math.inf, where=predicted > 0)))
        self.stacks = self.stacks is not False and found is not None and not alone[2]
        self.stacks &= all(bool((np.abs(part[:2] - alone[:2]) <= least).all()) for part in parts)
        if not self.stacks:
            return None
        right, left = both = np.concatenate([part[2:] for part in parts]).reshape(2, -1)
        apart = abs(alone[0] - alone[1] - float(shares @ (right - left)))
        self.stacks = bool(apart <= 2 * self._alike + 1e-8 * norm(right - left))
        return both if self.stacks else None

    def _at_once(self, flats: np.ndarray) -> np.ndarray | None:
        """The changes of f at many points by one call."""
        self.calls += len(flats)
        flats = np.concatenate([self.x[None], flats])
        try:
            with WARNINGS, warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                outputs = list(leaves(self.f(*self.arguments(self.bare(flats)))))
            if warned:
                return None
            found = np.zeros(len(flats))
            for y, w in zip(outputs, self.weights or [], strict=True):
                if np.shape(y) != (len(flats), *np.shape(w)):
                    return None
                found += (y * w).reshape(len(flats), -1).sum(axis=1)
        except KeyboardInterrupt:
            raise
        except BaseException:  # it takes just one point at a time; pytest.fail is no Exception
            return None
        return found[1:] - found[0] if abs(found[0] - self.start) <= self._alike else None

    @cached_property
    def _alike(self) -> float:
        """How far apart two values of f at the same point may be."""
        return 64 * max(self.rounding, self.eps * abs(self.start))

    @cached_property
    def wide(self) -> Point | None:
        """The same function at the same inputs in float64; None where they are already, or cannot be."""
        if not self.rounds or any(is_foreign(raw(x)) for x in self.originals):
            return None
        wider = [x if d == np.float64 else np.asarray(raw(x), float) for x, d in zip(self.originals, self.dtypes)]
        return Point(self.f, tuple(self.arguments(wider)), self.weights)

    # ---- its gradient ----

    @cached_property
    def gradient(self) -> np.ndarray:
        """The analytic gradient, flat."""
        return self.gradient_at(self.x)

    def gradient_at(self, flat: np.ndarray) -> np.ndarray:
        """The analytic gradient at another point; as the user takes it, where every input has one."""
        if all(self.wanted):
            arguments = self.arguments(self.given(flat))
            parts: Any = grad(self.scalar, tuple(range(len(arguments))))(*arguments)
        else:
            parts = grad(lambda arrays: self.scalar(*self.arguments(arrays)))(self.given(flat))
        return np.concatenate([np.asarray(raw(g), float).ravel() for g in leaves(list(parts))])

    @cached_property
    def gradient_noise(self) -> np.ndarray:
        """What rounding does to the analytic gradient, element by element.

        Where terms cancel, it is far more than the gradient's size would tell. So the gradient is taken once more
        with every number in it changed by as much as rounding may (Monte Carlo arithmetic, Parker 1997).
        """
        exact = self.wide or self
        shakes = [self._first_shake, *(self._shake(k) for k in range(1, SHAKES))]
        noise = np.nan_to_num(np.max([np.abs(moved - exact.gradient) for moved, _ in shakes], axis=0), posinf=0)
        # A change that flips a choice, as of the larger one, shows a corner, which is no rounding.
        noise = np.minimum(noise, 1e3 * self.eps * np.maximum(shakes[-1][1], self.steepness))
        if self.wide:  # what really became of it is known, and must only be likely
            typical = [np.full(g.size, np.median(g) if g.size else 0.0) for g in self.split(np.abs(exact.gradient))]
            noise = np.minimum(noise + 4 * self.eps * np.concatenate(typical), self.most_gradient_noise)
        return noise

    @cached_property
    def most_gradient_noise(self) -> np.ndarray:
        """What it is at most, which takes less to tell."""
        if self.wide:
            return 2 * np.abs(self.gradient - self.wide.gradient) + 100 * self.wide.eps * self.steepness
        return 1e4 * self.eps * np.maximum(self._first_shake[1], self.steepness)

    @cached_property
    def _first_shake(self) -> tuple[np.ndarray, float]:
        return self._shake(0)

    def _shake(self, seed: int) -> tuple[np.ndarray, float]:
        """The gradient as rounding may make it, and the largest number on the way."""
        exact = self.wide or self
        shaker = Shaker(self.eps, exact.recorded.largest, np.random.default_rng([2, seed]))
        (nodes,) = wrap_arguments("check", [exact.given(shaker.shaken(exact.x))], (0,), OUTSIDE)
        with Mode(check=shaker, recording=True):
            parts = grad(lambda arrays: exact.scalar(*exact.arguments(arrays)))(nodes)  # of nodes: every rule records
        return np.concatenate([plain(g).astype(float).ravel() for g in leaves(parts)]), shaker.largest

    @property
    def corners(self) -> np.ndarray:
        """Where the gradient differs to both sides of the point, however close: what may be at a corner."""
        return self._around[0]

    @property
    def steepness(self) -> np.ndarray:
        """How much the gradient changes beside the point per unit where it crosses 0 smoothly; elsewhere 0.

        There that tells what the rounding of x makes of it, and its size does not.
        """
        return self._around[1]

    @cached_property
    def _around(self) -> tuple[np.ndarray, np.ndarray]:
        exact = self.wide or self
        signs = np.random.default_rng(3).choice([-1.0, 1.0], self.x.size) * np.linspace(0.5, 1.5, self.x.size)
        corners, step, changes = np.ones(self.x.size, bool), exact.eps**0.5, []
        for t in (step, step / 8):
            right, left = (exact.gradient_at(exact.x + way * signs * exact.scale) for way in (t, -t))
            corners &= _apart(right, left)
            changes.append((right - exact.gradient, exact.gradient - left))
            if not corners.any():
                break
        steepness = np.zeros_like(self.x)
        if corners.any():
            # A gradient that crosses 0 smoothly changes by as much to both sides, and in proportion to the step.
            (a, b), (c, d) = changes
            crosses = corners & ~_apart(c, d) & ~_apart(8 * (c + d), a + b)
            steepness[crosses] = np.abs(a + b)[crosses] / step
            corners &= ~crosses
        # In float32 a choice may fall otherwise than in float64; what a step as small as rounding makes is none.
        apart = np.abs(self.gradient - exact.gradient) > 16 * self.eps * steepness
        return corners | (apart & _apart(self.gradient, exact.gradient)), steepness

    def imaginary_step(self, u: np.ndarray) -> float:
        """The derivative along u as the imaginary part of f(x + i h u) / h (Squire and Trapp 1998)."""
        self.calls += 1
        (where,) = np.nonzero(u)
        reach = np.where(self.nearest > 0, self.nearest, 1)[where] / np.abs(u[where])
        # So small that h² is nothing beside 1, on the scale of x and on that of which the gradient speaks.
        h = max(1e-290, 1e-30 * min(1.0, reach.min(), 1 / max(1.0, abs(float(self.gradient @ u)))))
        arrays: list[Any] = []
        for a, step, x in zip(self.split(self.x), self.split(u), self.originals):
            z = a + 1j * h * step
            arrays.append(each(_complex_tensor, z) if is_values(x) else _complex_tensor(z))
        try:
            with Mode(check=_refuse, recording=True):
                out = np.asarray(raw(single(self.scalar(*self.arguments(arrays)))))
        except (TypeError, np.exceptions.ComplexWarning) as error:
            raise Unfit(f"the complex step cannot go through {self.f!r}: {error}; use another method") from error
        return float(np.imag(out)) / h


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a - b) > 1e-2 * np.maximum(np.abs(a), np.abs(b))


def _nearest(sizes: np.ndarray) -> np.ndarray:
    """Sizes, with a typical one in place of those that are 0."""
    sizes = sizes.ravel()
    rest = sizes[sizes > 0]
    return sizes if rest.size == sizes.size else np.where(sizes > 0, sizes, np.median(rest) if rest.size else 0.0)


def _number(out: Any) -> float:
    return float(out) if isinstance(out, float) else float(np.asarray(raw(single(out))).reshape(()))


def _complex_tensor(z: np.ndarray) -> Tensor:
    t = Tensor(0.0)
    t.raw = z
    return t


def _refuse(node: Node, inputs: tuple[Any, ...], result: Any) -> None:
    """Stop a complex step at an operation that has no complex derivative."""
    assert node.primitive is not None
    if not node.primitive.analytic and any(np.iscomplexobj(x) for x in inputs):
        raise Unfit(f'{node.op} is not analytic, so a complex step through it means nothing; use method="richardson"')
