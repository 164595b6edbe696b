"""What the command line says of JAX, made into what computes the steps of a training."""

from __future__ import annotations

import argparse

from transformer.config import Config
from transformer.train import Recipe
from transformer.xla.mesh import Layout, sizes_of
from transformer.xla.step import Compiled

__all__ = ["machine"]


def machine(args: argparse.Namespace, config: Config, recipe: Recipe) -> Compiled:
    """The machine that options ask for; ValueError for options that do not fit."""
    sizes = None if args.mesh is None else sizes_of(args.mesh)
    if args.replicated and sizes is None:
        raise ValueError("--replicated says how weights lie on a mesh; --mesh data=2 makes one")
    return Compiled(config, recipe, Layout(sizes, not args.replicated), args.matmul or "float32")
