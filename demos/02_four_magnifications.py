"""One transformer, on plain arrays, on single Values, on Tensors, and on Tensors over JAX.

The model is ordinary NumPy code. What flows through it decides what you get: numbers
alone, a graph of every multiplication, a graph of array operations, which is fast, or the
same graph compiled by XLA, where JAX is installed. All agree to rounding.
"""

import time

import numpy as np

import autograd as ag
from transformer import Config, init, loss

config = Config.preset("microgpt")
params = init(config, np.random.default_rng(0))
emma = np.array([26, 4, 12, 12, 0, 26])  # boundary, e, m, m, a, boundary


def timed(kind, f, *args):
    start = time.perf_counter()
    result = f(*args)
    value, grads = result if isinstance(result, tuple) else (result, None)
    elapsed = 1e3 * (time.perf_counter() - start)
    slope = f"d loss / d wte[e, 0] = {grads['wte'][4, 0]:+.12f}" if grads else "no graph"
    print(f"{kind:<16} loss {value:.12f}   {slope}   {elapsed:6.1f} ms")


timed("plain arrays", loss, params, emma, config)
timed("single Values", ag.value_and_grad(loss), {k: ag.values(p) for k, p in params.items()}, emma, config)
timed("Tensors", ag.value_and_grad(loss), params, emma, config)
try:
    import jax
except ImportError:
    print("Tensors over JAX: pip install jax to see the fourth")
else:
    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(lambda p: ag.value_and_grad(loss)(p, emma, config))
    compiled(params)  # the first call compiles
    timed("Tensors over JAX", compiled, params)
