"""Many elements looked at together: f on stacked points, elements that share a look, and one at fault among many."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.checking.point import Point
from autograd.engine.graph import Primitive

D = ag.detach
A = np.random.default_rng(7).normal(size=(5, 4))
W = np.random.default_rng(8).normal(size=(4, 3))


def rule(forward: Callable[..., Any], vjp: Callable[..., Any]) -> Primitive:
    return Primitive("rule", None, forward, (vjp,))


def wrong(report: ag.GradcheckReport) -> set[tuple[int, ...]]:
    return {row.index for row in report.rows if row.verdict == "wrong" and row.index}


def shapes_seen(f: Callable[..., Any], *inputs: np.ndarray) -> tuple[ag.GradcheckReport, set[tuple[int, ...]]]:
    """The report, and the shapes of the plain arrays that f was called on."""
    seen = set()

    def spy(*args: Any) -> Any:
        seen.update(a.shape for a in args if type(a) is np.ndarray)
        return f(*args)

    return ag.gradcheck(spy, *inputs), seen


# ---- f on stacked points -----------------------------------------------------------------


def test_f_is_called_on_stacked_points_where_it_allows_it() -> None:
    report, seen = shapes_seen(lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True), A)
    assert report.verdict == "ok" and len(report.rows) == 20 and any(len(shape) == 3 for shape in seen)
    report, seen = shapes_seen(lambda x, w: np.tanh(x @ w), A, W)
    assert report.verdict == "ok" and any(len(shape) == 3 for shape in seen)


MIXES: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (lambda x: x - x.mean(0), lambda g, out, x: g - g.mean(0)),
    (lambda x: np.cumsum(x, axis=0), lambda g, out, x: np.cumsum(g[::-1], axis=0)[::-1]),
    (lambda x: np.roll(x, 1, axis=0), lambda g, out, x: np.roll(g, -1, axis=0)),
    (lambda x: x[::-1] * 1.0, lambda g, out, x: g[::-1] * 1.0),
    (lambda x: x / len(x), lambda g, out, x: g / len(x)),
    (lambda x: np.sin(x) * np.ndim(x), lambda g, out, x: g * np.cos(x) * 2),
    (lambda x: x.reshape(5, 4) ** 2, lambda g, out, x: g * 2 * x),
]


@pytest.mark.parametrize(("forward", "vjp"), MIXES)
def test_f_that_mixes_stacked_points_is_judged_point_by_point(
    forward: Callable[..., Any], vjp: Callable[..., Any]
) -> None:
    assert ag.gradcheck(rule(forward, vjp), A).verdict == "ok"
    off = rule(forward, lambda g, out, x: vjp(g, out, x) * np.where(np.arange(20).reshape(5, 4) == 7, 1.001, 1))
    assert wrong(ag.gradcheck(off, A)) == {(1, 3)}


@pytest.mark.parametrize(
    "stacked",
    [
        lambda x: np.sin(A) + 2 * np.cos(A) * (x - A),  # what the wrong rule says
        lambda x: np.sin(x) + np.where(np.arange(20).reshape(5, 4) == 7, np.cos(A) * (x - A), 0),  # in one element
        lambda x: np.sin(A) + 0 * x,
    ],
)
def test_what_f_does_to_stacked_points_excuses_no_gradient(stacked: Callable[..., Any]) -> None:
    double = rule(lambda x: np.sin(x) if x.ndim == 2 else stacked(x), lambda g, out, x: 2 * g * np.cos(x))
    assert len(wrong(ag.gradcheck(double, A))) == 20
    right = rule(lambda x: np.sin(x) if x.ndim == 2 else stacked(x), lambda g, out, x: g * np.cos(x))
    assert ag.gradcheck(right, A).verdict == "ok"


def test_the_changes_of_stacked_points_are_those_of_each() -> None:
    point = Point(lambda x, w: np.tanh(x @ w) * np.arange(3), (A, W))
    elements, steps = np.arange(point.x.size), 1e-6 * point.scale
    together, _ = point.changes(elements, steps, point.gradient)
    assert point.stacks is True
    point.stacks = False
    alone, moves = point.changes(elements, steps, point.gradient)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-14)
    np.testing.assert_allclose(moves, [steps, -steps], rtol=1e-9)


def test_a_large_array_within_f_is_not_made_many_times() -> None:
    report, seen = shapes_seen(lambda x: x[:, None] * x, np.linspace(0.1, 1, 300))
    assert report.verdict == "ok" and seen == {(300,)}


@pytest.mark.parametrize(("large", "share"), [(1e6, 1.0), (1e5, 0.1), (3e7, 0.03), (1e10, 1e-3)])
@pytest.mark.parametrize("method", ["auto", "forward"])
def test_beside_something_large_f_that_mixes_stacked_points_excuses_no_gradient(
    large: float, share: float, method: str
) -> None:
    x = np.random.default_rng(0).normal(size=8)
    means: list[Callable[..., Any]] = [lambda x: x.mean(), lambda x: x.max(), lambda x: (x * x).mean() ** 0.5]
    for mean in means:
        for at in (x, x.astype(np.float32)):
            f = lambda t, x, mean=mean: (t - large, x - share * D(mean(x)))  # noqa: E731
            report = ag.gradcheck(f, np.array([large]), at, method=method)
            assert {row.input for row in report.rows if row.verdict == "wrong"} == {"x"}, str(report)
    offset = np.array([large, *np.zeros(8)])
    report = ag.gradcheck(lambda x: x - offset - share * D((x - offset).mean()), np.array([large, *x]), method=method)
    assert report.verdict == "wrong"


class Keeps:
    """A layer that keeps the mean of what it saw last."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, x: Any) -> Any:
        self.mean = D(x).mean(0)
        self.seen.append(np.shape(x))
        return x * 2.0


def test_what_f_keeps_is_of_one_point_in_the_end() -> None:
    for order, options in ((1, {}), (1, {"fast": True}), (1, {"method": "forward"}), (2, {})):
        layer = Keeps()
        assert ag.gradcheck(layer, A, order=order, **options)
        assert np.shape(layer.mean) == (4,) and layer.seen[-1] == (5, 4)


def test_f_that_warns_or_fails_on_stacked_points_is_judged_point_by_point() -> None:
    def warns(x: Any) -> None:
        warnings.warn("a stack", stacklevel=1)

    def fails(x: Any) -> None:
        pytest.fail("a stack")

    def raises(x: Any) -> None:
        raise ValueError("a stack")

    for refuse in (warns, fails, raises):
        seen = []

        def f(x: Any, refuse: Callable[..., None] = refuse, seen: list[int] = seen) -> Any:
            seen.append(np.ndim(x))
            if np.ndim(x) != 2:
                refuse(x)
            return np.sin(x)

        filters = warnings.filters[:]
        assert ag.gradcheck(f, A).verdict == "ok" and seen.count(3) == 1
        assert warnings.filters == filters

    def interrupted(x: Any) -> Any:
        if np.ndim(x) != 2:
            raise KeyboardInterrupt
        return np.sin(x)

    with pytest.raises(KeyboardInterrupt):
        ag.gradcheck(interrupted, A)


def test_warnings_are_as_before_after_checks_in_threads() -> None:
    filters = warnings.filters[:]
    work = lambda: [ag.gradcheck(np.tanh, A) for _ in range(20)]  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == filters


def test_f_may_keep_count() -> None:
    calls = []

    def counted(x: Any) -> Any:
        calls.append(np.shape(x))
        return np.sin(x) * len(calls)

    assert ag.gradcheck(counted, A).verdict == "nondeterministic"


def test_a_check_leaves_nothing_to_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points hold arrays as large as the inputs: no cycle may keep them."""
    made = []
    init = Point.__init__

    def spy(self: Point, *args: Any, **options: Any) -> None:
        made.append(weakref.ref(self))
        init(self, *args, **options)

    monkeypatch.setattr(Point, "__init__", spy)
    collects = gc.isenabled()
    gc.disable()
    try:
        for f in (np.tanh, lambda x: (x * D(x)).sum()):
            ag.gradcheck(f, A, order=2)
            ag.gradcheck(f, A.astype(np.float32), fast=True)
        assert len(made) == 10 and not any(point() for point in made)
    finally:
        if collects:
            gc.enable()


# ---- elements that share a look ----------------------------------------------------------


@pytest.mark.parametrize("off", [1e-5, 1e-3, 0.5])
@pytest.mark.parametrize("dead", [False, True])
def test_one_gradient_of_many_that_is_off_is_named_alone(off: float, dead: bool) -> None:
    factor = np.ones((5, 4))
    factor[2, 1] += off
    at = np.abs(A) + 0.1
    if dead:
        at[0] = -1.0
    relu = rule(lambda x: np.maximum(np.sinh(x), 0), lambda g, out, x: g * np.cosh(x) * (x > 0) * factor)
    for f in (relu, lambda x: relu(x).sum()):
        assert wrong(ag.gradcheck(f, at)) == {(2, 1)}


def test_slopes_of_all_sizes_are_each_found_wrong_or_right() -> None:
    w = 10.0 ** np.arange(-6, 6)
    report = ag.gradcheck(lambda x: (w[::2] * x[::2] * D(x[::2]) + w[1::2] * x[1::2] ** 2).sum(), np.ones(12))
    assert wrong(report) == {(i,) for i in range(0, 12, 2)}
    for row in report.rows:
        assert row.index and row.numeric == pytest.approx(2 * w[row.index[0]], abs=10 * row.estimate)


@pytest.mark.parametrize("scale", [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1.0])
@pytest.mark.parametrize("method", ["auto", "forward", "backward"])
def test_the_numbers_of_a_wrong_element_are_right_within_their_error(scale: float, method: str) -> None:
    """On whatever scale f bends."""
    double = rule(lambda x: np.sin(x / scale), lambda g, out, x: 2 * g * np.cos(x / scale) / scale)
    for at in ([0.7, 1.1], [0.7, 1.1, 0.3, -0.4]):
        report = ag.gradcheck(double, np.array(at) * scale, method=method)
        assert len(wrong(report)) == len(at) and "is twice the numeric one" in report.guess
        assert all(abs(row.numeric - row.analytic / 2) <= 3 * row.estimate for row in report.rows)


def test_corners_are_told_from_slopes_beside_them() -> None:
    at = np.array([0.0, 0.0, 1.0, -1.0, 0.0, 2.0])
    outside = np.array([1.0, 3.0, 1.0, 1.0, 1.0, 1.1])
    rising = rule(lambda x: np.maximum(x, 0), lambda g, out, x: g * ((x > 0) + 0.5 * (x == 0)) * outside)
    report = ag.gradcheck(lambda x: rising(x).sum(), at)
    assert wrong(report) == {(1,), (5,)}
    kinks = [row for row in report.rows if row.verdict == "kink"]
    assert {row.index for row in kinks} == {(0,), (4,)}
    assert all((row.left, row.right) == pytest.approx((0, 1), abs=1e-6) for row in kinks)


def test_a_fine_structure_is_looked_at_closely() -> None:
    """Where the smallest steps show another slope than the first look does, they are right."""
    for x in (1e-9, 1e-8, 1e-7):
        report = ag.gradcheck(lambda x: np.maximum(x, 0).sum() - 0.5 * (x - D(x)).sum(), np.array([x, 0.5, 0.7]))
        assert wrong(report) == {(0,), (1,), (2,)}, str(report)


def test_what_a_user_lets_pass_passes() -> None:
    off = rule(np.sin, lambda g, out, x: 1.02 * g * np.cos(x))
    options: list[dict[str, Any]] = [{}, {"fast": True}, {"method": "forward"}]
    for more in options:
        assert ag.gradcheck(off, A, rtol=0.05, **more).verdict == "ok"
        assert ag.gradcheck(off, A, rtol=0.01, **more).verdict == "wrong"


# ---- among many --------------------------------------------------------------------------


@pytest.mark.parametrize("where", [[0], [2999], [1234, 1235], [5, 1700, 2900], list(range(100, 108))])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elements_at_fault_are_found_among_thousands(where: list[int], dtype: Any) -> None:
    x = np.random.default_rng(1).normal(size=3000).astype(dtype)
    x[where] = 0.5
    factor = np.ones(3000, dtype)
    factor[where] += 1e-4 if dtype is np.float64 else 0.02
    report = ag.gradcheck(rule(np.sin, lambda g, out, x: g * np.cos(x) * factor), x)
    assert wrong(report) == {(i,) for i in where}


def test_a_right_gradient_of_thousands_takes_few_evaluations() -> None:
    x = np.random.default_rng(1).normal(size=3000)
    for f in (np.tanh, lambda x: np.sin(x).sum(), lambda x: np.maximum(x, 0) + x):
        report = ag.gradcheck(f, x)
        assert report.verdict == "ok" and report.evaluations < 50


# ---- second order ------------------------------------------------------------------------


def test_second_order_is_told_by_few_gradients() -> None:
    report = ag.gradcheck(lambda x: np.exp(np.tanh(x) @ np.cos(W)).sum(), A, order=2)
    assert report.verdict == "ok" and len(report.rows) == 42 and report.evaluations < 100


@pytest.mark.parametrize("kind", [np.float64, np.float32, "Values"])
def test_one_wrong_second_derivative_of_many_is_named(kind: Any) -> None:
    def cut(x: Any) -> Any:
        """sin, with a gradient that is right and has no gradient itself."""
        return np.sin(D(x)) + np.cos(D(x)) * (x - D(x))

    x = ag.values(A) if kind == "Values" else A.astype(kind)
    report = ag.gradcheck(lambda x: np.sin(x[1:]).sum() + np.sin(x[0, 1:]).sum() + cut(x[0, 0]), x, order=2)
    assert {row.index for row in report.rows if row.verdict == "wrong" and row.index} == {(0, 0)}
    assert all(row.order == 2 for row in report.rows if row.verdict == "wrong")


@pytest.mark.parametrize("fast", [False, True])
def test_second_order_does_not_depend_on_the_order_of_the_rows(fast: bool) -> None:
    """Found in groups by size: those of elements at corners first, then by the size of their gradients."""
    a, b = np.array([0.6953, 0.0]), np.array([0.0, -0.9253])
    assert ag.gradcheck(lambda a, b: (a * b).sum(), a, b, order=2, fast=fast)
    a, b = np.array([1e-4, 1e5]), np.array([0.02, -9e4])
    assert ag.gradcheck(lambda a, b: (a * b * b).sum(), a, b, order=2, fast=fast)
    assert ag.gradcheck(lambda d: (d["a"] * d["b"] ** 2).sum() * d["c"], {"c": 2.0, "b": b, "a": a}, order=2, fast=fast)


DOUBLED = rule(lambda x: x * 1.0, lambda g, out, x: 2 * g)
SQUARE = rule(lambda x: x * x, lambda g, out, x: g * 2 * DOUBLED(x))  # whose second derivative is twice too large


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("f", "at"),
    [
        (SQUARE, [0, 0, 0]),
        (lambda x: SQUARE(x - 1.0).sum(), [1, 1, 1]),
        (lambda x: 1e6 * SQUARE(1e4 * x - 1e4).sum(), [1, 1]),
        (lambda x: SQUARE(x[0] - x[1]) + np.sin(x[2]), [0.3, 0.3, 0.7]),
        (lambda x: SQUARE(x[0] - 0.5) + abs(x[1]), [0.5, 0]),
        (lambda x: (1 - x[0]) ** 2 + 100 * SQUARE(x[1] - x[0] ** 2), [1, 1]),
    ],
)
def test_a_wrong_second_derivative_is_found_at_a_stationary_point(
    f: Any, at: list[float], dtype: Any, fast: bool
) -> None:
    report = ag.gradcheck(f, np.array(at, dtype), order=2, fast=fast)
    assert any(row.order == 2 and row.verdict == "wrong" for row in report.rows), str(report)
    assert not any(row.order == 1 and row.verdict == "wrong" for row in report.rows), str(report)


def test_an_asymmetric_second_derivative_is_found() -> None:
    """Both gradients are right; that of the first forgets the second factor."""
    mixed = Primitive("mixed", None, lambda a, b: a * b, (lambda g, out, a, b: g * D(b), lambda g, out, a, b: g * a))
    report = ag.gradcheck(lambda a, b: mixed(a, b).sum(), A[0], A[1], order=2)
    assert report.verdict == "wrong" and all(row.order == 2 for row in report.rows if row.verdict == "wrong")
    assert any(row.input.startswith("symmetry") for row in report.rows if row.verdict == "wrong")
