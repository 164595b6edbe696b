"""What the site is made of besides docs/: the README, the lessons of demos/ and the page of `python -m transformer
lesson`, all run when it is built, and the reference, a section for every public name."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import jupytext
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import autograd
import transformer
from transformer.lesson.page import page

ROOT = Path(__file__).parents[1]
NOT_RUN = {"09_full_size"}  # takes gigabytes and minutes


def on_files(files: Files, config: MkDocsConfig) -> Files:
    def add(path: str, content: str | bytes) -> None:
        files.append(File.generated(config, path, content=content))

    add("index.md", (ROOT / "README.md").read_text(encoding="utf-8"))
    for picture in (ROOT / "demos/pictures").iterdir():
        add(f"demos/pictures/{picture.name}", picture.read_bytes())
    for script in sorted((ROOT / "demos").glob("0*.py")):
        add(f"lessons/{script.stem}.md", lesson(script))
    add("exercises.md", exercises())
    add("lesson.html", page())
    add("api/autograd.md", reference(autograd))
    add("api/transformer.md", reference(transformer))
    add("api/optim.md", "# transformer.optim\n\n::: transformer.optim\n    options: {show_root_heading: false}\n")
    return files


def reference(module: ModuleType) -> str:
    """A page of the reference: what the module says of itself, and its public names."""
    names = "\n".join(f"::: {module.__name__}.{name}\n" for name in sorted(module.__all__))
    head = (module.__doc__ or "").partition("\n\n")[0]
    return f"# {module.__name__}\n\n{head} What is listed here is public; all else may change.\n\n{names}"


def lesson(script: Path) -> str:
    """A lesson as Markdown: its text, its code and what that prints, and where the script and the notebook are."""
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    parts = []
    for cell in jupytext.read(script).cells:
        if cell.cell_type == "markdown":
            parts.append(formulas(cell.source))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        if script.stem in NOT_RUN:
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(cell.source, str(script), "exec"), names)
        if out.getvalue():
            parts.append(f"```text\n{out.getvalue().rstrip()}\n```")
    parts.append(f"*This page is `demos/{script.name}`, and a notebook in `demos/notebooks/`.*")
    return "\n\n".join(parts)


def formulas(text: str) -> str:
    """TeX between $$ as MathML, which browsers show by themselves."""
    return re.sub(r"\$\$(.+?)\$\$", lambda m: convert(m[1].strip(), display="block"), text, flags=re.S)


def exercises() -> str:
    """What is handed out, file by file."""
    files = sorted((ROOT / "autograd/exercises/files").glob("*.py"))
    head = "# Exercises\n\n`python -m autograd exercise N` writes file N into your folder; once you have completed it, "
    head += "the same command checks it, by gradcheck and by the stepper, and says what is wrong.\n"
    return head + "".join(f"\n## {f.stem}\n\n```python\n{f.read_text(encoding='utf-8').rstrip()}\n```\n" for f in files)
