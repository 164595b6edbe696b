"""One training step of microgpt with Adam: as single Values, as plain Python, as Tensors, and in PyTorch."""

from __future__ import annotations

import gc
import sys
from typing import Any

import numpy as np

import autograd as ag
from tests.benchmarks import python_gpt
from tests.benchmarks.race import Contender
from tests.helpers import microgpt
from transformer import Config, loss
from transformer.optim import adam

BETAS = (0.85, 0.99)
NAMES = {
    "h0.attn.wq": "wq",
    "h0.attn.wk": "wk",
    "h0.attn.wv": "wv",
    "h0.attn.wo": "wo",
    "h0.mlp.w1": "fc1",
    "h0.mlp.w2": "fc2",
    "lm_head": "lm_head",
}


def ours(kind: str, dtype: str, compiled: bool) -> Contender:
    """kind: Values or Tensors. compiled: by ag.compile, of Tensors the whole step, of Values the gradient."""
    documents, params = microgpt()
    config, tokens = Config.preset("microgpt", dtype=dtype), documents[0]
    params = {name: p.astype(dtype) for name, p in params.items()}
    optimizer = adam(0.01, BETAS)

    gradient = ag.value_and_grad(loss)
    if compiled and kind == "Values":
        gradient = ag.compile(gradient)

    def step(params: Any, state: Any, tokens: Any) -> Any:
        given = {k: p.astype(object) for k, p in params.items()} if kind == "Values" else params
        value, grads = gradient(given, tokens, config)
        grads = {k: g.astype(dtype, copy=False) for k, g in grads.items()}
        return value, *optimizer.update(params, grads, state)

    run = ag.compile(step) if compiled and kind == "Tensors" else step
    value, grads = ag.value_and_grad(loss)(params, tokens, config)
    now = [params, optimizer.init(params)]

    def go() -> None:
        _, now[0], now[1] = run(now[0], now[1], tokens)

    return Contender(go, {"loss": value, **grads})


def lists(kind: str, dtype: str, compiled: bool) -> Contender:
    """Plain Python on lists, with Python's collector off, which would cost it more than half as much again."""
    documents, params = microgpt()
    tokens = documents[0].tolist()
    model = {
        NAMES.get(k, k): [[python_gpt.Number(float(x)) for x in row] for row in (p.T if k in NAMES else p)]
        for k, p in params.items()
    }
    numbers = [x for m in model.values() for row in m for x in row]
    optimizer = python_gpt.Adam(numbers, 0.01, *BETAS)
    sys.setrecursionlimit(100_000)
    gc.disable()

    def step() -> None:
        python_gpt.loss(model, tokens).backward()
        optimizer.step()

    value = python_gpt.loss(model, tokens)
    value.backward()
    grads = {k: np.array([[x.grad for x in row] for row in model[NAMES.get(k, k)]]) for k in params}
    for number in numbers:
        number.grad = 0.0
    return Contender(step, {"loss": value.data, **{k: g.T if k in NAMES else g for k, g in grads.items()}})


def torch_compiled(kind: str, dtype: str, compiled: bool) -> Contender:
    """PyTorch by torch.compile, with its fused Adam."""
    return torch(kind, dtype, compiled, by_compile=True)


def torch(kind: str, dtype: str, compiled: bool, by_compile: bool = False) -> Contender:
    """PyTorch eager, with its fused Adam. kind, compiled: of our side."""
    import torch
    from torch.nn import functional as F

    documents, params = microgpt()
    tokens = documents[0]
    t = {k: torch.tensor(p.astype(dtype), requires_grad=True) for k, p in params.items()}
    optimizer = torch.optim.Adam(t.values(), lr=0.01, betas=BETAS, fused=True)
    inputs, targets = torch.tensor(tokens[:-1]), torch.tensor(tokens[1:])
    n = len(inputs)
    mask = torch.triu(torch.full((n, n), -torch.inf, dtype=getattr(torch, dtype)), 1)

    def norm(x: Any) -> Any:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5)

    def forward() -> Any:
        x = norm(t["wte"][inputs] + t["wpe"][:n])
        h = norm(x)
        q, k, v = ((h @ t[f"h0.attn.w{c}"]).view(n, 4, 4).transpose(0, 1) for c in "qkv")
        y = torch.softmax(q @ k.transpose(1, 2) * 0.5 + mask, -1) @ v
        x = x + y.transpose(0, 1).reshape(n, 16) @ t["h0.attn.wo"]
        x = x + F.relu(norm(x) @ t["h0.mlp.w1"]) @ t["h0.mlp.w2"]
        return F.cross_entropy(x @ t["lm_head"], targets)

    run = torch.compile(forward) if by_compile else forward

    def step() -> None:
        optimizer.zero_grad()
        run().backward()
        optimizer.step()

    value = run()
    value.backward()
    return Contender(step, {"loss": value.item(), **{k: p.grad.numpy() for k, p in t.items()}})
