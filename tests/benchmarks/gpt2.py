"""One training step of GPT-2 small, 124 million parameters in float32, with AdamW: here and in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.nano import torch_loss
from tests.benchmarks.race import Contender
from transformer import Config, init
from transformer.data import Text
from transformer.train import Recipe, fit, start

RECIPE = Recipe(steps=100, batch_size=1, lr=1e-4, beta1=0.9, beta2=0.999, weight_decay=0.1)


def setting(n_tokens: int) -> tuple[Config, dict[str, np.ndarray], Any]:
    config = Config.preset("gpt2", block_size=n_tokens, dtype="float32")
    data = Text("the quick brown fox jumps over the lazy dog. " * 200, n_tokens, np.random.default_rng(1))
    return config, init(config, np.random.default_rng(0)), data


def ours(n_tokens: int) -> Contender:
    """By `fit`, as `train` does it."""
    config, params, data = setting(n_tokens)
    steps = fit(start(params, data, RECIPE, np.random.default_rng(2)), data, config, RECIPE)
    del params
    first = next(steps)
    numbers = {"loss": first.loss, "wte": np.linalg.norm(first.grads["wte"]), "wq": first.grads["h3.attn.wq"][:8, :8]}
    return Contender(lambda: next(steps), numbers)


def torch(n_tokens: int) -> Contender:
    import torch

    config, params, data = setting(n_tokens)
    t = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    del params
    groups = [
        {"params": [p for p in t.values() if p.ndim >= 2], "weight_decay": RECIPE.weight_decay},
        {"params": [p for p in t.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RECIPE.lr, betas=(RECIPE.beta1, RECIPE.beta2), fused=True)
    rng = np.random.default_rng(2)

    def step() -> float:
        value = torch_loss(t, torch.tensor(data.batch(1, rng)), config)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return float(value.detach())

    value = step()
    numbers = {"loss": value, "wte": t["wte"].grad.norm().item(), "wq": t["h3.attn.wq"].grad[:8, :8].numpy()}
    return Contender(step, numbers)
