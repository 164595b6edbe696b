"""The graph itself: order, depth, memory, accumulation, and micrograd's habits."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.engine.graph import tape


def test_a_million_nodes_in_a_chain() -> None:
    x = y = Value(1.0)
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward()
    assert x.grad == 1.0 and y.data == pytest.approx(2.0)
    del y  # must not overflow the stack on release


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_deep_and_shared(kind: type) -> None:
    x = y = kind(1.0)
    for _ in range(100_000):
        y = (y + y) * 0.5  # 2^100000 paths
    y.backward()
    assert x.grad == 1.0


def test_memory_of_a_value_node() -> None:
    n = 20_000
    gc.collect()
    tracemalloc.start()
    y = Value(1.0)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(n):
        y = y * 1.0001
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / n <= 400


def test_order_is_that_of_ids_and_covers_both_edges() -> None:
    a = Value(2.0)
    b = a * a
    c = b + a
    assert tape(c) == [b, c]
    assert b.inputs == (a, a) and c.inputs == (b, a)
    c.backward()
    assert a.grad == 5.0


def test_leaves_accumulate_and_intermediates_start_afresh() -> None:
    for a in (Value(3.0), Tensor(3.0)):
        b = a * a
        c = b * 2
        c.backward()
        c.backward()
        assert (a.grad, b.grad) == (24.0, 2.0)
        a.zero_grad()
        assert a.grad == 0.0


def test_a_gradient_reaches_both_arguments_without_sharing_memory() -> None:
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    (a + b).sum().backward()
    a.grad[0] = 100.0
    assert b.grad.tolist() == [1.0, 1.0]
    ga, gb = ag.grad(lambda a, b: (a + b).sum(), (0, 1))(np.ones(2), np.ones(2))
    ga[0] = 100.0
    assert gb.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_data_changed_after_the_forward_pass(kind: type) -> None:
    x = kind(3.0)
    y = x * x
    x.data = 10.0
    y.backward()
    assert x.grad == 6.0
    x.zero_grad()
    z = x * x
    x.data -= 1.0
    z.backward()
    assert x.grad == 20.0


def test_arrays_changed_in_place_are_harmless() -> None:
    outside = np.array([1.0, 2.0])
    x = Tensor(outside)
    x.data[0] = 5.0  # lent
    factor = np.array([3.0, 4.0])
    picks = np.array([0, 1])
    y = (x * factor * x)[picks].sum()
    x.data[:] = 0.0
    factor[:] = 0.0
    picks[:] = 0
    outside[:] = 0.0
    y.backward()
    assert x.grad.tolist() == [2 * 3 * 5.0, 2 * 4 * 2.0]
    with pytest.raises(ValueError, match="read-only"):
        (x * 2).data[0] = 1.0


def test_results_and_constants_share_no_memory_that_can_change() -> None:
    x = Tensor([1.0, 2.0, 3.0])
    lent = x.data
    with ag.no_grad():
        y, turned = x[:2], x.reshape(3, 1)
    z = (y * y).sum()
    lent[0] = 100.0
    z.backward()
    assert y.grad.tolist() == [2.0, 4.0] and turned.data.ravel().tolist() == [1.0, 2.0, 3.0]
    c = np.array([1.0, 2.0, 3.0])
    view = c[:]
    c.flags.writeable = False
    w = Tensor([1.0, 1.0, 1.0])
    z = (w * c).sum()
    view[:] = 100.0
    z.backward()
    assert w.grad.tolist() == [1.0, 2.0, 3.0]


def test_data_of_a_result_cannot_be_assigned() -> None:
    for x in (Value(1.0), Tensor(1.0)):
        with pytest.raises(AttributeError, match="assign the data of a leaf"):
            (x * 2).data = 3.0


def test_changed_data_refuses_a_second_derivative() -> None:
    x = Value(2.0)
    with pytest.raises(RuntimeError, match="assigned after"):

        def f(v: Value) -> Value:
            y = x * x * v
            x.data = 5.0
            return y

        ag.grad(ag.grad(f))(1.0)


def test_no_grad() -> None:
    x = Value(2.0)
    with ag.no_grad():
        y = x * x
        assert (np.exp(Tensor([1.0])) * 2).inputs == ()
    assert y.inputs == () and y.data == 4.0 and (x * x).inputs == (x, x)

    @ag.no_grad()
    def f() -> Value:
        return x * 3

    assert f().op == ""


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_value_may_stand_among_tensors(dtype: type) -> None:
    t = Tensor(np.array([1.0, 2.0], dtype))
    for f in (
        lambda v: (v * t).sum(),
        lambda v: (t * v).sum(),
        lambda v: (t - v * v).maximum(v).sum(),
        lambda v: np.where(t.data > 1, v, t).sum(),
    ):
        v = Value(3.0)
        y = f(v)
        assert isinstance(y, Tensor) and y.dtype == dtype
        y.backward()
        h = 1e-3
        assert isinstance(v.grad, float)
        assert v.grad == pytest.approx(
            (f(Value(3.0 + h)).item() - f(Value(3.0 - h)).item()) / (2 * h), rel=1e-2, abs=1e-3
        )


def test_numbers_outside_and_arrays_inside_nest() -> None:
    assert ag.grad(lambda s: ag.grad(lambda x: (s * x**2).sum())(np.ones(2)).sum())(3.0) == 4.0
    second = ag.grad(
        ag.grad(lambda s: (np.array([1.0, 2.0]) * ag.grad(lambda x: (s**3 * x**2).sum())(np.ones(2))).sum())
    )
    assert second(2.0) == pytest.approx(2 * 3 * 6 * 2.0)
    assert ag.grad(lambda x: (x * ag.grad(lambda y: y**3)(2.0)).sum())(np.ones(2)).tolist() == [12.0, 12.0]
    assert ag.grad(lambda lr: ((np.ones(2) - lr * ag.grad(lambda w: (w * w).sum())(np.ones(2))) ** 2).sum())(
        0.1
    ) == pytest.approx(-6.4)


def test_micrograd_names() -> None:
    a, b = Value(2.0, label="a"), Value(3.0)
    assert (a * b)._op == "*" and (a * b)._prev == {a, b}
    assert (
        (a**2)._op == "**2" and a.relu()._op == "ReLU" and (a + b)._op == "+" and a._op == "" and a.tanh()._op == "tanh"
    )
    assert repr(a) == "Value(data=2.0, grad=0.0, label='a')" and repr(b) == "Value(data=3.0, grad=0.0)"
