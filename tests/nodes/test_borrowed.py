"""A function of JAX as one node."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from tests.helpers import A, B

P = {"w": B.T.copy(), "b": A[0]}


def ours(x: Any, p: Any, k: float = 2.0) -> Any:
    return np.tanh(x @ p["w"]) * k + p["b"].sum()


def test_without_jax_there_is_a_word(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r"stepgrad\[jax\]"):
        ag.jax_node(lambda x: x)


def test_only_a_function_becomes_a_node() -> None:
    with pytest.raises(TypeError, match="expected a function of JAX"):
        ag.jax_node(Tensor(A))


@pytest.fixture
def theirs() -> Any:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")

    @ag.jax_node
    def tanh_layer(x: Any, p: Any, k: float = 2.0) -> Any:
        tanh_layer.calls += 1
        return jax.numpy.tanh(x @ p["w"]) * k + p["b"].sum()

    tanh_layer.calls = 0
    return tanh_layer


def same(a: Any, b: Any, tolerance: float = 1e-13) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for k in a:
            same(a[k], b[k], tolerance)
    elif isinstance(a, (tuple, list)):
        for x, y in zip(a, b, strict=True):
            same(x, y, tolerance)
    else:
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def slopes(f: Any) -> Any:
    return ag.value_and_grad(lambda x, p: (f(x, p, k=3.0) ** 2).sum(), (0, 1))


def test_numpy_in_numpy_out_in_the_same_precision(theirs: Any) -> None:
    got = theirs(A, P)
    assert type(got) is np.ndarray and got.dtype == np.float64
    same(got, ours(A, P))
    same(slopes(theirs)(A, P), slopes(ours)(A, P))
    narrow = {k: np.float32(p) for k, p in P.items()}
    _, (gx, gp) = slopes(theirs)(np.float32(A), narrow)
    assert type(gx) is np.ndarray and gx.dtype == gp["w"].dtype == np.float32


def test_one_call_of_the_function_serves_value_and_all_gradients(theirs: Any) -> None:
    theirs.calls = 0
    slopes(theirs)(A, P)
    assert theirs.calls == 1


def test_under_jit_and_on_arrays_of_jax(theirs: Any) -> None:
    jax = pytest.importorskip("jax")
    x, p = np.float32(A), {k: np.float32(q) for k, q in P.items()}
    for under in (lambda f: f, jax.jit):
        got = under(lambda x, p: slopes(theirs)(x, p))(jax.numpy.asarray(x), jax.tree.map(jax.numpy.asarray, p))
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(got))
        same(got, slopes(ours)(x, p), 2e-5)


def test_derivatives_of_higher_order(theirs: Any) -> None:
    for f in (theirs, ours):
        second = ag.hessian(lambda x, f=f: (f(x, P) ** 2).sum())(A)
        third = ag.grad(lambda x, f=f: (ag.hvp(lambda y: (f(y, P) ** 3).sum())(x, A) ** 2).sum())(A)
        if f is theirs:
            found = second, third
    same(found, (second, third), 1e-10)
    assert ag.gradcheck(lambda x, p: theirs(x, p).sum(), A, P, order=2)


def test_it_stands_in_a_graph_like_any_operation(theirs: Any) -> None:
    x = Tensor(A, "x")
    y = theirs(x * 2.0, P)
    assert y.op == "tanh_layer" and len(y.inputs) == 1
    root = (y * y).sum()
    root.backward()
    want = ag.grad(lambda x: (ours(x * 2.0, P) ** 2).sum())(A)
    same(x.grad, want)
    stepper = ag.Stepper(root)
    stepper.run()
    same(stepper.grad(x), want)
    assert "tanh_layer" in ag.draw_dot(root).source
    values = ag.values(A)
    (theirs(values, P) ** 2).sum().backward()
    assert values[0, 0].grad == pytest.approx(ag.grad(lambda x: (ours(x, P) ** 2).sum())(A)[0, 0])
    with ag.no_grad():
        assert theirs(x, P).op == ""


def test_data_that_changes_afterwards_changes_no_gradient(theirs: Any) -> None:
    x = Tensor(A.copy())
    y = theirs(x, P).sum()
    x.data[...] = 0.0
    y.backward()
    same(x.grad, ag.grad(lambda x: ours(x, P).sum())(A))


def test_what_cannot_be_done_is_said(theirs: Any) -> None:
    with pytest.raises(TypeError, match="one array of floats here, gave"):
        ag.jax_node(lambda x: (x, x))(Tensor(A))
    with pytest.raises(TypeError, match="one array of floats here"):
        ag.jax_node(lambda x: x > 0)(Tensor(A))
    with pytest.raises(TypeError, match=r"compile the whole by jax\.jit"):
        ag.compile(lambda x: theirs(x, P))(A)


def test_ints_and_constants_have_no_gradient(theirs: Any) -> None:
    pick = ag.jax_node(lambda x, i, scale: x[i] * scale)
    index = np.array([0, 0, 1])
    same(ag.grad(lambda x: pick(x, index, 2.0).sum())(A), [[4.0] * 3, [2.0] * 3])
