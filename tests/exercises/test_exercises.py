"""The exercises: what is handed out is not solved, right solutions are, and wrong ones are told what is wrong."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from autograd.__main__ import main
from autograd.exercises.sheet import EXERCISES, FILES, check
from tests.helpers import ROOT

RULES = """
def product_rule_a(g, out, a, b): return g * b
def product_rule_b(g, out, a, b): return g * a
def sigmoid_rule(g, out, a): return g * out * (1 - out)
"""
ORDER = """
def order(root):
    uses, todo, found = {root: 0}, [root], []
    while todo:
        for i in todo.pop().inputs:
            if i not in uses:
                uses[i] = 0
                todo.append(i)
            uses[i] += 1
    ready = [root]
    while ready:
        node = ready.pop()
        found.append(node)
        for i in node.inputs:
            uses[i] -= 1
            if not uses[i]:
                ready.append(i)
    return found
"""
SOFTMAX = "def softmax_rule(g, p): return p * (g - (g * p).sum())"
ADAM = """
def adam(p, g, m, v, step, lr, b1=0.9, b2=0.999, eps=1e-8):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    m_hat = m / (1 - b1**step)
    v_hat = v / (1 - b2**step)
    return p - lr * m_hat / (v_hat**0.5 + eps), m, v
"""
SOLUTIONS = {1: RULES, 2: ORDER, 3: SOFTMAX, 4: ADAM}


def said(number: int, code: str, folder: Path) -> tuple[bool, str]:
    path = folder / f"solution{number}.py"
    path.write_text(code)
    return check(number, path)


@pytest.mark.parametrize("number", EXERCISES)
def test_what_is_handed_out_is_not_solved_and_says_so(number: int) -> None:
    solved, text = check(number, FILES / EXERCISES[number].file)
    assert not solved
    assert "returns None: it is not written yet" in text


@pytest.mark.parametrize("number", EXERCISES)
def test_a_right_solution_is_solved(number: int, tmp_path: Path) -> None:
    solved, text = said(number, SOLUTIONS[number], tmp_path)
    assert solved, text
    assert "solved" in text
    assert ("passed" in text) == (number != 2), "gradcheck's table is part of the answer"


def test_the_backward_pass_of_a_learner_s_own_rules_is_shown(tmp_path: Path) -> None:
    _, text = said(1, RULES, tmp_path)
    assert "w receives dout/dh * dh/dw = 0.2046 * -1.3 = -0.266" in text


WRONG = [
    (1, "return g * b", "return b", "the slope alone: the rule must multiply it by g"),
    (1, "return g * b", "return g * a", "what the *other* argument receives"),
    (1, "return g * b", "return a", "the slope alone, and that by the other argument"),
    (1, "return g * a", "return -g * a", "The sign is wrong"),
    (1, "return g * a", "return g", "what a sum passes on"),
    (1, "return g * a", "return g * out", "the result times g"),
    (1, "g * out * (1 - out)", "out * (1 - out)", "must multiply it by g"),
    (1, "g * out * (1 - out)", "g * (1 - out * out)", "the rule of tanh"),
    (1, "g * out * (1 - out)", "g * (1 - out)", "A factor is missing"),
    (1, "g * out * (1 - out)", "g * a * (1 - a)", "out, not a"),
    (1, "g * out * (1 - out)", "g * 0.10499358540350662", "not everywhere"),
    (1, "return g * b", "return (g, b)", "must give a number, and gave shape (2,)"),
    (1, "return g * b", "return 'b'", "must give numbers, and gave str"),
    (3, "p * (g - (g * p).sum())", "g * p * (1 - p)", "those terms are missing"),
    (3, "p * (g - (g * p).sum())", "g * p", "what the other probabilities lose is missing"),
    (3, "p * (g - (g * p).sum())", "p * (g - g.sum())", "must weigh each g[i] by its p[i]"),
    (3, "p * (g - (g * p).sum())", "p * (g - (g * p).mean())", "mean in place of a sum"),
    (3, "p * (g - (g * p).sum())", "p * ((g * p).sum() - g)", "The sign is wrong"),
    (3, "p * (g - (g * p).sum())", "g - (g * p).sum()", "A factor p is missing"),
    (3, "p * (g - (g * p).sum())", "(g * p).sum()", "must give an array of shape (3,)"),
    (3, "p * (g - (g * p).sum())", "p * (g - g[0] * p[0] - g[1] * p[1] - g[2] * p[2])", "gradcheck finds another"),
    (4, "b1 * m + (1 - b1) * g", "(1 - b1) * g", "The mean of before is not kept: b1 * m is missing"),
    (4, "b1 * m + (1 - b1) * g", "(1 - b1) * m + b1 * g", "old and new are exchanged"),
    (4, "b1 * m + (1 - b1) * g", "b1 * m + g", "(1 - b1) is missing"),
    (4, "(1 - b2) * g**2", "(1 - b2) * g", "the *squares*"),
    (4, "v = b2 * v +", "v =", "b2 * v is missing"),
    (4, "m_hat = m / (1 - b1**step)", "m_hat = m", "Only v is corrected"),
    (4, "v_hat = v / (1 - b2**step)", "v_hat = v", "Only m is corrected"),
    (4, "m_hat = m / (1 - b1**step)\n    v_hat = v / (1 - b2**step)", "m_hat, v_hat = m, v", "corrections are missing"),
    (4, "**step", "**(step + 1)", "those of the next step"),
    (4, "v_hat**0.5 + eps", "v_hat + eps", "The root of v is missing"),
    (4, "p - lr * m_hat / (v_hat**0.5 + eps)", "p + lr * m_hat / (v_hat**0.5 + eps)", "uphill"),
    (4, "p - lr * m_hat / (v_hat**0.5 + eps)", "p - lr * g", "plain SGD"),
    (4, "p - lr * m_hat", "p - m_hat", "The learning rate is missing"),
    (4, "p - lr * m_hat", "p - lr * g", "where its mean m belongs"),
    (4, "(v_hat**0.5 + eps)", "((v_hat + eps * eps) ** 0.5)", "Is eps inside the root"),
    (4, ", m, v\n", ", m_hat, v\n", "m is already divided by its correction"),
    (4, ", m, v\n", "\n", "must return three things"),
    (4, "m = b1 * m + (1 - b1) * g", "m *= b1; m += (1 - b1) * g", "changes the arrays that it is given"),
    (4, "v_hat**0.5", "float(v_hat) ** 0.5", "TypeError"),
    (4, "m = b1", "m = b3", "NameError: name 'b3' is not defined"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "right", "wrong", "expected"), WRONG)
def test_a_wrong_solution_is_told_what_is_wrong(
    number: int, right: str, wrong: str, expected: str, tmp_path: Path
) -> None:
    assert right in SOLUTIONS[number]
    solved, text = said(number, SOLUTIONS[number].replace(right, wrong), tmp_path)
    assert not solved
    assert expected in text


# Depth first, as in many tutorials, and mistakes in it.
DEPTH_FIRST = """
def order(root):
    found, seen = [], set()
    def visit(node):
        if node not in seen:
            seen.add(node)
            for i in node.inputs:
                visit(i)
            found.append(node)
    visit(root)
    return found[::-1]
"""
BREADTH_FIRST = """
def order(root):
    found = [root]
    for node in found:
        for i in node.inputs:
            if i not in found:
                found.append(i)
    return found
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (DEPTH_FIRST, "calls itself too deeply for Python, on a graph of 20,000 nodes"),
        (DEPTH_FIRST.replace("found[::-1]", "found"), "it is the forward order"),
        (DEPTH_FIRST.replace("if node not in seen", "if True"), "stands in your list twice, as number 2 and 3"),
        (BREADTH_FIRST, "its gradient is"),
        (BREADTH_FIRST.replace("if i not in found:", "if i not in found and i.inputs:"), "missing from your list"),
        ("def order(root): return [root]", "In the graph of y = x + x 1 of 2 nodes are missing"),
        ("def order(root): return 3", "must give a list of nodes, and gave int"),
        ("def order(root): return [root.data]", "must give a list of nodes"),
        (ORDER.replace("return found", "return found + [root + 1.0]"), "3 nodes, and there are 2"),
    ],
)
def test_a_wrong_order_is_told_what_is_wrong(code: str, expected: str, tmp_path: Path) -> None:
    solved, text = said(2, code, tmp_path)
    assert not solved
    assert expected in text


def test_an_order_that_comes_too_early_is_told_in_gradients(tmp_path: Path) -> None:
    """e = a * d: breadth first takes a, an input of e itself, before d, c and b, which were computed from it."""
    _, text = said(2, BREADTH_FIRST, tmp_path)
    assert "a is number 2 of your list, before d, number 3, which was computed from it" in text
    assert "its gradient is 55.0; it will be 145.0 once d has given its part" in text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def order(root)\n    return []", ":1: Python cannot read this line"),
        ("import nowhere_to_be_found", ":1: ModuleNotFoundError"),
        ("order = 3", "has no function order"),
        ("", "has no function order"),
        ("def order(root):\n    x = 1\n    return root.nothing", ":3, in order: AttributeError"),
    ],
)
def test_a_file_that_does_not_run_is_told_its_line(code: str, expected: str, tmp_path: Path) -> None:
    solved, text = said(2, code, tmp_path)
    assert not solved
    assert expected in text


def test_the_command_hands_out_then_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["exercise"]) == 0
    assert "03_softmax.py" in capsys.readouterr().out
    assert main(["exercise", "3"]) == 0
    assert "wrote 03_softmax.py" in capsys.readouterr().out
    assert main(["exercise", "3"]) == 1
    assert "not yet" in capsys.readouterr().out
    Path("03_softmax.py").write_text(SOFTMAX)
    assert main(["exercise", "3"]) == 0
    said = capsys.readouterr().out
    assert "solved" in said and "next: python -m autograd exercise 4" in said
    assert Path("03_softmax.py").read_text() == SOFTMAX, "what a learner wrote is not written over"


def test_bad_input_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "1", str(tmp_path / "nothing.py")]) == 2
    assert "No such file" in capsys.readouterr().err
    with contextlib.redirect_stderr(io.StringIO()), pytest.raises(SystemExit):
        main(["exercise", "9"])


def test_what_a_teacher_hands_out_stands_in_the_demos() -> None:
    files = {path.name for path in (ROOT / "demos/exercises").glob("*.py")}
    assert files == {e.file for e in EXERCISES.values()}
