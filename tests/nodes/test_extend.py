"""An operation of one's own goes where those of the table go, and its mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from tests.helpers import A, B, check

softsign = ag.primitive(
    lambda x: x / (1 + abs(x)), lambda g, out, x: g / (1 + abs(x)) ** 2, name="softsign", local="1 / (1 + |a|)²"
)
times = ag.primitive(
    lambda a, b: a * b, lambda g, out, a, b: g * b, lambda g, out, a, b: g * a, name="times", local=("b", "a")
)


def _softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


softmax = ag.primitive(
    _softmax, lambda g, out, x, axis: out * (g - (g * out).sum(axis, keepdims=True)), None, name="softmax_of_mine"
)


def test_numbers_arrays_values_and_tensors_go_through() -> None:
    assert softsign(1.0) == softsign(1) == 0.5 and softsign(Value(1.0)).data == 0.5
    np.testing.assert_array_equal(softsign(A), softsign(Tensor(A)).data)
    of_values = softsign(ag.values(A))
    assert [v.op for v in of_values.flat] == ["softsign"] * 6
    np.testing.assert_array_equal([v.data for v in of_values.flat], softsign(A).ravel())
    assert [v.data for v in times(Value(2.0), ag.values([1.0, 2.0]))] == [2.0, 4.0]
    assert softsign(Tensor(A.astype(np.float32))).dtype == np.float32


def test_first_and_second_order_and_broadcasting() -> None:
    check(softsign, [A])
    check(times, [A, B[0]])
    check(lambda x: softmax(x, 0), [A])
    assert ag.gradcheck(softsign, 0.4, order=2) and ag.gradcheck(softsign, ag.values(A), order=2)
    assert ag.gradcheck(lambda x: (softmax(x) * B).sum(), A, order=2)
    assert ag.grad(ag.grad(times, 0), 1)(2.0, 3.0) == 1.0


def test_arguments_by_name_and_by_default() -> None:
    np.testing.assert_allclose(softmax(Tensor(A), axis=0).data.sum(0), 1.0)
    np.testing.assert_allclose(softmax(Tensor(A)).data.sum(-1), 1.0)


def test_a_wrong_rule_is_found_and_named() -> None:
    wrong = ag.primitive(lambda x: x * x, lambda g, out, x: g * x, name="half_of_square")
    report = ag.gradcheck(lambda x: wrong(x).sum(), A, localize=True)
    assert report.verdict == "wrong" and report.guilty[0].startswith("half_of_square (argument 0")


def test_it_is_stepped_through_and_drawn() -> None:
    x = Value(0.5, label="x")
    y = softsign(x) * 3
    stepper = ag.Stepper(y)
    step = stepper.next(2)
    assert step is not None and [c.symbol for c in step.contributions] == ["1 / (1 + |a|)²"]
    stepper.end()
    y.backward()
    assert stepper.grad(x) == x.grad == pytest.approx(3 / 1.5**2)
    assert "softsign" in ag.draw_dot(y).source


def test_a_ufunc_is_a_forward() -> None:
    square = ag.primitive(np.square, lambda g, out, x: 2 * g * x, name="squared")
    np.testing.assert_array_equal(ag.hessian(lambda x: square(x).sum())(np.ones(2)), 2 * np.eye(2))


def test_neither_forward_nor_rules_write_into_the_graph() -> None:
    def forward(x: Any) -> Any:
        x *= 2
        return x

    def rule(g: Any, out: Any, x: Any) -> Any:
        g *= 2
        return g

    with pytest.raises(ValueError, match="read-only"):
        ag.primitive(forward, lambda g, out, x: 2 * g, name="in_place")(Tensor(A))
    with pytest.raises(ValueError, match="read-only"):
        ag.grad(lambda x: ag.primitive(lambda x: 2 * x, rule, name="in_place")(x).sum())(A)


def test_traced_by_jax() -> None:
    jax = pytest.importorskip("jax")
    got = jax.jit(ag.grad(lambda x: softsign(x).sum()))(jax.numpy.asarray(A))
    np.testing.assert_allclose(got, ag.grad(lambda x: softsign(x).sum())(A), rtol=1e-6)


def rule(g: Any, out: Any, x: Any) -> Any:
    return g


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: ag.primitive(lambda x, y: x, rule, name="f"), TypeError, "f: got 1 rule for .* forward"),
        (lambda: ag.primitive(lambda x: x, rule, rule, name="f"), TypeError, "f: got 2 rules"),
        (lambda: ag.primitive(lambda x, *, k: x, rule, name="f"), TypeError, "f: got 1 rule"),
        (lambda: ag.primitive(lambda x: x, name="f"), TypeError, "at least one argument"),
        (lambda: ag.primitive(lambda x: x, None, name="f"), TypeError, "at least one argument"),
        (lambda: ag.primitive(3, rule, name="f"), TypeError, "forward and rules are functions"),
        (lambda: ag.primitive(lambda x: x, 3, name="f"), TypeError, "forward and rules are functions"),
        (lambda: ag.primitive(lambda x: x, rule, name="exp"), ValueError, "'exp' is taken"),
        (lambda: ag.primitive(lambda x: x, rule, name=""), TypeError, "name must be a text"),
        (lambda: ag.primitive(lambda x: x, rule, name="f", local=("1", "2")), TypeError, "2 texts for 1 rule"),
    ],
)
def test_what_is_no_operation_is_refused(make: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(
    ("forward", "back", "x", "match"),
    [
        (lambda x: None, rule, Value(2.0), "forward must give a number for numbers, gave None"),
        (lambda x: "2", rule, Value(2.0), "forward must give a number"),
        (lambda x: [2.0, 3.0], rule, Tensor(A), "forward must give an array of floats, gave"),
        (lambda x: x, lambda g, out, x: None, Value(2.0), "rule for argument 0 must give a gradient"),
        (lambda x: x, lambda g, out, x: None, Tensor([2.0]), "rule for argument 0 must give a gradient"),
        (lambda x: x.sum(), rule, Tensor(A), r"gave shape \(\) for an argument of shape \(2, 3\)"),
        (lambda x: x.sum(), lambda g, out, x: x[0] * g, Tensor(A), r"gave shape \(3,\) for an argument of shape"),
    ],
)
def test_what_gives_the_wrong_thing_is_told(forward: Any, back: Any, x: Any, match: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"f: .*{match}"):
        ag.primitive(forward, back, name="f")(x).backward()


def test_wrong_calls_are_told() -> None:
    with pytest.raises(TypeError, match=r"softsign.*too many"):
        softsign(1.0, 2.0)
    with pytest.raises(TypeError, match=r"softsign.*unexpected keyword"):
        softsign(Tensor(A), axis=1)
    with pytest.raises(TypeError, match="softmax_of_mine: Values go through operations of one or two numbers"):
        softmax(ag.values(A))


def test_a_gradient_is_no_array_that_a_rule_keeps() -> None:
    kept = np.array([3.0, 3.0])
    f = ag.primitive(lambda x: x * 3.0, lambda g, out, x: kept, name="kept")
    g = ag.grad(lambda x: f(x).sum())(np.ones(2))
    assert g is not kept
    g[:] = 0.0
    np.testing.assert_array_equal(kept, 3.0)
