"""GPT-2 in and out: folders as Hugging Face's transformers library has them, and what takes them."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import autograd as ag
from transformer import Config, load, load_gpt2, logits, loss, save_gpt2
from transformer.__main__ import main
from transformer.config import shapes
from transformer.pretrained.gpt2 import layout

TINY = Config.preset("gpt2", vocab_size=30, n_layer=2, n_head=2, n_embd=8, block_size=12)
TOKENS = np.random.default_rng(0).integers(30, size=(2, 9))


def fresh(config: Config, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: rng.normal(0.2, 0.3, s).astype(config.dtype) for k, s in shapes(config).items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_gpt2(tmp_path / "gpt2", fresh(TINY), TINY)
    return tmp_path / "gpt2"


def test_what_was_written_is_read(folder: Path) -> None:
    params, config = load_gpt2(folder)
    assert config == TINY and list(params) == list(shapes(TINY))
    for name, p in fresh(TINY).items():
        np.testing.assert_array_equal(params[name], p)
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    "changes",
    [
        {"tied": False},
        {"bias": False},
        {"bias": "mlp"},
        {"norm_gain": False},
        {"activation": "relu"},
        {"dtype": "float64"},
    ],
    ids=str,
)
def test_neighbours_of_gpt2_compute_the_same_when_read_again(changes: Any, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, **changes)
    params = fresh(config)
    save_gpt2(tmp_path, params, config)
    again, found = load_gpt2(tmp_path)
    assert found.tied == config.tied and found.activation == config.activation and found.dtype == config.dtype
    np.testing.assert_allclose(logits(again, TOKENS, found), logits(params, TOKENS, config), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "rms"},
        {"norm_position": "post"},
        {"embed_norm": True},
        {"positions": "sinusoidal"},
        {"final_norm": False},
        {"activation": "swiglu"},
        {"n_kv_head": 1},
        {"head_size": 2},
        {"n_hidden": 16},
        {"norm_eps": 1e-6},
    ],
    ids=str,
)
def test_a_model_that_gpt2_cannot_be_is_refused(changes: Any, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, **changes)
    with pytest.raises(ValueError, match=f"save_gpt2: {next(iter(changes))}="):
        save_gpt2(tmp_path / "x", fresh(config), config)
    with pytest.raises(ValueError, match="wte differ"):
        save_gpt2(tmp_path / "x", {**fresh(TINY), "wte": np.ones((2, 2), np.float32)}, TINY)
    assert not (tmp_path / "x").exists()


def peer(tmp_path: Path, **shape: Any) -> Any:
    """A model made at random by the transformers library, and the folder it writes."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    hf = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[peers]'")
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    torch.manual_seed(0)
    model = hf.GPT2LMHeadModel(hf.GPT2Config(**shape)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.02)
    model.save_pretrained(tmp_path / "theirs")
    return model


def compare(model: Any, params: dict[str, np.ndarray], config: Config, tokens: np.ndarray) -> None:
    """Logits to 1e-4 and gradients to 1e-3, in float32."""
    import torch

    ids = torch.tensor(tokens)
    theirs = model(ids[:, :-1]).logits
    np.testing.assert_allclose(logits(params, tokens[:, :-1], config), theirs.detach().numpy(), atol=1e-4)
    want = torch.nn.functional.cross_entropy(theirs.reshape(-1, config.vocab_size), ids[:, 1:].reshape(-1))
    model.zero_grad()
    want.backward()
    value, grads = ag.value_and_grad(loss)(params, tokens, config)
    assert value == pytest.approx(want.item(), abs=1e-4)
    slopes = {name.removeprefix("transformer."): p.grad.numpy() for name, p in model.named_parameters()}
    for name, parts in layout(config):
        got = np.concatenate([grads[part] for part in parts], axis=-1)
        wanted = slopes[name].T if name == "lm_head.weight" else slopes[name]
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False}, {"activation_function": "relu"}], ids=str)
def test_the_transformers_library_agrees_in_and_out(changes: Any, tmp_path: Path) -> None:
    shape = {"n_layer": 2, "n_head": 2, "n_embd": 8, "vocab_size": 30, "n_positions": 12, **changes}
    model = peer(tmp_path, bos_token_id=29, eos_token_id=29, **shape)
    params, config = load_gpt2(tmp_path / "theirs")
    compare(model, params, config, TOKENS)
    save_gpt2(tmp_path / "ours", params, config)
    again = type(model).from_pretrained(tmp_path / "ours").eval()
    for (name, p), q in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert (p == q).all(), name


@pytest.mark.slow
def test_the_transformers_library_agrees_at_full_size(tmp_path: Path) -> None:
    model = peer(tmp_path)
    params, config = load_gpt2(tmp_path / "theirs")
    assert config == Config.preset("gpt2")
    compare(model, params, config, np.random.default_rng(0).integers(50257, size=(1, 33)))


def test_names_without_a_prefix_buffers_and_half_precision_as_published(folder: Path) -> None:
    arrays = load_file(folder / "model.safetensors")
    arrays = {name.removeprefix("transformer."): a.astype(np.float16) for name, a in arrays.items()}
    arrays["h.0.attn.bias"] = np.tril(np.ones((1, 1, 12, 12), np.uint8))
    arrays["h.0.attn.masked_bias"] = np.array(-1e4, np.float32)
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})
    params, config = load_gpt2(folder)
    assert config == TINY and params["wte"].dtype == np.float32
    np.testing.assert_array_equal(params["wte"], fresh(TINY)["wte"].astype(np.float16))


# ---- damaged, foreign and hostile files ------------------------------------------------


def edit(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        record = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**record, **changes}))

    return change


def arrays(change: Callable[[dict[str, np.ndarray]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors", {"format": "pt"})

    return apply


WTE = "transformer.wte.weight"
HOSTILE = {
    "no arrays": lambda folder: (folder / "model.safetensors").unlink(),
    "arrays cut": lambda folder: os.truncate(folder / "model.safetensors", 1000),
    "deep": lambda folder: (folder / "config.json").write_text('{"model_type": "gpt2", "a": ' + "[" * 100_000),
    "another model": edit(model_type="llama"),
    "no type": edit(model_type=None),
    "endless layers": edit(n_layer=10**12),
    "fewer layers than there are": edit(n_layer=1),
    "no width": edit(n_embd=None),
    "odd width": edit(n_embd="8"),
    "more heads": edit(n_head=3),
    "another activation": edit(activation_function="gelu"),
    "an activation that is a list": edit(activation_function=["relu"]),
    "a wider MLP": edit(n_inner=16),
    "another epsilon": edit(layer_norm_epsilon=1e-6),
    "other scores": edit(scale_attn_by_inverse_layer_idx=True),
    "cross attention": edit(add_cross_attention=True),
    "another vocabulary": edit(vocab_size=31),
    "untied without a head": edit(tie_word_embeddings=False),
    "tied in words": edit(tie_word_embeddings="yes"),
    "nan": arrays(lambda a: a.update({WTE: a[WTE] * np.nan})),
    "integers": arrays(lambda a: a.update({WTE: a[WTE].astype(int)})),
    "a scalar": arrays(lambda a: a.update({WTE: np.array(1, np.float32)})),
    "turned": arrays(lambda a: a.update({WTE: a[WTE].T.copy()})),
    "a tensor less": arrays(lambda a: a.pop("transformer.h.1.mlp.c_fc.bias")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_folder_that_does_not_fit_is_an_error_in_a_line(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    HOSTILE[kind](folder)
    with pytest.raises(ValueError, match="gpt2"):
        load_gpt2(folder)
    assert main(["debug", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"nowhere is no GPT-2 folder: it has no config\.json"):
        load_gpt2("nowhere")
    with pytest.raises(ValueError, match="nowhere is not a run folder"):
        load("nowhere")


# ---- text, and the commands ------------------------------------------------------------


@pytest.fixture
def with_text(folder: Path) -> Path:
    """A folder with a byte-pair tokenizer of its own."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install '.[peers]'")
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(["emma and anna eat an emmental"] * 9, vocab_size=270, special_tokens=["<|endoftext|>"])
    config = dataclasses.replace(TINY, vocab_size=made.get_vocab_size())
    shutil.rmtree(folder)
    save_gpt2(folder, fresh(config), config)
    edit(eos_token_id=0, bos_token_id=0)(folder)
    made.save(str(folder / "tokenizer.json"))
    return folder


def test_text_goes_through_the_tokenizer_of_the_folder(with_text: Path) -> None:
    model = load(with_text)
    assert model.tokenizer.boundary == 0 and model.tokenizer.size == model.config.vocab_size
    ids = model.tokenizer.encode("emma anna é")
    assert model.tokenizer.decode(ids) == "emma anna é" and len(ids) < 11
    assert model.tokenizer.decode([*ids, 0, 5]) == "emma anna é"
    text = json.loads((with_text / "tokenizer.json").read_text())["model"]
    (with_text / "tokenizer.json").unlink()
    (with_text / "vocab.json").write_text(json.dumps(text["vocab"]))
    pairs = [" ".join(m) if isinstance(m, list) else m for m in text["merges"]]
    (with_text / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n")
    assert load(with_text).tokenizer.encode("emma anna é") == ids
    assert load(with_text).tokenizer.decode(ids) == "emma anna é"


def test_commands_take_a_folder_where_they_take_a_run(
    with_text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.move(with_text, tmp_path / "small")
    assert main(["sample", "small", "--prompt", "emma", "-n", "3", "--length", "4"]) == 0
    lines = capsys.readouterr().out
    assert lines.startswith("emma")
    assert main(["draw", "small", "--text", "emma anna", "--out", "x.gv"]) == 0
    assert main(["draw", "small", "--n-layer", "3"]) == 2
    assert "--n-layer is for a fresh model; small has a shape of its own" in capsys.readouterr().err
    assert main(["sample", "small", "--best"]) == 2
    with open(os.devnull) as nothing:  # the prompt ends at once
        monkeypatch.setattr("sys.stdin", nothing)
        assert main(["debug", "small"]) == 0


def test_a_run_is_debugged_drawn_and_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--steps", "3", "--n-embd", "4", "--n-head", "2", "--out", "run"]) == 0
    assert main(["draw", "run", "--out", "x.gv"]) == 0
    assert main(["check", "run", "--batch-size", "1"]) == 0
    assert "27 of 27 parameter tensors hold" in capsys.readouterr().out
    assert main(["draw", "run", "--text", "É"]) == 2
    assert "the vocabulary has no 'É'" in (said := capsys.readouterr().err) and "'e' for 'É'" in said


def test_without_a_tokenizer_only_text_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load(folder)
    assert model.tokenizer.boundary == 29
    with pytest.raises(ValueError, match="has no tokenizer: neither"):
        model.tokenizer.encode("emma")
    (folder / "tokenizer.json").write_text("{}")
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install '.[peers]'")
    assert main(["sample", str(folder)]) == 2
    assert "the tokenizer of" in capsys.readouterr().err
