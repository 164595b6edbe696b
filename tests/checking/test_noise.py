"""What is noise and what is not: corners, jumps, isolated points, zero gradients, sums with something large."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag

D = ag.detach
OPTIONS: list[dict[str, Any]] = [
    {}, {"fast": True}, {"method": "central"}, {"method": "richardson"}, {"method": "forward"}, {"method": "backward"},
]  # fmt: skip
DTYPES = [np.float64, np.float32]
Function = Callable[[Any], Any]


def wrong(report: ag.GradcheckReport, order: int = 1) -> set[int]:
    """The elements whose gradients are called wrong."""
    return {row.index[0] for row in report.rows if row.verdict == "wrong" and row.index and row.order == order}


def everywhere(f: Function, at: list[float], expected: set[int], dtypes: list[Any] = DTYPES) -> None:
    """However it is checked, these elements are wrong and no others."""
    for dtype in dtypes:
        for options in OPTIONS:
            report = ag.gradcheck(f, np.array(at, dtype), **options)
            assert wrong(report) == expected and bool(report) == (not expected), f"{options} {report}"


# ---- gradients that are 0 ----------------------------------------------------------------

FIT = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (lambda x: (np.maximum(x, 0) ** 2).sum(), [0.0]),
        (lambda x: (abs(x) * x).sum(), [0.0, 0.0]),
        (lambda x: (np.maximum(x - 1, 0) ** 2).sum(), [1.0]),
        (lambda x: 1e10 * (np.maximum(x, 0) ** 2).sum(), [0.0, 0.0]),
        (lambda x: 1e-10 * (np.maximum(x, 0) ** 1.5).sum(), [0.0]),
        (lambda x: ((x - 1) ** 2).sum(), [1.0, 1.0, 1.0]),
        (lambda x: ((x - 1) ** 3).sum(), [1.0, 1.0]),
        (lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, [1.0, 1.0]),
        (lambda x: ((FIT @ x - FIT @ np.array([0.5, 0.75])) ** 2).sum(), [0.5, 0.75]),
    ],
)
def test_a_gradient_of_0_at_a_minimum_is_right(f: Function, at: list[float]) -> None:
    """f is 0 there, and so is what rounding does to it: beside the point it does more."""
    everywhere(f, at, set())
    everywhere(lambda x: f(x) + 1e-3 * D(x).sum(), at, set(range(len(at))), [np.float64])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fast", [False, True])
def test_a_right_gradient_passes_at_any_minimum(dtype: Any, fast: bool) -> None:
    for seed in range(16):
        rng = np.random.default_rng(seed)
        a = rng.normal(size=(5, 3)) * 10.0 ** rng.integers(-2, 3)
        at = np.round(rng.normal(size=3), seed + 1).astype(dtype)
        fits: list[Function] = [
            lambda x, a=a, at=at: ((a @ x - a @ at) ** 2).sum(),
            lambda x, a=a, at=at: ((a @ (x - at)) ** 2).sum(),
            lambda x, at=at: ((np.sin(x) - np.sin(at)) ** 2).sum(),
        ]
        for f in fits:
            report = ag.gradcheck(f, at, fast=fast, order=2)
            assert report and "noisy" not in str(report), f"{seed} {report}"


def test_a_smooth_function_is_not_at_a_corner_where_its_gradient_is_0() -> None:
    report = ag.gradcheck(lambda x: ((FIT @ (x - np.array([0.1, 0.7]))) ** 2).sum(), np.array([0.1, 0.7]))
    assert report.verdict == "ok", str(report)
    assert ag.gradcheck(lambda x: (x**2 + 1e-9 * abs(x)).sum(), np.zeros(2)).verdict == "kink"


# ---- corners -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "corner",
    [
        lambda x: x[0].relu(),
        lambda x: np.maximum(x[0], 0),
        lambda x: abs(x[0]),
        lambda x: np.clip(x[0], 0, 1),
        lambda x: np.clip(x[0], -1, 0),
        lambda x: np.where(x[0] > 0, 2 * x[0], x[0]),
        lambda x: np.max(x[:1] * np.array([1, -1])),
        lambda x: np.sqrt((x[:1] * x[:1]).sum() + 1e-30),
        lambda x: 100 * np.maximum(x[0] - 1e-9, 0),
        lambda x: np.maximum(-x[0], 1e-12 * x[0]),
    ],
)
def test_a_corner_excuses_no_other_element(corner: Function) -> None:
    everywhere(lambda x: corner(x) + D(x[1]) * x[1] + x[2] ** 2, [0.0, 3.0, 2.0], {1})
    everywhere(lambda x: corner(x) + x[1] * x[1], [0.0, 3.0], set())


def test_ties_excuse_no_other_element() -> None:
    everywhere(lambda x: np.max(x[:2]) + D(x[2]) * x[2], [2.0, 2.0, 3.0], {2})
    everywhere(lambda x: np.maximum(x[0], x[1]) * 1e6 + D(x[2]) * x[2], [2.0, 2.0, 3.0], {2}, [np.float64])


def test_a_gradient_outside_a_corner_is_wrong_and_inside_right() -> None:
    for slope, expected in ((-0.1, {0}), (0.0, set()), (0.6, set()), (1.0, set()), (1.1, {0})):
        everywhere(lambda x, s=slope: (np.maximum(D(x), 0) + s * (x - D(x)))[0] + x[1], [0.0, 1.0], expected)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12])
def test_near_a_corner_there_is_one_slope(gap: float) -> None:
    everywhere(lambda x: np.maximum(x, 0).sum(), [gap, -gap, 0.5], set())
    everywhere(lambda x: np.maximum(x, 0).sum() - 0.5 * (x[0] - D(x[0])), [gap, 0.5], {0}, [np.float64])
    everywhere(lambda x: np.maximum(x, 0).sum() + 0.5 * (x[0] - D(x[0])), [-gap, 0.5], {0}, [np.float64])


# ---- isolated points and jumps -----------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.where(np.equal(x, 0), 0.0, x).sum(),
        lambda x: np.where(np.equal(x, 0), 0.0, np.sin(x) + x * x).sum(),
        lambda x: np.where(np.equal(x, 0), 0.0, 1e-3 * x).sum() * 1e3,
        lambda x: (x * np.where(np.equal(x, 0), D(x), 1.0)).sum(),
    ],
)
def test_a_branch_for_one_point_has_the_slope_of_the_others(f: Function) -> None:
    everywhere(f, [0.0, 2.0], {0})
    everywhere(f, [0.0], {0})
    everywhere(f, [0.1, 2.0], set())


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sign(x).sum(),
        lambda x: np.where(x > 0, 1.0, 0.0 * x).sum(),
        lambda x: np.where(x >= 0, 1.0, 0.0 * x).sum(),
        lambda x: (np.floor(x) + x).sum(),
        lambda x: (x + 1e-3 * np.sign(x)).sum(),
    ],
)
def test_where_f_jumps_it_has_no_derivative(f: Function) -> None:
    everywhere(f, [0.0, 0.5], {0})
    everywhere(f, [1e-3, 0.5], set())


def test_a_flat_piece_has_slope_0_however_small_it_is() -> None:
    for gap in (1e-3, 1e-6, 1e-9, 1e-12):
        everywhere(lambda x, gap=gap: np.log(np.maximum(x, gap)).sum(), [0.0, 3.0], set(), [np.float64])
        everywhere(lambda x, gap=gap: np.where(abs(x) < gap, 0.0, x).sum(), [0.0, 3.0], set(), [np.float64])


# ---- zero gradients ----------------------------------------------------------------------


@pytest.mark.parametrize("c", [1e2, 1e6, 1e8, 1e10, 1e12])
def test_a_graph_that_is_cut_is_seen_beside_something_large(c: float) -> None:
    everywhere(lambda x: ((D(x) + c) ** 2).sum() - 2 * c * c, [1.0, 2.0], {0, 1}, [np.float64])
    everywhere(lambda x: ((D(x) + c) - c).sum() + 0.5 * x.sum(), [1.3, 2.1], {0, 1}, [np.float64])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ((x + 1e8) ** 2).sum() - 2e16,
        lambda x: ((x + 1e6) ** 2).sum() - 2e12,
        lambda x: (np.log(1e7 + x) - np.log(1e7)).sum(),
        lambda x: (np.log(1e12 + x) - np.log(1e12)).sum(),
        lambda x: ((x + 1e15) - 1e15).sum(),
        lambda x: (x + 1e6).var(),
        lambda x: np.exp(x - 500).sum() * 1e200,
    ],
)
def test_a_sum_with_something_large_is_right(f: Function) -> None:
    everywhere(f, [1.0, 2.5], set(), [np.float64])
    assert ag.gradcheck(f, np.array([1.0, 2.5]), method="complex")


def test_a_variance_with_an_offset_is_right_in_float32() -> None:
    everywhere(lambda x: (x + np.float32(1e4)).var(), [1.0, 2.5, 4.0], set())


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (lambda x: np.exp(x).sum(), [500.0, 499.0]),
        (lambda x: np.exp(x).sum(), [-500.0, -499.0]),
        (lambda x: (x * x).sum(), [1e100, 2e100]),
        (lambda x: (x * x).sum(), [1e150]),
        (lambda x: (x * x).sum(), [1e-120, 2e-120]),
        (lambda x: (x**3).sum(), [1e90]),
        (lambda x: np.sin(x * 1e150).sum(), [0.3e-150, 0.0]),
        (lambda x: np.tanh(x * 1e-150).sum() * 1e-100, [0.3e150, 0.0]),
        (lambda x: np.log(x).sum(), [1e-300, 1e300]),
        (lambda x: (1 / x).sum(), [1e-100]),
    ],
)
def test_no_scale_is_too_large_or_too_small(f: Function, at: list[float]) -> None:
    everywhere(f, at, set(), [np.float64])
    everywhere(lambda x: 1.01 * f(x) - 0.01 * f(D(x)), at, set(range(len(at))), [np.float64])


def test_what_is_not_seen_is_noisy_and_not_ok() -> None:
    assert ag.gradcheck(lambda x: np.sin(x) * 1e-20 + 1, 1.0).verdict == "noisy"
    assert ag.gradcheck(lambda x: x * 1e-20 + 1, 1.0).verdict == "ok"  # seen over large steps
    assert ag.gradcheck(lambda x: 1e-3 * np.sin(1e12 * D(x)), np.array(1.3)).verdict == "noisy"


# ---- second order, Taylor, complex -------------------------------------------------------


def test_second_order_at_corners() -> None:
    for f in (lambda x: np.maximum(x, 0).sum(), lambda x: abs(x).sum(), lambda x: (abs(x) * x).sum()):
        report = ag.gradcheck(f, np.array([0.0, 1.0, -2.0]), order=2)
        assert report, str(report)
    bend = lambda x: x[0].relu() + (D(x[1]) * x[1] - D(x[1]) ** 2 / 2 + D(x[1] ** 2) / 2)  # noqa: E731  right, once
    report = ag.gradcheck(bend, np.array([0.0, 3.0]), order=2)
    assert wrong(report) == {1}  # D(x) x has the slope 2 x in truth


def test_a_wrong_second_order_is_found_beside_a_corner() -> None:
    def cut(x: Any) -> Any:
        """sin, with a gradient that is right and has no gradient itself."""
        return np.sin(D(x)) + np.cos(D(x)) * (x - D(x))

    report = ag.gradcheck(lambda x: np.maximum(x[0], 0) + cut(x[1]) + x[2] ** 2, np.array([0.0, 1.0, 2.0]), order=2)
    assert wrong(report) == set() and wrong(report, 2) == {1}, str(report)


def test_a_linear_function_is_ok_at_second_order() -> None:
    report = ag.gradcheck(lambda x: (3 * x).sum(), np.array([1.0, 2.0]), order=2)
    assert report and report.verdict == "ok" and {row.verdict for row in report.rows} == {"ok"}
    report = ag.gradcheck(lambda x, y: 3 * x, 1.0, 2.0, order=2)
    assert report and [row.name for row in report.rows if row.verdict == "unused"] == ["y"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_taylor_leaves_corners_out_and_nothing_else(dtype: Any) -> None:
    def order(f: Function, *at: float) -> float:
        return ag.taylor_test(f, np.array(at, dtype))

    assert order(lambda x: x[0].relu() + D(x[1]) * x[1], 0.0, 3.0) == pytest.approx(1, abs=0.05)
    assert order(lambda x: x[0].relu() + x[1] * x[1], 0.0, 3.0) == pytest.approx(2, abs=0.05)
    assert order(lambda x: np.where(np.equal(x, 0), 0.0, x).sum(), 0.0) == pytest.approx(1, abs=0.05)
    assert order(lambda x: (np.maximum(x, 0) + 2 * (x - D(x))).sum(), 0.0, 1.0) == pytest.approx(1, abs=0.05)
    assert order(lambda x: np.max(x[:2]) + x[2] ** 2, 2.0, 2.0, 3.0) == pytest.approx(2, abs=0.05)
    assert order(lambda x: np.sign(x).sum(), 0.0) < 0.5


def test_taylor_at_any_scale() -> None:
    assert ag.taylor_test(lambda x: (x * x).sum(), np.array([1e100])) == pytest.approx(2, abs=0.05)
    assert ag.taylor_test(lambda x: np.exp(x).sum(), np.array([500.0])) == pytest.approx(2, abs=0.05)
    assert ag.taylor_test(lambda x: ((D(x) + 1e8) ** 2).sum() - 1e16, np.array([1.0])) == pytest.approx(1, abs=0.05)


# ---- f, and where it runs ----------------------------------------------------------------


def test_f_may_change_what_it_was_given() -> None:
    def update(d: Any) -> Any:
        d.update(a=d["a"] * 2)
        return d["a"] * 3

    def mask(d: Any) -> Any:
        d["w"] = d["w"] * np.array([1.0, 0.0])
        d["new"] = d.pop("w")
        return (d["new"] * 5).sum()

    def grow(x: Any) -> Any:
        x.append(x[0] * x[1])
        return x.pop() + x[-1]

    given: dict[str, Any] = {"w": np.array([1.0, 2.0])}
    for f, at, analytic in ((update, {"a": 1.0}, [6.0]), (mask, given, [5.0, 0.0]), (grow, [2.0, 3.0], [3.0, 3.0])):
        report = ag.gradcheck(f, at, order=2)
        assert report and [r.analytic for r in sorted(report.rows, key=str) if r.order == 1] == analytic, str(report)
    assert list(given) == ["w"]
    assert ag.gradcheck(lambda x: (x.__imul__(2) if isinstance(x, np.ndarray) else x * 2).sum(), np.ones(2))


def test_in_two_threads_at_once() -> None:
    found: dict[int, list[str]] = {0: [], 1: []}

    def work(k: int) -> None:
        rng = np.random.default_rng(k)
        for _ in range(10):
            x = rng.normal(size=4)
            found[k].append(ag.gradcheck(lambda x: np.tanh(x).sum(), x, order=2).verdict)
            found[k].append(ag.gradcheck(lambda x: (x * D(x)).sum(), ag.values(x), method="complex").verdict)

    threads = [threading.Thread(target=work, args=(k,)) for k in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: ["ok", "wrong"] * 10 for k in found}
    assert ag.grad(lambda x: x * x)(3.0) == 6.0
