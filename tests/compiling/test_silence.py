"""A compiled function gives no wrong number in silence: what a recording cannot keep true is told apart, or refused."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.compiling.traced import TracedError

V = np.array([1.0, -2.0, 3.0])


def test_an_array_that_is_an_argument_and_read_besides_is_watched() -> None:
    w = np.ones(2)
    f = ag.grad(lambda x: ((x - w * 0.5) ** 2).sum())
    compiled = ag.compile(f)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(w), f(w))
        w -= 0.5


def test_a_dict_or_an_attribute_that_is_an_argument_and_read_besides_is_watched() -> None:
    p, o = {"w": np.ones(2)}, SimpleNamespace(w=[np.ones(2)])
    of_dict = ag.grad(lambda q: ((q["w"] - p["w"] * 0.5) ** 2).sum())
    of_object = ag.grad(lambda w: ((w[0] - o.w[0] * 0.5) ** 2).sum())
    first, second = ag.compile(of_dict), ag.compile(of_object)
    for _ in range(3):
        np.testing.assert_array_equal(first(p)["w"], of_dict(p)["w"])
        np.testing.assert_array_equal(second(o.w)[0], of_object(o.w)[0])
        p["w"] = p["w"] - 0.5
        o.w[0] = o.w[0] - 0.5


def test_an_array_written_into_in_place_that_is_only_an_argument_is_recorded_once() -> None:
    w, p = np.ones(2), {"w": np.ones(2)}
    compiled = ag.compile(ag.grad(lambda x, q: (x * x * q["w"]).sum()))
    for _ in range(3):
        np.testing.assert_array_equal(compiled(w, p), 2 * w * p["w"])
        w -= 0.25
        p["w"] = p["w"] - 0.5
    assert compiled.recordings == 1


def test_the_order_of_a_dict_tells_arguments_apart() -> None:
    a, b = np.ones(1), np.zeros(2)
    for f in (lambda d: np.concatenate(list(d.values())), lambda d: np.concatenate([d[k] * 2 for k in d])):
        compiled = ag.compile(f)
        for d in ({"a": a, "b": b}, {"b": b, "a": a}, {"a": a, "b": b}):
            np.testing.assert_array_equal(compiled(d), f(d))
        assert compiled.recordings == 2
    by_name: Any = ag.compile(lambda **d: np.concatenate(list(d.values())))
    np.testing.assert_array_equal(by_name(a=a, b=b), [1, 0, 0])
    np.testing.assert_array_equal(by_name(b=b, a=a), [0, 0, 1])


# ---- ints that change ------------------------------------------------------------------------

BY_INT: list[Callable[[Any, int], Any]] = [
    lambda x, n: x * (n in {1, 2}),
    lambda x, n: x * {1: 5.0}.get(n, 100.0),
    lambda x, n: x * {1: 5.0, 2: 6.0, 3: 7.0, 4: 0.0}[n],
    lambda x, n: x * Counter([n, 1])[1],
    lambda x, n: sum(np.array_split(x, n)[0]) * x,
    lambda x, n: np.split(np.concatenate([x] * 4), n)[-1],
    lambda x, n: np.hsplit(np.concatenate([x] * 4), n)[-1],
    lambda x, n: np.vsplit(np.stack([x] * 12), n)[-1],
    lambda x, n: np.split(x, [n])[0],
    lambda x, n: np.repeat(x, n),
    lambda x, n: np.tile(x, n),
    lambda x, n: np.concatenate([x, np.zeros(n)]),
    lambda x, n: np.concatenate([x, np.ones((n,))]),
    lambda x, n: np.concatenate([x, np.empty(n) * 0.0]),
    lambda x, n: np.concatenate([x, np.arange(n)]),
    lambda x, n: np.moveaxis(np.multiply.outer(np.ones((1, 2, 3, 4, 5)), x), n, 0),
    lambda x, n: sum(itertools.islice(x, n)),
    lambda x, n: x * n.bit_length(),
    lambda x, n: x * len("%d" % (10**n)),  # noqa: UP031
    lambda x, n: x * len(f"{n:03d}" * n),
    lambda x, n: x * float(f"{n}"),
    lambda x, n: x * float(str(n)),
    lambda x, n: x * len(str(10**n)),
    lambda x, n: x * len(repr([n])) * n,
    lambda x, n: x * {"w1": 1.0, "w2": 5.0, "w3": 7.0, "w4": 0.0}[f"w{n}"],
    lambda x, n: x * pow(n, 2, 5),
    lambda x, n: x * np.random.default_rng(n).normal(size=3),
    lambda x, n: x * [1.0, 2.0, 3.0, 4.0, 5.0][n],
    lambda x, n: x[:n],
]


@pytest.mark.parametrize("i", range(len(BY_INT)))
def test_an_int_that_changes_where_its_number_is_needed_is_recorded_anew(i: int) -> None:
    f = BY_INT[i]
    for g in (f, ag.grad(lambda x, n: (f(x, n) * 2.0).sum())):
        compiled = ag.compile(g)
        for n in (1, 2, 3, 4, 2):
            np.testing.assert_array_equal(compiled(V, n), g(V, n))
        assert compiled.recordings == 4


@pytest.mark.parametrize(
    "f",
    [
        lambda x, n: x * n + 0.5**n,
        lambda x, n: np.roll(x, n),
        lambda x, n: np.clip(x, 0, n),
        lambda x, n: x[n % 3] + np.take(x, n % 2),
    ],
)
def test_an_int_that_is_taken_as_a_number_is_not(f: Any) -> None:
    compiled = ag.compile(f)
    for n in range(1, 6):
        np.testing.assert_array_equal(compiled(V, n), f(V, n))
    assert compiled.recordings == 2


def test_ints_in_an_array_that_say_how_many_are_refused() -> None:
    for f in (lambda x, n: np.repeat(x, n), lambda x, n: np.split(x, n)[0], lambda x, n: np.delete(x, n)):
        with pytest.raises(TracedError, match="fixed shapes"):
            ag.compile(f)(V, np.array([1, 2, 1]))
    with pytest.raises(TracedError, match="fixed shapes"):
        ag.compile(lambda x, n: np.repeat(x, n))(V, np.int64(2))


def test_a_number_is_a_number_to_isinstance() -> None:
    for f in (
        lambda x, k: x * 2 if isinstance(k, (int, float)) else x,
        lambda x, k: x * 2 if isinstance(k, int) else x,
        lambda x, k: x * 2 if isinstance(k, float) and not isinstance(k, (np.ndarray, int)) else x,
    ):
        for k in (1, 2, 3, 1.0, 2.0):
            compiled = ag.compile(f)
            for more in range(3):
                np.testing.assert_array_equal(compiled(V, k + more), f(V, k + more))


# ---- floats and arrays -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x * (y in {1.0, 2.0}),
        lambda x, y: x * {1.0: 5.0}.get(y, 100.0),
        lambda x, y: x * {1.0: 5.0}[y],
        lambda x, y: x * len(Counter([y, 1.0])),
        lambda x, y: x * hash(y),
        lambda x, y: x * len(str(y)),
        lambda x, y: x * len(repr(x)),
        lambda x, y: x * len(f"{y}"),
        lambda x, y: x * len(f"{x!r}"),
        lambda x, y: x * len("%s" % y),  # noqa: UP031
        lambda x, y: x * len("".join(map(str, [y]))),
        lambda x, y: x * len(str([x])),
        lambda x, y: x * len("%.1f" % y),  # noqa: UP031
        ag.grad(lambda x, y: (x * len(f"{x}")).sum()),
    ],
)  # fmt: skip
def test_a_key_or_a_text_of_a_traced_number_is_refused(f: Any) -> None:
    with pytest.raises(TracedError, match=r"test_silence.py:\d+"):
        ag.compile(f)(V, 1.0)


def test_messages_may_name_what_is_traced() -> None:
    with pytest.raises(TracedError, match=r"truth of a traced array of shape \(3,\)"):
        ag.compile(lambda x: 1 if x else 2)(V)
    with pytest.raises(ValueError, match="matmul"):
        ag.compile(lambda x: x @ np.ones(4))(V)


def test_a_refusal_that_is_caught_is_raised_in_the_end() -> None:
    def tried(x: Any) -> Any:
        try:
            return x * x.sum().item()
        except TypeError:
            return x * 0.0

    def failed(x: Any) -> Any:
        try:
            return x if x.sum() > 0 else -x
        except Exception:
            raise KeyError("other") from None

    for f in (tried, ag.grad(lambda x: tried(x).sum()), failed):
        with pytest.raises(TracedError, match=r"ag.compile: .*test_silence.py:\d+"):
            ag.compile(f)(V)
    looped = ag.compile(lambda x, n: _repeated(x, n))
    for n in (1, 2, 3):
        np.testing.assert_array_equal(looped(V, n), V * 2.0**n)


def _repeated(x: Any, n: Any) -> Any:
    try:
        for _ in range(n):
            x = x * 2.0
    except TypeError:
        return x * 0.0
    return x


@pytest.mark.parametrize("what", ["an item", "a pair", "an attribute", "a new attribute", "an entry", "a node"])
def test_what_is_traced_and_left_outside_is_refused(what: str) -> None:
    items: list[Any] = []
    o = SimpleNamespace(last=None, seen={})

    def f(x: Any) -> Any:
        if what == "an item":
            items.append(x.sum())
        elif what == "a pair":
            items.append((1, x))
        elif what == "an attribute":
            o.last = x
        elif what == "a new attribute":
            o.new = x
        elif what == "an entry":
            o.seen["x"] = x
        else:
            items.append(Tensor(x))
        return x * 2.0

    with pytest.raises(TracedError, match="leaves a traced array in"):
        ag.compile(f)(V)


def test_arguments_that_the_function_changes_are_refused() -> None:
    def stepped(p: Any) -> Any:
        p["w"] = p["w"] * 0.5
        return (p["w"] * p["w"]).sum()

    for f, p in (
        (stepped, {"w": V}),
        (lambda p: p.pop("w"), {"w": V}),
        (lambda p: p.append(p[0]) or p[0] * 2, [V]),
        (lambda p: p["a"].update(b=1.0) or p["w"], {"w": V, "a": {}}),
    ):
        with pytest.raises(TracedError, match=r"changes a (dict|list) among its arguments"):
            ag.compile(f)(p)


def test_values_keep_their_graph() -> None:
    total = ag.compile(lambda x: (x * x).sum())
    assert total(V.astype(object)) == 14.0
    for values in (ag.values(V), np.array([Value(v) for v in V], object)):
        total(values).backward()
        assert [v.grad for v in values] == [2.0, -4.0, 6.0]
    slope = ag.compile(ag.grad(lambda x: (x * x).sum()))
    for values in (ag.values(V), ag.values(-V)):
        np.testing.assert_array_equal(slope(values), 2.0 * np.array([v.data for v in values]))
    assert (total.recordings, slope.recordings) == (1, 1)


def test_jax_within_is_refused_with_a_word() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[peers]'")
    for f in (jax.jit(lambda x: x * 2), jax.numpy.sin, lambda x: jax.numpy.exp(x) + x):
        with pytest.raises(TracedError, match="JAX"):
            ag.compile(f)(V)


def test_what_runs_only_on_plain_arrays_says_so() -> None:
    with pytest.raises(TracedError, match=r"runs on plain arrays, but not while it is recorded: .*is_integer"):
        ag.compile(lambda y: y.is_integer())(1.0)


def test_messages_say_what_to_write_instead() -> None:
    def stored(x: Any) -> Any:
        b = np.zeros(2)
        b[0] = x[1]
        return b

    with pytest.raises(TracedError, match=r"b\[i\] = x .*np.stack"):
        ag.compile(stored)(V)
    with pytest.raises(TracedError, match=r"np.add.at .*index == np.arange"):
        ag.compile(lambda x: np.add.at(np.zeros(3), [0, 1, 1], x))(V)


class Model:
    def __init__(self, w: float) -> None:
        self.w = w

    @ag.compile
    def forward(self, x: Any) -> Any:
        return x * self.w


def test_a_compiled_method_belongs_to_its_object() -> None:
    a, b = Model(2.0), Model(3.0)
    for _ in range(2):
        np.testing.assert_array_equal(a.forward(V), 2.0 * V)
        np.testing.assert_array_equal(b.forward(V), 3.0 * V)
    assert a.forward.recordings == 1
    shallow, deep, stored = copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))
    a.w = 5.0
    np.testing.assert_array_equal(a.forward(V), 5.0 * V)
    for m in (shallow, deep, stored):
        np.testing.assert_array_equal(m.forward(V), 2.0 * V)
        m.w = 7.0
        np.testing.assert_array_equal(m.forward(V), 7.0 * V)
    np.testing.assert_array_equal(a.forward(V), 5.0 * V)


def test_texts_of_nodes_show_traced_numbers_to_nobody() -> None:
    with pytest.raises(TracedError, match="a text made"):
        ag.compile(lambda x: x * len(f"{Tensor(x)}"))(V)
