"""What a training would take on a mesh of devices that need not be there: traced by shape, and counted."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transformer.config import Config, count
from transformer.train import Recipe
from transformer.xla.counting import Cost, cost_of, part
from transformer.xla.mesh import Layout, sizes_of, spelled_out
from transformer.xla.step import Compiled

__all__ = ["Plan", "main", "plan", "told"]

BILLION = 10**9


@dataclass(frozen=True)
class Plan:
    """The figures of one step, those of a device being of the one that has most.

    batch: rows computed together, accumulate times a step, on all devices. cost: of one device. weights: bytes of
    parameters on one device.
    """

    config: Config
    sizes: Mapping[str, int]
    batch: int
    accumulate: int
    sharded: bool
    cost: Cost
    weights: int

    @property
    def parameters(self) -> int:
        """The parameters of the model."""
        return count(self.config)

    @property
    def devices(self) -> int:
        """The devices of the mesh."""
        return math.prod(self.sizes.values())

    @property
    def tokens(self) -> int:
        """The tokens of one step, on all devices."""
        return self.batch * self.accumulate * self.config.block_size

    @property
    def operations(self) -> float:
        """Operations a token, in products of matrices, of all devices together."""
        return self.cost.products * self.devices / self.tokens

    @property
    def held(self) -> dict[str, int]:
        """Bytes on one device between the way forth and the way back, when there is most."""
        weights = {"parameters": self.weights, "gradients": self.weights, "optimizer state": 2 * self.weights}
        return {**weights, "activations": self.cost.kept // self.accumulate}

    def days(self, tokens: float, flops: float) -> float:
        """Days for so many tokens, if a device does so many operations a second all the time."""
        return tokens / self.tokens * self.cost.products / flops / 86400


def plan(config: Config, sizes: Mapping[str, int], batch: int, accumulate: int = 1, sharded: bool = True) -> Plan:
    """Trace one step of a training and count what it takes. batch: rows that are computed together, on all devices."""
    recipe = Recipe(batch_size=batch, accumulate=accumulate, clip=1.0, weight_decay=0.1)
    layout = Layout(sizes, sharded, abstract=True)
    machine = Compiled(config, recipe, layout, deep=True)
    program = machine.traced(config.block_size + 1).jaxpr
    held = {name: layout.spec(name, shape) for name, shape in sorted(machine.shapes().items())}  # as JAX takes a dict
    given = [*held.values()] * 3 + [("data" if "data" in sizes else None, None)] * accumulate + [(None,)]
    weights = sum(part(machine.shapes()[name], of, sizes) for name, of in held.items())
    size = np.dtype(config.dtype).itemsize
    return Plan(config, sizes, batch, accumulate, sharded, cost_of(program, given, sizes), weights * size)


def main(args: argparse.Namespace, config: Config) -> str:
    """What the command line asks for, as text; ValueError for what does not fit."""
    for name in ("tokens", "flops"):
        if not getattr(args, name) > 0:
            raise ValueError(f"--{name} {getattr(args, name):g}: expected a number above 0")
    made = plan(config, sizes_of(args.mesh), args.batch, args.accumulate, not args.replicated)
    return told(made, args.tokens, args.flops)


def told(p: Plan, tokens: float, flops: float) -> str:
    """A plan as text."""
    c = p.config
    devices = f"{p.devices:,} device{'s' * (p.devices > 1)}"
    rows = p.batch // p.sizes.get("data", 1)
    again = f" in {p.accumulate} batches" if p.accumulate > 1 else ""
    lines = [
        f"{c.n_layer} layers of {c.n_head} heads, {c.n_embd:,} wide, {c.block_size:,} positions, "
        f"{c.vocab_size:,} tokens",
        f"{spelled_out(p.sizes) or 'no mesh'}: {devices}, {'fully sharded' if p.sharded else 'replicated over data'}",
        f"a step: {p.tokens:,} tokens{again}, {rows:,} row{'s' * (rows > 1)} together on each part of data; "
        "every block is computed again on the way back",
        "",
        f"parameters            {p.parameters:,}",
        f"operations a token    {p.operations:.4g} in products of matrices, "
        f"{p.operations / 6 / p.parameters:.3f} times 6N ({6 * p.parameters:.4g})",
        f"                      {p.cost.other * p.devices / p.tokens:.3g} elsewhere",
        "",
        f"bytes on a device     {_bytes(sum(p.held.values()))}",
        *(f"  {name:<20}{_bytes(n)}" for name, n in p.held.items()),
        f"and the largest array {_bytes(p.cost.largest)}: the logits of the rows together, or weights put together",
        "",
        "sent by a device, a step",
        *(f"  {kind:<15} {axis:<6} {n:>8,} messages, {_bytes(p.cost.bytes[kind, axis])}"
          for (kind, axis), n in sorted(p.cost.sent.items())),
        *([] if p.cost.sent else ["  nothing"]),
        "",
        f"{_time(p.days(tokens, flops))} for {_tokens(tokens)}, at {flops:.3g} operations a "
        "second that a device reaches",
    ]  # fmt: skip
    return "\n".join(lines)


def _time(days: float) -> str:
    """A time, with the unit that fits."""
    for unit, a_day in (("days", 1), ("hours", 24), ("minutes", 24 * 60)):
        if days * a_day >= 1:
            return f"{days * a_day:,.1f} {unit}"
    return f"{days * 86400:.3g} seconds"


def _tokens(n: float) -> str:
    """A number of tokens, as billions where it has some."""
    return f"{n / BILLION:,.10g} billion tokens" if n >= BILLION else f"{n:,.0f} tokens"


def _bytes(n: float) -> str:
    """A number of bytes, with the unit that fits."""
    units = ["B", "kB", "MB", "GB"]
    while n >= 1000 and len(units) > 1:
        n, units = n / 1000, units[1:]
    return f"{n:,.4g} {units[0]}"
