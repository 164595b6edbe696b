"""A function and its inputs as one function of a flat vector of numbers.

What `gradcheck` needs to know of a function it learns here: its value at points nearby, its
analytic gradient, its rounding noise. The function is called as `grad` calls it, on nodes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from autograd.checking import differences
from autograd.engine.functional import grad, wrap_arguments
from autograd.engine.graph import Node, ScalarNode, operations
from autograd.engine.kinds import raw
from autograd.engine.modes import no_grad
from autograd.engine.recording import OUTSIDE, Mode
from autograd.engine.tensor import Tensor
from autograd.engine.tree import leaves, map_tree


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
        floats = any(kind(x) == "f" for _, x in leaves_)
        self.wanted = [kind(x) == "f" or (not floats and kind(x) == "i") for _, x in leaves_]
        self.names = [name for (name, _), wanted in zip(leaves_, self.wanted) if wanted]
        if not self.names:
            raise ValueError(
                f"gradcheck: no input to differentiate among {', '.join(name for name, _ in leaves_) or 'no inputs'}; pass floats or arrays of floats"
            )
        constant = [name for (name, _), wanted in zip(leaves_, self.wanted) if not wanted]
        self.notes = [f"held constant: {', '.join(constant)}"] if constant else []
        self.originals = [x for (_, x), wanted in zip(leaves_, self.wanted) if wanted]
        arrays = [_numbers(x) for x in self.originals]
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
            out = one(self.scalar(*args))
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
            if not isinstance(y, (Node, np.ndarray, np.generic, int, float)) and not hasattr(y, "__array_namespace__"):
                raise ValueError(f"gradcheck: the function must give numbers and arrays, but gave {y!r}")
        shapes = [np.shape(raw(y)) for y in outputs]
        if shapes == [()]:
            return outputs[0]
        if self.weights is None:
            self.weights = [self.rng.uniform(0.5, 1.5, s) * self.rng.choice([-1.0, 1.0], s) for s in shapes]
        return sum((y * w).sum() if np.ndim(w) else y * float(w) for y, w in zip(outputs, self.weights, strict=True))

    def wrapped(self, arrays: list[Any]) -> tuple[list[Any], list[Any]]:
        """The arguments with fresh nodes for the floats in them; and these nodes."""
        given = [arrays]
        (nodes,) = wrap_arguments("gradcheck", given, (0,), OUTSIDE)
        return self.arguments(given[0]), nodes

    def value(self, flat: np.ndarray) -> float:
        """f at another point, without recording."""
        self.evaluations += 1
        with no_grad(), np.errstate(all="ignore"):
            args, _ = self.wrapped(self.given(flat))
            return float(_number(self.scalar(*args)))

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
        if all(d == np.float64 for d in self.dtypes) or not all(
            isinstance(raw(x), (np.ndarray, np.generic, float)) for x in self.originals
        ):
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
            arrays.append(_each_tensor(z) if isinstance(x, np.ndarray) and x.dtype == object else _complex_tensor(z))
        try:
            with Mode(check=_refuse, recording=True):
                out = np.asarray(raw(one(self.scalar(*self.arguments(arrays)))))
        except (TypeError, np.exceptions.ComplexWarning) as error:
            raise ValueError(
                f"gradcheck: the complex step cannot go through {self.f!r}: {error}; use another method"
            ) from error
        return float(np.imag(out)) / h


# ---- inputs, and numbers in their kind -----------------------------------------------------


def argument_names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [q.name for q in parameters if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]
    return (names + [f"argument_{i}" for i in range(len(names), count)])[:count]


def named(f: Callable[..., Any], inputs: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Every leaf of the inputs, with a name that says how to reach it."""

    def walk(name: str, x: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(x, (dict, list, tuple)):
            for key, branch in x.items() if isinstance(x, dict) else enumerate(x):
                yield from walk(f"{name}[{key!r}]", branch)
        else:
            yield name, x

    for name, x in zip(argument_names(f, len(inputs)), inputs):
        yield from walk(name, x)


def kind(x: Any) -> str:
    """ "f" for what has a gradient, "i" for ints, which are constants beside floats, "" for anything else."""
    if isinstance(x, int):
        return "" if isinstance(x, bool) else "i"
    if isinstance(x, (Node, float)):
        return "f"
    if isinstance(x, np.ndarray) and x.dtype == object:
        return "f" if all(isinstance(v, (Node, float)) for v in x.flat) else ""
    if not isinstance(x, (np.ndarray, np.generic)) and not hasattr(x, "__array_namespace__"):
        return ""
    return {"f": "f", "i": "i", "u": "i"}.get(np.dtype(x.dtype).kind, "")


def _numbers(x: Any) -> np.ndarray:
    """The plain numbers of an input."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        return np.array([raw(v) for v in x.flat], float).reshape(x.shape)
    return np.asarray(raw(x))


def like(a: np.ndarray, x: Any) -> Any:
    """Numbers in the kind of an input: a float, an array of its dtype, objects for `Value`s, JAX for JAX."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        return a.astype(object)
    data = raw(x)
    if isinstance(data, (int, float)) and not isinstance(data, np.generic):
        return float(a)
    dtype = np.dtype(data.dtype)
    a = a.astype(dtype if dtype.kind == "f" else float)
    return data.__array_namespace__().asarray(a) if not isinstance(data, (np.ndarray, np.generic)) else a


def floats(x: Any) -> Any:
    return x.astype(float) if isinstance(x, np.ndarray) and x.dtype == object else x


def one(out: Any) -> Any:
    """An output in an array of objects as the node it is."""
    return out.item() if isinstance(out, np.ndarray) and out.dtype == object and out.shape == () else out


def _number(out: Any) -> Any:
    return np.asarray(raw(one(out))).reshape(())


def _complex_tensor(z: np.ndarray) -> Tensor:
    t = Tensor(0.0)
    t.raw = z
    return t


def _each_tensor(z: np.ndarray) -> np.ndarray:
    out = np.empty(z.shape, object)
    for i in np.ndindex(z.shape):
        out[i] = _complex_tensor(z[i])
    return out


def _refuse(node: Node, inputs: tuple[Any, ...], result: Any) -> None:
    """Stop a complex step at an operation that has no complex derivative."""
    assert node.primitive is not None
    if not node.primitive.analytic and any(np.iscomplexobj(x) for x in inputs):
        raise ValueError(
            f'gradcheck: {node.op} is not analytic, so a complex step through it means nothing; use method="richardson"'
        )
