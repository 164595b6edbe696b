"""Training, in the five steps that it consists of.

Show text, predict the next letter, measure the error, find for every weight which way
lowers the error, and nudge the weights that way; repeat. The text is the names that come
with the package.
"""

import numpy as np

import autograd as ag
from transformer import Config, generate, init, loss
from transformer.data import NAMES, Documents, read
from transformer.optim import adam

rng = np.random.default_rng(0)
config = Config.preset("vanilla")
data = Documents(read(NAMES), config.block_size, rng)
params = init(config, rng)
optimizer = adam(lambda step: 0.01 * (1 - step / 300))
state = optimizer.init(params)

# How wrong a guess is: -log of the probability given to what came. Chance is log 27 = 3.30.
for p in (0.02, 0.45, 0.80, 0.99):
    print(f"probability {p:.2f} for the right letter costs {-np.log(p):.3f}")

for step in range(300):
    batch = data.batch(16, rng)  # show text
    value, gradients = ag.value_and_grad(loss)(params, batch, config)  # predict, measure, and trace back
    size = np.sqrt(sum((g * g).sum() for g in gradients.values()))
    params, state = optimizer.update(params, gradients, state)  # nudge
    if step in (0, 10, 100, 299):
        print(f"step {step:>3}: loss {value:.3f}, length of the gradient {size:.3f}")

start = [data.vocabulary.boundary]
names = [
    data.vocabulary.decode(generate(params, config, start, config.block_size, rng, temperature=0.7)[1:])
    for _ in range(8)
]
print("it writes:", ", ".join(names))
