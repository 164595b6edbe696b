"""nanoGPT's model for a CPU: one training step in turn with PyTorch, and the whole run to a validation loss.

Both start from the same parameters and see the same batches.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

import autograd as ag
from tests.benchmarks.race import Contender
from tests.helpers import NAMES
from transformer import Config, init, loss
from transformer.data import Text, read
from transformer.threads import limited
from transformer.train import RECIPES, SCHEDULES, Recipe, fit, start, validate

PLAY = NAMES.parent / "tiny_shakespeare.txt"


def setting(steps: int) -> tuple[Text, Config, Recipe, dict[str, np.ndarray], np.random.Generator]:
    """Data, shape, recipe and parameters, and the generator of the batches."""
    rng = np.random.default_rng(0)
    data = Text(read(PLAY) if PLAY.exists() else "to be, or not to be: that is the question.\n" * 1000, 64, rng)
    config = dataclasses.replace(Config.preset("nano"), vocab_size=max(65, data.vocabulary.size))
    recipe = dataclasses.replace(RECIPES["nano"], steps=steps, warmup=min(100, steps))
    return data, config, recipe, init(config, rng), rng


def ours(compiled: bool) -> Contender:
    """A step of `fit`, as `train` takes it; or the same from its parts, without `ag.compile`."""
    data, config, recipe, params, rng = setting(10**6)
    if compiled:
        steps = fit(start(params, data, recipe, rng), data, config, recipe)
        first = next(steps)
        return Contender(lambda: next(steps), {"loss": first.loss, "wq": first.grads["h2.attn.wq"]})
    optimizer, gradient = recipe.optimizer(), ag.value_and_grad(loss)
    now = [params, optimizer.init(params)]

    def step() -> Any:
        value, grads = gradient(now[0], data.batch(recipe.batch_size, rng), config)
        now[:] = optimizer.update(now[0], grads, now[1])
        return value, grads

    value, grads = step()
    return Contender(step, {"loss": value, "wq": grads["h2.attn.wq"]})


def torch(compiled: bool) -> Contender:
    """compiled: of our side."""
    import torch

    data, config, recipe, params, rng = setting(10**6)
    step, t = torch_step(params, config, recipe)
    value = torch_loss(t, torch.tensor(data.batch(recipe.batch_size, rng)), config)
    value.backward()
    numbers = {"loss": value.item(), "wq": t["h2.attn.wq"].grad.numpy().copy()}
    count = iter(range(10**9))
    return Contender(lambda: step(data.batch(recipe.batch_size, rng), next(count)), numbers)


def torch_step(params: dict[str, np.ndarray], config: Config, recipe: Recipe) -> tuple[Any, dict[str, Any]]:
    """A step of PyTorch eager with fused AdamW: (batch, step) -> loss; and its parameters."""
    import torch

    t = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    groups = [
        {"params": [p for p in t.values() if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in t.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.beta1, recipe.beta2), fused=True)
    schedule = SCHEDULES[recipe.schedule](recipe.lr, recipe.warmup, recipe.steps, recipe.floor)

    def step(batch: np.ndarray, i: int) -> float:
        for group in optimizer.param_groups:
            group["lr"] = schedule(i)
        optimizer.zero_grad()
        value = torch_loss(t, torch.tensor(batch), config)
        value.backward()
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(t.values(), recipe.clip)
        optimizer.step()
        return float(value.detach())

    return step, t


def run(steps: int = 2000) -> None:
    """nanoGPT's run on a CPU, turn by turn: the loss reached, for which its README gives 1.88, and the time taken."""
    import torch

    torch.set_num_threads(1)
    data, config, recipe, params, rng = setting(steps)
    theirs, t = torch_step(params, config, recipe)
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
    here = validate(done.state.params, data, config)
    peer = validate({name: p.detach().numpy() for name, p in t.items()}, data, config)
    print(
        f"nanoGPT's run, {steps:,} steps: validation loss {here:.3f}, {seconds[0]:.0f} s, halves of the batch on two "
        f"threads; PyTorch eager on one: {peer:.3f}, {seconds[1]:.0f} s (nanoGPT's README: 1.88)"
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

    def linear(x: Any, w: str) -> Any:
        return F.linear(x, t[w].T, t.get(w.replace(".w", ".b")))

    n, width, heads = tokens.shape[1] - 1, config.n_embd, config.n_head
    x = t["wte"][tokens[:, :-1]] + t["wpe"][:n]
    for i in range(config.n_layer):
        h = F.layer_norm(x, (width,), t[f"h{i}.norm1.gain"], t.get(f"h{i}.norm1.bias"))
        q, k, v = (linear(h, f"h{i}.attn.w{c}").unflatten(-1, (heads, -1)).transpose(1, 2) for c in "qkv")
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + linear(y, f"h{i}.attn.wo")
        h = F.layer_norm(x, (width,), t[f"h{i}.norm2.gain"], t.get(f"h{i}.norm2.bias"))
        x = x + linear(F.gelu(linear(h, f"h{i}.mlp.w1"), approximate="tanh"), f"h{i}.mlp.w2")
    x = F.layer_norm(x, (width,), t["final_norm.gain"], t.get("final_norm.bias")) @ t["wte"].T
    return F.cross_entropy(x.flatten(0, 1), tokens[:, 1:].flatten())
