"""Where the time of one microgpt step of Tensors goes, uncompiled: what is NumPy's own, and what comes on top."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import autograd as ag
from autograd.engine.graph import operations
from tests.helpers import microgpt
from transformer import Config, loss
from transformer.optim import adam


def best(f: Callable[[], object], repeat: int = 100, rounds: int = 15) -> float:
    """Microseconds a call takes, undisturbed."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeat):
            f()
        times.append(1e6 * (time.perf_counter() - start) / repeat)
    return min(times)


def run() -> None:
    documents, params = microgpt()
    config, tokens = Config.preset("microgpt"), documents[0]
    optimizer, gradient = adam(0.01, (0.85, 0.99)), ag.value_and_grad(loss)
    state, (_, grads) = optimizer.init(params), gradient(params, tokens, config)
    nodes = {name: ag.Tensor(p) for name, p in params.items()}
    root = loss(nodes, tokens, config)
    tape = operations(root)
    root.backward()
    forward = sum(best(lambda n=n: n.primitive.array(*n.saved)) for n in tape)  # type: ignore[misc]

    def rules_of(n: ag.Tensor) -> None:
        for parent, rule in zip(n.parents, n.primitive.vjps):
            if parent is not None and rule is not None:
                rule(n._grad, n.raw, *n.saved)

    rules = sum(best(lambda n=n: rules_of(n)) for n in tape)  # type: ignore[misc]
    recorded, whole = best(lambda: loss(nodes, tokens, config)), best(lambda: gradient(params, tokens, config))
    update = best(lambda: optimizer.update(params, grads, state))
    empty = best(lambda: ag.value_and_grad(lambda p: p["wte"][0, 0])(params))
    print(
        f"microgpt step, Tensors, {len(tape)} operations: {whole + update:.0f} µs\n"
        f"  forward {recorded:.0f}, of which the operations on arrays {forward:.0f}\n"
        f"  backward and the rest {whole - recorded - empty:.0f}, of which the rules {rules:.0f}\n"
        f"  arguments in, gradients out {empty:.0f}\n"
        f"  Adam {update:.0f}"
    )
    np.testing.assert_allclose(root.item(), gradient(params, tokens, config)[0])
