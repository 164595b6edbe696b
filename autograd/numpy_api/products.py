"""Products of NumPy: einsum, and what comes down to matrix products."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy

from autograd.engine import primitives as p
from autograd.numpy_api.dispatch import arrays, by_row, means

np: Any = numpy  # with nodes for arguments, of which its types know nothing

# ---- einsum ------------------------------------------------------------------------------


@by_row(np.einsum)
def _einsum(*operands: Any, optimize: Any = False) -> Any:
    """Subscripts as text, or as lists of numbers after each operand."""
    if not isinstance(operands[0], str):
        operands = _as_text(operands)
    subscripts, *rest = operands
    parts = arrays(*rest)
    terms, out = _letters(subscripts.replace(" ", ""), [x.ndim for x in parts])
    if [len(t) for t in terms] != [x.ndim for x in parts]:
        raise ValueError(
            f"einsum: subscripts {subscripts!r} do not match operands of shapes {[tuple(x.shape) for x in parts]}"
        )
    return p.einsum(f"{','.join(terms)}->{out}", *parts)


def _as_text(operands: Sequence[Any]) -> tuple[Any, ...]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as einsum("ab,bc->ac", a, b)."""

    def text(sublist: Any) -> str:
        return "".join("..." if i is Ellipsis else string.ascii_letters[i] for i in sublist)

    pairs = len(operands) // 2
    terms = ",".join(text(operands[2 * i + 1]) for i in range(pairs))
    out = f"->{text(operands[-1])}" if len(operands) % 2 else ""
    return (terms + out, *operands[: 2 * pairs : 2])


def _letters(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The subscripts of the operands and of the result, with letters for the axes that '...' stands for."""
    ins, arrow, out = subscripts.partition("->")
    if not arrow:
        named = ins.replace(",", "").replace(".", "")
        out = "..." * ("..." in ins) + "".join(sorted(c for c in set(named) if named.count(c) == 1))
    terms = ins.split(",")
    if "..." in ins and arrow and "..." not in out and any("..." in t and n > len(t) - 3 for t, n in zip(terms, ndims)):
        raise ValueError(f"einsum: the axes of '...' are missing from the result in {subscripts!r}; write ->...{out}")
    hidden = [max(0, n - len(t) + 3) if "..." in t else 0 for t, n in zip(terms, ndims)]
    free = [c for c in string.ascii_letters if c not in subscripts][: max(hidden, default=0)]
    terms[: len(hidden)] = [t.replace("...", "".join(free[len(free) - n :])) for t, n in zip(terms, hidden)]
    return terms, out.replace("...", "".join(free))


# ---- products ----------------------------------------------------------------------------


@means(np.dot)
def _dot(a: Any, b: Any) -> Any:
    a, b = arrays(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return a @ b if b.ndim < 3 else np.tensordot(a, b, (-1, -2))


@means(np.vdot)
def _vdot(a: Any, b: Any) -> Any:
    a, b = arrays(a, b)
    return a.reshape(-1) @ b.reshape(-1)


@means(np.inner)
def _inner(a: Any, b: Any) -> Any:
    a, b = arrays(a, b)
    return a * b if a.ndim == 0 or b.ndim == 0 else np.tensordot(a, b, (-1, -1))


@means(np.outer, np.linalg.outer)
def _outer(a: Any, b: Any) -> Any:
    a, b = arrays(a, b)
    return a.reshape((-1, 1)) * b.reshape((1, -1))


@means(np.tensordot, np.linalg.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The axes to sum over to the end of a and to the front of b, and one matrix product."""
    a, b = arrays(a, b)
    if isinstance(axes, (int, np.integer)):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    over_a, over_b = (
        [i % x.ndim for i in np.atleast_1d(list(ax) if np.iterable(ax) else ax)] for x, ax in zip((a, b), axes)
    )
    if [a.shape[i] for i in over_a] != [b.shape[i] for i in over_b]:
        raise ValueError(f"tensordot: axes {axes} of shapes {a.shape} and {b.shape} do not match")
    free_a, free_b = ([i for i in range(x.ndim) if i not in over] for x, over in ((a, over_a), (b, over_b)))
    n = math.prod(a.shape[i] for i in over_a)
    left = a.transpose((*free_a, *over_a)).reshape((math.prod(a.shape[i] for i in free_a), n))
    right = b.transpose((*over_b, *free_b)).reshape((n, math.prod(b.shape[i] for i in free_b)))
    return (left @ right).reshape((*(a.shape[i] for i in free_a), *(b.shape[i] for i in free_b)))


@means(np.kron)
def _kron(a: Any, b: Any) -> Any:
    """Every element of a times b, laid out in blocks."""
    a, b = arrays(a, b)
    n = max(a.ndim, b.ndim)
    a, b = (x.reshape((1,) * (n - x.ndim) + x.shape) for x in (a, b))
    blocks = a.reshape(tuple(m for k in a.shape for m in (k, 1))) * b.reshape(tuple(m for k in b.shape for m in (1, k)))
    return blocks.reshape(tuple(i * j for i, j in zip(a.shape, b.shape)))


@means(np.cross, np.linalg.cross)
def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = arrays(a, b)
    if a.shape[axisa] != 3 or b.shape[axisb] != 3:
        raise ValueError(f"cross: both need length 3 along their axis; got the shapes {a.shape} and {b.shape}")
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    one, two = np.array([1, 2, 0]), np.array([2, 0, 1])
    return np.moveaxis(a[..., one] * b[..., two] - a[..., two] * b[..., one], -1, axisc)


@means(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@means(np.linalg.trace)
def _matrix_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return np.trace(x, offset, -2, -1, dtype)


@means(np.linalg.vecdot)
def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = arrays(x1, x2)
    return np.sum(x1 * x2, axis=axis)


@means(np.linalg.matmul)
def _matmul(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2)


@means(np.convolve)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Each element of the longer one times the shorter one, shifted and summed: a product with a banded matrix."""
    a, v = (x.reshape(-1) for x in arrays(a, v))
    if a.size < v.size:
        a, v = v, a
    n, m = a.size, v.size
    band = np.lib.stride_tricks.sliding_window_view(np.pad(a, m - 1), m)  # (n + m - 1, m)
    out = band @ v[::-1]
    trim = {"full": (0, n + m - 1), "same": ((m - 1) // 2, (m - 1) // 2 + n), "valid": (m - 1, n)}
    return out[slice(*trim[mode])]


@means(np.correlate)
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = (x.reshape(-1) for x in arrays(a, v))
    return np.convolve(a, v[::-1], mode) if a.size >= v.size else np.convolve(v, a[::-1], mode)[::-1]
