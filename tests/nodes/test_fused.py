"""A fused row gives what its composition gives, at orders 1 and 2, and can be opened."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import pickle
import tracemalloc
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


def test_a_fused_function_has_the_parameters_of_its_composition() -> None:
    for name in FUSED:
        f = getattr(layers, name)
        assert inspect.signature(f) == inspect.signature(f.__wrapped__) and pickle.loads(pickle.dumps(f)) is f
    for message, call in {
        "missing 1 required positional argument: 'w'": lambda: layers.linear(A),
        "takes from 2 to 3 positional arguments but 4 were given": lambda: layers.linear(A, A, A, A),
        "multiple values for argument 'x'": lambda: layers.gelu(A, x=A),
    }.items():
        with pytest.raises(TypeError, match=message):
            call()


def test_a_composition_may_have_parameters_that_the_row_has_not() -> None:
    def softmax(_row: Any, *, shift: float = 0.0) -> Any:
        e = np.exp(_row - shift)
        return e / e.sum(axis=-1, keepdims=True)

    before = FUSED["softmax"].composition
    try:
        fused = ag.fuse(softmax)
        close(fused(A), layers.softmax(A))
        assert fused(Tensor(A)).op == "softmax"
    finally:
        FUSED["softmax"].composition = before


def test_a_fused_function_takes_kinds_of_arrays_side_by_side() -> None:
    want = A @ B.T + B[0, :2]
    for kinds in itertools.product("ntv", repeat=3):
        if {"t", "v"} <= set(kinds):
            continue
        make = {"n": np.asarray, "t": Tensor, "v": ag.values}
        got = layers.linear(*(make[kind](a) for kind, a in zip(kinds, (A, B.T, B[0, :2]))))
        assert (type(got) is Tensor) == ("t" in kinds) and (got.dtype == object) == ("v" in kinds)
        numbers = np.reshape([y.data for y in got.flat], (2, 2)) if "v" in kinds else getattr(got, "raw", got)
        close(numbers, want)


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


ROW = np.array([0.3, -1.2, 0.7, 2.5])
OF_ONE_ROW = {
    "a vector": ROW,
    "a row": ROW[None],
    "a row of several axes": ROW[None, None, None],
    "a row apart in memory": np.repeat(ROW, 3)[None, ::3],
    "a single number": ROW[None, :1],
    "zeros": 0.0 * ROW[None],
    "small floats": ROW[None].astype(np.float32),
    "halves": ROW[None].astype(np.float16),
    "whole numbers": np.array([[3, -1, 2, 5]]),
    "bytes swapped": ROW[None].astype(">f8"),
    "more than are summed by a product": np.cos(np.arange(1500.0))[None],
}


@pytest.mark.parametrize("x", OF_ONE_ROW.values(), ids=OF_ONE_ROW)
@pytest.mark.parametrize("norm", [layers.rmsnorm, layers.layernorm], ids=["rmsnorm", "layernorm"])
def test_a_single_row_is_normalized_as_many_are(norm: Any, x: np.ndarray) -> None:
    n = x.shape[-1]
    gains = [None, np.linspace(0.5, 2, n).astype(x.dtype), np.linspace(0.5, 2, n), np.ones((2, 3, n)), 3.0]
    before = x.copy()
    for gain in gains:
        for bias in (None, np.linspace(-1, 1, n).astype(x.dtype)):
            with ag.unfused():
                want = norm(x, gain, bias, 1e-5)
            got = norm(x, gain, bias, 1e-5)
            assert got.shape == want.shape and got.dtype == want.dtype
            rough = want.dtype.itemsize < 8 or np.asarray(x).dtype.itemsize < 8
            np.testing.assert_allclose(
                got, want, rtol=1e-2 if x.dtype == "f2" else 1e-5 if rough else 1e-12, atol=1e-5 if rough else 1e-12
            )
    assert (x == before).all()


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_a_single_row_of_extremes_is_normalized_as_many_are(dtype: str) -> None:
    for row in ([np.nan, 1.0], [np.inf, 1.0], [1e30, -1e30], [0.0, 0.0], [1e-30, 0.0]):
        x = np.array([row], dtype)
        for norm in (layers.rmsnorm, layers.layernorm):
            with np.errstate(all="ignore"):
                got, want = norm(x, None, None, 1e-300), norm(np.repeat(x, 2, axis=0), None, None, 1e-300)[:1]
            np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", ">f8"])
def test_gelu_leaves_its_argument_as_it_was(dtype: str) -> None:
    x = np.array([[-3.0, 0.5], [1.0, 40.0]], dtype)
    x.flags.writeable = False
    for given in (x, x.T, x[:, ::-1], x[0], x[:0], x[0, 0], x[0, :1].reshape(())):
        with ag.unfused():
            want = layers.gelu(given)
        got = layers.gelu(given)
        assert np.shape(got) == np.shape(want) and got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-2 if dtype == "f2" else 1e-6)
    with np.errstate(all="ignore"):
        largest = np.array([np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
        assert layers.gelu(largest)[0] == largest[0]


@pytest.mark.parametrize("dtypes", ["ddd", "fff", "dfd", "ffd", "eee"])
@pytest.mark.parametrize(("lead", "n_head", "n_kv"), [((), 2, 2), ((3,), 4, 2), ((2, 1), 3, 1)])
def test_one_query_finds_what_it_finds_among_many(lead: tuple[int, ...], n_head: int, n_kv: int, dtypes: str) -> None:
    rng = np.random.default_rng(0)
    q, k, v = (
        rng.normal(size=(*lead, n, t, 3)).astype(d) for (n, t), d in zip(((n_head, 1), (n_kv, 5), (n_kv, 5)), dtypes)
    )
    with ag.unfused():
        want = layers.causal_attention(q, k, v)
    got = layers.causal_attention(q, k, v)
    assert got.shape == want.shape == (*lead, 1, n_head * 3) and got.dtype == want.dtype
    rough = 1e-2 if "e" in dtypes else 1e-5 if "f" in dtypes else 1e-12
    np.testing.assert_allclose(got, want, rtol=rough, atol=rough)
    turned = np.ascontiguousarray(k.swapaxes(-1, -2)).swapaxes(-1, -2)
    np.testing.assert_allclose(layers.causal_attention(q[..., ::-1], turned[..., ::-1], v), got, rtol=rough, atol=rough)


def test_one_query_takes_scores_of_any_size() -> None:
    q, k, v = np.array([[[1e4]]]), np.array([[[-1.0], [1.0], [0.999]]]), np.array([[[1.0], [2.0], [3.0]]])
    assert layers.causal_attention(q, k, v).item() == pytest.approx(2.0, abs=1e-3)
    with np.errstate(all="ignore"):
        assert np.isnan(layers.causal_attention(q * np.inf, k, v)).all()


PLAIN: dict[str, Callable[[], tuple[Any, ...]]] = {
    "ints": lambda: (layers.softmax, np.array([1, 2, 3])),
    "a number": lambda: (layers.softmax, np.float64(2)),
    "no axes": lambda: (layers.softmax, np.array(1.0)),
    "complex numbers": lambda: (layers.rmsnorm, 1j * np.ones((3, 4))),
    "a mask": lambda: (layers.rmsnorm, np.ma.masked_array([1.0, 2, 3], [0, 0, 1])),
    "a wider gain": lambda: (layers.rmsnorm, np.ones((1, 1)), np.ones(3)),
    "whole logits": lambda: (layers.cross_entropy, np.array([[1, 2], [3, 5]]), np.array([0, 1])),
}


@pytest.mark.parametrize("name", PLAIN)
def test_whatever_is_plain_gives_what_the_composition_gives(name: str) -> None:
    f, *args = PLAIN[name]()
    with ag.unfused():
        expected = f(*args)
    found = f(*args)
    assert type(found) is type(expected) and np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-14)


def test_norms_of_nothing_are_nothing() -> None:
    for f in (layers.rmsnorm, layers.layernorm):
        assert f(np.ones((2, 0))).shape == ag.grad(lambda x, f=f: f(x).sum())(np.ones((2, 0))).shape == (2, 0)


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_a_target_is_not_taken_for_several_rows(kind: Any) -> None:
    for unfused in (False, True):
        with ag.unfused() if unfused else contextlib.nullcontext(), pytest.raises(ValueError, match="one a row"):
            layers.cross_entropy(kind(np.zeros((3, 3))), np.zeros(1, int))


def test_rules_that_share_their_work_hold_nothing_once_the_graph_is_gone() -> None:
    gradient = ag.grad(lambda x: layers.rmsnorm(x, np.ones(100)).sum())
    gradient(np.ones((2, 100)))
    tracemalloc.start()
    gradient(np.ones((2_500, 100)))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 100_000
