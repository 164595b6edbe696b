"""Who may import whom: the arrows that keep the architecture visible."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED = {
    "autograd.graph": set(),
    "autograd.tree": set(),
    "autograd.primitives": {"autograd.graph"},
    "autograd.value": {"autograd.graph", "autograd.primitives"},
    "autograd.numpy_api": {"autograd.graph", "autograd.primitives"},
    "autograd.tensor": {"autograd.graph", "autograd.primitives", "autograd.numpy_api", "autograd.value"},
    "autograd.modes": {"autograd.graph", "autograd.primitives"},
    "autograd.functional": {"autograd.graph", "autograd.primitives", "autograd.tensor", "autograd.tree", "autograd.value"},
    "autograd.differences": set(),
    "autograd.report": set(),
    "autograd.point": {
        "autograd.differences",
        "autograd.functional",
        "autograd.graph",
        "autograd.modes",
        "autograd.primitives",
        "autograd.tensor",
        "autograd.tree",
    },
    "autograd.localize": {"autograd.differences", "autograd.graph", "autograd.modes", "autograd.point"},
    "autograd.gradcheck": {
        "autograd.differences",
        "autograd.functional",
        "autograd.localize",
        "autograd.point",
        "autograd.primitives",
        "autograd.report",
        "autograd.tree",
    },
    "autograd.stepper": {"autograd.graph"},
    "autograd.stops": {"autograd.graph"},
    "autograd.show": {"autograd.graph", "autograd.stepper"},
    "autograd.expressions": {"autograd.graph", "autograd.show"},
    "autograd.folding": {"autograd.graph"},
    "autograd.view": {"autograd.folding", "autograd.graph", "autograd.show", "autograd.stepper"},
    "autograd.zoom": {"autograd.folding", "autograd.graph", "autograd.primitives", "autograd.show", "autograd.stepper", "autograd.value"},
    "autograd.wasm_dot": set(),
    "autograd.rendering": set(),
    "autograd.drawing": {
        "autograd.graph",
        "autograd.primitives",
        "autograd.rendering",
        "autograd.show",
        "autograd.stepper",
        "autograd.view",
        "autograd.zoom",
    },
    "autograd.cards": {"autograd.graph", "autograd.primitives", "autograd.show"},
    "autograd.player": {"autograd.drawing", "autograd.graph", "autograd.show", "autograd.stepper", "autograd.view"},
    "autograd.debugger": {
        "autograd.drawing",
        "autograd.expressions",
        "autograd.graph",
        "autograd.localize",
        "autograd.player",
        "autograd.rendering",
        "autograd.show",
        "autograd.stepper",
        "autograd.stops",
        "autograd.view",
    },
    "autograd.sessions": {
        "autograd.debugger",
        "autograd.graph",
        "autograd.modes",
        "autograd.point",
        "autograd.primitives",
        "autograd.tensor",
        "autograd.tree",
        "autograd.value",
    },
    "transformer.config": set(),
    "transformer.optim": set(),
    "transformer.data": set(),
    "transformer.interrupt": set(),
    "transformer.layers": {"autograd"},
    "transformer.model": {"transformer.config", "transformer.layers"},
    "transformer.sample": {"transformer.config", "transformer.layers", "transformer.model"},
    "transformer.checkpoint": {"transformer.config", "transformer.data"},
    "transformer.check": {"autograd", "transformer.config", "transformer.model"},
    "transformer.train": {"autograd", "transformer.optim", "transformer.config", "transformer.data", "transformer.model"},
}
EVERYWHERE = {"autograd.__init__", "autograd.__main__", "transformer.__init__", "transformer.__main__"}


def modules() -> dict[str, ast.Module]:
    files = [*(ROOT / "autograd").glob("*.py"), *(ROOT / "transformer").glob("*.py")]
    return {f"{f.parent.name}.{f.stem}": ast.parse(f.read_text()) for f in files}


def imported(tree: ast.Module) -> set[str]:
    """The modules of this project that a module names."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            submodules = {f"{node.module}.{a.name}" for a in node.names if (ROOT / str(node.module).replace(".", "/") / f"{a.name}.py").exists()}
            found |= submodules or {str(node.module)}
    return {name for name in found if name.split(".")[0] in ("autograd", "transformer")}


@pytest.mark.parametrize("name", sorted(modules()))
def test_arrows(name: str) -> None:
    found = imported(modules()[name])
    if name in EVERYWHERE:
        assert name.startswith("transformer") or not any(m.startswith("transformer") for m in found)
        return
    extra = found - ALLOWED[name]
    assert not extra, f"{name} must not import {extra}"


@pytest.mark.parametrize("name", ["layers", "model", "optim", "config", "sample", "data", "checkpoint"])
def test_the_transformer_borrows_only_detach(name: str) -> None:
    for node in ast.walk(modules()[f"transformer.{name}"]):
        if isinstance(node, ast.Import):
            assert not any(a.name.startswith("autograd") for a in node.names)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("autograd"):
            assert [a.name for a in node.names] == ["detach"]


def test_the_core_knows_no_operation() -> None:
    text = (ROOT / "autograd/graph.py").read_text()
    assert not any(isinstance(n, ast.Attribute) and n.attr in {"exp", "log", "tanh", "matmul", "sum"} for n in ast.walk(ast.parse(text)))
