"""A GGUF file, byte by byte, for tests: llama.cpp's layout, written without the reader's help."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from transformer import Config
from transformer.config import shapes

U32, F32, BOOL, TEXT, LIST = 4, 6, 7, 8, 9


def text(s: str) -> bytes:
    return struct.pack("<Q", len(s.encode())) + s.encode()


def fact(x: Any) -> bytes:
    """A value with its kind before it."""
    if isinstance(x, bool):
        return struct.pack("<I?", BOOL, x)
    if isinstance(x, int):
        return struct.pack("<II", U32, x)
    if isinstance(x, float):
        return struct.pack("<If", F32, x)
    if isinstance(x, str):
        return struct.pack("<I", TEXT) + text(x)
    inner = b"".join(text(s) if isinstance(s, str) else struct.pack("<I", s) for s in x)
    return struct.pack("<IIQ", LIST, TEXT if x and isinstance(x[0], str) else U32, len(x)) + inner


def written(facts: dict[str, Any], arrays: dict[str, tuple[int, tuple[int, ...], bytes]]) -> bytes:
    """A file of facts, and of arrays as their kind, shape (rows, columns) and bytes."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(arrays), len(facts))
    head += b"".join(text(name) + fact(x) for name, x in facts.items())
    body = b""
    for name, (kind, shape, data) in arrays.items():
        body += b"\0" * (-len(body) % 32)
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, len(body))
        body += data
    return head + b"\0" * (-len(head) % 32) + body


NAMES = {
    "norm1.gain": "attn_norm", "norm2.gain": "ffn_norm", "attn.wq": "attn_q", "attn.wk": "attn_k", "attn.wv": "attn_v",
    "attn.wo": "attn_output", "mlp.wg": "ffn_gate", "mlp.w1": "ffn_up", "mlp.w2": "ffn_down", "wte": "token_embd",
    "final_norm.gain": "output_norm", "lm_head": "output",
}  # fmt: skip
ALPHABET = "".join(
    map(chr, [*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324)])
)  # GPT-2's of bytes


def llama(params: dict[str, np.ndarray], config: Config) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts and the arrays of a Llama as llama.cpp's converter has them, as F32."""
    size, heads = config.head_width, {"wq": config.n_head, "wk": config.kv_heads}
    facts = {
        "general.architecture": "llama", "llama.block_count": config.n_layer, "llama.context_length": config.block_size,
        "llama.embedding_length": config.n_embd, "llama.feed_forward_length": config.hidden,
        "llama.attention.head_count": config.n_head, "llama.attention.head_count_kv": config.kv_heads,
        "llama.attention.key_length": size, "llama.attention.value_length": size, "llama.rope.dimension_count": size,
        "llama.rope.freq_base": config.rotary_base, "llama.attention.layer_norm_rms_epsilon": config.norm_eps,
        **vocabulary(config.vocab_size),
    }  # fmt: skip
    arrays = {}
    for name in shapes(config):
        block, _, part = name.partition(".") if name.startswith("h") else ("", "", name)
        a = params[name] if name == "wte" else params[name].T
        if n := heads.get(part.rpartition(".")[2]):  # pairs stand side by side
            a = a.reshape(n, 2, size // 2, -1).swapaxes(1, 2).reshape(a.shape)
        theirs = (f"blk.{block[1:]}." if block else "") + NAMES[part] + ".weight"
        arrays[theirs] = (0, a.shape, np.ascontiguousarray(a, "<f4").tobytes())
    return facts, arrays


def vocabulary(size: int) -> dict[str, Any]:
    """A tokenizer of bytes, two pairs of them, and a token that ends a text."""
    tokens = [*"<", *ALPHABET.replace("<", "")]
    tokens += ["Ġt", "he"]
    tokens += [f"<{i}>" for i in range(len(tokens), size - 1)] + ["<|end|>"]
    kinds = [1] * (len(tokens) - 1) + [3]
    return {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.merges": ["Ġ t", "h e"],
        "tokenizer.ggml.eos_token_id": size - 1, "tokenizer.ggml.bos_token_id": size - 1,
        "tokenizer.ggml.add_bos_token": False,
    }  # fmt: skip


def save(path: Path, params: dict[str, np.ndarray], config: Config, **changes: Any) -> Path:
    """A Llama as a file; changes: of facts, by their names with _ for the dots after the first."""
    facts, arrays = llama(params, config)
    path.write_bytes(written({**facts, **changes}, arrays))
    return path
