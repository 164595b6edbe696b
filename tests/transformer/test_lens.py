"""The lens: what it says is what the model computes, and its page stands by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from tests.chromium import calm, chromium
from tests.transformer.pretrained import gguf_writer
from tests.transformer.pretrained.test_llama import fresh
from tests.transformer.pretrained.test_llama_files import CONFIG as FILE
from transformer import Config, lens, logits, save_gpt2
from transformer.__main__ import main
from transformer.layers import cross_entropy, softmax

TINY = {"vocab_size": 13, "n_layer": 3, "n_head": 2, "n_embd": 8, "block_size": 9, "dtype": "float64"}
CONFIGS = [
    Config.preset("llama", **TINY, tied=False),
    Config.preset("gpt2", **TINY),
    Config.preset("vanilla", **TINY),
    Config.preset("microgpt", **TINY),
]
TEXT, OTHER = np.array([1, 5, 2, 7, 6]), np.array([1, 5, 9, 7, 6])


def log_p(params: dict[str, np.ndarray], tokens: np.ndarray, config: Config, token: int) -> float:
    return float(-cross_entropy(logits(params, tokens, config)[-1:], np.array([token])))


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_after_every_layer_it_says_what_a_model_of_so_many_layers_says(config: Config) -> None:
    params = fresh(config)
    found = lens.read(params, TEXT, config)
    assert found.ids.shape == found.chances.shape == (4, 5, 5)
    for n in range(1, 4):
        chances = softmax(logits(params, TEXT, dataclasses.replace(config, n_layer=n)))
        order = np.argsort(-chances, axis=-1)[:, :5]
        np.testing.assert_array_equal(found.ids[n], order)
        np.testing.assert_allclose(found.chances[n], np.take_along_axis(chances, order, axis=-1), rtol=1e-12)
    assert [x.shape for x in found.attention] == [(2, 5, 5)] * 3 and [x.shape for x in found.streams] == [(5, 8)] * 4
    for weights in found.attention:
        np.testing.assert_allclose(weights.sum(axis=-1), 1)
        assert not np.triu(weights, 1).any()


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_the_gradients_are_those_of_finite_differences(config: Config) -> None:
    params = fresh(config)
    found = lens.read(params, TEXT, config)
    pulls = lens.pulls(params, TEXT, found, config, 3)
    rng = np.random.default_rng(0)
    for layer in range(config.n_layer + 1):
        way = rng.normal(size=(5, 8))

        def said(h: float, layer: int = layer, way: np.ndarray = way) -> float:
            scores = logits(params, TEXT, config, look=lambda i, x: x + h * way if i == layer else x)
            return float(-cross_entropy(scores[-1:], np.array([3])))

        assert (pulls[layer] * way).sum() == pytest.approx((said(1e-6) - said(-1e-6)) / 2e-6, rel=1e-5, abs=1e-8)
    if not config.tied and not config.embed_norm:
        slopes = ag.grad(lambda p: log_p_of(p, config))(params)["wte"]
        np.testing.assert_allclose(slopes[TEXT], pulls[0], atol=1e-12)


def log_p_of(params: Any, config: Config) -> Any:
    return -cross_entropy(logits(params, TEXT, config)[-1:], np.array([3]))


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_a_replaced_output_is_that_of_the_other_text(config: Config) -> None:
    params = fresh(config)
    before = log_p(params, TEXT, config, 3)
    own, theirs = (lens.read(params, tokens, config).streams for tokens in (TEXT, OTHER))
    for same in lens.patched(params, TEXT, own, config, 3):
        np.testing.assert_allclose(same.change, 0, atol=1e-12)
    found = list(lens.patched(params, TEXT, theirs, config, 3))
    assert len(found) == 4
    want = log_p(params, OTHER, config, 3) - before
    assert abs(want) > 1e-3
    # A token's embedding is all of it that the layers see, and the last output all that the prediction sees.
    np.testing.assert_allclose(found[0].change, [0, 0, want, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found[-1].change, [0, 0, 0, 0, want], atol=1e-12)
    assert found[-1].said[-1] == logits(params, OTHER, config)[-1].argmax()
    for patch in found:
        np.testing.assert_allclose(patch.change[:2], 0, atol=1e-12)


# ---- the page ---------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_page_of_a_llama_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install '.[llm]'")
    gguf_writer.save(here / "<b>.gguf", fresh(FILE), FILE)
    assert main(["lens", "--model", "<b>.gguf", "--text", "the <i> &", "--patch-from", "he the a b c"]) == 0
    assert "lens.html: open it in a browser" in capsys.readouterr().out
    page = (here / "lens.html").read_text()
    for said in (
        "What it would say after every layer", "The five likeliest after", "Which token made it say", "without it",
        "What if a part of it were of another text?", "“he the a b c”", "layer 2, head 5", "&lt;b&gt;.gguf reads",
    ):  # fmt: skip
        assert said in page
    assert "<i> &" not in page and "src=" not in page and "http" not in page.replace("http-equiv", "")
    assert main(["lens", "<b>.gguf", "--text", "the t", "--token", "1", "--out", "x.html"]) == 0
    page = (here / "x.html").read_text()
    assert "its prediction of <b>he</b>" in page and "reads “t”" in page and "nothing but &lt;|end|&gt;" in page


def test_pages_of_a_run_and_of_a_gpt2_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--steps", "3", "--n-embd", "4", "--n-head", "2", "--out", "run"]) == 0
    assert main(["lens", "run"]) == 0
    page = (here / "lens.html").read_text()
    assert "run reads “emma”" in page and "nothing but ·" in page
    assert main(["lens", "run", "--text", "emma", "--token", "3", "--patch-from", "anna"]) == 0
    page = (here / "lens.html").read_text()
    assert "reads “emm”" in page and page.count("<figcaption>") == page.count("</figcaption>") == 2
    assert main(["lens", "run", "--text", "emma", "--token", "-1", "--patch-from", "anna"]) == 0  # from the end
    assert (here / "lens.html").read_text() == page
    config = Config.preset("gpt2", vocab_size=30, n_layer=1, n_head=2, n_embd=8, block_size=12)
    save_gpt2("small", fresh(config), config)
    assert main(["lens", "small"]) == 2
    assert "has no tokenizer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "e" * 40], "the text has 40 tokens; a page shows 1 to 15 of this model"),
        (["--text", "emma", "--patch-from", "em"], "--patch-from: 'em' has 2 tokens, 'e', 'm'; 4 are needed"),
        (["--text", "emma", "--token", "9"], "--token 9: the text has 0 'e', 1 'm'"),
        (["--text", "emma", "--token", "z"], "--token z: the text has"),
        (["--text", "É"], "the vocabulary has no 'É'"),
        (["--out", "nowhere/x.html"], "nowhere"),
    ],
)
def test_what_does_not_fit_is_an_error_in_a_line(
    options: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--steps", "1", "--n-embd", "4", "--n-head", "2", "--out", "run"]) == 0
    capsys.readouterr()
    assert main(["lens", "run", *options]) == 2
    said = capsys.readouterr().err
    assert message in said and said.strip().count("\n") == 0


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    yield from chromium(tmp_path / "profile", size="390,844")


@pytest.mark.slow
def test_the_page_reads_well_on_a_phone(here: Path, browser: Any) -> None:
    assert main(["train", "--steps", "3", "--n-embd", "4", "--n-head", "2", "--out", "run"]) == 0
    assert main(["lens", "run", "--text", "marianna"]) == 0
    browser.get((here / "lens.html").as_uri())
    calm(browser)
    wide, seen = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= seen
    browser.execute_script("document.querySelector('summary').click()")
    assert browser.execute_script("return document.querySelectorAll('details[open] svg').length") == 2
    low = browser.execute_script(
        "return [...document.querySelectorAll('td.low')].map((e) => getComputedStyle(e).backgroundColor)"
    )
    assert low and all(colour != "rgba(0, 0, 0, 0)" for colour in low)
