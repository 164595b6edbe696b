# %% [markdown]
# # 2. The five steps of training
#
# A language model begins with random weights and learns by five steps, repeated:
#
# 1. **show** it some text,
# 2. let it **predict** the next token,
# 3. **measure** how wrong it was,
# 4. **nudge** every weight in the direction that makes it less wrong,
# 5. **repeat**.
#
# Nothing else happens in training. Here are all five, on first names, whose tokens are letters.

# %%
import numpy as np

import autograd as ag
from transformer import Config, generate, init, loss
from transformer.data import NAMES, Documents, read
from transformer.optim import adam

rng = np.random.default_rng(0)
config = Config.preset("vanilla")
data = Documents(read(NAMES), config.block_size, rng)
params = init(config, rng)
print(f"{len(data.train):,} names, {data.vocabulary.size} tokens, {sum(p.size for p in params.values()):,} weights")

# %% [markdown]
# Before any training the model guesses: it gives about the same probability, 1/27, to every letter, and
# the error of that is log 27 = 3.30. The names that it writes are noise.

# %%
start = [data.vocabulary.boundary]


def names(params, n=8):
    rng = np.random.default_rng(1)
    made = [generate(params, config, start, config.block_size, rng, temperature=0.7) for _ in range(n)]
    return ", ".join(data.vocabulary.decode(tokens[1:]) or "(nothing)" for tokens in made)


print(f"loss {loss(params, data.held_out, config):.3f}, chance {np.log(data.vocabulary.size):.3f}")
print("it writes:", names(params))

# %% [markdown]
# Now the loop. `loss` predicts and measures (steps 2 and 3); `value_and_grad` runs it, and traces the error
# back to every weight. Adam turns the gradients into nudges (step 4); lesson 7 says how.

# %%
optimizer = adam(lambda step: 0.01 * (1 - step / 300))
state = optimizer.init(params)
for step in range(300):  # 5. repeat
    batch = data.batch(16, rng)  # 1. show text
    value, gradients = ag.value_and_grad(loss)(params, batch, config)  # 2. predict, 3. measure, and trace back
    params, state = optimizer.update(params, gradients, state)  # 4. nudge
    if step in (0, 10, 100, 299):
        size = np.sqrt(sum((g * g).sum() for g in gradients.values()))
        print(f"step {step:>3}: loss {value:.3f}, length of the gradient {size:.3f}")

# %%
print(f"loss {loss(params, data.held_out, config):.3f} on names that it has never seen")
print("it writes:", names(params))
