"""The documentation: every public name stands in the reference, and the site builds without a warning or a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import autograd as ag
import transformer
from tests.helpers import ROOT


def test_every_lesson_is_on_the_site() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    assert re.findall(r"lessons/(\w+)\.md", contents) == sorted(path.stem for path in (ROOT / "demos").glob("0*.py"))


def test_nothing_points_outside_the_repository() -> None:
    for path in [*(ROOT / "docs").rglob("*.*"), *(ROOT / "demos").glob("*.py"), ROOT / "mkdocs.yml"]:
        if path.suffix in (".md", ".py", ".yml"):
            assert not re.search(r"\.\./shared|/work/|/tmp/", path.read_text()), path


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
