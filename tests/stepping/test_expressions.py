"""Names and expressions as they are typed: every name that is shown can be typed, and no word is taken in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Stepper, Tensor, Value
from autograd.engine.graph import Node
from autograd.stepping.expressions import Reader


def reader(*leaves: Value) -> tuple[Reader, Stepper]:
    total = leaves[0] * 1.0
    for leaf in leaves[1:]:
        total = total + leaf
    s = Stepper(total)
    return Reader(s, s.names), s


def test_names_that_python_cannot_read() -> None:
    r, s = reader(Value(3.0, "x"), Value(5.0, "x"), Value(7.0, "my h"), Value(11.0, "w[0,1]"), Value(13.0, "n.m"))
    for text, value in (
        ("x#1 * 10", 50.0),
        ("x * 10", 30.0),
        ("x#0 * 10", 30.0),
        ("2*x#1+x", 13.0),
        ("my h * 2", 14.0),
        ("w[0,1] - 1", 10.0),
        ("w[0, 1] - x#1", 6.0),
        ("n.m + 1", 14.0),
        ("[x#1, my h][0] > 4", True),
        ("%0 + 0", 3.0),
        ("%0.data % 2", 1.0),
        ("7 %2", 1),
        ("x %2", 1.0),
        ("'x#1' + \"%0\"", "x#1%0"),
        ("max(k for k in (x, x#1))", 5.0),
    ):
        got = r.evaluate(text, s.root)
        assert getattr(got, "data", got) == value, text


def test_a_name_of_nothing_is_no_comment() -> None:
    r, s = reader(Value(3.0, "x"))
    for text in ("x#1", "x#1 * 10", "x #1", "x # what"):
        with pytest.raises(ValueError, match="no node is called"):
            r.evaluate(text, s.root)
    with pytest.raises(ValueError, match="no node is called '%99'"):
        r.node("%99")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["x", "x#1", "my h", "w[0]", "a.b", "%", "ü", "g", "f(x)"]), min_size=1, max_size=6))
def test_every_name_that_is_shown_can_be_typed(labels: list[str]) -> None:
    r, s = reader(*(Value(float(k + 2), label) for k, label in enumerate(labels)))
    for node in (n for k in s.nodes for n in (k, *k.inputs)):
        name = s.names[node]
        assert r.node(name) is node and r.evaluate(name, s.root)._node is node
        if name[0] != "%" or name[1:2].isdigit():  # a label that begins with an operator is typed alone
            assert r.evaluate(f"({name}) * 2", s.root) == 2 * s.data(node)


@pytest.mark.parametrize("word", ["g", "out", "np", "node", "norm"])
def test_a_node_called_like_a_word(word: str) -> None:
    r, s = reader(Value(3.0, word), Value(5.0, "y"))
    node = s.nodes[0]
    typed = r.expression(f"{word} * 2")
    assert typed(node) == 6.0 and f"{word} is the node that is called so" in typed.note
    means: Any = {"g": 1.0, "out": 3.0, "v": 3.0, "node": 3.0, "np": np.pi, "norm": 5.0}[word]
    asks = {"np": "np.pi", "norm": "norm([3.0, 4.0])"}.get(word, f"{word} * 1")
    s.end()
    condition = r.expression(asks, condition=True)
    assert condition(node) == means and f"; the node that is called {word} is {word}#0" in condition.note
    assert r.expression(f"{word}#0 * 2", condition=True)(node) == 6.0
    assert r.expression("y * 2", condition=True).note == ""


def test_what_an_expression_may_not() -> None:
    r, s = reader(Value(3.0, "weight"))
    with pytest.raises(ValueError, match=r"no node is called 'wieght'; did you mean weight\?"):
        r.expression("wieght > 0")
    with pytest.raises(ValueError, match="at the end there is no current node, and so no g"):
        r.evaluate("g * 2", None)
    with pytest.raises(ValueError, match="would leave Python"):
        r.evaluate("exit()", s.root)
    assert r.evaluate("[v for v in (1, 2)]", None) == [1, 2], "what an expression binds is no word"


def test_a_view_is_its_data() -> None:
    x = Tensor([1.0, 0.0, 2.0], "x")
    s = Stepper((x * 2).sum())
    r = Reader(s, s.names)
    assert len(r.evaluate("x", None)) == 3 and r.evaluate("x[2]", None) == 2.0
    assert r.evaluate("-x + abs(+x)", None).tolist() == [0.0, 0.0, 0.0]
    assert r.evaluate("(7 // x[2], 7 % x[2], x[2] // 2)", None) == (3.0, 1.0, 1.0)
    y, z = Value(0.0, "y"), Value(2.0, "z")
    r, s = reader(y, z)
    assert r.evaluate("(not y, bool(z), int(z), y or z)", None)[:3] == (True, True, 2)
    assert r.evaluate("(z.op, z.label, %1.inputs)", None) == ("", "z", ["%0", "z"])


def test_a_condition_costs_the_same_however_many_nodes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    z = Value(1.0, "x")
    for _ in range(300):
        z = z * 1.0
    s = Stepper(z)
    asked: list[str] = []
    look = Reader._named

    def counted(self: Reader, name: str) -> Node | None:
        asked.append(name)
        return look(self, name)

    monkeypatch.setattr(Reader, "_named", counted)
    assert s.run("op:mul, g * x < 0") == [] and 0 < len(asked) < 20


def test_source_lines_do_not_matter_to_expressions() -> None:
    with ag.record_source():
        x = Value(2.0, "x")
        h = x * 3
        h = h * h
    s = Stepper(h)
    r = Reader(s, s.names)
    assert {r.node("h"), r.node("h#1")} == set(s.nodes) and r.evaluate("h#1 + h", None) == 42.0
