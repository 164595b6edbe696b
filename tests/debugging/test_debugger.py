"""The debugger, through a real terminal: the scenarios that it must show, and its manners."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.debugging.debugger import HELP, Debugger
from tests.debugging.terminal import NEURON, Terminal, script
from tests.helpers import ROOT


def test_1_the_well_known_neuron(tmp_path: Path) -> None:
    t = script(tmp_path, NEURON)
    assert "5 operations from o" in t.first and "Named like commands: b, n; reach them with p" in t.first
    stop = t("n").splitlines()
    assert stop[0].startswith("[4/5] tanh -> o      neuron.py:7   o = n.tanh()")
    assert re.fullmatch(r"  dL/do = 1\.0 +\(the root: its gradient is 1 by definition\)", stop[1])
    assert stop[2:4] == ["  do/dn = 1 - o² = 1 - 0.7071² = 0.5", "  n.grad: 0 + 1.0 * 0.5 = 0.5"]
    end = t("c")
    assert all(line in end for line in ("x1.grad = -1.5", "w1.grad = 1.0", "x2.grad = 0.5", "w2.grad = 0.0"))
    assert "n = 0.8814, grad 0.5" in t("p n") and "0.7071" in t("p o")
    assert "after: [-1.4999999999999993, 0.9999999999999996, 0.4999999999999998, 0.0]" in t.leave()


def test_2_forth_and_back(tmp_path: Path) -> None:
    t = script(tmp_path, NEURON)
    before = t("pp [float(v.grad) for v in (o, n, x1, w1)]")
    t("n 5")
    assert "at the end: nothing is left to do" in t("n") and "at the end" in t("c")
    back = t("rn 5")
    assert "tanh -> o" in back and "comes next" in back
    assert t("pp [float(v.grad) for v in (o, n, x1, w1)]") == before and "[1.0, 0.0, 0.0, 0.0]" in before
    assert "at the start: nothing is done" in t("rn") and "at the start" in t("rs") and "at the start" in t("rc")
    t.leave()


def test_3_two_edges_from_one_node(tmp_path: Path) -> None:
    t = script(tmp_path, "from autograd import Value\na = Value(1.0, label='a')\nb = a + a\nc = b + b\nc.backward()\n")
    assert "b.grad: 0 + 1.0 * 1.0 = 1.0" in t("s") and "b.grad: 1.0 + 1.0 * 1.0 = 2.0" in t("")
    assert "a.grad: 0 + 2.0 * 1.0 = 2.0" in t("s") and "a.grad: 2.0 + 2.0 * 1.0 = 4.0" in t("s")
    why = t("why a")
    assert "a.grad = 4.0, the sum of 2:" in why and why.count("2.0 = dL/db * db/da = 2.0 * 1.0") == 2
    assert "a.grad = 2.0" in t("rs") + t("why a")
    t.leave()


def test_4_softmax_cross_entropy(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "import numpy as np, autograd as ag\n"
        "from transformer.layers import cross_entropy\n"
        "logits = ag.Tensor([[1.0, 2.0, 3.0]], label='logits')\n"
        "cross_entropy(logits, np.array([2])).backward()\n"
        "values = ag.values([1.0, 2.0, 3.0], label='z')\n"
        "loss = (np.exp(values).sum()).log() - values[2]\n"
        "loss.backward()\n",
    )
    t("end")
    why = t("why logits")
    assert "0.09" in why and "0.2447" in why and "-0.3348" in why
    assert "0.6652" in why and "-1." in why, "what it is the sum of: p and minus one-hot"
    assert "operations from loss" in t("q")
    t("end")
    why = t("why z[2]")
    assert "z[2].grad = -0.3348, the sum of 2:" in why and "0.6652" in why and "-1.0" in why
    t.leave()


def test_5_a_nan_behind_a_where(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "import numpy as np\nfrom autograd import Tensor\nx = Tensor([0.0, 1.0], label='x')\n"
        "with np.errstate(all='ignore'):\n"
        "    y = np.log(x)\n    z = np.where(x.data > 0, y, 0.0)\nz.sum().backward()\n",
    )
    assert "watch g:nan" in t("watch g:nan")
    stop = t("c")
    assert "log -> y" in stop and "neuron.py:5   y = np.log(x)" in stop and "nan" in stop
    assert "0 * inf = nan" in stop and "np.where(ok, np.log(np.where(ok, x, 1.0)), 0.0)" in stop
    assert "stopped at 1: watch g:nan" in t("rc") + t("c")
    t.leave()


def test_6_what_if(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        NEURON.replace("n.tanh()", "(n * 1.0).tanh()").replace("n = x1", "h = x1").replace(" + b", "\nn = h + b"),
    )
    t("until h")
    before = t("pp [v.grad for v in (o, n, h, x1, w1, b)]")
    assert "(set; undo takes it back)" in t("set h.grad = 0")
    t("c")
    assert "[0.0, 0.0]" in t("pp [abs(v.grad) for v in (x1, w1)]")
    assert "took back: c" in t("undo") and "took back: set h.grad = 0" in t("undo")
    assert t("pp [v.grad for v in (o, n, h, x1, w1, b)]") == before
    assert "o = " in t("set x1.data = 1") and "took back: set x1.data = 1" in t("undo")
    assert t("pp [v.grad for v in (o, n, h, x1, w1, b)]") == before
    assert "x1.grad = -1.5" in t("c")
    t.leave()


def test_7_a_transformer(tmp_path: Path) -> None:
    t = Terminal(tmp_path, "-m", "transformer", "debug")
    assert "loss/cross_entropy" in t("n 5")
    assert "nodes match" in t("b scope:attention*")
    stop = t("c")
    assert (
        "loss/logits/block/attention/linear" in stop
        and "@ h0.attn.woᵀ   (5,4) @ (4,4)ᵀ" in stop
        and "stopped at 1" in stop
    )
    softmax = ""
    t("cl")
    t("b scope:softmax")
    softmax = t("c") + t("n") + t("n") + t("n")
    assert "attention/softmax" in softmax and "div ->" in softmax and "exp -> e" in softmax
    why = t("start") + t("end") + t("why x#3")
    assert "exp" in why and "the sum of 2" in why, "dL/dlogits is P - onehot"
    t.leave()


def test_8_the_same_as_values(tmp_path: Path) -> None:
    t = Terminal(tmp_path, "-m", "transformer", "debug", "--scalar")
    assert "operations from" in t.first
    t("end")
    why = t("why h0.mlp.w1[0,0]")
    assert "h0.mlp.w1[0,0].grad = " in why and "dL/d" in why
    paths = t("paths h0.attn.wv[0,0] 3")
    assert (
        re.search(r"is a sum over [\d,]+ paths to .*, the 3 largest of which are:", paths)
        and "smaller paths left out; these 3 make" in paths
    )
    t.leave()


def test_9_half_a_million_nodes(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "from autograd import Value\nx = Value(1.0, label='x')\ny = x\n"
        "for i in range(250_000):\n    y = y * 0.999999 + 1e-6\ny.backward()\n",
    )
    assert "500,000 operations" in t.first
    for line in ("n", "s", "l", "ll", "w", "p x", "c", "why x", "x x", "rn 3", "start"):
        assert "***" not in t(line), line
    t.leave()


# ---- manners -----------------------------------------------------------------------------


@pytest.fixture
def prompt() -> Any:
    with ag.record_source():
        x, w = Value(2.0, label="x"), Value(-3.0, label="weight")
        h = x * w
        y = h.relu() + x
    debugger = Debugger(y)

    def say(line: str) -> str:
        debugger.stdout = io.StringIO()
        debugger.onecmd(line)
        return debugger.stdout.getvalue()

    say.debugger = debugger  # type: ignore[attr-defined]
    return say


def test_unknown_names_suggest_the_nearest(prompt: Any) -> None:
    assert "no node is called 'wieght'; did you mean weight?" in prompt("why wieght")
    assert "did you mean weight?" in prompt("p weigth") and "did you mean weight?" in prompt("b wight")
    assert "no command 'frobnicate'" in prompt("frobnicate now!") and "Traceback" not in prompt("p 1/0")
    assert (
        "watch what?" in prompt("watch g:purple")
        and "no breakpoint 7" in prompt("cl 7")
        and "where?" in prompt("tbreak")
    )


def test_breakpoints(prompt: Any) -> None:
    assert "1: break op:relu: 1 node matches" in prompt("b op:relu")
    assert "2: break test_debugger.py:" in prompt(
        f"b test_debugger.py:{prompt.debugger.stepper.nodes[0].source.line}, g == 0"
    )
    assert "relu" in prompt("c") and "hit 1 times" in prompt("b")
    assert "mul -> h" in prompt("c")
    prompt("start")
    assert "disabled" in prompt("disable 1") and "mul -> h" in prompt("c")
    prompt("start")
    prompt("enable 1")
    prompt("ignore 1 1")
    assert "mul -> h" in prompt("c")
    assert "then p x; n" in prompt("commands 1 p x; n")
    prompt("start")
    said = prompt("c")
    assert "x = 2.0, grad" in said and said.count("relu") >= 2
    prompt("cl")
    assert prompt("b") == "no breakpoints\n" and "tbreak h" in prompt("tbreak h")
    prompt("start")
    assert "mul -> h" in prompt("c") and prompt("b") == "no breakpoints\n"
    assert "relu" in prompt("b op:relu") + prompt("rc"), "backwards, too"


def test_watches_in_both_directions(prompt: Any) -> None:
    prompt("watch g:changed on x")
    assert "x.grad: 0 + 1.0 * 1.0 = 1.0" in prompt("c")
    assert "at the end" in prompt("c"), "a contribution of zero changes nothing"
    prompt("end")
    assert "stopped at 1: watch g:changed on x" in prompt("rc")
    prompt("cl")
    prompt("start")
    prompt("watch g:zero")
    assert "relu" in prompt("c")
    prompt("cl")
    prompt("start")
    prompt("watch v:<1e-7")
    assert "relu" in prompt("c")


def test_looking_around(prompt: Any) -> None:
    prompt("n")
    assert "-> [1/3] relu" in prompt("l") and " * [2/3] add -> y" in prompt("ll")
    assert "h = x * w" in prompt("src h") and "called from" not in prompt("src h").split("\n")[0]
    assert (
        "> [1/3] relu" in prompt("w")
        and "add -> y" in prompt("u")
        and "this is the root" in prompt("u")
        and "relu" in prompt("d")
    )
    assert "relu by h: holds" in prompt("check .")
    assert "used as argument 0 of [0/3] mul -> h" in prompt("x x")
    assert (
        "h.data = -6" in prompt("display h.data")
        and "h.data = -6" in prompt("n")
        and "h.data" not in prompt("undisplay h.data") + prompt("rn")
    )
    assert prompt("p x * 2 + weight") == "1.0\n" and prompt("x") != "" and prompt("weight") == "weight = -3.0, grad 0\n"
    assert HELP in prompt("h") and "finish k nodes" in prompt("h n") and "Named" not in prompt("?")


def test_changed_data_is_reported_with_both_lines(prompt: Any) -> None:
    with ag.record_source():
        prompt.debugger.stepper.nodes[0].parents[0].data = 7.0
    prompt("goto 2")
    said = prompt("n")
    assert "note: x was 2.0 when this was recorded at test_debugger.py:" in said and "h = x * w" in said
    assert "and is 7.0 now, by test_debugger.py:" in said and ".data = 7.0" in said


def test_elements_of_products_and_sums(capsys: pytest.CaptureFixture[str]) -> None:
    x, w = Tensor([[1.0, 2.0], [3.0, 4.0]], label="x"), Tensor([[0.5, -1.0], [2.0, 1.0]], label="W")
    with ag.record_source():
        y = x @ w
        total = y.sum(axis=0)
        out = (total * total).sum()
    debugger = Debugger(out)
    debugger.onecmd("end")
    capsys.readouterr()
    debugger.onecmd("x y[0,1]")
    assert "= 1.0*-1.0 + 2.0*1.0" in capsys.readouterr().out
    debugger.onecmd("x W[1,0]")
    said = capsys.readouterr().out
    assert "dW[1,0] += 2.0*28.0 + 4.0*28.0 = 168.0" in said and "W[1,0].grad = 168.0" in said
    debugger.onecmd("x total[1]")
    assert "= (1.0 + 1.0)" in capsys.readouterr().out
    debugger.onecmd("x W[1]")
    assert "W has 2 axes, not 1" in capsys.readouterr().out


def test_breakpoint_and_pm(tmp_path: Path) -> None:
    (tmp_path / "stop.py").write_text(
        "import autograd as ag\nfrom autograd import Value\n\n"
        "def f():\n    x = Value(3.0, label='x')\n    y = x * x\n    breakpoint()\n    return y\n\nf()\n"
        "try:\n    with ag.detect_anomaly():\n        (Value(0.0, label='z') * 2).log()\n"
        "except ag.AnomalyError as error:\n    ag.pm(error)\n"
    )
    t = Terminal(tmp_path, "stop.py", environment={"PYTHONBREAKPOINT": "autograd.set_trace"})
    assert "x.grad: 3.0 + 1.0 * 3.0 = 6.0" in t("n") and "No source lines were recorded" in t.first
    t.child.sendline("q")
    assert "gave inf in the forward pass" in t._read()
    assert "log" in t("n") and "z.grad = inf" in t("c")
    t.leave()


def test_commit_takes_the_place_of_backward(tmp_path: Path) -> None:
    text = "import autograd as ag\nx = ag.Value(3.0, label='x')\nL = x * x\nL.backward()\nprint('G', x.grad)\n"
    t = script(tmp_path, text)
    t("end")
    assert "written" in t("commit") and "written already" in t("commit")
    assert "G 6.0" in t.leave()
    t = script(tmp_path, text)
    assert "comes next already" in t("until L")
    t("set L.grad = 2")
    t("end")
    t("commit")
    assert "G 12.0" in t.leave(), "what was set is what was committed"
    t = script(
        tmp_path,
        "import autograd as ag\nt = ag.Tensor([1.0, 2.0])\n"
        "for _ in range(3):\n    (t * 2).backward(gradient=[1.0, 2.0])\nprint('G', t.grad)\n",
    )
    t("n")
    assert "G [ 6. 12.]" in t.leave("q all")
    (tmp_path / "none.py").write_text("print('hello')\n")

    done = subprocess.run(
        [sys.executable, "-m", "autograd", "debug", "none.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "called no .backward()" in done.stderr


def test_ctrl_c_at_the_prompt_is_no_end(tmp_path: Path) -> None:
    t = script(tmp_path, NEURON)
    t.child.sendintr()
    assert "interrupted; q leaves" in t._read()
    assert "tanh" in t("n")
    t.leave()


def test_commands_do_not_recur() -> None:
    y = Value(1.0, label="x")
    for _ in range(1500):
        y = y * 1.001
    debugger = Debugger(y)
    debugger.stdout = io.StringIO()
    for line in ("b op:mul", "commands 1 c", "c", ""):
        debugger.onecmd(line)
    said = debugger.stdout.getvalue()
    assert said.count("stopped at 1") == 1499 and "***" not in said and "at the end" in said


def test_names_with_commas_and_blanks(prompt: Any) -> None:
    w = ag.values([[1.0, 2.0]], label="w")
    h = w[0, 0] * w[0, 1]
    h.label = "my h"
    debugger = Debugger((h * h).tanh())
    debugger.stdout = io.StringIO()
    for line in (
        "b my h, g > 0",
        "c",
        "watch g:changed on w[0,1]",
        "c",
        "p abs(np.float64(-2)) + float(3)",
        "p max(k for k in range(3))",
        "set w[0,0].data = nan",
        "undo",
        "p w[0,1].grad",
    ):
        debugger.onecmd(line)
    said = debugger.stdout.getvalue()
    assert (
        "***" not in said
        and "1 node matches" in said
        and "stopped at 1: break my h, if g > 0" in said
        and "stopped at 2: watch" in said
    )
    leaf = Debugger(Value(2.0, label="v"))
    leaf.stdout = io.StringIO()
    leaf.onecmd("p v")
    assert leaf.stdout.getvalue() == "v = 2.0, grad 1.0\n"


def test_a_watch_does_not_hide_a_breakpoint() -> None:
    x, y = Value(3.0, label="x"), Value(-2.0, label="y")
    z = x * y
    z.label = "z"
    c = z + x
    debugger = Debugger(c * c)
    debugger.stdout = io.StringIO()
    for line in ("watch g:changed on x", "b z", "c"):
        debugger.onecmd(line)
    assert "and before the next node, at 2: break z" in debugger.stdout.getvalue()


def test_undo_takes_back_all_steps_of_a_command(prompt: Any) -> None:
    prompt("s 3")
    assert "took back: s 3" in prompt("undo") and prompt.debugger.stepper.at_start


def test_debug_of_a_function_records_its_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["n", "p w", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))

    def f(params: Any, k: float, tokens: Any) -> Any:
        return (params["w"][tokens] * k).sum()

    ag.debug(f, {"w": np.array([1.0, 2.0])}, 3.0, np.array([0, 1]))
    said = capsys.readouterr().out
    assert "sum ->" in said and 'return (params["w"][tokens] * k).sum()' in said and "w = [1., 2.] (2,), grad 0" in said
    with pytest.raises(TypeError, match="depends on no float"):
        ag.debug(lambda: 1.0)
    lines = iter(["c", "q"])
    (Value(2.0, label="v") * 3).debug()
    assert "v.grad = 3.0" in capsys.readouterr().out


def test_completion(prompt: Any) -> None:
    assert "weight" in prompt.debugger.completedefault("wei") and {"watch", "w", "why", "weight"} <= set(
        prompt.debugger.completenames("w")
    )


def test_draw_shows_the_position_and_save_writes_the_page(tmp_path: Path) -> None:
    t = script(tmp_path, NEURON)
    t("n 2")
    assert t("draw here.svg").strip() == "drawn: here.svg"
    drawing = (tmp_path / "here.svg").read_text()
    lit = re.findall(r'<g id="[^"]*" class="edge [^"]*\blit\b', drawing)
    assert len(lit) == 2  # of the addition that comes next
    assert "grad 0.5" in drawing and "grad -<" in drawing.replace("&#45;", "-")
    unnamed = t("draw").strip().removeprefix("drawn: ")
    assert Path(unnamed).is_file() and str(tmp_path) not in unnamed
    assert t("draw n part.svg").startswith("drawn: part.svg   (10 of 10 nodes: around n, 3 up and 3 down")
    assert "'derivatives=True' is neither a node nor a file like graph.svg" in t("draw derivatives=True")
    assert "save where? as in save backprop.html" in t("save")
    assert t("save backprop").strip() == "saved: backprop.html"
    page = (tmp_path / "backprop.html").read_text()
    assert page.count("<li data-") == 9 and "o = n.tanh()" in page and "\x1b" not in page
    assert t("n").startswith("[2/5]")  # it is where it was
    assert "*** FileNotFoundError" in t("save nowhere/else/x.html")
    assert t("n").startswith("[1/5]")
    t.leave()
    assert "draw [X] [FILE]" in HELP and "save FILE" in HELP


def test_draw_at_every_step_of_a_graph_of_tensors(tmp_path: Path) -> None:
    w = Tensor(np.ones((2, 2)), "w")
    debugger = Debugger(np.tanh(w @ np.ones(2)).sum())
    debugger.stdout = io.StringIO()
    for k in range(4):
        debugger.onecmd(f"draw {tmp_path / f'{k}.svg'}")
        debugger.onecmd("n")
    assert "***" not in debugger.stdout.getvalue()
    assert [(tmp_path / f"{k}.svg").read_text().count(" lit") for k in range(4)] == [1, 1, 1, 0]


def test_draw_of_a_large_graph_shows_what_is_around(tmp_path: Path) -> None:
    x = Value(1.0, label="x")
    for _ in range(3000):
        x = x * 1.001
    debugger = Debugger(x)
    debugger.stdout = io.StringIO()
    for line in ("n 5", "undo", "n 7", f"draw {tmp_path / 'a.svg'}", f"save {tmp_path / 'b.html'}"):
        debugger.onecmd(line)
    said = debugger.stdout.getvalue()
    assert said.count("7 of 3,001 nodes: around %2992, 3 up and 3 down") == 2, said
    assert debugger.stepper.position == (7, 0)
    assert (tmp_path / "b.html").read_text().count("<li data-") == 7  # one of them from above


@pytest.mark.parametrize("line", ["exit()", "quit()", "__import__('sys').exit(3)", "[].append(exit())"])
@pytest.mark.parametrize("command", ["p", "pp", "display", "set x.grad =", "b op:mul,", "watch g:changed,"])
def test_nothing_typed_at_the_prompt_ends_the_script(prompt: Any, command: str, line: str) -> None:
    said = prompt(f"{command} {line}") + prompt("c")
    assert "would leave Python; q leaves the debugger" in said and "Traceback" not in said
    prompt("cl")
    prompt("undisplay")
    assert "x = 2.0" in prompt("p x")


def test_the_script_goes_on_after_what_was_typed(tmp_path: Path) -> None:
    t = script(tmp_path, NEURON)
    for line in ("p exit()", "p input()", "exit()", "commands", ";", "p (_ for _ in ()).throw(GeneratorExit)"):
        said = t(line)
        assert said.count("\n") == 1 and said.startswith("***"), (line, said)
    assert "interrupted; here:" in t("p (_ for _ in ()).throw(KeyboardInterrupt)")
    assert "tanh -> o" in t("n;") and "o = 0.7071" in t("p o;")
    t("b op:mul")
    t.child.sendline("commands 1")
    for line in ("", "p x1 ;", "", "end"):
        t.child.sendline(line)
    said = t._read()
    assert said.count("an empty line does nothing here; end finishes") == 2 and "1: break op:mul, then p x1 ;" in said
    assert "x1 = 2.0" in t("c")
    assert "after: [-1.4999999999999993" in t.leave()


def test_numbers_of_stops_are_never_used_again(prompt: Any) -> None:
    prompt("b h")
    prompt("b op:add")
    prompt("cl 2")
    assert "3: tbreak op:relu" in prompt("tbreak op:relu") and "4: watch g:nan" in prompt("watch g:nan")
    prompt("cl")
    assert "no breakpoint 1" in prompt("enable 1") and "5: break h" in prompt("b h")


def test_a_watch_shows_its_condition_and_how_often_it_is_ignored(prompt: Any) -> None:
    prompt("watch g:changed on x, g > 0.5")
    assert prompt("ignore 1 2") == "1: watch g:changed on x, if g > 0.5, ignored 2 more times\n"
    assert prompt("b") == "1: watch g:changed on x, if g > 0.5, ignored 2 more times\n"
    assert "1.0" in prompt("p norm(np.array([0.6, 0.8]))") and "at the end" in prompt("c")
    assert "ignored 1 more times" in prompt("b"), "a contribution of 0 has changed nothing"


def test_errors_name_what_was_called() -> None:
    with pytest.raises(ValueError, match=r"^debug: a Tensor of shape"):
        Tensor([1.0, 2.0]).debug()


def test_what_is_set_before_all_has_come_says_what_will_be_added(prompt: Any) -> None:
    said = prompt("set h.grad = 0")
    assert "(set; undo takes it back)" in said
    assert "1 contribution to h is still to come and will be added to this" in said and "until h first" in said
    assert "2 contributions to x are still to come" in prompt("set x.grad = 0")
    prompt("until h")
    assert "note" not in prompt("set h.grad = 0")
    prompt("end")
    assert "h has passed its gradient on already" in prompt("set h.grad = 0")
    assert "note" not in prompt("set x.grad = 0"), "an input has nothing to pass on"


def test_a_terminal_is_told_nothing_but_text() -> None:
    evil = Value(2.0, label="\x1b[2Jcleared\u202e\nand a line") * Value(1.0, label="b\x07\x9b31m")
    evil.label = "\u2066e"
    debugger = Debugger(evil)
    debugger.stdout = io.StringIO()
    debugger.say(debugger.intro)
    lines = (
        "n",
        "ll",
        "w",
        "l",
        "end",
        "why %0",
        "x %0",
        "p %0",
        "p \x1b[2J",
        "why \u202e",
        "\x1b]0;title",
        "display b\x07",
    )
    for line in lines:
        debugger.onecmd(line)
    said = debugger.stdout.getvalue()
    assert said.replace("\n", "").isprintable() and "(\\x1b[2Jcleared\\u202e\\nand a line).grad" in said
    debugger.show.colour = True
    debugger.onecmd("ll")
    assert "\x1b[1m" in debugger.stdout.getvalue(), "but colours get through"
    for name in debugger.names():
        assert debugger.node(name) is debugger.stepper.names.by_name[name]


def test_counts_of_any_size_end(prompt: Any) -> None:
    for line, end in (
        ("s 100000000000", "at the end: nothing is left to do"),
        ("rs 100000000000", "comes next"),
        ("n 100000000000", "mul -> h"),
        ("rn 100000000000", "comes next"),
        ("goto 100000000000", "at the end"),
        ("paths x 100000000000", "is a sum over 2 paths"),
    ):
        assert end in prompt(line), line


def test_long_steps_are_told_in_part() -> None:
    y = Value(1.0, label="x")
    for _ in range(500):
        y = y * 1.001
    debugger = Debugger(y)
    debugger.stdout = io.StringIO()
    debugger.onecmd("s 400")
    said = debugger.stdout.getvalue().splitlines()
    assert len(said) == 67 * 3 + 1 and said.count("...") == 1 and said[-3].startswith("[100/500]")


def test_pm_inside_except_and_after_any_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt="": "q")
    monkeypatch.delattr(sys, "last_exc", raising=False)
    monkeypatch.delattr(sys, "last_value", raising=False)
    with pytest.raises(RuntimeError, match="pm: there was no error"):
        ag.pm()
    try:
        with ag.detect_anomaly():
            (Value(0.0, label="z") * 2).log()
    except ag.AnomalyError:
        ag.pm()
    assert "gave inf in the forward pass" in (said := capsys.readouterr().out) and "2 operations" in said

    def inner(a: Any) -> Any:
        b = a * 2
        c = b * b
        return c["key"]

    try:
        inner(Value(1.0))
    except TypeError:
        ag.pm()
    assert "2 operations" in capsys.readouterr().out, "the newest node of the innermost function"
    try:
        {}["a"]
    except KeyError:
        with pytest.raises(RuntimeError, match="no function on the way to the KeyError holds"):
            ag.pm()


def test_a_function_that_calls_grad_inside_is_stepped_through_to_its_second_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["end", "p x.grad", "why x", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))
    ag.debug(lambda x: ag.grad(lambda y: y**3)(x), 2.0)
    assert "\n12.0\n" in capsys.readouterr().out  # d(3 x²)/dx
    lines = iter(["end", "p w.grad", "q"])
    ag.debug(lambda p: (ag.grad(lambda q: (q["w"] ** 3).sum())(p)["w"] ** 2).sum(), {"w": np.array([1.0, 2.0])})
    assert "[ 36., 288.] (2,)" in capsys.readouterr().out  # d(9 w⁴)/dw


def test_names_are_the_source_s_own(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "from autograd import Value\n"
        "class Neuron:\n"
        "    def __init__(self, n):\n        self.w = [Value(float(k)) for k in range(1, n + 1)]\n"
        "    def __call__(self, x):\n        return sum(w * v for w, v in zip(self.w, x)).tanh()\n"
        "x = [Value(0.5), Value(-0.25)]\n"
        "h = Neuron(2)(x)\n"
        "for k in range(2):\n    h = h * x[1]\n"
        "loss = (h - 1)**2\n"
        "loss.backward()\n",
    )
    assert "Backward pass 1, line 12 of neuron.py.\n" in t.first and "operations from loss" in t.first
    tape = t("ll")
    assert [line.split(" -> ")[-1].split("   ")[0] for line in tape.splitlines()] == [
        "loss", "h-1", "h#2", "h#1", "h", "sum(w*v for w,v in zip(self.w,x…#1", "w*v#1",
        "sum(w*v for w,v in zip(self.w,x…",
        "w*v",
    ]  # fmt: skip
    assert " Neuron " in tape and "%" not in tape
    t("end")
    assert "x[1].grad" in t("why x[1]") and "self.w[1]" in t("p self.w[1]")
    assert "d(h-1)/dh#2 = 1" in t("x h-1") and t("p (h-1) * 3").startswith("-3.0\n")
    assert t("p h - 1 * 3").startswith("-3.0\n"), "as Python reads it: h - (1 * 3)"
    said = t("p h * 2")
    assert "note: h is the first of 3 that are called so, before h#1 to h#2; the variable h holds h#2 now" in said
    assert "stopped at" in t("start") + t("b h#1, x[1] < 0 and self.w[0] == 1") + t("c")
    assert "self.w" in "".join(t("display self.w[0].grad"))
    t.leave()


def test_breakpoint_takes_a_node_and_knows_the_variables(tmp_path: Path) -> None:
    (tmp_path / "stop.py").write_text(
        "from autograd import Value, values\n\n"
        "def f(a, ws):\n    loss = (ws.sum() * a)**2\n    other = loss * 2\n"
        "    breakpoint(loss)\n    breakpoint(loss)\n"
        "    return other\n\nf(Value(3.0), values([1.0, 2.0]))\nprint('done')\n"
    )
    t = Terminal(tmp_path, "stop.py", environment={"PYTHONBREAKPOINT": "autograd.set_trace"})
    assert "operations from loss" in t.first
    assert "a = 3.0" in t("p a") and "ws[1] = 2.0" in t("p ws[1]")
    assert "done" in t.leave("q all"), "no further stop"


def test_an_error_of_the_script_is_told_with_its_own_frames(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from autograd import Tensor\n\ndef f(x):\n    return x + 'text'\n\nf(Tensor([1.0]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "autograd", "debug", "wrong.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    files = re.findall(r'File "([^"]+)"', done.stderr)
    assert done.returncode == 1 and [os.path.basename(file) for file in files] == ["wrong.py", "wrong.py"]
    assert "return x + 'text'" in done.stderr and "TypeError" in done.stderr


def test_habits_of_pdb(prompt: Any) -> None:
    assert prompt("n;;n").count("(1 of 1 consumers in)") == 1 and prompt.debugger.stepper.done == 2
    assert "took back: n\ntook back: n\n" in prompt("undo 2") and prompt.debugger.stepper.at_start
    assert "3 nodes match" in prompt("b *") and "2 nodes match" in prompt("b h*"), "h and h.relu()"
    assert "stopped at 1" in prompt("c") and "took back [2/3] add -> y" in prompt("rn")
    prompt("end")
    assert "took back [0/3] mul -> h back to [1/3] relu" in prompt("rn 2")
    prompt("end")
    assert "took back part of [0/3] mul -> h" in prompt("rs")


def test_what_is_displayed_is_of_the_node_just_shown(prompt: Any) -> None:
    prompt("display out")
    assert "  out = 2.0\n" in prompt("n") and "  out = 0.0\n" in prompt("n")
    assert "  out = -6.0\n" in prompt("s") and "  out = -6.0\n" in prompt("s")


def test_q_all_ends_every_stop_of_a_script(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "import autograd as ag\nx = ag.Value(3.0, label='x')\n"
        "for _ in range(3):\n    (x * x).backward()\n    (x * 2).debug()\n    ag.set_trace(x * 3)\n"
        "print('G', x.grad)\n",
    )
    assert "Backward pass 1, line 4 of neuron.py." in t.first
    assert "operation from" in t("q") and "operation from" in t("q") and "Backward pass 2" in t("q")
    assert t.leave("q all").strip() == "G 18.0"


def test_a_script_whose_output_nobody_reads_ends_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("from autograd import Value\nx = Value(2.0)\n(x * x).backward()\n")
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"(echo q; sleep 0.2) | {sys.executable} -m autograd debug s.py | true; exit ${{PIPESTATUS[1]}}",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
