"""Value: operators, comparisons, arrays of Values, and micrograd's own test as behaviour."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor, Value

numbers = st.floats(-3, 3).filter(lambda x: abs(x) > 1e-3)


def test_operators_with_python_and_numpy_numbers_on_either_side() -> None:
    for other in (2, 2.0, True + 1, np.float64(2), np.float32(2), np.int64(2), np.array(2.0)):
        x = Value(3.0)
        for y, want in (
            (x + other, 5), (other + x, 5), (x - other, 1), (other - x, -1), (x * other, 6), (other * x, 6),
            (x / other, 1.5), (other / x, 2 / 3), (x**other, 9), (other**x, 8),
        ):  # fmt: skip
            assert isinstance(y, Value) and y.data == pytest.approx(want) and y.inputs == (x,)


def test_the_well_known_neuron() -> None:
    x1, x2, w1, w2, b = Value(2.0), Value(0.0), Value(-3.0), Value(1.0), Value(6.8813735870195432)
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.backward()
    assert o.data == pytest.approx(math.sqrt(0.5))
    assert [v.grad for v in (x1, w1, x2, w2)] == pytest.approx([-1.5, 1.0, 0.5, 0.0])


@given(numbers, numbers)
def test_random_expressions_agree_with_finite_differences(a: float, b: float) -> None:
    def f(x: Any, y: Any) -> Any:
        z = x * y + x / (y * y + 1) - y
        return (
            z * z + abs(x) ** 1.5 + (x * y).tanh() if isinstance(z, Value) else z * z + abs(x) ** 1.5 + math.tanh(x * y)
        )

    h = 1e-6
    gx, gy = ag.grad(f, (0, 1))(a, b)
    scale = 1 + abs(f(a, b))
    assert gx == pytest.approx((f(a + h, b) - f(a - h, b)) / (2 * h), rel=1e-5, abs=1e-6 * scale)
    assert gy == pytest.approx((f(a, b + h) - f(a, b - h)) / (2 * h), rel=1e-5, abs=1e-6 * scale)


def test_comparisons_compare_data_and_hashing_is_by_identity() -> None:
    a, b = Value(1.0), Value(1.0)
    assert a <= b and not a < b and a < 2 and a >= 1 and a == b and a == 1 and np.float64(1) == a and a != 2
    assert (a != b) is False and a != "1" and (a == None) is False  # noqa: E711
    assert Value(math.nan) != Value(math.nan)
    assert len({a, b}) == 2 and {a: "a", b: "b"}[b] == "b" and max(a, Value(3.0)).data == 3.0


def test_arrays_of_values() -> None:
    w = ag.values(np.arange(6.0).reshape(2, 3), label="w")
    assert w.dtype == object and w.shape == (2, 3) and w[1, 2].label == "w[1,2]"
    y = (np.exp(w) @ np.ones(3)).sum()
    y.backward()
    assert w[0, 1].grad == pytest.approx(math.e)
    g = ag.grad(lambda w: (np.tanh(w) * w).mean())(w)
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(g, (np.tanh(x) + x / np.cosh(x) ** 2) / 6)
    assert g.dtype == np.float64


@pytest.mark.parametrize("bad", ["1", None, [1.0], 1j, np.ones(2), {}])
def test_bad_data(bad: Any) -> None:
    with pytest.raises(TypeError, match="expected a real number"):
        Value(bad)
    with pytest.raises(TypeError, match="values: expected an array of real numbers"):
        ag.values([bad, "x"] if isinstance(bad, str | complex) else "abc")


@pytest.mark.parametrize("label", [3, 2.5, None, ("w", 1), b"w"])
@pytest.mark.parametrize("kind", [Value, Tensor])
def test_labels_that_are_no_text_are_refused_at_once(kind: type, label: Any) -> None:
    x = kind(1.0, "x")
    for f in (lambda: kind(1.0, label), lambda: setattr(x, "label", label), lambda: setattr(x * 2, "label", label)):
        with pytest.raises(TypeError, match="a label is a text, got"):
            f()
    assert x.label == "x" and kind(1.0).label == "" == (x * 2).label


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_attributes_known_from_elsewhere_say_what_to_use(kind: type) -> None:
    x = kind(1.0)
    for name, hint in (
        ("numpy", r"\.data is the NumPy array"), ("tolist", r"\.data\.tolist"), ("requires_grad", r"\.detach\(\)"),
        ("view", "reshape"), ("zeros", r"np\.zeros"), ("zero_", "do not change"), ("unsqueeze", r"np\.expand_dims"),
        ("softmax", r"np\.exp"), ("where", r"np\.where"),
    ):  # fmt: skip
        with pytest.raises(AttributeError, match=f"a {kind.__name__} has no attribute '{name}'; .*{hint}"):
            getattr(x, name)
        assert not hasattr(x, name) and name not in dir(x)
    assert "exp" in dir(x) and not hasattr(x, "nothing_of_the_kind")


def test_no_door_through_which_numpy_drops_the_graph() -> None:
    for name in ("__len__", "__getitem__", "__array__", "__float__"):
        assert not hasattr(Value, name)
    assert np.array([Value(1.0)]).dtype == object


def test_a_neural_net_in_the_style_of_micrograd_learns() -> None:
    """Layers as lists of Values, gradients by backward(), updates on .data: the code people bring along."""
    rng = np.random.default_rng(0)
    sizes = [2, 8, 1]
    layers = [
        ([[Value(rng.uniform(-1, 1)) for _ in range(a)] for _ in range(b)], [Value(0) for _ in range(b)])
        for a, b in pairwise(sizes)
    ]
    parameters = [p for w, b in layers for p in [*b, *(x for row in w for x in row)]]
    xs, ys = [(0, 0), (0, 1), (1, 0), (1, 1)], [-1, 1, 1, -1]

    def net(x: Any) -> Any:
        for k, (w, b) in enumerate(layers):
            x = [sum((wi * xi for wi, xi in zip(row, x, strict=True)), bi) for row, bi in zip(w, b, strict=True)]
            x = [v.tanh() for v in x] if k == 0 else x
        return x[0]

    losses = []
    for _ in range(120):
        total = sum((net(x) - y) ** 2 for x, y in zip(xs, ys, strict=True))
        for p in parameters:
            p.grad = 0
        total.backward()
        for p in parameters:
            p.data -= 0.05 * p.grad
        losses.append(total.data)
    assert losses[-1] < 0.05 < 1 < losses[0]


def test_micrograds_own_neural_net_runs_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    nn = pytest.importorskip("micrograd.nn", reason="micrograd is not installed: pip install '.[peers]'")

    def train() -> tuple[list[float], list[float]]:
        random.seed(1)
        model = nn.MLP(3, [4, 4, 1])
        losses = []
        for k in range(12):
            total = sum(
                (model(x) - y) ** 2
                for x, y in (([2.0, 3.0, -1.0], 1.0), ([3.0, -1.0, 0.5], -1.0), ([0.5, 1.0, 1.0], -1.0))
            )
            model.zero_grad()
            total.backward()
            for p in model.parameters():
                p.data -= (0.05 - 0.003 * k) * p.grad
            losses.append(total.data)
        return losses, [p.grad for p in model.parameters()]

    want = train()
    monkeypatch.setattr(nn, "Value", Value)
    got = train()
    assert got[0] == pytest.approx(want[0], rel=1e-12) and got[1] == pytest.approx(want[1], rel=1e-9, abs=1e-15)
    assert got[0][-1] < got[0][0]
