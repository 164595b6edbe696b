"""The page about a run: what it says, and that it stands in a real browser, also while training goes on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.chromium import calm, chromium
from tests.helpers import ROOT
from transformer import report, runs
from transformer.__main__ import main
from transformer.charts import curves, heat

ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    words = "".join(f"{w}<b>&\n" for w in ("ab", "ba", "abc", "cab", "bca", "acb", "cba", "bac", "cc", "aa"))
    (folder / "words.txt").write_text(words)
    options = ["--n-layer", "2", "--n-embd", "8", "--steps", "40", "--out", str(folder / "a<i>run")]
    assert main(["train", str(folder / "words.txt"), *options]) == 0
    return folder / "a<i>run"


def test_what_stands_on_the_page(trained: Path) -> None:
    page = report.page(trained, "ab<b>")
    assert page.count("<svg") == page.count("</svg>") and "<i>" not in page and "a&lt;i&gt;run" in page
    assert all(f"<h2>{part}" in page for part in ("Loss", "Inside", "Attention", "Embedding", "Samples"))
    assert page.count("attention of layer") == 2 * 4 and page.count('class="histogram"') == len(runs.load(trained)[0])
    assert all(name in page for name in ("uniform", "unigram", "bigram", "step 0", "step 40", "h1.mlp.w1"))
    assert not re.search(r"https?://|src=|@import|url\(", page) and "reload" not in page
    rows = runs.read_losses(trained / "loss.csv")
    best = min((val, step) for step, _, val in rows if val is not None)
    assert f"lowest validation loss {best[0]:.4f} at step {best[1]}" in page


def test_attention_is_the_models_own(trained: Path) -> None:
    """Rows of each map sum to 1, so that the first, which sees itself only, is all of the first square."""
    params, config, vocabulary = runs.load(trained)
    page = report._attention(params, config, vocabulary, "abc")
    for figure in page.split("<figure>")[1:]:
        assert re.search(r'<path opacity="1\.00" d="M\d+ \d+h12', figure)
    assert page.count("layer 1, head 3") == 2


def test_grads_and_dead_units_are_those_of_the_step(trained: Path) -> None:
    lines = (trained / "grads.csv").read_text().splitlines()
    assert lines[0] == "step,tensor,gradient,update,dead"
    params, config, _ = runs.load(trained)
    rows = [line.split(",") for line in lines[1:]]
    assert {row[1] for row in rows} == set(params) and rows[-1][0] == "40"
    for _, name, gradient, update, dead in rows:
        assert float(gradient) > 0 and float(update) > 0
        assert (0 <= int(dead) <= 4 * config.n_embd) if name.endswith(".w1") else not dead


def test_the_command(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"{run}/report.html: open it in a browser\n"
    assert main(["report", str(run), "--live", "--out", str(tmp_path / "page.html"), "--text", "ab"]) == 0
    assert "reload" not in (tmp_path / "page.html").read_text()  # nothing is trained there
    capsys.readouterr()
    assert main(["report", str(run), "--text", "xyz"]) == 2
    assert "the vocabulary has no 'x'" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none")]) == 2
    for name in ("grads.csv", "samples.jsonl", "loss.csv"):  # as of version 0.1, or lost
        (run / name).unlink()
        assert main(["report", str(run)]) == 0
    (run / "grads.csv").write_text((trained / "grads.csv").read_text()[:-9])  # a line that is being written
    (run / "loss.csv").write_text((trained / "loss.csv").read_text()[:-3])
    assert main(["report", str(run)]) == 0


def test_damaged_logs_are_an_error_in_a_line(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (
        ("grads.csv", "step\n1,2\n"), ("loss.csv", "step\nx,y,z\n"), ("loss.csv", "a\n1\n"),
        ("samples.jsonl", "{\n"), ("samples.jsonl", "[]\n"), ("samples.jsonl", '{"step": 1}\n'),
    ):  # fmt: skip
        run = Path(shutil.copytree(trained, tmp_path / "run"))
        (run / name).write_text(text)
        assert main(["report", str(run)]) == 2, name
        said = capsys.readouterr().err
        assert name in said and said.count("\n") == 1
        shutil.rmtree(run)


def test_charts_of_odd_numbers() -> None:
    for line in ([(0, 1.0)], [(0, 2.0), (1, 2.0)], [(0, float("nan")), (1, 3.0)], [(0, -1e9), (5, 1e9)]):
        assert "nan" not in curves({"training": line}, {}, "x")
    assert curves({"training": []}, {}, "x") == curves({}, {}, "x")
    assert "<path opacity" not in heat(np.zeros((2, 2)), ["a", "b"], ["c", "d"], "x")


def test_live_while_training_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "transformer"]
    training = subprocess.Popen(
        [*command, "train", "--steps", "1000000", "--out", "run"],
        env=ENV, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert training.stderr is not None
    while "tokens/s" not in training.stderr.readline(200):
        assert training.poll() is None
    live = subprocess.Popen(
        [*command, "report", "run", "--live"], env=ENV, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert live.stdout is not None and "report.html: open it" in live.stdout.readline()
    page = tmp_path / "run" / "report.html"
    assert "reload" in page.read_text() and "training goes on" in page.read_text()
    training.send_signal(signal.SIGTERM)
    training.communicate(timeout=30)
    live.communicate(timeout=30)
    assert live.returncode == 0 and "reload" not in page.read_text()


# ---- in a browser ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from chromium(tmp_path_factory.mktemp("chromium"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(browser: Any, trained: Path, tmp_path: Path, width: int, scheme: str) -> None:
    (tmp_path / "page.html").write_text(report.page(trained), encoding="utf-8")
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(f"file://{tmp_path}/page.html")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width, "nothing sticks out"
    ink, paper = browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor].map((c) => +c.match(/\\d+/)[0])"
    )
    assert (ink < 60 < 200 < paper) if scheme == "light" else (paper < 60 < 200 < ink)
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('svg')].map((s) => s.getBoundingClientRect()).filter((r) => r.width > 20 "
        "&& r.height > 10).length == document.querySelectorAll('svg').length"
    )
    texts = browser.execute_script(
        "return [...document.querySelectorAll('.curves text')].map((t) => t.getBoundingClientRect().height)"
    )
    assert drawn and min(texts) > 8, "large enough to read"
    calm(browser)
