# %% [markdown]
# # 7. The update
#
# Every weight moves a little against its gradient:
#
# $$W \leftarrow W - \mathrm{lr} \cdot \frac{\partial L}{\partial W}$$
#
# With a learning rate of 0.0001 a weight whose gradient is 0.023 moves by 0.0000023.

# %%
import numpy as np

import autograd as ag
from transformer import init, loss
from transformer.lesson.dinner import CONFIG, EVENING, ROWS, encode, trained
from transformer.optim import adam, sgd

params = trained()
tokens = encode(f". {EVENING} .")
before, grads = ag.value_and_grad(loss)(params, tokens, CONFIG)
name, where = min(
    ((name, i) for name, g in grads.items() for i in np.ndindex(g.shape)),
    key=lambda at: abs(grads[at[0]][at[1]] - 0.023),
)
optimizer = sgd(lr=0.0001)
moved, _ = optimizer.update(params, grads, optimizer.init(params))
print(f"{name}{list(map(int, where))}: gradient {grads[name][where]:+.3f}")
print(f"it moves by {moved[name][where] - params[name][where]:+.7f}")

# %% [markdown]
# That is next to nothing, but all weights move at once, each in its own best direction. Together they lower the
# loss by about lr times the squared length of the gradient.

# %%
after = loss(moved, tokens, CONFIG)
squared = sum((g * g).sum() for g in grads.values())
print(f"loss {before:.7f} -> {after:.7f}: {after - before:+.7f}; the gradient foretells {-0.0001 * squared:+.7f}")

# %% [markdown]
# ## Adam instead of plain SGD
#
# SGD moves by lr times the gradient. Adam keeps two running means for every weight, m of its gradients and v of
# their squares, and moves by lr times m / √v. Where the gradients agree, m / √v is about 1, however small they
# are: a full step. Where they contradict one another, m is near 0 though v is not: a small step.
#
# Two weights in 1,000 steps: one gets +0.023 every time, the other ±0.023 by the toss of a coin.

# %%
steps, lr = 1000, 0.0001
rng = np.random.default_rng(0)
coin = rng.choice([-1.0, 1.0], size=steps)
for title, optimizer in (("SGD", sgd(lr)), ("Adam", adam(lr))):
    weights = {"consistent": np.zeros(1), "noisy": np.zeros(1)}
    state, paths = optimizer.init(weights), []
    for toss in coin:
        gradients = {"consistent": np.array([0.023]), "noisy": np.array([0.023 * toss])}
        weights, state = optimizer.update(weights, gradients, state)
        paths.append([float(w[0]) for w in weights.values()])
    size = np.abs(np.diff(paths, axis=0)).mean(axis=0)  # mean length of a step
    print(f"{title:<4}  mean step: consistent {size[0]:.7f}, noisy {size[1]:.7f}, {size[1] / size[0]:.2f} of that")
    print(f"      where they end: consistent {paths[-1][0]:+.5f}, noisy {paths[-1][1]:+.5f}")

# %% [markdown]
# SGD's steps are equally long, 0.0000023, whether the gradients agree or not. Adam takes steps of the learning
# rate itself, 0.0001, where they agree, 43 times as long, and shorter ones where they do not.
#
# ## Which gets further
#
# The lesson's own training, 100 steps of each, from the same start on the same evenings.

# %%
for title, optimizer in (("SGD 0.01", sgd(0.01)), ("SGD 0.1", sgd(0.1)), ("Adam 0.01", adam(0.01))):
    rng = np.random.default_rng(0)
    weights = init(CONFIG, rng)
    state = optimizer.init(weights)
    for _ in range(100):
        batch = ROWS[rng.integers(len(ROWS), size=20)]
        value, grads = ag.value_and_grad(loss)(weights, batch, CONFIG)
        weights, state = optimizer.update(weights, grads, state)
    print(f"{title:<9} loss after 100 steps {loss(weights, ROWS, CONFIG):.3f}")
