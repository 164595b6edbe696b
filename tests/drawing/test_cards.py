"""What a notebook shows of a Value or a Tensor: small, well formed, at once."""

from __future__ import annotations

import re
import subprocess
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value


def texts(x: Any) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(x._repr_svg_()).iter() if t.tag.endswith("text")]


def test_a_value_stands_beside_what_it_was_made_from() -> None:
    a = Value(2.0, "a")
    b = a * 3.0
    b.label = "b"
    assert texts(b) == ["a", "2.0", "3.0", "*", "b", "data 6.0", "grad -"]
    b.backward()
    assert texts(b)[-1] == "grad 1.0"
    assert texts(a) == ["a", "data 2.0", "grad 3.0"]


def test_a_tensor_is_a_card_with_a_heatmap() -> None:
    t = Tensor(np.arange(12.0).reshape(3, 4), "t")
    (t * t).sum().backward()
    assert texts(t) == [
        "t  (3,4) float64",
        "data 0.0 … 11.0, mean 5.5",
        "grad 0.0 … 22.0, mean 11.0",
        "orange above 0, blue below, black inf, red nan",
    ]
    svg = t._repr_svg_()
    assert svg.count("<rect") == 1 + 12 + 12
    assert "1 nan, 1 inf" in Tensor([1.0, np.nan, np.inf])._repr_svg_()


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (2, 3, 4), (5000, 4000)])
def test_cards_are_small_whatever_the_shape(shape: tuple[int, ...]) -> None:
    t = Tensor(np.ones(shape, np.float32), "t")
    assert len(t._repr_svg_()) < 60_000
    ElementTree.fromstring(t._repr_svg_())


def test_cards_take_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a notebook must not wait for a layout"))
    x = Value(1.0, "x")
    for _ in range(100_000):
        x = x + 1.0
    assert len(x._repr_svg_()) < 3000


def test_cards_call_nodes_as_drawings_do() -> None:
    with ag.record_source():
        x, w = Value(2.0), Tensor([1.0, 2.0])
        n = x * 3.0 + 1.0
        t = w * 2.0
    assert texts(n) == ["x*3.0", "6.0", "1.0", "+", "n", "data 7.0", "grad -"]
    assert texts(x)[0] == "x" and texts(t)[0].startswith("t = *  (2,)")


def test_labels_stay_text() -> None:
    for x in (Value(1.0, '<script>"&\x00\n'), Tensor([1.0], '<script>"&\x00\n')):
        assert "<script" not in x._repr_html_()
        assert any("<script>" in t for t in texts(x + x if isinstance(x, Value) else x))


def test_labels_neither_turn_text_nor_control_a_terminal() -> None:
    for x in (Value(1.0, "a\u202e\x1b[2J\ud800") * 2.0, Tensor([1.0], "a\u202e\x1b[2J\ud800")):
        svg = x._repr_svg_()
        svg.encode()
        assert not re.search("[\x00-\x08\x0e-\x1f\u202a-\u202e\u2066-\u2069]", svg)


def test_what_jupyter_asks_for() -> None:
    for x in (Value(1.0), Tensor([1.0])):
        bundle = x._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "image/svg+xml"}
        assert bundle["text/plain"] == repr(x)
        assert (
            set(x._repr_mimebundle_(include=["text/plain"]))
            == set(x._repr_mimebundle_(exclude=["image/svg+xml"]))
            == {"text/plain"}
        )
        assert x._repr_html_() == x._repr_svg_() == ag.card(x)


def test_a_tracer_of_jax_has_no_card() -> None:
    jax = pytest.importorskip("jax")

    def f(x: Any) -> Any:
        assert Tensor(x)._repr_svg_() is None
        assert set(Tensor(x)._repr_mimebundle_()) == {"text/plain"}
        return x

    jax.jit(f)(np.ones(3))
    assert Tensor(jax.numpy.ones(3))._repr_svg_().startswith("<svg")
