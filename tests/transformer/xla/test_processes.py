"""Several processes that train together: the losses of one, and what becomes of the rest when one is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import ROOT
from transformer import runs
from transformer.__main__ import main
from transformer.data import NAMES, Documents, Text, read

pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
TINY = ["train", "--n-embd", "8", "--block-size", "8", "--batch-size", "8", "--out", "run"]


def together(folder: Path, n: int, *options: str) -> list[subprocess.Popen[str]]:
    """So many processes that train one run, the first of which writes it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    common = [sys.executable, "-m", "transformer", *options, "--coordinator", where, "--processes", str(n)]
    return [
        subprocess.Popen([*common, "--process", str(i)], env=ENV, cwd=folder, stdout=-1, stderr=-1, text=True)
        for i in range(n)
    ]


def until(something: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not something():
        assert time.monotonic() < end
        time.sleep(0.05)


def losses(folder: Path) -> list[tuple[float, float | None]]:
    return [(loss, val) for _, loss, val in runs.read_losses(folder / "loss.csv")]


def told(said: str) -> bool:
    """Whether one that is left says so: in our words, or in JAX's, if it notices first that process 0 is gone."""
    ours = "cannot go on, since another one ended" in said and "train --resume run goes on" in said
    return ours or "another task died" in said


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    both = together(tmp_path, 2, *TINY, "--steps", "10", "--accumulate", "2")
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert "2 cpu devices (data=2)" in ends[0][0] and "validation" not in ends[1][0]
    monkeypatch.chdir(tmp_path)
    assert main([*TINY[:-1], "alone", "--steps", "10", "--accumulate", "2"]) == 0
    for (loss, val), (want, want_val) in zip(losses(tmp_path / "run"), losses(tmp_path / "alone"), strict=True):
        assert loss == pytest.approx(want, abs=2e-6)
        assert (val is None) == (want_val is None) and (val is None or val == pytest.approx(want_val, abs=2e-6))
    a, b = (runs.Run(Path(name), runs.facts(name)).open()[0] for name in ("run", "alone"))
    for name, p in a.params.items():
        np.testing.assert_allclose(p, b.params[name], rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("gone", [0, 1])
def test_one_that_is_killed_ends_the_run_in_words_and_leaves_what_goes_on(gone: int, tmp_path: Path) -> None:
    both = together(tmp_path, 2, *TINY, "--steps", "400")
    last = tmp_path / "run" / "last.safetensors"
    until(last.exists)
    begun = last.stat().st_mtime_ns
    until(lambda: last.stat().st_mtime_ns != begun)
    both[gone].kill()
    _, said = both[1 - gone].communicate(timeout=60)
    both[gone].communicate(timeout=60)
    assert both[1 - gone].returncode in (2, -signal.SIGABRT) and told(said)
    state = runs.Run(tmp_path / "run", runs.facts(tmp_path / "run")).open()[0]
    assert 0 < state.step < 400
    command = [sys.executable, "-m", "transformer", "train", "--resume", "run", "--steps", "400"]
    done = subprocess.run(command, env=ENV, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"going on from step {state.step}" in done.stdout
    assert len(losses(tmp_path / "run")) == 400


@pytest.mark.slow
def test_one_that_is_asked_to_stop_stops_all(tmp_path: Path) -> None:
    both = together(tmp_path, 2, *TINY, "--steps", "100000")
    log = tmp_path / "run" / "loss.csv"
    until(lambda: log.exists() and both[0].poll() is None)
    time.sleep(3)
    both[1].send_signal(signal.SIGTERM)
    for process in both:
        process.communicate(timeout=60)
    assert [process.returncode for process in both] == [143, 143]
    assert runs.Run(tmp_path / "run", runs.facts(tmp_path / "run")).open()[0].step > 0


def test_an_error_of_one_ends_all(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "something").touch()
    both = together(tmp_path, 2, *TINY, "--steps", "10")
    ends = [process.communicate(timeout=120) for process in both]
    assert both[0].returncode == 2 and "--out run is there already" in ends[0][1]
    assert both[1].returncode and ("another one ended" in ends[1][1] or "another task died" in ends[1][1])


WRONG = {
    "--coordinator 127.0.0.1:7777": "give all three",
    "--processes 2 --process 0": "give all three",
    "--coordinator 127.0.0.1:7777 --processes 2 --process 2": "none of 2; they are counted from 0 to 1",
    "--coordinator 127.0.0.1 --processes 2 --process 0": "expected HOST:PORT",
    "--coordinator 127.0.0.1:x --processes 2 --process 1": "expected HOST:PORT",
    "--array numpy --coordinator 127.0.0.1:7777 --processes 2 --process 0": "is for JAX",
    "--coordinator no.such.host.invalid:7777 --processes 2 --process 1": "is not known",
}


@pytest.mark.parametrize("options", WRONG)
def test_options_that_do_not_fit(options: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "transformer", "train", "--steps", "1", *options.split()]
    done = subprocess.run(command, env=ENV, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and WRONG[options] in done.stderr and not (tmp_path / "runs").exists()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "transformer", "train", "--coordinator", where, "--processes", "2"]
        done = subprocess.run([*command, "--process", "0"], env=ENV, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "take a free port" in done.stderr


@pytest.mark.parametrize("kind", [Documents, Text])
def test_a_share_of_a_batch_is_a_part_of_it_and_moves_on_as_the_whole(kind: Any) -> None:
    ends = []
    for part in (slice(None), slice(2, 5)):
        rng = np.random.default_rng(0)
        data = kind(read(NAMES), 8, rng)
        rows = [data.batch(6, rng, part) for _ in range(900)]
        ends.append((rows, rng.bit_generator.state, data.position()))
    (whole, state, position), (some, own_state, own_position) = ends
    assert state == own_state
    for name, x in position.items():
        np.testing.assert_array_equal(x, own_position[name])
    for a, b in zip(whole, some, strict=True):
        width = b.shape[1]
        np.testing.assert_array_equal(a[2:5, :width], b)
        assert (a[2:5, width:] == -1).all()
