"""python -m autograd check."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autograd.__main__ import main


def test_a_function_of_your_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine_to_check.py").write_text(
        "import numpy as np, autograd as ag\n"
        "def good(x=[1.0, 2.0], k=0.5): return (np.tanh(x) * k).sum()\n"
        "def bad(x): return (x * ag.detach(x)).sum()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["check", "mine_to_check:good", "--order", "2"]) == 0
    assert "gradcheck of good: passed" in capsys.readouterr().out
    assert main(["check", "mine_to_check:bad", "--at", "[1.0, 2.0]", "--localize"]) == 1
    out = capsys.readouterr().out
    assert "FAILED; 2 wrong" in out and "every recorded operation holds by itself" in out
    (tmp_path / "mine_too.py").write_text("def broken(x=1.0): return {}['key']\n")
    for function, message in (
        ("mine_too:broken", "KeyError"),
        ("mine_to_check:bad", "bad needs x: give --at"),
        ("mine_to_check:other", "has no function 'other'; it has good, bad"),
        ("mine_to_check", "names no function"),
        ("nowhere_to_be_found:f", "No module named"),
    ):
        assert main(["check", function]) == 2
        assert message in capsys.readouterr().err
    assert main(["check", "mine_to_check:bad", "--at", "[1"]) == 2 and "no Python literal" in capsys.readouterr().err


def test_a_function_in_a_file_and_negative_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "half.py").write_text("HALF = 0.5\n")
    (tmp_path / "folder" / "m.py").write_text("from half import HALF\ndef f(x, y=1.0): return x**3 * HALF + y\n")
    monkeypatch.chdir(tmp_path / "folder")
    monkeypatch.setattr(sys, "path", [*sys.path])
    for where in ("m:f", "m.py:f", "./m.py:f", str(tmp_path / "folder" / "m.py") + ":f", "../folder/m.py:f"):
        assert main(["check", where, "--at", "2.0"]) == 0, where
        assert "gradcheck of f: passed" in capsys.readouterr().out
    for number in ("-1e-3", "-1.5", "-3E+2", "-.5", "-7.", "[-1.0, -2e-3]"):
        assert main(["check", "m:f", "--at", number, "-1e-3", "--order", "2"]) == 0, number
        assert "passed" in capsys.readouterr().out
    assert main(["check", "./none.py:f", "--at", "1.0"]) == 2
    assert "there is no file none.py" in capsys.readouterr().err
