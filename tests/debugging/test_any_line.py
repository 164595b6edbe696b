"""Random lines at the prompt of random graphs: each is answered, and `undo` leads back to the beginning."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.debugging.debugger import Debugger

LINES = """n; n 3; s; s 5; rn; rs 2; c; rc; until {n}; goto {k}; start; end; undo; undo 3; b {n}; b op:{op}; b *, {e}
tbreak {n}; watch {w}; watch {w} on {n}; watch {e}; b; cl; cl 1; enable 1; disable 1; ignore 1 2; w; u; d; l; ll; src
src {n}; p {e}; pp {e}; p {n}; x {n}; x {n}[0]; x {n}[0,1]; why {n}; why {n}[0]; paths {n}; paths {n} 3; blame {n}
blame {n}[0]; flow; flow {n}; flow {n} {n} scope gain; compare {n} {n}; display {e}; undisplay; set {n}.grad = {v}
set {n}.data = {v}; check {n}; check .; commit; h; h n; ?; {e}; {n}"""
EXPRESSIONS = ["g", "out > 0", "norm(g) > 1", "x*2", "node.op == 'mul'", "1/0", "foo", "g + ", "%0 + 1", "nan", "v < 0"]


def relu_of_many(x: Any) -> Any:
    return ((x * 3.0).relu() + x.tanh() * x).exp()


def graph(kind: int) -> Any:
    with ag.record_source(), np.errstate(all="ignore"):
        if kind == 0:
            return Value(2.0, "x")
        if kind == 1:
            return relu_of_many(Value([0.0, -1.0, 2.0, 1e200, np.nan][kind], "g"))
        if kind == 2:
            x = Tensor(np.array([[0.0, 1.0], [2.0, -3.0]]), "x")
            return (np.log(np.abs(x)) @ x).sum()
        if kind == 3:
            w = ag.values([[1.0, 2.0], [3.0, 0.0]], "w")
            return np.log((w @ w).sum())
        if kind == 4:
            return (Tensor(np.float32([1, 2, 3]), "x")[np.array([0, 0, 1])] * 2).mean()
        if kind == 5:
            return Tensor(np.zeros((0, 3)), "empty").sum() + Tensor(1.0, "one") * 2
        y = Tensor([1.0, 2.0], "my x")
        return np.where(y.data > 1, np.sqrt(y), y * 0).sum()


@pytest.mark.parametrize("seed", range(70))
def test_every_line_is_answered_and_undo_leads_back(seed: int) -> None:
    rng = random.Random(seed)
    y = graph(seed % 7)
    debugger = Debugger(y, forward=rng.random() < 0.4, variables={"y": y})
    debugger.ask = lambda prompt: "EOF"  # type: ignore[method-assign]
    names = [*debugger.names(), "nope", ".", ""]
    kinds = [line for part in LINES.splitlines() for line in part.split("; ")]
    given = {
        "n": names, "v": ["0", "1", "nan", "g", "'a'", "[1,2]"], "k": [str(k) for k in range(-6, 9)], "e": EXPRESSIONS,
        "op": ["mul", "zz"], "w": ["g:nan", "g:>1", "v:<0.5", "g:changed", "v:inf", "purple"],
    }  # fmt: skip
    for _ in range(12):
        line = rng.choice(kinds)
        while "{" in line:
            what = line.partition("{")[2].partition("}")[0]
            line = line.replace(f"{{{what}}}", rng.choice(given[what]), 1)
        debugger.stdout = io.StringIO()
        assert not debugger.onecmd(line)
        said = debugger.stdout.getvalue()
        for fault in ("IndexError", "KeyError", "AttributeError", "AssertionError", "Warning"):
            assert fault not in said, (line, said)
    while debugger.runner.undos:
        debugger.runner.undo()
    s = debugger.stepper
    assert s.position == (s.first, 0) and not s.fixed and not s.edits and not s._grads.keys() - {s.root.id}
