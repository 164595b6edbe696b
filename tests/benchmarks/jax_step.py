"""A training step on JAX, in turn with the same model written for JAX: jax.value_and_grad, and optax where it is there.

Both start from the same parameters, see the same rows and are one compiled program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.race import Contender
from transformer import Config, init
from transformer.data import Text
from transformer.train import Recipe, fit, start

Program = Callable[..., Any]


def setting() -> tuple[Text, Config, Recipe, dict[str, np.ndarray], np.random.Generator]:
    """nano's shape, and Adam without schedule, clip and decay, so that the two optimizers are the same."""
    rng = np.random.default_rng(0)
    data = Text("to be, or not to be: that is the question.\n" * 1000, 64, rng)
    config = Config.preset("nano")
    recipe = Recipe(10**6, 12, lr=1e-3, schedule="constant", beta1=0.9)
    return data, config, recipe, init(config, rng), rng


def ours() -> Contender:
    """A step of `fit`, as `train --array jax` takes it."""
    from transformer.xla.mesh import Layout
    from transformer.xla.step import Compiled

    data, config, recipe, params, rng = setting()
    steps = fit(start(params, data, recipe, rng), data, config, recipe, Compiled(config, recipe, Layout()))
    first = next(steps)
    return Contender(lambda: next(steps), {"loss": first.loss, "wq": np.asarray(first.grads["h2.attn.wq"])})


def native() -> Contender:
    """The same by JAX alone."""
    import jax

    data, config, recipe, params, rng = setting()
    initial, step = adam(recipe, native_loss(config))
    now = [jax.device_put(params), initial(params)]

    def once() -> tuple[float, Any]:
        value, grads, *now[:] = step(*now, data.batch(recipe.batch_size, rng))
        return float(value), grads

    value, grads = once()
    return Contender(once, {"loss": value, "wq": np.asarray(grads["h2.attn.wq"])})


def adam(recipe: Recipe, loss: Program) -> tuple[Program, Program]:
    """The optimizer's first state, and a compiled step: (params, state, rows) -> (loss, gradients, params, state)."""
    import jax

    b1, b2 = recipe.beta1, recipe.beta2
    try:
        import optax
    except ImportError:

        def initial(params: Any) -> Any:
            zeros = jax.tree.map(jax.numpy.zeros_like, params)
            return zeros, zeros, 0

        def update(params: Any, g: Any, state: Any) -> Any:
            m, v, n = state
            n = n + 1
            m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
            v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
            size, floor = recipe.lr / (1 - b1**n), (1 - b2**n) ** 0.5
            moved = jax.tree.map(lambda p, m, v: p - size * m / (v**0.5 / floor + 1e-8), params, m, v)
            return moved, (m, v, n)
    else:
        optimizer = optax.adam(recipe.lr, b1, b2)
        initial = optimizer.init

        def update(params: Any, g: Any, state: Any) -> Any:
            moves, state = optimizer.update(g, state)
            return optax.apply_updates(params, moves), state

    @jax.jit
    def step(params: Any, state: Any, rows: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, rows)
        return value, grads, *update(params, grads, state)

    return initial, step


def native_loss(config: Config) -> Program:
    """The model of the nano preset, as one would write it for JAX."""
    import jax
    import jax.numpy as jnp

    n_head, size = config.n_head, config.n_embd // config.n_head

    def norm(x: Any, gain: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain

    def loss(p: Any, rows: Any) -> Any:
        inputs, targets = rows[:, :-1], rows[:, 1:]
        n_rows, n_time = inputs.shape
        x = p["wte"][inputs] + p["wpe"][:n_time]
        seen = jnp.tril(jnp.ones((n_time, n_time), bool))
        for i in range(config.n_layer):
            h = norm(x, p[f"h{i}.norm1.gain"])
            q, k, v = (
                (h @ p[f"h{i}.attn.w{c}"]).reshape(n_rows, n_time, n_head, size).transpose(0, 2, 1, 3) for c in "qkv"
            )
            scores = jnp.where(seen, q @ k.transpose(0, 1, 3, 2) * size**-0.5, -jnp.inf)
            y = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(x.shape)
            x = x + y @ p[f"h{i}.attn.wo"]
            x = x + jax.nn.gelu(norm(x, p[f"h{i}.norm2.gain"]) @ p[f"h{i}.mlp.w1"]) @ p[f"h{i}.mlp.w2"]
        scores = jax.nn.log_softmax(norm(x, p["final_norm.gain"]) @ p["wte"].T)
        return -jnp.take_along_axis(scores, targets[..., None], -1).mean()

    return loss
