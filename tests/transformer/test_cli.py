"""The command line, as a user meets it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
from autograd.engine.primitives import TABLE
from tests.helpers import ROOT
from transformer import Config, runs, threads
from transformer.__main__ import main
from transformer.command import main as stepgrad
from transformer.interrupt import Interrupt

ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
QUICK = ["train", "--steps", "6", "--batch-size", "4", "--n-embd", "8"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_default_training(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "transformer", "train"],
        env=ENV,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("validation loss"))
    before, after = (float(w) for w in line.replace(",", " ").split() if w[0].isdigit() and "." in w)
    assert before > 3.2 and after <= 2.10
    assert all(name in done.stdout for name in ("uniform 3.29", "unigram", "bigram", "run folder: runs/001"))
    assert done.stdout.count("(new)") + done.stdout.count("(seen)") == 20
    assert "tokens/s" in done.stderr and "val 2.0" in done.stderr
    run = tmp_path / "runs" / "001"
    rows = [line.split(",") for line in (run / "loss.csv").read_text().splitlines()]
    assert (
        rows[0] == ["step", "train_loss", "val_loss"]
        and len(rows) == 1501
        and float(rows[-1][2]) == pytest.approx(after, abs=1e-3)
    )
    from matplotlib.image import imread

    picture = imread(run / "loss.png")
    assert picture.shape[0] > 400 and len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
    assert json.loads((run / "config.json").read_text())["options"]["steps"] == 1500
    runs.load(run)


@pytest.mark.parametrize("scalar", [False, True])
def test_ctrl_c_keeps_what_was_learned(scalar: bool, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "transformer",
        "train",
        "--steps",
        "1000000",
        "--out",
        "run",
        *(["--scalar", "--batch-size", "8"] if scalar else []),
    ]
    process = subprocess.Popen(
        command, env=ENV, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "tokens/s" not in (seen := process.stderr.readline(200)):
        assert process.poll() is None, seen
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "what was learned is kept" in err and "Traceback" not in err
    assert "run folder: run" in out and (tmp_path / "run" / "loss.png").exists()
    runs.load(tmp_path / "run")


def test_a_second_ctrl_c_does_not_wait_for_the_step() -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interrupt.hold()
        signal.raise_signal(signal.SIGINT)


def test_whoever_reads_may_stop_reading(tmp_path: Path) -> None:
    command = f"{sys.executable} -m transformer params --preset gpt2 | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=ENV, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr and done.stdout.startswith("gpt2: 12 layers")


def test_sample_continues_a_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(QUICK) == 0
    capsys.readouterr()
    assert main(["sample", "runs/001", "--prompt", "em", "--temperature", "0.5", "-n", "7", "--top-k", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and all(line.startswith("em") for line in lines)


def test_own_data_text_and_scalars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.txt").write_text("über\nunder\nounce\nabout\n" * 3, encoding="utf-8")
    assert main([*QUICK, "--data", "words.txt", "--steps", "2", "--scalar", "--block-size", "4"]) == 0
    out = capsys.readouterr().out
    assert "12 documents are longer than block_size=4" in out
    assert runs.load("runs/001")[2].chars == "".join(sorted(set("überunderounceabout")))
    assert main([*QUICK, "--data", "words.txt", "--text"]) == 0
    assert "windows of a text" in capsys.readouterr().out


def test_check_compares_every_parameter_tensor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = ["check", "--n-embd", "4", "--n-head", "2", "--batch-size", "1"]
    assert main(tiny) == 0
    printed = capsys.readouterr()
    assert (
        all(kind in printed.out for kind in ("Tensors, float64", "Tensors, float32", "Values"))
        and "27 of 27 parameter tensors hold" in printed.out
    )
    assert "27/27" in printed.err or "tensor/s" in printed.err
    monkeypatch.setattr(TABLE["softmax"], "vjps", (lambda g, out, x: 1.9 * g * out,))
    assert main(tiny) == 1
    assert "wrong" in capsys.readouterr().out


def test_parameter_tables(capsys: pytest.CaptureFixture[str]) -> None:
    for preset, total in (("gpt2", "124,439,808"), ("gpt2-large", "774,030,080"), ("gpt3", "174,604,259,328")):
        assert main(["params", "--preset", preset]) == 0
        out = capsys.readouterr().out
        assert out.splitlines()[-1].split() == ["total", total] and "h0.attn.wq" in out


def test_every_field_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = capsys.readouterr().out
    for field in dataclasses.fields(Config):
        assert f"--{field.name.replace('_', '-')} " in text
    assert (
        main(
            [
                *QUICK,
                "--norm",
                "layer",
                "--bias",
                "mlp",
                "--tied",
                "true",
                "--dtype",
                "float32",
                "--positions",
                "sinusoidal",
            ]
        )
        == 0
    )
    config = runs.load("runs/001")[1]
    assert (config.norm, config.bias, config.tied, config.dtype, config.positions) == (
        "layer",
        "mlp",
        True,
        "float32",
        "sinusoidal",
    )


def test_a_diverging_run_keeps_the_last_good_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--lr", "1e300"]) == 1
    assert "loss became" in capsys.readouterr().err
    assert all(np.isfinite(p).all() for p in runs.load("runs/001")[0].values())


def test_a_run_whose_losses_are_finite_and_whose_logits_are_not_has_diverged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "--steps", "3", "--n-embd", "4", "--n-head", "1", "--lr", "1e300", "--out", "run"]) == 1
    printed = capsys.readouterr()
    assert "the training diverged, by step 1: the logits are nan or inf" in printed.err
    assert "after 0 steps" in printed.out and "run folder: run" in printed.out and "overflow" not in printed.err
    assert np.isfinite([np.abs(p).max() for p in runs.load("run")[0].values()]).all()
    assert main(["sample", "run", "-n", "1"]) == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["sample", "run", "--prompt", "\udcff\udcfe"], "is not UTF-8 text, at character 0"),
        (["debug", "--text", "a\udcff"], "is not UTF-8 text, at character 1"),
        (["draw", "--text", "\udcff"], "is not UTF-8 text"),
        (["lens", "run", "--patch-from", "\udcff"], "is not UTF-8 text"),
        (["debug", "--text", ""], "--text: the text is empty"),
        (["draw", "--text", ""], "--text: the text is empty"),
        (["lens", "run", "--text", ""], "--text: the text is empty"),
        (["report", "run", "--text", ""], "--text: the text is empty"),
    ],
)
def test_what_is_no_text_is_answered_in_a_line(
    command: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(command)
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train --preset gpt5", "invalid choice: 'gpt5'"),
        ("train --layers 3", "unrecognized arguments: --layers"),
        ("train --n-embd 10 --n-head 4", "n_embd=10 is not divisible by n_head=4"),
        ("train --norm batch", "'batch' is none of layer, rms"),
        ("train --lr -0.1", "'-0.1' is not a finite number from 0 on"),
        ("train --lr nan", "'nan' is not a finite number from 0 on"),
        ("train --steps 0", "'0' is not a whole number"),
        ("train --data missing.txt", "missing.txt cannot be read"),
        ("train --data empty.txt", "empty.txt is empty"),
        ("train --data latin.txt", "latin.txt is not UTF-8"),
        ("train --vocab-size 5", "--vocab-size 5 is too small"),
        ("train --out taken", "--out taken is there already"),
        ("train --seed -1", "'-1' is not a whole number from 0 on"),
        ("train --preset gpt3", "and this machine has"),
        ("sample missing", "missing is not a run folder"),
        ("sample runs/001 --prompt Éa", "the vocabulary has no 'É'"),
        ("sample runs/001 --temperature -1", "temperature=-1"),
    ],
)
def test_bad_input(command: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfeab")
    (tmp_path / "taken").write_text("")
    if "sample runs" in command:
        main(QUICK)
    try:
        status = main(command.split())
    except SystemExit as exit:
        status = exit.code  # type: ignore[assignment]
    err = capsys.readouterr().err
    assert status == 2 and message in err and "Traceback" not in err


def test_draw_and_play(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "--out", "graph.svg"]) == 0
    assert capsys.readouterr().out == "graph.svg\n"
    assert "block × 4" in Path("graph.svg").read_text()
    assert main(["draw", "--play"]) == 0
    assert capsys.readouterr().out.startswith("backprop.html: open it in a browser")
    assert Path("backprop.html").read_text().count("<li data-") > 200
    assert main(["draw", "--scalar", "--n-layer", "1", "--zoom", "softmax"]) == 2
    assert "is of single Values already" in capsys.readouterr().err
    assert main(["draw", "--zoom", "softmax", "--out", "z.gv"]) == 0
    assert "as single Values" in Path("z.gv").read_text()
    assert main(["draw", "--open", "attentoin"]) == 2
    assert "did you mean attention?" in capsys.readouterr().err


def test_a_picture_that_cannot_be_made_is_an_error_in_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["draw", "--out", "graph.png"]) == 2
    assert "that takes Graphviz's `dot` on the PATH; svg does not" in capsys.readouterr().err
    assert not Path("graph.png").exists()


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = command.replace("transformer", f"{sys.executable} -m transformer", 1)
    return subprocess.run(["bash", "-c", command], env=ENV, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        "train --batch-size 999999999999",
        "train --n-layer 99999999",
        "train --n-layer 99999999999999999",
        "train --n-embd 99999996",
        "train --block-size 99999999999",
        "train --vocab-size 999999999999",
        "train --scalar --preset gpt2",
        "train --scalar --batch-size 99999999",
        "check --preset gpt2",
        "check --preset gpt3 --n-layer 9999999",
        "debug --preset gpt3 --n-layer 96 --n-embd 99996",
        "draw --n-layer 99999999",
        "train --as text --block-size 99999999999",
    ],
)
def test_sizes_that_cannot_be_are_refused_at_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert "and this machine has" in said or "too few for windows" in said
    assert said.count("\n") == 1 and not list(tmp_path.iterdir())


def test_long_blocks_that_no_document_fills_cost_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--positions", "sinusoidal", "--block-size", "99999999999"]) == 0


def test_a_file_is_named_as_it_comes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "poems.txt").write_text("roses are red\nviolets are blue\nsugar is sweet\n" * 5)
    assert main([*QUICK, "poems.txt"]) == 0
    assert "documents to train on" in capsys.readouterr().out
    for flag in (["--as", "text"], ["--text"]):  # --text is version 0.1's
        assert main([*QUICK, "poems.txt", *flag]) == 0
        assert "windows of a text" in capsys.readouterr().out
    assert json.loads((tmp_path / "runs/003/config.json").read_text())["options"]["as"] == "text"
    assert main([*QUICK, "poems.txt", "--data", "poems.txt"]) == 2
    assert "the data is given twice" in capsys.readouterr().err


def test_a_wrong_value_is_answered_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train --steps x", "train --preset nothing", "sample", "", "fly", "train --schedule never"):
        with pytest.raises(SystemExit):
            main(command.split())
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "error: " in said and "--help" in said, said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main(["--version"])
    assert info.value.code == 0 and capsys.readouterr().out == f"stepgrad {ag.__version__}\n"


def test_closed_streams_are_no_traceback(tmp_path: Path) -> None:
    train = "transformer train --steps 2 --n-embd 8 --batch-size 2"
    for command, status in (
        ("transformer params >&-", 0),
        ("transformer params --help | true", 0),
        (f"{train} >&-", 0),
        (f"{train} >&- 2>&-", 0),
        (f"{train} 2>&- | head -1", 0),
        ("transformer params --preset gpt2 --n-layer 0 2>&-", 2),
    ):
        done = shell(f"set -o pipefail; {command}", tmp_path)
        assert done.returncode == status and "Traceback" not in done.stderr and "Exception" not in done.stderr, command
    assert len(list((tmp_path / "runs").iterdir())) == 3


@pytest.mark.parametrize("out", ["my run", "a'b", "-x", "$HOME", "é;ls"])
def test_printed_commands_can_be_pasted_into_a_shell(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUICK, f"--out={out}"]) == 0
    command = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("next: ")).split(" ", 1)[1]
    done = shell(command.replace("python -m ", "") + " -n 1", tmp_path)
    assert done.returncode == 0 and not done.stderr


def test_one_command_has_the_commands_of_both_packages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stepgrad(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("train", "SCRIPT.py", "MODULE:FUNCTION", "exercise"))
    assert stepgrad([]) == 2
    capsys.readouterr()
    assert stepgrad([*QUICK, "--out", "run"]) == 0
    assert "next: stepgrad sample run" in capsys.readouterr().out
    assert stepgrad(["sample", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("stepgrad sample: error: nowhere")
    (tmp_path / "mine.py").write_text("def square(x=3.0):\n    return x * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert stepgrad(["check", "mine:square"]) == 0
    assert "gradcheck of square: passed" in capsys.readouterr().out
    (tmp_path / "script.py").write_text("print('ran')\n")
    assert stepgrad(["debug", "script.py"]) == 0
    assert "ran" in capsys.readouterr().out
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert stepgrad(["debug", "run"]) == 0


def test_threads_are_chosen_by_size_told_and_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    small, large = Config.preset("nano"), Config.preset("gpt2")
    assert threads.chosen(small, 12 * 64) == 1
    assert threads.chosen(large, 1024) == len(os.sched_getaffinity(0))
    with threads.limited(1):
        assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"} == {1}
    assert main(QUICK) == 0
    assert "1 thread for products of matrices, what pays at this size; --threads sets it" in capsys.readouterr().out
    assert main([*QUICK, "--threads", "2"]) == 0
    assert "2 threads for products of matrices\n" in capsys.readouterr().out
    assert json.loads(Path("runs/002/config.json").read_text())["options"]["threads"] == 2
