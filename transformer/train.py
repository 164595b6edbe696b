"""Training: the loop that joins the model, the gradients and an optimizer.

`fit` yields a record per step and leaves showing and saving to whoever consumes it. This
is the one module of the transformer that differentiates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import autograd as ag
from transformer import optim
from transformer.base import Weights
from transformer.config import Config
from transformer.data import Documents, Text
from transformer.model import loss


class Step(NamedTuple):
    """What one step did: training loss before its update, validation loss if measured, tokens, parameters after."""

    step: int
    loss: float
    val_loss: float | None
    tokens: int
    params: Weights


class DivergedError(ArithmeticError):
    """The loss became nan or inf; `.params` are the last whose validation loss was finite."""

    def __init__(self, message: str, params: Weights) -> None:
        super().__init__(message)
        self.params = params


def validate(params: Weights, data: Documents | Text, config: Config) -> float:
    """The mean loss over all held-out rows, on plain arrays."""
    total = count = 0.0
    for i in range(0, len(data.held_out), 128):
        rows = data.held_out[i : i + 128]
        n = int((rows[:, 1:] >= 0).sum())
        with np.errstate(all="ignore"):
            total += float(loss(params, rows, config)) * n
        count += n
    return total / count


def fit(
    params: Weights,
    data: Documents | Text,
    config: Config,
    rng: np.random.Generator,
    steps: int,
    batch_size: int,
    lr: float,
    scalar: bool = False,
) -> Iterator[Step]:
    """Train with Adam, the learning rate falling from `lr` in a line to zero.

    scalar: run each step as a graph of single Values instead of Tensors. The validation
    loss is measured about 20 times. Raises DivergedError when a loss is not finite.
    """
    optimizer = optim.adam(lambda step: lr * (1 - step / steps), betas=(0.85, 0.99))
    state = optimizer.init(params)
    value_and_grad = ag.value_and_grad(loss)
    every = max(1, steps // 20)
    good = params
    for step in range(steps):
        batch = data.batch(batch_size, rng)
        with np.errstate(all="ignore"):
            value, grads = value_and_grad(
                {k: p.astype(object) for k, p in params.items()} if scalar else params, batch, config
            )
        if not np.isfinite(value):
            raise DivergedError(f"the loss became {value} at step {step}; {_origin(params, batch, config)}", good)
        with np.errstate(all="ignore"):
            params, state = optimizer.update(params, grads, state)
        if scalar:
            params = {k: p.astype(config.dtype) for k, p in params.items()}
        done = step + 1
        val_loss = validate(params, data, config) if done % every == 0 or done == steps else None
        if val_loss is not None:
            if not np.isfinite(val_loss):
                raise DivergedError(
                    f"the validation loss became {val_loss} at step {step}; {_origin(params, data.held_out, config)}",
                    good,
                )
            good = params
        yield Step(done, float(value), val_loss, int((batch[:, 1:] >= 0).sum()), params)


def _origin(params: Weights, batch: np.ndarray, config: Config) -> str:
    """Where a loss that is not finite began: run again on the watch."""
    for name, p in params.items():
        if not np.isfinite(p).all():
            return f"it began in the update before, which made {name} infinite or nan: a smaller learning rate helps"
    try:
        with ag.detect_anomaly():
            loss({k: ag.Tensor(p, label=k) for k, p in params.items()}, batch, config)
    except ag.AnomalyError as error:
        return f"it began here: {error}"
    return "no single operation began it"
