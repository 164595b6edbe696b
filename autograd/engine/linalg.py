"""The rows of linear algebra. Every one takes matrices in the last two axes, and any axes before them.

A factorization that gives several arrays is one row, which stacks them into one array; the
function of its name takes them apart. Where a derivative does not exist the rules say so:
by LinAlgError from NumPy's arrays, by nan from a tracer, which cannot be asked.

Formulas: Giles 2008, An extended collection of matrix derivative results; Townsend 2016,
Differentiating the singular value decomposition; Golub and Pereyra 1973 for pinv.
"""

from __future__ import annotations

import numpy as np

from autograd.engine.base import Data, Operand
from autograd.engine.graph import Node, Primitive
from autograd.engine.kinds import asked, is_foreign, namespace, raw
from autograd.engine.primitives import concatenate, matmul, others, select, where
from autograd.engine.rows import Array, array_op

__all__ = ["cholesky", "det", "eigh", "inv", "pinv", "qr", "slogdet", "solve", "svd"]


def eigh(a: Operand) -> tuple[Operand, Operand]:
    """The eigenvalues of a symmetric matrix, ascending, and its eigenvectors as columns: (..., n) and (..., n, n).

    The lower triangle of the matrix is read, as by NumPy, and the gradient is that of its elements.
    Raises LinAlgError where a gradient reaches eigenvectors whose eigenvalues coincide.
    """
    stacked = _eigh(a)
    return stacked[..., 0, :], stacked[..., 1:, :]


def svd(a: Operand) -> tuple[Operand, Operand, Operand]:
    """u, s and vh of the reduced singular value decomposition: (..., m, k), (..., k) and (..., k, n), k = min(m, n).

    Raises LinAlgError where a gradient reaches singular vectors whose singular values coincide, or are 0.
    """
    stacked, m = _svd(a), a.shape[-2]
    return stacked[..., :m, :], stacked[..., m, :], _t(stacked[..., m + 1 :, :])


def qr(a: Operand) -> tuple[Operand, Operand]:
    """q and r of the reduced QR decomposition: (..., m, k) and (..., k, n), k = min(m, n).

    Raises LinAlgError where a gradient meets linearly dependent columns among the first k.
    """
    m, n = a.shape[-2:]
    stacked = _qr(a if m >= n else a[..., :m])
    q, r = stacked[..., :m, :], _t(stacked[..., m:, :])
    return (q, r) if m >= n else (q, concatenate(-1, r, matmul(_t(q), a[..., m:])))


def slogdet(a: Operand) -> tuple[Operand, Operand]:
    """The sign of the determinant, which is a constant, and the logarithm of its absolute value.

    Raises LinAlgError where a gradient meets a singular matrix.
    """
    return _linalg("slogdet", 0)(raw(a)), logabsdet(a)


# ---- what the rules share --------------------------------------------------------------


def _linalg(name: str, part: int | None = None, **options: bool) -> Array:
    """The function of that name in the library that the arrays come from; options are JAX's."""

    def array(*args: Data) -> Data:
        found = getattr(namespace(args).linalg, name)(*args, **(options if namespace(args) is not np else {}))
        return found if part is None else found[part]

    return array


def _t(x: Operand) -> Operand:
    return x.swapaxes(-1, -2)


def _column(x: Operand) -> Operand:
    """(..., n) as (..., n, 1)."""
    return x.reshape((*x.shape, 1))


def _row(x: Operand) -> Operand:
    """(..., n) as (..., 1, n)."""
    return x.reshape((*x.shape[:-1], 1, x.shape[-1]))


def _scalar(x: Operand) -> Operand:
    """(...) as (..., 1, 1)."""
    return x.reshape((*x.shape, 1, 1))


def _tril(x: Operand, k: int = 0) -> Operand:
    return where(np.tri(x.shape[-2], x.shape[-1], k, dtype=bool), x, 0.0)


def _from_lower(m: Operand) -> Operand:
    """The gradient of the lower triangle, of which a symmetric matrix was made, from that of the matrix."""
    return _tril(m) + _tril(_t(m), -1)


def _inverted(name: str, a: Operand) -> Operand:
    """The inverse, for a rule."""
    try:
        return inv(a)
    except np.linalg.LinAlgError:
        raise np.linalg.LinAlgError(
            f"{name}: its derivative does not exist here, since the matrix is singular"
        ) from None


def _divided(name: str, x: Operand, by: Operand, size: Operand, used: Operand, what: str) -> Operand:
    """x / by for a rule, 0 where `by` vanishes beside `size`; refuses that where the result is used."""
    gone = abs(raw(by)) <= size * (x.shape[-1] * np.finfo(x.dtype).eps)
    lost = gone & used

    def refuse(lost: Data) -> None:
        if lost.any():
            raise np.linalg.LinAlgError(f"{name}: the derivative of its vectors does not exist here, since {what}")

    asked(lost, refuse)
    quotient = select(gone, 0.0, x) / select(gone, 1.0, by)
    return select(lost, np.nan, quotient) if is_foreign(lost) else quotient


def _used(g: Operand) -> Operand:
    """Which columns of vectors a gradient reaches: (..., 1, n), of bools."""
    return (raw(g) != 0).any(-2, keepdims=True)


def _pairs(used: Operand) -> Operand:
    """Which pairs of different vectors have one that is used: (..., n, n), of bools."""
    return (used | _t(used)) & ~np.eye(used.shape[-1], dtype=bool)


# ---- rules -----------------------------------------------------------------------------


def _inv_a(g: Operand, out: Operand, a: Operand) -> Operand:
    return -matmul(matmul(_t(out), g), _t(out))


def _solve_a(g: Operand, out: Operand, a: Operand, b: Operand) -> Operand:
    return -matmul(solve(_t(a), g), _t(out))


def _cofactors(a: Operand) -> Operand:
    """The derivative of the determinant, by the singular value decomposition: right for singular matrices too."""
    xp = namespace([a])
    u, s, vh = xp.linalg.svd(a)
    return _scalar(xp.linalg.det(u) * xp.linalg.det(vh)) * matmul(u * _row(others(s)), vh)


def _cofactors_a(g: Operand, out: Operand, a: Operand) -> Operand:
    if isinstance(a, Node):
        b = _t(_inverted("det", a))
        return _scalar((g * out).sum((-2, -1))) * b - matmul(matmul(out, _t(g)), b)
    # The same without an inverse. With a = u s vh and e = uᵀ da v, the cofactors of s + e change off the
    # diagonal by -e[j, i] p[i, j], and on it by the sum of e[j, j] p[i, j]: p is the product of all s but i and j.
    xp = namespace([a])
    u, s, vh = xp.linalg.svd(a)
    eye = np.eye(a.shape[-1], dtype=bool)
    p = where(eye, 0.0, others(where(eye, 1.0, _row(s))))
    inner = matmul(matmul(_t(u), g), _t(vh))
    along = matmul(p, _column(where(eye, inner, 0.0).sum(-1)))
    return _scalar(xp.linalg.det(u) * xp.linalg.det(vh)) * matmul(matmul(u, where(eye, along, -_t(inner) * p)), vh)


def _pinv_a(g: Operand, out: Operand, a: Operand) -> Operand:
    pt, gt = _t(out), _t(g)
    left = matmul(gt, matmul(out, pt))  # (I - a p) left + right (I - p a): 0 for a square matrix of full rank
    right = matmul(matmul(pt, out), gt)
    return (left - matmul(a, matmul(out, left))) + (right - matmul(matmul(right, out), a)) - matmul(pt, matmul(g, pt))


def _cholesky_a(g: Operand, out: Operand, a: Operand) -> Operand:
    inner = _tril(matmul(_t(out), g))
    inner = where(np.eye(a.shape[-1], dtype=bool), 0.5 * inner, inner)
    half = solve(_t(out), _t(solve(_t(out), _t(inner))))
    return _from_lower(0.5 * (half + _t(half)))


def _eigh_a(g: Operand, out: Operand, a: Operand) -> Operand:
    w, v = out[..., :1, :], out[..., 1:, :]
    size = abs(raw(w)).max(-1, initial=0.0)[..., None]
    gw, gv = g[..., :1, :], g[..., 1:, :]
    turned = _divided("eigh", matmul(_t(v), gv), w - _t(w), size, _pairs(_used(gv)), "eigenvalues coincide")
    m = matmul(matmul(v, turned) + v * gw, _t(v))
    return _from_lower(0.5 * (m + _t(m)))


def _svd_a(g: Operand, out: Operand, a: Operand) -> Operand:
    m, n = a.shape[-2:]
    u, s, v = out[..., :m, :], out[..., m : m + 1, :], out[..., m + 1 :, :]
    gu, gs, gv = g[..., :m, :], g[..., m : m + 1, :], g[..., m + 1 :, :]
    size = raw(s).max(-1, initial=0.0)[..., None]
    sums = select(raw(s + _t(s)) == 0, 1.0, s + _t(s))

    def turned(x: Operand, gx: Operand) -> Operand:
        inner, used = matmul(_t(x), gx), _pairs(_used(gx))
        return _divided("svd", inner - _t(inner), s - _t(s), size, used, "singular values coincide") / sums

    def outside(x: Operand, gx: Operand) -> Operand:
        """What of gx / s is orthogonal to the columns of x."""
        shifted = _divided("svd", gx, s, size, _used(gx), "a singular value is 0")
        return shifted - matmul(x, matmul(_t(x), shifted))

    result = matmul(matmul(u, turned(u, gu) * s + _t(s) * turned(v, gv)) + u * gs, _t(v))
    result = result + matmul(outside(u, gu), _t(v)) if m > n else result
    return result + matmul(u, _t(outside(v, gv))) if n > m else result


def _qr_a(g: Operand, out: Operand, a: Operand) -> Operand:
    m = a.shape[-2]
    q, r, gq, gr = out[..., :m, :], _t(out[..., m:, :]), g[..., :m, :], _t(g[..., m:, :])
    inner = matmul(r, _t(gr)) - matmul(_t(gq), q)
    x = gq + matmul(q, _tril(inner) + _t(_tril(inner, -1)))
    return matmul(x, _t(_inverted("qr", r)))


# ---- forwards of several arrays --------------------------------------------------------


def _stacked_eigh(a: Data) -> Data:
    xp = namespace([a])
    w, v = xp.linalg.eigh(a, **({"symmetrize_input": False} if is_foreign(a) else {}))
    return xp.concatenate([w[..., None, :], v], axis=-2)


def _stacked_svd(a: Data) -> Data:
    xp = namespace([a])
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return xp.concatenate([u, s[..., None, :], _t(vh)], axis=-2)


def _stacked_qr(a: Data) -> Data:
    xp = namespace([a])
    q, r = xp.linalg.qr(a)
    return xp.concatenate([q, _t(r)], axis=-2)


# ---- the table -------------------------------------------------------------------------
# fmt: off
inv: Primitive = array_op("inv", _linalg("inv"), _inv_a, local=("-outᵀ @ g @ outᵀ",))
solve: Primitive = array_op("solve", _linalg("solve"), _solve_a, lambda g, out, a, b: solve(_t(a), g),
                            local=("-inv(aᵀ) @ g @ outᵀ", "inv(aᵀ) @ g"))
det = array_op("det", _linalg("det"), lambda g, out, a: _scalar(g) * cofactors(a), local=("g times the cofactors",))
cofactors: Primitive = array_op("cofactors", _cofactors, _cofactors_a, analytic=False,
                                local=("g times what the minors of minors give",))
logabsdet: Primitive = array_op("logabsdet", _linalg("slogdet", 1),
                                lambda g, out, a: _scalar(g) * _t(_inverted("slogdet", a)),
                                local=("g * inv(aᵀ)",), analytic=False)
pinv = array_op("pinv", _linalg("pinv"), _pinv_a, analytic=False,
                local=("-outᵀ @ g @ outᵀ, and what leaves the range",))
cholesky = array_op("cholesky", _linalg("cholesky", symmetrize_input=False), _cholesky_a, analytic=False,
                    local=("inv(outᵀ) @ tril(outᵀ @ g) @ inv(out), on the lower triangle",))
_eigh: Primitive = array_op("eigh", _stacked_eigh, _eigh_a, analytic=False,
                            local=("v @ (diag(gw) + vᵀ @ gv / gaps) @ vᵀ, on the lower triangle",))
_svd: Primitive = array_op("svd", _stacked_svd, _svd_a, analytic=False,
                           local=("u @ (diag(gs) + what turns u and v) @ vᵀ",))
_qr: Primitive = array_op("qr", _stacked_qr, _qr_a, analytic=False,
                          local=("(gq + q @ symmetric(r @ grᵀ - gqᵀ @ q)) @ inv(rᵀ)",))
# fmt: on
