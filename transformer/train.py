"""Training: the loop that joins the model, the gradients and an optimizer.

`Recipe` says how; `fit` yields a record per step and leaves showing and saving to whoever
consumes it. Every record carries the whole `State`, from which `fit` goes on to the same bits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

import autograd as ag
from transformer import optim
from transformer.base import Array, Schedule, Tree, Weights
from transformer.checkpoint import State
from transformer.config import Config, count
from transformer.data import Documents, Text
from transformer.model import loss
from transformer.slopes import Slopes, slopes

TINY = 100_000  # parameters up to which an update is recorded, too: its calls take as long as its arithmetic
SMALL = 2_000_000  # up to which the last good ones are kept
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "linear": optim.linear,
    "cosine": optim.cosine,
    "constant": lambda lr, warmup, steps, floor: optim.linear(lr, warmup, steps, lr),
}


@dataclass(frozen=True)
class Recipe:
    """How to train: the steps, what each sees, and AdamW with its learning rate.

    The rate rises to `lr` over `warmup` steps and falls to `floor` by the last one. Each step
    sees `accumulate` batches of `batch_size` rows and takes the gradient of all. weight_decay
    acts on matrices only; clip: the most that the gradient's norm may be, 0 for no bound.
    scalar: run each step as a graph of single Values instead of Tensors.
    Raises ValueError for numbers that do not fit.
    """

    steps: int = 1500
    batch_size: int = 32
    accumulate: int = 1
    lr: float = 0.01
    schedule: str = "linear"
    warmup: int = 0
    floor: float = 0.0
    beta1: float = 0.85
    beta2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 0.0
    dropout: float = 0.0
    scalar: bool = False

    def __post_init__(self) -> None:
        for name, below in (("beta1", 1), ("beta2", 1), ("dropout", 1), ("lr", math.inf), ("floor", math.inf),
                            ("weight_decay", math.inf), ("clip", math.inf)):  # fmt: skip
            if not 0 <= getattr(self, name) < below:
                raise ValueError(f"{name}={getattr(self, name)}; expected a number from 0 to less than {below}")
        for name, least in (("steps", 1), ("batch_size", 1), ("accumulate", 1), ("warmup", 0)):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}; expected a whole number from {least} on")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule={self.schedule!r}; choose from {', '.join(SCHEDULES)}")
        self.optimizer()

    def optimizer(
        self, decays: Callable[[str, Array], bool] = optim.matrices, in_place: bool = False
    ) -> optim.Optimizer:
        """The optimizer that it calls for. decays: whether a parameter is one that weight_decay acts on. in_place: see
        `optim.adam`."""
        rate = SCHEDULES[self.schedule](self.lr, self.warmup, self.steps, self.floor)
        betas = (self.beta1, self.beta2)
        adam = optim.adam(rate, betas, weight_decay=self.weight_decay, decays=decays, in_place=in_place)
        return optim.clip(adam, self.clip) if self.clip else adam


# nanoGPT's settings for training on a CPU, for the preset of its shape.
RECIPES = {
    "nano": Recipe(
        2000, 12, lr=1e-3, schedule="cosine", warmup=100, floor=1e-4, beta1=0.9, weight_decay=0.1, clip=1.0
    )
}  # fmt: skip


class Step(NamedTuple):
    """What one step did: loss before its update, validation loss if measured, tokens, gradients, the state after."""

    step: int
    loss: float
    val_loss: float | None
    tokens: int
    grads: Weights
    state: State


class LostError(OSError):
    """Of several processes that train together one is gone."""


class DivergedError(ArithmeticError):
    """The loss became nan or inf; `.state` is the last whose validation loss was finite, None of a large model."""

    def __init__(self, message: str, state: State | None) -> None:
        super().__init__(message)
        self.state = state


def chunk(data: Documents | Text, config: Config) -> int:
    """How many held-out rows are looked at together."""
    a_row = data.held_out.shape[1] * max(config.vocab_size, 4 * config.n_embd)  # numbers in its largest array
    return max(1, min(128, 2**24 // a_row))


def validate(params: Weights, data: Documents | Text, config: Config) -> float:
    """The mean loss over all held-out rows, on plain arrays."""
    total = count = 0.0
    n_rows = chunk(data, config)
    for i in range(0, len(data.held_out), n_rows):
        rows = data.held_out[i : i + n_rows]
        n = int((rows[:, 1:] >= 0).sum())
        with np.errstate(all="ignore"):
            total += float(loss(params, rows, config)) * n
        count += n
    return total / count


def start(params: Weights, data: Documents | Text, recipe: Recipe, rng: np.random.Generator) -> State:
    """The state before the first step."""
    return State(0, params, recipe.optimizer().init(params), dict(rng.bit_generator.state), data.position())


class Machine(Protocol):
    """What computes the steps of a training: `Plain` with NumPy, `xla.step.Compiled` with JAX. about: a word on it."""

    about: str
    writes: bool  # whether this process, of several, writes the run

    def step(
        self, params: Weights, moments: Tree, data: Documents | Text, rng: np.random.Generator, owned: bool = False
    ) -> tuple[Gradient, Weights, Tree]:
        """The gradient of one step, and parameters and moments after it. owned: nobody else holds those before, which
        may be written over."""

    def validate(self, params: Weights, data: Documents | Text) -> float:
        """The mean loss over all held-out rows."""

    def host(self, tree: Weights) -> Weights:
        """Its arrays as arrays of NumPy."""

    def agreed(self, asked: int) -> int:
        """The number of the signal that asks to stop, in this process or another; 0 for none."""


class Plain:
    """Steps of a training with NumPy."""

    about, writes = "", True

    def __init__(self, config: Config, recipe: Recipe) -> None:
        self.config, self.recipe, self.optimizer = config, recipe, recipe.optimizer()
        self._slopes: Slopes | None = None
        self._update = self._overwrite = self.optimizer.update
        if count(config) <= TINY:
            self._update = self._overwrite = ag.compile(self.optimizer.update)
        elif not recipe.scalar:
            self._overwrite = recipe.optimizer(in_place=True).update

    def step(
        self, params: Weights, moments: Tree, data: Documents | Text, rng: np.random.Generator, owned: bool = False
    ) -> tuple[Gradient, Weights, Tree]:
        """The gradient of one step, and parameters and moments after it."""
        self._slopes = self._slopes or slopes(self.config, self.recipe.dropout, self.recipe.scalar, data.n_lengths)
        with np.errstate(all="ignore"):
            made = gradient(self._slopes, params, data, self.recipe, rng)
            update = self._overwrite if owned and np.isfinite(made.loss) else self._update
            return made, *update(params, made.grads, moments)

    def validate(self, params: Weights, data: Documents | Text) -> float:
        """The mean loss over all held-out rows."""
        return validate(params, data, self.config)

    def host(self, tree: Weights) -> Weights:
        """Its arrays, which are NumPy's."""
        return tree

    def agreed(self, asked: int) -> int:
        """The number of the signal that asks to stop."""
        return asked


def fit(
    state: State, data: Documents | Text, config: Config, recipe: Recipe, machine: Machine | None = None
) -> Iterator[Step]:
    """Train from a state on to the recipe's last step. machine: what computes the steps, by default NumPy.

    The validation loss is measured about 20 times. Raises DivergedError when a loss is not
    finite, ValueError for a state that does not belong to this data.
    """
    machine = machine or Plain(config, recipe)
    rng = np.random.default_rng()
    rng.bit_generator.state = state.rng
    data.seek(state.data)
    every = max(1, recipe.steps // 20)
    small = count(config) <= SMALL
    good = state if small else None
    for step in range(state.step, recipe.steps):
        owned = _alone(state)
        made, params, moments = machine.step(state.params, state.moments, data, rng, owned)
        if not np.isfinite(made.loss):
            origin = _origin(machine.host(state.params), made.batch, config)
            raise DivergedError(f"the loss became {made.loss} at step {step}; {origin}", good)
        state = State(step + 1, params, moments, dict(rng.bit_generator.state), data.position())
        measured = state.step % every == 0 or state.step == recipe.steps
        val_loss = machine.validate(params, data) if measured else None
        if val_loss is not None:
            if not np.isfinite(val_loss):
                origin = _origin(machine.host(params), data.held_out, config)
                raise DivergedError(f"the validation loss became {val_loss} at step {step}; {origin}", good)
            good = state if small else None
        done = [Step(state.step, made.loss, val_loss, made.tokens, made.grads, state)]
        del made, params, moments  # what nobody else holds, the next step may write over
        yield done.pop()


def _alone(state: State) -> bool:
    """Whether nobody holds a state, or arrays in it, but the loop that goes on from it."""
    if _holders(state) > _ALONE:
        return False
    trees = (tree for tree in (state.params, *state.moments.values()) if isinstance(tree, dict))
    return all(_is_own(a) for tree in trees for a in tree.values())


def _is_own(a: Array) -> bool:
    return type(a) is np.ndarray and a.base is None and a.flags.writeable


def _holders(state: State) -> int:
    """How many references there are to a state, its dicts and the array in them that has the most."""
    count, trees = sys.getrefcount, (state.params, *state.moments.values())
    most = max((count(a) for tree in trees if isinstance(tree, dict) for a in tree.values()), default=0)
    return count(state) + count(state.params) + count(state.moments) + most


def _of_nobody() -> int:
    """What `_holders` says in a loop that alone holds a state."""
    state = State(0, {"": np.empty(1)}, {"step": 0, "m": {"": np.empty(1)}}, {}, {})
    return _asked(state)


def _asked(state: State) -> int:
    return _holders(state)


_ALONE = _of_nobody()


class Gradient(NamedTuple):
    """The loss of one step, the number of tokens it is the mean of, its gradient, and the last batch of it."""

    loss: float
    tokens: int
    grads: Weights
    batch: np.ndarray


def gradient(of: Slopes, params: Weights, data: Documents | Text, recipe: Recipe, rng: np.random.Generator) -> Gradient:
    """The gradient over as many batches as the recipe accumulates: the mean by tokens, as of one large batch."""
    parts = []
    for _ in range(recipe.accumulate):
        batch = data.batch(recipe.batch_size, rng)
        n = int((batch[:, 1:] >= 0).sum())
        value, grads = of(params, batch, rng)
        parts.append(Gradient(value, n, grads, batch))
        if len(parts) == 2:
            parts = [_joined(*parts)]
    return parts[0]


def _joined(a: Gradient, b: Gradient) -> Gradient:
    """The mean of two, by their tokens."""
    tokens = a.tokens + b.tokens
    p, q = a.tokens / tokens, b.tokens / tokens
    return Gradient(p * a.loss + q * b.loss, tokens, {k: p * g + q * b.grads[k] for k, g in a.grads.items()}, b.batch)


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
