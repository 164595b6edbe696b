"""Every demo runs, and says what it promises; each lesson of the course is also a notebook."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import ROOT

DEMOS = ROOT / "demos"
JAX = importlib.util.find_spec("jax") is not None
LESSONS = sorted(DEMOS.glob("0*.py"))
SAYS = {
    "01_one_neuron": ["do/dx1    = do/dx1w1 * dx1w1/dx1 = 0.5 * -3 = -1.5", "moves o by -0.001503", "passed; 2 ok"],
    "02_five_steps": ["4,647 names, 27 tokens", "chance 3.296", "it writes: "],
    "03_parameters": ["124,439,808", "774,030,080", "174,604,259,328", "116,534,784", "85,054,464 = 12"],
    "04_forward": ["the same as transformer.logits: True", "the second emma looks at: cheap", "single Values"],
    "05_loss": [
        "{'spicy': 0.45, 'cheap': 0.3, 'fast': 0.15, 'cozy': 0.05, 'flavor': 0.03, 'vibe': 0.02}\n" * 2,
        "P(spicy) = 0.02: loss 3.912\nP(spicy) = 0.45: loss 0.799\nP(spicy) = 0.80: loss 0.223\n"
        "P(spicy) = 0.99: loss 0.010",
    ],
    "06_gradient": [
        "scores.grad says: [-0.55  0.3   0.15  0.05  0.03  0.02]",
        "gradient +0.023\nraised by 0.001, the loss changes by +0.000023",
        "neurons are inactive; their gradients: [0.]",
        "the future gets at most: 0.0",
        "'vibe': 0.0, 'flavor': 0.0}",
    ],
    "07_update": ["it moves by -0.0000023", "SGD   mean step: consistent 0.0000023, noisy 0.0000023, 1.00 of that"],
    "08_training": ["step 1000: spicy 0.45  cheap 0.30  fast 0.15  cozy 0.05  flavor 0.03  vibe 0.02", "|gradient|"],
    "09_full_size": ["124,439,808 parameters", "774,030,080 parameters", "3.14e+23 operations"],
    "10_a_wrong_rule_is_found": ["whose own vjp is wrong: tanh (argument 0) at 10_a_wrong_rule_is_found.py"],
    "11_see_the_graph": ["a chain of 100,000:"],
    "12_the_same_on_jax": ["no loss differs from NumPy's by more than "] if JAX else ["JAX is not installed"],
    "13_which_word_made_it_say_paris": ["Backwards through ", "it depends most on ", "there the answer is read."],
}


def demo(path: Path) -> Any:
    slow = path.stem in ("09_full_size", "12_the_same_on_jax")
    return pytest.param(path, id=path.stem, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize("path", [demo(path) for path in sorted(DEMOS.glob("*.py"))])
def test_demo(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for said in SAYS[path.stem]:
        assert said in done.stdout
    if path.stem in ("06_gradient", "04_forward"):
        assert "False" not in done.stdout, "what a lesson compares is equal"
    if path.stem == "04_forward":
        assert len({line.split(" loss ")[1][:13] for line in done.stdout.splitlines() if " loss " in line}) == 1
    if path.stem == "13_which_word_made_it_say_paris" and "stands in" not in done.stdout:
        assert (
            "it depends most on ' France'" in done.stdout and "moves at layer 24 from ' France' to ' is'" in done.stdout
        )
    if path.stem == "11_see_the_graph":
        for picture in (DEMOS / "pictures").glob("*.svg"):
            assert words(picture) == words(tmp_path / "pictures" / picture.name), (
                f"{picture.name} is not what the demo draws any more"
            )


def words(picture: Path) -> list[str]:
    """The words of a drawing; numbers may differ in the last digit by machine, and places by the renderer."""
    return sorted(
        re.sub(r"\d[\d.e-]*", "#", text)
        for text in re.findall(r"<text[^>]*>(.*?)</text>", picture.read_text().replace("&#45;", "-"))
    )


def test_the_course_is_numbered_from_one_to_nine() -> None:
    assert [path.stem[:2] for path in LESSONS] == [f"0{n}" for n in range(1, 10)]


@pytest.mark.parametrize("path", sorted(DEMOS.glob("*.py")), ids=lambda path: path.stem)
def test_a_demo_uses_public_names_only(path: Path) -> None:
    text = path.read_text()
    assert not re.search(
        r"(?:from|import) autograd\.|[.\s]_[a-z]", re.sub(r"#.*|\"\"\".*?\"\"\"", "", text, flags=re.S)
    )


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_notebook_is_the_script_converted(path: Path) -> None:
    jupytext = pytest.importorskip("jupytext")
    committed = jupytext.read(notebook_of(path))
    converted = jupytext.read(path)
    assert cells(committed) == cells(converted), "out of step; in demos/ run: jupytext --to notebooks//ipynb 0*.py"
    assert not any(cell.get("outputs") for cell in committed.cells), "notebooks are committed without outputs"


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(notebook_of(path))
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []) if out.get("name") == "stdout"
    )
    for said in SAYS[path.stem]:
        assert said in printed


def notebook_of(path: Path) -> Path:
    return DEMOS / "notebooks" / f"{path.stem}.ipynb"


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]
