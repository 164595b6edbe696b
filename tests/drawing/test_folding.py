"""Folding: the boxes of an acyclic graph form an acyclic graph, whatever is folded and however the graph was made."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor, Value
from autograd.drawing.boxes import View
from autograd.drawing.folding import Folding
from autograd.drawing.selection import Selection
from autograd.drawing.sheets import sheets
from autograd.drawing.view import view
from autograd.stepping.text import Show
from tests.drawing.pictures import transformer, width_and_height


def seen(root: Any, **chosen: Any) -> View:
    return view(Show(ag.Stepper(root)), Selection(**chosen))


def titles(shown: View) -> list[str]:
    return [box.group.title for box in shown.boxes if box.group]


def cyclic(shown: View) -> bool:
    """Whether boxes and edges of a drawing have a cycle."""
    left = {i: {e.tail for e in shown.edges if e.head == i} for i in range(len(shown.boxes))}
    while ready := [i for i, needed in left.items() if not needed & left.keys()]:
        for i in ready:
            del left[i]
    return bool(left)


def check(root: Any, shown: View) -> None:
    """Acyclic; every operation in one box; no box of operations of several lines of one call."""
    assert not cyclic(shown)
    nodes = ag.Stepper(root).nodes
    places = [n.id for box in shown.boxes for n in box.nodes if n.primitive is not None]
    assert sorted(places) == sorted(n.id for n in nodes)
    for box in shown.boxes:
        if box.kind == "operation":
            assert len({n.op for n in box.nodes}) == 1
            assert len({n.source and (n.source.file, n.source.line) for n in box.nodes}) == 1
    for node in nodes:  # every edge of the graph stands in the drawing, or inside a box
        for i, p in enumerate(node.parents):
            if p is not None and shown.box[p.id] != shown.box[node.id]:
                along = [shown.edges[e] for e in shown.edge[node.id, i]]
                assert along[0].head == shown.box[node.id] and along[-1].tail == shown.box[p.id]


# Functions that use what there is in every way: calls in calls, loops, generators, values that come back.
def plain(pool: list[Value], i: int, j: int) -> None:
    pool.append(pool[i] * pool[j])


def twice(pool: list[Value], i: int, j: int) -> None:
    plain(pool, i, j)
    pool.append((pool[-1] + pool[i]).tanh())
    plain(pool, j, -1)


def looping(pool: list[Value], i: int, j: int) -> None:
    for _ in range(1 + i % 4):
        h = pool[-1] * pool[j]
        pool.append(h.tanh() + pool[i])


def summing(pool: list[Value], i: int, j: int) -> None:
    pool.append(sum((a * b for a, b in zip(pool[-3:], pool[i:])), pool[j]))


def lazily(pool: list[Value], i: int, j: int) -> None:
    def parts() -> Any:
        yield pool[i] * 2.0
        yield pool[-1] * 3.0  # after what the caller did in between
        yield pool[j] * 4.0

    for part in parts():
        pool.append(part + pool[i])


KINDS: tuple[Callable[[list[Value], int, int], None], ...] = (plain, twice, looping, summing, lazily)
programs = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25)


def run(program: Any, recorded: bool) -> Value:
    pool = [Value(float(x) / 10, f"x{x}") for x in range(3)]

    def go() -> None:
        for kind, i, j in program:
            kind(pool, i % len(pool), j % len(pool))

    if recorded:
        with ag.record_source():
            go()
            return sum(pool[-4:], Value(0.0))
    go()
    return sum(pool[-4:], Value(0.0))


@given(programs, st.booleans(), st.integers(1, 30), st.sampled_from([None, 0, 1, 2]))
def test_no_cycle_whatever_is_folded(program: Any, recorded: bool, limit: int, depth: int | None) -> None:
    root = run(program, recorded)
    check(root, seen(root, limit=limit))
    check(root, seen(root, depth=depth, limit=limit))


@given(programs, st.booleans())
def test_no_cycle_in_what_folds_open_to(program: Any, recorded: bool) -> None:
    """And what is in them is there, down to single operations, however deep."""
    root = run(program, recorded)
    show = Show(ag.Stepper(root))
    found = sheets(show, view(show, Selection(limit=4)))
    alone = {box.nodes[0].id for sheet in found for box in sheet.view.boxes if len(box.nodes) == 1}
    assert {n.id for n in show.stepper.nodes} <= alone
    for k, sheet in enumerate(found):
        assert not cyclic(sheet.view)
        assert sheet.up is None or (sheet.up < k and k in found[sheet.up].doors.values())


@given(programs, st.integers(2, 30))
def test_what_is_folded_within_a_call_is_of_one_line(program: Any, most: int) -> None:
    """Unless there would be nothing to see."""
    root = run(program, True)
    nodes = dict(enumerate(ag.Stepper(root).nodes))
    for _, around, group in Folding(nodes).fold(most).boxes:
        if group is not None and group.what == "run" and len(around.path) > 1:
            direct = [nodes[item] for item in group.instances[0].items if isinstance(item, int)]
            assert len({n.source.line for n in direct}) <= 1


@given(programs, st.integers(1, 40))
def test_folding_keeps_to_the_number_of_boxes(program: Any, most: int) -> None:
    root = run(program, True)
    found = Folding(dict(enumerate(ag.Stepper(root).nodes))).fold(most)
    assert len(found.boxes) <= most


def test_attention_keeps_its_two_products_apart() -> None:
    def attention(q: Any, k: Any, v: Any) -> Any:
        scores = q @ k.T
        e = np.exp(scores)
        return (e / e.sum(axis=-1, keepdims=True)) @ v

    q, k, v = (Tensor(np.ones((3, 3)), name) for name in "qkv")
    with ag.record_source():
        x = q
        for _ in range(6):
            x = attention(x, k, v)
        y = x.sum()
    shown = seen(y)
    check(y, shown)
    assert [len(box.nodes) for box in shown.boxes if box.nodes and box.nodes[0].op == "matmul"] == [6, 6]


def test_a_loop_folds_by_lines_and_rounds() -> None:
    x, w = Value(0.5, "x"), Value(1.01, "w")
    with ag.record_source():
        for _ in range(70):
            h = x * w
            x = h.tanh()
    shown = seen(x)
    check(x, shown)
    assert {(box.nodes[0].op, len(box.nodes)) for box in shown.boxes if box.kind == "operation"} == {
        ("mul", 70),
        ("tanh", 70),
    }
    (title,) = shown.clusters.values()
    assert re.fullmatch(r"lines \d+ to \d+ × 70", title)
    assert {box.text for box in shown.boxes if box.kind == "more"} == {"to the next round", "from the round before"}
    leaves = {box.nodes[0].label: box.cluster for box in shown.boxes if box.kind == "leaf"}
    assert leaves == {"x": (), "w": ()}  # what comes in, and what all rounds share, is no part of a round


def test_loops_of_loops_without_a_record() -> None:
    x = Value(0.5, "x")
    for _ in range(30):
        for _ in range(7):
            x = x.tanh() * 1.1
        x = x.exp()
    shown = seen(x)
    check(x, shown)
    assert "mul, tanh × 7" not in titles(shown)  # it stands in each of the thirty
    assert any(title.endswith("× 30") for title in shown.clusters.values())
    assert {len(box.nodes) for box in shown.boxes if box.nodes and box.nodes[0].op == "exp"} == {30}


def test_what_does_not_repeat_becomes_runs() -> None:
    rng = np.random.default_rng(0)
    x = Value(0.5, "x")
    for _ in range(400):
        x = [x.tanh, x.exp, x.sigmoid, x.relu][rng.integers(4)]() * float(rng.random())
    shown = seen(x)
    check(x, shown)
    assert 5 < len(titles(shown)) <= 28
    assert all(" × " in title for title in titles(shown))  # as "mul × 20, tanh × 7"


def test_generators_that_go_on_later_are_two_calls() -> None:
    def numbers(x: Value) -> Any:
        yield x * 2.0
        yield x * 3.0

    with ag.record_source():
        x = Value(1.0, "x")
        parts = numbers(x)
        a = next(parts)
        b = (a + 1.0).tanh()
        y = b * next(parts)
    shown = seen(y, depth=0)
    check(y, shown)
    assert titles(shown) == ["numbers", "numbers#1"]


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("recorded", [False, True])
def test_the_default_picture_of_a_transformer_can_be_read(scalar: bool, recorded: bool) -> None:
    root = transformer(scalar=scalar, recorded=recorded)
    shown = seen(root)
    check(root, shown)
    wide, high = width_and_height(ag.draw_dot(root))
    assert wide <= 1250 and high <= 1400


def test_shared_inputs_stand_outside_of_the_calls_that_share_them() -> None:
    def neuron(w: list[Value], x: list[Value]) -> Value:
        return sum((a * b for a, b in zip(w, x)), Value(0.0)).tanh()

    def layer(ws: list[list[Value]], x: list[Value]) -> list[Value]:
        return [neuron(w, x) for w in ws]

    x = [Value(float(i), f"x{i}") for i in range(2)]
    ws = [[Value(0.1 * i + j, f"w{i}{j}") for j in range(2)] for i in range(3)]
    with ag.record_source():
        y = sum(layer(ws, x), Value(0.0))
    for limit in (None, 1000):
        shown = seen(y, limit=limit)
        home = {n.label: box.cluster for box in shown.boxes for n in box.nodes if n.label and box.kind == "leaf"}
        assert home["x0"] == home["x1"] and not any("neuron" in name for name in home["x0"])
        assert all("neuron" in home[f"w{i}{j}"][-1] for i in range(3) for j in range(2))
