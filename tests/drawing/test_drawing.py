"""Drawings: what they show, what they fold, what they leave out, and that nothing in a label gets out of it."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.drawing import rendering
from autograd.drawing.misuse import Misuse
from autograd.drawing.rendering import RenderError, render
from autograd.drawing.zoom import zoomed
from autograd.engine.kinds import received
from autograd.engine.words import plain
from autograd.stepping.names import Names
from autograd.stepping.stepper import Stepper
from tests.drawing.pictures import (
    SVG,
    boxes,
    chain,
    edges,
    neuron,
    parse,
    transformer,
    width_and_height,
)  # fmt: skip
from tests.helpers import ARRAYS, NUMERIC, ROOT, A, B, safe

# ---- what a reader sees ------------------------------------------------------------------


def test_every_node_with_name_operation_data_and_gradient() -> None:
    graph = neuron()
    assert ["n = x1*w1+x2*w2+b", "data 0.8814", "grad -"] in boxes(ag.draw_dot(graph["o"]))
    graph["o"].backward()
    shown = boxes(ag.draw_dot(graph["o"]))
    assert len(shown) == 10
    assert ["o = n.tanh()", "data 0.7071", "grad 1.0"] in shown
    assert ["x1", "data 2.0", "grad -1.5"] in shown
    assert ag.draw_dot(graph["o"]).source.count(" -> ") == 9


def test_tensors_show_shape_dtype_and_range() -> None:
    w = Tensor(np.arange(12.0, dtype=np.float32).reshape(3, 4), "w")
    y = (w * w).sum()
    y.backward()
    shown = boxes(ag.draw_dot(y))
    assert ["w", "(3,4) float32", "data 0.0 … 11.0", "grad 0.0 … 22.0"] in shown


def test_two_edges_where_one_node_is_both_arguments() -> None:
    x = Value(3.0, "x")
    assert ag.draw_dot(x + x).source.count("->") == 2
    assert ag.draw_dot(x * x).source.count("->") == 2


def test_the_local_derivative_on_each_edge_when_asked() -> None:
    graph = neuron()
    text = [" ".join(lines) for lines in edges(ag.draw_dot(graph["o"], derivatives=True))]
    assert "tanh do/dn = 0.5" in text
    assert not any(edges(ag.draw_dot(graph["o"])))
    x, w = Tensor(np.ones((2, 3)), "x"), Tensor(np.ones((3, 4)), "w")
    text = [" ".join(lines) for lines in edges(ag.draw_dot(x @ w, derivatives=True))]
    assert any("dw += xᵀ @ d%0" in line and "(2,3)ᵀ @ (2,4)" in line for line in text)


def test_constants_are_quiet_and_an_exponent_stands_in_the_operation() -> None:
    x = Value(3.0, "x")
    drawing = ag.draw_dot((x * 2.0) ** 3)
    assert ["2.0"] in [lines for kind, lines in parse(drawing) if "constant" in kind]
    assert any(lines[0].endswith("= **3") for lines in boxes(drawing))


def test_heat_goes_with_the_size_of_the_gradient_and_has_a_legend() -> None:
    a, b = Value(1.0, "a"), Value(1.0, "b")
    y = a * 1e-4 + b * 1e2
    before = ag.draw_dot(y)
    assert "outline" not in before.source
    y.backward()
    kinds = {lines[0]: kind for kind, lines in parse(ag.draw_dot(y)) if kind.startswith("node") and lines}
    heat = {
        name: int(re.search(r"heat(\d)", kind)[1]) for name, kind in kinds.items() if "heat" in kind and name in "ab"
    }  # type: ignore[index]
    assert heat == {"a": 1, "b": 5}
    (below,) = [lines for kind, lines in parse(ag.draw_dot(y)) if kind == "graph"]
    words = [text for text in below if text.strip()]
    assert words == ["leaf", "operation", "root", "outline: |grad|", "≤ 0.001", "100.0"]  # each on its swatch
    assert "outline" not in ag.draw_dot(y, legend=False).source


def test_heat_of_the_smallest_numbers_there_are() -> None:
    x = Value(1.0, "x")
    y = x * 5e-324
    y.backward()
    drawing = ag.draw_dot(y, path=(x, x))
    assert "grad 4.941e-324" in drawing.source and "heat5" in drawing.source


def test_nan_and_inf_cry_out_where_they_arise() -> None:
    x = Value(0.0, "x")
    y = x.log() * 0.0
    y.backward()
    alarms = {lines[0] for kind, lines in parse(ag.draw_dot(y)) if "alarm" in kind}
    assert alarms == {"%0 = log", "%1 = *", "x"}  # -inf, nan, and a gradient of 0 * inf
    passed_on = Tensor([1.0, 2.0], "t") + np.array([0.0, -np.inf])  # a mask: no alarm, but said
    (lines,) = [lines for kind, lines in parse(ag.draw_dot(passed_on)) if "operation" in kind]
    assert "data [1.0, -inf]" in lines
    assert not any("alarm" in kind for kind, _ in parse(ag.draw_dot(passed_on)))


def test_the_same_bytes_at_every_run() -> None:
    code = """import autograd as ag
x = ag.Value(2.0, "x"); y = (x * x + 3).tanh(); y.backward(); print(ag.draw_dot(y).source)"""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )
        for seed in "12"
    )
    assert first.stdout and first.stdout == second.stdout
    [Value(0.0) for _ in range(100)]  # ids have moved on
    x = Value(2.0, "x")
    y = (x * x + 3).tanh()
    y.backward()
    assert ag.draw_dot(y).source + "\n" == first.stdout
    assert ag.draw_dot(y).pipe() == ag.draw_dot(y).pipe()


LABELS = [
    'a "quoted" \\ name',
    "<b>bold</b>",
    "{left|right}",
    "&lt;script&gt;",
    "<script>alert(1)</script>",
    "two\nlines",
    "naïve ∂ 名",
    r"\N \G \l",
    "<x>",
    "\x00\x07",
    "\x1b[2Jgone",
    "a\u202egpj.exe",
    "\u2066x\u2069\ufeff",
    "\ud800 half",
]


def test_a_label_says_what_it_says() -> None:
    y = sum((Value(1.0, label) for label in LABELS), Value(0.0, "start"))
    drawing = ag.draw_dot(y, limit=1000)
    kinds = parse(drawing)
    assert len([k for k, _ in kinds if k.startswith("node")]) == 2 * len(LABELS) + 1
    assert len([k for k, _ in kinds if k.startswith("edge")]) == 2 * len(LABELS)
    said = [lines[0].replace("\xa0", " ") for _, lines in kinds if len(lines) == 3]
    for label in LABELS:
        assert plain(label).replace("\xa0", " ") in said
    assert b"<script" not in drawing.pipe()


def test_nodes_are_told_apart_by_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """== of nodes compares their data, and must not decide what is drawn."""
    graph, t = neuron(), Tensor(np.ones((2, 2)), "t")
    root = (t @ t + t).sum()
    root.backward()
    for cls in (Value, Tensor):
        monkeypatch.setattr(cls, "__eq__", lambda *_: pytest.fail("compared"), raising=False)
    for chosen in ({}, {"around": graph["n"]}, {"path": (graph["x1"], graph["o"])}, {"top": 3}, {"limit": 4}):
        assert ag.draw_dot(graph["o"], **chosen).source and "lit" not in ag.draw_dot(graph["o"], **chosen).source  # type: ignore[arg-type]
    assert ag.draw_dot(root, zoom="op:matmul", derivatives=True).source and ag.play(root).html
    equal = Value(2.0, "x2")
    assert len(boxes(ag.draw_dot(Value(2.0, "x1") * equal, around=equal, up=0, down=0))) == 2  # and one more


# ---- scopes ------------------------------------------------------------------------------


def test_scopes_are_nested_clusters() -> None:
    root = transformer(1, n_embd=8)
    kinds = [lines[0] for kind, lines in parse(ag.draw_dot(root, limit=1000)) if "scope" in kind]
    for scope in ("loss", "logits", "block", "attention", "softmax", "cross_entropy"):
        assert scope in kinds
    assert len([k for k in boxes(ag.draw_dot(root, limit=1000)) if len(k) > 1]) == len(
        {n.id for k in ag.Stepper(root).nodes for n in (k, *k.inputs)}
    )


def test_a_transformer_fits_a_screen() -> None:
    drawing = ag.draw_dot(transformer(4, n_embd=8))
    shown = [lines[0] for _, lines in parse(drawing) if lines]
    assert "block × 4" in shown
    assert width_and_height(drawing)[0] <= 1250
    fold = next(lines for lines in boxes(drawing) if lines[0] == "attention × 4")
    assert fold[1] == "84 operations, 20 leaves"
    assert fold[-1] == 'open="block/attention"'


def test_what_a_fold_says_opens_it() -> None:
    root = transformer(4, n_embd=8)
    opened = ag.draw_dot(root, open="attention/softmax")
    assert "softmax × 4" in [lines[0] for kind, lines in parse(opened) if "scope" in kind]
    assert any(lines[0].startswith("np.exp(") and lines[0].endswith("… × 4") for lines in boxes(opened))


def test_one_call_of_repeated_ones_opens_by_its_number() -> None:
    drawing = ag.draw_dot(transformer(4, n_embd=8), open="block#2")
    titles = [lines[0] for kind, lines in parse(drawing) if "scope" in kind]
    assert "block#2" in titles
    # The others are before it or after it: together they would be both.
    assert {"block × 2", "block#3"} <= {lines[0] for lines in boxes(drawing)}


def test_depth_opens_so_many_levels() -> None:
    root = transformer(2, n_embd=8)
    assert [lines[0] for lines in boxes(ag.draw_dot(root, depth=0))] == ["loss"]
    at_two = ag.draw_dot(root, depth=2)
    assert [lines[0] for kind, lines in parse(at_two) if "scope" in kind] == ["loss", "logits", "cross_entropy"]
    assert "block × 2" in [lines[0] for lines in boxes(at_two)]


def test_calls_of_other_code_are_not_one() -> None:
    def step(x: Value, k: int) -> Value:
        y = x * 2.0
        return y.tanh() if k % 2 else y

    def run(x: Value, n: int) -> Value:
        for k in range(n):
            x = step(x, k)
        return x

    with ag.record_source():
        y = run(Value(1.0, "x"), 8)
    drawing = ag.draw_dot(y, depth=1)
    # Each waits for one of the other code, so that none can share a box; four rounds of the two can.
    assert [name for name in sorted(lines[0] for lines in boxes(drawing)) if "step" in name][:2] == ["step", "step#1"]
    one = ag.draw_dot(y, limit=5)
    assert {"x*2.0 × 4", "y.tanh() × 4"} <= {lines[0] for lines in boxes(one)}
    assert len([lines for lines in boxes(one) if len(lines) > 1]) <= 5


def test_calls_that_differ_are_not_counted_as_the_same_code() -> None:
    def layer(x: Value, n: int) -> Value:
        for _ in range(n):
            x = x * 2.0
        return x

    def run(x: Value) -> Value:
        for n in range(1, 30):
            x = layer(x, n)
        return x

    with ag.record_source():
        y = run(Value(1.0, "x"))
    text = ag.draw_dot(y).source
    assert "layer, 29 calls that differ" in text and "layer × " not in text


def test_methods_are_called_after_their_class() -> None:
    class Layer:
        def __call__(self, x: Value) -> Value:
            return x * 2.0

    layers = [Layer(), Layer()]
    with ag.record_source():
        y = layers[1](layers[0](Value(1.0)))
    assert y.scope == "Layer#1"
    assert y.inputs[0].scope == "Layer"


def test_the_seed_is_that_of_the_backward_pass_that_was_run() -> None:
    x, y = Tensor([1.0], "x"), Tensor([1.0], "y")
    r = np.stack([(x * 100.0).sum(), (y * 1.0).sum()])
    r.backward([0.0, 1.0])
    shown = [lines[0] for lines in boxes(ag.draw_dot(r, top=5))]
    assert "y" in shown and "x" not in shown


def test_an_unknown_scope_is_an_error_with_the_nearest() -> None:
    root = transformer(1, n_embd=8)
    with pytest.raises(ValueError, match=r"open='softmx' fits no scope; did you mean softmax\?"):
        ag.draw_dot(root, open="softmx")
    with pytest.raises(ValueError, match="none were recorded"):
        ag.draw_dot(Value(1.0) + 1, open="block")


# ---- large graphs ------------------------------------------------------------------------


def test_what_can_be_read_is_drawn_whole_and_what_cannot_only_when_asked() -> None:
    assert len(boxes(ag.draw_dot(chain(4)))) == 10
    assert len(boxes(ag.draw_dot(chain(49)))) < 10
    assert len(boxes(ag.draw_dot(chain(49), limit=100))) == 100


@pytest.mark.parametrize("recorded", [False, True])
def test_ten_thousand_fit_in_forty_boxes(recorded: bool) -> None:
    if recorded:
        with ag.record_source():
            root = chain(5000)
    else:
        root = chain(5000)
    root.backward()
    drawing = ag.draw_dot(root)
    assert len([k for k, _ in parse(drawing) if k.startswith("node")]) <= 40
    assert "10,000 operations and 2 leaves" in drawing.source
    assert any(lines[0] == ("(x*w).tanh()" if recorded else "tanh") + " × 5,000" for lines in boxes(drawing))


def test_a_scalar_transformer_fits_in_forty_boxes() -> None:
    drawing = ag.draw_dot(transformer(1, scalar=True))
    assert len([k for k, _ in parse(drawing) if k.startswith("node")]) <= 40


def test_hundreds_of_functions_fold_too() -> None:
    space: dict[str, Any] = {}
    x = Value(1.0, "x")
    with ag.record_source():
        for k in range(300):
            exec(f"def f{k}(x):\n    return (x * 1.01).tanh()", space)
            x = space[f"f{k}"](x)
    shown = boxes(ag.draw_dot(x))
    assert 10 < len(shown) <= 40
    assert any(lines[0].endswith("other functions") for lines in shown)


def test_deep_graphs_are_laid_out_in_time() -> None:
    rng = np.random.default_rng(0)
    w, u, h = (Tensor(rng.normal(size=n), name) for n, name in (((2, 2), "w"), ((2, 2), "u"), (2, "h")))
    for _ in range(60):
        h = np.tanh(w @ h + u @ np.ones(2))
    assert len(boxes(ag.draw_dot(h, limit=1000))) > 300


def test_more_boxes_than_can_be_laid_out_are_refused() -> None:
    with pytest.raises(ValueError, match="this would draw 3,002 boxes"):
        ag.draw_dot(chain(1500), limit=10_000)


def test_hundreds_of_thousands_of_nodes_never_reach_the_layout() -> None:
    root = chain(100_000)
    root.backward()
    drawing = ag.draw_dot(root)
    assert len(drawing.source) < 10_000
    text = next(lines for lines in boxes(drawing) if lines[0] == "* × 100,000")
    assert text[-1].startswith("grad ")


# ---- looking closer ----------------------------------------------------------------------


def test_around_a_node() -> None:
    graph = neuron()
    drawing = ag.draw_dot(graph["o"], around=graph["n"], up=1, down=1)
    shown = [lines[0] for lines in boxes(drawing)]
    assert {s for s in shown if "more" not in s} == {"b", "x1*w1+x2*w2", "n = x1*w1+x2*w2+b", "o = n.tanh()"}
    assert "2 more …" in shown  # below %2
    assert "4 of 10 nodes: around n, 1 up and 1 down" in drawing.source
    assert ag.draw_dot(graph["o"], around="n", up=1, down=1).source == drawing.source


WAY = {"x1", "x1*w1", "x1*w1+x2*w2", "n = x1*w1+x2*w2+b", "o = n.tanh()"}


def test_along_a_path() -> None:
    graph = neuron()
    for pair in ((graph["x1"], graph["o"]), (graph["o"], graph["x1"])):
        shown = [lines[0] for lines in boxes(ag.draw_dot(graph["o"], path=pair))]
        assert {s for s in shown if "more" not in s} == WAY
    with pytest.raises(ValueError, match="no path leads"):
        ag.draw_dot(graph["o"], path=(graph["x1"], graph["w2"]))


def test_the_nodes_with_the_largest_contributions() -> None:
    a, b, c = Value(1.0, "a"), Value(1.0, "b"), Value(1.0, "c")
    y = a * 100.0 + b * 10.0 + c
    shown = [lines[0] for lines in boxes(ag.draw_dot(y, top=3))]
    assert {s for s in shown if "more" not in s and not s[0].isdigit()} == {"a", "b", "%3 = +"}
    # Each has its way to the root, through what is left out.
    assert re.findall(r"(n\d+) -> (n\d+) \[.*style=dashed", ag.draw_dot(y, top=3).source) == [
        ("n0", "n2"),
        ("n1", "n2"),
    ]
    assert "dashed edges lead through what is left out" in ag.draw_dot(y, top=3).source


def test_zoom_into_a_matrix_product() -> None:
    rng = np.random.default_rng(0)
    x, w = Tensor(rng.normal(size=(1, 3)), "x"), Tensor(rng.normal(size=(3, 2)), "w")
    y = x @ w
    (y * np.array([1.0, -2.0])).sum().backward()
    shown = {lines[0]: lines[1:] for lines in boxes(ag.draw_dot(y, zoom=y))}
    assert "w[2,1]" in shown
    data = {float(lines[0].split()[1]) for lines in shown.values()}
    for value in y.data.ravel():
        assert any(math.isclose(value, d, rel_tol=1e-3) for d in data)
    for name in ("x[0,1]", "w[2,1]"):
        index = tuple(map(int, name[2:-1].split(",")))
        whole = (x if name[0] == "x" else w).grad[index]
        assert math.isclose(float(shown[name][1].split()[1]), whole, rel_tol=1e-3)


def test_zoom_into_a_softmax_by_its_scope() -> None:
    from transformer.layers import softmax

    x = Tensor([[1.0, 2.0, 3.0]], "x")
    with ag.record_source():
        p = softmax(x)
        y = p[0, 2]
    y.backward()
    drawing = ag.draw_dot(y, zoom="softmax")
    shown = {lines[0]: lines[1:] for lines in boxes(drawing)}
    assert {"data 0.09003", "data 0.2447", "data 0.6652"} <= {lines[0] for lines in shown.values()}
    for i in range(3):
        assert math.isclose(float(shown[f"x[0,{i}]"][1].split()[1]), x.grad[0, i], rel_tol=1e-3)
    assert len([s for s in shown if s.endswith("= exp")]) == 3


def test_zoom_shows_one_element_of_what_is_large() -> None:
    x, w = Tensor(np.ones((8, 6)), "x"), Tensor(np.ones((6, 8)), "w")
    y = x @ w
    assert "element [0, 0] of (8,8)" in ag.draw_dot(y, zoom=y).source
    chosen = ag.draw_dot(y, zoom=(y, (3, -1)))
    assert "element [3, 7] of (8,8)" in chosen.source
    assert ag.draw_dot(y, zoom=("op:matmul", (3, -1))).source == chosen.source
    assert "w[5,7]" in [lines[0] for lines in boxes(chosen)]
    assert "w[5,6]" not in [lines[0] for lines in boxes(chosen)]
    with pytest.raises(ValueError, match=r"\(9, 0\) is no index of an element of a result of shape \(8,8\)"):
        ag.draw_dot(y, zoom=(y, (9, 0)))


ZOOMS: dict[str, Any] = {
    "mean of all": lambda t: t.mean(),
    "max of all": lambda t: t.max(),
    "sum": lambda t: t.sum(axis=0),
    "mean": lambda t: t.mean(axis=1, keepdims=True),
    "max": lambda t: t.max(axis=1),
    "var": lambda t: t.var(axis=0),
    "matmul": lambda t: t @ t.T,
    "einsum": lambda t: np.einsum("ij,kj->ik", t, t),
    "concatenate": lambda t: np.concatenate([t, t * 2.0]),
    "where": lambda t: np.where(np.array([[True, False, True], [False, True, True]]), t, t * 3.0),
    "getitem": lambda t: t[[1, 0, 1]],
    "reshape": lambda t: t.reshape(3, 2),
    "broadcast_to": lambda t: np.broadcast_to(t, (2, 2, 3)),
    "sigmoid": lambda t: t.sigmoid(),
    "relu": lambda t: t.relu(),
    "log1p": lambda t: np.log1p(t),
    "maximum": lambda t: np.maximum(t, 1.0),
    "pow": lambda t: t**3,
    "astype": lambda t: t.astype(np.float32),
    "swapaxes": lambda t: t.swapaxes(0, 1),
}


@pytest.mark.parametrize("name", ZOOMS)
def test_zoom_gives_the_same_numbers(name: str) -> None:
    t = Tensor(np.random.default_rng(1).uniform(0.5, 2.0, (2, 3)), "t")
    out = ZOOMS[name](t)
    (out * out).sum().backward()
    s = Stepper(out, np.ones(out.shape))
    for index in np.ndindex(out.shape):
        inner, shown, _ = zoomed(s, Names(s.root, s.nodes), (out, index))
        element = inner.root.inputs[0]  # which stands times its gradient, for it to flow from there
        assert element.id in shown
        assert math.isclose(element.data, out.data[index], rel_tol=1e-6)  # type: ignore[attr-defined]
        assert all(isinstance(n, Value) for k in inner.nodes for n in (k, *k.inputs))


ROWS = {
    **{row.name: [(row, safe(row, A, B))] for row in NUMERIC},
    **ARRAYS,
}


@pytest.mark.parametrize("name", ROWS)
def test_every_row_of_the_table_is_taken_apart_or_refused_in_a_sentence(name: str) -> None:
    for op, arrays in ROWS[name]:
        tensors = [Tensor(x, "abc"[i]) for i, x in enumerate(arrays)]
        out = op(*tensors)
        if out.op != name:  # a part of what the row stacks
            continue
        seeds = np.cos(np.arange(out.size)).reshape(out.shape) + 1.5
        (out * seeds).sum().backward()
        s = Stepper(out, seeds)
        names = Names(s.root, s.nodes)
        try:
            zooms = [zoomed(s, names, (out, index)) for index in np.ndindex(out.shape)]
        except Misuse as refusal:
            assert re.search(
                r"is no composition of operations on single numbers|is a constant, made from", str(refusal)
            )
            continue
        grads: dict[str, float] = {}
        for (inner, shown, _), index in zip(zooms, np.ndindex(out.shape)):
            element: Any = inner.root.inputs[0]  # which stands times its gradient, for it to flow from there
            assert element.id in shown
            assert math.isclose(element.data, out.data[index], rel_tol=1e-9, abs_tol=1e-12)
            for leaf in {n.id: n for k in inner.nodes for n in k.inputs if not n.inputs}.values():
                grads[leaf.label] = grads.get(leaf.label, 0.0) + leaf.grad  # type: ignore[attr-defined]
        for p in {p.id: p for p in out.inputs}.values():
            whole = np.asarray(received(p))
            for index in np.ndindex(whole.shape):
                one = grads.get(f"{names[p]}[{','.join(map(str, index))}]", 0.0)
                assert math.isclose(one, whole[index], rel_tol=1e-7, abs_tol=1e-9)


def test_zoom_refuses_what_numpy_does_not_do_with_objects() -> None:
    from autograd.engine.graph import Primitive

    def numbers(x: Any) -> Any:
        if x.dtype == object:
            raise TypeError("no loop for objects")  # as NumPy says it
        return x[::-1]

    t = Tensor([[2.0, 1.0], [0.0, 4.0]], "t")
    y = Primitive("turned", None, numbers, (lambda g, out, a: g[::-1],))(t).sum()
    y.backward()
    with pytest.raises(ValueError, match=r"^draw_dot: zoom: turned is no composition of operations on single numbers"):
        ag.draw_dot(y, zoom="op:turned")
    first = Primitive("first", None, lambda x: x.astype(float)[0] if x.dtype == object else x[0] * 2.0, (None,))
    with pytest.raises(ValueError, match="zoom: first is no composition"):  # nor is one that means something else there
        ag.draw_dot(first(t), zoom="op:first")


def test_zoom_of_extremes_with_nan() -> None:
    t = Tensor([[1.0, np.nan, 3.0], [2.0, 1.0, 0.0]], "t")
    y = t.max(axis=1)
    shown = {lines[0]: lines[1] for lines in boxes(ag.draw_dot(y, zoom=y))}
    assert shown["t[0,1]"] == "data nan" and shown["t[1,0]"] == "data 2.0" and "t[0,2]" not in shown


def test_zoom_shares_among_ties_as_the_rule_does() -> None:
    a = Tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]], "a")
    y = a.max(axis=-1)
    (y * np.array([1.0, 3.0])).sum().backward()
    shown = {lines[0]: lines[-1] for lines in boxes(ag.draw_dot(y, zoom=y))}
    assert shown["a[0,0]"] == shown["a[0,1]"] == "grad 0.5"
    assert shown["a[1,0]"] == shown["a[1,1]"] == shown["a[1,2]"] == "grad 1.0"


def test_zoom_into_what_only_moves_elements_shows_where_they_come_from() -> None:
    a = Tensor([3.0, 5.0], "a")
    y = np.where([False, True], a, 0.0)
    drawing = ag.draw_dot(y, zoom=y)
    assert {lines[0] for lines in boxes(drawing)} == {"a[1]", "%0 = identity"}
    with pytest.raises(ValueError, match=r"where\[0\] is a constant"):
        ag.draw_dot(y, zoom=(y, 0))
    empty = a[:0]
    with pytest.raises(ValueError, match=r"has no elements, its shape is \(0,\)"):
        ag.draw_dot(empty, zoom=empty)
    wide = Tensor(np.ones((200, 200))) @ np.ones((200, 200))
    with pytest.raises(ValueError, match="is some 16,000,000 operations on single Values"):
        ag.draw_dot(wide, zoom=wide)


def test_jax_arrays_are_drawn_and_zoomed_too() -> None:
    jax = pytest.importorskip("jax")
    a = Tensor(jax.numpy.array([3.0, 5.0]), "a")
    y = np.where(jax.numpy.array([False, True]), a * 2.0, 0.5)
    y.sum().backward()
    assert "a[1]" in [lines[0] for lines in boxes(ag.draw_dot(y, zoom=y.inputs[0]))]
    assert {lines[0] for lines in boxes(ag.draw_dot(y, zoom=y))} == {"%0[1]", "%0 = identity"}


def test_zoom_refuses_what_has_nothing_inside() -> None:
    x = Value(1.0, "x")
    y = x * 2.0
    with pytest.raises(ValueError, match="is of single Values already"):
        ag.draw_dot(y, zoom=y)
    t = Tensor([1.0], "t")
    with pytest.raises(ValueError, match="leaves have nothing inside"):
        ag.draw_dot(t * 2.0, zoom=t)
    with pytest.raises(ValueError, match="zoom='sofmax' fits no scope"):
        ag.draw_dot(transformer(1, n_embd=8), zoom="sofmax")


def test_zoom_with_around_shows_only_what_zoom_shows() -> None:
    a, b = Tensor([[1.0, -2.0]], "a"), Tensor([[3.0], [4.0]], "b")
    y = np.tanh(a @ b)
    (y * 5.0).sum().backward()
    everything = {lines[0] for lines in boxes(ag.draw_dot(y, zoom="op:matmul"))}
    beside = {"1 more …", "2 more …"}

    def names(**chosen: Any) -> set[str]:
        return {lines[0] for lines in boxes(ag.draw_dot(y, zoom="op:matmul", **chosen))}

    # Without the product by the gradient that comes in, which is there for the gradients' sake.
    assert names(around="a[0,1]", up=9, down=9) == {"a[0,1]", "%1 = *", "%2 = +", "1 more …"}
    assert names(around="%2", up=9, down=9) == everything
    assert names(path=("a[0,1]", "%2")) == {"a[0,1]", "%1 = *", "%2 = +", "1 more …"}
    for top in (1, 2, 50):
        assert names(top=top) <= everything | beside
    with pytest.raises(ValueError, match=r"draw_dot: %3, given as around, is not among what zoom shows"):
        ag.draw_dot(y, zoom="op:matmul", around="%3")


# ---- bad input ---------------------------------------------------------------------------


def test_bad_arguments_are_named() -> None:
    x = Value(1.0, "x")
    y = x + 1.0
    with pytest.raises(TypeError, match="root must be a Value or a Tensor, got float"):
        ag.draw_dot(1.0)
    with pytest.raises(ValueError, match="no node is called 'xx', as around says; did you mean x"):
        ag.draw_dot(y, around="xx")
    with pytest.raises(TypeError, match="open=3; expected a scope"):
        ag.draw_dot(y, open=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="around is not in the graph of root"):
        ag.draw_dot(y, around=Value(3.0))
    with pytest.raises(ValueError, match="rankdir='sideways'"):
        ag.draw_dot(y, rankdir="sideways")
    with pytest.raises(ValueError, match="depth=-1; expected a whole number from 0 on"):
        ag.draw_dot(y, depth=-1)
    with pytest.raises(ValueError, match="top=0; expected a whole number from 1 on"):
        ag.draw_dot(y, top=0)
    with pytest.raises(ValueError, match=r"a drawing ends in .*, its text in \.gv; ag\.play writes \.html"):
        ag.draw_dot(y).save("x.html")
    with pytest.raises(ValueError, match="zoom='op:conv': no node was made by it; operations here: add"):
        ag.draw_dot(y, zoom="op:conv")
    with pytest.raises(ValueError, match="expected a pair of nodes"):
        ag.draw_dot(y, path=y)  # type: ignore[arg-type]


def test_tensors_of_one_number() -> None:
    x = Tensor(2.0, "x")
    y = x * x
    y.backward()
    assert ["x", "() float64", "data 2.0", "grad 4.0"] in boxes(ag.draw_dot(y))
    assert ag.play(x * x).count == 2
    top = (x * 3.0).max(axis=-1)
    assert {lines[0] for lines in boxes(ag.draw_dot(top, zoom=top))} == {"%0", "%0#1 = identity"}


def test_a_leaf_alone_and_a_tensor_of_many_elements() -> None:
    assert boxes(ag.draw_dot(Value(1.0, "x"))) == [["x", "data 1.0", "grad -"]]
    assert len(boxes(ag.draw_dot(Tensor(np.ones((2, 2)), "t") * 2.0))) == 3


def test_nothing_is_changed_by_drawing() -> None:
    graph = neuron()
    graph["o"].backward()
    before = [(n.id, n._grad) for n in ag.Stepper(graph["o"]).nodes]
    ag.draw_dot(graph["o"], derivatives=True, top=4)
    assert [(n.id, n._grad) for n in ag.Stepper(graph["o"]).nodes] == before


# ---- rendering ---------------------------------------------------------------------------


def test_it_is_a_graphviz_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import graphviz

    monkeypatch.chdir(tmp_path)
    drawing = ag.draw_dot(neuron()["o"])
    assert isinstance(drawing, graphviz.Digraph)
    assert drawing.source.startswith("digraph")
    assert list(drawing._repr_mimebundle_()) == ["image/svg+xml"]
    assert drawing.render("gout") == "gout.svg"
    assert drawing.render("sub/gout", cleanup=True) == "sub/gout.svg"
    assert drawing.render(outfile="other.svg") == "other.svg"
    assert drawing.save("x.svg") == "x.svg"
    assert drawing.save("deep/er/x.svg") == str(Path("deep/er/x.svg"))
    assert drawing.save("x.gv") == "x.gv"
    assert Path("x.gv").read_text() == drawing.source
    for path in ("gout.svg", "sub/gout.svg", "other.svg", "x.svg", "deep/er/x.svg"):
        assert ElementTree.parse(path).getroot().tag == f"{SVG}svg"
    assert not Path("sub/gout").exists()
    assert "rankdir=TB" in ag.draw_dot(neuron()["o"], rankdir="TB").source


def contents(drawing: Any) -> Any:
    """What a drawing says, whoever laid it out."""
    return sorted((kind, lines) for kind, lines in parse(drawing))


def test_the_same_drawing_with_and_without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("dot") is None:
        missing = pytest.fail if "dot" in os.environ.get("STEPGRAD_REQUIRE", "") else pytest.skip
        missing("no Graphviz `dot` on the PATH to compare with")
    graph = neuron()
    graph["o"].backward()
    for drawing in (ag.draw_dot(graph["o"], derivatives=True), ag.draw_dot(transformer(4, n_embd=8))):
        with_dot = drawing.pipe()
        assert b"graphviz version 16" not in with_dot  # the one in WebAssembly
        there = contents(drawing)
        with monkeypatch.context() as patch:
            patch.setattr(rendering.shutil, "which", lambda name: None)
            assert contents(drawing) == there


def test_without_dot_and_without_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert b"tanh" in ag.draw_dot(neuron()["o"]).pipe()
    with pytest.raises(RenderError, match="that takes Graphviz's `dot` on the PATH; svg does not"):
        ag.draw_dot(neuron()["o"]).pipe("png")


def test_a_broken_dot_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "dot"
    fake.write_text("#!/bin/sh\necho no layout engine >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert b"tanh" in ag.draw_dot(neuron()["o"]).pipe()


def test_a_layout_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering.shutil, "which", lambda name: None)
    with pytest.raises(RenderError, match=r"took more than 0\.01 s; draw less at a time"):
        render("digraph { a -> b }", seconds=0.01)


def test_bad_dot_is_an_error() -> None:
    with pytest.raises(RenderError, match="cannot make svg"):
        render("digraph { a -> ")
