"""One training step of microgpt as Tensors, against PyTorch eager with its fused Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd as ag
from tests.benchmarks.timing import race
from tests.helpers import microgpt
from transformer import Config, loss
from transformer.optim import adam


def run() -> None:
    try:
        import torch
    except ImportError:
        print("microgpt step as Tensors: PyTorch is not installed: pip install '.[peers]'")
        return
    from torch.nn import functional as F

    torch.set_num_threads(1)  # faster than two at this size
    documents, params = microgpt()
    config, tokens = Config.preset("microgpt"), documents[0]
    optimizer = adam(0.01, betas=(0.85, 0.99))
    state = optimizer.init(params)
    t = {k: torch.tensor(p, requires_grad=True) for k, p in params.items()}
    peer_optimizer = torch.optim.Adam(t.values(), lr=0.01, betas=(0.85, 0.99), fused=True)
    inputs, targets = torch.tensor(tokens[:-1]), torch.tensor(tokens[1:])
    n = len(inputs)
    mask = torch.triu(torch.full((n, n), -torch.inf, dtype=torch.float64), 1)

    def norm(x: Any) -> Any:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5)

    def torch_loss() -> Any:
        x = norm(t["wte"][inputs] + t["wpe"][:n])
        h = norm(x)
        q, k, v = ((h @ t[f"h0.attn.w{c}"]).view(n, 4, 4).transpose(0, 1) for c in "qkv")
        y = torch.softmax(q @ k.transpose(1, 2) * 0.5 + mask, -1) @ v
        x = x + y.transpose(0, 1).reshape(n, 16) @ t["h0.attn.wo"]
        x = x + F.relu(norm(x) @ t["h0.mlp.w1"]) @ t["h0.mlp.w2"]
        return F.cross_entropy(x @ t["lm_head"], targets)

    def ours() -> tuple[Any, Any]:
        value, grads = ag.value_and_grad(loss)(params, tokens, config)
        optimizer.update(params, grads, state)
        return value, grads

    def theirs() -> None:
        peer_optimizer.zero_grad()
        torch_loss().backward()
        peer_optimizer.step()

    value, grads = ours()
    peer_value = torch_loss()
    peer_value.backward()
    np.testing.assert_allclose(peer_value.item(), value, atol=1e-9)
    for k, g in grads.items():
        np.testing.assert_allclose(t[k].grad.numpy(), g, atol=1e-9)
    race("microgpt step as Tensors", ours, "PyTorch eager", theirs, floor=1.3, rounds=60, repeat=30)
