"""The engine over arrays and tracers of JAX, and over the floats that NumPy does not have itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.engine.rows import TABLE
from tests.helpers import DOMAIN, A, B

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")
jnp, S = jax.numpy, jax.sharding
ml_dtypes = pytest.importorskip("ml_dtypes")
BF16 = np.dtype(ml_dtypes.bfloat16)
X = np.float32(A)


# ---- derivatives of many numbers ----------------------------------------------------------

MANY: dict[str, tuple[Callable[..., Any], Any]] = {
    "an array": (lambda x: np.tanh(x) * x.sum(), X),
    "one number": (lambda x: (x**3).sum(), X),
    "structures": (lambda d: {"p": np.exp(d["a"]) @ d["b"].T, "q": d["b"].sum()}, {"a": X, "b": X}),
    "what does not depend on it": (lambda x: [x * 2.0, np.float32([1.0, 2.0])], X),
}


def flat(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree)


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("under", [lambda f: f, jax.jit], ids=["eagerly", "under jit"])
def test_jacobian_is_as_on_numpy(name: str, under: Any) -> None:
    f, x = MANY[name]
    want, got = ag.jacobian(f)(x), under(ag.jacobian(f))(jax.tree.map(jnp.asarray, x))
    for a, b in zip(flat(want), flat(got), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def test_hessian_is_as_on_numpy() -> None:
    def f(d: Any) -> Any:
        return (np.sin(d["a"]) * d["b"] ** 2).sum() + (d["a"] @ d["b"].T).sum()

    at = {"a": X[:1], "b": X[1:]}
    want, got = ag.hessian(f)(at), jax.jit(ag.hessian(f))(at)
    for a, b in zip(flat(want), flat(got), strict=True):
        assert isinstance(b, jax.Array)
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


# ---- other floats ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["NumPy", "JAX"])
def test_rows_of_numbers_are_differentiated_in_bfloat16(kind: Any) -> None:
    for name, row in TABLE.items():
        if row.scalar is None:
            continue
        n = len(row.vjps)
        args = [np.asarray(x).astype(BF16) for x in DOMAIN.get(name, lambda *a: list(a))(*(A, B)[:n])]
        slopes = ag.grad(lambda *xs, row=row: np.sum(row(*xs)), tuple(range(n)))
        for want, got in zip(slopes(*(x.astype(np.float32) for x in args)), slopes(*map(kind, args)), strict=True):
            assert got.dtype == BF16, name
            np.testing.assert_allclose(np.float32(got), want, rtol=0.06, atol=0.05, err_msg=name)


@pytest.mark.parametrize("dtype", [BF16, np.dtype(ml_dtypes.float8_e4m3fn), np.dtype(np.float16)], ids=str)
def test_narrow_floats_are_summed_in_a_wider_one(dtype: np.dtype) -> None:
    ones = np.ones(400, dtype)  # 256 + 1 is 256 in bfloat16
    x = Tensor(ones)
    assert float(np.mean(x).data) == float(np.mean(x * x).data) == 1.0 and float(np.var(x).data) == 0.0
    assert x.sum().dtype == np.std(x).dtype == dtype
    assert ag.grad(lambda y: np.exp(y[np.zeros(240, int)]).sum())(np.zeros(2, dtype)).tolist() == [240, 0]
    assert float(x.sum().data) == pytest.approx(400, rel=0.05)


def test_a_bfloat16_is_a_number_and_an_int4_is_no_float() -> None:
    assert ag.grad(lambda x: x * x)(ml_dtypes.bfloat16(1.5)) == 3.0
    assert ag.values(np.array([1.0, 2.0], BF16))[1].data == 2.0
    with pytest.raises(TypeError, match="expected real numbers"):
        Tensor(np.zeros(2, [("a", "f4")]))
    assert np.log(Tensor(np.ones(2, BF16))).astype(np.float32).dtype == np.float32


def test_anomalies_are_seen_in_bfloat16() -> None:
    with pytest.raises(ag.AnomalyError, match="log"), ag.detect_anomaly():
        np.log(Tensor(np.array([1.0, -1.0], BF16)))


def test_gradcheck_of_bfloat16() -> None:
    assert ag.gradcheck(lambda x: (x * x).sum(), np.array([1.0, 2.0], BF16))
    assert not ag.gradcheck(lambda x: (ag.detach(x) * x).sum(), np.array([1.0, 2.0], BF16))


# ---- products in a narrower float ---------------------------------------------------------------


def test_matmul_in_rounds_the_operands_of_products_both_ways() -> None:
    def f(x: Any, w: Any) -> Any:
        return (np.tanh(x @ w) * 1.001).sum()

    x, w = jnp.asarray(X), jnp.asarray(np.float32(B.T)) * 1.001

    def rounded(a: Any) -> Any:
        return np.float32(np.asarray(a).astype(BF16))

    with ag.matmul_in("bfloat16"):
        value, (gx, gw) = jax.jit(lambda x, w: ag.value_and_grad(f, (0, 1))(x, w))(x, w)
    y = np.tanh(rounded(x) @ rounded(w))
    g = rounded(1.001 * (1 - y * y))
    assert value.dtype == gx.dtype == np.float32
    np.testing.assert_allclose(value, (y * np.float32(1.001)).sum(), rtol=1e-5)
    np.testing.assert_allclose(gx, g @ rounded(w).T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gw, rounded(x).T @ g, rtol=1e-4, atol=1e-5)
    assert abs(float(value) - float(f(X, np.asarray(w)))) > 1e-5
    with ag.matmul_in("bfloat16"):  # not on NumPy
        np.testing.assert_array_equal((Tensor(X) @ np.asarray(w)).data, X @ np.asarray(w))


# ---- no wrong number comes back without a word -----------------------------------------------------


def test_an_index_out_of_range_is_an_error_where_it_is_known_and_nan_where_it_is_not() -> None:
    x = jnp.asarray(X)
    for index in (2, -3, np.array([0, 2]), (0, 3), (slice(None), [5])):
        with pytest.raises(IndexError, match="getitem"):
            Tensor(x)[index]
        with pytest.raises(IndexError):
            jax.jit(lambda x, index=index: Tensor(x)[index].raw)(x)
    picked = jax.jit(lambda x, i: ag.value_and_grad(lambda x: (x[i] ** 2).sum())(x))
    assert np.isnan(picked(x, np.array([0, 2]))[0]) and np.isnan(picked(x, np.array([-3]))[0])
    for index in (np.array([-2, 1]), np.array([[0, 1], [1, 1]])):
        want = ag.value_and_grad(lambda x, index=index: (x[index] ** 2).sum())(X)
        for a, b in zip(want, picked(x, index), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-6)


def test_a_mesh_with_explicit_axes_is_refused_in_words() -> None:
    mesh = jax.make_mesh((1,), ("data",), axis_types=(S.AxisType.Explicit,))
    x = jax.device_put(jnp.asarray(X), S.NamedSharding(mesh, S.PartitionSpec("data")))
    for f in (ag.grad(lambda x: (x * x).sum()), jax.jit(ag.grad(lambda x: (x * x).sum()))):
        with pytest.raises(TypeError, match=r"explicit axes \(data\).*AxisType\.Auto"):
            f(x)
    mesh = jax.make_mesh((1,), ("data",), axis_types=(S.AxisType.Auto,))
    x = jax.device_put(jnp.asarray(X), S.NamedSharding(mesh, S.PartitionSpec("data")))
    np.testing.assert_allclose(ag.grad(lambda x: (x * x).sum())(x), 2 * X)


# ---- functions of NumPy on bare arrays ---------------------------------------------------------------


def test_traceable_functions_take_bare_arrays_and_tracers_and_nodes() -> None:
    @ag.traceable
    def f(d: Any, power: int) -> Any:
        return {"y": np.where(d["x"] > 0, np.sin(d["x"]), 0.0).max(axis=1) ** power, "n": d["n"]}

    want = f({"x": X, "n": np.arange(2)}, 2)["y"]
    for under in (lambda g: g, jax.jit):
        got = under(lambda x: f({"x": x, "n": jnp.arange(2)}, 2))(jnp.asarray(X))
        assert isinstance(got["y"], jax.Array) and got["n"].dtype.kind == "i"
        np.testing.assert_allclose(got["y"], want, rtol=1e-6)
    theirs = jax.grad(lambda x: f({"x": x, "n": 0}, 2)["y"].sum())(jnp.asarray(X))
    np.testing.assert_allclose(theirs, ag.grad(lambda x: f({"x": x, "n": 0}, 2)["y"].sum())(X), rtol=1e-5)
    assert f({"x": Tensor(X), "n": 0}, 2)["y"].op == "pow"
