"""A training at the terminal: begun or gone on with, shown as it goes, interrupted, and kept.

The loop itself is `train`'s, the files are `runs`'.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from tqdm import tqdm

from transformer import runs, threads
from transformer.base import Weights
from transformer.checkpoint import Json, State
from transformer.config import Config, count, init, must_fit
from transformer.data import NAMES, Documents, Text, baselines, read
from transformer.interrupt import Interrupt
from transformer.options import config_of, recipe_of
from transformer.runs import Facts, Run
from transformer.sample import write
from transformer.train import DivergedError, Recipe, fit, start, validate

KINDS: dict[str, Callable[[str, int, np.random.Generator], Documents | Text]] = {"documents": Documents, "text": Text}
HEAD = "step,train_loss,val_loss\n"


@dataclasses.dataclass
class Session:
    """A run with its data and recipe, from the state on."""

    run: Run
    data: Documents | Text
    recipe: Recipe
    state: State
    record: Json  # before, val, best, steps: what is saved beside the state
    logs: dict[str, int]  # the files that are appended to, and where
    threads: int

    def go(self) -> int:
        """Train to the end or to an interruption; the exit status."""
        begun, status = self.state.step, 0
        with self.run, threads.limited(self.threads), Interrupt() as interrupt:
            log = self.run.log("loss.csv", self.logs["loss.csv"])
            try:
                self._steps(log, interrupt)
            except DivergedError as error:
                status = 1
                print(f"python -m transformer train: {error}\nThe last good parameters are kept.", file=sys.stderr)
                self.state = error.state
            except (KeyboardInterrupt, SystemError):  # pressed twice; NumPy turns it into a SystemError among Values
                if not interrupt.asked:
                    raise
            interrupt.hold()
            if interrupt.asked and self.state.step < self.recipe.steps:
                made = f"{self.state.step} of {self.recipe.steps} steps"
                print(f"\nstopped after {made}; what was learned is kept", file=sys.stderr)
                self.record["val"] = validate(self.state.params, self.data, self.run.facts.config)
                status = 128 + interrupt.asked
            if status != 1 and self.state.step > begun:
                self.run.save(self.state, self.record)
            log.flush()
            runs.draw_losses(self.run.folder, baselines(self.data), self.record["before"])
        return status

    def _steps(self, log: IO[bytes], interrupt: Interrupt) -> None:
        config, folder = self.run.facts.config, self.run
        with tqdm(total=self.recipe.steps, initial=self.state.step, unit="step", dynamic_ncols=True) as bar:
            tokens = 0
            for done in fit(self.state, self.data, config, self.recipe):
                self.state, tokens = done.state, tokens + done.tokens
                val = "" if done.val_loss is None else f"{done.val_loss:.6f}"
                log.write(f"{done.step},{done.loss:.6f},{val}\n".encode())
                if done.val_loss is not None:
                    self.record["val"] = done.val_loss
                    if best := done.val_loss < self.record["best"]["val"]:
                        self.record["best"] = {"val": done.val_loss, "step": done.step}
                    folder.save(self.state, self.record, best)
                speed = tokens / max(1e-9, bar.format_dict["elapsed"])
                bar.set_postfix_str(
                    f"loss {done.loss:.3f}, val {self.record['val']:.3f}, {speed:,.0f} tokens/s", refresh=False
                )
                bar.update()
                if interrupt.asked:
                    break


def begin(args: argparse.Namespace) -> Session:
    """A new training: data, fresh parameters, and a run folder that holds them."""
    if args.file is not None and args.data is not None:
        raise ValueError(f"the data is given twice: {args.file}, and --data {args.data}; give one")
    path, kind, seed = args.file or args.data, args.kind or "documents", args.seed or 0
    rng = np.random.default_rng(seed)
    config, recipe = config_of(args), recipe_of(args)
    data = KINDS[kind](read(path or NAMES), config.block_size, rng)
    n_vocab = data.vocabulary.size
    if args.vocab_size is not None and args.vocab_size < n_vocab:
        raise ValueError(
            f"--vocab-size {args.vocab_size} is too small: the data has {n_vocab} tokens, its characters and a boundary"
        )
    config = dataclasses.replace(config, vocab_size=args.vocab_size or n_vocab)
    n_time = data.train.shape[1] - 1
    must_fit(config, recipe.batch_size, n_time, recipe.scalar)
    state = start(init(config, rng), data, recipe, rng)
    before = validate(state.params, data, config)
    record = {"steps": recipe.steps, "before": before, "val": before, "best": {"step": 0, "val": before}}
    source = {"data": path and os.path.abspath(path), "as": kind, "fingerprint": data.fingerprint}
    n_threads = args.threads or threads.chosen(config, recipe.batch_size * n_time)
    how = {"preset": args.preset or "microgpt", "seed": seed, "threads": n_threads, **dataclasses.asdict(recipe)}
    facts = Facts(config, data.vocabulary, {**source, **how})
    run = runs.create(args.out, facts, state, record, {"loss.csv": HEAD})
    return Session(run, data, recipe, state, record, {"loss.csv": len(HEAD)}, n_threads)


def resume(args: argparse.Namespace) -> Session:
    """A training that goes on from its last state; ValueError for options that would change what it computes."""
    own = runs.facts(args.resume)
    run = Run(Path(args.resume), own)
    state, record, logs = run.open()
    config, options = own.config, own.options
    recipe = Recipe(**{field.name: options[field.name] for field in dataclasses.fields(Recipe)})
    recipe = dataclasses.replace(recipe, steps=record["steps"])
    known = {**dataclasses.asdict(config), **options, "kind": options["as"]}
    for name, x in vars(args).items():
        may_differ = name in ("command", "prog", "resume", "data", "file", "steps", "threads")
        if not may_differ and x is not None and x != known.get(name):
            option = f"--{'as' if name == 'kind' else name.replace('_', '-')} {x}"
            raise ValueError(f"{option}: this run was begun with {known.get(name)}; only --steps can be raised")
    if args.steps is not None and args.steps < recipe.steps:
        raise ValueError(f"--steps {args.steps} is less than the run's {recipe.steps:,}; it can only be raised")
    recipe = dataclasses.replace(recipe, steps=args.steps or recipe.steps)
    path = args.file or args.data or options["data"]
    data = KINDS[options["as"]](read(path or NAMES), config.block_size, np.random.default_rng(options["seed"]))
    if data.fingerprint != options["fingerprint"]:
        raise ValueError(f"{path or NAMES} is not the data that {run.folder} was trained on")
    record = {**record, "steps": recipe.steps}
    return Session(run, data, recipe, state, record, logs, args.threads or options["threads"])


def train(args: argparse.Namespace) -> int:
    """Train a model, show how it goes, and leave a run folder."""
    session = begin(args) if args.resume is None else resume(args)
    data, config = session.data, session.run.facts.config
    kind = "windows of a text" if isinstance(data, Text) else "documents"
    print(
        f"{len(data.train):,} {kind} to train on, {len(data.held_out):,} held out; "
        f"{data.vocabulary.size} tokens; {count(config):,} parameters"
    )
    if data.cut:
        print(
            f"{data.cut:,} documents are longer than block_size={config.block_size} and are cut; --block-size sets it"
        )
    if session.state.step:
        print(f"going on from step {session.state.step:,}")
    many = f"{session.threads} thread{'s' * (session.threads > 1)}"
    print(f"{many} for products of matrices" + ("" if args.threads else ", what pays at this size; --threads sets it"))
    status = session.go()
    state, record, folder = session.state, session.record, session.run.folder
    print(
        f"\nvalidation loss, nats a character: {record['before']:.4f} before, "
        f"{record['val']:.4f} after {state.step:,} steps"
    )
    levels = baselines(data)
    print("on the same held-out text:  " + "  ".join(f"{name} {x:.4f}" for name, x in levels.items()))
    best = record["best"]
    if record["val"] > best["val"]:
        print(
            f"it was lowest at step {best['step']:,}, {best['val']:.4f}, and rose since; sample --best uses that step"
        )
    print()
    rng = np.random.default_rng()
    rng.bit_generator.state = state.rng
    with np.errstate(all="ignore"):
        show_samples(state.params, config, data, rng)
    print(f"\nrun folder: {folder}  ({', '.join(sorted(path.name for path in folder.iterdir()))})")
    name = shlex.quote(f"./{folder}" if str(folder).startswith("-") else str(folder))
    unfinished = status and state.step < session.recipe.steps
    print(f"next: {args.prog} " + (f"train --resume {name}" if unfinished else f"sample {name} --temperature 0.5"))
    return status


def show_samples(params: Weights, config: Config, data: Documents | Text, rng: np.random.Generator) -> None:
    """Print twenty documents, marked where they were in the training data; or a stretch of a text."""
    if isinstance(data, Text):
        chars = data.vocabulary.chars
        print(write(params, config, data.vocabulary, "\n" if "\n" in chars else chars[0], 300, rng, 0.8))
        return
    names = [write(params, config, data.vocabulary, "", config.block_size, rng, 0.8) for _ in range(20)]
    width = max(map(len, names)) + 8
    marked = [f"{name} ({'seen' if name in data.seen else 'new'})".ljust(width) for name in names]
    print("\n".join("  " + " ".join(marked[i : i + 4]).rstrip() for i in range(0, 20, 4)))
