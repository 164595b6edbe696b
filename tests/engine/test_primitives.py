"""Every row of the table against finite differences: Value and Tensor, first and second order."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.engine import linalg as L
from autograd.engine import primitives as p
from autograd.engine.graph import Primitive
from autograd.engine.kinds import raw
from tests.helpers import ARRAYS, NUMERIC, A, B, check, numeric_gradient, safe


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_numeric_row_on_tensors(row: Any) -> None:
    args = safe(row, A, B)
    check(row, args)
    if len(args) == 2:
        check(row, safe(row, A, B[0]))
        check(row, safe(row, A[:, :1], B))


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_numeric_row_on_values(row: Any) -> None:
    for numbers in zip(*(x.flat for x in safe(row, A, B)), strict=True):
        point = [np.array(float(x)) for x in numbers]
        n = tuple(range(len(point)))

        def f(*xs: Any) -> Any:
            y = row(*xs)
            return y * y + y

        def floats(f: Any) -> Any:
            return lambda *xs: f(*(float(x) for x in xs))

        first = ag.grad(f, n)
        for i, g in enumerate(first(*map(float, point))):
            assert isinstance(g, float)
            assert g == pytest.approx(float(numeric_gradient(floats(f), point, i)), rel=1e-7, abs=1e-7)

        def slope(*xs: Any) -> Any:
            return sum((i + 1) * g for i, g in enumerate(first(*xs)))  # noqa: B023

        for i, g in enumerate(ag.grad(slope, n)(*map(float, point))):
            assert g == pytest.approx(float(numeric_gradient(floats(slope), point, i)), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", list(ARRAYS))
def test_array_row(name: str) -> None:
    for op, args in ARRAYS[name]:
        check(op, args)


LINEAR_ALGEBRA = {row.name for row in vars(L).values() if isinstance(row, Primitive)} - set(vars(p))
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e160, -750.0, math.inf, -math.inf, math.nan)


def same(a: Any, b: Any) -> np.ndarray:
    """Equal to a few ulps, nan where nan is; or rounding beside 1, as that of out * (1 - out)."""
    return (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= 1e-14 * np.abs(b) + 1e-15)


def test_value_agrees_with_numpy() -> None:
    """Bit for bit for + - * / and what rounds, to two ulps elsewhere, and inf and nan as NumPy gives them."""
    exact = {"add", "sub", "mul", "div", "neg", "abs", "sqrt", "square", "identity", "maximum", "minimum", "sign"}
    exact |= {"fmax", "fmin", "remainder", "fmod", "floor_divide", "copysign", "heaviside"}
    exact |= {"floor", "ceil", "trunc", "rint"}
    odd = (*SPECIAL, 1e308, -1e308, 5e-324, 710.0, 0.1, 0.3)
    for row in NUMERIC:
        for args in itertools.product(odd, repeat=len(row.local)):
            with np.errstate(all="ignore"):
                want = float(row.array(*map(np.float64, args)))
            got = row(*map(Value, args)).data
            assert type(got) is float
            # As text -0.0 is not 0.0, and one nan is another; which 0 is the larger, NumPy itself does not say twice.
            equal = str(got) == str(want) or (row.symbol in ("max", "min", "fmax", "fmin") and got == want)
            close = row.name not in exact and got == pytest.approx(want, rel=5e-16, abs=0)
            assert equal or close, (row.name, args, got, want)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_values_and_tensors_agree_at_special_points_at_both_orders(row: Any) -> None:
    points = list(itertools.product(SPECIAL, repeat=len(row.local)))
    columns = [np.array(c) for c in zip(*points, strict=True)]

    def one(y: Any) -> Any:
        return y.sum() if isinstance(y, (Tensor, np.ndarray)) else y

    def slope(i: int) -> Any:
        return ag.grad(lambda *xs: one(row(*xs)), i)

    def second(i: int, j: int) -> Any:
        return ag.grad(lambda *xs: one(slope(i)(*xs)), j)

    n = range(len(columns))
    for derivative in [slope(i) for i in n] + [second(i, j) for i in n for j in n]:
        of_values = np.array([raw(derivative(*point)) for point in points])
        of_tensors = derivative(*columns)
        wrong = ~same(of_values, of_tensors)
        assert not wrong.any(), [(points[k], of_values[k], of_tensors[k]) for k in np.flatnonzero(wrong)][:5]


IN_TORCH = {
    "sub": "subtract", "pow": "pow", "abs": "abs", "identity": "clone", "rint": "round", "cbrt": None,
}  # fmt: skip


@pytest.mark.parametrize("row", NUMERIC, ids=lambda row: row.name)
def test_both_orders_agree_with_pytorch_at_random_points(row: Any) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch, IN_TORCH.get(row.name, row.name) or "", lambda x: x.sign() * x.abs() ** (1 / 3))
    rng = np.random.default_rng(7)
    points = safe(row, *(rng.normal(size=30) * 2 for _ in row.local))
    xs = [torch.tensor(x, requires_grad=True) for x in points]

    def by(y: Any, x: Any) -> Any:
        """The derivative of each element of y by that of x, connected."""
        if not y.requires_grad:
            return torch.zeros_like(x)
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True, allow_unused=True)
        return torch.zeros_like(x) if g is None else torch.zeros_like(x) + g

    for i in range(len(xs)):
        if row.name in ("heaviside", "floor_divide") or (row.name == "fmod" and i):
            break  # which PyTorch does not differentiate
        slope, ours = by(theirs(*xs), xs[i]), ag.grad(lambda *at, i=i: row(*at).sum(), i)
        np.testing.assert_allclose(ours(*points), slope.tolist(), rtol=1e-12, atol=1e-14)
        for j in range(len(xs)):
            got = ag.grad(lambda *at, ours=ours: np.sum(ours(*at)), j)(*points)
            np.testing.assert_allclose(got, by(slope, xs[j]).tolist(), rtol=1e-10, atol=1e-12)


def test_every_row_is_traced_by_jax() -> None:
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(8)
    points = {row.name: safe(row, *(rng.normal(size=5) for _ in row.local)) for row in NUMERIC}
    points |= {name: cases[0][1] for name, cases in ARRAYS.items() if name not in LINEAR_ALGEBRA}

    def slopes(points: Any) -> Any:
        found = {}
        for name, args in points.items():
            op = ARRAYS[name][0][0] if name in ARRAYS else p.TABLE[name]
            found[name] = ag.grad(lambda *xs, op=op: (op(*xs) ** 2).sum(), tuple(range(len(args))))(*args)
        return found

    with jax.enable_x64():
        fast = {"xla_backend_optimization_level": "0", "xla_llvm_disable_expensive_passes": True}
        traced = jax.jit(slopes).lower(points).compile(compiler_options=fast)(points)
    for name, want in slopes(points).items():
        for g, w in zip(traced[name], want, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", list(p.TABLE))
def test_no_row_changes_the_dtype(name: str, dtype: Any) -> None:
    """Neither the result, nor the gradient, nor that of the gradient."""
    row = p.TABLE[name]
    for op, args in ARRAYS.get(name) or [(row, safe(row, A, B))]:
        if name in ("astype", "heaviside") or (dtype == np.float16 and name in LINEAR_ALGEBRA):
            continue  # which is for changing it, and for which NumPy takes no float16
        few = [a.astype(dtype) for a in args]
        assert op(*map(Tensor, few)).dtype == dtype
        grads = ag.grad(lambda *xs, op=op: op(*xs).sum(), tuple(range(len(few))))
        assert [g.dtype for g in grads(*few)] == [dtype] * len(few)
        seconds = ag.grad(lambda *xs, grads=grads: sum((g * g).sum() for g in grads(*xs)), 0)(*few)
        assert seconds.dtype == dtype


@pytest.mark.parametrize("name", [row.name for row in p.TABLE.values() if row.analytic])
def test_a_row_that_calls_itself_analytic_is_right_off_the_real_line(name: str) -> None:
    """Its complex step is its derivative; where the forward knows no complex numbers, the flag must say so."""
    row = p.TABLE[name]
    for op, args in ARRAYS.get(name) or [(row, safe(row, A, B))]:
        weights = np.cos(np.arange(op(*args).size)).reshape(op(*args).shape) + 1.5
        for i, x in enumerate(args):
            g = ag.grad(lambda *xs, op=op, w=weights: (w * op(*xs)).sum(), i)(*args)
            for k in list(np.ndindex(x.shape))[:6]:
                stepped = [a.astype(complex) for a in args]
                stepped[i][k] += 1e-30j
                slope = (weights * op(*map(tensor_of, stepped)).data).sum().imag / 1e-30
                assert slope == pytest.approx(g[k], rel=1e-12, abs=1e-12)


def tensor_of(z: np.ndarray) -> Tensor:
    """A Tensor of complex numbers, as gradcheck makes it for a complex step."""
    t = Tensor(0.0)
    t.raw = z
    return t


# ---- where branches meet ---------------------------------------------------------------


def test_logaddexp_is_right_where_its_arguments_are_equal_at_every_order() -> None:
    for at in (0.0, 1.5, -40.0, 1e6):
        second = ag.hessian(lambda x: p.logaddexp(x[0], x[1]))(np.array([at, at]))
        np.testing.assert_allclose(second, [[0.25, -0.25], [-0.25, 0.25]], rtol=1e-12)
        second = ag.hessian(lambda x: p.logaddexp2(x[0], x[1]))(np.array([at, at]))
        np.testing.assert_allclose(second, math.log(2) / 4 * np.array([[1, -1], [-1, 1]]), rtol=1e-12)
    softplus = lambda x: p.logaddexp(x, 0.0)  # noqa: E731
    for order, want in enumerate((math.log(2), 0.5, 0.25, 0.0, -0.125, 0.0, 0.25)):
        assert softplus(0.0) == pytest.approx(want, abs=1e-15), order
        softplus = ag.grad(softplus)
    assert ag.grad(p.logaddexp, (0, 1))(math.inf, math.inf) == (0.5, 0.5)
    assert ag.grad(p.logaddexp, (0, 1))(-math.inf, -math.inf) == (0.5, 0.5)
    assert ag.grad(p.logaddexp, (0, 1))(-math.inf, 0.0) == (0.0, 1.0)


def derivatives(f: Any, at: float, orders: int) -> list[float]:
    """f and its derivatives at a point, as Values; and the same as Tensors."""
    found, of_tensors, g = [], [], f
    for _ in range(orders + 1):
        found.append(float(f(at)))
        of_tensors.append(float(g(np.array(at))))
        f, g = ag.grad(f), ag.grad(g)
    np.testing.assert_array_equal(found, of_tensors)
    return found


def test_powers_of_0_are_right_at_every_order() -> None:
    for n in range(5):
        want = [math.factorial(n) if k == n else 0.0 for k in range(5)]
        assert derivatives(lambda x, n=n: x**n, 0.0, 4) == want
        assert derivatives(lambda x, n=n: x ** np.float64(n), 0.0, 4) == want
        assert derivatives(lambda x, n=n: p.prod(np.stack([x] * n), 0, False) if n else x**0, 0.0, 4) == want


def test_a_power_of_0_is_flat_everywhere() -> None:
    for x in (0.0, math.inf, math.nan, -2.0):
        assert ag.grad(lambda x: x**0)(x) == 0.0
        assert ag.grad(lambda x: (x ** np.array([0.0, 0.0])).sum())(np.array([x, x])).tolist() == [0.0, 0.0]
    assert ag.grad(lambda b: p.power(0.0, b))(2.0) == 0.0 and ag.grad(lambda b: p.power(0.0, b))(0.0) == 0.0


# ---- rules select ------------------------------------------------------------------------

BLOCKED = [
    ("relu", lambda x: p.relu(x), -1.0), ("relu", lambda x: p.relu(x), 0.0), ("abs", abs, 0.0),
    ("maximum", lambda x: p.maximum(x, 0.0), -1.0), ("maximum", lambda x: p.maximum(0.0, x), -1.0),
    ("minimum", lambda x: p.minimum(x, 0.0), 1.0), ("fmax", lambda x: p.fmax(x, 0.0), -1.0),
    ("fmin", lambda x: p.fmin(x, 0.0), 1.0), ("sign", lambda x: 1 + p.sign(x), -1.0),
    ("floor", p.floor, 0.5), ("ceil", p.ceil, -0.5), ("rint", p.rint, 0.3), ("trunc", p.trunc, 0.3),
    ("floor_divide", lambda x: p.floor_divide(x, 2.0), 0.3), ("hypot", lambda x: p.hypot(x, 0.0), 0.0),
    ("heaviside", lambda x: p.heaviside(x, 0.5), -1.0), ("copysign", lambda x: p.copysign(x, 1.0), 0.0),
    ("pow", lambda x: p.power(0.0, x), 2.0),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "f", "at"), BLOCKED)
def test_what_a_rule_leaves_out_no_gradient_passes(name: str, f: Any, at: float) -> None:
    """sqrt(f(x)) where f is 0: the gradient of f is inf, and f takes nothing of x."""
    for outer in (p.sqrt, lambda y: p.log(y * 0), lambda y: y * math.nan):
        assert ag.grad(lambda x, outer=outer: outer(f(x)))(at) == 0.0
        assert ag.grad(lambda x, outer=outer: outer(f(x)).sum())(np.array([at])).tolist() == [0.0]
        if name not in ("abs", "hypot", "copysign"):  # corners, which have no second derivative
            assert ag.grad(ag.grad(lambda x, outer=outer: outer(f(x))))(at) == 0.0
            assert ag.hessian(lambda x, outer=outer: outer(f(x)).sum())(np.array([at])).tolist() == [[0.0]]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_extremes_select_too() -> None:
    for f, x in ((p.amax, [0.0, -1.0, -2.0]), (p.amin, [0.0, 1.0, 2.0])):
        x = np.array(x)
        assert ag.grad(lambda x, f=f: p.sqrt(f(x, None, False)))(x).tolist() == [math.inf, 0.0, 0.0]
        assert ag.grad(lambda x, f=f: p.sqrt(f(x, 0, True)).sum())(x).tolist() == [math.inf, 0.0, 0.0]


def test_a_nan_keeps_its_gradient() -> None:
    """It is an error to be found, and not to be lost on the way."""
    x = np.array([1.0, math.nan, 0.5])
    assert ag.grad(lambda x: p.amax(x, None, False))(x).tolist() == [0.0, 1.0, 0.0]
    assert ag.grad(lambda x: p.maximum(x, 0.7).sum())(x).tolist() == [1.0, 1.0, 0.0]
    assert ag.grad(p.relu)(math.nan) == 1.0 and ag.grad(p.fmax)(math.nan, 1.0) == 0.0
    assert ag.grad(p.fmax, 1)(math.nan, 1.0) == 1.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_large_mask_selects_as_a_small_one(dtype: Any) -> None:
    x = np.resize(np.array([1.5, -2.0, math.inf, -math.inf, math.nan, -0.0], dtype), (70, 90))
    keep = np.random.default_rng(0).random(x.shape) < 0.5
    for c in (keep, keep[:, :1], keep.T.copy().T):
        for got, want in (
            (p.where(c, x, 0.0), np.where(c, x, 0.0)),
            (p.where(c, 0.0, x), np.where(c, 0.0, x)),
            (p.where(c, -0.0, x), np.where(c, -0.0, x)),
            (p.where(keep, x[:, ::-1][0], 0.0), np.where(keep, x[:, ::-1][0], 0.0)),
            (p.where(c, 1.0, x), np.where(c, 1.0, x)),
        ):
            assert got.dtype == dtype and got.shape == want.shape and got.tobytes() == want.tobytes()


# ---- products, sums and counts -----------------------------------------------------------


@pytest.mark.parametrize("x", [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0], [0.0], [3.0]])
def test_products_with_zeros_are_right_to_third_order(x: list[float]) -> None:
    weights = np.arange(1.0, len(x) + 1)

    def product(x: Any) -> Any:
        return functools.reduce(lambda a, b: a * b, list(x))

    def products(x: Any) -> Any:
        return sum(w * product(x[: i + 1]) for i, w in enumerate(weights))

    for f, want in (
        (lambda x: p.prod(x, None, False), product),
        (lambda x: (p.cumprod(x, 0) * weights).sum(), products),
    ):
        for d in (ag.grad, ag.hessian, lambda f: ag.jacobian(ag.hessian(f))):
            np.testing.assert_allclose(d(f)(np.array(x)), d(want)(np.array(x)), atol=1e-14)


@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((0, 3), 0), ((0, 3), 1), ((3, 0), 1), ((2, 0, 3), (0, 2))])
def test_reductions_of_nothing_have_gradients_of_their_shape(shape: tuple[int, ...], axis: Any) -> None:
    x = np.ones(shape)
    rows = [lambda x, row=row, k=k: row(x, axis, k) for row in (p.total, p.prod) for k in (False, True)]
    if isinstance(axis, int):
        rows += [lambda x: p.cumsum(x, axis), lambda x: p.cumprod(x, axis)]
    for f in rows:
        assert ag.grad(lambda x, f=f: f(x).sum())(x).shape == shape
        assert ag.hessian(lambda x, f=f: f(x).sum())(x).shape == shape * 2


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(0, 3), (3, 2)]), ("ij,jk->ik", [(2, 0), (0, 2)]), ("ij->", [(0, 3)]), ("ij->j", [(0, 3)]),
        ("ij->i", [(0, 3)]), ("ii->", [(0, 0)]), ("i,j->", [(0,), (3,)]), ("i,j->ij", [(0,), (3,)]),
        ("ij,ij->ij", [(1, 3), (0, 3)]), ("ij,ij->ij", [(1, 3), (2, 1)]), ("ii,ij->", [(1, 1), (3, 2)]), ("->", [()]),
        (",i->i", [(), (3,)]), ("iji,jk->ik", [(2, 3, 2), (3, 2)]), ("iii->i", [(2, 2, 2)]), ("ijij->", [(2, 3, 2, 3)]),
        ("i,j,k->", [(2,), (3,), (2,)]), ("ij,jk,kl,li->", [(2, 3), (3, 2), (2, 2), (2, 2)]),
        ("ab,cd->", [(2, 2), (1, 2)]),
    ],
)  # fmt: skip
def test_einsum(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(3)
    args = [rng.normal(size=s) for s in shapes]
    for i, g in enumerate(ag.grad(lambda *xs: p.einsum(subscripts, *xs).sum(), tuple(range(len(args))))(*args)):
        assert g.shape == args[i].shape
    np.testing.assert_allclose(p.einsum(subscripts, *map(Tensor, args)).data, np.einsum(subscripts, *args))
    if all(a.size for a in args):
        check(lambda *xs: p.einsum(subscripts, *xs), args)


def test_float16_counts_beyond_its_range() -> None:
    x = np.ones(70_000, np.float16)
    for f in (lambda x: p.mean(x, None, False), lambda x: p.amax(x, None, False)):
        np.testing.assert_allclose(ag.grad(f)(x), 1 / 70_000, rtol=2e-3)
    many = np.ones((5000, 3), np.float16)  # 2048 + 1 is 2048
    assert p.total(Tensor(many), 0, False).data.tolist() == [5000.0] * 3
    assert ag.grad(lambda b: p.add(many, b).sum())(np.zeros(3, np.float16)).tolist() == [5000.0] * 3
    assert p.cumsum(Tensor(many), 0).data[-1].tolist() == [5000.0] * 3


def test_rules_at_the_edges_follow_ieee() -> None:
    x = Value(0.0)
    (1 / x).backward()
    assert x.grad == -math.inf
    for f, at, want in (
        (Value.sqrt, 0.0, math.inf),
        (Value.log, 0.0, math.inf),
        (Value.relu, 0.0, 0.0),
        (abs, 0.0, 0.0),
    ):
        x = Value(at)
        f(x).backward()
        assert x.grad == want
    for exponent in (0, 1, 2, 0.0, 2.0):
        x = Value(0.0)
        (x**exponent).backward()
        assert x.grad == (1.0 if exponent == 1 else 0.0)
    t = Tensor([0.0, 1.0])
    (t**2).sum().backward()
    assert t.grad.tolist() == [0.0, 2.0]


def test_ties_share() -> None:
    x = Tensor([2.0, 2.0, 1.0])
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.0]
    a, b = Value(1.0), Value(1.0)
    a.maximum(b).backward()
    assert (a.grad, b.grad) == (0.5, 0.5)


@pytest.mark.parametrize(
    "copies",
    [
        lambda b: b[np.zeros(4096, int)],
        lambda b: np.take(b, np.zeros(4096, int)),
        lambda b: np.repeat(b, 4096),
        lambda b: np.tile(b, 4096),
        lambda b: np.pad(b, (0, 4095), mode="edge"),
        lambda b: np.einsum("ij,j->", np.ones((4096, 1), np.float16), b),
        lambda b: np.einsum("ij,j,j->i", np.ones((4096, 1), np.float16), b, np.ones(1, np.float16)),
        lambda b: np.broadcast_to(b, 4096),
        lambda b: b * np.ones(4096, np.float16),
    ],
)
def test_float16_gradients_count_beyond_2048(copies: Any) -> None:
    slope = ag.grad(lambda b: copies(b).sum())(np.ones(1, np.float16))
    assert slope.dtype == np.float16 and slope.tolist() == [4096.0]
