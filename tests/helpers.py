"""What tests of several rooms share: arguments for every row of the table, a check of both orders, microgpt."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import autograd as ag
from autograd.engine import linalg as L
from autograd.engine import primitives as p
from transformer import layers
from transformer.lesson.dinner import Moment, training

ROOT = Path(__file__).parents[1]
NAMES = ROOT.parent / "shared" / "data" / "names.txt"


def microgpt() -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """microgpt's documents and initial weights, to reproduce its losses.

    Documents are token ids, 17 at most; parameters have this project's names and (in, out) layout.
    """
    rng = random.Random(42)
    names = [line.strip() for line in NAMES.read_text().splitlines() if line.strip()]
    rng.shuffle(names)

    def matrix(n_out: int, n_in: int) -> np.ndarray:
        return np.array([[rng.gauss(0, 0.08) for _ in range(n_in)] for _ in range(n_out)])

    params = {"wte": matrix(27, 16), "wpe": matrix(16, 16), "lm_head": matrix(27, 16).T.copy()}
    for name in ("attn.wq", "attn.wk", "attn.wv", "attn.wo"):
        params[f"h0.{name}"] = matrix(16, 16).T.copy()
    params["h0.mlp.w1"] = matrix(64, 16).T.copy()
    params["h0.mlp.w2"] = matrix(16, 64).T.copy()
    documents = [np.array([26, *(ord(c) - ord("a") for c in name), 26])[:17] for name in names]
    return documents, params


# ---- rows of the table ----

A = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1]])
B = np.array([[1.3, 0.2, -0.7], [0.5, 2.4, -1.6]])
# Arguments where a row has derivatives, away from its corners.
DOMAIN: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("log", "log2", "log10", "log1p", "sqrt"), lambda x: [np.abs(x) + 0.1]),
    "pow": lambda a, b: [np.abs(a) + 0.1, np.abs(b) + 0.1],
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), lambda x: [0.9 * np.tanh(x)]),
    "arccosh": lambda x: [np.abs(x) + 1.1],
    **dict.fromkeys(  # a / b is no whole number
        ("remainder", "fmod", "floor_divide"),
        lambda a, b: [(np.rint(a) + 0.5 + 0.2 * np.sin(a)) * (np.abs(b) + 0.5), np.copysign(np.abs(b) + 0.5, b)],
    ),
}

# Rows of numbers come from the table itself, so that a new row is tested without a line here.
NUMERIC = [row for row in p.TABLE.values() if row.scalar is not None]

# Rows whose derivative is 0 wherever they have one.
FLAT = {row.name for row in NUMERIC if all(rule is p.flat for rule in row.vjps)}

# Rows of arrays need arguments that fit.
ROWS = np.array([1, 0, 1])
ZEROS = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])  # one in a row, and two
C = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1], [-0.6, 0.8, 2.1]])


def near(x: Any) -> Any:
    """A matrix near the diagonal one of 1, 2, 3: positive definite, its eigenvalues apart."""
    return p.add(p.tanh(x) * 0.1, np.diag(np.arange(1.0, 4.0)).astype(np.finfo(x.dtype).dtype))


ARRAYS: dict[str, list[tuple[Callable[..., Any], list[np.ndarray]]]] = {
    "sum": [
        (lambda x: p.total(x, None, False), [A]),
        (lambda x: p.total(x, -1, True), [A]),
        (lambda x: p.total(x, (0, 2), False), [A[:, None]]),
    ],
    "mean": [(lambda x: p.mean(x, None, False), [A]), (lambda x: p.mean(x, 0, False), [A])],
    "heaviside": [(lambda b: p.heaviside(1 - ZEROS, b), [B])],  # of its first argument it is flat
    "prod": [
        (lambda x: p.prod(x, None, False), [A]),
        (lambda x: p.prod(x, 1, True), [A]),
        (lambda x: p.prod(x, (0, 2), False), [A[:, None] * B]),
        (lambda x: p.prod(x, 1, False), [A * ZEROS]),
        (lambda x: p.prod(x, None, False), [A * ZEROS[:1]]),
    ],
    "cumsum": [(lambda x: p.cumsum(x, 0), [A]), (lambda x: p.cumsum(x, -1), [A])],
    "cumprod": [
        (lambda x: p.cumprod(x, 0), [A]),
        (lambda x: p.cumprod(x, -1), [A]),
        (lambda x: p.cumprod(x, 1), [A * ZEROS]),
        (lambda x: p.cumprod(x, 0), [np.concatenate([A.ravel(), 0 * A[0], B.ravel()])]),
    ],
    "max": [(lambda x: p.amax(x, None, False), [A]), (lambda x: p.amax(x, 1, True), [A])],
    "min": [(lambda x: p.amin(x, None, False), [A]), (lambda x: p.amin(x, 0, False), [A])],
    "inv": [(lambda x: L.inv(near(x)), [C]), (lambda x: L.inv(near(x)), [np.stack([C, C.T])])],
    "solve": [
        (lambda a, b: L.solve(near(a), b), [C, A.T]),
        (lambda a, b: L.solve(near(a), b), [np.stack([C, C.T]), A.T]),
        (lambda a, b: L.solve(near(a), b), [C, np.stack([A.T, B.T])]),
    ],
    "det": [(lambda x: L.det(near(x)), [C]), (L.det, [np.stack([C, C.T])])],
    "cofactors": [(lambda x: L.cofactors(near(x)), [C]), (lambda x: L.cofactors(near(x)), [np.stack([C, C.T])])],
    "logabsdet": [(lambda x: L.logabsdet(near(x)), [np.stack([C, C.T])])],
    "pinv": [(lambda x: L.pinv(near(x)), [C]), (lambda x: L.pinv(near(x)[:2]), [C]), (L.pinv, [np.stack([A.T, B.T])])],
    "cholesky": [(lambda x: L.cholesky(near(x)), [C]), (lambda x: L.cholesky(near(x)), [np.stack([C, C.T])])],
    "eigh": [
        (lambda x: L._eigh(near(x)), [C]),
        (lambda x: L.eigh(near(x))[0], [np.stack([C, C.T])]),
        (lambda x: L.eigh(near(x))[1], [C]),
    ],
    "svd": [
        (lambda x: L._svd(near(x)), [C]),
        *((lambda x, i=i: L.svd(near(x)[..., :2])[i], [np.stack([C, C.T])]) for i in range(3)),
        *((lambda x, i=i: L.svd(near(x)[..., :2, :])[i], [C]) for i in range(3)),
    ],
    "qr": [
        (lambda x: L._qr(near(x)), [C]),
        *((lambda x, i=i: L.qr(near(x)[..., :2])[i], [np.stack([C, C.T])]) for i in range(2)),
        *((lambda x, i=i: L.qr(near(x)[..., :2, :])[i], [C]) for i in range(2)),
    ],
    "matmul": [
        (p.matmul, [A, B.T]),
        (p.matmul, [A, B[0]]),
        (p.matmul, [A[0], B.T]),
        (p.matmul, [A[0], B[0]]),
        (p.matmul, [np.stack([A, B]), B.T]),
        (p.matmul, [A, np.stack([A.T, B.T])]),
        (p.matmul, [A[0], np.stack([A.T, B.T])]),
        (p.matmul, [np.stack([A, B]), B[0]]),
    ],
    "einsum": [
        (lambda a, b: p.einsum("ij,kj->ik", a, b), [A, B]),
        (lambda a, b: p.einsum("ij,kl->il", a, b), [A, B]),
        (lambda a: p.einsum("ij->ji", a), [A]),
        (lambda a: p.einsum("ii->i", a), [A[:, :2]]),
        (lambda a, b: p.einsum("iji,jk->ki", a, b), [np.stack([A, B], -1), A.T]),
        (lambda a, b: p.einsum("ii,j->", a, b), [A[:, 1:], B[0]]),
        (lambda a, b: p.einsum("iij,ij->j", a, b), [np.stack([A, B]), A[:, :1]]),
        (lambda a, b, c: p.einsum("ij,ij,j->i", a, b, c), [A, B, A[0]]),
    ],
    "reshape": [(lambda x: p.reshape(x, (3, 2)), [A])],
    "transpose": [(lambda x: p.transpose(x, (2, 0, 1)), [np.stack([A, B, A])])],
    "swapaxes": [(lambda x: p.swapaxes(x, 0, 1), [A])],
    "broadcast_to": [(lambda x: p.broadcast_to(x, (4, 2, 3)), [A]), (lambda x: p.broadcast_to(x, (2, 3)), [A[:, :1]])],
    "getitem": [
        (lambda x: p.getitem(x, ROWS), [A]),
        (lambda x: p.getitem(x, (slice(None), 1)), [A]),
        (lambda x: p.getitem(x, A > 0), [A]),
        (lambda x: p.getitem(x, (ROWS, ROWS)), [A]),
    ],
    "scatter_add": [
        (lambda x: p.scatter_add(x, ROWS, (2, 2)), [A.T]),
        (lambda x: p.scatter_add(x, slice(1, 3), (4, 3)), [A]),
    ],
    "concatenate": [
        (lambda a, b: p.concatenate(0, a, b), [A, B]),
        (lambda a, b: p.concatenate(-1, a, b), [A, B[:, :1]]),
    ],
    "where": [(lambda a, b: p.where(A > 0, a, b), [A, B]), (lambda a, b: p.where(A > 0, a, b), [A[0], B[:, :1]])],
    "astype": [(lambda x: p.astype(x, np.dtype("float64")), [A])],
    # Fused rows, by the functions that they stand for.
    "softmax": [(layers.softmax, [A]), (layers.softmax, [A[0]])],
    "relu": [(layers.relu, [A])],
    "causal": [(layers.causal, [A.reshape(2, 1, 3)])],
    "causal_attention": [
        (layers.causal_attention, [A.reshape(2, 3, 1), B.reshape(2, 3, 1), C[:2].reshape(2, 3, 1)]),
        (layers.causal_attention, [np.stack([A, B])[:, 1:], C.reshape(1, 3, 3), B.reshape(1, 2, 3)[:, [0, 1, 0]]]),
    ],
    "split_heads": [(lambda x: layers.split_heads(x, 2), [np.concatenate([A, B]).reshape(3, 4)])],
    "join_heads": [(layers.join_heads, [np.concatenate([A, B]).reshape(3, 2, 2)])],
    "rmsnorm": [(layers.rmsnorm, [A, B[0], B[1]]), (layers.rmsnorm, [A])],
    "layernorm": [(layers.layernorm, [A, B[0], B[1]]), (layers.layernorm, [np.stack([A, B])])],
    "gelu": [(layers.gelu, [A])],
    "cross_entropy": [
        (lambda x: layers.cross_entropy(x, np.array([2, 0])), [A]),
        (lambda x: layers.cross_entropy(x, np.array([[2, -1], [0, 2]])), [np.stack([A, B])]),
    ],
    "linear": [(layers.linear, [A, B.T, A[:, 0]]), (layers.linear, [np.stack([A, B]), B.T, A[:, 0]])],
}


def numeric_gradient(f: Callable[..., float], args: list[np.ndarray], i: int, h: float = 1e-5) -> np.ndarray:
    """Central differences of a scalar function by its argument i."""
    out = np.empty_like(args[i])
    for k in np.ndindex(out.shape):
        x = [a.copy() for a in args]
        x[i][k] += h
        up = f(*x)
        x[i][k] -= 2 * h
        out[k] = (up - f(*x)) / (2 * h)
    return out


def check(op: Callable[..., Any], args: list[np.ndarray]) -> None:
    """First and second order of sum(weights * op(...)²), whose Hessian reaches every rule."""
    weights = np.cos(np.arange(np.size(op(*args)))).reshape(np.shape(op(*args))) + 1.5

    def f(*xs: Any) -> Any:
        y = op(*xs)
        return (weights * (y * y)).sum()

    n = len(args)
    grads = ag.grad(f, tuple(range(n)))
    for i, g in enumerate(grads(*args)):
        assert g.shape == args[i].shape
        np.testing.assert_allclose(g, numeric_gradient(f, args, i), rtol=1e-7, atol=1e-7)

    def slope(*xs: Any) -> Any:
        return sum(((np.sin(np.arange(g.size)).reshape(g.shape) + 2) * g).sum() for g in grads(*xs))

    for i, g in enumerate(ag.grad(slope, tuple(range(n)))(*args)):
        np.testing.assert_allclose(g, numeric_gradient(lambda *xs: float(slope(*xs)), args, i), rtol=1e-6, atol=1e-6)


def safe(row: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    """As many of the arrays as the row of numbers has arguments, where it has derivatives."""
    arrays = arrays[: len(row.local)]
    return DOMAIN[row.name](*arrays) if row.name in DOMAIN else list(arrays)


# ---- the lesson's training ----


@cache
def dinners() -> dict[int, Moment]:
    """The lesson's training at every tenth step: parameters, loss and gradients; trained once for all tests."""
    return {moment.step: moment for moment in training() if moment.step % 10 == 0}


def dinner(step: int) -> Moment:
    """The lesson's training at a step."""
    return dinners()[step]
