"""nanoGPT's run on a CPU, tiny shakespeare in 2,000 steps, here and in PyTorch eager: loss reached and time taken.

Both start from the same parameters and see the same batches, turn by turn. nanoGPT's README
gives 1.88 for it.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from tests.helpers import NAMES
from transformer import Config, init
from transformer.data import Text, read
from transformer.threads import limited
from transformer.train import RECIPES, SCHEDULES, fit, start, validate

PLAY = NAMES.parent / "tiny_shakespeare.txt"


def run(steps: int = 2000) -> None:
    try:
        import torch
    except ImportError:
        print("nanoGPT's run: PyTorch is not installed: pip install '.[peers]'")
        return
    if not PLAY.exists():
        print(f"nanoGPT's run: there is no {PLAY}")
        return
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    data = Text(read(PLAY), 64, rng)
    config = dataclasses.replace(Config.preset("nano"), vocab_size=data.vocabulary.size)
    recipe = dataclasses.replace(RECIPES["nano"], steps=steps, warmup=min(100, steps))
    params = init(config, rng)
    t = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    groups = [
        {"params": [p for p in t.values() if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in t.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.beta1, recipe.beta2), fused=True)
    schedule = SCHEDULES[recipe.schedule](recipe.lr, recipe.warmup, recipe.steps, recipe.floor)

    def theirs(batch: np.ndarray, step: int) -> float:
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        optimizer.zero_grad()
        value = torch_loss(t, torch.tensor(batch), config)
        value.backward()
        torch.nn.utils.clip_grad_norm_(t.values(), recipe.clip)
        optimizer.step()
        return float(value.detach())

    batches = _Recorded(data)
    seconds = np.zeros(2)
    with limited(1):
        before = time.perf_counter()
        for done in fit(start(params, data, recipe, rng), batches, config, recipe):  # type: ignore[arg-type]
            now = time.perf_counter()
            seconds[0] += now - before if done.val_loss is None else 0  # validation is not a part of it
            value = theirs(batches.last, done.step - 1)
            seconds[1] += time.perf_counter() - now if done.val_loss is None else 0
            assert done.step > 3 or abs(value - done.loss) < 1e-4, "both compute the same"
            before = time.perf_counter()
    ours = validate(done.state.params, data, config)
    peer = validate({name: p.detach().numpy() for name, p in t.items()}, data, config)
    print(
        f"nanoGPT's run, {steps:,} steps: validation loss {ours:.3f}, {seconds[0]:.0f} s; "
        f"PyTorch eager: {peer:.3f}, {seconds[1]:.0f} s; {seconds[1] / seconds[0]:.2f} times faster (goal 1.88)"
    )


class _Recorded:
    """Data that remembers the last batch it gave."""

    def __init__(self, data: Text) -> None:
        self._data = data
        self.last: np.ndarray

    def batch(self, size: int, rng: np.random.Generator) -> np.ndarray:
        self.last = self._data.batch(size, rng)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)


def torch_loss(t: dict[str, Any], tokens: Any, config: Config) -> Any:
    """The same model, as PyTorch's users write it."""
    from torch.nn import functional as F

    n, width, heads = tokens.shape[1] - 1, config.n_embd, config.n_head
    x = t["wte"][tokens[:, :-1]] + t["wpe"][:n]
    for i in range(config.n_layer):
        h = F.layer_norm(x, (width,), t[f"h{i}.norm1.gain"])
        q, k, v = ((h @ t[f"h{i}.attn.w{c}"]).unflatten(-1, (heads, -1)).transpose(1, 2) for c in "qkv")
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + y @ t[f"h{i}.attn.wo"]
        h = F.layer_norm(x, (width,), t[f"h{i}.norm2.gain"])
        x = x + F.gelu(h @ t[f"h{i}.mlp.w1"], approximate="tanh") @ t[f"h{i}.mlp.w2"]
    x = F.layer_norm(x, (width,), t["final_norm.gain"]) @ t["wte"].T
    return F.cross_entropy(x.flatten(0, 1), tokens[:, 1:].flatten())
