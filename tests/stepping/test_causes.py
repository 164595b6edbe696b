"""Causes: what made a gradient zero, nan, infinite, tiny or huge; how it flows; where two runs differ."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Stepper, Tensor, Value
from autograd.stepping.text import Show


def last(root: Any, node: Any, index: Any = None) -> tuple[str, str]:
    """The cause of a gradient: the line that made it, and the reason."""
    cause = Stepper(root).blame(node, index)[-1]
    return cause.source.code if cause.source else "", cause.reason


def softmax(x: Any) -> Any:
    e = np.exp(x - ag.detach(x.max(axis=-1, keepdims=True)))
    return e / e.sum(axis=-1, keepdims=True)


def test_a_dead_relu() -> None:
    with ag.record_source():
        x, w = Value(-2.0, "x"), Value(3.0, "w")
        z = x * w
        h = z.relu()
        y = h * 2 + 1
    way = Stepper(y).blame(w)
    assert way[0].node is z and way[0].reason == "mul passes on the 0 that comes from above"
    assert way[-1].node is h and way[-1].value == 0.0 and way[-1].source is h.source
    assert way[-1].reason == "relu is dead: z is -6.0, and relu passes nothing on where its input is not above 0"
    line, reason = last(y, x)
    assert line == "h = z.relu()" and "relu is dead" in reason


def test_a_dead_relu_among_live_ones_is_blamed_by_its_column() -> None:
    with ag.record_source():
        x, w = Tensor([[1.0, 2.0]], "x"), Tensor([[1.0, -1.0], [1.0, -1.0]], "w")
        z = x @ w
        h = np.where(z.data > 0, z, 0.0)
        total = h.sum()
    s = Stepper(total)
    s.end()
    assert s.grad(w)[:, 1].tolist() == [0.0, 0.0] and s.grad(w)[0, 0] == 1.0
    assert last(total, w, (slice(None), 1)) == (
        "h = np.where(z.data > 0, z, 0.0)",
        "where() is a mask: its condition picks the other branch, not z",
    )


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_saturation(name: str) -> None:
    with ag.record_source():
        x = Value(17.0, "x")
        h = getattr(x * 1.0, name)()
        y = (h * 3).sin()
    line, reason = last(y, x)
    assert line == "h = getattr(x * 1.0, name)()" and f"{name} is saturated: {name}(17.0)" in reason
    assert (
        f"{name} is saturated: {name}(800.0) = 1.0, and its derivative is 0 there"
        in last(getattr(y800 := Value(800.0, "x"), name)() * 3, y800)[1]
    )


def test_a_saturated_attention() -> None:
    rng = np.random.default_rng(0)
    q, k, v = (Tensor(rng.normal(size=(4, 8)) * size, name) for name, size in (("q", 60.0), ("k", 1.0), ("v", 1.0)))
    with ag.record_source():
        scores = q @ k.T
        weights = softmax(scores)
        out = ((weights @ v) ** 2).sum()
    for leaf in (q, k):
        line, reason = last(out, leaf)
        assert line == "return e / e.sum(axis=-1, keepdims=True)"
        assert "a saturated softmax: its largest weight is 1.0" in reason or "0.999" in reason


def test_a_forward_overflow_is_found_before_the_log_that_shows_it() -> None:
    x = Tensor([800.0, 1.0], "x")
    with ag.record_source(), np.errstate(all="ignore"):
        e = np.exp(x * 1.0)
        total = e.sum()
        half = total * 0.5
        loss = np.log(half)
    way = Stepper(loss).blame(x)
    assert way[-1].node is e and way[-1].source.code == "e = np.exp(x * 1.0)"  # type: ignore[union-attr]
    assert "exp overflowed in the forward pass: exp(800.0) = inf; subtract the maximum first" in way[-1].reason
    assert "0 * inf = nan" in way[-2].reason


def test_a_nan_of_the_backward_pass_alone() -> None:
    x = Tensor([0.0, 4.0], "x")
    with ag.record_source():
        root = np.sqrt(x)
        safe = np.where(x.data > 0, root, 0.0)
        loss = safe.sum()
    line, reason = last(loss, x)
    assert line == "root = np.sqrt(x)" and "0 * inf = nan" in reason and "Use where() twice" in reason
    with ag.record_source():
        masked = (root * np.array([0.0, 1.0])).sum()
    line, reason = last(masked, x)
    assert "0 * inf = nan" in reason and "where()" not in reason


def test_inf_times_0_is_explained_in_the_other_order_too() -> None:
    x = Value(0.0, "x")
    with ag.record_source():
        scaled = x * 0.0
        y = scaled.sqrt()
    way = Stepper(y).blame(x)
    assert way[0].reason == "inf * 0 = nan: the gradient from above is infinite, but the local derivative is 0"
    assert (
        way[-1].node is y
        and "the local derivative 1 / (2 * out) of sqrt is not finite where scaled is 0.0" in way[-1].reason
    )


def test_masks_detach_and_indices() -> None:
    x, wte, tokens = Tensor([1.0, 2.0], "x"), Tensor(np.ones((14, 3)), "wte"), np.array([1, 2, 2])
    with ag.record_source():
        masked = (x * np.array([0.0, 1.0])).sum()
        cut = (ag.detach(x * 2) * Tensor([1.0, 1.0], "k")).sum()
        picked = (wte[tokens] * 2).sum()
        flat = (np.sign(x) * x.data).sum() + (Tensor(1.0, "c") * 2)
    assert "multiplies by [0., 1.] (2,): a mask" in last(masked, x, 0)[1]
    line, reason = last(cut, x)
    assert (
        "nothing on the way to cut was computed from x; detach() cut the way at" in reason and "detach(x * 2)" in reason
    )
    line, reason = last(picked, wte, 12)
    assert reason == "the index never picks row 12 of wte: 12 does not occur among the 3 indices [1, 2]"
    assert "wte[tokens]" in line
    assert "sign is flat" in last(flat, x)[1] or "no gradient" in last(flat, x)[1]


def test_what_cancels_and_what_overflows() -> None:
    a, b = Value(2.0, "a"), Value(1e200, "b")
    with ag.record_source():
        same = a * 3 - a * 3
        large = Value(1e-200, "d") * b * b * b
    assert "what reaches a cancels: -3.0 + 3.0" in last(same, a)[1]
    d = next(p for n in Stepper(large).nodes for p in n.inputs if p.label == "d")
    assert "overflows: 1e+200 times 1e+200 is more than a number of float64 holds" in last(large, d)[1]


def test_huge_and_tiny_gradients_are_blamed_on_the_largest_and_smallest_gain() -> None:
    x = Value(0.5, "x")
    with ag.record_source():
        a = x * 2
        b = a * 1e6
        c = b * 3
        d = x * 1e-9 * 5
    assert last(c, x)[0] == "b = a * 1e6" and "mul by 1e+06: a factor of 1e+06" in last(c, x)[1]
    assert "mul by 1e-09: a factor of 1e-09" in last(d, x)[1]


def test_blame_leaves_the_walk_where_it_stands_and_the_nodes_alone() -> None:
    with ag.record_source():
        x = Value(-1.0, "x")
        y = (x * 2).relu() * 3
    s = Stepper(y)
    s.next()
    before = s.position, dict(s._grads)
    s.blame(x)
    s.flow()
    assert (s.position, dict(s._grads)) == before and x.grad == 0.0 and y.grad == 0.0
    with pytest.raises(IndexError):
        Stepper((Tensor([1.0], "t") * 2).sum()).blame(Stepper((t := Tensor([1.0], "t")) * 2).nodes[0], 7)
    assert t.grad.tolist() == [0.0]


def test_blame_looks_at_no_mode_of_the_script() -> None:
    x = Tensor([0.0, 1.0], "x")
    y = np.where(x.data > 0, np.sqrt(x), 0.0).sum()
    with ag.detect_anomaly():
        assert "0 * inf" in last(y, x)[1]


def layers(n: int, large: int) -> Tensor:
    """A stack of layers, one of which has weights a thousand times too large."""

    def layer(h: Any, w: Any) -> Any:
        return h @ w

    h = Tensor(np.random.default_rng(99).normal(size=(3, 6)), "x")
    with ag.record_source():
        for k in range(n):
            h = layer(h, Tensor(np.random.default_rng(k).normal(size=(6, 6)) * (400 if k == large else 0.4), f"W{k}"))
        return h.sum()


def test_flow_finds_the_layer_that_explodes() -> None:
    loss = layers(50, 23)
    s = Stepper(loss)
    rows = s.flow()
    worst = max(rows, key=lambda row: row.gain)
    assert worst.name == "layer#23" and worst.gain > 100 and len(rows) == 51 and rows[0].node is loss
    s.end()
    assert rows[-1].norm * rows[-1].gain == pytest.approx(max(np.linalg.norm(s.grad(p)) for p in rows[-1].node.inputs))
    for row, following in itertools.pairwise(rows):
        assert row.norm * row.gain == pytest.approx(following.norm)
    assert max(s.flow(by="operation"), key=lambda row: row.gain).node.parents[1].label == "W23"
    bars = Show(s).flow(rows)
    assert "layer#23" in "".join(line for line in bars if line.count("█") == min(row.count("█") or 99 for row in bars))


def test_flow_tells_the_shares_of_a_residual_stream() -> None:
    x = start = Tensor(np.random.default_rng(0).normal(size=(3, 6)), "x")

    def block(x: Any, w: Any) -> Any:
        return x + np.tanh(x @ w)

    with ag.record_source():
        for k in range(3):
            x = block(x, Tensor(np.random.default_rng(k).normal(size=(6, 6)) * 0.1, f"W{k}"))
        loss = (x * np.cos(x)).sum()
    s = Stepper(loss)
    rows = s.flow(b=start)
    stream = [row for row in rows if row.name in ("x#1", "x#2")]
    assert len(stream) == 2 and rows[-1].node is start
    for row in stream:
        assert sum(branch.share for branch in row.branches) == pytest.approx(1.0)
        skip, inner = row.branches
        assert skip.node.op == "add" and inner.node.op == "matmul" and skip.share > 0.7 > abs(inner.share)
        assert -1 <= inner.cosine < skip.cosine <= 1 and row.share == skip.share
    assert s.flow(start, loss)[0].node is loss, "given in the other order, too"
    with pytest.raises(ValueError, match="no way leads from x to W1"):
        s.flow(start, next(p for n in s.nodes for p in n.inputs if p.label == "W1"))


def test_a_tied_embedding_s_two_contributions_by_row() -> None:
    wte = Tensor(np.random.default_rng(0).normal(size=(6, 4)), "wte")
    with ag.record_source():
        x = wte[np.array([1, 2])]
        logits = x @ wte.T
        loss = (logits * logits).sum()
    s = Stepper(loss)
    s.end()
    show = Show(s)
    both, one = show.why(wte, (2,)), show.why(wte, (5,))
    assert "wte[2].grad" in both[0] and "the sum of 2:" in both[0] and sum("share" in line for line in both) == 2
    shares = [float(line.partition("share ")[2].partition("%")[0]) for line in both[1:]]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert "share 0.0%" in " ".join(one) and "share 100.0%" in " ".join(one)
    paths = show.paths(wte)
    assert "is a sum over 4 paths" in paths[0] and len(paths) == 5 and "share" in paths[1]
    values, total = s.routes(wte)
    assert total == 4 and np.allclose(sum(value for value, _ in values), s.grad(wte))


def test_why_on_a_zero_leads_to_the_cause() -> None:
    with ag.record_source():
        x = Value(-1.0, "x")
        y = (x * 2).relu() * 3
    s = Stepper(y)
    show = Show(s)
    assert show.cause(x) == [], "not before the end"
    s.end()
    assert "relu is dead" in show.cause(x)[1] and "blame x" in show.cause(x)[2] and show.cause(y) == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_runs_of_the_same_code_are_compared(dtype: str) -> None:
    def run(kind: str, gain: float) -> Tensor:
        x = Tensor(np.linspace(0.1, 1.0, 5).astype(kind), "x")
        a = np.tanh(x * 3)
        b = a * gain
        return (b * a).sum()

    with ag.record_source():
        here, there = Stepper(run("float64", 2.0)), Stepper(run(dtype, 2.0 if dtype == "float32" else 2.5))
    found = here.compare(there)
    forward, backward = found.forward(), found.backward()
    assert found.parts is None and forward is not None and backward is not None and len(found.rows) == 5
    if dtype == "float64":
        assert forward.place == 2 and forward.here.op == "mul" and forward.data == pytest.approx(0.2)
        assert backward.place == 1, "the gradient of a; those of the root, of b * a and of b are the same in both"
        assert found.forward(0.5) is None
    else:
        assert forward.place == 0 and 0 < forward.data < 1e-6 and found.forward(1e-3) is None
    same = here.compare(Stepper(here.root))
    assert same.forward() is None and same.backward() is None
    other = Stepper(np.exp(Tensor(np.linspace(0.1, 1.0, 5), "x") * 3).sum())
    assert here.compare(other).parts == 1
    assert "parts at [1/5]" in Show(here).comparison(here.compare(other))[0]


def test_softmax_of_values_is_blamed_too() -> None:
    x = [Value(0.0, "x0"), Value(-800.0, "x1")]
    with ag.record_source():
        e = [v.exp() for v in x]
        s = sum(e)
        p = [v / s for v in e]
        loss = -p[0].log()
    assert "exp is saturated: exp(-800.0) = 0" in last(loss, x[1])[1]
    assert "part of a saturated softmax" in last(loss, x[1])[1]
