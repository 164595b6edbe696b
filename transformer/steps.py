"""A training walked step by step: the loss, its backward pass, the update of one weight in numbers, the next loss.

For the prompt of `autograd`, which walks the graphs and shows the texts that `walked` gives.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

import autograd as ag
from transformer import runs, threads
from transformer.base import Array, Loss, Weights
from transformer.checkpoint import State
from transformer.config import Config, init
from transformer.data import NAMES, Documents, Text, read
from transformer.model import loss as mean_loss
from transformer.session import KINDS
from transformer.train import Recipe, fit, start

__all__ = ["replayed", "walked", "weight_of"]

Walked = Generator[ag.Value | ag.Tensor | str, ag.Stepper, None]


def walked(
    state: State,
    tokens: Array,
    config: Config,
    recipe: Recipe,
    weight: tuple[str, tuple[int, ...]] | None = None,
    loss_of: Loss = mean_loss,
) -> Walked:
    """One training step after the other on one text, for `ag.debug`: graphs to walk, and the update as texts.

    weight: the name and the index of the weight whose update is told; by default that of the largest gradient.
    loss_of: which loss of the text.
    """
    optimizer, params, moments, before = recipe.optimizer(), state.params, state.moments, 0.0
    for step in range(state.step, recipe.steps):
        nodes = {name: ag.values(p, name) if recipe.scalar else ag.Tensor(p, name) for name, p in params.items()}
        with ag.record_source():
            loss = loss_of(nodes, tokens, config)
        loss = loss.item() if isinstance(loss, np.ndarray) else loss
        stepper = yield loss
        now = float(loss.data)
        grads = {name: _gradients(stepper, x) for name, x in nodes.items()}
        if step > state.step:
            fell = "it has fallen" if now < before else "it has not fallen"
            yield f"The loss was {before:.6g} before the last update and is {now:.6g} now: {fell}."
        moments = moments or optimizer.init(params)
        weight = weight or _largest(grads)
        new, new_moments = optimizer.update(params, grads, moments)
        yield from _update(weight, step, recipe, params, grads, moments, new)
        params, moments, before = new, new_moments, now
        yield f"All weights are updated in the same way. On to step {step + 2}, on the same text."


def _gradients(stepper: ag.Stepper, nodes: Array) -> np.ndarray:
    """The gradients of a parameter at the end of a backward pass, zeros where none came."""
    if isinstance(nodes, np.ndarray):
        return np.array([stepper.grad(node) or 0.0 for node in nodes.flat]).reshape(nodes.shape)
    g = stepper.grad(nodes)
    return np.zeros(nodes.shape) if g is None else np.asarray(g)


def _largest(grads: Weights) -> tuple[str, tuple[int, ...]]:
    """The weight with the largest gradient."""
    name = max(grads, key=lambda name: float(np.abs(grads[name]).max()))
    return name, tuple(int(i) for i in np.unravel_index(np.abs(grads[name]).argmax(), grads[name].shape))


def _update(
    weight: tuple[str, tuple[int, ...]],
    step: int,
    recipe: Recipe,
    params: Weights,
    grads: Weights,
    moments: dict[str, Array],
    new: Weights,
) -> Iterator[str]:
    """Adam (Kingma and Ba 2015, algorithm 1) for one weight, a line for each of its lines."""
    name, index = weight
    label = f"{name}[{','.join(map(str, index))}]"
    p, g = float(params[name][index]), float(grads[name][index])
    b1, b2 = recipe.beta1, recipe.beta2
    m0, v0 = (float(moments[key][name][index]) + 0.0 for key in ("m", "v"))
    m, v = b1 * m0 + (1 - b1) * g, b2 * v0 + (1 - b2) * g * g
    mean, square = m / (1 - b1 ** (step + 1)), v / (1 - b2 ** (step + 1))
    after = float(new[name][index])
    yield f"Step {step + 1}: Adam updates {label} = {p:.6g}, whose gradient is g = {g:.6g}."
    yield f"  m = {b1} * {m0:.4g} + {1 - b1:.3g} * g = {m:.4g}: a mean of gradients, which forgets slowly"
    yield f"  v = {b2} * {v0:.4g} + {1 - b2:.3g} * g² = {v:.4g}: a mean of their squares"
    yield (
        f"  m / (1 - {b1}^{step + 1}) = {mean:.4g}, v / (1 - {b2}^{step + 1}) = {square:.4g}: "
        "both began at 0, which this takes out again"
    )
    size = p - after
    if recipe.weight_decay or recipe.clip:
        yield f"  with {'weight decay' if recipe.weight_decay else 'gradients clipped'}, the step is {size:.4g}"
    else:
        rate = size * (square**0.5 + 1e-8) / mean if mean else 0.0
        yield f"  the step is {rate:.4g} * {mean:.4g} / (√{square:.4g} + 1e-08) = {size:.4g}: about the learning rate"
    yield f"  {label} = {p:.6g} - {size:.4g} = {after:.6g}"


def weight_of(text: str, params: Weights) -> tuple[str, tuple[int, ...]]:
    """NAME[INDEX] as a parameter and an index; ValueError for what is no weight of these."""
    name, _, inside = text.rstrip("]").partition("[")
    index = tuple(int(i) for i in inside.split(",")) if re.fullmatch(r"\d+(,\d+)*", inside) else ()
    if name not in params:
        raise ValueError(f"--weight {text}: there is no parameter {name!r}; there are {', '.join(params)}")
    shape = params[name].shape
    if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape)):
        raise ValueError(
            f"--weight {text}: {name} has shape {shape}; write an index as {name}[{','.join('0' * len(shape))}]"
        )
    return name, index


def replayed(folder: str, step: int | None = None) -> tuple[State, Config, Recipe, Documents | Text]:
    """A run's training at a step, by default where it ended: replayed from its seed.

    Raises ValueError for a step that the run does not have, and for data that has changed since.
    """
    facts = runs.facts(folder)
    config, options = facts.config, facts.options
    state, record, _ = runs.Run(Path(folder), facts).open()
    fields = {name: options[name] for name in Recipe.__dataclass_fields__}
    recipe = Recipe(**{**fields, "steps": record["steps"]})
    rng = np.random.default_rng(options["seed"])
    data = KINDS[options["as"]](read(options["data"] or NAMES), config.block_size, rng)
    if data.fingerprint != options["fingerprint"]:
        raise ValueError(f"{options['data'] or NAMES} is not the data that {folder} was trained on")
    if step is None or step == state.step:
        return state, config, recipe, data
    if not 0 <= step <= state.step:
        raise ValueError(f"--step {step}: this run has steps 0 to {state.step}")
    state = start(init(config, rng), data, recipe, rng)
    with threads.limited(options["threads"]):  # their number decides how products are summed, and so the last bits
        for done in fit(state, data, config, recipe) if step else ():
            state = done.state
            if done.step == step:
                break
    return state, config, recipe, data
