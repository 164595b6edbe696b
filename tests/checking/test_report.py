"""What gradcheck says of what it found: guesses, tables, the operation at fault, and errors of use."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.engine import primitives as p
from autograd.engine.graph import Primitive

A = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1]])


def cube(x: Any) -> Any:
    return (np.tanh(x) ** 3).sum()


def rule(name: str, forward: Any, vjp: Any) -> Primitive:
    return Primitive(name, None, forward, (vjp,))


@pytest.mark.parametrize(
    ("operation", "guess"),
    [
        (rule("double", np.sin, lambda g, out, x: 2 * g * np.cos(x)), "twice the numeric one"),
        (rule("flip", np.sin, lambda g, out, x: -g * np.cos(x)), "the wrong sign"),
        (rule("turn", np.sin, lambda g, out, x: (g * np.cos(x)).T), "is transposed"),
        (
            rule("third", lambda x: np.sin(x) * 3, lambda g, out, x: g * np.cos(x)),
            "3 times too small.*broadcast axis of length 3",
        ),
        (rule("zero", np.sin, lambda g, out, x: g * 0), "all zero"),
        (rule("odd", np.sin, lambda g, out, x: 1.7 * g * np.cos(x)), "1.7 times the numeric one"),
    ],
)
def test_guesses(operation: Primitive, guess: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 4))
    report = ag.gradcheck(operation, x)
    assert report.verdict == "wrong"
    assert re.search(guess, report.guess), report.guess


def test_the_table_is_sorted_worst_first_and_aligned() -> None:
    factor = np.array([1.0, 1.5, 1.1])
    report = ag.gradcheck(rule("sine", np.sin, lambda g, out, x: g * np.cos(x) * factor), np.array([0.1, 0.2, 0.3]))
    assert [row.index for row in report.rows] == [(1,), (2,), (0,)]
    lines = str(report).splitlines()
    assert lines[0].startswith("gradcheck of ") and "FAILED; 2 wrong, 1 ok" in lines[0]
    assert all(word in lines[1] for word in ("input", "analytic", "numeric", "error", "estimate", "ratio", "verdict"))
    assert lines[1].index("verdict") == lines[2].index("wrong") and repr(report) == str(report)


def test_html_is_a_table_with_nothing_injected() -> None:
    report = ag.gradcheck(lambda x: x["<script>"] * ag.detach(x["<script>"]), {"<script>": 2.0})
    text = report._repr_html_()
    assert text.count("<tr") == 2 and "&lt;script&gt;" in text and "<script>" not in text


def test_localize_names_operation_and_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def net(x: Any) -> Any:
        h = np.exp(x * 0.5)
        return np.tanh(h).sum()

    assert ag.gradcheck(net, A, localize=True).guilty == []
    monkeypatch.setattr(p.exp, "vjps", (lambda g, out, a: g * a,))
    for x in (A, ag.values(A)):
        report = ag.gradcheck(net, x, localize=True)
        assert (
            report.guilty
            and "exp (argument 0) at test_report.py:" in report.guilty[0]
            and "h = np.exp(x * 0.5)" in report.guilty[0]
        )
        assert "the first operation whose own vjp is wrong: exp" in str(report)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ag.gradcheck(cube, A, order=3), "order=3"),
        (lambda: ag.gradcheck(cube, A, method="magic"), "method='magic'; choose from auto, central"),
        (lambda: ag.gradcheck(cube, A, eps=0.0), "eps=0.0"),
        (lambda: ag.gradcheck(cube, A, rtol=-1.0), "rtol=-1.0"),
        (lambda: ag.gradcheck(lambda c: 1.0, "abc"), "no input to differentiate among c"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
