"""A compiled function gives no wrong number in silence: what a recording cannot keep true is told apart, or refused."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
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
    for f in (lambda x, n: np.repeat(x, n), lambda x, n: np.split(x, n)[0]):
        with pytest.raises(TracedError, match="fixed shapes"):
            ag.compile(f)(V, np.array([1, 2, 1]))


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


def test_texts_of_nodes_show_traced_numbers_to_nobody() -> None:
    with pytest.raises(TracedError, match="a text made"):
        ag.compile(lambda x: x * len(f"{Tensor(x)}"))(V)
