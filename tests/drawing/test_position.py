"""What a notebook shows of a Stepper: where it stands in the graph, and what comes next."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.drawing import position
from autograd.drawing.rendering import RenderError
from tests.drawing.pictures import chain, neuron


def table(stepper: ag.Stepper) -> list[list[str]]:
    """Caption, head and rows."""
    top = ElementTree.fromstring(re.search(r"<table>.*</table>", stepper._repr_html_())[0])  # type: ignore[attr-defined, index]
    rows = [["".join(cell.itertext()) for cell in row] for row in top.iter("tr")]
    return [["".join(next(top.iter("caption")).itertext())], *rows]


def test_the_position_is_lit_and_what_comes_next_is_a_table() -> None:
    stepper = ag.Stepper(neuron()["o"])
    stepper.next()
    text = stepper._repr_html_()  # type: ignore[attr-defined]
    lit = re.findall(r'<g id="[^"]*" class="edge [^"]*\blit\b', text)
    assert len(lit) == 2 and text.count("<svg") == 1
    (caption,), head, *rows = table(stepper)
    assert caption.startswith("1 of 5 operations done; next [3/5] add -> n") and caption.endswith("dL/dn = 0.5")
    assert head == ["input", "local derivative", "receives", "has", "will have"]
    assert rows == [["x1*w1+x2*w2", "1.0", "0.5", "-", "0.5"], ["b", "1.0", "0.5", "-", "0.5"]]


def test_at_the_end_the_leaves() -> None:
    w = Tensor(np.ones((2, 2)), "<w>")
    stepper = ag.Stepper((w @ w).sum())
    stepper.end()
    (caption,), head, row = table(stepper)
    assert caption == "2 of 2 operations done, the gradients of the leaves" and head == ["leaf", "data", "gradient"]
    assert row[0] == "<w>" and row[2] == "[[4., 4.], [4., 4.]] (2,2)"


def test_of_a_large_graph_what_can_be_read() -> None:
    stepper = ag.Stepper(chain(3000))
    stepper.goto(2000)
    assert stepper._repr_html_().count('class="node') < 40  # type: ignore[attr-defined]
    assert stepper.position == (2000, 0)


def test_without_a_layout_the_table_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RenderError("no layout")

    monkeypatch.setattr(position, "picture", fail)
    assert ag.Stepper(neuron()["o"])._repr_html_().startswith("<table>")  # type: ignore[attr-defined]
