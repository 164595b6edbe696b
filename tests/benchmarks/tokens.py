"""500 tokens of nano, one after the other, with a cache of keys and values: here and in PyTorch."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from tests.benchmarks.race import Contender
from transformer import Config, init
from transformer.sample import stream

N = 500


def setting() -> tuple[Config, dict[str, np.ndarray]]:
    config = Config.preset("nano", block_size=512)
    return config, init(config, np.random.default_rng(0))


def ours() -> Contender:
    config, params = setting()

    def step() -> list[int]:
        return [int(t) for t in islice(stream(params, config, [0], np.random.default_rng(0), temperature=0), N)]

    return Contender(step, {"tokens": step()[:100]})


def torch() -> Contender:
    import torch
    from torch.nn import functional as F

    config, params = setting()
    t = {name: torch.tensor(p) for name, p in params.items()}
    width, heads = config.n_embd, config.n_head

    def next_of(token: Any, position: int, seen: list[Any]) -> Any:
        x = t["wte"][token] + t["wpe"][position]  # (C,)
        for i in range(config.n_layer):
            h = F.layer_norm(x, (width,), t[f"h{i}.norm1.gain"])
            q, k, v = ((h @ t[f"h{i}.attn.w{c}"]).view(heads, 1, -1) for c in "qkv")
            keys, values = seen[i]
            keys[:, position : position + 1], values[:, position : position + 1] = k, v
            y = F.scaled_dot_product_attention(q, keys[:, : position + 1], values[:, : position + 1])
            x = x + y.reshape(-1) @ t[f"h{i}.attn.wo"]
            h = F.layer_norm(x, (width,), t[f"h{i}.norm2.gain"])
            x = x + F.gelu(h @ t[f"h{i}.mlp.w1"], approximate="tanh") @ t[f"h{i}.mlp.w2"]
        return (F.layer_norm(x, (width,), t["final_norm.gain"]) @ t["wte"].T).argmax()

    @torch.inference_mode()
    def step() -> list[int]:
        seen = [[torch.zeros(heads, config.block_size, width // heads) for _ in "kv"] for _ in range(config.n_layer)]
        token, out = torch.tensor(0), []
        for position in range(N):
            token = next_of(token, position, seen)
            out.append(int(token))
        return out

    return Contender(step, {"tokens": step()[:100]})
