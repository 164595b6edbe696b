"""Trains the same tiny model on several meshes of this process' devices, and prints losses and collectives as JSON.

Run by `test_mesh` in a process of its own, since the number of devices is settled when JAX starts.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from typing import Any

import numpy as np

from transformer import Config, init
from transformer.data import NAMES, Documents, read
from transformer.train import Recipe, fit, start
from transformer.xla.mesh import Layout, sizes_of
from transformer.xla.step import Compiled

COLLECTIVE = re.compile(r" (all-gather|all-reduce|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")


MODELS = {
    "gpt": Config(n_layer=1, n_embd=16, block_size=8, dtype="float32"),
    "llama": Config.preset("llama", n_layer=1, n_embd=16, n_head=4, n_kv_head=2, block_size=8, dtype="float32"),
}


def trained(mesh: str, sharded: bool, model: str, steps: int) -> dict[str, Any]:
    """The losses on a mesh, the collectives of the compiled step, and how many bytes of weights each device holds."""
    config, recipe = MODELS[model], Recipe(steps=steps, batch_size=8)
    rng = np.random.default_rng(0)
    data = Documents(read(NAMES), config.block_size, rng)
    config = dataclasses.replace(config, vocab_size=data.vocabulary.size)
    machine = Compiled(config, recipe, Layout(sizes_of(mesh) if mesh else None, sharded))
    program: list[Any] = []
    jitted = machine._step

    def step(*args: Any) -> Any:
        if not program:
            program.append(jitted.lower(*args).compile())
        return program[0](*args)

    machine._step = step
    losses, state = [], start(init(config, rng), data, recipe, rng)
    for done in fit(state, data, config, recipe, machine):
        losses += [done.loss] if done.val_loss is None else [done.loss, done.val_loss]
        state = done.state
    text = program[0].as_text()
    whole = sum(x.nbytes for x in state.params.values())
    part = sum(4 * int(np.prod(x.sharding.shard_shape(x.shape))) for x in state.params.values())
    return {"losses": losses, "collectives": sorted(set(COLLECTIVE.findall(text))), "share": part / whole}


def deep(sizes: dict[str, int]) -> list[tuple[str, str, bool]]:
    """What the compiled step of twelve layers sends: kind, shape, and whether inside a loop."""
    import jax

    config = Config(vocab_size=64, n_layer=12, n_embd=32, block_size=32, dtype="float32")
    machine = Compiled(config, Recipe(batch_size=8), Layout(sizes))
    of, layout = jax.ShapeDtypeStruct, machine.layout
    tree = {k: of(s, "float32", sharding=layout._sharding(layout.spec(k, s))) for k, s in machine.shapes().items()}
    rows = [of((8, 33), np.int32, sharding=layout._rows)]
    numbers = of((len(machine._asked),), "float32")
    with machine._precision():
        text = machine._step.lower(tree, tree, tree, rows, [[]], numbers).compile().as_text()
    found, outside = [], False
    for line in text.splitlines():
        outside = line.startswith("ENTRY") if line.endswith("{") and not line.startswith(" ") else outside
        if sent := COLLECTIVE.search(line):
            found.append((sent.group(1), line.partition("= ")[2].partition(f" {sent.group(1)}")[0], not outside))
    return found


def beside_native(sizes: dict[str, int], sharded: bool) -> dict[str, list[str]]:
    """The kinds of collectives in our step, and in the gradient of the same model by JAX alone, laid out the same."""
    import jax

    from tests.benchmarks.jax_step import native_loss

    config = Config(vocab_size=64, n_layer=2, n_embd=32, block_size=32, bias=False, dtype="float32")
    machine = Compiled(config, Recipe(batch_size=8), Layout(sizes, sharded))
    of, layout = jax.ShapeDtypeStruct, machine.layout
    tree = {k: of(s, "float32", sharding=layout._sharding(layout.spec(k, s))) for k, s in machine.shapes().items()}
    rows, numbers = of((8, 33), np.int32, sharding=layout._rows), of((len(machine._asked),), "float32")
    with machine._precision():
        ours = machine._step.lower(tree, tree, tree, [rows], [[]], numbers)
    out = (None, {k: x.sharding for k, x in tree.items()})
    native = jax.jit(jax.value_and_grad(native_loss(config)), out_shardings=out).lower(tree, rows)
    programs = {"ours": ours, "native": native}
    return {name: sorted(set(COLLECTIVE.findall(p.compile().as_text()))) for name, p in programs.items()}


if __name__ == "__main__":
    if sys.argv[1] == "native":
        print(json.dumps([beside_native(*how) for how in json.loads(sys.argv[2])]))
        sys.exit()
    if sys.argv[1] == "deep":
        print(json.dumps(deep(json.loads(sys.argv[2]))))
        sys.exit()
    print(json.dumps([trained(*how, steps=6) for how in json.loads(sys.argv[1])]))
