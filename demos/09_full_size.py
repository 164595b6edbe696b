# %% [markdown]
# # 9. The same at full size
#
# Nothing changes but the numbers in the `Config`: the code is that of the tiny models. Here is a whole training
# step of GPT-2 small, a forward pass of GPT-2 large, and what it takes to train GPT-3. The weights are fresh and
# untrained. It needs about 4 GB of memory, and a minute where nothing else runs.

# %%
import resource
import sys
import time

import numpy as np

import autograd as ag
from transformer import Config, init, loss
from transformer.config import count
from transformer.optim import adam

rng = np.random.default_rng(0)


def memory():
    """The most memory that this process has used so far, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


# %% [markdown]
# ## GPT-2 small: a training step
#
# 124,439,808 parameters in float32, on 64 tokens: forward, backward, Adam; then the same text again.

# %%
config = Config.preset("gpt2")
params = init(config, rng)
print(f"{sum(p.size for p in params.values()):,} parameters")
tokens = rng.integers(config.vocab_size, size=65)

start = time.perf_counter()
value = loss(params, tokens, config)
forward = time.perf_counter() - start
print(f"forward:              loss {value:.3f} (chance is {np.log(config.vocab_size):.3f})   {forward:5.2f} s")

start = time.perf_counter()
value, grads = ag.value_and_grad(loss)(params, tokens, config)
step = time.perf_counter() - start
print(f"forward and backward: loss {value:.3f}                      {step:5.2f} s")

start = time.perf_counter()
optimizer = adam(1e-4)
params, state = optimizer.update(params, grads, optimizer.init(params))
print(f"Adam:                                               {time.perf_counter() - start:5.2f} s")
print(f"the same text again:  loss {loss(params, tokens, config):.3f}")
print(f"memory at most: {memory():.1f} GiB")

# %% [markdown]
# ## GPT-2 large: a forward pass
#
# All 774,030,080 parameters: 36 layers, 1,280 wide.

# %%
speed = 6 * count(config) * 64 / step  # arithmetic operations a second, at 6 a parameter and token; see below
del params, grads, state
config = Config.preset("gpt2-large")
start = time.perf_counter()
params = init(config, rng)
print(f"{sum(p.size for p in params.values()):,} parameters, made in {time.perf_counter() - start:.1f} s")
start = time.perf_counter()
value = loss(params, tokens, config)
print(f"forward:              loss {value:.3f}                      {time.perf_counter() - start:5.2f} s")
print(f"memory at most: {memory():.1f} GiB")

# %% [markdown]
# ## GPT-3: 300 billion tokens
#
# A training step takes about 6 arithmetic operations for each parameter and token: 2 forward, a product and a sum,
# and twice as many backward, for the gradients of the weights and of the inputs. GPT-3 has 175 billion
# parameters, 96 layers 12,288 wide, and was trained on 300 billion tokens.

# %%
gpt3 = count(Config.preset("gpt3"))
operations = 6 * gpt3 * 300e9
print(f"{gpt3:,} parameters, {operations:.2e} operations")
years = operations / speed / (365.25 * 24 * 3600)
print(f"this machine just did {speed / 1e9:,.0f} billion a second: {years:,.0f} years")
days = operations / (10_000 * 30e12) / (24 * 3600)
print(f"ten thousand GPUs at 30 trillion a second each: {days:.0f} days")
