"""The stepper: the bits of backward(), forth and back; what-if edits; why and paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import Stepper, Tensor, Value
from autograd.engine.graph import Node
from transformer import Config, init, loss


def neuron() -> tuple[Value, list[Value]]:
    x1, x2, w1, w2, b = leaves = [
        Value(x, label=n) for x, n in ((2.0, "x1"), (0.0, "x2"), (-3.0, "w1"), (1.0, "w2"), (6.8813735870195432, "b"))
    ]
    return (x1 * w1 + x2 * w2 + b).tanh(), leaves


def model(kind: Any) -> tuple[Any, list[Node]]:
    config = Config.preset("vanilla", n_embd=4, n_head=2, n_layer=1)
    params = {k: kind(p) for k, p in init(config, np.random.default_rng(0)).items()}
    out = loss(params, np.array([1, 2, 0, 3]), config)
    leaves = [x for p in params.values() for x in (p.flat if isinstance(p, np.ndarray) else [p])]
    return out.item() if isinstance(out, np.ndarray) else out, leaves


def bits(s: Stepper) -> dict[int, bytes]:
    return {i: np.asarray(g).tobytes() for i, g in s._grads.items()}


@pytest.mark.parametrize(
    "make", [neuron, lambda: model(Tensor), lambda: model(ag.values)], ids=["neuron", "Tensors", "Values"]
)
def test_the_end_has_the_bits_of_backward_and_the_nodes_are_left_alone(make: Any) -> None:
    root, leaves = make()
    s = Stepper(root)
    s.end()
    assert s.at_end and s.step() is None and s.next() is None and s.current is None
    assert all(x._grad is None for x in [*s.nodes, *leaves])
    mine = {x.id: s.grad(x) for x in [*s.nodes, *leaves]}
    root.backward()
    for x in [*s.nodes, *leaves]:
        assert (
            np.asarray(x.grad).tobytes()
            == np.asarray(np.zeros_like(x.data) if mine[x.id] is None else mine[x.id]).tobytes()
        )


@pytest.mark.parametrize("make", [neuron, lambda: model(Tensor)], ids=["neuron", "Tensors"])
def test_every_step_back_restores_the_bits(make: Any) -> None:
    s = Stepper(make()[0])
    seen = [(s.position, bits(s))]
    while s.step() is not None:
        seen.append((s.position, bits(s)))
    for position, before in reversed(seen[:-1]):
        assert s.back_step() == position and bits(s) == before
    assert s.at_start and s.back_step() is None and s.back_next() is None


@settings(deadline=None)
@given(st.lists(st.sampled_from(["step", "next", "back_step", "back_next", "goto 3", "end", "start"]), max_size=12))
def test_where_it_stands_depends_on_the_position_alone(moves: list[str]) -> None:
    root, _ = neuron()
    s = Stepper(root)
    for move in moves:
        name, _, argument = move.partition(" ")
        getattr(s, name)(*([int(argument)] if argument else []))
    again = Stepper(root)
    again.move_to(s.position)
    assert bits(again) == bits(s) and len(again._log) == len(s._log)


def test_records() -> None:
    root, (x1, *_) = neuron()
    s = Stepper(root)
    step = s.next()
    assert step is not None
    (c,) = step.contributions
    assert (step.node, step.index, step.total, step.upstream, step.consumers) == (root, 4, 5, 1.0, (1, 1))
    assert (c.symbol, c.upstream, c.before, c.after, c.applied) == ("1 - out²", 1.0, None, c.value, True)
    assert (c.local, c.value) == pytest.approx((0.5, 0.5))
    assert (s.step_of(s.nodes[0]).upstream, s.step_of(s.nodes[0]).contributions[0].value) == (None, None)
    s.end()
    assert [w.value for w in s.why(x1)] == [pytest.approx(-1.5)]


def test_a_shared_input_gets_two_contributions() -> None:
    a = Value(1.0, label="a")
    b = a + a
    s = Stepper(b + b)
    steps = [s.step() for _ in range(4)]
    assert [(c.parent, c.before, c.after) for c in steps if c] == [
        (b, None, 1.0),
        (b, 1.0, 2.0),
        (a, None, 2.0),
        (a, 2.0, 4.0),
    ]
    assert s.step() is None and s.grad(a) == 4.0 and s.consumers(a) == [(b, 0), (b, 1)]


def test_what_if_and_back() -> None:
    root, (x1, _, w1, *_) = neuron()
    s = Stepper(root)
    s.next(2)
    before, state = bits(s), s.state()
    s.set_grad(s.nodes[2], 0.0)
    s.end()
    assert s.grad(x1) == 0.0 and s.grad(w1) == 0.0
    s.back_next(3)
    assert s.position == (2, 0) and s.grad(s.nodes[2]) == 0.0
    s.back_step()
    assert s.grad(s.nodes[2]) == pytest.approx(0.5), "the edit belongs to the position after"
    s.restore(state)
    assert bits(s) == before
    s.set_data(x1, 1.0)
    assert s.data(root) == pytest.approx(np.tanh(-3 + 6.8813735870195432)) and s.position == (2, 0)
    s.end()
    moved = Value(1.0)
    (moved * -3.0 + 6.8813735870195432).tanh().backward()
    assert s.grad(x1) == moved.grad and root.data == pytest.approx(0.7071, abs=1e-4), "the graph itself stays"
    s.restore(state)
    assert bits(s) == before and s.data(root) == root.data


def test_commit_writes_as_backward_does() -> None:
    root, leaves = neuron()
    s = Stepper(root)
    s.end()
    s.commit()
    s.commit()
    assert [x.grad for x in leaves[:3]] == pytest.approx([-3.0, 1.0, 2.0]) and root.grad == 1.0


def test_paths_sum_to_the_gradient() -> None:
    x = Value(0.7, label="x")
    y = x * x
    s = Stepper((y * x + y).tanh() + x)
    s.end()
    found, total = s.paths(x, limit=100)
    assert total == len(found) == 6 and sum(p for p, *_ in found) == pytest.approx(s.grad(x))
    assert [abs(p) for p, *_ in found] == sorted((abs(p) for p, *_ in found), reverse=True)
    z = x
    for _ in range(200):
        z = (z + z) * 0.5
    s = Stepper(z)
    found, total = s.paths(x, limit=3)
    assert total == 2**200 and len(found) == 3
    with pytest.raises(TypeError, match="of scalars"):
        Stepper(Tensor(1.0) * 2).paths(Tensor(1.0))


def test_paths_through_both_arguments() -> None:
    x = Value(3.0, label="x")
    found, total = Stepper(x / x).paths(x)
    assert total == 2 and sorted(p for p, *_ in found) == pytest.approx([-1 / 3, 1 / 3])
    assert all(factors == [p] for p, _, factors in found)


def test_data_that_was_set_stands_fast() -> None:
    x = Value(0.5, label="x")
    u = x * x
    z = u.tanh()
    s = Stepper(3 * z + u)
    assert len(s.consumers(u)) == 2
    s.set_data(z, 0.1)
    s.end()
    assert s.consumers(u) == [(s.root, 1)] and s.step_of(u).consumers == (1, 1) and s.paths(u)[1] == 1
    assert s.grad(z) == 3.0 and s.grad(u) == 1.0 and s.grad(x) == 1.0 and s.data(s.root) == pytest.approx(0.55)


def test_roots() -> None:
    with pytest.raises(TypeError, match="expected a Value or a Tensor, got float"):
        Stepper(1.0)
    with pytest.raises(ValueError, match="pass gradient of its shape"):
        Stepper(Tensor([1.0, 2.0]) * 2)
    t = Tensor([1.0, 2.0])
    s = Stepper(t * 2, np.ones(2))
    s.end()
    assert s.grad(t).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\), and the root \(2,\)"):
        Stepper(t * 2, np.ones(3))
    single = Stepper(Tensor(np.float32([1, 2])) * 2, [1.0, 2.0])
    assert single.seed.dtype == np.float32
    leaf = Stepper(Value(1.0))
    assert leaf.at_start and leaf.at_end and leaf.grad(leaf.root) == 1.0
