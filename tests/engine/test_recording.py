"""Recording is each thread's and each task's own, survives Ctrl-C, and never counts a stale tape."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.engine import recording


def slope(x: float = 3.0) -> float:
    """The gradient of x² by a graph: 0 where recording is off."""
    v = Value(x)
    y = v * v
    y.backward()
    return v.grad


# ---- modes -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [ag.no_grad, ag.record_source, ag.detect_anomaly])
def test_two_generators_closed_crosswise_leave_everything_as_it_was(mode: Any) -> None:
    def inside() -> Iterator[None]:
        with mode():
            yield

    errors = np.geterr()
    a, b = inside(), inside()
    next(a), next(b)
    a.close()
    assert bool(recording.current().recording) == (mode is not ag.no_grad)  # b is still inside
    b.close()
    assert recording.current().ordinary and slope() == 6.0 and np.geterr() == errors


def test_two_threads_that_enter_and_leave_crosswise_do_not_see_each_other() -> None:
    entered, left = threading.Event(), threading.Event()
    found: list[float] = []

    def first() -> None:
        with ag.no_grad():
            entered.set()
            left.wait(5)
            found.append(slope())

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(5)
    with ag.no_grad():
        left.set()
        thread.join()
    assert found == [0.0] and slope() == 6.0


def test_one_mode_object_in_two_threads_is_refused() -> None:
    mode = ag.no_grad()
    with mode, ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="no_grad: entered in two threads"):
        pool.submit(mode.__enter__).result()
    assert slope() == 6.0


def test_a_mode_without_parentheses_decorates() -> None:
    @ag.no_grad
    def f() -> float:
        """Doc."""
        return slope()

    assert f() == 0.0 and f.__name__ == "f" and f.__doc__ == "Doc." and slope() == 6.0
    with pytest.raises(TypeError, match="no_grad: expected a function to decorate, got 3"):
        ag.no_grad(3)


@pytest.mark.parametrize("decorate", [ag.no_grad, ag.no_grad()], ids=["bare", "called"])
def test_a_mode_on_a_generator_holds_inside_it_and_not_outside(decorate: Any) -> None:
    @decorate
    def inside() -> Iterator[float]:
        try:
            got = yield slope()
            assert got == "sent"
            yield slope()
        except KeyError:
            yield slope() + 1
        finally:
            ends.append(slope())

    ends: list[float] = []
    g: Any = inside()
    assert next(g) == 0.0 and slope() == 6.0
    assert g.send("sent") == 0.0 and slope() == 6.0
    assert g.throw(KeyError()) == 1.0 and slope() == 6.0
    g.close()
    assert ends == [0.0] and slope() == 6.0
    assert list(inside()) if False else True


def test_a_mode_on_a_generator_passes_its_return_value_on() -> None:
    @ag.no_grad
    def inside() -> Any:
        yield 1
        return slope()

    def outer() -> Any:
        result = yield from inside()
        yield result, slope()

    assert list(outer()) == [1, (0.0, 6.0)]


def test_a_mode_on_a_coroutine_holds_inside_it_and_not_in_other_tasks() -> None:
    @ag.no_grad
    async def inside() -> float:
        await asyncio.sleep(0)
        return slope()

    async def outside() -> float:
        await asyncio.sleep(0)
        return slope()

    async def main() -> list[float]:
        return list(await asyncio.gather(inside(), outside(), inside(), outside()))

    assert asyncio.run(main()) == [0.0, 6.0, 0.0, 6.0]
    steps = inside().__await__()  # driven by hand: between its steps we are outside
    next(steps)
    assert slope() == 6.0
    steps.close()


def test_a_mode_on_an_asynchronous_generator_is_refused() -> None:
    async def inside() -> Any:
        yield 1

    with pytest.raises(TypeError, match=r"record_source: an asynchronous generator is not supported; write `with"):
        ag.record_source(inside)


def test_modes_can_be_entered_by_an_exit_stack() -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        stack.enter_context(ag.no_grad())
        assert slope() == 0.0
    assert slope() == 6.0


# ---- threads -----------------------------------------------------------------------------


def test_threads_differentiate_graphs_of_their_own() -> None:
    def work(k: int) -> list[float]:
        f = ag.grad(lambda x: (x.exp() * k).tanh() * x)
        w = np.arange(1.0, 4.0) / 10
        g = ag.grad(lambda x: (np.tanh(x * k) @ x) ** 2)
        return [x for i in range(60) for x in (f(0.1 + i / 100), *g(w + i / 100))]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(1, 9))) == [work(k) for k in range(1, 9)]
    assert gc.isenabled()


def test_what_a_thread_of_f_computes_counts_too() -> None:
    def loss(x: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda k: (x * k).sin(), range(1, 4)))

    x = 0.7
    expected = sum(k * np.cos(k * x) for k in range(1, 4))
    assert ag.grad(loss)(x) == pytest.approx(expected, abs=1e-15)
    assert recording.OUTSIDE.made is None


def test_gradcheck_in_two_threads() -> None:
    def check(_: int) -> bool:
        return bool(ag.gradcheck(lambda x: (np.tanh(x) * x).sum(), np.array([0.3, -1.2])))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(check, range(4)))
    assert slope() == 6.0


# ---- the free tape -----------------------------------------------------------------------


@pytest.mark.parametrize("assign", ["grad", "commit", "backward", "zero_grad"])
def test_a_gradient_written_inside_f_does_not_count(assign: str) -> None:
    def f(z: Any) -> Any:
        w = z * z
        v = (w * 5).sum() if isinstance(w, Tensor) else w * 5
        if assign == "grad":
            w.grad = 1.0
        elif assign == "commit":
            stepper = ag.Stepper(v)
            stepper.end()
            stepper.commit()
        elif assign == "backward":
            v.backward()
        else:
            w.zero_grad()
        y = z * z * z
        return y.sum() if isinstance(y, Tensor) else y

    assert ag.grad(f)(3.0) == 27.0
    np.testing.assert_array_equal(ag.grad(f)(np.array([3.0, 1.0])), [27.0, 3.0])
    assert ag.grad(ag.grad(f))(3.0) == 18.0


# ---- Ctrl-C ------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX timers")
@pytest.mark.parametrize("what", ["grad", "no_grad", "record_source", "detect_anomaly", "nested", "backward"])
def test_ctrl_c_between_any_two_statements_leaves_nothing_open(what: str) -> None:
    inner = ag.grad(lambda x: x * x.sin())
    w = Value(2.0)
    shared = w * w
    works: dict[str, Callable[[], Any]] = {
        "grad": lambda: inner(2.0),
        "nested": lambda: ag.grad(inner)(2.0),
        "backward": lambda: (shared * shared).backward(),
    }

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    hits = 0
    end = time.monotonic() + 1
    rng = np.random.default_rng(0)
    try:
        while hits < 300 and time.monotonic() < end:
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-5, 3e-4))
                while True:
                    if what in works:
                        works[what]()
                    else:
                        with getattr(ag, what)():
                            w * w
            except KeyboardInterrupt:
                hits += 1
            assert gc.isenabled()
            assert recording.current().ordinary and recording.current().level is recording.OUTSIDE
            assert recording.OUTSIDE.made is None
            assert slope() == 6.0
            if what == "backward":  # no mark of the walk is left, so the next walk sees every node
                leaf = Value(1.0)
                y = leaf + shared
                y.backward()
                assert shared.grad == 1.0 and leaf.grad == 1.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hits > 20


# ---- lines that assigned -----------------------------------------------------------------


def test_the_record_of_assigned_lines_lives_as_long_as_the_node() -> None:
    before = len(recording._assigned)
    with ag.record_source():
        x = Value(1.0)
        for _ in range(10):
            x.data = 2.0
        y = Tensor([1.0])
        y.data = [2.0]
    assert "y.data = [2.0]" in str(recording.assigned(y)) and len(recording._assigned) == before + 2
    alive = weakref.ref(x)
    del x, y
    assert alive() is None and len(recording._assigned) == before


# ---- decorated, whatever kind of function ------------------------------------------------


class Steps:
    """Callable, and what it gives has not run yet."""

    def __call__(self) -> Iterator[float]:
        yield slope()


class Task:
    async def __call__(self) -> float:
        return slope()


@pytest.mark.parametrize("mode", [ag.no_grad, ag.record_source, ag.detect_anomaly])
def test_a_mode_holds_in_what_a_decorated_function_leaves_to_be_run(mode: Any) -> None:
    seen = 0.0 if mode is ag.no_grad else 6.0
    assert list(mode(Steps())()) == list(mode(lambda: (slope() for _ in range(1)))()) == [seen]
    assert asyncio.run(mode(Task())()) == asyncio.run(mode(lambda: Task()())()) == seen

    async def asynchronous() -> Any:
        yield 1.0

    with pytest.raises(TypeError, match=f"{mode.__name__}: an asynchronous generator"):
        mode(lambda: asynchronous())()
    steps = mode(lambda: Steps()())()
    next(steps)
    assert slope() == 6.0  # between the steps it is not in force
    steps.close()
    assert recording.current().ordinary


@pytest.mark.parametrize("mode", [ag.no_grad, ag.record_source, ag.detect_anomaly])
def test_a_class_is_not_decorated(mode: Any) -> None:
    with pytest.raises(TypeError, match=f"{mode.__name__}: expected a function to decorate"):
        mode(Steps)
