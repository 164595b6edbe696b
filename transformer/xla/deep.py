"""Many layers as one: a scan over blocks whose parameters are stacked, each computed again on the way back.

A program with every block in it grows with their number, and so do the time to compile it and the memory for
what the way back needs. Here the program holds one block, and of each only its input is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

import autograd as ag
from transformer.base import Array, Blocks, Params, Tree
from transformer.config import Config, shapes
from transformer.model import block
from transformer.optim import matrices
from transformer.xla import jax_for

__all__ = ["DEEP", "blocks", "decays", "is_stacked", "stacked", "unstacked"]

Place: TypeAlias = Callable[[Params], Params]

DEEP = 12  # layers, from which on it pays
STACK = "h."  # how the names of stacked parameters begin: h.attn.wq holds h0.attn.wq, h1.attn.wq, ...


def is_stacked(name: str) -> bool:
    """Whether a parameter holds those of all layers, along its first axis."""
    return name.startswith(STACK)


def stacked(tree: Params, config: Config, join: Callable[[list[Array]], Array] = np.stack) -> Params:
    """Parameters by layer, or arrays like them, with those of all layers in one array each. join: makes one of many."""
    own = [name.removeprefix("h0.") for name in tree if name.startswith("h0.")]
    once = {name: x for name, x in tree.items() if not name.partition(".")[0][1:].isdecimal()}
    return once | {STACK + name: join([tree[f"h{i}.{name}"] for i in range(config.n_layer)]) for name in own}


def unstacked(tree: Params, config: Config) -> Params:
    """The parameters by layer again, in the order of the config."""
    out = {}
    for name in shapes(config):
        layer, _, own = name.partition(".")
        out[name] = tree[STACK + own][int(layer[1:])] if layer[1:].isdecimal() else tree[name]
    return out


def decays(name: str, p: Array) -> bool:
    """Whether weight decay acts on a parameter: on matrices, be they stacked."""
    return matrices(name, p[0] if is_stacked(name) else p)


def blocks(config: Config, placed: Place, stored: Place) -> Blocks:
    """All blocks of a model as one operation.

    placed: puts the parameters of one block where they are computed with. stored: puts their gradients where the
    parameters lie between steps.
    """
    jax = jax_for("a scan over layers")

    def run(x: Array, params: Tree) -> Array:
        return ag.traceable(lambda both: block(both[0], both[1], config))((x, _by(placed, params)))

    def back(x: Array, params: Tree, g: Array) -> tuple[Array, Tree]:
        """The gradient of one block by this engine, from its input."""
        with ag.no_grad():  # for the gradient around this one it is a constant: it is JAX that calls
            gx, slopes = ag.grad(lambda x, p: (block(x, p, config) * g).sum(), (0, 1))(x, _by(placed, params))
        return gx, _by(stored, slopes)

    def forward(x: Array, params: Tree) -> tuple[Array, tuple[Array, Tree]]:
        out, inputs = jax.lax.scan(lambda x, layer: (run(x, layer), x), x, params)
        return out, (inputs, params)

    def backward(kept: tuple[Array, Tree], g: Array) -> tuple[Array, Tree]:
        return jax.lax.scan(lambda g, layer: back(layer[0], layer[1], g), g, kept, reverse=True)

    # Written out, since the derivative that JAX makes of a scan computes what is the same in every round, such as
    # masks, before it, for all rows and heads.
    scan = jax.custom_vjp(lambda x, params: forward(x, params)[0])
    scan.defvjp(forward, backward)
    scan.__name__ = "blocks"
    node = ag.jax_node(scan)
    return lambda x, tree: node(x, tree[STACK[:-1]])


def _by(place: Place, params: Tree) -> Tree:
    """The nested parameters of a block, placed by their names."""
    names = {(part, name): f"h0.{part}.{name}" for part, held in params.items() for name in held}
    there = place({name: params[part][own] for (part, own), name in names.items()})
    return {part: {own: there[names[part, own]] for own in held} for part, held in params.items()}
