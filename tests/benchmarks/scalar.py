"""One training step of microgpt as single Values, against plain Python."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import autograd as ag
from tests.benchmarks import python_gpt
from tests.benchmarks.timing import race
from tests.helpers import microgpt
from transformer import Config, loss
from transformer.optim import adam

NAMES = {
    "h0.attn.wq": "wq",
    "h0.attn.wk": "wk",
    "h0.attn.wv": "wv",
    "h0.attn.wo": "wo",
    "h0.mlp.w1": "fc1",
    "h0.mlp.w2": "fc2",
    "lm_head": "lm_head",
}


def run() -> None:
    documents, params = microgpt()
    config, tokens = Config.preset("microgpt"), documents[0]
    optimizer = adam(0.01, betas=(0.85, 0.99))
    state = optimizer.init(params)
    peer = {
        NAMES.get(k, k): [[python_gpt.Number(float(x)) for x in row] for row in (p.T if k in NAMES else p)]
        for k, p in params.items()
    }
    peer_optimizer = python_gpt.Adam([x for m in peer.values() for row in m for x in row], 0.01, 0.85, 0.99)

    def ours() -> tuple[Any, Any]:
        value, grads = ag.value_and_grad(loss)({k: p.astype(object) for k, p in params.items()}, tokens, config)
        optimizer.update(params, grads, state)
        return value, grads

    def theirs(step: bool = True) -> float:
        value = python_gpt.loss(peer, tokens.tolist())
        value.backward()
        if step:
            peer_optimizer.step()
        return value.data

    sys.setrecursionlimit(100_000)
    value, grads = ours()
    np.testing.assert_allclose(theirs(step=False), value, atol=1e-9)
    for k, g in grads.items():
        theirs_k = np.array([[x.grad for x in row] for row in peer[NAMES.get(k, k)]])
        np.testing.assert_allclose(theirs_k.T if k in NAMES else theirs_k, g, atol=1e-9)
    race("microgpt step as Values", ours, "plain Python", theirs, floor=2.5, rounds=15, repeat=3)
