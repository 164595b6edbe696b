"""Every row of the table against finite differences: Value and Tensor, first and second order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from tests.helpers import ARRAYS, NUMERIC, A, B, check, numeric_gradient, safe


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_numeric_row_on_tensors(row: Any) -> None:
    args = safe(row, A, B)
    check(row, args)
    if len(args) == 2:
        check(row, safe(row, A, B[0]))
        check(row, safe(row, A[:, :1], B))


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_numeric_row_on_values(row: Any) -> None:
    for numbers in zip(*(x.flat for x in safe(row, A, B)), strict=True):
        point = [np.array(float(x)) for x in numbers]
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


@pytest.mark.parametrize("name", list(ARRAYS))
def test_array_row(name: str) -> None:
    for op, args in ARRAYS[name]:
        check(op, args)


def test_value_agrees_with_numpy() -> None:
    """Bit for bit for + - * /, to two ulps elsewhere, and inf and nan as NumPy gives them."""
    odd = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e308, -1e308, 5e-324, 710.0, -750.0, math.inf, -math.inf, math.nan]
    for row in NUMERIC:
        exact = row.name in {
            "add",
            "sub",
            "mul",
            "div",
            "neg",
            "abs",
            "sqrt",
            "square",
            "identity",
            "maximum",
            "minimum",
            "sign",
        }
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
    for f, at, want in (
        (Value.sqrt, 0.0, math.inf),
        (Value.log, 0.0, math.inf),
        (Value.relu, 0.0, 0.0),
        (abs, 0.0, 0.0),
    ):
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
