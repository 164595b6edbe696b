"""A function and its inputs as one function of a flat vector of numbers.

What `gradcheck` needs to know of a function it learns here: its value at points nearby, its
analytic gradient, its rounding noise. The function is called as `grad` calls it, on nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from autograd.checking import differences
from autograd.checking.inputs import has_gradient, is_counted, like, named, plain
from autograd.engine.functional import grad, wrap_arguments
from autograd.engine.graph import Node, ScalarNode, operations
from autograd.engine.kinds import each, is_array, is_foreign, is_number, is_values, raw, single
from autograd.engine.modes import no_grad
from autograd.engine.recording import OUTSIDE, Mode
from autograd.engine.tensor import Tensor
from autograd.engine.tree import leaves, map_tree

__all__ = ["Point", "Unfit"]


class Unfit(ValueError):
    """A function, inputs or a method that do not go together; whom the user called puts its name before."""


class Point:
    """A function and its inputs as one function of a flat vector of float64, `value`.

    x: the vector. names, shapes, dtypes, originals: per input that is differentiated. starts:
    where it begins in x. scale: max(1, |x|), the unit of steps. evaluations: calls of f so far.
    """

    def __init__(self, f: Callable[..., Any], inputs: tuple[Any, ...], rng: np.random.Generator) -> None:
        self.f, self.inputs, self.rng = f, inputs, rng
        self.weights: list[Any] | None = None
        self.evaluations = 0
        leaves_ = list(named(f, inputs))
        wanted = has_gradient if any(has_gradient(x) for _, x in leaves_) else is_counted
        self.wanted = [wanted(x) for _, x in leaves_]
        self.names = [name for (name, _), wanted in zip(leaves_, self.wanted) if wanted]
        if not self.names:
            given = ", ".join(name for name, _ in leaves_) or "no inputs"
            raise Unfit(f"no input to differentiate among {given}; pass floats or arrays of floats")
        constant = [name for (name, _), wanted in zip(leaves_, self.wanted) if not wanted]
        self.notes = [f"held constant: {', '.join(constant)}"] if constant else []
        self.originals = [x for (_, x), wanted in zip(leaves_, self.wanted) if wanted]
        arrays = [plain(x) for x in self.originals]
        self.shapes = [a.shape for a in arrays]
        self.dtypes = [a.dtype if a.dtype.kind == "f" else np.dtype(float) for a in arrays]
        self.starts = np.cumsum([0, *(a.size for a in arrays)])
        self.x = np.concatenate([a.ravel().astype(float) for a in arrays])
        self.scale = np.maximum(1, np.abs(self.x))
        # The lowest precision within f counts, which may be lower than that of its inputs.
        self.dtype = max([*self.dtypes, *self._dtypes_inside()], key=lambda d: np.finfo(d).eps)
        self.eps = float(np.finfo(self.dtype).eps)

    def _dtypes_inside(self) -> set[np.dtype]:
        with np.errstate(all="ignore"):
            args, _ = self.wrapped(self.given())
            out = single(self.scalar(*args))
        nodes = operations(out) if isinstance(out, Node) and not isinstance(out, ScalarNode) else []
        return {np.dtype(n.raw.dtype) for n in nodes if hasattr(n.raw, "dtype")}

    def given(self, flat: np.ndarray | None = None) -> list[Any]:
        """The inputs that are differentiated, in their own kinds, here or at another point."""
        return [like(a, x) for a, x in zip(self.split(self.x if flat is None else flat), self.originals)]

    def name_of(self, i: int) -> tuple[str, tuple[int, ...]]:
        """The input that an element of the vector belongs to, and its index there."""
        k = int(np.searchsorted(self.starts, i, side="right")) - 1
        return self.names[k], tuple(
            int(n) for n in np.unravel_index(i - self.starts[k], self.shapes[k])
        ) if self.shapes[k] else ()

    def split(self, flat: np.ndarray) -> list[np.ndarray]:
        """A flat vector as arrays in the shapes of the inputs."""
        return [flat[i:j].reshape(shape) for i, j, shape in zip(self.starts, self.starts[1:], self.shapes)]

    def arguments(self, arrays: list[Any]) -> list[Any]:
        """The inputs, with `arrays` in place of those that are differentiated."""
        new, wanted = iter(arrays), iter(self.wanted)
        return list(map_tree(lambda x: next(new) if next(wanted) else x, list(self.inputs)))

    def scalar(self, *args: Any) -> Any:
        """f, made one number: its outputs weighted at random, unless there is just one."""
        outputs = list(leaves(self.f(*args)))
        for y in outputs:
            if not (isinstance(y, Node) or is_number(y) or is_array(y) or is_values(y)):
                raise Unfit(f"the function must give numbers and arrays, but gave {y!r}")
        shapes = [np.shape(raw(y)) for y in outputs]
        if shapes == [()]:
            return outputs[0]
        if self.weights is None:
            self.weights = [self.rng.uniform(0.5, 1.5, s) * self.rng.choice([-1.0, 1.0], s) for s in shapes]
        return sum((y * w).sum() if np.ndim(w) else y * float(w) for y, w in zip(outputs, self.weights, strict=True))

    def wrapped(self, arrays: list[Any]) -> tuple[list[Any], list[Any]]:
        """The arguments with fresh nodes for the floats in them; and these nodes."""
        given = [arrays]
        (nodes,) = wrap_arguments("check", given, (0,), OUTSIDE)
        return self.arguments(given[0]), nodes

    def value(self, flat: np.ndarray) -> float:
        """f at another point, without recording."""
        self.evaluations += 1
        with no_grad(), np.errstate(all="ignore"):
            args, _ = self.wrapped(self.given(flat))
            return float(np.asarray(raw(single(self.scalar(*args)))).reshape(()))

    @cached_property
    def start(self) -> float:
        """f at the point."""
        return self.value(self.x)

    def gradient(self, flat: np.ndarray | None = None) -> np.ndarray:
        """The analytic gradient, flat, here or at another point."""
        with np.errstate(all="ignore"):
            parts = grad(lambda arrays: self.scalar(*self.arguments(arrays)))(self.given(flat))
        return np.concatenate([np.asarray(raw(g), float).ravel() for g in parts])

    def gradient_noise(self, g: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The rounding noise in the analytic gradient g, by how it changes over a few units in the last place.

        Where terms cancel, it is far more than the gradient's size would tell. Per element,
        the largest within the same input.
        """
        noise = np.zeros_like(g)
        for _ in range(3):
            moved = self.gradient(self.x + rng.choice([-3, -2, 2, 3], self.x.size) * self.eps * self.scale)
            noise = np.maximum(noise, np.where(np.isfinite(g) & np.isfinite(moved), np.abs(moved - g), 0))
        return np.concatenate([np.full(part.size, part.max(initial=0.0)) for part in self.split(noise)])

    def along(self, u: np.ndarray, g: np.ndarray) -> differences.Function:
        """r(t) = f(x + t u) - f(x) - <g, the step>: what the gradient g leaves unexplained.

        The step is taken as it comes out in the dtype of the inputs.
        """
        (where,) = np.nonzero(u)
        start, u, g = self.start, u[where], np.where(np.isfinite(g), g, 0)[where]
        rounds = any(d != np.float64 for d in self.dtypes)

        def r(t: float) -> float:
            flat = self.x.copy()
            flat[where] += t * u
            if rounds:
                flat = np.concatenate(
                    [a.ravel().astype(d).astype(float) for a, d in zip(self.split(flat), self.dtypes)]
                )
            moved = flat[where] - self.x[where]
            return self.value(flat) - start - float(g @ moved)

        return r

    def noise(self, rng: np.random.Generator) -> float:
        """The rounding noise in f near x."""
        u = rng.choice([-1.0, 1.0], self.x.size) * self.scale
        r = self.along(u, np.zeros_like(self.x))
        return differences.noise_of([self.start + r(4 * k * self.eps) for k in range(8)], self.eps / 2)

    @cached_property
    def wide(self) -> Point | None:
        """The same function at the same inputs in float64; None where they are already, or cannot be."""
        if all(d == np.float64 for d in self.dtypes) or any(is_foreign(raw(x)) for x in self.originals):
            return None
        inputs = self.arguments(
            [np.asarray(raw(x), float) if d != np.float64 else x for x, d in zip(self.originals, self.dtypes)]
        )
        wide = Point(self.f, tuple(inputs), self.rng)
        wide.weights = self.weights
        return wide

    def imaginary_step(self, u: np.ndarray) -> float:
        """The derivative along u as the imaginary part of f(x + i h u) / h (Squire and Trapp 1998)."""
        self.evaluations += 1
        h = 1e-30
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


def _complex_tensor(z: np.ndarray) -> Tensor:
    t = Tensor(0.0)
    t.raw = z
    return t


def _refuse(node: Node, inputs: tuple[Any, ...], result: Any) -> None:
    """Stop a complex step at an operation that has no complex derivative."""
    assert node.primitive is not None
    if not node.primitive.analytic and any(np.iscomplexobj(x) for x in inputs):
        raise Unfit(f'{node.op} is not analytic, so a complex step through it means nothing; use method="richardson"')
