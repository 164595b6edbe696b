"""Every demo runs, and says what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAYS = {
    "01_one_neuron": "do/dx1 = -1.5000",
    "02_four_magnifications": "single Values",
    "03_how_the_weights_learn": "it writes:",
    "05_a_wrong_rule_is_found": "whose own vjp is wrong: tanh (argument 0) at 05_a_wrong_rule_is_found.py",
    "06_see_the_graph": "a chain of 100,000:",
    "04_gpt2_full_size": "124,439,808 parameters",
}


@pytest.mark.parametrize("path", sorted((ROOT / "demos").glob("*.py")), ids=lambda path: path.stem)
def test_demo(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[path.stem] in done.stdout
    if path.stem == "02_four_magnifications":
        assert len({line.split(" loss ")[1][:13] for line in done.stdout.splitlines() if " loss " in line}) == 1
    if path.stem == "06_see_the_graph":
        for picture in (ROOT / "demos/pictures").glob("*.svg"):
            assert said(picture) == said(tmp_path / "pictures" / picture.name), (
                f"{picture.name} is not what the demo draws any more"
            )


def said(picture: Path) -> list[str]:
    """The words of a drawing; numbers may differ in the last digit by machine, and places by the renderer."""
    return sorted(
        re.sub(r"\d[\d.e-]*", "#", text)
        for text in re.findall(r"<text[^>]*>(.*?)</text>", picture.read_text().replace("&#45;", "-"))
    )
