"""Run folders: whole or not at all, never other numbers, and trainings that go on to the same bits."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import autograd as ag
from tests.helpers import ROOT
from transformer import Config, checkpoint, init, runs
from transformer.__main__ import main
from transformer.data import Documents, Vocabulary
from transformer.interrupt import Interrupt

ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
TINY = ["--n-embd", "8", "--batch-size", "4"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", *TINY, "--steps", "40", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that a training makes, apart from the picture and the options it was begun with."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix not in (".png", ".json")}


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "transformer", "train", *options]
    return subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ---- whole or not at all ---------------------------------------------------------------


def test_a_run_holds_arrays_as_safetensors_and_the_rest_as_json(run: Path) -> None:
    logs = ["grads.csv", "loss.csv", "samples.jsonl"]
    assert sorted(contents(run)) == sorted(["best.safetensors", "last.safetensors", *logs])
    params, config, vocabulary = runs.load(run)
    assert vocabulary == Vocabulary("abcdefghijklmnopqrstuvwxyz") and config.n_embd == 8
    arrays = load_file(run / "last.safetensors")  # by anybody who reads the format
    for name, p in params.items():
        np.testing.assert_array_equal(arrays[name], p)
        assert arrays[f"m/{name}"].shape == p.shape and name in load_file(run / "best.safetensors")
    assert json.loads((run / "config.json").read_text())["options"]["steps"] == 40
    assert len(runs.read_losses(run / "loss.csv")) == 40


def test_what_was_there_stays_when_writing_fails(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents(run)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(run / "last.safetensors", {"a": np.ones(3)}, {}, {})
    assert contents(run) == whole and main(["sample", "run", "-n", "1"]) == 0


@pytest.mark.skipif(os.name == "nt", reason="needs ulimit")
def test_a_full_disk_is_an_error_in_a_line_and_leaves_the_last_state(run: Path) -> None:
    """A bound on the size of files, since a disk of one's own needs root."""
    whole = contents(run)
    command = f"ulimit -f 10; {sys.executable} -m transformer train --n-embd 8 --steps 50"
    for options in ("--resume run", "--out new"):
        done = subprocess.run(
            ["bash", "-c", f"{command} {options}"], env=ENV, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and "File too large" in done.stderr and "Traceback" not in done.stderr
    after = contents(run)
    for log in ("loss.csv", "grads.csv", "samples.jsonl"):  # what was written after it is cut off
        assert after.pop(log).startswith(whole.pop(log))
    assert after == whole and sorted(os.listdir()) == ["run"]


def test_arrays_that_are_views_are_written_as_they_read(tmp_path: Path) -> None:
    arrays = {"t": np.arange(6.0).reshape(2, 3).T, "s": np.arange(9.0)[::2], "0": np.array(2.5), "e": np.zeros((0, 3))}
    checkpoint.save(tmp_path / "x", arrays, {"a": 1}, {})
    again, record = checkpoint.load(tmp_path / "x", {})
    assert record == {"a": 1} and again.keys() == arrays.keys()
    for name, a in arrays.items():
        np.testing.assert_array_equal(again[name], a)


def test_a_folder_that_cannot_be_made_is_refused_before_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for out in ("file", "file/run", "/proc/run"):
        assert main(["train", *TINY, "--steps", "1", "--out", out]) == 2
        printed = capsys.readouterr()
        assert "step/s" not in printed.err and printed.err.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["file"]
    (tmp_path / "empty").mkdir()
    assert main(["train", *TINY, "--steps", "1", "--out", "empty"]) == 0


def test_trainings_that_start_at_once_get_a_folder_each(tmp_path: Path) -> None:
    config = Config.preset("microgpt", n_embd=4)
    data = Documents("ab\nba\nab\nba", 4, np.random.default_rng(0))
    facts = runs.Facts(config, Vocabulary("abc"), {})
    params = init(config, np.random.default_rng(0))
    state = checkpoint.State(0, params, {"step": 0}, {}, data.position())
    made: list[Path] = []
    gate = threading.Barrier(8)

    def go(i: int) -> None:
        gate.wait()
        made.append(runs.create(None, facts, state, {"i": i}, {"loss.csv": "head\n"}).folder)

    threads = [threading.Thread(target=go, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(p) for p in made) == [f"runs/{n:03d}" for n in range(1, 9)]
    assert sorted(os.listdir("runs")) == [f"{n:03d}" for n in range(1, 9)]
    assert sorted(checkpoint.load(p / "last.safetensors", facts.record())[1]["i"] for p in made) == list(range(8))


# ---- damaged, foreign and hostile files ------------------------------------------------


def edit(**changes: Any) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        record = json.loads((run / "config.json").read_text())
        for name, x in changes.items():
            (record if name in record else record["config"])[name] = x
        (run / "config.json").write_text(json.dumps(record))

    return change


def text(content: str | bytes, name: str = "config.json") -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(content if isinstance(content, bytes) else content.encode()) and None


def arrays(change: Callable[[dict[str, np.ndarray]], Any]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        held = load_file(run / "last.safetensors")
        change(held)
        save_file(held, run / "last.safetensors")

    return apply


def cut(share: float) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        path = run / "last.safetensors"
        os.truncate(path, int(path.stat().st_size * share))

    return apply


HOSTILE = {
    "no config": lambda run: (run / "config.json").unlink(),
    "no state": lambda run: (run / "last.safetensors").unlink(),
    "cut config": text("{"),
    "an empty config": text(""),
    "a list": text("[]"),
    "an object without anything": text("{}"),
    "deep": text("[" * 100_000),
    "deep objects": text('{"config":' * 100_000),
    "a long number": text('{"config": {"n_layer": 1' + "0" * 5000 + "}}"),
    "no UTF-8": text(b"\xff\xfe{}"),
    "nul": text(b"\0" * 100),
    "an unknown field": edit(config={"layers": 3}),
    "config is text": edit(config="microgpt"),
    "config is null": edit(config=None),
    "endless layers": edit(n_layer=1_000_000_000),
    "no layers": edit(n_layer=0),
    "layers in words": edit(n_layer="1"),
    "half a layer": edit(n_layer=1.5),
    "nan wide": edit(n_embd=float("nan")),
    "too wide": edit(n_embd=2**70),
    "another width": edit(n_embd=16),
    "another number of heads": edit(n_head=2),
    "another activation": edit(activation="gelu"),
    "other dtype": edit(dtype="float32"),
    "unknown dtype": edit(dtype="float128"),
    "a short vocabulary": edit(vocabulary="abc"),
    "no vocabulary": edit(vocabulary=""),
    "a vocabulary with duplicates": edit(vocabulary="abcdefghijklmnopqrstuvwxyy"),
    "a vocabulary in another order": edit(vocabulary="bacdefghijklmnopqrstuvwxyz"),
    "a long vocabulary": edit(vocabulary="abcdefghijklmnopqrstuvwxyz0123456789"),
    "a vocabulary of numbers": edit(vocabulary=[1, 2, 3]),
    "cut in half": cut(0.5),
    "cut by a byte": cut(0.99999),
    "empty": cut(0),
    "nonsense": text(b"nonsense" * 100, "last.safetensors"),
    "a header that promises more": text((2**62).to_bytes(8, "little") + b"{}", "last.safetensors"),
    "a header that is no JSON": text((8).to_bytes(8, "little") + b"12345678", "last.safetensors"),
    "a tensor beyond the file": text(
        (72).to_bytes(8, "little")
        + b'{"wte":{"dtype":"F64","shape":[99999999999],"data_offsets":[0,8]}}'.ljust(72)
        + bytes(8),
        "last.safetensors",
    ),
    "a type that NumPy lacks": text(
        (72).to_bytes(8, "little") + b'{"wte":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}'.ljust(72) + bytes(8),
        "last.safetensors",
    ),
    "all nan": arrays(lambda a: a.update({k: np.full_like(x, np.nan) for k, x in a.items() if x.dtype == float})),
    "one number changed": arrays(lambda a: a["wte"].__setitem__((0, 0), 1.0)),
    "wrong dtypes": arrays(lambda a: a.update({k: x.astype(np.float32) for k, x in a.items()})),
    "integers": arrays(lambda a: a.update(wte=np.ones((27, 8), int))),
    "a tensor less": arrays(lambda a: a.pop("wte")),
    "a tensor more": arrays(lambda a: a.update(extra=np.ones(3))),
    "another shape": arrays(lambda a: a.update(wte=a["wte"].T.copy())),
    "a foreign file": arrays(lambda a: (a.clear(), a.update({"model.layers.0": np.ones(3)}))),
    "no tensors": arrays(lambda a: a.clear()),
    "the state is a folder": lambda run: ((run / "last.safetensors").unlink(), (run / "last.safetensors").mkdir()),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_damaged_run_is_an_error_in_a_line(kind: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    HOSTILE[kind](run)
    for command in (["sample", "run"], ["train", "--resume", "run"]):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert "run" in error and error.count("\n") == 1 and "Traceback" not in error and len(error) < 500


def test_a_flipped_bit_anywhere_is_found(run: Path) -> None:
    draw = random.Random(0)
    for name in ("last.safetensors", "best.safetensors", "config.json"):
        whole = (run / name).read_bytes()
        facts = runs.facts(run)
        for _ in range(60):
            i = draw.randrange(len(whole))
            (run / name).write_bytes(whole[:i] + bytes([whole[i] ^ 1 << draw.randrange(8)]) + whole[i + 1 :])
            try:
                runs.load(run, best=name.startswith("best"))
            except ValueError:
                continue
            assert name == "config.json" and runs.facts(run) == facts, "only white space may differ"
        (run / name).write_bytes(whole)
    runs.load(run)


def test_files_of_two_runs_do_not_mix(run: Path, tmp_path: Path) -> None:
    assert main(["train", *TINY, "--steps", "2", "--out", "other", "--n-head", "2"]) == 0
    shutil.copy(tmp_path / "other" / "last.safetensors", run)
    with pytest.raises(ValueError, match=r"does not belong to the config\.json beside it"):
        runs.load(run)


def test_run_folders_of_version_0_1_still_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Config.preset("microgpt", vocab_size=4, n_embd=8)
    params = init(config, np.random.default_rng(0))
    record = {"config": dataclasses.asdict(config), "vocabulary": "abc", "options": {"steps": 3}}
    (tmp_path / "config.json").write_text(json.dumps(record))
    np.savez(tmp_path / "params.npz", **params)  # type: ignore[arg-type]
    again, same, vocabulary = runs.load(tmp_path)
    assert same == config and vocabulary.chars == "abc"
    for name, p in params.items():
        np.testing.assert_array_equal(again[name], p)
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "version 0.1" in capsys.readouterr().err
    whole = (tmp_path / "params.npz").read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"nonsense"):
        (tmp_path / "params.npz").write_bytes(broken)
        with pytest.raises(ValueError, match=r"params\.npz is damaged"):
            runs.load(tmp_path)
    for wrong, message in (
        ({**params, "wte": params["wte"][:1]}, "does not fit config.json: wte differ"),
        ({**params, "wte": params["wte"].astype(np.float32)}, "wte is float32, the model float64"),
        ({**params, "wte": params["wte"] * np.nan}, "wte holds nan or inf"),
    ):
        np.savez(tmp_path / "params.npz", **wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=message):
            runs.load(tmp_path)


# ---- going on --------------------------------------------------------------------------

RECIPES = [
    [],
    ["--scalar", "--batch-size", "1", "--n-embd", "4"],
    ["--dropout", "0.1", "--accumulate", "2", "--clip", "0.5", "--weight-decay", "0.1", "--schedule", "cosine"],
    ["--text", "--warmup", "3", "--dtype", "float32"],
]


@pytest.mark.parametrize("recipe", RECIPES, ids=" ".join)
def test_a_training_goes_on_to_the_same_bits(
    recipe: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["train", *TINY, "--steps", "13", "--seed", "3", *recipe]
    assert main([*options, "--out", "whole"]) == 0
    from transformer import session

    class Stopping:
        """Asks for the end of the training after so many steps, as Ctrl-C does."""

        def __init__(self) -> None:
            self.left = 5

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def hold(self) -> None:
            pass

        @property
        def asked(self) -> int:
            self.left -= 1
            return signal.SIGINT * (self.left <= 0)

    monkeypatch.setattr(session, "Interrupt", Stopping)
    assert main([*options, "--out", "parts"]) == 130
    middle = len(runs.read_losses(tmp_path / "parts" / "loss.csv"))
    assert 0 < middle < 13
    monkeypatch.undo()
    os.chdir(tmp_path)
    assert main(["train", "--resume", "parts"]) == 0
    whole, parts = contents(tmp_path / "whole"), contents(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, data in whole.items():
        assert parts[name] == data, name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_keep_what_was_learned(number: int, tmp_path: Path) -> None:
    process = start(*TINY, "--steps", "100000", "--out", "run")
    assert process.stderr is not None
    while "tokens/s" not in process.stderr.readline(200):
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, err
    assert "what was learned is kept" in err and "Traceback" not in err
    assert "next: python -m transformer train --resume run" in out
    assert (tmp_path / "run" / "loss.png").exists()
    state, _, _ = runs.Run(tmp_path / "run", runs.facts("run")).open()
    assert state.step == len(runs.read_losses(tmp_path / "run" / "loss.csv")) > 0


def test_a_signal_that_comes_while_a_step_is_recorded_is_no_part_of_the_step() -> None:
    def step(x: np.ndarray) -> np.ndarray:
        signal.raise_signal(signal.SIGTERM)
        return x * x

    with Interrupt() as interrupt:
        np.testing.assert_array_equal(ag.compile(step)(np.arange(3.0)), [0, 1, 4])
        assert interrupt.asked == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interrupt.hold()
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked == signal.SIGINT


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_at_any_moment_leaves_a_whole_run_that_goes_on_to_the_same_bits(kills: int, tmp_path: Path) -> None:
    options = [*TINY, "--steps", "60"]
    assert main(["train", *options, "--out", "whole"]) == 0
    draw = random.Random(kills)
    began = time.monotonic()
    start(*options, "--out", "timed").communicate()
    longest = time.monotonic() - began
    for i in range(kills):
        process = start(*options)
        time.sleep(draw.uniform(0.2 if kills > 9 else 0.6, 1.1) * longest)
        process.kill()
        process.communicate()
        for folder in Path("runs").glob("*"):
            runs.load(folder)
            runs.load(folder, best=True)
            resumed = start("--resume", str(folder))
            if i % 2:  # kill what goes on, too
                time.sleep(draw.uniform(0.3, 1.0) * longest)
                resumed.kill()
                resumed.communicate()
                resumed = start("--resume", str(folder))
            _, err = resumed.communicate()
            assert resumed.returncode == 0, err
            assert contents(folder) == contents(tmp_path / "whole")
            shutil.rmtree(folder)


def test_what_a_kill_left_half_written_is_removed_on_going_on(run: Path) -> None:
    (run / "last.safetensors.part").write_bytes(b"half")
    assert main(["train", "--resume", "run"]) == 0
    assert not list(run.glob("*.part"))


def test_steps_may_be_raised_and_nothing_else(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option, message in (
        ("--lr 0.5", "--lr 0.5: this run was begun with 0.01"),
        ("--n-layer 2", "--n-layer 2: this run was begun with 1"),
        ("--seed 1", "--seed 1: this run was begun with 0"),
        ("--out elsewhere", "--out elsewhere: the run goes on in its own folder, run; leave --out out"),
        ("--n-kv-head 2", "--n-kv-head 2: this run was begun with its default"),
        ("--steps 39", "--steps 39 is less than the run's 40"),
    ):
        assert main(["train", "--resume", "run", *option.split()]) == 2
        assert message in capsys.readouterr().err
    assert main(["train", "--resume", "run", "--steps", "45", "--lr", "0.01"]) == 0
    assert "going on from step 40" in capsys.readouterr().out
    assert len(runs.read_losses(run / "loss.csv")) == 45
    assert main(["train", "--resume", "run"]) == 0  # nothing is left to do
    assert "after 45 steps" in capsys.readouterr().out


def test_parameters_alone_are_no_state_to_go_on_from(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(run / "best.safetensors", run / "last.safetensors")
    assert main(["train", "--resume", "run"]) == 2 and main(["sample", "run", "-n", "1"]) == 0
    assert "run/last.safetensors holds parameters and no state to go on from" in capsys.readouterr().err


def test_raised_steps_go_on_as_if_they_had_been_planned(tmp_path: Path) -> None:
    """At a learning rate that does not fall; what is measured on the way may differ."""
    options = ["train", *TINY, "--schedule", "constant"]
    assert main([*options, "--steps", "30", "--out", "whole"]) == 0
    assert main([*options, "--steps", "11", "--out", "parts"]) == 0
    assert main(["train", "--resume", "parts", "--steps", "30"]) == 0
    for name, p in runs.load("whole")[0].items():
        np.testing.assert_array_equal(runs.load("parts")[0][name], p)


def test_a_fresh_clone_goes_on_to_the_same_bits(run: Path, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "autograd", tmp_path / "clone" / "autograd")
    shutil.copytree(ROOT / "transformer", tmp_path / "clone" / "transformer")
    again = Path(shutil.copytree(trained, tmp_path / "again"))
    for folder, root in ((run, ROOT), (again, tmp_path / "clone")):
        command = [sys.executable, "-m", "transformer", "train", "--resume", str(folder), "--steps", "50"]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, check=True, capture_output=True)
    assert contents(run) == contents(again)


def test_what_a_killed_process_left_is_not_among_the_runs_and_is_cleared_later(tmp_path: Path) -> None:
    for name, age in (("old", 4000), ("new", 10)):
        left = tmp_path / f".stepgrad-{name}.part"
        left.mkdir()
        os.utime(left, (time.time() - age, time.time() - age))
    assert main(["train", *TINY, "--steps", "1"]) == 0
    assert sorted(os.listdir()) == [".stepgrad-new.part", "runs"] and os.listdir("runs") == ["001"]


def test_other_data_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words").write_text("ab\nba\nabc\n")
    assert main(["train", "--resume", "run", "--data", "words"]) == 2
    assert "words is not the data that run was trained on" in capsys.readouterr().err


def test_two_processes_do_not_go_on_with_one_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with runs.Run(run, runs.facts(run)):
        assert main(["train", "--resume", "run", "--steps", "50"]) == 2
    assert "run is being trained by another process" in capsys.readouterr().err


def test_losses_that_were_cut_are_missed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.truncate(run / "loss.csv", 100)
    assert main(["train", "--resume", "run", "--steps", "50"]) == 2
    assert "loss.csv has fewer lines than were saved" in capsys.readouterr().err


def test_the_best_parameters_are_kept_and_a_rise_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words").write_text("\n".join(["ab", "ba", "abc", "cab", "bca", "acb", "cba", "bac", "cc", "aa"]))
    options = ["--data", "words", "--steps", "200", "--lr", "0.1", "--schedule", "constant", "--out", "run"]
    assert main(["train", *TINY, *options]) == 0
    out = capsys.readouterr().out
    assert "it was lowest at step" in out and "sample --best" in out
    record = runs.Run(tmp_path / "run", runs.facts("run")).open()[1]
    rows = [(record["before"], 0)] + [
        (val, step) for step, _, val in runs.read_losses(tmp_path / "run" / "loss.csv") if val is not None
    ]
    _, record = checkpoint.load(tmp_path / "run" / "best.safetensors", runs.facts("run").record())
    assert record["best"]["step"] == min(rows)[1] < 200
    assert main(["sample", "run", "--best", "-n", "1"]) == 0
