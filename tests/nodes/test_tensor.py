"""Tensor: what an array needs beyond a number, and NumPy's functions on it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd as ag
from autograd import Tensor, Value
from autograd.engine.kinds import received
from tests.helpers import check

A = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1]])
B = np.array([[1.3, 0.2, -0.7], [0.5, 2.4, -1.6]])

SUPPORTED: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": lambda x: np.log(x * x + 1),
    "sqrt": lambda x: np.sqrt(x * x + 1),
    "square": np.square,
    "sin": np.sin,
    "cos": np.cos,
    "tan": lambda x: np.tan(x / 3),
    "tanh": np.tanh,
    "log1p": lambda x: np.log1p(x * x),
    "expm1": np.expm1,
    "abs": np.abs,
    "reciprocal": np.reciprocal,
    "negative": np.negative,
    "logaddexp": lambda x: np.logaddexp(x, B),
    "maximum": lambda x: np.maximum(x, B),
    "minimum": lambda x: np.minimum(0.1, x),
    "clip": lambda x: np.clip(x, -0.5, 1.0),
    "sum": np.sum,
    "sum axis": lambda x: np.sum(x, axis=0),
    "mean": lambda x: np.mean(x, axis=-1, keepdims=True),
    "add.reduce": np.add.reduce,
    "max": lambda x: np.max(x, axis=1),
    "min": np.min,
    "var": lambda x: np.var(x, axis=0),
    "std": lambda x: np.std(x, ddof=1),
    "where": lambda x: np.where(A > 0, x, 2 * x),
    "concatenate": lambda x: np.concatenate([x, B, x], axis=1),
    "stack": lambda x: np.stack([x, 2 * x], axis=-1),
    "vstack": lambda x: np.vstack([x, B]),
    "hstack": lambda x: np.hstack([x, x]),
    "split": lambda x: np.split(x, 3, axis=1)[1],
    "split at": lambda x: np.split(x, [1], axis=1)[1],
    "array_split": lambda x: np.array_split(x, 2, axis=1)[0],
    "einsum": lambda x: np.einsum("ij,kj->ik", x, B),
    "einsum implicit": lambda x: np.einsum("ij,jk", x, B.T),
    "dot": lambda x: np.dot(x, B.T),
    "dot list": lambda x: np.dot([1.0, -2.0], x),
    "outer list": lambda x: np.outer([1.0, 2.0], x[0]),
    "where list": lambda x: np.where([True, False, True], x, 2 * x),
    "clip lists": lambda x: np.clip(x, [-1.0, 0, 0], [1.0, 1, 1]),
    "more parts than elements": lambda x: np.array_split(x[0], 5)[2],
    "take_along_axis broadcasts": lambda x: np.take_along_axis(x, np.array([[1]]), axis=1),
    "full_like": lambda x: np.full_like(B, x.sum()) if isinstance(x, np.ndarray) else np.full_like(Tensor(B), x.sum()),
    "abs of one": lambda x: abs(x.sum()),
    "empty batch": lambda x: (np.ones((0, 2, 3)) + x).sum() + x,
    "bool exponent": lambda x: (x * x) ** (B > 0),
    "clip method": lambda x: x.clip(-0.5, 1.0),
    "einsum ellipsis": lambda x: np.einsum("...i,ij->...j", np.stack([x, x * x]), B.T),
    "einsum broadcast": lambda x: np.einsum("...i,...i", x[:, None], x),
    "matmul": lambda x: np.matmul(B.T, x),
    "outer": lambda x: np.outer(x[0], B[1]),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "broadcast_to": lambda x: np.broadcast_to(x, (4, 2, 3)),
    "reshape": lambda x: np.reshape(x, (3, -1)),
    "ravel": np.ravel,
    "squeeze": lambda x: np.squeeze(x[:, None]),
    "transpose": np.transpose,
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x[None], 0, -1),
    "tril": np.tril,
    "triu": lambda x: np.triu(x, 1),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(A, axis=1), axis=1),
    "list on the left": lambda x: [1.0, 2.0, 3.0] * x,
    "array on the left": lambda x: B / x,
    "numpy scalar on the left": lambda x: np.float64(2) - x,
    "array @": lambda x: B.T @ x,
    "iteration": lambda x: sum(row * i for i, row in enumerate(x)),
    "boolean index": lambda x: x[A > 0],
    "list index": lambda x: x[[1, 0, 1]],
    "newaxis and ellipsis": lambda x: x[..., None, 1:],
    "T": lambda x: x.T,
    "pow": lambda x: (x * x) ** B,
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_ordinary_numpy_code(name: str) -> None:
    f = SUPPORTED[name]
    y = f(Tensor(A))
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.data, f(A), rtol=1e-15)
    check(f, [A])


def test_attributes() -> None:
    x = Tensor(np.arange(6).reshape(2, 3), label="x")
    assert (x.shape, x.ndim, x.size, x.dtype, x.label, x.op, x.inputs) == ((2, 3), 2, 6, np.float64, "x", "", ())
    assert (
        x.T.shape == (3, 2)
        and len(x) == 2
        and x[0, 1].item() == 1.0
        and x.squeeze().shape == (2, 3)
        and x.ravel().shape == (6,)
    )
    assert (
        Tensor(np.float32([1, 2])).dtype == np.float32
        and np.array_equal(x > 2, x.data > 2)
        and np.equal(x, 3).sum() == 1
    )
    assert x.grad.shape == (2, 3) and not x.grad.any() and (x == Tensor(x.data)).all()
    assert "x" in repr(x) and bool(Tensor([0.0])) is False


def test_dtypes_of_data_and_gradients() -> None:
    a, b = Tensor(np.float32([1, 2, 3])), Tensor(np.float64([4, 5, 6]))
    y = (a * b * 2.0).sum()
    y.backward()
    assert y.dtype == np.float64 and a.grad.dtype == np.float32 and b.grad.dtype == np.float64
    assert (a * 2.0 + 1).dtype == np.float32 and np.exp(a).mean().dtype == np.float32
    z = a.astype(np.float64).sum()
    z.backward()
    assert z.dtype == np.float64 and a.grad.dtype == np.float32


def test_squeeze_follows_numpy() -> None:
    for shape in ((), (1,), (1, 2), (2, 1, 1), (0, 1)):
        for axis in (None, 0, -1, (), (0, -1), 1, 5):
            x = np.ones(shape)
            try:
                want: Any = np.squeeze(x, axis).shape
            except ValueError:
                for f in (np.squeeze, Tensor.squeeze):
                    with pytest.raises(ValueError, match="squeeze: axis"):
                        f(Tensor(x), axis)
            else:
                assert np.squeeze(Tensor(x), axis).shape == Tensor(x).squeeze(axis).shape == want
    assert ag.grad(lambda x: x.squeeze(0) * 2)(np.array(2.0)) == 2.0


def test_reading_a_gradient_changes_nothing() -> None:
    x, y = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    for _ in range(2):
        assert x.grad.tolist() == [0, 0] and received(x) is None
    with pytest.raises(ValueError, match="read-only"):
        x.grad[0] = 1.0  # nothing reached x: there is no gradient to change, and no change is lost without a word
    z = (x + y).sum()
    assert z.grad == 0 and received(z) is None
    z.backward()
    x.grad[0] = 5.0
    assert x.grad.tolist() == [5, 1] and y.grad.tolist() == [1, 1]
    x.grad *= 2
    assert x.grad.tolist() == [10, 2]


ZERO_D: dict[str, Callable[[Any, Any], Any]] = {
    "*": lambda x, z: x * z,
    "r*": lambda x, z: z * x,
    "**": lambda x, z: x**z,
    "r**": lambda x, z: z**x,
    "maximum": lambda x, z: np.maximum(x, x * z) + x.maximum(z),
    "where": lambda x, z: np.where(z > 0, x, 3 * x),
    "where with a bool of its own": lambda x, z: np.where(z.astype(bool), x, 3 * x),
    "clip": lambda x, z: np.clip(x, z - 1.5, z) * z,
    "hypot": lambda x, z: np.hypot(x, z),
    "einsum": lambda x, z: np.einsum("i,->i", x, z),
    "logaddexp of a view": lambda x, z: np.logaddexp(x, z.reshape(1)[0:1].reshape(())),
    "full_like": lambda x, z: np.full_like(x, z) * x,
    "linspace": lambda x, z: np.linspace(x, z, 3) * z,
    "index": lambda x, z: x[z.astype(int) - 2 : z.astype(int)] * z,
    "take": lambda x, z: np.take(x, z.astype(int) - 1) * z,
    "pad": lambda x, z: np.pad(x, 1, constant_values=z) * z,
    "average": lambda x, z: np.average(x, weights=np.array([1.0, 1.0]) * z) * z,
}


@pytest.mark.parametrize("name", ZERO_D)
def test_no_constant_changes_a_recorded_graph_though_it_has_no_axes(name: str) -> None:
    f, x = ZERO_D[name], Tensor([0.5, 1.5])
    want = ag.grad(lambda x: f(x, np.array(2.0)).sum())(np.array([0.5, 1.5]))
    z = np.array(2.0)
    y = f(x, z).sum()
    z[...] = 0.0
    y.backward()
    np.testing.assert_array_equal(x.grad, want)
    base = np.array([7.0, 2.0])
    x.zero_grad()
    y = f(x, base[1:].reshape(())).sum()  # a view without axes
    base[:] = 0.0
    y.backward()
    np.testing.assert_array_equal(x.grad, want)


def test_the_data_of_a_result_cannot_be_made_writeable() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    for y in (x * 2.0, x.reshape(4), x.T, x[0], x.sum(axis=0), np.exp(x).reshape(-1)[1:], x.copy(), (x * x).T):
        d = y.data
        for view in (d, d[...], d[:1]):
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.flags.writeable = True
    x.data[0, 0] = 5.0
    assert x.data[0, 0] == 5.0 and x.reshape(4).data[0] == 5.0
    w = (x * 2).detach()
    w.data[:] = 0.0
    assert not w.data.any()


def test_equality_is_elementwise() -> None:
    x = Tensor([1.0, 2.0])
    for other in (Tensor([1.0, 3.0]), np.array([1.0, 3.0]), [1.0, 3.0], ag.values([1.0, 3.0])):
        assert (x == other).tolist() == [True, False] and (x != other).tolist() == [False, True]
    assert (x == 2).tolist() == [False, True] == (np.float64(2) == x).tolist() == (Value(2.0) == x).tolist()
    assert Tensor(2.0) == 2.0 and (x == "a").tolist() == [False, False] and (x == None).tolist() == [False, False]  # noqa: E711
    assert np.array_equal(x, [1.0, 2.0]) and np.isin(x, [2.0]).tolist() == [False, True]
    assert {x: "x"}[x] == "x" and len({x, Tensor([1.0, 2.0])}) == 2 and any(node is x for node in (x * 2).inputs)
    with pytest.raises(ValueError, match="broadcast"):
        _ = x == np.ones(3)


def test_float_power_computes_in_float64_as_numpy_does() -> None:
    x = Tensor(np.float32([1.1, 2.2]))
    y = np.float_power(x, 2)
    y.sum().backward()
    assert y.dtype == np.float64 and x.grad.dtype == np.float32
    np.testing.assert_array_equal(y.data, np.float_power(x.data, 2))


def test_norms_have_slope_0_at_0() -> None:
    for f in (
        np.linalg.norm,
        lambda x: np.linalg.norm(x, 3),
        lambda x: np.linalg.norm(x[None], "fro"),
        lambda x: np.linalg.norm(x, 1),
    ):
        for x in (np.zeros(2), ag.values(np.zeros(2))):
            assert ag.grad(f)(x).tolist() == [0.0, 0.0]


shapes = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)


@given(shapes, st.sampled_from(["add", "sub", "mul", "div", "maximum"]))
def test_broadcasting(shapes: Any, name: str) -> None:
    """The gradient of a broadcast argument is the sum over where it was repeated."""
    from autograd.engine.primitives import TABLE

    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0.5, 2, s) for s in shapes.input_shapes)
    ga, gb = ag.grad(lambda a, b: TABLE[name](a, b).sum(), (0, 1))(a, b)
    full = shapes.result_shape
    fa, fb = ag.grad(lambda a, b: TABLE[name](a, b).sum(), (0, 1))(np.broadcast_to(a, full), np.broadcast_to(b, full))

    def down(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        lead = g.ndim - len(shape)
        g = g.sum(axis=tuple(range(lead)))
        return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)

    np.testing.assert_allclose(ga, down(np.asarray(fa), a.shape))
    np.testing.assert_allclose(gb, down(np.asarray(fb), b.shape))


def test_logaddexp_at_infinity() -> None:
    a = np.array([-np.inf, np.inf, 1.0])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(np.logaddexp(Tensor(a), a).data, np.logaddexp(a, a))
        assert ag.grad(lambda x: np.logaddexp(x[0], x[1]))(np.array([-np.inf, -np.inf])).tolist() == [0.5, 0.5]


def test_a_leaf_keeps_its_dtype_and_gradients_may_be_cleared() -> None:
    x = Tensor(np.float32([1, 2]))
    x.data = np.ones(2)
    assert x.dtype == np.float32
    (x * x).sum().backward()
    x.grad = None
    assert x.grad.tolist() == [0, 0]
    x.grad = 3
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [3, 3]
    assert Tensor(np.ones(70_000, np.float16)).mean().item() == 1.0


X = Tensor(A)
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "string": (lambda: Tensor("abc"), TypeError, "Tensor: expected real numbers, got 'abc' of type str"),
    "None": (lambda: Tensor(None), TypeError, "got None of type NoneType"),
    "object": (lambda: Tensor([Value(1.0)]), TypeError, "expected real numbers"),
    "complex": (lambda: Tensor([1j]), TypeError, "expected real numbers"),
    "ragged": (lambda: Tensor([[1.0], [2.0, 3.0]]), ValueError, "no array of real numbers can be made"),
    "Tensor of Tensor": (lambda: Tensor(X), TypeError, r"use \.data"),
    "add string": (lambda: X + "a", TypeError, "unsupported operand"),
    "np.add None": (lambda: np.add(X, None), TypeError, "np.add: argument 1 is None"),
    "broadcast": (
        lambda: X + np.ones(4),
        ValueError,
        r"add\(an array of shape \(2, 3\) and dtype float64, an array of shape \(4,\)",
    ),
    "matmul": (lambda: X @ X, ValueError, r"matmul\(an array of shape \(2, 3\).*, an array of shape \(2, 3\)"),
    "reshape": (lambda: X.reshape(4, 2), ValueError, "reshape"),
    "index": (lambda: X[5], IndexError, "getitem.*5"),
    "index by Tensor": (lambda: X[X], TypeError, "getitem: an index must be ints"),
    "transpose": (lambda: X.transpose(0, 0), ValueError, "not a permutation"),
    "squeeze": (lambda: X.squeeze(0), ValueError, "not of length one"),
    "truth": (lambda: bool(X), ValueError, "neither true nor false"),
    "if": (lambda: 1 if X > 0 and X else 2, ValueError, "truth|neither"),
    "backward": (
        lambda: (X * 2).backward(),
        ValueError,
        r"backward: a Tensor of shape \(2, 3\).*y\.sum\(\)\.backward\(\)",
    ),
    "seed shape": (lambda: (X * 2).backward(np.ones(3)), ValueError, "expected the shape"),
    "item": (lambda: X.item(), ValueError, "has 6 elements"),
    "float": (lambda: float(X), TypeError, r"use \.item\(\)"),
    "asarray": (lambda: np.asarray(X), TypeError, r"use np\.stack for a list of Tensors.* and \.data"),
    "list of Tensors": (lambda: np.array([X[0], X[1]]), TypeError, r"use np\.stack for a list of Tensors"),
    "full": (lambda: np.full(3, X.sum()), TypeError, r"np\.broadcast_to to fill an array with one"),
    "assign item": (lambda: X.__setitem__(0, 1.0), TypeError, r"use np\.where"),
    "masked": (lambda: Tensor(np.ma.array([1.0], mask=[True])), TypeError, "mask would be lost"),
    "masked *": (lambda: X * np.ma.array(A), TypeError, "MaskedArray"),
    "np.ma": (lambda: np.ma.exp(X), TypeError, r"\.data for its numbers"),
    "too large": (lambda: X + 10**400, OverflowError, r"add\(an array of shape \(2, 3\).*too large"),
    "None among numbers": (lambda: X[0] * np.array([None, 1.0, 2.0]), TypeError, "holds something else"),
    "pad by the mean": (lambda: np.pad(X, 1, mode="mean"), TypeError, "'mean' computes what it pads with"),
    "full vectors": (lambda: np.linalg.svd(X), ValueError, "use full_matrices=False"),
    "a derivative by q": (lambda: np.quantile(X, X[0, 0]), TypeError, "no derivative by where it looks"),
    "out of a function": (lambda: np.sum(X, out=np.zeros(())), TypeError, "np.sum of a Tensor or of Values:.*out"),
    "fft": (lambda: np.fft.fft(X), TypeError, r"complex numbers.*np\.fft\.fft\(x\.data\)"),
    "copyto": (lambda: np.copyto(np.ones((2, 3)), X), TypeError, "use np.where, or np.broadcast_to"),
    "not known": (
        lambda: np.union1d(X, X),
        TypeError,
        r"np\.union1d is not supported on Tensors; use .*union1d\(x\.data\)",
    ),
    "spacing": (lambda: np.spacing(X), TypeError, r"np\.spacing has no derivative here"),
    "matrix": (lambda: X * A.view(np.matrix), TypeError, "matrix, which means something else"),
    "complex scalar": (lambda: X * np.complex128(1j), TypeError, "complex128, not of real numbers"),
    "maximum None": (lambda: X.maximum(None), TypeError, "maximum: argument 1 is None"),
    "expand_dims": (lambda: np.expand_dims(X, 5), ValueError, "out of bounds"),
    "broadcast_to": (lambda: np.broadcast_to(X, (3,)), ValueError, "does not broadcast"),
    "einsum without its ...": (lambda: np.einsum("...i->i", X), ValueError, "missing from the result"),
    "out": (lambda: np.exp(X, out=np.ones((2, 3))), TypeError, "out="),
    "in place": (lambda: np.ones((2, 3)).__iadd__(X), TypeError, "in-place"),
    "where=": (lambda: np.exp(X, where=A > 0), TypeError, "option where"),
    "einsum shapes": (lambda: np.einsum("ijk->i", X), ValueError, "do not match"),
    "astype int": (lambda: X.astype(int), TypeError, "holds floats"),
    "assign data shape": (lambda: setattr(Tensor(A), "data", np.ones(2)), ValueError, "expected the shape"),
    "assign grad shape": (lambda: setattr(Tensor(A), "grad", np.ones(2)), ValueError, "expected the shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    f, kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        f()


def test_jax() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[peers]'")
    import jax.numpy as jnp

    w = np.float32(B.T)

    def f(x: Any) -> Any:
        y = np.tanh(x @ w) * np.where(A[:, :2] > 0, x[:, 1:], 0.5)
        return (
            np.concatenate([y, np.exp(y)], axis=1)[np.array([0, 0, 1])].mean(axis=0).max()
            + (x * (x > 0)).sum() / x.shape[0]
        )

    def value_and_grad(x: Any) -> Any:
        return ag.value_and_grad(f)(x)

    want, slope = ag.value_and_grad(f)(np.float32(A))
    for g in (value_and_grad, jax.jit(value_and_grad)):
        value, grad = g(jnp.asarray(A, jnp.float32))
        assert isinstance(grad, jax.Array)
        np.testing.assert_allclose(value, want, rtol=1e-6)
        np.testing.assert_allclose(grad, slope, rtol=1e-5, atol=1e-6)


JITTED = {
    "full_like": lambda x: np.full_like(x, 2.0) * x,
    "full_like of a node": lambda x: np.full_like(x, x[0, 0]),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1),
    "sort": lambda x: np.sort(x, axis=0),
    "median": lambda x: np.median(x, axis=1),
    "quantile": lambda x: np.quantile(x, [0.2, 0.6]),
    "nanvar": lambda x: np.nanvar(np.where(A > 1.5, np.nan, x), axis=0),
    "roll and pad": lambda x: np.pad(np.roll(x, 1, axis=1), 1, constant_values=x[0, 0]),
    "sinc": np.sinc,
    "norm": lambda x: np.linalg.norm(x, axis=0),
    "interp": lambda x: np.interp(x, [-1.0, 0.0, 1.0], x[0]),
    "solve": lambda x: np.linalg.solve(x @ x.T, x),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, axis=1),
    "==": lambda x: (x == x) * x,
    "select": lambda x: np.select([x > 1.0, x > 0.5], [x * x, x], 2.0) * x,
    "choose": lambda x: np.choose((x > 0.5) * 1, [x * x, x], mode="clip"),
}


@pytest.mark.parametrize("name", JITTED)
def test_functions_of_numpy_under_jit(name: str) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[peers]'")
    f, x = JITTED[name], np.float32(A)
    want = ag.grad(lambda x: (f(x) ** 2).sum())(x)
    got = jax.jit(lambda x: ag.grad(lambda x: (f(x) ** 2).sum())(x))(jax.numpy.asarray(x))
    assert isinstance(got, jax.Array)
    np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5)


def test_torch_agrees() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    x, w = Tensor(A), Tensor(B)
    y = np.log(np.exp(np.tanh(x) @ w.T).sum(axis=-1)).mean() + np.var(x * w) + np.sqrt(w * w).max()
    y.backward()
    tx, tw = (torch.tensor(v, requires_grad=True) for v in (A, B))
    ty = (torch.tanh(tx) @ tw.T).logsumexp(-1).mean() + torch.var(tx * tw, correction=0) + (tw * tw).sqrt().max()
    ty.backward()
    assert y.item() == pytest.approx(ty.item(), rel=1e-14)
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(w.grad, tw.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_extremes_of_one_number() -> None:
    for f in (lambda t: t.max(), lambda t: t.min(axis=-1), lambda t: t.max(axis=0, keepdims=True)):
        x = Tensor(2.0)
        f(x * 3.0).backward()
        assert x.grad == 3.0


def test_a_slice_is_kept_as_it_was() -> None:
    x, start, stop = Tensor(np.arange(6.0)), np.array(1), np.array(3)
    y = x[start:stop]
    start += 2
    stop += 2
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0, 0, 0]
    assert x.reshape(np.array([2, 3])).shape == (2, 3)


@pytest.mark.parametrize("make", [Tensor, ag.values, lambda x: Tensor([x]), lambda x: ag.values([1, x])])
def test_numbers_beyond_numpys_ints(make: Any) -> None:
    assert np.ravel(make(10**20).data)[-1] == 1e20 and np.ravel(make(Fraction(1, 4)).data)[-1] == 0.25
    with pytest.raises(OverflowError, match=r"(Tensor|values): the number is larger .* use math.inf"):
        make(10**400)
