"""Every row of the table against finite differences: Value and Tensor, first and second order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd import primitives as p

A = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1]])
B = np.array([[1.3, 0.2, -0.7], [0.5, 2.4, -1.6]])
POSITIVE = {"log", "sqrt", "log1p", "pow"}

# Rows of numbers come from the table itself, so that a new row is tested without a line here.
NUMERIC = [row for row in p.TABLE.values() if row.scalar is not None]

# Rows of arrays need arguments that fit.
ROWS = np.array([1, 0, 1])
ARRAYS: dict[str, list[tuple[Callable[..., Any], list[np.ndarray]]]] = {
    "sum": [(lambda x: p.total(x, None, False), [A]), (lambda x: p.total(x, -1, True), [A]), (lambda x: p.total(x, (0, 2), False), [A[:, None]])],
    "mean": [(lambda x: p.mean(x, None, False), [A]), (lambda x: p.mean(x, 0, False), [A])],
    "max": [(lambda x: p.amax(x, None, False), [A]), (lambda x: p.amax(x, 1, True), [A])],
    "min": [(lambda x: p.amin(x, None, False), [A]), (lambda x: p.amin(x, 0, False), [A])],
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
    "scatter_add": [(lambda x: p.scatter_add(x, ROWS, (2, 2)), [A.T]), (lambda x: p.scatter_add(x, slice(1, 3), (4, 3)), [A])],
    "concatenate": [(lambda a, b: p.concatenate(0, a, b), [A, B]), (lambda a, b: p.concatenate(-1, a, b), [A, B[:, :1]])],
    "where": [(lambda a, b: p.where(A > 0, a, b), [A, B]), (lambda a, b: p.where(A > 0, a, b), [A[0], B[:, :1]])],
    "astype": [(lambda x: p.astype(x, np.dtype("float64")), [A])],
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


def safe(row: Any, x: np.ndarray) -> np.ndarray:
    return np.abs(x) + 0.1 if row.name in POSITIVE else x


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_numeric_row_on_tensors(row: Any) -> None:
    args = [safe(row, x) for x in (A, B)[: len(row.local)]]
    check(row, args)
    if len(args) == 2:
        check(row, [args[0], args[1][0]])
        check(row, [args[0][:, :1], args[1]])


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_numeric_row_on_values(row: Any) -> None:
    for a, b in zip(safe(row, A).flat, safe(row, B).flat, strict=True):
        point = [np.array(float(a)), np.array(float(b))][: len(row.local)]
        n = tuple(range(len(point)))

        def f(*xs: Any) -> Any:
            y = row(*xs)
            return y * y + y

        def floats(f: Any) -> Any:
            return lambda *xs: f(*(float(x) for x in xs))

        first = ag.grad(f, n)
        for i, g in enumerate(first(*map(float, point))):
            assert isinstance(g, float)
            assert g == pytest.approx(float(numeric_gradient(floats(f), point, i)), rel=1e-7, abs=1e-7)

        def slope(*xs: Any) -> Any:
            return sum((i + 1) * g for i, g in enumerate(first(*xs)))  # noqa: B023

        for i, g in enumerate(ag.grad(slope, n)(*map(float, point))):
            assert g == pytest.approx(float(numeric_gradient(floats(slope), point, i)), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", [name for name, row in p.TABLE.items() if row.scalar is None])
def test_array_row(name: str) -> None:
    for op, args in ARRAYS[name]:
        check(op, args)


def test_value_agrees_with_numpy() -> None:
    """Bit for bit for + - * /, to two ulps elsewhere, and inf and nan as NumPy gives them."""
    odd = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e308, -1e308, 5e-324, 710.0, -750.0, math.inf, -math.inf, math.nan]
    for row in NUMERIC:
        exact = row.name in {"add", "sub", "mul", "div", "neg", "abs", "sqrt", "square", "identity", "maximum", "minimum", "sign"}
        for a in odd:
            for b in odd if len(row.local) == 2 else [None]:
                args = [a] if b is None else [a, b]
                with np.errstate(all="ignore"):
                    want = float(row.array(*map(np.float64, args)))
                got = row(*map(Value, args)).data
                assert isinstance(got, float)
                same = got == want or (math.isnan(got) and math.isnan(want))
                assert same or (not exact and got == pytest.approx(want, rel=5e-16, abs=0)), (row.name, args, got, want)


def test_rules_at_the_edges_follow_ieee() -> None:
    x = Value(0.0)
    (1 / x).backward()
    assert x.grad == -math.inf
    for f, at, want in ((Value.sqrt, 0.0, math.inf), (Value.log, 0.0, math.inf), (Value.relu, 0.0, 0.0), (abs, 0.0, 0.0)):
        x = Value(at)
        f(x).backward()
        assert x.grad == want
    for exponent in (0, 1, 2, 0.0, 2.0):
        x = Value(0.0)
        (x**exponent).backward()
        assert x.grad == (1.0 if exponent == 1 else 0.0)
    t = Tensor([0.0, 1.0])
    (t**2).sum().backward()
    assert t.grad.tolist() == [0.0, 2.0]


def test_ties_share() -> None:
    x = Tensor([2.0, 2.0, 1.0])
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.0]
    a, b = Value(1.0), Value(1.0)
    a.maximum(b).backward()
    assert (a.grad, b.grad) == (0.5, 0.5)
