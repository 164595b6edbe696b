"""How steps read: every line of arithmetic comes out right by hand, and is what IEEE arithmetic gives."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Stepper, Value
from autograd.engine.graph import Primitive
from autograd.stepping.text import Show

NUMBERS = st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-8, 30.0, 1e200, -3.25]), st.floats(-5, 5))
STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "neg": lambda x, y: -x,
    "abs": lambda x, y: abs(x),
    "mul": lambda x, y: x * y,
    "sub": lambda x, y: x - y,
    "div": lambda x, y: x / y,
    "maximum": lambda x, y: x.maximum(y),
    "square": lambda x, y: np.square(x),
    **{name: lambda x, y, name=name: getattr(x, name)() for name in ("tanh", "sigmoid", "exp", "relu", "sin", "sqrt")},
}


def lines(y: Value) -> list[str]:
    """Everything that is said on the way to the end."""
    s = Stepper(y)
    show, said = Show(s), []
    while (c := s.step()) is not None:
        said += show.contribution(c)
    return said + [line for node in s.nodes for p in node.inputs for line in show.why(p)]


def evaluated(text: str) -> float:
    """A line of arithmetic as floats of IEEE."""
    scope = {"inf": np.inf, "nan": np.nan, "F": np.float64}
    with np.errstate(all="ignore"):
        return float(eval(re.sub(r"(?<![\w.])(\d[\d.]*(?:e[-+]?\d+)?|inf|nan)", r"F(\1)", text), scope))


def same(a: float, b: float, part: float) -> bool:
    """Whether b is what a is, to three digits; a sum may cancel to nothing, of which no sign is told."""
    if math.isfinite(part) and part and abs(a - b) <= 1e-9 * abs(part):
        return True
    if math.isnan(b) or math.isinf(b) or b == 0:
        return np.array_equal(a, b, equal_nan=True) and (math.isnan(b) or np.signbit(a) == np.signbit(b))
    return math.isclose(a, b, rel_tol=3e-3)


def program(a: float, b: float, steps: list[str]) -> Value:
    x, y = Value(a, "x"), Value(b, "y")
    with np.errstate(all="ignore"):  # of np.square
        for name in steps:
            x, y = STEPS[name](x, y), x
        return x - y


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5))
def test_printed_sums_are_what_ieee_arithmetic_gives(a: float, b: float, steps: list[str]) -> None:
    for line in lines(program(a, b, steps)):
        match = re.search(r"\.grad: (.+) = (\S+)(?:   \(.*)?$", line)
        if match:
            assert same(evaluated(match[1]), float(match[2]), float(match[1].split(" ")[0])), line


def test_a_minus_zero_is_no_sum_of_zero() -> None:
    x, y = Value(3.0, "x"), Value(-0.0, "y")
    s = Stepper(x * y)
    first = s.step()
    assert first is not None and Show(s).contribution(first)[1] == "  x.grad: 1.0 * -0.0 = -0.0"


def test_a_derivative_shows_digits_enough() -> None:
    assert "  dz/dx = 1 - z² = 1 - 0.99998771² = 2.458e-05" in lines(labelled(Value(6.0, "x").tanh()))
    assert "  dz/dx = 1 - z² = 1 - 0.9993² = 0.001341" not in lines(labelled(Value(4.0, "x").tanh()))
    assert "  dz/dx = 1 - z² = 1 - 0.4621² = 0.7864" in lines(labelled(Value(0.5, "x").tanh())), "and no more than that"
    t = Value(0.1, "t")
    why = [line.split(" = ")[0].strip() for line in lines(t * 1.0 - t * 1.000001) if "dL/d" in line and "d%" in line]
    assert {"1.0", "-1.000001"} <= set(why), "terms that cancel are told apart"


def labelled(z: Value) -> Value:
    z.label = "z"
    return z


def test_a_rule_that_selects_is_no_product() -> None:
    pick = Primitive(
        "pick", lambda a: max(a, 0.0), lambda a: np.maximum(a, 0.0), [lambda g, out, a: g if a > 0 else 0.0], ("a > 0",)
    )
    said = lines(pick(Value(-1.0, "x")).sqrt())
    assert any("x.grad: 0 + 0.0 = 0.0   (pick passes 0.0 on here: its rule does not work out" in line for line in said)
    assert any(line.strip().startswith("0.0 = 0.0   (pick passes 0.0 on here") for line in said)


@pytest.mark.parametrize("values", [False, True], ids=["Tensor", "Values"])
def test_elements_as_sums(values: bool) -> None:
    make = ag.values if values else ag.Tensor
    w = make(np.arange(6.0).reshape(2, 3), "w")
    total = (np.ones((1, 2)) @ w).sum()
    s = Stepper(total.item() if isinstance(total, np.ndarray) else total)
    s.end()
    if not values:
        product = next(n for n in s.nodes if n.op == "matmul")
        assert Show(s).element(product, (0, 1))[1] == "  = 1.0*1.0 + 1.0*4.0"
    assert s.names.by_name["w" if not values else "w[1,2]"] is not None
