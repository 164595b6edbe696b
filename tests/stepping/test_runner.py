"""Runs to a stop without a prompt: stops as the prompt spells them, both ways, and undoing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import autograd as ag
from autograd import Stepper, Tensor, Value
from autograd.stepping.runner import Runner


def small() -> tuple[Stepper, dict[str, Value]]:
    with ag.record_source():
        x, w = Value(2.0, label="x"), Value(-3.0, label="w")
        h = x * w
        r = h.relu()
        y = r * 5 + x
    return Stepper(y), {"x": x, "w": w, "h": h, "r": r, "y": y}


def test_a_stepper_runs_to_stops_and_says_which() -> None:
    s, nodes = small()
    assert s.run("op:relu", "op:mul")[0].node is s.current and s.current is not None and s.current.op == "mul"
    (hit,) = s.run("op:relu")
    assert hit.node is nodes["r"] and hit.hits == 1 and "op:relu" in str(hit) and s.position == (2, 0)
    assert s.run() == [] and s.at_end
    assert s.run(nodes["r"], forward=False)[0].node is nodes["r"] and s.position == (2, 0)
    assert s.run(forward=False) == [] and s.at_start
    assert s.run("h")[0].node is nodes["h"]


def test_a_run_along_a_loop_of_stops_ends() -> None:
    z = Value(1.0)
    for _ in range(20):
        z = z * 1.5
    s, found = Stepper(z), 0
    while s.run("op:mul"):
        found += 1
    assert found == 19 and s.at_end, "the root stood here already"


@pytest.mark.parametrize(
    ("stop", "value"),
    [("watch g:zero", 0.0), ("watch g:>4", 5.0), ("watch g > 4", 5.0), ("watch norm(g) > norm(v) on r", 5.0)],
)
def test_watches_stop_at_what_they_watch(stop: str, value: float) -> None:
    s, _ = small()
    (hit,) = s.run(stop)
    assert hit.node is not None and s.step_of(hit.node).contributions[0].after == value


def test_watches_of_values_and_conditions() -> None:
    s, nodes = small()
    assert s.run("watch v:<1e-7")[0].node is s.nodes[2] and s.data(s.nodes[2]) == 0.0
    s.start()
    assert s.run("watch v < 0")[0].node is nodes["h"]
    s.start()
    assert [str(hit) for hit in s.run("op:mul, g == 0", "scope:*, out < 0", "test_runner.py:1")] == [
        "1: break op:mul, if g == 0, hit 1 times",
        "2: break scope:*, if out < 0, hit 1 times",
    ], "all that match are told"


def test_back_and_forth_meet_the_same_watch() -> None:
    s, nodes = small()
    forth = s.run("watch g:changed on x")
    s.end()
    back = [s.run("watch g:changed on x", forward=False)[0].node for _ in range(1)]
    assert forth[0].node is nodes["y"] and back == [nodes["y"]]


def test_a_stop_at_a_node_that_nothing_reaches_is_met_with_a_watch_beside_it() -> None:
    x = Value(1.0, label="x")
    with ag.record_source():
        h = x * 2
        z = h * 3
    s = Stepper(z)
    s.set_data(z, 1.0)  # it passes nothing on any more
    assert s.run("h", "watch g:nan")[0].node is h


def test_conditions_of_arrays() -> None:
    x = Tensor(np.ones((2, 3)), "x")
    s = Stepper((np.exp(x * 2) * 3).sum())
    (hit,) = s.run("op:mul, norm(g) > 10")
    assert hit.node is s.nodes[0] and np.linalg.norm(s.grad(s.nodes[0])) > 10
    s.start()
    assert s.run("op:mul, norm(g) > 1e9") == []


def test_what_cannot_be_read_is_refused_at_once() -> None:
    s, _ = small()
    for stop, message in (
        ("nowhere", "no node is called 'nowhere'"),
        ("x", "is an input and has no rule to stop at; watch g:changed on x"),
        ("op:mul, foo > 1", "no node is called 'foo'"),
        ("op:mul, g >", "neither a node nor an expression"),
        ("watch g:purple", "watch what?"),
        ("watch v:changed", "values do not change"),
        ("watch g:>1e1e", "'1e1e' is no number"),
        ("", "where?"),
    ):
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            s.run("op:relu", stop)
        assert s.at_start


def test_a_condition_that_fails_names_its_stop() -> None:
    s, _ = small()
    with pytest.raises(ValueError, match="1: break op:relu, if 1 / 0: the condition cannot be told: ZeroDivisionError"):
        s.run("op:relu, 1 / 0")


def test_undo_without_a_prompt() -> None:
    s, nodes = small()
    runner = Runner(s, s.names)
    runner.add("op:relu")
    with runner.moving("c"):
        assert [stop.number for stop in runner.run()] == [1]
    with runner.moving("set"):
        s.set_grad(nodes["r"], 7.0)
    assert runner.undo() == "set" and s.grad(nodes["r"]) == 5.0 and s.position == (2, 0)
    assert runner.undo() == "c" and s.at_start and not runner.undos


def test_progress_is_told() -> None:
    z = Value(1.0)
    for _ in range(12_000):
        z = z * 1.0
    told: list[int] = []
    runner = Runner(s := Stepper(z), s.names)
    runner.travel(sys.maxsize, told.append)
    runner.add("watch g:nan")
    runner.run(False, progress=told.append)
    assert s.at_start and sum(told[:3]) == 12_000 and len(told) >= 4
