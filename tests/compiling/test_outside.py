"""What a compiled function reads besides its arguments is watched: it is recorded anew where that has changed."""

from __future__ import annotations

import collections
import contextvars
import cProfile
import ctypes
import datetime
import functools
import gc
import itertools
import mmap
import operator
import os
import random
import signal
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value

X = np.arange(3.0)
FACTOR = 2.0
WEIGHTS = np.full(3, 2.0)
MASK = np.array([True, False, True])
PLACES = np.array([0, 1])


class Holder:
    def __init__(self) -> None:
        self.w = 2.0
        self.inner = {"b": [1.0, np.ones(3)]}


HOLDER = Holder()


def helper(x: Any) -> Any:
    return x * FACTOR


def through_a_helper(x: Any) -> Any:
    return helper(x).sum()


def by_attribute(x: Any) -> Any:
    return (x * x * HOLDER.w).sum() + (x * HOLDER.inner["b"][1]).sum() * HOLDER.inner["b"][0]


def by_a_constant_expression(x: Any) -> Any:
    return (x * np.exp(WEIGHTS)).sum()


def by_an_array(x: Any) -> Any:
    return (x * x * WEIGHTS).sum()


def by_a_mask(x: Any) -> Any:
    return (np.where(MASK, x, 0.0) * 3).sum() + x[PLACES].sum()


FUNCTIONS = [through_a_helper, by_attribute, by_a_constant_expression, by_an_array, by_a_mask]


@pytest.mark.parametrize("transform", [lambda f: f, ag.grad, ag.value_and_grad], ids=["plain", "grad", "both"])
@pytest.mark.parametrize("f", FUNCTIONS)
def test_what_changes_outside_is_noticed(f: Any, transform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, plain = ag.compile(transform(f)), transform(f)

    def agree() -> None:
        a, b = compiled(X), plain(X)
        for got, expected in zip(a if isinstance(a, tuple) else (a,), b if isinstance(b, tuple) else (b,)):
            np.testing.assert_allclose(got, expected, rtol=1e-14)

    agree()
    agree()
    assert compiled.recordings == 1
    monkeypatch.setitem(globals(), "FACTOR", 7.0)
    agree()
    monkeypatch.setattr(HOLDER, "w", 5.0)
    agree()
    monkeypatch.setitem(HOLDER.inner, "b", [3.0, np.full(3, 4.0)])
    agree()
    HOLDER.inner["b"][0] = 9.0
    agree()
    HOLDER.inner["b"][1][:] = 0.5  # type: ignore[index]
    agree()
    before = WEIGHTS.copy(), MASK.copy(), PLACES.copy()
    try:
        WEIGHTS[:], MASK[:], PLACES[:] = 0.25, False, 2
        agree()
    finally:
        WEIGHTS[:], MASK[:], PLACES[:] = before
    agree()
    monkeypatch.setitem(globals(), "WEIGHTS", np.full(3, 9.0))
    agree()


def test_a_closure_is_noticed_and_what_f_itself_counts_is_not() -> None:
    k, calls = 2.0, [0]

    def f(x: Any) -> Any:
        calls[0] += 1
        return x * k

    compiled = ag.compile(f)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), X * 2.0)
    assert calls == [1]
    k = 5.0
    np.testing.assert_array_equal(compiled(X), X * 5.0)
    assert calls == [2]


# ---- wherever it stands ---------------------------------------------------------------------
#
# Each case gives a function and changes to what it reads; after every one compiled and plain must agree.

Case = tuple[Callable[[Any], Any], list[Callable[[], Any]]]
CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__] = make
    return make


class Layer:
    scale = 2.0
    table = [1.0]  # noqa: RUF012

    def __init__(self) -> None:
        self.w = np.full(3, 2.0)
        self.parts = {"b": [1.0]}

    def __call__(self, x: Any) -> Any:
        return x * self.w * self.scale + self.table[0]

    def method(self, x: Any) -> Any:
        return x * self.weight

    @property
    def weight(self) -> Any:
        return self.w * FACTOR

    @classmethod
    def of_class(cls, x: Any) -> Any:
        return x * cls.scale

    def __matmul__(self, x: Any) -> Any:
        return x * self.parts["b"][0]


class Slots:
    __slots__ = ("w",)

    def __init__(self) -> None:
        self.w = [2.0]


@case
def an_object_and_its_class() -> Case:
    class Own(Layer):
        pass

    o = Own()
    return o, [lambda: setattr(Own, "scale", 3.0), lambda: o.w.fill(5.0), lambda: setattr(o, "scale", 7.0),
               lambda: o.table.__setitem__(0, o.table[0] + 1.0)]  # fmt: skip


@case
def a_method_a_property_and_an_operator() -> Case:
    o = Layer()
    return lambda x: o.method(x) + (o @ x), [
        lambda: setattr(o, "w", np.ones(3)), lambda: o.parts["b"].__setitem__(0, 6.0), lambda: o.parts.update(b=[8.0]),
    ]  # fmt: skip


@case
def a_bound_method_and_a_class_method() -> Case:
    class Own(Layer):
        pass

    return Own.of_class, [lambda: setattr(Own, "scale", 3.0)]


@case
def slots() -> Case:
    s = Slots()
    return lambda x: x * s.w[0], [lambda: s.w.__setitem__(0, 3.0), lambda: setattr(s, "w", [4.0])]


@case
def defaults() -> Case:
    def f(x: Any, a: list[float] = [2.0], *, b: dict[str, float] = {"k": 1.0}) -> Any:  # noqa: B006
        return x * a[0] + b["k"]

    def replaced(x: Any) -> Any:
        return x * 11.0

    kept: Any = f
    return f, [lambda: kept.__defaults__[0].__setitem__(0, 3.0), lambda: kept.__kwdefaults__["b"].update(k=5.0),
               lambda: setattr(kept, "__defaults__", ([9.0],)),
               lambda: setattr(kept, "__code__", replaced.__code__)]  # fmt: skip


@case
def nested_functions_and_generators() -> Case:
    k, items = 2.0, [1.0, 2.0]

    def f(x: Any) -> Any:
        def inner(y: Any) -> Any:
            return sum(y * v * k for v in items) + (lambda z: z * HOLDER.w)(y)

        return inner(x)

    def closed() -> None:
        nonlocal k
        k = 6.0

    return f, [closed, lambda: items.append(3.0), lambda: setattr(HOLDER, "w", HOLDER.w + 1.0)]


@case
def lists_sets_and_dicts_that_grow() -> Case:
    items, numbers, by_name = [1.0], {2.0}, {"a": 1.0}
    queue, lines = collections.deque([1.0]), bytearray(b"\x02")
    return lambda x: x * (sum(items) + sum(numbers) + 10 * sum(by_name.values())) + len(queue) * lines[0], [
        lambda: items.append(2.0), lambda: numbers.add(5.0), lambda: by_name.update(b=4.0), lambda: by_name.pop("a"),
        lambda: items.pop(), lambda: queue.append(1.0), lambda: lines.__setitem__(0, 7),
    ]  # fmt: skip


@case
def the_order_of_a_dict() -> Case:
    d = {"a": 2.0, "b": 3.0}
    return lambda x: x * next(iter(d.values())), [lambda: d.update(a=d.pop("a"))]


@case
def wrappers() -> Case:
    k = [2.0]

    def outer(f: Any) -> Any:
        @functools.wraps(f)
        def wrapper(x: Any) -> Any:
            return f(x) * k[0]

        return wrapper

    @outer
    def f(x: Any, scale: list[float]) -> Any:
        return x * scale[0]

    own = [3.0]
    inner = functools.partial(lambda x, *, scale: x * scale[0], scale=own)
    return outer(inner), [lambda: k.__setitem__(0, 5.0), lambda: own.__setitem__(0, 7.0)]


@case
def modules() -> Case:
    module = types.ModuleType("stepgrad_test_module")
    exec("k = 2.0\ncfg = {'n': 1.0}\ndef h(x):\n    return x * k", module.__dict__)
    sys.modules[module.__name__] = module

    def f(x: Any) -> Any:
        import stepgrad_test_module  # type: ignore[import-not-found]

        return module.h(x) + module.cfg["n"] + stepgrad_test_module.k

    return f, [lambda: setattr(module, "k", 5.0), lambda: module.cfg.update(n=4.0),
               lambda: exec("def h(x):\n    return x * 9", module.__dict__)]  # fmt: skip


@case
def names_made_at_run_time() -> Case:
    o = types.SimpleNamespace(w1=2.0)
    get = operator.attrgetter("w1")
    return lambda x: x * getattr(o, "w" + str(1)) + sum(vars(o).values()) + get(o), [
        lambda: setattr(o, "w1", 3.0), lambda: setattr(o, "w2", 4.0),
    ]  # fmt: skip


@case
def what_is_not_there_yet() -> Case:
    o = Layer()

    def f(x: Any) -> Any:
        y = x * 2.0 if hasattr(o, "extra") else x
        return y * globals().get("NOT_YET", 1.0)

    return f, [lambda: setattr(o, "extra", 1), lambda: globals().__setitem__("NOT_YET", 4.0)]


@case
def large_arrays_and_views() -> Case:
    big = np.full(20_000, 2.0)
    objects = np.array([1.0, 2.0], object)
    view = big[::2]
    return lambda x: x * np.exp(view[:3]) * float(big[19_999]) + objects[1], [
        lambda: big.__setitem__(0, 1.0), lambda: big.__setitem__(-1, 3.0), lambda: objects.__setitem__(1, 4.0),
    ]  # fmt: skip


@case
def nodes() -> Case:
    t, v = Tensor(np.full(3, 2.0)), [Value(2.0)]
    return ag.grad(lambda x: (x * x * t * v[0].data + x * t.data + x * v[0].grad).sum()), [
        lambda: setattr(t, "data", np.ones(3)), lambda: t.data.__setitem__(0, 5.0),
        lambda: setattr(v[0], "data", 3.0), lambda: v.__setitem__(0, Value(4.0)), lambda: setattr(v[0], "grad", 2.0),
    ]  # fmt: skip


@case
def what_is_filled_at_first_use() -> Case:
    cache: dict[int, Any] = {}

    class Lazy:
        w: Any = None

        def get(self) -> Any:
            if self.w is None:
                self.w = np.full(3, 2.0)
            return self.w

    lazy = Lazy()

    def table(n: int) -> Any:
        if n not in cache:
            cache[n] = np.full(3, float(n))
        return cache[n]

    return lambda x: x * table(2) * lazy.get(), [
        lambda: cache[2].fill(7.0), lambda: cache.clear(), lambda: lazy.w.fill(3.0), lambda: setattr(lazy, "w", None),
    ]  # fmt: skip


@case
def what_only_c_holds() -> Case:
    k, order = 2.0, [1.0]

    def h(v: float) -> float:
        return v * k

    ufunc = np.frompyfunc(h, 1, 1)

    def closed() -> None:
        nonlocal k
        k = 5.0

    return lambda x: x * float(ufunc(3.0)) + x * sorted([3.0, 1.0], key=lambda v: v * order[0])[0], [
        closed, lambda: order.__setitem__(0, -1.0),
    ]  # fmt: skip


@case
def the_environment_and_context() -> Case:
    context = contextvars.ContextVar("context", default=2.0)
    os.environ["STEPGRAD_TEST"] = "2"
    return lambda x: x * float(os.environ["STEPGRAD_TEST"]) * context.get(), [
        lambda: os.environ.__setitem__("STEPGRAD_TEST", "3"), lambda: context.set(4.0),
    ]  # fmt: skip


@case
def compiled_within_compiled() -> Case:
    k = [2.0]
    inner = ag.compile(lambda x: x * k[0])
    return lambda x: inner(x) + 1.0, [lambda: k.__setitem__(0, 3.0)]


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_noticed_wherever_it_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HOLDER, "w", HOLDER.w)
    f, changes = CASES[name]()
    compiled = ag.compile(f)
    at = X + 1.0
    try:
        for change in (lambda: None, *changes):
            change()
            np.testing.assert_array_equal(compiled(at), f(at))
            now = compiled.recordings
            np.testing.assert_array_equal(compiled(at), f(at))
            assert compiled.recordings == now, "recorded anew though nothing has changed"
        assert compiled.recordings == 1 + len(changes)
    finally:
        globals().pop("NOT_YET", None)
        os.environ.pop("STEPGRAD_TEST", None)
        sys.modules.pop("stepgrad_test_module", None)


# ---- what cannot be watched -------------------------------------------------------------------


def restless() -> dict[str, tuple[Callable[[Any], Any], str]]:
    """Functions that give something else at every call, and what the error says."""
    count, names, o = [0], {1.0, 2.0, 3.0, 4.0}, types.SimpleNamespace(t=False, m=np.zeros(3))
    steps = itertools.count()
    dice, old, python = np.random.default_rng(0), np.random.RandomState(0), random.Random(0)

    def counted(x: Any) -> Any:
        count[0] += 1
        return x * count[0]

    def now_and_then(x: Any) -> Any:
        count[0] += 1
        return x * 2 if count[0] > 100 else x

    def toggled(x: Any) -> Any:
        o.t = not o.t
        return x * 2 if o.t else x

    def averaged(x: Any) -> Any:
        o.m[:] = 0.9 * o.m + 1.0
        return x * o.m

    def popped(x: Any) -> Any:
        return x * names.pop()

    def read(x: Any) -> Any:
        with open(__file__) as file:
            return x * len(file.read())

    def own(x: Any) -> Any:
        own.n += 1  # type: ignore[attr-defined]
        return x * own.n  # type: ignore[attr-defined]

    own.n = 0  # type: ignore[attr-defined]
    return {
        "counted": (counted, "changes count"), "now and then": (now_and_then, "changes count"),
        "toggled": (toggled, "changes t"), "averaged": (averaged, "changes"), "its own": (own, "changes n"),
        "an iterator": (lambda x: x * next(steps), "iterator"),
        "a generator": (lambda x, g=(i for i in range(9)): x * next(g), "iterator"),
        "the clock": (lambda x: x * time.perf_counter(), "asks the world, perf_counter"),
        "the date": (lambda x: x * datetime.datetime.now().microsecond, "asks the world, now"),
        "a file": (read, "asks the world, open"),
        "a file, by pathlib": (lambda x: x * len(Path(__file__).read_text()), "asks the world, open"),
        "a file, by NumPy": (
            lambda x: x * np.loadtxt(__file__, str, comments=None, delimiter="\t", max_rows=1).size,
            "asks the world, open",
        ),
        "numbers": (lambda x: x + np.fromfile(__file__, np.uint8, 3), "asks the world, fromfile"),
        "dice": (lambda x: x * dice.normal(), "random"), "old dice": (lambda x: x * old.normal(), "random"),
        "Python's": (lambda x: x * python.random(), "random"), "a method": (lambda x, n=dice.normal: x * n(), "random"),
        "fresh dice": (lambda x: x * np.random.default_rng().normal(), "random"),
        "the system's": (lambda x: x * os.urandom(1)[0], "random"), "popped": (popped, "changes names"),
    }  # fmt: skip


@pytest.mark.parametrize("name", restless())
def test_what_differs_from_call_to_call_is_refused(name: str) -> None:
    f, message = restless()[name]
    with pytest.raises(TypeError, match=f"ag.compile: the function .*{message}"):
        ag.compile(f)(X)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signal")
def test_a_handler_of_signals_that_runs_meanwhile_is_no_part_of_the_function() -> None:
    heard: list[float] = []

    def handler(number: int, frame: Any) -> None:
        heard.append(len(heard) + time.perf_counter())

    class Heard:
        def __call__(self, *given: Any) -> None:
            handler(*given)

    def f(x: Any) -> Any:
        os.kill(os.getpid(), signal.SIGUSR1)
        return x * FACTOR

    before = signal.getsignal(signal.SIGUSR1)
    try:
        for way in (handler, lambda *_: handler(*_), functools.partial(handler), Heard()):
            heard.clear()
            signal.signal(signal.SIGUSR1, way)
            compiled = ag.compile(f)
            for _ in range(2):
                np.testing.assert_array_equal(compiled(X), 2 * X)
            assert compiled.recordings == len(heard) == 1
        # Called by the function itself it is a part of it.
        for way in (lambda x: x * (handler(1, None) or 1.0), lambda x: (gc.collect(), handler(1, None), x)[2]):
            with pytest.raises(TypeError, match="asks the world"):
                ag.compile(way)(X)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such timer")
def test_a_handler_may_call_the_compiled_function_while_it_is_replayed() -> None:
    def f(x: Any) -> Any:
        for _ in range(100):
            x = x * 1.0001
        return x

    compiled, x = ag.compile(f), np.arange(1_000.0)
    expected = compiled(x)
    given: list[np.ndarray] = []
    before = signal.signal(signal.SIGALRM, lambda *_: given.append(compiled(x)))
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    try:
        while len(given) < 100:
            np.testing.assert_array_equal(compiled(x), expected)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for y in given:
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("kind", ["memoryview", "ctypes", "mmap"])
def test_memory_that_is_not_of_numpy_may_change(kind: str) -> None:
    numbers = (ctypes.c_double * 3)(1.0, 1.0, 1.0)
    file = mmap.mmap(-1, 24)
    np.frombuffer(file)[:] = 1.0
    views: dict[str, Callable[[], Any]] = {
        "memoryview": lambda: np.ndarray(3, buffer=memoryview(numbers)),  # type: ignore[arg-type]
        "ctypes": lambda: np.ctypeslib.as_array(numbers),
        "mmap": lambda: np.frombuffer(file),
    }
    compiled = ag.compile(lambda x: x * views[kind]())
    np.testing.assert_array_equal(compiled(X), X)
    views[kind]()[:] = 5.0
    np.testing.assert_array_equal(compiled(X), 5 * X)


def test_who_is_told_of_a_collection_is_no_part_of_the_function() -> None:
    def told(phase: str, info: Any) -> None:
        time.perf_counter()

    before = gc.get_threshold()
    gc.callbacks.append(told)
    gc.set_threshold(1, 1, 1)
    try:
        np.testing.assert_array_equal(ag.compile(lambda x: x * FACTOR)(X), 2 * X)
        np.testing.assert_array_equal(ag.compile(lambda x: (gc.collect(), x * FACTOR)[1])(X), 2 * X)
    finally:
        gc.callbacks.remove(told)
        gc.set_threshold(*before)


def test_a_recording_that_ends_lets_nothing_collect_while_another_thread_still_records() -> None:
    seen: list[bool] = []
    inside, over = threading.Event(), threading.Event()

    def slow(x: Any) -> Any:
        inside.set()
        over.wait(10)
        seen.append(gc.isenabled())
        return x + 1.0

    thread = threading.Thread(target=lambda: ag.compile(slow)(X))
    thread.start()
    inside.wait(10)
    ag.compile(lambda x: x * 2.0)(X)
    over.set()
    thread.join()
    assert seen[0] is False and gc.isenabled()


def test_a_function_may_count_and_collect_what_it_never_reads() -> None:
    count, shapes, o = 0, [], types.SimpleNamespace(calls=0, seen={})

    def f(x: Any) -> Any:
        nonlocal count
        count += 1
        o.calls += 1
        o.seen["x"] = x.shape
        shapes.append(x.shape)
        f.runs += 1  # type: ignore[attr-defined]
        return x * 2.0

    f.runs = 0  # type: ignore[attr-defined]
    compiled = ag.compile(f)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), X * 2.0)
    assert (count, o.calls, len(shapes), f.runs, compiled.recordings) == (1, 1, 1, 1, 1)  # type: ignore[attr-defined]


def test_the_profiler_and_the_collector_are_as_before() -> None:
    events: list[str] = []

    def hook(frame: Any, event: str, arg: Any) -> None:
        events.append(event)

    sys.setprofile(hook)
    try:
        ag.compile(lambda x: x * 2)(X)
        assert sys.getprofile() is hook
    finally:
        sys.setprofile(None)
    profile = cProfile.Profile()
    with profile:
        ag.compile(helper)(X)
        helper(X)
    assert any(entry.code is helper.__code__ for entry in profile.getstats())
    assert gc.isenabled()
