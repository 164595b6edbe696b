"""Models of the Llama family, read: GGUF files, and folders of Hugging Face's transformers library.

Both store a layer as (out, in), and name its parts differently. GGUF has the two numbers of a rotary
pair side by side in queries and keys; Hugging Face's have them half a head apart, as here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from transformer.base import Weights
from transformer.checkpoint import Json
from transformer.config import Config, fitting, shapes
from transformer.pretrained import gguf, huggingface
from transformer.pretrained.huggingface import ARRAYS, CONFIG

# What a model of the family always has.
FAMILY = {"norm": "rms", "positions": "rotary", "activation": "swiglu"}
# Ours, theirs in GGUF, and theirs in Hugging Face's; first of a block, then of the whole.
PARTS = {
    "norm1.gain": ("attn_norm", "input_layernorm"), "norm2.gain": ("ffn_norm", "post_attention_layernorm"),
    "attn.q": ("attn_q", "self_attn.q_proj"), "attn.k": ("attn_k", "self_attn.k_proj"),
    "attn.v": ("attn_v", "self_attn.v_proj"), "attn.o": ("attn_output", "self_attn.o_proj"),
    "mlp.g": ("ffn_gate", "mlp.gate_proj"), "mlp.1": ("ffn_up", "mlp.up_proj"), "mlp.2": ("ffn_down", "mlp.down_proj"),
}  # fmt: skip
WHOLE = {
    "wte": ("token_embd", "model.embed_tokens"), "final_norm.gain": ("output_norm", "model.norm"),
    "lm_head": ("output", "lm_head"),
}  # fmt: skip
SHAPE = {  # ours, theirs in GGUF, and theirs in Hugging Face's
    "n_layer": ("block_count", "num_hidden_layers"), "n_head": ("attention.head_count", "num_attention_heads"),
    "n_kv_head": ("attention.head_count_kv", "num_key_value_heads"), "n_embd": ("embedding_length", "hidden_size"),
    "head_size": ("attention.key_length", "head_dim"), "n_hidden": ("feed_forward_length", "intermediate_size"),
    "block_size": ("context_length", "max_position_embeddings"),
    "norm_eps": ("attention.layer_norm_rms_epsilon", "rms_norm_eps"), "rotary_base": ("rope.freq_base", "rope_theta"),
}  # fmt: skip
OPTIONAL = ("n_kv_head", "head_size", "rotary_base")  # each with a default in the files, too


def load_gguf(path: str | Path) -> tuple[Weights, Config, gguf.Facts]:
    """Parameters, Config and facts of a GGUF file; among the facts is its vocabulary.

    Numbers of few bits become float32. Raises ValueError, saying what is wrong, for a file that is
    missing, damaged, or of a model that this one cannot be.
    """
    path = Path(path)
    facts, arrays = gguf.read(path)
    family = facts.get("general.architecture")
    if family != "llama":
        raise ValueError(f"{path} is of a model of architecture {family!r}; expected 'llama'")
    found = {name.removeprefix("llama."): x for name, x in facts.items() if name.startswith("llama.")}
    size = found.get("attention.key_length", found.get("rope.dimension_count"))
    must: dict[str, tuple[object, ...]] = {
        "rope.dimension_count": (size, None), "attention.value_length": (size, None), "expert_count": (0, None),
        "rope.scaling.type": ("none", None), "attention.sliding_window": (0, None),
    }  # fmt: skip
    _be(found, must, path)
    if "rope_freqs.weight" in arrays:
        raise ValueError(f"{path}: rope_freqs.weight, scaled rotary positions, is not supported")
    shape = _shape(found, 0, path) | {"head_size": size}
    shape["norm_eps"] = _short(shape["norm_eps"])
    wide, narrow = (f"blk.0.{part}.bias" in arrays for part in ("attn_q", "ffn_up"))
    config = _config(shape, (wide, narrow), "output.weight" not in arrays, arrays.get("token_embd.weight"), path)
    return _renamed(arrays, config, 0, path), config, facts


def load_llama(path: str | Path) -> tuple[Weights, Config]:
    """Parameters and Config of a Hugging Face folder of a LlamaForCausalLM, or of the safetensors file in one.

    float16 and bfloat16 become float32. Raises ValueError, saying what is wrong, for what is missing,
    damaged, or of a model that this one cannot be.
    """
    path = Path(path)
    folder = path.parent if path.is_file() else path
    found = huggingface.facts(folder, "llama")
    turns = found.get("rope_parameters") or found.get("rope_scaling") or {}
    if not isinstance(turns, dict) or turns.get("rope_type", turns.get("type", "default")) != "default":
        raise ValueError(f"{folder / CONFIG}: scaled rotary positions, {turns!r}, are not supported")
    found = {**found, **{name: turns[name] for name in ("rope_theta", "partial_rotary_factor") if name in turns}}
    _be(found, {"hidden_act": ("silu", None), "partial_rotary_factor": (1.0, None)}, folder / CONFIG)
    arrays = huggingface.arrays(path)
    biases = found.get("attention_bias", False), found.get("mlp_bias", False)
    tied = found.get("tie_word_embeddings", False)
    shape = _shape(found, 1, folder / CONFIG)
    config = _config(shape, biases, tied, arrays.get("model.embed_tokens.weight"), folder / CONFIG)
    if found.get("vocab_size") != config.vocab_size:
        raise ValueError(f"{folder / CONFIG}: vocab_size={found.get('vocab_size')!r} does not fit {ARRAYS}")
    return _renamed(arrays, config, 1, folder), config


def _be(found: Json, must: dict[str, tuple[object, ...]], path: Path) -> None:
    """ValueError for what this model has no field for, unless it is as it is here."""
    for name, known in must.items():
        if found.get(name) not in known:
            raise ValueError(f"{path}: {name}={found[name]!r} is not supported; expected {known[0]!r}")


def _shape(found: Json, of: int, path: Path) -> Json:
    """The fields of a Config that the files name; ValueError for one that is missing."""
    shape = {ours: found.get(theirs[of]) for ours, theirs in SHAPE.items()}
    for name, x in list(shape.items()):
        if x is None and name in OPTIONAL:
            del shape[name]
        elif x is None:
            raise ValueError(f"{path} is damaged or incomplete: it does not say {SHAPE[name][of]}")
    return shape


def _short(x: object) -> object:
    """A float32 as the shortest decimal that it can have been: 1e-05 of 9.999999747378752e-06."""
    return float(str(np.float32(x))) if isinstance(x, float) else x


def _config(shape: Json, biases: tuple[object, object], tied: object, wte: np.ndarray | None, path: Path) -> Config:
    """The Config of what a file says; ValueError for what it cannot say."""
    if wte is None:
        raise ValueError(f"{path}: there is no embedding of tokens; was the file cut or mixed?")
    if not all(isinstance(x, bool) for x in biases):
        raise ValueError(f"{path}: attention_bias={biases[0]!r}, mlp_bias={biases[1]!r}; expected true or false")
    bias = True if biases[0] else "mlp" if biases[1] else False
    dtype = "float64" if wte.dtype == np.float64 else "float32"
    try:
        return Config.of({**FAMILY, **shape, "vocab_size": len(wte), "bias": bias, "tied": tied, "dtype": dtype})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged or incomplete ({error})") from None


def layout(config: Config) -> Iterator[tuple[str, tuple[str, str]]]:
    """Our name of every parameter, and theirs in GGUF and in Hugging Face's."""
    for name in shapes(config):
        block, _, part = name.partition(".")
        if name in WHOLE:
            yield name, (f"{WHOLE[name][0]}.weight", f"{WHOLE[name][1]}.weight")
            continue
        where, kind = part.split(".")  # attn, wq
        theirs = PARTS[part] if kind == "gain" else PARTS[f"{where}.{kind[1]}"]
        ending = "bias" if kind[0] == "b" else "weight"
        yield name, (f"blk.{block[1:]}.{theirs[0]}.{ending}", f"model.layers.{block[1:]}.{theirs[1]}.{ending}")


def _renamed(arrays: Weights, config: Config, of: int, path: Path) -> Weights:
    """The parameters under our names, (in, out). of: 0 for GGUF, 1 for Hugging Face's."""
    params: Weights = {}
    if config.n_layer <= len(arrays):  # a file may promise any number
        expected = shapes(config)
        for ours, theirs in layout(config):
            a = arrays.pop(theirs[of], None)
            if a is None and theirs[of].endswith(".bias"):  # Hugging Face's may have them in attention only
                a = np.zeros(expected[ours], config.dtype)
            if a is None or a.dtype.kind != "f":
                raise ValueError(f"{path} has no {theirs[of]} of floating-point numbers; was it cut or mixed?")
            shape = expected[ours] if ours == "wte" else expected[ours][::-1]
            if a.shape != shape:
                raise ValueError(f"{path}: {theirs[of]} has shape {a.shape}; by the shape of the model it has {shape}")
            if of == 0 and ours.endswith((".wq", ".wk", ".bq", ".bk")):
                pairs = a.reshape(-1, config.head_width // 2, 2, *a.shape[1:])
                a = pairs.swapaxes(1, 2).reshape(a.shape)
            with np.errstate(all="ignore"):  # what is not finite is found later
                a = a.astype(config.dtype, copy=False)
            params[ours] = a if ours == "wte" else a.T
    left = [name for name in arrays if not name.endswith(("rotary_emb.inv_freq", "lm_head.weight"))]
    if not params:
        raise ValueError(f"{path} says that it has {config.n_layer:,} layers, and holds {len(arrays):,} arrays; "
                         "was it damaged?")  # fmt: skip
    if left:
        more = ", ".join(left[:4])
        raise ValueError(f"{path} holds more than its {config.n_layer:,} layers: {more}; were two mixed?")
    return fitting(params, config, path)
