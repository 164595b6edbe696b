"""An installation: alone in its folder or not, and what `doctor` says of it."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from transformer import doctor
from transformer.__main__ import main


def copied(tmp_path: Path) -> Path:
    for package in ("autograd", "transformer"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def error_of(code: str, folder: Path, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("code", ["import autograd", "import transformer", "import autograd.stepping.stepper"])
def test_a_folder_that_two_packages_share_is_told(code: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "autograd" / "tracer.py").write_text("")  # PyPI's autograd was there first
    said = error_of(code, folder)
    assert said.startswith("ImportError: ") and "holds two packages named autograd" in said and "pip uninstall" in said


@pytest.mark.parametrize("code", ["import transformer", "import transformer.layers", "import autograd.nodes.value"])
def test_a_face_that_another_package_took_is_told(code: str, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "autograd" / "tracer.py").write_text("")
    (folder / "autograd" / "__init__.py").write_text("def grad(f): ...\n")  # PyPI's autograd came later
    said = error_of(code, folder)
    assert said.startswith("ImportError: ") and "pip uninstall autograd stepgrad" in said


@pytest.mark.parametrize("face", ["def grad(f): ...\n", None])
def test_the_command_says_so_in_one_line(face: str | None, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "autograd" / "tracer.py").write_text("")
    if face:
        (folder / "autograd" / "__init__.py").write_text(face)
    code = "import sys; sys.argv = ['/bin/stepgrad', 'doctor']; from transformer.command import main"
    said = error_of(code, folder)
    assert said.startswith("stepgrad: ") and "pip uninstall autograd stepgrad" in said


def test_what_an_uninstallation_left_is_told(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "autograd" / "__init__.py").unlink()
    assert "is only a part of stepgrad's autograd" in error_of("import transformer", folder, "-S")


def test_the_doctor_finds_what_is_there(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status = main(["doctor"])
    said = capsys.readouterr().out
    assert all(word in said for word in ("Python 3.", "stepgrad 0.", "numpy", "threads", "drawings as SVG", "runs are"))
    assert status == ("WRONG" in said)

    def version(name: str) -> str:
        if name == "tqdm":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "files", lambda name: [Path("autograd/tracer.py")])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert doctor.main() == 1
    said = capsys.readouterr().out
    assert "WRONG tqdm is missing: pip install tqdm" in said and "WRONG the autograd of PyPI is installed" in said
    assert "no browser on the PATH" in said and "no Graphviz on the PATH" in said
