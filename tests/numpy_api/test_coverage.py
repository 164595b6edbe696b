"""NumPy, whole: the functions, methods, operators and options that differentiable code uses, and what is missing.

Every one is compared with NumPy, and its gradient with finite differences, on a Tensor and on an
array of Values.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.nodes import tensor, value_array
from tests.helpers import check
from tests.numpy_api.numpy_cases import V, X, Y, holes, numbers, spd, square


def inplace(x: Any) -> Any:
    y = x * 1.0
    y += 1.0
    return y * x


def assigned(x: Any) -> Any:
    y = x * 1.0
    y[0] = 2.0
    return y


def each(f: Callable[..., Any], *names: str, label: str = "{}") -> dict[str, Callable[[Any], Any]]:
    """f(function of NumPy, x) for several functions."""
    return {label.format(name): partial(f, getattr(np, name)) for name in names}


def same(*names: str) -> dict[str, Callable[[Any], Any]]:
    """Functions of one array under their own names."""
    return {name: getattr(np, name) for name in names}


ONE = same(
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square", "reciprocal", "negative"),
    *(
        "positive",
        "absolute",
        "fabs",
        "sign",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
    ),
    *("arcsinh", "arctanh", "deg2rad", "rad2deg", "degrees", "radians", "sinc", "i0", "floor", "ceil", "trunc", "rint"),
    *("conjugate", "real", "angle", "fix", "nan_to_num", "imag", "abs"),
)
ELEMENTWISE: dict[str, Callable[[Any], Any]] = {
    **ONE,
    "arccosh": lambda x: np.arccosh(x + 1.5),
    "around/round": lambda x: np.round(x, 1) + np.around(x),
    **each(
        lambda f, x: f(x, Y) + f(Y, x),
        "add",
        "subtract",
        "multiply",
        "divide",
        "true_divide",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
    ),
    "power": lambda x: np.power(x, Y) + np.power(1.7, x),
    "float_power": lambda x: np.float_power(x, Y),
    **each(
        lambda f, x: f(x, Y) + f(Y, x),
        "remainder",
        "mod",
        "fmod",
        "floor_divide",
        "hypot",
        "arctan2",
        "logaddexp",
        "logaddexp2",
    ),
    "copysign": lambda x: np.copysign(x, Y),
    "heaviside": lambda x: np.heaviside(Y, x),
    "divmod": lambda x: np.divmod(x, 0.3)[0] + np.divmod(x, 0.3)[1],
    "modf": lambda x: np.modf(3 * x)[0] + 2 * np.modf(3 * x)[1],
    "ldexp": lambda x: np.ldexp(x, np.array([1, 2, 3])),
    "frexp": lambda x: np.frexp(x)[0] * np.frexp(x)[1],
}

REDUCING: dict[str, Callable[[Any], Any]] = {
    **same("sum", "prod", "mean", "var", "std", "max", "min", "amax", "amin", "ptp", "median", "cumsum", "cumprod"),
    **each(
        lambda f, x: f(x) + f(x, axis=0),
        "nansum",
        "nanmean",
        "nanmax",
        "nanmin",
        "nanvar",
        "nanstd",
        "nanprod",
        "nanmedian",
        "average",
    ),
    **each(lambda f, x: f(holes(x), axis=1) + f(holes(x)), "nansum", "nanmax", "nanmean", "nanstd", label="{} (nan)"),
    "average w": lambda x: np.average(x, axis=1, weights=V + 1) + np.average(Y, weights=x),
    "quantile": lambda x: np.quantile(x, [0.1, 0.7], axis=1),
    "percentile": lambda x: np.percentile(x, 35.0),
    "sum where=": lambda x: np.sum(x, axis=0, where=Y > 0.3),
    "sum initial=": lambda x: np.sum(x, initial=2.0),
    "mean dtype=": lambda x: np.mean(x, axis=0, dtype=np.float64),
    "max initial=": lambda x: np.max(x, axis=1, initial=0.9),
    "mean where=": lambda x: np.mean(x, where=Y > 0.3),
    "sum axis tuple": lambda x: np.sum(x, axis=(0, 1)),
    "diff": lambda x: np.diff(x, 2) * np.diff(x, axis=0, prepend=0.5)[:, :1],
    "ediff1d": lambda x: np.ediff1d(x, to_begin=x[0, 0], to_end=[3.0]),
    "gradient": lambda x: np.gradient(x, np.array([0.0, 1.0, 3.0]), axis=1, edge_order=2) + np.gradient(x, 2.0)[0],
    "trapezoid": lambda x: np.trapezoid(x) * np.trapezoid(x, V, axis=-1) + np.trapezoid(x[0], x[1]),
    "cross": lambda x: np.cross(x, Y) + np.cross(V, x),
    "convolve": lambda x: (
        np.convolve(x[0], V, "same") + np.convolve(x[0], x[1])[1:4] + np.convolve(V[:2], x[1], "full")[1:]
    ),
    "correlate": lambda x: np.correlate(x[0], V, "full") + np.correlate(x[0], x[1]),
    "interp": lambda x: np.interp(x, np.array([0.2, 0.5, 0.9]), V) + np.interp([0.1, 0.3, 0.6], np.sort(x[0]), x[1]),
    "cov": lambda x: np.cov(x) + np.cov(x, bias=True),
    "corrcoef": np.corrcoef,
    "polyval": lambda x: np.polyval(V, x) + np.polyval(x[0], 2.0),
    "vander": lambda x: np.vander(x[0]) + np.vander(x[1], 3, increasing=True),
    "unwrap": lambda x: np.unwrap(x * 10, axis=1),
}

PRODUCTS: dict[str, Callable[[Any], Any]] = {
    "dot": lambda x: np.dot(x, Y.T),
    "vdot": lambda x: np.vdot(x, Y),
    "inner": lambda x: np.inner(x, Y),
    "outer": lambda x: np.outer(x, V),
    "matmul": lambda x: np.matmul(Y.T, x),
    "tensordot": lambda x: np.tensordot(x, Y, ((0, 1), (0, 1))) + np.tensordot(x, Y.T, 1),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, Y),
    "einsum trace": lambda x: np.einsum("ii", square(x)) * np.einsum("ii->i", square(x)),
    "einsum optimize=": lambda x: (
        np.einsum("ij,kj,kl", x, Y, x, optimize=True) + np.einsum(x, [0, 1], Y, [2, 1], [0, 2])[0, 0]
    ),
    "kron": lambda x: np.kron(x, Y[0]),
    "trace": lambda x: np.trace(x) + np.trace(x, 1),
    "vecdot": lambda x: np.vecdot(x, Y),
    "matvec": lambda x: np.matvec(x, V),
    "vecmat": lambda x: np.vecmat(V[:2], x),
    "dot nd": lambda x: np.dot(x, np.stack([Y.T, Y.T])),
    "linalg.inv": lambda x: np.linalg.inv(square(x)),
    "linalg.det": lambda x: np.linalg.det(square(x)),
    "linalg.pinv": np.linalg.pinv,
    "linalg.cholesky": lambda x: np.linalg.cholesky(spd(x)),
    "linalg.norm": np.linalg.norm,
    "linalg.eigvalsh": lambda x: np.linalg.eigvalsh(spd(x)),
    "linalg.matrix_norm": np.linalg.matrix_norm,
    "linalg.vector_norm": lambda x: np.linalg.vector_norm(x, axis=1),
    "linalg.trace": lambda x: np.linalg.trace(square(x)),
    "linalg.diagonal": np.linalg.diagonal,
    "linalg.matrix_transpose": np.linalg.matrix_transpose,
    "linalg.slogdet": lambda x: np.linalg.slogdet(square(x)).logabsdet,
    "linalg.solve": lambda x: np.linalg.solve(square(x), Y.T),
    "linalg.solve rhs": lambda x: np.linalg.solve(square(Y), x.T),
    "linalg.eigh": lambda x: np.linalg.eigh(spd(x)).eigenvalues + np.linalg.eigh(spd(x))[1] ** 2,
    "linalg.svd": lambda x: np.linalg.svd(x, full_matrices=False).S * np.linalg.svd(x, compute_uv=False),
    "linalg.qr": lambda x: np.linalg.qr(x.T).R + np.linalg.qr(x.T, "r") ** 2,
    "linalg.matrix_power": lambda x: np.linalg.matrix_power(square(x), 3) + np.linalg.matrix_power(square(x), -1),
    "linalg.multi_dot": lambda x: np.linalg.multi_dot([x, Y.T, x]),
    "linalg.outer": lambda x: np.linalg.outer(x[0], V),
    "linalg.cross": lambda x: np.linalg.cross(x, Y),
    "linalg.norm v": lambda x: np.linalg.norm(x[0]),
    "linalg.norm axis": lambda x: np.linalg.norm(x, axis=1, keepdims=True),
    "linalg.norm ord=1": lambda x: np.linalg.norm(x, 1) + np.linalg.norm(x[0], 1) + np.linalg.norm(x, np.inf, axis=0),
    "linalg.tensorsolve": lambda x: np.linalg.tensorsolve(square(x).reshape(3, 1, 3), V.reshape(3, 1)),
    "linalg.lstsq": lambda x: np.linalg.lstsq(x.T, V, rcond=None)[0],
    "linalg.vecdot": lambda x: np.linalg.vecdot(x, Y),
    "linalg.matmul": lambda x: np.linalg.matmul(x, Y.T),
    "linalg.tensordot": lambda x: np.linalg.tensordot(x, Y.T, axes=1),
}

REARRANGING: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: np.reshape(x, (3, -1)),
    "reshape order=F": lambda x: np.reshape(x, (3, 2), order="F") * x.reshape(3, 2, order="F"),
    "ravel": np.ravel,
    "transpose": np.transpose,
    "permute_dims": lambda x: np.permute_dims(x, (1, 0)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x[None], 0, -1),
    "rollaxis": lambda x: np.rollaxis(x[None], 2),
    "squeeze": lambda x: np.squeeze(x[None]),
    "expand_dims": lambda x: np.expand_dims(x, (0, 2)),
    **same("atleast_1d", "atleast_2d", "atleast_3d"),
    "broadcast_to": lambda x: np.broadcast_to(x, (4, 2, 3)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x[:, :1], x[0])[0] * np.broadcast_arrays(x, V)[1],
    **same("matrix_transpose", "flip", "flipud", "fliplr"),
    "roll": lambda x: np.roll(x, 1) + np.roll(x, (1, -1), axis=(0, 1)),
    "rot90": lambda x: np.rot90(x, 3),
    "tile": lambda x: np.tile(x, (2, 1)),
    "repeat": lambda x: np.repeat(x, [1, 0, 2], axis=1),
    "resize": lambda x: np.resize(x, (3, 5)),
    "concatenate": lambda x: np.concatenate([x, Y, x], axis=1),
    "stack": lambda x: np.stack([x, Y], axis=-1),
    "vstack": lambda x: np.vstack([x, x[0], V]),
    "hstack": lambda x: np.hstack([x[0], [1.0], x[1]]),
    "dstack": lambda x: np.dstack([x, Y]),
    "column_stack": lambda x: np.column_stack([x[0], x.T]),
    "concat": lambda x: np.concat([x, x], axis=None),
    "append": lambda x: np.append(x, 2 * x[:1], axis=0),
    "block": lambda x: np.block([[x, x[:, :1]], [np.ones((1, 3)), 7.0]]),
    "r_": lambda x: np.r_[x, Y],
    "c_": lambda x: np.c_[x, Y],
    "array of rows": lambda x: np.array([x[1], x[0]]),
    "asarray": np.asarray,
    "array(x)": np.array,
    "copy": np.copy,
    "ascontiguousarray": np.ascontiguousarray,
    "astype": lambda x: np.astype(x, np.float64),
    "split": lambda x: np.split(x, 3, axis=1)[1],
    "array_split": lambda x: np.array_split(x, 2, axis=1)[0],
    "hsplit": lambda x: np.hsplit(x, [1])[1],
    "vsplit": lambda x: np.vsplit(x, 2)[1],
    "dsplit": lambda x: np.dsplit(x[None], 3)[2],
    "unstack": lambda x: np.unstack(x, axis=1)[2],
    "pad": lambda x: np.pad(x, ((1, 0), (0, 2))),
    "pad edge": lambda x: np.pad(x, 1, mode="edge"),
    "insert": lambda x: np.insert(x, [1], x[:, :1], axis=1),
    "delete": lambda x: np.delete(x, 1, axis=1),
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0] * np.meshgrid(x[0], x[1])[1],
    "linspace": lambda x: np.linspace(x, 2.0, 4) + np.linspace(0.0, x, 4, endpoint=False),
    "full_like node": lambda x: np.full_like(x, x[0, 0] * 2),
    "full node": lambda x: np.full((2, 2), x.sum()),
    "full((3,),x)": lambda x: np.full((2, 3), x),
    "where": lambda x: np.where(Y > 0, x, 2 * x),
    "clip": lambda x: np.clip(x, 0.3, 0.7),
    "select": lambda x: np.select([Y > 1, Y < -1], [x, x * x], default=x[0, 0]),
    "choose": lambda x: np.choose([1, 0, 1], [x[0], x[1]]),
    "piecewise": lambda x: np.piecewise(x, [x < 0.3, x > 0.7], [lambda v: v * v, 5.0, lambda v: 1 / v]),
    "take": lambda x: np.take(x, [[0, 5], [5, 2]]),
    "take axis": lambda x: np.take(x, [0, 2, 2], axis=1),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1),
    "compress": lambda x: np.compress([True, False, True], x, axis=1),
    "extract": lambda x: np.extract(Y > 0, x),
    "diag": lambda x: np.diag(square(x)),
    "diag (make)": lambda x: np.diag(x[0], 1),
    "diagflat": np.diagflat,
    "diagonal": lambda x: np.diagonal(x, 1),
    "tril": np.tril,
    "triu": lambda x: np.triu(x, 1),
    "sort": lambda x: np.sort(x) + np.sort(x, axis=None)[:3],
    "partition": lambda x: np.partition(x, 1)[:, 1],
    "nan where": lambda x: np.where(np.isnan(holes(x)), 0.0, x),
    "apply_along_axis": lambda x: np.apply_along_axis(lambda v: v * v.sum(), 1, x),
    "vectorize": lambda x: np.vectorize(lambda v: v * v)(x),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod": lambda x: np.cumulative_prod(x, axis=1),
    "fft.fft": lambda x: np.fft.fft(x).real,
    "fft.rfft": lambda x: np.fft.rfft(x).real,
    "real_if_close": np.real_if_close,
    "array_equal": lambda x: np.where(np.array_equal(x, x), x, 0.0),
}

UFUNC_METHODS: dict[str, Callable[[Any], Any]] = {
    "at: add.reduce": lambda x: np.add.reduce(x) + np.add.reduce(x, axis=None),
    "add.accumulate": lambda x: np.add.accumulate(x, axis=1),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=1, keepdims=True),
    "multiply.outer": lambda x: np.multiply.outer(x[0], x),
    "maximum.accumulate": lambda x: np.maximum.accumulate(x, axis=1),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=1),
    "ufunc where=": lambda x: np.exp(x, where=Y > 0, out=np.zeros((2, 3), getattr(x, "dtype", float))),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, axis=1),
}

OPERATORS: dict[str, Callable[[Any], Any]] = {
    "x // y": lambda x: x // 0.3 + 2.0 // x,
    "x % y": lambda x: x % 0.3 + 2.0 % x,
    "divmod()": lambda x: divmod(x, 0.3)[1] * divmod(2.0, x)[0],
    "round()": lambda x: round(x, 1) if not isinstance(x, np.ndarray) or x.dtype == object else np.round(x, 1),
    "abs()": lambda x: abs(x - 0.5),
    "w @ x": lambda x: Y.T @ x,
    "x += 1": inplace,
    "x[i] = y": assigned,
    "for e in x": lambda x: sum(row * (i + 1) for i, row in enumerate(x)),
    "x[..., None]": lambda x: x[..., None],
    "x[mask]": lambda x: x[Y > 0],
    "x[x>.5]": lambda x: x[x > 0.5],
    "x[[0,0,1]]": lambda x: x[[0, 0, 1]],
    "x[::-1]": lambda x: x[::-1],
    "len(x)*x": lambda x: len(x) * x,
    "x.sum(axis=-1, keepdims=True)": lambda x: x.sum(axis=-1, keepdims=True),
    "x > y": lambda x: x * (x > 0.5),
    "math.exp": lambda x: math.exp(x[0, 0]) * x,
    "float(x)": lambda x: float(x[0, 0]) * x,
}

METHODS: dict[str, Callable[[Any], Any]] = {
    **{
        f".{name}": lambda x, name=name: getattr(x, name)(axis=1)
        for name in ("sum", "prod", "mean", "var", "std", "max", "min", "cumsum", "cumprod")
    },
    ".dot": lambda x: x.dot(Y.T),
    ".reshape": lambda x: x.reshape(3, 2) * x.reshape((3, -1)),
    ".ravel": lambda x: x.ravel(),
    ".flatten": lambda x: x.flatten(),
    ".transpose": lambda x: x.transpose(1, 0) * x.transpose(),
    ".swapaxes": lambda x: x.swapaxes(0, 1),
    ".squeeze": lambda x: x[None].squeeze(0),
    ".clip": lambda x: x.clip(0.3, 0.7),
    ".take": lambda x: x.take([0, 2], axis=1),
    ".repeat": lambda x: x.repeat(2, axis=0),
    ".diagonal": lambda x: x.diagonal(),
    ".trace": lambda x: x.trace(),
    ".round": lambda x: x.round(1),
    ".copy": lambda x: x.copy(),
    ".conj": lambda x: x.conj(),
    ".astype": lambda x: x.astype(np.float64),
    ".compress": lambda x: x.compress([True, False, True], axis=1),
    ".item": lambda x: x[0, :1].item() * np.ones(2),
    ".T": lambda x: x.T,
    ".mT": lambda x: x.mT,
    ".real": lambda x: x.real * x,
    ".flat": lambda x: sum(v * (i + 1.0) for i, v in enumerate(x.flat)),
}

FACTS: dict[str, Callable[[Any], Any]] = {
    "x == y": lambda x: (x == x) & (x == X),
    "x == 0.5": lambda x: x == 0.27,
    "x != y": lambda x: (x != X) | (np.float64(0.27) != x),
    "np.equal": lambda x: np.equal(x, 0.27),
    "np.isnan": np.isnan,
    "np.isclose": lambda x: np.isclose(x, 0.27),
    "argmax": lambda x: np.argmax(x, axis=1),
    ".argmax()": lambda x: x.argmax(axis=0),
    "argsort": lambda x: np.argsort(x, axis=1),
    "searchsorted": lambda x: np.searchsorted(np.sort(x[0]), [0.3, 0.7]),
    "digitize": lambda x: np.digitize(x, [0.3, 0.7]),
    "histogram": lambda x: np.histogram(x, [-2.0, 0.0, 1.0, 3.0])[0],
    "nonzero": lambda x: np.nonzero(x > 0.5)[1],
    "flatnonzero": np.flatnonzero,
    "argwhere": np.argwhere,
    "all/any": lambda x: np.all(x) & np.any(x) & x.all() & x.any(),
    "isfinite": np.isfinite,
    "logical_and": lambda x: np.logical_and(x, x > 0.5),
    "logical_not": np.logical_not,
    "zeros_like": np.zeros_like,
    "shape/size/ndim": lambda x: np.shape(x) + x.shape + (np.size(x), x.size, np.ndim(x), x.ndim),
    "iscomplexobj": np.iscomplexobj,
    "isscalar": np.isscalar,
    "may_share_memory": lambda x: np.may_share_memory(x, Y),
}


GROUPS = {
    "elementwise": ELEMENTWISE,
    "reducing": REDUCING,
    "products": PRODUCTS,
    "rearranging": REARRANGING,
    "ufunc methods": UFUNC_METHODS,
    "operators": OPERATORS,
    "methods": METHODS,
}
DIFFERENTIABLE = {name: f for group in GROUPS.values() for name, f in group.items()}
DIFFERENTIABLE["unique"] = lambda x: np.unique(np.concatenate([x, x]))

# What is missing, and why. An array of NumPy's own cannot hold a Tensor; there are no complex numbers.
BY_NUMPY = {"r_", "c_", "array of rows", "asarray", "array(x)", "ascontiguousarray", "full node", "full((3,),x)"}
COMPLEX = {"fft.fft", "fft.rfft"}
MUTABLE = {"x[i] = y", "ufunc where="}
NUMBERS = {"math.exp", "float(x)", ".item"}
SCIPY = {"scipy.special.expit", "scipy.special.logsumexp", "scipy.special.erf", "scipy.special.softmax"}
MISSING_TENSOR = BY_NUMPY | COMPLEX | MUTABLE | NUMBERS | {"vectorize"} | SCIPY
MISSING_VALUES = COMPLEX | {"math.exp", "float(x)", "ufunc where="} | SCIPY
TOTAL = len(DIFFERENTIABLE) + len(FACTS) + len(SCIPY)


def slope_of(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One number from the gradient of a function, so that both orders tell in its own gradient."""

    def loss(x: Any) -> Any:
        y = f(x)
        return np.sum(y * y * (np.cos(np.arange(np.size(y))).reshape(np.shape(y)) + 1.5))

    return lambda x: np.sum(ag.grad(loss)(x) * np.sin(np.arange(6.0) + 1).reshape(2, 3)) + loss(x)


@pytest.mark.parametrize("name", sorted(DIFFERENTIABLE))
def test_tensors_and_arrays_of_values_give_numpys_numbers_and_their_gradients(name: str) -> None:
    f = DIFFERENTIABLE[name]
    kinds = [kind for kind, missing in ((Tensor, MISSING_TENSOR), (ag.values, MISSING_VALUES)) if name not in missing]
    if not kinds:
        return
    want = f(X)
    for kind in kinds:
        got = f(kind(X))
        np.testing.assert_allclose(numbers(got), want, rtol=1e-12, atol=1e-14)
        assert np.shape(got) == np.shape(want)
    if Tensor in kinds:
        check(f, [X])
    if len(kinds) == 2:
        of_tensor, of_values = (ag.grad(slope_of(f))(x) for x in (X, ag.values(X)))
        np.testing.assert_allclose(of_values, of_tensor, rtol=1e-9, atol=1e-10)


def test_every_option_is_accepted_at_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of a function of NumPy once more, with everything said that NumPy takes as said."""
    said: set[str] = set()

    def spelled_out(door: Callable[..., Any]) -> Callable[..., Any]:
        def call(function: Any, args: Any, options: Any) -> Any:
            try:
                bound = inspect.signature(function).bind(*args, **options)
            except ValueError:  # written in C, in an older NumPy
                return door(function, args, options)
            bound.apply_defaults()
            said.add(function.__name__)
            return door(function, bound.args, bound.kwargs)

        return call

    for module, name in ((tensor, "call_function"), (value_array, "call_function_on_values")):
        monkeypatch.setattr(module, name, spelled_out(getattr(module, name)))
    for kind, missing in ((Tensor, MISSING_TENSOR), (ag.values, MISSING_VALUES)):
        for name in DIFFERENTIABLE.keys() - missing:
            f = DIFFERENTIABLE[name]
            np.testing.assert_allclose(numbers(f(kind(X))), f(X), rtol=1e-12, atol=1e-14, err_msg=name)
    assert len(said) > 140
    for x in (Tensor(X), ag.values(X)):
        plainly = {"where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True}
        np.testing.assert_allclose(numbers(np.multiply(np.exp(x, **plainly), x, **plainly)), np.exp(X) * X)
        for y, want in (
            (x.sum(axis=None, dtype=None, out=None, keepdims=False, where=True), X.sum()),
            (x.std(axis=0, dtype=None, out=None, ddof=1, keepdims=False, where=True), X.std(axis=0, ddof=1)),
            (x.max(axis=1, out=None, where=True), X.max(axis=1)),
            (x.cumsum(axis=1, dtype=None, out=None), X.cumsum(axis=1)),
            (x.clip(0.3, None, out=None), X.clip(0.3)),
            (x.round(decimals=0, out=None), X.round()),
            (x.take([0], axis=1, out=None, mode="raise"), X[:, :1]),
            (x.astype(float, order="K", casting="unsafe", subok=True, copy=True), X),
            (x.reshape((3, 2), order="C", copy=None).copy(order="C").flatten(order="C"), X.ravel()),
            (x.trace(offset=0, axis1=0, axis2=1, dtype=None, out=None), X.trace()),
        ):
            np.testing.assert_allclose(numbers(y), want, rtol=1e-14)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_facts_are_those_of_numpy(name: str) -> None:
    want = FACTS[name](X)
    for x in (Tensor(X), ag.values(X)):
        got = FACTS[name](x)
        np.testing.assert_array_equal(got, want)
        assert not isinstance(got, np.ndarray) or got.dtype == want.dtype


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind, missing in (("Tensor", MISSING_TENSOR), ("Values", MISSING_VALUES))
        for name in sorted(missing - SCIPY - {".item"})
    ],
)
def test_what_is_missing_raises_and_says_what_to_do(kind: str, name: str) -> None:
    x = Tensor(X) if kind == "Tensor" else ag.values(X)
    with pytest.raises((TypeError, ValueError)) as error:
        DIFFERENTIABLE[name](x)
    if kind == "Tensor":
        assert "use " in str(error.value) or "write " in str(error.value)


def test_how_much_of_numpy_is_there() -> None:
    assert TOTAL == 334
    assert TOTAL - len(MISSING_TENSOR) > 300 and TOTAL - len(MISSING_VALUES) > 300
