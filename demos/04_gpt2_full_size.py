"""GPT-2 at its full size: a forward pass, a backward pass and a step of Adam.

124,439,808 parameters in float32, fresh and untrained, on 64 tokens. The code is the code
of the tiny models; only the Config differs. Peak memory is the process's: parameters,
gradients, two moments and their successors, about 0.5 GB each.
"""

import resource
import time

import numpy as np

import autograd as ag
from transformer import Config, init, loss
from transformer.optim import adam

config = Config.preset("gpt2")
rng = np.random.default_rng(0)
params = init(config, rng)
print(f"{sum(p.size for p in params.values()):,} parameters")

tokens = rng.integers(config.vocab_size, size=65)
start = time.perf_counter()
value = loss(params, tokens, config)
print(
    f"forward:              loss {value:.3f} (chance is {np.log(config.vocab_size):.3f})   "
    f"{time.perf_counter() - start:5.2f} s"
)

start = time.perf_counter()
value, grads = ag.value_and_grad(loss)(params, tokens, config)
print(f"forward and backward: loss {value:.3f}                      {time.perf_counter() - start:5.2f} s")

start = time.perf_counter()
optimizer = adam(1e-4)
params, state = optimizer.update(params, grads, optimizer.init(params))
print(f"Adam:                                               {time.perf_counter() - start:5.2f} s")
print(f"the same text again:  loss {loss(params, tokens, config):.3f}")
print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
