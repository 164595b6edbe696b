"""What the tests of drawings share: graphs to draw, and the pictures of them, looked into."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import numpy as np

import autograd as ag
from autograd import Tensor, Value
from autograd.drawing.rendering import render
from transformer import Config, init, loss

SVG = "{http://www.w3.org/2000/svg}"


def neuron() -> dict[str, Value]:
    with ag.record_source():
        x1, x2, w1, w2 = Value(2.0, "x1"), Value(0.0, "x2"), Value(-3.0, "w1"), Value(1.0, "w2")
        b = Value(6.8813735870195432, "b")
        n = x1 * w1 + x2 * w2 + b
        o = n.tanh()
    return {"x1": x1, "n": n, "o": o, "w2": w2}


def transformer(layers: int = 4, scalar: bool = False, recorded: bool = True, n_embd: int = 4) -> Any:
    """The loss of a small transformer, after its backward pass."""
    config = Config.preset("vanilla", vocab_size=27, n_layer=layers, n_head=2, n_embd=n_embd, block_size=8)
    kind: Any = ag.values if scalar else Tensor
    params = {name: kind(p, name) for name, p in init(config, np.random.default_rng(0)).items()}
    with ag.record_source() if recorded else contextlib.nullcontext():
        root: Any = loss(params, np.array([26, 4, 12, 12, 0, 26]), config)
    root = root.item() if isinstance(root, np.ndarray) else root
    root.backward()
    return root


def chain(n: int) -> Value:
    x, w = Value(0.5, "x"), Value(1.01, "w")
    for _ in range(n):
        x = (x * w).tanh()
    return x


def parse(drawing: Any) -> list[tuple[str, list[str]]]:
    """Class and lines of every group of the SVG; of the whole, of what stands below it."""
    top = ElementTree.fromstring(picture(drawing.source))
    return [
        (
            g.get("class", ""),
            [t.text or "" for t in (g if g.get("class") == "graph" else g.iter()) if t.tag == f"{SVG}text"],
        )
        for g in top.iter(f"{SVG}g")
        if g.get("class")
    ]


@lru_cache
def picture(source: str) -> bytes:
    return render(source)


def width_and_height(drawing: Any) -> tuple[int, int]:
    """In points."""
    found = re.search(rb'width="(\d+)pt" height="(\d+)pt"', picture(drawing.source))
    assert found is not None
    return int(found[1]), int(found[2])


def boxes(drawing: Any) -> list[list[str]]:
    return [lines for kind, lines in parse(drawing) if kind.startswith("node")]


def edges(drawing: Any) -> list[list[str]]:
    return [lines for kind, lines in parse(drawing) if kind.startswith("edge")]
