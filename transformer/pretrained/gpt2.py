"""GPT-2 in and out: the folders that Hugging Face's transformers library reads and writes.

config.json says the shape, model.safetensors holds the parameters. Theirs are (in, out), as
here; queries, keys and values share one matrix there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from transformer import checkpoint
from transformer.base import Params, Weights
from transformer.checkpoint import Json
from transformer.config import Config, fitting
from transformer.pretrained import huggingface
from transformer.pretrained.huggingface import ARRAYS, CONFIG

SHAPE = {"vocab_size": "vocab_size", "n_layer": "n_layer", "n_head": "n_head", "n_embd": "n_embd",
         "block_size": "n_positions"}  # fmt: skip
ACTIVATIONS = {"gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "relu"}
# What this model does, and has no field for.
FIXED = {
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}


def load_gpt2(folder: str | Path) -> tuple[Weights, Config]:
    """Parameters and Config of a Hugging Face GPT-2 folder.

    >>> config = Config.preset("gpt2", vocab_size=11, n_layer=1, n_head=2, n_embd=8, block_size=8)
    >>> save_gpt2("tiny", init(config, np.random.default_rng(0)), config)
    >>> params, read = load_gpt2("tiny")
    >>> read == config, params["wte"].dtype
    (True, dtype('float32'))

    float16 and bfloat16 become float32. Raises ValueError, saying what is wrong, for a folder that is
    missing, damaged, or of a model that this one cannot be.
    """
    folder = Path(folder)
    found = huggingface.facts(folder, "gpt2")
    arrays = {name.removeprefix("transformer."): a for name, a in huggingface.arrays(folder).items()}
    wide = any(a.dtype == np.float64 for a in arrays.values())
    dtype = "float64" if wide else "float32"
    config = _config(found, dtype, folder)
    params: Weights = {}
    if config.n_layer > len(arrays):  # the file may promise any number
        raise ValueError(
            f"{folder / CONFIG} says {config.n_layer:,} layers, and {ARRAYS} holds {len(arrays):,} arrays; was it cut?"
        )
    for theirs, ours in layout(config):
        a = arrays.pop(theirs, None)
        if a is None or a.shape[-1:] == () or a.shape[-1] % len(ours):
            raise ValueError(f"{folder / ARRAYS} has no {theirs} that fits config.json; was it cut or mixed?")
        if a.dtype.kind != "f":
            raise ValueError(f"{folder / ARRAYS}: {theirs} is {a.dtype}; expected floating-point numbers")
        a = a.T if theirs == "lm_head.weight" else a
        for name, part in zip(ours, np.split(a, len(ours), axis=-1), strict=True):
            params[name] = np.ascontiguousarray(part, dtype)
    if odd := [name for name in arrays if not name.endswith((".attn.bias", ".attn.masked_bias", "lm_head.weight"))]:
        raise ValueError(f"{folder / ARRAYS} holds more than config.json says: {', '.join(odd[:4])}; were two mixed?")
    return fitting(params, config, folder / ARRAYS), config


def save_gpt2(folder: str | Path, params: Params, config: Config) -> None:
    """Write a folder that Hugging Face's GPT2LMHeadModel.from_pretrained reads, and load_gpt2.

    >>> config = Config.preset("gpt2", vocab_size=11, n_layer=1, n_head=2, n_embd=8, block_size=8)
    >>> save_gpt2("tiny", init(config, np.random.default_rng(0)), config)

    Biases and gains that the Config lacks are written as the 0 and 1 that they stand for.
    Raises ValueError for a Config that is no GPT-2.
    """
    for name, x in need(config).items():
        if getattr(config, name) not in x:
            raise ValueError(f"save_gpt2: {name}={getattr(config, name)!r}; GPT-2 has {name}={x[0]!r}")
    folder = Path(folder)
    params = fitting({name: np.asarray(p) for name, p in params.items()}, config, folder / ARRAYS)
    n = {"gain": np.ones, "bias": np.zeros}
    arrays = {}
    for theirs, ours in layout(config):
        parts = []
        for name in ours:
            kind = name.rpartition(".")[2]
            width = 4 * config.n_embd if kind == "b1" else config.n_embd
            parts.append(params[name] if name in params else n.get(kind, np.zeros)(width, config.dtype))
        a = np.concatenate(parts, axis=-1)
        arrays["transformer." * (theirs != "lm_head.weight") + theirs] = a.T if theirs == "lm_head.weight" else a
    activation = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation)
    end = config.vocab_size - 1
    record = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "dtype": config.dtype, **FIXED,
        **{theirs: getattr(config, ours) for ours, theirs in SHAPE.items()}, "n_ctx": config.block_size,
        "n_inner": None, "activation_function": activation, "tie_word_embeddings": config.tied,
        "bos_token_id": end, "eos_token_id": end,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.write(folder / ARRAYS, arrays, {"format": "pt"})
    text = json.dumps(record, indent=2) + "\n"
    checkpoint.replace(folder / CONFIG, lambda path: path.write_text(text, encoding="utf-8"))


def need(config: Config) -> dict[str, tuple[object, ...]]:
    """What a Config must have to be a GPT-2: a field, and what it may say; None is its default."""
    return {
        "norm": ("layer",), "norm_position": ("pre",), "embed_norm": (False,), "final_norm": (True,),
        "positions": ("learned",), "activation": ("gelu", "relu"), "n_kv_head": (config.n_head, None),
        "head_size": (config.n_embd / config.n_head, None), "n_hidden": (4 * config.n_embd, None),
        "norm_eps": (FIXED["layer_norm_epsilon"],),
    }  # fmt: skip


def layout(config: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Their name for every tensor, and ours for its parts, side by side on the last axis."""
    yield "wte.weight", ("wte",)
    yield "wpe.weight", ("wpe",)
    for i in range(config.n_layer):
        h = f"h{i}."
        for theirs, norm in (("ln_1", "norm1"), ("ln_2", "norm2")):
            yield f"h.{i}.{theirs}.weight", (f"{h}{norm}.gain",)
            yield f"h.{i}.{theirs}.bias", (f"{h}{norm}.bias",)
        for theirs, kind in (("weight", "w"), ("bias", "b")):
            yield f"h.{i}.attn.c_attn.{theirs}", tuple(f"{h}attn.{kind}{x}" for x in "qkv")
            yield f"h.{i}.attn.c_proj.{theirs}", (f"{h}attn.{kind}o",)
            yield f"h.{i}.mlp.c_fc.{theirs}", (f"{h}mlp.{kind}1",)
            yield f"h.{i}.mlp.c_proj.{theirs}", (f"{h}mlp.{kind}2",)
    yield "ln_f.weight", ("final_norm.gain",)
    yield "ln_f.bias", ("final_norm.bias",)
    if not config.tied:
        yield "lm_head.weight", ("lm_head",)


def _config(found: Json, dtype: str, folder: Path) -> Config:
    """Our Config of theirs; ValueError for what it cannot say."""
    for name, x in FIXED.items():
        if found.get(name, x) != x:
            raise ValueError(f"{folder / CONFIG}: {name}={found[name]!r} is not supported; expected {x!r}")
    inner, width = found.get("n_inner"), found.get("n_embd")
    if inner is not None and not (isinstance(width, int) and inner == 4 * width):
        raise ValueError(f"{folder / CONFIG}: n_inner={inner!r} is not supported; expected 4 times n_embd")
    activation = found.get("activation_function", "gelu_new")
    if activation not in list(ACTIVATIONS):
        raise ValueError(
            f"{folder / CONFIG}: activation_function={activation!r} is not supported; expected {', '.join(ACTIVATIONS)}"
        )
    try:
        shape = {ours: found[theirs] for ours, theirs in SHAPE.items()}
        tied = found.get("tie_word_embeddings", True)
        return Config.of({**shape, "activation": ACTIVATIONS[activation], "tied": tied, "dtype": dtype})
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{folder / CONFIG} is damaged or incomplete ({error})") from None
