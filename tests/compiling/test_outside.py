"""What a compiled function reads besides its arguments is watched: it is recorded anew where that has changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag

X = np.arange(3.0)
FACTOR = 2.0
WEIGHTS = np.full(3, 2.0)
MASK = np.array([True, False, True])
PLACES = np.array([0, 1])


class Holder:
    def __init__(self) -> None:
        self.w = 2.0
        self.inner = {"b": [1.0, np.ones(3)]}


HOLDER = Holder()


def helper(x: Any) -> Any:
    return x * FACTOR


def through_a_helper(x: Any) -> Any:
    return helper(x).sum()


def by_attribute(x: Any) -> Any:
    return (x * x * HOLDER.w).sum() + (x * HOLDER.inner["b"][1]).sum() * HOLDER.inner["b"][0]


def by_a_constant_expression(x: Any) -> Any:
    return (x * np.exp(WEIGHTS)).sum()


def by_an_array(x: Any) -> Any:
    return (x * x * WEIGHTS).sum()


def by_a_mask(x: Any) -> Any:
    return (np.where(MASK, x, 0.0) * 3).sum() + x[PLACES].sum()


FUNCTIONS = [through_a_helper, by_attribute, by_a_constant_expression, by_an_array, by_a_mask]


@pytest.mark.parametrize("transform", [lambda f: f, ag.grad, ag.value_and_grad], ids=["plain", "grad", "both"])
@pytest.mark.parametrize("f", FUNCTIONS)
def test_what_changes_outside_is_noticed(f: Any, transform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, plain = ag.compile(transform(f)), transform(f)

    def agree() -> None:
        a, b = compiled(X), plain(X)
        for got, expected in zip(a if isinstance(a, tuple) else (a,), b if isinstance(b, tuple) else (b,)):
            np.testing.assert_allclose(got, expected, rtol=1e-14)

    agree()
    agree()
    assert compiled.recordings == 1
    monkeypatch.setitem(globals(), "FACTOR", 7.0)
    agree()
    monkeypatch.setattr(HOLDER, "w", 5.0)
    agree()
    monkeypatch.setitem(HOLDER.inner, "b", [3.0, np.full(3, 4.0)])
    agree()
    HOLDER.inner["b"][0] = 9.0
    agree()
    HOLDER.inner["b"][1][:] = 0.5  # type: ignore[index]
    agree()
    before = WEIGHTS.copy(), MASK.copy(), PLACES.copy()
    try:
        WEIGHTS[:], MASK[:], PLACES[:] = 0.25, False, 2
        agree()
    finally:
        WEIGHTS[:], MASK[:], PLACES[:] = before
    agree()
    monkeypatch.setitem(globals(), "WEIGHTS", np.full(3, 9.0))
    agree()


def test_a_closure_is_noticed_and_what_f_itself_counts_is_not() -> None:
    k, calls = 2.0, [0]

    def f(x: Any) -> Any:
        calls[0] += 1
        return x * k

    compiled = ag.compile(f)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), X * 2.0)
    assert calls == [1]
    k = 5.0
    np.testing.assert_array_equal(compiled(X), X * 5.0)
    assert calls == [2]
