"""A fused row gives what its composition gives, at orders 1 and 2, and can be opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.engine.primitives import TABLE
from autograd.engine.recording import current
from autograd.nodes.fused import FUSED
from tests.helpers import ARRAYS, A, B
from transformer import layers

CASES = [(name, op, args) for name in FUSED for op, args in ARRAYS[name]]
IDS = [f"{name}{i}" for i, (name, _, _) in enumerate(CASES)]


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "op", "args"), CASES, ids=IDS)
def test_a_fused_row_agrees_with_its_composition(name: str, op: Callable[..., Any], args: list[np.ndarray]) -> None:
    weights = np.cos(np.arange(np.size(op(*args)))).reshape(np.shape(op(*args))) + 1.5
    n = tuple(range(len(args)))

    def f(*xs: Any) -> Any:
        y = op(*xs)
        return (weights * (y * y)).sum()

    def slopes(*xs: Any) -> Any:
        return sum((np.sin(np.arange(g.size)).reshape(g.shape) * g * g).sum() for g in ag.grad(f, n)(*xs))

    here = f(*args), *ag.grad(f, n)(*args), *ag.grad(slopes, n)(*args)
    with ag.unfused():
        close(here, (f(*args), *ag.grad(f, n)(*args), *ag.grad(slopes, n)(*args)))
        assert op(*map(Tensor, args)).op != name
    assert op(*map(Tensor, args)).op == name
    values = [ag.values(x) for x in args]
    if np.ndim(op(*values)):
        close([op(*args)], [op(*values).data])
    else:
        assert op(*values).data == pytest.approx(op(*args), rel=1e-14)


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_row_is_in_the_table_with_its_composition(name: str) -> None:
    row = TABLE[name]
    assert row is FUSED[name]
    assert FUSED[name].composition is getattr(layers, name).__wrapped__
    assert all(row.local[i] for i, rule in enumerate(row.vjps) if rule)
    assert getattr(layers, name).__doc__


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype: Any) -> None:
    x, w, b = A.astype(dtype), B.T.astype(dtype), A[:, 0].astype(dtype)
    for f, args in (
        (layers.softmax, (x,)),
        (layers.rmsnorm, (x, x[0])),
        (layers.layernorm, (x, x[0], x[1])),
        (layers.gelu, (x,)),
        (layers.linear, (x, w, b)),
        (lambda x: layers.cross_entropy(x, np.array([0, 1])), (x,)),
    ):
        assert f(*args).dtype == f(*map(Tensor, args)).dtype == dtype
        grads = ag.grad(lambda *xs, f=f: f(*xs).sum(), tuple(range(len(args))))(*args)
        assert all(g.dtype == dtype for g in grads)


def test_extremes() -> None:
    x = np.array([[1e4, -1e4, 0.0], [-np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0], [2.0, 2.0, 2.0]])
    ignoring = np.array([0, 1, -1, 2])
    for f in (
        lambda x: layers.softmax(x)[:2].sum(),
        lambda x: layers.cross_entropy(x, ignoring),
        lambda x: layers.gelu(x)[0].sum(),
    ):
        with np.errstate(all="ignore"):
            got = ag.value_and_grad(f)(x)
            with ag.unfused():
                close(got, ag.value_and_grad(f)(x))
    assert not ag.grad(lambda x: layers.cross_entropy(x, ignoring))(x)[2].any()  # although nan stands there
    with pytest.raises(ValueError, match="every target is -1"):
        layers.cross_entropy(Tensor(x), np.full(4, -1))


def test_unfused_is_a_mode_and_a_decorator() -> None:
    @ag.unfused
    def opened(x: Any) -> Any:
        return layers.softmax(x)

    assert opened(Tensor(A)).op == "div"
    assert layers.softmax(Tensor(A)).op == "softmax"
    assert current().fused
    with ag.no_grad():
        assert layers.softmax(Tensor(A)).op == ""


def test_only_what_has_a_row_is_fused() -> None:
    with pytest.raises(ValueError, match="no row 'silu'; there are softmax"):
        ag.fuse(layers.silu)


def test_arguments_by_name_and_by_default() -> None:
    x, gain = Tensor(A), Tensor(B[0])
    np.testing.assert_array_equal(layers.rmsnorm(x, gain=gain).data, layers.rmsnorm(x, gain, None).data)
    with pytest.raises(TypeError, match="gains"):
        layers.rmsnorm(x, gains=gain)


def test_fused_rows_under_jax() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[peers]'")

    def f(x: Any, w: Any, b: Any) -> Any:
        y = layers.gelu(layers.linear(layers.layernorm(x, b, b), w, b))
        return layers.cross_entropy(layers.rmsnorm(layers.softmax(y)), np.array([0, 2]))

    args = [A, np.eye(3) + 0.1, B[0]]
    want = ag.grad(f, (0, 1, 2))(*args)
    close(jax.jit(ag.grad(f, (0, 1, 2)))(*(jax.numpy.asarray(a) for a in args)), want, 1e-5)


def test_attention_in_blocks_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, n, t, 3)) for n, t in ((4, 7), (2, 9), (2, 9)))

    def f(*args: Any) -> Any:
        return (layers.causal_attention(*args) ** 2).sum()

    def slopes(*args: Any) -> Any:
        return sum((g * g).sum() for g in ag.grad(f, (0, 1, 2))(*args))

    with ag.unfused():
        first, second = ag.grad(f, (0, 1, 2))(q, k, v), ag.grad(slopes, (0, 1, 2))(q, k, v)
    for block in (1, 2, 3, 7, 64):
        monkeypatch.setattr("autograd.nodes.fused.BLOCK", block)
        close(first, ag.grad(f, (0, 1, 2))(q, k, v))
        close(second, ag.grad(slopes, (0, 1, 2))(q, k, v), 1e-11)
        close(first, ag.compile(ag.grad(f, (0, 1, 2)))(q, k, v))
