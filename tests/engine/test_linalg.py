"""Linear algebra: against PyTorch, at singular and degenerate matrices, and traced by JAX."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.engine import linalg as L
from tests.helpers import C, check, near

WIDE = np.array([[1.0, 2.0, 0.5, -0.3], [0.2, -1.0, 1.5, 0.7]])
SYMMETRIC = C @ C.T + np.eye(3)


def weighted(parts: Any) -> Any:
    """One number of a result, or of several, to which every element contributes differently."""
    parts = parts if isinstance(parts, tuple) else (parts,)
    return sum((x * x * np.cos(np.arange(x.size, dtype=float)).reshape(x.shape)).sum() for x in parts)


FUNCTIONS: list[tuple[str, Callable[..., Any], list[np.ndarray]]] = [
    ("inv", L.inv, [C]),
    ("inv", L.inv, [np.stack([C, C.T])]),
    ("det", L.det, [np.stack([C, C.T])]),
    ("solve", L.solve, [C, WIDE.reshape(4, 2)[:3]]),
    ("pinv", L.pinv, [WIDE]),
    ("pinv", L.pinv, [WIDE.T]),
    ("svd", lambda a: L.svd(a)[1], [WIDE]),
    ("svdvals", lambda a: L.svd(a)[1], [np.stack([C, C.T])]),
    ("slogdet", lambda a: L.slogdet(a)[1], [np.stack([C, C.T])]),
    ("qr", L.qr, [WIDE.T]),
    ("qr", L.qr, [np.stack([C, C.T])]),
]


@pytest.mark.parametrize(("name", "f", "args"), FUNCTIONS, ids=[f"{n}{a[0].shape}" for n, _, a in FUNCTIONS])
def test_first_and_second_order_agree_with_pytorch(name: str, f: Any, args: list[np.ndarray]) -> None:
    torch = pytest.importorskip("torch")

    def theirs(*xs: Any) -> Any:
        y = getattr(torch.linalg, name)(*xs, **({"full_matrices": False} if name == "svd" else {}))
        y = tuple(y) if isinstance(y, tuple) else y
        y = y[1] if name in ("svd", "slogdet") else y
        parts = y if isinstance(y, tuple) else (y,)
        return sum((x * x * torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)).sum() for x in parts)

    def ours(*xs: Any) -> Any:
        return weighted(f(*xs))

    xs = [torch.tensor(a) for a in args]
    for i, x in enumerate(args):
        want = torch.func.grad(theirs, i)(*xs).numpy()
        np.testing.assert_allclose(ag.grad(ours, i)(*args), want, rtol=1e-9, atol=1e-9)
        v = np.sin(np.arange(x.size)).reshape(x.shape)
        theirs_hvp = torch.func.grad(lambda *at, i=i, v=v: (torch.func.grad(theirs, i)(*at) * torch.tensor(v)).sum(), i)
        got = ag.hvp(ours, *args, v, argnums=i)
        np.testing.assert_allclose(got, theirs_hvp(*xs).numpy(), rtol=1e-7, atol=1e-7)


def test_the_lower_triangle_is_what_is_differentiated() -> None:
    skew = SYMMETRIC + np.triu(C, 1)
    for f in (L.cholesky, lambda a: L.eigh(a)[0], L._eigh):
        assert (np.triu(ag.grad(lambda a, f=f: weighted(f(a)))(skew), 1) == 0).all()
        check(f, [skew])


def test_a_determinant_is_right_where_a_matrix_is_singular() -> None:
    """Against the sum over permutations, to second order."""
    for a in (np.zeros((2, 2)), np.zeros((3, 3)), np.diag([2.0, 0.0, 0.0]), np.outer(C[0], C[1]), np.array([[3.0]])):
        n = len(a)
        signs = {o: np.linalg.det(np.eye(n)[list(o)]) for o in itertools.permutations(range(n))}

        def leibniz(x: Any, n: int = n, signs: Any = signs) -> Any:
            total = 0.0
            for order, sign in signs.items():
                term = sign
                for i in range(n):
                    term = term * x[i, order[i]]
                total = total + term
            return total

        np.testing.assert_allclose(ag.grad(L.det)(a), ag.grad(leibniz)(a), atol=1e-12)
        np.testing.assert_allclose(ag.hessian(L.det)(a), ag.hessian(leibniz)(a), atol=1e-12)


def test_values_need_no_gaps_but_vectors_do() -> None:
    np.testing.assert_allclose(ag.grad(lambda a: L.eigh(a)[0].sum())(np.eye(3)), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(ag.grad(lambda a: L.svd(a)[1].sum())(np.eye(3)), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(ag.grad(lambda a: L.svd(a)[1].sum())(np.diag([1.0, 0.0]))[0, 0], 1.0)
    with pytest.raises(np.linalg.LinAlgError, match=r"eigh: the derivative of its vectors .* eigenvalues coincide"):
        ag.grad(lambda a: L.eigh(a)[1][0, 0])(np.eye(3))
    with pytest.raises(np.linalg.LinAlgError, match="eigenvalues coincide"):
        ag.hessian(lambda a: (L.eigh(a)[0] ** 2).sum())(np.eye(3))
    with pytest.raises(np.linalg.LinAlgError, match=r"svd: .* singular values coincide"):
        ag.grad(lambda a: L.svd(a)[0][0, 0])(np.eye(3))
    with pytest.raises(np.linalg.LinAlgError, match=r"svd: .* a singular value is 0"):
        ag.grad(lambda a: L.svd(a)[0].sum())(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    only_first = ag.grad(lambda a: L.eigh(a)[1][0, 2] ** 2)(np.diag([1.0, 1.0, 2.0]))  # its eigenvalue stands alone
    assert np.isfinite(only_first).all()


def test_singular_matrices_are_refused_by_the_name_of_the_operation() -> None:
    singular = np.outer(C[0], C[1])
    with pytest.raises(np.linalg.LinAlgError, match="inv"):
        ag.grad(lambda a: L.inv(a).sum())(singular)
    with pytest.raises(np.linalg.LinAlgError, match="slogdet: its derivative"):
        ag.grad(lambda a: L.slogdet(a)[1])(np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError, match="qr: its derivative"):
        ag.grad(lambda a: L.qr(a)[0].sum())(np.zeros((3, 2)))
    with pytest.raises(np.linalg.LinAlgError, match="cholesky"):
        ag.grad(lambda a: L.cholesky(a).sum())(-np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match="det"):
        ag.grad(L.det)(np.ones((2, 3)))


def test_matrices_of_no_rows_have_gradients_of_their_shape() -> None:
    empty = np.zeros((0, 0))
    for f in (L.inv, L.det, L._eigh, L._svd, L._qr, L.cholesky, L.logabsdet):
        assert ag.grad(lambda a, f=f: f(a).sum())(empty).shape == (0, 0)
    assert ag.grad(lambda a: L.inv(a).sum())(np.zeros((0, 2, 2))).shape == (0, 2, 2)


def test_float32_stays_float32() -> None:
    a = SYMMETRIC.astype(np.float32)
    for f in (L.inv, L.det, L.logabsdet, L.pinv, L.cholesky, L._eigh, L._svd, L._qr, lambda x: L.solve(x, x)):
        y, g = ag.value_and_grad(lambda x, f=f: f(x).sum())(a)
        assert np.asarray(y).dtype == g.dtype == np.float32
        assert ag.hvp(lambda x, f=f: f(x).sum(), a, a).dtype == np.float32


def test_traced_by_jax() -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64():
        for f in (L.inv, L.det, L.logabsdet, L.pinv, L.cholesky, L._eigh, L._svd, L._qr, lambda x: L.solve(x, x.T)):

            def slope(x: Any, f: Any = f) -> Any:
                return ag.grad(lambda x: weighted(f(near(x))))(x)

            np.testing.assert_allclose(jax.jit(slope)(jax.numpy.asarray(C)), slope(C), rtol=1e-9, atol=1e-9)
        coincide = jax.jit(ag.grad(lambda a: L.eigh(a)[1][0, 0]))(jax.numpy.eye(3))
        assert np.isnan(coincide).any()
