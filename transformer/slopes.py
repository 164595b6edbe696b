"""How the loss and the gradient of a batch are computed: of Tensors or of single Values, recorded or run anew.

The one place where that is chosen. The choice depends on the model and the data, and neither on what has been
seen so far nor on how long it goes on, so that a training that goes on computes the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

import autograd as ag
from transformer import threads
from transformer.base import Drop, Weights
from transformer.config import Config
from transformer.layers import dropout, mask
from transformer.model import loss

# The loss of a batch and its gradient: f(params, batch, rng). Dropout draws from the rng.
Slopes: TypeAlias = Callable[[Weights, np.ndarray, np.random.Generator], tuple[float, Weights]]

# To record takes 20 to 40 ms for a small model, the time of 3 steps for a large one, once for each length of a batch.
# It saves a third or more of every step of Tensors, and nearly all of one of Values.
LENGTHS = 32  # of rows, up to which it pays


def slopes(config: Config, rate: float, scalar: bool, n_lengths: int) -> Slopes:
    """The method for data whose rows have so many lengths, with dropout at a rate.

    scalar: run each batch as a graph of single Values instead of Tensors; where it is recorded, only once.
    """
    both = _Recorded(config, rate) if n_lengths <= LENGTHS else _anew(config, rate)

    def of(params: Weights, batch: np.ndarray, rng: np.random.Generator) -> tuple[float, Weights]:
        given = {k: p.astype(object) for k, p in params.items()} if scalar else params
        value, grads = both(given, batch, rng)
        return float(value), {k: g.astype(config.dtype, copy=False) for k, g in grads.items()}

    return of


def _anew(config: Config, rate: float) -> Slopes:
    def both(params: Weights, batch: np.ndarray, rng: np.random.Generator) -> tuple[float, Weights]:
        return ag.value_and_grad(loss)(params, batch, config, dropout(rate, rng) if rate else None)

    return both


class _Recorded:
    """By `ag.compile`: once for every shape of a batch, or of its halves. Dropout's masks are drawn before."""

    def __init__(self, config: Config, rate: float) -> None:
        self._config = config
        self._rate = rate
        self._shapes: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        # Each half has a recording of its own, since a recording has one memory.
        self._both = [ag.compile(ag.value_and_grad(_masked)) for _ in range(2)]

    def __call__(self, params: Weights, batch: np.ndarray, rng: np.random.Generator) -> tuple[float, Weights]:
        masks = None
        if self._rate:
            masks = [mask(s, self._rate, rng, self._config.dtype) for s in self._dropped(params, batch)]
        if not threads.halved(self._config, len(batch), batch.shape[1] - 1):
            return self._both[0](params, batch, self._config, masks)
        counted = batch[:, 1:] >= 0

        def half(i: int) -> tuple[float, Weights]:
            """A half of the rows, the part that it has in the mean, and its gradient."""
            rows = slice(*((None, len(batch) // 2), (len(batch) // 2, None))[i])
            share = float(counted[rows].sum() / counted.sum())
            own = masks and [m[rows] for m in masks]
            return self._both[i](params, batch[rows], self._config, own, share)

        (value, grads), (other, others) = threads.both(partial(half, 0), partial(half, 1))
        for name, g in grads.items():
            g += others[name]
        return value + other, grads

    def _dropped(self, params: Weights, batch: np.ndarray) -> list[tuple[int, ...]]:
        """The shapes of what dropout acts on, in their order."""
        if batch.shape not in self._shapes:
            found: list[tuple[int, ...]] = []

            def note(x: np.ndarray) -> np.ndarray:
                found.append(x.shape)
                return x

            plain = {k: np.asarray(p, self._config.dtype) for k, p in params.items()}
            loss(plain, batch, self._config, note)
            self._shapes[batch.shape] = found
        return self._shapes[batch.shape]


def _masked(
    params: Weights, batch: np.ndarray, config: Config, masks: list[np.ndarray] | None, share: float | None = None
) -> np.ndarray:
    """The loss with these masks; share: the part of it."""
    drop: Drop | None = None
    if masks is not None:
        rest = iter(masks)
        drop = lambda x: x * next(rest)  # noqa: E731
    value = loss(params, batch, config, drop)
    return value if share is None else value * share
