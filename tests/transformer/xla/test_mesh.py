"""Several devices: the losses of one, and what is sent between them is what one would expect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers import ROOT

pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")
FOUR = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0",
}


def spread_out(meshes: dict[str, tuple[str, bool, str]]) -> dict[str, Any]:
    """What `spread` says of a model on each mesh."""
    command = [sys.executable, "-m", "tests.transformer.xla.spread", json.dumps(list(meshes.values()))]
    done = subprocess.run(command, env=FOUR, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(meshes, json.loads(done.stdout), strict=True))


@pytest.fixture(scope="module")
def spread() -> dict[str, Any]:
    return spread_out(
        {
            "one": ("", True, "gpt"),
            "data parallel": ("data=2", False, "gpt"),
            "fully sharded": ("data=4", True, "gpt"),
            "tensor parallel": ("model=2", True, "gpt"),
            "both": ("data=2,model=2", True, "gpt"),
        }
    )


@pytest.mark.slow
def test_a_llama_sends_no_activations_that_it_need_not() -> None:
    found = spread_out(
        {
            "one": ("", True, "llama"),
            "data parallel": ("data=2", False, "llama"),
            "tensor parallel": ("model=2", True, "llama"),
            "both": ("data=2,model=2", True, "llama"),
        }
    )
    for name, made in found.items():
        assert made["losses"] == pytest.approx(found["one"]["losses"], rel=1e-5), name
    assert found["data parallel"]["collectives"] == found["tensor parallel"]["collectives"] == ["all-reduce"]


@pytest.mark.slow
def test_losses_are_those_of_one_device(spread: dict[str, Any]) -> None:
    for name, found in spread.items():
        assert found["losses"] == pytest.approx(spread["one"]["losses"], rel=1e-5), name


@pytest.mark.slow
def test_what_is_sent_is_what_one_would_expect(spread: dict[str, Any]) -> None:
    sent = {name: set(found["collectives"]) for name, found in spread.items()}
    assert sent["one"] == set()
    assert sent["data parallel"] == {"all-reduce"}  # of gradients
    assert sent["tensor parallel"] == {"all-reduce"}  # of what heads and columns add up to
    for name in ("fully sharded", "both"):  # weights are put together, gradients added up
        assert "all-gather" in sent[name] and sent[name] & {"all-reduce", "reduce-scatter"}


@pytest.mark.slow
def test_each_device_holds_its_share_of_the_weights(spread: dict[str, Any]) -> None:
    assert spread["one"]["share"] == spread["data parallel"]["share"] == 1
    assert spread["fully sharded"]["share"] == pytest.approx(1 / 4, abs=0.01)
    assert spread["both"]["share"] < 0.4 and 0.5 < spread["tensor parallel"]["share"] < 0.7


def test_the_command_trains_on_a_mesh(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "transformer", "train", "--mesh", "data=2,model=2", "--steps", "3", "--out", "run"]
    done = subprocess.run(command, env=FOUR, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "4 cpu devices (data=2,model=2)" in done.stdout, done.stderr
    assert len((tmp_path / "run" / "loss.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_of_many_layers_the_weights_of_one_are_put_together_at_a_time() -> None:
    command = [sys.executable, "-m", "tests.transformer.xla.spread", "deep", json.dumps({"data": 2, "model": 2})]
    done = subprocess.run(command, env=FOUR, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout)
    gathered = [shape for kind, shape, in_loop in sent if kind == "all-gather" and in_loop]
    assert len(gathered) > 12 and all(shape.startswith("f32[1,") for shape in gathered)  # forth, and back
    assert not any(shape.startswith("f32[12,") for _, shape, _ in sent)
    activations = sum(shape.count("f32[4,32,32]") for kind, shape, in_loop in sent if kind == "all-reduce" and in_loop)
    assert 5 <= activations <= 7  # two forth; back one again, the MLP's, and those of q, k and v, together or not


@pytest.mark.slow
def test_what_is_sent_is_what_native_jax_sends() -> None:
    layouts = [({"data": 2}, False), ({"model": 2}, True), ({"data": 4}, True), ({"data": 2, "model": 2}, True)]
    command = [sys.executable, "-m", "tests.transformer.xla.spread", "native", json.dumps(layouts)]
    env = {**FOUR, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for (sizes, _), found in zip(layouts, json.loads(done.stdout), strict=True):
        assert found["ours"] == found["native"] != [], sizes
