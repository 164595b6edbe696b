"""DOT to SVG: by the system's Graphviz where there is one, or else by Graphviz in WebAssembly.

Knows nothing of graphs of nodes: what is drawn is `dot`'s business.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import graphviz

__all__ = ["PICTURES", "Drawing", "RenderError", "render"]

SECONDS = 60  # a layout that takes longer is of a graph too large to read
TEXTS = {"", ".gv", ".dot", ".txt"}
PICTURES = {".svg", ".png", ".pdf", ".jpg", ".jpeg", ".gif", ".ps", ".eps", ".webp"}

WASM_DOT = Path(__file__).with_name("wasm_dot.py")


class RenderError(RuntimeError):
    """A drawing could not be laid out.

    >>> drawing = draw_dot(Value(2.0) * 3.0)
    >>> drawing.body.append("{")  # no longer DOT
    >>> try:
    ...     drawing.pipe("svg")
    ... except RenderError as error:
    ...     print(str(error).partition(":")[0])
    cannot make svg of this drawing
    """


def render(source: str, format: str = "svg", seconds: float = SECONDS) -> bytes:
    """Lay out DOT and give the picture.

    source: a graph, or several with NUL between them, whose pictures follow each other. format: "svg", or whatever
    else the system's `dot` knows; without one, "svg" and Graphviz's text formats. Raises RenderError where neither
    renderer can, or not within `seconds`.
    """
    commands = [[sys.executable, "-P", "-W", "ignore", os.fspath(WASM_DOT), format]]
    dot = shutil.which("dot")
    if dot is not None:
        commands.insert(0, [dot, f"-T{format}"])
    said = ""
    for command in commands:
        try:
            graphs = source.replace("\0", "\n") if command[0] == dot else source  # it reads one after another by itself
            done = subprocess.run(command, input=graphs.encode(), capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise RenderError(
                f"the layout took more than {seconds:g} s; draw less at a time, with around=, path= or top=, "
                "or fold it with a smaller limit="
            ) from None
        except OSError as error:
            said = str(error)
            continue
        if done.returncode == 0 and done.stdout:
            return done.stdout
        said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
    if dot is None and format != "svg":
        raise RenderError(
            f"cannot make {format} of this drawing: that takes Graphviz's `dot` on the PATH; svg does not"
        )
    raise RenderError(f"cannot make {format} of this drawing: {said.splitlines()[-1]}")


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that also renders where Graphviz is not installed.

    It shows itself in Jupyter. `.source` is the DOT text, `.save("x.svg")` writes the picture
    and `.save("x.gv")` the text, `.render("x")` writes both, `.pipe()` gives bytes.
    Raises ValueError for a name that ends like neither, RenderError where the layout fails.
    """

    def __repr__(self) -> str:
        return f"<Drawing of {self.source.count(chr(10))} lines of DOT; .save('graph.svg') writes it>"

    def pipe(self, format: str | None = None, *_: Any, encoding: str | None = None, **__: Any) -> Any:
        """The picture as bytes, or as text where an encoding is given."""
        picture = render(self.source, format or self.format)
        return picture if encoding is None else picture.decode(encoding)

    def save(self, filename: Any = None, directory: Any = None, **options: Any) -> str:
        """Write a picture where the name ends like one, as x.svg does, and the DOT text elsewhere; gives the path."""
        path = Path(directory or self.directory, os.fspath(filename or self.filename))
        if path.suffix.lower() in TEXTS:
            return str(super().save(filename, directory=directory, **options))
        if path.suffix.lower() not in PICTURES:
            endings = ", ".join(sorted(PICTURES))
            raise ValueError(
                f"draw_dot: cannot save {path.name}: a drawing ends in {endings}, its text in .gv; ag.play writes .html"
            )
        picture = self.pipe(path.suffix[1:].lower())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
        return str(path)

    def render(
        self,
        filename: Any = None,
        directory: Any = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        *_: Any,
        outfile: Any = None,
        **__: Any,
    ) -> str:
        """Write the DOT text to `filename` and the picture beside it, or to `outfile`; gives the picture's path."""
        if outfile is not None:
            filename = filename or Path(outfile).with_suffix(".gv")
            outfile = Path(directory or self.directory, outfile)
            format = format or outfile.suffix[1:].lower()
        format = format or self.format
        picture = self.pipe(format)
        source = super().save(None if filename is None else os.fspath(filename), directory=directory)
        target = str(outfile or f"{source}.{format}")
        Path(target).write_bytes(picture)
        if cleanup:
            os.remove(source)
        if view:
            self._view(target, format=format, quiet=False)
        return target
