"""Who may import whom: the arrows that keep the architecture visible.

A package may import those named beside it, and what is in it; inside the engine, where all the
others stand, a module may import what stands before it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import ROOT

CORE = ("autograd.engine", "autograd.numpy_api", "autograd.nodes")
PACKAGES = {
    "autograd.engine": set(),
    "autograd.numpy_api": {"autograd.engine"},
    "autograd.nodes": {"autograd.engine", "autograd.numpy_api"},
    "autograd.checking": {*CORE},
    "autograd.compiling": {*CORE},
    "autograd.stepping": {*CORE},
    "autograd.drawing": {*CORE, "autograd.stepping"},
    "autograd.debugging": {*CORE, "autograd.checking", "autograd.stepping", "autograd.drawing"},
    "autograd.exercises": {*CORE, "autograd.checking", "autograd.stepping"},
    "transformer": {"autograd", "transformer.lesson", "transformer.pretrained", "transformer.xla"},
    "transformer.lesson": {"autograd", "transformer"},
    "transformer.pretrained": {"transformer"},
    "transformer.xla": {"autograd", "transformer"},
}  # fmt: skip
ENTERED_BY = {
    "transformer.lesson": {"transformer.__main__"},
    "transformer.pretrained": {"transformer.__init__", "transformer.models"},
    "transformer.xla": {"transformer.__main__", "transformer.session"},
}  # fmt: skip
FACES = {"autograd.__init__", "autograd.__main__"}  # they may name every room
# In a room, what is simpler comes first: base <- graph <- kinds <- rows <- primitives; value <- tensor <- functional.
ENGINE = [
    {"base"}, {"tree", "words", "recording"}, {"graph"}, {"kinds"}, {"rows", "modes"}, {"primitives"}, {"linalg"},
]  # fmt: skip
NUMPY = [
    {"dispatch", "elsewhere"}, {"functions", "matrices", "products", "rearranging", "reducing"}, {"doors"},
]  # fmt: skip
NODES = [{"extend", "value_array"}, {"value"}, {"tensor"}, {"functional", "fused"}, {"borrowed"}]
TRANSFORMER = [
    {"alone", "base", "charts", "doctor", "parallel"}, {"blocks"},
    {"checkpoint", "config", "data", "interrupt", "layers", "optim"}, {"model", "runs"}, {"sample", "check", "threads"},
    {"slopes"}, {"train"}, {"models", "options", "report"},
    {"lens", "session"}, {"lens_page", "steps"}, {"example"}, {"__main__", "__init__"}, {"command"},
]  # fmt: skip
PRETRAINED = [{"quants"}, {"gguf", "huggingface"}, {"gpt2", "llama", "pieces"}]
ORDERS = {
    "autograd.engine": ENGINE, "autograd.numpy_api": NUMPY, "autograd.nodes": NODES, "transformer": TRANSFORMER,
    "transformer.pretrained": PRETRAINED,
}  # fmt: skip


def files(root: Path) -> list[Path]:
    """Every module, however deep: a check that globs one level would pass without looking."""
    return sorted(path for room in ("autograd", "transformer") for path in (root / room).rglob("*.py"))


def name_of(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts)


def imported(path: Path, root: Path) -> Iterator[str]:
    """The modules of this project that a file names, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in ("autograd", "transformer"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = str(node.module)
            if module.split(".")[0] in ("autograd", "transformer"):
                inside = root / module.replace(".", "/")
                found = [a.name for a in node.names if (inside / f"{a.name}.py").exists() or (inside / a.name).is_dir()]
                yield from ([f"{module}.{a}" for a in found] or [module])


def package_of(name: str) -> str:
    """The room of a module: autograd.engine for autograd.engine.graph, transformer for transformer.layers."""
    room = ".".join(name.split(".")[:2])
    return room if room in PACKAGES else name.split(".")[0]


def wrong_arrows(root: Path) -> list[str]:
    """Every import that points at something less simple."""
    found = []
    for path in files(root):
        name = name_of(path, root)
        if name in FACES:
            found += [f"{name} -> {m}" for m in imported(path, root) if m.startswith("transformer")]
            continue
        room = package_of(name)
        for module in imported(path, root):
            there = package_of(module)
            if there == room:
                order = ORDERS.get(room, [])
                here, target = (_floor(m, order) for m in (name, module))
                fine = not order or target < here or module == room
            else:
                # The transformer enters by the face only: autograd, and nothing behind it. The lesson is a command,
                # and JAX is for those who ask for it.
                face = module == "autograd" or (name, module) == ("transformer.command", "autograd.__main__")
                fine = there in PACKAGES.get(room, set()) and (there != "autograd" or face)
                fine = fine and name in ENTERED_BY.get(there, {name})
            if not fine:
                found.append(f"{name} -> {module}")
    return found


def _floor(name: str, order: list[set[str]]) -> int:
    last = name.rpartition(".")[2]
    return next((i for i, names in enumerate(order) if last in names), -1 if last == "__init__" else len(order))


def test_imports_point_at_something_simpler() -> None:
    assert wrong_arrows(ROOT) == []


def test_every_room_and_every_module_in_an_order_has_its_place() -> None:
    names = {name_of(path, ROOT) for path in files(ROOT)}
    assert {package_of(n) for n in names if n.count(".") == 2} == {r for r in PACKAGES if r != "transformer"}
    for room, order in ORDERS.items():
        inside = {n.rpartition(".")[2] for n in names if package_of(n) == room}
        assert inside - {"__init__"} == set().union(*order) - {"__init__"}, room


def test_the_engine_stays_small() -> None:
    for room in CORE:
        lines = sum(len(path.read_text().splitlines()) for path in (ROOT / room.replace(".", "/")).rglob("*.py"))
        assert lines <= 3000, room


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("autograd/engine/graph.py", "from autograd.nodes import value"),
        ("autograd/nodes/value.py", "from autograd.stepping.stepper import Stepper"),
        ("autograd/engine/words.py", "def late():\n    import autograd.drawing.dot"),
        ("autograd/stepping/names.py", "from autograd.debugging import sessions"),
        ("autograd/checking/point.py", "from autograd import Stepper"),
        ("autograd/drawing/page/helper.py", "from autograd.debugging.debugger import Debugger"),
        ("autograd/engine/tree.py", "import transformer"),
        ("transformer/layers.py", "from autograd.nodes.functional import detach"),
        ("transformer/config.py", "from transformer.model import loss"),
        ("transformer/train.py", "from transformer.lesson.dinner import training"),
        ("transformer/lesson/dinner.py", "from autograd.nodes.functional import detach"),
        ("transformer/model.py", "def late():\n    from transformer.xla.step import Compiled"),
        ("transformer/sample.py", "from transformer.pretrained import gpt2"),
        ("transformer/pretrained/quants.py", "from transformer.pretrained.llama import KEYS"),
        ("transformer/xla/mesh.py", "from autograd.engine.kinds import raw"),
        ("autograd/other/new.py", "from autograd.engine import graph"),
    ],
)
def test_an_arrow_that_points_upwards_is_found(where: str, line: str, tmp_path: Path) -> None:
    for path in files(ROOT):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    target = tmp_path / where
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text((target.read_text() if target.exists() else "") + f"\n{line}\n")
    assert [a.split(" -> ")[0] for a in wrong_arrows(tmp_path)] == [where.removesuffix(".py").replace("/", ".")]


@pytest.mark.parametrize(
    "name", ["base", "layers", "model", "optim", "config", "sample", "data", "checkpoint", "runs", "pretrained/gpt2"]
)
def test_the_transformer_borrows_little(name: str) -> None:
    for node in ast.walk(ast.parse((ROOT / f"transformer/{name}.py").read_text())):
        if isinstance(node, ast.Import):
            assert not any(a.name.startswith("autograd") for a in node.names)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("autograd"):
            assert {a.name for a in node.names} <= {"detach", "fuse", "traceable"}


def test_no_module_has_a_public_function_s_name() -> None:
    import autograd

    stems = {
        part
        for path in files(ROOT)
        if path.is_relative_to(ROOT / "autograd")
        for part in path.relative_to(ROOT / "autograd").with_suffix("").parts
    }
    assert not stems & set(autograd.__all__)


def test_the_core_knows_no_operation() -> None:
    tree = ast.parse((ROOT / "autograd/engine/graph.py").read_text())
    operations = {"exp", "log", "tanh", "matmul", "sum"}
    assert not any(isinstance(n, ast.Attribute) and n.attr in operations for n in ast.walk(tree))


def test_jax_is_imported_where_it_is_asked_for_only() -> None:
    for path in files(ROOT):
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            assert not any(str(name).split(".")[0] in ("jax", "jaxlib", "ml_dtypes") for name in names), path
        for module in imported_by_name(path):
            assert module != "jax" or path.parent.name == "xla" or path.name == "borrowed.py", path


def imported_by_name(path: Path) -> Iterator[str]:
    """The first part of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name.split(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).split(".")[0]
