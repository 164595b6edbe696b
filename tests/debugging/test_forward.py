"""The whole training step through a real terminal: forward, backward, the update, the next step; and all of it back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Stepper, Tensor, Value
from autograd.debugging.story import Story
from autograd.stepping.text import Show
from tests.debugging.terminal import NEURON, Terminal
from tests.helpers import ROOT
from transformer import runs, threads
from transformer.steps import replayed
from transformer.train import fit


def test_forward_through_a_neuron_and_back_to_the_same_bits(tmp_path: Path) -> None:
    (tmp_path / "neuron.py").write_text(NEURON.replace("x1 * w1 + x2 * w2 + b", "x1*w1 + x2*w2 + b"))
    t = Terminal(tmp_path, "-m", "autograd", "debug", "--forward", "neuron.py")
    assert "5 operations to o; nothing is computed yet. n computes; h for help." in t.first
    start = t("ll")
    assert start.count("= ?") == 5 and "-> [0/5]" in start
    assert "x1*w1 = 2.0 * -3.0 = -6.0" in t("n") and "x2*w2 = 0.0 * 1.0 = 0.0" in t("n")
    assert "n = x1*w1 + x2*w2 + b = -6.0 + 0.0 + 6.881 = 0.8814" in t("n 2")
    assert "grad 0" in t("p n") and "not computed yet" in t("x o") and "nothing has a gradient" in t("set n.grad = 1")
    turned = t("n")
    assert "o = tanh(n) = tanh(0.8814) = 0.7071" in turned and "o = 0.7071: all values are there." in turned
    assert "(the root: its gradient is 1 by definition)" in t("n") and "n.grad = 0.5" in t("why n")
    t("c")
    assert "took back [0/5]" in t("rn") and "will be" in t("rn")
    back = t("rc")
    assert "[0/5] mul -> x1*w1" in back and "x1*w1 = 2.0 * -3.0 = ?" in back and t("ll") == start
    assert "at the start" in t("rn") and "stopped at" in t("b n") + t("c") and "= ?" in t("l")
    t("goto -1")
    assert "-6.0 + 0.0 + 6.881 = ?" in t("rs") and "6.881 = 0.8814" in t("n") and "tanh(0.8814) = 0.7071" in t("s")
    assert "after: [-1.4999999999999993, 0.9999999999999996, 0.4999999999999998, 0.0]" in t.leave()


@pytest.mark.parametrize("kind", ["Value", "Tensor"])
def test_the_stepper_goes_forward_as_data(kind: str) -> None:
    x = Value(2.0, "x") if kind == "Value" else Tensor([1.0, 2.0], "x")
    with ag.record_source():
        y = (np.exp(x * 2) + 1).sum() if kind == "Tensor" else (x * 2).exp() + 1
    s = Stepper(y, forward=True)
    n = len(s.nodes)
    assert s.position == (-n, 0) and s.at_start and s.current is s.nodes[0] and not s.computed(s.nodes[0])
    seen = [s.position]
    for k in range(n):
        step = s.next()
        assert step is not None and step.node is s.nodes[k] and s.computed(s.nodes[k])
        assert (s.grad(y) is None) == (k < n - 1)
        seen.append(s.position)
    assert s.position == (0, 0) and s.grad(y) is not None and s.current is y
    s.end()
    plain = Stepper(y)
    plain.end()
    assert np.asarray(s.grad(x)).tobytes() == np.asarray(plain.grad(x)).tobytes()
    while s.back_step() is not None:
        pass
    assert s.position == (-n, 0) and not s._grads.keys() - {y.id} and s.step() is not None and s.done >= 0
    assert s.run("op:exp", forward=False)[0].node is not None
    assert s.run(forward=False) == [] and s.at_start
    (hit,) = s.run("watch v:>3")
    assert s.done < 0 and hit.node is not None and (np.abs(np.asarray(s.data(hit.node))) > 3).any()
    assert "= ?" in Show(s).arrival(s.nodes[-1])[1]


def test_what_if_in_the_forward_pass() -> None:
    x = Value(2.0, "x")
    y = (x * 3).tanh()
    s = Stepper(y, forward=True)
    s.next()
    s.set_data(x, 1.0)
    assert s.position == (-1, 0) and s.data(s.nodes[0]) == 3.0
    with pytest.raises(ValueError, match="nothing has a gradient before"):
        s.set_grad(x, 1.0)


def training(w: Value) -> Iterator[Any]:
    yield "before anything"
    for _ in range(2):
        with ag.record_source():
            loss = (w - 3) ** 2
        stepper = yield loss
        w = Value(w.data - 0.25 * stepper.grad(w), "w")
        yield f"w is {w.data} now"


def test_a_story_is_read_forth_and_back() -> None:
    story = Story(training(Value(1.0, "w")))
    assert story.on() and story.page == "before anything" and story.on() and story.passes == 1
    first = story.last_pass().stepper
    first.end()
    assert story.on() and story.page == "w is 2.0 now" and story.last_pass().stepper is first
    assert story.on() and story.last_pass().stepper is not first and story.back() and story.back()
    assert story.last_pass().stepper is first and first.at_end
    for _ in range(2):
        assert story.on()
    story.last_pass().stepper.end()
    assert story.on() and story.page == "w is 2.5 now" and not story.on() and story.passes == 2
    with pytest.raises(TypeError, match=r"a step gave 3; expected a Value or a Tensor to walk, or a text"):
        Story(iter([3])).on()  # type: ignore[list-item]
    with pytest.raises(TypeError, match="the generator gave no Value or Tensor"):
        ag.debug(iter(["only words"]))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    subprocess.run(
        [sys.executable, "-m", "transformer", "train", "--steps", "4", "--out", "trained"],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, check=True,
    )  # fmt: skip
    return folder


def test_one_full_training_step_of_microgpt_forth_and_back(tmp_path: Path) -> None:
    t = Terminal(tmp_path, "-m", "transformer", "debug", "--preset", "microgpt", "--forward", "--weight", "wte[4,0]")
    assert "operations to loss; nothing is computed yet" in t.first
    start = t("l")
    t("goto 0")
    value = float(re.search(r"loss = ([\d.]+), grad", t("p loss"))[1])  # type: ignore[index]
    assert "wte.grad = " in t("c") and "at the end" in t("end")
    gradient = t("p wte.grad[4,0]")
    told = [t("n") for _ in range(7)]
    assert told[0].startswith("Step 1: Adam updates wte[4,0] = ") and "m = 0.85 * 0 + 0.15 * g" in told[1]
    assert "v = 0.99 * 0 + 0.01 * g²" in told[2] and "both began at 0" in told[3]
    assert "about the learning rate" in told[4] and "On to step 2" in told[6]
    w = [float(x) for x in re.findall(r"-?[\d.]+(?:e-?\d+)?", told[5].partition("] = ")[2])]
    assert w[0] - w[1] == pytest.approx(w[2], abs=1e-5) and abs(w[1]) == pytest.approx(0.01, rel=1e-3)
    assert "Pass 2." in t("n") and "nothing is computed yet" not in t("n")
    t("goto 0")
    assert float(re.search(r"loss = ([\d.]+), grad", t("p loss"))[1]) < value  # type: ignore[index]
    t("end")
    assert "it has fallen" in t("n")
    for _ in range(2):
        t("start")
        t("rn")
    while "Pass" not in (said := t("rn")) and "at the end" not in said and "took back" not in said:
        pass
    assert t("end") and t("p wte.grad[4,0]") == gradient, "the first step's gradients, to the same bits"
    t("start")
    assert t("l") == start
    t.leave()


def test_a_trained_run_is_opened_at_its_end_and_at_any_step(run_folder: Path) -> None:
    losses = []
    for step in ((), ("--step", "0"), ("--step", "2")):
        t = Terminal(run_folder, "-m", "transformer", "debug", "trained", *step, "--text", "emma")
        losses.append(float(re.search(r"loss = ([\d.]+)", t("p loss"))[1]))  # type: ignore[index]
        t("end")
        assert f"Step {int(step[1]) + 1 if step else 5}: Adam updates" in t("n")
        assert ("m = 0.85 * 0 +" in t("n")) == (step == ("--step", "0")), "its moments are the run's own"
        t.leave()
    assert losses[0] < losses[2] < losses[1]
    for arguments, message in (
        (("debug", "trained", "--step", "9"), "--step 9: this run has steps 0 to 4"),
        (("debug", "--step", "9"), "--step chooses a step of a run; name its folder"),
        (("debug", "--weight", "wte[0]"), "wte has shape (27, 4); write an index as wte[0,0]"),
        (("debug", "--weight", "what[0]"), "there is no parameter 'what'"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "transformer", *arguments], cwd=run_folder, text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 2 and message in done.stderr, done.stderr


def test_the_replay_is_the_run(run_folder: Path) -> None:
    there, again = replayed(str(run_folder / "trained"))[0], replayed(str(run_folder / "trained"), 3)[0]
    assert there.step == 4 and again.step == 3
    state, config, recipe, data = replayed(str(run_folder / "trained"), 3)
    with threads.limited(runs.facts(run_folder / "trained").options["threads"]):
        after = next(iter(fit(state, data, config, recipe))).state
    assert max(float(np.abs(after.params[n] - there.params[n]).max()) for n in there.params) < 1e-14
