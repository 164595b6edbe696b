"""Arrays of Values: NumPy's in all, and the same numbers as Tensors, with the same gradients."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.nodes.value_array import Values

X = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 0.7]])
N = np.array([[0.3, math.nan, 0.7], [-1.9, -0.4, math.inf]])


def same(a: Any, b: Any) -> None:
    for x, y in zip(*(v if isinstance(v, tuple | list) else [v] for v in (a, b)), strict=True):
        np.testing.assert_allclose(np.asarray(plain(x), float), np.asarray(plain(y), float), rtol=1e-14, atol=1e-15)


def plain(x: Any) -> Any:
    return x.data if isinstance(x, Value | Tensor | Values) else x


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "isfinite": np.isfinite,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "signbit": np.signbit,
    "isclose": lambda x: np.isclose(x, 0.3),
    "allclose": lambda x: np.allclose(x, x, equal_nan=True),
    "equal": lambda x: np.equal(x, 0.7),
    "==": lambda x: x == 0.7,
    "!=": lambda x: x != x,
    "array_equal": lambda x: np.array_equal(x, x, equal_nan=True),
    "isin": lambda x: np.isin(x, [0.3, 5.0]),
    ">": lambda x: x > 0.0,
    "logical_and": lambda x: np.logical_and(x > 0, x),
    "argmax": lambda x: np.argmax(x, axis=1),
    ".argmin()": lambda x: x.argmin(),
    "argsort": lambda x: x.argsort(axis=0),
    "searchsorted": lambda x: np.searchsorted(np.sort(x.ravel()[:1]), [0.0, 0.5]),
    "nonzero": lambda x: np.nonzero(x > 0)[0],
    "any": lambda x: (x > 1).any(),
    "zeros_like": np.zeros_like,
    "shape": lambda x: np.shape(x),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_questions_about_the_data_give_plain_answers(name: str) -> None:
    f = ANSWERS[name]
    for data in (X, N):
        want = f(data)
        for x in (ag.values(data), Tensor(data)):
            got = f(x)
            assert type(got) is type(want) and np.asarray(got).dtype == np.asarray(want).dtype
            np.testing.assert_array_equal(got, want)


def test_what_numpy_gives_for_objects_is_an_array_of_values_again() -> None:
    w = ag.values(X, label="w")
    assert type(w) is Values and isinstance(w, np.ndarray) and w.dtype == object and w[1, 0].label == "w[1,0]"
    for y in (
        *(w[0], w[:, ::2], w.T, w.reshape(3, 2), w.ravel(), w + 1, 2 - w, X * w, w @ X.T, X.T @ w, np.exp(w)),
        *(np.where(X > 0, w, 0.0), np.concatenate([w, X]), np.stack([w, w]), w.sum(axis=0), w.max(axis=1), -w, abs(w)),
        *(np.tan(w), np.floor(w), w[X > 0], w.astype(float), np.broadcast_to(w, (4, 2, 3)), np.array_split(w, 2)[0]),
        *(np.array([w[0, 0], w[0, 1]]) * w[0, :2], Value(2.0) * X, X - Value(2.0), np.multiply(Value(2.0), X)),
    ):
        assert type(y) is Values and all(isinstance(v, Value | float) for v in y.flat)
    for y in (w.sum(), np.mean(w), w[0, 0], w.max(), w[0] @ w[1], np.linalg.norm(w), np.exp(w[0, 0]), w.reshape(-1)[2]):
        assert type(y) is Value
    assert type(pickle.loads(pickle.dumps(w))) is Values


SAME: dict[str, Callable[[Any], Any]] = {
    "tan": np.tan,
    "fabs": np.fabs,
    "logaddexp": lambda x: np.logaddexp(x, 0.7),
    "float_power": lambda x: np.float_power(np.abs(x), 1.5),
    "floor": np.floor,
    "nansum": np.nansum,
    "nanmean": lambda x: np.nanmean(x, axis=1),
    "nan_to_num": lambda x: np.nan_to_num(x, posinf=3.0),
    "max": np.max,
    "max of rows": lambda x: x.max(axis=1),
    "min": lambda x: np.min(x, axis=0, keepdims=True),
    "clip": lambda x: np.clip(x, -0.5, 1.0),
    ".clip()": lambda x: x.clip(max=0.5),
    "maximum": lambda x: np.maximum(x, 0.7),
    "minimum": lambda x: np.minimum(0.3, x),
    "fmax": lambda x: np.fmax(x, -5.0),
    "var": lambda x: np.var(x, axis=1),
    ".std(ddof=1)": lambda x: x.std(ddof=1),
    "sort": lambda x: np.sort(x, axis=1),
    "divide by 0": lambda x: x / np.zeros(3),
    "power": lambda x: x ** np.array([0.0, -1.0, 2.0]),
    "exp overflows": lambda x: np.exp(x * 1e4),
    "constants among them": lambda x: np.exp(np.where(X > 0, x, 2.0)),
    "x // y": lambda x: x // 0.25,
    "x % y": lambda x: 1.1 % x,
    "divmod": lambda x: divmod(x, 0.25),
    "round": lambda x: np.round(x, 1),
    "remainder": lambda x: np.remainder(x, 0.25),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, axis=1),
    "maximum.accumulate": lambda x: np.maximum.accumulate(x, axis=1),
    "multiply.outer": lambda x: np.multiply.outer(x[0], x),
    "add.reduce": np.add.reduce,
    "float32": lambda x: x.astype(np.float32).astype(np.float64) * 3.0,
    "empty": lambda x: x[:0].sum() + x.sum() + x[:, :0].prod(axis=1),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_and_tensors_give_the_same_numbers(name: str) -> None:
    f = SAME[name]
    for data in (X, N):
        t, v = Tensor(data), ag.values(data)
        a, b = f(t), f(v)
        same(a, f(data))
        same(b, a)
        for x in a if isinstance(a, tuple) else (a,):
            weights = np.cos(np.arange(x.size)).reshape(x.shape)
            (np.sum(x * weights)).backward()
        for x in b if isinstance(b, tuple) else (b,):
            weights = np.cos(np.arange(np.size(x))).reshape(np.shape(x))
            (np.sum(x * weights)).backward()
        rounded = name == "float32"  # and so are a Tensor's gradients
        np.testing.assert_allclose(v.grad, t.grad, rtol=1e-6 if rounded else 1e-13, atol=1e-15)


def test_ties_share_as_those_of_tensors_do() -> None:
    assert ag.grad(lambda x: np.maximum(x, 0.0).sum())(ag.values([0.0])).tolist() == [0.5]
    for n in (2, 3, 5, 7):
        for at in (0.1, -math.inf, math.inf, 1e308, math.nan):
            for name in ("max", "min"):
                v = ag.values(np.full(n, at))
                y = getattr(v, name)()
                y.backward()
                assert y.data == at or math.isnan(at)
                np.testing.assert_allclose(v.grad, 1 / n, rtol=1e-15)


def test_an_array_of_values_has_data_and_gradients() -> None:
    w = ag.values(X)
    for _ in range(3):
        w.zero_grad()
        (w * w).sum().backward()
        w.data -= 0.25 * w.grad
    np.testing.assert_allclose(w.data, X / 8)
    w.grad = 1.0
    assert w.grad.tolist() == np.ones((2, 3)).tolist()
    with pytest.raises(ValueError, match="data: expected the shape"):
        w.data = np.ones(4)
    with pytest.raises(AttributeError, match="data of a mul result"):
        (w * 2).data = X


def test_in_place_operators_put_new_nodes_into_the_array() -> None:
    w = ag.values(X)
    y = w * 1.0
    y += w
    y[0] = y[0] * w[1, 0]
    y[1, 1] = 0.0
    y.sum().backward()
    np.testing.assert_allclose(w.grad, [[3.8, 3.8, 3.8], [2 + 2 * X[0].sum(), 0, 2]])
    with pytest.raises(TypeError, match="array of dtype float64 cannot; write a = a \\+ v"):
        a = np.ones(3)
        a += w[0]
    y = np.exp(w, out=np.empty((2, 3), object))
    assert y[0, 0].data == math.exp(0.3)


LIKE_A_NUMBER = """
np.tan(x)
np.sum(x)
x.sum() * x.mean()
x.reshape((1,))[0]
x.astype(float).max()
np.clip(x, 0, 1)
x.clip(0, 1)
np.where(x > 0, x, 0.1 * x)
x.ravel()[0]
x * np.where(x > 0, x, 0.1 * x)
np.where(x > 0, x, 0.1 * x) * x
np.float32(2) * x
np.stack([x, 2 * x]).sum()
np.array(2.0) * x
x - np.array(2)
x % 0.3
np.linspace(x, 1.0, 3)[1]
np.full_like(np.ones(3), 2.0)[0] * x
np.dot(x, x)
math.floor(x) + x
np.array([x, x], dtype=object).sum()
np.var(np.stack([x, x * x]))
"""


def test_a_value_is_an_array_without_axes() -> None:
    x = Value(0.5)
    assert (x.shape, x.ndim, x.size, x.dtype, x.T) == ((), 0, 1, object, x)
    for call in LIKE_A_NUMBER.strip().splitlines():
        f = eval(f"lambda x: {call}")
        y = f(x)
        assert type(y) is Value and y.data == pytest.approx(float(f(np.float64(0.5))))
        slope = ag.grad(f)(0.5)
        assert slope == pytest.approx(
            (f(np.float64(0.5 + 1e-6)) - f(np.float64(0.5 - 1e-6))) / 2e-6, rel=1e-6, abs=1e-9
        )
    assert np.isfinite(x) and not np.isnan(x) and np.isclose(x, 0.5) and np.equal(x, 0.5) and np.float64(0.5) == x
    assert (x == np.array([0.5, 1.0])).tolist() == [True, False] == (np.array([0.5, 1.0]) == x).tolist()
    assert round(x, 0).data == 0.0 and round(Tensor([0.26]), 1).data == 0.3
    assert ag.grad(lambda x: x.sum() ** 2 / x.size)(np.float64(3.0)) == 6.0


def test_plain_arrays_and_lists_of_values_work_where_numpy_allows_it() -> None:
    v = [Value(x) for x in (1.0, 2.0, 4.0)]
    a = np.array(v)
    assert type(a) is np.ndarray
    for y in (np.exp(a).sum(), a @ np.ones(3), np.mean(v), (a * ag.values(np.ones(3))).max(), np.stack(v).max()):
        assert isinstance(y, Value)
    assert np.array_equal(a, [1.0, 2.0, 4.0]) and (a == 2.0).tolist() == [False, True, False]
    g = ag.grad(lambda x: np.maximum(x, 2.0).sum() + np.sum(np.isnan(x)))(a)
    assert g.tolist() == [0.0, 0.5, 1.0]
    assert np.average(ag.values([1.0, 2.0]), weights=[v[0], v[1]]).data == 5 / 3


def test_values_stand_among_tensors() -> None:
    v, t = ag.values([1.0, 2.0]), Tensor([3.0, 4.0])
    for y in (v * t, t * v, np.multiply(v, t), np.concatenate([v, t])[:2] * t, np.where([True, False], v, t) * t):
        assert isinstance(y, Tensor)
    (t @ v).backward()
    assert v.grad.tolist() == [3.0, 4.0] and t.grad.tolist() == [1.0, 2.0]
    assert ag.grad(ag.grad(lambda x: (np.stack([x, x * x]) * Tensor([3.0, 1.0])).sum() * x))(2.0) == 2 * 3 + 6 * 2.0


def test_what_is_not_known_says_so() -> None:
    w = ag.values(X)
    for f, message in (
        (lambda: np.fft.fft(w), r"np\.fft\.fft gives complex numbers.*np\.fft\.fft\(x\.data\)"),
        (lambda: np.union1d(w, w), r"np\.union1d is not supported on an array of Values"),
        (lambda: np.spacing(w), r"np\.spacing has no derivative here"),
        (lambda: np.exp(w, where=X > 0), "option where"),
        (lambda: w.astype(int), r"Values hold floats, not int64; use \.data\.astype\('int64'\)"),
        (lambda: w + "a", "expected a real number, got 'a'"),
    ):
        with pytest.raises(TypeError, match=message):
            f()
    for f in (lambda: w @ np.ones(5), lambda: w + np.ones(5)):
        with pytest.raises(ValueError, match=r"shape|broadcast|mismatch"):
            f()


def test_numbers_too_large_for_a_float_are_refused() -> None:
    for f in (lambda: Value(10**400), lambda: Value(1.0) + 10**400, lambda: 10**400 * Value(1.0)):
        with pytest.raises(OverflowError, match=r"larger than a float64 can be"):
            f()


# ---- Values by themselves, in lists, and with numbers ----

ALONE: dict[str, Callable[[Any], Any]] = {
    "block": lambda v: np.block([[v, v * v], [v, 1.0]]),
    "select": lambda v: np.select([True, False], [v * v, v], 0.0),
    "select from a default": lambda v: np.select([v > 5], [v], 3.0),
    "choose": lambda v: np.choose([0, 1, 1], [v, v * v]),
    "where, of a constant": lambda v: 1 / (np.where(v > 5, v, 0.0) + v),
    "stack of lists": lambda v: np.concatenate([np.stack([v, v]), np.array([1.0, 2.0])]),
    "append": lambda v: np.append(np.array([1.0, 2.0]), v),
    "insert": lambda v: np.insert(np.array([1.0, 2.0]), 1, v),
    "insert into a list": lambda v: np.insert([1.0, 2.0], 1, v),
    "linspace": lambda v: np.linspace(0.0, v, 4),
    "geomspace": lambda v: np.geomspace(1.0, v, 4),
    "piecewise": lambda v: np.piecewise(v, [v > 0], [lambda t: t * t, 0.0]),
    "piecewise, one condition": lambda v: np.piecewise(v, v > 5, [lambda t: t * t, lambda t: t / 2]),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_value_where_numpy_takes_arrays_and_lists(name: str) -> None:
    v, t = Value(2.0), Tensor(2.0)
    a, b = ALONE[name](v), ALONE[name](t)
    same(a, b)
    np.sum(a).backward()
    np.sum(b).backward()
    assert v.grad == pytest.approx(t.grad.item(), abs=1e-15)


def test_values_among_numbers_in_lists() -> None:
    v = ag.values([1.0, 2.0])
    for made in (np.append(v, [3.0, v[0]]), np.insert(v, 2, [3.0, v[0]]), np.hstack([v, [3.0], v[0]])):
        assert made.data.tolist() == [1.0, 2.0, 3.0, 1.0] and made[3] is v[0]
    assert np.choose([0, 1], [v, [v[1], v[0]]]).data.tolist() == [1.0, 1.0]


def test_an_array_of_numbers_that_cannot_hold_values_says_so() -> None:
    with pytest.raises(TypeError, match=r"np.copyto: an array of numbers cannot hold Values; .*astype\(object\)"):
        np.full_like(np.ones(2), Value(1.0))
    with pytest.raises(TypeError, match="into an int"):
        int(Value(2.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.where(False, Value(1.0), 0.0),
        lambda: ag.values([]).sum(),
        lambda: np.sum(np.where([False, False], ag.values([1.0, 2.0]), 0.0)),
        lambda: np.where([False, False], ag.values([1.0, 2.0]), 0.0).max() * 1.0,
        lambda: np.linalg.norm(ag.values([0.0, 0.0])),
        lambda: np.select([Value(1.0) > 5], [Value(1.0)]),
    ],
)
def test_a_number_that_does_not_depend_on_any_value_is_one_all_the_same(make: Any) -> None:
    x = make()
    assert isinstance(x, Value) and x.data == 0.0 and (1 / x).data == math.inf
    x.backward()


@pytest.mark.parametrize("name", ["exp", "log1p", "sqrt", "tanh", "sigmoid", "relu", "floor", "square", "sinh"])
def test_what_one_value_can_an_array_of_them_can(name: str) -> None:
    v, t = ag.values(X + 2), Tensor(X + 2)
    same(getattr(v, name)(), getattr(t, name)())
    np.sum(getattr(v, name)()).backward()
    getattr(t, name)().sum().backward()
    np.testing.assert_allclose(v.grad, t.grad, rtol=1e-12)
    same(v.maximum(2.0), t.maximum(2.0))
    same(v.minimum(v.T.T), t.minimum(t))
    leaf = v.detach()
    assert type(leaf) is Values and leaf[0, 0] is not v[0, 0] and leaf[0, 0].label == v[0, 0].label


@pytest.mark.parametrize("kind", [np.array, ag.values])
def test_the_spread_of_equal_numbers_has_slope_0(kind: Any) -> None:
    for f in (np.std, lambda x: x.std(), lambda x: np.nanstd(x), lambda x: np.std(x, axis=0, ddof=1)):
        assert ag.grad(f)(kind([2.0, 2.0, 2.0])).tolist() == [0.0, 0.0, 0.0]
        assert not ag.hessian(f)(kind([2.0, 2.0])).any()


@pytest.mark.parametrize(
    "f", [np.var, np.nanvar, lambda x: np.var(x, where=np.arange(x.size) < 65_520), lambda x: np.std(x) ** 2]
)
def test_float16_spreads_over_more_elements_than_it_counts(f: Any) -> None:
    x = np.tile(np.array([0, 2], np.float16), 33_000)
    value, slope = ag.value_and_grad(f)(x)
    want = ag.grad(f)(x.astype(np.float32))
    assert value == 1.0 and value.dtype == slope.dtype == np.float16
    np.testing.assert_array_equal(slope, want.astype(np.float16))


@pytest.mark.parametrize("f", [np.nanmean, lambda x: np.mean(x, where=x.data < 5), np.average, np.mean])
def test_float16_means_over_more_elements_than_it_counts(f: Any) -> None:
    slope = ag.grad(f)(np.ones(66_000, np.float16))
    assert (slope == np.float16(1 / 66_000)).all()


@pytest.mark.parametrize("make", [Tensor, ag.values])
@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((2, 0), 1), ((2, 0), 0), ((0, 2), 0), ((2, 0), None)])
def test_the_extreme_of_nothing_is_what_initial_says(make: Any, shape: Any, axis: Any) -> None:
    for f in (np.max, np.min):
        same(f(make(np.zeros(shape)), axis=axis, initial=0.5), f(np.zeros(shape), axis=axis, initial=0.5))


def test_what_is_refused_says_what_to_use() -> None:
    for make in (Tensor, ag.values):
        with pytest.raises(
            TypeError, match=rf"{make.__name__}: expected real numbers, got Values; use .data .* or ag.detach\(x\)"
        ):
            make(ag.values([1.0]))
    with pytest.raises(TypeError, match=r"MaskedArray, .*x\.filled\(0\.0\)"):
        Tensor([1.0, 2.0]) * np.ma.array([1.0, 2.0], mask=[True, False])


def test_a_product_of_matrices_is_recorded_as_numpys_loop_would() -> None:
    rng = np.random.default_rng(0)
    for shape_a, shape_b in (((2, 3), (3, 4)), ((1, 1), (1, 1)), ((2, 2, 3), (2, 3, 2)), ((2, 0), (0, 2))):
        a, b = ag.values(rng.normal(size=shape_a), "a"), ag.values(rng.normal(size=shape_b), "b")
        one = a @ b
        other = np.matmul(a.view(np.ndarray), b.view(np.ndarray))  # element by element, by operators of Value
        assert one.shape == other.shape and type(one) is type(a)
        for x, y in zip(one.flat, other.flat):
            assert isinstance(x, Value) == isinstance(y, Value)
            while isinstance(x, Value) and x.op:
                assert (x.op, x.data, [p.data for p in x.inputs]) == (y.op, y.data, [p.data for p in y.inputs])
                x, y = x.inputs[0], y.inputs[0]
            assert x is y or x == y


def test_a_product_of_matrices_with_numbers_among_the_values() -> None:
    a = ag.values([[1.0, 2.0]])
    a[0, 1] = 3.0
    assert (a @ ag.values([[1.0], [2.0]])).data.item() == 7.0
    assert (a @ np.array([[1.0], [2.0]])).data.item() == 7.0
    with pytest.raises(ValueError, match=r"matmul|mismatch"):
        ag.values(np.ones((2, 3))) @ ag.values(np.ones((2, 3)))
