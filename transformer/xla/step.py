"""A training step as one compiled program: the loss, its gradient by `autograd`, and the update.

`Compiled` is to `train.fit` what `train.Plain` is on NumPy: the same batches in the same order, drawn by the same
generator, the same losses to rounding, and states that go on on either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np

import autograd as ag
from transformer.base import Array, Drop, Params, Tree, Weights
from transformer.config import Config, shapes
from transformer.data import Documents, Text
from transformer.layers import mask
from transformer.model import loss
from transformer.train import Gradient, LostError, Recipe, chunk
from transformer.xla import jax_for
from transformer.xla.deep import DEEP, blocks, decays, is_stacked, stacked, unstacked
from transformer.xla.mesh import Layout

__all__ = ["Compiled"]


class Clock:
    """The number of a step, as an optimizer sees it while JAX traces.

    What the optimizer makes of it by Python's own arithmetic, such as the learning rate, is worked out before every
    step in Python's precision, and comes in as a number. asked: the functions of the step that make them, in order.
    """

    def __init__(self, numbers: Any) -> None:
        self.asked: list[Callable[[int], float]] = []
        self._numbers = numbers

    def through(self, function: Callable[[int], float]) -> Array:
        """The number that a function makes of the step."""
        self.asked.append(function)
        return self._numbers[len(self.asked) - 1]

    def __add__(self, n: int) -> Clock:
        return self


class Compiled:
    """Steps of a training on JAX. layout: where the arrays lie. matmul: what products round their operands to.

    deep: whether the blocks are one scan; by default, where there are many and no dropout.
    """

    def __init__(
        self, config: Config, recipe: Recipe, layout: Layout, matmul: str = "float32", deep: bool | None = None
    ) -> None:
        if recipe.scalar:
            raise ValueError("--scalar computes with single Values, which JAX has none of; leave out one of the two")
        self.jax = jax_for("--array jax")
        self.config, self.recipe, self.layout, self.matmul = config, recipe, layout, matmul
        layout.must_fit(config, recipe.batch_size)
        self.writes = self.jax.process_index() == 0
        self.about = f"{layout.about}, products of matrices in {matmul if matmul == 'bfloat16' else config.dtype}"
        self.deep = config.n_layer >= DEEP and not recipe.dropout if deep is None else deep
        self.blocks = blocks(config, layout.gathered, layout.stored) if self.deep else None
        self.optimizer = recipe.optimizer(decays)
        clock = Clock([1.0] * 8)
        self.optimizer.update({}, {}, {"step": clock, "m": {}, "v": {}})
        self._asked = clock.asked
        self._step, self._loss = self.jax.jit(self._whole_step), self.jax.jit(self._loss_alone)

    # ---- what `fit` asks for ----

    def step(
        self, params: Weights, moments: Tree, data: Documents | Text, rng: np.random.Generator, owned: bool = False
    ) -> tuple[Gradient, Weights, Tree]:
        """One step: what it found, and the parameters and moments after it, as arrays of JAX."""
        recipe, masks = self.recipe, []
        batches = []
        for _ in range(recipe.accumulate):
            if recipe.dropout:  # whose random numbers follow the width of a batch
                batches.append(data.batch(recipe.batch_size, rng))
            else:
                own = data.batch(recipe.batch_size, rng, self.layout.share(recipe.batch_size))
                batches.append(widened(own, data.train.shape[1]))
            masks.append([mask(s, recipe.dropout, rng, self.config.dtype) for s in self._dropped(batches[-1])])
        step = moments["step"]
        numbers = np.array([f(step) for f in self._asked], self.config.dtype)
        n_rows = None if recipe.dropout else recipe.batch_size
        with self._precision(), self._together():
            trees = self._placed(params), self._placed(moments["m"]), self._placed(moments["v"])
            placed = [self.layout.batch(batch, n_rows) for batch in batches]
            masked = [[self.layout.batch(mask) for mask in of_batch] for of_batch in masks]
            params, m, v, grads, value, tokens = self._step(*trees, placed, masked, numbers)
            made = Gradient(float(value), int(tokens), grads, batches[-1])
        return made, params, {"step": step + 1, "m": m, "v": v}

    def validate(self, params: Weights, data: Documents | Text) -> float:
        """The mean loss over all held-out rows."""
        n_rows = self.layout.rounded(chunk(data, self.config))
        total = count = 0.0
        with self._precision(), self._together():
            params = self._placed(params)
            for i in range(0, len(data.held_out), n_rows):
                rows = np.full((n_rows, data.held_out.shape[1]), -1)
                some = data.held_out[i : i + n_rows]
                rows[: len(some)] = some
                n = int((some[:, 1:] >= 0).sum())
                total += float(self._loss(params, self.layout.batch(rows))) * n
                count += n
        return total / count

    def host(self, tree: Tree) -> Tree:
        """Parameters, or other arrays by name, as arrays of NumPy that nobody else changes."""
        with self._precision(), self._together():
            whole = self.layout.host(tree)
        return unstacked(whole, self.config) if any(map(is_stacked, whole)) else whole

    def agreed(self, asked: int) -> int:
        """What all processes agree on, where one of them is asked to stop: the number of the signal."""
        with self._together():
            return self.layout.agreed(asked)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Inside it processes compute together; LostError where another one is gone."""
        try:
            yield
        except (ValueError, RuntimeError, OSError) as error:
            if self.jax.process_count() == 1 or isinstance(error, LostError):
                raise
            first = str(error).partition("\n")[0]
            raise LostError(
                f"process {self.jax.process_index()} of {self.jax.process_count()} cannot go on, since another one "
                f"ended or cannot be reached ({first})"
            ) from error

    def _placed(self, tree: Weights) -> Params:
        """Parameters, or moments, where and as they are between steps: stacked, if there are many layers."""
        new = self.deep and not any(map(is_stacked, tree))
        return self.layout.weights(stacked(tree, self.config) if new else tree)

    def traced(self, width: int) -> Any:
        """The step as JAX traces it, by shape alone: for batches of rows of a width."""
        of = self.jax.ShapeDtypeStruct
        tree = {k: of(shape, self.config.dtype) for k, shape in self.shapes().items()}
        rows = [of((self.recipe.batch_size, width), np.int32)] * self.recipe.accumulate
        with self._precision():
            numbers = of((len(self._asked),), self.config.dtype)
            return self._step.trace(tree, tree, tree, rows, [[] for _ in rows], numbers)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters as they are between steps."""
        own = shapes(self.config)
        return stacked(own, self.config, lambda all_layers: (len(all_layers), *all_layers[0])) if self.deep else own

    # ---- what is compiled ----

    def _whole_step(
        self, params: Params, m: Params, v: Params, batches: list[Array], masks: list[list[Array]], numbers: Array
    ) -> tuple[Params, Params, Params, Params, Array, Array]:
        grads, value = self._gradient(params, batches, masks)
        params, state = self.optimizer.update(params, grads, {"step": Clock(numbers), "m": m, "v": v})
        stored = self.layout.stored
        tokens = sum((batch[:, 1:] >= 0).sum() for batch in batches)
        return stored(params), stored(state["m"]), stored(state["v"]), grads, value, tokens

    def _gradient(self, params: Params, batches: list[Array], masks: list[list[Array]]) -> tuple[Params, Array]:
        """The gradient over all batches, and their loss: the means by tokens, as of one large batch."""
        whole, jax = self._whole(params), self.jax

        def of(batch: Array, drop: Drop | None) -> tuple[Array, Params]:
            value, slopes = ag.value_and_grad(loss)(whole, batch, self.config, drop, self.blocks)
            return value, self.layout.stored(slopes)

        if len(batches) == 1:
            value, slopes = of(batches[0], dropping(masks[0]))
            return slopes, value

        def weighted(batch: Array, drop: Drop | None = None) -> Tree:
            n = (batch[:, 1:] >= 0).sum().astype(self.config.dtype)
            value, slopes = of(batch, drop)
            return {"n": n, "value": n * value, "slopes": {k: n * g for k, g in slopes.items()}}

        def plus(a: Tree, b: Tree) -> Tree:
            return jax.tree.map(lambda x, y: x + y, a, b)

        total = weighted(batches[0], dropping(masks[0]))
        if masks[0]:  # of other shapes in every batch
            for batch, of_batch in zip(batches[1:], masks[1:], strict=True):
                total = plus(total, weighted(batch, dropping(of_batch)))
        else:
            rest = jax.numpy.stack(batches[1:])
            total, _ = jax.lax.scan(lambda total, batch: (plus(total, weighted(batch)), None), total, rest)
        return {k: g / total["n"] for k, g in total["slopes"].items()}, total["value"] / total["n"]

    def _loss_alone(self, params: Params, rows: Array) -> Array:
        return loss(self._whole(params), rows, self.config, None, self.blocks)

    def _whole(self, params: Params) -> Params:
        """The parameters as they are computed with; those that are stacked when their turn comes."""
        return params | self.layout.gathered({k: p for k, p in params.items() if not is_stacked(k)})

    # ---- precision and dropout ----

    def _precision(self) -> AbstractContextManager[Any]:
        """Inside it float64 is float64, and float32 is not less than that on a GPU."""
        stack = ExitStack()
        stack.enter_context(self.jax.enable_x64(self.config.dtype == "float64"))
        if self.matmul == "float32":
            stack.enter_context(self.jax.default_matmul_precision("highest"))
        else:
            stack.enter_context(ag.matmul_in(self.matmul))
        return stack

    def _dropped(self, batch: np.ndarray) -> list[tuple[int, ...]]:
        """The shapes of what dropout works on in the forward pass, in order."""
        if not self.recipe.dropout:
            return []
        found: list[tuple[int, ...]] = []

        def seen(x: Array) -> Array:
            found.append(x.shape)
            return x

        params = {k: self.jax.ShapeDtypeStruct(s, self.config.dtype) for k, s in shapes(self.config).items()}
        with self._precision():
            self.jax.eval_shape(lambda p: loss(p, batch, self.config, seen), params)
        return found


def dropping(masks: list[Array]) -> Drop | None:
    """Dropout by masks that were drawn before, in the order of the forward pass."""
    rest = iter(masks)
    return (lambda x: x * next(rest)) if masks else None


def widened(rows: np.ndarray, width: int) -> np.ndarray:
    """Rows padded to one width, so that one program serves all batches."""
    out = np.full((len(rows), width), -1)
    out[:, : rows.shape[1]] = rows
    return out
