"""What the command line says of JAX, made into what computes the steps of a training."""

from __future__ import annotations

import argparse

from transformer.config import Config
from transformer.train import Recipe
from transformer.xla import jax_for
from transformer.xla.mesh import Layout, sizes_of
from transformer.xla.processes import join
from transformer.xla.step import Compiled

__all__ = ["machine"]


def machine(args: argparse.Namespace, config: Config, recipe: Recipe) -> Compiled:
    """The machine that options ask for; ValueError for options that do not fit."""
    asked = {"--array jax": args.array, "--mesh": args.mesh, "--coordinator": args.coordinator, "--matmul": args.matmul}
    jax = jax_for(next((option for option, given in asked.items() if given), "--processes"))
    sizes = None if args.mesh is None else sizes_of(args.mesh)
    if args.replicated and sizes is None and args.processes is None:
        raise ValueError("--replicated says how weights lie on a mesh; --mesh data=2 makes one")
    if join(args.coordinator, args.process, args.processes) > 1 and sizes is None:
        sizes = {"data": jax.device_count()}
    return Compiled(config, recipe, Layout(sizes, not args.replicated), args.matmul or "float32")
