"""grad and its kin: structures, nesting, jacobians, Hessians, and their errors."""

from __future__ import annotations

import gc
import math
from collections import OrderedDict, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value

X = np.array([0.3, -1.2, 0.7])


def f(x: Any) -> Any:
    return np.sum(np.tanh(x) ** 3 * np.exp(x))


def test_third_derivatives() -> None:
    third = ag.grad(ag.grad(ag.grad(lambda x: x**4 + 1 / x)))
    assert third(2.0) == pytest.approx(24 * 2 - 6 / 16)
    assert ag.grad(third)(2.0) == pytest.approx(24 + 24 / 32)

    def third_of(x: Any) -> Any:
        return ag.grad(lambda x: np.sum(ag.grad(lambda x: np.sum(ag.grad(f)(x)))(x)))(x)

    def second(x: Any) -> Any:
        return ag.grad(lambda x: np.sum(ag.grad(f)(x)))(x)

    h = 1e-5
    want = (second(X + h) - second(X - h)) / (2 * h)  # the Hessian is diagonal
    np.testing.assert_allclose(third_of(X), want, rtol=1e-6)
    np.testing.assert_allclose(third_of(ag.values(X)), third_of(X), rtol=1e-12)


def test_structures() -> None:
    def loss(p: Any, scale: Any) -> Any:
        return (p["w"] * scale).sum() + p["b"][0] ** 2 + p["b"][1][0].sum()

    value, (gp, gs) = ag.value_and_grad(loss, (0, 1))({"w": X, "b": [2.0, (X,)]}, X)
    assert value == pytest.approx((X * X).sum() + 4 + X.sum())
    assert list(gp) == ["w", "b"] and isinstance(gp["b"], list) and isinstance(gp["b"][1], tuple)
    np.testing.assert_allclose(gp["w"], X)
    np.testing.assert_allclose(gs, X)
    assert gp["b"][0] == 4.0 and isinstance(gp["b"][0], float)
    assert ag.grad(lambda a, b: a * b, argnums=1)(2.0, 5.0) == 2.0
    assert ag.grad(lambda a, b: a * b, argnums=(1,))(2.0, 5.0) == (2.0,)
    assert type(ag.grad(lambda a: a * a)(3)) is float


def test_what_the_function_does_not_use_has_gradient_zero() -> None:
    g = ag.grad(lambda p: p["a"].sum())({"a": X, "b": np.ones((2, 2))})
    assert g["b"].tolist() == [[0, 0], [0, 0]]
    assert ag.grad(lambda x: 3.0)(2.0) == 0.0


def test_nested_gradients_do_not_mix() -> None:
    assert ag.grad(lambda x: x * ag.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert ag.grad(lambda x: x * ag.grad(lambda y: x * y * y)(3.0))(2.0) == pytest.approx(2 * 2 * 6)
    assert ag.grad(lambda x: ag.grad(lambda y: x)(1.0) + x)(1.0) == 1.0


def test_it_leaves_a_users_graph_alone() -> None:
    w = Value(2.0)
    (w * w).backward()
    assert ag.grad(lambda x: x * w)(3.0) == 2.0 and w.grad == 4.0


def test_grad_inside_no_grad_and_backward_inside_grad() -> None:
    with ag.no_grad():
        assert ag.grad(lambda x: x**3)(2.0) == 12.0

    def f(x: Any) -> Any:
        y = (x**3).sum() if isinstance(x, Tensor) else x**3
        y.backward()
        return (x * x.grad).sum() if isinstance(x, Tensor) else x * x.grad  # x.grad is a number by now

    assert ag.grad(f)(2.0) == 12.0 and ag.grad(f)(np.array([2.0])).tolist() == [12.0]


def test_second_derivatives_of_powers_and_what_is_unused() -> None:
    np.testing.assert_allclose(
        ag.hessian(lambda p: p[0] ** p[1])(np.array([2.0, 0.0])), [[0, 0.5], [0.5, np.log(2) ** 2]]
    )
    assert ag.grad(lambda b: ag.grad(lambda a: a**b)(2.0))(0.0) == 0.5
    assert ag.grad(lambda p: p["a"].sum())({"a": X, "b": np.array([np.inf, 1.0])})["b"].tolist() == [0, 0]
    assert ag.jacobian(lambda x: x[:0])(X).shape == (0, 3)


def test_jacobian_hessian_hvp() -> None:
    M = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(ag.jacobian(lambda x: M @ x)(X), M)
    np.testing.assert_allclose(ag.jacobian(lambda x: M @ x)(ag.values(X)), M)
    assert ag.jacobian(lambda x: np.einsum("i,j->ij", x, x))(X).shape == (3, 3, 3)
    J = ag.jacobian(lambda p: {"y": p["a"] * p["b"]})({"a": X, "b": 2.0})
    np.testing.assert_allclose(J["y"]["a"], 2 * np.eye(3))
    np.testing.assert_allclose(J["y"]["b"], X)

    def g(x: Any) -> Any:
        return np.exp(x[0] * x[1]) + np.sin(x[1] * x[2])

    H = ag.hessian(g)(X)
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(H, H.T)
    np.testing.assert_allclose(ag.hvp(g)(X, v), H @ v)
    np.testing.assert_allclose(ag.hvp(g, X, v), H @ v)
    assert ag.hvp(lambda p: 3 * p["a"] ** 2 + 5 * p["b"] ** 2, {"a": 1.0, "b": 2.0}, {"b": 1.0, "a": 0.0}) == {
        "a": 0.0,
        "b": 10.0,
    }
    h = 1e-5
    np.testing.assert_allclose(H @ v, (ag.grad(g)(X + h * v) - ag.grad(g)(X - h * v)) / (2 * h), rtol=1e-8)
    np.testing.assert_allclose(ag.hessian(g)(ag.values(X)), H)
    assert ag.hessian(lambda x: x**3)(2.0) == 12.0


def test_detach() -> None:
    assert ag.grad(lambda x: x * ag.detach(x))(3.0) == 3.0
    assert isinstance(ag.detach(Tensor(X) * 2), Tensor) and ag.detach(X) is X
    d = ag.detach(ag.values(X))
    assert d.dtype == object and d[0].inputs == ()


def test_the_collector_is_restored() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        ag.grad(lambda x: 1 / 0)(1.0)
    assert gc.isenabled() and ag.grad(lambda x: x * float(not gc.isenabled()))(1.0) == 1.0


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: ag.grad(lambda x: x * 2)(X),
            ValueError,
            r"must give one number, but gave a Tensor of shape \(3,\).*jacobian",
        ),
        (lambda: ag.grad(lambda x: "a")(X), (TypeError, ValueError), "one number"),
        (lambda: ag.grad(f)("abc"), TypeError, "grad: argument 0 holds 'abc'"),
        (lambda: ag.grad(f)(None), TypeError, "argument 0 holds None"),
        (lambda: ag.grad(f, 3)(X), TypeError, "argnums=3"),
        (lambda: ag.hvp(f)(X, np.ones(2)), ValueError, "hvp: the vector"),
        (
            lambda: ag.hvp(lambda p: p["a"], {"a": 1.0}, {"b": 1.0}),
            ValueError,
            r"a dict with the keys \['a'\], got \['b'\]",
        ),
        (lambda: ag.hvp(f, 2.0), TypeError, "then the vector"),
        (lambda: ag.grad(f, 1.0)(X), TypeError, "argnums=1.0"),
        (lambda: ag.jacobian(lambda x: None)(X), ValueError, "must give numbers and arrays, but gave None"),
    ],
)
def test_bad_input(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_log_sum_exp_at_large_numbers() -> None:
    x = np.array([1e4, 1e4 - 1, -1e4])
    g = ag.grad(lambda x: np.log(np.exp(x - ag.detach(x.max())).sum()))(x)
    assert g[0] == pytest.approx(1 / (1 + math.exp(-1))) and g[2] == 0.0


# ---- f may change what it is given ----


def test_f_may_change_the_containers_that_it_is_given() -> None:
    def update(d: Any) -> Any:
        return (d.update(a=d["a"] * 2), d["a"] * 3)[1]

    assert ag.grad(update)({"a": 1.0}) == {"a": 6.0}
    mask = np.array([1.0, 0.0])

    def masked(params: Any) -> Any:
        params["w"] = params["w"] * mask
        return (params["w"] * np.array([5.0, 7.0])).sum()

    np.testing.assert_array_equal(ag.grad(masked)({"w": np.array([2.0, 3.0])})["w"], [5.0, 0.0])

    def listed(x: Any) -> Any:
        x[0] = x[0] * x[0]
        x.append(1.0)
        return x[0] * x.pop(1)

    assert ag.grad(listed)([3.0, 4.0]) == [24.0, 9.0]

    def popped(d: Any) -> Any:
        d["new"] = 5.0
        return d.pop("a") * d["b"][0]

    assert ag.grad(popped)({"a": 2.0, "b": (3.0,)}) == {"a": 3.0, "b": (2.0,)}

    def filled(x: Any) -> Any:
        y = x[0] * 4
        x[:] = 0.0
        return y

    np.testing.assert_array_equal(ag.grad(filled)(np.array([1.0, 2.0], object)), [4.0, 0.0])
    np.testing.assert_array_equal(ag.grad(filled)(ag.values([1.0, 2.0])), [4.0, 0.0])
    assert ag.jacobian(update)({"a": 1.0}) == {"a": 6.0}
    assert ag.grad(lambda d: ag.grad(update)(d)["a"] * d["a"])({"a": 2.0}) == {"a": 6.0}
    assert ag.hvp(lambda d: update(d) ** 2, {"a": 1.0}, {"a": 1.0}) == {"a": 72.0}


def test_the_caller_s_containers_are_left_alone() -> None:
    given = {"a": 1.0, "b": [2.0]}
    ag.grad(lambda d: d["b"].pop() * d.pop("a"))(given)
    assert given == {"a": 1.0, "b": [2.0]}


# ---- a node in gives a node out ----


def test_a_node_in_gives_a_node_out_connected_to_its_graph() -> None:
    x = Value(0.7)
    slope = ag.grad(lambda v: v.sin())(x)
    assert isinstance(slope, Value) and slope.data == math.cos(0.7)
    slope.backward()
    assert x.grad == -math.sin(0.7)

    t = Tensor([1.0, 2.0])
    value, slopes = ag.value_and_grad(lambda v: (v**3).sum())(t)
    assert isinstance(value, Tensor) and isinstance(slopes, Tensor)
    (slopes.sum() + value).backward()
    np.testing.assert_array_equal(t.grad, 6 * t.data + 3 * t.data**2)

    params = {"w": Tensor([2.0]), "b": 3.0}
    grads = ag.grad(lambda d: (d["w"] * d["w"] * d["b"]).sum())(params)
    (grads["b"] * grads["w"]).sum().backward()
    np.testing.assert_array_equal(params["w"].grad, [3 * 2.0**2 * 2 * 3.0])

    jac = ag.jacobian(lambda v: v * v)(t)
    t.zero_grad()
    jac.sum().backward()
    np.testing.assert_array_equal(t.grad, [2.0, 2.0])


def test_a_gradient_that_does_not_depend_on_a_node_is_a_node_all_the_same() -> None:
    slope = ag.grad(lambda v: v * 3)(Value(0.7))
    assert isinstance(slope, Value) and slope.data == 3.0
    assert isinstance(ag.grad(lambda v: 1.0)(Value(0.7)), Value)
    assert isinstance(ag.grad(lambda v: v.sum())(Tensor([1.0])), Tensor)


@pytest.mark.parametrize("f", [lambda x: x > 0, lambda x: True, lambda x: np.isfinite(x.data)])
def test_a_comparison_has_no_gradient(f: Any) -> None:
    with pytest.raises(ValueError, match=r"grad: the function gave (np\.)?True(_)?"):
        ag.grad(f)(2.0)


def test_hvp_passes_keyword_arguments_on() -> None:
    def f(x: Any, *, k: float = 1.0) -> Any:
        return k * x**3

    assert ag.hvp(f, 2.0, 1.0, k=3.0) == 36.0
    assert ag.hvp(f, k=3.0)(2.0, 1.0) == 36.0
    assert ag.hvp(f)(2.0, 1.0, k=3.0) == 36.0


# ---- which arguments, which structures, which results ----


@pytest.mark.parametrize("kind", [ag.grad, ag.value_and_grad, ag.jacobian, ag.hessian])
@pytest.mark.parametrize("argnums", [(0, 0), (1, -1), [0, 1, -2]])
def test_a_position_given_twice_is_refused(kind: Any, argnums: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: argnums=.* names an argument twice"):
        kind(lambda a, b: a * b, argnums)(3.0, 4.0)


@pytest.mark.parametrize("argnums", [True, None, "0", {0, 1}, np.array([0, 1]), 0.0])
def test_a_position_is_an_int(argnums: Any) -> None:
    with pytest.raises(TypeError, match="neither a position, counted from 0, nor a tuple"):
        ag.grad(lambda a, b: a * b, argnums)(3.0, 4.0)


def test_positions_may_be_any_sequence_and_count_from_the_end() -> None:
    assert ag.grad(lambda a, b: a * b, range(2))(3.0, 4.0) == (4.0, 3.0)
    assert ag.grad(lambda a, b: a * b, [-1])(3.0, 4.0) == (3.0,)
    assert ag.grad(lambda a, b: a * b, np.int64(1))(3.0, 4.0) == 3.0
    assert ag.grad(lambda a, b: a * b, ())(3.0, 4.0) == ()


@pytest.mark.parametrize("kind", [ag.grad, ag.value_and_grad, ag.jacobian, ag.hessian, ag.hvp])
def test_what_is_no_function_is_refused_at_once_in_the_name_of_the_caller(kind: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{kind.__name__}: expected a function, got Value.*backward\(\)"):
        kind(Value(2.0))
    with pytest.raises(TypeError, match=rf"^{kind.__name__}: argument 0 holds 'a'"):
        kind(f)("a", 1.0)


def test_containers_keep_their_type() -> None:
    class Params(dict[str, Any]):
        def __getattr__(self, name: str) -> Any:
            return self[name]

    class Layers(list[Any]):
        def top(self) -> Any:
            return self[-1]

    given = Params(w=2.0, b=Layers([3.0, 4.0]))
    slopes = ag.grad(lambda p: p.w * p.b.top())(given)
    assert type(slopes) is Params and slopes.w == 4.0 and type(slopes.b) is Layers and slopes.b.top() == 2.0
    assert type(given.b) is Layers and given == {"w": 2.0, "b": [3.0, 4.0]}
    counted = defaultdict(lambda: 5.0, a=1.0)
    assert ag.grad(lambda d: d["a"] * d["unseen"])(counted) == {"a": 5.0} and "unseen" not in counted
    ordered = OrderedDict(a=1.0, b=2.0)
    assert list(ag.grad(lambda d: d.move_to_end("a") or d.popitem()[1] ** 2)(ordered).items()) == [
        ("a", 2.0),
        ("b", 0.0),
    ]


@pytest.mark.parametrize("one", [np.array([2.0]), np.array([[2.0]]), ag.values([2.0]), ag.values([[2.0]])])
def test_one_number_may_have_axes(one: Any) -> None:
    assert np.ravel(ag.grad(lambda x: x * x)(one)).tolist() == [4.0]


@pytest.mark.parametrize("x", [2.0, np.array([1.0, 2.0]), ag.values([1.0, 2.0])])
def test_a_comparison_has_no_jacobian(x: Any) -> None:
    for g in (lambda x: x > 0, lambda x: {"a": x, "b": [np.isfinite(x)]}, lambda x: np.array(True)):
        with pytest.raises(ValueError, match=r"jacobian: the function gave .*no derivative"):
            ag.jacobian(g)(x)
    with pytest.raises(ValueError, match="no gradient"):
        ag.grad(lambda x: np.array(True))(x)


def test_the_value_is_no_part_of_a_graph_that_lives_on() -> None:
    w = Tensor([2.0])
    value, _ = ag.value_and_grad(lambda x: w)(1.0)
    value[...] = 9.0
    assert w.data.tolist() == [2.0]


# ---- no_grad, threads ----


@pytest.mark.parametrize("x", [Value(3.0), Tensor(3.0), Tensor([3.0])])
def test_inside_no_grad_a_node_in_gives_a_leaf_out(x: Any) -> None:
    with ag.no_grad():
        value, slope = ag.value_and_grad(lambda v: v**3)(x)
        slopes = ag.jacobian(lambda v: [v, v**3])(x)
        curve = ag.grad(ag.grad(lambda v: v**3 if isinstance(v, Value) else (v**3).sum()))(x) if x.size == 1 else 0
    for node, number in ((value, 27.0), (slope, 27.0), (slopes[1], 27.0), (curve, 18.0)):
        assert type(node) is type(x) and node.op == "" and np.ravel(node.data).tolist() == [number]


def test_inside_no_grad_a_gradient_is_a_constant_to_the_one_around_it() -> None:
    def outer(z: Any) -> Any:
        with ag.no_grad():
            slope = ag.grad(lambda q: q * q * z)(2.0)
        return slope * z

    assert ag.grad(outer)(3.0) == 12.0


@pytest.mark.parametrize("x", [3.0, np.array(3.0), np.array([3.0])])
def test_a_gradient_in_another_thread_or_context_is_part_of_the_one_around_it(x: Any) -> None:
    def cube(y: Any) -> Any:
        return (y * y * y).sum()

    def elsewhere(z: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(ag.grad(cube), z).result().sum()

    assert np.ravel(ag.grad(elsewhere)(x)).tolist() == [18.0]
    assert np.ravel(ag.grad(lambda z: Context().run(ag.grad(cube), z).sum())(x)).tolist() == [18.0]
