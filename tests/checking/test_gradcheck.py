"""gradcheck: every verdict, planted wrong rules for every row, methods, orders and bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor, Value
from autograd.engine import primitives as p
from autograd.engine import rows
from autograd.engine.graph import Primitive
from autograd.engine.kinds import raw
from tests.helpers import ARRAYS, FLAT, NUMERIC, safe
from transformer import Config, init, loss
from transformer.layers import layernorm, softmax

A = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1]])
B = np.array([[1.3, 0.2, -0.7], [0.5, 2.4, -1.6]])
DTYPES = [np.float64, np.float32]


def cube(x: Any) -> Any:
    return (np.tanh(x) ** 3).sum()


# ---- verdicts ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_gradient_passes_and_a_wrong_one_fails(dtype: Any) -> None:
    right = ag.gradcheck(cube, A.astype(dtype))
    assert right and right.verdict == "ok" and right.max_error < (1e-9 if dtype is np.float64 else 1e-3)
    assert len(right.rows) == 6 and {row.index for row in right.rows} == set(np.ndindex(2, 3))
    wrong = ag.gradcheck(lambda x: (x * ag.detach(x)).sum(), A.astype(dtype))
    assert not wrong and wrong.verdict == "wrong" and wrong.rows[0].ratio > 1
    with pytest.raises(ag.GradcheckError, match="FAILED"):
        wrong.raise_if_failed()
    right.raise_if_failed()


@pytest.mark.parametrize(
    ("f", "at", "left", "right", "analytic"),
    [
        (lambda x: x.relu(), 0.0, 0, 1, 0),
        (abs, 0.0, -1, 1, 0),
        (lambda x: x.maximum(2.0), 2.0, 0, 1, 0.5),
        (lambda x: np.maximum(x, 2.0).sum(), np.array([2.0]), 0, 1, 0.5),
        (lambda x: np.max(x), np.array([2.0, 2.0]), 0, 1, 0.5),
    ],
)
def test_a_kink_shows_both_sides_and_admits_what_lies_between(
    f: Any, at: Any, left: float, right: float, analytic: float
) -> None:
    report = ag.gradcheck(f, at)
    row = report.rows[0]
    assert (
        report
        and report.verdict == "kink"
        and (row.left, row.right, row.analytic) == pytest.approx((left, right, analytic), abs=1e-6)
    )
    assert "left" in str(report)


def test_a_gradient_outside_a_kink_is_wrong() -> None:
    broken = Primitive("broken", None, lambda x: np.maximum(x, 0), (lambda g, out, x: g * 1.5,))
    report = ag.gradcheck(lambda x: broken(x).sum(), np.array([0.0]))
    assert report.verdict == "wrong" and report.rows[0].right == pytest.approx(1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_terms_cancel_rounding_is_no_fault(dtype: Any) -> None:
    """The mean of a layernorm is 0 and a softmax sums to 1: gradients of pure rounding noise."""
    x, w = A.astype(dtype), B.T.astype(dtype)
    for f in (
        lambda x, w: layernorm(np.tanh(x @ w)).mean(),
        lambda x, w: softmax(x @ w).sum(),
        lambda x, w: (x @ w).sum() * 0,
    ):
        for fast in (False, True):
            report = ag.gradcheck(f, x, w, fast=fast, order=2 if dtype is np.float64 else 1)
            assert report, str(report)


def test_beside_a_kink_all_is_well() -> None:
    assert ag.gradcheck(lambda x: np.maximum(x, 0).sum(), np.array([1e-6, -1e-6, 3e-7])).verdict in ("ok", "kink")
    assert ag.gradcheck(lambda x: np.log(x).sum(), np.array([1e-7])).verdict == "ok"


def test_a_function_too_rough_is_noisy() -> None:
    def rough(x: Any) -> Any:
        return x + 1e-3 * np.sin(1e12 * ag.detach(x).item())

    report = ag.gradcheck(rough, 1.3)
    assert report.verdict == "noisy" and not report and "too rough" in str(report)


def test_a_function_with_dice_is_nondeterministic() -> None:
    rng = np.random.default_rng(0)
    report = ag.gradcheck(lambda x: (x * rng.normal()).sum(), A)
    assert report.verdict == "nondeterministic" and not report


def test_an_unused_input_is_said_to_be() -> None:
    report = ag.gradcheck(lambda x, y: x * x, 1.0, 2.0)
    assert (
        report and report.verdict == "unused" and [row.name for row in report.rows if row.verdict == "unused"] == ["y"]
    )
    cut = ag.gradcheck(lambda x: x * 0 + ag.detach(x) ** 2, 3.0)
    assert cut.verdict == "wrong" and "all zero; is the graph cut" in cut.guess


@pytest.mark.parametrize(
    ("f", "at"), [(lambda x: np.log(x).sum(), np.array([-1.0])), (lambda x: np.sqrt(x).sum(), np.array([0.0, 1.0]))]
)
def test_inf_and_nan_are_nonfinite(f: Any, at: Any) -> None:
    with np.errstate(all="ignore"):
        report = ag.gradcheck(f, at)
    assert report.verdict == "nonfinite" and not report


# ---- the table of primitives -------------------------------------------------------------


def cases(name: str) -> list[tuple[Callable[..., Any], list[np.ndarray]]]:
    """Calls of one row of the table, with arguments that fit."""
    if name in ARRAYS:
        return ARRAYS[name]
    row = p.TABLE[name]
    return [(row, safe(row, A, B))]


def scaled(rule: Any) -> Any:
    return lambda g, out, *args: 1.01 * rule(g, out, *args)


def flipped(rule: Any) -> Any:
    return lambda g, out, *args: -rule(g, out, *args)


def transposed(rule: Any) -> Any:
    def wrong(g: Any, out: Any, *args: Any) -> Any:
        c = rule(g, out, *args)
        return c.reshape(c.shape[::-1]).transpose() if np.ndim(raw(c)) > 1 else c[::-1] if np.ndim(raw(c)) else c * 0.5

    return wrong


def dropped(rule: Any) -> Any:
    """Without what every other element of the upstream gradient brings."""

    def wrong(g: Any, out: Any, *args: Any) -> Any:
        if not np.ndim(raw(g)):
            return rule(g * 0.0, out, *args)
        mask = np.arange(g.size, dtype=g.dtype).reshape(g.shape) % 2
        return rule(g * mask, out, *args)

    return wrong


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("plant", [scaled, flipped, transposed, dropped])
@pytest.mark.parametrize("name", [name for name in p.TABLE if name not in FLAT])  # no factor changes 0
def test_a_planted_wrong_rule_is_caught(name: str, plant: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = p.TABLE[name]
    op, args = cases(name)[
        1 if name in ("sum", "mean") else 0
    ]  # along an axis, or no gradient would change by transposing
    args = [a.astype(dtype) for a in args]
    call = op
    if name == "sum":  # or the sum that gradcheck takes of the outputs would be wrong as well

        def op(*xs: Any) -> Any:
            y = call(*xs).reshape(-1)
            return y @ np.arange(1.0, y.size + 1, dtype=y.dtype)

    assert ag.gradcheck(op, *args), "the right rule passes"
    vjps = row.vjps
    if isinstance(vjps, rows.Variadic):
        wrong = [rows.Variadic(lambda i, *given: plant(vjps[i])(*given))]
    else:
        wrong = [
            tuple(plant(rule) if j == i else rule for j, rule in enumerate(vjps))
            for i in range(len(vjps))
            if vjps[i] not in (None, p.flat)
        ]
    for rules in wrong:
        monkeypatch.setattr(row, "vjps", rules)
        report = ag.gradcheck(op, *args, localize=True)
        assert report.verdict == "wrong", f"{plant.__name__} rule of {name}: {report}"
        assert report.guilty and report.guilty[0].startswith(f"{name} (argument"), report.guilty


def test_a_wrong_slope_of_sign_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p.sign, "vjps", (lambda g, out, a: g,))
    assert ag.gradcheck(p.sign, A).verdict == "wrong"


@pytest.mark.parametrize("name", [row.name for row in NUMERIC])
@pytest.mark.parametrize("plant", [scaled, flipped])
def test_a_planted_wrong_rule_is_caught_among_values(name: str, plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = p.TABLE[name]
    point = [float(x[0, 0]) for x in safe(row, A, B)]
    assert ag.gradcheck(row, *point)
    if name not in FLAT | {"heaviside"}:
        monkeypatch.setattr(row, "vjps", tuple(map(plant, row.vjps)))
        assert ag.gradcheck(row, *point).verdict == "wrong"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(p.TABLE))
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_no_right_rule_is_called_wrong(name: str, dtype: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for op, args in cases(name)[:2]:
        row = p.TABLE[name]
        points = [rng.normal(size=a.shape) * rng.choice([0.1, 1, 3]) for a in args]
        points = [x.astype(dtype) for x in (points if name in ARRAYS else safe(row, *points))]
        report = ag.gradcheck(op, *points)
        assert report.verdict != "wrong" and report, str(report)
        if row.scalar is not None and name not in ARRAYS:
            values = [float(x.flat[0]) for x in points]
            assert ag.gradcheck(row, *values)


# ---- methods, orders, structures ---------------------------------------------------------


@pytest.mark.parametrize("method", ["central", "forward", "backward", "richardson", "complex"])
def test_methods(method: str) -> None:
    report = ag.gradcheck(cube, A, method=method)
    assert report and report.max_error < {"complex": 1e-15, "richardson": 1e-9}.get(method, 1e-6)
    assert ag.gradcheck(lambda x: (x * ag.detach(x)).sum(), A, method=method).verdict == "wrong"
    assert ag.gradcheck(cube, ag.values(A), method=method) and ag.gradcheck(lambda x: (x * x).exp(), 0.4, method=method)


@pytest.mark.parametrize(
    "f", [lambda x: np.maximum(x, 0).sum(), lambda x: abs(x).sum(), lambda x: np.max(x), lambda x: x.relu().sum()]
)
def test_the_complex_step_refuses_what_is_not_analytic(f: Any) -> None:
    with pytest.raises(ValueError, match=r"(maximum|abs|max|relu) is not analytic"):
        ag.gradcheck(f, A, method="complex")


def test_what_grad_takes_gradcheck_takes() -> None:
    def f(params: Any, scale: Any, tokens: Any) -> Any:
        return ((params["w"][tokens] * scale) ** 2).sum() * params["b"][0]

    report = ag.gradcheck(f, {"w": A, "b": [2.0]}, 0.5, np.array([0, 1, 1]))
    assert report and {row.input for row in report.rows} == {"params['w']", "params['b'][0]", "scale"}
    assert "held constant: tokens" in str(report)
    config = Config.preset("microgpt", n_embd=4, n_head=2)  # has a dtype, and is no array all the same
    assert "held constant: tokens, config" in str(
        ag.gradcheck(loss, init(config, np.random.default_rng(0)), np.array([1, 2, 3]), config)
    )
    assert ag.gradcheck(lambda x: np.tanh(x @ B.T), A), "arrays of outputs are weighted"
    assert ag.gradcheck(lambda x: {"a": x * x, "b": [x.sum()]}, A)
    assert (
        ag.gradcheck(lambda x: (x**2).sum(), np.arange(3))
        and ag.gradcheck(cube, Tensor(A))
        and ag.gradcheck(lambda x: x * x, Value(2.0))
    )


def test_jax_arrays() -> None:
    jnp = pytest.importorskip("jax.numpy", reason="JAX is not installed: pip install '.[peers]'")
    assert ag.gradcheck(cube, jnp.asarray(A, jnp.float32))


@pytest.mark.parametrize("x", [A, ag.values(A)], ids=["Tensor", "Values"])
def test_second_order(x: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        return np.exp(np.tanh(x) @ np.cos(x[0])).sum()

    report = ag.gradcheck(f, x, order=2)
    assert report, str(report)
    names = {row.name for row in report.rows}
    assert {"x[0,0]", "d²: x[0,0]", "d²: symmetry of the Hessian", "d²: hvp"} <= names

    def detached(g: Any, out: Any, a: Any) -> Any:  # right at first order, and cut off at second
        return g * ag.detach(1 - out * out)

    monkeypatch.setattr(p.tanh, "vjps", (detached,))
    assert ag.gradcheck(f, x)
    report = ag.gradcheck(f, x, order=2)
    assert report.verdict == "wrong" and all(row.order == 2 for row in report.rows if row.verdict == "wrong")


def test_complex_step_and_second_order_together() -> None:
    assert ag.gradcheck(cube, A, order=2, method="complex")


# ---- large inputs ------------------------------------------------------------------------


def test_one_wrong_element_of_ten_thousand_is_found_and_named() -> None:
    rng = np.random.default_rng(3)
    factor = np.ones((100, 100))
    factor[12, 34] += 1e-4
    sine = Primitive("sine", None, np.sin, (lambda g, out, x: g * np.cos(x) * factor,))
    x = rng.normal(size=(100, 100))
    report = ag.gradcheck(lambda x: sine(x).sum(), x)
    assert report.verdict == "wrong" and [row.name for row in report.rows if row.index] == ["x[12,34]"]
    assert report.evaluations < 2000
    factor[12, 34] = 1
    assert ag.gradcheck(lambda x: sine(x).sum(), x).verdict == "ok"


@pytest.mark.parametrize("swapped", [[0, 1], [0, 3], [10, 1500]])
def test_two_elements_swapped_do_not_cancel(swapped: list[int]) -> None:
    w, order = np.arange(1.0, 2001), np.arange(2000)
    order[swapped] = order[swapped[::-1]]
    scale = Primitive("scale", None, lambda a: a * w, (lambda g, out, a: (g * w)[order],))
    report = ag.gradcheck(lambda x: scale(x).sum(), np.ones(2000))
    assert report.verdict == "wrong" and {(i,) for i in swapped} <= {row.index for row in report.rows}


def test_scales() -> None:
    """What the finite difference cannot tell is not called ok, and neither is a small error at any scale of x."""
    off = Primitive("off", None, np.sin, (lambda g, out, a: 1.001 * g * np.cos(a),))
    x = np.array([0.3, -0.7, 1.2])
    for scale in (1e-4, 1.0, 1e12):
        assert ag.gradcheck(lambda x: off(x / scale).sum(), x * scale).verdict == "wrong"  # noqa: B023
        assert ag.gradcheck(lambda x: np.sin(x / scale).sum(), x * scale).verdict == "ok"  # noqa: B023
    assert ag.gradcheck(lambda x: off(x).sum() * 1e-7 + 1e8, x).verdict == "noisy"
    assert ag.gradcheck(lambda x: (x**3).sum(), np.zeros(2), order=2)
    assert ag.gradcheck(lambda x: (np.sin(x.astype(np.float32)) ** 2).sum(), np.linspace(0, 1, 50), localize=True)
    assert ag.gradcheck(lambda x: (x * x).sum(), np.float16([1, 2])) and ag.gradcheck(
        lambda x: x.sum(), np.zeros(0), order=2
    )


def test_ints_beside_floats_are_constants() -> None:
    report = ag.gradcheck(lambda x, n: sum(x**i for i in range(n)), 2.0, 3)
    assert report and "held constant: n" in str(report) and ag.gradcheck(lambda n: n**2, 3)
    with pytest.raises(ValueError, match="must give numbers and arrays, but gave None"):
        ag.gradcheck(lambda x: None, 1.0)


def test_fast_and_slow_agree_on_small_inputs() -> None:
    assert ag.gradcheck(cube, A, fast=True) and ag.gradcheck(cube, A.astype(np.float32), fast=True)
    report = ag.gradcheck(lambda x: (x * ag.detach(x)).sum(), A, fast=True)
    assert {row.index for row in report.rows if row.index} == set(
        np.ndindex(2, 3)
    ) and "2 times too small" in report.guess


def test_a_kink_among_many_elements_is_found() -> None:
    x = np.random.default_rng(0).normal(size=3000)
    x[777] = 0.0
    report = ag.gradcheck(lambda x: (x * (x > 0)).sum(), x)
    assert report and report.verdict == "kink" and "x[777]" in {row.name for row in report.rows}


def test_a_million_elements_stay_short() -> None:
    x = np.random.default_rng(0).normal(size=1_000_000)
    report = ag.gradcheck(lambda x: (x * x).sum(), x)
    assert report and len(str(report).splitlines()) < 20 and len(report._repr_html_()) < 5000


# ---- Taylor ------------------------------------------------------------------------------


def test_taylor() -> None:
    assert ag.taylor_test(cube, A) == pytest.approx(2, abs=0.02)
    assert ag.taylor_test(lambda x: x**3, 2.0) == pytest.approx(2, abs=0.02)
    assert ag.taylor_test(lambda x: (x * ag.detach(x)).sum(), A) == pytest.approx(1, abs=0.02)
    assert ag.taylor_test(lambda x: x.sum(), A) == np.inf and np.isnan(
        ag.taylor_test(lambda x: np.log(x).sum(), -A * A)
    )
    off = Primitive("off", None, np.sin, (lambda g, out, a: 1.001 * g * np.cos(a),))
    assert ag.taylor_test(lambda x: off(x).sum(), np.float32(A)) == pytest.approx(1, abs=0.05)
    assert ag.taylor_test(cube, np.float32(A)) == pytest.approx(2, abs=0.05)
    assert ag.taylor_test(cube, ag.values(A)) == pytest.approx(2, abs=0.02)
