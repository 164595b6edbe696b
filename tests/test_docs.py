"""The documentation: every public name stands in the reference, and the site builds without a warning or a network."""

from __future__ import annotations

import doctest
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import autograd as ag
import transformer
from tests.helpers import ROOT


@pytest.mark.parametrize(("module", "name"), [(m, name) for m in (ag, transformer) for name in m.__all__])
def test_every_public_name_has_an_example_that_runs(
    module: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `from autograd import *` and `from transformer import *`; whoever asks at a prompt is told to quit."""
    names = {public: getattr(m, public) for m in (ag, transformer) for public in m.__all__}
    names |= {"ag": ag, "np": np, "transformer": transformer}
    doc = names[name].__doc__ or ""
    examples = doctest.DocTestParser().get_doctest(doc, names, name, None, 0)
    assert any(re.search(rf"\b{name}\b", example.source) for example in examples.examples), f"{name} has no example"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n" * 9))
    said: list[str] = []
    ran = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=said.append)
    assert ran.attempted and not ran.failed, "".join(said)


def test_every_lesson_is_on_the_site() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    assert re.findall(r"lessons/(\w+)\.md", contents) == sorted(path.stem for path in (ROOT / "demos").glob("0*.py"))


def test_nothing_points_outside_the_repository() -> None:
    for path in [*(ROOT / "docs").rglob("*.*"), *(ROOT / "demos").glob("*.py"), ROOT / "mkdocs.yml"]:
        if path.suffix in (".md", ".py", ".yml"):
            assert not re.search(r"\.\./shared|/(?:work|tmp)/", path.read_text()), path


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 14
    for page in pages:
        assert not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=.?https?://", page.read_text()), page
    assert "P(spicy) = 0.45: loss 0.799" in (tmp_path / "lessons/05_loss/index.html").read_text(), "lessons were run"
    for module in (ag, transformer):
        name = module.__name__
        text = (tmp_path / f"api/{name}/index.html").read_text()
        assert [public for public in module.__all__ if f'id="{name}.{public}"' not in text] == []
    assert "How the weights learn" in (tmp_path / "lesson.html").read_text()
    assert "<math" in (tmp_path / "lessons/07_update/index.html").read_text()
