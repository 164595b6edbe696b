"""Training on JAX: the losses of NumPy, the same run folder, and going on from one on the other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transformer import Config, init, runs
from transformer.__main__ import main
from transformer.data import NAMES, Documents, Text, read
from transformer.train import DivergedError, Plain, Recipe, fit, start

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")

from transformer.xla import step  # noqa: E402
from transformer.xla.mesh import Layout, fitting, sizes_of, spec  # noqa: E402
from transformer.xla.step import Compiled  # noqa: E402

TINY = {"n_embd": 8, "block_size": 8}


def curve(config: Config, recipe: Recipe, compiled: bool, kind: Any = Documents) -> list[tuple[float, float | None]]:
    rng = np.random.default_rng(0)
    data = kind(read(NAMES), config.block_size, rng)
    config = Config.of({**vars(config), "vocab_size": data.vocabulary.size})
    machine = Compiled(config, recipe, Layout()) if compiled else Plain(config, recipe)
    begun = start(init(config, rng), data, recipe, rng)
    return [(done.loss, done.val_loss) for done in fit(begun, data, config, recipe, machine)]


HOW: dict[str, tuple[Config, Recipe, Any, float]] = {
    "float32, 100 steps": (Config(dtype="float32", **TINY), Recipe(steps=100), Documents, 1e-5),
    "float64": (Config.preset("microgpt", **TINY), Recipe(steps=20), Documents, 1e-12),
    "batches, clip, decay, schedule": (
        Config.preset("microgpt", dtype="float32", **TINY),
        Recipe(steps=30, accumulate=3, batch_size=5, clip=0.3, weight_decay=0.1, schedule="cosine", warmup=5),
        Documents,
        1e-5,
    ),
    "dropout, windows of a text": (
        Config.preset("vanilla", n_layer=1, dtype="float32", **TINY), Recipe(steps=10, dropout=0.2), Text, 1e-5
    ),
}  # fmt: skip


SLOW = {"float32, 100 steps", "batches, clip, decay, schedule", "dropout, windows of a text"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in HOW])
def test_losses_are_those_of_numpy(name: str) -> None:
    config, recipe, kind, tolerance = HOW[name]
    want, got = curve(config, recipe, False, kind), curve(config, recipe, True, kind)
    for (a, val_a), (b, val_b) in zip(want, got, strict=True):
        assert b == pytest.approx(a, rel=tolerance)
        assert (val_a is None) == (val_b is None) and (val_a is None or val_b == pytest.approx(val_a, rel=tolerance))


@pytest.mark.slow
def test_many_layers_are_scanned_with_the_losses_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "DEEP", 3)
    config = Config(n_layer=3, dtype="float64", **TINY)
    recipe = Recipe(steps=8, accumulate=2, batch_size=4, weight_decay=0.2, clip=0.5)
    want, got = curve(config, recipe, False), curve(config, recipe, True)
    assert [loss for loss, _ in got] == pytest.approx([loss for loss, _ in want], rel=1e-11)
    assert got[-1][1] == pytest.approx(want[-1][1], rel=1e-11)


def lowered(config: Config, deep: bool, shape: tuple[int, int]) -> Any:
    """The program of a training step on batches of a shape, with the blocks as a scan or one after the other."""
    machine = Compiled(config, Recipe(), Layout(), deep=deep)
    tree = machine._placed(init(config, np.random.default_rng(0)))
    assert set(machine.host(tree)) == set(init(config, np.random.default_rng(0)))
    numbers = np.ones(len(machine._asked), np.float32)
    return machine._step.lower(tree, tree, tree, [np.zeros(shape, int)], [[]], numbers)


def test_the_program_of_many_layers_is_that_of_one() -> None:
    def size(n_layer: int, deep: bool) -> int:
        return len(lowered(Config(n_layer=n_layer, dtype="float32", **TINY), deep, (4, 9)).as_text())

    assert size(9, True) < 1.1 * size(3, True) < 0.5 * size(9, False)


@pytest.mark.slow
def test_many_layers_keep_the_memory_of_one() -> None:
    config = Config(n_layer=12, n_embd=32, block_size=64, dtype="float32")
    scan, unrolled = (
        lowered(config, deep, (8, 65)).compile().memory_analysis().temp_size_in_bytes for deep in (True, False)
    )
    assert scan < unrolled / 3


@pytest.mark.slow
def test_matmul_in_bfloat16_is_near_and_not_the_same() -> None:
    config = Config.preset("microgpt", dtype="float32", **TINY)
    recipe = Recipe(steps=6)
    rng = np.random.default_rng(0)
    data = Documents(read(NAMES), config.block_size, rng)
    begun = start(init(config, rng), data, recipe, rng)
    exact, narrow = (
        [done.loss for done in fit(begun, data, config, recipe, Compiled(config, recipe, Layout(), matmul))]
        for matmul in ("float32", "bfloat16")
    )
    assert narrow == pytest.approx(exact, rel=2e-2) and narrow != pytest.approx(exact, rel=1e-5)


def test_one_program_serves_batches_of_every_width() -> None:
    config, recipe = Config.preset("microgpt", **TINY), Recipe(steps=20, batch_size=2)
    rng = np.random.default_rng(0)
    data = Documents(read(NAMES), config.block_size, rng)
    machine = Compiled(config, recipe, Layout())
    list(fit(start(init(config, rng), data, recipe, rng), data, config, recipe, machine))
    assert machine._step._cache_size() == 1


@pytest.mark.slow
def test_a_loss_that_diverges_says_where() -> None:
    with pytest.raises(DivergedError, match="it began"):
        curve(Config.preset("microgpt", dtype="float32", **TINY), Recipe(steps=40, lr=1e30, warmup=0), True)


# ---- run folders -----------------------------------------------------------------------------------


def losses(folder: str) -> list[float]:
    return [loss for _, loss, _ in runs.read_losses(Path(folder) / "loss.csv")]


def test_a_run_goes_on_on_the_other_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = ["train", "--n-embd", "8", "--block-size", "8", "--schedule", "constant"]
    assert main([*tiny, "--steps", "24", "--out", "whole"]) == 0
    assert main([*tiny, "--steps", "12", "--out", "from-numpy"]) == 0
    assert main([*tiny, "--steps", "12", "--array", "jax", "--out", "from-jax"]) == 0
    assert "JAX" in capsys.readouterr().out
    assert main(["train", "--resume", "from-numpy", "--steps", "24", "--array", "jax"]) == 0
    assert main(["train", "--resume", "from-jax", "--steps", "24"]) == 0
    want, _, _ = runs.Run(Path("whole"), runs.facts("whole")).open()
    for folder in ("from-numpy", "from-jax"):
        assert losses(folder) == pytest.approx(losses("whole"), abs=2e-6)
        got, _, _ = runs.Run(Path(folder), runs.facts(folder)).open()
        assert got.step == want.step == got.moments["step"] and got.rng == want.rng
        np.testing.assert_array_equal(got.data["order"], want.data["order"])
        for name, p in want.params.items():
            assert got.params[name].dtype == np.float64
            np.testing.assert_allclose(got.params[name], p, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(got.moments["v"][name], want.moments["v"][name], rtol=1e-6, atol=1e-12)
    logged = {f: [line.split(",")[:2] for line in (tmp_path / f / "grads.csv").read_text().splitlines()]
              for f in ("whole", "from-jax")}  # fmt: skip
    assert {tuple(row) for row in logged["from-jax"]} >= {tuple(row) for row in logged["whole"]}


WRONG = {
    "--array jax --threads 2": "--threads is for NumPy",
    "--array jax --scalar": "leave out one of the two",
    "--array numpy --mesh data=2": "is for JAX",
    "--mesh data=64": "choose sizes whose product is at most",
    "--mesh data": "whole number from 1 on",
    "--mesh data=0": "whole number from 1 on",
    "--mesh pipe=2": "'pipe' is no axis of a mesh; there are data and model",
    "--mesh data=1,data=1": "data is given twice",
    "--array jax --replicated": "--mesh data=2 makes one",
    "--array torch": "none of numpy, jax",
    "--array jax --matmul float16": "none of float32, bfloat16",
}


@pytest.mark.parametrize("options", WRONG)
def test_options_that_do_not_fit(options: str, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["train", "--steps", "1", *options.split()])
    except SystemExit as error:
        status = error.code
    assert status == 2 and WRONG[options] in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_without_jax_there_is_a_word(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "jax", None)
    for options in (["--array", "jax"], ["--mesh", "data=2"]):
        assert main(["train", "--steps", "1", *options]) == 2
        assert "pip install 'jax>=0.9'" in capsys.readouterr().err


# ---- where things lie ---------------------------------------------------------------------------------


def test_what_is_split_over_what() -> None:
    sizes = sizes_of("data=2, model=4")
    assert sizes == {"data": 2, "model": 4}
    assert spec("h0.attn.wq", (64, 64), sizes, True) == ("data", "model")
    assert spec("h0.attn.wq", (64, 64), sizes, False) == (None, "model")
    assert spec("h3.attn.wo", (64, 64), sizes, True) == ("model", "data")
    assert spec("h3.mlp.w1", (64, 256), {"model": 4}, True) == (None, "model")
    assert spec("h3.mlp.b1", (256,), sizes, True) == ("model",)
    assert spec("h3.mlp.b2", (64,), sizes, True) == ("data",)
    assert spec("wte", (27, 64), sizes, True) == (None, "data") and spec("wte", (27, 63), sizes, True) == (None, None)


@pytest.mark.parametrize(
    ("mesh", "config", "said"),
    [
        ("model=3", {}, "model=3 does not divide n_head=4"),
        ("model=4", {"n_kv_head": 2}, "model=4 does not divide n_kv_head=2"),
        ("data=3", {}, "data=3 does not divide the batch of 32 rows"),
    ],
)
def test_a_mesh_that_does_not_fit_the_model(mesh: str, config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fitting(sizes_of(mesh), Config(**config), 32)
