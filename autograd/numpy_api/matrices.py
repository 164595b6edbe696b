"""Linear algebra of NumPy: norms and powers, and decompositions by the rows of `linalg`.

An array of Values is decomposed as a Tensor made from it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy

from autograd.engine import linalg
from autograd.engine.kinds import is_foreign
from autograd.numpy_api.dispatch import MATRICES, F, Function, arrays, by_row, means, root

np: Any = numpy  # with nodes for arguments, of which its types know nothing

# ---- norms, powers, chains ---------------------------------------------------------------


@means(np.linalg.vector_norm)
def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:
    if ord == 2:
        return root(np.sum(x * x, axis=axis, keepdims=keepdims))
    if ord in (math.inf, -math.inf):
        return (np.max if ord > 0 else np.min)(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.not_equal(x, 0).astype(np.float64), axis=axis, keepdims=keepdims)
    total = np.sum(np.abs(x) if ord == 1 else np.abs(x) ** ord, axis=axis, keepdims=keepdims)
    return total if ord == 1 else root(total, ord) if ord > 0 else total ** (1 / ord)


@means(np.linalg.matrix_norm)
def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    if ord == "fro":
        out = root(np.sum(x * x, axis=(-2, -1), keepdims=True))
    elif ord in ("nuc", 2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        out = {"nuc": np.sum, 2: np.max, -2: np.min}[ord](s, axis=-1, keepdims=True)[..., None]
    elif ord in (1, -1, math.inf, -math.inf):
        sums = np.sum(np.abs(x), axis=-2 if abs(ord) == 1 else -1, keepdims=True)
        out = (np.max if ord > 0 else np.min)(sums, axis=(-2, -1), keepdims=True)
    else:
        raise ValueError(f"norm: a matrix has no norm of order {ord!r}; fro, nuc, 1, -1, 2, -2, inf and -inf are known")
    return out if keepdims else out[..., 0, 0]


@means(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is None and ord is None:
        out = np.linalg.vector_norm(x.reshape(-1))
        return out.reshape((1,) * x.ndim) if keepdims else out
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return np.linalg.vector_norm(x, axis=axes[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) > 2:
        raise ValueError(f"norm: of order {ord!r} over {len(axes)} axes; give axis= one or two of them")
    out = np.linalg.matrix_norm(np.moveaxis(x, axes, (-2, -1)), keepdims=keepdims, ord="fro" if ord is None else ord)
    return np.moveaxis(out, (-2, -1), axes) if keepdims else out


@means(np.linalg.matrix_power)
def _matrix_power(a: Any, n: int) -> Any:
    """By squaring."""
    if n < 0:
        a, n = np.linalg.inv(a), -n
    out, square = None, a
    while n:
        if n % 2:
            out = square if out is None else out @ square
        square, n = (square @ square, n // 2) if n > 1 else (square, 0)
    return np.eye(a.shape[-1]) + np.zeros(a.shape) if out is None else out


@means(np.linalg.multi_dot)
def _multi_dot(arrays_: Any) -> Any:
    return functools.reduce(np.dot, arrays(*arrays_))


# ---- decompositions ----------------------------------------------------------------------


def _decomposes(function: Function) -> Callable[[F], F]:
    """Enter what a function of np.linalg means, and that arrays of Values take the way of Tensors."""
    MATRICES.add(function)
    return by_row(function)


def _like(function: Function, *parts: Any) -> Any:
    """The parts of a result, named as NumPy names them."""
    return type(function(np.eye(1)))(*parts)


for _name in ("inv", "det", "pinv"):
    _decomposes(getattr(np.linalg, _name))((lambda row: lambda a: row(a))(getattr(linalg, _name)))


@_decomposes(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    a, b = arrays(a, b)
    return linalg.solve(a, b) if b.ndim > 1 else linalg.solve(a, b[..., None])[..., 0]


@_decomposes(np.linalg.slogdet)
def _slogdet(a: Any) -> Any:
    return _like(np.linalg.slogdet, *linalg.slogdet(a))


@_decomposes(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return linalg.cholesky(a.swapaxes(-1, -2)).swapaxes(-1, -2) if upper else linalg.cholesky(a)


@_decomposes(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    return _like(np.linalg.eigh, *linalg.eigh(a if UPLO.upper() == "L" else a.swapaxes(-1, -2)))


@means(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return np.linalg.eigh(a, UPLO)[0]


@_decomposes(np.linalg.svd)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    if compute_uv and full_matrices and a.shape[-1] != a.shape[-2]:
        raise ValueError(
            f"np.linalg.svd: of shape {a.shape} only the vectors that belong to singular values have a derivative; "
            "use full_matrices=False"
        )
    u, s, vh = linalg.svd(a)
    return _like(np.linalg.svd, u, s, vh) if compute_uv else s


@means(np.linalg.svdvals)
def _svdvals(x: Any, /) -> Any:
    return np.linalg.svd(x, compute_uv=False)


@_decomposes(np.linalg.qr)
def _qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "r"):
        raise ValueError(f"np.linalg.qr: mode {mode!r} has no derivative here; use 'reduced' or 'r'")
    q, r = linalg.qr(a)
    return r if mode == "r" else _like(np.linalg.qr, q, r)


@means(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    if p is None:
        s = np.linalg.svdvals(x)
        return s[..., 0] / s[..., -1]
    return np.linalg.matrix_norm(x, ord=p) * np.linalg.matrix_norm(np.linalg.inv(x), ord=p)


@means(np.linalg.lstsq)
def _lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """By the pseudo-inverse (Golub and Pereyra 1973)."""
    a, b = arrays(a, b)
    x = np.linalg.pinv(a) @ b
    (m, n), rank = a.shape, np.linalg.matrix_rank(a)
    full = is_foreign(rank) or rank == n  # a tracer cannot be asked
    residuals = np.sum((b - a @ x) ** 2, axis=0) if m > n and full else np.zeros(0)
    return x, residuals.reshape(-1), rank, np.linalg.svdvals(a)


@means(np.linalg.tensorsolve)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = arrays(a, b)
    if axes is not None:
        a = np.moveaxis(a, axes, tuple(range(a.ndim - len(axes), a.ndim)))
    shape = a.shape[b.ndim :]
    return np.linalg.solve(a.reshape((b.size, math.prod(shape))), b.reshape(-1)).reshape(shape)


@means(np.linalg.tensorinv)
def _tensorinv(a: Any, ind: int = 2) -> Any:
    rows = math.prod(a.shape[:ind])
    return np.linalg.inv(a.reshape((rows, -1))).reshape((*a.shape[ind:], *a.shape[:ind]))
