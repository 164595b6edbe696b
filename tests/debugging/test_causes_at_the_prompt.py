"""Causes through a real terminal: blame, flow, why of rows, compare, and watches of expressions."""

from __future__ import annotations

from pathlib import Path

from tests.debugging.terminal import script


def test_a_dead_relu_is_blamed_on_its_line(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "from autograd import Value\nx, w = Value(-2.0), Value(3.0)\n"
        "z = x * w\nh = z.relu()\nloss = h * 2 + 1\nloss.backward()\n",
    )
    said = t("blame w")
    assert "[0/4] mul -> z      neuron.py:3   z = x * w: mul passes on the 0 that comes from above" in said
    assert "[1/4] relu -> h      neuron.py:4   h = z.relu()" in said
    assert "    relu is dead: z is -6.0, and relu passes nothing on where its input is not above 0" in said
    assert "nothing is done" in t("undo") or "nothing to undo" in t("undo"), "blame does not move"
    t("end")
    assert "relu is dead" in t("why x") and "no node is called 'q'" in t("blame q")
    t.leave()


def test_flow_finds_layer_23_of_50_in_one_command(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "import numpy as np\nfrom autograd import Tensor\nrng = np.random.default_rng(0)\n"
        "ws = [Tensor(rng.normal(size=(6, 6)) * (400 if k == 23 else 0.4)) for k in range(50)]\n"
        "def layer(h, w):\n    return h @ w\n"
        "h = Tensor(rng.normal(size=(2, 6)))\n"
        "for w in ws:\n    h = layer(h, w)\n"
        "loss = h.sum()\nloss.backward()\n",
    )
    lines = t("flow").splitlines()
    assert "|gradient|" in lines[0] and lines[1].split()[0] == "loss" and len(lines) == 52
    gains = {line.split()[0]: float(line.split()[2]) for line in lines[1:]}
    assert max(gains, key=lambda name: gains[name]) == "layer#23" and gains["layer#23"] > 100
    assert t("flow gain").splitlines()[1].split()[0] == "layer#23"
    assert "ws[23]" in t("blame h") and "matmul by ws[23]" in t("blame ws[0]")
    assert len(t("flow ws[0] operation").splitlines()) == 53
    assert "flow from where to where?" in t("flow a b c") and "no node is called 'nowhere'" in t("flow nowhere")
    t.leave()


def test_rows_of_a_tied_embedding(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "import numpy as np\nfrom autograd import Tensor\nwte = Tensor(np.random.default_rng(0).normal(size=(14, 4)))\n"
        "x = wte[np.array([1, 2])]\nlogits = x @ wte.T\nloss = (logits * logits).sum()\nloss.backward()\n",
    )
    t("end")
    row = t("why wte[2]")
    assert "wte[2].grad" in row and "the sum of 2:" in row and row.count("share") == 2 and "cosine" in row
    assert "share 0.0%" in t("why wte[12]") and "wte[2,1].grad" in t("why wte[2,1]")
    assert "has no element or row [14]" in t("why wte[14]")
    assert "sum over 4 paths to loss" in t("paths wte")
    t.leave()
    u = script(
        tmp_path,
        "import numpy as np\nfrom autograd import Tensor\nwte = Tensor(np.ones((14, 4)))\n"
        "loss = wte[np.array([1, 2])].sum()\nloss.backward()\n",
    )
    assert "the index never picks row 12 of wte: 12 does not occur among the 2 indices [1, 2]" in u("blame wte[12]")
    u.leave()


def test_two_runs_are_compared(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "import numpy as np\nfrom autograd import Tensor\n"
        "def run(x):\n    a = np.tanh(x * 3)\n    b = a * 2\n    return (b * a).sum()\n"
        "x = np.linspace(0.1, 1.0, 5)\nloss = run(Tensor(x))\nloss32 = run(Tensor(x.astype('float32')))\n"
        "loss.backward()\n",
    )
    said = t("compare loss loss32")
    assert "forward, first by x*3" in said and "e-08  [0/5] mul" in said and "at the root" in said
    assert "forward: no difference above 0.001" in t("compare loss loss32 1e-3")
    assert "forward: no difference" in t("compare loss loss") and "compare which two?" in t("compare loss")
    t.leave()


def test_watches_take_expressions_and_all_that_match_are_told(tmp_path: Path) -> None:
    t = script(
        tmp_path,
        "import numpy as np\nfrom autograd import Tensor\nx = Tensor([0.1, 0.2])\n"
        "small = x * 0.01\nlarge = small * 1e4\nloss = large.sum()\nloss.backward()\n",
    )
    assert t("watch norm(g) > 10 * norm(v)") == "1: watch norm(g) > 10 * norm(v)\n"
    t("watch g:>1e3")
    t("b small")
    said = t("c")
    assert "large" in said and "stopped at 1: watch norm(g) > 10 * norm(v), hit 1 times" in said
    assert "stopped at 2: watch g:>1e3, hit 1 times" in said and "and before the next node, at 3: break small" in said
    t.leave()
